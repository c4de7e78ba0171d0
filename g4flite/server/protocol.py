"""What all protocols have in common: a POST that is read into common terms, and a reply that is written from pieces.

protocol, path, query = find(protocols, "POST", "/v1/messages", "")
turn = protocol.read(Post(path=path, ...))          # raises Refusal, which protocol.fault() puts into a body
for data in protocol.write(turn, pieces): ...       # the body of a streamed reply
status, body = protocol.whole(turn, pieces)         # if not turn.stream: the reply as one JSON value
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from .checks import Headers, Refusal, Rule, json_data, sole
from .conversation import Messages
from .pieces import Piece

JSON_TYPE = Rule(
    "application/json", lambda got: got is not None and got.partition(";")[0].strip() == "application/json"
)

REFUSED_AS = {400: "invalid", 401: "authentication", 404: "not_found", 500: "server"}
"""The kind of error for each status of a `Refusal`: `invalid`, or a kind of `Problem`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A request that has not been read yet."""

    # Below the server's prefix, without the query.
    path: str
    query: Mapping[str, str]
    headers: Headers
    body: bytes
    # Whether a request without a key is accepted.
    keyless: bool

    def data(self, *, typed: bool = True) -> dict[str, Any]:
        """Return the object in the body.  Raise `Refusal` 400 for anything else, and for a content type but JSON.

        If `typed` is false, the content type may be anything.
        """
        if typed:
            JSON_TYPE.check(400, "header content-type (once)", sole(self.headers, "content-type"))
        data = json_data(self.body)
        if not isinstance(data, dict):
            raise Refusal(400, "body: expected an object")
        return data

    def demand_key(self, *names: str) -> None:
        """Raise `Refusal` 401 unless one of these headers holds a key; in `authorization` the key is a Bearer token."""
        for name in names:
            value = sole(self.headers, name) or ""
            if re.fullmatch(r"Bearer \S+" if name == "authorization" else r"\S+", value):
                return
        if not self.keyless:
            raise Refusal(401, f"header {names[0]}: expected a key; Emulator(keys=False) and --no-keys demand none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a request says, in common terms, and what its writer has to know besides the pieces."""

    # The model that was asked for, or that a Start names as the one which answers.
    model: str
    messages: Messages
    options: dict[str, Any]
    # Whether the reply is to be streamed.
    stream: bool
    # What else the request says about the form of the reply, in words of each protocol's own.
    form: frozenset[str] = frozenset()
    # Unix time in seconds.
    now: float = 0.0
    # The id that a Start gives the reply; None for one that the writer makes up.
    response_id: str | None = None


class Reply(NamedTuple):
    """A reply that is one JSON value, in the service's own form, and the HTTP status that goes with it."""

    status: int
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """One protocol, as functions without state."""

    name: str
    # A regular expression for the whole path, below the prefix and without the query; and the path for messages.
    path: str
    shown: str
    # Reads a request.  Raises Refusal: 400 for a wrong shape, 401 for a missing key, 404 for an unknown path.
    read: Callable[[Post], Turn]
    # Yields the body of a streamed reply.
    write: Callable[[Turn, Iterator[Piece]], Iterator[bytes]]
    # Returns the whole reply for a client that does not stream; an error, if the pieces end with a Problem.
    whole: Callable[[Turn, Iterator[Piece]], Reply]
    # Returns an error, by its kind, with the message of a Refusal or, for None, the vendor's own message.  Returns None
    # if the service does not use an HTTP error for this kind, but says it in a reply of status 200.
    fault: Callable[[Post, str, str | None], Reply | None]
    # Returns the headers of a streamed reply; all but the content type are headers of an error, too.
    head: Callable[[Post], dict[str, str]]


def find(protocols: tuple[Protocol, ...], method: str, path: str, prefix: str) -> tuple[Protocol, str, str] | None:
    """Return the protocol of this path, the path below the prefix, and the query; None if no protocol has the path.

    Raise `Refusal` 405 if the method is not POST.
    """
    place, _, query = path.removeprefix(prefix).partition("?")
    for protocol in protocols:
        if path.startswith(prefix) and re.fullmatch(protocol.path, place):
            if method != "POST":
                raise Refusal(405, "method: expected POST", {"allow": "POST"})
            return protocol, place, query
    return None
