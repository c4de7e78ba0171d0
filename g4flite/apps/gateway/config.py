"""`gateway.toml`: which models the gateway has, who may ask, and what it logs.

    keys = "keys.sqlite"                        # relative to this file, as all paths are
    origins = ["https://chat.example"]          # the web pages that may ask, besides the gateway's own
    hosts = ["gateway.example"]                 # the names of this host in requests, where there are origins or no keys

    [models.fast]
    provider = ["groq", "openai"]               # the next one is asked if one fails before its first text
    model = {groq = "llama-3.3-70b-versatile", openai = "gpt-4o-mini"}
    timeout = {first_token = 10, total = 120}   # seconds, as in `Timeout`; a number is `total`
    retries = 0
    options = {temperature = 0.2}

    [models.own]
    provider = "gpu"
    model = "Qwen/Qwen3-8B"

    [providers.gpu]                             # a provider with settings of its own
    provider = "vllm"
    base_url = "http://10.0.0.7:8000/v1"
    key_variable = "GPU_KEY"                    # the environment variable that holds its key

    [log]
    file = "calls.jsonl"                        # default: standard error
    content = false                             # true logs prompts and answers as well

`load(path)` returns all of it as one frozen `Config`, or raises: half a file is never used.  `clients(model)` makes the
clients that the gateway asks for a model.
"""

import os
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from importlib import import_module
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Any, Final

from ... import Client, G4fliteError, OptionError, Timeout, UsageError, providers
from ..._core.errors import TIMERS
from ..._core.provider import FrozenDict
from ..._core.request import first_request, make_call, nearest
from ..._core.settings import as_retry, as_timeout
from ..._core.urls import check_proxy

# What the values of the fields may be, by the table.
FILE: Final[Mapping[str, tuple[type, ...]]] = {
    "models": (dict,), "providers": (dict,), "keys": (str,), "origins": (list,), "hosts": (list,), "log": (dict,),
}  # fmt: skip
MODEL: Final[Mapping[str, tuple[type, ...]]] = {
    "provider": (str, list), "model": (str, dict), "timeout": (int, float, dict), "retries": (int,), "options": (dict,),
}  # fmt: skip
PROVIDER: Final[Mapping[str, tuple[type, ...]]] = {
    "provider": (str,), "base_url": (str,), "proxy": (str,), "key_variable": (str,), "headers": (dict,),
}  # fmt: skip
LOG: Final[Mapping[str, tuple[type, ...]]] = {"file": (str,), "content": (bool,)}
TIMEOUT: Final[Mapping[str, tuple[type, ...]]] = {timer.name: (int, float) for timer in fields(Timeout)}
# An origin with its parts, and the name of a host.
ORIGIN: Final = re.compile(r"(?P<scheme>https?)://(?P<host>\[[^]]*\]|[^]:[]+)(?::(?P<port>[1-9][0-9]{0,4}))?")
HOST: Final = re.compile(r"[\w.-]+", re.ASCII)
DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
CALLED: Final = {str: "a text", list: "a list", dict: "a table", int: "a whole number", float: "a number",
                 bool: "true or false"}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A provider that is asked for a model, with the arguments of `Client` that are its own.

    `name` is the provider's name in the file.  `proxy` and `headers` may hold secrets, and stand in no repr.
    """

    name: str
    provider: str
    model: str | None = None
    base_url: str | None = None
    proxy: str | None = field(default=None, repr=False)
    key_variable: str | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: FrozenDict({}), repr=False)

    @property
    def api_key(self) -> str | None:
        """The key that `key_variable` names, as the environment has it now; None without a variable."""
        return None if self.key_variable is None else os.environ.get(self.key_variable, "").strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A name that clients ask for: the targets in the order in which they are asked, and the settings of each.

    `left_out` says why further targets of the file cannot be asked now: the environment lacks a key, or a base URL.
    """

    name: str
    targets: tuple[Target, ...]
    left_out: tuple[str, ...] = ()
    timeout: Timeout = field(default_factory=Timeout)
    retries: int = 2
    options: Mapping[str, Any] = field(default_factory=lambda: FrozenDict({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """Where the lines of the log go, None for standard error, and whether they hold prompts and answers."""

    file: Path | None = None
    content: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole file; `models` is in its order.  Without a file of `keys`, nobody needs a key."""

    models: Mapping[str, Model]
    keys: Path | None = None
    origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    log: Log = field(default_factory=Log)


class _WrongError(Exception):
    """Something in the file is wrong: in which table, in which field ("" for the table as a whole), and what."""

    def __init__(self, table: tuple[str, ...], name: str, said: str) -> None:
        super().__init__(said)
        self.table, self.name, self.said = table, name, said


def load(path: str | Path) -> Config:
    """Return what the file says, checked as far as it can be without asking anybody.

    Raises `UsageError`, which names the file, the line and the field, and `G4fliteError` if there is no file to read.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode()
        # tomllib is part of Python since 3.11; the package tomli is the same.
        toml = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
        return _config(toml.loads(text.replace("\r\n", "\n")), path.parent)
    except OSError as error:
        raise G4fliteError(f"{path} cannot be read: {error.strerror}") from error
    except _WrongError as error:
        line = _line(text, error.table, error.name)
        where = ".".join(map(_quoted, error.table))
        said = f"{where}: {error.said}" if where else error.said
        raise UsageError(f"{path}, line {line}: {said}" if line else f"{path}: {said}") from None
    except (ValueError, RecursionError) as error:
        # TOMLDecodeError names the line itself.
        said = "is not encoded in UTF-8" if isinstance(error, UnicodeDecodeError) else f"is no TOML: {error}"
        raise UsageError(f"{path} {said}") from error


def clients(model: Model) -> list[Client]:
    """Return a client for each target of a model, in their order.  The caller closes them."""
    return [
        Client(
            target.provider,
            model=target.model,
            api_key=target.api_key,
            base_url=target.base_url,
            proxy=target.proxy,
            headers=target.headers,
            timeout=model.timeout,
            retries=model.retries,
            **model.options,
        )
        for target in model.targets
    ]


def _config(file: dict[str, Any], folder: Path) -> Config:
    top = _fields(file, (), FILE)
    if not top.get("models"):
        raise _WrongError(("models",), "", 'there is no model; add a table [models.NAME] with provider = "..."')
    own = {name: _target(name, table) for name, table in top.get("providers", {}).items()}
    log = _fields(top.get("log", {}), ("log",), LOG)
    return Config(
        models=FrozenDict({name: _model(name, table, own) for name, table in top["models"].items()}),
        keys=_path(folder, top.get("keys"), (), "keys"),
        origins=_each(origin_of, top, "origins"),
        hosts=_each(host_of, top, "hosts"),
        log=Log(file=_log_file(folder, log.get("file")), content=log.get("content", False)),
    )


def _log_file(folder: Path, name: str | None) -> Path | None:
    """Return the file of the log; each call would fail to write its line there if nobody looked before."""
    file = _path(folder, name, ("log",), "file")
    if file is not None and (file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK)):
        raise _WrongError(("log",), "file", f"file: {str(file)!r} cannot be written; is its folder there?")
    return file


def _path(folder: Path, name: str | None, table: tuple[str, ...], of: str) -> Path | None:
    if name == "":
        raise _WrongError(table, of, f"{of} is empty; name a file, or leave {of} out")
    return None if name is None else folder / name


def _each(checked: Callable[[object], str], top: dict[str, Any], name: str) -> tuple[str, ...]:
    try:
        return tuple(map(checked, top.get(name, [])))
    except ValueError as error:
        raise _WrongError((), name, f"{name}: {error}") from None


def origin_of(origin: object) -> str:
    """Return the origin of a web page as browsers send it.  Raises `ValueError` for what none of them sends.

    They write a name in ASCII and in lower case, an address of IPv6 in its shortest form, and no default port.
    """
    found = ORIGIN.fullmatch(origin) if isinstance(origin, str) else None
    if found is not None and found["port"] != DEFAULT_PORTS[found["scheme"]]:
        with suppress(ValueError):
            name = host_of(found["host"])
            if found["host"] == (f"[{name}]" if ":" in name else name):
                return found[0]
    raise ValueError(f'{origin!r} is no origin; write it like "https://chat.example"')


def host_of(host: object) -> str:
    """Return the name of a host as requests have it, without a port.  Raises `ValueError` for any other text.

    An address of IPv6 may stand in brackets.
    """
    text = host if isinstance(host, str) else ""
    try:
        return str(IPv6Address(text[1:-1] if text[:1] + text[-1:] == "[]" else text))
    except ValueError:
        if HOST.fullmatch(text) is None:
            raise ValueError(f'{host!r} is no name of a host; write it like "gateway.example"') from None
    return as_host(text)


def as_host(name: str) -> str:
    """Return a host's name in the one form in which it is compared: an address may be written in several."""
    try:
        return str(ip_address(name))
    except ValueError:
        return name.lower()


def _target(name: str, table: object) -> Target:
    """Return a provider with settings of its own."""
    where = ("providers", name)
    given = _fields(table, where, PROVIDER)
    if "provider" not in given:
        raise _WrongError(where, "", 'there is no provider; add provider = "openai-compatible", say')
    with_model = Target(name=name, **{**given, "headers": FrozenDict(given.get("headers", {}))})
    try:
        providers.find(with_model.provider)
        if with_model.proxy is not None:
            check_proxy(with_model.proxy)
    except UsageError as error:
        raise _WrongError(where, "provider", _said(error)) from None
    except ValueError as error:
        raise _WrongError(where, "proxy", f"proxy {error}") from None
    return with_model


def _model(name: str, table: object, own: Mapping[str, Target]) -> Model:
    where = ("models", name)
    given = _fields(table, where, MODEL)
    if not name.strip() or not name.isprintable():
        raise _WrongError(where, "", "the name of a model must be a text without control characters")
    asked = given.get("provider", [])
    asked = [asked] if isinstance(asked, str) else asked
    if not asked or not all(isinstance(one, str) for one in asked):
        raise _WrongError(where, "provider", 'provider must be a name or a list of names, like ["groq", "openai"]')
    models = given.get("model", {})
    models = dict.fromkeys(asked, models) if isinstance(models, str) else _fields(
        models, (*where, "model"), dict.fromkeys(asked, (str,)))  # fmt: skip
    found = tuple(replace(_named(one, where, own), model=models.get(one)) for one in asked)
    try:
        made = Model(
            name=name,
            targets=found,
            timeout=_timeout(given.get("timeout"), where),
            retries=as_retry(given.get("retries")).times,
            options=FrozenDict(given.get("options", {})),
        )
    except OptionError as error:
        raise _WrongError(where, "retries" if error.argument == "retries" else "timeout", _said(error)) from None
    missing = [_missing(target, made, where) for target in found]
    left_out = tuple(filter(None, missing))
    if len(left_out) == len(found):
        raise _WrongError(where, "provider", f"no provider can be asked: {'; '.join(left_out)}")
    kept = tuple(target for target, why in zip(found, missing, strict=True) if not why)
    return replace(made, targets=kept, left_out=left_out)


def _named(name: str, where: tuple[str, ...], own: Mapping[str, Target]) -> Target:
    """Return the provider of this name: one of the file's own, or one of the package's."""
    if name in own:
        return own[name]
    try:
        return Target(name=name, provider=providers.find(name).name)
    except UsageError as error:
        hint = nearest(name, [*own])
        said = f"there is no provider {name!r}{hint}" if hint else _said(error)
        raise _WrongError(where, "provider", said) from None


def _timeout(given: Any, where: tuple[str, ...]) -> Timeout:
    if isinstance(given, dict):
        return Timeout(**_fields(given, (*where, "timeout"), TIMEOUT))
    return as_timeout(given)


def _missing(target: Target, model: Model, where: tuple[str, ...]) -> str:
    """Return why the target cannot be asked now: the environment lacks its key or its base URL.  "" if it can.

    Raises `_WrongError` if a request of this model could not even be made.
    """
    if target.api_key == "":
        return f"{target.name}: there is no key; set {target.key_variable}"
    try:
        call = make_call(
            providers.find(target.provider),
            "Hi",
            model=target.model,
            base_url=target.base_url,
            headers=target.headers,
            options=model.options,
            api_key=target.api_key,
        )
        first_request(call)
    except UsageError as error:
        if not getattr(error, "own_setting", False):
            raise _misplaced(error, target, model, where) from None
        return _said(error)
    return ""


def _misplaced(error: UsageError, target: Target, model: Model, where: tuple[str, ...]) -> _WrongError:
    """Return the error of a request that cannot be made, with the field from which it comes."""
    wrong, said, known = error.argument or "", _said(error), providers.find(target.provider).options
    if unknown := next((name for name in model.options if name not in known), ""):
        if unknown in MODEL:
            said = f"there is no option {unknown!r}; it is a field of {'.'.join(map(_quoted, where))}"
        return _WrongError((*where, "options"), unknown, said)
    if wrong in model.options:
        return _WrongError((*where, "options"), wrong, said)
    # The error of a header names the header alone.
    own = "headers" if "the header" in said and target.headers else wrong
    if own in PROVIDER and getattr(target, own):
        return _WrongError(("providers", target.name), own, said)
    return _WrongError(where, wrong if wrong in MODEL else "", said)


def _fields(table: object, where: tuple[str, ...], kinds: Mapping[str, tuple[type, ...]]) -> dict[str, Any]:
    """Return the fields of a table.  Raises `_WrongError` for one that is unknown, or of a wrong type."""
    if not isinstance(table, dict):
        raise _WrongError(where[:-1], where[-1], f"{where[-1]} must be a table, not {table!r}")
    for name, value in table.items():
        if name not in kinds:
            hint = nearest(name, [*kinds]) or f"; there are {', '.join(kinds)}"
            raise _WrongError(where, name, f"there is no field {name!r}{hint}")
        if not isinstance(value, kinds[name]) or (isinstance(value, bool) and bool not in kinds[name]):
            wanted = " or ".join(CALLED[kind] for kind in kinds[name] if (kind, float in kinds[name]) != (int, True))
            raise _WrongError(where, name, f"{name} must be {wanted}, not {CALLED.get(type(value), 'a date')}")
    return table


def _said(error: UsageError) -> str:
    """Return the message, with arguments called as the fields of the file are."""
    return error.spelled(
        lambda name: f"timeout.{name}" if name in TIMERS else name if name in {**MODEL, **PROVIDER} else ""
    )


def _quoted(name: str) -> str:
    """Return a key as TOML has to have it."""
    return name if re.fullmatch(r"[\w-]+", name, re.ASCII) else f'"{name}"'


def _line(text: str, table: tuple[str, ...], name: str) -> int:
    """Return in which line a field stands, or else its table; 0 if both are written in an unusual way."""
    header = r"\s*\[\s*" + r"\s*\.\s*".join(rf"[\"']?{re.escape(part)}[\"']?" for part in table) + r"\s*\]"
    inside, found = not table, 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("["):
            inside = bool(table) and re.match(header, line) is not None
            found = number if inside else found
        elif inside and name and re.match(rf"\s*[\"']?{re.escape(name)}[\"']?\s*[=.]", line):
            return number
    # A table may stand in the line of its field: timeout = {total = 60}.
    return found or (_line(text, table[:-1], table[-1]) if table else 0)
