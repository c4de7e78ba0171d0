"""What a refusal says of itself."""

from __future__ import annotations

from g4flite.server.checks import Refusal


def test_a_refusal_says_what_it_refuses() -> None:
    assert str(Refusal(400, "body: expected JSON")) == "(400, 'body: expected JSON')"
