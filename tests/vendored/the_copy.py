"""What the tests of the package do not say: that they test the copy."""

import pickle
from importlib import import_module

import pytest

# The copy: this file is renamed like every test, as it is copied into the project.
import g4flite
from g4flite import providers
from g4flite._core import errors

COPY = "myapp._vendor.llm_stream"


def test_the_original_cannot_be_imported() -> None:
    assert g4flite.__name__ == COPY
    with pytest.raises(ModuleNotFoundError, match="barred from this project"):
        import_module("g" + "4flite")


@pytest.mark.parametrize("name", providers.names())
def test_a_pickled_spec_names_the_copy(name: str) -> None:
    spec = providers.find(name)
    pickled = pickle.dumps(spec)
    assert pickle.loads(pickled) == spec
    assert COPY.encode() in pickled


@pytest.mark.parametrize("name", [name for name in g4flite.__all__ if name.endswith("Error")])
def test_a_pickled_error_names_the_copy(name: str) -> None:
    pickled = pickle.dumps(getattr(g4flite, name)("no", provider="acme"))
    assert type(pickle.loads(pickled)) is getattr(errors, name)
    assert COPY.encode() in pickled
    assert type(pickle.loads(pickled)).__module__ == COPY
