"""A vendored copy at work: under the tests of the package itself."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import g4flite
from g4flite import providers
from g4flite.apps import vendor
from tests.conftest import bare_environment

PACKAGE = Path(g4flite.__file__).parent
MODULES = {module: [name for name, at in providers._MODULES.items() if at == module]
           for module in providers._MODULES.values()}  # fmt: skip


def constants(*modules: str) -> list[str]:
    return sorted(name.upper().replace("-", "_") for module in modules for name in MODULES[module])


def test_a_type_checker_is_told_of_the_very_providers_that_are_there() -> None:
    tree = ast.parse((PACKAGE / "providers" / "__init__.py").read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    told = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert told == {constant: module for module in MODULES for constant in constants(module)}
    assert {*told, "find", "names", "register"} == {*providers.__all__}
    assert all(getattr(providers, name) is not None for name in providers.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Groq'"):
        _ = providers.Groq


COPY = "myapp._vendor.llm_stream"
CORE = ("core", "response", "transport", "providers")  # the folders of tests that a copy has to pass
TESTS = Path(__file__).parents[1]


def renamed(source: str) -> str:
    """A test of the package as a test of the copy, which it imports `as g4flite`."""
    source = re.sub(r"^( *)from g4flite\b", rf"\1from {COPY}", source, flags=re.MULTILINE)
    source = re.sub(r"^( *import .*)\bg4flite\b", rf"\1{COPY} as g4flite", source, flags=re.MULTILINE)
    return source.replace('"g4flite"', f'"{COPY}"')


def project(folder: Path) -> Path:
    """A project with a copy in it, and with the package's own tests of its core; gives the folder of the copy."""
    vendor.copy(copy := folder.joinpath(*COPY.split(".")), "2026-01-02")
    (folder / "tests").mkdir()
    for path in TESTS.rglob("*.py"):
        name = path.relative_to(TESTS)
        if name.parts[0] in CORE or (len(name.parts) == 1 and not name.stem.startswith("test_")):
            (folder / "tests" / name).parent.mkdir(exist_ok=True)
            (folder / "tests" / name).write_text(renamed(path.read_text()))
    (folder / "tests" / "test_the_copy.py").write_text(renamed((TESTS / "vendored" / "the_copy.py").read_text()))
    shutil.copy(TESTS / "vendored" / "sitecustomize.py", folder)
    shutil.copy(TESTS.parent / "setup.cfg", folder)
    return copy


def passed(folder: Path, *arguments: str) -> int:
    """How many of the project's tests pass; none of them fails."""
    environment = bare_environment() | {"PYTHONPATH": str(folder), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "pytest_httpx", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr
    return int(re.findall(r"(\d+) passed", done.stdout)[-1])


SPREAD = ("-p", "xdist", "-n", "2", "--dist", "worksteal")


@pytest.mark.heavy
def test_a_copy_passes_the_tests_that_need_no_socket(tmp_path: Path) -> None:
    project(tmp_path)
    some = [f"tests/{name}.py" for name in ("test_the_copy", "core/test_errors", "core/test_exchange")]
    assert passed(tmp_path, *some) > 250


@pytest.mark.vendored
def test_a_copy_passes_the_tests_of_the_core(tmp_path: Path) -> None:
    project(tmp_path)
    assert passed(tmp_path, *SPREAD) > 3500
