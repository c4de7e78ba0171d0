"""Write the generated pages: the guide to each provider and the README's tables.  `make guides` runs this file."""

from pathlib import Path

from g4flite import providers
from g4flite.apps.guides import guide, table

ROOT = Path(__file__).parents[1]
GUIDES = ROOT / "examples" / "guides"
# The mark of each table in the README, and whether the table's providers are retired.
TABLES = {"providers": False, "founding providers": True}


def pages() -> dict[Path, str]:
    """Return the text that each generated file should have."""
    made = {GUIDES / f"{name}.md": guide(name) for name in providers.names()}
    readme = (ROOT / "README.md").read_text()
    for mark, retired in TABLES.items():
        start, end = f"<!-- {mark}: make guides -->\n", f"<!-- /{mark} -->"
        before, _, rest = readme.partition(start)
        _, _, after = rest.partition(end)
        readme = f"{before}{start}{table(retired=retired)}{end}{after}"
    return made | {ROOT / "README.md": readme}


if __name__ == "__main__":
    GUIDES.mkdir(exist_ok=True)
    made = pages()
    for path in {*GUIDES.iterdir()} - made.keys():
        # It is the guide to a provider that has been removed.
        path.unlink()
    for path, text in made.items():
        path.write_text(text)
    print(f"{len(made) - len(TABLES) + 1} guides in {GUIDES.relative_to(ROOT)}, {len(TABLES)} tables in README.md")
