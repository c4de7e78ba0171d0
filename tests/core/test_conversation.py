"""What a service takes of a conversation: mended where nothing is lost, refused by name otherwise."""

import json
from typing import Any

import pytest

import g4flite
from g4flite import providers
from g4flite._core.conversation import fitted, leading_system_joined, runs_joined
from g4flite._core.messages import normalise
from g4flite._core.provider import Call
from g4flite._core.request import build, make_call
from g4flite._core.takes import EVERY_KEY, EVERYTHING, Takes

HI = {"role": "user", "content": "Hi"}
PNG = "data:image/png;base64,QUI="


def asking(*ids: str, **more: Any) -> dict[str, Any]:
    """Return an assistant's message with a call of these ids each."""
    function = {"name": "now", "arguments": "{}"}
    return {"role": "assistant", "content": "", **more,
            "tool_calls": [{"id": one, "type": "function", "function": function} for one in ids]}  # fmt: skip


def answer(one: str, **more: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": one, "content": f"result of {one}", **more}


def asked(*messages: dict[str, Any], model: str | None = None) -> Call:
    """Return a call with these messages."""
    return Call(provider=providers.find("openai"), messages=normalise(messages), model=model)


def fit(*messages: dict[str, Any], **takes: Any) -> list[Any]:
    return fitted(asked(*messages), Takes(**takes))


def ids(messages: list[Any]) -> list[Any]:
    """Return the ids of the calls of each message, or the id that it answers."""
    return [m.get("tool_call_id") or [call["id"] for call in m.get("tool_calls", ())] for m in messages]


def refused(*messages: dict[str, Any], **takes: Any) -> str:
    with pytest.raises(g4flite.MessagesError) as caught:
        fit(*messages, **takes)
    return str(caught.value)


def test_what_a_service_takes_is_not_changed() -> None:
    messages = [{"role": "system", "content": "a"}, HI, asking("x", "y"), answer("y"), answer("x"), HI, asking("z\n"),
                answer("z\n"), {"role": "assistant", "content": ""}]  # fmt: skip
    assert fit(*messages) == messages


def test_a_developer_message_becomes_a_system_message_if_the_service_knows_no_developer() -> None:
    message = {"role": "developer", "content": "a"}
    assert fit(message, HI)[0] == {"role": "system", "content": "a"}
    assert fit(message, HI, developer=True)[0] == message


def test_an_empty_answer_is_left_out_if_the_service_refuses_it() -> None:
    empty = {"role": "assistant", "content": ""}
    assert fit(HI, empty, HI, asking("a"), answer("a"), empty_answers=False) == [HI, HI, asking("a"), answer("a")]
    thought = {**empty, "reasoning_content": "why"}
    assert fit(HI, thought, keys=["reasoning_content"], empty_answers=False) == [HI]
    assert fit(HI, thought, keys=["reasoning_content"]) == [HI, thought]
    said = {**empty, "refusal": "no"}
    assert fit(HI, said, keys=["refusal"], empty_answers=False) == [HI, said]
    assert "every message is empty" in refused(empty, empty_answers=False)


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ([HI, asking("a")], "message 2 makes the tool call 'a', whose result does not follow"),
        ([HI, asking("a", "b"), answer("a"), HI], "message 2 makes the tool call 'b', whose result does not follow"),
        ([HI, asking("a"), HI, answer("a")], "message 2 makes the tool call 'a', whose result does not follow"),
        ([HI, asking("a"), asking("b"), answer("b")], "message 2 makes the tool call 'a'"),
        ([asking("a"), answer("a"), HI, answer("a")], "message 4 answers the tool call 'a', which is answered already"),
        ([asking("a"), answer("a"), answer("a")], "message 3 answers the tool call 'a', which is answered already"),
        ([asking("a"), answer("a"), asking("b"), answer("a")], "message 4 answers the tool call 'a', which is"),
    ],
)
def test_a_call_without_its_result_and_a_result_without_its_call_are_refused(
    messages: list[Any], complaint: str
) -> None:
    assert complaint in refused(*messages)


def test_ids_that_a_service_refuses_are_changed_in_call_and_result_alike() -> None:
    messages = [asking("functions.x:0", "abcdefgh1"), answer("abcdefgh1"), answer("functions.x:0")]
    fixed = fit(*messages, call_ids="[a-zA-Z0-9]{9}")
    (first, second), third, fourth = ids(fixed)
    assert second == third == "abcdefgh1"
    assert first == fourth != second
    assert len(first) == 9
    assert first.isalnum()
    assert [m["content"] for m in fixed] == [m["content"] for m in messages]
    # A longer conversation keeps the ids of the shorter one.
    assert ids(fit(*messages, HI, asking("q"), answer("q"), call_ids="[a-zA-Z0-9]{9}"))[:3] == ids(fixed)


def test_ids_that_come_twice_become_unique() -> None:
    messages = [asking("a"), answer("a"), asking("a", "a"), answer("a"), answer("a")]
    [first], one, [second, third], two, three = ids(fit(*messages))
    assert (first, second, third) == (one, two, three)
    assert len({first, second, third}) == 3
    assert first == "a"


def test_an_image_of_a_type_that_the_service_refuses_is_refused_by_its_place() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": PNG}}]
    message = {"role": "user", "content": parts}
    assert fit(HI, message, images=["image/png"])[1] == message
    assert "message 2, part 2 has an image of the type image/png, which this service refuses; it takes image/gif" in (
        refused(HI, message, images=["image/gif"])
    )
    web = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a.test/b.png"}}]}
    assert fit(web, images=["image/gif"]) == [web]


def image(**fields: Any) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PNG, **fields}}]}


EXTRA: dict[str, list[dict[str, Any]]] = {
    "name": [{**HI, "name": "ann"}],
    "tool.name": [asking("a"), answer("a", name="clock")],
    "content.cache_control": [{"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"b": 1}}]}],
    "image_url.detail": [image(detail="low")],
    "tool_calls.extra_content": [
        {**asking(), "tool_calls": [{**asking("a")["tool_calls"][0], "extra_content": {"b": 1}}]}, answer("a"),
    ],
    "reasoning_content": [HI, {"role": "assistant", "content": "a", "reasoning_content": "hm"}],
}  # fmt: skip


@pytest.mark.parametrize("key", EXTRA)
def test_an_optional_key_is_kept_or_refused(key: str) -> None:
    messages = EXTRA[key]
    assert fit(*messages, keys=[key]) == list(normalise(messages))
    assert fitted(asked(*messages), EVERYTHING) == list(normalise(messages))
    said = refused(*messages, keys=[other for other in EVERY_KEY if other != key])
    name = key.rpartition(".")[2]
    assert said.startswith("message ")
    assert (" a name, which" if name == "name" else f" has {name!r}, which this service does not take") in said


def test_an_id_that_means_another_tool_in_each_turn_names_the_right_one() -> None:
    """Bedrock's ids restart in every reply (pydantic-ai's cassettes, test_bedrock_mantle, 2026)."""
    messages = []
    for name in ("add", "sub"):
        call = {"id": "call_0", "type": "function", "function": {"name": name, "arguments": "{}"}}
        messages += [{**asking(), "tool_calls": [call]}, answer("call_0", name=name)]
    assert [message.get("name") for message in fit(*messages)] == [None] * 4
    for name in ("gemini", "ollama"):
        spec = providers.find(name)
        call_ = make_call(spec, messages, model="m", base_url=None, headers=None, options={}, api_key="k")
        sent = json.dumps(json.loads(build(call_).body))
        result = '"functionResponse": {"id": "call_0", "name": "add"' if name == "gemini" else '"tool_name": "add"'
        assert sent.index(result) < sent.rindex('"name": "sub"')


def test_the_name_of_a_result_that_its_call_says_as_well_is_left_out() -> None:
    messages = [asking("a"), answer("a", name="now")]
    assert fit(*messages) == [asking("a"), answer("a")]
    assert fit(*messages, keys=["tool.name"]) == messages


def test_system_messages_are_the_user_s_for_a_model_that_knows_none() -> None:
    messages = [system("a"), {"role": "developer", "content": "b"}, HI]
    for developer in (True, False):
        takes = Takes(no_system="tiny(-.+)?", developer=developer)
        assert [m["role"] for m in fitted(asked(*messages, model="tiny-1"), takes)] == ["user"] * 3
        for other in ("tinyfoo", "big", None):
            assert fitted(asked(*messages, model=other), takes)[0] == system("a")


def test_a_system_message_behind_others_is_refused_if_the_service_refuses_it() -> None:
    late = [system("a"), system("b"), HI, system("c")]
    assert fit(*late) == late
    assert fit(*late[:3], late_system=False) == late[:3]
    assert "message 4 is a system message behind another message" in refused(*late, late_system=False)
    named = {"role": "developer", "content": "b", "name": "ann"}
    assert "message 2 is a system" in refused(system("a"), named, HI, late_system=False, developer=True, keys=["name"])


def test_the_name_of_a_called_tool_is_refused_by_its_place() -> None:
    messages = [HI, asking("a"), answer("a")]
    assert fit(*messages, tool_names="[a-z]+") == messages
    assert "message 2, tool call 1 has the name 'now', which this service refuses; a name must match [A-Z]+" in (
        refused(*messages, tool_names="[A-Z]+")
    )


def test_an_empty_reasoning_content_is_kept_for_those_who_take_it() -> None:
    message = asking("a", reasoning_content="")
    assert fit(message, answer("a"), keys=["reasoning_content"])[0] == message
    assert fit(message, answer("a"))[0] == asking("a")


def test_messages_of_one_role_in_a_row_are_joined() -> None:
    def joined(*messages: dict[str, Any]) -> list[Any]:
        return list(runs_joined(normalise(messages)))

    said = {"role": "assistant", "content": "b"}
    assert joined(HI, HI, said, said, HI) == [
        {**HI, "content": "Hi\n\nHi"}, {**said, "content": "b\n\nb"}, HI,
    ]  # fmt: skip
    assert joined(said, {**said, "content": ""}) == [said]
    # A call stays behind the text, and a text behind a call cannot be moved before it.
    assert joined(HI, said, asking("a"), answer("a")) == [HI, {**asking("a"), "content": "b"}, answer("a")]
    for apart in ([asking("a"), answer("a"), answer("a")], [HI, {**HI, "name": "ann"}], [image(), {**HI, "name": "a"}]):
        assert joined(*apart) == apart
    assert joined(HI, image())[0]["content"] == [{"type": "text", "text": "Hi"}, *image()["content"]]


def system(content: Any, **more: Any) -> dict[str, Any]:
    return {"role": "system", "content": content, **more}


def test_the_system_messages_at_the_beginning_are_joined() -> None:
    def joined(*messages: dict[str, Any]) -> list[Any]:
        return list(leading_system_joined(normalise(messages)))

    assert joined(system("a"), system("b"), system("c"), HI, system("d")) == [system("a\n\nb\n\nc"), HI, system("d")]
    assert joined(HI, system("a"), system("b")) == [HI, system("a"), system("b")]
    assert joined(system("a", name="x"), system("b"), HI) == [system("a", name="x"), system("b"), HI]
    marked = {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}
    assert joined(system("a"), system([marked])) == [system([{"type": "text", "text": "a"}, marked])]


def test_the_mark_of_a_failed_tool_is_left_out_if_the_service_does_not_take_it() -> None:
    messages = [asking("x"), answer("x", is_error=True)]
    for keys, dropped in (
        ([], ["message 2: the mark of an error is left out, which this service does not take"]),
        (["tool.is_error"], []),
    ):
        call = asked(*messages)
        _, result = fitted(call, Takes(keys=keys))
        assert (result.get("is_error"), call.dropped) == (None if dropped else True, dropped)


def test_images_in_the_results_of_tools_go_out_behind_them_if_the_service_takes_none_there() -> None:
    image = {"type": "image_url", "image_url": {"url": PNG}}
    said = {"type": "text", "text": "Here."}
    marked = {**said, "cache_control": {"type": "ephemeral"}}
    asked_twice = asking("x", "y")
    results = [{**answer("x"), "content": [image]}, {**answer("y"), "content": [said, image, image]}]
    assert fit(asked_twice, *results, keys=["tool.image_url"]) == [asked_twice, *results]
    texts = [{**answer("x"), "content": "The user's message shows what it has returned."},
             {**answer("y"), "content": "Here."}]  # fmt: skip
    of_x, of_y = ({"type": "text", "text": f"From the tool now ({one}):"} for one in "xy")
    shown = [of_x, image, of_y, image, image]
    user = {"role": "user", "content": shown}
    assert fit(asked_twice, *results) == [asked_twice, *texts, user]
    late = {"role": "assistant", "content": "So."}
    assert fit(asked_twice, *results, late, HI) == [asked_twice, *texts, user, late, HI]
    # Some services refuse two messages of the user in a row.
    both = {**user, "content": [*shown, {"type": "text", "text": HI["content"]}]}
    assert fit(asked_twice, *results, HI) == [asked_twice, *texts, both]
    kept = [asking("x"), {**answer("x"), "content": [marked, image]}]
    assert fit(*kept, keys=["content.cache_control"])[1]["content"] == [marked]
    # What the service takes nowhere is refused there, too.
    with pytest.raises(g4flite.MessagesError, match="message 2, part 1 is an image, which this service does not take"):
        fitted(asked(asking("x"), {**answer("x"), "content": [image]}), Takes(media=()))


def test_the_name_of_a_file_is_told_that_does_not_go_out() -> None:
    data = {"file_data": "data:application/pdf;base64,JVBERi0xLjQK", "filename": "a.pdf"}
    part = {"type": "file", "file": data}
    for named, dropped in (
        ((), ["message 1, part 1: the name of the file is left out, which this service does not take"]),
        (("file.data",), []),
    ):
        call = asked({"role": "user", "content": [part]})
        fitted(call, Takes(media=("file.data",), named=named))
        assert call.dropped == dropped
    call = asked({"role": "user", "content": [{"type": "file", "file": {"file_data": data["file_data"]}}]})
    fitted(call, Takes(media=("file.data",), named=()))
    assert call.dropped == []


def test_a_state_goes_back_or_is_told() -> None:
    message = {"role": "assistant", "content": "", "state": {"parts": [{"signature": "x"}]}}
    call = asked(HI, message, HI)
    # Nothing is left of the message, so that it is left out as well.
    assert fitted(call, Takes(empty_answers=False)) == [HI, HI]
    assert call.dropped == ["message 2: its state is left out, because this service takes none"]
