"""`<think>...</think>` at the start of an answer: the reasoning of a model whose server does not keep the two apart."""

from collections.abc import Iterator

from ..events import Reasoning

OPEN, CLOSE = "<think>", "</think>"
HELD = 1024  # characters, blanks nearly all, that are held back at most until the tag comes


class Think:
    """Pieces of an answer in, texts and `Reasoning` out.  A tag split between pieces is held back until it is whole.

    Only an answer that begins with the tag, or with blanks and the tag, is split; in any other a tag is text.
    Source: DeepSeek-R1's chat template, as the Hugging Face router passes it on (recorded, August 2026).
    """

    __slots__ = ("_held", "_tag", "off")

    def __init__(self) -> None:
        self._held, self._tag = "", OPEN
        self.off = False  # nothing is split any more

    def feed(self, text: str) -> Iterator[str | Reasoning]:
        text, self._held = self._held + text, ""
        if self._tag is OPEN:
            start = text.lstrip()
            if len(start) < len(OPEN) and OPEN.startswith(start) and len(text) < HELD:
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
            keep = next((n for n in range(len(CLOSE) - 1, 0, -1) if reasoning.endswith(CLOSE[:n])), 0)
            reasoning, self._held = reasoning[: len(reasoning) - keep], reasoning[len(reasoning) - keep :]
        if reasoning:
            yield Reasoning(reasoning)
        if answer:
            yield answer

    def close(self) -> Iterator[str | Reasoning]:
        """What is held back: a piece of a tag that never became one."""
        if held := self._held:
            self._held = ""
            yield held if self._tag is OPEN else Reasoning(held)
