"""The package as its users meet it: they import it, and install it."""

import ast
import configparser
import inspect
import json
import pickle
import re
import ssl
import sys
import traceback
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import g4flite
from g4flite.testing import Emulator, Script
from tests.blocks import GUIDES, ROOT, blocks
from tests.build_commands import on_an_index
from tests.conftest import interpret
from tests.rows import rows

PACKAGE = Path(g4flite.__file__).parent


def test_importing_the_package_loads_no_heavy_module_and_opens_no_socket() -> None:
    heavy = {"httpx", "httpcore", "anyio", "ssl", "asyncio", "socket", "trio", "email", "http", "argparse", "logging"}
    # The package alone may not load these; a provider may.
    barred = {"typing", "dataclasses", "inspect", "re", "json", "enum"}
    code = """
import sys
opened, before = [], set(sys.modules)
sys.addaudithook(lambda event, args: opened.append(event) if event.startswith("socket.") else None)
import g4flite
print(*sorted(set(sys.modules) - before), "|")
g4flite.stream, g4flite.providers.find("flowgpt")
print(*sorted(set(sys.modules) - before), "|", *opened)
"""
    alone, modules, opened = interpret(code).split("|")
    assert (heavy | barred) & set(alone.split()) == set()
    assert heavy & set(modules.split()) == set()
    assert opened.strip() == ""


def test_a_stream_in_sync_loads_no_event_loop_and_no_table_of_names() -> None:
    code = """
import sys
import httpx
before = set(sys.modules)
import g4flite
print(g4flite.stream("openai", "Hi", base_url=sys.argv[1], api_key="sk-test-1", model="m").text())
unneeded = {"asyncio", "aiohttp", "anyio.abc", "anyio.lowlevel", "argparse", "html.entities"}
print(*unneeded & (set(sys.modules) - before))
"""
    with Emulator() as server:
        assert interpret(code, f"{server.url}/v1") == "You said: Hi\n\n"


# The parts of the package that a question of text alone, without options, does not need: those of conversations, media,
# the levels of reasoning, JSON Schemas, structured output, content that is no text, and errors of services.
UNNEEDED = {
    "conversation", "_core.turn", "_core.state", "_core.tools", "_core.transport.jobs", "_core.media", "_core.effort",
    "_core.schemas", "_core.references", "_core.parsed", "_core.response.others",
    "_core.response.service_errors", "_core.response.quoted", "_core.response.waits",
}  # fmt: skip


PATHS = {
    "openai": "/v1", "openai-responses": "/v1", "anthropic": "", "gemini": "", "ollama": "", "cohere": "",
    "openrouter": "/v1", "mistral": "/v1",
}  # fmt: skip


def test_a_plain_stream_loads_nothing_that_it_does_not_need() -> None:
    """One process asks all providers; the first that loads a part is told of it."""
    code = """
import asyncio, json, sys
import g4flite
url, paths, *unneeded = sys.argv[1:]
async def read():
    return "".join([text async for text in ask()])
for provider, path in json.loads(paths).items():
    def ask():
        return g4flite.stream(provider, "Hi", base_url=url + path, api_key="sk-test-1", model="m")
    texts = "".join(ask()), asyncio.run(read())
    print(provider, *texts, sorted({f"g4flite.{name}" for name in unneeded} & {*sys.modules}))
"""
    assert all((PACKAGE / f"{name.replace('.', '/')}.py").exists() for name in UNNEEDED)
    with Emulator() as server:
        told = interpret(code, server.url, json.dumps(PATHS), *UNNEEDED)
    assert told.splitlines() == [f"{provider} You said: Hi You said: Hi []" for provider in PATHS]


@rows("path", sorted(PACKAGE.rglob("*.py")))
def test_a_file_of_the_package_can_be_vendored(path: Path) -> None:
    """The file has relative imports only, and reads no data beside the code."""
    source = path.read_text()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and not node.level:
            assert (node.module or "").split(".")[0] != "g4flite"
        if isinstance(node, ast.Import):
            assert all(name.name.split(".")[0] != "g4flite" for name in node.names)
        assert not (isinstance(node, ast.Name) and node.id == "__file__")
    assert "importlib.metadata" not in source


def test_the_exchange_and_the_driver_name_no_vendor() -> None:
    for name in ("exchange", "timers", "settings", "stream", "response/reply", "transport/driver", "transport/httpx"):
        text = (PACKAGE / "_core" / f"{name}.py").read_text().lower()
        assert [vendor for vendor in (*g4flite.providers.names(), "google", "azure") if vendor in text] == []


def test_the_three_lines_of_the_guide_make_a_provider_that_streams() -> None:
    (block,) = [block.code for block in blocks(GUIDES / "own-provider.md") if "MINE = " in block.code]
    assert len(block.replace("\n\n", "\n").splitlines()) == 3
    made: dict[str, Any] = {}
    exec(block, made)
    with Emulator() as server:
        base_url = f"{server.url}/v1"
        stream = g4flite.stream(made["MINE"], "Hi", base_url=base_url, api_key="sk-mine-1")
        assert stream.text() == "You said: Hi"
        assert ("authorization", "Bearer sk-mine-1") in [(n.lower(), v) for n, v in server.exchanges[-1].headers]


def test_the_provider_of_contributing_md_streams() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    made: dict[str, Any] = {"__name__": "g4flite.providers.acme", "__package__": "g4flite.providers"}
    # The block's imports are relative, as in a file of the package.
    exec(block, made)
    lines = b'{"text": "Hello"}\n{"text": " you"}\n{"done": true}\n'
    with Emulator(script=Script(body=lines)) as server:
        stream = g4flite.stream(made["ACME"], "Hi", base_url=server.url, api_key="sk-acme-1", temperature=0.5)
        assert list(stream) == ["Hello", " you"]
        assert json.loads(server.exchanges[-1].body) == {"prompt": "Hi", "temperature": 0.5}


def test_every_file_that_contributing_md_names_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    tree = text.partition("## The tree")[2].partition("## The way")[0]
    folders, missing = [""], []
    for line in re.findall(r"^ {4}( *)([\w/.]+)(.*)", tree, re.MULTILINE):
        depth, name = len(line[0]) // 2, line[1]
        folders[depth:] = [name] if name.endswith("/") else []
        paths = [ROOT.joinpath(*folders[:depth], one) for one in (name, *re.findall(r"\b\w+\.py", line[2]))]
        # What is said of a folder may name a file in the folder.
        missing += [str(path) for path in paths if not (path.exists() or (paths[0] / path.name).exists())]
    assert missing == []


def test_every_file_that_a_table_or_a_text_of_contributing_md_names_is_there() -> None:
    text = "".join((ROOT / page).read_text() for page in ("CONTRIBUTING.md", "tests/README.md"))
    named = set(re.findall(r"`((?:[\w-]+/)*[\w-]+\.(?:py|md)|(?:tests|examples)/[\w/]*/)`", text))
    places = (ROOT, PACKAGE, PACKAGE / "_core", PACKAGE / "providers")
    assert {name for name in named if not any((place / name).exists() for place in places)} == {"providers/acme.py"}


def test_contributing_md_is_a_page() -> None:
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= 115


def test_the_public_names_are_those_of_all_and_each_can_be_imported() -> None:
    for name in g4flite.__all__:
        assert getattr(g4flite, name) is not None
    public = {name for name in dir(g4flite) if name[0].isalpha() and f"g4flite.{name}" not in sys.modules}
    # `providers` is a module, like those that have been imported by now.
    assert public - {"TYPE_CHECKING"} == {*g4flite.__all__} - {"providers"}
    with pytest.raises(AttributeError, match="module 'g4flite' has no attribute 'streams'"):
        g4flite.streams  # type: ignore[attr-defined]  # noqa: B018


CLASSES = [found for name in g4flite.__all__ if isinstance(found := getattr(g4flite, name), type)]
# Those of which programs make no instance: type checkers alone know them.  And the parsers, whose modules say what a
# guide quotes of them.
NAMED_BY_THEIR_MODULE = {"HttpClient", "JsonLinesParser", "TextParser"}


@rows("kind", CLASSES)
def test_a_public_class_is_called_by_the_package(kind: type) -> None:
    home = "g4flite" if kind.__name__ not in NAMED_BY_THEIR_MODULE else f"g4flite.{g4flite._HOME[kind.__name__]}"
    assert kind.__module__ == home
    assert pickle.loads(pickle.dumps(kind)) is kind


def test_a_traceback_names_an_error_as_programs_do() -> None:
    with pytest.raises(g4flite.OptionError) as caught:
        g4flite.stream("openai", "Hi", model="m")
    last = traceback.format_exception_only(caught.value)[-1]
    assert last == "g4flite.OptionError: openai: there is no API key; pass api_key= or set OPENAI_API_KEY\n"


def test_a_type_checker_sees_the_names_that_the_package_has() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    told = {alias.name: node.module or "" for node in block.body for alias in node.names}  # type: ignore[attr-defined]
    assert told == g4flite._HOME


@rows("file", ["__init__.py", "providers/__init__.py", "testing/__init__.py"])
def test_a_misspelt_name_is_not_hidden_from_type_checkers(file: str) -> None:
    tree = ast.parse((PACKAGE / file).read_text())
    hooks = [(parent, node) for parent in ast.walk(tree) for node in ast.iter_child_nodes(parent)
             if isinstance(node, ast.FunctionDef) and node.name == "__getattr__"]  # fmt: skip
    assert [ast.unparse(parent.test) for parent, _ in hooks if isinstance(parent, ast.If)] == ["not TYPE_CHECKING"]
    assert len(hooks) == 1


def names_in(annotation: object) -> Iterator[str]:
    """Yield the name of each class of ours in an annotation, whatever it is nested in."""
    if isinstance(annotation, type) and annotation.__module__.partition(".")[0] == "g4flite":
        yield annotation.__name__
    for part in annotation if isinstance(annotation, list) else typing.get_args(annotation):
        yield from names_in(part)


def test_each_class_that_a_public_signature_names_is_public() -> None:
    public = {name: getattr(g4flite, name) for name in g4flite.__all__ if name != "providers"}
    # What the modules import for type checkers alone.
    known = {**public, "ssl": ssl, "Any": Any}
    found: set[str] = set()
    for thing in public.values():
        members = [value for name, value in vars(thing).items() if not name.startswith("_") or name == "__init__"] if (
            isinstance(thing, type)) else [thing]  # fmt: skip
        functions = [member.fget if isinstance(member, property) else member for member in members]
        for function in filter(inspect.isfunction, functions):
            # `Run`, `Route` and `TracebackType` are arguments that no user gives.
            hints = typing.get_type_hints(function, localns={**known, "Run": object, "TracebackType": object})
            found |= {name for hint in hints.values() for name in names_in(hint)}
    assert found > {"Retry", "Timeout", "Client", "Provider", "Stream", "Events", "Attempt", "ToolCall", "Usage"}
    assert found - {*g4flite.__all__} == set()
    # The aliases, which the annotations do not name any more.
    assert {"Event", "FinishReason", "JSON", "Messages", "ProviderLike"} - {*g4flite.__all__} == set()


def test_the_changelog_has_the_form_of_keep_a_changelog() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    first, *released = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert first == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", head) for head in released)
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert {*re.findall(r"^### (.*)$", text, re.MULTILINE)} <= kinds


def test_the_version_is_one_of_semantic_versioning() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", g4flite.__version__)


def test_the_readme_has_no_dead_link_on_the_page_of_an_index() -> None:
    text = on_an_index((ROOT / "README.md").read_text())
    assert [link for link in re.findall(r"\]\(([^)]*)\)", text) if not re.match("https://|#", link)] == []
    assert "![" not in text
    assert "getting started (`examples/guides/getting-started.md`)" in text


@rows(
    ("link", "shown"),
    [
        ("[the guide](a/b.md)", "the guide (`a/b.md`)"),
        ("[a part](a/b.md#c)", "a part (`a/b.md`)"),
        ("[b.md](b.md)", "b.md"),
        ("[here](#top)", "[here](#top)"),
        ("[there](https://a.example/)", "[there](https://a.example/)"),
        ("![a picture](a.svg)\n\nText", "Text"),
        ("![a picture](https://a.example/a.svg)", "![a picture](https://a.example/a.svg)"),
    ],
)
def test_a_relative_link_becomes_the_name_of_its_file(link: str, shown: str) -> None:
    assert on_an_index(link) == shown


def test_the_package_declares_the_interpreters_on_which_it_is_tested() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    declared = re.findall(r"Python :: 3\.(\d+)", setup["metadata"]["classifiers"])
    (tested,) = re.findall(r"for minor in ([\d ]+);", (ROOT / "Makefile").read_text())
    assert {*declared} <= {*tested.split()}
    assert setup["options"]["python_requires"] == f">=3.{declared[0]}"
