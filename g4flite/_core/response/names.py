"""Ids, names and words of replies, as texts that can be shown.

name_of(" a\\x1b")                                              # " a\\ufffd"
name_of(7), name_of(""), name_of([])                           # "7", None, None
"""

from typing import Final

from .surrogates import join_surrogates

# Characters of the longest id or name that is kept.  LiteLLM's ids have 445 characters.
LONGEST_NAME: Final = 4096
# What JSON's null, Python's None and JavaScript's undefined become if a service or a relay writes them as texts.
NONE: Final = ("null", "None", "undefined")


def name_of(value: object) -> str | None:
    """Return an id or a name as a text that can be shown; None for "", and for anything but text and whole numbers.

    A lone surrogate or a character that cannot be printed becomes U+FFFD.  A text of more than 4096 characters is no
    id: None.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() < LONGEST_NAME:
        return str(value)
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME:
        return None
    if value.isprintable():
        return value
    return "".join(char if char.isprintable() else "\ufffd" for char in join_surrogates(value))
