"""One response, from bytes to texts: its compression, its end marker, its truncation, an error inside its reply."""

import dataclasses
import gzip
import hashlib
import json
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import g4flite
from g4flite import providers
from g4flite._core.exchange import reply_of
from g4flite._core.response.reply import GRACE, PAUSE, PIECE, Head, Inflater, PlainText, content_coding
from g4flite._core.settings import may_pass
from tests.acme import ACME, MARKED
from tests.founders import FOUNDERS, said
from tests.rows import rows
from tests.splits import SPLITS, TEXT, cut, decode, lines, pieces

CODINGS = {
    "gzip": gzip.compress,
    "x-gzip": lambda data: gzip.compress(data[:5]) + gzip.compress(data[5:]),
    "deflate": zlib.compress,
    "deflate-raw": lambda data: zlib.compress(data)[2:-4],
}


def read(spec: g4flite.Provider, head: Head, chunks: list[bytes]) -> str:
    reply = reply_of(spec, head)
    return "".join(item for item in decode(reply, chunks) if item is not PAUSE)  # type: ignore[arg-type]


@rows("size", SPLITS)
@rows("coding", CODINGS)
def test_a_compressed_reply_is_whole_at_every_split(coding: str, size: int) -> None:
    data = CODINGS[coding](TEXT.encode() * 50)
    head = Head(200, {}, coding.removesuffix("-raw"))
    assert read(ACME, head, cut(data, size)) == TEXT * 50


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_compressed_reply_that_ends_early_is_truncated(coding: str) -> None:
    data = CODINGS[coding](TEXT.encode())
    for end in range(1, len(data)):
        with pytest.raises(g4flite.TruncatedStreamError):
            read(ACME, Head(200, {}, coding), [data[:end]])


def test_a_read_that_inflates_to_several_pieces_has_a_pause_between_them() -> None:
    reply = reply_of(ACME, Head(200, {}, "gzip"))
    items = list(reply.feed(gzip.compress(b"a" * (2 * PIECE + 1))))
    assert items == ["a" * PIECE, PAUSE, "a" * PIECE, PAUSE, "a"]
    assert list(reply.close()) == []


def test_a_reply_that_cannot_be_inflated_is_malformed() -> None:
    with pytest.raises(g4flite.MalformedReplyError, match="compression is broken"):
        read(ACME, Head(200, {}, "gzip"), [b"no gzip"])


@given(st.binary(), st.sets(st.integers(0, 60)), st.sampled_from(["gzip", "deflate"]))
def test_any_bytes_are_inflated_or_raise_a_reply_error(data: bytes, cuts: set[int], coding: str) -> None:
    try:
        read(ACME, Head(200, {}, coding), pieces(data, cuts))
    except g4flite.ReplyError as error:
        assert str(error)


def test_a_compression_bomb_is_refused_before_it_fills_the_memory() -> None:
    bomb = gzip.compress(b"\0" * (64 * 2**20), 6)
    inflater = Inflater("gzip", 200)
    tracemalloc.start()
    try:
        with pytest.raises(g4flite.LimitError, match="more than max_ratio, 200 times"):
            for start in range(0, len(bomb), 65536):
                for piece in inflater.feed(bomb[start : start + 65536]):
                    assert len(piece) <= 65536
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    spec = dataclasses.replace(ACME, max_ratio=5000)
    assert len(read(spec, Head(200, {}, "gzip"), [gzip.compress(b"0" * 2**22)])) == 2**22


BOM = b"\xef\xbb\xbf"
BEGINNINGS = [b"\n", b" \n", BOM[:1], BOM[:2], BOM, BOM + b"\r\n", b"\t\n" * 999]


@rows("beginning", BEGINNINGS)
@rows("frames", [b'data: {"a": 1}\n\n', b": hi\n\n", b'{"a": "\xc3\xa9"}\n', b"[1]"])
def test_a_plain_body_under_an_unknown_coding_may_begin_with_blanks_and_a_mark(beginning: bytes, frames: bytes) -> None:
    body = (beginning if beginning not in BOM else BOM) + frames
    for size in (1, 2, 3, len(beginning), len(body)):
        plain = PlainText("nonsense")
        assert b"".join(b"".join(plain.feed(body[at : at + size])) for at in range(0, len(body), size)) == body


@rows("beginning", [b"", *BEGINNINGS])
@rows("noise", [b"\x00", b"\x1f\x8b", b"\xff", b"Hello", b"data\x00"])
def test_other_bytes_under_an_unknown_coding_are_malformed_behind_any_blanks(beginning: bytes, noise: bytes) -> None:
    plain = PlainText("nonsense")
    list(plain.feed(beginning))
    with pytest.raises(g4flite.MalformedReplyError, match="compressed with nonsense, which the request did not offer"):
        plain.feed(noise)


def test_blanks_without_end_under_an_unknown_coding_fill_no_memory() -> None:
    plain, blanks = PlainText("nonsense"), b" \n" * 2**15
    tracemalloc.start()
    for _ in range(999):
        plain.feed(blanks)
    assert tracemalloc.get_traced_memory()[0] < 2**16
    tracemalloc.stop()


@rows("coding", ["br", "gzip,gzip", "nonsense"])
def test_a_content_encoding_that_the_request_did_not_offer_is_malformed(coding: str) -> None:
    with pytest.raises(g4flite.MalformedReplyError, match=f"compressed with {coding}, which the request did not offer"):
        read(ACME, Head(200, {}, coding), [b"noise"])


@rows(
    ("header", "coding"),
    [
        ("", ""),
        ("identity", ""),
        ("GZIP", "gzip"),
        ("identity, gzip", "gzip"),
        ("gzip , identity", "gzip"),
        ("a, b", "a,b"),
    ],
)
def test_a_content_encoding_is_read_as_a_list(header: str, coding: str) -> None:
    assert content_coding({"content-encoding": header}) == coding


def test_padding_after_the_compressed_data_is_ignored() -> None:
    assert read(ACME, Head(200, {}, "gzip"), [gzip.compress(b"a") + b"\0" * 8, b"\0\0"]) == "a"


def test_a_reply_with_neither_a_length_nor_chunks_is_truncated() -> None:
    reply = reply_of(ACME, Head(200, {}, open_ended=True))
    assert list(reply.feed(b"all of it?")) == ["all of it?"]
    with pytest.raises(g4flite.TruncatedStreamError, match="neither a length nor chunks"):
        list(reply.close())


@rows("size", SPLITS)
def test_an_end_marker_completes_a_reply(size: int) -> None:
    data = lines({"text": "a"}, {"text": "b", "done": True})
    reply = reply_of(MARKED, Head(200, {}, open_ended=True))
    assert [t for chunk in cut(data, size) for t in reply.feed(chunk)] == ["a", "b"]
    assert reply.done
    assert list(reply.close()) == []


def test_a_reply_without_its_end_marker_is_truncated() -> None:
    reply = reply_of(MARKED, Head(200, {}))
    assert list(reply.feed(lines({"text": "a"}))) == ["a"]
    assert not reply.done
    with pytest.raises(g4flite.TruncatedStreamError, match="without its end marker"):
        list(reply.close())


@rows("size", SPLITS)
@rows("rest", [b'{"text": "b"}\n', b"no JSON\n", b'{"half', b"\xff" * 20])
def test_bytes_after_the_end_marker_are_ignored(rest: bytes, size: int) -> None:
    data = lines({"text": "a"}, {"done": True}) + rest
    assert read(MARKED, Head(200, {}), cut(data, size)) == "a"


def test_the_end_marker_counts_without_its_line_end() -> None:
    assert read(MARKED, Head(200, {}), [b'{"text": "a", "done": true}']) == "a"


REPORTS: list[tuple[Any, str, Any, Any, bool]] = [
    ({"error": "Overloaded"}, "'Overloaded'", None, None, True),
    ({"error": {"message": "No tool", "code": "bad_tool", "type": "invalid"}}, "No tool", "bad_tool", "invalid", False),
    ({"error": {"message": "Slow", "code": 429, "status": "EXHAUSTED"}}, "'Slow'", 429, "EXHAUSTED", True),
    ({"error": {"detail": [1]}}, '{"detail": [1]}', None, None, False),
    ({"error": ["x"]}, '["x"]', None, None, False),
    ({"error": {"message": "longer than 500 words", "code": "400"}}, "500 words", "400", None, False),
    ({"error": "blocked by internal policy"}, "internal policy", None, None, False),
    ({"error": {"message": "x", "type": "internal_server_error"}}, "'x'", None, "internal_server_error", True),
]  # fmt: skip


@rows(("report", "said", "code", "kind", "passing"), REPORTS)
@rows("name", FOUNDERS)
@rows("size", SPLITS)
def test_an_error_inside_a_reply_is_raised(
    report: Any, said: str, code: Any, kind: Any, passing: bool, name: str, size: int
) -> None:
    data = json.dumps(report, indent=1 if name != "flowgpt" else None).encode()
    with pytest.raises((g4flite.ProviderError, g4flite.StatusError)) as caught:
        read(providers.find(name), Head(200, {}), cut(data, size))
    error = caught.value
    assert str(error).startswith("the service reports an error: ")
    assert said in str(error)
    assert (error.code, error.kind, may_pass(error)) == (code, kind, passing)


@rows("text", ['{"error', '{"error" is a key', '{"errors": 1}', "{", " \n", '{"error": null}', '{ "e', "[]"])
@rows("size", SPLITS)
def test_text_that_only_begins_like_an_error_is_text(text: str, size: int) -> None:
    data = text.encode()
    assert read(providers.CROMICLE, Head(200, {}), cut(data, size)) == text


def test_text_that_begins_like_an_error_is_held_back_up_to_a_bound() -> None:
    reply = reply_of(ACME, Head(200, {}))
    assert list(reply.feed(b'{"error"')) == []
    assert "".join(reply.feed(b" " * 20_000)) == '{"error"' + " " * 20_000
    assert list(reply.feed(b"x")) == ["x"]


def test_flowgpt_s_error_event_is_raised() -> None:
    with pytest.raises(g4flite.ProviderError, match="'quota'"):
        read(providers.FLOWGPT, Head(200, {}), [lines(said("a"), {"event": "error", "data": "quota"})])
    assert read(providers.FLOWGPT, Head(200, {}), [lines({"event": "error"}, said("a"))]) == "a"


def test_max_ratio_does_not_count_for_a_small_reply() -> None:
    """The ratio counts from the first mebibyte on: 1024 times as large as it was sent."""
    inflater, small = Inflater("gzip", 200), gzip.compress(b"0" * GRACE)
    assert len(small) * 200 < GRACE
    assert sum(map(len, inflater.feed(small))) == GRACE
    with pytest.raises(g4flite.LimitError, match="more than max_ratio, 200 times"):
        list(Inflater("gzip", 200).feed(gzip.compress(b"0" * (GRACE + 1))))


def test_a_reply_at_max_ratio_is_no_bomb() -> None:
    ratio = 997
    zipped = next(
        zipped
        for length in range(GRACE // ratio + 1, 2 * GRACE // ratio)
        if len(zipped := gzip.compress(b"0" * (length * ratio))) == length
    )
    size = len(zipped) * ratio
    assert sum(map(len, Inflater("gzip", ratio).feed(zipped))) == size
    with pytest.raises(g4flite.LimitError):
        list(Inflater("gzip", ratio - 1).feed(zipped))


@rows("more", range(0, 600, 7))
def test_a_reply_is_whole_if_its_compressed_data_end_before_all_is_inflated(more: int) -> None:
    """All compressed data may be read before all inflated data has come out."""
    text = "a" * (2 * PIECE + more)
    assert read(ACME, Head(200, {}, "deflate"), [CODINGS["deflate-raw"](text.encode())]) == text


@rows("coding", CODINGS)
def test_a_compressed_reply_may_repeat_what_is_far_away(coding: str) -> None:
    block = "".join(hashlib.sha256(bytes([n % 256, n // 256])).hexdigest() for n in range(480))
    data = CODINGS[coding](2 * block.encode())
    assert read(ACME, Head(200, {}, coding.removesuffix("-raw")), [data]) == 2 * block


@pytest.mark.parametrize("coding", ["gzip", "x-gzip"])
def test_a_reply_that_is_compressed_in_another_way_than_it_says_is_malformed(coding: str) -> None:
    with pytest.raises(g4flite.MalformedReplyError, match="compression is broken"):
        read(ACME, Head(200, {}, coding), [zlib.compress(b"hello")])


def test_raw_text_has_no_end_marker() -> None:
    reply = reply_of(dataclasses.replace(ACME, end="marker"), Head(200, {}))
    assert list(reply.feed(b"a")) == ["a"]
    assert not reply.done
    with pytest.raises(g4flite.TruncatedStreamError, match="without its end marker"):
        list(reply.close())
