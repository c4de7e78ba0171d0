"""Quirks: forms in which real services send a streamed reply, although their protocols do not describe them.

frames = QUIRKS["content_after_finish"]["chat"](frames)      # what `Script(quirk="content_after_finish")` does

A quirk changes the frames of a well-formed reply, one function for each protocol that is known to be sent so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from .call_quirks import CALL_QUIRKS, UNCLEAR_CALL_QUIRKS
from .count_quirks import COUNT_QUIRKS
from .end_quirks import END_QUIRKS
from .extra_quirks import EXTRA_QUIRKS
from .frames import Frame, Quirk
from .whole_quirks import WHOLE_QUIRKS


def content_after_finish(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Chat, Anthropic: the frame with the finish reason comes before the last one of content.

    Source: anomalyco/opencode#43040 and PR#49167 (SenseNova and NVIDIA, September 2026).
    """
    held: list[Frame] = []
    for frame in frames:
        data = frame.data if isinstance(frame.data, dict) else {}
        choices, kind = data.get("choices"), data.get("type")
        if (choices and choices[0].get("finish_reason")) or kind == "message_delta":
            yield frame
            yield from held
            held = []
        elif choices or kind == "content_block_delta":
            yield from held
            held = [frame]
        else:
            # What stands behind the last content: the end of its block.
            held.append(frame)
            if kind != "content_block_stop":
                yield from held
                held = []
    yield from held


def _failing(error: bytes) -> Quirk:
    """Return a quirk: behind the first frame that holds content, these bytes take the place of all other frames."""

    def quirk(frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            yield frame
            if isinstance(frame.data, dict) and re.search('"(content|text|delta)": ?["{]', json.dumps(frame.data)):
                break
        yield Frame("", error)

    return quirk


# A server that fails while it streams writes the body of its HTTP error into the stream, as bare JSON in which no line
# begins with `data:` (maximhq/bifrost#5262, July 2026), or sends an event `error` whose data is plain text
# (davidmigloz/ai_clients_dart#88, March 2026), or writes the error into an event that it had begun
# (Wei-Shaw/sub2api#1471, April 2026).  Cohere's body has no field `error` (docs.cohere.com/reference/errors), and
# relays send the errors of vLLM and Mistral in streams of other protocols.  Gemini's body is a list of one error,
# FastAPI's has the field `detail`, llama.cpp's stood in a field `error` of its own, with `[DONE]` behind it, until
# September 2025 (ggml-org/llama.cpp#16109, coddy-project/coddy-agent#106), and MiniMax has an object of its own
# (RooCodeInc/Roo-Code#9105, November 2025); OpenRouter's may stand in a choice (genkit-ai/genkit PR#6259, September
# 2026).
bare_error = _failing(b'{"error":{"message":"prompt is too long","type":"invalid_request_error"}}\n\n')
error_in_plain_text = _failing(b"event: error\ndata: prompt is too long\n\n")
bare_message = _failing(b'  {"id":"4","message":"prompt is too long"}\n\n')
error_of_another_protocol = _failing(
    b'data: {"object":"error","message":"prompt is too long","type":"x","code":400}\n\n'
)
error_in_a_list = _failing(b'data: [{"error":{"code":400,"message":"prompt is too long"}}]\n\n')
error_as_detail = _failing(b'data: {"detail":"prompt is too long"}\n\n')
error_in_base_resp = _failing(b'data: {"base_resp":{"status_code":2013,"status_msg":"prompt is too long"}}\n\n')
error_in_choice = _failing(
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"error","error":{"message":"prompt is too long"}}]}\n\n'
)
# OpenRouter's word for what ended the answer at the service behind it (OleksandrChekhovskyi/hax#15, August 2026).
error_in_native_reason = _failing(
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop","native_finish_reason":"network_error"}]}\n\n'
    b"data: [DONE]\n\n"
)
error_on_lines = _failing(b'{\n  "error": "prompt is too long"\n}\n')
error_in_field = _failing(
    b'error: {"code":400,"message":"prompt is too long","type":"invalid_request_error"}\n\ndata: [DONE]\n\n'
)
error_in_half_an_event = _failing(b'data: {"half\ndata: {"error":{"message":"prompt is too long"}}\n\n')
STREAMS = ("chat", "responses", "anthropic", "gemini", "cohere")

# By the name of the quirk, and by the name of the protocol.
QUIRKS: Mapping[str, Mapping[str, Quirk]] = {
    "content_after_finish": dict.fromkeys(("chat", "anthropic"), content_after_finish),
    "bare_error": dict.fromkeys(STREAMS, bare_error),
    "bare_message": dict.fromkeys(STREAMS, bare_message),
    "error_of_another_protocol": dict.fromkeys(STREAMS, error_of_another_protocol),
    "error_in_a_list": dict.fromkeys(STREAMS, error_in_a_list),
    "error_in_choice": {"chat": error_in_choice},
    "error_in_native_reason": {"chat": error_in_native_reason},
    "error_in_base_resp": dict.fromkeys(STREAMS, error_in_base_resp),
    "error_as_detail": dict.fromkeys(STREAMS, error_as_detail),
    "error_in_field": dict.fromkeys(STREAMS, error_in_field),
    "error_on_lines": dict.fromkeys((*STREAMS, "ollama"), error_on_lines),
    "error_in_half_an_event": dict.fromkeys(STREAMS, error_in_half_an_event),
    "error_in_plain_text": dict.fromkeys(STREAMS, error_in_plain_text),
    **CALL_QUIRKS,
    **UNCLEAR_CALL_QUIRKS,
    **COUNT_QUIRKS,
    **END_QUIRKS,
    **EXTRA_QUIRKS,
    **WHOLE_QUIRKS,
}
