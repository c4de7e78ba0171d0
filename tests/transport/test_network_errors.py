"""Exceptions of httpx and httpx2 that no server of the tests can cause, and the errors that they become."""

from typing import Any

import httpx
import httpx2
import pytest

import g4flite
from g4flite._core.errors import causes
from g4flite._core.timers import Timers
from g4flite._core.transport.network_errors import error_of_body, error_of_request, reason

TIMERS = Timers(g4flite.Timeout())
families = pytest.mark.parametrize("family", [httpx, httpx2], ids=lambda family: family.__name__)


@families
def test_a_decoding_error_of_httpx_is_a_malformed_reply_error(family: Any) -> None:
    error = error_of_body(family.DecodingError("brotli: corrupt"), TIMERS)
    assert isinstance(error, g4flite.MalformedReplyError)
    assert "brotli: corrupt" in str(error)


@families
def test_a_response_head_that_is_too_long_is_a_limit_error(family: Any) -> None:
    error = error_of_request(
        family.RemoteProtocolError("Receive buffer too long"),
        "http://h.test/x",
        TIMERS,
        None,
    )
    assert isinstance(error, g4flite.LimitError)
    assert "head of the response" in str(error)
    error = error_of_body(family.RemoteProtocolError("Receive buffer too long"), TIMERS)
    assert isinstance(error, g4flite.LimitError)


@families
def test_the_error_says_that_the_pool_of_the_client_is_full(family: Any) -> None:
    error = error_of_request(family.PoolTimeout("x"), "http://h.test/x", TIMERS, None)
    assert isinstance(error, g4flite.ConnectTimeoutError)
    assert "h.test was free in the pool of client=" in str(error)


@families
def test_the_reason_is_what_the_operating_system_said(family: Any) -> None:
    def failure(cause: BaseException) -> Exception:
        error = family.ConnectError("All connection attempts failed")
        error.__cause__ = cause
        return error

    assert reason(failure(ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)"))) == "Connection refused"
    assert reason(failure(OSError(-2, "Name or service not known"))) == "Name or service not known"
    assert reason(failure(ValueError("x"))) == "All connection attempts failed"
    assert reason(family.ReadError("")) == "ReadError (the connection was reset or closed)"
    assert reason(family.ReadTimeout("")) == "ReadTimeout"


def test_a_chain_of_causes_that_runs_in_a_circle_ends() -> None:
    first, second = ValueError("1"), ValueError("2")
    first.__cause__, second.__cause__ = second, first
    assert causes(first) == [first, second]


def test_the_first_member_of_an_exception_group_is_its_cause() -> None:
    class Group(Exception):
        exceptions = (ValueError("1"), ValueError("2"))

    group = Group()
    assert [type(cause) for cause in causes(group)] == [Group, ValueError]


@families
def test_the_reason_is_that_of_the_innermost_cause(family: Any) -> None:
    refused, outer = ConnectionRefusedError(111, "Connect call failed"), OSError(5, "Multiple exceptions")
    error = family.ConnectError("All connection attempts failed")
    error.__cause__, outer.__cause__ = outer, refused
    assert reason(error) == "Connection refused"
    error.__cause__, outer.__cause__, refused.__cause__ = refused, None, outer
    assert reason(error) == "Multiple exceptions"


def test_of_a_group_no_other_member_counts() -> None:
    class Group(Exception):
        exceptions = (ConnectionRefusedError(111, "x"), TimeoutError(110, "y"))

    assert reason(Group()) == "Connection refused"
