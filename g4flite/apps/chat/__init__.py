"""The command `chat`: a conversation in the terminal, which streams the answers and keeps what was said.

Standard output holds the answers and nothing else.  If Ctrl-C stops an answer, the text that came is kept in the
history.  If an answer fails, its question stays out of the history, and /retry asks it again.

If standard input is no terminal, each line is a question or a command, Ctrl-C ends the program, and the exit code is 1
if a line failed.

`session.py` decides what a line means, without I/O; `markdown.py` renders an answer while it streams.
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

from ... import (
    Answer,
    AuthenticationError,
    Conversation,
    EmptyReplyError,
    G4fliteError,
    ModelNotFoundError,
    NotFoundError,
    OptionError,
    PermissionDeniedError,
    UsageError,
    providers,
)
from ..._core.request import resolve_base_url, resolve_key
from ..cli import add_settings, flag, message_with, program, settings, show, tell, warnings_as_lines
from .session import HELP, Session, Step, decide

QUOTES = '"""'

# What is typed here in place of an argument of `stream()`; the others are flags of the command line.
COMMANDS = {"model": "/model NAME", "base_url": "the URL of /provider NAME URL"}

# What to type after an error: the advice of the first line whose classes fit.
ADVICE: tuple[tuple[tuple[type[G4fliteError], ...], str], ...] = (
    ((ModelNotFoundError, NotFoundError), "/model NAME asks another model"),
    ((AuthenticationError, PermissionDeniedError, OptionError), "/provider NAME asks another provider"),
    ((UsageError,), "/help says what can be typed"),
    ((G4fliteError,), "/retry asks again"),
)


def add(commands: Any) -> None:
    """Add the command `chat`."""
    text = "have a conversation in the terminal, or line by line from a pipe"
    example = f"""example, while `{program()} emulate --port 8765` runs in another shell:
  %(prog)s cromicle --base-url http://127.0.0.1:8765
  echo Hello | %(prog)s cromicle --base-url http://127.0.0.1:8765"""
    command = commands.add_parser("chat", help=text, description=f"{text}; in it:\n\n{HELP}", epilog=example)
    command.set_defaults(run=run)
    text = "default: the first whose key is set, or else one whose server runs on this machine"
    command.add_argument("provider", metavar="PROVIDER", nargs="?", help=text)
    add_settings(command)
    command.add_argument("--plain", action="store_true", help="print the answers as they come, without rendering them")


def run(arguments: argparse.Namespace) -> None:
    """Hold the conversation.

    Raises `UsageError` before it begins if no question could be sent in this way, and `SystemExit` after it if standard
    input is no terminal and a line failed.
    """
    if not sys.stdin:
        raise UsageError(f"there is no standard input to read; try: echo Hello | {program()} chat cromicle")
    if arguments.provider is None and (arguments.base_url is not None or arguments.header):
        raise UsageError("--base-url and --header belong to a provider; name it: chat PROVIDER --base-url URL")
    terminal = sys.stdin.isatty()
    screen = bool(sys.stdout and sys.stdout.isatty())
    session = Session(
        arguments.provider or choose(), arguments.model, system=arguments.system or "", settings=settings(arguments)
    )
    with warnings_as_lines():
        try:
            # Nothing is sent, as nobody iterates over the stream; but wrong arguments raise an error here.
            answer(session.asked("Hello"))
        except ModelNotFoundError:
            # Without a default model, the user can still type /model.
            if arguments.model is not None:
                raise
        if terminal:
            note(f"{session}; /help says what can be typed, Ctrl-D leaves")
            edit_lines()
        read = input if terminal and screen else lambda prompt: input()  # noqa: ARG005
        if not converse(session, read, painter(screen and not arguments.plain), terminal=terminal):
            raise SystemExit(1)


def edit_lines() -> None:
    """Give `input()` line editing and a history, if Python has readline."""
    with suppress(ImportError):
        import readline  # noqa: PLC0415

        # `input()` then returns a pasted block of lines as one text.  Python itself turns this off, for its own prompt;
        # each pasted line would be a question of its own.
        readline.parse_and_bind("set enable-bracketed-paste on")


def choose() -> str:
    """Return the first provider whose key is set, or else the first without a key whose server accepts a connection.

    Raises `UsageError` if there is none.
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
    """Return whether the URL's host accepts a TCP connection within half a second."""
    parts = urlsplit(url)
    try:
        place = (parts.hostname or "", parts.port or {"http": 80}.get(parts.scheme, 443))
        socket.create_connection(place, timeout=0.5).close()
    except (OSError, UnicodeError):
        return False
    return True


def converse(session: Session, read: Callable[[str], str], paint: Callable[[Answer], None], *, terminal: bool) -> bool:
    """Read lines and carry them out until the input ends.  Return whether all succeeded; at a terminal, always True."""
    succeeded = True
    while True:
        try:
            line = read_turn(read)
            if line.strip():
                step = decide(session, line)
                # The session before the step is carried out: if the answer fails, its question stays pending.
                session = step.session
                session = act(step, paint, terminal=terminal)
        except EOFError:
            if terminal:
                note("")
            return succeeded
        except KeyboardInterrupt:
            if not terminal:
                raise
            note("")
        except UnicodeDecodeError as error:
            raise UsageError(f"standard input is no text: {error}") from error
        except G4fliteError as error:
            succeeded = terminal
            tell("error", f"{message_with(command, error)}{advice(error)}")


def advice(error: G4fliteError) -> str:
    """Return what to type after an error, "" if the error itself names that command."""
    text = next(text for kinds, text in ADVICE if isinstance(error, kinds))
    return "" if isinstance(error, ModelNotFoundError) and "{model}" in error.advice else f"; {text}"


def command(name: str) -> str:
    """Return what to type for an argument of `stream()`: a command, else a flag, "" if there is none."""
    return COMMANDS.get(name) or flag(name)


def read_turn(read: Callable[[str], str]) -> str:
    """Return the next line, or the block of lines between two lines of quotes.  Raises `EOFError`."""
    line = read("> ")
    if line.strip() != QUOTES:
        return line
    lines = []
    with suppress(EOFError):
        while (line := read("... ")).strip() != QUOTES:
            lines.append(line)
    return "\n".join(lines)


def act(step: Step, paint: Callable[[Answer], None], *, terminal: bool) -> Session:
    """Carry out a step, and return the session after it."""
    session = step.session
    match step.do:
        case "ask":
            return ask(session, paint, terminal=terminal)
        case "load":
            session = load(session, step.text)
            note(f"read {len(session.history)} messages from {step.text}")
        case "save":
            save(session, step.text)
            note(f"wrote {len(session.history)} messages into {step.text}")
        case _:
            note(step.text)
    return session


def ask(session: Session, paint: Callable[[Answer], None], *, terminal: bool) -> Session:
    """Send the pending question, show the answer as it comes, and return the session after it."""
    with conversation(session) as chat:
        reply = chat.say(*session.pending)
        try:
            paint(reply)
        except KeyboardInterrupt:
            if not terminal or not reply.partial:
                raise
            note("[stopped; what came is kept, /retry asks again]")
    if not reply.partial:
        raise EmptyReplyError(
            f"the answer holds no text (finish reason: {reply.finish_reason})", provider=session.provider
        )
    if reply.finish_reason not in (None, "stop"):
        note(f"[finish reason: {reply.finish_reason}]")
    # The history holds a complete answer, with its state.
    whole = len(chat.messages) > len(session.turns)
    return session.continued(chat.messages) if whole else session.answered(reply.partial)


def conversation(session: Session) -> Conversation:
    """Return the conversation so far.  Raises `UsageError` if it could not go on."""
    settings = {"model": session.model, "system": session.system, "messages": session.turns, **session.settings}
    return Conversation(session.provider, **settings)


def answer(session: Session) -> Answer:
    """Return the answer to the pending question.  Nothing is sent before somebody iterates over it."""
    return conversation(session).say(*session.pending)


def save(session: Session, path: str) -> None:
    """Write the history into a file.  Raises `UsageError`."""
    lines = session.dump()
    try:
        Path(path).expanduser().write_text(lines, "utf-8")
    except (OSError, ValueError, RuntimeError) as error:
        # ValueError: the path has a null character.  RuntimeError: `~` stands for a home that is unknown.
        raise UsageError(f"could not write {path}: {error}") from error


def load(session: Session, path: str) -> Session:
    """Return the session with a file's messages as its history.  Raises `UsageError`."""
    try:
        lines = Path(path).expanduser().read_text("utf-8").split("\n")
        messages = [json.loads(line) for line in lines if line.strip()]
    except (OSError, ValueError, RuntimeError) as error:
        # As in `save`.  A RuntimeError is also the RecursionError for JSON that is nested too deeply.
        raise UsageError(f"could not read {path} as lines of JSON: {error}") from error
    return session.loaded(messages)


def painter(wanted: bool) -> Callable[[Answer], None]:
    """Return the function that shows an answer: it renders Markdown if that is wanted and `rich` is installed.

    Says what is missing if `rich` is not installed.
    """
    if not wanted:
        return show
    try:
        # Both need the extra `cli`.
        from rich.console import Console  # noqa: PLC0415

        from .markdown import show_markdown  # noqa: PLC0415
    except ImportError:
        note("answers come as plain text; to render Markdown, chat needs rich: pip install rich")
        return show
    console = Console(highlight=False)
    return show if console.is_dumb_terminal else partial(show_markdown, console=console)


def note(text: str) -> None:
    """Print what is no part of an answer, on standard error."""
    print(text, file=sys.stderr, flush=True)
