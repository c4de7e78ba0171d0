"""The names of g4flite.testing, each of which is imported when it is first asked for."""

import pytest

from g4flite import testing


def test_each_name_that_is_listed_is_there() -> None:
    # A type alias has no name of its own.
    named = [name for name in testing.__all__ if name != "ReplyFunction"]
    assert [getattr(testing, name).__name__ for name in named] == named
    assert testing.ReplyFunction is not None


def test_any_other_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'reply'"):
        testing.reply  # type: ignore[attr-defined]  # noqa: B018
