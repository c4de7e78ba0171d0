"""Messages: which can be sent, how they are copied, and how they become the prompt of a service of text alone."""

import copy
import json
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import g4flite
from g4flite import providers
from g4flite._core.messages import ROLES, flatten, normalise, texts
from g4flite._core.request import build, make_call
from tests.founders import FOUNDERS
from tests.rows import rows

PNG = "data:image/png;base64," + b64encode(b"\x89PNG").decode()
IMAGE = {"type": "image_url", "image_url": {"url": PNG}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
ASKING = {"role": "assistant", "content": "", "tool_calls": [CALL]}
ANSWER = {"role": "tool", "content": "2", "tool_call_id": "call_1"}
HALF = "ab\ud83d"


def image(url: Any, **more: Any) -> list[dict[str, Any]]:
    """Return a list of one message with one image."""
    return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url, **more}}]}]


def asking(**call: Any) -> list[dict[str, Any]]:
    """Return a list of one message with one tool call."""
    return [{"role": "assistant", "tool_calls": [{**CALL, **call}]}]


def test_a_string_is_one_user_message() -> None:
    assert normalise("Hi") == ({"role": "user", "content": "Hi"},)


def test_messages_are_copied() -> None:
    given = [{"role": "user", "content": "Hi"}]
    taken = normalise(given)
    given[0]["content"] = "changed"
    given.clear()
    assert taken == ({"role": "user", "content": "Hi"},)


def test_several_text_parts_stay_apart_for_a_service_that_caches_or_signs_what_ends_with_one() -> None:
    parts = [{"type": "text", "text": "a "}, {"type": "text", "text": "b"}]
    for role, content, kept in (
        ("user", parts, parts),
        ("system", parts, parts),
        ("assistant", parts, "a b"),
        ("user", parts[:1], "a "),
        ("user", [*parts, {"type": "text", "text": "\n"}], "a b\n"),
    ):
        assert normalise([{"role": role, "content": content}])[0]["content"] == kept
    joined = ("openai", "mistral", "openai-compatible", "ollama", "cohere", "groq")
    for name, sent in (("anthropic", parts), ("openrouter", parts), *((name, "a b") for name in joined)):
        call = make_call(providers.find(name), [{"role": "user", "content": parts}], model="m",
                         base_url="http://h.test", headers=None, options={}, api_key="k")  # fmt: skip
        assert json.loads(build(call).body)["messages"][0]["content"] == sent, name
    assert flatten(normalise([{"role": "user", "content": parts}])) == "a b"


def test_optional_fields_are_kept_and_copied() -> None:
    mark, text = {"type": "ephemeral"}, {"type": "text", "text": "b"}
    given: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": mark}, text]},
        {"role": "assistant", "content": None, "reasoning_details": [{"text": "hm"}],
         "tool_calls": [{**CALL, "extra_content": {"google": mark}}]},
        {"role": "assistant", "content": None, "refusal": "no", "annotations": [], "audio": None},
    ]  # fmt: skip
    taken = normalise(given)
    mark["type"] = "changed"
    assert taken[0]["content"][0]["cache_control"] == {"type": "ephemeral"}
    assert len(taken[0]["content"]) == 2
    assert taken[1]["tool_calls"][0]["extra_content"] == {"google": {"type": "ephemeral"}}
    assert taken[2] == {"role": "assistant", "content": "", "refusal": "no"}
    assert normalise(taken) == taken


@pytest.mark.parametrize(("media", "meant"), [("image/jpg", "image/jpeg"), ("IMAGE/JPG", "image/jpeg"),
                                              ("image/jpg;a=b", "image/jpeg;a=b"), ("image/jpgx", "image/jpgx"),
                                              ("image/png", "image/png")])  # fmt: skip
def test_image_jpg_becomes_image_jpeg(media: str, meant: str) -> None:
    assert normalise(image(f"data:{media};base64,QUI="))[0]["content"][0]["image_url"] == {
        "url": f"data:{meant};base64,QUI="
    }


@pytest.mark.parametrize("value", [None, [], "", {}])
def test_an_unknown_field_without_a_value_is_left_out(value: Any) -> None:
    message = {"role": "assistant", "content": "x", "tool_calls": value, "name": value, "audio": value}
    assert normalise([message]) == ({"role": "assistant", "content": "x"},)


@pytest.mark.parametrize("role", [role for role in ROLES if role != "tool"])
def test_a_message_of_every_role_may_have_a_name(role: str) -> None:
    message = {"role": role, "content": "x", "name": "Ann"}
    assert normalise([message]) == (message,)


def test_a_message_with_images_stays_a_list_of_parts() -> None:
    content = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": "https://acme.test/a.png?x=1"},
        {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}, "cache": None},
        {"type": "image_url", "image_url": {"url": "HTTP://acme.test", "detail": None}},
    ]
    assert normalise([{"role": "user", "content": tuple(content)}])[0]["content"] == [
        content[0],
        {"type": "image_url", "image_url": {"url": "https://acme.test/a.png?x=1"}},
        {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "HTTP://acme.test"}},
    ]


@pytest.mark.parametrize("head", ["data:image/svg+xml;charset=utf-8;base64,", "DATA:image/JPEG;Base64,"])
def test_a_data_url_may_have_parameters_and_any_case(head: str) -> None:
    assert normalise(image(head + "QUI="))[0]["content"][0]["image_url"] == {"url": head + "QUI="}


def test_tool_calls_and_their_results_are_normalised() -> None:
    messages = [
        {"role": "user", "content": "1 + 1?"},
        {"role": "assistant", "tool_calls": ({"id": "call_1", "function": CALL["function"], "index": None},)},
        {"role": "tool", "content": [{"type": "text", "text": "2"}], "tool_call_id": "call_1", "name": "add"},
        {"role": "assistant", "content": "One moment", "tool_calls": [{**CALL, "id": "call_2", "type": None}]},
        {"role": "tool", "content": "again", "tool_call_id": "call_1"},
    ]
    assert normalise(messages) == (
        messages[0],
        ASKING,
        {**ANSWER, "name": "add"},
        {"role": "assistant", "content": "One moment", "tool_calls": [{**CALL, "id": "call_2"}]},
        {**ANSWER, "content": "again"},
    )


def test_normalised_messages_do_not_change_if_the_caller_s_messages_change() -> None:
    given: list[dict[str, Any]] = copy.deepcopy([{"role": "user", "content": [IMAGE]}, ASKING, ANSWER])
    taken = normalise(given)
    before = copy.deepcopy(taken)
    given[0]["content"][0]["image_url"]["url"] = "changed"
    given[0]["content"].clear()
    given[1]["tool_calls"][0]["function"]["name"] = "changed"
    given[1]["tool_calls"].clear()
    assert taken == before
    assert normalise(taken) == taken


@rows(
    ("messages", "complaint"),
    [
        *(
            (
                [{"role": "assistant", "content": "x", "reasoning_details": value}],
                "message 1 has a field among reasoning_",
            )
            for value in (object(), [float("nan")], {"a": HALF}, {("a",): 1})
        ),
        (
            [{"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {1, 2}}]}],
            "part 1 has a field among cache_control that is not JSON",
        ),
        (asking(extra_content={"a": b"x"}), "tool call 1 has a field among extra_content that is not JSON"),
        ([{"role": "user", "content": "x", "reasoning_content": "y"}], "has 'reasoning_content', which cannot be sent"),
        (
            [{"role": "user", "content": [{"type": "text", "text": "x", "lang": "en"}]}],
            "part 1 has 'lang', which cannot",
        ),
        ([], "there are no messages"),
        ((), "there are no messages"),
        (None, "not NoneType"),
        (3, "not int"),
        ({"role": "user", "content": "x"}, "put the one message into a list"),
        (iter([{"role": "user", "content": "x"}]), "not list_iterator"),
        (["x"], 'message 1 must be {"role", "content"}, not str'),
        ([{"content": "x"}], "message 1 has no role"),
        ([{"role": "user", "content": "x"}, {"role": "robot", "content": "x"}], "message 2 has the role 'robot'"),
        ([{"role": ["user"], "content": "x"}], "the role ['user']"),
        ([{"role": "model", "content": "x"}], "message 1 has the role 'model'; write 'assistant'"),
        ([{"role": "AI", "content": "x"}], "message 1 has the role 'AI'; write 'assistant'"),
        ([{"role": "human", "content": "x"}], "message 1 has the role 'human'; write 'user'"),
        ([{"role": "function", "content": "x"}], "message 1 has the role 'function'; write 'tool'"),
        ([{"role": "user", "content": [Path("a.txt")]}], "parts can be sent; pass path.read_text() for"),
        (Path("a.txt"), "Path; pass path.read_text() for the text of a file"),
        (
            [{"role": "user", "content": Path("a.txt")}],
            "Path; it must be a text or a list of parts; pass path.read_text()",
        ),
        ([{"role": "user"}], "message 1 has no content; give it a text or a list of parts"),
        ([{"role": "user", "content": 3}], "content of the type int"),
        ([{"role": "user", "content": "x", "audio": {"id": 1}}], "1 has 'audio', which cannot be sent; it takes role"),
        ([{"role": "user", "content": "x", "cached": False}], "has 'cached', which cannot be sent"),
        ([{"role": "user", "content": "x", "tool_calls": [CALL]}], "has 'tool_calls', which cannot be sent"),
        ([{"role": "user", "content": "x", "tool_call_id": "call_1"}], "has 'tool_call_id', which cannot be sent"),
        ([ASKING, {**ANSWER, "tool_calls": [CALL]}], "message 2 has 'tool_calls', which cannot be sent"),
        ([{"role": "user", "content": "x", "name": 3}], "message 1 has no name of the type str"),
        (
            [{"role": "user", "content": [{"type": "video_url"}]}],
            "part 1 is of the type 'video_url'; only text and",
        ),
        ([{"role": "user", "content": ["x"]}], "part 1 is of the type 'str'"),
        ([{"role": "user", "content": [{"type": "text"}]}], "part 1 has no text"),
        ([{"role": "user", "content": HALF}], "message 1 has half of a surrogate pair at character 2"),
        ([{"role": "user", "content": [{"type": "text", "text": HALF}]}], "part 1 has half of a surrogate pair at"),
        (
            [{"role": "user", "content": [IMAGE, {"type": "text", "text": HALF}]}],
            "part 2 has half of a surrogate pair at",
        ),
        ([{"role": "user", "content": "x", "name": HALF}], "message 1 has half of a surrogate pair"),
        (asking(id=HALF), "tool call 1 has half of a surrogate pair"),
        (asking(function={"name": HALF, "arguments": ""}), "tool call 1 has half of a surrogate pair"),
        (asking(function={"name": "add", "arguments": HALF}), "tool call 1 has half of a surrogate pair"),
        (image("https://acme.test/" + HALF), "part 1 has half of a surrogate pair at character 20"),
        (image(PNG, detail=HALF), "part 1 has half of a surrogate pair"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "part 1 has an image_url of the type NoneType"),
        ([{"role": "user", "content": [{**IMAGE, "text": "x"}]}], "part 1 has 'text', which cannot be sent; it takes"),
        (image(3), "part 1 has no url of the type str"),
        (image(""), "part 1 has no url of the type str"),
        (image(PNG, size=3), "part 1 has 'size', which cannot be sent; it takes url, detail, file_id"),
        (image(PNG, detail=3), "part 1 has no detail of the type str"),
        (image("a.png"), "part 1 has an image whose url is not https://host/... or data:image/png;base64,..."),
        (image("file:///etc/passwd"), "an image whose url is not https"),
        (image("https://"), "an image whose url is not https"),
        (image("https://[acme"), "an image whose url is not https"),
        (image("https://acme.test/a b"), "an image whose url is not https"),
        (image("https://acme.test/a\tb"), "an image whose url is not https"),
        (image("data:text/plain;base64,QUI="), "an image whose url is not https"),
        (image("data:image/png,QUI="), "an image whose url is not https"),
        (image("data:image/png;base64,Q*I="), "part 1 has an image whose data are not base64"),
        (image("data:image/png;base64,QUI"), "not base64"),
        (image("data:image/png;base64,\u00e9"), "not base64"),
        (image("data:image/png;base64,"), "part 1 has an image without data"),
        ([ASKING, {**ANSWER, "content": None}], "message 2 has no content"),
        (
            [{"role": "system", "content": [IMAGE]}],
            "part 1 is of the type 'image_url'; only text parts can be sent",
        ),
        ([ASKING, {**ANSWER, "tool_call_id": None}], "message 2 has no tool_call_id of the type str"),
        ([ASKING, {**ANSWER, "tool_call_id": "x"}], "message 2 answers the tool call 'x', which no assistant message"),
        ([ANSWER, ASKING], "message 1 answers the tool call 'call_1', which no"),
        ([{"role": "assistant", "content": None, "tool_calls": []}], "message 1 has no content"),
        ([{"role": "assistant", "content": 3, "tool_calls": [CALL]}], "content of the type int"),
        ([{"role": "assistant", "tool_calls": CALL}], "message 1 has tool_calls of the type dict; they must be a list"),
        (
            [{"role": "assistant", "tool_calls": [CALL, "x"]}],
            'message 1, tool call 2 must be {"id", "function"}, not str',
        ),
        (asking(id=None), "tool call 1 has no id of the type str"),
        (asking(index=1), "tool call 1 has 'index', which cannot be sent; it takes id, type, function"),
        (asking(type="custom"), "tool call 1 is of the type 'custom'; only calls of the type 'function'"),
        (asking(function=None), "tool call 1 has a function of the type NoneType"),
        (asking(function={"arguments": ""}), "tool call 1 has no name of the type str"),
        (
            asking(function={"name": "add", "arguments": {}}),
            "has arguments of the type dict; they must be the text of a JSON object",
        ),
        (asking(function={"name": "add", "arguments": "", "strict": True}), "tool call 1 has 'strict', which cannot"),
    ],
)
def test_the_error_says_which_message_cannot_be_sent_and_why(messages: Any, complaint: str) -> None:
    with pytest.raises(g4flite.MessagesError) as caught:
        g4flite.stream("cromicle", messages)
    assert complaint in str(caught.value)
    assert caught.value.provider == "cromicle"


def test_the_prompt_of_one_message_is_its_content() -> None:
    assert flatten(normalise([{"role": "system", "content": " as it\nis "}])) == " as it\nis "


def test_the_prompt_of_a_conversation_has_a_line_for_each_message() -> None:
    roles = ("system", "user", "assistant", "user")
    messages = normalise([{"role": role, "content": text} for role, text in zip(roles, "abcd", strict=True)])
    assert flatten(messages) == "System: a\nUser: b\nAssistant: c\nUser: d\nAssistant:"


def test_texts_makes_a_developer_message_a_system_message() -> None:
    messages = normalise([{"role": role, "content": role} for role in ("developer", "system", "user", "assistant")])
    assert texts(messages) == (
        {"role": "system", "content": "developer"},
        {"role": "system", "content": "system"},
        {"role": "user", "content": "user"},
        {"role": "assistant", "content": "assistant"},
    )


@pytest.mark.parametrize(
    ("message", "what"),
    [
        ({"role": "user", "content": [IMAGE]}, "an image (part 1)"),
        (ASKING, "tool calls"),
        (ANSWER, "the result of a tool"),
        ({"role": "user", "content": "x", "name": "Ann"}, "a name"),
        ({"role": "assistant", "content": "x", "reasoning_content": "y"}, "the field 'reasoning_content'"),
        (
            {"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {"a": 1}}]},
            "the field 'cache_control'",
        ),
    ],
)
def test_texts_refuses_a_message_that_holds_more_than_text(message: Any, what: str) -> None:
    with pytest.raises(g4flite.MessagesError) as caught:
        texts([{"role": "user", "content": "x"}, message])
    assert str(caught.value) == (
        f"message 2 holds {what}, which this service cannot carry; ask a provider that can, like openai"
    )


@pytest.mark.parametrize("name", FOUNDERS)
def test_a_founding_provider_refuses_an_image(name: str) -> None:
    messages = [{"role": "user", "content": "x"}, {"role": "user", "content": [IMAGE]}]
    call = make_call(providers.find(name), messages, model=None, base_url=None, headers=None, options={})
    with pytest.raises(g4flite.MessagesError, match="message 2 holds an image"):
        build(call)


@pytest.mark.parametrize("name", FOUNDERS)
def test_a_founding_provider_sends_a_developer_message_as_a_system_message(name: str) -> None:
    def body(role: str) -> bytes:
        messages = [{"role": role, "content": "Be brief."}, {"role": "user", "content": "Hi"}]
        call = make_call(providers.find(name), messages, model=None, base_url=None, headers=None, options={})
        return build(replace(call, now_ms=0)).body

    assert body("developer") == body("system")


@pytest.mark.parametrize("data", ["Q*UI=", "QUI=\n", "QUI", "QU I="])
def test_an_image_whose_data_are_not_base64_is_refused(data: str) -> None:
    with pytest.raises(g4flite.MessagesError, match="an image whose data are not base64"):
        normalise(image(f"data:image/png;base64,{data}"))


def test_a_tool_call_may_stand_in_the_messages_as_it_came() -> None:
    call = g4flite.ToolCall("c1", "now", "{}")
    encoded = {"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    assert normalise([{"role": "assistant", "tool_calls": [call]}])[0]["tool_calls"] == [encoded]
    assert (
        normalise([{"role": "assistant", "tool_calls": (call, {**encoded, "id": "c2"})}])[0]["tool_calls"][0] == encoded
    )


def test_the_marks_of_a_turn_are_kept() -> None:
    state = {"parts": ["a", 0, {"reasoning": "b"}]}
    turn = {"role": "assistant", "content": "a", "state": state, "partial": True}
    (kept,) = normalise([turn])
    assert kept == turn
    assert kept["state"] is not state
    call = {"role": "assistant", "tool_calls": [g4flite.ToolCall("c1", "now", "{}")]}
    result = {"role": "tool", "tool_call_id": "c1", "content": "no"}
    assert normalise([call, {**result, "is_error": True}])[1] == {**result, "is_error": True}
    assert normalise([call, {**result, "is_error": False}])[1] == result


@pytest.mark.parametrize("state", ["text", {"parts": "text"}, {"parts": [1.5]}, {"parts": [[]]}, {"a": 1}])
def test_a_state_that_is_none_is_refused(state: object) -> None:
    with pytest.raises(g4flite.MessagesError, match="message 1 has a state that is not the one of a `Stream.message`"):
        normalise([{"role": "assistant", "content": "a", "state": state}])


def test_a_service_of_text_alone_leaves_a_state_out_and_says_so() -> None:
    messages = normalise([{"role": "assistant", "content": "a", "state": {"parts": [{"x": 1}]}, "partial": True}])
    dropped: list[str] = []
    assert texts(messages, dropped) == texts(messages) == ({"role": "assistant", "content": "a"},)
    assert dropped == ["message 1: its state is left out, which this service does not take"]
