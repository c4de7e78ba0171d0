"""Surrogate pairs that were split between two pieces of JSON text."""

from collections.abc import Iterable


class Halves:
    """Texts in, the same with the surrogate pairs joined that were split between two of them."""

    __slots__ = ("high",)

    def __init__(self) -> None:
        self.high = ""

    def join(self, text: str) -> str:
        """The text with its surrogates joined; a last high one waits for its other half, a lone one is U+FFFD."""
        if self.high and text:
            text, self.high = self.high + text, ""
        try:
            text.encode()
        except UnicodeEncodeError:
            if "\ud800" <= text[-1] <= "\udbff":
                text, self.high = text[:-1], text[-1]
            return joined(text)
        return text


def is_whole(texts: Iterable[str]) -> bool:
    """Whether no half of a pair is in them."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return False
    return True


def joined(text: str) -> str:
    """The text with the halves of its surrogate pairs joined; a lone half is U+FFFD."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
