"""`fetch`: one request and its response, for a question that is no stream."""

from collections.abc import Callable

import pytest

import g4flite
from g4flite._core.exchange import Route
from g4flite._core.provider import Request
from g4flite._core.request import make_call
from g4flite._core.settings import Timeout
from g4flite._core.transport.driver import fetch
from g4flite.client import resolve_connection, route_of
from g4flite.testing import Emulator, Script

KEY = "sk-never-to-be-shown"


@pytest.fixture
def asked(server: Emulator) -> Callable[..., tuple[Route, Request]]:
    """Return a function that returns a route to the server and the request of its call."""

    def make(**timeout: float) -> tuple[Route, Request]:
        base_url = f"{server.url}/v1"
        call = make_call(g4flite.providers.OPENAI, "Hi", model="m", base_url=base_url, headers=None, options={},
                         api_key=KEY)  # fmt: skip
        route = route_of(call, resolve_connection(call, None, None), None, Timeout(**timeout), 0)
        return route, route.request(0, call.now_ms)

    return make


def test_fetch_gives_the_head_and_the_pieces_of_the_body(
    asked: Callable[..., tuple[Route, Request]], server: Emulator
) -> None:
    server.script = Script(body=b"one two", split=3, headers={"content-type": "text/plain"})
    with fetch(*asked()) as fetched:
        assert (fetched.response.head.status, fetched.response.head.headers["content-type"]) == (200, "text/plain")
        assert b"".join(fetched.pieces) == b"one two"
        assert KEY in fetched.secrets
    assert server.exchanges[0].problem is None


def test_leaving_early_closes_the_connection(asked: Callable[..., tuple[Route, Request]], server: Emulator) -> None:
    server.script = Script(body=b"one two", split=3, wait=30)
    with fetch(*asked()) as fetched:
        assert next(fetched.pieces) == b"one"
    assert server.exchanges[0].disconnected.wait(10)


def test_the_timers_of_the_route_bound_each_read(asked: Callable[..., tuple[Route, Request]], server: Emulator) -> None:
    server.script = Script(body=b"one two", split=3, wait=30)
    with pytest.raises(g4flite.IdleTimeoutError), fetch(*asked(first_token=30, idle=0.1)) as fetched:
        assert next(fetched.pieces) == b"one"
        fetched.timers.heard = True
        next(fetched.pieces)


def test_a_body_that_is_cut_off_is_an_error_that_promises_no_partial_text(
    asked: Callable[..., tuple[Route, Request]], server: Emulator
) -> None:
    server.script = Script(body=b"one two", cut=3)
    cut_off = pytest.raises(g4flite.TruncatedStreamError, match="the text so far was not kept")
    with cut_off as caught, fetch(*asked()) as got:
        list(got.pieces)
    assert (caught.value.provider, caught.value.partial) == ("openai", "")


def test_a_connect_error_has_the_provider_s_name(asked: Callable[..., tuple[Route, Request]]) -> None:
    route, request = asked()
    with (
        pytest.raises(g4flite.ConnectError) as caught,
        fetch(route, request._replace(url="http://127.0.0.1:1/v1")),
    ):
        pytest.fail("there is no response")
    assert caught.value.provider == "openai"


def test_an_error_that_the_caller_raises_gets_provider_and_request_id_and_loses_its_secrets(
    asked: Callable[..., tuple[Route, Request]], server: Emulator
) -> None:
    server.script = Script(headers={"x-request-id": "req-7"})
    with pytest.raises(g4flite.StatusError) as caught, fetch(*asked()):
        raise g4flite.StatusError(f"no such key: {KEY}", status=401, body=KEY)
    error = caught.value
    assert (str(error), error.body, error.request_id) == (
        "openai: no such key: *** (request id req-7)",
        "***",
        "req-7",
    )
