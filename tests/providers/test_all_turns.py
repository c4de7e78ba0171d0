"""What a service signed or wants back goes back: from the bytes of a reply to the next request, for each protocol.

Each row is a reply with reasoning and tool calls, and the turn as the next request holds it.  The sources are
recordings of pydantic-ai (August 2026) and the types of the vendors' packages (November 2026).
"""

import json
from typing import Any

import pytest

import g4flite
from g4flite import TurnState, providers, tool_result
from g4flite._core.exchange import Route, Run
from g4flite._core.request import build, make_call
from g4flite._core.settings import Timeout
from g4flite._core.state import prefixes
from g4flite._core.timers import Timers
from g4flite._core.turn import message_of
from g4flite.providers.openai import joined_details
from g4flite.testing import Emulator, Script, ToolCall
from tests.conftest import Driver
from tests.providers.frames import DONE, STOP, chunk, read, read_once, said, sse
from tests.rows import rows

QUESTION = {"role": "user", "content": "What time is it?"}
TOOL = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}


def asked(name: str, messages: list[Any], model: str, **more: Any) -> Any:
    settings: dict[str, Any] = {"base_url": "https://host.test", "headers": None, "options": {"tools": [TOOL]},
                                "api_key": "key"} | more  # fmt: skip
    return make_call(providers.find(name), messages, model=model, **settings)


def turn_of(name: str, data: bytes, model: str, **more: Any) -> dict[str, Any]:
    """Return the message of a reply, which went through JSON, as in a file."""
    call = asked(name, [QUESTION], model, **more)
    route: Any = Route(call, None, Timeout(), None, None)  # type: ignore[arg-type]  # nothing is sent
    run = Run((route,), Timers(Timeout()), bound_to=build(call).bound_to)
    *items, end = read(name, data)
    assert end == "done"
    for item in items:
        if isinstance(item, str):
            run.text.write(item)
        else:
            run.collect(item)
    run.state = "complete"
    message: dict[str, Any] = json.loads(json.dumps(message_of(run)))
    return message


def sent(name: str, messages: list[Any], model: str, **more: Any) -> tuple[Any, tuple[str, ...]]:
    """Return the payload of a request, and what it leaves out."""
    request = build(asked(name, messages, model, **more))
    return json.loads(request.body), request.dropped


def answered(turn: dict[str, Any]) -> list[Any]:
    """Return the history: the question, the turn, and a result for each of its calls, or a further question."""
    results = [tool_result(call["id"], "9 o'clock") for call in turn.get("tool_calls", ())]
    return [QUESTION, turn, *(results or [QUESTION])]


def events(*frames: dict[str, Any]) -> bytes:
    """Return server-sent events that are named like the `type` of their data."""
    return sse(*((frame["type"], frame) for frame in frames))


def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


SIGNED = {"type": "thinking", "thinking": "Look.", "signature": "c2ln+/="}
REDACTED = {"type": "redacted_thinking", "data": "ZGF0YQ=="}
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "time"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"encrypted_content": "RQ=="}]}
ANTHROPIC = events(
    {"type": "message_start", "message": {"id": "m1", "model": "claude-sonnet-4-5-20250929"}},
    *block(0, {"type": "thinking", "thinking": "", "signature": ""}, {"type": "thinking_delta", "thinking": "Lo"},
           {"type": "thinking_delta", "thinking": "ok."}, {"type": "signature_delta", "signature": "c2ln+/="}),
    *block(1, REDACTED),
    # With `display: "omitted"` the text is empty, and the signature still comes.
    *block(2, {"type": "thinking", "thinking": ""}, {"type": "signature_delta", "signature": "b21pdA=="}),
    *block(3, {"type": "text", "text": ""}, {"type": "text_delta", "text": "I look."}),
    *block(4, {**SEARCH, "input": {}}, {"type": "input_json_delta", "partial_json": '{"query": "time"}'}),
    *block(5, FOUND),
    *block(6, {"type": "thinking", "thinking": ""}, {"type": "thinking_delta", "thinking": "Again."},
           {"type": "signature_delta", "signature": "YWdhaW4="}),
    *block(7, {"type": "tool_use", "id": "toolu_1", "name": "now", "input": {}},
           {"type": "input_json_delta", "partial_json": '{"zone": "UTC"}'}),
    *block(8, {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {"zone": "CET"}}),
    *block(9, {"type": "text", "text": "So."}),
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
    {"type": "message_stop"},
)  # fmt: skip


def use(number: int, **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_{number}", "name": "now", "input": given}


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


ANTHROPIC_TURN = [
    SIGNED, REDACTED, {"type": "thinking", "thinking": "", "signature": "b21pdA=="}, text("I look."), SEARCH, FOUND,
    {"type": "thinking", "thinking": "Again.", "signature": "YWdhaW4="}, use(1, zone="UTC"), use(2, zone="CET"),
    text("So."),
]  # fmt: skip


# What a call without arguments holds between its beginning and its end: nothing, an empty piece, an empty object.
NO_ARGUMENTS: list[list[dict[str, Any]]] = [
    [], [{"type": "input_json_delta", "partial_json": ""}], [{"type": "input_json_delta", "partial_json": "{}"}],
]  # fmt: skip


@pytest.mark.parametrize("pieces", NO_ARGUMENTS)
def test_a_call_without_arguments_keeps_its_place_among_anthropic_s_blocks(pieces: list[dict[str, Any]]) -> None:
    content = [SIGNED, text("I look."), use(1), text("And"), {**SIGNED, "signature": "YWdhaW4="}, use(2), use(3),
               SEARCH, FOUND, text("So.")]  # fmt: skip
    data = events(
        {"type": "message_start", "message": {"id": "m1", "model": "claude-sonnet-4-5"}},
        *(
            frame
            for place, one in enumerate(content)
            for frame in block(place, one, *(pieces if one["type"] == "tool_use" else ()))
        ),
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
        {"type": "message_stop"},
    )
    turn = turn_of("anthropic", data, "claude-sonnet-4-5")
    body, dropped = sent("anthropic", answered(turn), "claude-sonnet-4-5")
    assert (body["messages"][1]["content"], dropped) == (content, ())


@pytest.mark.parametrize("given", ["", "{}"])
def test_a_call_without_arguments_keeps_its_place_among_the_items_of_responses(given: str) -> None:
    def thought(number: int) -> dict[str, Any]:
        return {"type": "reasoning", "id": f"rs_{number}", "summary": [], "encrypted_content": f"RQ{number}="}

    def wrote(number: int) -> dict[str, Any]:
        content = [{"type": "output_text", "text": f"Text {number}."}]
        return {"type": "message", "id": f"msg_{number}", "role": "assistant", "content": content}

    def asks(number: int) -> dict[str, Any]:
        return {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}", "name": "now",
                "arguments": given}  # fmt: skip

    items = [thought(0), wrote(1), asks(2), wrote(3), thought(4), asks(5), asks(6), wrote(7)]
    data = events(
        {"type": "response.created", "response": {"id": "resp_1", "model": "gpt-5"}},
        *(
            {"type": f"response.output_item.{kind}", "output_index": place, "item": one}
            for place, one in enumerate(items)
            for kind in ("added", "done")
        ),
        {"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "output": items}},
    )
    turn = turn_of("openai-responses", data, "gpt-5")
    body, dropped = sent("openai-responses", answered(turn), "gpt-5")
    assert [item.get("id") for item in body["input"][1:9]] == [item["id"] for item in items]
    assert [item["arguments"] for item in body["input"] if item.get("type") == "function_call"] == ["{}"] * 3
    assert dropped == ()


def gemini(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": list(parts), "role": "model"}, **more}], "modelVersion": "m-1"}


def called(number: int, **more: Any) -> dict[str, Any]:
    return {"functionCall": {"id": f"c{number}", "name": "now", "args": {}}, **more}


CODE = {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "Y29kZQ=="}
GEMINI = sse(
    gemini({"text": "Look.", "thought": True}),
    gemini({"text": "I lo"}),
    gemini({"text": "ok"}),
    gemini({"text": ".", "thoughtSignature": "dGV4dA=="}),
    gemini(CODE),
    gemini(called(1, thoughtSignature="Y2FsbA=="), called(2)),
    gemini({"text": "So."}),
    gemini({"text": "", "thoughtSignature": "ZW5k"}, finishReason="STOP"),
)
GEMINI_TURN = [
    {"text": "I look"}, {"text": ".", "thoughtSignature": "dGV4dA=="}, CODE,
    called(1, thoughtSignature="Y2FsbA=="), called(2), {"text": "So."}, {"text": "", "thoughtSignature": "ZW5k"},
]  # fmt: skip

THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Look."}],
           "encrypted_content": "gAAA=="}  # fmt: skip
COMMENTARY = {"type": "message", "id": "msg_0", "role": "assistant", "phase": "commentary", "status": "completed",
              "content": [{"type": "output_text", "text": "I begin.", "annotations": []}]}  # fmt: skip
LOOKED = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "time"}}
CALL_ITEM = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "now", "arguments": "{}"}
SAID_ITEM = {"type": "message", "id": "msg_1", "role": "assistant", "phase": "final_answer", "status": "completed",
             "content": [{"type": "output_text", "text": "I look.", "annotations": []}]}  # fmt: skip


def item(index: int, whole: dict[str, Any], *between: dict[str, Any], **begun: Any) -> list[dict[str, Any]]:
    return [
        {"type": "response.output_item.added", "output_index": index, "item": {**whole, **begun}},
        *({"output_index": index, "item_id": whole["id"], **event} for event in between),
        {"type": "response.output_item.done", "output_index": index, "item": {"status": "completed", **whole}},
    ]


OUTPUT = [
    *item(0, THOUGHT, {"type": "response.reasoning_summary_text.delta", "summary_index": 0, "delta": "Look."},
          encrypted_content="other", summary=[]),
    *item(1, COMMENTARY, content=[]),
    *item(2, LOOKED),
    *item(3, SAID_ITEM, {"type": "response.output_text.delta", "content_index": 0, "delta": "I look."}, content=[]),
    *item(4, CALL_ITEM, {"type": "response.function_call_arguments.delta", "delta": "{}"}, arguments=""),
]  # fmt: skip
COMPLETED = {"type": "response.completed", "response": {"id": "r1", "status": "completed", "output": []}}
RESPONSES = events(*OUTPUT, COMPLETED)
RESPONSES_TURN = [THOUGHT, COMMENTARY, LOOKED, SAID_ITEM, CALL_ITEM]


# Items of the service's own tools go back as they came: most need their status, and some a field that is null.  Each
# text of a message has its own sources.
SOURCE = {"type": "url_citation", "url": "https://host.test", "title": "T", "start_index": 0, "end_index": 2}
READ_FILE = {"type": "file_citation", "file_id": "file_1", "filename": "a.pdf", "index": 1}
RAN = {
    "type": "code_interpreter_call",
    "id": "ci_1",
    "status": "completed",
    "code": "1",
    "container_id": "c",
    "outputs": None,
}
ASKED = {"type": "mcp_call", "id": "mcp_1", "server_label": "s", "name": "ask", "arguments": "{}", "output": "no",
         "error": None, "status": "failed"}  # fmt: skip
SOURCED = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [
    {"type": "output_text", "text": "I ", "annotations": [SOURCE]},
    {"type": "output_text", "text": "look.", "annotations": [READ_FILE]}]}  # fmt: skip
BY_PROGRAM = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "now", "arguments": "{}",
              "caller": {"type": "program", "caller_id": "c"}, "namespace": "times"}  # fmt: skip
SOURCES = [
    *item(0, RAN), *item(1, ASKED),
    *item(2, SOURCED, {"type": "response.output_text.delta", "content_index": 0, "delta": "I "},
          {"type": "response.output_text.annotation.added", "content_index": 0, "annotation": SOURCE},
          {"type": "response.output_text.delta", "content_index": 1, "delta": "look."}, content=[]),
    *item(3, BY_PROGRAM, {"type": "response.function_call_arguments.delta", "delta": "{}"}, arguments=""),
]  # fmt: skip


def call_of(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"call{number:05}", "type": "function", "function": {"name": "now", "arguments": "{}"}, **more}


def chat_call(number: int, **more: Any) -> dict[str, Any]:
    return chunk({"tool_calls": [{"index": number, **call_of(number), **more}]})


def chat(*deltas: dict[str, Any]) -> bytes:
    return sse(*map(chunk, deltas), said("I look."), chat_call(0), chat_call(1), STOP, DONE)


def chat_turn(**fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": "I look.", "tool_calls": [call_of(0), call_of(1)], **fields}


DETAILS = [
    {"type": "reasoning.text", "text": "Look.", "signature": "c2ln", "index": 0, "format": "anthropic-claude-v1"},
    {"type": "reasoning.encrypted", "data": "ZGF0YQ==", "id": "rs_1", "index": 1, "format": "openai-responses-v1"},
]
OPENROUTER = chat(
    {"reasoning": "Lo", "reasoning_details": [
        {"type": "reasoning.text", "text": "Lo", "index": 0, "format": "anthropic-claude-v1"}]},
    {"reasoning": "ok.", "reasoning_details": [
        {"type": "reasoning.text", "text": "ok.", "signature": None, "index": 0, "format": "anthropic-claude-v1"}]},
    {"reasoning_details": [{"type": "reasoning.text", "signature": "c2ln", "index": 0}]},
    {"reasoning_details": [DETAILS[1]]},
)  # fmt: skip
DRAWN = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}} for data in ("c2ln", "ZGF0YQ==")]
CITED = {"type": "url_citation", "url_citation": {"url": "https://host.test"}}
READ = {"type": "file", "file": {"hash": "h", "name": "a.pdf", "content": [{"type": "text", "text": "I call."}]}}
REFERENCE = {"type": "reference", "reference_ids": [1, 2]}
EXTRA = {"extra_content": {"google": {"thought_signature": "c2ln"}}}
OLLAMA_CALL = {"function": {"name": "now", "arguments": {}}}
OLLAMA = b"".join(
    json.dumps({"model": "m", **line}).encode() + b"\n"
    for line in (
        {"message": {"thinking": "Look."}}, {"message": {"content": "I look."}},
        {"message": {"tool_calls": [OLLAMA_CALL]}}, {"done": True, "done_reason": "stop"},
    )
)  # fmt: skip


def cohere(*events_: tuple[str, Any]) -> bytes:
    start = {"id": "call1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    rest = ("tool-call-start", {"tool_calls": start}), ("tool-call-end", {})
    frames = [{"type": kind, "index": 0, "delta": {"message": message}} for kind, message in (*events_, *rest)]
    return events(*frames, {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL"}})


COHERE_CALL = [{"id": "call1", "type": "function", "function": {"name": "now", "arguments": "{}"}}]
THINKING = {"type": "thinking", "thinking": "Look."}
QUOTES = [
    {"start": start, "end": start + 2, "text": "It", "sources": [{"type": "document", "id": "d"}]} for start in (0, 3)
]
# Provider, model, reply, where in the next request the turn stands, and the turn.
ROWS: dict[str, tuple[str, str, bytes, Any]] = {
    "anthropic": ("anthropic", "claude-sonnet-4-5", ANTHROPIC, {"role": "assistant", "content": ANTHROPIC_TURN}),
    "gemini": ("gemini", "gemini-3-pro", GEMINI, {"role": "model", "parts": GEMINI_TURN}),
    "responses": ("openai-responses", "gpt-5.6", RESPONSES, RESPONSES_TURN),
    "responses, the output in the end alone": (
        "openai-responses", "gpt-5.6",
        events({"type": "response.completed", "response": {"status": "completed", "output": RESPONSES_TURN}}),
        RESPONSES_TURN),
    "responses with sources": (
        "openai-responses", "gpt-5.6", events(*SOURCES, COMPLETED), [RAN, ASKED, SOURCED, BY_PROGRAM]),
    "responses with sources, the output in the end alone": (
        "openai-responses", "gpt-5.6",
        events({"type": "response.completed", "response": {"output": [RAN, ASKED, SOURCED, BY_PROGRAM]}}),
        [RAN, ASKED, SOURCED, BY_PROGRAM]),
    "deepseek": ("deepseek", "deepseek-v4", chat({"reasoning_content": "Lo"}, {"reasoning_content": "ok."}),
                 chat_turn(reasoning_content="Look.")),
    "deepseek without reasoning": ("deepseek", "deepseek-v4", chat(), chat_turn(reasoning_content="")),
    "deepseek-chat without reasoning": ("deepseek", "deepseek-chat", chat(), chat_turn()),
    "moonshot": ("moonshot", "kimi-k2.5", chat({"reasoning_content": "Look."}), chat_turn(reasoning_content="Look.")),
    "moonshot without reasoning": ("moonshot", "kimi-k2.5", chat(), chat_turn(reasoning_content="")),
    "zai": ("zai", "glm-5", chat({"reasoning_content": "Look."}), chat_turn(reasoning_content="Look.")),
    "openrouter": ("openrouter", "anthropic/claude-sonnet-4.5", OPENROUTER, chat_turn(reasoning_details=DETAILS)),
    "openrouter without details": ("openrouter", "m", chat({"reasoning": "Look."}), chat_turn(reasoning="Look.")),
    "openrouter with images": (
        "openrouter", "google/gemini-3-pro-image", sse(*(chunk({"content": "", "images": [one]}) for one in DRAWN),
            chunk({"content": "I look.", "annotations": [CITED, READ]}), STOP, DONE),
        {"role": "assistant", "content": "I look.", "images": DRAWN, "annotations": [READ]}),
    "llamacpp": ("llamacpp", "m", chat({"reasoning_content": "Look."}), chat_turn(reasoning_content="Look.")),
    "vllm": ("vllm", "m", chat({"reasoning": "Lo"}, {"reasoning": "ok."}), chat_turn(reasoning="Look.")),
    "vllm with both names": (
        "vllm", "m", chat({"reasoning": "Look.", "reasoning_content": "Look."}), chat_turn(reasoning="Look.")),
    "vllm before it renamed the field": (
        "vllm", "m", chat({"reasoning_content": "Look."}), chat_turn(reasoning_content="Look.")),
    "lmstudio": ("lmstudio", "m", chat({"reasoning": "Look."}), chat_turn(reasoning="Look.")),
    "another server": ("openai-compatible", "m", chat({"thinking": "Look."}), chat_turn(thinking="Look.")),
    "a server that sends the reasoning as text": (
        "vllm", "m", chat(*({"content": piece} for piece in ("<thi", "nk>\nLook.\n</th", "ink>\n\n"))),
        chat_turn(content="<think>\nLook.\n</think>\n\nI look.")),
    "mistral": ("mistral", "magistral-small", chat({"content": [{"type": "thinking", "thinking": [text("Look.")]}]}),
                chat_turn(content=[{"type": "thinking", "thinking": [text("Look.")]}, text("I look.")])),
    "mistral with signatures": (
        "mistral", "magistral-small",
        sse(*(chunk({"content": [part]}) for part in (
            {"type": "thinking", "thinking": [text("Lo")]},
            {"type": "thinking", "thinking": [text("ok.")], "closed": True, "signature": "c2ln"}, text("I "),
            text("look."), {"type": "thinking", "thinking": [text("Again.")]},
            {"type": "thinking", "thinking": [], "signature": "YWdhaW4="}, text(" So.")
        )),
        chunk({"content": [{"type": "thinking", "thinking": [], "signature": one} for one in ("ZW5k", "bGFzdA==")]}),
        chunk({"extra_content": {"a": 1}}), chat_call(0), chat_call(1), STOP, DONE),
        chat_turn(content=[
            {"type": "thinking", "thinking": [text("Look.")], "signature": "c2ln"}, text("I look."),
            {"type": "thinking", "thinking": [text("Again.")], "signature": "YWdhaW4="}, text(" So."),
            {"type": "thinking", "thinking": [], "signature": "ZW5k"},
            {"type": "thinking", "thinking": [], "signature": "bGFzdA=="}])),
    "mistral with references": (
        "mistral", "mistral-large",
        sse(*(chunk({"content": [part]}) for part in (text("I"), REFERENCE, text(" look."))), chat_call(0),
            chat_call(1), STOP, DONE),
        chat_turn(content=[text("I"), REFERENCE, text(" look.")])),
    "mistral without signatures": (
        "mistral", "magistral-small",
        sse(*(chunk({"content": [part]}) for part in (
            {"type": "thinking", "thinking": [text("A")]}, text("I"),
            {"type": "thinking", "thinking": [text("B")]})), said(" look."), chat_call(0), chat_call(1), STOP, DONE),
        chat_turn(content=[
            {"type": "thinking", "thinking": [text("A")]}, text("I"), {"type": "thinking", "thinking": [text("B")]},
            text(" look.")])),
    "gemini by its chat path": (
        "openai-compatible", "gemini-3-pro", sse(said("I look."), chat_call(0, **EXTRA), chat_call(1), STOP, DONE),
        chat_turn(tool_calls=[call_of(0, **EXTRA), call_of(1)])),
    "gemini 2.5 by its chat path": (
        "openai-compatible", "gemini-2.5-pro", chat(EXTRA), chat_turn(**EXTRA)),
    "ollama": ("ollama", "qwen3", OLLAMA, {"role": "assistant", "content": "I look.", "thinking": "Look.",
                                           "tool_calls": [OLLAMA_CALL]}),
    "cohere": ("cohere", "command-a-reasoning",
               cohere(("content-delta", {"content": {"thinking": "Look."}}),
                      ("content-delta", {"content": {"text": "I"}})),
               {"role": "assistant", "content": [THINKING, text("I")], "tool_calls": COHERE_CALL}),
    "cohere with citations": (
        "cohere", "command-a",
        cohere(("content-delta", {"content": {"thinking": "Look."}}), ("content-delta", {"content": {"text": "It "}}),
               ("citation-start", {"citations": QUOTES[0]}), ("content-delta", {"content": {"text": "snows"}}),
               ("citation-start", {"citations": [QUOTES[1]]})),
        {"role": "assistant", "content": [THINKING, text("It snows")], "citations": QUOTES,
         "tool_calls": COHERE_CALL}),
    "cohere with several texts": (
        "cohere", "command-a",
        cohere(("content-start", {"content": text("")}), ("content-delta", {"content": {"text": "It "}}),
               ("citation-start", {"citations": QUOTES[0]}), ("content-delta", {"content": {"text": "snows."}}),
               ("content-start", {"content": {"type": "thinking", "thinking": ""}}),
               ("content-delta", {"content": {"thinking": "Look."}}),
               ("content-start", {"content": text("")}), ("content-delta", {"content": {"text": "So "}}),
               ("content-delta", {"content": {"text": "cold."}}),
               ("content-start", {"content": text("Yes.")})),
        {"role": "assistant", "content": [text("It snows."), THINKING, text("So cold."), text("Yes.")],
         "citations": QUOTES[:1], "tool_calls": COHERE_CALL}),
    "cohere with several texts at once": (
        "cohere", "command-a",
        events({"type": "message-start", "delta": {"message": {
                   "content": [text("It snows."), THINKING, text("So cold."), "Yes."], "tool_calls": COHERE_CALL}}},
               {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL"}}),
        {"role": "assistant", "content": [text("It snows."), THINKING, text("So cold."), text("Yes.")],
         "tool_calls": COHERE_CALL}),
    "cohere with a plan alone": (
        "cohere", "command-a-reasoning", cohere(("tool-plan-delta", {"tool_plan": "I call."})),
        {"role": "assistant", "content": "", "tool_plan": "I call.", "tool_calls": COHERE_CALL}),
    "cohere with an empty plan": (
        "cohere", "command-a", cohere(
            ("content-delta", {"content": {"thinking": "Look."}}), ("tool-plan-delta", {"tool_plan": ""}),
            ("content-delta", {"content": {"text": "I."}})),
        {"role": "assistant", "content": [THINKING, text("I.")], "tool_calls": COHERE_CALL}),
    "cohere with other content behind a plan": (
        "cohere", "command-a",
        cohere(("content-delta", {"content": {"text": "It "}}), ("content-delta", {"content": {"text": "snows."}}),
               ("tool-plan-delta", {"tool_plan": "I "}), ("tool-plan-delta", {"tool_plan": "call"}),
               ("content-delta", {"content": {"thinking": "Look."}}), ("content-delta", {"content": {"text": "So."}}),
               ("tool-plan-delta", {"tool_plan": "."}), ("citation-start", {"citations": QUOTES[0]})),
        {"role": "assistant", "content": [text("It snows."), THINKING, text("So.")], "tool_plan": "I call.",
         "citations": QUOTES[:1], "tool_calls": COHERE_CALL}),
    "cohere with a plan": (
        "cohere", "command-a-reasoning",
        cohere(("content-delta", {"content": {"thinking": "Look."}}), ("tool-plan-delta", {"tool_plan": "I "}),
               ("tool-plan-delta", {"tool_plan": "call."})),
        {"role": "assistant", "content": [THINKING], "tool_plan": "I call.", "tool_calls": COHERE_CALL}),
}  # fmt: skip


def turn_in(payload: Any) -> Any:
    """Return the assistant's turn in a payload: the message behind the question, or the items of Responses."""
    if "input" in payload:
        return [one for one in payload["input"][1:] if one["type"] != "function_call_output"]
    return (payload.get("contents") or payload["messages"])[1]


@rows("row", ROWS)
def test_the_next_request_holds_the_turn_as_the_service_wants_it_back(row: str) -> None:
    name, model, data, expected = ROWS[row]
    payload, dropped = sent(name, answered(turn_of(name, data, model)), model)
    assert turn_in(payload) == expected
    assert dropped == ()


def whole_chat(row: str, **message: Any) -> Any:
    """Return a whole answer of Chat that holds this turn."""
    message = {"content": "I look.", "tool_calls": [call_of(0), call_of(1)], **message}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    return row, {"object": "chat.completion", "choices": [choice]}


def whole_cohere(row: str) -> Any:
    return row, {"id": "r1", "finish_reason": "TOOL_CALL", "message": ROWS[row][3]}


# The rows whose turn also comes as a whole answer, and this answer.
ANSWERS: dict[str, Any] = dict([
    ("anthropic", {"type": "message", "content": ANTHROPIC_TURN, "stop_reason": "tool_use"}),
    ("gemini", gemini({"text": "Look.", "thought": True}, *GEMINI_TURN, finishReason="STOP")),
    ("responses", {"object": "response", "status": "completed", "output": RESPONSES_TURN}),
    ("ollama", {"message": {"content": "I look.", "thinking": "Look.", "tool_calls": [OLLAMA_CALL]}, "done": True}),
    whole_chat("deepseek", reasoning_content="Look."),
    whole_chat("openrouter", reasoning="Look.", reasoning_details=DETAILS),
    whole_chat("vllm", reasoning="Look."),
    whole_chat("a server that sends the reasoning as text", content="<think>\nLook.\n</think>\n\nI look."),
    whole_chat("openrouter with images", images=DRAWN, annotations=[CITED, READ], tool_calls=[]),
    whole_chat("gemini by its chat path", tool_calls=[call_of(0, **EXTRA), call_of(1)]),
    whole_chat("gemini 2.5 by its chat path", **EXTRA),
    *(whole_chat(f"mistral{with_}", content=ROWS[f"mistral{with_}"][3]["content"])
      for with_ in ("", " with signatures", " with references", " without signatures")),
    *(whole_cohere(f"cohere{with_}")
      for with_ in ("", " with citations", " with several texts", " with a plan alone", " with a plan")),
])  # fmt: skip


@rows("row", ANSWERS)
def test_the_turn_of_a_whole_answer_goes_back_as_that_of_a_stream(row: str, driver: Driver, server: Emulator) -> None:
    name, model, _, expected = ROWS[row]
    server.script = Script(body=json.dumps(ANSWERS[row]), headers={"content-type": "application/json"})
    driver.collect(name, [QUESTION], model=model, base_url=server.url, api_key="key")
    turn = json.loads(json.dumps(driver.stream.message))
    payload, dropped = sent(name, answered(turn), model, base_url=server.url)
    assert (turn_in(payload), dropped) == (expected, ())


# What belongs to a service's own state; none of it may reach another service.
OWN = ("I call.", "c2ln", "ZGF0YQ==", "dGV4dA==", "gAAA==", "rs_1", "fc_1", "msg_1", "Look.", "srvtoolu_1", '"google"')
OTHERS = [("openai", "gpt-4o"), ("anthropic", "claude-opus-4-5"), ("gemini", "gemini-3-flash"), ("groq", "llama"),
          ("openai-responses", "gpt-5"), ("deepseek", "deepseek-v4"), ("mistral", "m"), ("ollama", "llama3"),
          ("cohere", "command"), ("openrouter", "google/gemini-3-pro")]  # fmt: skip


@rows("other", OTHERS)
@rows("row", [row for row in ROWS if "without reasoning" not in row])
def test_another_service_gets_the_answer_without_the_state_and_the_caller_is_told(
    row: str, other: tuple[str, str]
) -> None:
    name, model, data, _ = ROWS[row]
    if name == other[0]:
        other = (name, f"{model}-other")
    history = answered(turn_of(name, data, model))
    payload, dropped = sent(*other[:1], history, other[1])
    if name == other[0] and name in ("deepseek", "moonshot", "zai", "llamacpp", "mistral", "ollama", "cohere",
                                     "openai-compatible"):  # fmt: skip
        assert dropped == ()
        return
    assert len(dropped) == 1
    assert dropped[0].startswith("message 2: its state is left out, because ")
    assert not [own for own in OWN if own in json.dumps(payload)]


def test_a_signature_of_gemini_in_chat_goes_to_its_own_model_alone() -> None:
    data = sse(chunk({"extra_content": {"google": {"thought": True}}}), chat_call(0, **EXTRA), chat_call(1), STOP, DONE)
    history = answered(turn_of("openai-compatible", data, "gemini-3-pro"))
    for model, marks in (
        ("gemini-3-pro", [EXTRA["extra_content"], None]),
        ("models/gemini-3-flash", [{"google": {"thought_signature": "skip_thought_signature_validator"}}, None]),
        ("gemini-2.5-pro", [None, None]),
    ):
        payload, dropped = sent("openai-compatible", history, model)
        turn = payload["messages"][1]
        assert [call.get("extra_content") for call in turn["tool_calls"]] == marks
        own = model == "gemini-3-pro"
        assert ("extra_content" in turn) is own
        told = "message 2: 'extra_content' is left out, because it belongs to another model gemini-3-pro"
        assert dropped == (() if own else (told, told))


def test_a_text_that_was_rewritten_keeps_its_sources_in_one_part() -> None:
    rewritten = {**SOURCED, "content": [{**part, "text": f"{part['text']} "} for part in SOURCED["content"]]}
    deltas = [{"type": "response.output_text.delta", "content_index": 0, "delta": "I look."}]
    turn = turn_of("openai-responses", events(*item(0, rewritten, *deltas, content=[]), COMPLETED), "gpt-5.6")
    payload, _ = sent("openai-responses", answered(turn), "gpt-5.6")
    assert "".join(part["text"] for part in payload["input"][1]["content"]) == turn["content"]
    assert [note for part in payload["input"][1]["content"] for note in part["annotations"]] == [SOURCE, READ_FILE]


def test_a_namespace_goes_back_without_reasoning() -> None:
    reply = events(*item(0, {**BY_PROGRAM, "caller": None}), COMPLETED)
    payload, _ = sent("openai-responses", answered(turn_of("openai-responses", reply, "gpt-5.6")), "gpt-5.6")
    assert payload["input"][1] == {key: value for key, value in BY_PROGRAM.items() if key != "caller"}


def test_a_call_of_another_model_has_the_signature_that_gemini_does_not_check() -> None:
    name, model, data, _ = ROWS["deepseek"]
    turn = turn_of(name, data, model)
    for asked_, signed in (("gemini-3-pro", True), ("gemini-10-pro", True), ("gemini-2.5-pro", False)):
        payload, _ = sent("gemini", answered(turn), asked_)
        parts = turn_in(payload)["parts"]
        unchecked = {"thoughtSignature": "skip_thought_signature_validator"} if signed else {}
        assert parts == [{"text": "I look."}, called("all00000", **unchecked), called("all00001")] or parts == [
            {"text": "I look."},
            {"functionCall": {"id": "call00000", "name": "now", "args": {}}, **unchecked},
            {"functionCall": {"id": "call00001", "name": "now", "args": {}}},
        ]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"base_url": "https://other.test"}, "it belongs to another host host.test"),
        ({"api_key": "another"}, "it belongs to another account"),
        ({}, ""),
    ],
)
@pytest.mark.parametrize("row", ["anthropic", "responses"])
def test_a_state_is_bound_to_its_host_and_account(row: str, change: dict[str, Any], why: str) -> None:
    name, model, data, _ = ROWS[row]
    _, dropped = sent(name, answered(turn_of(name, data, model)), model, **change)
    assert dropped == ((f"message 2: its state is left out, because {why}",) if why else ())


@rows("row", [row for row in ROWS if "without reasoning" not in row])
def test_a_state_names_the_account_if_the_service_binds_it_to_the_account(row: str) -> None:
    name, model, data, _ = ROWS[row]
    turn = turn_of(name, data, model)
    assert ("account" in turn["state"]) == (name in ("anthropic", "openai-responses", "openai"))


@pytest.mark.parametrize("change", [{"content": "I do."}, {"content": "I look.So.", "tool_calls": []}])
def test_a_turn_that_was_changed_goes_out_without_its_state(change: dict[str, Any]) -> None:
    name, model, data, _ = ROWS["anthropic"]
    turn = turn_of(name, data, model) | change
    payload, dropped = sent(name, answered(turn), model)
    assert dropped == ("message 2: its state is left out, because the message was changed",)
    assert "c2ln" not in json.dumps(payload)


def edited(calls: list[Any], **function: str) -> list[Any]:
    """Return the calls with another name or other arguments of the first one."""
    return [{**calls[0], "function": {**calls[0]["function"], **function}}, *calls[1:]]


EDITS = {
    "arguments": lambda calls: edited(calls, arguments='{"zone": 7}'),
    "name": lambda calls: edited(calls, name="then"),
    "id": lambda calls: [{**calls[0], "id": "another"}, *calls[1:]],
    "order": lambda calls: calls[::-1],
}


@rows("edit", EDITS)
@rows("row", ["anthropic", "gemini", "responses", "openrouter", "deepseek"])
def test_a_turn_whose_calls_were_changed_goes_out_without_its_state(row: str, edit: str) -> None:
    """400 "Corrupted thought signature." of Gemini; Responses would get one call's id with another call."""
    name, model, data, _ = ROWS[row]
    turn = turn_of(name, data, model)
    calls = EDITS[edit](turn["tool_calls"])
    _, dropped = sent(name, answered({**turn, "tool_calls": calls}), model)
    changed = calls != turn["tool_calls"]
    assert changed or len(calls) == 1
    assert dropped == ("message 2: its state is left out, because the message was changed",) * changed


def test_a_turn_that_broke_off_goes_out_without_its_state() -> None:
    name, model, data, _ = ROWS["anthropic"]
    turn = turn_of(name, data, model) | {"partial": True}
    payload, dropped = sent(name, answered(turn), model)
    assert dropped == ("message 2: its state is left out, because the answer is not complete",)
    assert turn_in(payload)["content"] == [text("I look.So."), use(1, zone="UTC"), use(2, zone="CET")]
    assert sent(name, [QUESTION, {"role": "assistant", "content": "", "partial": True}, QUESTION], model)[1] == ()


BOUND = "claude-opus-5-5"


def second(turn: dict[str, Any], *before: Any) -> list[Any]:
    return [*(before or [QUESTION]), turn, *answered(turn)[2:], QUESTION]


@pytest.mark.parametrize(
    ("first", "tools", "why"),
    [
        (QUESTION, [TOOL], ""),
        ({"role": "user", "content": "Hm?"}, [TOOL], "message 1 was changed"),
        (QUESTION, [TOOL, {"type": "function", "function": {"name": "more"}}], "the tools were changed"),
    ],
)
def test_thinking_that_is_bound_to_what_came_before_is_left_out_if_that_was_changed(
    first: Any, tools: list[Any], why: str
) -> None:
    """All thinking behind the change is left out, none before it.

    Source: platform.claude.com, preserved-thinking/prefix-checks (2026).
    """
    turn = turn_of("anthropic", ANTHROPIC, BOUND)
    # The next turn of the same conversation has seen the first one.
    state = {**turn["state"]}
    call = asked("anthropic", second(turn), BOUND)
    *_, state["prefix"] = prefixes(call)
    history = [*second(turn, first), {**turn, "state": state}, *answered(turn)[2:]]
    payload, dropped = sent("anthropic", history, BOUND, options={"tools": tools})
    later = "one of messages 1 to 5 was changed" if "message" in why else why
    told = [
        f"message {number}: its state is left out, because {said}" for number, said in ((2, why), (6, later)) if why
    ]
    assert [*dropped] == told
    assert json.dumps(payload).count("c2ln") == (0 if why else 2)
    # Other models do not look at what came before.
    old = turn_of("anthropic", ANTHROPIC, "claude-sonnet-4-5")
    assert sent("anthropic", second(old, first), "claude-sonnet-4-5", options={"tools": tools})[1] == ()


def test_a_change_behind_the_first_turn_leaves_that_turn_as_it_was() -> None:
    turn = turn_of("anthropic", ANTHROPIC, BOUND)
    history = [*second(turn), QUESTION, {**turn, "state": {**turn["state"], "prefix": "x-y"}}, *answered(turn)[2:]]
    _, dropped = sent("anthropic", history, BOUND)
    assert dropped == ("message 7: its state is left out, because the tools were changed",)
    mine = turn["state"]["prefix"].rpartition("-")[0]
    history[6]["state"]["prefix"] = f"{mine}-y"
    _, dropped = sent("anthropic", history, BOUND)
    assert dropped == ("message 7: its state is left out, because one of messages 3 to 6 was changed",)


def test_a_service_of_text_alone_is_told_of() -> None:
    turn = {"role": "assistant", "content": "a", "state": {"parts": [{"reasoning": "b"}, "a"]}}
    _, dropped = sent("cromicle", [QUESTION, turn, QUESTION], "gpt-3.5-turbo", options={}, api_key=None)
    assert dropped == ("message 2: its state is left out, which this service does not take",)


@pytest.mark.parametrize("state", ["x", {"parts": "x"}, {"parts": [None]}, {"provider": "a"}])
def test_a_state_that_no_message_of_ours_has_is_refused(state: Any) -> None:
    with pytest.raises(g4flite.MessagesError, match=r"message 2 has a state that is not the one of a `Stream.message`"):
        asked("anthropic", [QUESTION, {"role": "assistant", "content": "a", "state": state}, QUESTION], "m")


def test_details_that_are_longer_than_a_frame_may_be_are_an_error() -> None:
    piece = chunk({"reasoning_details": [{"type": "reasoning.text", "text": "x" * 400_000}]})
    *_, error = read_once("openrouter", sse(piece, piece, piece), 2**16)
    assert isinstance(error, g4flite.LimitError)


def test_a_state_without_a_part_of_its_own_begins_a_new_part() -> None:
    """Two signed texts are never one part (ai.google.dev, thought-signatures)."""
    data = sse(gemini({"text": "a", "thoughtSignature": "x"}, {"text": "b", "thoughtSignature": "y"},
                      {"text": "c", "thought": True, "thoughtSignature": "z"}, finishReason="STOP"))  # fmt: skip
    turn = turn_of("gemini", data, "gemini-3-pro")
    assert turn["state"]["parts"] == ["a", {"thoughtSignature": "x"}, "b", {"thoughtSignature": "y"},
                                      {"reasoning": "c"}, {"thoughtSignature": "z"}]  # fmt: skip
    payload, _ = sent("gemini", answered(turn), "gemini-3-pro")
    assert turn_in(payload)["parts"] == [
        {"text": "a", "thoughtSignature": "x"}, {"text": "b", "thoughtSignature": "y"},
        {"text": "c", "thought": True, "thoughtSignature": "z"},
    ]  # fmt: skip
    assert TurnState(None) in read("gemini", data)


def responses_turn(*output: dict[str, Any]) -> tuple[Any, tuple[str, ...]]:
    """Return the items that go back of this output, and what is left out of it."""
    frames = [event for index, one in enumerate(output) for event in item(index, one)]
    turn = turn_of("openai-responses", events(*frames, COMPLETED), "gpt-5.6")
    payload, dropped = sent("openai-responses", answered(turn), "gpt-5.6")
    return items_of(payload), dropped


def items_of(payload: Any) -> list[Any]:
    """Return the items of Responses that are an answer's."""
    return [one for one in payload["input"] if one.get("role") != "user" and one.get("type") != "function_call_output"]


def said_item(number: int, text: str, **more: Any) -> dict[str, Any]:
    """Return an item of Responses that is a message."""
    return {"type": "message", "id": f"msg_{number}", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": text, "annotations": []}], **more}  # fmt: skip


def bare(item: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key != "id"}


def unnamed(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"type": "output_text", "text": text}]}


CALLS = [{**CALL_ITEM, "id": f"fc_{number}", "call_id": f"call_{number}"} for number in range(3)]
FINAL = said_item(2, "It is nine.", phase="final_answer")
CUT = said_item(3, "It is", status="incomplete")


@rows(
    ("output", "back"),
    [
        # As the vendor's client sends them: `input += response.output`.
        *(
            (output, output)
            for output in (
                [said_item(1, "I look.")],
                [said_item(1, "I look."), said_item(2, "It is nine.")],
                [said_item(1, "I look.", phase="final_answer"), FINAL],
                [said_item(1, "I look.", content=[{**SOURCED["content"][0], "text": "I look."}]), FINAL],
                [CALLS[0]],
                [CALLS[0], FINAL],
                [CALLS[0], THOUGHT, CALLS[2]],
                [said_item(1, "I look."), CALLS[0], FINAL, CALLS[1]],
                [COMMENTARY, said_item(1, "I look."), CALLS[0]],
                [said_item(1, "I look."), CUT],
            )
        ),
        # Servers without ids.
        ([bare(said_item(1, "I look.")), bare(FINAL)], [unnamed("I look."), unnamed("It is nine.")]),
        ([bare(CALLS[0]), bare(FINAL), bare(CALLS[1])], [bare(CALLS[0]), unnamed("It is nine."), bare(CALLS[1])]),
        ([bare(said_item(1, "I look.")), FINAL], [unnamed("I look."), FINAL]),
    ],
)
def test_each_item_of_responses_goes_back_as_it_came(output: list[Any], back: list[Any]) -> None:
    whole = events({"type": "response.completed", "response": {"status": "completed", "output": output}})
    frames = [event for index, one in enumerate(output) for event in unheaded(index, one)]
    for reply in (events(*frames, COMPLETED), whole):
        turn = turn_of("openai-responses", reply, "gpt-5.6")
        payload, dropped = sent("openai-responses", answered(turn), "gpt-5.6")
        assert (items_of(payload), dropped) == (back, ())


def unheaded(index: int, whole: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the events of an item, which may have no id."""
    return [
        {"type": "response.output_item.added", "output_index": index, "item": {**whole, "content": []}},
        {"type": "response.output_item.done", "output_index": index, "item": whole},
    ]


def spread(*blocks: dict[str, Any]) -> bytes:
    """Return a reply of Anthropic's, with each text in two deltas."""
    frames: list[dict[str, Any]] = [{"type": "message_start", "message": {"id": "m1", "model": "m"}}]
    for index, one in enumerate(blocks):
        halves = [] if one["type"] != "text" else [one["text"][:2], one["text"][2:]]
        deltas = [{"type": "text_delta", "text": half} for half in halves]
        frames += block(index, {**one, "text": ""} if halves else one, *deltas)
    return events(*frames, {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, {"type": "message_stop"})


@rows(
    "content",
    [
        [text("It is "), text("nine.")],
        [text("It is "), {**text("nine"), "citations": [{"type": "char_location", "cited_text": "9"}]}, text(".")],
        [use(1), text("I look.")],
        [use(1), text("I look."), use(2), text("And "), text("again.")],
        [text("I look."), use(1), use(2)],
    ],
)
def test_each_block_of_anthropic_s_goes_back_as_it_came(content: list[Any]) -> None:
    frames = [{key: value for key, value in one.items() if key != "citations"} for one in content]
    reply = spread(*frames)
    if cited := next((one["citations"][0] for one in content if "citations" in one), None):
        place = next(place for place, one in enumerate(content) if "citations" in one)
        stop = sse(("content_block_stop", {"type": "content_block_stop", "index": place}))
        delta = {"type": "content_block_delta", "index": place, "delta": {"type": "citations_delta", "citation": cited}}
        reply = reply.replace(stop, events(delta) + stop)
    turn = turn_of("anthropic", reply, "claude-sonnet-4-5")
    payload, dropped = sent("anthropic", answered(turn), "claude-sonnet-4-5")
    assert (payload["messages"][1]["content"], dropped) == (content, ())
    # In the common order, nothing is kept of what is in the message already.
    assert ("state" in turn) is (content[0] != text("I look."))


@rows(
    ("parts", "back"),
    [
        ([called(1), {"text": "I "}, {"text": "look."}], [called(1), {"text": "I look."}]),
        ([{"text": "A"}, {"text": "b"}, called(1), called(2), {"text": "C"}, {"text": "d"}],
         [{"text": "Ab"}, called(1), called(2), {"text": "Cd"}]),
        ([called(1), {"text": "A"}, {"text": "b"}, called(2), {"text": "C"}],
         [called(1), {"text": "Ab"}, called(2), {"text": "C"}]),
        ([called(1), {"text": "Look.", "thought": True}, {"text": "A"}], [called(1), {"text": "A"}]),
        # What nobody has described yet stands beside the text or the call, which goes back once.
        ([{"text": "I lo"}, {"text": "ok", "new": {"a": 1}}, {"text": "."}, called(1, new=[1], thoughtSignature="x"),
          called(2, new="b"), {"text": "So.", "new": 2, "thoughtSignature": "y"}],
         [{"text": "I lo"}, {"text": "ok", "new": {"a": 1}}, {"text": "."}, called(1, new=[1], thoughtSignature="x"),
          called(2, new="b"), {"text": "So.", "new": 2, "thoughtSignature": "y"}]),
        ([{"text": "Look.", "thought": True, "new": 1}, {"text": "Hm.", "thought": True, "new": 1,
          "thoughtSignature": "x"}, {"new": 1}, {"text": "A"}],
         [{"text": "Hm.", "thought": True, "new": 1, "thoughtSignature": "x"}, {"new": 1}, {"text": "A"}]),
    ],
)  # fmt: skip
def test_the_parts_of_gemini_s_go_back_in_their_order(parts: list[Any], back: list[Any]) -> None:
    """Models before Gemini 3 sign no call unless they think."""
    reply = sse(*map(gemini, parts), gemini({"text": ""}, finishReason="STOP"))
    turn = turn_of("gemini", reply, "gemini-2.5-flash")
    payload, dropped = sent("gemini", answered(turn), "gemini-2.5-flash")
    assert (turn_in(payload)["parts"], dropped) == (back, ())


def test_the_order_of_an_answer_goes_to_its_own_service_alone() -> None:
    turn = turn_of("anthropic", spread(use(1), text("I "), text("look.")), "claude-sonnet-4-5")
    payload, dropped = sent("openai", answered(turn), "gpt-4o")
    assert turn_in(payload)["content"] == "I look."
    assert dropped == ("message 2: its state is left out, because it belongs to another provider anthropic",)


@pytest.mark.parametrize(
    ("name", "model", "base"),
    [
        ("anthropic", "claude-sonnet-4-5", ""),
        ("openai-responses", "gpt-5.6", "/v1"),
        ("gemini", "gemini-2.5-flash", ""),
    ],
)
def test_a_text_behind_a_call_stays_behind_it(
    name: str, model: str, base: str, driver: Driver, server: Emulator
) -> None:
    server.reply = lambda messages: [ToolCall("", "now", "{}"), "I ", "look."]
    call: dict[str, Any] = {"model": model, "base_url": server.url + base, "api_key": "sk-test-1", "tools": [TOOL]}
    driver.collect(name, [QUESTION], **call)
    turn = json.loads(json.dumps(driver.stream.message))
    server.reply = "Nine."
    driver.collect(name, answered(turn), **call)
    assert (driver.stream.dropped, server.exchanges[-1].problem) == ((), None)
    body = json.loads(server.exchanges[-1].body)
    back = items_of(body) if "input" in body else turn_in(body).get("parts") or turn_in(body)["content"]
    called_, said_ = back
    assert "now" in str(called_)
    assert "I look." in str(said_)


@rows("name", ["moonshot", "deepseek", "zai", "openrouter", "xai", "openai"])
def test_an_answer_that_was_cut_off_in_its_reasoning_is_left_out(name: str) -> None:
    turn = turn_of(name, sse(chunk({"reasoning_content": "Lo"}), chunk(finish_reason="length"), DONE), "m")
    payload, dropped = sent(name, [QUESTION, turn, QUESTION], "m")
    assert payload["messages"] == [QUESTION, QUESTION]
    told = ("message 2: its reasoning is left out, because no text or tool call follows it",)
    # The others want no reasoning back.
    assert dropped == (told if name not in ("xai", "openai") else ())


def test_deepseek_gets_a_reasoning_with_each_answer_if_the_model_thinks() -> None:
    """400 also for a text of another model's before tool calls (experientiallabs/experiential PR#890, 2026)."""
    text, calls = {"role": "assistant", "content": "I look."}, {**chat_turn(content=""), "tool_calls": [call_of(0)]}
    messages = [QUESTION, text, QUESTION, text, calls, tool_result("call00000", "noon"), text, QUESTION]
    for model, field in (("deepseek-v4", {"reasoning_content": ""}), ("deepseek-chat", {})):
        payload, _ = sent("deepseek", messages, model)
        assert [one for one in payload["messages"] if one["role"] == "assistant"] == [
            {**text, **field}, {**text, **field}, {**calls, **field}, {**text, **field}
        ]  # fmt: skip


def test_reasoning_that_nothing_follows_is_left_out() -> None:
    """400 "Item 'rs_1' of type 'reasoning' was provided without its required following item." (pydantic-ai, 2026)."""
    told = ("the reasoning at the end of an answer is left out, because no text or tool call follows it",)
    more = {**THOUGHT, "id": "rs_2"}
    assert responses_turn(THOUGHT, SAID_ITEM, more) == ([THOUGHT, SAID_ITEM], told)


def claude(*blocks: dict[str, Any]) -> bytes:
    """Return a reply of these blocks of text and thinking that was cut off."""
    frames: list[dict[str, Any]] = [{"type": "message_start", "message": {"id": "m1", "model": "m"}}]
    for index, one in enumerate(blocks):
        frames += block(index, one)
    return events(*frames, {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}}, {"type": "message_stop"})


UNSIGNED = {"type": "thinking", "thinking": "Look."}
QUOTE = {"type": "char_location", "cited_text": "9"}


@pytest.mark.parametrize(
    ("blocks", "back"),
    [
        ([SIGNED], []),
        ([SIGNED, REDACTED], []),
        ([SIGNED, text(" ")], []),
        ([UNSIGNED], []),
        ([text("I"), SIGNED], [text("I")]),
        # Each text is a block of its own, and the service takes none of blanks.
        ([SIGNED, text("I"), text(" "), SIGNED, text("\n")], [SIGNED, text("I")]),
        ([SIGNED, SEARCH, REDACTED], [SIGNED, SEARCH]),
        # Nor does it take a text of blanks for its citations' sake.
        ([text("I"), SIGNED, {**text(" "), "citations": [QUOTE]}], [text("I")]),
        ([SIGNED, {**text(""), "citations": [QUOTE]}], []),
        (
            [SIGNED, {**text("I"), "citations": [QUOTE]}, SIGNED, {**text(""), "citations": [QUOTE]}, SIGNED],
            [SIGNED, {**text("I"), "citations": [QUOTE]}],
        ),
    ],
)
def test_thinking_that_nothing_follows_is_left_out(blocks: list[Any], back: list[Any]) -> None:
    """400 "The final block in an assistant message cannot be `thinking`", and 400 for a message without content."""
    turn = turn_of("anthropic", claude(*blocks), "claude-sonnet-4-5")
    payload, dropped = sent("anthropic", answered(turn), "claude-sonnet-4-5")
    assert [one["content"] for one in payload["messages"]] == [QUESTION["content"], *([back] if back else []),
                                                               QUESTION["content"]]  # fmt: skip
    assert dropped == (
        "message 2: the reasoning at the end of an answer is left out, because no text or tool call follows it",
    )


@rows("blocks", [
    [UNSIGNED, text("I")],
    [UNSIGNED, use(1)],
    [UNSIGNED, {**UNSIGNED, "thinking": "Again."}, use(1), text("I")],
    [UNSIGNED, SIGNED, text("I")],
    [SIGNED, UNSIGNED, text("I")],
    [UNSIGNED, REDACTED, text("I"), UNSIGNED, use(1)],
])  # fmt: skip
def test_thinking_without_a_signature_goes_back_to_other_models_than_claude(blocks: list[Any]) -> None:
    """400 "The `content[].thinking` in the thinking mode must be passed back to the API." of DeepSeek's (2026)."""
    # Some servers send an empty signature.
    empty = [{**one, "signature": ""} if "signature" not in one and one["type"] == "thinking" else one
             for one in blocks]  # fmt: skip
    for sent_ in (blocks, empty):
        turn = turn_of("anthropic", claude(*sent_), "deepseek-v4-pro")
        payload, dropped = sent("anthropic", answered(turn), "deepseek-v4-pro")
        assert (turn_in(payload)["content"], dropped) == (blocks, ())
    # Claude takes signed blocks alone, and the caller is told.
    turn = turn_of("anthropic", claude(*blocks), "claude-sonnet-4-5")
    payload, dropped = sent("anthropic", answered(turn), "claude-sonnet-4-5")
    assert turn_in(payload)["content"] == [
        one for one in blocks if one["type"] != "thinking" or one.get("signature")
    ]  # fmt: skip
    assert dropped == ("message 2: reasoning without a signature is left out, which Claude refuses",)


@pytest.mark.parametrize(("blocks", "told"), [([SEARCH, FOUND], 0), ([SIGNED, SEARCH, FOUND], 1)])
def test_an_answer_to_go_on_with_loses_its_thinking_alone_if_the_model_does_not_think(
    blocks: list[Any], told: int
) -> None:
    """400 "When thinking is disabled, an `assistant` message in the final position cannot contain `thinking`"."""
    turn = turn_of("anthropic", claude(*blocks), "claude-sonnet-4-5")
    payload, dropped = sent("anthropic", [QUESTION, turn], "claude-sonnet-4-5")
    assert (turn_in(payload)["content"], len(dropped)) == ([SEARCH, FOUND], told)
    # A model that always thinks keeps its own.
    turn = turn_of("anthropic", claude(*blocks), "claude-opus-5-5")
    assert turn_in(sent("anthropic", [QUESTION, turn], "claude-opus-5-5")[0])["content"] == blocks


@pytest.mark.parametrize(
    ("part", "back"),
    [
        ({"text": "Look.", "thought": True}, {"text": ""}),
        ({"text": "Look.", "thought": True, "thoughtSignature": "x"},) * 2,
    ],
)
def test_an_answer_of_gemini_that_is_reasoning_alone_has_a_part(part: dict[str, Any], back: dict[str, Any]) -> None:
    """400 "must include at least one parts field" (pydantic-ai's cassettes, August 2026)."""
    turn = turn_of("gemini", sse(gemini(part, finishReason="MAX_TOKENS")), "gemini-3-pro")
    payload, dropped = sent("gemini", answered(turn), "gemini-3-pro")
    assert (turn_in(payload)["parts"], dropped) == ([back], ())


def test_a_text_without_an_id_behind_reasoning_goes_back() -> None:
    bare = {key: value for key, value in SAID_ITEM.items() if key != "id"}
    said = {"role": "assistant", "content": [{"type": "output_text", "text": "I look."}]}
    assert responses_turn(THOUGHT, bare) == ([THOUGHT, said], ())


def test_encrypted_details_of_two_calls_at_one_index_are_two() -> None:
    """mastra-ai/mastra#23433"""
    pieces = [
        {"type": "reasoning.text", "index": 0, "text": "Hm"},
        {"type": "reasoning.encrypted", "index": 0, "id": "t1", "data": "E1"},
        {"type": "reasoning.encrypted", "index": 0, "id": "t2", "data": "E2"},
        {"type": "reasoning.encrypted", "index": 0, "id": "t2", "data": "E3"},
        {"type": "reasoning.text", "index": 0, "text": "m."},
    ]
    assert [(detail.get("id"), detail.get("data"), detail.get("text")) for detail in joined_details(pieces)] == [
        (None, None, "Hmm."), ("t1", "E1", None), ("t2", "E2E3", None),
    ]  # fmt: skip
