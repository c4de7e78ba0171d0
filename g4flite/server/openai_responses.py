"""OpenAI Responses: what a request says.

Source: https://platform.openai.com/docs/api-reference/responses, August 2026.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import openai_errors as _chat_faults
from .checks import CHOICE, COUNT, NAME, NUMBER, OBJECT, OBJECTS, TEXT, TOOLS, TRUE, Rule, may, need, one_of, options
from .conversation import Messages, assistant, check_tools, function, image_part, joined, named, text_part, tool_call
from .framing import DONE, sse
from .openai_chat import CHAT
from .openai_errors import error
from .pieces import Call, Piece, Problem, Stop, Think
from .protocol import Post, Protocol, Turn, as_problem

INPUT = Rule("a string or a list of items, at least one", lambda got: isinstance(got, str) or OBJECTS.holds(got))
ROLE = one_of(("system", "developer", "user", "assistant"))
ITEM = one_of(("message", "function_call", "function_call_output", "reasoning"))
KNOWN = {"temperature": ("temperature", NUMBER), "max_output_tokens": ("max_tokens", COUNT), "top_p": ("top_p", NUMBER)}


def read(post: Post) -> Turn:
    """The request in common terms; the instructions are the first message, of role system."""
    post.demand_key(*(("api-key",) if post.dialect == "azure" else ()), "authorization")
    data = post.data()
    model = need(data, "model", NAME)
    given = need(data, "input", INPUT)
    instructions = may(data, "instructions", TEXT)
    messages: Messages = [{"role": "system", "content": instructions}] if instructions else []
    for number, item in enumerate([{"role": "user", "content": given}] if isinstance(given, str) else given):
        _add(messages, item, f"input[{number}].")
    check_tools(messages)
    need(data, "stream", TRUE)
    return Turn(model=model, messages=messages, options=_options(data), dialect=post.dialect)


def _add(messages: Messages, item: Mapping[str, Any], where: str) -> None:
    """Appends an item; a function call joins the assistant's message before it."""
    match need({"type": "message", **item}, "type", ITEM, where):
        case "message":
            role = need(item, "role", ROLE, where)
            given = need(item, "content", INPUT, where)
            kinds = ("output_text",) if role == "assistant" else ("input_text", "input_image")
            content = given if isinstance(given, str) else joined(_part(part, kinds, where) for part in given)
            messages.append({"role": role, "content": content})
        case "function_call":
            call = tool_call(
                need(item, "name", NAME, where),
                need(item, "arguments", TEXT, where),
                need(item, "call_id", NAME, where),
            )
            before = messages.pop() if messages and messages[-1]["role"] == "assistant" else {}
            messages.append(assistant(before.get("content"), [*before.get("tool_calls", []), call]))
        case "function_call_output":
            given = need(item, "output", INPUT, where)
            output = (
                given
                if isinstance(given, str)
                else joined(_part(p, ("input_text", "input_image"), where) for p in given)
            )
            messages.append({"role": "tool", "content": output, "tool_call_id": need(item, "call_id", NAME, where)})


def _part(given: Mapping[str, Any], kinds: tuple[str, ...], where: str) -> dict[str, Any]:
    if need(given, "type", one_of(kinds), where + "content: ") == "input_image":
        return image_part(need(given, "image_url", NAME, where), given.get("detail"))
    return text_part(need(given, "text", TEXT, where))


def _options(data: Mapping[str, Any]) -> dict[str, Any]:
    found = options(data, KNOWN)
    if tools := may(data, "tools", TOOLS):
        asked = [tool for tool in tools if need(tool, "type", TEXT, "tools: ") == "function"]
        found["tools"] = [
            function(
                need(tool, "name", NAME, "tools: "), tool.get("description"), may(tool, "parameters", OBJECT, "tools: ")
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


JSON = dict[str, Any]
INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def write(turn: Turn, pieces: Iterator[Piece]) -> Iterator[bytes]:
    """Yields the events; a problem comes after `response.created` and `response.in_progress` at the earliest."""
    for number, event in enumerate(_events(turn, pieces)):
        yield sse({**event, "sequence_number": number}, event=event["type"])
    if turn.dialect == "openrouter":
        yield DONE


def _events(turn: Turn, pieces: Iterator[Piece]) -> Iterator[JSON]:
    output = Output()
    yield {"type": "response.created", "response": _response(turn, "in_progress")}
    yield {"type": "response.in_progress", "response": _response(turn, "in_progress")}
    for piece in (as_problem(piece, "error") for piece in pieces):
        match piece:
            case Problem():
                reason = error(piece.kind)
                yield {"type": "error", "error": reason}
                told = {"code": reason["code"] or reason["type"], "message": reason["message"]}
                yield {"type": "response.failed", "response": _response(turn, "failed", error=told)}
            case Stop():
                yield from output.close()
                cut = INCOMPLETE.get(piece.reason)
                status = "incomplete" if cut else "completed"
                extra = {
                    "output": output.items,
                    "usage": _usage(turn),
                    "incomplete_details": {"reason": cut} if cut else None,
                }
                yield {"type": f"response.{status}", "response": _response(turn, status, **extra)}
            case Call():
                yield from output.call(piece)
            case Think():
                yield from output.think(piece.text)
            case _:
                yield from output.say(piece)


@dataclass(slots=True)
class Output:
    """The items of the output so far, and the kind of the one that is open."""

    items: list[JSON] = field(default_factory=list)
    kind: str = ""
    text: str = ""
    calls: int = 0

    def say(self, text: str) -> Iterator[JSON]:
        if self.kind != "message":
            yield from self.close()
            item = {"type": "message", "status": "in_progress", "content": [], "role": "assistant"}
            yield self._open("message", "msg", item)
            yield self._event("response.content_part.added", content_index=0, part=_output_text(""))
        self.text += text
        yield self._event("response.output_text.delta", content_index=0, delta=text, logprobs=[])

    def think(self, text: str) -> Iterator[JSON]:
        if self.kind != "reasoning":
            yield from self.close()
            yield self._open("reasoning", "rs", {"type": "reasoning", "summary": []})
            part = {"type": "summary_text", "text": ""}
            yield self._event("response.reasoning_summary_part.added", summary_index=0, part=part)
        self.text += text
        yield self._event("response.reasoning_summary_text.delta", summary_index=0, delta=text)

    def call(self, call: Call) -> Iterator[JSON]:
        yield from self.close()
        self.calls += 1
        asked = {"call_id": call.id or f"call_{self.calls}", "name": call.name, "arguments": ""}
        yield self._open("function_call", "fc", {"type": "function_call", "status": "in_progress", **asked})
        for fragment in call.fragments:
            self.text += fragment
            yield self._event("response.function_call_arguments.delta", delta=fragment)

    def close(self) -> Iterator[JSON]:
        """Closes the open item, if there is one."""
        kind, self.kind, text = self.kind, "", self.text
        match kind:
            case "message":
                part = _output_text(text)
                yield self._event("response.output_text.done", content_index=0, text=text, logprobs=[])
                yield self._event("response.content_part.done", content_index=0, part=part)
                yield self._done(status="completed", content=[part])
            case "reasoning":
                part = {"type": "summary_text", "text": text}
                yield self._event("response.reasoning_summary_text.done", summary_index=0, text=text)
                yield self._event("response.reasoning_summary_part.done", summary_index=0, part=part)
                yield self._done(summary=[part])
            case "function_call":
                name = self.items[-1]["name"]
                yield self._event("response.function_call_arguments.done", name=name, arguments=text)
                yield self._done(status="completed", arguments=text)

    def _open(self, kind: str, prefix: str, item: JSON) -> JSON:
        self.kind, self.text = kind, ""
        self.items.append({"id": f"{prefix}_{len(self.items) + 1}", **item})
        return {"type": "response.output_item.added", "output_index": len(self.items) - 1, "item": self.items[-1]}

    def _done(self, **change: Any) -> JSON:
        self.items[-1] = self.items[-1] | change
        return {"type": "response.output_item.done", "output_index": len(self.items) - 1, "item": self.items[-1]}

    def _event(self, type_: str, **fields: Any) -> JSON:
        return {"type": type_, "item_id": self.items[-1]["id"], "output_index": len(self.items) - 1, **fields}


def _output_text(text: str) -> JSON:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def _usage(turn: Turn) -> JSON:
    prompt, thoughts = turn.prompt_tokens, turn.tally.thoughts
    output = turn.tally.texts + thoughts
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": thoughts},
        "total_tokens": prompt + output,
    }


def _response(turn: Turn, status: str, **fields: Any) -> JSON:
    return {
        "id": "resp_1",
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


RESPONSES = Protocol(
    name="responses",
    path=r"(/.*)?/responses",
    shown="/v1/responses",
    read=read,
    write=write,
    fault=_chat_faults.fault,
    head=CHAT.head,
)
