"""Google Gemini's streamGenerateContent and generateContent.

Source: https://ai.google.dev/api/generate-content, .../api/caching#Content, and recorded traffic (CRLF line ends, no
end marker), August 2026.
"""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64decode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from mimetypes import guess_type
from typing import Any
from urllib.parse import unquote

from .._core.events import (
    Citation,
    Finish,
    Media,
    Reasoning,
    ServerToolCall,
    ServerToolResult,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from . import model_refusals, schemas
from .checks import (
    AMOUNT,
    COUNT,
    INTEGER,
    NAME,
    NUMBER,
    OBJECT,
    OBJECTS,
    STRINGS,
    TEXT,
    TOOLS,
    Refusal,
    logprobs,
    may,
    need,
    one_of,
    options,
)  # fmt: skip
from .conversation import (
    Messages,
    assistant,
    check_tools,
    file_part,
    function,
    image_part,
    joined,
    media_part,
    named,
    text_part,
    tool_call,
)  # fmt: skip
from .framing import compact, sse
from .pieces import UNCOUNTED, Pausing, Piece, Problem, arguments_object, base64_of, collect, translate_finish, unknown
from .protocol import Post, Protocol, Reply, Turn
from .refusals import GEMINI_PAIRS, gemini, gemini_thinking
from .signatures import Bound, digest
from .thought_signatures import SIGNING, check, missing, signed

# Status, the name of the status, and message of each kind of error; content_filter is none, but a reply of status 200.
FAULTS = {
    "invalid": (400, "INVALID_ARGUMENT", "Request contains an invalid argument."),
    "authentication": (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
    "permission": (403, "PERMISSION_DENIED", "The caller does not have permission"),
    "not_found": (404, "NOT_FOUND", "models/no-such-model is not found for API version v1beta"),
    "rate_limit": (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota. Please retry in 1s."),
    "overloaded": (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    "context_length": (
        400, "INVALID_ARGUMENT",
        "The input token count (2000000) exceeds the maximum number of tokens allowed (1000000).",
    ),
    "server": (500, "INTERNAL", "An internal error has occurred. Please retry."),
}  # fmt: skip
DETAILS: dict[str, list[dict[str, Any]]] = {
    "authentication": [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
    ],
    "rate_limit": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}],
}
REASONS = {
    "stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP", "content_filter": "SAFETY", "error": "OTHER",
    "pause": "CONTINUATION",
}  # fmt: skip

KNOWN = {
    "temperature": ("temperature", AMOUNT),
    "maxOutputTokens": ("max_tokens", COUNT),
    "topP": ("top_p", AMOUNT),
    "stopSequences": ("stop", STRINGS),
    "seed": ("seed", INTEGER),
    "frequencyPenalty": ("frequency_penalty", NUMBER),
    "presencePenalty": ("presence_penalty", NUMBER),
}
# Google's own clients write the levels in upper case, and programs without a client in lower case (many public ones ask
# Gemini 3 for "low", 2026).
LEVELS = one_of([word for level in ("MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH") for word in (level, level.lower())])
MODES = {"AUTO": "auto", "ANY": "required", "NONE": "none"}
OPAQUE = {"args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema"}
# The parts of tools that the service runs itself, which come back as they were: code, and since Gemini 3 any other.
OWN_TOOLS = ("executableCode", "codeExecutionResult", "toolCall", "toolResponse")
KINDS = ("text", "inlineData", "fileData", "functionCall", "functionResponse", *OWN_TOOLS)


def read(post: Post) -> Turn:
    """Return the request in common terms.

    `form` has `sse` if the reply is to be server-sent events, `mute` if it is to be empty, and `continued` if it goes
    on with an answer, whose text so far is the last message.
    Tool calls and results have an id only if the client gave one; a result always has the tool's `name`.
    """
    post.demand_key("x-goog-api-key")
    data = camel(post.data())
    turn = _shape(post, data)
    gemini(data)
    check_tools(turn.messages, **GEMINI_PAIRS)
    model_refusals.check(model_refusals.GEMINI, {**data, "model": turn.model})
    _check_signatures(data["contents"], turn.model)
    gemini_thinking(turn.model, (data.get("generationConfig") or {}).get("thinkingConfig") or {})
    bound = Bound(turn.model, before=digest(data["contents"]).hex())
    token = may(data, "continuationToken", TEXT)
    if token is not None:
        turn.messages.append(assistant(_said_before(token, bound), []))
    mute = turn.model.startswith("gemini-3") and any(map(_is_mixed, data["contents"]))
    form = {"mute": mute, "continued": token}
    return replace(turn, form=turn.form | {word for word in form if form[word]}, bound=bound)


def shape(post: Post) -> Turn:
    """Return what `read` does, of any request that has the protocol's form: refuse nothing for Gemini's sake.

    A result need not have the id of its call: `types.Part.from_function_response` makes none (google-genai 3.6.1).
    """
    return _shape(post, camel(post.data()))


def _shape(post: Post, data: dict[str, Any]) -> Turn:
    """Return the request in common terms."""
    messages: Messages = []
    if system := may(data, "systemInstruction", OBJECT):
        parts = [text_part(need(part, "text", TEXT, "systemInstruction.")) for part in need(system, "parts", OBJECTS)]
        messages.append({"role": "system", "content": joined(parts)})
    for number, content in enumerate(need(data, "contents", OBJECTS)):
        _add(messages, content, f"contents[{number}].")
    return Turn(
        model=unquote(post.path.rpartition("/")[2].partition(":")[0]),
        messages=messages,
        options=_options(data),
        stream=_is_stream(post),
        form=frozenset(["sse"] if _is_sse(post) else []),
    )


def _check_signatures(contents: list[dict[str, Any]], model: str) -> None:
    """Raise `Refusal` 400 for a signature that is not of this model, and for a tool call without one.

    A call needs one from Gemini 3 on if it is the first of its content and the content is one of the current turn: of
    those behind the last content in which the user says something.  The signature of a call belongs to its name and
    arguments; that of a text may stand with another text.
    """
    said = [n for n, content in enumerate(contents) if content.get("role") != "model" and not _answers(content)]
    for number, content in enumerate(contents):
        for part in content["parts"]:
            call, mark = part.get("functionCall"), part.get("thoughtSignature")
            if mark is not None:
                check(mark, model, signed(call["name"], call.get("args") or {}) if call else None)
        first = next((part for part in content["parts"] if "functionCall" in part), None)
        current = number > max(said, default=-1)
        if SIGNING.fullmatch(model) and current and first and "thoughtSignature" not in first:
            raise missing(first["functionCall"]["name"], number + 1)


def _token(turn: Turn, said: str) -> dict[str, str]:
    """Return the field with which a client goes on with an answer that has said this since the request.

    The token holds the text of all replies so far, so that the server has nothing to remember.
    """
    said = (turn.messages[-1]["content"] if "continued" in turn.form else "") + said
    mark = turn.bound.sign("gemini continuation", said)
    return {"continuationToken": b64encode(compact([said, mark]).encode()).decode()}


def _said_before(token: str, bound: Bound) -> str:
    """Return the text that a token stands for.

    Raise `Refusal` 400 for a token that was made for another model or other contents: "the SDK sends the same request
    again with the response's continuation token" (types of google-genai 3.6.1).
    """
    try:
        said, mark = json.loads(urlsafe_b64decode(token.replace("+", "-").replace("/", "_")))
    except ValueError:
        said = mark = ""
    if mark != bound.sign("gemini continuation", said):
        raise Refusal(400, "continuationToken: expected the token of a response to the same request")
    return str(said)


def _answers(content: Mapping[str, Any]) -> bool:
    """Return whether a content holds nothing but results of tools."""
    return all("functionResponse" in part for part in content["parts"])


def _is_mixed(content: Mapping[str, Any]) -> bool:
    """Return whether a content holds the result of a tool and something else.

    Gemini 3 answers it with an empty candidate (NousResearch/hermes-agent#79791, anomalyco/opencode#43479, 2026).
    """
    return len({"functionResponse" in part for part in content["parts"]}) > 1


def _said(turn: Turn, pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Yield the pieces with the service's finish reasons; of a mute reply, the counts and the end alone."""
    heard = (piece for piece in pieces if "mute" not in turn.form or isinstance(piece, Usage | Finish | Problem))
    return translate_finish(heard, REASONS)


def _is_stream(post: Post) -> bool:
    return post.path.endswith(":streamGenerateContent")


def _is_sse(post: Post) -> bool:
    return post.query.get("alt") == "sse"


def camel(value: Any) -> Any:
    """Return the value with its field names in camel case, but for objects that belong to the caller.

    Protobuf's JSON takes `mime_type` for `mimeType`, and the official client sends both forms.  Raise `Refusal` 400 for
    a field that stands there in both: nobody knows which of them counts.
    """
    if isinstance(value, list):
        return [camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = {schemas.camel_case(name): item for name, item in value.items()}
    if len(named) < len(value):
        raise Refusal(400, "body: expected each field once, in camel case or in snake case")
    return {name: item if name in OPAQUE else camel(item) for name, item in named.items()}


def _add(messages: Messages, content: Mapping[str, Any], where: str) -> None:
    """Append a message of role tool for each result, then one message for the other parts."""
    role = may(content, "role", one_of(("user", "model")), where) or "user"
    parts: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for part in need(content, "parts", OBJECTS, where):
        kinds = [kind for kind in KINDS if kind in part]
        if len(kinds) != 1:
            raise Refusal(400, f"{where}parts: expected exactly one of {', '.join(KINDS)} in each")
        given = need(part, kinds[0], TEXT if kinds[0] == "text" else OBJECT, where + "parts: ")
        match kinds[0]:
            case "text" if not part.get("thought"):
                parts.append(text_part(given))
            case "inlineData":
                parts.append(_inline(given, where))
            case "fileData":
                uri = need(given, "fileUri", NAME, where)
                media_type = given.get("mimeType") or guess_type(uri)[0] or ""
                parts.append(image_part(uri) if media_type.startswith("image/") else file_part(file_url=uri))
            case "functionCall":
                asked = need(given, "name", NAME, where), may(given, "args", OBJECT, where) or {}
                calls.append(tool_call(*asked, may(given, "id", TEXT, where)))
            case "functionResponse":
                messages.append(_result(given, where))
    if role == "model":
        messages.append(assistant(joined(parts), calls))
    elif parts:
        messages.append({"role": "user", "content": joined(parts)})


def _inline(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    return media_part(need(given, "mimeType", NAME, where), need(given, "data", NAME, where))


def _result(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return a tool's message: the text of an object that holds a `result` or `output` alone, or the object as JSON.

    Its parts follow the text (types of google-genai 3.6.1, `FunctionResponse.parts`).
    """
    response = need(given, "response", OBJECT, where)
    text = response.get("result", response.get("output")) if len(response) == 1 else None
    extra = {"tool_call_id": given["id"]} if may(given, "id", TEXT, where) else {}
    parts = [
        _inline(need(part, "inlineData", OBJECT, where), where) for part in may(given, "parts", OBJECTS, where) or ()
    ]
    content = joined([text_part(text if isinstance(text, str) else compact(response)), *parts])
    return {"role": "tool", "content": content, "name": need(given, "name", NAME, where), **extra}


def _options(data: Mapping[str, Any]) -> dict[str, Any]:
    config = may(data, "generationConfig", OBJECT) or {}
    found = options(config, KNOWN, "generationConfig.")
    found |= logprobs(config, "responseLogprobs", "logprobs", "generationConfig.")
    thinking = may(config, "thinkingConfig", OBJECT, "generationConfig.") or {}
    if level := may(thinking, "thinkingLevel", LEVELS, "thinkingConfig."):
        found["reasoning_effort"] = level.lower()
    if (tokens := may(thinking, "thinkingBudget", INTEGER, "thinkingConfig.")) is not None:
        found["reasoning_effort"] = tokens or "none"
    declared = [
        function(
            need(one, "name", NAME, "tools: "),
            one.get("description"),
            schema_of(one, "parametersJsonSchema", "parameters", "tools: "),
        )
        for tool in may(data, "tools", TOOLS) or ()
        for one in may(tool, "functionDeclarations", TOOLS, "tools: ") or ()
    ]
    if declared:
        found["tools"] = declared
    calling = may(may(data, "toolConfig", OBJECT) or {}, "functionCallingConfig", OBJECT, "toolConfig.") or {}
    if mode := may(calling, "mode", one_of(MODES), "toolConfig."):
        only = may(calling, "allowedFunctionNames", STRINGS, "toolConfig.") or []
        found["tool_choice"] = named(only[0]) if len(only) == 1 else MODES[mode]
        if len(only) > 1:
            # No other protocol can say so.
            found["tools"] = [tool for tool in declared if tool["function"]["name"] in only]
    schema = schema_of(config, "responseJsonSchema", "responseSchema", "generationConfig.")
    if schema is not None:
        schemas.gemini(config.get("responseJsonSchema") or {})
        found["response_format"] = {"type": "json_schema", "json_schema": {"schema": schema}}
    elif config.get("responseMimeType") == "application/json":
        found["response_format"] = {"type": "json_object"}
    return found


def schema_of(given: Mapping[str, Any], name: str, other: str, where: str) -> Any:
    """Return the JSON Schema in the one field, or else that in the other, which is Gemini's own form; None without."""
    own = may(given, other, OBJECT, where)
    return given.get(name, None if own is None else schemas.of_openapi(own))


def write(turn: Turn, pieces: Iterator[Piece]) -> Iterator[bytes]:
    """Yield the chunks of a reply: as events, or as one JSON array if the query has no `alt=sse`."""
    chunks = _chunks(turn, pieces)
    if "sse" in turn.form:
        yield from (sse(chunk, end="\r\n") if chunk else b"" for chunk in chunks)
        return
    begin = b"["
    for chunk in chunks:
        yield begin + compact(chunk).encode() + b"\r\n" if chunk else b""
        begin = b",\r\n" if chunk else begin
    yield b"]"


def _chunks(turn: Turn, pieces: Iterator[Piece]) -> Iterator[dict[str, Any]]:
    usage, signer, begun, cited, said = UNCOUNTED, Signer(turn), False, list[Citation](), ""
    for piece in _said(turn, pieces):
        match piece:
            case Usage():
                usage = piece
                continue
            case Pausing():
                yield {}
                continue
            case Problem(kind="content_filter") if begun:
                yield _chunk(turn, usage, [{"text": ""}], "SAFETY")
            case Problem(kind="content_filter"):
                yield _blocked(turn, usage)
            case Problem():
                yield {"error": _error(piece.kind)}
            case Finish():
                yield _chunk(turn, usage, [{"text": "", **signer.last()}], piece.native, cited=cited, said=said)
            # The sources come at the end.
            case Citation():
                cited.append(piece)
            case ToolCallDelta():
                raise unknown(piece)
            case _:
                text = piece if isinstance(piece, str) else ""
                said += text
                yield _chunk(turn, usage, [signer.part(piece)], sure=text)
        begun = True


def whole(turn: Turn, pieces: Iterator[Piece]) -> Reply:
    """Return the whole reply: one chunk that has all parts."""
    said = collect(_said(turn, pieces))
    signer = Signer(turn)
    cited = [part for part in said.parts if isinstance(part, Citation)]
    parts = [signer.part(part) for part in said.parts if not isinstance(part, Citation)] or [{"text": ""}]
    if "text" in parts[-1]:
        parts[-1] |= signer.last()
    match said.end:
        case Problem(kind="content_filter") if not said.parts:
            return Reply(200, _blocked(turn, said.usage))
        case Problem(kind="content_filter"):
            return Reply(200, _chunk(turn, said.usage, parts, "SAFETY"))
        case Problem():
            return _fault(said.end.kind)
    return Reply(200, _chunk(turn, said.usage, parts, said.end.native, sure=said.text, cited=cited, said=said.text))


class Signer:
    """Makes the parts of one reply, and signs the first tool call, or else the end of the text.

    Models before Gemini 3 sign if they have thought, and give their calls no ids.
    """

    __slots__ = ("_bound", "_calls", "_due", "_newer", "_turn")

    def __init__(self, turn: Turn) -> None:
        self._turn, self._calls = turn, 0
        # What stands before a part does not matter, as it does for a token.
        self._bound = turn.bound._replace(before="")
        # Whether a signature is due.
        self._due = self._newer = SIGNING.fullmatch(turn.bound.model) is not None

    def part(self, piece: str | Reasoning | ToolCall | Media | ServerToolCall | ServerToolResult) -> dict[str, Any]:
        """Return a piece as a part; an image and the service's own tools are signed beside the first tool call."""
        match piece:
            case Media() | ServerToolCall() | ServerToolResult():
                mark = {"thoughtSignature": self._bound.sign("gemini", "")} if self._due else {}
                return {**_other(piece), **mark}
            case ToolCall():
                self._calls += 1
                id_ = piece.id or (self._turn.new_id("call", self._calls) if self._newer else "")
                call = {"name": piece.name, "args": arguments_object(piece), **({"id": id_} if id_ else {})}
                return {"functionCall": call, **self._signature(signed(piece.name, call["args"]))}
            case Reasoning():
                self._due = True
                return {"text": piece.text, "thought": True}
        return {"text": piece}

    def last(self) -> dict[str, Any]:
        """Return the signature for the end of the text."""
        return self._signature("")

    def _signature(self, content: Any) -> dict[str, Any]:
        due, self._due = self._due, False
        mark = self._bound.sign("gemini", content) if due else ""
        return {"thoughtSignature": mark} if mark else {}


def _other(piece: Media | ServerToolCall | ServerToolResult) -> dict[str, Any]:
    """Return the part of media, or of a tool that the service runs itself (types of google-genai 3.6.1)."""
    match piece:
        case Media(url=str()):
            return {"fileData": {"fileUri": piece.url, "mimeType": piece.mime_type}}
        case Media():
            return {"inlineData": {"mimeType": piece.mime_type, "data": base64_of(piece)}}
        case ServerToolCall(name="code_execution"):
            return {"executableCode": {"language": "PYTHON", **arguments_object(piece), **_id(piece)}}
        case ServerToolCall():
            return {"toolCall": {"toolType": piece.name, "args": arguments_object(piece), **_id(piece)}}
        case ServerToolResult(name="code_execution"):
            value = piece.value if isinstance(piece.value, dict) else {"output": compact(piece.value)}
            return {"codeExecutionResult": {"outcome": "OUTCOME_OK", **value, **_id(piece)}}
    return {"toolResponse": {"toolType": piece.name, "response": piece.value, **_id(piece)}}


def _id(piece: ServerToolCall | ServerToolResult) -> dict[str, str]:
    return {"id": piece.id} if piece.id else {}


def _grounding(cited: list[Citation]) -> dict[str, Any]:
    """Return the `groundingMetadata` of sources: the pages, and the passages of the answer that they support.

    A place of 0 is left out, as in all of Protobuf's JSON.
    """
    chunks, supports = list[dict[str, Any]](), list[dict[str, Any]]()
    for one in cited:
        web = {name: value for name, value in (("uri", one.url), ("title", one.title)) if value}
        places = {name: value for name, value in (("startIndex", one.start), ("endIndex", one.end)) if value}
        segment = {**places, **({"text": one.text} if one.text else {})}
        if web:
            chunks.append({"web": web})
        if segment:
            indices = {"groundingChunkIndices": [len(chunks) - 1]} if web else {}
            supports.append({"segment": segment, **indices})
    named = {"groundingChunks": chunks, "groundingSupports": supports}
    return {name: value for name, value in named.items() if value}


def _blocked(turn: Turn, usage: Usage) -> dict[str, Any]:
    """Return the answer to a prompt that the service does not accept."""
    return {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, **_rest(turn, usage)}


def _chunk(
    turn: Turn,
    usage: Usage,
    parts: list[dict[str, Any]],
    reason: str | None = None,
    *,
    sure: str = "",
    cited: list[Citation] | None = None,
    said: str = "",
) -> dict[str, Any]:
    """Return a chunk with the sources `cited`, and with a token if the answer, which has `said` this, goes on.

    `sure` is its text, which has a logprob, if logprobs are asked for, as the one token of it.
    """
    finish = {"finishReason": reason} if reason else {}
    grounding = {"groundingMetadata": _grounding(cited)} if cited else {}
    more = _token(turn, said) if reason == REASONS["pause"] else {}
    candidate = {"content": {"parts": parts, "role": "model"}, **finish, **more, **grounding, "index": 0}
    if sure and "logprobs" in turn.options:
        token = {"token": sure, "tokenId": 0, "logProbability": 0.0}
        candidate["logprobsResult"] = {"topCandidates": [{"candidates": [token]}], "chosenCandidates": [token]}
    return {"candidates": [candidate], **_rest(turn, usage)}


def _rest(turn: Turn, usage: Usage) -> dict[str, Any]:
    """Return what every chunk has: the model, and the tokens so far; the thoughts are no part of the candidate's."""
    thoughts = usage.reasoning_tokens or 0
    counts = {
        "promptTokenCount": usage.prompt_tokens,
        "candidatesTokenCount": max((usage.completion_tokens or 0) - thoughts, 0),
        "totalTokenCount": usage.total_tokens,
        **({"thoughtsTokenCount": thoughts} if thoughts else {}),
        **({"cachedContentTokenCount": usage.cached_tokens} if usage.cached_tokens else {}),
    }
    return {"usageMetadata": counts, "modelVersion": turn.model, "responseId": turn.response_id or "resp-1"}


def _error(kind: str, problem: str | None = None) -> dict[str, Any]:
    code, status, message = FAULTS[kind]
    if problem and kind == "authentication":
        code, status = 401, "UNAUTHENTICATED"
    details = {"details": DETAILS[kind]} if kind in DETAILS and not problem else {}
    return {"code": code, "message": problem or message, "status": status, **details}


def fault(post: Post, kind: str, problem: str | None) -> Reply | None:
    """Return the reply for an error, in a list of one if an array was asked for; None for a blocked prompt."""
    if kind == "content_filter":
        return None
    reply = _fault(kind, problem)
    return reply if _is_sse(post) or not _is_stream(post) else Reply(reply.status, [reply.body])


def _fault(kind: str, problem: str | None = None) -> Reply:
    error = _error(kind, problem)
    return Reply(error["code"], {"error": error})


def head(post: Post) -> dict[str, str]:
    """Return the headers of a streamed reply."""
    return {"content-type": "text/event-stream" if _is_sse(post) else "application/json; charset=UTF-8"}


GEMINI = Protocol(
    name="gemini",
    path=r"/v1(beta)?/models/[^/:]+:(streamGenerateContent|generateContent)",
    shown="/v1beta/models/{model}:streamGenerateContent",
    read=read,
    write=write,
    whole=whole,
    fault=fault,
    head=head,
)
