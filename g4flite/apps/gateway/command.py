"""The command `serve`: starts the gateway under uvicorn, until Ctrl-C.

g4flite serve --provider groq --provider openai -m gpt-4o-mini
http://127.0.0.1:8000

Standard output has the URL, standard error a line of JSON for each call.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import socket
import sys
import time
import webbrowser
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ... import G4fliteError, UsageError, providers
from ..cli import Parser, add_settings, program, settings, tell
from . import config, keys

if TYPE_CHECKING:
    from ...client import Client
    from .asgi import Gateway

LOOPBACK = ("127.0.0.1", "::1", "localhost")
# The seconds that the connection of a client may be idle: more than the clients' own pools keep theirs.
IDLE = 75
# How many connections may wait to be accepted.
BACKLOG = 2048
VARIABLE = "G4FLITE_SERVE"


def add(commands: Any) -> None:
    """Add the command `serve`, and below it `serve key`."""
    text = "serve any provider to the clients of OpenAI, Anthropic, Ollama and Gemini, until Ctrl-C"
    example = f"""example, while `{program()} emulate --port 8765` runs in another shell:
  %(prog)s --provider ollama --base-url http://127.0.0.1:8765 -m any --open"""
    command = commands.add_parser("serve", help=text, description=text, epilog=example)
    command.set_defaults(run=serve)
    add_flags(command)
    command.add_argument("--host", metavar="HOST", default="127.0.0.1", help="default: %(default)s; others need --keys")
    command.add_argument("--port", metavar="PORT", type=int, default=8000, help="default: %(default)s; 0: a free port")
    command.add_argument("--open", action="store_true", help="open the chat page in a browser")
    command.add_argument("--drain", metavar="SECONDS", type=float, default=30.0,
                         help="the time that calls have to finish after Ctrl-C; default: %(default)s")  # fmt: skip
    keys.add(command.add_subparsers(metavar="key", required=False))


def add_flags(command: argparse.ArgumentParser) -> None:
    """Add the flags that describe the app."""
    command.add_argument(
        "--provider", metavar="PROVIDER", action="append", default=[],
        help="repeatable: the next one is asked if one fails before its first text",
    )  # fmt: skip
    command.add_argument("--config", metavar="FILE", help="a gateway.toml, with models, keys and more, in place of the "
                         "provider's flags; read again at SIGHUP")  # fmt: skip
    command.add_argument("--keys", metavar="FILE", help="who may ask: a file that `serve key add` has made")
    add_settings(command)
    command.add_argument(
        "--origin", metavar="URL", action="append", default=[], help="a web page that may ask; repeatable"
    )
    command.add_argument("--hostname", metavar="NAME", action="append", default=[],
                         help="a name of this host in requests, besides localhost, where there is an --origin; "
                         "repeatable")  # fmt: skip
    command.add_argument("--max-streams", metavar="N", type=int, default=1000,
                         help="how many calls run at a time; default: %(default)s")  # fmt: skip
    command.add_argument("--keep-alive", metavar="SECONDS", type=float, default=10.0,
                         help="the silence after which a stream says it is alive; default: %(default)s")  # fmt: skip
    command.add_argument("--log-content", action="store_true", help="put messages and answers into the log")


def app_of(arguments: argparse.Namespace) -> Gateway:
    """Return the app that the flags describe.  Raises `UsageError` for flags that make no app."""
    # --help should not wait for these imports.
    from . import page  # noqa: PLC0415
    from .asgi import Gateway  # noqa: PLC0415

    if (arguments.config is None) is (not arguments.provider):
        raise UsageError(f"name a provider, or a file: --provider NAME or --config FILE; see {program()} providers")
    check_values(arguments)
    found = None if arguments.config is None else config.load(arguments.config)
    kept = arguments.keys if found is None else found.keys or arguments.keys
    if kept is not None and not Path(kept).exists():
        raise UsageError(f"there is no file of keys {str(kept)!r}; make a key with: {program()} serve key add NAME")
    app = Gateway(
        routes_of(arguments) if found is None else routes_in(found),
        keys=None if kept is None else keys.Store(kept),
        page=page.app,
        max_streams=arguments.max_streams,
        keep_alive=arguments.keep_alive,
    )
    set_up(app, arguments, found)
    return app


def check_values(arguments: argparse.Namespace) -> None:
    """Raise `UsageError` for a flag with a value that makes no sense."""
    if arguments.max_streams < 1:
        raise UsageError(f"--max-streams {arguments.max_streams}: name a number of 1 or more")
    if not 0 < arguments.keep_alive < inf:
        raise UsageError(f"--keep-alive {arguments.keep_alive:g}: name a number of seconds above 0")
    checks = (("--origin", config.origin_of, arguments.origin), ("--hostname", config.host_of, arguments.hostname))
    for flag, checked, values in checks:
        for value in values:
            try:
                checked(value)
            except ValueError as error:
                raise UsageError(f"{flag}: {error}") from None


def set_up(app: Gateway, arguments: argparse.Namespace, found: config.Config | None) -> None:
    """Set what may change while the app runs, besides its routes: who may ask from where, and the log."""
    from .http import LOOPBACK as OWN_NAMES  # noqa: PLC0415 - see `app_of`

    of_file = found or config.Config(models={})
    app.origins = frozenset([*arguments.origin, *of_file.origins])
    app.hosts = OWN_NAMES.union(map(config.host_of, arguments.hostname), of_file.hosts)
    app.log = print_line if of_file.log.file is None else partial(append_line, of_file.log.file)
    app.log_content = arguments.log_content or of_file.log.content


def routes_of(arguments: argparse.Namespace) -> dict[str, list[Client]]:
    """Return the one route that the flags of a provider describe: of --model, or else of every name."""
    from ...client import Client  # noqa: PLC0415 - see `app_of`

    if arguments.base_url is not None and len(arguments.provider) > 1:
        raise UsageError("--base-url belongs to one provider; set the others' by their environment variables")
    own = settings(arguments) | {"model": arguments.model, "system": arguments.system}
    return {arguments.model or "*": [Client(providers.find(name), **own) for name in arguments.provider]}


def routes_in(found: config.Config) -> dict[str, list[Client]]:
    """Return the routes of a gateway.toml."""
    return {name: config.clients(model) for name, model in found.models.items()}


def app_of_environment() -> Gateway:
    """Return the app for a server of one's own, by the flags in the environment variable G4FLITE_SERVE.

    Raises `UsageError` without the variable, and for flags that make no app.
    """
    if VARIABLE not in os.environ:
        raise UsageError(f'set {VARIABLE} to the flags of `g4flite serve`, as in {VARIABLE}="--provider openai"')
    parser = Parser(prog=VARIABLE)
    add_flags(parser)
    return app_of(parser.parse_args(shlex.split(os.environ[VARIABLE])))


def in_one_piece(line: dict[str, Any]) -> str:
    """Return a line of the log with its end.

    Written by `print`, the end of a long one is a write of its own, before which another worker may write.
    """
    return f"{json.dumps(line, ensure_ascii=False)}\n"


def append_line(file: Path, line: dict[str, Any]) -> None:
    """Append a line of the log to a file, which its owner alone may read."""
    file.touch(mode=0o600)
    with file.open("a", encoding="utf-8") as log:
        log.write(in_one_piece(line))


def print_line(line: dict[str, Any]) -> None:
    """Print a line of the log on standard error."""
    sys.stderr.write(in_one_piece(line))
    sys.stderr.flush()


def serve(arguments: argparse.Namespace) -> None:
    """Carry out `serve`.

    Raises `UsageError` if uvicorn is not installed and for an address that others can reach, `G4fliteError` if the
    address is in use.
    """
    try:
        import uvicorn  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError("serve needs uvicorn; install it with: pip install 'g4flite[serve]'") from error
    if not 0 <= arguments.port <= 65535:
        raise UsageError(f"--port {arguments.port}: a port is a number from 0 to 65535")
    if not 0 <= arguments.drain < inf:
        raise UsageError(f"--drain {arguments.drain:g}: name a number of seconds, 0 or more")
    app = app_of(arguments)
    if app.keys is None and arguments.host not in LOOPBACK:
        raise UsageError(f"--host {arguments.host}: without --keys, the gateway listens on this machine alone")

    class Server(uvicorn.Server):
        """A server that lets the calls finish that run, and turns new ones away meanwhile, before it stops."""

        # When the calls that run have to have ended, and the signal that said so.
        ends: float | None = None
        caught = 0

        def handle_exit(self, sig: int, frame: Any) -> None:
            """Begin to stop; a second signal stops at once."""
            if app.draining or not app.running:
                super().handle_exit(sig, frame)
            app.draining, self.ends, self.caught = True, time.monotonic() + arguments.drain, sig

        async def on_tick(self, counter: int) -> bool:
            """Read the file again if that is wanted, and return whether to stop."""
            if again:
                again.clear()
                await reload(app, arguments)
            over = self.ends is not None and (not app.running or time.monotonic() >= self.ends)
            if over and not self.should_exit:
                super().handle_exit(self.caught, None)
            if self.should_exit:
                # The server waits a second for them, and then just closes their connections.
                app.stop()
            return await super().on_tick(counter)

    # Holds True once SIGHUP has come.
    again: list[bool] = []
    if arguments.config is not None and hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, lambda *_: again.append(True))
    place = f"{arguments.host}:{arguments.port}"
    try:
        family = socket.AF_INET6 if ":" in arguments.host else socket.AF_INET
        # Who reads the URL may connect at once.
        listener = socket.create_server((arguments.host, arguments.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise G4fliteError(f"could not listen on {place}: {error}; choose another --port") from error
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    print(f"http://{shown}:{port}\nCtrl-C ends it.", flush=True)
    if arguments.open:
        webbrowser.open(f"http://{shown}:{port}/")
    served = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, proxy_headers=False,
        timeout_keep_alive=IDLE, timeout_graceful_shutdown=1, lifespan="on", ws="none",
    )  # fmt: skip
    with listener:
        # At its end, it raises the signal again.
        Server(served).run([listener])


async def reload(app: Gateway, arguments: argparse.Namespace) -> None:
    """Answer from now on by the file; if the file is wrong, or anything else is, say so and go on as before.

    The file of keys is the one exception: it is read at each request, and which file that is stays as it was.
    """
    try:
        found = config.load(arguments.config)
        await app.use(routes_in(found))
        set_up(app, arguments, found)
    except Exception as error:
        # Any that came out of here would end the server, and all calls that run.
        said = error if isinstance(error, G4fliteError) else f"{arguments.config} was not read again: {error!r}"
        tell("error", f"{said}; the gateway goes on as before")
        return
    tell("note", f"{arguments.config} was read again")
    kept = app.keys.path if isinstance(app.keys, keys.Store) else None
    if found.keys != kept and (found.keys is not None or arguments.keys is None):
        tell("note", f"{arguments.config}: another file of keys counts from the next start on")
