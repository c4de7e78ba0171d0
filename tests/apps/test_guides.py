"""The guides: what they say is what happens, they follow the spec, and their programs run as they stand."""

import functools
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import g4flite
from g4flite import (
    Call,
    ErrorRule,
    G4fliteError,
    OverloadedError,
    Provider,
    RateLimitError,
    Retry,
    StatusError,
    TextParser,
    providers,
)
from g4flite import __main__ as cli
from g4flite import testing as emulator
from g4flite._core import request
from g4flite._core.options import OPTIONS
from g4flite.apps import guides
from g4flite.apps.guides import table
from g4flite.providers import CROMICLE, FLOWGPT, FREE2GPT, GPROCHAT, LLAMACPP, OPENAI
from g4flite.testing import Emulator, Script
from tests.acme import ACME, MARKED
from tests.pages import GUIDES, pages, stale
from tests.rows import rows

NAMES = providers.names()
guide = functools.cache(guides.guide)
VAGUE = r"\b(get|gets|getting|got|gotten|do|does|did|doing|done|handl\w*|process\w*|perform\w*)\b"
LAMBDA = replace(ACME, payload=lambda call: {"prompt": call.prompt})


def fenced(text: str, language: str) -> list[str]:
    """The code blocks of a language, those inside a list without its indentation."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    return ["".join(line.removeprefix(indent) for line in block.splitlines(True)) for indent, block in found]


def prose(text: str) -> str:
    """The text without its code: blocks and spans, whose words are those of a wire or of Python."""
    return re.sub(r"`[^`]*`", "", re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE))


def body(text: str) -> Any:
    """The body that a guide shows."""
    return json.loads(fenced(text, "json")[1])


def head(text: str) -> tuple[str, dict[str, str]]:
    """The URL and the headers that a guide shows."""
    (block,) = fenced(text, "http")
    line, *headers = block.splitlines()
    return line.removeprefix("POST "), dict(header.split(": ", 1) for header in headers)


def run(text: str, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """What the program of a guide prints, and what the guide says that it prints."""
    (program,), (printed,) = fenced(text, "python"), fenced(text, "text")
    exec(compile(program, "guide", "exec"), {"__name__": "guide"})
    return capsys.readouterr().out, printed


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Emulator]]:
    """The emulators that a program starts."""
    started: list[Emulator] = []

    class Noted(Emulator):
        def start(self) -> None:
            started.append(self)
            super().start()

    monkeypatch.setattr(emulator, "Emulator", Noted)
    return started


@rows("name", NAMES)
def test_a_guide_has_these_parts_and_its_steps_are_numbered_through(name: str) -> None:
    text = guide(name)
    parts = re.findall(r"^#+ .*$", re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    assert parts == ["# How to Use This Code Block", "## Description", "## Execution Steps", "## Usage Example"]
    numbers = [int(number) for number in re.findall(r"^(\d+)\. \*\*", text, re.MULTILINE)]
    assert numbers == [*range(1, len(numbers) + 1)]
    assert len(numbers) == 15 + ("Signs the request" in text)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


@rows("provider", [*NAMES, ACME, MARKED, LAMBDA])
def test_a_guide_says_precisely_what_happens(provider: str | Provider) -> None:
    assert re.findall(VAGUE, prose(guide(provider)), re.IGNORECASE) == []


def test_a_vague_verb_would_be_found() -> None:
    text = "It Gets `done: true`.\n\n    ```json\n    did\n    ```\n"
    assert re.findall(VAGUE, prose(text), re.IGNORECASE) == ["Gets"]


def test_what_is_generated_is_up_to_date() -> None:
    changed = [path.name for path, text in pages().items() if not path.exists() or path.read_text() != text]
    assert (changed, stale()) == ([], set()), "run: make guides"


def test_a_guide_to_a_provider_that_is_gone_is_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "names", lambda: tuple(name for name in NAMES if name != "groq"))
    assert stale() == {GUIDES / "groq.md"}


@pytest.mark.parametrize("name", NAMES)
def test_the_program_of_a_guide_runs_and_its_requests_are_those_of_the_guide(
    name: str, servers: list[Emulator], capsys: pytest.CaptureFixture[str]
) -> None:
    text = guide(name)
    out, printed = run(text, capsys)
    assert out == printed == "Hello to you\n" * 2
    url, headers = head(text)
    ((first, second),) = [server.exchanges for server in servers]
    for exchange in (first, second):
        assert (exchange.status, exchange.problem) == (200, None)
        sent = {header.lower(): value for header, value in exchange.headers}
        for header, value in headers.items():
            assert re.fullmatch(re.escape(value).replace(r"\{", "(?P<").replace(r"\}", ">.+)"), sent[header])
        shown, made = body(text), json.loads(exchange.body)
        assert made.keys() <= shown.keys()
        assert {type(value) for value in made.values()} <= {type(value) for value in shown.values()}
        # The base URL of a server of one's own ends in /v1 in the program.
        at = "/v1" if name == "openai-compatible" else ""
        assert exchange.path == url.replace("{model}", "any-model").replace("{base_url}", at).removeprefix(
            f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"
        )


def test_the_signatures_of_the_guides_are_right() -> None:
    prompt = "System: Answer in JSON.\nUser: Hello\nAssistant: Hi\nUser: How are you?\nAssistant:"

    def sha256(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    assert body(guide(CROMICLE)) == {"message": prompt, "token": "abc", "hash": sha256(f"abc{prompt}")}
    assert body(guide(FREE2GPT))["sign"] == sha256("1700000000123:How are you?:")
    secret = "2BC120D4-BB36-1B60-26DE-DB630472A3D8"
    assert body(guide(GPROCHAT))["sign"] == sha256(f"1700000000123:{prompt}:{secret}")
    for name, formula in {
        "cromicle": 'sha256_hex("abc" + prompt)',
        "free2gpt": 'sha256_hex("{time}:{content of the last message}:")',
        "gprochat": f'sha256_hex("{{time}}:{{prompt}}:{secret}")',
        "flowgpt": 'md5_hex("{timestamp}-{nonce}-Bearer null")',
    }.items():
        assert f"`{formula}`" in guide(name)


def test_a_guide_names_each_field_of_the_body_and_of_the_signature() -> None:
    prose = " ".join(step for step in guide(FLOWGPT).splitlines() if "**Signs" in step or "**Builds the body" in step)
    for field in ("signature", "nonce", "device", "question", "system", "history", "promptId"):
        assert f"`{field}`" in prose
    for spec in (CROMICLE, FREE2GPT, GPROCHAT):
        assert all(f"`{field}`" in guide(spec) for field in body(guide(spec)))


@rows("name", NAMES)
def test_the_body_of_a_guide_shows_under_which_name_each_option_is_sent(name: str) -> None:
    values: dict[str, Any] = {
        "temperature": 0.2,
        "max_tokens": 64,
        "top_p": 0.9,
        "stop": "END",
        "seed": 7,
        "tools": "now",
    }
    shown = json.dumps(body(guide(name)))
    taken = {*providers.find(name).options} - (
        {"response_format"} if name in ("anthropic", "cohere", "groq") else set()
    )
    assert [option for option, value in values.items() if option in taken and json.dumps(value) not in shown] == []
    assert (json.loads(*re.findall("with the options `(.*)` make", guide(name)) or ["{}"])).keys() == taken


def test_the_options_of_a_guide_are_those_with_one_name_for_all_providers() -> None:
    assert guides.OPTIONS.keys() == OPTIONS.keys()


def test_the_names_of_fields_on_the_wire_stand_in_a_guide() -> None:
    assert body(guide("gemini"))["generationConfig"]["maxOutputTokens"] == 64
    assert body(guide("openai"))["max_completion_tokens"] == 64
    assert body(guide("openai-responses"))["text"]["format"] == {"type": "json_object"}
    assert body(guide("mistral"))["random_seed"] == 7
    assert body(guide("ollama"))["options"]["num_predict"] == 64


def steps_of(text: str) -> list[str]:
    return re.findall(r"^\d+\. \*\*(.*?)\.\*\*", text, re.MULTILINE)


def test_the_steps_stand_in_the_order_in_which_they_happen(server: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request, "FRESH", 0)  # the first request is too old for the loop
    seen: list[str] = []

    def noting(step: str, function: Any) -> Any:
        def noted(*arguments: Any) -> Any:
            seen.append(step)
            return function(*arguments)

        return noted

    traced = replace(
        FREE2GPT,
        signer=noting("Signs the request", FREE2GPT.signer),
        payload=noting("Builds the body", FREE2GPT.payload),
        parser=noting("Decodes the reply", FREE2GPT.parser),
    )
    server.reply = noting("Sends the request", lambda messages: "Hello")
    stream = g4flite.stream(traced, "Hi", base_url=server.url)
    assert seen == ["Signs the request", "Builds the body"]  # of the first request, which stream() builds
    seen.clear()
    for _ in stream:
        seen.append("Yields the text")
    assert seen == [step for step in steps_of(guide(FREE2GPT)) if step in seen]
    assert len(seen) == 5


def mark(call: Call) -> dict[str, str]:
    """`mark` is the time, backwards."""
    return {"hash": "", "mark": str(call.now_ms)[::-1]}


REPORTING = ErrorRule(status=418, contains="teapot", error=RateLimitError)
CHANGES: dict[str, tuple[Provider, dict[str, Any], str, str]] = {
    "header": (CROMICLE, {"headers": {**CROMICLE.headers, "x-trace": "7"}}, "", "    x-trace: 7\n"),
    "no header": (OPENAI, {"headers": {"accept": "a/b"}}, "authorization: Bearer {api_key}", "    accept: a/b\n"),
    "url": (CROMICLE, {"url": "{base_url}/v9/{model}"}, "top/chat\n", "    POST https://cromicle.top/v9/{model}\n"),
    "payload": (CROMICLE, {"payload": lambda call: {"q": call.prompt, "n": [1]}}, '"message"', '"n": [1]'),
    "signer": (CROMICLE, {"signer": mark}, "Calls `sign`.", "Calls `mark`. `mark` is the time, backwards.\n"),
    "no signer": (
        replace(CROMICLE, payload=ACME.payload),
        {"signer": lambda call: {}},
        "Signs the request",
        "6. **Fills in",
    ),
    "end": (CROMICLE, {"end": "marker"}, "when the HTTP body is", "once its end marker has come"),
    "errors": (CROMICLE, {"errors": (REPORTING,)}, "", "- 418 with `teapot` in the body: `RateLimitError`\n"),
    "error types": (CROMICLE, {"error_types": ()}, "Checks the content type", "11. **Decodes"),
    "parser": (CROMICLE, {"parser": FLOWGPT.parser}, "Raw UTF-8", "- **Protocol:** NDJSON\n"),
    "models": (CROMICLE, {"models": ("a", "b")}, "gpt-3.5-turbo", "- **Models:** `a`, `b`\n"),
    "any model": (CROMICLE, {"models": ()}, "gpt-3.5-turbo", "- **Models:** any, named with `model=`\n"),
    "a default among any": (LLAMACPP, {"default_model": "m"}, "`default`", "- **Models:** any, else `m`\n"),
    "default model": (FLOWGPT, {"default_model": "claude-v1"}, "", "- **Models:** `claude-v1`, `gpt-3.5-turbo`, "),
    "aliases": (CROMICLE, {"aliases": {"gpt": "gpt-3.5-turbo"}}, "", "- **Aliases:** `gpt` means `gpt-3.5-turbo`\n"),
    "options": (ACME, {"options": {"heat": (float,)}}, "`debug`", "`heat` (float)"),
    "key": (OPENAI, {"key_variables": ("A_KEY", "B_KEY")}, "OPENAI_API_KEY", "- **Key:** `A_KEY` or `B_KEY`\n"),
    "key not needed": (
        OPENAI,
        {"key_needed": False},
        "",
        "- **Key:** `OPENAI_API_KEY`, if the server asks for a key\n",
    ),
    "no key": (OPENAI, {"headers": {}}, 'api_key="any-key"', "- **Key:** none\n"),
    "base URL": (OPENAI, {"base_url": ""}, "api.openai.com", "pass its address as `base_url=`"),
    "base URL variables": (OPENAI, {"base_url_variables": ("X_URL",)}, "`OPENAI_BASE_URL`", "_BASE_URL` or `X_URL`"),
    "retired": (OPENAI, {"retired": "May 2031"}, "To ask the service", "- **Retired:** upstream since May 2031. "),
    "max_frame": (OPENAI, {"max_frame": 3000}, "16,777,216", "a frame of more than 3,000 bytes"),
    "max_ratio": (OPENAI, {"max_ratio": 9}, "200 times", "grows more than 9 times"),
}


@rows("case", CHANGES)
def test_a_guide_follows_the_spec(case: str) -> None:
    spec, change, lost, found = CHANGES[case]
    before, after = guide(spec), guide(replace(spec, **change))
    assert found in after
    assert found not in before
    assert not lost or (lost in before and lost not in after)


def test_the_docstrings_of_a_provider_of_one_s_own_stand_in_its_guide() -> None:
    def build(call: Call) -> dict[str, Any]:
        """One `question`,
        which is marked.
        """
        return {"question": call.texts[-1]["content"], "mark": call.signed["mark"]}

    class Parser(TextParser):
        """Plain talk; nothing else."""

    spec = replace(ACME, signer=mark, payload=functools.partial(build), parser=lambda limit: Parser())
    text = guide(spec)
    assert "**Signs the request.** Calls `mark`. `mark` is the time, backwards.\n" in text
    assert "**Builds the body.** Calls `build`. One `question`, which is marked. At the Unix time" in text
    assert "made by `<lambda>`. Plain talk; nothing else. An error" in text
    assert "- **Protocol:** Plain talk; nothing else\n" in text
    assert (__doc__ or "") in text  # of the module that holds the functions
    assert body(text) == {"question": "How are you?", "mark": "3210000000071"}


def test_without_a_docstring_a_guide_tells_what_is_known() -> None:
    class Bare(TextParser):
        feed = TextParser.feed

    Bare.__doc__ = None
    namespace: dict[str, Any] = {"__name__": "of_no_module"}
    exec("def sign(call): return {'a': 1}", namespace)
    text = guide(replace(LAMBDA, signer=namespace["sign"], parser=Bare))
    assert "**Signs the request.** Calls `sign`.\n" in text
    assert "**Builds the body.** Calls `<lambda>`. At the Unix time" in text
    assert "made by `Bare`. A protocol of its own. An error" in text
    assert "- **Protocol:** A protocol of its own\n" in text


def test_a_payload_may_be_any_json_and_refuse_what_it_cannot_carry() -> None:
    def alone(call: Call) -> list[str]:
        if len(call.messages) > 1:
            raise g4flite.MessagesError("one message, please")
        return [call.prompt]

    def picky(call: Call) -> tuple[object, ...]:
        return (call.messages[0]["content"], {0.5: "warm"}[call.options.get("temperature", 0.5)])

    text = guide(replace(ACME, payload=alone, options={"seed": (int,), "when": (bytes,)}))
    assert body(text) == ["Hello"]
    assert "with no options make the body" in text
    assert "- **Options:** `seed` (int), `when` (bytes)\n" in text
    assert body(guide(replace(ACME, payload=picky))) == ["Answer in JSON.", "warm"]
    with pytest.raises(g4flite.MessagesError, match="nothing"):
        guide(replace(ACME, payload=refusing))


def refusing(call: Call) -> None:
    raise g4flite.MessagesError("nothing can be sent")


IMAGE = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}
PAGE = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://images.example/a.png"}}]}
TOOL_CALL = {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "now", "arguments": "{}"}}]}
KINDS: dict[str, list[dict[str, Any]]] = {
    "name": [{"role": "user", "content": "Hello", "name": "ada"}],
    "image": [IMAGE],
    "https": [PAGE],
    "tools": [IMAGE | {"content": "Noon?"}, TOOL_CALL, {"role": "tool", "tool_call_id": "1", "content": "noon"}],
    "developer": [{"role": "developer", "content": "Be brief."}, IMAGE | {"content": "Hello"}],
}
REFUSED = {
    (): None,
    ("name",): "A message with a `name` raises `MessagesError`.",
    ("name", "https"): "A message with a `name` and an image at an `https:` URL raise `MessagesError`.",
    ("name", "image", "https", "tools"): "A message with a `name`, images and tool calls raise `MessagesError`.",
}


@rows("name", NAMES)
def test_a_guide_says_which_messages_are_refused(name: str) -> None:
    def is_refused(messages: list[dict[str, Any]]) -> bool:
        key = {"api_key": "none"} if "{api_key}" in str(providers.find(name).headers.values()) else {}
        model = None if providers.find(name).models else "m"
        try:
            g4flite.stream(name, messages, model=model, base_url="http://127.0.0.1", **key)
        except g4flite.MessagesError:
            return True
        return False

    wanted = REFUSED[tuple(kind for kind, messages in KINDS.items() if is_refused(messages))]
    assert [text for text in REFUSED.values() if text and text in guide(name)] == [wanted] * (wanted is not None)


FAULT = json.dumps({"error": {"message": "the server is overloaded", "type": "overloaded_error"}})


@rows("name", NAMES)
def test_an_error_inside_a_reply_raises_as_each_guide_says(name: str) -> None:
    assert "An error inside the reply raises its class, as above, or `ProviderError`" in guide(name)
    raised = []
    for framed in (FAULT, f"{FAULT}\n", f"data: {FAULT}\n\n", f"[{FAULT}]"):  # a text, a line, an event, an element
        parser = providers.find(name).parser(100_000)
        try:
            [*parser.feed(framed.encode()), *parser.close()]
        except G4fliteError as error:
            raised.append(type(error))
    assert OverloadedError in raised


def test_the_errors_of_a_guide_are_those_that_are_raised(server: Emulator) -> None:
    (line,) = [line for line in guide("openai").splitlines() if "the status alone" in line]
    errors = {int(status): name for status, name in re.findall(r"(\d+) `(\w+)`", line)}
    assert len(errors) == 5
    for status in [*errors, 400, 402, 422, 500, 502]:
        server.script = Script(status=status, body="no")
        with pytest.raises(G4fliteError) as raised:
            g4flite.stream("openai", "Hi", model="m", api_key="k", base_url=f"{server.url}/v1", retries=0).text()
        assert type(raised.value).__name__ == errors.get(status, "StatusError")
    server.script = Script(status=500, body="Quota exceeded")
    with pytest.raises(RateLimitError):
        g4flite.stream(FREE2GPT, "Hi", base_url=server.url, retries=0).text()


def test_the_statuses_that_a_guide_calls_repeated_are() -> None:
    (line,) = [line for line in guide("openai").splitlines() if "**Repeats" in line]
    repeated = [
        status
        for status in range(300, 600)
        if Retry().wait(1, StatusError("no", status=status), lambda: 0.5) is not None
    ]
    assert [int(status) for status in re.findall(r"\b\d{3}\b", line)] == repeated


def test_no_secret_stands_in_a_guide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-s3cret")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://s3cret.test")
    assert guides.guide(OPENAI) == guide("openai")
    headers = {
        "authorization": "Bearer s3cret",
        "x-token": "s3cret-{api_key}",
        "api-key": "Token {api_key}",
        "x-a": "b",
    }
    spec = replace(
        ACME,
        url="{base_url}/{model}?v=1&key=s3cret",
        headers=headers,
        payload=lambda call: {"auth": [{"token": "s3cret-s3cret", "key": call.api_key}], "token": "none"},
    )
    for text in (guide(spec), guide(replace(spec, url="https://acme.test/say?key=s3cret&v=1"))):
        assert "s3cret" not in text
        assert "key=***" in text
        shown = {"authorization": "***", "x-token": "***", "api-key": "Token {api_key}", "x-a": "b"}
        assert head(text)[1] == shown
        assert body(text) == {"auth": [{"token": "***", "key": "{api_key}"}], "token": "none"}


MINE = replace(LLAMACPP, name="mine", base_url="http://10.0.0.5:8000/v1", key_variables=("MINE_API_KEY",))
FIXED = replace(ACME, url="https://fixed.test/say?v=1")
PROGRAMS = {"acme": (ACME, "Hello to you\n" * 2), "fixed": (FIXED, "Hello to you\n" * 2),
            "marked": (MARKED, "TruncatedStreamError: marked: "), "mine": (MINE, "Hello to you\n" * 2)}  # fmt: skip


@pytest.mark.parametrize("case", PROGRAMS)
def test_the_program_of_a_provider_of_one_s_own_runs(
    case: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Retry, "wait", lambda *_: None)
    spec, said = PROGRAMS[case]
    text = guide(spec)
    out, printed = run(text, capsys)
    assert out.startswith(said)
    assert printed == "Hello to you\n" * 2
    home = "tests.acme" if case in ("acme", "marked") else __name__
    assert f"from {home} import {case.upper()}\n" in text
    assert ("knows no such protocol" in text) == (case != "mine")


def test_the_program_of_a_provider_that_no_module_holds_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = replace(MINE, name="nowhere")
    assert "\n# MINE is the `Provider` of this guide\n" in guides.guide(spec)
    monkeypatch.setattr("__main__.HERS", spec, raising=False)
    assert "\n# HERS is the `Provider` of this guide\n" in guides.guide(spec)
    monkeypatch.setitem(providers._TABLE, "nowhere", spec)
    assert guides.guide(spec) == guides.guide("nowhere")


def test_a_vendored_copy_s_programs_import_it_by_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("g4flite.apps.guides.PACKAGE", "myapp.llm")
    (program,) = fenced(guides.guide("cromicle"), "python")
    assert "from myapp.llm import G4fliteError, Stream, stream\nfrom myapp.llm.testing import Emulator\n" in program
    assert "g4flite" not in program


def test_a_guide_can_be_written_without_the_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "g4flite.testing", None)
    assert guides.guide("cromicle") == guide("cromicle")


def test_the_table_has_a_row_for_each_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(providers._TABLE, "acme", ACME)
    rows, retired = (
        [[cell.strip() for cell in row.split("|")[1:-1]] for row in table(retired=retired).splitlines()]
        for retired in (False, True)
    )
    assert rows[0] == retired[0] == ["provider", "protocol", "key", "models", "options"]
    assert {row[0] for row in rows[2:] + retired[2:]} == {f"`{name}`" for name in (*NAMES, "acme")}
    assert len(rows) + len(retired) == len(NAMES) + 5
    assert rows[-1] == [
        "`acme`",
        "Raw UTF-8 text",
        "none",
        "any, named with `model=`",
        "`temperature`, `tools`, `debug`",
    ]
    found = {row[0]: row[1:] for row in rows + retired}
    assert found["`anthropic`"] == [
        "Anthropic Messages",
        "`ANTHROPIC_API_KEY`",
        "any, named with `model=`",
        "all but `seed`",
    ]
    assert found["`lmstudio`"][1] == "`api_key=`, if the server asks for a key"
    assert found["`flowgpt`"][2] == "`gpt-3.5-turbo`, `gpt-3.5-long`, `gpt-4-turbo`, 10 more"
    assert {row[0] for row in retired[2:]} == {"`cromicle`", "`free2gpt`", "`gprochat`", "`flowgpt`"}


def test_the_generator_knows_no_provider() -> None:
    words = {*re.findall(r"[a-z0-9-]+", Path(guides.__file__).read_text().lower())}
    vendors = {"openai", "google", "azure", "meta", "microsoft"}
    assert words & ({*NAMES} | vendors) == {"cromicle"}  # in the docstring's example


def test_the_command_prints_a_guide(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["guide", "cromicle"]) == 0
    assert capsys.readouterr() == (guide("cromicle"), "")
    assert cli.main(["guide", "cromicel"]) == 2
    assert "did you mean 'cromicle'?" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["guide", "--help"])
    command = re.findall(r"^  .* guide (\S+)$", capsys.readouterr().out, re.MULTILINE)
    assert cli.main(["guide", *command]) == 0
