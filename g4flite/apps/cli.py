"""What all commands share, and the two commands that need no more: `stream` and `providers`.

An app adds its command to the parser of all commands, and sets `run`, the function that carries the command out.  If
the command has other flags than `add_settings` adds, `spelled` tells what messages call the arguments of `stream()`:

    def add(commands):
        command = commands.add_parser("hello", help="greet the user")
        command.set_defaults(run=lambda arguments: print("Hello"), spelled=lambda argument: "")

`run` below parses a command line, calls that function, and returns the exit code:

    0    the command succeeded
    1    an error of the provider, the network or this machine
    2    wrong usage: nothing was sent
    3    a limit has ended `batch` before all rows were asked
    130  Ctrl-C
    141  the reader of standard output has closed it, like `head` in a pipe

An error is one line on standard error.  The last two exit codes come without a message.
"""

import argparse
import io
import json
import os
import shlex
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from typing import Any, NoReturn

from .. import Answer, G4fliteError, Provider, Stream, UsageError, __version__, providers, stream
from .._core.exchange import IN_PARTIAL
from .._core.options import OPTIONS
from .._core.request import resolve_model

PACKAGE = "g4flite"

# For `str.translate`: removes the control characters that could command a terminal, that is all but tab and line feed,
# and those that embed, override or isolate a direction: a terminal shows a text behind U+202E backwards.
DIRECTION = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
CONTROL = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160), *DIRECTION))

# The flag for each argument of `stream()` that has one.
FLAGS = {
    **{name: f"--{name.replace('_', '-')}" for name in ("system", "model", "base_url", "proxy", "timeout")},
    "headers": "--header",
    **{name: f"-o {name}=" for name in OPTIONS},
}

# The parameters of `stream()`: --option cannot pass a provider's option under such a name.
RESERVED = frozenset(stream.__annotations__)


class Parser(argparse.ArgumentParser):
    """A parser that raises a `UsageError` for a wrong command line, so that this error is one line like all others."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **settings)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def run(adders: Iterable[Callable[[Any], None]], argv: Sequence[str] | None = None) -> int:
    """Run a command line, `sys.argv[1:]` for None, with the commands that `adders` add, and return the exit code.

    Raises `SystemExit` after --help and --version, and if a command ends with an exit code of its own.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # An answer may hold characters that the terminal's encoding lacks.
        sys.stdout.reconfigure(errors="replace")
    spelled = flag
    try:
        try:
            arguments = make_parser(adders).parse_args(argv)
            spelled = getattr(arguments, "spelled", flag)
            arguments.run(arguments)
        finally:
            # So that a broken pipe is noticed here, not by the interpreter when it ends.
            print(end="", flush=True)
    except KeyboardInterrupt:
        return 130
    except G4fliteError as error:
        tell("error", message_with(spelled, error))
        return 2 if isinstance(error, UsageError) else 1
    except OSError as error:
        # Standard output failed: commands turn every other OSError into a G4fliteError.  The interpreter writes what
        # is still buffered when it ends, which would fail again, so standard output now leads to the null device.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return 141
        tell("error", error)
        return 1
    return 0


def flag(name: str) -> str:
    """Return the flag for an argument of `stream()`, "" if there is none."""
    return FLAGS.get(name, "")


def message_with(argument: Callable[[str], str], error: G4fliteError) -> str:
    """Return the error's message with the arguments spelled as `argument` says, and without `.partial`."""
    return error.spelled(argument).replace(IN_PARTIAL, "the text so far is above")


def tell(kind: str, message: object) -> None:
    """Print a message as one line on standard error."""
    print(f"{PACKAGE}: {kind}: {' '.join(str(message).split())}", file=sys.stderr)


def program() -> str:
    """Return what to type into a shell to run this program: the script `g4flite` if it was run, else `python -m`."""
    script, python = Path(sys.argv[0]).absolute(), Path(sys.executable)
    return typed(script) if script.stem == PACKAGE else f"{typed(python)} -m {PACKAGE}"


def typed(path: Path) -> str:
    """Return the name of a program if the shell finds this very file under its name, else the path, quoted."""
    return path.name if which(path.name) == str(path) else shlex.quote(str(path))


def make_parser(adders: Iterable[Callable[[Any], None]]) -> Parser:
    """Return the parser of all commands; `run` in the namespace that it returns is the function of the command."""
    parser = Parser(prog=program(), description="ask a chat model", epilog="example:\n  %(prog)s providers")
    parser.add_argument("--version", action="version", version=f"{PACKAGE} {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for add_command in adders:
        add_command(commands)
    return parser


def add(commands: Any) -> None:
    """Add the commands `stream` and `providers`."""
    text = "print an answer as it comes"
    example = f"""example, while `{program()} emulate --port 8765` runs in another shell:
  %(prog)s cromicle "Hello" --base-url http://127.0.0.1:8765
  echo Hello | %(prog)s flowgpt - -m gemini -o temperature=0.2 --base-url http://127.0.0.1:8765"""
    command = commands.add_parser("stream", help=text, description=text, epilog=example)
    command.set_defaults(run=print_answer)
    command.add_argument("provider", metavar="PROVIDER", help=", ".join(providers.names()))
    command.add_argument("prompt", metavar="PROMPT", help="the question; - reads it from standard input")
    add_settings(command)

    text = "list the providers, their endpoints and their models"
    command = commands.add_parser("providers", help=text, description=text, epilog="example:\n  %(prog)s --json")
    command.set_defaults(run=print_providers)
    command.add_argument("--json", action="store_true", help="print a list of JSON objects, for programs")


def add_settings(
    command: argparse.ArgumentParser,
    *,
    read_option: Callable[[str], tuple[str, Any]] | None = None,
    help_on_option: str = "option; the value is JSON or text; repeatable",
) -> None:
    """Add the flags for how to ask a provider.  `settings` reads all of them but --system and --model.

    `read_option` reads the value of -o, if `option` does not.
    """
    command.add_argument("-s", "--system", metavar="TEXT", help="a system message before the prompt")
    command.add_argument("-m", "--model", metavar="MODEL", help="a model of the provider, or an alias of a model")
    command.add_argument("--base-url", metavar="URL", help="ask the server at this URL, not the public one")
    command.add_argument("--proxy", metavar="URL", help="a proxy; the scheme is http, https, socks5 or socks5h")
    command.add_argument("--timeout", metavar="SECONDS", type=float, help="the time for the whole answer")
    add_header(command)
    command.add_argument(
        "-o",
        "--option",
        metavar="NAME=VALUE",
        type=read_option or option,
        action="append",
        default=[],
        help=help_on_option,
    )


def add_header(command: argparse.ArgumentParser) -> None:
    """Add the flag for headers."""
    command.add_argument(
        "-H",
        "--header",
        metavar="NAME:VALUE",
        type=header,
        action="append",
        default=[],
        help="HTTP header, like 'authorization: Bearer KEY'; repeatable",
    )


def settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of `stream()` that the flags set: base_url, proxy, timeout, headers and the options."""
    own = {name: getattr(arguments, name) for name in ("base_url", "proxy", "timeout")}
    return {**own, "headers": dict(arguments.header), **dict(arguments.option)}


def header(text: str) -> tuple[str, str]:
    """Return the name and the value of `Name: value`.  The error message does not quote the text: it may hold a key."""
    name, colon, value = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError('a header has the form "Name: value"')
    return name.strip(), value.strip()


def option(text: str) -> tuple[str, Any]:
    """Return the name and the value of `name=value`.  The value is read as JSON; if it is no JSON, it is a string."""
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError("an option has the form name=value, like temperature=0.2")
    if name in RESERVED:
        own = "set the service's environment variable, like OPENAI_API_KEY" if name == "api_key" else ""
        instead = f"pass {flag(name)}" if flag(name) else own
        raise argparse.ArgumentTypeError(f"{name!r} is no option of a provider{instead and f'; {instead}'}")
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value


def print_answer(arguments: argparse.Namespace) -> None:
    """Carry out `stream`: print the answer as it comes."""
    prompt = read_prompt(arguments.prompt)
    with warnings_as_lines():
        answer = stream(
            arguments.provider, prompt, system=arguments.system, model=arguments.model, **settings(arguments)
        )
        show(answer)
    if answer.finish_reason not in (None, "stop"):
        tell("finish reason", answer.finish_reason)
    elif not answer.partial.strip():
        tell("finish reason", "stop, with no text")


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Inside the `with`, print each of the package's warnings once, as one line.

    Python's flag -W does not silence these warnings, as they are about safety: they say that a key goes over plain
    http, or that a host may belong to somebody else by now.
    """
    told: set[str] = set()

    def tell_once(message: object, *_: object, **__: object) -> None:
        if str(message) not in told:
            told.add(str(message))
            tell("warning", message)

    with warnings.catch_warnings():
        # Python would add a line of source, and print a warning again for another line of the program.
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = tell_once
        yield


def show(answer: Stream | Answer) -> None:
    """Print the chunks of an answer as they come, then a line feed if the text does not end with one.

    If standard output is a terminal, control characters are left out; a file or a pipe gets the text as it came.
    """
    control = CONTROL if sys.stdout and sys.stdout.isatty() else {}
    try:
        with answer:
            for chunk in answer:
                print(chunk.translate(control), end="", flush=True)
    finally:
        if answer.partial[-1:] not in ("", "\n"):
            print(flush=True)


def read_prompt(prompt: str) -> str:
    """Return the prompt; for `-`, read it from standard input and drop its last line feed.

    Raises `UsageError` if the prompt is empty or standard input is not text in UTF-8.
    """
    if prompt == "-":
        try:
            prompt = sys.stdin.read().removesuffix("\n") if sys.stdin else ""
            # In the C locale, Python reads bytes that are not UTF-8 as lone surrogates, which no request can carry.
            prompt.encode()
        except (OSError, UnicodeError) as error:
            raise UsageError(f"standard input is no text in UTF-8: {error}") from error
    if not prompt.strip():
        raise UsageError(f'the prompt is empty; say what to send, as in: {program()} stream cromicle "Hello"')
    return prompt


def print_providers(arguments: argparse.Namespace) -> None:
    """Carry out `providers`: print the providers as a table, or as JSON."""
    described = [describe(providers.find(name)) for name in providers.names()]
    if arguments.json:
        print(json.dumps(described, indent=2))
        return
    table = [("name", "status", "endpoint", "models")]
    for row in described:
        status = f"retired since {row['retired']}" if row["retired"] else "live"
        table.append((row["name"], status, row["url"], ", ".join(row["models"]) or "any"))
    # The last column is not padded: a list of models may be longer than the terminal is wide.
    widths = [max(map(len, column)) for column in list(zip(*table, strict=True))[:-1]]
    for *cells, last in table:
        print(*(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)), last, sep="  ")


def describe(spec: Provider) -> dict[str, Any]:
    """Return a provider as JSON; in `url`, the public base URL is filled in."""
    return {
        "name": spec.name,
        "retired": spec.retired or None,
        "base_url": spec.base_url,
        "url": spec.url.replace("{base_url}", spec.base_url.rstrip("/")),
        "models": list(spec.models),
        "default_model": resolve_model(spec, None),
        "aliases": dict(spec.aliases),
        "options": list(spec.options),
    }
