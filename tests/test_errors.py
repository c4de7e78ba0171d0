import copy
import inspect
import pickle
from typing import Any

import pytest

import g4flite
from g4flite import _errors

CLASSES = [c for _, c in inspect.getmembers(_errors, inspect.isclass) if issubclass(c, g4flite.G4fliteError)]


def depth(kind: type[BaseException]) -> int:
    return [c.__name__ for c in kind.__mro__ if issubclass(c, g4flite.G4fliteError)].index("G4fliteError")


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("twin", [lambda e: pickle.loads(pickle.dumps(e)), copy.deepcopy, copy.copy])
def test_an_error_survives_pickle_and_copy(kind: type[g4flite.G4fliteError], twin: Any) -> None:
    error = kind("it failed", provider="acme", partial="so f\u00e4r")
    again = twin(error)
    assert type(again) is kind
    assert str(again) == "acme: it failed"
    assert (again.provider, again.partial, again.args) == ("acme", "so f\u00e4r", ("it failed",))


@pytest.mark.parametrize("kind", CLASSES)
def test_every_class_is_public_documented_and_at_most_two_levels_deep(kind: type[BaseException]) -> None:
    assert getattr(g4flite, kind.__name__) is kind
    assert kind.__name__ in g4flite.__all__
    assert kind.__doc__
    assert depth(kind) <= 2


def test_a_status_error_keeps_its_facts_through_pickle() -> None:
    error = g4flite.RateLimitError("slow down", provider="acme", status=429, body="{}", retry_after=1.5)
    again = pickle.loads(pickle.dumps(error))
    assert (again.status, again.body, again.retry_after) == (429, "{}", 1.5)


def test_the_families_are_also_the_built_in_ones() -> None:
    assert issubclass(g4flite.UsageError, ValueError)
    assert issubclass(g4flite.StreamTimeoutError, TimeoutError)


def test_an_error_without_provider_or_message_is_still_readable() -> None:
    assert str(g4flite.G4fliteError("plain")) == "plain"
    assert str(g4flite.G4fliteError(provider="acme")) == "acme: "
    assert str(g4flite.StreamTimeoutError("slow")) == "slow"
