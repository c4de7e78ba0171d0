"""Which options a rule refuses, and in which words."""

from typing import Any

import pytest

import g4flite
from g4flite._core.refused import check_refused
from g4flite._core.takes import Refused, Takes
from tests.rows import rows

# A rule, the options, the fields of `extra`, and the end of the error; None means that nothing is refused.
RULES: list[tuple[Refused, dict[str, Any], dict[str, Any], str | None]] = [
    (Refused(option="seed"), {"seed": 7}, {}, "seed=7 is refused by the model 'm'; leave it out"),
    (Refused(option="seed"), {}, {}, None),
    (Refused(option="seed", models="n"), {"seed": 7}, {}, None),
    (Refused(option="seed", models="m.+"), {"seed": 7}, {}, None),
    (Refused(option="temperature", but=(1,)), {"temperature": 1.0}, {}, None),
    (Refused(option="temperature", but=(1,)), {"temperature": 0}, {}, "leave it out, or pass 1"),
    (Refused(option="seed", beside="tools"), {"seed": 7, "tools": []}, {}, None),
    (Refused(option="seed", beside="top_p"), {"seed": 7, "top_p": 0}, {}, "seed=7 together with top_p= is refused"),
    (Refused(option="tool_choice", but=("auto",)), {"tool_choice": {"type": "function"}}, {}, "tool_choice='function'"),
    (Refused(option="seed", thinking=("enabled",)), {"seed": 7}, {}, None),
    (Refused(option="seed", thinking=("enabled",)), {"seed": 7}, {"thinking": True}, None),
    (Refused(option="seed", thinking=("enabled",)), {"seed": 7}, {"thinking": {"type": "enabled"}}, "while it thinks"),
    (
        Refused(option="seed", thinking=(None,)),
        {"seed": 7},
        {},
        "is refused by the model 'm' while it thinks; leave it",
    ),
    (Refused(option="seed", thinking=(None,)), {"seed": 7}, {"thinking": {"type": "disabled"}}, None),
    (Refused(option="seed", values=(7,)), {"seed": 7}, {}, "seed=7 is refused by the model 'm'; leave it out"),
    (Refused(option="seed", values=(7,), but=(8, 9)), {"seed": 7}, {}, "leave it out, or pass 8 or 9"),
    (Refused(option="seed", values=(7,)), {"seed": 8}, {}, None),
    (Refused(option="thinking", values=("a",)), {}, {"thinking": {"type": "a"}}, "thinking='a' is refused by the"),
    (Refused(option="thinking", values=("a",)), {}, {"thinking": {"type": "b"}}, None),
    (Refused(option="thinking", values=("a",)), {}, {}, None),
    (Refused(option="seed", unsaid="seed"), {"seed": 7}, {}, None),
    (
        Refused(option="seed", unsaid="json"),
        {"seed": 7},
        {},
        "seed=7 is refused unless a message has the word 'json'; say in a message that the answer is to be JSON",
    ),
    # What is said elsewhere, nobody here knows.
    (Refused(option="seed", unsaid="json"), {"seed": 7}, {"previous_response_id": "r"}, None),
    (Refused(option="seed", unsaid="json"), {"seed": 7}, {"messages": []}, None),
    (Refused(option="seed", unsaid="json"), {"seed": 7}, {"user": "json"}, "unless a message has the word 'json'"),
]


@rows(("rule", "options", "extra", "said"), RULES)
def test_a_rule_says_which_options_a_model_refuses(
    rule: Refused, options: dict[str, Any], extra: dict[str, Any], said: str | None
) -> None:
    takes = Takes(refused=(Refused(option="n"), rule))
    said_before = {"role": "user", "content": [{"type": "text", "text": "The word is Seed."}]}
    if said is None:
        check_refused("m", options, extra, [said_before], takes)
        return
    with pytest.raises(g4flite.OptionError) as caught:
        check_refused("m", options, extra, [said_before], takes)
    assert said in str(caught.value)
