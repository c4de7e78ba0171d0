"""What payloads are made of: parts, data URLs, arguments, the system text, names of tools; and the check of tools."""

from typing import Any

import pytest

import g4flite
from g4flite._core.media import split_data_url
from g4flite._core.messages import Message, arguments, normalise, parts, split_system, tool_names
from g4flite._core.options import check_tools
from tests.rows import rows

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUI="}}


def call(name: str, text: str, call_id: str = "call_1") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": text}}


def test_parts_returns_a_list_for_each_form_of_content() -> None:
    assert parts({"role": "user", "content": "Hi"}) == [{"type": "text", "text": "Hi"}]
    assert parts({"role": "user", "content": ""}) == []
    message = normalise([{"role": "user", "content": [{"type": "text", "text": "a"}, IMAGE]}])[0]
    assert parts(message) == [{"type": "text", "text": "a"}, IMAGE]


def test_parts_returns_a_new_list() -> None:
    message: Message = {"role": "user", "content": [IMAGE]}
    parts(message).clear()
    assert message["content"] == [IMAGE]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("data:image/png;base64,QUI=", ("image/png", "QUI=")),
        ("data:image/svg+xml;charset=utf-8;base64,QUI=", ("image/svg+xml", "QUI=")),
        ("Data:image/JPEG;base64,QUI=", ("image/jpeg", "QUI=")),
        ("https://acme.test/data:image/png;base64,QUI=", None),
    ],
)
def test_a_data_url_is_split_into_media_type_and_data(url: str, expected: tuple[str, str] | None) -> None:
    assert split_data_url(url) == expected


def test_arguments_returns_the_json_object_of_a_tool_call() -> None:
    assert arguments(call("add", ' {"a": [1.5, null], "b": "\\u00e9"}')) == {"a": [1.5, None], "b": "\u00e9"}
    assert arguments(call("add", "")) == {}


@pytest.mark.parametrize("text", ["{", "[1]", "null", " ", '{"a": NaN}', '{"a": -Infinity}', '"a"', '{"a":' * 10**5])
def test_the_error_names_the_tool_whose_arguments_are_not_a_json_object(text: str) -> None:
    with pytest.raises(
        g4flite.MessagesError, match="the arguments of the call of the tool 'add' are not a JSON object"
    ):
        arguments(call("add", text))


def test_split_system_separates_the_system_text_from_the_other_messages() -> None:
    messages = normalise(
        [
            {"role": "system", "content": "a"},
            {"role": "user", "content": "b"},
            {"role": "developer", "content": [{"type": "text", "text": "c\n"}]},
            {"role": "system", "content": ""},
            {"role": "assistant", "content": "d"},
        ]
    )
    assert split_system(messages) == ("a\n\nc\n", [messages[1], messages[4]])
    assert split_system(messages[1:2]) == ("", [messages[1]])


@pytest.mark.parametrize("role", ["system", "developer", "assistant"])
def test_only_a_user_message_may_have_an_image(role: str) -> None:
    with pytest.raises(
        g4flite.MessagesError, match="message 2, part 1 is of the type 'image_url'; only text parts can"
    ):
        normalise([{"role": "user", "content": "Hi"}, {"role": role, "content": [IMAGE]}])


def test_tool_names_returns_the_name_of_the_tool_for_each_call_id() -> None:
    messages = normalise(
        [
            {"role": "user", "content": "x"},
            {"role": "assistant", "tool_calls": [call("add", "{}", "call_1"), call("sub", "{}", "call_2")]},
            {"role": "assistant", "tool_calls": [call("add", "{}", "call_3")]},
        ]
    )
    assert tool_names(messages) == {"call_1": "add", "call_2": "sub", "call_3": "add"}


def test_check_tools_returns_the_function_of_each_tool() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "number"}}}
    add = {"name": "add", "description": "Adds", "parameters": schema, "strict": True}
    tools = [{"type": "function", "function": add}, {"function": {"name": "now", "description": None}}]
    assert check_tools(tools) == [add, {"name": "now"}]
    assert check_tools(()) == []


@rows(
    ("tools", "complaint"),
    [
        ({"name": "add"}, "tools= must be a list, not dict"),
        ("add", "tools= must be a list, not str"),
        (["add"], 'tool 1 is not {"type": "function", "function": {"name", "parameters"}}'),
        ([{"name": "add"}], 'tool 1 is not {"type"'),
        ([{"type": "web_search", "function": {"name": "add"}}], 'tool 1 is not {"type"'),
        ([{"function": "add"}], 'tool 1 is not {"type"'),
        ([{"function": {"name": "add"}}, {"function": {}}], "tool 2 has no name of the type str"),
        ([{"function": {"name": ""}}], "tool 1 has no name"),
        ([{"function": {"name": 3}}], "tool 1 has no name"),
        ([{"function": {"name": "add", "parameters": []}}], "tool 1, 'add': parameters must be an object, not list"),
        (
            [{"function": {"name": "add", "parameters": {"type": "array"}}}],
            "tool 1, 'add': parameters must have the type 'object', not 'array'",
        ),
        ([{"function": {"name": "a"}}, {"function": {"name": "a"}}], "there are two tools of the name 'a'"),
        ([{"function": {"name": "add", "description": 3}}], "description must be of the type str, not int"),
        ([{"function": {"name": "add", "strict": 1}}], "strict must be of the type bool, not int"),
        ([{"function": {"name": "add", "handler": print}}], "'add', has 'handler'; it takes name, description, param"),
    ],
)
def test_tools_that_cannot_be_sent_are_refused(tools: Any, complaint: str) -> None:
    with pytest.raises(g4flite.OptionError) as caught:
        check_tools(tools)
    assert complaint in str(caught.value)
