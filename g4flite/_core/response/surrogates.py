"""Joins surrogate pairs that JSON escapes have split between two texts.

pairs = SurrogatePairs()
pairs.join("\\ud83d"), pairs.join("\\ude00")                  # "", "\\U0001f600"
"""


class SurrogatePairs:
    __slots__ = ("high",)

    def __init__(self) -> None:
        # The high surrogate at the end of the last text, which is held back; "" if there is none.
        self.high = ""

    def join(self, text: str) -> str:
        """Return the text with its surrogate pairs joined.

        A high surrogate at the end is held back for the next text.  Any other lone surrogate becomes U+FFFD.
        """
        if self.high and text:
            text, self.high = self.high + text, ""
        # Encoding fails if the text holds surrogates: the fastest test there is.
        try:
            text.encode()
        except UnicodeEncodeError:
            if "\ud800" <= text[-1] <= "\udbff":
                text, self.high = text[:-1], text[-1]
            return join_surrogates(text)
        return text


def join_surrogates(text: str) -> str:
    """Return the text with its surrogate pairs joined; a lone surrogate becomes U+FFFD."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
