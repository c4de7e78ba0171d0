"""Renders Markdown on a terminal while it streams, with `rich`.

A block, like a paragraph or a list, is finished when nothing that follows can change how it looks.  It is then printed
once, and scrolls away like all text.  The block that is still open is drawn again, in place, as it grows:

    "# Title\n\nA paragraph.\n\n"    finished: printed
    "- one\n- tw"                     open: drawn again, eight times a second

`finished` and `blocks` decide which part is finished, without I/O; `show_markdown` prints.
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

from ... import Answer, Reasoning, Stream
from ..._core.events import Event
from ..cli import CONTROL

FENCE = re.compile(r"([ \t]*)(`{3,}(?!.*`)|~{3,})(.*)")

# The beginning of a list's item, or of what may become an item: "1" may be followed by ". one".
ITEM = re.compile(r"([-*+]|\d+[.)]?)([ \t]|$)")

# Without "html": False, the parser would drop the tags in an answer about HTML.
PARSER = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])


def finished(text: str) -> int:
    """Return how many characters at the beginning of this Markdown are in finished blocks.

    A new block begins at the left margin behind a blank line, except that another item of a list continues the list; or
    with the fence of a code block, which its closing fence finishes.
    """
    # `start` is where the current line begins, `end` where the open block begins.  `listed`: the open block is a list.
    # `blank`: the last line was blank.  `fence`: the fence of the open code block, or "".  `margin`: it stands at the
    # left margin.
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
    """Return whether a line behind a blank line begins a block: at the left margin, not as an item of the open list."""
    return bool(line[:1].strip()) and not (listed and ITEM.match(line))


def blocks(items: Iterable[str | Event]) -> Iterator[tuple[type, str, str]]:
    """Yield for each piece of an answer its kind (`str` or `Reasoning`), the text that it finishes, the open text."""
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
        # Only a line end, in this piece or just before it, can finish a block.
        end = finished(text) if "\n" in text[-len(piece) - 1 :] else 0
        yield kind, text[:end], text[end:]
        text = text[end:]


@dataclass(slots=True)
class Block:
    """A block as `rich` renders it, with a blank line below: Markdown, or reasoning, which is dim and not rendered.

    If the block is `live`, only its last lines are shown, as many as the terminal has: what has scrolled away cannot be
    drawn again.
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
    """Return the last `height` lines, after the fence if the block is code.

    A long block is then drawn as quickly as a short one.
    """
    first, *lines = text.split("\n")
    return "\n".join([first, *lines[-height:]] if FENCE.match(first) else [first, *lines][-height:])


def painted(kind: type, text: str) -> RenderableType:
    """Return a text as `rich` prints it."""
    if kind is Reasoning:
        return Text(text, style="dim")
    # Without hyperlinks, the URL of a link is printed behind its text, so that the reader sees where it leads.
    markdown = Markdown("", hyperlinks=False)
    markdown.parsed = PARSER.parse(text)
    return markdown


def show_markdown(answer: Stream | Answer, console: Console) -> None:
    """Print an answer as it comes: its text as rendered Markdown, its reasoning dim."""
    last = Block(live=True)
    with answer, Live(last, console=console, transient=True, refresh_per_second=8):
        try:
            for last.kind, done, last.text in blocks(answer.events()):
                if done:
                    console.print(Block(last.kind, done), end="")
        finally:
            rest, last.text = last.text, ""
            console.print(Block(last.kind, rest), end="")
