"""A vendored copy at work: it streams, and it passes the tests of the package itself, with g4flite barred.

`vendored/` beside this folder holds what is copied into a project for that: the bar, a program, and a few tests.
"""

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
from g4flite.testing import Emulator
from tests.conftest import bare_environment

PACKAGE = Path(g4flite.__file__).parent
MODULES = {module: [name for name, at in providers._MODULES.items() if at == module]
           for module in providers._MODULES.values()}  # fmt: skip


def constants(*modules: str) -> list[str]:
    return sorted(name.upper().replace("-", "_") for module in modules for name in MODULES[module])


def test_a_type_checker_sees_the_providers_that_are_there_and_no_others() -> None:
    tree = ast.parse((PACKAGE / "providers" / "__init__.py").read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    told = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert told == {constant: module for module in MODULES for constant in constants(module)}
    assert {*told, "find", "names", "register"} == {*providers.__all__}
    assert all(getattr(providers, name) is not None for name in providers.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Groq'"):
        _ = providers.Groq


COPY = "myapp._vendor.llm_stream"
TESTS = Path(__file__).parents[1]
VENDORED = TESTS / "vendored"

# The folders and files of tests that a copy has to pass.
CORE = ("core", "response", "transport", "providers", "test_client.py", "test_conversation.py")


def project(folder: Path, *, testing: bool) -> None:
    """Make a project with a copy, in whose processes g4flite itself cannot be imported."""
    vendor.copy(folder.joinpath(*COPY.split(".")), "2026-01-02", testing=testing)
    shutil.copy(VENDORED / "sitecustomize.py", folder)


def environment(folder: Path) -> dict[str, str]:
    return bare_environment() | {"PYTHONPATH": str(folder), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def test_a_plain_copy_of_the_core_streams_and_can_make_all_of_its_imports(tmp_path: Path, server: Emulator) -> None:
    project(tmp_path, testing=False)
    command = [sys.executable, str(VENDORED / "core_program.py"), server.url]
    done = subprocess.run(command, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, timeout=60)
    *answers, imports = done.stdout.splitlines()
    assert (done.returncode, done.stderr, answers) == (0, "", ["You said: Hello"] * 3)
    assert int(imports) > 300


def renamed(source: str) -> str:
    """Return a test of the package as a test of the copy, which it imports `as g4flite`."""
    source = re.sub(r"^( *)from g4flite\b", rf"\1from {COPY}", source, flags=re.MULTILINE)
    source = re.sub(r"^( *import .*)\bg4flite\b", rf"\1{COPY} as g4flite", source, flags=re.MULTILINE)
    return source.replace('"g4flite"', f'"{COPY}"')


def add_tests(folder: Path) -> None:
    """Give the project the package's own tests of its core, and their helpers."""
    (folder / "tests").mkdir()
    for path in TESTS.rglob("*.py"):
        name = path.relative_to(TESTS)
        if name.parts[0] in CORE or (len(name.parts) == 1 and not name.stem.startswith("test_")):
            (folder / "tests" / name).parent.mkdir(exist_ok=True)
            (folder / "tests" / name).write_text(renamed(path.read_text()))
    (folder / "tests" / "test_the_copy.py").write_text(renamed((VENDORED / "the_copy.py").read_text()))
    shutil.copy(TESTS.parent / "setup.cfg", folder)


def passed(folder: Path, *arguments: str) -> int:
    """Run tests of the project, all of which have to pass, and return how many there were."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "pytest_httpx", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr
    return int(re.findall(r"(\d+) passed", done.stdout)[-1])


SPREAD = ("-p", "xdist", "-n", "2", "--dist", "worksteal")


@pytest.mark.heavy
def test_a_copy_passes_tests_that_need_no_socket(tmp_path: Path) -> None:
    project(tmp_path, testing=True)
    add_tests(tmp_path)
    some = [f"tests/{name}.py" for name in ("test_the_copy", "core/test_errors", "core/test_exchange")]
    assert passed(tmp_path, *some) > 120


@pytest.mark.vendored
def test_a_copy_passes_the_tests_of_the_core(tmp_path: Path) -> None:
    project(tmp_path, testing=True)
    add_tests(tmp_path)
    assert passed(tmp_path, *SPREAD) > 3500
