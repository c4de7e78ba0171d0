"""The command `chat`: what a line means, without I/O; the loop, in this process; and all of it once, at a terminal.

Two helpers are used throughout:

    chat.converse(session, typed("one", "/retry"), cli.show, terminal=True)    # these lines are typed, then Ctrl-D
    run_chat("openai", "-m", "m", lines="one")                                 # the exit code of `chat`, with a pipe
"""

import io
import json
import os
import re
import select
import shlex
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

import g4flite
from g4flite.__main__ import main
from g4flite._core.events import Reasoning, Usage
from g4flite.apps import chat, cli
from g4flite.apps.chat import markdown
from g4flite.apps.chat.session import HELP, Session, decide
from g4flite.testing import Emulator, Finish, Script
from tests.conftest import bare_environment
from tests.rows import rows

SECRET = "sk-s3cret-s3cret"
USER = {"role": "user", "content": "Hello"}
ASSISTANT = {"role": "assistant", "content": "Hi"}
NEW = Session("cromicle", settings={"proxy": "http://p:1", "timeout": 9, "headers": {"x-own": SECRET}, "seed": 1})
SAID = replace(NEW, turns=(USER, ASSISTANT))
POSIX = pytest.mark.skipif(os.name != "posix", reason="terminals and signals of POSIX")
Captured = pytest.CaptureFixture[str]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def typed(*lines: Any, server: Emulator | None = None) -> Callable[[str], str]:
    """Return a function that reads these lines, raises those that are exceptions, then reports the end of input.

    A line that is a `Script` is what the server does from now on.
    """
    left = iter([*lines, EOFError()])

    def read(prompt: str) -> str:
        line = next(left)
        if isinstance(line, BaseException):
            raise line
        if isinstance(line, Script) and server is not None:
            server.script = line
            return read(prompt)
        return str(line)

    return read


# What a line means


@rows("line", ["Hello", " /tmp is full", "/tmp/x\nis full", "a /help"])
def test_a_line_is_a_question(line: str) -> None:
    step = decide(replace(SAID, pending=(ASSISTANT,)), line)
    assert (step.do, step.session) == ("ask", replace(SAID, pending=({"role": "user", "content": line},)))


def test_a_session_is_printed_without_its_secrets() -> None:
    assert str(NEW) == "cromicle, model gpt-3.5-turbo"
    assert str(Session("openai")) == "openai, no model yet: /model NAME chooses one"
    assert SECRET not in repr(NEW)


@rows(
    ("line", "change", "said"),
    [
        ("/help", {}, HELP),
        ("/model", {}, "cromicle, model gpt-3.5-turbo"),
        ("/model gpt-3.5-turbo ", {"model": "gpt-3.5-turbo"}, "cromicle, model gpt-3.5-turbo"),
        ("/provider", {}, "cromicle, model gpt-3.5-turbo"),
        ("/provider cromicle", {}, "cromicle, model gpt-3.5-turbo"),
        ("/system", {}, "system: nothing"),
        ("/system Be  brief.", {"system": "Be  brief."}, "system: Be  brief."),
    ],
)
def test_a_command_changes_the_session(line: str, change: dict[str, Any], said: str) -> None:
    assert decide(SAID, line) == ("say", replace(SAID, **change), said)


def test_the_system_message_stays_until_it_is_taken_away() -> None:
    brief = replace(SAID, system="Be brief.")
    assert decide(brief, "/system") == ("say", brief, "system: Be brief.")
    assert decide(brief, "/system -") == ("say", SAID, "system: nothing")


def test_another_provider_gets_no_setting_that_was_meant_for_the_last_one() -> None:
    _, session, said = decide(replace(SAID, model="gpt-3.5-turbo"), "/provider openai")
    assert said == "openai, no model yet: /model NAME chooses one"
    assert (session.provider, session.model, session.turns) == ("openai", None, SAID.turns)
    assert session.settings == {"proxy": "http://p:1", "timeout": 9}


@pytest.mark.parametrize("name", ["openai", "cromicle"])
def test_provider_takes_a_base_url(name: str) -> None:
    _, session, said = decide(SAID, f"/provider {name}  http://127.0.0.1:8765 ")
    assert said.startswith(name)
    assert (session.provider, session.turns) == (name, SAID.turns)
    assert session.settings == {"proxy": "http://p:1", "timeout": 9, "base_url": "http://127.0.0.1:8765"}


def test_save_and_load_take_the_path_of_a_file() -> None:
    assert decide(SAID, "/save two words.jsonl") == ("save", SAID, "two words.jsonl")
    assert decide(SAID, "/load ~/talk.jsonl") == ("load", SAID, "~/talk.jsonl")


@rows(
    ("line", "message"),
    [
        ("/saev x", r"there is no command /saev \(did you mean '/save'\?\); Ctrl-D leaves"),
        ("/", "there is no command /; Ctrl-D leaves$"),
        ("/save", "which file\\? type /save talk.jsonl"),
        ("/load ", "which file\\? type /load talk.jsonl"),
        ("/model gpt-9", "there is no model 'gpt-9'"),
        ("/provider cromicel", "did you mean 'cromicle'"),
        ("/retry", "nothing was asked yet"),
    ],
)
def test_a_wrong_command_is_an_error_that_says_what_to_type(line: str, message: str) -> None:
    with pytest.raises(g4flite.UsageError, match=message):
        decide(NEW, line)


def test_retry_asks_the_last_question_again_in_place_of_its_answer() -> None:
    asked = replace(NEW, pending=(USER,))
    assert decide(SAID, "/retry") == ("ask", asked, "")
    assert decide(asked, "/retry") == ("ask", asked, "")
    with pytest.raises(g4flite.UsageError, match="nothing was asked yet"):
        replace(NEW, turns=(ASSISTANT,)).again()


def test_an_answer_joins_its_question_in_the_history() -> None:
    assert NEW.asked("Hello").answered("Hi") == SAID
    assert SAID.asked("More").history == SAID.history == [USER, ASSISTANT]


@pytest.mark.parametrize("system", ["", "Be\nbrief: ä\u2028"])
def test_a_saved_history_can_be_loaded(system: str) -> None:
    told = replace(SAID, system=system)
    lines = told.dump().split("\n")
    messages = [json.loads(line) for line in lines[:-1]]
    assert (messages, lines[-1]) == (told.history, "")
    assert replace(NEW, system="other", pending=(USER,)).loaded(messages) == told


def test_an_empty_history_is_not_saved() -> None:
    with pytest.raises(g4flite.UsageError, match="nothing to save yet"):
        NEW.asked("Hello").dump()


# Which blocks of an answer are finished


@rows(
    ("done", "open_"),
    [
        ("", ""),
        ("", "one\ntwo\n\n"),
        ("one\n\n", "t"),
        ("one\n\ntwo\n \n", "three"),
        ("\n", "one"),
        ("```py\nx\n\ny\n```\n", "z"),
        ("", "```py\nx\n\ny\n"),
        ("", "````\n```\n\nx\n"),
        ("", "```\n``` x\n\ny"),
        ("", "~~~\n```\n\nx"),
        ("~~~\n~~~~ \n", ""),
        ("```x``` is code\n\n", "and this is not"),
        ("", "- a\n\n- b\n\n  more\n\n-"),
        ("- a\n\n", "b"),
        ("- a\nb\n", "```\nx\n\ny"),
        ("", "1. a\n\n   ```\n   x\n\ny\n   ```\n\n2"),
        ("1. a\n\n   ```\n   x\n   ```\n\n", "y"),
        ("a\n\n- b\n\n- c\n\n", "# d"),
    ],
)
def test_a_block_is_finished_when_nothing_can_change_it_any_more(done: str, open_: str) -> None:
    assert markdown.finished(done + open_) == len(done)


@rows("size", [1, 2, 3, 7, 1000])
def test_an_answer_has_the_same_blocks_at_any_split(size: int) -> None:
    text = "# a\n\nb\n\n1. c\n\n2. d\n\n```\ne\n\nf\n```\n- g\n\n-h\n\n2\n\ni\n"
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    states = [*markdown.blocks(pieces)]
    assert len(states) == len(pieces)
    assert "".join(done for _, done, _ in states) == text[: markdown.finished(text)] == text[:-2]
    assert states[-1][2] == "i\n"


def test_reasoning_is_a_block_of_its_own() -> None:
    items = [Usage(1), Reasoning("Hm\n"), Reasoning("\nSo"), "Y", "es\x1b[1m\x07"]
    assert [*markdown.blocks(items)] == [
        (str, "", ""), (Reasoning, "", "Hm\n"), (Reasoning, "Hm\n\n", "So"), (Reasoning, "So", ""), (str, "", "Y"),
        (str, "", "Yes[1m"),
    ]  # fmt: skip


# What is printed


def seen(written: str) -> list[str]:
    """Return the lines on an endless terminal after this was written to it, which may use what `rich` uses."""
    lines, row = [""], 0
    for text, control in re.findall(r"([^\x1b\r\n]+)|(\x1b\[[?\d;]*[A-Za-z]|[\r\n])", written):
        if text:
            lines[row] += text
        elif control == "\n":
            row += 1
            lines += [""] * (row == len(lines))
        elif control == "\x1b[2K":
            lines[row] = ""
        elif control == "\x1b[1A":
            row -= 1
        else:
            assert control == "\r" or control.endswith("m") or control in ("\x1b[?25l", "\x1b[?25h"), control
    return [line.rstrip() for line in lines]


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=30, height=8, _environ={})


def shown(server: Emulator, console: Console, *pieces: Any) -> str:
    """Return what is written to the console for an answer of these pieces."""
    server.reply = lambda messages: pieces
    markdown.show_markdown(g4flite.stream("ollama", "Hi", model="m", base_url=server.url, retries=0), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_markdown_is_rendered(server: Emulator, console: Console) -> None:
    written = shown(
        server,
        console,
        Reasoning("Hm"),
        "## T\n\nso **bo",
        "ld** <b>\x1b[5m\u202e [a](http://x)\n- i\n\n```py\nx = 1\n```\n",
    )
    assert "\x1b[1mbold\x1b[0m" in written
    assert "\x1b[2mHm\x1b[0m" in written
    assert "\x1b[5m" not in written
    assert "\u202e" not in written
    lines = [line.strip() for line in seen(written) if line.strip()]
    assert lines == ["Hm", "T", "so bold <b>[5m a (http://x)", "• i", "x = 1"]


def test_an_answer_longer_than_the_terminal_is_shown_once(server: Emulator, console: Console) -> None:
    code = [f"line_{number}" for number in range(20)]
    written = shown(server, console, "```\n", *[f"{line}\n" for line in code], "\n\n```\n", "\nend\n\n[x]: http://x")
    lines = [line.strip() for line in seen(written)]
    assert lines[:22] == [*code, "", "end"]
    assert not any(lines[22:])
    assert max(map(len, re.findall(r"(?:\x1b\[1A\x1b\[2K)+", written)), default=0) < 8 * len("\x1b[1A\x1b[2K")


@pytest.mark.parametrize(("first", "mark"), [("```", ""), ("- 0", "• "), ("", "")])
def test_an_open_block_is_drawn_no_longer_than_the_terminal(first: str, mark: str, console: Console) -> None:
    item = "- " * bool(mark) + "{}" + "  " * (not first)
    end = markdown.Block(text="\n".join([first, *(item.format(number) for number in range(1, 20))]), live=True)
    lines = ["".join(segment.text for segment in line).strip() for line in console.render_lines(end, pad=False)]
    assert lines == [*(f"{mark}{number}" for number in range(14, 20)), ""]


def test_the_text_of_an_answer_that_breaks_off_stays_on_the_screen(server: Emulator, console: Console) -> None:
    server.script = Script(cut=400)
    with pytest.raises(g4flite.TruncatedStreamError) as caught:
        shown(server, console, "## One", "\n\ntwo", "\n\n**three", " four" * 40)
    assert isinstance(console.file, io.StringIO)
    assert " ".join(" ".join(seen(console.file.getvalue())).split()) == caught.value.partial.replace("## ", "").replace(
        "\n\n", " "
    )


# The loop


@pytest.fixture
def session(server: Emulator) -> Session:
    settings = {"base_url": server.url, "api_key": SECRET, "retries": 0}
    return Session("ollama", model="m", settings=settings)


def said(server: Emulator) -> list[str]:
    """Return the contents of the messages in the last request."""
    return [message["content"] for message in server.exchanges[-1].messages]


def test_each_question_is_sent_with_the_history(session: Session, server: Emulator, capsys: Captured) -> None:
    read = typed("/system Be brief.", "one", "", '"""', "two", " lines", ' """', "/retry", '"""', "open", EOFError())
    assert chat.converse(session, read, cli.show, terminal=True)
    assert capsys.readouterr().out == "You said: one\nYou said: two\n lines\nYou said: two\n lines\nYou said: open\n"
    assert [len(exchange.messages) for exchange in server.exchanges] == [2, 4, 4, 6]
    assert said(server) == ["Be brief.", "one", "You said: one", "two\n lines", "You said: two\n lines", "open"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Script(cut=500), "ollama: the reply was cut off.*; /retry asks again"),
        (Script(problem="rate_limit"), "ollama: .*429.*; /retry asks again"),
        (Script(problem="authentication"), "ollama: .*401.*; /provider NAME asks another provider"),
        (Script(problem="not_found"), "ollama: .*404.*; /model NAME asks another model"),
    ],
)
def test_an_answer_that_fails_is_one_line_and_not_in_the_history(
    fault: Script, message: str, session: Session, server: Emulator, capsys: Captured
) -> None:
    read = typed("one", fault, "two", "/retry", Script(), "/retry", "three", server=server)
    assert not chat.converse(session, read, cli.show, terminal=False)
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 2
    assert all(re.fullmatch(f"g4flite: error: {message}", line) for line in err)
    assert SECRET not in "".join(err)
    assert said(server) == ["one", "You said: one", "two", "You said: two", "three"]


@pytest.mark.parametrize("pieces", [["Hello"], []])
def test_an_answer_that_ctrl_c_stops_is_kept_as_far_as_it_came(
    pieces: list[str], session: Session, server: Emulator, capsys: Captured
) -> None:
    server.reply = lambda messages: [*pieces, Reasoning("Hm"), " again"]

    def paint(reply: g4flite.Stream) -> None:
        for event in reply.events():
            if isinstance(event, Reasoning):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        chat.converse(session, typed("one"), paint, terminal=False)
    assert chat.converse(session, typed("one", "two", KeyboardInterrupt()), paint, terminal=True)
    assert capsys.readouterr().err.count("[stopped; what came is kept, /retry asks again]\n") == 2 * len(pieces)
    assert said(server) == [*(["one", "Hello"] if pieces else []), "two"]


def test_an_answer_without_text_is_not_kept_and_its_finish_reason_is_printed(
    session: Session, server: Emulator, capsys: Captured
) -> None:
    texts = iter([[], ["Hi"]])
    server.reply = lambda messages: [Reasoning("Hm"), *next(texts), Finish("length")]
    assert not chat.converse(session, typed("one", "/retry"), cli.show, terminal=False)
    error, ended = capsys.readouterr().err.splitlines()
    assert error == "g4flite: error: ollama: the answer holds no text (finish reason: length); /retry asks again"
    assert ended == "[finish reason: length]"
    assert said(server) == ["one"]


def test_a_conversation_is_saved_and_loaded(
    session: Session, server: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert chat.converse(session, typed("/system Be brief.", "one", "/save ~/talk"), cli.show, terminal=False)
    saved = (tmp_path / "talk").read_text("utf-8")
    assert [*map(json.loads, saved.splitlines())] == [
        {"role": "system", "content": "Be brief."}, USER | {"content": "one"}, ASSISTANT | {"content": "You said: one"},
    ]  # fmt: skip
    assert chat.converse(session, typed("other", f"/load {tmp_path / 'talk'}", "two"), cli.show, terminal=False)
    assert said(server) == ["Be brief.", "one", "You said: one", "two"]
    err = capsys.readouterr().err
    assert "wrote 3 messages into ~/talk\n" in err
    assert f"read 3 messages from {tmp_path / 'talk'}\n" in err


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", "there are no messages"),
        ("{}", "message 1 has no role"),
        ("no", "could not read FILE as lines of JSON: "),
        ("[" * 100_000, "could not read FILE as lines of JSON: "),
        (None, "could not read FILE as lines of JSON: "),
    ],
)
def test_a_file_without_a_conversation_changes_nothing(
    lines: str | None, message: str, tmp_path: Path, session: Session, server: Emulator, capsys: Captured
) -> None:
    file = tmp_path / "talk"
    if lines is not None:
        file.write_text(lines)
    assert not chat.converse(session, typed("one", f"/load {file}", "two"), cli.show, terminal=False)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"g4flite: error: {message.replace('FILE', str(file))}")
    assert line.endswith("; /help says what can be typed")
    assert said(server) == ["one", "You said: one", "two"]


def test_a_file_that_cannot_be_written_is_an_error_of_one_line(tmp_path: Path, capsys: Captured) -> None:
    assert not chat.converse(SAID, typed(f"/save {tmp_path}", "/save a\0b", "/help"), cli.show, terminal=False)
    folder, name, *rest = capsys.readouterr().err.splitlines()
    assert folder.startswith(f"g4flite: error: could not write {tmp_path}: ")
    assert name.startswith("g4flite: error: could not write a")
    assert rest == HELP.splitlines()


# The command


@pytest.fixture
def run_chat(monkeypatch: pytest.MonkeyPatch, server: Emulator) -> Callable[..., int]:
    """Return a function that runs `chat` with these arguments and lines of a pipe, and returns the exit code."""
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    monkeypatch.setitem(sys.modules, "readline", None)

    def run(*arguments: str, lines: str = "", stdin: Any = None) -> int:
        monkeypatch.setattr(sys, "stdin", stdin or io.StringIO(lines))
        try:
            return main(["chat", *arguments])
        except SystemExit as done:
            return int(str(done.code))

    return run


def test_each_line_of_a_pipe_is_a_turn(run_chat: Callable[..., int], server: Emulator, capsys: Captured) -> None:
    assert run_chat("openai", "-m", "m", "-s", "Be brief.", "-o", "seed=7", lines="one\n\ntwo") == 0
    assert capsys.readouterr() == ("You said: one\nYou said: two\n", "")
    assert said(server) == ["Be brief.", "one", "You said: one", "two"]
    assert server.exchanges[-1].options["seed"] == 7


def test_a_line_that_fails_makes_the_exit_code_1(run_chat: Callable[..., int], capsys: Captured) -> None:
    assert run_chat("openai", lines="one\n/model m\n/retry") == 1
    out, err = capsys.readouterr()
    assert out == "You said: one\n"
    assert err.splitlines() == [
        "g4flite: error: openai: there is no default model; name one with /model NAME, like gpt-4o-mini",
        "openai, model m",
    ]


def test_readline_is_told_to_take_a_pasted_block_as_one_text(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setitem(sys.modules, "readline", SimpleNamespace(parse_and_bind=told.append))
    chat.edit_lines()
    assert told == ["set enable-bracketed-paste on"]


@pytest.mark.parametrize("term", ["xterm", "dumb"])
@pytest.mark.parametrize("missing", [None, "rich.console"])
@pytest.mark.parametrize("flags", [[], ["--plain"]])
def test_markdown_is_rendered_at_a_terminal_if_rich_is_installed(
    term: str, missing: str | None, flags: list[str], run_chat: Callable[..., int], monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> None:  # fmt: skip
    if missing:
        monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert run_chat("openai", "-m", "m", *flags, stdin=Terminal("**bold**\n/oops")) == 0
    out = sys.stdout.getvalue()  # type: ignore[attr-defined]
    rendered = (term, missing, flags) == ("xterm", None, [])
    assert ("\x1b[1mbold\x1b[0m" in out, "You said: **bold**\n" in out) == (rendered, not rendered)
    assert out.startswith("> ")
    banner, *notes, error, end, _ = capsys.readouterr().err.split("\n")
    assert end == ""
    told = "answers come as plain text; to render Markdown, chat needs rich: pip install rich"
    assert notes == [told] * bool(missing and not flags)
    assert banner == "openai, model m; /help says what can be typed, Ctrl-D leaves"
    assert error == "g4flite: error: there is no command /oops; Ctrl-D leaves; /help says what can be typed"


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (["cromicel"], None, "there is no provider 'cromicel'"),
        (["cromicle", "-m", "gpt-9"], None, "cromicle: there is no model 'gpt-9'"),
        (["groq", "-m", "m"], None, "groq: there is no API key"),
        (["--base-url", "http://h"], None, "--base-url and --header belong to a provider"),
        (["-H", f"x-own: {SECRET}"], None, "--base-url and --header belong to a provider"),
        (["openai", "-m", "m"], io.TextIOWrapper(io.BytesIO(b"\xff"), "utf-8"), "standard input is no text: 'utf-8'"),
    ],
)
def test_a_chat_that_cannot_work_is_wrong_usage(
    arguments: list[str], stdin: Any, message: str, run_chat: Callable[..., int], capsys: Captured
) -> None:
    assert run_chat(*arguments, lines="/help", stdin=stdin) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"g4flite: error: {message}")
    assert SECRET not in err


def test_without_standard_input_there_is_no_conversation(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["chat", "openai"]) == 2
    assert capsys.readouterr().err.startswith("g4flite: error: there is no standard input to read; try: echo Hello | ")


def test_the_provider_is_the_first_that_could_work_from_here(
    monkeypatch: pytest.MonkeyPatch, run_chat: Callable[..., int], server: Emulator, capsys: Captured
) -> None:
    assert run_chat("-m", "m", lines="Hello") == 0
    assert server.exchanges[-1].service == "chat"
    monkeypatch.delenv("OPENAI_API_KEY")
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        for name in ("OLLAMA", "LLAMACPP", "VLLM", "LMSTUDIO"):
            monkeypatch.setenv(f"G4FLITE_{name}_BASE_URL", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        with pytest.raises(g4flite.UsageError, match="no key is set and no server runs here: set OPENAI_API_KEY"):
            chat.choose()
        monkeypatch.setenv("G4FLITE_VLLM_BASE_URL", server.url)
        assert chat.choose() == "vllm"
        monkeypatch.setenv("AZURE_OPENAI_API_KEY", SECRET)  # and no address of it
        assert chat.choose() == "vllm"
        monkeypatch.setenv("COHERE_API_KEY", SECRET)
        assert chat.choose() == "cohere"


def test_a_warning_is_printed_once_and_not_before_each_answer(capsys: Captured) -> None:
    session = Session("openai", "m", settings={"base_url": "http://elsewhere.test/v1", "api_key": SECRET}).asked("Hi")
    with cli.warnings_as_lines():
        chat.answer(session)
        chat.answer(session)
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.startswith("g4flite: warning: openai: a key goes to another machine over plain http")


@pytest.mark.parametrize("url", ["http://ä..b", "https://127.0.0.1:1"])
def test_a_server_that_accepts_no_connection_does_not_listen(url: str) -> None:
    assert not chat.listens(url)


# All of it, at a terminal


class Pty:
    """A program at a terminal of its own, 60 columns wide and 12 lines high."""

    def __init__(self, *command: str, **variables: str) -> None:
        import fcntl
        import termios

        self.terminal, inner = os.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("4H", 12, 60, 0, 0))
        shell = f"exec {shlex.join(command)} <{os.ttyname(inner)}"  # whose first terminal, opened anew, controls it
        environment = bare_environment() | {"TERM": "xterm-256color"} | variables
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), inner)
        self.process = subprocess.Popen(["/bin/sh", "-c", shell], start_new_session=True, env=environment, **pipes)
        os.close(inner)
        self.written = ""

    def type(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def until(self, text: str) -> str:
        """Return what is written up to this text, and the text."""
        while text not in self.written:
            assert self.more(), f"the program ended before {text!r}: {self.written}"
        found, _, self.written = self.written.partition(text)
        return found + text

    def rest(self) -> str:
        """Return what is written until the program ends."""
        while self.more():
            pass
        return self.written

    def more(self) -> bool:
        """Read more of what is written.  Return False if the program has ended."""
        assert select.select([self.terminal], [], [], 120)[0], f"nothing more after {self.written!r}"
        try:
            data = os.read(self.terminal, 65536)
        except OSError:  # nobody has the other end any more
            return False
        self.written += data.decode()  # what is typed here is ASCII, so that no character is cut in two
        return bool(data)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)


@pytest.fixture
def pty(server: Emulator) -> Iterator[Pty]:
    """A conversation that has begun.  The server pauses in the middle of its answer to "wait"."""
    opened = threading.Event()

    def reply(messages: list[Any]) -> Iterator[str]:
        yield f"You said: {messages[-1]['content']}"
        if messages[-1]["content"] == "wait":
            opened.wait(120)
            yield " no more"

    server.reply = reply
    variables = {"OPENAI_API_KEY": SECRET, "OPENAI_BASE_URL": f"{server.url}/v1"}
    pty = Pty(sys.executable, "-m", "g4flite", "chat", "-m", "m", **variables)
    yield pty
    opened.set()
    pty.close()


@POSIX
@pytest.mark.heavy
def test_a_conversation_at_a_terminal(pty: Pty, server: Emulator, tmp_path: Path) -> None:
    import readline

    log = [pty.until("> ")]

    def type_(text: str) -> str:
        pty.type(text)
        log.append(pty.until("> "))
        return log[-1]

    assert log[0].startswith("openai, model m; /help says what can be typed, Ctrl-D leaves\r\n")
    assert "You said: so \x1b[1mbold\x1b[0m" in type_("so **bold**\n")

    server.script = Script(cut=600)  # behind the text, before the finish reason
    assert re.search(
        r"You said: cut\s.*error: openai: the reply was cut off.*; /retry asks again", type_("cut\n"), re.S
    )
    server.script = Script(status=429, headers={"retry-after": "0"})
    assert "error: openai: status 429 Too Many Requests" in type_("/retry\n")
    server.script = Script()
    assert "You said: cut" in type_("/retry\n")
    assert said(server) == ["so **bold**", "You said: so **bold**", "cut"]

    pty.type("wait\n")
    log.append(pty.until("You said: wait"))
    assert "[stopped; what came is kept, /retry asks again]" in type_("\x03")
    pty.type("half a line")
    log.append(pty.until("half a line"))
    pty.type("\x03\n")  # a signal just before readline waits is seen with the next key, which leaves a line behind
    pty.type("on\n")
    log.extend((pty.until("You said: on"), pty.until("> ")))
    assert said(server)[-3:] == ["wait", "You said: wait", "on"]

    # macOS has libedit in place of GNU readline, which knows no pasted blocks.
    if "GNU" in (readline.__doc__ or ""):
        # The prompt asks the terminal to put these marks around a pasted block; the Enter key follows.
        assert log[0].endswith("\x1b[?2004h> ")
        type_("\x1b[200~two\nlines\n\x1b[201~\n")
    else:
        type_('"""\ntwo\nlines\n\n"""\n')
    assert said(server)[-1] == "two\nlines\n"

    file = tmp_path / "talk.jsonl"
    assert "wrote 10 messages into " in type_(f"/save {file}\n")
    assert [json.loads(line)["content"] for line in file.read_text().splitlines()] == [
        *said(server),
        f"You said: {said(server)[-1]}",
    ]
    assert "read 10 messages from " in type_(f"/load {file}\n")
    pty.type("\x04")
    log.append(pty.rest())
    assert pty.process.wait(120) == 0
    assert SECRET not in "".join(log) + file.read_text()


@POSIX
@pytest.mark.heavy
def test_the_examples_of_the_help_work_as_printed(server: Emulator, capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        main(["chat", "--help"])
    _, _, example = capsys.readouterr().out.partition("\nexample")
    lines = re.findall(r"^  (.+)$", example.replace("http://127.0.0.1:8765", server.url), re.MULTILINE)
    for line, said in zip(lines, ["", "You said: Hello\n"], strict=True):
        done = subprocess.run(line, shell=True, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stdout, done.stderr) == (0, said, "")
