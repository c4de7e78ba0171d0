"""The pages of the site: those of the repository, at the same places, and a reference that stands in no file.

The site has the repository's tree, so that a link between two files leads to the same page in both.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

import g4flite
from g4flite import testing

ROOT = Path(__file__).parents[2]
GUIDES = "examples/guides"
SHOWN = ("*.md", "tests/README.md", "LICENSE", "examples/*.py", f"{GUIDES}/*.md", "tests/benchmarks/*.svg",
         "tests/page/*.png")  # fmt: skip
ERRORS = [name for name in g4flite.__all__ if re.search("(Error|Warning|Consumed)$", name)]
FIRST, OTHERS = ("stream", "Client", "Stream"), (*ERRORS, "providers")
# The title of each page of the reference, and the objects that it describes.
REFERENCE = {
    "g4flite": [f"g4flite.{name}" for name in dict.fromkeys((*FIRST, *g4flite.__all__)) if name not in OTHERS],
    "g4flite: errors": [f"g4flite.{name}" for name in ERRORS],
    "g4flite.testing": [f"g4flite.testing.{name}" for name in testing.__all__],
    "g4flite.apps": ["g4flite.apps.probe.working", "g4flite.apps.probe.probe", "g4flite.apps.check.report",
                     "g4flite.apps.guides.guide"],
}  # fmt: skip


def place(title: str) -> str:
    return f"reference/{title.replace(': ', '-')}.md"


def on_config(config: Any) -> Any:
    """List the pages: the guides in the order of their index, then the providers in the order of their table."""

    def linked(page: str) -> list[str]:
        links = re.findall(r"^\| \[(.*?)\]\((\w[\w-]*\.md)\)", (ROOT / GUIDES / page).read_text(), re.MULTILINE)
        return [{title.strip("`"): f"{GUIDES}/{link}"} for title, link in links]

    config.nav = [
        {"Overview": "README.md"},
        {"Guides": [{"All": f"{GUIDES}/index.md"}, *linked("index.md")]},
        {"Providers": linked("providers.md")},
        {"Reference": [{title: place(title)} for title in REFERENCE]},
        {"Contributing": ["CONTRIBUTING.md", {"Tests": "tests/README.md"}]},
        {"Changelog": "CHANGELOG.md"},
    ]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Take the files of the repository to which a page may lead, and those of the theme; add the reference."""
    made = Files([file for file in files if not file.src_uri.endswith(".md")])
    for path in sorted(path for pattern in SHOWN for path in ROOT.glob(pattern)):
        made.append(File(path.relative_to(ROOT).as_posix(), str(ROOT), config.site_dir, use_directory_urls=False))
    for title, objects in REFERENCE.items():
        text = f"# {title}\n\n" + "".join(f"::: {name}\n\n" for name in objects)
        made.append(File.generated(config, place(title), content=text))
    # The code of the pages has lines of up to 120 characters.
    made.append(File.generated(config, "wide.css", content=".md-grid { max-width: 84rem }"))
    return made
