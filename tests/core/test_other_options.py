"""Arguments of other SDKs are told by name: what to write here instead."""

from types import SimpleNamespace
from typing import Any

import httpx
import pytest

import g4flite
from g4flite._core.errors import ARGUMENTS, METHODS, in_python, with_arguments
from g4flite._core.other_options import INSTEAD
from g4flite._core.transport.tls import unused_context
from tests.rows import rows

SAID = {
    "stream": "an answer always streams; leave it out, and call .text() for the whole answer",
    "proxies": "pass one URL as proxy=",
    "max_retries": "pass retries=",
    "top_k": "pass the service's own field in extra=",
    "logit_bias": "pass the service's own field in extra=",
    "n": "one stream is one answer",
    "num_retries": "pass retries=",
    "response_model": "pass response_format= with the class, and call .parsed() for its value",
    "max_completion_tokens": "pass max_tokens=",
    "functions": "pass tools=",
    "api_base": "pass base_url=",
    "extra_body": "pass extra=",
    "default_headers": "pass headers=",
    "http_client": "pass client=",
    "instructions": "pass system=",
    "thinking_budget": "pass reasoning_effort=",
    "top_logprobs": "pass the number as logprobs=",
    "safety_identifier": "pass user=",
}


@rows("name", SAID)
@rows("pooled", [False, True])
def test_an_argument_of_another_sdk_says_what_to_write(name: str, pooled: bool) -> None:
    ask: Any = g4flite.Client if pooled else lambda provider, **more: g4flite.stream(provider, "Hi", **more)
    with pytest.raises(g4flite.OptionError) as caught:
        ask("openai", model="m", api_key="sk-test-1", **{name: True})
    assert str(caught.value).startswith(f"openai: there is no option {name!r}")
    assert SAID[name] in str(caught.value)


@rows("name", ["api_key", "base_url", "proxy", "verify"])
def test_a_setting_of_the_client_is_not_taken_by_its_stream(name: str) -> None:
    with g4flite.Client("openai", model="m", api_key="sk-test-1") as client:
        with pytest.raises(g4flite.OptionError, match=f"'{name}'; it is a setting of the Client; set it there"):
            client.stream("Hi", **{name: "x"})
        own = r"a Client has an HTTP client of its own; pass yours to stream\(\), with the provider's name in place of "
        with pytest.raises(g4flite.OptionError, match=own):
            client.stream("Hi", client=client)
        with pytest.raises(g4flite.OptionError, match=f"^client= cannot be given with a Client; {own}"):
            g4flite.stream(client, "Hi", client=httpx.Client())


@rows("kind", [httpx.MockTransport, httpx.HTTPTransport, httpx.AsyncHTTPTransport])
def test_a_transport_of_httpx_belongs_into_an_http_client(kind: Any) -> None:
    transport = kind(str) if kind is httpx.MockTransport else kind(verify=unused_context())
    for ask in (g4flite.Client, lambda name, **more: g4flite.stream(name, "Hi", **more)):
        with pytest.raises(g4flite.OptionError, match=r"; pass client=httpx.Client\(transport=...\) to stream\(\)$"):
            ask("ollama", model="m", transport=transport)


@rows("name", INSTEAD)
def test_each_argument_in_the_table_is_one_that_there_is(name: str) -> None:
    spelled = with_arguments(INSTEAD[name], in_python)
    assert "{" not in spelled
    assert spelled != ""


def test_an_option_that_the_provider_takes_is_no_foreign_one() -> None:
    assert {*INSTEAD} & {*ARGUMENTS} - {*METHODS} == {"api_key", "base_url", "proxy", "verify", "client"}


@pytest.mark.parametrize("timeout", [httpx.Timeout(5.0), type("ClientTimeout", (SimpleNamespace,), {})()])
def test_a_timeout_of_an_http_library_is_told_by_name(timeout: Any) -> None:
    with pytest.raises(g4flite.OptionError, match=r"timeout= must be .*, not \w+\.\w*Timeout; write Timeout\(connect="):
        g4flite.stream("cromicle", "Hi", base_url="http://127.0.0.1:1", timeout=timeout)
