"""The tree of errors: public classes that survive pickle and copy, and messages that begin with the provider's name."""

import copy
import inspect
import pickle
from typing import Any

import g4flite
from g4flite._core import errors
from tests.rows import rows

CLASSES = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, g4flite.G4fliteError)]


def depth(kind: type[BaseException]) -> int:
    return [c.__name__ for c in kind.__mro__ if issubclass(c, g4flite.G4fliteError)].index("G4fliteError")


@rows("kind", CLASSES)
@rows("twin", [lambda e: pickle.loads(pickle.dumps(e)), copy.deepcopy, copy.copy])
def test_an_error_survives_pickle_and_copy(kind: type[g4flite.G4fliteError], twin: Any) -> None:
    error = kind("it failed", provider="acme", partial="so f\u00e4r", request_id="req_1")
    again = twin(error)
    assert type(again) is kind
    assert str(again) == "acme: it failed (request id req_1)"
    assert (again.provider, again.partial, again.args) == ("acme", "so f\u00e4r", ("it failed",))
    assert again.request_id == "req_1"


@rows("kind", CLASSES)
def test_every_error_class_is_public_documented_and_at_most_two_levels_deep(kind: type[BaseException]) -> None:
    assert getattr(g4flite, kind.__name__) is kind
    assert kind.__name__ in g4flite.__all__
    assert kind.__doc__
    assert depth(kind) <= 2


@rows("kind", [kind for kind in CLASSES if issubclass(kind, g4flite.StatusError)])
@rows("twin", [lambda e: pickle.loads(pickle.dumps(e)), copy.deepcopy])
def test_a_status_error_keeps_its_fields_through_pickle_and_copy(kind: type[g4flite.StatusError], twin: Any) -> None:
    facts = {"status": 429, "body": "{}", "retry_after": 1.5, "should_retry": False, "code": 1302, "kind": "slow"}
    again = twin(kind("slow down", provider="acme", **facts))
    assert {name: getattr(again, name) for name in facts} == facts


def test_the_fields_of_a_status_error_are_none_by_default() -> None:
    error = g4flite.StatusError("no")
    assert (error.code, error.kind, error.retry_after, error.should_retry, error.request_id) == (None,) * 5


def test_a_usage_error_is_a_value_error_and_a_stream_timeout_error_is_a_timeout_error() -> None:
    assert issubclass(g4flite.UsageError, ValueError)
    assert issubclass(g4flite.StreamTimeoutError, TimeoutError)


def test_an_error_without_provider_or_message_is_still_readable() -> None:
    assert str(g4flite.G4fliteError("plain")) == "plain"
    assert str(g4flite.G4fliteError(provider="acme")) == "acme: "
    assert str(g4flite.StreamTimeoutError("slow")) == "slow"
    assert str(g4flite.StatusError("no", request_id="req_1")) == "no (request id req_1)"
