"""`g4flite check URL --as openai`: does an endpoint keep to a provider's protocol?  `report` returns the same as data.

It makes at most four requests:

    whole        the reply is read to its end
    left         the reply is left at its first text
    following    the server is asked again after that
    refused      the request is broken

`record` makes each of these exchanges, and `judge` makes the report from the recordings, without I/O.

`g4flite check --through URL` is another report, on what a gateway changes on the way: see `through`.
"""

import argparse
import json
import sys
from collections.abc import Mapping
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
from ...client import is_exposed, resolve_connection, route_of, warn
from ..cli import add_header, tell, warnings_as_lines
from .case import Finding, spelled

__all__ = ["Finding", "add", "report"]

PROMPT = "Count from one to thirty in words, with a comma between the numbers."
UNREACHED = (UsageError, ConnectError, ConnectTimeoutError, ProxyError, TLSError)


def report(
    url: str,
    spec: Provider | str,
    *,
    model: str | None = None,
    api_key: str | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 30.0,
) -> tuple[Finding, ...]:
    """Return the findings on the endpoint at `url`, judged as a server of the protocol that `spec` describes.

    `url` is what `base_url=` would be, and `headers` are what `headers=` would be.  `timeout` is how many seconds may
    pass without text.  Without `api_key`, the key comes from the provider's environment variable, if that is set.
    Raises a `UsageError` for wrong arguments, and `ConnectError`, `ConnectTimeoutError`, `ProxyError` or `TLSError` if
    the endpoint cannot be reached.
    """
    # httpx is imported with the first report.
    from ..._core.transport.clients import Pool  # noqa: PLC0415
    from .judge import judge  # noqa: PLC0415
    from .record import record  # noqa: PLC0415
    from .recording import decode  # noqa: PLC0415

    spec = replace(providers.find(spec), key_needed=False)
    timers = Timeout(first_token=timeout, idle=timeout, total=4 * timeout)
    call = make_call(spec, PROMPT, model=model, base_url=url, headers=headers, options={}, api_key=api_key)
    connection = resolve_connection(call, None, None)
    route = route_of(call, connection, None, timers, 0)
    warn(call, public=False, exposed=is_exposed(call.base_url))
    with closing(Pool(connection, spec.name)) as first, closing(Pool(connection, spec.name)) as second:
        # Certificates are loaded now, so that the time to the first text does not include that.  If they cannot be
        # loaded, `record` says so.
        with suppress(OptionError):
            first.client()
        whole = record(route._replace(source=first))
        if isinstance(whole.error, UNREACHED):
            raise whole.error
        if not (whole.is_success and decode(spec, whole).content):
            return judge(spec, whole)
        left = record(route._replace(source=first), leave="half")
        # Over another pool: the first one may hold the connection that is half closed now.
        following = record(route._replace(source=second), leave="wholly")
        refused = record(route._replace(source=second), broken=True)
        return judge(spec, whole, left, following, refused)


def add(commands: Any) -> None:
    """Add the command `check` to the command line."""
    text = "report whether an endpoint keeps to a provider's protocol, with the bytes that show it"
    example = "example, while an emulator runs at that address:\n  %(prog)s http://127.0.0.1:8765 --as cromicle"
    description = f"{text}; the exit code is 1 if a line of the report fails"
    command = commands.add_parser("check", help=text, description=description, epilog=example)
    command.set_defaults(run=run, spelled=spelled)
    command.add_argument("url", metavar="URL", nargs="?", help="the endpoint's base URL, like http://127.0.0.1:8000/v1")
    command.add_argument(
        "--through",
        metavar="URL",
        help="in place of that, a gateway's base URL: report what the gateway changes between a client and an "
        "emulator, which this command runs and which the gateway's model has to ask",
    )
    command.add_argument(
        "--port", metavar="PORT", type=int, default=8765, help="where that emulator listens (default: %(default)s)"
    )
    command.add_argument(
        "--as",
        dest="spec",
        metavar="NAME",
        required=True,
        help="a provider, or module:CONSTANT for a provider of your own",
    )
    command.add_argument("-m", "--model", metavar="MODEL", help="a model that the endpoint serves")
    add_header(command)
    command.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=float,
        default=30.0,
        help="how many seconds may pass without text (default: 30)",
    )
    command.add_argument("--json", action="store_true", help="print a list of JSON objects, for programs")


def run(arguments: argparse.Namespace) -> None:
    """Carry out `check`: print a report.  Raises `SystemExit` if a line of the report fails."""
    if (arguments.url is None) is (arguments.through is None):
        raise UsageError("name an endpoint, or a gateway: URL or --through URL")
    with warnings_as_lines():
        more = {"model": arguments.model, "headers": dict(arguments.header), "timeout": arguments.timeout}
        spec = find(arguments.spec)
        if arguments.through is None:
            findings = report(arguments.url, spec, **more)
        else:
            findings = run_through(arguments.through, spec, arguments.port, **more)
    if arguments.json:
        print(json.dumps([as_json(finding) for finding in findings], indent=2))
    else:
        width = max(12, *(len(finding.name) for finding in findings))
        for finding in findings:
            print(as_line(finding, width))
    if any(finding.verdict == "fail" for finding in findings):
        raise SystemExit(1)


def run_through(url: str, spec: Provider, port: int, **more: Any) -> tuple[Finding, ...]:
    """Return the report on a gateway, and run the emulator for it.  Raises `UsageError` for a port that is in use."""
    # No other report needs a server.
    from ...testing import Emulator  # noqa: PLC0415
    from .through import report_through  # noqa: PLC0415

    service = Emulator(keys=False, port=port)
    try:
        service.start()
    except (OSError, OverflowError) as error:
        raise UsageError(f"could not listen on 127.0.0.1:{port}: {error}; choose another --port") from error
    tell("note", f"{url} is to ask the emulator: {service.url}, or {service.url}/v1 in a protocol of OpenAI's")
    # Without `with`, whose end would raise what a reply function was made to raise.
    with closing(service):
        return report_through(url, spec, service, **more)


def find(name: str) -> Provider:
    """Return the provider of that name, or the constant of `module:CONSTANT`.  Raises `ProviderNotFoundError`."""
    module, colon, constant = name.partition(":")
    if not colon:
        return providers.find(name)
    try:
        # The path of an installed script lacks the current folder.
        sys.path.append("")
        found = getattr(import_module(module), constant)
    # The module is the user's, and its code may raise anything.
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        hint = "; check PYTHONPATH" if isinstance(error, ModuleNotFoundError) else ""
        raise ProviderNotFoundError(f"--as {name} cannot be imported: {why}{hint}") from error
    finally:
        sys.path.pop()
    if not isinstance(found, Provider):
        raise ProviderNotFoundError(f"--as {name} is a {type(found).__name__}, not a Provider")
    return found


def as_json(finding: Finding) -> dict[str, str]:
    """Return the finding as JSON; bytes of its evidence that are not UTF-8 are escaped."""
    return {**finding._asdict(), "evidence": finding.evidence.decode("utf-8", "backslashreplace")}


def as_line(finding: Finding, width: int = 12) -> str:
    """Return the finding as one line: the verdict, the name, the sentence, and at most 80 characters of evidence."""
    verdict = "FAIL" if finding.verdict == "fail" else finding.verdict
    says = finding.says if finding.says.isprintable() else ascii(finding.says)[1:-1]
    shown = repr(finding.evidence) if finding.evidence else ""
    shown = shown if len(shown) <= 80 else f"{shown[:76]}...{shown[-1]}"
    return f"{verdict:7}  {finding.name:{width}}  {says}  {shown}".rstrip()
