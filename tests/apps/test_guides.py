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
from g4flite import Call, ErrorRule, Provider, RateLimitError, TextParser, providers
from g4flite import __main__ as cli
from g4flite import testing as emulator
from g4flite._core import request as _request
from g4flite.apps import guides
from g4flite.apps.guides import table
from g4flite.providers import CROMICLE, FLOWGPT, FREE2GPT, GPROCHAT, LLAMACPP, OPENAI
from g4flite.testing import Emulator
from tests.acme import ACME, MARKED
from tests.pages import GUIDES, ROOT, pages

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


@pytest.mark.parametrize("name", NAMES)
def test_a_guide_has_these_parts_and_its_steps_are_numbered_through(name: str) -> None:
    text = guide(name)
    parts = re.findall(r"^#+ .*$", re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    assert parts == ["# How to Use This Code Block", "## Description", "## Execution Steps", "## Usage Example"]
    numbers = [int(number) for number in re.findall(r"^(\d+)\. \*\*", text, re.MULTILINE)]
    assert numbers == [*range(1, len(numbers) + 1)]
    assert len(numbers) in (18, 19)
    assert text.endswith(("\n", "`\n"))


@pytest.mark.parametrize("provider", [*NAMES, ACME, MARKED, LAMBDA], ids=str)
def test_a_guide_says_precisely_what_happens(provider: str | Provider) -> None:
    assert re.findall(VAGUE, prose(guide(provider)), re.IGNORECASE) == []


def test_a_vague_verb_would_be_found() -> None:
    text = "It Gets `done: true`.\n\n    ```json\n    did\n    ```\n"
    assert re.findall(VAGUE, prose(text), re.IGNORECASE) == ["Gets"]


def test_what_is_generated_is_up_to_date() -> None:
    made = pages()
    assert {*GUIDES.iterdir()} == made.keys() - {ROOT / "README.md"}
    stale = [path.name for path, text in made.items() if path.read_text() != text]
    assert stale == [], "run: make guides"


@pytest.mark.parametrize("name", NAMES)
def test_the_program_of_a_guide_runs_and_its_requests_are_those_of_the_guide(
    name: str, servers: list[Emulator], capsys: pytest.CaptureFixture[str]
) -> None:
    text = guide(name)
    out, printed = run(text, capsys)
    assert out == printed == "You said: Hello\n" * 2
    url, headers = head(text)
    ((first, second),) = [server.exchanges for server in servers]
    for exchange in (first, second):
        assert (exchange.status, exchange.problem) == (200, None)
        sent = {header.lower(): value for header, value in exchange.headers}
        for header, value in headers.items():
            if header in sent or "{api_key}" not in value:  # a server of one's own wants no key
                assert re.fullmatch(re.escape(value).replace(r"\{", "(?P<").replace(r"\}", ">.+)"), sent[header])
        shown, made = body(text), json.loads(exchange.body)
        assert made.keys() <= shown.keys()
        assert {type(value) for value in made.values()} <= {type(value) for value in shown.values()}
        assert exchange.path == url.replace("{model}", "emulated").replace("{base_url}", "").removeprefix(
            f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"
        )


def test_the_signatures_of_the_guides_are_right() -> None:
    prompt = "System: Be brief.\nUser: Hello\nAssistant: Hi\nUser: How are you?\nAssistant:"

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


def test_a_guide_names_where_each_field_comes_from() -> None:
    text = guide(FLOWGPT)
    for line in (
        "- `timestamp`: made of the time", "- `nonce`: made of random numbers",
        "- `signature`: made of the time and random numbers", "- `model`: the model",
        "- `question`: the content of the last message", "- `history`: made of the messages",
        "- `promptId`: made of the model", "- `temperature`: the option of that name",
    ):  # fmt: skip
        assert f"    {line}\n" in text
    assert "`nsfw`" not in text
    assert "    - `time`: Unix time in milliseconds\n    - `sign`: the signer's `sign`\n" in guide(FREE2GPT)
    assert "    - `generationConfig.maxOutputTokens`: the option `max_tokens`\n" in guide("gemini")
    assert "    - `text.format`: the option `response_format`\n" in guide("openai-responses")


def steps_of(text: str) -> list[str]:
    return re.findall(r"^\d+\. \*\*(.*?)\.\*\*", text, re.MULTILINE)


def test_the_steps_stand_in_the_order_in_which_they_happen(server: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_request, "FRESH", 0)  # the rehearsed request is too old for the loop
    seen: list[str] = []

    def noting(step: str, function: Any) -> Any:
        def noted(*arguments: Any) -> Any:
            seen.append(step)
            return function(*arguments)

        return noted

    traced = replace(
        FREE2GPT,
        signer=noting("Signs the attempt", FREE2GPT.signer),
        payload=noting("Builds the body", FREE2GPT.payload),
        parser=noting("Decodes the body", FREE2GPT.parser),
    )
    server.reply = noting("Sends the request", lambda messages: "Hello")
    stream = g4flite.stream(traced, "Hi", base_url=server.url)
    assert seen == ["Signs the attempt", "Builds the body"]  # rehearsed
    seen.clear()
    for _ in stream:
        seen.append("Yields the text")
    assert seen == [step for step in steps_of(guide(FREE2GPT)) if step in seen]
    assert len(seen) == 5


REPORTING = ErrorRule(status=418, contains="teapot", error=RateLimitError)
CHANGES: dict[str, tuple[Provider, dict[str, Any], str, str]] = {
    "header": (CROMICLE, {"headers": {**CROMICLE.headers, "x-trace": "7"}}, "", "    x-trace: 7\n"),
    "no header": (OPENAI, {"headers": {"accept": "a/b"}}, "authorization: Bearer {api_key}", "    accept: a/b\n"),
    "url": (CROMICLE, {"url": "{base_url}/v9/{model}"}, "top/chat\n", "    POST https://cromicle.top/v9/{model}\n"),
    "payload": (CROMICLE, {"payload": lambda call: {"q": call.prompt, "n": [1]}}, '"message"', '"n": [1]'),
    "signer": (
        CROMICLE,
        {"signer": lambda call: {"hash": f"{call.now_ms}"}},
        "`hash`: made of the messages",
        "`hash`: made of the time",
    ),
    "no signer": (
        replace(CROMICLE, payload=ACME.payload),
        {"signer": lambda call: {}},
        "Signs the attempt",
        "9. **Fills in",
    ),
    "end": (CROMICLE, {"end": "marker"}, "as it should", "once its parser has noted the end marker"),
    "errors": (CROMICLE, {"errors": (REPORTING,)}, "", "- 418 with `teapot` in the body: `RateLimitError`\n"),
    "error types": (CROMICLE, {"error_types": ()}, "`text/html`", "Checks the content type.** Any is taken."),
    "parser": (CROMICLE, {"parser": FLOWGPT.parser}, "Raw UTF-8", "- **Wire:** NDJSON\n"),
    "models": (CROMICLE, {"models": ("a", "b")}, "gpt-3.5-turbo", "- **Models:** `a`, `b`\n"),
    "any model": (CROMICLE, {"models": ()}, "gpt-3.5-turbo", "- **Models:** any, or none\n"),
    "default model": (FLOWGPT, {"default_model": "claude-v1"}, "", "- **Models:** `claude-v1`, `gpt-3.5-turbo`, "),
    "aliases": (CROMICLE, {"aliases": {"gpt": "gpt-3.5-turbo"}}, "", "`gpt` means `gpt-3.5-turbo`"),
    "options": (ACME, {"options": {"heat": (float,)}}, "`debug`", "`heat` (float)"),
    "key": (OPENAI, {"key_variables": ("A_KEY", "B_KEY")}, "OPENAI_API_KEY", "- **Key:** `A_KEY` or `B_KEY`\n"),
    "key not needed": (OPENAI, {"key_needed": False}, "asks for it", "without a key, the header is left out"),
    "base URL": (OPENAI, {"base_url": ""}, "api.openai.com", "else none: an `OptionError` asks for one"),
    "base URL variables": (OPENAI, {"base_url_variables": ("X_URL",)}, "`OPENAI_BASE_URL`", "_BASE_URL` or `X_URL`"),
    "retired": (OPENAI, {"retired": "May 2031"}, "a public service", "retired upstream since May 2031"),
    "max_frame": (OPENAI, {"max_frame": 3000}, "16 MiB", "a frame of more than 3000 bytes"),
    "max_ratio": (OPENAI, {"max_ratio": 9}, "200 times", "grows more than 9 times"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_guide_follows_the_spec(case: str) -> None:
    spec, change, lost, found = CHANGES[case]
    before, after = guide(spec), guide(replace(spec, **change))
    assert found in after
    assert found not in before
    assert not lost or (lost in before and lost not in after)


def test_the_docstrings_of_a_spec_of_one_s_own_stand_in_its_guide() -> None:
    def sign(call: Call) -> dict[str, str]:
        """`mark`: the time, backwards."""
        return {"mark": str(call.now_ms)[::-1]}

    def build(call: Call) -> dict[str, Any]:
        """One `question`,
        which is marked.
        """
        return {"question": call.texts[-1]["content"], "mark": call.signed["mark"]}

    class Parser(TextParser):
        """Plain talk; nothing else."""

    spec = replace(ACME, signer=sign, payload=functools.partial(build), parser=lambda limit: Parser())
    text = guide(spec)
    assert "Reads the clock and calls the signer, `sign`. `mark`: the time, backwards.\n" in text
    assert "Calls the payload builder, `build`. One `question`, which is marked.\n" in text
    assert "Makes a parser with a lambda and feeds it the bytes as they come. Plain talk; nothing else.\n" in text
    assert "- **Wire:** Plain talk; nothing else\n" in text
    assert (__doc__ or "") in text  # of the module that holds the functions


def test_without_a_docstring_a_guide_says_what_is_known() -> None:
    class Bare(TextParser):
        feed = TextParser.feed

    spec = replace(LAMBDA, signer=lambda call: {"a": 1}, parser=Bare)
    Bare.__doc__ = None
    text = guide(spec)
    assert "Calls the payload builder, a lambda.\n" in text
    assert "- **Wire:** Raw UTF-8 text\n" not in text
    assert "- `a`: constant\n" in text


def test_what_is_another_one_each_time_stays_out_of_a_guide() -> None:
    count = iter(range(1000))
    spec = replace(ACME, payload=lambda call: {"id": {"n": next(count)}, "model": call.model, "x": [1]}, models=("m",))
    assert body(guide(spec)) == {"id": {"n": "..."}, "model": "m", "x": [1]}
    assert "- `id.n`: made of what is no part of the call\n" in guide(spec)
    assert guides.guide(spec) == guide(spec)


def test_a_payload_may_be_any_json_and_refuse_what_it_cannot_carry() -> None:
    def alone(call: Call) -> list[str]:
        if len(call.messages) > 1:
            raise g4flite.MessagesError("one message, please")
        return [call.prompt]

    text = guide(replace(ACME, payload=alone, options={"seed": (int,), "when": (bytes,)}))
    assert body(text) == ["Hello"]
    assert "    - the body: made of the messages\n" in text
    assert "    - as the payload builder decides: the option `seed`\n" in text
    assert "    - as the payload builder decides: the option `when`\n" in text


def test_an_option_that_a_builder_refuses_is_left_to_it() -> None:
    def picky(call: Call) -> dict[str, Any]:
        return {"heat": {"low": 1}[call.options["heat"]] if "heat" in call.options else 0}

    text = guide(replace(ACME, payload=picky, options={"heat": (str,)}))
    assert "    - as the payload builder decides: the option `heat`\n" in text


def test_a_guide_says_which_messages_are_carried() -> None:
    assert "- **Messages:** text and developer messages; refused: a `name`, images as" in guide(CROMICLE)
    assert "images at `https:` URLs and tool calls with their results\n" in guide(OPENAI)
    assert "; refused: a `name` or images at `https:` URLs\n" in guide("ollama")


def test_a_guide_says_whether_errors_inside_a_reply_are_recognised() -> None:
    class Deaf(TextParser):
        def feed(self, data: bytes) -> tuple[str, ...]:
            raise g4flite.MalformedReplyError("no") if data.startswith(b"x") else g4flite.TruncatedStreamError("cut")

    known, unknown = "raises its class, as above, or `ProviderError`", "is not recognised as one"
    for name in NAMES:
        assert known in guide(name)
    assert unknown in guide(replace(ACME, parser=Deaf))
    assert "a frame of more than" not in guide(replace(ACME, parser=Deaf))


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
        ACME, headers=headers, payload=lambda call: {"auth": [{"token": "s3cret-s3cret", "key": call.api_key}]}
    )
    text = guide(spec)
    assert "s3cret" not in text
    shown = {"authorization": "***", "x-token": "***{api_key}", "api-key": "Token {api_key}", "x-a": "b"}
    assert head(text)[1] == shown
    assert body(text) == {"auth": [{"token": "***", "key": "{api_key}"}]}


MINE = replace(LLAMACPP, name="mine", base_url="http://10.0.0.5:8000/v1", key_variables=("MINE_API_KEY",))
FIXED = replace(ACME, url="https://fixed.test/say?v=1")
UNKNOWN = {"acme": (ACME, "Hello to you"), "fixed": (FIXED, "Hello to you"), "marked": (MARKED, "TruncatedStreamError"),
           "mine": (MINE, "You said: Hello")}  # fmt: skip


@pytest.mark.parametrize("case", UNKNOWN)
def test_the_program_of_a_spec_of_one_s_own_runs(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    spec, said = UNKNOWN[case]
    text = guide(spec)
    out, printed = run(text, capsys)
    assert out == printed == f"{said}\n" * 2
    home = "tests.acme" if case in ("acme", "marked") else __name__
    name = {"acme": "ACME", "fixed": "FIXED", "marked": "MARKED", "mine": "MINE"}[case]
    assert f"from {home} import {name}\n" in text
    assert ("The emulator knows no such service" in text) == (case != "mine")


def test_the_program_of_a_spec_that_is_nowhere_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = replace(MINE, name="nowhere")
    assert "\n# SPEC is the Provider of this guide\n" in guides.guide(spec)
    monkeypatch.setattr("__main__.HERS", spec, raising=False)
    assert "\n# HERS is the Provider of this guide\n" in guides.guide(spec)
    monkeypatch.setitem(providers._TABLE, "nowhere", spec)
    text = guides.guide(spec)
    assert 'stream(\n        "nowhere",\n' in text
    assert text == guides.guide("nowhere")
    assert "# " not in fenced(text, "python")[0].replace("  # ", "")


def test_a_vendored_copy_s_programs_import_it_by_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("g4flite.apps.guide_example.PACKAGE", "myapp.llm")
    (program,) = fenced(guides.guide("cromicle"), "python")
    assert "import myapp.llm as llm\nfrom myapp.llm.testing import Emulator\n" in program
    assert "def ask(base_url: str) -> llm.Stream:\n    return llm.stream(\n" in program


def test_a_guide_can_be_written_without_the_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = guides.guide("cromicle")
    monkeypatch.setitem(sys.modules, "g4flite.testing.emulator", None)
    text = guides.guide("cromicle")
    assert text.partition("## Usage")[0] == whole.partition("## Usage")[0]
    assert "Hello to you" in text


def test_the_table_has_a_row_for_each_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(providers._TABLE, "acme", ACME)
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table().splitlines()]
    assert rows[0] == ["provider", "wire", "key", "models", "options"]
    assert [row[0] for row in rows[2:]] == [f"`{name}`" for name in (*NAMES, "acme")]
    assert rows[-1] == ["`acme`", "Raw UTF-8 text", "none", "any, or none", "`temperature`, `tools`, `debug`"]
    found = {row[0]: row[1:] for row in rows}
    assert found["`anthropic`"] == ["Anthropic Messages", "`ANTHROPIC_API_KEY`", "any, named with `model=`",
                                    "all but `seed`, `response_format`"]  # fmt: skip
    assert found["`lmstudio`"][1] == "`api_key=`, where the server wants one"
    assert found["`flowgpt`"][2] == "`gpt-3.5-turbo`, `gpt-3.5-long`, `gpt-4-turbo`, 10 more"
    assert sorted([*table(retired=True).splitlines()[2:], *table(retired=False).splitlines()]) == sorted(
        table().splitlines()
    )


def test_the_generator_knows_no_provider() -> None:
    package = Path(g4flite.__file__).parent
    files = [*(package / "apps").glob("guide*.py")]
    assert len(files) == 6
    words = {word for path in files for word in re.findall(r"[a-z0-9-]+", path.read_text().lower())}
    vendors = {"openai", "google", "azure", "meta", "microsoft"}
    assert words & ({*NAMES} | vendors) == set()


def test_the_command_prints_a_guide(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["guide", "cromicle"]) == 0
    assert capsys.readouterr() == (guide("cromicle"), "")
    assert cli.main(["guide", "cromicel"]) == 2
    assert "did you mean 'cromicle'?" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["guide", "--help"])
    command = re.findall(r"^  .* guide (\S+)$", capsys.readouterr().out, re.MULTILINE)
    assert cli.main(["guide", *command]) == 0
