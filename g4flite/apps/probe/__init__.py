"""Which providers work from this machine, now?  `working` returns those that do, `probe` also says why others do not.

    for row in probe():
        print(row.provider, row.reason or "works", row.first_text)

`probe` asks each provider one short question, all at the same time, each in a thread of its own.  The command
`g4flite probe` prints the same as a table.
"""

import argparse
import json
import os
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from shutil import get_terminal_size
from threading import Thread
from typing import Any, Final
from urllib.parse import urlsplit

from ... import providers as known
from ..._core.errors import AllFailedError, G4fliteError, OptionError, UsageError
from ..._core.provider import Call, Provider
from ..._core.request import base_url_variable, check_mapping, make_call
from ..._core.settings import Timeout
from ..._core.stream import Stream
from ..._core.urls import how_to_start, is_loopback
from ...client import is_exposed, warn
from ..cli import message_with, program, warnings_as_lines
from .measurement import REASONS, SHORT, Probe, ask, has_key, probe_without_call

# The answer is long enough for a speed to be measured.
PROMPT: Final = "Count from one to ten, in words."
# What the command calls the arguments of `stream()`.  The environment alone names a base URL or a proxy.
NAMES: Final = {
    "model": "--model PROVIDER=MODEL", "proxy": "G4FLITE_PROXY",
    **dict.fromkeys(("timeout", "first_token", "idle"), "--timeout"),
}  # fmt: skip
HEADINGS: Final = ("provider", "result", "first text", "chunks/s", "reply", "model")


class Working(tuple[Provider, ...]):
    """The providers that work, the best first; each has the model that answered as its default.  `stream` takes it.

    `probes` holds what `probe` yielded for each provider that was asked, the best first.  If none works, `stream`
    raises `error`, which says why, row by row.
    """

    probes: tuple[Probe, ...] = ()

    @property
    def error(self) -> G4fliteError:
        """Why no provider works: an error for each that was asked; if none was, for each that is known."""
        asked = tuple(row.error for row in self.probes if row.error is not None)
        errors = asked or tuple(map(why_not, map(known.find, known.names())))
        return AllFailedError("no provider works from here", errors=errors)


def working(
    providers: str | Provider | Sequence[str | Provider] | None = None,
    *,
    model: Mapping[str, str] | None = None,
    timeout: float = 30.0,
) -> Working:
    """Return the providers that work now, in the order of `rank`.

        for chunk in g4flite.stream(working(), "Hello"):
            print(chunk, end="")

    Arguments, errors and warnings are those of `probe`.
    """
    probes = sorted(probe(providers, model=model, timeout=timeout), key=rank)
    found = Working(row.spec for row in probes if row.works)
    found.probes = tuple(probes)
    return found


def rank(row: Probe) -> tuple[bool, bool, float]:
    """Return a key to sort by: what works first, then whole answers, then the fastest to its first text."""
    return not row.works, not row.whole, row.first_text or 0.0


def probe(
    providers: str | Provider | Sequence[str | Provider] | None = None,
    *,
    model: Mapping[str, str] | None = None,
    timeout: float = 30.0,
) -> Iterator[Probe]:
    """Return an iterator of `Probe`s, one for each provider, in the order in which they are known.

    - `providers` are names and specs; None stands for `candidates()`.
    - `model` maps names of providers to models.  A provider that is not in it is asked for its default model.  If a
      provider has no default, its server is asked for the models that it has: on this machine, the first of them is
      taken, elsewhere the only one.
    - `timeout` is the seconds in which the first text has to come.  An answer that goes on for longer is left, and its
      provider works.  It also is the seconds for each list of models.

    Of a provider that has the option `max_tokens`, a short answer is asked for.

    The questions are asked when the iteration begins.  Leaving the loop closes the streams that are open.  Raises
    `ProviderNotFoundError` or `OptionError` before anything is sent.  Warns if a key goes over plain http, as `stream`
    does, but does not warn of retired services.
    """
    named = [providers] if isinstance(providers, str | Provider) else providers
    specs = candidates() if named is None else [known.find(item) for item in named]
    models = check_mapping(model, "model is a mapping of providers' names to models")
    for name in models.keys() - {spec.name for spec in specs}:
        known.find(name)
    limit = Timeout(first_token=timeout, idle=timeout, total=timeout)
    return ask_all([*map(prepare, specs, [models.get(spec.name) for spec in specs])], limit)


def candidates() -> list[Provider]:
    """Return the providers, built in and registered, that could work from here."""
    return [spec for spec in map(known.find, known.names()) if could_work(spec)]


def could_work(spec: Provider) -> bool:
    """Return whether the provider could work from here.

    It could if the environment names a base URL for it; else, if its public URL is on this machine and a server listens
    there; else, if it is not retired and either its key is set or it has a public URL and needs no key.
    """
    if any(os.environ.get(name, "").strip() for name in (base_url_variable(spec), *spec.base_url_variables)):
        return True
    if spec.base_url and is_loopback(spec.base_url):
        return listens(spec.base_url)
    keyless = bool(spec.base_url) and not (spec.key_variables and spec.key_needed)
    return not spec.retired and (has_key(spec) or keyless)


def why_not(spec: Provider) -> UsageError:
    """Return the error that says why a provider is no candidate: what is missing."""
    if spec.retired:
        said = f"retired since {spec.retired}"
    elif not spec.base_url:
        said = f"there is no public base URL; set {base_url_variable(spec)}"
    elif is_loopback(spec.base_url):
        said = f"nothing listens at {spec.base_url}; {how_to_start(spec.base_url) or 'start its server'}"
    else:
        said = f"there is no API key; set {' or '.join(spec.key_variables)}"
    return OptionError(said, provider=spec.name)


def listens(url: str) -> bool:
    """Return whether a server accepts connections at a URL of this machine."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 80), timeout=0.25).close()
    except OSError:
        return False
    return True


def prepare(spec: Provider, model: str | None) -> Call | Probe:
    """Return the question to a provider, or a `Probe` that says why it cannot be asked."""
    options = {"max_tokens": SHORT} if "max_tokens" in spec.options else {}
    try:
        call = make_call(spec, PROMPT, model=model, base_url=None, headers=None, options=options)
    except UsageError as error:
        return probe_without_call(spec, error)
    warn(call, public=False, exposed=is_exposed(call.base_url))
    return call


def load(urls: Sequence[str]) -> None:
    """Import httpx and load the certificates, so that no provider's time to its first text includes that."""
    import httpx  # noqa: PLC0415

    from ..._core.transport import driver, tls  # noqa: F401, PLC0415

    # Making a client imports httpcore.
    httpx.Client(verify=tls.unused_context(), trust_env=False).close()
    if any(url.startswith("https:") for url in urls):
        # If the certificates cannot be read, each provider's own probe says so.
        with suppress(OSError):
            tls.default_context()


def ask_all(calls: Sequence[Call | Probe], timeout: Timeout) -> Iterator[Probe]:
    """Yield what happens to each call, as soon as it is known.

    The threads are daemons, so that Ctrl-C waits for none of them.
    """
    done: SimpleQueue[Probe] = SimpleQueue()
    streams: list[Stream] = []
    left = len(calls)
    load([call.base_url for call in calls if isinstance(call, Call)])
    for call in calls:
        if isinstance(call, Probe):
            done.put(call)
        else:
            Thread(target=lambda one: done.put(ask(one, timeout, streams)), args=(call,), daemon=True).start()
    try:
        while left:
            with suppress(Empty):
                # Without a timeout, Ctrl-C would not end the wait on Windows.
                found = done.get(timeout=1)
                left -= 1
                yield found
    finally:
        for stream in streams:
            stream.close()


def add(commands: Any) -> None:
    """Add the command `probe` to the command line."""
    text = "ask all providers that could work from here, and show which of them do"
    example = f"""example, while `{program()} emulate --port 8765` runs in another shell:
  G4FLITE_FLOWGPT_BASE_URL=http://127.0.0.1:8765 %(prog)s"""
    command = commands.add_parser("probe", help=text, description=text, epilog=example)
    command.set_defaults(run=run, spelled=spelled)
    command.add_argument(
        "providers", metavar="PROVIDER", nargs="*", help="ask this provider, whether or not it could work"
    )
    command.add_argument("--all", action="store_true", help="ask every provider, also the hosts of retired services")
    command.add_argument(
        "--model",
        metavar="PROVIDER=MODEL",
        type=provider_and_model,
        action="append",
        default=[],
        help="the model of a provider, needed if it has no default; repeatable",
    )
    command.add_argument(
        "--timeout", metavar="SECONDS", type=float, default=30.0, help="the time for each first text (default: 30)"
    )
    command.add_argument("--json", action="store_true", help="print a list of JSON objects, best first, for programs")


def spelled(argument: str) -> str:
    """Return what the command calls an argument of `stream()`, "" if it has no such argument."""
    return NAMES.get(argument, "")


def provider_and_model(text: str) -> tuple[str, str]:
    """Return the provider's name and the model of `PROVIDER=MODEL`."""
    name, equals, model = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError("a model has the form PROVIDER=MODEL, like openai=gpt-4o-mini")
    return name, model


def run(arguments: argparse.Namespace) -> None:
    """Carry out `probe`: print what happened to each provider.  Raises `G4fliteError` if none works."""
    named = dict.fromkeys(arguments.providers or (known.names() if arguments.all else ()))
    specs = [known.find(name) for name in named] or candidates()
    with warnings_as_lines():
        found = probe(specs, model=dict(arguments.model), timeout=arguments.timeout)
    if arguments.json:
        probes = sorted(found, key=rank)
        print(json.dumps([as_json(row) for row in probes], indent=2))
    elif specs:
        probes = show(specs, found)
    if not specs:
        hint = "set a key, like OPENAI_API_KEY, or start a local server, like `ollama serve`"
        raise G4fliteError(f"no provider could work from here: {hint}; to ask all anyway: {program()} probe --all")
    if not any(row.works for row in probes):
        again = " ".join((program(), "probe", "--json", *named))
        raise G4fliteError(f"none of these providers works; to see the errors in full: {again}")


def as_json(row: Probe) -> dict[str, Any]:
    """Return a probe as JSON; `error` is the error's class and message."""
    shown = {name: getattr(row, name) for name in row.__slots__ if name != "spec"}
    return shown | {
        "error": None if row.error is None else f"{type(row.error).__name__}: {message_with(spelled, row.error)}"
    }


def show(specs: Sequence[Provider], found: Iterable[Probe]) -> list[Probe]:
    """Print a table with a row for each probe as soon as it is known, and return the probes.

    A terminal with room for the table shows a row for each provider from the start, which `...` fills until the
    provider's probe replaces it.  Elsewhere, rows are appended.
    """
    retired = {spec.name for spec in specs if spec.retired and not could_work(spec)}
    labels = {spec.name: spec.name + " (retired)" * (spec.name in retired) for spec in specs}
    widths = [max(map(len, (HEADINGS[0], *labels.values()))), max(map(len, REASONS.values())), 10, 8, 9, 0]
    columns, lines = get_terminal_size()
    # One line for the headings, and one below the table for the cursor.
    in_place = sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and len(specs) + 2 < lines

    def row_of(*cells: str) -> str:
        text = "  ".join(map(str.ljust, cells, widths))
        # A row that is wrapped would take two lines, and the cursor would miss the rows above it.
        return text[: columns - 1 if in_place else None].rstrip()

    waiting = [row_of(label, "...") for label in labels.values()] if in_place else []
    print(row_of(*HEADINGS), *waiting, sep="\n", flush=True)
    seen = []
    for row in found:
        seen.append(row)
        text = row_of(labels[row.provider], *cells_of(row))
        up = len(labels) - [*labels].index(row.provider)
        # Control sequences of ECMA-48: cursor up (A), erase the line (K), and back down (B).
        print(f"\x1b[{up}A\x1b[2K{text}\r\x1b[{up}B" if in_place else f"{text}\n", end="", flush=True)
    return seen


def cells_of(row: Probe) -> tuple[str, ...]:
    """Return the cells of a row of the table, without that of the provider."""
    speed = row.chunks_per_second
    other = "" if row.response_model in (None, row.model) else f"({row.response_model})"
    return (
        row.reason or "works",
        "" if row.first_text is None else f"{row.first_text:.2f} s",
        "" if speed is None else f"{speed:.{0 if speed >= 10 else 1}f}",
        "" if not row.chunks else "whole" if row.whole else "truncated",
        f"{row.model or ''} {other}".strip(),
    )
