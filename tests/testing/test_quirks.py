"""The forms of a reply that `Script(quirk=...)` makes."""

from __future__ import annotations

import pytest

from g4flite.testing import Reasoning, Script
from g4flite.testing.frames import Frame, blocks_of, frames_of
from g4flite.testing.quirks import QUIRKS, bare_error
from tests.open_protocols import ANTHROPIC, CHAT, ask, events, hear
from tests.testing.sockets import emulate, mistaken

pytestmark = pytest.mark.usefixtures("nothing_is_left_behind")


def test_frames_are_read_and_written_without_a_change() -> None:
    blocks = [b": comment\n\n", b'event: a\ndata: {"b":1}\n\n', b'data: {"b":2}\n\n', b"data: [DONE]\n\n"]
    assert list(frames_of(blocks)) == [
        Frame("", blocks[0]), Frame("a", {"b": 1}), Frame("", {"b": 2}), Frame("", blocks[3])
    ]  # fmt: skip
    assert list(blocks_of(frames_of(blocks), lines=False)) == blocks
    assert list(blocks_of(frames_of([b'{"b":1}\n']), lines=True)) == [b'{"b":1}\n']


def test_content_after_finish() -> None:
    with emulate(lambda _: [Reasoning("hm"), "Sun", "ny"], script=Script(quirk="content_after_finish")) as e:
        *chunks, done = events(hear(e, CHAT))
        choices = [chunk["choices"][0] for chunk in chunks if chunk["choices"]]
        assert [choice["delta"].get("content") or choice["finish_reason"] for choice in choices[-3:]] == [
            "Sun", "stop", "ny"
        ]  # fmt: skip
        assert done == "[DONE]"


def test_content_after_finish_of_anthropic() -> None:
    with emulate(lambda _: ["Sun", "ny"], script=Script(quirk="content_after_finish")) as e:
        assert [event["type"] for event in events(hear(e, ANTHROPIC))][-5:] == [
            "content_block_delta", "message_delta", "content_block_delta", "content_block_stop", "message_stop"
        ]  # fmt: skip


def test_input_tokens_in_message_delta() -> None:
    with emulate(lambda _: ["Sun"], script=Script(quirk="input_tokens_in_message_delta")) as e:
        start, *_, delta, _ = events(hear(e, ANTHROPIC))
        counts = start["message"]["usage"] | delta["usage"]
        assert counts["input_tokens"] > 0
        assert delta["usage"] == counts


def test_an_unknown_quirk_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="quirk: expected one of content_after_finish"):
        Script(quirk="no such quirk")


def test_a_protocol_that_nobody_sends_so_refuses_the_quirk() -> None:
    assert "anthropic" not in QUIRKS["named_at_the_end"]
    with mistaken(emulate(script=Script(quirk="named_at_the_end"))) as e:
        response = ask(e, ANTHROPIC)
        assert response.status == 500
        assert "quirk" in response.body.decode()


def test_an_error_also_ends_a_reply_without_content() -> None:
    assert list(bare_error(iter([Frame("", {"choices": []})])))[1:] == [
        Frame("", b'{"error":{"message":"prompt is too long","type":"invalid_request_error"}}\n\n')
    ]
