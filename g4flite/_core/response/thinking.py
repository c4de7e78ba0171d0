"""Splits the reasoning from an answer in which both are text.

think = ThinkTag()
list(think.feed("<thi")), list(think.feed("nk>Hm</think>Hi"))           # [], [Reasoning("Hm"), "Hi"]
"""

from collections.abc import Iterator

from ..events import Reasoning

# The tags in which an answer may begin with its reasoning, and how each ends.
TAGS = {"<think>": "</think>", "<reasoning>": "</reasoning>"}
# Characters that are held back at most while the opening tag may still come: white space and the beginning of the tag.
LONGEST_START = 1024


class ThinkTag:
    """Splits an answer `<think>reasoning</think>text`, of a server that does not send the reasoning apart.

    A push decoder: pieces of the answer's text go in, texts and `Reasoning` come out.  A tag that is split between two
    pieces is held back until it is complete.  Only an answer that begins with a tag of `TAGS`, or with white space and
    the tag, is split; anywhere else, the tag is text.

    Sources: DeepSeek-R1's chat template, as the Hugging Face router passes it on (recorded, August 2026); Bedrock's
    chat path for `<reasoning>` (lm15-contract's recordings, April to October 2026).
    """

    __slots__ = ("_close", "_held", "off")

    def __init__(self) -> None:
        # The text that is held back, and the tag that ends the reasoning; "" while an opening tag may come.
        self._held, self._close = "", ""
        # True once all that follows is text, so that the caller need not ask any more.
        self.off = False

    @property
    def open(self) -> bool:
        """Whether the text is reasoning now."""
        return bool(self._close) and not self.off

    @property
    def tag(self) -> str:
        """The tag with which the answer began; "" if it began with none, or has not begun."""
        return next((tag for tag, close in TAGS.items() if close == self._close), "")

    def feed(self, text: str) -> Iterator[str | Reasoning]:
        """Yield the text and reasoning that the piece completes."""
        text, self._held = self._held + text, ""
        if not self._close:
            start = text.lstrip()
            tag = next((tag for tag in TAGS if tag.startswith(start[: len(tag)])), None)
            if tag is not None and len(start) < len(tag) and len(text) < LONGEST_START:
                self._held = text
                return
            if tag is None or len(start) < len(tag):
                self.off = True
                yield text
                return
            self._close, text = TAGS[tag], start.removeprefix(tag)
        reasoning, found, answer = text.partition(self._close)
        if found:
            self.off = True
        else:
            # The end of this piece may be the beginning of the closing tag.
            lengths = range(len(self._close) - 1, 0, -1)
            keep = next((n for n in lengths if reasoning.endswith(self._close[:n])), 0)
            reasoning, self._held = reasoning[: len(reasoning) - keep], reasoning[len(reasoning) - keep :]
        if reasoning:
            yield Reasoning(reasoning)
        if answer:
            yield answer

    def close(self) -> Iterator[str | Reasoning]:
        """Yield what is held back: the beginning of a tag that was never completed."""
        if held := self._held:
            self._held = ""
            yield Reasoning(held) if self._close else held
