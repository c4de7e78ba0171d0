"""Passes an answer on as it came, where the client and the provider speak the same protocol.

    passing = as_passing(client, whole=False)           # the client's provider, which sends a body of the caller's
    route = passing._route(..., extra=body_for(CHAT, data, whole=False), ...)
    async for event in start([route]).events(): ...     # Raw("raw", (b"data: {...}\n\n",)), and the events as well

With `whole=True`, the provider is asked for an answer that is not streamed, and there is one `Raw`: its JSON.

The provider's own parser still reads the answer: so retries, timers, the count of tokens and the check that the answer
is whole are those of any other stream, and what tells of an error is not passed on.  Signatures, unknown fields and
unknown events are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from dataclasses import replace
from itertools import groupby
from typing import Any

from ..._core.errors import ContentFilterError, G4fliteError, LimitError, MalformedReplyError, TruncatedStreamError
from ..._core.events import CONTENT, Event, Finish, Native
from ..._core.provider import JSON, WEB_PAGE, Call, Provider
from ...client import Client
from .wires import ANTHROPIC, CHAT, GEMINI, OLLAMA, RESPONSES, Wire

# Comments before the fields of an event, and blank lines; servers also write comments without a blank line behind.
COMMENTS = re.compile(rb"(?::[^\n]*\n|\r?\n)+")
# What ends an event, and a line.
EVENTS, LINES = re.compile(rb"\n(?:\r?\n)+"), re.compile(rb"\n")
# What an event of the tokens alone has in place of text, perhaps inside another field.
NO_CHOICES = re.compile(rb'"choices"\s*:\s*\[\s*\]')
# How the URLs of providers end that speak the protocol of a wire.
ENDS = {
    "/chat/completions": CHAT, "/responses": RESPONSES, "/v1/messages": ANTHROPIC, "/api/chat": OLLAMA,
    ":streamGenerateContent": GEMINI,
}  # fmt: skip
# The headers of a request that go on: what the protocol itself means by them.
HEADERS = {"anthropic": ("anthropic-beta", "anthropic-version")}


# Fields with which a server behind the gateway, itself a gateway, can be sent elsewhere or with another key (LiteLLM's
# proxy took `api_base`, CVE-2024-6587), and those that name further models (OpenRouter's `models`, LiteLLM's
# `fallbacks`, NanoGPT's `advisor`), of which a key's list of models and its budget know nothing.
ELSEWHERE = ("api_base", "base_url", "api_key", "extra_headers", "user_config", "model_list")
OTHER_MODELS = ("models", "fallbacks", "advisor")
# The types of tools that the client runs, and whose schemas may have a property of any name.
OF_CLIENT = (None, "function", "custom")


class Raw(Native):
    """A piece of the answer's body: a tuple of the events, or of the lines, that one read has completed.

    It follows what they say, so that this is counted if the client leaves while the piece is sent.  An empty one at the
    beginning says that the answer is passed on.
    """

    __slots__ = ()


def wire_of(provider: Provider) -> Wire | None:
    """Return the wire whose protocol a provider speaks, None for a protocol that no wire has."""
    path = provider.url.partition("?")[0]
    return next((wire for end, wire in ENDS.items() if path.endswith(end)), None)


def as_passing(client: Client, *, whole: bool) -> Client:
    """Return a client that shares the connections of this one, sends a body of the caller's, and yields `Raw`."""
    passing, provider = copy(client), client._call.provider
    if whole:
        own = replace(
            provider,
            payload=payload,
            parser=lambda limit: WholeParser(provider.parser(limit), limit, wire_of(provider)),
            url=provider.url.replace(":streamGenerateContent?alt=sse", ":generateContent"),
            headers={**provider.headers, "accept": "application/json"},
            error_types=WEB_PAGE,
            end="http",
        )
    else:
        own = replace(provider, payload=payload, parser=_parser_of(provider))
    passing._call = replace(client._call, provider=own)
    return passing


def names_model(tool: dict[str, Any]) -> bool:
    """Return whether a tool that the service runs is told a model of its own.

    Anthropic's `advisor_20260301` has it in `model`, OpenRouter's `openrouter:advisor` in `parameters.model`, and again
    in the tools of the adviser (types and documentation, November 2026).
    """
    return tool.get("type") not in OF_CLIENT and _names_model(tool)


def _names_model(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_names_model, value))
    return isinstance(value, dict) and (value.get("model") is not None or any(map(_names_model, value.values())))


def takes_usage_option(client: Client) -> bool:
    """Return whether the provider of Chat Completions is asked for the tokens by `stream_options`: some refuse it."""
    asked = replace(client._call, messages=({"role": "user", "content": "Hi"},), model=client._call.model or "m")
    payload = client._call.provider.payload(asked)
    return isinstance(payload, dict) and "stream_options" in payload


def payload(call: Call) -> JSON:
    """`extra` is the whole body but for the model, which Gemini has in its URL."""
    return {} if "{model}" in call.provider.url else {"model": call.model}


def body_for(wire: Wire, data: dict[str, Any], *, whole: bool, usage_option: bool = True) -> dict[str, Any]:
    """Return the body of a client's request without the model; the tokens are asked for in any case.

    Without `usage_option`, the provider sends them unasked, and refuses the option.
    """
    body = {name: value for name, value in data.items() if name != "model"}
    if wire is GEMINI:
        return body
    if wire is CHAT and not usage_option:
        body.pop("stream_options", None)
    elif wire is CHAT and not whole:
        given = body.get("stream_options")
        # Of another type, it goes on as it is, for the service to refuse.
        if given is None or isinstance(given, dict):
            body["stream_options"] = {**(given or {}), "include_usage": True}
    return {**body, "stream": not whole}


def headers_for(wire: Wire, headers: Any) -> dict[str, str]:
    """Return the headers of a client's request that go on to the provider."""
    return {name: headers[name] for name in HEADERS.get(wire.name, ()) if name in headers}


def opens(event: str | Event) -> bool:
    """Return whether an event shows that the answer has begun, or is complete without content.

    A bare `Finish("other")` stands for an end marker without a finish reason, behind which the core takes an answer
    without content for none.
    """
    return isinstance(event, CONTENT) or (isinstance(event, Finish) and event != Finish("other"))


def data_of(frame: bytes) -> Any:
    """Return the JSON that an event holds.  Raises `ValueError` if it is none, or is nested too deeply."""
    return parsed(b"".join(line[5:] for line in frame.splitlines() if line.startswith(b"data:")))


def parsed(text: bytes) -> Any:
    """Return the value of JSON.  Raises `ValueError` if the text is none, or is nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error


def is_count(frame: bytes) -> bool:
    """Return whether an event of Chat Completions has the tokens alone, which its client may not have asked for."""
    if b'"usage"' not in frame or not NO_CHOICES.search(frame):
        return False
    try:
        return bool(data_of(frame).get("choices") == [])
    except (ValueError, AttributeError):
        return False


def reports_error(frame: bytes) -> bool:
    """Return whether an event of Gemini's reports an error, in a list of one if an array was asked for."""
    try:
        value = data_of(frame)
    except ValueError:
        return False
    return any("error" in one for one in (value if isinstance(value, list) else [value]))


def finished(frame: bytes, wanted: int) -> set[int]:
    """Return which of several answers to one question (`n`, `candidateCount`) have their finish reason in an event.

    All that are wanted have it if the prompt is blocked.  An answer without a number is the first, as Protobuf's JSON
    leaves a 0 out; if no answer of several has one, they are numbered by their places.
    """
    try:
        value = data_of(frame)
        if (value.get("promptFeedback") or {}).get("blockReason"):
            return {*range(wanted)}
        answers = value.get("choices") or value.get("candidates") or ()
        numbered = any("index" in one for one in answers)
        return {
            one.get("index", 0 if numbered else place)
            for place, one in enumerate(answers)
            if one.get("finish_reason") or one.get("finishReason")
        }
    except (ValueError, AttributeError, TypeError):
        return set()


def is_whole(frame: bytes) -> bool:
    """Return whether an event or a line is whole that nothing ends: its data are JSON, or the end marker."""
    data = frame.rpartition(b"data:")[2].strip()
    try:
        return data == b"[DONE]" or isinstance(parsed(data), dict)
    except ValueError:
        return False


def split(data: bytes, end: re.Pattern[bytes]) -> list[bytes]:
    """Return the pieces that end so, and what is left behind the last of them."""
    stops = [found.end() for found in end.finditer(data)]
    return [data[begin:stop] for begin, stop in zip([0, *stops], [*stops, len(data)], strict=True)]


def read(said: Iterable[str | Event], wire: Wire | None, frame: bytes = b"") -> list[str | Event]:
    """Return what a parser says of an event, or of the end without one.

    It takes a refusal for an error, and what a filter of Gemini's has blocked.  Here both are answers of status 200,
    which the clients of the protocol read: `refusal`, `finishReason: "SAFETY"`, `promptFeedback.blockReason` (types of
    google-genai 3.6.1).  A prompt that is blocked has no finish reason of its own.
    """
    found = list[str | Event]()
    try:
        found.extend(said)
    except ContentFilterError as error:
        if error.code != "refusal" and (wire is not GEMINI or reports_error(frame)):
            raise
        if not any(isinstance(event, Finish) for event in found):
            found.append(Finish("content_filter", str(error.code)))
    return found


def joined(said: Iterable[str | Event]) -> Iterator[str | Event]:
    """Yield the same with one text in place of several in a row, each of which would cost a turn of the loop."""
    for kind, items in groupby(said, type):
        if kind is str:
            yield "".join(items)  # type: ignore[arg-type]  # of this type
        else:
            yield from items


def _parser_of(provider: Provider) -> Callable[[int], Parser]:
    """Return what makes the parsers of a provider whose answers are passed on."""
    wire = wire_of(provider)
    return lambda limit: Parser(provider.parser(limit), limit, wire)


class Parser:
    """The parser of a provider, which also gives out the bytes that it has read, as `Raw`.

    An event is passed on once the parser has read it without an error; those that one read completes go on together.
    Nothing is passed on before the first content: until then, another attempt may be made.  The events that wait for it
    may have as many bytes together as one event may have.
    """

    def __init__(self, parser: Any, limit: int, wire: Wire | None) -> None:
        self._parser, self._limit, self._wire = parser, limit, wire
        self._end, self._blank = (LINES, b"\n") if wire is OLLAMA else (EVENTS, b"\n\n")
        # The beginning of an event, in the pieces in which it came, and its last bytes.
        self._parts, self._size, self._tail = list[bytes](), 0, b""
        # The events that were not passed on yet, their size before the first content, and whether that has come.
        self._held, self._waiting, self._open = list[bytes](), 0, False
        # Whether the answer is blocked, and whether its body has ended.
        self._blocked = self._closed = False
        # What else the core may ask of a parser.
        for name in ("recognises", "whole"):
            if hasattr(parser, name):
                setattr(self, name, getattr(parser, name))

    @property
    def done(self) -> bool:
        """Whether the end marker came; of an answer that is blocked, Gemini's parser does not say so."""
        return bool(self._parser.done) or (self._blocked and self._closed)

    def feed(self, data: bytes) -> Iterator[str | Event]:
        """Yield what the events say that the data complete, and then these as they came."""
        # Most reads are one event.
        if self._open and not self._size and (end := self._end.search(data)) and end.end() == len(data):
            said = self._read(data)
            self._hold(data)
            yield from self._passed(said)
            return
        self._parts.append(data)
        self._size += len(data)
        tail = self._tail + data
        self._tail = tail[-2:]
        if self._end.search(tail):
            *frames, rest = split(b"".join(self._parts), self._end)
            self._parts, self._size = [rest], len(rest)
            said = list[str | Event]()
            for frame in frames:
                try:
                    found = self._read(frame)
                except G4fliteError:
                    # What stands before the error goes on, and then the error.
                    yield from self._passed(said)
                    raise
                said += found
                self._hold(frame)
            yield from self._passed(said)
        elif self._size > self._limit:
            # The parser says that an event is too large.
            parts, self._parts, self._size = b"".join(self._parts), [], 0
            yield from self._parser.feed(parts)

    def _read(self, frame: bytes) -> list[str | Event]:
        found = read(self._parser.feed(frame), self._wire, frame)
        # Gemini's parser gives out its own finish reason at the end alone.
        if self._wire is GEMINI and found and isinstance(found[-1], Finish):
            self._blocked = True
        return found

    def _hold(self, frame: bytes) -> None:
        # A comment is a sign of life between the service and the gateway.
        if found := COMMENTS.match(frame):
            frame = frame[found.end() :]
        if frame:
            self._held.append(frame)
            if not self._open:
                self._waiting += len(frame)

    def _passed(self, said: list[str | Event]) -> Iterator[str | Event]:
        if not self._open and any(map(opens, said)):
            self._open = True
            yield Raw("raw", ())
        elif not self._open and self._waiting > self._limit:
            raise LimitError(f"the reply holds no answer in its first {self._limit} bytes")
        yield from joined(said)
        if self._open and self._held:
            held, self._held = tuple(self._held), []
            yield Raw("raw", held)

    def close(self) -> Iterator[str | Event]:
        """Yield what is left, if the answer is whole."""
        yield from self._ended(self._parser.close)

    def cut_off(self) -> Iterator[str | Event]:
        """Yield what is left, if the answer is whole although its body was cut off."""
        yield from self._ended(getattr(self._parser, "cut_off", self._parser.close))

    def _ended(self, end: Callable[[], Any]) -> Iterator[str | Event]:
        rest, self._parts = b"".join(self._parts), []
        said = [*self._read(rest), *read(end(), self._wire)]
        self._closed = True
        # Half an event would swallow the error behind it.
        if is_whole(rest):
            self._hold(rest.rstrip() + self._blank)
        yield from self._passed(said)


class WholeParser:
    """The parser of a provider whose answer is not streamed: it gives out the JSON as one `Raw`, once it is all there.

    The provider's own parser reads the same as events: an error in the JSON is raised, and the tokens are known.
    """

    def __init__(self, parser: Any, limit: int, wire: Wire | None) -> None:
        self._parser, self._limit, self._wire = parser, limit, wire
        self._body = bytearray()
        self.done = False

    def feed(self, data: bytes) -> Iterator[str | Event]:
        """Keep a piece of the body.  Raises `LimitError` for a body that is too large."""
        self._body += data
        if len(self._body) > self._limit:
            raise LimitError(f"the reply is larger than {self._limit} bytes")
        return iter(())

    def close(self) -> Iterator[str | Event]:
        """Yield the body, and what it says.

        Raises `MalformedReplyError` for a body that is no JSON object or holds no answer, and `TruncatedStreamError`
        for one that holds a piece of an answer (`done: false`, a candidate without a finish reason).

        Some servers stream whatever they are asked for: of a stream, what it says is yielded alone.
        """
        body = bytes(self._body)
        try:
            value = parsed(body)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            if not self._parser.recognises(body):
                raise MalformedReplyError("the reply is no JSON object")
            yield from self._parser.feed(body)
            yield from self._parser.close()
            if not self._parser.done:
                raise TruncatedStreamError("the reply ends without its end marker")
            self.done = True
            return
        frames = self._frames(value)
        said = [*read(self._parser.feed(frames), self._wire, frames), *read(self._parser.close(), self._wire)]
        if not any(map(opens, said)):
            raise MalformedReplyError("the reply holds no answer")
        # The core takes the body for content, behind which it looks for no end.
        if not any(isinstance(event, Finish) for event in said):
            raise TruncatedStreamError("the reply holds the beginning of an answer alone")
        yield Raw("raw", (body,))
        yield from said
        self.done = True

    # JSON says by itself whether it is whole.
    cut_off = close

    def _frames(self, value: dict[str, Any]) -> bytes:
        """Return the events, or the line, that say the same."""
        text = json.dumps(value)
        if self._wire is OLLAMA:
            return text.encode() + b"\n"
        frames: bytes = b"" if self._wire is GEMINI else self._parser.whole(text)
        return frames or b"data: " + text.encode() + b"\n\n"
