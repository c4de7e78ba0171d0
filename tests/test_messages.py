from typing import Any

import pytest

import g4flite
from g4flite._messages import flatten, normalise


def test_a_string_is_one_user_message() -> None:
    assert normalise("Hi") == ({"role": "user", "content": "Hi"},)


def test_messages_are_copied() -> None:
    given = [{"role": "user", "content": "Hi"}]
    taken = normalise(given)
    given[0]["content"] = "changed"
    given.clear()
    assert taken == ({"role": "user", "content": "Hi"},)


def test_text_parts_are_joined_as_they_are() -> None:
    parts = [{"type": "text", "text": "a "}, {"type": "text", "text": "b"}]
    assert normalise([{"role": "user", "content": parts}])[0]["content"] == "a b"


def test_a_surplus_key_without_a_value_is_passed_over() -> None:
    assert normalise([{"role": "assistant", "content": "x", "tool_calls": None}]) == (
        {"role": "assistant", "content": "x"},
    )


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ([], "there are no messages"),
        ((), "there are no messages"),
        (None, "not NoneType"),
        (3, "not int"),
        ({"role": "user", "content": "x"}, "put the one message into a list"),
        (iter([{"role": "user", "content": "x"}]), "not list_iterator"),
        (["x"], "message 1 is a str"),
        ([{"content": "x"}], "message 1 has no role"),
        ([{"role": "user", "content": "x"}, {"role": "robot", "content": "x"}], "message 2 has the role 'robot'"),
        ([{"role": ["user"], "content": "x"}], "the role ['user']"),
        ([{"role": "user"}], "content of NoneType"),
        ([{"role": "user", "content": 3}], "content of int"),
        ([{"role": "user", "content": "x", "name": "Ann"}], "has 'name', which cannot be sent"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}],
            "part 1 is of the type 'image",
        ),
        ([{"role": "user", "content": ["x"]}], "part 1 is of the type 'str'"),
        ([{"role": "user", "content": [{"type": "text"}]}], "part 1 has no text"),
        ([{"role": "user", "content": "ab\ud83d"}], "half a surrogate pair at character 2"),
    ],
)
def test_bad_messages_are_named(messages: Any, complaint: str) -> None:
    with pytest.raises(g4flite.MessagesError) as caught:
        g4flite.stream("cromicle", messages)
    assert complaint in str(caught.value)
    assert caught.value.provider == "cromicle"


def test_one_message_is_its_own_prompt() -> None:
    assert flatten(normalise([{"role": "system", "content": " as it\nis "}])) == " as it\nis "


def test_a_conversation_is_flattened_line_by_line() -> None:
    roles = ("system", "user", "assistant", "user")
    messages = normalise([{"role": role, "content": text} for role, text in zip(roles, "abcd", strict=True)])
    assert flatten(messages) == "System: a\nUser: b\nAssistant: c\nUser: d\nAssistant:"
