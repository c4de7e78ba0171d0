"""Event hooks of the caller's client: what they raise is what it is."""

import ssl
from typing import Any

import pytest

import g4flite
from g4flite.testing import Emulator, Script
from tests.conftest import Driver, httpx
from tests.exchanges import answering
from tests.rows import rows


def hooked(driver: Driver, hook: Any, *, event: str = "response", read: bool = False) -> Any:
    """Return a caller's client that calls the hook with each response or request, after reading a response's body."""

    def call(subject: Any) -> None:
        if read:
            subject.read()
        hook(subject)

    async def acall(subject: Any) -> None:
        if read:
            await subject.aread()
        hook(subject)

    return driver.client(event_hooks={event: [call if driver.name == "sync" else acall]})


def failure(driver: Driver, server: Emulator, client: Any, **kwargs: Any) -> BaseException:
    with pytest.raises(Exception) as caught:
        driver.collect(
            "openai", "Hi", model="m", api_key="key-123456", base_url=f"{server.url}/v1", client=client, **kwargs
        )
    driver.close(client)
    return caught.value


CLOSE = {"connection": "close"}


@rows("read", [True, False])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, g4flite.AuthenticationError), (404, g4flite.NotFoundError), (429, g4flite.RateLimitError),
        (400, g4flite.StatusError), (302, g4flite.StatusError), (500, g4flite.StatusError),
    ],
)  # fmt: skip
def test_raise_for_status_in_a_hook_is_the_error_of_that_status(
    driver: Driver, server: Emulator, status: int, kind: type[g4flite.StatusError], read: bool
) -> None:
    headers = {**CLOSE, "retry-after": "7", "x-request-id": "req-1", "location": "http://elsewhere.test/"}
    server.script = Script(status=status, body='{"error": {"message": "says why", "code": "c0de"}}', headers=headers)
    error = failure(driver, server, hooked(driver, lambda response: response.raise_for_status(), read=read))
    assert type(error) is kind
    assert (error.status, error.retry_after, error.request_id) == (status, 7, "req-1")
    assert ("says why" in str(error), error.code) == ((True, "c0de") if read else (False, None))
    assert error.provider == "openai"


def test_a_401_is_sent_once_and_a_503_is_sent_again(driver: Driver, server: Emulator) -> None:
    def refuse(response: Any) -> None:
        response.raise_for_status()

    server.script = Script(status=401, headers=CLOSE)
    assert isinstance(failure(driver, server, hooked(driver, refuse), retries=2), g4flite.AuthenticationError)
    assert len(server.exchanges) == 1
    answering(server, Script(status=503, headers={**CLOSE, "retry-after": "0"}), Script(headers=CLOSE))
    client = hooked(driver, refuse)
    chunks = driver.collect("cromicle", "Hi", base_url=server.url, client=client, retries=2)
    driver.close(client)
    assert "".join(chunks) == "You said: Hi"


@pytest.mark.parametrize("event", ["request", "response"])
@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("of the caller"), ValueError("of the caller"), UnicodeError("of the caller"),
        ssl.SSLError("of the caller"), httpx.ReadError("of the caller"), httpx.ConnectError("of the caller"),
        OverflowError("of the caller"),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_any_other_exception_of_a_hook_passes_unchanged(
    driver: Driver, server: Emulator, error: Exception, event: str
) -> None:
    def fail(_: Any) -> None:
        raise error

    server.script = Script(headers=CLOSE)
    assert failure(driver, server, hooked(driver, fail, event=event), retries=2) is error
    assert len(server.exchanges) <= 1


@pytest.mark.parametrize("status", [401, 200])
def test_a_status_error_of_another_request_or_of_a_good_status_passes_unchanged(
    driver: Driver, server: Emulator, status: int
) -> None:
    url = "http://login.test/token" if status == 401 else f"{server.url}/v1/chat/completions"
    request = httpx.Request("POST", url)
    error = httpx.HTTPStatusError("no", request=request, response=httpx.Response(status, request=request))

    def fail(_: Any) -> None:
        raise error

    server.script = Script(headers=CLOSE)
    assert failure(driver, server, hooked(driver, fail), retries=2) is error


def test_a_login_of_the_client_that_fails_by_a_status_passes_unchanged(driver: Driver, server: Emulator) -> None:
    request = httpx.Request("POST", "http://login.test/token")
    error = httpx.HTTPStatusError("no", request=request, response=httpx.Response(401, request=request))

    def sign(_: Any) -> Any:
        raise error

    assert failure(driver, server, driver.client(auth=sign), retries=2) is error


class Login(httpx.Auth):  # type: ignore[misc]
    """Calls a function, and asks a URL for a token, in turn."""

    requires_response_body = True

    def __init__(self, call: Any, url: str | None = None) -> None:
        self.call, self.url = call, url

    def auth_flow(self, request: Any) -> Any:
        if self.url:
            yield httpx.Request("GET", self.url)
        self.call(request)
        yield request


class OwnLogin(Login):
    """Overrides what httpx calls."""

    def sync_auth_flow(self, request: Any) -> Any:
        self.call(request)
        yield request

    async def async_auth_flow(self, request: Any) -> Any:
        self.call(request)
        yield request


@rows("kind", [Login, OwnLogin])
@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("of the caller"), httpx.ReadTimeout("of the caller"), RuntimeError("of the caller"),
        ssl.SSLError("of the caller"), OverflowError("of the caller"),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_an_exception_of_a_login_passes_unchanged(
    driver: Driver, server: Emulator, error: Exception, kind: type[Login]
) -> None:
    def fail(_: Any) -> None:
        raise error

    assert failure(driver, server, driver.client(auth=kind(fail)), retries=2) is error
    assert server.exchanges == []


def test_the_host_that_a_login_could_not_reach_is_named(driver: Driver, server: Emulator) -> None:
    client = driver.client(auth=Login(lambda request: None, "http://user:s3cret@127.0.0.1:1/token"))
    error = failure(driver, server, client, retries=0)
    assert type(error) is g4flite.ConnectError
    assert "could not connect to 127.0.0.1:1: " in str(error)
    assert "; check the login of client=, proxy= and the network" in str(error)


def test_a_response_that_breaks_while_a_login_reads_it_is_no_exception_of_the_login(
    driver: Driver, server: Emulator
) -> None:
    server.script = Script(raw=b"HTTP/1.1 401 No\r\ncontent-length: 10\r\n\r\nhalf")
    error = failure(driver, server, driver.client(auth=Login(lambda request: None)), retries=0)
    assert isinstance(error, g4flite.G4fliteError)


@pytest.mark.parametrize("location", ["http://a\x0bb.test/", "http://[x"])
def test_a_redirect_that_httpx_cannot_follow_is_no_exception_of_a_hook(
    driver: Driver, server: Emulator, location: str
) -> None:
    server.script = Script(status=302, headers={**CLOSE, "location": location})
    error = failure(driver, server, hooked(driver, lambda response: None))
    assert isinstance(error, g4flite.G4fliteError)
    assert str(error).isprintable()


@pytest.mark.parametrize("how", ["reads", "closes"])
def test_a_hook_that_uses_the_body_up_is_the_caller_s_mistake(driver: Driver, server: Emulator, how: str) -> None:
    def use_up(response: Any) -> None:
        for _ in response.iter_raw() if how == "reads" else ():
            pass
        response.close()

    async def ause_up(response: Any) -> None:
        if how == "reads":
            async for _ in response.aiter_raw():
                pass
        await response.aclose()

    server.script = Script(headers=CLOSE)
    client = driver.client(event_hooks={"response": [use_up if driver.name == "sync" else ause_up]})
    error = failure(driver, server, client, retries=2)
    assert type(error) is g4flite.OptionError
    assert "let the hook call response.read()" in str(error)
    assert len(server.exchanges) == 1


def test_a_hook_may_read_the_body(driver: Driver, server: Emulator) -> None:
    server.script = Script(body="x" * 200_000, headers=CLOSE)
    client = hooked(driver, lambda response: None, read=True)
    assert "".join(driver.collect("cromicle", "Hi", base_url=server.url, client=client)) == "x" * 200_000
    driver.close(client)
