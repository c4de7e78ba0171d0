"""In any form, the tool calls that are given out are those that the service meant, or there is an error."""

import json
from random import Random
from typing import Any

from g4flite import MalformedReplyError, ToolCall
from tests.providers.frames import read_once, sse
from tests.response.call_forms import PROVIDERS, any_reply
from tests.rows import rows

# How many replies of each protocol are read.
REPLIES = {"chat": 700, "responses": 150, "anthropic": 150, "cohere": 150}
# Seeds of forms that the first ones do not hold: equal arguments that came again, a third piece of a name.
MORE = {"anthropic": [6967], "chat": [7032]}


def value(call: tuple[str, Any]) -> tuple[str, str]:
    """Return the name of a call and its arguments in one spelling."""
    return call[0], json.dumps(call[1], sort_keys=True)


@rows("protocol", PROVIDERS)
def test_a_call_is_given_out_whole_and_once_or_the_error_names_a_call(protocol: str) -> None:
    read = 0
    for seed in [*range(REPLIES[protocol]), *MORE.get(protocol, ())]:
        reply = any_reply(Random(seed), protocol)
        items = read_once(reply.provider, sse(*reply.frames), 2**20)
        meant = [value(call) for call in reply.calls]
        for call in (item for item in items if isinstance(item, ToolCall)):
            said = value((call.name, json.loads(call.arguments)))
            assert said in meant, (seed, reply.form)
            meant.remove(said)
        if isinstance(items[-1], MalformedReplyError):
            assert "the tool call" in str(items[-1]), (seed, reply.form)
        else:
            assert (items[-1], meant) == ("done", []), (seed, reply.form)
            read += 1
    # Refusing everything would be right, too.
    assert read > REPLIES[protocol] * (0.25 if protocol == "chat" else 0.4)
