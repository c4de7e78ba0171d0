"""The text of a recording: what was written is read again, and a file that is not a recording is refused."""

from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import g4flite
from g4flite.testing import replay
from g4flite.testing.recording import Entry, end_of, error_of, escaped, lines_of, parse, unescaped
from tests.rows import rows
from tests.testing.recordings import KEY, SLOW, write

POST = httpx.Request("POST", "http://h.test/")


@given(st.binary())
def test_any_bytes_are_written_as_one_line_of_text_and_read_again(data: bytes) -> None:
    line = escaped(data)
    assert line.isprintable()
    assert line == line.rstrip()
    assert unescaped(line) == data


@given(
    st.lists(st.tuples(st.sampled_from([b"a", b"X-B"]), st.binary())),
    st.lists(st.binary()),
    st.sampled_from(["end", "left"]),
)
def test_an_entry_is_read_as_it_was_written(headers: list[tuple[bytes, bytes]], pieces: list[bytes], end: str) -> None:
    entry = Entry("GET", "http://h.test/?a=1", escaped(b'{"b":"\\n"}'), 0.5, "HTTP/1.1", 200, "Fine by me", headers)
    entry.pieces, entry.ended, entry.end = [(1.25, piece) for piece in pieces], 2.5, end
    text = "\n".join(lines_of(entry))
    assert parse(f"# a note\n{text}\n\n{text}") == [entry, entry]


@rows(
    ("url", "body", "shape"),
    [
        ("http://h.test/a", "", "GET /a"),
        ("http://h.test/a?z=1&b=2&z=3", "", "GET /a?b&z&z"),
        ("http://h.test/a?b", '{"y":1,"x":{"z":2}}', "GET /a?b (x, y)"),
        ("http://h.test/a", "[1]", "GET /a"),
    ],
)
def test_the_shape_of_a_request_holds_names_and_no_values(url: str, body: str, shape: str) -> None:
    assert Entry("GET", url, body).shape == shape


def test_a_file_that_git_or_an_editor_has_changed_is_read(path: Path) -> None:
    write(path, SLOW.replace("\n", "\r\n").replace("> GET", "# a note of my own\r\n> GET"))
    with httpx.Client(transport=replay(str(path))) as client:
        assert client.get("http://h.test/").text == "onetwo"


@pytest.mark.parametrize(
    "line",
    ["GET http://h.test/", "> GET", "1.000 one two", "> GET http://h.test/\n> {", "> GET http://h.test/\n< soon - 200",
     "> GET http://h.test/\n< 1 - 200\n< x", "> GET http://h.test/\n= 1 NoError: x", "> GET http://h.test/\n1 \\q",
     "> GET http://h.test/\n1 \\"],
)  # fmt: skip
def test_a_file_that_is_not_a_recording_is_refused_with_the_number_of_the_line(line: str, path: Path) -> None:
    write(path, f"# one\n{line}")
    number, last = len(line.splitlines()) + 1, line.splitlines()[-1]
    with pytest.raises(ValueError, match="^.*one.txt: line ") as caught:
        replay(path)
    assert f"line {number} cannot be read as a recording: {last!r}; to record the whole file anew, use record(" in str(
        caught.value
    )


def test_the_message_of_an_exception_is_kept_without_a_key() -> None:
    assert end_of(g4flite.IdleTimeoutError(f"{KEY} idle"), POST, (KEY,)) == f"ReadTimeout: {'*' * len(KEY)} idle"
    assert end_of(g4flite.ConnectTimeoutError("connect"), POST, ()) == "ConnectTimeout: connect"


def test_the_message_of_a_header_that_cannot_be_sent_is_not_kept() -> None:
    error = httpx.LocalProtocolError(f"Illegal header value {KEY!r}")
    assert end_of(error, POST, ()) == "LocalProtocolError: "


@rows("error", [KeyboardInterrupt(), GeneratorExit(), ValueError("of the reader's own")])
def test_any_other_exception_is_a_reader_that_left(error: BaseException) -> None:
    assert end_of(error, POST, ()) == "left"


@rows("end", ["ReadError: a\\nb", "ConnectError, SSLError: bad certificate", "SSLError: bad record", "PoolTimeout: x"])
def test_an_exception_that_was_read_is_written_again(end: str) -> None:
    assert end_of(error_of(end, timed=False), POST, ()) == end
