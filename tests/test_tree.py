"""The tree of the tests: each file is called after the module that it tests, so that the one is found by the other.

`tests/core/test_request_keys.py` tests `g4flite/_core/request.py`: `test_`, the module, and perhaps a topic.  A folder
inside a wing is that of the package with its name.
"""

from collections.abc import Iterable
from pathlib import Path

import g4flite

TESTS, PACKAGE = Path(__file__).parent, Path(g4flite.__file__).parent
WINGS = {
    "core": "_core",
    "response": "_core/response",
    "transport": "_core/transport",
    "providers": "providers",
    "server": "server",
    "testing": "testing",
    "apps": "apps",
}
# Names that stand in the place of a module's, by their wing, and what such a file tests.
WHOLE = {
    ("providers", "all"): "one table through every provider, so that no provider is left out of a rule",
    ("server", "all"): "one table through every protocol of the emulator",
}


def modules(wing: Path) -> set[str]:
    """Return the names of the modules and packages of a wing; the wing's own `__init__.py` is `init`."""
    files = {path.stem for path in wing.glob("*.py")}
    return {name.strip("_") for name in files} | {path.parent.name for path in wing.glob("*/__init__.py")}


def module_of(test: str, names: Iterable[str]) -> str | None:
    """Return which of the modules a file of this name tests: the longest name that it begins with, or None."""
    found = [name for name in names if f"{test}_".startswith(f"test_{name}_")]
    return max(found, key=len, default=None)


def strays(tests: Path, package: Path, whole: Iterable[tuple[str, str]] = WHOLE) -> list[str]:
    """Return the files that are called after no module of their wing, and the exceptions that no file needs."""
    found, unused = list[str](), set(whole)
    for wing, folder in WINGS.items():
        others = {name for at, name in whole if at == wing}
        for path in sorted((tests / wing).rglob("test_*.py")):
            inside = path.parent.relative_to(tests / wing)
            name = module_of(path.stem, modules(package / folder / inside) | others)
            if name is None:
                found.append(path.relative_to(tests).as_posix())
            unused.discard((wing, name or ""))
    return found + [f"{wing}/test_{name}" for wing, name in sorted(unused)]


def test_each_file_is_called_after_a_module_of_its_wing() -> None:
    assert strays(TESTS, PACKAGE) == []


def test_a_file_may_have_a_topic_and_belongs_to_the_longest_name() -> None:
    names = {"network", "network_errors", "init"}
    assert module_of("test_network_errors_proxies", names) == "network_errors"
    assert module_of("test_network_uvloop", names) == "network"
    assert module_of("test_networks", names) is None


def test_a_file_that_is_called_after_no_module_is_a_stray(tmp_path: Path) -> None:
    files = ["package/_core/urls.py", "package/apps/chat/__init__.py", "package/providers/__init__.py",
             "tests/core/test_urls_wrong.py", "tests/core/test_ends.py", "tests/apps/test_chat.py",
             "tests/apps/test_urls.py", "tests/providers/test_init.py", "tests/server/test_all_ends.py",
             "package/apps/chat/session.py", "tests/apps/chat/test_session.py",
             "tests/apps/chat/test_urls.py"]  # fmt: skip
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    found = strays(tmp_path / "tests", tmp_path / "package")
    assert found == ["core/test_ends.py", "apps/chat/test_urls.py", "apps/test_urls.py", "providers/test_all"]
