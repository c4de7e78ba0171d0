"""What Chat Completions hold besides text, reasoning and the client's tool calls, in the services that have it.

deltas = Others(habits, turn)
delta = deltas.delta(Media("image/png", data))      # {"images": [{"type": "image_url", "image_url": {"url": ...}}]}
message |= whole(habits, turn, others)              # the same in a message that is not streamed

Sources: types of openai-python 3.57.0 (audio, annotations), openrouter-python 1.3.84 (images; their place in a delta is
not verified) and groq-python 1.7.0 (executed tools); pydantic-ai's cassette
test_openrouter_web_search_annotations_stream.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from typing import Any

from .._core.events import Citation, Media, ServerToolCall, ServerToolResult
from .conversation import data_url
from .framing import compact
from .openai_habits import JSON, Habits
from .pieces import Other, base64_of, unknown
from .protocol import Turn

# The fields of an executed tool that hold what it found.
OUTCOMES = ("output", "search_results", "code_results", "browser_results")
AUDIO = "audio_1"


class Others:
    """Makes the deltas of one reply."""

    __slots__ = ("_habits", "_places", "_turn")

    def __init__(self, habits: Habits, turn: Turn) -> None:
        self._habits, self._turn = habits, turn
        # The ids of the service's own tools, in order, and their fields.
        self._places = list[tuple[str, JSON]]()

    def delta(self, piece: Other) -> JSON:
        """Return the delta of a piece.  Raise `Refusal` 500 for what the service does not send."""
        if kind_of(piece) not in self._habits.others:
            raise unknown(piece)
        match piece:
            case Citation():
                return {"annotations": [annotation(piece)]}
            case Media() if piece.mime_type.startswith("audio/"):
                return {"audio": {"id": AUDIO, "data": base64_of(piece)}}
            case Media():
                url = piece.url or data_url(piece.mime_type, base64_of(piece))
                return {"images": [{"type": "image_url", "image_url": {"url": url}}]}
            case ServerToolCall():
                tool = {"index": len(self._places), "type": piece.name, "arguments": piece.arguments}
                self._places.append((piece.id, tool))
                return {"executed_tools": [tool]}
        return {"executed_tools": [self._found(piece)]}

    def _found(self, piece: ServerToolResult) -> JSON:
        """Return the entry of a tool that has found something.  Raise `Refusal` 500 without its call."""
        tool = next((tool for id_, tool in reversed(self._places) if piece.id in ("", id_)), None)
        if tool is None:
            raise unknown(piece)
        value = piece.value
        found = value if isinstance(value, dict) and value.keys() <= {*OUTCOMES} else {
            "output": value if isinstance(value, str) else compact(value)
        }  # fmt: skip
        return {**tool, **found}


def kind_of(piece: Other) -> str:
    """Return the word of `Habits.others` for a piece."""
    if isinstance(piece, Media):
        return piece.mime_type.partition("/")[0]
    return "citation" if isinstance(piece, Citation) else "tool"


def annotation(cited: Citation) -> JSON:
    """Return a source of the answer."""
    given: JSON = {"url": cited.url or "", "title": cited.title or "", "start_index": cited.start or 0,
                   "end_index": cited.end or 0}  # fmt: skip
    if cited.text:
        given["content"] = cited.text
    return {"type": "url_citation", "url_citation": given}


def whole(habits: Habits, turn: Turn, others: Iterable[Other]) -> dict[str, Any]:
    """Return the fields of a whole message: the lists of the deltas joined, and the pieces of audio as one."""
    deltas, message, sound = Others(habits, turn), dict[str, Any](), b""
    for piece in others:
        for field, value in deltas.delta(piece).items():
            if field == "audio" and isinstance(piece, Media):
                sound += piece.data or b""
                message["audio"] = {**value, "data": b64encode(sound).decode(), "transcript": ""}
            elif field == "executed_tools":
                # A tool and what it found are one entry.
                known = {tool["index"]: tool for tool in (*message.get(field, ()), *value)}
                message[field] = list(known.values())
            else:
                message[field] = [*message.get(field, ()), *value]
    return message
