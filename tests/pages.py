"""Write the generated pages: the guide to each provider, and the tables of all.  `make guides` runs this file."""

import re
from pathlib import Path

from g4flite import providers
from g4flite.apps.guides import guide, table

ROOT = Path(__file__).parents[1]
GUIDES = ROOT / "examples" / "guides"
# The page of the tables.  Each has a mark there; the value says whether its providers are retired.
PROVIDERS = GUIDES / "providers.md"
TABLES = {"providers": False, "founding providers": True}


def pages() -> dict[Path, str]:
    """Return the text that each generated file should have."""
    made = {GUIDES / f"{name}.md": guide(name) for name in providers.names()}
    page = PROVIDERS.read_text()
    for mark, retired in TABLES.items():
        start, end = f"<!-- {mark}: make guides -->\n", f"<!-- /{mark} -->"
        before, _, rest = page.partition(start)
        _, _, after = rest.partition(end)
        # The first cell of a row is the provider's name, which leads to its guide.
        linked = re.sub(r"^\| (`([\w-]+)`) ", r"| [\1](\2.md) ", table(retired=retired), flags=re.MULTILINE)
        page = f"{before}{start}{linked}{end}{after}"
    return made | {PROVIDERS: page}


def stale() -> set[Path]:
    """Return the guides to providers that have been removed: generated, and made no more."""
    head = guide(providers.names()[0]).splitlines()[0]
    return {path for path in GUIDES.glob("*.md") if path.read_text().startswith(f"{head}\n")} - pages().keys()


if __name__ == "__main__":
    for path in stale():
        path.unlink()
    made = pages()
    for path, text in made.items():
        path.write_text(text)
    print(f"{len(made) - 1} guides in {GUIDES.relative_to(ROOT)}, {len(TABLES)} tables in {PROVIDERS.name}")
