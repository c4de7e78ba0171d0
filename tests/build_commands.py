"""How setuptools builds the package, as far as setup.cfg cannot say it: what the sdist holds beside the package, and
the description on the page of a package index.

setup.cfg names `EggInfo` in place of setuptools' command `egg_info`, which collects the files and the metadata.
"""

import re

from setuptools.command.egg_info import egg_info

# The sdist holds all that it takes to run the tests, to read the guides and to build the sdist again.
FOLDERS = ("examples", "tests")
FILES = ("CHANGELOG.md", "CONTRIBUTING.md", "Makefile")


def on_an_index(readme: str) -> str:
    """Return the README without the links that lead nowhere from the page of a package index.

    Such a page has a URL of its own, far from the repository, and a relative link is resolved against that URL.  The
    repository has no public URL yet that could stand in front of the links.  So a picture is left out, and a link
    becomes its text and, in parentheses, the name of the file, which stands in the sdist.
    """
    without_pictures = re.sub(r"^!\[[^]]*\]\((?!https:)[^)]*\)\n\n?", "", readme, flags=re.MULTILINE)
    return re.sub(r"\[([^]]*)\]\((?!https:|#)([^)#]*)[^)]*\)", named, without_pictures)


def named(link: "re.Match[str]") -> str:
    """Return the text of a link and the name of its file, or the text alone if it is that name."""
    text, name = link.groups()
    return text if text == name else f"{text} (`{name}`)"


class EggInfo(egg_info):
    """setuptools' `egg_info`, which also collects the files of the sdist that belong to no package."""

    def finalize_options(self) -> None:
        super().finalize_options()
        metadata = self.distribution.metadata
        metadata.long_description = on_an_index(metadata.long_description)

    def find_sources(self) -> None:
        super().find_sources()
        for folder in FOLDERS:
            self.filelist.graft(folder)
        self.filelist.extend(FILES)
        self.filelist.global_exclude("*.py[cod]")
        self.filelist.sort()
        self.filelist.remove_duplicates()
