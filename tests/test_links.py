"""The search for broken links finds them, and the pages have none."""

from pathlib import Path

import pytest

from tests.links import ROOT, anchors, broken


def test_no_link_is_broken() -> None:
    assert list(broken(ROOT)) == []


@pytest.mark.parametrize(
    ("link", "is_broken"),
    [
        ("b.md", False),
        ("b.md#the-end", False),
        ("b.md#the-end-1", False),
        ("#top", False),
        ("../a.py", False),
        ("https://example.com/none", False),
        ("c.md", True),
        ("b.md#start", True),
        ("#the-end", True),
        ("../../README.md#none", True),
    ],
)
def test_a_broken_link_is_found(tmp_path: Path, link: str, is_broken: bool) -> None:
    pages = tmp_path / "examples" / "guides"
    pages.mkdir(parents=True)
    (tmp_path / "README.md").write_text("# Read\n")
    (tmp_path / "examples" / "a.py").touch()
    (pages / "a.md").write_text(f"# Top\n\n[x]({link}), and `[y](none.md)`\n\n```\n[z](none.md)\n```\n")
    (pages / "b.md").write_text("# B\n\n## The end\n\n## The end\n")
    assert list(broken(tmp_path)) == ([f"examples/guides/a.md: {link}"] if is_broken else [])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('[x](none.md "A title")', ["none.md"]),
        ('[x](README.md "A title")', []),
        ("[x][name]\n\n[name]: none.md", ["none.md"]),
        ("[x][name]\n\n[name]: README.md", []),
        ("[x][name]", ["[name]"]),
        ('<img alt="a" src="none.svg">', ["none.svg"]),
        ('<a href="https://example.com">x</a>', []),
    ],
)
def test_a_broken_link_is_found_in_any_form(tmp_path: Path, text: str, found: list[str]) -> None:
    (tmp_path / "README.md").write_text(f"# Read\n\n{text}\n")
    assert list(broken(tmp_path)) == [f"README.md: {link}" for link in found]


def test_an_anchor_is_made_as_github_makes_it() -> None:
    text = "# `chat`, and more\n## Why this, and why not\n```sh\n# none\n```\n## Time-outs\n"
    assert anchors(text) == {"chat-and-more", "why-this-and-why-not", "time-outs"}
