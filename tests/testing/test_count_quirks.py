"""Token counts in every form that `Script(quirk=...)` speaks have one meaning, over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from g4flite import Finish, Usage
from g4flite.testing import Emulator, Reasoning, Script
from g4flite.testing.count_quirks import COUNT_QUIRKS
from tests.conftest import Driver
from tests.open_protocols import WIRES
from tests.rows import rows

PROVIDERS = {"chat": "openai", "responses": "openai-responses"}
GIVEN = Usage(20, 9, 4, 29, 12, 3)
FORMS = [
    (quirk, protocol) for quirk, protocols in COUNT_QUIRKS.items() for protocol in protocols if quirk != "counts_odd"
]
# What is not told in a form.
UNTOLD: dict[str, dict[str, Any]] = {
    "reasoning_counted_in_total": {"reasoning_tokens": None, "cached_tokens": None, "cache_write_tokens": None},
    "reasoning_counted_above": {"reasoning_tokens": 9},
    "counts_in_timings": {"reasoning_tokens": None, "cache_write_tokens": None},
    **{quirk: {"cache_write_tokens": None} for quirk in ("cached_as_hit_and_miss", "cached_as_number", "cached_flat")},
}
# ... and in a protocol.
NAMELESS: dict[str, dict[str, Any]] = {
    "gemini": {"cache_write_tokens": None},
    "cohere": {"cache_write_tokens": None, "reasoning_tokens": None},
    "ollama": {"cache_write_tokens": None, "cached_tokens": None, "reasoning_tokens": None},
}


@pytest.fixture
def server() -> Iterator[Emulator]:
    with Emulator(lambda _: [Reasoning("hm"), "Sun", "ny", GIVEN]) as emulator:
        yield emulator


def counted(driver: Driver, server: Emulator, protocol: str) -> Usage | None:
    """Return the counts of a stream, after a check that the answer is whole."""
    name = PROVIDERS.get(protocol, protocol)
    url = server.url + ("/v1" if name.startswith("openai") else "")
    items = driver.events(name, "Hi", model="m", base_url=url, api_key="sk-test-1")
    assert driver.stream.partial == "Sunny"
    assert [item.reason for item in items if isinstance(item, Finish)] == ["stop"]
    return driver.stream.usage


@pytest.mark.parametrize("protocol", WIRES)
def test_counts_come_back_as_they_were_given(protocol: str, driver: Driver, server: Emulator) -> None:
    usage = counted(driver, server, protocol)
    assert usage is not None
    assert usage[:-1] == GIVEN._replace(**NAMELESS.get(protocol, {}))[:-1]


@rows(("quirk", "protocol"), FORMS)
def test_counts_have_one_meaning_in_every_form(quirk: str, protocol: str, driver: Driver, server: Emulator) -> None:
    server.script = Script(quirk=quirk)
    usage = counted(driver, server, protocol)
    assert usage is not None
    assert usage[:-1] == GIVEN._replace(**(NAMELESS.get(protocol, {}) | UNTOLD.get(quirk, {})))[:-1]


@pytest.mark.parametrize("protocol", WIRES)
def test_counts_that_are_no_numbers_are_unknown(protocol: str, driver: Driver, server: Emulator) -> None:
    server.script = Script(quirk="counts_odd")
    # Some protocols count the parts of the answer alone, whose sum is zero then.
    assert all(not count for count in (counted(driver, server, protocol) or Usage())[:6])
