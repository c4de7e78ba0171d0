"""Who may import whom, read from the code's own imports; lazy imports and those for type checkers count as well."""

import ast
import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import g4flite

PACKAGE = Path(g4flite.__file__).parent
NETWORK = {
    "httpx", "httpx2", "httpcore", "h11", "anyio", "ssl", "socket", "socksio", "asyncio", "trio", "aiohttp", "select",
    "selectors", "http.client", "urllib.request",
}  # fmt: skip
FLOORS = 8

Imports = dict[str, set[str]]


def imports(package: Path) -> Imports:
    """Return what each module imports, as dotted names: of the package relative to it ("_core.errors"), others whole.

    The package itself is "", a subpackage is its own name.
    """
    files = {".".join(path.relative_to(package).with_suffix("").parts): path for path in package.rglob("*.py")}
    modules = {name.removesuffix("__init__").removesuffix("."): path for name, path in files.items()}
    return {name: set(_named(name, path, modules)) for name, path in modules.items()}


@functools.cache
def own_imports() -> Imports:
    """Return the imports of g4flite, which takes half a second to parse."""
    return imports(PACKAGE)


def _named(module: str, path: Path, modules: dict[str, Path]) -> Iterator[str]:
    inside = [*module.split(".")] if module else []
    here = inside if path.name == "__init__.py" else inside[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        yield from _loaded_by_name(node, here)
        if isinstance(node, ast.Import):
            yield from (name for alias in node.names for name in (alias.name, alias.name.partition(".")[0]))
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (node.module or "", (node.module or "").partition(".")[0])
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = node.level - (path.name == "__init__.py")
            base = inside[: len(inside) - up] + ([node.module] if node.module else [])
            for alias in node.names:
                name = ".".join([*base, alias.name])
                yield name if name in modules else ".".join(base)


def _loaded_by_name(node: ast.AST, here: list[str]) -> Iterator[str]:
    """Yield what `import_module("..name", package)` loads, and each module of a table that is called `_HOME`."""
    names: list[object] = []
    if isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func) and node.args:
        names = [node.args[0].value] if isinstance(node.args[0], ast.Constant) else []
    # The public names of a package and their modules: the values of a dict, or the second arguments of `fromkeys`.
    elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_HOME":
        dicts = [inner for inner in ast.walk(node.value) if isinstance(inner, ast.Dict)]
        calls = [inner for inner in ast.walk(node.value) if isinstance(inner, ast.Call) and len(inner.args) == 2]
        values = [value for one in dicts for value in one.values] + [call.args[1] for call in calls]
        names = ["." + value.value.lstrip(".") if value.value[:2] != ".." else value.value
                 for value in values if isinstance(value, ast.Constant) and value.value]  # fmt: skip
    for name in names:
        if isinstance(name, str):
            up = len(name) - len(name.lstrip("."))
            yield ".".join([*here[: len(here) - up + 1], name.lstrip(".")]) if up else name.partition(".")[0]


def among(found: Imports) -> Imports:
    """Return the imports of the package's own modules alone."""
    return {module: {name for name in names if name in found and name != module} for module, names in found.items()}


def is_in(module: str, *wings: str) -> bool:
    """Return whether a module is one of the wings, or stands in one of them."""
    return any(module == wing or module.startswith(f"{wing}.") for wing in wings)


def broken(found: Imports) -> list[str]:
    """Return each import that breaks a rule, as "module imports module: rule"."""
    return [
        f"{module or 'the package'} imports {name or 'the package'}: {rule}"
        for module, names in sorted(found.items())
        for name in sorted(names)
        for rule, breaks in RULES.items()
        if breaks(module, name, name in found)
    ]


def _outside_its_app(module: str, name: str) -> bool:
    """Return whether an app imports another app that is not the shared one, `apps.cli`."""
    own = ".".join(module.split(".")[:2])
    return is_in(name, "apps") and not is_in(name, own, "apps.cli") and name != "apps"


# Each rule: what it says, and whether an import breaks it: (module, what it imports, whether that is our own).
RULES: dict[str, Callable[[str, str, bool], bool]] = {
    "_core imports nothing of the package outside itself": lambda module, name, own: (
        is_in(module, "_core") and own and not is_in(name, "_core")
    ),
    "response/ and request import neither each other nor exchange nor transport/": lambda module, name, own: (
        (is_in(module, "_core.response") and is_in(name, "_core.request", "_core.exchange", "_core.transport"))
        or (module == "_core.request" and is_in(name, "_core.response", "_core.exchange", "_core.transport"))
    ),
    "exchange never imports transport/ nor request": lambda module, name, own: (
        module == "_core.exchange" and is_in(name, "_core.transport", "_core.request")
    ),
    "in _core, only transport/ imports the network": lambda module, name, own: (
        is_in(module, "_core") and not is_in(module, "_core.transport") and not own and name in NETWORK
    ),
    "providers/ import _core's words, options and response/": lambda module, name, own: (
        is_in(module, "providers")
        and own
        and not is_in(name, "providers", "_core.response", *(f"_core.{word}" for word in WORDS))
        # The table of providers suggests the nearest name.
        and (module, name) != ("providers", "_core.request")
    ),
    "the package imports itself by relative imports alone": lambda module, name, own: name == "g4flite",
    "no provider imports another, but for variants of one": lambda module, name, own: (
        is_in(module, "providers")
        and module != "providers"
        and is_in(name, "providers")
        and (module, name) not in VARIANTS
    ),
    "server/ imports _core.events and _core.errors, and nothing else of ours": lambda module, name, own: (
        is_in(module, "server") and own and not (is_in(name, "server") or name in ("_core.events", "_core.errors"))
    ),
    "testing/ imports server/ and _core": lambda module, name, own: (
        is_in(module, "testing") and own and not is_in(name, "testing", "server", "_core")
    ),
    "client imports _core and providers": lambda module, name, own: (
        module == "client" and own and not is_in(name, "_core", "providers")
    ),
    "conversation imports _core, providers and client": lambda module, name, own: (
        module == "conversation" and own and not is_in(name, "_core", "providers", "client")
    ),
    "the package's own names come from _core, client, conversation and providers": lambda module, name, own: (
        module == "" and own and not is_in(name, "_core", "client", "conversation", "providers")
    ),
    "nobody but __main__ imports apps/": lambda module, name, own: (
        is_in(name, "apps") and not is_in(module, "apps", "__main__")
    ),
    "an app imports no app but cli": lambda module, name, own: is_in(module, "apps") and _outside_its_app(module, name),
}
WORDS = (
    "conversation", "effort", "errors", "events", "media", "messages", "numbers", "options", "provider", "references",
    "refused", "takes",
)  # fmt: skip
# A variant is made of another provider's spec by `dataclasses.replace`.
VARIANTS = {("providers.dialects", "providers.openai"), ("providers.responses", "providers.openai")}


def circles(found: Imports) -> list[set[str]]:
    """Return the modules that import each other in a circle, a set for each circle."""
    below = {module: _reached(module, found) for module in found}
    sets = {frozenset(other for other in below[module] if module in below[other]) for module in found}
    return [set(one) for one in sets if one]


def _reached(module: str, found: Imports) -> set[str]:
    reached: set[str] = set()
    rest = [module]
    while rest:
        new = found[rest.pop()] - reached
        reached |= new
        rest += new
    return reached


def floors(found: Imports) -> dict[str, int]:
    """Return the floor of each module: it stands above all that it imports, and floor 1 imports nothing of ours.

    There may be no circle.
    """
    known: dict[str, int] = {}

    def floor(module: str) -> int:
        if module not in known:
            known[module] = 1 + max(map(floor, found[module]), default=0)
        return known[module]

    return {module: floor(module) for module in found}


def test_no_import_breaks_a_rule() -> None:
    assert broken(own_imports()) == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circles(among(own_imports())) == []


def test_the_core_has_at_most_eight_floors() -> None:
    found = among(own_imports())
    core = {module: found[module] for module in found if not module or is_in(module, "_core", "providers", "client")}
    assert {module: floor for module, floor in floors(among(core)).items() if floor > FLOORS} == {}


@pytest.mark.parametrize(
    ("file", "source", "rule"),
    [
        ("_core/errors.py", "from ..client import stream", "_core imports nothing"),
        ("_core/errors.py", "def f():\n    from .. import client", "_core imports nothing"),
        ("_core/response/reply.py", "from ..request import build", "response/ and request"),
        ("_core/request.py", "from .response.reply import Reply", "response/ and request"),
        ("_core/exchange.py", "if TYPE_CHECKING:\n    from .transport import driver", "exchange never"),
        ("_core/exchange.py", "from .request import build", "exchange never"),
        ("_core/timers.py", "import socket", "only transport/ imports the network"),
        ("_core/timers.py", "def f():\n    from httpx import Client", "only transport/ imports the network"),
        ("_core/stream.py", "import anyio.lowlevel", "only transport/ imports the network"),
        ("providers/openai.py", "from .._core.transport.driver import iterate", "providers/ import _core's words"),
        ("providers/openai.py", "from .. import client", "providers/ import _core's words"),
        ("providers/openai.py", "from .cohere import COHERE", "no provider imports another"),
        ("providers/openai.py", "from . import cohere", "no provider imports another"),
        ("server/openai.py", "from .._core.messages import flatten", "server/ imports"),
        ("server/openai.py", "from ..providers import openai", "server/ imports"),
        ("testing/__init__.py", "from .. import client", "testing/ imports"),
        ("testing/__init__.py", "from ..providers.openai import OPENAI", "testing/ imports"),
        ("client.py", "from .testing import x", "client imports"),
        ("client.py", "from . import conversation", "client imports"),
        ("conversation.py", "from .testing import x", "conversation imports"),
        ("providers/openai.py", "from .._core.request import build", "providers/ import _core's words"),
        ("_core/errors.py", "import_module('..client', __package__)", "_core imports nothing"),
        ("_core/errors.py", "importlib.import_module('httpx')", "only transport/ imports the network"),
        ("_core/errors.py", "import asyncio", "only transport/ imports the network"),
        ("_core/errors.py", "import g4flite.client", "the package imports itself by relative"),
        ("__init__.py", "_HOME = {'main': 'apps.chat'}", "the package's own names"),
        ("__init__.py", "_HOME = dict.fromkeys(('a', 'b'), 'apps.chat')", "the package's own names"),
        ("testing/__init__.py", "_HOME = {'OPENAI': '..providers.openai'}", "testing/ imports"),
        ("__init__.py", "if TYPE_CHECKING:\n    from .apps.chat import main", "the package's own names"),
        ("client.py", "from .apps import cli", "nobody but __main__"),
        ("apps/chat/__init__.py", "from ..probe import working", "an app imports no app"),
        ("apps/cli.py", "from . import probe", "an app imports no app"),
    ],
)
def test_a_broken_rule_is_reported(tmp_path: Path, file: str, source: str, rule: str) -> None:
    for name in ("_core/errors", "_core/messages", "_core/request", "_core/exchange", "_core/timers", "_core/stream",
                 "_core/response/reply", "_core/transport/driver", "providers/openai", "providers/cohere",
                 "server/openai", "testing/__init__", "client", "conversation", "__init__", "apps/cli", "apps/probe",
                 "apps/chat/__init__"):  # fmt: skip
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for folder in ("_core", "_core/response", "_core/transport", "providers", "server", "apps"):
        (tmp_path / folder / "__init__.py").touch()
    assert broken(imports(tmp_path)) == []
    (tmp_path / file).write_text(source)
    assert any(rule in line for line in broken(imports(tmp_path)))


def test_an_allowed_import_breaks_no_rule(tmp_path: Path) -> None:
    allowed = {
        "_core/__init__.py": "",
        "_core/errors.py": "import json",
        "_core/events.py": "",
        "_core/transport/__init__.py": "",
        "_core/transport/driver.py": "import anyio\nfrom ..errors import x",
        "providers/__init__.py": "def f():\n    from .openai import OPENAI",
        "providers/openai.py": "from .._core.errors import x",
        "providers/dialects.py": "from .openai import OPENAI",
        "server/__init__.py": "from .._core.events import Start",
        "testing/__init__.py": "import httpx\nfrom ..server import x",
        "client.py": "from . import providers\nfrom ._core.errors import x",
        "conversation.py": "from ._core.events import x\nfrom .client import stream",
        "__init__.py": "from .client import stream\nfrom .conversation import x",
        "apps/__init__.py": "",
        "apps/cli.py": "from ..client import stream",
        "apps/chat/__init__.py": "from ..cli import main\nfrom .history import x",
        "apps/chat/history.py": "",
        "__main__.py": "from .apps import chat, cli",
    }
    for name, source in allowed.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)
    found = imports(tmp_path)
    assert broken(found) == []
    assert circles(among(found)) == []


def test_a_circle_is_found_and_floors_are_counted(tmp_path: Path) -> None:
    for name, source in {
        "a": "from . import b",
        "b": "def f():\n    from .c import x",
        "c": "import os",
        "d": "",
    }.items():
        (tmp_path / f"{name}.py").write_text(source)
    found = among(imports(tmp_path))
    assert circles(found) == []
    assert floors(found) == {"a": 3, "b": 2, "c": 1, "d": 1}
    (tmp_path / "c.py").write_text("if TYPE_CHECKING:\n    from . import a")
    assert circles(among(imports(tmp_path))) == [{"a", "b", "c"}]
