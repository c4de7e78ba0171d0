"""The command line: in this process to test what it prints, in a process of its own to test pipes and signals."""

import io
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from configparser import ConfigParser
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

import g4flite
from g4flite import providers
from g4flite.__main__ import main
from g4flite._core.other_options import INSTEAD
from g4flite.apps import cli
from g4flite.testing import Emulator, Finish, Script, ToolCall
from tests.acme import ACME
from tests.apps.complaints import a_line
from tests.founders import FOUNDERS
from tests.rows import rows

NAME = cli.PACKAGE
COMMAND = [sys.executable, "-m", NAME]
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and broken pipes of POSIX")

Captured = pytest.CaptureFixture[str]


@contextmanager
def running(*command: str, **settings: Any) -> Iterator[Any]:
    """A process whose pipes the test reads.  It is killed if the test fails, and after 30 s in any case."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **settings}
    with ExitStack() as stack:
        process = subprocess.Popen(command, text=True, encoding="utf-8", **pipes)
        limit = threading.Timer(120, process.kill)
        limit.start()
        stack.callback(limit.cancel)
        stack.enter_context(process)
        try:
            yield process
        except BaseException:
            process.kill()
            raise


def run(command: list[str] | str, **settings: Any) -> tuple[int, str, str]:
    """Return exit code, standard output and standard error of a command; a string is run by the shell."""
    done = subprocess.run(
        command,
        shell=isinstance(command, str),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        **settings,
    )
    return done.returncode, done.stdout, done.stderr


class Gate:
    """An answer of two pieces; the second piece waits until the test opens the gate."""

    def __init__(self) -> None:
        self.opened = threading.Event()

    def __call__(self, messages: object) -> Iterator[str]:
        yield "Hello"
        self.opened.wait(120)
        yield " again"


@pytest.fixture(autouse=True)
def _buffered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output is buffered, as it is for users: so that a test fails if a flush is missing."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)


@pytest.fixture
def gate(server: Emulator) -> Iterator[Gate]:
    server.reply = gate = Gate()
    yield gate
    gate.opened.set()


@pytest.fixture
def stream(server: Emulator) -> Callable[..., int]:
    """Return a function that runs `stream cromicle Hello` with more arguments, and returns the exit code."""
    return lambda *more: main(["stream", "cromicle", "Hello", "--base-url", server.url, *more])


@pytest.mark.parametrize("name", FOUNDERS)
def test_an_answer_is_printed_with_a_line_end(name: str, server: Emulator, capsys: Captured) -> None:
    assert main(["stream", name, "Hello", "--base-url", server.url]) == 0
    assert capsys.readouterr() == ("You said: Hello\n", "")


def test_a_line_end_at_the_end_of_the_answer_is_not_doubled(
    server: Emulator, stream: Callable[..., int], capsys: Captured
) -> None:
    server.reply = lambda messages: "one\ntwo\n"
    assert stream() == 0
    assert capsys.readouterr().out == "one\ntwo\n"


def test_every_flag_reaches_the_provider(server: Emulator, capsys: Captured) -> None:
    flags = ["-s", "Be brief.", "-m", "gemini", "-H", "X-Trace: a: 7", "-o", "temperature=0.2", "--timeout", "5"]
    assert main(["stream", "flowgpt", "Hello", "--base-url", server.url, *flags]) == 0
    sent = server.exchanges[0]
    body = json.loads(sent.body)
    assert sent.messages == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    assert (body["model"], body["temperature"]) == ("google-gemini", 0.2)
    assert ("x-trace", "a: 7") in [(name.lower(), value) for name, value in sent.headers]


def test_a_level_of_reasoning_reaches_the_provider(
    server: Emulator, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    flags = ["-m", "m", "--base-url", f"{server.url}/v1", "--system", "Be brief."]
    for value in ("low", "none"):
        assert main(["stream", "openai", "Hello", *flags, "-o", f"reasoning_effort={value}"]) == 0
        assert server.exchanges[-1].options == {"reasoning_effort": value}
        assert server.exchanges[-1].messages[0] == {"role": "system", "content": "Be brief."}
    capsys.readouterr()
    assert main(["stream", "openai", "Hello", *flags, "-o", "system=x"]) == 2
    assert "'system' is no option of a provider" in capsys.readouterr().err
    assert main(["stream", "openai", "Hello", *flags, "-o", "instructions=x"]) == 2
    assert "there is no option 'instructions'; pass --system" in capsys.readouterr().err


@rows(
    ("text", "value"),
    [("debug=true", True), ("tools=[1]", [1]), ("name=warm", "warm"), ('name="7"', "7"), ("name=a=b", "a=b"),
     ("name=", ""), ("name=null", None), ("name=" + "[" * 100_000, "[" * 100_000)],
)  # fmt: skip
def test_an_option_is_read_as_json_or_else_as_text(text: str, value: object) -> None:
    assert cli.option(text) == (text.partition("=")[0], value)


def test_a_prompt_comes_from_standard_input(server: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("two\nlines: ä\n"))
    assert main(["stream", "cromicle", "-", "--base-url", server.url]) == 0
    assert server.exchanges[0].messages[0]["content"] == "two\nlines: ä"


WRONG = {
    "no command": ([], "the following arguments are required: COMMAND; see "),
    "no prompt": (["stream", "cromicle"], "the following arguments are required: PROMPT; see "),
    "empty prompt": (["stream", "cromicle", " "], "the prompt is empty; say what to send, as in: "),
    "provider": (["stream", "cromicel", "Hi"], "there is no provider 'cromicel' (did you mean 'cromicle'?)"),
    "model": (["stream", "cromicle", "Hi", "-m", "gpt-9"], "cromicle: there is no model 'gpt-9'"),
    "base URL": (
        ["stream", "cromicle", "Hi", "--base-url", "localhost"],
        "cromicle: --base-url must begin with http://",
    ),
    "proxy": (
        ["stream", "cromicle", "Hi", "--proxy", "ftp://h:1", "--base-url", "http://h"],
        "cromicle: --proxy must be a URL",
    ),
    "header": (["stream", "cromicle", "Hi", "-H", "Bearer s3cret"], "argument -H/--header: a header has the form"),
    "option": (["stream", "cromicle", "Hi", "-o", "warm"], "argument -o/--option: an option has the form name=value"),
    "option unknown": (["stream", "flowgpt", "Hi", "-o", "top_k=1"], "flowgpt: there is no option 'top_k'"),
    "option reserved": (["stream", "cromicle", "Hi", "-o", "client=1"], "argument -o/--option: 'client' is no option"),
    "option with a flag": (
        ["stream", "cromicle", "Hi", "-o", "base_url=x"],
        "argument -o/--option: 'base_url' is no option of a provider; pass --base-url; see ",
    ),
    "key as an option": (
        ["stream", "cromicle", "Hi", "-o", "api_key=x"],
        "argument -o/--option: 'api_key' is no option of a provider; set the service's",
    ),
    "type of an option": (
        ["stream", "flowgpt", "Hi", "-o", "temperature=x", "--base-url", "http://h"],
        "flowgpt: -o temperature= must be of the type int or float, not str",
    ),
    "timeout": (["stream", "cromicle", "Hi", "--timeout", "soon"], "argument --timeout: invalid float value: 'soon'"),
    "timeout 0": (
        ["stream", "cromicle", "Hi", "--timeout", "0", "--base-url", "http://h"],
        "--timeout must be a positive number",
    ),
    "timeout nan": (
        ["stream", "cromicle", "Hi", "--timeout", "nan", "--base-url", "http://h"],
        "--timeout must be a positive number",
    ),
}


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (["a", Finish("length")], "g4flite: finish reason: length\n"),
        ([ToolCall("", "weather", "{}")], "g4flite: finish reason: tool_calls\n"),
        ([" "], "g4flite: finish reason: stop, with no text\n"),
        (["a"], ""),
    ],
)
def test_a_finish_reason_other_than_stop_is_printed(
    reply: list[Any], told: str, server: Emulator, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-1")
    server.reply = lambda messages: reply
    assert main(["stream", "openai", "Hi", "-m", "m", "--base-url", f"{server.url}/v1"]) == 0
    assert capsys.readouterr().err == told


def test_an_answer_cannot_send_control_characters_to_a_terminal(
    server: Emulator, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.reply = lambda messages: ["\x1b]0;mine\x07\t\x1b[2J\x9b1mé\u202etxt\u202c \u2066a\u2069 \u05d0\u200f\n"]
    arguments = ["stream", "cromicle", "Hi", "--base-url", server.url]
    assert main(arguments) == 0
    # A file or a pipe gets the text as it came.
    assert "\x1b" in capsys.readouterr().out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(arguments) == 0
    assert capsys.readouterr().out == "]0;mine\t[2J1métxt a \u05d0\u200f\n"


def test_a_prompt_that_is_not_utf_8_is_wrong_usage(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("Gr\udcfc\udcdfe"))
    assert main(["stream", "cromicle", "-"]) == 2
    assert "standard input is no text in UTF-8" in capsys.readouterr().err


def test_an_error_names_flags_in_place_of_arguments_of_python(capsys: Captured, server: Emulator) -> None:
    for arguments, told in (
        (["openai", "Hi"], "openai: there is no API key; set OPENAI_API_KEY"),
        (["ollama", "Hi", "--base-url", server.url], "ollama: there is no default model; name one with --model"),
        (["openai", "Hi", "-m", "m", "-H", "authorization: x", "--base-url", f"{server.url}/v1"],
         "check OPENAI_API_KEY in the environment"),
        (["lmstudio", "Hi", "-m", "m", "--base-url", f"{server.url}/v1"],
         '; send the key in a header, like "authorization: Bearer KEY", with --header'),
    ):  # fmt: skip
        assert main(["stream", *arguments]) in (1, 2)
        assert told in capsys.readouterr().err


@pytest.mark.parametrize("case", WRONG)
def test_wrong_usage_is_one_line_and_exit_code_2(case: str, capsys: Captured) -> None:
    arguments, message = WRONG[case]
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert a_line(err, f"error: {message}")
    assert "s3cret" not in err


@pytest.mark.parametrize(
    ("stdin", "message"),
    [(io.StringIO("\n"), "the prompt is empty"), (None, "the prompt is empty"),
     (io.TextIOWrapper(io.BytesIO(b"\xff"), "utf-8"), "standard input is no text in UTF-8: 'utf-8' codec")],
)  # fmt: skip
def test_standard_input_without_a_prompt_is_wrong_usage(
    stdin: object, message: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr(sys, "stdin", stdin)
    assert main(["stream", "cromicle", "-"]) == 2
    assert a_line(capsys.readouterr().err, f"error: {message}")


@pytest.mark.parametrize(
    ("script", "out", "message"),
    [(Script(status=404), "", "error: cromicle: "), (Script(status=400, body="line\r\nline\u2028line"), "", "error: "),
     (Script(silence=30), "", "error: cromicle: "),
     (Script(cut=9), "You said:\n", "error: cromicle: the reply was cut off")],
)  # fmt: skip
def test_an_error_of_the_provider_is_one_line_and_exit_code_1(
    script: Script, out: str, message: str, server: Emulator, stream: Callable[..., int], capsys: Captured
) -> None:
    server.script = script
    assert stream("--timeout", "0.1" if script.silence else "10") == 1
    captured = capsys.readouterr()
    assert captured.out == out
    assert a_line(captured.err, message)
    assert captured.err.endswith("; the text so far is above\n") is bool(out)


@pytest.mark.parametrize("action", ["error", "ignore"])
def test_the_warning_of_a_retired_service_is_one_line(action: Any, capsys: Captured) -> None:
    with socket.socket() as deaf, warnings.catch_warnings():
        warnings.simplefilter(action, g4flite.RetiredProviderWarning)
        # Without listen(), the proxy refuses all connections, and nothing leaves this machine.
        deaf.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        assert main(["stream", "cromicle", "Hello", "--proxy", proxy, "--timeout", "0.3"]) == 1
    warning, error = capsys.readouterr().err.splitlines(keepends=True)
    assert a_line(warning, "warning: cromicle: retired upstream since May 2025; ")
    assert a_line(error, "error: cromicle: ")


def test_the_table_lists_every_provider(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(providers._TABLE, "acme", ACME)
    assert main(["providers"]) == 0
    rows = [re.split(" {2,}", line) for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == ["name", "status", "endpoint", "models"]
    assert ["cromicle", "retired since May 2025", "https://cromicle.top/chat", "gpt-3.5-turbo"] in rows
    assert ["openai", "live", "https://api.openai.com/v1/chat/completions", "any"] in rows
    assert [row[0] for row in rows[1:]] == [*providers.names()]
    assert rows[-1] == ["acme", "live", "http://acme.test/chat", "any"]


def test_the_list_is_printed_as_json_for_programs(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(providers._TABLE, "acme", ACME)
    assert main(["providers", "--json"]) == 0
    *_, flowgpt, acme = json.loads(capsys.readouterr().out)
    models = flowgpt.pop("models")
    assert (len(models), models[0]) == (13, "gpt-3.5-turbo")
    assert flowgpt == {
        "name": "flowgpt",
        "retired": "December 2025",
        "base_url": "https://prod-backend-k8s.flowgpt.com",
        "url": "https://prod-backend-k8s.flowgpt.com/v3/chat-anonymous",
        "default_model": "gpt-3.5-turbo",
        "aliases": {"gemini": "google-gemini", "gemini-pro": "google-gemini"},
        "options": ["temperature"],
    }
    assert (acme["retired"], acme["default_model"], acme["models"]) == (None, None, [])


def test_a_command_that_needs_no_network_imports_no_httpx() -> None:
    code = f"""
import sys
from {NAME}.__main__ import main
commands = "stream", "providers", "emulate", "chat", "batch", "probe", "check", "guide", "vendor"
for arguments in ["--version"], ["--help"], ["providers"], *([command, "--help"] for command in commands):
    try:
        main(arguments)
    except SystemExit as done:
        assert done.code == 0
print({{"httpx", "anyio", "ssl", "asyncio", "{NAME}.testing", "{NAME}.server"}} & {{*sys.modules}})
"""
    code, out, err = run([sys.executable, "-c", code])
    assert (code, err) == (0, "")
    assert out.startswith(f"{NAME} {g4flite.__version__}\nusage: ")
    assert out.endswith("\nset()\n")


def test_standard_output_may_be_an_object_that_is_no_file(
    stream: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert stream() == 0
    assert sys.stdout.getvalue() == "You said: Hello\n"


def test_a_character_that_the_terminal_cannot_show_is_replaced(
    server: Emulator, stream: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.reply = lambda messages: "naïve €"
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "ascii", newline="\n"))
    assert stream() == 0
    assert sys.stdout.buffer.getvalue() == b"na?ve ?\n"


def test_a_chunk_is_printed_before_the_next_one_comes(server: Emulator, gate: Gate) -> None:
    with running(*COMMAND, "stream", "cromicle", "Hello", "--base-url", server.url) as process:
        assert process.stdout.read(5) == "Hello"
        gate.opened.set()
        assert process.communicate() == (" again\n", "")
    assert process.returncode == 0


@POSIX
def test_ctrl_c_ends_an_answer_with_a_line_end_and_exit_code_130(server: Emulator, gate: Gate) -> None:
    with running(*COMMAND, "stream", "cromicle", "Hello", "--base-url", server.url) as process:
        assert process.stdout.read(5) == "Hello"
        process.send_signal(signal.SIGINT)
        assert process.communicate() == ("\n", "")
    assert process.returncode == 130


@POSIX
def test_an_answer_ends_without_a_message_when_the_reader_of_a_pipe_leaves(server: Emulator, gate: Gate) -> None:
    with running(*COMMAND, "stream", "cromicle", "Hello", "--base-url", server.url) as process:
        assert process.stdout.read(5) == "Hello"
        process.stdout.close()
        gate.opened.set()
        assert process.stderr.read() == ""
    assert process.returncode == 141


@POSIX
@pytest.mark.parametrize("arguments", [["providers"], ["--help"]])
def test_a_closed_standard_output_is_exit_code_141_without_a_message(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as unread, running(*COMMAND, *arguments, stdout=unread) as process:  # noqa: PTH123 - a descriptor
        assert process.stderr.read() == ""
    assert process.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_one_line_and_exit_code_1() -> None:
    with Path("/dev/full").open("w") as full, running(*COMMAND, "providers", stdout=full) as process:
        assert a_line(process.stderr.read(), "error: [Errno 28] ")
    assert process.returncode == 1


def examples(*command: str, capsys: Captured) -> list[str]:
    """Return the lines to type in the example of a command's help."""
    with pytest.raises(SystemExit) as done:
        main([*command, "--help"])
    assert done.value.code == 0
    _, _, example = capsys.readouterr().out.partition("\nexample")
    return re.findall(r"^  (.+)$", example, re.MULTILINE)


@POSIX
def test_the_examples_of_the_help_work_as_printed(capsys: Captured) -> None:
    (emulate,) = examples("emulate", capsys=capsys)
    assert emulate.endswith(" --port 8765")
    # Port 8765 may be in use on this machine.
    command = shlex.split(emulate.replace(" 8765", " 0"))
    with running(*command) as process:
        url = process.stdout.readline().rstrip("\n")
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        assert "Ctrl-C" in process.stdout.readline()
        lines = [process.stdout.readline(), *examples("stream", capsys=capsys)]
        lines = [line.replace("http://127.0.0.1:8765", url) for line in lines]
        lists = [*examples(capsys=capsys), *examples("providers", capsys=capsys)]
        with ThreadPoolExecutor() as side_by_side:
            answers, listed = side_by_side.map(run, lines), side_by_side.map(run, lists)
            assert [*answers] == [(0, "You said: Hello\n", "")] * 3
            assert [(code, "cromicle" in out, err) for code, out, err in listed] == [(0, True, "")] * 2
        process.send_signal(signal.SIGINT)
        assert process.communicate() == ("", "")
    assert process.returncode == 130


def test_messages_name_the_program_as_it_was_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "two words"
    folder.mkdir()
    for name in (NAME, "python"):
        (folder / name).touch(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setattr(sys, "argv", [str(folder / "__main__.py")])
    assert cli.program() == f"{shlex.quote(sys.executable)} -m {NAME}"
    monkeypatch.setattr(sys, "argv", [str(folder / NAME)])
    assert cli.program() == shlex.quote(sys.argv[0])
    monkeypatch.setenv("PATH", str(folder))
    assert cli.program() == NAME


def test_the_script_and_the_module_are_the_same_program() -> None:
    settings = ConfigParser()
    settings.read(Path(__file__).parents[2] / "setup.cfg")
    script = settings["options.entry_points"]["console_scripts"].strip()
    assert script == f"{NAME} = {NAME}.__main__:main"
    assert run([*COMMAND, "--version"]) == (0, f"{NAME} {g4flite.__version__}\n", "")


def test_arguments_are_spelled_as_the_place_spells_them(server: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    """By the error's fields: what a service says of `base_url=` or `model=` stays as it said it."""
    server.script = Script(status=404, body='{"error": {"message": "no model=x at base_url=y"}}')
    assert main(["stream", "ollama", "Hi", "-m", "m", "--base-url", server.url]) == 1
    told = capsys.readouterr().err
    assert "'no model=x at base_url=y'; the service has no such model: check --model and --base-url (URL " in told
    assert main(["stream", "ollama", "Hi", "-m", "m", "--base-url", f"{server.url}/v1"]) == 1
    server.script = Script(silence=30)
    assert main(["stream", "cromicle", "Hi", "--base-url", server.url, "--timeout", "0.2"]) == 1
    assert "total: not complete after 0.2 s; allow more with --timeout, or retry\n" in capsys.readouterr().err


def test_a_model_s_name_in_place_of_a_provider_names_the_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stream", "gpt-4o-mini", "Hi"]) == 2
    assert "ask 'openai', and name the model with --model\n" in capsys.readouterr().err


@rows("name", INSTEAD)
def test_what_to_write_in_place_of_an_option_is_no_python_on_the_command_line(
    name: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert main(["stream", "openai", "Hi", "-m", "m", "-o", f"{name}=1"]) == 2
    said = capsys.readouterr().err.replace("reasoning_effort=:", "reasoning_effort=")
    # Parentheses and names behind a dot are Python's, and so is a keyword that is not behind `-o`.
    assert re.search(r"\(|\s\.\w|{|(?<!-o )\b\w+=", said) is None, said
