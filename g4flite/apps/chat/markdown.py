"""Markdown on a terminal while it streams, with `rich`: what is finished is printed once, the open end live.

`finished` and `blocks` decide what is finished, without I/O; `show_markdown` prints.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from markdown_it import MarkdownIt
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment
from rich.text import Text

from ..._core.events import Event, Reasoning
from ..._core.stream import Stream
from ..cli import CONTROL

FENCE = re.compile(r"([ \t]*)(`{3,}(?!.*`)|~{3,})(.*)")
ITEM = re.compile(r"([-*+]|\d+[.)]?)([ \t]|$)")  # or what may become one
PARSER = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])  # tags are shown, not dropped


def finished(text: str) -> int:
    """How much of this Markdown, in characters, is in blocks that nothing which follows can change.

    A block at the left margin begins behind a blank line, the items of a list being one; or it is code between fences.
    """
    end = start = 0
    fence, blank, listed, margin = "", False, False, False
    *whole, last = text.split("\n")
    for line in whole:
        mark = FENCE.match(line)
        if (blank and begins(line, listed)) or (mark and not mark[1] and not fence):
            end = start
        if start == end:
            listed = ITEM.match(line) is not None
        start += len(line) + 1
        if mark and not fence:
            fence, margin = mark[2], not mark[1]
        elif mark and mark[2].startswith(fence) and not mark[3].strip():
            fence, end = "", start if margin else end
        blank = not fence and not line.strip()
    return start if blank and begins(last, listed) else end


def begins(line: str, listed: bool) -> bool:
    """Whether a line behind a blank one begins a block: it is at the left margin, and no item of an open list."""
    return bool(line[:1].strip()) and not (listed and ITEM.match(line))


def blocks(items: Iterable[str | Event]) -> Iterator[tuple[type, str, str]]:
    """What an answer comes to with each piece: `str` or `Reasoning`, what is finished now, and what is still open."""
    kind: type = str
    text = ""
    for item in items:
        if not isinstance(item, str | Reasoning):
            continue
        if type(item) is not kind:
            yield kind, text, ""
            kind, text = type(item), ""
        piece = item if isinstance(item, str) else item.text
        text += piece.translate(CONTROL)
        end = finished(text) if "\n" in text[-len(piece) - 1 :] else 0
        yield kind, text[:end], text[end:]
        text = text[end:]


@dataclass(slots=True)
class Block:
    """Markdown, or reasoning, dim and as it is, on the terminal with a blank line below.

    `live` shows no more of its end than the terminal has lines: what has scrolled away cannot be drawn over.
    """

    kind: type = str
    text: str = ""
    live: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        text = ending(self.text, console.height) if self.live else self.text
        lines = console.render_lines(painted(self.kind, text), options, pad=False)
        full = [number for number, line in enumerate(lines) if any(segment.text.strip() for segment in line)]
        lines = [*lines[full[0] : full[-1] + 1], []] if full else []
        for line in lines[1 - console.height :] if self.live else lines:
            yield from (*line, Segment.line())


def ending(text: str, height: int) -> str:
    """The last lines, so many, and the fence before them: so that a long block costs no more than a short one."""
    first, *lines = text.split("\n")
    return "\n".join([first, *lines[-height:]] if FENCE.match(first) else [first, *lines][-height:])


def painted(kind: type, text: str) -> RenderableType:
    if kind is Reasoning:
        return Text(text, style="dim")
    markdown = Markdown("", hyperlinks=False)  # so that the URL of a link is seen
    markdown.parsed = PARSER.parse(text)
    return markdown


def show_markdown(answer: Stream, console: Console) -> None:
    """Prints an answer as it comes: its Markdown rendered, its reasoning dim."""
    last = Block(live=True)
    with answer, Live(last, console=console, transient=True, refresh_per_second=8):
        try:
            for last.kind, done, last.text in blocks(answer.events()):
                if done:
                    console.print(Block(last.kind, done), end="")
        finally:
            rest, last.text = last.text, ""
            console.print(Block(last.kind, rest), end="")
