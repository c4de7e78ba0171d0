"""Fields: reads those fields of a frame that services fill in many ways.  For the readers of the protocols.

What these functions read is not the answer's text, so no value of any shape is an error: it is read, kept as `Native`,
or passed over.
"""

from collections.abc import Iterator
from typing import Any

from ..events import Native, Reasoning, Start
from .names import name_of


class Naming:
    """The id and the model of a reply, which come at once or one after the other.

    Azure's first chunk has neither; llama.cpp and LiteLLM name the model of a response in `response.completed`.
    """

    __slots__ = ("complete", "start")

    def __init__(self) -> None:
        self.start: Start | None = None
        # True once both are known, so that a reader need not ask any more.
        self.complete = False

    def learn(self, response_id: object, model: object) -> Start | None:
        """Return a `Start` for the first frame, and for a later frame that adds the id or the model; else None."""
        known = self.start or Start()
        start = Start(known.response_id or name_of(response_id), known.model or name_of(model))
        if start == self.start:
            return None
        self.start, self.complete = start, None not in start
        return start


def as_object(value: object) -> dict[str, Any]:
    """Return the value if it is a JSON object, else {}."""
    return value if isinstance(value, dict) else {}


def weight(value: object) -> int:
    """Return about how many characters a JSON value has, at any depth."""
    total, rest = 0, [value]
    while rest:
        one = rest.pop()
        total += len(one) if isinstance(one, str) else 8
        if isinstance(one, dict):
            rest += (*one, *one.values())
        elif isinstance(one, list):
            rest += one
    return total


def reasoning_of(value: object, name: str = "reasoning") -> Iterator[Reasoning | Native]:
    """Yield the reasoning in a field: a text, a part `{"type", "text"}`, or a list of both.

    What cannot be read as text is `Native`, by the `type` of the part or by the field's `name`.
    Source: NousResearch/hermes-agent#104711 and PR#85791, September 2026 (relays of Grok and GLM send a list of parts).
    """
    for part in value if isinstance(value, list) else (value,):
        kind = part.get("type") if isinstance(part, dict) else None
        text = part.get("text") if isinstance(part, dict) else part
        if isinstance(text, str):
            if text:
                yield Reasoning(text)
        elif part is not None:
            yield Native(kind if isinstance(kind, str) and kind else name, part)
