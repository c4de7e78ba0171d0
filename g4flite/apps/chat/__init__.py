"""`chat`: a conversation in the terminal, which streams the answers and keeps what was said.

Standard output holds the answers alone.  What Ctrl-C stops is kept as far as it came; a question whose answer fails
stays out of the history, and /retry asks it again.  Where standard input is no terminal, each line is a turn, Ctrl-C
ends the program, and the exit code is 1 if a line failed.
"""

import argparse
import json
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ... import providers
from ..._core.errors import (
    AuthenticationError,
    EmptyReplyError,
    G4fliteError,
    ModelNotFoundError,
    NotFoundError,
    OptionError,
    PermissionDeniedError,
    UsageError,
)
from ..._core.request import resolve_base_url, resolve_key
from ..._core.stream import Stream
from ...client import stream
from ..cli import add_settings, program, settings, show, tell, warnings_as_lines
from .session import HELP, Conversation, Step, decide

QUOTES = '"""'
ADVICE: tuple[tuple[tuple[type[G4fliteError], ...], str], ...] = (  # the first that fits
    ((ModelNotFoundError, NotFoundError), "/model NAME asks another model"),
    ((AuthenticationError, PermissionDeniedError, OptionError), "/provider NAME asks another provider"),
    ((UsageError,), "/help says what can be typed"),
    ((G4fliteError,), "/retry asks again"),
)


def add(commands: Any) -> None:
    """Adds the command `chat`."""
    text = "have a conversation in the terminal, or line by line from a pipe"
    example = f"""example, while `{program()} emulate --port 8765` runs in another shell:
  %(prog)s cromicle --base-url http://127.0.0.1:8765
  echo Hello | %(prog)s cromicle --base-url http://127.0.0.1:8765"""
    command = commands.add_parser("chat", help=text, description=f"{text}; in it:\n\n{HELP}", epilog=example)
    command.set_defaults(run=run)
    text = "default: the first whose key is set, else a server of this machine"
    command.add_argument("provider", metavar="PROVIDER", nargs="?", help=text)
    add_settings(command)
    command.add_argument("--plain", action="store_true", help="show the answers as they come, no Markdown rendered")


def run(arguments: argparse.Namespace) -> None:
    """Holds the conversation.  Raises `UsageError` before it where nothing could be asked in this way."""
    if not sys.stdin:
        raise UsageError(f"there is no standard input to read; try: echo Hello | {program()} chat cromicle")
    if arguments.provider is None and (arguments.base_url is not None or arguments.header):
        raise UsageError("--base-url and --header belong to a provider; name it: chat PROVIDER --base-url URL")
    terminal = sys.stdin.isatty()
    screen = bool(sys.stdout and sys.stdout.isatty())
    now = Conversation(
        arguments.provider or choose(), arguments.model, system=arguments.system or "", settings=settings(arguments)
    )
    with warnings_as_lines():
        try:
            answer(now.asked("Hello"))  # sends nothing, as it is not iterated over
        except ModelNotFoundError:
            if arguments.model is not None:
                raise
        if terminal:
            note(f"{now}; /help says what can be typed, Ctrl-D leaves")
            with suppress(ImportError):
                import readline  # noqa: F401, PLC0415 - gives input() its editing and its history
        read = input if terminal and screen else lambda prompt: input()  # noqa: ARG005
        if not converse(now, read, painter(screen and not arguments.plain), terminal=terminal):
            raise SystemExit(1)


def choose() -> str:
    """The first provider that could work from here: one whose key is set, else one whose server answers the door.

    Raises `UsageError`: there is none.
    """
    servers = []
    for spec in map(providers.find, providers.names()):
        try:
            key, url = resolve_key(spec, None, {}), resolve_base_url(spec, None)
        except OptionError:
            continue
        if not spec.key_needed:
            servers.append((spec.name, url))
        elif key:
            return spec.name
    for name, url in servers:
        if listens(url):
            return name
    raise UsageError(
        "no key is set and no server runs here: set OPENAI_API_KEY (or another's), start ollama (or another), "
        f"or name one of those that this lists: {program()} providers"
    )


def listens(url: str) -> bool:
    """Whether a TCP connection to the URL's host can be made within half a second."""
    parts = urlsplit(url)
    try:
        place = (parts.hostname or "", parts.port or {"http": 80}.get(parts.scheme, 443))
        socket.create_connection(place, timeout=0.5).close()
    except (OSError, UnicodeError):
        return False
    return True


def converse(now: Conversation, read: Callable[[str], str], paint: Callable[[Stream], None], *, terminal: bool) -> bool:
    """Reads lines and acts on them until the end of input; whether all of them succeeded."""
    well = True
    while True:
        try:
            line = turn(read)
            if line.strip():
                step = decide(now, line)
                now = step.now  # a question whose answer fails stays pending
                now = act(step, paint, terminal=terminal)
        except EOFError:
            if terminal:
                note("")
            return well
        except KeyboardInterrupt:
            if not terminal:
                raise
            note("")
        except UnicodeDecodeError as error:
            raise UsageError(f"standard input is no text: {error}") from error
        except G4fliteError as error:
            well = terminal
            tell("error", f"{error}; {next(text for kinds, text in ADVICE if isinstance(error, kinds))}")


def turn(read: Callable[[str], str]) -> str:
    """The next line, or the block of lines between two that are quotes.  Raises `EOFError`."""
    line = read("> ")
    if line.strip() != QUOTES:
        return line
    lines = []
    with suppress(EOFError):
        while (line := read("... ")).strip() != QUOTES:
            lines.append(line)
    return "\n".join(lines)


def act(step: Step, paint: Callable[[Stream], None], *, terminal: bool) -> Conversation:
    """The conversation after a step, which is taken here."""
    now = step.now
    match step.do:
        case "ask":
            return ask(now, paint, terminal=terminal)
        case "load":
            now = load(now, step.text)
            note(f"read {len(now.history)} messages from {step.text}")
        case "save":
            save(now, step.text)
            note(f"wrote {len(now.history)} messages into {step.text}")
        case _:
            note(step.text)
    return now


def ask(now: Conversation, paint: Callable[[Stream], None], *, terminal: bool) -> Conversation:
    """The conversation after the answer to the pending question, which is shown as it comes."""
    reply = answer(now)
    try:
        paint(reply)
    except KeyboardInterrupt:
        if not terminal or not reply.partial:
            raise
        note("[stopped; what came is kept, /retry asks again]")
    if not reply.partial:
        raise EmptyReplyError(f"the answer holds no text (finish reason: {reply.finish_reason})", provider=now.provider)
    if reply.finish_reason not in (None, "stop"):
        note(f"[finish reason: {reply.finish_reason}]")
    return now.answered(reply.partial)


def answer(now: Conversation) -> Stream:
    """The answer to the pending question; nothing is sent before it is iterated over."""
    return stream(now.provider, [*now.history, *now.pending], model=now.model, **now.settings)


def save(now: Conversation, path: str) -> None:
    """Writes the history.  Raises `UsageError`."""
    lines = now.dump()
    try:
        Path(path).expanduser().write_text(lines, "utf-8")
    except (OSError, ValueError, RuntimeError) as error:  # the last two: a path that cannot be one, no home
        raise UsageError(f"could not write {path}: {error}") from error


def load(now: Conversation, path: str) -> Conversation:
    """The conversation with a file's messages as its history.  Raises `UsageError`."""
    try:
        lines = Path(path).expanduser().read_text("utf-8").split("\n")
        messages = [json.loads(line) for line in lines if line.strip()]
    except (OSError, ValueError, RuntimeError) as error:  # a RecursionError among them
        raise UsageError(f"could not read {path} as lines of JSON: {error}") from error
    return now.loaded(messages)


def painter(wanted: bool) -> Callable[[Stream], None]:
    """What shows an answer: its Markdown rendered where that is wanted and `rich` is there, else as it comes."""
    if not wanted:
        return show
    try:
        from rich.console import Console  # noqa: PLC0415 - of the extra `cli`

        from .markdown import show_markdown  # noqa: PLC0415
    except ImportError:
        return show
    console = Console(highlight=False)
    return show if console.is_dumb_terminal else partial(show_markdown, console=console)


def note(text: str) -> None:
    """Prints what is no part of an answer, on standard error."""
    print(text, file=sys.stderr, flush=True)
