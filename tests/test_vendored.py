"""A vendored copy at work: cut down to what its owner needs, and under the tests of the package itself."""

import ast
import importlib
import pickle
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import g4flite
from g4flite import cli, providers, vendor
from g4flite.emulator import Emulator
from tests.conftest import bare_environment

PACKAGE = Path(g4flite.__file__).parent
MODULES = {module: [name for name, at in providers._MODULES.items() if at == module]
           for module in providers._MODULES.values()}  # fmt: skip

Make = Callable[..., Any]


@pytest.fixture
def cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Imports a copy that has the named files of providers alone, and not the other files named."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    folder = tmp_path / "llm_stream"

    def make(*kept: str, without: tuple[str, ...] = ("emulator",)) -> Any:
        vendor.copy(folder, "2026-01-02")
        gone = [path for path in (folder / "providers").glob("[a-z]*.py") if path.stem not in kept]
        for path in (*gone, *(folder / name for name in without)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        importlib.invalidate_caches()
        return importlib.import_module(folder.name)

    yield make
    for name in [name for name in sys.modules if name.split(".")[0] == folder.name]:
        del sys.modules[name]


def constants(*modules: str) -> list[str]:
    return sorted(name.upper().replace("-", "_") for module in modules for name in MODULES[module])


@pytest.mark.parametrize("kept", [("flowgpt",), ("anthropic",), ("openai",), ("openai", "dialects")], ids="-".join)
def test_a_copy_works_with_the_providers_that_are_left(
    kept: tuple[str, ...], cut: Make, server: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    llm_stream = cut(*kept)
    left = llm_stream.providers
    assert sorted(left.names()) == sorted(name for module in kept for name in MODULES[module])
    for name in left.names():
        spec = left.find(name)
        assert type(spec).__module__ == "llm_stream._spec"
        assert pickle.loads(pickle.dumps(spec)) == spec
        server.keys = bool(spec.key_variables)
        key = {"api_key": "sk-test-1"} if server.keys else {}
        model = spec.models[0] if spec.models else "m-1"
        base_url = server.url + urlsplit(spec.base_url).path
        assert llm_stream.stream(name, "Hi", model=model, base_url=base_url, **key).text() == "You said: Hi"
    assert importlib.import_module("llm_stream.cli").main(["providers"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]] == [*left.names()]


def test_a_star_imports_what_is_left(cut: Make) -> None:
    left = cut("openai", "dialects").providers
    starred: dict[str, Any] = {}
    exec("from llm_stream.providers import *", starred)
    assert {*starred} - {"__builtins__"} == {*constants("openai", "dialects"), "find", "names", "register"}
    assert starred["GROQ"] is left.find("groq")
    assert {name for name in dir(left) if name in constants(*MODULES)} == {*constants("openai", "dialects")}
    assert {"find", "names", "register", "__name__"} <= {*dir(left)}
    with pytest.raises(ImportError):
        exec("from llm_stream.providers import GEMINI", {})
    with pytest.raises(AttributeError, match=r"^gemini: this copy lacks providers/gemini\.py; "):
        _ = left.GEMINI
    with pytest.raises(AttributeError, match="has no attribute 'Groq'"):
        _ = left.Groq


def test_asking_for_what_was_deleted_says_how_to_have_it_back(cut: Make, tmp_path: Path) -> None:
    llm_stream = cut("openai", "dialects")
    with pytest.raises(llm_stream.ProviderNotFoundError) as caught:
        llm_stream.stream("gemini", "Hi")
    whole = f"g4flite vendor {shlex.quote(str(tmp_path / 'llm_stream'))}"
    told = f"gemini: this copy lacks providers/gemini.py; to have all files of the copy back, type: {whole}"
    assert str(caught.value) == str(pickle.loads(pickle.dumps(caught.value))) == told
    with pytest.raises(llm_stream.ProviderNotFoundError, match="did you mean 'groq'"):
        llm_stream.stream("grok", "Hi")
    assert cli.main(shlex.split(whole)[1:]) == 0
    importlib.invalidate_caches()
    assert llm_stream.providers.find("gemini").name == "gemini"


def test_a_tool_that_was_deleted_says_how_to_have_it_back(cut: Make, tmp_path: Path) -> None:
    llm_stream = cut("openai", without=("emulator", "probe.py", "guides.py"))
    for name, file in (("working", "probe"), ("guide", "guides")):
        with pytest.raises(AttributeError) as caught:
            getattr(llm_stream, name)
        whole = f"g4flite vendor {tmp_path / 'llm_stream'}"
        assert (
            str(caught.value) == f"{name}: this copy lacks {file}.py; to have all files of the copy back, type: {whole}"
        )


def test_the_package_itself_says_so_of_a_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(vars(g4flite), "working", raising=False)
    monkeypatch.setitem(sys.modules, "g4flite.probe", None)
    with pytest.raises(AttributeError, match=r"^working: this copy lacks probe\.py; "):
        _ = g4flite.working
    monkeypatch.delitem(sys.modules, "g4flite.probe")
    monkeypatch.setitem(sys.modules, "g4flite._asking", None)
    with pytest.raises(ModuleNotFoundError, match="_asking"):
        _ = g4flite.working


def test_the_package_itself_says_so_of_a_file_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "_TABLE", {})
    monkeypatch.setitem(sys.modules, "g4flite.providers.gemini", None)
    with pytest.raises(g4flite.ProviderNotFoundError, match=r"^gemini: this copy lacks providers/gemini\.py; "):
        providers.find("gemini")
    with pytest.raises(AttributeError, match=r"^gemini: this copy lacks providers/gemini\.py; "):
        _ = providers.GEMINI
    monkeypatch.delitem(sys.modules, "g4flite.providers.ollama", raising=False)
    monkeypatch.setitem(sys.modules, "g4flite._frames", None)
    with pytest.raises(ModuleNotFoundError, match="_frames"):
        providers.find("ollama")


def test_a_provider_made_from_another_one_needs_both_files(cut: Make) -> None:
    left = cut("dialects", "responses", "cohere").providers
    assert left.names() == ("cohere",)
    for name in ("groq", "openai-responses"):
        with pytest.raises(Exception, match=rf"^{name}: this copy lacks providers/openai\.py; "):
            left.find(name)


def test_the_name_of_a_deleted_provider_is_free(cut: Make) -> None:
    llm_stream = cut("flowgpt", without=("emulator", "cli.py", "__main__.py", "vendor.py"))
    mine = llm_stream.Provider(name="gemini", base_url="http://127.0.0.1:9", url="{base_url}", headers={},
                               payload=str, parser=llm_stream.TextParser)  # fmt: skip
    llm_stream.register(mine)
    assert llm_stream.providers.find("gemini") is mine
    assert llm_stream.providers.names() == ("flowgpt", "gemini")


def test_a_provider_that_fails_to_import_is_not_one_that_was_deleted(cut: Make, tmp_path: Path) -> None:
    left = cut("flowgpt").providers
    (tmp_path / "llm_stream" / "providers" / "gemini.py").write_text("import nowhere.at_all\n")
    importlib.invalidate_caches()
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        left.find("gemini")


def test_a_command_goes_with_its_file(cut: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut("flowgpt", without=("emulator", "vendor.py"))
    (tmp_path / "llm_stream" / "emulator" / "__pycache__").mkdir(parents=True)  # as git leaves it
    importlib.invalidate_caches()
    for command in ("emulate", "vendor"):
        assert importlib.import_module("llm_stream.cli").main([command]) == 2
        assert re.fullmatch(rf"llm_stream: error: .*invalid choice: '{command}'.*\n", capsys.readouterr().err)


def test_a_type_checker_is_told_of_the_very_providers_that_are_there() -> None:
    tree = ast.parse((PACKAGE / "providers" / "__init__.py").read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    told = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    (listed,) = [ast.literal_eval(node.value) for node in block.body if isinstance(node, ast.Assign)]
    assert told == {constant: module for module in MODULES for constant in constants(module)}
    assert sorted(listed) == sorted(providers.__all__)
    assert all(getattr(providers, name) is not None for name in listed)


def test_the_table_knows_which_file_needs_which() -> None:
    needs = {}
    for module in MODULES:
        for node in ast.walk(ast.parse((PACKAGE / "providers" / f"{module}.py").read_text())):
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                needs[module] = node.module
    assert needs == providers._BASES


COPY = "myapp._vendor.llm_stream"
# Tests of what is around the package's core.
OTHER = {"benchmarks", "cli", "examples", "package", "soak", "testing", "vendored", *cli.TOOLS}
HERE = Path(__file__).parent


def renamed(source: str) -> str:
    """A test of the package as a test of the copy, which it imports `as g4flite`."""
    source = re.sub(r"^( *)from g4flite\b", rf"\1from {COPY}", source, flags=re.MULTILINE)
    source = re.sub(r"^( *import .*)\bg4flite\b", rf"\1{COPY} as g4flite", source, flags=re.MULTILINE)
    return source.replace('"g4flite"', f'"{COPY}"')


def project(folder: Path) -> Path:
    """A project with a copy in it, and with the package's own tests of its core; gives the folder of the copy."""
    vendor.copy(copy := folder.joinpath(*COPY.split(".")), "2026-01-02")
    (folder / "tests").mkdir()
    core = [path for path in HERE.glob("test_*.py") if not path.stem.removeprefix("test_").startswith((*OTHER, "emul"))]
    for path in (*core, HERE / "conftest.py", HERE / "acme.py", HERE / "__init__.py"):
        (folder / "tests" / path.name).write_text(renamed(path.read_text()))
    (folder / "tests" / "test_the_copy.py").write_text(renamed((HERE / "vendored" / "the_copy.py").read_text()))
    (folder / "lacking.py").write_text(renamed((HERE / "vendored" / "lacking.py").read_text()))
    shutil.copy(HERE / "vendored" / "sitecustomize.py", folder)
    shutil.copy(HERE.parent / "setup.cfg", folder)
    return copy


def passed(folder: Path, *arguments: str) -> int:
    """How many of the project's tests pass; none of them fails."""
    environment = bare_environment() | {"PYTHONPATH": str(folder), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "pytest_httpx", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return int(re.findall(r"(\d+) passed", done.stdout)[-1])


SPREAD = ("-p", "xdist", "-n", "2", "--dist", "worksteal")


@pytest.mark.heavy
def test_a_copy_passes_the_tests_that_need_no_socket(tmp_path: Path) -> None:
    project(tmp_path)
    some = [f"tests/test_{name}.py" for name in ("the_copy", "errors", "engine")]
    assert passed(tmp_path, *some) > 250


@pytest.mark.vendored
def test_a_copy_passes_the_tests_of_the_core(tmp_path: Path) -> None:
    project(tmp_path)
    assert passed(tmp_path, *SPREAD) > 3500


@pytest.mark.vendored
def test_a_copy_cut_down_to_one_provider_passes_the_tests_that_ask_for_no_other(tmp_path: Path) -> None:
    copy = project(tmp_path)
    for path in (copy / "providers").glob("[a-z]*.py"):
        if path.stem != "openai":
            path.unlink()
    assert passed(tmp_path, *SPREAD, "-p", "lacking", "-m", "not heavy") > 1500
