"""Joins the pieces of a reply: tool calls, `<think>` tags and surrogate pairs that were split between frames.

reasoning = ThinkTag()
list(reasoning.feed("<thi")), list(reasoning.feed("nk>Hm</think>Hi"))   # [], [Reasoning("Hm"), "Hi"]
"""

import json
from collections.abc import Iterator

from ..events import Reasoning, ToolCall, ToolCallDelta

OPEN, CLOSE = "<think>", "</think>"
# Characters that are held back while the tag may still come.  Blanks before a tag are the only text as long as this.
LONGEST_START = 1024


class SurrogatePairs:
    """Joins surrogate pairs that JSON escapes (`"\\ud83d"`, `"\\ude00"`) have split between two texts."""

    __slots__ = ("high",)

    def __init__(self) -> None:
        # The first half of a pair, at the end of the last text; "" if there is none.
        self.high = ""

    def join(self, text: str) -> str:
        """Return the text with its pairs joined.

        A high surrogate at the end waits for the next text; any other half of a pair becomes U+FFFD.
        """
        if self.high and text:
            text, self.high = self.high + text, ""
        try:
            text.encode()
        except UnicodeEncodeError:
            if "\ud800" <= text[-1] <= "\udbff":
                text, self.high = text[:-1], text[-1]
            return join_surrogates(text)
        return text


def join_surrogates(text: str) -> str:
    """Return the text with the halves of its surrogate pairs joined; a lone half becomes U+FFFD."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class ThinkTag:
    """Splits `<think>reasoning</think>text` at the start of an answer, from a server that does not keep the two apart.

    Pieces of an answer go in, texts and `Reasoning` come out; a tag that is split between pieces is held back until it
    is whole.  Only an answer that begins with the tag, or with blanks and the tag, is split; in any other answer the
    tag is text.  Source: DeepSeek-R1's chat template, as the Hugging Face router passes it on (recorded, August 2026).
    """

    __slots__ = ("_held", "_tag", "off")

    def __init__(self) -> None:
        self._held, self._tag = "", OPEN
        # True once everything that follows is text.
        self.off = False

    def feed(self, text: str) -> Iterator[str | Reasoning]:
        """Yield what the piece completes."""
        text, self._held = self._held + text, ""
        if self._tag is OPEN:
            start = text.lstrip()
            if len(start) < len(OPEN) and OPEN.startswith(start) and len(text) < LONGEST_START:
                self._held = text
                return
            if not start.startswith(OPEN):
                self.off = True
                yield text
                return
            self._tag, text = CLOSE, start.removeprefix(OPEN)
        reasoning, found, answer = text.partition(CLOSE)
        if found:
            self.off = True
        else:
            # The end of this piece may be the beginning of the closing tag.
            keep = next((n for n in range(len(CLOSE) - 1, 0, -1) if reasoning.endswith(CLOSE[:n])), 0)
            reasoning, self._held = reasoning[: len(reasoning) - keep], reasoning[len(reasoning) - keep :]
        if reasoning:
            yield Reasoning(reasoning)
        if answer:
            yield answer

    def close(self) -> Iterator[str | Reasoning]:
        """Yield what is held back: the beginning of a tag that never became whole."""
        if held := self._held:
            self._held = ""
            yield held if self._tag is OPEN else Reasoning(held)


class ToolCalls:
    """Joins the fragments of tool calls.

    `add` makes each fragment a `ToolCallDelta`, `whole` makes the `ToolCall`s when they are complete.  A service knows
    its calls by a key of its own (an index, an id), which is `key` in all methods.
    """

    __slots__ = ("_count", "_open")

    def __init__(self) -> None:
        # The first fragment of each call that is not complete, and the texts of its arguments so far.
        self._open: dict[object, tuple[ToolCallDelta, list[str]]] = {}
        self._count = 0

    def add(self, key: object, *, id: str | None = None, name: str | None = None, text: str = "") -> ToolCallDelta:  # noqa: A002
        """Return the next fragment of a call.  Raises `TypeError` if the first fragment of a call has no name.

        Some servers number every call 0: a fragment with another id (or, without ids, another name) begins a new call.
        """
        first, texts = self._open.get(key) or (None, [])
        if first is not None and name and (id or name) != (first.id if id else first.name):
            self._open[key, first.id] = self._open.pop(key)
            first, texts = None, []
        if first is None:
            if not isinstance(name, str):
                raise TypeError("a tool call begins without its name")
            first = ToolCallDelta(self._count, id or f"call_{self._count}_{name}", name, "")
            self._open[key] = first, texts
            self._count += 1
        delta = ToolCallDelta(first.index, first.id, first.name, text)
        texts.append(delta.arguments)
        return delta

    def once(self, name: str, arguments: object, id: str | None = None) -> Iterator[ToolCallDelta | ToolCall]:  # noqa: A002
        """Yield the fragment and the call, for a service that sends it whole; `arguments` is an object or JSON text."""
        text, key = arguments if isinstance(arguments, str) else json.dumps(arguments or {}), object()
        yield self.add(key, id=id, name=name, text=text)
        yield from self.whole(key)

    def __contains__(self, key: object) -> bool:
        return key in self._open

    def arguments(self, key: object) -> str:
        """Return the arguments of this call so far."""
        return "".join(self._open[key][1]) if key in self._open else ""

    def whole(self, *keys: object) -> Iterator[ToolCall]:
        """Yield the calls of these keys, or all, that have not come out yet."""
        for key in keys or tuple(self._open):
            if key in self._open:
                first, texts = self._open.pop(key)
                yield ToolCall(first.id, first.name, join_surrogates("".join(texts)) or "{}")
