"""Assembles what a service has split between frames: surrogate pairs, `<think>` tags and tool calls.

pairs = SurrogatePairs()
pairs.join("\\ud83d"), pairs.join("\\ude00")                              # "", "\\U0001f600"
think = ThinkTag()
list(think.feed("<thi")), list(think.feed("nk>Hm</think>Hi"))           # [], [Reasoning("Hm"), "Hi"]
calls = ToolCalls()
calls.add(0, id="c1", name="now", text='{"zo'), calls.add(0, text='ne": 1}')   # two of `ToolCallDelta`
list(calls.whole())                                                     # [ToolCall("c1", "now", '{"zone": 1}')]
"""

import json
from collections.abc import Iterator

from ..events import Reasoning, ToolCall, ToolCallDelta

OPEN, CLOSE = "<think>", "</think>"
# Characters that are held back at most while the opening tag may still come: white space and the beginning of the tag.
LONGEST_START = 1024


class SurrogatePairs:
    """Joins surrogate pairs that JSON escapes (`"\\ud83d"` and `"\\ude00"`) have split between two texts."""

    __slots__ = ("high",)

    def __init__(self) -> None:
        # The high surrogate at the end of the last text, which is held back; "" if there is none.
        self.high = ""

    def join(self, text: str) -> str:
        """Return the text with its surrogate pairs joined.

        A high surrogate at the end is held back for the next text.  Any other lone surrogate becomes U+FFFD.
        """
        if self.high and text:
            text, self.high = self.high + text, ""
        # Encoding fails if the text holds surrogates: the fastest test there is.
        try:
            text.encode()
        except UnicodeEncodeError:
            if "\ud800" <= text[-1] <= "\udbff":
                text, self.high = text[:-1], text[-1]
            return join_surrogates(text)
        return text


def join_surrogates(text: str) -> str:
    """Return the text with its surrogate pairs joined; a lone surrogate becomes U+FFFD."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class ThinkTag:
    """Splits an answer `<think>reasoning</think>text`, of a server that does not send the reasoning apart.

    A push decoder: pieces of the answer's text go in, texts and `Reasoning` come out.  A tag that is split between two
    pieces is held back until it is complete.  Only an answer that begins with the tag, or with white space and the tag,
    is split; anywhere else, the tag is text.

    Source: DeepSeek-R1's chat template, as the Hugging Face router passes it on (recorded, August 2026).
    """

    __slots__ = ("_held", "_tag", "off")

    def __init__(self) -> None:
        # The text that is held back, and the tag that comes next.
        self._held, self._tag = "", OPEN
        # True once all that follows is text, so that the caller need not ask any more.
        self.off = False

    def feed(self, text: str) -> Iterator[str | Reasoning]:
        """Yield the text and reasoning that the piece completes."""
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
        """Yield what is held back: the beginning of a tag that was never completed."""
        if held := self._held:
            self._held = ""
            yield held if self._tag is OPEN else Reasoning(held)


class ToolCalls:
    """Joins the fragments of tool calls.

    `add` makes a `ToolCallDelta` of a fragment, `whole` makes a `ToolCall` of each call that is complete.  The argument
    `key` of all methods is what the service tells its calls apart by, like an index or an id.
    """

    __slots__ = ("_count", "_open")

    def __init__(self) -> None:
        # By key, the calls that are not complete: the first fragment, and the texts of the arguments so far.
        self._open: dict[object, tuple[ToolCallDelta, list[str]]] = {}
        # How many calls have begun; the index of the next call.
        self._count = 0

    def add(self, key: object, *, id: str | None = None, name: str | None = None, text: str = "") -> ToolCallDelta:  # noqa: A002
        """Return the next fragment of a call, with the complete id and name.

        `text` is a piece of the arguments.  Raises `TypeError` if the first fragment of a call has no name.

        Some servers give every call the key 0.  So a fragment with a name and another id than the call's (or, without
        an id, with another name) begins a new call.
        """
        first, texts = self._open.get(key) or (None, [])
        # The call before stays open, under a key that no fragment has.
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
        """Yield the only fragment of a call, then the call, for a service that sends calls in one piece.

        `arguments` is an object or JSON text.
        """
        text, key = arguments if isinstance(arguments, str) else json.dumps(arguments or {}), object()
        yield self.add(key, id=id, name=name, text=text)
        yield from self.whole(key)

    def __contains__(self, key: object) -> bool:
        """Return whether a call with this key has begun and is not complete."""
        return key in self._open

    def arguments(self, key: object) -> str:
        """Return the text of the call's arguments so far, "" for an unknown call."""
        return "".join(self._open[key][1]) if key in self._open else ""

    def whole(self, *keys: object) -> Iterator[ToolCall]:
        """Yield the calls with these keys, or all calls, because they are complete.  Each call comes out once."""
        for key in keys or tuple(self._open):
            if key in self._open:
                first, texts = self._open.pop(key)
                yield ToolCall(first.id, first.name, join_surrogates("".join(texts)) or "{}")
