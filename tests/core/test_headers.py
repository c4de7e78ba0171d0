"""Headers that HTTP cannot carry are refused, and no error shows a header's value."""

from typing import Any

import pytest

import g4flite
from tests.rows import rows


@rows(
    ("name", "value", "complaint"),
    [
        ("x-a", "1\r\nx-b: 2", "line break"),
        ("x-a", "1\n", "line break"),
        ("x-a", "\x00", "control character"),
        ("x-a", "\u00e9", "outside ASCII"),
        ("x-a", " 1", "white space"),
        ("x-a", 3, "must be a string, not int"),
        ("x a", "1", "cannot be the name of a header"),
        ("x-a\r\nx-b", "1", "cannot be the name of a header"),
        ("", "1", "cannot be the name of a header"),
        (3, "1", "cannot be the name of a header"),
        ("Accept-Encoding", "br", "computed by httpx"),
        ("Transfer-Encoding", "chunked", "computed by httpx"),
    ],
)
def test_a_header_that_cannot_be_sent_is_refused(name: Any, value: Any, complaint: str) -> None:
    with pytest.raises(g4flite.OptionError, match=complaint):
        g4flite.stream("cromicle", "Hi", headers={name: value})


def test_the_error_for_a_bad_header_does_not_show_the_value() -> None:
    with pytest.raises(g4flite.OptionError) as caught:
        g4flite.stream("cromicle", "Hi", headers={"authorization": "Bearer s3cret\n"})
    assert "s3cret" not in str(caught.value)
