"""OpenAI Chat Completions, for a service with given habits.

Source: https://platform.openai.com/docs/api-reference/chat and openai/openai-openapi, August 2026.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from .._core.events import Finish, Reasoning, ToolCall, ToolCallDelta, Usage
from . import chat_others
from .checks import (
    AMOUNT,
    BOOLEAN,
    CHOICE,
    COUNT,
    INTEGER,
    NAME,
    NUMBER,
    OBJECT,
    OBJECTS,
    STOP,
    STRINGS,
    TEXT,
    TOOLS,
    Refusal,
    Rule,
    cached,
    exactly,
    logprobs,
    may,
    need,
    one_of,
    options,
    picked,
)  # fmt: skip
from .conversation import Messages, assistant, check_tools, file_part, image_part, joined, text_part, tool_call
from .effort import chat_effort
from .framing import DONE, sse
from .openai_habits import JSON, SHOWN, Habits, head, path, shown, token
from .pieces import PAUSE, UNCOUNTED, Piece, Problem, Whole, collect, fragments, translate_finish
from .protocol import Post, Protocol, Reply, Turn
from .refusals import OPENAI_PAIRS
from .signatures import Bound

ROLE = one_of(("system", "developer", "user", "assistant", "tool"))
CONTENT = Rule("a string or a list of parts, at least one", lambda got: isinstance(got, str) or OBJECTS.holds(got))
KNOWN = {
    "temperature": ("temperature", AMOUNT),
    "max_tokens": ("max_tokens", COUNT),
    "max_completion_tokens": ("max_tokens", COUNT),
    "top_p": ("top_p", AMOUNT),
    "stop": ("stop", STOP),
    "seed": ("seed", INTEGER),
    "tools": ("tools", TOOLS),
    "tool_choice": ("tool_choice", CHOICE),
    "response_format": ("response_format", OBJECT),
    "parallel_tool_calls": ("parallel_tool_calls", BOOLEAN),
    "frequency_penalty": ("frequency_penalty", NUMBER),
    "presence_penalty": ("presence_penalty", NUMBER),
    # Z.AI's name, and OpenAI's.
    "user_id": ("user", TEXT),
    "user": ("user", TEXT),
    "metadata": ("metadata", OBJECT),
}
# Azure names the model in the path.
DEPLOYMENT = re.compile(r"/openai/deployments/([^/]+)/")


def chat(habits: Habits) -> Protocol:
    """Return the protocol as a service with these habits speaks it."""
    return Protocol(
        name="chat",
        path=path(habits, "/chat/completions"),
        shown=shown(habits, "/chat/completions"),
        read=partial(read, habits),
        write=partial(write, habits),
        whole=partial(whole, habits),
        fault=lambda _, kind, problem: habits.fault(kind, problem),
        head=lambda _: head(habits),
    )


def read(habits: Habits, post: Post) -> Turn:
    """Return the request in common terms.

    `form` has `usage` if the usage is asked for, `plain` if the client wants no padding against eavesdroppers, and
    `spoken` if the text is to be the transcript of audio.
    """
    post.demand_key(*habits.key_headers)
    data = post.data()
    deployment = DEPLOYMENT.search(post.path)
    if deployment and "api-version" not in post.query:
        raise Refusal(404, "api-version: expected in the query")
    model = deployment[1] if deployment else need(data, "model", NAME)
    given, found = need(data, "messages", OBJECTS), options(data, KNOWN)
    found |= chat_effort(data) | logprobs(data, "logprobs", "top_logprobs") | cached(data)
    messages = read_messages(given, lambda: habits.check(data), habits.parts)
    stream = may(data, "stream", BOOLEAN) or False
    extra = may(data, "stream_options", OBJECT) or {}
    for tool in may(data, "tools", TOOLS) or ():
        if need(tool, "type", TEXT, "tools: ") == "function":
            need(need(tool, "function", OBJECT, "tools: "), "name", NAME, "tools: function.")
    spoken = "audio" in (may(data, "modalities", STRINGS) or ())
    form = {
        "usage": extra.get("include_usage"), "plain": extra.get("include_obfuscation") is False, "spoken": spoken,
    }  # fmt: skip
    return Turn(
        model=model,
        messages=messages,
        options=found,
        stream=stream,
        form=frozenset(word for word, wanted in form.items() if wanted),
        bound=Bound(model, post.key),
    )


def read_messages(
    given: list[dict[str, Any]], check: Callable[[], None] = lambda: None, kinds: Sequence[str] = SHOWN
) -> Messages:
    """Return the messages without unknown fields.  Raise `Refusal` 400 if one of them has a wrong shape.

    `check` raises for what the service refuses besides, and `kinds` are the types of parts that a user's content has.
    """
    messages = [_message(message, f"messages[{number}].", kinds) for number, message in enumerate(given)]
    check()
    check_tools(messages, **OPENAI_PAIRS)
    return messages


def _message(given: Mapping[str, Any], where: str, kinds: Sequence[str]) -> dict[str, Any]:
    role = need(given, "role", ROLE, where)
    calls = [_call(call, where + "tool_calls: ") for call in may(given, "tool_calls", OBJECTS, where) or ()]
    kinds = kinds if role in ("user", "assistant") else SHOWN
    if role == "assistant":
        # What the model said aloud stands for its text (types of openai-python 3.57.0).
        silent = calls or may(given, "audio", OBJECT, where)
        content = may(given, "content", CONTENT, where) if silent else need(given, "content", CONTENT, where)
        return {**assistant(_content(content, where, kinds), calls), **picked(given, "name")}
    extra = {"tool_call_id": need(given, "tool_call_id", NAME, where)} if role == "tool" else {}
    content = _content(need(given, "content", CONTENT, where), where, kinds)
    return {"role": role, "content": content, **extra, **picked(given, "name")}


def _content(given: Any, where: str, kinds: Sequence[str]) -> Any:
    """Return a list of parts in the common form, without reasoning, and a string or None as it is."""
    if not isinstance(given, list):
        return given
    where += "content: "
    said = [part for part in given if need(part, "type", one_of(kinds), where) != "thinking"]
    return joined(_part(part, where, kinds) for part in said)


def _part(given: Mapping[str, Any], where: str, kinds: Sequence[str]) -> dict[str, Any]:
    kind = need(given, "type", one_of(kinds), where)
    if kind == "text":
        return text_part(need(given, "text", TEXT, where))
    if kind == "document_url":
        return file_part(file_url=need(given, kind, NAME, where), filename=given.get("document_name"))
    # Mistral's file is its id, and its audio is the base64 text (types of mistralai 3.7.0).
    if "document_url" in kinds and kind in ("file", "input_audio"):
        given = {kind: {"file_id": given.get("file_id")} if kind == "file" else {"data": given.get(kind)}}
    media = need(given, kind, OBJECT, where)
    if kind == "image_url":
        return image_part(need(media, "url", NAME, where), media.get("detail"))
    if kind == "input_audio":
        names = ("data",) if "document_url" in kinds else ("data", "format")
        return {"type": kind, kind: {name: need(media, name, NAME, where) for name in names}}
    if "file_id" in media:
        return file_part(file_id=need(media, "file_id", NAME, where), filename=may(media, "filename", TEXT, where))
    return file_part(**{name: need(media, name, NAME, where) for name in ("file_data", "filename")})


def _call(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    called = need(given, "function", OBJECT, where)
    need(given, "type", exactly("function"), where)
    return tool_call(
        need(called, "name", NAME, where), need(called, "arguments", TEXT, where), need(given, "id", NAME, where)
    )


def write(habits: Habits, turn: Turn, pieces: Iterator[Piece]) -> Iterator[bytes]:
    """Yield the events of a reply, with comments between them if the service sends comments."""
    for number, block in enumerate(_events(habits, turn, pieces)):
        if habits.comment and number in {0, 2}:
            yield f": {habits.comment}\n\n".encode()
        yield block


def _events(habits: Habits, turn: Turn, pieces: Iterator[Piece]) -> Iterator[bytes]:
    usage, calls, thought, begun = UNCOUNTED, 0, False, False
    # The reasoning, which is signed at its end.
    thoughts, others = list[str](), chat_others.Others(habits, turn)
    for piece in habits.pieces(_translated(habits, pieces)):
        if isinstance(piece, Usage):
            usage = piece
            continue
        if piece is PAUSE:
            yield b""
            continue
        if isinstance(piece, Problem):
            yield from _error(habits, turn, piece.kind)
            return
        if not begun:
            yield from map(sse, _opening(habits, turn))
            begun = True
        # All reasoning of a reply is one part of it, which may go on behind a text.
        if thoughts and isinstance(piece, Finish) and (delta := habits.sign(turn, "".join(thoughts))):
            yield sse(_chunk(habits, turn, delta))
        match piece:
            case Finish():
                yield from map(sse, _closing(habits, turn, piece.native, usage))
            case ToolCall():
                for delta in _call_deltas(habits, turn, piece, calls):
                    yield sse(_chunk(habits, turn, delta))
                calls += 1
            case ToolCallDelta():
                yield sse(_chunk(habits, turn, _call_delta(habits, turn, piece, begins=piece.index == calls)))
                calls = piece.index + 1
            case Reasoning():
                thought = True
                thoughts.append(piece.text)
                if delta := habits.think(piece.text):
                    yield sse(_chunk(habits, turn, delta))
            case str() if "spoken" in turn.form:
                yield sse(_chunk(habits, turn, {"audio": {"id": chat_others.AUDIO, "transcript": piece}}))
            case str():
                yield sse(_chunk(habits, turn, habits.text(piece, thought), logprobs=token(turn, piece)))
            case _:
                yield sse(_chunk(habits, turn, others.delta(piece)))
    if habits.done:
        yield DONE


def whole(habits: Habits, turn: Turn, pieces: Iterator[Piece]) -> Reply:
    """Return the whole reply."""
    said = collect(habits.pieces(_translated(habits, pieces)))
    if isinstance(said.end, Problem):
        return habits.fault(said.end.kind, None)
    choice = {"index": 0, "message": _assistant_message(habits, turn, said), "finish_reason": said.end.native}
    choice |= {"logprobs": {"content": sure}} if (sure := token(turn, said.text)) else {}
    reply = habits.dress(turn, {**_bare(habits, turn, [choice]), "object": "chat.completion"})
    group = {"x_groq": {"id": habits.id}} if habits.x_groq else {}
    return Reply(200, {**reply, **(habits.first or {}), "usage": usage_object(said.usage), **group})


def _assistant_message(habits: Habits, turn: Turn, said: Whole) -> JSON:
    """Return the assistant's message; its content is null if it has tool calls and no text."""
    thought = habits.think(said.reasoning) if said.reasoning else {}
    text = habits.text(said.text, bool(thought)) if said.text or not said.calls else {"content": None}
    message = {"role": "assistant", **(habits.role or {}), **thought, **text}
    for field, value in habits.sign(turn, said.reasoning).items() if said.reasoning else ():
        message[field] = [*message[field], *value]
    if isinstance(thought.get("content"), list):
        message["content"] = thought["content"] + (text["content"] or [])
    message |= chat_others.whole(habits, turn, said.others)
    if "audio" in message and "spoken" in turn.form:
        message["content"], message["audio"]["transcript"] = None, said.text
    if said.calls:
        message["tool_calls"] = [
            {**_identity(habits, turn, call, number), "function": {"name": call.name, "arguments": call.arguments}}
            for number, call in enumerate(said.calls)
        ]
    return message


def _translated(habits: Habits, pieces: Iterator[Piece]) -> Iterator[Piece]:
    same = ("stop", "length", "tool_calls", "content_filter")
    return translate_finish(pieces, {**{reason: reason for reason in same}, "error": habits.error_reason})


def _opening(habits: Habits, turn: Turn) -> Iterator[JSON]:
    """Yield the chunks before the first piece."""
    if habits.first is not None:
        yield {**_bare(habits, turn, []), "id": "", "model": "", **habits.first}
    if habits.role is not None:
        chunk = _chunk(habits, turn, {"role": "assistant", **habits.role})
        yield chunk | ({"x_groq": {"id": habits.id}} if habits.x_groq else {})


def _closing(habits: Habits, turn: Turn, reason: str | None, usage: Usage) -> Iterator[JSON]:
    """Yield the chunks after the last piece: the finish reason and the usage."""
    last, counts = _chunk(habits, turn, {}, reason), usage_object(usage)
    if habits.usage == "finish":
        last["usage"] = counts
    if habits.x_groq:
        last["x_groq"] = {"id": habits.id, "usage": counts}
    yield last
    if habits.usage == "last" or (habits.usage == "asked" and "usage" in turn.form):
        yield {**_bare(habits, turn, list(habits.usage_choices)), "usage": counts}


def _error(habits: Habits, turn: Turn, kind: str) -> Iterator[bytes]:
    told = habits.error_event(kind) if habits.error_event else habits.fault(kind, None).body
    if habits.error_in_chunk:
        told = _chunk(habits, turn, {"content": ""}, "error") | told
    yield sse(told, event=habits.error_event_name)
    if habits.done_after_error:
        yield DONE


def _call_deltas(habits: Habits, turn: Turn, call: ToolCall, number: int) -> Iterator[JSON]:
    """Yield the deltas of a tool call: its name, then the fragments of its arguments; or a single delta with both."""
    whole = habits.whole_calls
    asked = {"name": call.name, "arguments": call.arguments if whole else ""}
    yield {"tool_calls": [{"index": number, **_identity(habits, turn, call, number), "function": asked}]}
    for fragment in () if whole else fragments(call.arguments):
        yield {"tool_calls": [{"index": number, "function": {"arguments": fragment}}]}


def _call_delta(habits: Habits, turn: Turn, piece: ToolCallDelta, *, begins: bool) -> JSON:
    """Return the delta of a piece of a tool call; the first has the call's name as well."""
    asked = {"name": piece.name} if begins else {}
    identity = _identity(habits, turn, ToolCall(*piece[1:]), piece.index) if begins else {}
    return {"tool_calls": [{"index": piece.index, **identity, "function": {**asked, "arguments": piece.arguments}}]}


def _identity(habits: Habits, turn: Turn, call: ToolCall, number: int) -> JSON:
    return {
        "id": call.id or turn.new_id("call", number + 1),
        "type": "function",
        **habits.mark_call(turn, call, number),
    }


def _chunk(
    habits: Habits, turn: Turn, delta: JSON, reason: str | None = None, logprobs: list[JSON] | None = None
) -> JSON:
    """Return a chunk of one choice."""
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    if logprobs:
        choice["logprobs"] = {"content": logprobs, "refusal": None}
    # If the usage is asked for, OpenAI says `null` in each chunk before the one that has it.
    empty = {"usage": None} if habits.usage == "asked" and "usage" in turn.form else {}
    return habits.dress(turn, _bare(habits, turn, [choice]) | empty)


def _bare(habits: Habits, turn: Turn, choices: list[JSON]) -> JSON:
    return {
        "id": turn.response_id or habits.reply_id,
        "object": "chat.completion.chunk",
        "created": int(turn.now),
        "model": turn.model,
        "choices": choices,
    }


def usage_object(usage: Usage) -> JSON:
    """Return the tokens as OpenAI writes them; the reasoning is part of the completion."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens or 0,
            "audio_tokens": 0,
            **({"cache_write_tokens": usage.cache_write_tokens} if usage.cache_write_tokens else {}),
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens, "audio_tokens": 0},
    }
