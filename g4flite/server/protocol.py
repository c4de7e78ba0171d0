"""What the open protocols have in common: a POST that is read in common terms, and a reply written from pieces."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .checks import Headers, Refusal, Rule, json_data, sole
from .conversation import Messages
from .pieces import Piece, Problem, Stop, Tally, words

JSON_TYPE = Rule(
    "application/json", lambda got: got is not None and got.partition(";")[0].strip() == "application/json"
)

REFUSED_AS = {400: "invalid", 401: "authentication", 404: "not_found", 500: "server"}
"""The kind of problem, by the status of a `Refusal`: the kinds of `Problem`, and `invalid`."""

RETRY = {"rate_limit": {"retry-after": "1"}}
"""Headers, in seconds, that go with a kind of problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A request before it is read. `keyless`: no key is demanded. Header names as written."""

    path: str  # below the emulator's prefix, without the query
    query: Mapping[str, str]
    headers: Headers
    body: bytes
    dialect: str
    keyless: bool

    def data(self) -> dict[str, Any]:
        """The object in the body. Raises `Refusal` 400 for anything else, and for a content type other than JSON."""
        JSON_TYPE.check(400, "header content-type (once)", sole(self.headers, "content-type"))
        data = json_data(self.body)
        if not isinstance(data, dict):
            raise Refusal(400, "body: expected an object")
        return data

    def demand_key(self, *names: str) -> None:
        """Raises `Refusal` 401 unless one of the headers holds a key; in `authorization` it is a Bearer token."""
        for name in names:
            value = sole(self.headers, name) or ""
            if re.fullmatch(r"Bearer \S+" if name == "authorization" else r"\S+", value):
                return
        if not self.keyless:
            raise Refusal(401, f"header {names[0]}: expected a key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a request says, in common terms, and what its reply has to know."""

    model: str
    messages: Messages
    options: dict[str, Any]
    dialect: str
    form: str = ""  # what else of the request decides the form of the reply; each protocol has its own words
    now: float = 0.0  # Unix time in seconds
    tally: Tally = field(default_factory=Tally)

    @property
    def prompt_tokens(self) -> int:
        return words(self.messages)


@dataclass(frozen=True, slots=True)
class Fault:
    """A problem as a status and a JSON value, in the service's own form; of status 200 it is told in the stream."""

    status: int
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """One open protocol."""

    name: str
    path: str  # a regular expression for the whole of it, below the prefix and without the query
    shown: str  # the path as a refusal names it
    read: Callable[[Post], Turn]  # raises Refusal: 400 shape, 401 key, 404
    write: Callable[[Turn, Iterator[Piece]], Iterator[bytes]]  # the pieces end with one Stop or Problem
    fault: Callable[
        [Post, str, str | None], Fault
    ]  # of a kind, and what a Refusal says of it; None: the vendor's words
    head: Callable[[Post], dict[str, str]]  # of a reply, and but for the content type, of a fault


def find(protocols: tuple[Protocol, ...], method: str, path: str, prefix: str) -> tuple[Protocol, str, str] | None:
    """The protocol that the path belongs to, the path below the prefix, the query. Raises `Refusal` 405."""
    place, _, query = path.removeprefix(prefix).partition("?")
    for protocol in protocols:
        if path.startswith(prefix) and re.fullmatch(protocol.path, place):
            if method != "POST":
                raise Refusal(405, "method: expected POST", {"allow": "POST"})
            return protocol, place, query
    return None


def as_problem(piece: Piece, *unknown: str) -> Piece:
    """The piece, but a `Stop` for one of the reasons that the protocol does not know is a `Problem`."""
    if isinstance(piece, Stop) and piece.reason in unknown:
        return Problem("server" if piece.reason == "error" else piece.reason)
    return piece
