"""Anthropic Messages, in either of the two versions of the API.

Source: https://platform.claude.com/docs/en/api/messages, .../build-with-claude/streaming, .../api/errors (August 2026)
and .../api/migration-2026-10-21.  Since that version the official clients name it and send the key as a Bearer token;
`temperature`, `top_p`, `top_k` and citations in a user's text are errors in it.  The older version is unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal, TypeAlias

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
from . import schemas
from .anthropic_thinking import CONTROLS, Signer, checked
from .checks import (
    BOOLEAN,
    COUNT,
    NAME,
    NUMBER,
    OBJECT,
    OBJECTS,
    STRINGS,
    TEXT,
    TOOLS,
    Refusal,
    Rule,
    cached,
    exactly,
    may,
    need,
    one_of,
    options,
    sole,
)  # fmt: skip
from .conversation import (
    Messages,
    assistant,
    check_tools,
    data_url,
    file_part,
    function,
    image_part,
    joined,
    named,
    text_part,
    tool_call,
)  # fmt: skip
from .effort import switched
from .framing import sse
from .model_refusals import SERVER_BLOCKS
from .pieces import (
    PAUSE,
    UNCOUNTED,
    Hidden,
    Part,
    Pausing,
    Piece,
    Problem,
    arguments_object,
    collect,
    fragments,
    translate_finish,
    unknown,
)
from .protocol import Post, Protocol, Reply, Turn
from .refusals import ANTHROPIC_PAIRS, anthropic
from .signatures import Bound, Unsigned

# Status, type and message of each kind of error.
FAULTS = {
    "invalid": (400, "invalid_request_error", "Invalid request"),
    "authentication": (401, "authentication_error", "invalid x-api-key"),
    "permission": (403, "permission_error", "Your API key does not have permission to use the specified resource"),
    "not_found": (404, "not_found_error", "model: no-such-model"),
    "rate_limit": (429, "rate_limit_error", "This request would exceed your organization's rate limit"),
    "overloaded": (529, "overloaded_error", "Overloaded"),
    "context_length": (400, "invalid_request_error", "prompt is too long: 205000 tokens > 200000 maximum"),
    "content_filter": (400, "invalid_request_error", "Output blocked by content filtering policy"),
    "server": (500, "api_error", "Internal server error"),
}
REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal",
           "pause": "pause_turn"}  # fmt: skip

# The type of the block for each kind of piece; "" for none.
KINDS = {
    ToolCall: "tool_use", ToolCallDelta: "tool_use", Reasoning: "thinking", Hidden: "redacted_thinking", Finish: "",
    ServerToolCall: "server_tool_use", ServerToolResult: "tool_result",
}  # fmt: skip
# The kinds of blocks that hold one piece each.
SINGLE = ("tool_use", "redacted_thinking", "server_tool_use", "tool_result")

CONTENT = Rule("a string or a list of blocks, at least one", lambda got: NAME.holds(got) or OBJECTS.holds(got))
RESULT = Rule("a string or a list of objects", lambda got: isinstance(got, str) or TOOLS.holds(got))
SHARE = Rule("a number from 0 to 1", lambda got: NUMBER.holds(got) and 0 <= got <= 1)
BLOCKS = {
    "user": one_of(("text", "image", "document", "tool_result")),
    "assistant": one_of(("text", "thinking", "redacted_thinking", "tool_use", *SERVER_BLOCKS)),
    "system": one_of(("text",)),
}
ROLE, SPEAKER = one_of(BLOCKS), one_of(("user", "assistant"))
# Who has made a tool call (types of anthropic-sdk-python 2.14.0).
CALLER = one_of(("direct", "code_execution_20250825", "code_execution_20260120"))
OLD, NEW = "2023-06-01", "2026-10-21"
CHOICES = {"auto": "auto", "any": "required", "none": "none"}
KNOWN = {
    "max_tokens": ("max_tokens", COUNT),
    "temperature": ("temperature", SHARE),
    "top_p": ("top_p", SHARE),
    "stop_sequences": ("stop", STRINGS),
}


def read(post: Post) -> Turn:
    """Return the request in common terms; the top-level `system` is the first message.

    `form` has `omitted` if thinking is to have no text.
    """
    post.demand_key("x-api-key", "authorization")
    version = sole(post.headers, "anthropic-version")
    one_of((OLD, NEW)).check(400, "header anthropic-version (once)", version)
    data = post.data()
    for name in ("temperature", "top_p", "top_k") if version == NEW else ():
        if name in data:
            raise Refusal(400, f"{name}: expected none as of {NEW}")
    model = need(data, "model", NAME)
    need(data, "max_tokens", COUNT)
    for number, given in enumerate(need(data, "messages", OBJECTS)):
        SPEAKER.check(400, f"messages[{number}].role", given.get("role"))
        if version == NEW and given["role"] == "user" and _cites(given.get("content")):
            raise Refusal(400, f"messages[{number}].content: expected no citations as of {NEW}")
    turn = _shape(data)
    anthropic(data)
    check_tools(turn.messages, **ANTHROPIC_PAIRS)
    controls = any(CONTROLS in value for name, value in post.headers if name.lower() == "anthropic-beta")
    bound, dropped = checked(data, Bound(model, post.key), controls=controls)
    return replace(turn, bound=bound, extra={"input_transformations": dropped} if controls else {})


def shape(post: Post) -> Turn:
    """Return what `read` does, of any request that has the protocol's form: refuse nothing for Anthropic's sake.

    A message may have the role system, which some models take (Claude Code sends it, 2026).
    """
    data = post.data()
    need(data, "max_tokens", COUNT)
    turn = _shape(data)
    check_tools(turn.messages, **ANTHROPIC_PAIRS)
    return turn


def _shape(data: dict[str, Any]) -> Turn:
    """Return the request in common terms."""
    messages: Messages = []
    if system := may(data, "system", CONTENT):
        messages.append(
            {"role": "system", "content": system if isinstance(system, str) else joined(map(_text, system))}
        )
    for number, given in enumerate(need(data, "messages", OBJECTS)):
        _add(messages, given, f"messages[{number}].")
    omitted = (may(data, "thinking", OBJECT) or {}).get("display") == "omitted"
    return Turn(
        model=need(data, "model", NAME), messages=messages, options=_options(data),
        stream=may(data, "stream", BOOLEAN) or False, form=frozenset(["omitted"] if omitted else []),
    )  # fmt: skip


def _cites(content: Any) -> bool:
    return OBJECTS.holds(content) and any(block.get("citations") for block in content)


def _text(block: Mapping[str, Any]) -> dict[str, Any]:
    need(block, "type", exactly("text"), "system: ")
    return text_part(need(block, "text", NAME, "system: "))


def _add(messages: Messages, given: Mapping[str, Any], where: str) -> None:
    """Append the message; the tool results in a user's message become messages of their own, before the rest of it."""
    role, content = need(given, "role", ROLE, where), need(given, "content", CONTENT, where)
    parts: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
        match need(block, "type", BLOCKS[role], where + "content: "):
            case "text":
                for cited in may(block, "citations", OBJECTS, where + "content.") or ():
                    need(cited, "cited_text", TEXT, where + "content.citations: ")
                    if need(cited, "type", NAME, where + "content.citations: ") == "web_search_result_location":
                        need(cited, "encrypted_index", NAME, where + "content.citations: ")
                parts.append(text_part(need(block, "text", NAME, where)))
            case "image":
                parts.append(_image(block, where))
            case "document":
                parts.append(_document(block, where))
            case "tool_use":
                if caller := may(block, "caller", OBJECT, where + "content."):
                    need(caller, "type", CALLER, where + "content.caller.")
                asked = need(block, "name", NAME, where), need(block, "input", OBJECT, where)
                calls.append(tool_call(*asked, need(block, "id", NAME, where)))
            case "tool_result" if parts:
                raise Refusal(400, f"{where}content: expected tool_result blocks before any other")
            case "tool_result":
                messages.append(_result(block, where))
    if role == "assistant":
        messages.append(assistant(joined(parts), calls))
    elif parts:
        messages.append({"role": role, "content": joined(parts)})


def _image(block: Mapping[str, Any], where: str) -> dict[str, Any]:
    source = need(block, "source", OBJECT, where)
    match need(source, "type", one_of(("base64", "url", "file")), where + "source."):
        case "url":
            return image_part(need(source, "url", NAME, where + "source."))
        case "file":
            return {"type": "image_url", "image_url": {"file_id": need(source, "file_id", NAME, where + "source.")}}
    return image_part(data_url(need(source, "media_type", NAME, where), need(source, "data", NAME, where)))


def _document(block: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the file of a document; text in it becomes a part that is text, behind its title, which models read."""
    source, title = need(block, "source", OBJECT, where), may(block, "title", TEXT, where)
    match need(source, "type", one_of(("base64", "text", "url", "file")), where + "source."):
        case "url":
            return file_part(file_url=need(source, "url", NAME, where + "source."), filename=title)
        case "file":
            return file_part(file_id=need(source, "file_id", NAME, where + "source."), filename=title)
        case "text":
            need(source, "media_type", exactly("text/plain"), where + "source.")
            text = need(source, "data", NAME, where + "source.")
            return text_part(f"{title}\n\n{text}" if title else text)
    need(source, "media_type", exactly("application/pdf"), where + "source.")
    return file_part(
        file_data=data_url(source["media_type"], need(source, "data", NAME, where + "source.")), filename=title
    )


def _result(block: Mapping[str, Any], where: str) -> dict[str, Any]:
    given = may(block, "content", RESULT, where) or ""
    content = given
    if isinstance(given, list):
        content = joined(_image(b, where) if b.get("type") == "image" else _text(b) for b in given)
    failed = {"is_error": True} if may(block, "is_error", BOOLEAN, where) else {}
    return {"role": "tool", "content": content, "tool_call_id": need(block, "tool_use_id", NAME, where), **failed}


def _options(data: Mapping[str, Any]) -> dict[str, Any]:
    found = options(data, KNOWN) | cached(data) | switched(may(data, "thinking", OBJECT) or {})
    if user := may(may(data, "metadata", OBJECT) or {}, "user_id", TEXT, "metadata."):
        found["user"] = user
    if tools := may(data, "tools", TOOLS):
        found["tools"] = [
            function(
                need(tool, "name", NAME, "tools: "),
                tool.get("description"),
                need(tool, "input_schema", OBJECT, "tools: "),
                tool.get("strict"),
            )
            for tool in tools
            if tool.get("type", "custom") == "custom"
        ]
    if choice := may(data, "tool_choice", OBJECT):
        kind = need(choice, "type", one_of((*CHOICES, "tool")), "tool_choice.")
        found["tool_choice"] = named(need(choice, "name", NAME, "tool_choice.")) if kind == "tool" else CHOICES[kind]
        alone = may(choice, "disable_parallel_tool_use", BOOLEAN, "tool_choice.")
        found |= {} if alone is None else {"parallel_tool_calls": not alone}
    output = may(data, "output_config", OBJECT) or {}
    if level := may(output, "effort", one_of(("low", "medium", "high", "xhigh", "max")), "output_config."):
        found["reasoning_effort"] = level
    if form := may(output, "format", OBJECT, "output_config."):
        schema = need(form, "schema", OBJECT, "output_config.format.")
        schemas.anthropic(schema)
        found["response_format"] = {"type": "json_schema", "json_schema": {"schema": schema}}
    return found


def write(turn: Turn, pieces: Iterator[Piece]) -> Iterator[bytes]:
    """Yield the events of a reply, padded with blanks as the service pads them; an error may be the first event."""
    number = 0
    for event in _events(turn, pieces):
        if not event:
            yield b""
            continue
        yield sse(event, event=event["type"], pad=" " * (number % 8))
        if number == 1 and event["type"] == "content_block_start":
            yield sse({"type": "ping"}, event="ping")
        number += 1


def _events(turn: Turn, pieces: Iterator[Piece]) -> Iterator[dict[str, Any]]:
    # The type of the block that is open ("" for none), its index, and the tokens that message_start told of.
    kind, index, usage, told = "", 0, UNCOUNTED, None
    # Signs what has been said in the open block.
    signer, said = Signer(turn.bound), list[str]()
    # How many tool calls have begun whose pieces come one by one.
    calls = 0
    for piece in with_ids(turn, translate_finish(pieces, REASONS, hidden=hides(turn))):
        if isinstance(piece, Usage):
            usage = piece
            continue
        if piece is PAUSE:
            yield {}
            continue
        if isinstance(piece, Problem):
            yield {"type": "error", "error": _error(piece.kind)}
            return
        if told is None:
            told = usage.prompt_tokens
            counts = _input(usage) | {"output_tokens": 1}
            yield {"type": "message_start", "message": _message(turn, [], None, counts)}
        wanted = KINDS.get(type(piece), "text")
        goes_on = isinstance(piece, ToolCallDelta) and piece.index < calls
        if kind and (kind != wanted or wanted in SINGLE) and not goes_on:
            if kind in ("text", "thinking"):
                block = signer.signed({"type": kind, kind: "".join(said)})
                said.clear()
                if kind == "thinking" and block["signature"]:
                    yield _delta(index, {"type": "signature_delta", "signature": block["signature"]})
            yield {"type": "content_block_stop", "index": index}
            index, kind = index + 1, ""
        if wanted and not kind:
            block = _empty_block(turn, piece, index)
            if wanted in ("redacted_thinking", "tool_result"):
                block = signer.signed(block)
            yield {"type": "content_block_start", "index": index, "content_block": block}
            kind = wanted
        match piece:
            case Finish():
                # The count of the input is final in message_start, unless it was not known then.
                counts = _output(usage) | (_input(usage) if told != usage.prompt_tokens else {})
                done = {"stop_reason": piece.native, "stop_sequence": None}
                yield {"type": "message_delta", "delta": done, "usage": counts}
                yield {"type": "message_stop"}
            case ToolCall() | ServerToolCall():
                signer.signed({**_empty_block(turn, piece, index), "input": _input_of(piece)})
                for fragment in ["", *fragments(piece.arguments)]:
                    yield _delta(index, {"type": "input_json_delta", "partial_json": fragment})
            case ToolCallDelta():
                calls = piece.index + 1
                yield _delta(index, {"type": "input_json_delta", "partial_json": piece.arguments})
            case Citation():
                yield _delta(index, {"type": "citations_delta", "citation": _citation(piece)})
            case Hidden() | ServerToolResult():
                pass
            case Reasoning() if "omitted" in turn.form:
                pass
            case Reasoning():
                said.append(piece.text)
                yield _delta(index, {"type": "thinking_delta", "thinking": piece.text})
            case _:
                said.append(piece)
                yield _delta(index, {"type": "text_delta", "text": piece})


# All pieces but media, which the service does not send.
Sent: TypeAlias = (
    str | Reasoning | ToolCall | ToolCallDelta | Citation | ServerToolCall | ServerToolResult | Usage | Finish | Problem
    | Literal[Pausing.PAUSE]
)  # fmt: skip


def hides(turn: Turn) -> bool:
    """Return whether a reply says that there is reasoning which is not shown: a block that is a signature alone."""
    return not isinstance(turn.bound, Unsigned)


def with_ids(turn: Turn, pieces: Iterator[Piece]) -> Iterator[Sent]:
    """Yield the pieces with an id for each call of a tool of the service, and for its result.

    Raise `Refusal` 500 for media, which the service cannot send, and for the result of a tool that it does not have.
    """
    calls, last = 0, ""
    for piece in pieces:
        match piece:
            case Media():
                raise unknown(piece)
            case ServerToolCall():
                calls += 1
                last = piece.id or turn.new_id("srvtoolu", calls)
                yield piece._replace(id=last)
            case ServerToolResult():
                if f"{piece.name}_tool_result" not in SERVER_BLOCKS:
                    raise unknown(piece)
                yield piece._replace(id=piece.id or last)
            case _:
                yield piece


def _citation(cited: Citation) -> dict[str, Any]:
    """Return a citation: of a result of the web search if it has a URL, else of a document."""
    words = {"cited_text": cited.text or ""}
    if cited.url:
        kind = "web_search_result_location"
        return {"type": kind, **words, "url": cited.url, "title": cited.title, "encrypted_index": "RQ=="}
    place = {"start_char_index": cited.start or 0, "end_char_index": cited.end or 0}
    return {"type": "char_location", **words, "document_index": 0, "document_title": cited.title, **place}


def _input_of(call: ToolCall | ServerToolCall) -> Any:
    """Return the arguments of a tool call as an object, or as the text that a stream may have in its place."""
    try:
        return arguments_object(call)
    except Refusal:
        return call.arguments


def whole(turn: Turn, pieces: Iterator[Piece]) -> Reply:
    """Return the whole reply."""
    said = collect(with_ids(turn, translate_finish(pieces, REASONS, hidden=hides(turn))))
    if isinstance(said.end, Problem):
        return _fault(said.end.kind)
    signer = Signer(turn.bound)
    content = [signer.signed(block) for block in _blocks(turn, said.parts)]
    return Reply(200, _message(turn, content, said.end.native, _input(said.usage) | _output(said.usage)))


def _blocks(turn: Turn, parts: Iterable[Part]) -> list[dict[str, Any]]:
    """Return the blocks of a reply, without their signatures.  A text and its citations are one block."""
    made: list[dict[str, Any]] = []
    for part in parts:
        last = made[-1] if made and made[-1]["type"] == "text" else None
        if isinstance(part, str | Citation) and last is None:
            last = {"type": "text", "text": ""}
            made.append(last)
        match part:
            case str() if last:
                last["text"] += part
            case Citation() if last:
                last.setdefault("citations", []).append(_citation(part))
            case _:
                made.append(_block(turn, part, len(made)))
    return made


def _block(turn: Turn, part: Part, index: int) -> dict[str, Any]:
    """Return the block of a part that is no text, without its signature."""
    match part:
        case ToolCall() | ServerToolCall():
            return _empty_block(turn, part, index) | {"input": arguments_object(part)}
        case Reasoning() if not isinstance(part, Hidden):
            return {"type": "thinking", "thinking": "" if "omitted" in turn.form else part.text}
    return _empty_block(turn, part, index)


def _delta(index: int, delta: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def _empty_block(turn: Turn, piece: Piece, index: int) -> dict[str, Any]:
    match piece:
        case ToolCall() | ToolCallDelta():
            id_ = piece.id or turn.new_id("toolu", index + 1)
            return {"type": "tool_use", "id": id_, "name": piece.name, "input": {}}
        case ServerToolCall():
            return {"type": "server_tool_use", "id": piece.id, "name": piece.name, "input": {}}
        case ServerToolResult():
            return {"type": f"{piece.name}_tool_result", "tool_use_id": piece.id, "content": piece.value}
        case Hidden():
            return {"type": "redacted_thinking"}
        case Reasoning():
            return {"type": "thinking", "thinking": "", "signature": ""}
    return {"type": "text", "text": ""}


def _message(turn: Turn, content: list[Any], reason: str | None, usage: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": turn.response_id or "msg_1",
        "type": "message",
        "role": "assistant",
        "model": turn.model,
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": usage,
        **turn.extra,
    }


def _input(usage: Usage) -> dict[str, Any]:
    """Return the tokens of the prompt; those of the cache are not part of the input."""
    cached, written = usage.cached_tokens or 0, usage.cache_write_tokens or 0
    return {
        "input_tokens": max((usage.prompt_tokens or 0) - cached - written, 0),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cached,
    }


def _output(usage: Usage) -> dict[str, Any]:
    """Return the tokens of the output; the thinking is part of them and named besides."""
    thinking = {"output_tokens_details": {"thinking_tokens": usage.reasoning_tokens}} if usage.reasoning_tokens else {}
    return {"output_tokens": usage.completion_tokens, **thinking}


def _error(kind: str, problem: str | None = None) -> dict[str, str]:
    return {"type": FAULTS[kind][1], "message": problem or FAULTS[kind][2]}


def fault(_: Post, kind: str, problem: str | None) -> Reply:
    """Return the reply for an error."""
    return _fault(kind, problem)


def _fault(kind: str, problem: str | None = None) -> Reply:
    return Reply(FAULTS[kind][0], {"type": "error", "error": _error(kind, problem), "request_id": "req_1"})


def head(_: Post) -> dict[str, str]:
    """Return the headers of a streamed reply."""
    return {"content-type": "text/event-stream; charset=utf-8", "request-id": "req_1"}


ANTHROPIC = Protocol(
    name="anthropic",
    # `/api` is OpenRouter's and Z.AI's, `/anthropic` DeepSeek's, Moonshot's and, behind `/api`, Z.AI's.
    path=r"(/api)?(/anthropic)?/v1/messages",
    shown="/v1/messages",
    read=read,
    write=write,
    whole=whole,
    fault=fault,
    head=head,
)
