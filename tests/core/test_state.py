"""Which state goes back: to the service that gave it, if nothing was changed, and to no other."""

import json
from dataclasses import replace
from hashlib import pbkdf2_hmac, sha256
from itertools import product
from typing import Any

import pytest

import g4flite
from g4flite import providers
from g4flite._core.messages import normalise
from g4flite._core.provider import Call
from g4flite._core.state import ROUNDS, account, origin, prefixes, with_states
from g4flite._core.takes import Takes
from tests.rows import rows

OWN = {"type": "thinking", "signature": "x"}
HI = {"role": "user", "content": "Hi"}
KEY = "sk-s3cret-s3cret"
SETTINGS: dict[str, Any] = {"model": "m-1", "base_url": "https://user:pass@api.test:1/v1", "api_key": KEY}


def call(*messages: dict[str, Any], **settings: Any) -> Call:
    provider = providers.find(settings.pop("provider", "anthropic"))
    return Call(provider=provider, messages=normalise(messages), **{**SETTINGS, **settings})


def answer(*before: dict[str, Any], content: str = "Hello", **settings: Any) -> dict[str, Any]:
    """Return an answer with a state that a call of these messages got."""
    asked = call(*(before or (HI,)), **settings)
    *_, prefix = prefixes(asked)
    return {
        "role": "assistant",
        "content": content,
        "state": {
            **origin(asked),
            "account": account(asked),
            "prefix": prefix,
            "parts": [{"reasoning": "Hm"}, OWN, content],
        },
    }


def sent(asked: Call, state: Any = "provider", prefix: str = "") -> tuple[list[Any], list[str]]:
    """Return the state of each message that goes out, and what is left out."""
    messages = with_states(asked, Takes(state=state, prefix=prefix))
    assert all("partial" not in message for message in messages)
    return [message.get("state") for message in messages], asked.dropped


PARTS = [{"reasoning": "Hm"}, OWN, "Hello"]


def test_messages_without_state_stay_as_they_are() -> None:
    asked = call(HI)
    assert with_states(asked, Takes()) == [*asked.messages]


@rows("bound", ["provider", "model", "account"])
def test_a_state_goes_back_to_where_it_came_from(bound: str) -> None:
    asked = call(HI, json.loads(json.dumps(answer())), HI)
    assert sent(asked, bound) == ([None, PARTS, None], [])
    # The caller's messages stay as they are.
    assert asked.messages[1]["state"]["provider"] == "anthropic"


@rows(
    ("settings", "bound", "why"),
    [
        ({"provider": "openai"}, "provider", "it belongs to another provider anthropic"),
        ({"base_url": "https://other.test/v1"}, "provider", "it belongs to another host api.test:1"),
        ({"model": "m-2"}, "model", "it belongs to another model m-1"),
        ({"api_key": "sk-another"}, "account", "it belongs to another account"),
        ({"api_key": ""}, "account", "it belongs to another account"),
        ({}, "", "this service takes none"),
    ],
)
def test_a_state_goes_to_nobody_else(settings: dict[str, Any], bound: str, why: str) -> None:
    asked = call(HI, answer(), HI, **settings)
    assert sent(asked, bound) == ([None] * 3, [f"message 2: its state is left out, because {why}"])


def test_a_state_that_is_bound_to_less_goes_back_after_a_change_of_the_rest() -> None:
    assert sent(call(HI, answer(), HI, model="m-2", api_key="sk-another"))[0][1] == PARTS
    assert sent(call(HI, answer(), HI, api_key="sk-another"), "model")[0][1] == PARTS


def test_an_account_is_told_by_each_header_that_holds_a_key_or_names_an_organisation() -> None:
    """Responses: 400 `invalid_encrypted_content` for another organisation (pydantic/pydantic-ai#4608, 2026)."""
    # The provider, and headers with the key beside which another value is another account.
    table = {
        "anthropic": ["x-api-key", "authorization"],
        "openai-responses": ["authorization", "openai-organization", "openai-project"],
        "azure-openai": ["api-key", "authorization"],
    }
    for provider, names in table.items():
        for name, key in product(names, ("", KEY)):
            asked: dict[str, Any] = {"provider": provider, "api_key": key, "headers": {name: "Bearer s3cret"}}
            before = answer(**asked)
            assert sent(call(HI, before, HI, **asked), "account")[0][1] == PARTS, (provider, name)
            others: list[dict[str, str]] = [{name: "Bearer other"}, {}]
            for headers in others:
                other = call(HI, before, HI, **{**asked, "headers": headers})
                assert sent(other, "account")[0][1] is None, (provider, name)
    # Other headers say nothing, and one may hold the same as the key.
    before = answer(provider="openai", headers={"x-trace": "1"})
    assert sent(call(HI, before, HI, provider="openai"), "account")[0][1] == PARTS
    headers = {"authorization": f"Bearer {KEY}"}
    assert sent(call(HI, before, HI, provider="openai", api_key="", headers=headers), "account")[0][1] == PARTS
    assert account(call(HI, api_key="")) == ""


def test_no_secret_stands_in_a_state() -> None:
    state = answer(headers={"authorization": "Bearer s3cret"})["state"]
    assert state["host"] == "api.test:1"
    assert not any(secret in json.dumps(state) for secret in (KEY, "s3cret", "user", "pass"))


def test_a_key_cannot_be_guessed_from_a_state_and_the_states_of_a_conversation_have_one_salt() -> None:
    salt, hashed = answer()["state"]["account"].split("-")
    assert (len(salt), len(hashed)) == (32, 12)
    plain = [KEY, json.dumps(KEY), salt + KEY, KEY + salt]
    assert not any(sha256(text.encode()).hexdigest().startswith(hashed) for text in plain)
    made = pbkdf2_hmac("sha256", sha256(KEY.encode()).digest(), salt.encode(), ROUNDS)
    assert (made.hex()[:12], ROUNDS) == (hashed, 50_000)
    # A conversation that another process began goes on with its salt.
    before = answer()
    before["state"]["account"] = account(call(HI), "of another process")
    assert sent(call(HI, before, HI), "account")[0][1] == PARTS
    assert answer(HI, before, HI)["state"]["account"] == before["state"]["account"] != account(call(HI))
    assert sent(call(HI, before, HI, api_key="sk-another"), "account")[0][1] is None
    for unknown in ("", 1, None, "x"):
        before["state"]["account"] = unknown
        assert sent(call(HI, before, HI), "account")[0][1] is None


@pytest.mark.parametrize("change", [{"content": "Hallo"}, {"tool_calls": [g4flite.ToolCall("c1", "now", "{}")]}])
def test_the_state_of_a_changed_answer_is_left_out(change: dict[str, Any]) -> None:
    result = {"role": "tool", "tool_call_id": "c1", "content": "9"}
    asked = call(HI, {**answer(), **change}, *([result] if "tool_calls" in change else [HI]))
    assert sent(asked) == ([None] * 3, ["message 2: its state is left out, because the message was changed"])


def test_the_state_of_an_answer_that_is_not_complete_is_left_out() -> None:
    asked = call(HI, {**answer(), "partial": True}, HI)
    assert sent(asked) == ([None] * 3, ["message 2: its state is left out, because the answer is not complete"])
    assert sent(call(HI, {"role": "assistant", "content": "Hel", "partial": True}, HI)) == ([None] * 3, [])


# States that are bound to all that stands before them


def history(**settings: Any) -> list[dict[str, Any]]:
    """Return a conversation of four questions and three answers, each with its state."""
    messages = [{**HI, "content": "1"}]
    for number in "234":
        messages = [*messages, answer(*messages, **settings), {**HI, "content": number}]
    return messages


def test_bound_states_go_back_if_nothing_before_them_was_changed() -> None:
    states, dropped = sent(call(*history()), prefix="m-.*")
    assert (states[1::2], dropped) == ([PARTS] * 3, [])


@rows(
    ("changed", "kept", "why"),
    [
        (0, 0, "message 1 was changed"),
        (2, 1, "message 3 was changed"),
        (4, 2, "message 5 was changed"),
        (6, 3, ""),
    ],
)
def test_a_change_of_a_message_leaves_out_the_states_behind_it(changed: int, kept: int, why: str) -> None:
    messages = history()
    messages[changed] = {**HI, "content": "another"}
    states, dropped = sent(call(*messages), prefix="m-.*")
    assert states[1::2] == [PARTS] * kept + [None] * (3 - kept)
    assert dropped[:1] == ([f"message {2 * kept + 2}: its state is left out, because {why}"] if why else [])
    assert dropped[1:] == [
        f"message {number}: its state is left out, because one of messages {2 * kept + 1} to {number - 1} was changed"
        for number in range(2 * kept + 4, 8, 2)
    ]
    # Another model does not mind.
    assert sent(call(*messages), prefix="n-.*")[0][1::2] == [PARTS] * 3


def test_of_several_messages_any_may_have_been_changed() -> None:
    states, dropped = sent(call(HI, *history()), prefix="m-.*")
    assert states == [None] * 8
    assert dropped[0] == "message 3: its state is left out, because one of messages 1 to 2 was changed"


SYSTEM = {"role": "system", "content": "Be brief."}


def test_a_change_of_the_system_prompt_leaves_the_states_out() -> None:
    assert sent(call(SYSTEM, *history()), prefix="m-.*") == (
        [None] * 8,
        [f"message {number}: its state is left out, because the system prompt was changed" for number in (3, 5, 7)],
    )
    # A later one goes out before the others, and so changes what stands before each answer.
    for role in ("system", "developer"):
        late = [*history(), {"role": role, "content": "In French."}, HI]
        states, dropped = sent(call(*late), prefix="m-.*")
        assert states == [None] * 9
        why = "because message 8 changed the system prompt"
        assert dropped == [f"message {number}: its state is left out, {why}" for number in (2, 4, 6)]
        # The next answer is bound to what went out.
        assert sent(call(*late, answer(*late), HI), prefix="m-.*")[0][-2] == PARTS
    # What says nothing, or goes out as another message would, changes nothing.
    assert sent(call(*history(), {"role": "system", "content": " "}, HI), prefix="m-.*")[1] == []
    with_one = [SYSTEM, HI]
    moved = [HI, answer(*with_one), SYSTEM, HI]
    assert sent(call(*moved), prefix="m-.*")[1] == []


MARK = {"cache_control": {"type": "ephemeral"}}


def test_marks_of_the_cache_may_move() -> None:
    def marked(text: str) -> dict[str, Any]:
        return {"role": "user", "content": [{"type": "text", "text": text, **MARK}]}

    tool = {"type": "function", "function": {"name": "now"}}
    prompt = [{"type": "text", "text": "Be brief.", **MARK}]
    begun = [SYSTEM, marked("Hi")]
    later = [{**SYSTEM, "content": prompt}, HI, answer(*begun, options={"tools": [tool]}), marked("And now?")]
    assert sent(call(*later, options={"tools": [{**tool, **MARK}]}), prefix="m-.*") == ([None, None, PARTS, None], [])
    in_extra = answer(HI, extra={"system": "Be brief.", "tools": [{"name": "now"}]})
    extra = {"system": prompt, "tools": [{"name": "now", **MARK}]}
    assert sent(call(HI, in_extra, HI, extra=extra), prefix="m-.*")[1] == []
    # The text beside a mark counts.
    changed = call(SYSTEM, marked("Ho"), later[2], HI, options={"tools": [tool]})
    assert sent(changed, prefix="m-.*")[1] == [
        "message 3: its state is left out, because one of messages 1 to 2 was changed"
    ]


def test_a_change_of_the_tools_leaves_the_states_out() -> None:
    tools = [{"type": "function", "function": {"name": "now"}}]
    assert sent(call(*history(options={"tools": tools}), options={"tools": tools}), prefix="m-.*")[1] == []
    _, dropped = sent(call(*history(), options={"tools": tools}), prefix="m-.*")
    assert dropped[0] == "message 2: its state is left out, because the tools were changed"


@rows("changed", [1, 3])
@rows("change", [{"state": None}, {"partial": True}])
def test_a_state_that_was_taken_out_leaves_out_the_states_behind_it(changed: int, change: Any) -> None:
    messages = history()
    messages[changed] |= change
    states, dropped = sent(call(*messages), prefix="m-.*")
    # The states before the change go back.
    assert states[1::2] == [PARTS] * (changed // 2) + [None] * (3 - changed // 2)
    assert [told for told in dropped if "not complete" not in told] == [
        f"message {number}: its state is left out, because one of messages {changed} to {number - 1} was changed"
        for number in range(changed + 3, 8, 2)
    ]
    # So does that of the next answer, which is bound to what went out.
    assert sent(call(*messages, answer(*messages), HI), prefix="m-.*")[0][-2] == PARTS


def test_a_change_of_what_extra_says_leaves_the_states_out() -> None:
    extra = {"system": "Be brief."}
    assert sent(call(*history(extra=extra), extra=extra), prefix="m-.*")[1] == []
    _, dropped = sent(call(*history(), extra=extra), prefix="m-.*")
    assert dropped[0] == "message 2: its state is left out, because the system prompt was changed"
    _, dropped = sent(call(*history(), extra={"tools": [{}]}), prefix="m-.*")
    assert dropped[0] == "message 2: its state is left out, because the tools were changed"
    # Other fields stand before no message.
    assert sent(call(*history(), extra={"top_k": 1}), prefix="m-.*")[1] == []


def test_a_prefix_may_hold_halves_of_surrogate_pairs_and_values_that_are_not_json() -> None:
    odd = call(HI, options={"tools": [object]})
    assert len([*prefixes(replace(odd, messages=({"role": "user", "content": "\ud800"},)))]) == 2


def test_reasoning_that_its_own_service_never_wants_back_is_no_news() -> None:
    message = answer(HI)
    thought = {**message, "state": {**message["state"], "parts": [{"reasoning": "hm"}, message["content"]]}}
    assert sent(call(HI, thought, HI), state="")[1] == []
    assert sent(call(HI, message, HI), state="")[1] == [
        "message 2: its state is left out, because this service takes none"
    ]
