"""Two providers of the tests' own: ACME's replies are raw text, MARKED's are JSON lines with an end marker.

    server.script = Script(body="made to measure")
    assert "".join(driver.collect(ACME, "Hi", base_url=server.url)) == "made to measure"

Both put the prompt and the options into their payload.

    assert build(call(base_url="http://host.test")).url == "http://host.test/chat"

`call` makes a call to ACME or to another provider; the settings that are not given stay unset.
"""

import dataclasses
from typing import Any

from g4flite import JSON, Call, JsonLinesParser, Provider, TextParser
from g4flite._core.request import make_call


def payload(call: Call) -> JSON:
    return {"prompt": call.prompt, **call.options}


ACME = Provider(
    name="acme",
    base_url="http://acme.test",
    url="{base_url}/chat",
    headers={"content-type": "application/json"},
    payload=payload,
    parser=TextParser,
    options={"temperature": (int, float), "tools": (list,), "debug": (bool,)},
)


def marked(limit: int) -> JsonLinesParser:
    return JsonLinesParser(lambda frame: frame.get("text", ""), limit, ends=lambda frame: frame.get("done") is True)


MARKED = dataclasses.replace(ACME, name="marked", parser=marked, end="marker")


def call(spec: Provider = ACME, messages: Any = "Hi", **kwargs: Any) -> Call:
    """Return the call that `stream` makes of these arguments."""
    settings: dict[str, Any] = {"model": None, "base_url": None, "headers": None, "options": {}}
    return make_call(spec, messages, **{**settings, **kwargs})
