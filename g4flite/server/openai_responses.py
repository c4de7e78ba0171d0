"""OpenAI Responses, for a service with given habits.

Source: https://platform.openai.com/docs/api-reference/responses, .../responses-streaming and recorded traffic, August
2026.  An error inside the stream is nested in its event, and `response.failed` follows; no [DONE] ends the stream.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from typing import Any

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
    BOOLEAN,
    CHOICE,
    COUNT,
    INTEGER,
    NAME,
    OBJECT,
    OBJECTS,
    STRINGS,
    TEXT,
    TOOLS,
    Refusal,
    Rule,
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
    named,
    text_part,
    tool_call,
)
from .framing import compact, sse
from .openai_habits import JSON, Habits, error, head, path, shown, token
from .pieces import (
    UNCOUNTED,
    Hidden,
    Pausing,
    Piece,
    Problem,
    arguments_object,
    base64_of,
    collect,
    fragments,
    translate_finish,
    unknown,
)
from .protocol import Post, Protocol, Reply, Turn
from .refusals import OPENAI_PAIRS, openai_model, openai_name, openai_schema, supported_image, too_long
from .signatures import Bound, Signature, digest

INPUT = Rule("a string or a list of items, at least one", lambda got: isinstance(got, str) or OBJECTS.holds(got))
ROLE = one_of(("system", "developer", "user", "assistant"))
# The items of tools that the service runs itself: the prefix of their ids, and the field with what was found.
OWN_TOOLS = {
    "web_search_call": ("ws", "results"), "file_search_call": ("fs", "results"),
    "code_interpreter_call": ("ci", "outputs"), "mcp_call": ("mcp", "output"),
    "image_generation_call": ("ig", "result"),
}  # fmt: skip
# What the items of the service's own tools have to hold, be it null (types of openai-python 3.57.0).
SERVER_ITEMS = {
    "web_search_call": ("id", "status", "action"),
    "file_search_call": ("id", "status", "queries"),
    "code_interpreter_call": ("id", "status", "container_id", "code", "outputs"),
    "image_generation_call": ("id", "status", "result"),
    "mcp_list_tools": ("id", "server_label", "tools"),
    "mcp_call": ("id", "server_label", "name", "arguments"),
    "mcp_approval_request": ("id", "server_label", "name", "arguments"),
}
ITEM = one_of(("message", "function_call", "function_call_output", "reasoning", *SERVER_ITEMS))
INPUT_PARTS = ("input_text", "input_image", "input_file")
# The forms of a file, of which its data have a name.
FILES = ("file_data", "file_url", "file_id")
KNOWN = {
    "temperature": ("temperature", AMOUNT),
    "max_output_tokens": ("max_tokens", COUNT),
    "top_p": ("top_p", AMOUNT),
    "parallel_tool_calls": ("parallel_tool_calls", BOOLEAN),
    "user": ("user", TEXT),
    "metadata": ("metadata", OBJECT),
}
LOGPROBS = "message.output_text.logprobs"
# The status of a complete reply, or the reason why a reply is incomplete.
COMPLETED = "completed"
# The id of an item that came behind reasoning: it says which.
BEHIND_REASONING = re.compile(r"(?:msg|fc|ws|fs|ci|mcp|ig)_(\d+_|)\d+_rs_(\d+)")
NOTHING: dict[str, Any] = {}
# What the encrypted content of a reasoning item signs that has begun, and of one that is whole.
BEGUN, WHOLE = "begun", "whole"
REASONS = {
    "stop": COMPLETED, "tool_calls": COMPLETED, "length": "max_output_tokens", "content_filter": "content_filter",
}  # fmt: skip


def responses(habits: Habits) -> Protocol:
    """Return the protocol as a service with these habits speaks it."""
    return Protocol(
        name="responses",
        path=path(habits, "/responses"),
        shown=shown(habits, "/responses"),
        read=partial(read, habits),
        write=write,
        whole=partial(whole, habits),
        fault=lambda _, kind, problem: habits.fault(kind, problem),
        head=lambda _: head(habits),
    )


def read(habits: Habits, post: Post) -> Turn:
    """Return the request in common terms; the instructions are the first message, of role system."""
    post.demand_key(*habits.key_headers)
    data = post.data()
    turn, items = _shape(post, data)
    openai_model(data, "input", items)
    for message in turn.messages:
        for part in message["content"] if isinstance(message["content"], list) else ():
            supported_image(part.get("image_url", {}).get("url", ""))
    check_tools(turn.messages, **OPENAI_PAIRS)
    _check_reasoning(items, post.key, stored=may(data, "store", BOOLEAN) is not False)
    model_refusals.check(model_refusals.RESPONSES, data)
    schemas.openai_strict(data)
    return turn


def shape(post: Post) -> Turn:
    """Return what `read` does, of any request that has the protocol's form: refuse nothing for OpenAI's sake."""
    turn, _ = _shape(post, post.data())
    check_tools(turn.messages, **OPENAI_PAIRS)
    return turn


def _shape(post: Post, data: JSON) -> tuple[Turn, list[JSON]]:
    """Return the request in common terms, and its items."""
    model = need(data, "model", NAME)
    given = need(data, "input", INPUT)
    instructions = may(data, "instructions", TEXT)
    messages: Messages = [{"role": "system", "content": instructions}] if instructions else []
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    for number, item in enumerate(items):
        _add(messages, item, f"input[{number}].")
    stream, bound = may(data, "stream", BOOLEAN) or False, Bound(model, post.key)
    return Turn(model=model, messages=messages, options=_options(data), stream=stream, bound=bound), items


def _check_reasoning(items: list[dict[str, Any]], account: str, *, stored: bool) -> None:
    """Raise `Refusal` 400 for reasoning that is not of this account, or not beside the items that it came with.

    The content of another account or a changed one could not be verified (openai/codex#8119, Wei-Shaw/sub2api#2863);
    without it, the service has to know the item.  Reasoning goes back with an item behind it, and an item with its id
    goes back with its reasoning (pydantic-ai's cassette test_openai_responses_thinking_with_modified_history, 2026).
    """
    known = set[str]()
    for item, following in zip_longest(items, items[1:], fillvalue=NOTHING):
        kind, id_ = item.get("type", "message"), str(item.get("id", ""))
        if kind == "reasoning":
            _check_encrypted(item, account, stored=stored)
            known.add(id_)
            kinds = ("reasoning", "function_call", *SERVER_ITEMS)
            answers = following.get("role") == "assistant" or following.get("type") in kinds
            if not answers:
                raise Refusal(
                    400, f"Item '{id_}' of type 'reasoning' was provided without its required following item."
                )
        elif (found := BEHIND_REASONING.fullmatch(id_)) and (wanted := f"rs_{found[1]}{found[2]}") not in known:
            raise Refusal(
                400,
                f"Item '{id_}' of type '{kind}' was provided without its required 'reasoning' item: '{wanted}'.",
            )


def _check_encrypted(item: Mapping[str, Any], account: str, *, stored: bool) -> None:
    """Raise `Refusal` 400 for the content of a reasoning item that this account has not been given."""
    mark = item.get("encrypted_content")
    if mark is None:
        if not stored:
            raise Refusal(
                400,
                f"Item with id '{item.get('id')}' not found. Items are not persisted when `store` is set to false. Try "
                "again with `store` set to true, or remove this item from your input.",
            )
        return
    found = Signature.read("responses", mark)
    if found is None or found.account != digest(account) or found.content != digest(WHOLE):
        message = (
            f"The encrypted content for item {item.get('id')} could not be verified. Reason: Encrypted content could "
            "not be decrypted or parsed."
        )
        body = {"message": message, "type": "invalid_request_error", "param": None, "code": "invalid_encrypted_content"}
        raise Refusal(400, message, body={"error": body})


def _add(messages: Messages, item: Mapping[str, Any], where: str) -> None:
    """Append an item; a function call joins the assistant's message before it, and reasoning is left out."""
    too_long(f"{where}call_id", str(item.get("call_id", "")), 64)
    kind = need({"type": "message", **item}, "type", ITEM, where)
    # A message with an id needs no status: Codex CLI 0.171 and langchain-openai 1.7 send it so (November 2026).
    for name in SERVER_ITEMS.get(kind, ("content",) if kind == "message" and "id" in item else ()):
        if name not in item:
            raise Refusal(400, f"Missing required parameter: '{where}{name}'.")
    match kind:
        case "message":
            role = need(item, "role", ROLE, where)
            kinds = ("output_text",) if role == "assistant" else INPUT_PARTS
            content = _content(need(item, "content", INPUT, where), kinds, where)
            before = messages[-1] if messages and role == "assistant" else {}
            # A text behind the tool calls of a turn belongs to the turn.
            if before.get("tool_calls"):
                before["content"] = (before["content"] or "") + content
            else:
                messages.append({"role": role, "content": content})
        case "function_call":
            openai_name(f"{where}name", need(item, "name", NAME, where))
            call = tool_call(
                item["name"],
                need(item, "arguments", TEXT, where),
                need(item, "call_id", NAME, where),
            )
            before = messages.pop() if messages and messages[-1]["role"] == "assistant" else {}
            messages.append(assistant(before.get("content"), [*before.get("tool_calls", []), call]))
        case "function_call_output":
            output = _content(need(item, "output", INPUT, where), INPUT_PARTS, where)
            messages.append({"role": "tool", "content": output, "tool_call_id": need(item, "call_id", NAME, where)})


def _content(given: Any, kinds: tuple[str, ...], where: str) -> Any:
    """Return a string as it is, and a list of parts of these kinds in the common form."""
    return given if isinstance(given, str) else joined(_part(part, kinds, where) for part in given)


def _part(given: Mapping[str, Any], kinds: tuple[str, ...], where: str) -> dict[str, Any]:
    kind = need(given, "type", one_of(kinds), where + "content: ")
    if kind == "input_image" and "file_id" in given:
        return {"type": "image_url", "image_url": {"file_id": need(given, "file_id", NAME, where)}}
    if kind == "input_image":
        return image_part(need(given, "image_url", NAME, where), given.get("detail"))
    if kind != "input_file":
        return text_part(need(given, "text", TEXT, where))
    form = next((name for name in FILES if name in given), FILES[0])
    named = (need if form == FILES[0] else may)(given, "filename", NAME, where)
    return file_part(**{form: need(given, form, NAME, where), "filename": named})


def _options(data: Mapping[str, Any]) -> dict[str, Any]:
    found = options(data, KNOWN)
    if level := may(may(data, "reasoning", OBJECT) or {}, "effort", TEXT, "reasoning."):
        found["reasoning_effort"] = level
    wanted, most = LOGPROBS in (may(data, "include", STRINGS) or ()), may(data, "top_logprobs", INTEGER)
    if wanted:
        found["logprobs"] = True if most is None else most
    if tools := may(data, "tools", TOOLS):
        asked = [tool for tool in tools if need(tool, "type", TEXT, "tools: ") == "function"]
        for number, tool in enumerate(asked):
            openai_name(f"tools[{number}].name", need(tool, "name", NAME, "tools: "))
            may(tool, "parameters", OBJECT, "tools: ")
            openai_schema(tool)
        found["tools"] = [
            function(
                tool["name"], tool.get("description"), may(tool, "parameters", OBJECT, "tools: "), tool.get("strict")
            )
            for tool in asked
        ]
    if choice := may(data, "tool_choice", CHOICE):
        found["tool_choice"] = named(choice["name"]) if isinstance(choice, dict) and "name" in choice else choice
    text = may(data, "text", OBJECT) or {}
    form = may(text, "format", OBJECT, "text.") or {}
    if form.get("type") == "json_schema":
        schema = {name: value for name, value in form.items() if name != "type"}
        found["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif form:
        found["response_format"] = form
    return found


def write(turn: Turn, pieces: Iterator[Piece]) -> Iterator[bytes]:
    """Yield the numbered events of a reply; an error comes after `response.created` and `response.in_progress`."""
    number = 0
    for event in _events(turn, pieces):
        if not event:
            yield b""
            continue
        yield sse({**event, "sequence_number": number}, event=event["type"])
        number += 1


def whole(habits: Habits, turn: Turn, pieces: Iterator[Piece]) -> Reply:
    """Return the whole reply, which is the response that the last event of a stream has."""
    said = collect(translate_finish(pieces, REASONS, hidden=True))
    if isinstance(said.end, Problem):
        return habits.fault(said.end.kind, None)
    *_, last = _events(turn, iter([*said.parts, said.usage, said.end]))
    return Reply(200, last["response"])


def _events(turn: Turn, pieces: Iterator[Piece]) -> Iterator[JSON]:
    output, usage = Output(turn), UNCOUNTED
    yield {"type": "response.created", "response": response_object(turn, "in_progress")}
    yield {"type": "response.in_progress", "response": response_object(turn, "in_progress")}
    for piece in translate_finish(pieces, REASONS, hidden=True):
        match piece:
            case Usage():
                usage = piece
            case Problem():
                said = error(piece.kind)
                yield {"type": "error", "error": said}
                reason = {"code": said["code"] or said["type"], "message": said["message"]}
                yield {"type": "response.failed", "response": response_object(turn, "failed", error=reason)}
            case Finish():
                yield from output.close()
                complete = piece.native == COMPLETED
                status = COMPLETED if complete else "incomplete"
                response = response_object(
                    turn,
                    status,
                    output=output.items,
                    usage=usage_object(usage),
                    incomplete_details=None if complete else {"reason": piece.native},
                )
                yield {"type": f"response.{status}", "response": response}
            case ToolCall():
                yield from output.call(piece)
            case ToolCallDelta():
                yield from output.call_piece(piece)
            case Pausing():
                yield {}
            case Media():
                yield from output.draw(piece)
            case Citation():
                yield from output.cite(piece)
            case ServerToolCall():
                yield from output.run(piece)
            case ServerToolResult():
                output.find(piece)
            case Hidden():
                yield from output.hide()
            case Reasoning():
                yield from output.think(piece.text)
            case _:
                yield from output.say(piece)


@dataclass(slots=True)
class Output:
    """The items of the output so far; each method yields the events of a piece.

    The last item is open as long as `kind` names it, and `text` is its text so far.
    """

    turn: Turn
    items: list[JSON] = field(default_factory=list)
    kind: str = ""
    text: str = ""
    # The logprobs of the text of the last message, and its annotations.
    sure: list[JSON] = field(default_factory=list)
    notes: list[JSON] = field(default_factory=list)
    calls: int = 0
    # The number of the last reasoning item, 0 for none.
    thought: int = 0

    def say(self, text: str) -> Iterator[JSON]:
        """Yield the events of a piece of text."""
        yield from self._begin_message()
        self.text += text
        self.sure += token(self.turn, text)
        yield self._event("response.output_text.delta", content_index=0, delta=text, logprobs=token(self.turn, text))

    def _begin_message(self) -> Iterator[JSON]:
        if self.kind != "message":
            yield from self.close()
            item = {"type": "message", "status": "in_progress", "content": [], "role": "assistant"}
            yield self._open("message", "msg", item)
            yield self._event("response.content_part.added", content_index=0, part=_output_text("", []))
            self.sure, self.notes = [], []

    def cite(self, cited: Citation) -> Iterator[JSON]:
        """Yield the event of a source of the text so far."""
        yield from self._begin_message()
        place = {"start_index": cited.start or 0, "end_index": cited.end or 0}
        note = {"type": "url_citation", "url": cited.url or "", "title": cited.title or "", **place}
        yield self._event(
            "response.output_text.annotation.added", content_index=0, annotation_index=len(self.notes), annotation=note
        )
        self.notes.append(note)

    def draw(self, media: Media) -> Iterator[JSON]:
        """Yield the events of an image.  Raise `Refusal` 500 for other media, which no item of the output can be."""
        kind, _, form = media.mime_type.partition("/")
        if kind != "image":
            raise unknown(media)
        yield from self.close()
        yield self._open("image_generation_call", "ig", {"type": "image_generation_call", "status": "in_progress"})
        for state in ("in_progress", "generating", "completed"):
            yield self._event(f"response.image_generation_call.{state}")
        self.kind = ""
        yield self._done(status="completed", result=base64_of(media), output_format=form)

    def run(self, call: ServerToolCall) -> Iterator[JSON]:
        """Yield the events of a call of a tool of the service, which stays open until it has found something.

        The names of the service's tools are `web_search`, `file_search` and `code_interpreter`; any other is a tool of
        an MCP server.
        """
        yield from self.close()
        kind = f"{call.name}_call" if f"{call.name}_call" in OWN_TOOLS else "mcp_call"
        given = arguments_object(call)
        item: JSON = {"type": kind, "status": "in_progress"}
        match kind:
            case "web_search_call":
                item["action"] = {"type": "search", **given}
            case "file_search_call":
                item |= {"queries": given.get("queries", []), "results": None}
            case "code_interpreter_call":
                item |= {"code": given.get("code", ""), "container_id": "cntr_1", "outputs": None}
            case _:
                item |= {"name": call.name, "server_label": "server", "arguments": call.arguments}
        yield self._open(kind, OWN_TOOLS[kind][0], item)
        yield self._event(f"response.{kind}.in_progress")

    def find(self, found: ServerToolResult) -> None:
        """Put what a tool of the service has found into its item.  Raise `Refusal` 500 without one."""
        if self.kind not in OWN_TOOLS:
            raise unknown(found)
        place, value = OWN_TOOLS[self.kind][1], found.value
        text = value if isinstance(value, str) or place != "output" else compact(value)
        self.items[-1] = self.items[-1] | {place: text}

    def think(self, text: str) -> Iterator[JSON]:
        """Yield the events of a piece of reasoning."""
        if self.kind != "reasoning":
            yield from self._begin_reasoning()
            part = {"type": "summary_text", "text": ""}
            yield self._event("response.reasoning_summary_part.added", summary_index=0, part=part)
        self.text += text
        yield self._event("response.reasoning_summary_text.delta", summary_index=0, delta=text)

    def hide(self) -> Iterator[JSON]:
        """Yield the events of reasoning without a summary."""
        yield from self._begin_reasoning()
        self.kind = "hidden"

    def _begin_reasoning(self) -> Iterator[JSON]:
        yield from self.close()
        # This content is not the one that goes back (types of openai-python 3.57.0).
        begun = self.turn.bound.sign("responses", BEGUN)
        yield self._open("reasoning", "rs", {"type": "reasoning", "summary": [], "encrypted_content": begun})
        self.thought = len(self.items)

    def call(self, call: ToolCall) -> Iterator[JSON]:
        """Yield the events of a tool call, which stays open."""
        yield from self._begin_call(call.id, call.name)
        for fragment in fragments(call.arguments):
            yield self._argue(fragment)

    def call_piece(self, piece: ToolCallDelta) -> Iterator[JSON]:
        """Yield the events of a piece of a tool call, which stays open."""
        if piece.index == self.calls:
            yield from self._begin_call(piece.id, piece.name)
        if piece.arguments:
            yield self._argue(piece.arguments)

    def _begin_call(self, id_: str, name: str) -> Iterator[JSON]:
        yield from self.close()
        self.calls += 1
        asked = {"call_id": id_ or self.turn.new_id("call", self.calls), "name": name, "arguments": ""}
        yield self._open("function_call", "fc", {"type": "function_call", "status": "in_progress", **asked})

    def _argue(self, fragment: str) -> JSON:
        self.text += fragment
        return self._event("response.function_call_arguments.delta", delta=fragment)

    def close(self) -> Iterator[JSON]:
        """Yield the events that close the open item, if there is one."""
        kind, self.kind, text = self.kind, "", self.text
        match kind:
            case "message":
                part = _output_text(text, self.sure, self.notes)
                yield self._event("response.output_text.done", content_index=0, text=text, logprobs=self.sure)
                yield self._event("response.content_part.done", content_index=0, part=part)
                yield self._done(status="completed", content=[part])
            case "reasoning":
                part = {"type": "summary_text", "text": text}
                yield self._event("response.reasoning_summary_text.done", summary_index=0, text=text)
                yield self._event("response.reasoning_summary_part.done", summary_index=0, part=part)
                yield self._done(summary=[part], encrypted_content=self._encrypted())
            case "hidden":
                yield self._done(encrypted_content=self._encrypted())
            case "function_call":
                name = self.items[-1]["name"]
                yield self._event("response.function_call_arguments.done", name=name, arguments=text)
                yield self._done(status="completed", arguments=text)
            case str() if kind in OWN_TOOLS:
                yield self._event(f"response.{kind}.completed")
                yield self._done(status="completed")

    def _open(self, kind: str, prefix: str, item: JSON) -> JSON:
        self.kind, self.text = kind, ""
        behind = f"_rs_{self.thought}" if self.thought and prefix != "rs" else ""
        self.items.append({"id": self.turn.new_id(prefix, len(self.items) + 1) + behind, **item})
        return {"type": "response.output_item.added", "output_index": len(self.items) - 1, "item": self.items[-1]}

    def _done(self, **change: Any) -> JSON:
        self.items[-1] = self.items[-1] | change
        return {"type": "response.output_item.done", "output_index": len(self.items) - 1, "item": self.items[-1]}

    def _encrypted(self) -> str:
        return self.turn.bound.sign("responses", WHOLE)

    def _event(self, type_: str, **fields: Any) -> JSON:
        return {"type": type_, "item_id": self.items[-1]["id"], "output_index": len(self.items) - 1, **fields}


def _output_text(text: str, logprobs: list[JSON], notes: Sequence[JSON] = ()) -> JSON:
    return {"type": "output_text", "annotations": [*notes], "logprobs": logprobs, "text": text}


def usage_object(usage: Usage) -> JSON:
    """Return the tokens as Responses writes them; the reasoning is part of the output."""
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens or 0,
            **({"cache_write_tokens": usage.cache_write_tokens} if usage.cache_write_tokens else {}),
        },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }


def response_object(turn: Turn, status: str, **fields: Any) -> JSON:
    return {
        "id": turn.response_id or "resp_1",
        "object": "response",
        "created_at": int(turn.now),
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "model": turn.model,
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None,
        "metadata": {},
        **fields,
    }
