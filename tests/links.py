"""Find the broken links of the pages; `make check` runs this file.

A link is broken if it leads to no file, or to no heading of its page, or if nothing defines its name.  Links to other
hosts are not followed.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).parents[1]
PAGES = ("*.md", "examples/**/*.md", "tests/*.md")
CODE = re.compile(r"^( *)```.*?^\1```$|`[^`\n]*`", re.DOTALL | re.MULTILINE)
# [text](link "title"), [name]: link, <img src="link">; and [text][name].
LINK = re.compile(
    r"""\]\(([^)\s]+)(?:\s+"[^"]*")?\)|^\[[^\]]+\]:\s+(\S+)|<\w[^>]*\s(?:src|href)="([^"]+)\"""", re.MULTILINE
)
NAME = re.compile(r"\]\[([^\]]+)\]")


def anchors(page: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and mkdocs name them.

    Lower case, hyphens for spaces, no other punctuation; a heading that stands there before has -1, -2, ... added.
    """
    found: set[str] = set()
    for heading in re.findall(
        r"^#+ +(.*)$", re.sub(r"^ *```.*?^ *```$", "", page, flags=re.DOTALL | re.MULTILINE), re.M
    ):
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.add(next(unique for unique in (name, *(f"{name}-{n}" for n in range(1, 99))) if unique not in found))
    return found


def broken(root: Path) -> Iterator[str]:
    """Yield `page: link` for each broken link of the pages below a folder."""
    for path in sorted(path for pattern in PAGES for path in root.glob(pattern)):
        text = CODE.sub("`", path.read_text())
        defined = re.findall(r"^\[([^\]]+)\]:", text, re.MULTILINE)
        yield from (f"{path.relative_to(root)}: [{name}]" for name in NAME.findall(text) if name not in defined)
        for link in map("".join, LINK.findall(text)):
            if re.match(r"[a-z]+:", link):
                continue
            place, _, anchor = unquote(link).partition("#")
            target = path.parent / place if place else path
            if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
                yield f"{path.relative_to(root)}: {link}"


if __name__ == "__main__":
    found = list(broken(ROOT))
    sys.exit("\n".join(["broken links:", *found]) if found else None)
