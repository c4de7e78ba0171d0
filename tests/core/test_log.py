"""The log: a line for each attempt, and for each stream that has failed."""

import json
import logging
import re
from typing import Any

import pytest

import g4flite
from g4flite._core.log import say
from g4flite.testing import Emulator, Script
from tests.conftest import Driver, interpret
from tests.core.test_observed import AT_ONCE, SLOW, ask
from tests.exchanges import answering
from tests.rows import rows


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return the keys and values of a line, as a program reads them."""
    event, _, rest = record.getMessage().partition(" ")
    found = re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)', rest)
    return {"event": event, **{name: json.loads(value) if value[0] == '"' else value for name, value in found}}


def test_each_attempt_and_each_failed_stream_is_one_line(
    driver: Driver, server: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "g4flite")
    ids = [Script(status=503, headers={"x-request-id": f"req-{number}"}, body="a 'b'\n\"c\"") for number in (1, 2, 3)]
    answering(server, *ids)
    with pytest.raises(g4flite.StatusError):
        driver.read(ask(server, None, retries=AT_ONCE))
    assert [record.levelno for record in caplog.records] == [logging.DEBUG] * 3 + [logging.WARNING]
    assert all("\n" not in record.getMessage() for record in caplog.records)
    *attempts, failed = map(fields, caplog.records)
    assert [(one["event"], one["number"], one["status"], one["request_id"]) for one in attempts] == [
        ("attempt", str(number), "503", f"req-{number}") for number in (1, 2, 3)
    ]
    assert (failed["event"], failed["provider"], failed["model"], failed["error_type"], failed["attempts"]) == (
        "failed", "openai", "m", "StatusError", "3",
    )  # fmt: skip
    assert (failed["status"], failed["request_id"]) == ("503", "req-3")
    assert failed["error"].startswith("openai: status 503")
    # A formatter that writes JSON finds the fields in the record.
    last: Any = caplog.records[-1]
    assert (last.provider, last.attempts, last.status, type(last.seconds)) == ("openai", 3, 503, float)


def test_the_error_of_a_list_is_one_line(driver: Driver, server: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    server.script = Script(status=500)
    with pytest.raises(g4flite.AllFailedError):
        driver.collect(["cromicle", "free2gpt"], "Hi", base_url=server.url)
    [record] = caplog.records
    assert "\n" not in record.getMessage()
    assert fields(record)["error"].count("status 500") == 2


@rows("limit", [None, 1])
def test_what_is_complete_or_left_is_no_warning(
    limit: int | None, driver: Driver, server: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    server.script = SLOW if limit else Script()
    driver.read(ask(server, None), limit=limit)
    assert caplog.records == []
    caplog.set_level(logging.DEBUG, "g4flite")
    driver.read(ask(server, None), limit=limit)
    [record] = caplog.records
    assert fields(record)["outcome"] == ("closed" if limit else "complete")
    caplog.clear()
    caplog.set_level(logging.WARNING, "g4flite")


def test_a_request_id_that_repeats_the_key_is_not_logged(
    driver: Driver, server: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "g4flite")
    server.script = Script(headers={"x-request-id": "sk-key-123456"})
    driver.read(ask(server, None))
    server.script = Script(status=400, headers={"x-request-id": "sk-key-123456"})
    with pytest.raises(g4flite.StatusError):
        driver.read(ask(server, None))
    assert len(caplog.records) == 3
    assert "request_id=***" in caplog.text
    assert "sk-key" not in caplog.text


def test_nothing_in_a_line_commands_a_terminal_or_begins_a_line(caplog: pytest.LogCaptureFixture) -> None:
    odd = 'a=b "c"\r\n\x1b[31m\x7f\x85\x9b\u2028\u202e\ud800\U000e0001 \u00e9\u4e2d'
    say(logging.WARNING, "failed", error=odd, provider="")
    line = caplog.records[0].getMessage()
    assert line.isprintable()
    assert "\u00e9\u4e2d" in line
    assert fields(caplog.records[0]) == {"event": "failed", "error": odd, "provider": ""}


def test_a_program_that_sets_no_logging_sees_nothing_of_it(server: Emulator) -> None:
    server.script = Script(status=401)
    code = """
import sys, g4flite
try:
    g4flite.stream("cromicle", "Hi", base_url=sys.argv[1]).text()
except g4flite.AuthenticationError:
    print("refused")
"""
    assert interpret(code, server.url) == "refused\n"
