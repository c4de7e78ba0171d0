"""The command line: `stream` prints an answer, `providers` lists whom to ask; each module of `TOOLS` adds a command.

Exit codes: 0; 1 an error of the provider, the network or the machine; 2 wrong usage; 130 Ctrl-C; 141 nobody reads
standard output any more.  An error is one line on standard error; the last two say nothing.
"""

import argparse
import io
import json
import os
import re
import shlex
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from shutil import which
from typing import Any, NoReturn

from .. import __version__, providers
from .._core.errors import G4fliteError, UsageError
from .._core.provider import Provider
from .._core.request import resolve_model
from .._core.stream import Stream
from ..client import stream

PACKAGE = (__package__ or "").rpartition(".")[0]  # a copy has another name than g4flite
TOOLS = ("emulate", "chat", "probe", "check", "guides", "vendor")  # a module each
CONTROL = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)))  # all but tab and LF: they command a terminal
ARGUMENTS = {  # in errors, and what is said on the command line instead
    "pass api_key= or ": "",
    "check api_key=, or ": "check ",
    "what came is in .partial": "what came is above",
}
RESERVED = frozenset(stream.__annotations__)  # no provider's option can be passed under such a name


class Parser(argparse.ArgumentParser):
    """A parser whose complaint is a `UsageError`: one line, like every other error."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **settings)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code of a command line, `sys.argv[1:]` if None.  Raises `SystemExit` after --help and --version."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # an answer may hold what the terminal's encoding does not
    try:
        try:
            arguments = make_parser().parse_args(argv)
            arguments.run(arguments)
        finally:
            print(end="", flush=True)  # a broken pipe shows here, not when the interpreter ends
    except KeyboardInterrupt:
        return 130
    except G4fliteError as error:
        tell("error", flagged(str(error)))
        return 2 if isinstance(error, UsageError) else 1
    except OSError as error:  # of standard output: every other one has become a G4fliteError
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is unwritten fails no second time
        if isinstance(error, BrokenPipeError):
            return 141
        tell("error", error)
        return 1
    return 0


def flagged(message: str) -> str:
    """The message with the flags of the command line in place of arguments of Python."""
    for argument, flag in ARGUMENTS.items():
        message = message.replace(argument, flag)
    return re.sub(r"\b(model|base_url|proxy)=(?!\w)", lambda found: f"--{found[1].replace('_', '-')}", message)


def tell(kind: str, message: object) -> None:
    """Prints a message as one line on standard error."""
    print(f"{PACKAGE}: {kind}: {' '.join(str(message).split())}", file=sys.stderr)


def tell_warning(message: object, *_: object, **__: object) -> None:
    """Prints a warning as one line, in place of `warnings.showwarning`, which adds the source."""
    tell("warning", message)


def program() -> str:
    """What to type into a shell to run this program: its script where that was run, else `python -m`."""
    script, python = Path(sys.argv[0]).absolute(), Path(sys.executable)
    return typed(script) if script.stem == PACKAGE else f"{typed(python)} -m {PACKAGE}"


def typed(path: Path) -> str:
    """The file's name where the shell finds that very file by it, else its path."""
    return path.name if which(path.name) == str(path) else shlex.quote(str(path))


def make_parser() -> Parser:
    """The parser of all commands; `run` in what it parses is the function of the command."""
    parser = Parser(prog=program(), description="ask a chat model", epilog="example:\n  %(prog)s providers")
    parser.add_argument("--version", action="version", version=f"{PACKAGE} {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    text = "print an answer as it comes"
    example = f"""example, while `{program()} emulate --port 8765` runs in another shell:
  %(prog)s cromicle "Hello" --base-url http://127.0.0.1:8765
  echo Hello | %(prog)s flowgpt - -m gemini -o temperature=0.2 --base-url http://127.0.0.1:8765"""
    command = commands.add_parser("stream", help=text, description=text, epilog=example)
    command.set_defaults(run=print_answer)
    command.add_argument("provider", metavar="PROVIDER", help=", ".join(providers.names()))
    command.add_argument("prompt", metavar="PROMPT", help="what to say; - reads it from standard input")
    add_settings(command)

    text = "list the providers, their endpoints and their models"
    command = commands.add_parser("providers", help=text, description=text, epilog="example:\n  %(prog)s --json")
    command.set_defaults(run=print_providers)
    command.add_argument("--json", action="store_true", help="for programs: a list of objects")

    for tool in TOOLS:
        import_module(f".{tool}", __package__).add(commands)
    return parser


def add_settings(command: argparse.ArgumentParser) -> None:
    """Adds the flags that say how a provider is asked; `settings` reads them, but for `system` and `model`."""
    command.add_argument("-s", "--system", metavar="TEXT", help="a system message before the prompt")
    command.add_argument("-m", "--model", metavar="MODEL", help="one of the provider's, or an alias")
    command.add_argument("--base-url", metavar="URL", help="a server of your own in place of the public one")
    command.add_argument("--proxy", metavar="URL", help="of the scheme http, https, socks5 or socks5h")
    command.add_argument("--timeout", metavar="SECONDS", type=float, help="how long the service may take")
    pairs: dict[str, Any] = {"action": "append", "default": []}
    command.add_argument("-H", "--header", metavar="NAME:VALUE", type=header, help="HTTP header; repeatable", **pairs)
    command.add_argument("-o", "--option", metavar="NAME=VALUE", type=option, help="JSON or text; repeatable", **pairs)


def settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `stream()` that the flags stand for: base_url, proxy, timeout, headers and the options."""
    own = {name: getattr(arguments, name) for name in ("base_url", "proxy", "timeout")}
    return {**own, "headers": dict(arguments.header), **dict(arguments.option)}


def header(text: str) -> tuple[str, str]:
    """The name and the value of `Name: value`; a complaint does not quote it, as it may hold a key."""
    name, colon, value = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError('it is of the form "Name: value"')
    return name.strip(), value.strip()


def option(text: str) -> tuple[str, Any]:
    """The name and the value of `name=value`: what the value means in JSON, else the text itself."""
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError("it is of the form name=value, like temperature=0.2")
    if name in RESERVED:
        raise argparse.ArgumentTypeError(f"{name!r} is no option of a provider")
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value


def print_answer(arguments: argparse.Namespace) -> None:
    """Prints an answer as it comes."""
    messages = [{"role": "system", "content": arguments.system}] if arguments.system else []
    messages.append({"role": "user", "content": read_prompt(arguments.prompt)})
    with told_warnings():
        answer = stream(arguments.provider, messages, model=arguments.model, **settings(arguments))
        show(answer)
    if answer.finish_reason not in (None, "stop"):
        tell("finish reason", answer.finish_reason)
    elif not answer.partial.strip():
        tell("finish reason", "stop, with no text")


@contextmanager
def told_warnings() -> Iterator[None]:
    """Inside it, each of the package's warnings is told once, whatever -W says: they are about safety."""
    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        warnings.showwarning = tell_warning
        yield


def show(answer: Stream) -> None:
    """Prints the chunks as they come, and a line end where the text has none; no codes for a terminal at one."""
    control = CONTROL if sys.stdout and sys.stdout.isatty() else {}
    try:
        with answer:
            for chunk in answer:
                print(chunk.translate(control), end="", flush=True)
    finally:
        if answer.partial[-1:] not in ("", "\n"):
            print(flush=True)


def read_prompt(prompt: str) -> str:
    """The prompt; `-` stands for standard input without its last line end.  Raises `UsageError` where it is empty."""
    if prompt == "-":
        try:
            prompt = sys.stdin.read().removesuffix("\n") if sys.stdin else ""
            prompt.encode()  # in some locales, bytes that are no UTF-8 come as halves of surrogate pairs
        except (OSError, UnicodeError) as error:
            raise UsageError(f"standard input is no text in UTF-8: {error}") from error
    if not prompt.strip():
        raise UsageError(f'the prompt is empty; say what to send, as in: {program()} stream cromicle "Hello"')
    return prompt


def print_providers(arguments: argparse.Namespace) -> None:
    """Prints the providers as a table, or as JSON."""
    described = [describe(providers.find(name)) for name in providers.names()]
    if arguments.json:
        print(json.dumps(described, indent=2))
        return
    table = [("name", "status", "endpoint", "models")]
    for one in described:
        status = f"retired since {one['retired']}" if one["retired"] else "live"
        table.append((one["name"], status, one["url"], ", ".join(one["models"]) or "any"))
    widths = [max(map(len, column)) for column in list(zip(*table, strict=True))[:-1]]
    for *cells, last in table:
        print(*(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)), last, sep="  ")


def describe(spec: Provider) -> dict[str, Any]:
    """A provider as JSON; in `url`, the public base URL is filled in."""
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
