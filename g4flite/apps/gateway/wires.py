"""The wires: the protocols that clients speak to the gateway, with what each needs beside its reader and its writer.

    wire, action, path = find("POST", "/anthropic/v1/messages")     # ANTHROPIC, "ask", the path without doublets
    turn = wire.read(Post(...))
    for data in wire.protocol.write(turn, pieces): ...
    wire.body(fault), wire.cut(fault, turn, events)     # an error before the status line, and one inside a stream

What is tested to raise in each official client, and to be taken for a sign of life: the clients of November 2026
(openai-python 3.57.0, openai-node 6.49.0, anthropic-python 2.14.0, ollama-python 0.6.3, google-genai 3.6.1, Codex CLI
0.169.0, Claude Code 2.1.197).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

from ..._core.events import Citation, FinishReason, Media
from ...server import anthropic, gemini, ollama, openai_chat, openai_habits, openai_responses
from ...server.checks import Refusal
from ...server.framing import DONE, compact, sse
from ...server.pieces import Piece
from ...server.protocol import Post, Protocol, Reply, Turn
from .faults import Fault

JSON = dict[str, Any]

# Chat Completions as the gateway speaks them: reasoning goes into `reasoning_content`, which most clients read.
HABITS = openai_habits.Habits(
    parts=("text", "image_url", "file", "input_audio"),
    role={"content": ""},
    think=lambda text: {"reasoning_content": text},
    others=("image", "audio", "citation"),
)
GOOGLE = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    413: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 502: "INTERNAL", 503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """One protocol, as the gateway speaks it."""

    name: str
    protocol: Protocol
    # Reads a request, of any service's shape.  Raises `Refusal` 400.
    read: Callable[[Post], Turn]
    # The body of an error.
    body: Callable[[Fault], JSON]
    # An error inside a stream, behind so many events, after which the body ends.
    cut: Callable[[Fault, Turn, int], bytes]
    # What shows that the stream is alive; b"" if each such form breaks a client.
    alive: bytes
    # The beginning of the id of a reply.
    prefix: str
    # The finish reasons that the protocol can tell.
    reasons: tuple[FinishReason, ...]
    # What a reply may hold besides text, reasoning and tool calls.
    others: tuple[type, ...]
    # A word of the event that ends a reply, and this event, if it says nothing else.
    end: tuple[bytes, bytes] = (b"", b"")
    # Whether the arguments of a tool call go out piece by piece.
    by_piece: bool = True
    # Whether the client makes an object of them.
    objects: bool = False
    # Fields of a request that change the answer and that no other service can be told, with the value that asks for
    # nothing.  A field that is neither here nor known is left out, and the log says so.
    refused: Mapping[str, object]
    # The fields that the reader reads.  Of an object of which no field is named, "options.seed", it reads them all.
    known: tuple[str, ...]
    # The fields whose items have types, with the types that the reader reads, of which the first one needs not be said,
    # and the fields of each of these; () is all that are known.
    typed: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    # Returns a request with the protocol's names of its fields, of which clients may write other forms.
    named: Callable[[JSON], JSON] = lambda data: data


def value_at(data: JSON, name: str) -> object:
    """Return the value of a field like "options.seed", None if there is none."""
    found: object = data
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def shown(name: str) -> str:
    """Return the beginning of a name for the log: quoted, as all that is said, unless it has the form of a name."""
    return name[:80] if re.fullmatch(r"[\w$.-]+", name, re.ASCII) else repr(name[:80])


@cache
def places(known: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of the known fields, and those of the objects in which these stand."""
    return frozenset(known), frozenset(name[: dot.start()] for name in known for dot in re.finditer(r"\.", name))


def unread(wire: Wire, data: JSON) -> set[str]:
    """Return the names of the fields that the wire does not know, like "options.num_ctx" and "messages.thinking"."""
    found = set[str]()
    known, opened = places((*wire.known, *wire.refused))

    def look(value: JSON, where: str, own: tuple[str, ...] = ()) -> None:
        for name, given in value.items():
            place = where + name
            is_read = (place in known or place in opened) and (not own or name in own)
            # Clients send back answers with all that they might hold.
            if not is_read and given is not None:
                found.add(where + shown(name))
            elif place in opened:
                for one in given if isinstance(given, list) else [given]:
                    if not isinstance(one, dict):
                        continue
                    types = wire.typed.get(place, {})
                    kind = str(one.get("type", next(iter(types), "")))
                    if types and kind not in types:
                        found.add(f"{place} of the type {shown(kind)}")
                    else:
                        look(one, f"{place}.", types.get(kind, ()))

    look(data, "")
    return found


def carries(wire: Wire, event: object) -> bool:
    """Return whether a reply of this wire can hold an event that is neither text nor reasoning nor a tool call."""
    if not isinstance(event, Media):
        return isinstance(event, wire.others)
    image = event.mime_type.startswith("image/")
    if wire is RESPONSES:
        return image and event.data is not None
    return isinstance(event, wire.others) and (event.data is not None or (image and event.url is not None))


def status_of(wire: Wire, fault: Fault) -> int:
    """Return the status of an error; Anthropic has one of its own for a service that is overloaded."""
    return 529 if wire is ANTHROPIC and fault.kind == "overloaded" else fault.status


def openai_error(fault: Fault) -> JSON:
    """Return OpenAI's error."""
    given = openai_habits.error(fault.kind, fault.message)
    # Of a permission that is missing, OpenAI says that the country is wrong.
    code = None if fault.kind == "permission" else given["code"]
    param = given["param"] if fault.kind == "context_length" else fault.field
    return {"error": {**given, "param": param, "code": code if fault.code is None else fault.code or None}}


def cut_chat(fault: Fault, turn: Turn, _: int) -> bytes:
    """Return a chunk with the finish reason `error` and the error beside it.

    A finish reason alone raises nowhere but in litellm; both together raise in every client.
    """
    choice = {"index": 0, "delta": {}, "finish_reason": "error"}
    chunk = {
        "id": turn.response_id, "object": "chat.completion.chunk", "created": int(turn.now), "model": turn.model,
        "choices": [choice],
    }  # fmt: skip
    return sse(chunk | openai_error(fault))


def cut_responses(fault: Fault, turn: Turn, number: int) -> bytes:
    """Return `response.failed`, and then an `error` that is flat and nested at once.

    The clients raise for the nested one, Codex shows the message of the first; the flat one is the documented form.
    """
    told = openai_error(fault)["error"]
    code = told["code"] or told["type"]
    reason = {"code": code, "message": fault.message}
    response = openai_responses.response_object(turn, "failed", error=reason)
    failed = {"type": "response.failed", "response": response, "sequence_number": number}
    flat = {"code": code, "message": fault.message, "param": told["param"]}
    error = {"type": "error", **flat, "error": told, "sequence_number": number + 1}
    return sse(failed, event="response.failed") + sse(error, event="error")


def anthropic_error(fault: Fault) -> JSON:
    """Return Anthropic's error."""
    return {"type": "error", "error": {"type": anthropic.FAULTS[fault.kind][1], "message": fault.message}}


def gemini_error(fault: Fault) -> JSON:
    """Return Gemini's error."""
    code = fault.status
    return {"error": {"code": code, "message": fault.message, "status": GOOGLE.get(code, "UNKNOWN")}}


def cut_gemini(fault: Fault, turn: Turn, _: int) -> bytes:
    """Return an event with the error, or the last element of the array."""
    if "sse" in turn.form:
        return sse(gemini_error(fault), end="\r\n")
    return b",\r\n" + compact(gemini_error(fault)).encode() + b"\r\n]"


def ollama_error(fault: Fault) -> JSON:
    """Return Ollama's error, which has to be a text: its Python client fails at an object."""
    return {"error": fault.message}


def read_generate(post: Post) -> Turn:
    """Return a request of `/api/generate` in common terms: a prompt, a system prompt and images, as messages."""
    data = post.data(typed=False)
    images = {"images": data["images"]} if data.get("images") else {}
    said = [{"role": "user", "content": data.get("prompt") or "", **images}]
    system = [{"role": "system", "content": data["system"]}] if data.get("system") else []
    asked = {**data, "messages": [*system, *said]}
    return ollama.shape(replace(post, body=json.dumps(asked).encode()))


def write_generated(turn: Turn, pieces: Iterator[Piece]) -> Iterator[bytes]:
    """Yield the lines of a reply of `/api/generate`."""
    for line in ollama.write(turn, pieces):
        yield compact(generated(json.loads(line))).encode() + b"\n" if line else b""


def generated(line: JSON) -> JSON:
    """Return a line of `/api/chat` as one of `/api/generate`."""
    said = line.pop("message")
    thinking = {"thinking": said["thinking"]} if "thinking" in said else {}
    calls = {"tool_calls": said["tool_calls"]} if "tool_calls" in said else {}
    return {**line, "response": said["content"], **thinking, **calls}


def whole_generated(turn: Turn, pieces: Iterator[Piece]) -> Reply:
    """Return the whole reply of `/api/generate`."""
    reply = ollama.whole(turn, pieces)
    return Reply(reply.status, generated(reply.body))


CHAT_MESSAGES = tuple(f"messages.{name}" for name in (
    "role", "name", "tool_call_id", "content.type", "content.text", "content.image_url", "content.input_audio",
    "content.file", "tool_calls.id", "tool_calls.index", "tool_calls.type", "tool_calls.function",
))  # fmt: skip
CHAT = Wire(
    name="chat",
    protocol=openai_chat.chat(HABITS),
    read=partial(openai_chat.read, HABITS),
    body=openai_error,
    cut=cut_chat,
    # With one line feed: behind an empty line, clients would take it for an event of its own.
    alive=b": alive\n",
    prefix="chatcmpl-",
    end=(b"[DONE]", DONE),
    reasons=("stop", "length", "tool_calls", "content_filter"),
    others=(Media, Citation),
    refused={
        "n": 1, "functions": None, "function_call": None, "logit_bias": {}, "prediction": None, "audio": None,
        "modalities": ["text"], "web_search_options": None,
    },
    known=(
        *openai_chat.KNOWN, "model", *CHAT_MESSAGES, "stream", "stream_options", "reasoning_effort", "reasoning",
        "thinking", "chat_template_kwargs", "logprobs", "top_logprobs", "cache_control", "tools.type", "tools.function",
    ),
    typed={"tools": {"function": ()}},
)  # fmt: skip
TOOL = ("type", "name", "description", "parameters", "strict")
RESPONSES_ITEMS = tuple(f"input.{name}" for name in (
    "type", "role", "id", "status", "name", "arguments", "call_id", "output", "content.type", "content.text",
    "content.image_url", "content.detail", "content.file_id", "content.file_url", "content.file_data",
    "content.filename",
))  # fmt: skip
RESPONSES = Wire(
    name="responses",
    protocol=openai_responses.responses(HABITS),
    read=openai_responses.shape,
    body=openai_error,
    cut=cut_responses,
    # Codex gives up after 300 seconds without an event, and a comment is none; each client leaves an event of an
    # unknown type out.
    alive=b'event: keepalive\ndata: {"type":"keepalive"}\n\n',
    prefix="resp_",
    reasons=("stop", "length", "tool_calls", "content_filter"),
    others=(Media, Citation),
    refused={
        "previous_response_id": None, "conversation": None, "background": False, "prompt": None,
        "max_tool_calls": None,
    },
    known=(
        *openai_responses.KNOWN, "model", *RESPONSES_ITEMS, "instructions", "stream", "reasoning.effort",
        "reasoning.summary", "include", "top_logprobs", *(f"tools.{name}" for name in TOOL), "tool_choice",
        "text.format",
    ),
    typed={
        "input": {
            "message": ("type", "role", "id", "status", "content"),
            "function_call": ("type", "id", "status", "call_id", "name", "arguments"),
            "function_call_output": ("type", "id", "status", "call_id", "output"),
        },
        "tools": {"function": ()},
    },
)  # fmt: skip
ANTHROPIC_MESSAGES = tuple(f"messages.{name}" for name in (
    "role", "content.type", "content.text", "content.source", "content.title", "content.id", "content.name",
    "content.input", "content.tool_use_id", "content.is_error", "content.content.type",
    "content.content.text", "content.content.source",
))  # fmt: skip
ANTHROPIC = Wire(
    name="anthropic",
    protocol=anthropic.ANTHROPIC,
    read=anthropic.shape,
    body=anthropic_error,
    cut=lambda fault, *_: sse(anthropic_error(fault), event="error"),
    alive=b'event: ping\ndata: {"type":"ping"}\n\n',
    prefix="msg_",
    end=(b"message_stop", sse({"type": "message_stop"}, event="message_stop")),
    reasons=("stop", "length", "tool_calls", "content_filter", "pause"),
    others=(),
    objects=True,
    refused={"top_k": None, "mcp_servers": [], "container": None},
    known=(
        *anthropic.KNOWN, "model", *ANTHROPIC_MESSAGES, "system.type", "system.text", "stream", "thinking",
        "tool_choice", "metadata.user_id",
        "output_config.effort", "output_config.format", "cache_control", "tools.type", "tools.name",
        "tools.description", "tools.input_schema", "tools.strict",
    ),
    typed={
        "messages.content": dict.fromkeys(("text", "image", "document", "tool_use", "tool_result"), ()),
        "tools": {"custom": ()},
    },
)  # fmt: skip
OLLAMA_MESSAGES = ("role", "content", "images", "tool_name", "tool_call_id", "tool_calls")
OLLAMA = Wire(
    name="ollama",
    protocol=ollama.OLLAMA,
    read=ollama.shape,
    body=ollama_error,
    cut=lambda fault, *_: compact(ollama_error(fault)).encode() + b"\n",
    # Its Python client takes no line but JSON.
    alive=b"",
    prefix="",
    reasons=("stop", "length", "tool_calls"),
    others=(),
    by_piece=False,
    refused={},
    known=(
        "model",
        *(f"messages.{name}" for name in OLLAMA_MESSAGES),
        "stream",
        *(f"options.{name}" for name in ollama.KNOWN),
        "think",
        "tools",
        "format",
        "logprobs",
        "top_logprobs",
    ),
)
GENERATE = replace(
    OLLAMA,
    name="generate",
    protocol=replace(ollama.OLLAMA, name="generate", write=write_generated, whole=whole_generated),
    read=read_generate,
    refused={"suffix": "", "template": "", "context": [], "raw": False},
    known=(*OLLAMA.known, "prompt", "system", "images"),
)
GEMINI_PARTS = (
    "text", "inlineData.mimeType", "inlineData.data", "fileData.mimeType", "fileData.fileUri", "functionCall",
    "functionResponse",
)  # fmt: skip
GEMINI = Wire(
    name="gemini",
    protocol=gemini.GEMINI,
    read=gemini.shape,
    named=gemini.camel,
    body=gemini_error,
    cut=cut_gemini,
    # Its Python client takes no comment.
    alive=b"",
    prefix="",
    reasons=("stop", "length", "tool_calls", "content_filter"),
    others=(Media, Citation),
    by_piece=False,
    refused={
        "cachedContent": "",
        "generationConfig.candidateCount": 1,
        "generationConfig.responseModalities": ["TEXT"],
        "generationConfig.speechConfig": {},
    },
    known=(
        "contents.role",
        *(f"contents.parts.{name}" for name in GEMINI_PARTS),
        "systemInstruction.role",
        "systemInstruction.parts.text",
        *(f"generationConfig.{name}" for name in gemini.KNOWN),
        "generationConfig.responseLogprobs",
        "generationConfig.logprobs",
        "generationConfig.responseMimeType",
        "generationConfig.responseSchema",
        "generationConfig.responseJsonSchema",
        "generationConfig.thinkingConfig.thinkingLevel",
        "generationConfig.thinkingConfig.thinkingBudget",
        *(f"tools.functionDeclarations.{name}" for name in (*TOOL, "parametersJsonSchema")),
        "toolConfig.functionCallingConfig",
        "model",
    ),
)

V1 = "(?:/v1)?"
# The name of a model, which may have slashes and colons, but does not end with a method of Gemini's.
NAMED = "(?:/(?!.*:[a-z]+[A-Z][a-zA-Z]*$).+)?"
# Method, path, wire and action; the first that fits counts.  A base URL is pasted with /v1 and without.
PATHS: tuple[tuple[str, str, Wire, str], ...] = (
    ("POST", f"(?:/api|/openai)?{V1}/chat/completions", CHAT, "ask"),
    ("POST", f"(?:/api|/openai)?{V1}/responses", RESPONSES, "ask"),
    ("POST", f"(?:/api|/anthropic)?{V1}/messages", ANTHROPIC, "ask"),
    ("POST", f"(?:/api|/anthropic)?{V1}/messages/count_tokens", ANTHROPIC, "count"),
    ("POST", f"{V1}/api/chat", OLLAMA, "ask"),
    ("POST", f"{V1}/api/generate", GENERATE, "ask"),
    ("POST", f"{V1}/api/show", OLLAMA, "show"),
    ("GET", f"{V1}/api/tags", OLLAMA, "tags"),
    ("GET", f"{V1}/api/ps", OLLAMA, "ps"),
    ("GET", f"{V1}/api/version", OLLAMA, "version"),
    ("POST", "(?:/v1)?(?:/v1beta)?/models/.+:(?:streamGenerateContent|generateContent)", GEMINI, "ask"),
    ("POST", "(?:/v1)?(?:/v1beta)?/models/.+:countTokens", GEMINI, "count"),
    ("GET", f"(?:/v1)?/v1beta/models{NAMED}", GEMINI, "models"),
    ("GET", f"(?:/api|/openai|/anthropic)?{V1}/models{NAMED}", CHAT, "models"),
    ("GET", "/health", CHAT, "health"),
    ("GET", "/(?:page/.*)?", CHAT, "page"),
    # A client may look whether its base URL answers: Claude Code does, at every start.
    ("GET", "(?:/api|/openai|/anthropic)?(?:/v1|/v1beta)?", CHAT, "base"),
)


def find(method: str, path: str) -> tuple[Wire, str, str]:
    """Return the wire of a path, what is asked for, and the path as the wire's reader knows it.

    Raises `Refusal` 404 for a path that there is not, and 405 for another method.
    """
    # A base URL that ends with a slash makes two of them.
    place = re.sub("(/v1(?:beta)?)(?:\\1)+(?=/)", r"\1", re.sub("//+", "/", path))
    # A path that ends with a slash means the same one, but for the root.
    place = place.rstrip("/") or "/"
    wanted = "GET" if method == "HEAD" else method
    allowed = ""
    for known, pattern, wire, action in PATHS:
        if re.fullmatch(pattern, place):
            if known == wanted:
                return wire, action, place
            allowed = known
    if allowed:
        raise Refusal(405, f"method: expected {allowed}", {"allow": allowed})
    raise Refusal(404, f"there is nothing at {path[:200]}; see /v1/models, /v1/chat/completions, /v1/messages")


def meant(path: str) -> Wire:
    """Return the wire in which an error at a path is told that there may not be."""
    if "/v1beta" in path or re.search(":[a-zA-Z]+$", path):
        return GEMINI
    if "/messages" in path or "/anthropic" in path:
        return ANTHROPIC
    return OLLAMA if re.match("(?:/v1)?/api/(?!v1)", path) else CHAT
