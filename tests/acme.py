"""A provider of the tests' own: raw text, unsigned."""

from g4flite import JSON, Call, Provider, TextParser


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
