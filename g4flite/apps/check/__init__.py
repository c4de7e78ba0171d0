"""`g4flite check URL --as openai`: a conformance report on somebody's own endpoint; `report` is the same as data.

Four requests are made at most: one reply is read to its end, one is left at its first text, one is asked for after
that, and one request is broken.
"""

import argparse
import json
import sys
import warnings
from contextlib import closing, suppress
from dataclasses import replace
from importlib import import_module
from typing import Any

from ... import providers
from ..._core.errors import (
    ConnectError,
    ConnectTimeoutError,
    OptionError,
    ProviderNotFoundError,
    ProxyError,
    TLSError,
    UsageError,
)
from ..._core.provider import Provider
from ..._core.request import make_call
from ..._core.settings import Timeout
from ...client import resolve_connection, route_of, warn
from .case import Finding

__all__ = ["Finding", "add", "report"]

PROMPT = "Count from one to thirty in words, with a comma between the numbers."
UNREACHED = (UsageError, ConnectError, ConnectTimeoutError, ProxyError, TLSError)


def report(
    url: str, spec: Provider | str, *, model: str | None = None, api_key: str | None = None, timeout: float = 30.0
) -> tuple[Finding, ...]:
    """The findings on the endpoint at `url`, which is what `base_url=` would be, as a server of what `spec` describes.

    `timeout` is how many seconds may pass without text; without `api_key`, the provider's own variable counts, and
    where that is not set, none is sent.  Raises a `UsageError` where the call is wrong, and a `ConnectError`,
    `ConnectTimeoutError`, `ProxyError` or `TLSError` where the endpoint cannot be reached.
    """
    from ..._core.transport.clients import Pool  # noqa: PLC0415 - imports httpx
    from .judge import judge  # noqa: PLC0415 - for whoever asks for a report
    from .record import record  # noqa: PLC0415 - imports httpx
    from .recording import hear  # noqa: PLC0415

    spec = replace(providers.find(spec), key_needed=False)
    timers = Timeout(first_token=timeout, idle=timeout, total=4 * timeout)
    call = make_call(spec, PROMPT, model=model, base_url=url, headers=None, options={}, api_key=api_key)
    connection = resolve_connection(call, None, None)
    route = route_of(call, connection, None, timers, 0)
    warn(call, public=False)
    with closing(Pool(connection)) as first, closing(Pool(connection)) as second:
        # Certificates are loaded now, so that the time to the first text does not include that.  If they cannot be
        # loaded, `record` says so.
        with suppress(OptionError):
            first.client()
        whole = record(route._replace(source=first))
        if isinstance(whole.error, UNREACHED):
            raise whole.error
        if not (whole.granted and hear(spec, whole).content):
            return judge(spec, whole)
        left = record(route._replace(source=first), leave="half")
        # Over another pool: the first one may hold the connection that is half closed now.
        following = record(route._replace(source=second), leave="wholly")
        refused = record(route._replace(source=second), broken=True)
        return judge(spec, whole, left, following, refused)


def add(commands: Any) -> None:
    """Adds the command `check`."""
    text = "report whether an endpoint keeps to a provider's protocol, with the bytes that show it"
    example = "example, while an emulator runs at that address:\n  %(prog)s http://127.0.0.1:8765 --as cromicle"
    command = commands.add_parser("check", help=text, description=f"{text}; exit code 1 where it fails", epilog=example)
    command.set_defaults(run=run)
    command.add_argument("url", metavar="URL", help="the endpoint, as base_url= and --base-url take it")
    command.add_argument(
        "--as", dest="spec", metavar="NAME", required=True, help="a provider, or module:CONSTANT for one of your own"
    )
    command.add_argument("-m", "--model", metavar="MODEL", help="one that the endpoint serves")
    command.add_argument(
        "--timeout", metavar="SECONDS", type=float, default=30.0, help="that may pass without text (default: 30)"
    )
    command.add_argument("--json", action="store_true", help="for programs: a list of objects")


def run(arguments: argparse.Namespace) -> None:
    """Prints a report.  Raises `SystemExit` where a line of it fails."""
    from ..cli import tell_warning  # noqa: PLC0415 - imports argparse and more

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = tell_warning
        findings = report(arguments.url, named(arguments.spec), model=arguments.model, timeout=arguments.timeout)
    if arguments.json:
        print(json.dumps([as_json(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            print(as_line(finding))
    if any(finding.verdict == "fail" for finding in findings):
        raise SystemExit(1)


def named(name: str) -> Provider:
    """The provider of that name, or the constant of `module:CONSTANT`.  Raises `ProviderNotFoundError`."""
    module, colon, constant = name.partition(":")
    if not colon:
        return providers.find(name)
    try:
        sys.path.append("")  # the folder one is in, which the path of an installed script lacks
        found = getattr(import_module(module), constant)
    except Exception as error:  # the module is another's, and may raise anything
        why = f"{type(error).__name__}: {error}"
        hint = "; check PYTHONPATH" if isinstance(error, ModuleNotFoundError) else ""
        raise ProviderNotFoundError(f"--as {name} cannot be imported: {why}{hint}") from error
    finally:
        sys.path.pop()
    if not isinstance(found, Provider):
        raise ProviderNotFoundError(f"--as {name} is a {type(found).__name__}, not a Provider")
    return found


def as_json(finding: Finding) -> dict[str, str]:
    """The finding as JSON; what is no UTF-8 in its evidence is escaped."""
    return {**finding._asdict(), "evidence": finding.evidence.decode("utf-8", "backslashreplace")}


def as_line(finding: Finding) -> str:
    """The finding as one line: the verdict, the name, the sentence, and 80 characters of the bytes."""
    verdict = "FAIL" if finding.verdict == "fail" else finding.verdict
    says = finding.says if finding.says.isprintable() else ascii(finding.says)[1:-1]
    shown = repr(finding.evidence) if finding.evidence else ""
    shown = shown if len(shown) <= 80 else f"{shown[:76]}...{shown[-1]}"
    return f"{verdict:7}  {finding.name:12}  {says}  {shown}".rstrip()
