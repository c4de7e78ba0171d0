"""`TextParser` and `JsonLinesParser`: the same texts at every split, and an error for bytes that they cannot read."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import g4flite
from g4flite import ChunkParser, JsonLinesParser, TextParser, providers
from g4flite._core.response.parsers import refusal, text_or_error
from tests.founders import said
from tests.providers import frames
from tests.rows import rows
from tests.splits import SPLITS, TEXT, cut, decode, lines, pieces


def flow() -> ChunkParser:
    return providers.FLOWGPT.parser(2**24)


@pytest.mark.parametrize("size", SPLITS)
def test_text_is_whole_at_every_split(size: int) -> None:
    data = TEXT.encode()
    chunks = decode(TextParser(), cut(data, size))
    assert "".join(chunks) == TEXT
    assert all(chunks)


@given(st.text(), st.sets(st.integers(0, 60)))
def test_any_text_is_whole_at_any_split(text: str, cuts: set[int]) -> None:
    assert "".join(decode(TextParser(), pieces(text.encode(), cuts))) == text


@given(st.binary(), st.sets(st.integers(0, 60)))
def test_bytes_that_are_not_utf_8_are_replaced_by_the_same_text_at_any_split(data: bytes, cuts: set[int]) -> None:
    def attempt(chunks: list[bytes]) -> str | type[g4flite.G4fliteError]:
        try:
            return "".join(decode(TextParser(), chunks))
        # The bytes may be an error's, or cut inside a character.
        except g4flite.G4fliteError as error:
            return type(error)

    found = attempt([data])
    assert attempt(pieces(data, cuts)) == found
    assert not isinstance(found, str) or found == data.decode("utf-8", "replace")


def test_bytes_that_are_not_utf_8_do_not_end_the_text() -> None:
    assert "".join(decode(TextParser(), [b"a\xff", b"\xc3", b"b"])) == "a\ufffd\ufffdb"


def test_a_reply_that_ends_inside_a_character_is_truncated() -> None:
    parser = TextParser()
    assert list(parser.feed("a\u00e9".encode()[:-1])) == ["a"]
    with pytest.raises(g4flite.TruncatedStreamError, match="inside a character"):
        list(parser.close())


@rows("size", SPLITS)
@rows("end", [b"\n", b"\r\n", b"\n\n \r\n"])
@rows("last", [True, False])
def test_json_lines_are_whole_at_every_split(size: int, end: bytes, last: bool) -> None:
    frames = [{"id": 1}, said("a\u2028b\x85"), said(""), {"event": "ping", "data": "no"}, said(TEXT), said("\n")]
    data = lines(*frames).replace(b"\n", end)
    data = data if last else data[: -len(end)]
    chunks = decode(flow(), cut(data, size))
    assert chunks == ["a\u2028b\x85", TEXT, "\n"]


@given(st.lists(st.text()), st.sets(st.integers(0, 300)), st.booleans())
def test_any_json_lines_are_whole_at_any_split(texts: list[str], cuts: set[int], ascii_only: bool) -> None:
    data = b"".join(json.dumps(said(text), ensure_ascii=ascii_only).encode() + b"\n" for text in texts)
    assert decode(flow(), pieces(data, cuts)) == [text for text in texts if text]


@given(st.binary(), st.sets(st.integers(0, 60)))
@example(b'{"error":"prompt is too long"}', set())
def test_any_bytes_give_texts_or_an_error_of_ours(data: bytes, cuts: set[int]) -> None:
    try:
        assert all(isinstance(text, str) for text in decode(flow(), pieces(data, cuts)))
    except (g4flite.ReplyError, g4flite.StatusError) as error:
        assert str(error)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"oops", "a line of the reply is not JSON: 'oops'"),
        (b"[1]", "is a list, not a JSON object"),
        (b'"text"', "is a str, not a JSON object"),
        (b'{"event": "text"}', "a line of the reply does not have the protocol's shape"),
        (b'{"event": "text", "data": 3}', "a line of the reply does not have the protocol's shape"),
        (b'{"event": "text", "data": null}', "a line of the reply does not have the protocol's shape"),
        (b"[" * 100_000, "not JSON"),
        (b"9" * 5000, "a line of the reply is"),
    ],
)
def test_the_error_quotes_a_bad_line_and_comes_after_the_texts_before_that_line(line: bytes, complaint: str) -> None:
    texts = iter(flow().feed(lines(said("a"), said("b")) + line + b"\n"))
    assert [next(texts), next(texts)] == ["a", "b"]
    with pytest.raises(g4flite.MalformedReplyError) as caught:
        next(texts)
    assert complaint in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_reply_that_ends_inside_a_line_is_truncated() -> None:
    parser = flow()
    assert list(parser.feed(lines(said("a")) + b'{"event": "te')) == ["a"]
    with pytest.raises(g4flite.TruncatedStreamError, match='inside a line of JSON: \'{"event": "te\''):
        list(parser.close())


def test_a_last_line_that_is_json_but_not_an_object_is_malformed() -> None:
    parser = flow()
    assert list(parser.feed(b"[1]")) == []
    with pytest.raises(g4flite.MalformedReplyError, match="not a JSON object"):
        list(parser.close())


@rows(
    ("texts", "whole"),
    [
        (["a\ud83d", "\udc4bb"], "a\U0001f44bb"),
        (["\ud83d", "", "\udc4b"], "\U0001f44b"),
        (["\ud83d", "b"], "\ufffdb"),
        (["a\udc4b", "b"], "a\ufffdb"),
        (["a\ud83d"], "a\ufffd"),
        (["\ud83d\ud83d", "\udc4b"], "\ufffd\U0001f44b"),
    ],
)
@rows("end", [b"\n", b""])
def test_a_surrogate_pair_that_is_split_between_lines_is_joined(texts: list[str], whole: str, end: bytes) -> None:
    data = b"\n".join(json.dumps(said(text)).encode() for text in texts) + end
    chunks = decode(flow(), [data])
    assert "".join(chunks) == whole
    assert all(chunks)


@pytest.mark.parametrize("size", [100, 10**6])
def test_a_line_over_the_limit_is_refused_after_the_lines_before_it(size: int) -> None:
    data = lines(said("a"), said("b" * 1000), said("c"))
    parser, texts = providers.FLOWGPT.parser(1000), []
    with pytest.raises(g4flite.LimitError, match="longer than max_frame, 1000 bytes"):
        for chunk in cut(data, size):
            for text in parser.feed(chunk):
                # One by one, so that the texts before the error stay.
                texts.append(text)
    assert texts == ["a"]


def test_a_line_at_the_limit_is_read_and_the_limit_holds_without_a_line_end() -> None:
    data = lines(said("b" * 900))[:-1]
    assert decode(providers.FLOWGPT.parser(len(data)), [data]) == ["b" * 900]
    with pytest.raises(g4flite.LimitError):
        decode(providers.FLOWGPT.parser(len(data) - 1), [data])


@pytest.mark.parametrize("find", [lambda frame: frame["no"], lambda frame: frame["t"]["x"], lambda frame: frame["t"].x])
def test_a_line_in_which_the_text_is_not_found_is_malformed(find: Any) -> None:
    told = (
        'the text function raised (KeyError|TypeError|AttributeError)\\(.*\\) on the line \'{"t": 1}\'; return "" for'
    )
    with pytest.raises(g4flite.MalformedReplyError, match=told) as caught:
        decode(JsonLinesParser(find, 100), [b'{"t": 1}\n'])
    assert isinstance(caught.value.__cause__, KeyError | TypeError | AttributeError)


@pytest.mark.parametrize("said", [None, 5, ["a"], b"a"])
def test_what_the_text_function_returned_is_told(said: Any) -> None:
    with pytest.raises(g4flite.MalformedReplyError) as caught:
        decode(JsonLinesParser(lambda frame: said, 100), [b'{"t": 1}\n'])
    assert str(caught.value).startswith(f"the text function returned {said!r} for the line '{{\"t\": 1}}'; ")


@pytest.mark.parametrize("own", [g4flite.ProviderError("no seats"), g4flite.SpecError("wrong")])
def test_an_error_of_ours_that_the_text_function_raises_stays_as_it_is(own: g4flite.G4fliteError) -> None:
    def find(frame: Any) -> str:
        raise own

    with pytest.raises(type(own)) as caught:
        decode(JsonLinesParser(find, 100), [b'{"t": 1}\n'])
    assert caught.value is own


@pytest.mark.parametrize("said", [g4flite.Reasoning("Hm"), ["a", g4flite.Reasoning("Hm")], ()])
def test_a_function_that_returns_an_event_is_at_fault_and_not_the_server(said: Any) -> None:
    with pytest.raises(g4flite.SpecError, match="may return text alone; write a ChunkParser for events"):
        decode(JsonLinesParser(lambda frame: said, 100), [b'{"t": 1}\n'])


def test_a_list_may_come_from_the_server() -> None:
    with pytest.raises(g4flite.MalformedReplyError):
        decode(JsonLinesParser(lambda frame: frame["t"], 100), [b'{"t": ["a"]}\n'])


def test_the_json_lines_parser_takes_any_function_that_finds_the_text() -> None:
    parser = JsonLinesParser(lambda frame: frame["t"], 100)
    assert decode(parser, [b'{"t": "a"}\n{"t": "b"}']) == ["a", "b"]


def test_no_text_is_the_empty_text_and_a_refusal_comes_with_status_200() -> None:
    assert text_or_error(None) == ""
    assert (refusal("no").status, refusal("no").body) == (200, "no")


def test_text_is_held_back_only_as_long_as_the_text_may_be_an_error() -> None:
    assert TextParser().feed(b'{"errors": [') == ('{"errors": [',)
    begun = b'{"error"'.ljust(16383)
    parser = TextParser()
    assert parser.feed(begun) == ()
    assert parser.feed(b" ") == (begun.decode() + " ",)


SAID, STOPPED = json.dumps(frames.said("a")), json.dumps(frames.STOP)
ENDED = [g4flite.Finish("stop", "stop"), "done"]
# Lines that one line break ends in place of two, and the items of the reply (an error by its class).
GLUED: dict[str, tuple[list[str], list[Any]]] = {
    "all": ([f"data: {SAID}", f"data: {SAID}", f"data: {STOPPED}", "data: [DONE]"], ["a", "a", *ENDED]),
    "two": ([f"data: {SAID}", f"data: {SAID}", "", f"data: {STOPPED}"], ["a", "a", *ENDED]),
    "nothing behind the end": (["data: [DONE]", f"data: {SAID}"], [g4flite.Finish("other"), "done"]),
    "names": (["event: a", f"data: {SAID}", "event: error", 'data: {"error": "no"}'], ["a", g4flite.ProviderError]),
    "an error behind a text": ([f"data: {SAID}", 'data: {"error": {"code": 429}}'], ["a", g4flite.RateLimitError]),
    "a cut": ([f"data: {SAID}", 'data: {"choices": [{"del'], ["a", g4flite.TruncatedStreamError]),
    "no JSON": ([f"data: {SAID}", "data: no", "", ""], [g4flite.MalformedReplyError]),
    "no object": ([f"data: {SAID}", "data: 7", "", ""], [g4flite.MalformedReplyError]),
}


@rows("form", GLUED)
def test_events_with_one_line_break_between_them_are_read(form: str) -> None:
    lines, expected = GLUED[form]
    items = frames.read("openai", "\n".join(lines).encode())
    found = [item for item in items if not isinstance(item, g4flite.Start)]
    assert [type(item) if isinstance(item, g4flite.G4fliteError) else item for item in found] == expected
