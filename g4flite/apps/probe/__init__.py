"""Which providers answer from here, now: `working` lists them, best first; `probe` says why the others do not.

Each is asked one tiny question, all at once, a thread each.  The command line shows the same as a table.
"""

import argparse
import json
import os
import socket
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from shutil import get_terminal_size
from threading import Thread
from typing import Any, Final
from urllib.parse import urlsplit

from ... import providers as known
from ..._core.errors import G4fliteError, UsageError
from ..._core.provider import Call, Provider
from ..._core.request import base_url_variable, check_mapping, make_call
from ..._core.settings import Timeout, as_timeout
from ..._core.stream import Stream
from ..._core.urls import is_loopback
from ...client import warn
from .measurement import REASONS, Probe, ask, has_key, unasked

PROMPT: Final = "Count from one to ten, in words."  # enough chunks to tell a speed by
HEADINGS: Final = ("provider", "result", "first text", "chunks/s", "reply", "model")


class Working(tuple[Provider, ...]):
    """The providers that answered, best first, each with the model that did as its default: a list for `stream`.

    `probes` holds every measurement in the same order, those of the others behind.
    """

    probes: tuple[Probe, ...] = ()


def working(
    providers: str | Provider | Sequence[str | Provider] | None = None,
    *,
    model: Mapping[str, str] | None = None,
    timeout: float = 30.0,
) -> Working:
    """The providers that answer now: whole answers first, the fastest to its first text at the front.

        for chunk in g4flite.stream(working(), "Hello"):
            print(chunk, end="")

    Arguments, errors and warnings as for `probe.probe`.
    """
    probes = sorted(probe(providers, model=model, timeout=timeout), key=rank)
    found = Working(one.spec for one in probes if one.works)
    found.probes = tuple(probes)
    return found


def rank(one: Probe) -> tuple[bool, bool, float]:
    """What `working` sorts by."""
    return not one.works, not one.whole, one.first_text or 0.0


def probe(
    providers: str | Provider | Sequence[str | Provider] | None = None,
    *,
    model: Mapping[str, str] | None = None,
    timeout: float = 30.0,
) -> Iterator[Probe]:
    """One `Probe` for each provider, as they come; the questions are asked when the iteration begins.

    - `providers` are names and specs; None are those that could work from here: `candidates()`.
    - `model` maps names of providers to models.  A provider that it does not name is asked for its default model; one
      that has none lists its models, if it can: the first counts on this machine, elsewhere the only one.
    - `timeout` is in seconds, for such a list and for the answer each.

    Leaving the loop closes the streams that are open.  Raises, before anything is sent: `ProviderNotFoundError`,
    `OptionError`.  Warns of a key that goes over plain http, as `stream` does, and of no retired service.
    """
    named = [providers] if isinstance(providers, str | Provider) else providers
    specs = candidates() if named is None else [known.find(item) for item in named]
    models = check_mapping(model, "model is a mapping of providers' names to models")
    for name in models.keys() - {spec.name for spec in specs}:
        known.find(name)
    patience = as_timeout(timeout)
    return ask_all([*map(prepare, specs, [models.get(spec.name) for spec in specs])], patience)


def candidates() -> list[Provider]:
    """The providers, built in and registered, that could work from here."""
    return [spec for spec in map(known.find, known.names()) if could_work(spec)]


def could_work(spec: Provider) -> bool:
    """Whether the environment gives it a base URL or its key, or its server listens on this machine, or it needs
    nothing of the kind and is not retired.
    """
    if any(os.environ.get(name, "").strip() for name in (base_url_variable(spec), *spec.base_url_variables)):
        return True
    if spec.base_url and is_loopback(spec.base_url):
        return listens(spec.base_url)
    return not spec.retired and (has_key(spec) or not (spec.key_variables and spec.key_needed))


def listens(url: str) -> bool:
    """Whether a server on this machine accepts connections there."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 80), timeout=0.25).close()
    except OSError:
        return False
    return True


def prepare(spec: Provider, model: str | None) -> Call | Probe:
    """The question to a provider, or why it cannot be put."""
    try:
        call = make_call(spec, PROMPT, model=model, base_url=None, headers=None, options={})
    except UsageError as error:
        return unasked(spec, error)
    warn(call, public=False, stacklevel=4)
    return call


def load(urls: Sequence[str]) -> None:
    """Imports the network and loads the certificates, once: no provider's time to its first text."""
    import httpx  # noqa: PLC0415

    from ..._core.transport import driver as _drivers  # noqa: F401, PLC0415
    from ..._core.transport import tls  # noqa: PLC0415

    httpx.Client(verify=tls.unused_context(), trust_env=False).close()  # which imports httpcore
    if any(url.startswith("https:") for url in urls):
        with suppress(OSError):  # each row tells of it
            tls.default_context()


def ask_all(calls: Sequence[Call | Probe], timeout: Timeout) -> Iterator[Probe]:
    """What becomes of each call, as it is known.  The threads are daemons, so that Ctrl-C waits for none of them."""
    done: SimpleQueue[Probe] = SimpleQueue()
    live: list[Stream] = []
    left = len(calls)
    load([call.base_url for call in calls if isinstance(call, Call)])
    for call in calls:
        if isinstance(call, Probe):
            done.put(call)
        else:
            Thread(target=lambda one: done.put(ask(one, timeout, live)), args=(call,), daemon=True).start()
    try:
        while left:
            with suppress(Empty):
                found = done.get(timeout=1)  # without a limit, no Ctrl-C would come through on Windows
                left -= 1
                yield found
    finally:
        for stream in live:
            stream.close()


def add(commands: Any) -> None:
    """Adds the command `probe` to the command line."""
    from ..cli import program  # noqa: PLC0415 - of no use to `working`

    text = "ask the providers that could work from here, all at once, and show which one does"
    example = f"""example, while `{program()} emulate --port 8765` runs in another shell:
  G4FLITE_FLOWGPT_BASE_URL=http://127.0.0.1:8765 %(prog)s"""
    command = commands.add_parser("probe", help=text, description=text, epilog=example)
    command.set_defaults(run=run)
    command.add_argument("providers", metavar="PROVIDER", nargs="*", help="these, whether or not they could work")
    command.add_argument("--all", action="store_true", help="every provider, also the hosts of the retired ones")
    command.add_argument("--model", metavar="PROVIDER=MODEL", type=pair, action="append", default=[],
                         help="the model to ask, where a provider has no default; repeatable")  # fmt: skip
    command.add_argument("--timeout", metavar="SECONDS", type=float, default=30.0, help="default: %(default)s")
    command.add_argument("--json", action="store_true", help="for programs: a list of objects, best first")


def pair(text: str) -> tuple[str, str]:
    """The name and the model of `name=model`."""
    name, equals, model = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError("it is of the form PROVIDER=MODEL, like openai=gpt-4o-mini")
    return name, model


def run(arguments: argparse.Namespace) -> None:
    """Prints what became of each provider.  Raises `G4fliteError` where none works."""
    from ..cli import program, tell_warning  # noqa: PLC0415

    named = dict.fromkeys(arguments.providers or (known.names() if arguments.all else ()))
    specs = [known.find(name) for name in named] or candidates()
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)  # whatever -W says: the package's own are about safety
        warnings.showwarning = tell_warning
        found = probe(specs, model=dict(arguments.model), timeout=arguments.timeout)
    if arguments.json:
        probes = sorted(found, key=rank)
        print(json.dumps([describe(one) for one in probes], indent=2))
    elif specs:
        probes = show(specs, found)
    if not specs:
        hint = "set a key, like OPENAI_API_KEY, or start a local server, like `ollama serve`; to ask all the same:"
        raise G4fliteError(f"no provider could work from here: {hint} {program()} probe --all")
    if not any(one.works for one in probes):
        again = " ".join((program(), "probe", "--json", *named))
        raise G4fliteError(f"none of {len(probes)} works; for the errors in full: {again}")


def describe(one: Probe) -> dict[str, Any]:
    """A record as JSON; `error` is its class and its message."""
    shown = {name: getattr(one, name) for name in one.__slots__ if name != "spec"}
    return shown | {"error": None if one.error is None else f"{type(one.error).__name__}: {one.error}"}


def show(specs: Sequence[Provider], found: Iterable[Probe]) -> list[Probe]:
    """The probes, each printed as it is known: on a terminal with room for them, into the row that waits for it."""
    retired = {spec.name for spec in specs if spec.retired and not could_work(spec)}
    labels = {spec.name: spec.name + " (retired)" * (spec.name in retired) for spec in specs}
    widths = [max(map(len, (HEADINGS[0], *labels.values()))), max(map(len, REASONS.values())), 10, 8, 9, 0]
    columns, lines = get_terminal_size()
    live = sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and len(specs) + 2 < lines

    def row(*cells: str) -> str:
        text = "  ".join(map(str.ljust, cells, widths))
        return text[: columns - 1 if live else None].rstrip()

    waiting = [row(label, "...") for label in labels.values()] if live else []
    print(row(*HEADINGS), *waiting, sep="\n", flush=True)
    seen = []
    for one in found:
        seen.append(one)
        text = row(labels[one.provider], *cells(one))
        up = len(labels) - [*labels].index(one.provider)
        print(f"\x1b[{up}A\x1b[2K{text}\r\x1b[{up}B" if live else f"{text}\n", end="", flush=True)
    return seen


def cells(one: Probe) -> tuple[str, ...]:
    """The cells of a row, but for the provider's."""
    speed = one.chunks_per_second
    other = "" if one.response_model in (None, one.model) else f"({one.response_model})"
    return (
        one.reason or "works",
        "" if one.first_text is None else f"{one.first_text:.2f} s",
        "" if speed is None else f"{speed:.{0 if speed >= 10 else 1}f}",
        "" if not one.chunks else "whole" if one.whole else "truncated",
        f"{one.model or ''} {other}".strip(),
    )
