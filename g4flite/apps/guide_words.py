"""What a guide says of a spec's functions and values: docstrings, names, JSON, and no secret."""

import json
import re
import sys
from collections.abc import Sequence
from functools import partial
from inspect import cleandoc
from string import Formatter
from typing import Any

from .._core.headers import is_secret
from .._core.provider import Provider

SCHEME = re.compile("|Bearer |Basic |Token ")  # of an authorization
SHORT = 80  # characters of JSON that stand on one line


INTERNAL = f"{(__package__ or '').rpartition('.')[0]}._"  # what modules of the library begin with


def unwrapped(function: Any) -> Any:
    """The function that a `functools.partial` calls; any other one as it is."""
    return unwrapped(function.func) if isinstance(function, partial) else function


def paragraphs(text: str | None) -> list[str]:
    """The paragraphs of a docstring, each on one line; none where there is no docstring."""
    return [" ".join(part.split()) for part in cleandoc(text or "").split("\n\n") if part.strip()]


def said(function: Any) -> list[str]:
    """The paragraphs of a function's or class's docstring."""
    return paragraphs(unwrapped(function).__doc__)


def history(spec: Provider) -> list[str]:
    """The docstrings of the modules that hold the spec's functions, where these are no parts of the library itself."""
    homes = dict.fromkeys(unwrapped(one).__module__ for one in (spec.payload, spec.signer, spec.parser))
    modules = [
        sys.modules[home]
        for home in homes
        if home in sys.modules and not home.startswith(f"{__package__.rpartition('.')[0]}._")
    ]
    return [part for module in modules for part in paragraphs(module.__doc__)]


def told(spec: Provider) -> list[str]:
    """What is known of the reply: the docstring of the parser, else of what that makes, in paragraphs, one at least."""
    return said(spec.parser) or said(type(spec.parser(spec.max_frame))) or ["A wire of its own."]


def wire(spec: Provider) -> str:
    """The name of the wire: how the docstring of the parser begins."""
    return told(spec)[0].partition(":")[0].partition(". ")[0].removesuffix(".")


def name_of(function: Any) -> str:
    """A function as code: its name where it has one."""
    name = getattr(unwrapped(function), "__name__", type(function).__name__)
    return "a lambda" if name == "<lambda>" else f"`{name}`"


def veiled(name: str, text: str) -> str:
    """The template of a header without the literal part of a secret: fields and the scheme before one stay."""
    if not is_secret(name, text):
        return text
    pieces = Formatter().parse(text)
    return "".join(
        (literal if SCHEME.fullmatch(literal) else "***") + (f"{{{field}}}" if field is not None else "")
        for literal, field, _, _ in pieces
    )


def blotted(value: Any, name: str = "") -> Any:
    """The value without the texts under names of secrets that are long enough to be one."""
    if isinstance(value, dict):
        return {name: blotted(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [blotted(inner, name) for inner in value]
    secret = isinstance(value, str) and len(value) >= 8 and not value.startswith("{") and is_secret(name, value)
    return "***" if secret else value


def pretty(value: Any, indent: str = "") -> str:
    """The value as JSON, on one line where that is short."""
    line, inner = json.dumps(value, ensure_ascii=False), f"\n{indent}  "
    if len(line) <= SHORT or not isinstance(value, dict | list):
        return line
    if isinstance(value, dict):
        parts = [f"{json.dumps(name)}: {pretty(one, inner[1:])}" for name, one in value.items()]
    else:
        parts = [pretty(one, inner[1:]) for one in value]
    return f"{line[0]}{inner}{f',{inner}'.join(parts)}\n{indent}{line[-1]}"


def listed(words: Sequence[str], last: str = "or") -> str:
    """The words in a row: `a, b or c`."""
    return f" {last} ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else ""


def made_of(causes: Sequence[str]) -> str:
    """What a field follows, in words."""
    return f"made of {listed(causes, 'and')}" if causes else "constant"
