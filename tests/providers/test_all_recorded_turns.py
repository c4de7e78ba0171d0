"""What the vendors' own clients sent behind a recorded reply, and what is sent here behind the same reply.

The replies and the requests are those of pydantic-ai's cassettes of 2026 (commit 4fda3898), which name the client's
second request; long texts and signatures are cut.  Where the recorded reply is one JSON value, it is told here as the
events that the service streams.  Each row names what may differ.
"""

import json
from typing import Any

from g4flite import tool_result
from tests.providers.frames import DONE, STOP, chunk, said, sse
from tests.providers.test_all_turns import COMPLETED, QUESTION, block, events, item, sent, turn_of
from tests.rows import rows


def claude(model: str, reason: str, *blocks: list[dict[str, Any]]) -> bytes:
    start = {"type": "message_start", "message": {"id": "msg_01WvueFjZVbHcj4H4zUzeGv2", "model": model}}
    end = {"type": "message_delta", "delta": {"stop_reason": reason}}
    return events(start, *(event for one in blocks for event in one), end, {"type": "message_stop"})


# test_anthropic/test_anthropic_tool_with_thinking.  The client says `is_error: false`, which is what no word means.
SIGNED = "EqEECkYICxgCKkAo3UA4WwDbB8ihhpykVCsPx6iMzwNTNP8dePIgYjNpu2EWrt5JbApWWONEZaf5w46939Vu1SDU1//mDyr2/Vw+JwYAQ=="
THOUGHT = 'The user is asking about the largest city in "the user country".\n\nLet me call the function first.'
SAID = "I'll help you find the largest city in your country. First, let me determine which country you're from."
COUNTRY = {"type": "tool_use", "id": "toolu_01YGzqpRE16Vricda3Aqcejo", "name": "get_user_country", "input": {}}
TOOL_WITH_THINKING = claude(
    "claude-sonnet-4-20250514", "tool_use",
    block(0, {"type": "thinking", "thinking": "", "signature": ""}, {"type": "thinking_delta", "thinking": THOUGHT},
          {"type": "signature_delta", "signature": SIGNED}),
    block(1, {"type": "text", "text": ""}, {"type": "text_delta", "text": SAID}),
    block(2, COUNTRY, {"type": "input_json_delta", "partial_json": ""}),
)  # fmt: skip

# test_anthropic/test_anthropic_fable_5_1_drops_a_stale_thinking_block: thinking without a text goes back, too.
EMPTY = "CAQS/wMKEAgRGAI4AUIIdGhpbmtpbmcSDDU4JvUP865NeZ20mxoMCN6UZ+Zdt8rIXUUzIjCyYqAQons0WKsh9eF2/iGAE="
PRODUCT = "17 \u00d7 23 = 17 \u00d7 20 + 17 \u00d7 3 = 340 + 51 = **391**."
FABLE = claude(
    "claude-fable-5-1", "end_turn",
    block(0, {"type": "thinking", "thinking": "", "signature": ""}, {"type": "signature_delta", "signature": EMPTY}),
    block(1, {"type": "text", "text": ""}, {"type": "text_delta", "text": PRODUCT}),
)  # fmt: skip

# test_google/test_google_streaming_tool_call_thought_signature, as it was streamed.  The reply names no id, so each
# client makes one.  The client writes base64 in the alphabet for URLs, in which the service reads it as well.
THOUGHT_SIGNATURE = "Et8ECtwEAXLI2nyCB1jKZUE4ZxdH07XhZlpU7X7tlcbNO8oQurN910Rmh6fTq1azIzM7kzq/xMB7GilOxBK6VMDoMg=="
GEMINI = sse(
    {"candidates": [{"content": {"parts": [{"functionCall": {"name": "get_country", "args": {}},
                                            "thoughtSignature": THOUGHT_SIGNATURE}], "role": "model"}, "index": 0}],
     "modelVersion": "gemini-3-pro-preview", "responseId": "SVV8aY6uBqe6qtsPmJbEuAM"},
    {"candidates": [{"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "STOP", "index": 0}],
     "modelVersion": "gemini-3-pro-preview", "responseId": "SVV8aY6uBqe6qtsPmJbEuAM"},
    end="\r\n\r\n",
)  # fmt: skip

# test_openai_responses/test_openai_responses_thinking_with_tool_calls.
REASONING = {
    "type": "reasoning", "id": "rs_0c4304d16a4bf24200697cccab25d081a1969a2adbce35d18a",
    "encrypted_content": "gAAAAABpfMzS_LdBT60CBfzz-cXTeEtfElEuzMhKjpb4RP0mNiCycSg1o3TwArK3PMsAvDiIO77Ltk78Cv6B42",
    "summary": [{"type": "summary_text", "text": "**Crafting a poem structure**\n\nI need to create a 12-line poem"},
                {"type": "summary_text", "text": "**Selecting capitals for meaningful lines**\n\nI need to"}],
}  # fmt: skip
CALLED = {
    "type": "function_call", "id": "fc_0c4304d16a4bf24200697cccd20f7c81a18d8f8d981765e27e",
    "call_id": "call_MZPoaCDhIYRyG4kUPSdtdINs", "name": "update_plan", "arguments": '{"plan":"Plan: 1) Parse"}',
}  # fmt: skip
RESPONSES = events(
    *item(0, REASONING, summary=[], encrypted_content="gAAAAABpfMzS"),
    *item(1, CALLED, {"type": "response.function_call_arguments.delta", "delta": CALLED["arguments"]}, arguments=""),
    COMPLETED,
)

# test_deepseek/test_deepseek_deferred_capability_with_thinking, the first and the second reply.
DEEPSEEK_THOUGHT = "The user wants to play a dice game.\n\nLet me load the capability first."


def deepseek_call(id_: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


LOAD = deepseek_call("call_00_sXqYgMESDht75NCLLZtt9804", "load_capability", '{"id": "DICE_ROLL"}')
ROLLS = [deepseek_call("call_00_6edlnw3Z1MgeMfey687g8451", "get_player_name", "{}"),
         deepseek_call("call_01_km02sac7sHxNDPATKLZy7705", "roll_dice", "{}")]  # fmt: skip


def deepseek(thought: str, text: str, *calls: dict[str, Any]) -> bytes:
    deltas = [{"tool_calls": [{"index": number, **call}]} for number, call in enumerate(calls)]
    return sse(chunk({"content": None, "reasoning_content": thought}), said(text), *map(chunk, deltas), STOP, DONE)


# The provider, the model, the reply, what follows it here, and what the client sent from the reply's turn on.
ROWS: dict[str, tuple[str, str, bytes, list[Any], list[Any]]] = {
    "anthropic, a tool": (
        "anthropic", "claude-sonnet-4-0", TOOL_WITH_THINKING, [tool_result(COUNTRY["id"], "Mexico")],
        [{"role": "assistant", "content": [{"type": "thinking", "thinking": THOUGHT, "signature": SIGNED},
                                           {"type": "text", "text": SAID}, COUNTRY]},
         {"role": "user", "content": [
             {"type": "tool_result", "tool_use_id": COUNTRY["id"], "content": "Mexico"}]}],
    ),
    "anthropic, empty thinking": (
        "anthropic", "claude-fable-5-1", FABLE, [{"role": "user", "content": "And times two?"}],
        [{"role": "assistant", "content": [{"type": "thinking", "thinking": "", "signature": EMPTY},
                                           {"type": "text", "text": PRODUCT}]},
         {"role": "user", "content": "And times two?"}],
    ),
    "gemini": (
        "gemini", "gemini-3-pro-preview", GEMINI, [],
        [{"role": "model", "parts": [{"functionCall": {"id": "ID", "name": "get_country", "args": {}},
                                      "thoughtSignature": THOUGHT_SIGNATURE}]},
         {"role": "user", "parts": [{"functionResponse": {"id": "ID", "name": "get_country",
                                                          "response": {"return_value": "Mexico"}}}]}],
    ),
    "responses": (
        "openai-responses", "gpt-5", RESPONSES, [tool_result(CALLED["call_id"], "plan updated")],
        [REASONING, CALLED,
         {"type": "function_call_output", "call_id": CALLED["call_id"], "output": "plan updated"}],
    ),
    "deepseek": (
        "deepseek", "deepseek-reasoner",
        deepseek(DEEPSEEK_THOUGHT, "Let me load the dice rolling capability!", LOAD), [tool_result(LOAD["id"], "{}")],
        [{"role": "assistant", "content": "Let me load the dice rolling capability!", "tool_calls": [LOAD],
          "reasoning_content": DEEPSEEK_THOUGHT},
         {"role": "tool", "tool_call_id": LOAD["id"], "content": "{}"}],
    ),
    "deepseek, two calls": (
        "deepseek", "deepseek-reasoner", deepseek("Great, now I have access", "Let me get your name and roll!", *ROLLS),
        [tool_result(ROLLS[0]["id"], "Anne"), tool_result(ROLLS[1]["id"], "4")],
        [{"role": "assistant", "content": "Let me get your name and roll!", "tool_calls": ROLLS,
          "reasoning_content": "Great, now I have access"},
         {"role": "tool", "tool_call_id": ROLLS[0]["id"], "content": "Anne"},
         {"role": "tool", "tool_call_id": ROLLS[1]["id"], "content": "4"}],
    ),
}  # fmt: skip


@rows("row", ROWS)
def test_the_second_request_is_the_one_that_the_vendors_client_sent(row: str) -> None:
    name, model, reply, following, expected = ROWS[row]
    turn = turn_of(name, reply, model)
    if not following:
        call = turn["tool_calls"][0]["id"]
        following = [tool_result(call, {"return_value": "Mexico"})]
        expected = json.loads(json.dumps(expected).replace('"ID"', json.dumps(call)))
    payload, dropped = sent(name, [QUESTION, turn, *following], model)
    items = payload.get("input") or payload.get("contents") or payload["messages"]
    assert items[1:] == expected
    assert dropped == ()


def test_a_call_that_the_caller_made_up_has_an_empty_reasoning_for_deepseek() -> None:
    """As in test_deepseek_deferred_capability_with_thinking, where the service accepts it."""
    search = deepseek_call("auto_load_eb5fc31bb581b4e7", "search_tools", '{"queries":["DICE_ROLL"]}')
    made = {"role": "assistant", "content": None, "tool_calls": [search]}
    payload, _ = sent("deepseek", [QUESTION, made, tool_result(search["id"], "{}")], "deepseek-reasoner")
    turn = payload["messages"][1]
    # No text is "" here and null there.
    assert turn.pop("content") in ("", None)
    assert turn == {"role": "assistant", "tool_calls": [search], "reasoning_content": ""}
