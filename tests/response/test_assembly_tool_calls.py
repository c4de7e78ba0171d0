"""Tool calls are told apart and joined by the rules at the top of `assembly.py`, or refused by name.

A table's rows are fragments (slot, id, name, arguments), or lists of fragments that come in one frame.  Each row is
read twice: from the fragments, and in each driver from a reply of Chat Completions over a socket.
"""

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from g4flite._core.errors import G4fliteError, LimitError, MalformedReplyError
from g4flite._core.events import ToolCall, ToolCallDelta
from g4flite._core.response.assembly import MOST_CALLS, Pieces, ToolCalls
from g4flite.testing import Emulator, Script
from tests.conftest import Driver
from tests.providers.frames import DONE, chunk, sse
from tests.rows import rows, share

# A fragment, or the fragments of one frame.
Fragment = Any
SPELLED = '{"port":1}'
ONE, TWO = '{"port": 1}', '{"port": 2}'
# An id that was made here.
MADE = "made"
NONE: Any = None


def told(pieces: Pieces) -> list[ToolCall]:
    """Return the calls; raise the error, if there is one, and no call came before it.

    The deltas add up to the calls, and have unique ids.
    """
    calls, deltas = list[ToolCall](), list[ToolCallDelta]()
    for piece in pieces:
        if isinstance(piece, G4fliteError):
            assert not calls
            raise piece
        if isinstance(piece, ToolCall):
            calls.append(piece)
        else:
            deltas.append(piece)
    for index, call in enumerate(calls):
        own = [delta for delta in deltas if delta.index == index]
        assert {(delta.id, delta.name) for delta in own} == {(call.id, call.name)}
        assert "".join(delta.arguments for delta in own) == call.arguments
    assert len({call.id for call in calls}) == len(calls)
    return calls


def fed(calls: ToolCalls, *fragments: Fragment) -> Pieces:
    """Yield what comes of fragments (slot, id, name, arguments), and of the end of the reply."""
    for frame in fragments:
        for number, (slot, *rest) in enumerate(frame if isinstance(frame, list) else [frame]):
            named = dict(zip(("id", "name", "arguments"), rest, strict=False))
            yield from calls.add(slot, **named, first=not number)
    yield from calls.whole()


def joined(*fragments: Fragment) -> list[tuple[str, str, str]]:
    """Return the calls as (id, name, arguments); an id that was made here is `MADE`."""
    return shown(told(fed(ToolCalls(2**20), *fragments)))


def shown(calls: Iterable[ToolCall]) -> list[tuple[str, str, str]]:
    """Return the calls as (id, name, arguments); an id that was made here is `MADE`."""
    return [
        (MADE if len(call.id) == 29 and call.id.startswith("call_") else call.id, call.name, call.arguments)
        for call in calls
    ]


def in_fragments(slot: Any, id: Any, name: Any, *pieces: str) -> list[Fragment]:  # noqa: A002
    """Return the fragments of a call whose head has no arguments."""
    return [(slot, id, name, ""), *((slot, NONE, NONE, piece) for piece in pieces)]


NUMBERED_0 = {
    "distinct ids, whole": ([(0, "a", "t", ONE), (0, "b", "t", TWO)], ["a", "b"]),
    "empty ids, whole": ([(0, "", "t", ONE), (0, "", "t", TWO)], [MADE, MADE]),
    "null as ids, whole": ([(0, "null", "t", ONE), (0, "None", "t", TWO)], [MADE, MADE]),
    "undefined as ids, whole": ([(0, "undefined", "t", ONE), (0, "undefined", "t", TWO)], [MADE, MADE]),
    "null behind the heads": (
        [(0, key, "t", "") if not place else (0, "null", "null", piece) for key, pieces in (
            ("a", ("", '{"po', 'rt": 1}')), ("b", ("", '{"po', 'rt": 2}'))) for place, piece in enumerate(pieces)],
        ["a", "b"],
    ),
    "no ids, whole": ([(0, NONE, "t", ONE), (0, NONE, "t", TWO)], [MADE, MADE]),
    "repeated ids, whole": ([(0, "a", "t", ONE), (0, "a", "t", TWO)], ["a", MADE]),
    "no index, empty ids": ([(NONE, "", "t", ONE), (NONE, "", "t", TWO)], [MADE, MADE]),
    "distinct ids, in fragments": (
        [*in_fragments(0, "a", "t", '{"po', 'rt": 1}'), *in_fragments(0, "b", "t", '{"po', 'rt": 2}')],
        ["a", "b"],
    ),
    "no ids, in fragments": (
        [*in_fragments(0, NONE, "t", '{"po', 'rt": 1}'), *in_fragments(0, NONE, "t", '{"po', 'rt": 2}')],
        [MADE, MADE],
    ),
    "repeated ids, in fragments": (
        [*in_fragments(0, "a", "t", '{"po', 'rt": 1}'), *in_fragments(0, "a", "t", '{"po', 'rt": 2}')],
        ["a", MADE],
    ),
    "repeated ids, cut where the calls differ": (
        [*in_fragments(0, "a", "t", ONE), (0, "a", "t", '{"port": '), (0, NONE, NONE, "2"), (0, NONE, NONE, "}")],
        ["a", MADE],
    ),
    "the name in each fragment": (
        [(0, NONE, "t", piece) for piece in ("", '{"po', 'rt": 1}', "", "", '{"po', 'rt": 2}', "")],
        [MADE, MADE],
    ),
    "id and name in each fragment": (
        [(0, key, "t", piece) for key, n in (("a", 1), ("b", 2)) for piece in ("", '{"po', f'rt": {n}}}', "")],
        ["a", "b"],
    ),
    "a new id in each fragment": (
        [(0, "r1", "t", ""), (0, "r2", NONE, '{"po'), (0, "r3", NONE, 'rt": 1}'), (0, "r4", "t", ""),
         (0, "r5", NONE, '{"po'), (0, "r6", "t", 'rt": 2}')],
        ["r1", "r4"],
    ),
    "in one frame": ([[(0, NONE, "t", ONE), (0, NONE, "t", TWO)]], [MADE, MADE]),
    "in one frame, with one id": ([[(0, "a", "t", ONE), (0, "a", "t", TWO)]], ["a", MADE]),
    "behind {} and the id": (
        [(0, "a", "t", "{}"), (0, "a", "", ONE), (0, "b", "t", "{}"), (0, "b", NONE, TWO)], ["a", "b"],
    ),
    "interleaved, with ids": (
        [(0, "a", "t", ""), (0, "b", "t", ""), (0, "a", NONE, '{"po'), (0, "b", "", '{"po'), (0, "a", "", 'rt": 1}'),
         (0, "b", "", 'rt": 2}')],
        ["a", "b"],
    ),
}  # fmt: skip


@rows("form", NUMBERED_0)
def test_calls_that_are_all_numbered_0_are_told_apart(form: str) -> None:
    fragments, ids = NUMBERED_0[form]
    assert joined(*fragments) == [(ids[0], "t", ONE), (ids[1], "t", TWO)]


@pytest.mark.parametrize("slot", [0, NONE])
def test_blanks_may_come_before_the_arguments(slot: Any) -> None:
    assert joined((slot, "a", "t", ""), (slot, NONE, NONE, " "), (slot, NONE, NONE, ONE)) == [("a", "t", f" {ONE}")]
    assert joined((slot, "a", "t", "\n"), (slot, NONE, NONE, ONE)) == [("a", "t", f"\n{ONE}")]
    assert joined((slot, "a", "t", " ")) == [("a", "t", " {}")]


@pytest.mark.parametrize("slot", [0, NONE])
def test_calls_with_ids_of_their_own_may_have_no_arguments(slot: Any) -> None:
    assert joined((slot, "a", "t", ""), (slot, "b", "f", "")) == [("a", "t", "{}"), ("b", "f", "{}")]
    pieces = (slot, "a", "t", "{}"), (slot, "b", "t", '{"port"'), (slot, "b", NONE, ": 1}")
    assert joined(*pieces) == [("a", "t", "{}"), ("b", "t", ONE)]


@pytest.mark.parametrize("slot", [0, NONE])
def test_a_call_that_comes_again_at_once_under_another_id_is_an_error(slot: Any) -> None:
    with pytest.raises(MalformedReplyError, match="may have come again"):
        joined((slot, "a", "t", '{"port"'), (slot, NONE, NONE, ": 1}"), (slot, "b", "t", ONE))


def test_equal_calls_without_ids_are_two_calls() -> None:
    assert joined((0, NONE, "t", ONE), (0, NONE, "t", ONE)) == [(MADE, "t", ONE)] * 2
    pieces = in_fragments(0, NONE, "t", '{"po', 'rt": 1}')
    assert joined(*pieces, *pieces) == [(MADE, "t", ONE)] * 2


def test_calls_in_one_frame_may_have_no_arguments() -> None:
    for name in ("t", "f"):
        calls = [(MADE, "t", "{}"), (MADE, name, "{}")]
        assert joined([(0, NONE, "t", ""), (0, NONE, name, "")]) == calls
        assert joined([(0, NONE, "t", ONE), (0, NONE, name, "")]) == [(MADE, "t", ONE), calls[1]]
        assert joined([(0, NONE, "t", "{}"), (0, NONE, name, "{}")]) == calls
    # One entry for each call, with heads that come again in the next frame.
    heads = [(0, "a", "t", ""), (1, "b", "f", "")]
    rest = [(0, "a", "t", ONE), (1, "b", "f", TWO)]
    assert joined(heads, rest) == [("a", "t", ONE), ("b", "f", TWO)]
    # Other services put the head and the first piece of a call into one frame.
    assert joined([(0, "a", "t", ""), (0, NONE, NONE, '{"po')], (0, NONE, NONE, 'rt": 1}')) == [("a", "t", ONE)]


HEAD = [*in_fragments(0, "a", "t", ONE), (0, "b", "f", "")]
ELSEWHERE = {
    "a tail at a new index": [*HEAD, (1, NONE, NONE, '{"po'), (1, NONE, NONE, 'rt": 2}')],
    "a tail that repeats id and name": [*HEAD, (1, "b", "f", '{"po'), (1, "b", "f", 'rt": 2}')],
    "a tail with the id": [*HEAD, (1, "b", "", '{"po'), (1, "b", "", 'rt": 2}')],
    "a tail at the index of the call before": [
        *HEAD[:2], (1, "b", "f", ""), (0, NONE, NONE, '{"po'), (0, NONE, NONE, 'rt": 2}')
    ],
    "a tail without an index": [*HEAD, (NONE, NONE, NONE, '{"po'), (NONE, "", "", 'rt": 2}')],
    "a head with arguments": [*HEAD[:2], (0, "b", "f", '{"po'), (1, NONE, NONE, 'rt": 2}')],
    "a tail that repeats the name": [*HEAD, (1, "", "f", '{"po'), (2, "", "f", 'rt": 2}')],
    "a tail that repeats the name alone first": [*HEAD, (1, "", "f", ""), (1, "", "f", TWO)],
    "a tail that repeats the name, at the index of the call before": [
        *HEAD[:2], (1, "b", "f", ""), (0, "", "f", '{"po'), (0, NONE, NONE, 'rt": 2}')
    ],
    "any index": [
        (2, "a", "t", '{"po'), (0, NONE, NONE, 'rt"'), (3, NONE, NONE, ": "), (0, NONE, NONE, "1}"),
        (3, "b", "f", '{"po'), (2, NONE, NONE, 'rt": '), (0, NONE, NONE, "2"), (3, NONE, NONE, "}"),
    ],
    "any index, behind {}": [
        (2, "a", "t", "{}"), (0, NONE, NONE, '{"po'), (2, NONE, NONE, 'rt": 1}'), (1, "b", "f", "{}"),
        (2, NONE, NONE, '{"po'), (0, NONE, NONE, 'rt": 2}'),
    ],
    "the name again, at the index of another call": [*HEAD, (0, NONE, "f", ""), (0, NONE, NONE, TWO)],
    "the name again, at the index of another call, with an id": [
        (0, "a", "t", ONE), (1, "b", "f", '{"po'), (0, NONE, "f", ""), (1, NONE, NONE, 'rt": 2}')
    ],
    "the id alone, at the index of another call": [
        *HEAD[:2], (1, "b", "f", '{"po'), (0, "b", NONE, 'rt'), (1, NONE, NONE, '": 2}')
    ],
}  # fmt: skip


@rows("form", ELSEWHERE)
def test_head_and_tail_of_a_call_may_be_numbered_differently(form: str) -> None:
    assert joined(*ELSEWHERE[form]) == [("a", "t", ONE), ("b", "f", TWO)]


ONE_CALL = {
    "the name behind the id": [(0, "a", NONE, ""), (0, NONE, "get_t", ""), (0, NONE, NONE, ONE)],
    "the name behind the arguments": [(0, "a", NONE, '{"po'), (0, NONE, NONE, 'rt": 1}'), (0, NONE, "get_t", NONE)],
    "the name between the arguments": [(0, "a", NONE, '{"po'), (0, "a", "get_t", 'rt": 1}')],
    "the name and the id apart": [(0, NONE, "get_t", ""), (0, "a", NONE, ""), (0, NONE, NONE, ONE)],
    "the id with the name again": [(0, NONE, "get_t", ""), (0, "a", "get_t", ONE)],
    "the name in two pieces": [(0, "a", "get_", ""), (0, NONE, "t", ""), (0, NONE, NONE, ONE)],
    "{} first": [(0, "a", "get_t", "{}"), (0, NONE, NONE, '{"po'), (0, NONE, NONE, 'rt": 1}')],
    "{} first, and blanks": [(0, "a", "get_t", "{}"), (0, NONE, NONE, "\n"), (0, NONE, NONE, ONE)],
    "{} first, twice": [(0, "a", "get_t", "{}"), (0, "a", "get_t", "{}"), (0, NONE, NONE, ONE)],
    "a name behind the last brace that says nothing": [(0, "a", "get_t", ONE), (1, NONE, "get_t", "")],
    "the arguments again, with blanks": [(0, "a", "get_t", ONE), (0, "a", "get_t", f" {ONE}\n")],
    "the name so far": [(0, "a", "get_", ""), (0, NONE, "get_t", ""), (0, NONE, "get_t", ONE)],
    "the arguments as an object": [(0, "a", "get_t", {"port": 1})],
    "the index as text": [("0", "a", "get_t", ""), (0, NONE, NONE, ONE)],
    "the index as another type": [([], "a", "get_t", ""), (True, NONE, NONE, ONE)],
    "the arguments again at the end": [*in_fragments(0, "a", "get_t", '{"po', 'rt": 1}'), (0, NONE, NONE, ONE)],
    "the arguments again, twice": [*in_fragments(0, "a", "get_t", ONE), (0, NONE, NONE, ONE), (0, NONE, NONE, ONE)],
    "the arguments again in pieces": [*in_fragments(0, "a", "get_t", ONE), (0, "", "", '{"po'), (0, "", "", 'rt": 1}')],
    "all again at the end": [*in_fragments(0, "a", "get_t", '{"po', 'rt": 1}'), (0, "a", "get_t", ONE)],
    "all again, spelled otherwise": [*in_fragments(0, "a", "get_t", '{"po', 'rt": 1}'), (0, "a", "get_t", SPELLED)],
    "an empty last fragment": [(0, "a", "get_t", ONE), (0, "a", "get_t", ""), (0, "", "", ""), (0, NONE)],
    "the arguments again as text": [*in_fragments(0, "a", "get_t", ONE), (0, NONE, NONE, json.dumps(ONE))],
    "the arguments again as text, with the id": [(0, "a", "get_t", ONE), (0, "a", NONE, json.dumps(SPELLED))],
    "all again, the arguments as text": [*in_fragments(0, "a", "get_t", ONE), (0, "a", "get_t", json.dumps(ONE))],
    "a brace at the begin of a piece": [(0, "a", "get_t", piece) for piece in ('{"port": ', "1", "}")],
}  # fmt: skip


@rows("form", ONE_CALL)
def test_one_call(form: str) -> None:
    assert joined(*ONE_CALL[form]) == [("a", "get_t", ONE)]


def test_all_again_at_the_end_without_an_id_is_one_call() -> None:
    fragments = [*in_fragments(0, NONE, "t", '{"po', 'rt": 1}'), (0, NONE, "t", ONE)]
    assert joined(*fragments) == [(MADE, "t", ONE)]


@rows(
    "pieces",
    [
        ['{"a": ', '{"b": 1}', "}"],
        ['{"a": "', '{"b": 1}', '"}'],
        ['{"a": "\\', '"{}', '"}'],
        ['{"a": [', "{}", ",", "{}", "]}"],
        ['{"a": "}', '{"}'],
    ],
)
def test_an_object_inside_the_arguments_begins_no_call(pieces: list[str]) -> None:
    assert joined(*((0, "a", "t", piece) for piece in pieces)) == [("a", "t", "".join(pieces))]
    assert joined(*((0, NONE, "t", piece) for piece in pieces)) == [(MADE, "t", "".join(pieces))]
    assert joined(*in_fragments(NONE, NONE, "t", *pieces)) == [(MADE, "t", "".join(pieces))]


SAME_ID = {
    "one behind the other": [*in_fragments(0, "a", "t", ONE), *in_fragments(1, "a", "t", TWO)],
    "with another name": [*in_fragments(0, "a", "t", ONE), *in_fragments(1, "a", "f", TWO)],
    "interleaved": [(0, "a", "t", ""), (1, "a", "t", ""), (0, NONE, NONE, ONE), (1, NONE, NONE, TWO)],
    "interleaved, the id in each": [(0, "a", "t", ""), (1, "a", "t", ""), (0, "a", NONE, ONE), (1, "a", NONE, TWO)],
    "whole": [(0, "a", "t", ONE), (1, "a", "t", TWO)],
}


@rows("form", SAME_ID)
def test_the_second_call_with_one_id_gets_an_id_of_its_own(form: str) -> None:
    calls = joined(*SAME_ID[form])
    assert [(key, arguments) for key, _, arguments in calls] == [("a", ONE), (MADE, TWO)]


def test_calls_without_arguments_have_an_empty_object() -> None:
    assert joined((0, "a", "t", ""), (1, "b", "t", NONE), (2, "c", "t", {}), (3, "d", "t")) == [
        (key, "t", "{}") for key in "abcd"
    ]


BROKEN = {
    "no last brace": [(0, "a", "t", '{"port": 1'), (0, "b", "t", TWO)],
    "no last brace, no ids": [(0, NONE, "t", '{"port": 1'), (0, NONE, "t", TWO)],
    "no last brace, no ids, another name": [(0, NONE, "t", '{"port": 1'), (0, NONE, "f", TWO)],
    "a brace too many": [(0, "a", "t", ONE), (0, NONE, NONE, "\n}"), (0, "b", "t", TWO)],
    "a brace too many, with the name": [(0, "a", "t", ONE), (0, "a", "t", "}"), (0, "b", "t", TWO)],
    "a brace too many, behind the next head": [
        (0, "a", "t", ONE),
        (1, "b", "t", ""),
        (0, NONE, NONE, "}"),
        (1, NONE, NONE, TWO),
    ],
    "no JSON": [(0, NONE, "t", "port 1"), (0, NONE, "t", TWO)],
    "no object": [(0, NONE, "t", "null"), (0, NONE, "t", TWO)],
    "prose with an object": [
        (0, "a", "t", "t("),
        (0, NONE, NONE, '{"port": 1}'),
        (0, NONE, NONE, ")"),
        (0, "b", "t", TWO),
    ],
    "prose behind the object": [
        (0, "a", "t", ONE),
        (0, NONE, NONE, "{oops}"),
        (0, NONE, NONE, ONE),
        (0, "b", "t", TWO),
    ],
    "prose in brackets": [(0, "a", "t", '[CALLS]{"port": 1}'), (0, "b", "t", TWO)],
    "behind {}": [(0, "a", "t", "{}"), (0, NONE, NONE, "}"), (0, "b", "t", TWO)],
    "an object without a brace between": [(0, "a", "t", '{"port": 1}, {"port": 3}'), (0, "b", "t", TWO)],
}


@rows("form", BROKEN)
def test_what_the_model_wrote_badly_is_given_out_as_it_came(form: str) -> None:
    first, second = [arguments for _, _, arguments in joined(*BROKEN[form])]
    assert first == "".join(fragment[3] for fragment in BROKEN[form][:-1])
    assert second == TWO


def test_arguments_that_end_too_early_are_given_out_as_they_came() -> None:
    assert joined((0, "a", "t", ONE), (1, "b", "t", '{"po')) == [("a", "t", ONE), ("b", "t", '{"po')]
    # The end came while a second call with one id, or only the first again, was on its way.
    assert joined((0, "a", "t", ONE), (0, "a", "t", '{"po')) == [("a", "t", ONE), (MADE, "t", '{"po')]


# Each slot holds one call, whose id no other call has.
STANDARD = {
    "no arguments, then some": [
        (0, "a", "t", ""), (1, "b", "t", ""), (1, NONE, NONE, '{"po'), (1, NONE, NONE, 'rt": 1}'),
    ],
    "some arguments, then none": [(0, "a", "t", ""), (0, NONE, NONE, ONE), (1, "b", "t", "")],
    "no arguments, then all at once": [(0, "a", "t", ""), (1, "b", "t", ONE)],
    "{}, then some": [(0, "a", "t", "{}"), (1, "b", "t", ""), (1, NONE, NONE, ONE)],
    "equal, in pieces and at once": [(0, "a", "t", ""), (0, NONE, NONE, ONE), (1, "b", "t", ONE)],
    "equal, at once and in pieces": [(0, "a", "t", ONE), (1, "b", "f", ""), (1, NONE, NONE, ONE)],
    "both broken by the model": [
        (0, "a", "t", ""), (0, NONE, NONE, ONE + "}"), (1, "b", "f", ""), (1, NONE, NONE, '{"port" 2}'),
    ],
    "both broken by the model, at once": [(0, "a", "t", ONE + "}"), (1, "b", "f", '{"port" 2}')],
    "both cut off": [(0, "a", "t", '{"po'), (1, "b", "f", '{"po')],
    "none has arguments": [(0, "a", "t", ""), (1, "b", "t", "")],
    "interleaved, and the last has none": [
        (0, "a", "t", ""), (1, "b", "f", ""), (2, "c", "f", ""), (0, NONE, NONE, ONE), (1, NONE, NONE, TWO),
    ],
    "no arguments while the first goes on": [(0, "a", "t", '{"po'), (1, "b", "f", ""), (0, NONE, NONE, 'rt": 1}')],
}  # fmt: skip
# Each call came at once, whatever its index is.
ENTRIES = {
    f"{text}, index {index}, {frame}": (index, texts, frame)
    for text, texts in {"{} first": ("{}", ONE), "{} last": (ONE, "{}"), "equal": (ONE, ONE),
                        "both broken": (ONE + "}", '{"port" 2}')}.items()
    for index in (0, 7, NONE)
    for frame in ("one frame", "two frames")
}  # fmt: skip


@rows("form", STANDARD)
def test_on_the_standard_wire_calls_come_out_as_they_came(form: str) -> None:
    texts: dict[int, str] = {}
    for slot, *_, text in STANDARD[form]:
        texts[slot] = texts.get(slot, "") + text
    heads = [fragment for fragment in STANDARD[form] if fragment[1]]
    assert joined(*STANDARD[form]) == [(key, name, texts[slot] or "{}") for slot, key, name, _ in heads]


@rows("form", ENTRIES)
def test_calls_that_came_whole_with_ids_of_their_own_come_out_as_they_came(form: str) -> None:
    index, texts, frame = ENTRIES[form]
    calls = [(key, "t", text) for key, text in zip("ab", texts, strict=True)]
    fragments = [(index, *call) for call in calls]
    assert joined(*([fragments] if frame == "one frame" else fragments)) == calls


UNDECIDABLE = {
    "the last has no arguments, and those of the first came behind its head": (
        [(0, "a", "t", ""), (1, "b", "f", ""), (0, NONE, NONE, '{"po'), (0, NONE, NONE, 'rt": 1}')], "'f' with the id",
    ),
    "the last is cut off, and more of the first came behind its head": (
        [(0, "a", "t", '{"x": "'), (1, "b", "f", '{"port": 1'), (0, NONE, NONE, '}"'), (0, NONE, NONE, "}")], "id 'b'",
    ),
    "one call with one id at two indices": ([(0, "a", "t", ONE), (1, "a", "t", ONE)], "'t' with the id 'a'"),
    "one call with one id at two indices, in pieces": (
        [*in_fragments(0, "a", "t", '{"po', 'rt": 1}'), *in_fragments(1, "a", "t", ONE)], "'t' with the id 'a'",
    ),
    "one call with one id twice, without an index": ([[(NONE, "a", "t", ONE), (NONE, "a", "t", ONE)]], "id 'a'"),
    "a second object in one piece": ([(0, "a", "t", ONE + TWO)], "'t' with the id 'a'"),
    "a second object, the same": ([(0, "a", "t", f"{ONE} {ONE}")], "'t' with the id 'a'"),
    "a second object, torn": ([(0, "a", "t", '{"port": 1}{"po'), (0, NONE, NONE, 'rt": 2}')], "'t' with the id 'a'"),
    "a second object, torn at its brace": ([(0, "a", "t", '{"port": 1}{'), (0, NONE, NONE, '"port": 2}')], "id 'a'"),
    "a second object in the end": ([(0, "a", "t", '{"po'), (0, NONE, NONE, f'rt": 1}}\n{TWO}')], "id 'a'"),
    "a second object at once, in an object": ([(0, "a", "", ONE), (0, NONE, "t", TWO)], "'t' with the id 'a'"),
    "one id, no arguments": ([(0, "a", "t", ""), (0, "a", "f", "")], "'t' with the id 'a'"),
    "one id, no arguments, names that begin alike": ([(0, "a", "t", NONE), (0, "a", "t_f", ONE)], "id 'a'"),
    "{} of one call, or of two with one id": ([(0, "a", "t", "{}"), (0, "a", "t", ONE)], "id 'a'"),
    "{} of one call, or of two, of which one has an id": ([(0, "a", "t", "{}"), (0, NONE, "t", ONE)], "id 'a'"),
    "{} of which call?": ([(0, "a", "t", "{}"), (1, "b", "f", ""), (0, NONE, NONE, ONE)], "id 'b'"),
    "numbered one higher": (
        [(0, "a", "t", ""), (1, "b", "f", ""), (1, NONE, NONE, ONE), (2, NONE, NONE, TWO)], "without a name",
    ),
    "numbered two higher, torn": (
        [(0, "a", "t", '{"po'), (1, "b", "f", '{"po'), (2, NONE, NONE, 'rt": 1}'), (3, NONE, NONE, 'rt": 2}')],
        "without a name",
    ),
    "two calls wait": ([(0, "a", "t", ""), (1, "b", "f", ""), (2, NONE, NONE, ONE)], "without a name"),
    "two calls wait behind a third": (
        [(0, "a", "t", ONE), (1, "b", "f", ""), (2, "c", "f", ""), (0, NONE, NONE, TWO)], "id 'c'",
    ),
    "any index, and one call is not whole": (
        [(0, "a", "t", '{"po'), (5, NONE, NONE, "rt"), (1, "b", "f", '{"po'), (1, NONE, NONE, 'rt": 1}')], "id 'b'",
    ),
    "an object behind a call, or inside of the next?": (
        [(0, "a", "t", '{"b": {}}'), (1, "b", "f", '{"b": '), (0, NONE, NONE, "{}")], "id 'a'",
    ),
    "one id, behind a call or inside of the next?": (
        [(0, "a", "t", ONE), (1, "a", "f", '{"po'), (0, "a", "t", "}")], "id 'a'",
    ),
    "a new id, behind a call or inside of the next?": (
        [(0, "a", "t", ONE), (1, "b", "f", '{"po'), (0, "c", NONE, "}")], "id 'a'",
    ),
    "a second call with one id may have begun elsewhere": (
        [(0, "a", "t", ONE), (1, "b", "f", ONE), (0, "a", "t", '{"po'), (1, NONE, NONE, 'rt": 2}')], "id 'b'",
    ),
    "the name with another id, or an object inside": ([(0, "a", "t", '{"b": '), (0, "c", "t", ONE)], "id 'a'"),
    "a second object, of which tool?": ([(0, "a", "t", ONE), (0, NONE, NONE, TWO)], "'t' with the id 'a'"),
    "one name in two pieces, or two calls?": ([(0, NONE, "t", ""), (0, NONE, "f", ONE)], "of 't'"),
    "a call changes its name": ([(0, NONE, "t", '{"po'), (0, NONE, "f", 'rt": 1}')], "of 't'"),
    "two calls are open, and have no ids": (
        [(0, NONE, "t", '{"po'), (0, NONE, "f", '{"li'), (0, NONE, NONE, 'rt": 1}')], "of 'f'",
    ),
    "two calls are open, and one has an id": ([(0, "a", "t", '{"po'), (0, "b", "f", ""), (0, "", "", ONE)], "id 'b'"),
    "no call is open": ([(0, "a", "t", ONE), (1, NONE, NONE, TWO)], "without a name"),
    "two calls are open elsewhere": (
        [(0, "a", "t", '{"po'), (1, "b", "t", '{"po'), (2, NONE, NONE, 'rt": 1}')], "without a name",
    ),
    "no object for the call that waits": ([(0, "a", "t", ""), (1, NONE, NONE, 'rt": 1}')], "without a name"),
    "again, or of the next call?": ([(0, "a", "t", ONE), (1, "b", "t", ""), (0, NONE, NONE, ONE)], "id 'b'"),
    "a brace too many, or of the call that is not whole?": (
        [(0, "a", "t", ONE), (1, "b", "t", "{"), (0, "", "", "}")], "id 'a'",
    ),
    "one id and name in two slots": ([(0, "a", "t", '{"b":'), (1, "a", "t", "{}}")], "id 'a'"),
    "no name": ([(0, "a", "", ONE)], "with the id 'a'"),
    "neither id nor name": ([(0, NONE, NONE, ONE)], "without a name"),
    "ids alone": ([(0, "a", NONE, ""), (0, "b", NONE, "")], "with the id 'a'"),
    "a new id, and no name": ([(0, "a", "t", ONE), (0, "b", NONE, TWO)], "with the id 'b'"),
    "an id on each fragment, and the name late": (
        [(0, "a", "t", ""), (0, "b", NONE, '{"po'), (0, "b", "f", 'rt": 1}')], "'t' with the id 'a'",
    ),
    "an id on each fragment, and the name late, whole": (
        [(0, "a", "t", ""), (0, "b", NONE, ONE), (0, "b", "f", "")], "'t' with the id 'a'",
    ),
    "an id on each fragment, and the name late, no index": (
        [(NONE, "a", "t", ""), (NONE, "b", NONE, ONE), (NONE, "b", "f", "")], "'t' with the id 'a'",
    ),
    "no ids, and the name late, at an index of its own": (
        [(0, NONE, "t", ""), (1, NONE, NONE, ONE), (1, NONE, "f", "")], "of 'f'",
    ),
    "begins like the call before, and the name late": (
        [(0, "a", "t", ONE), (0, NONE, NONE, '{"port": '), (0, "b", "f", "2}")], "'t' with the id 'a'",
    ),
    "begins like the call before, and the name late, no ids": (
        [(0, NONE, "t", ONE), (0, NONE, NONE, '{"port": '), (0, NONE, "f", "2}")], "of 't'",
    ),
    "begins like the call before, one id, right indices": (
        [(0, "a", "t", ONE), (1, "a", NONE, '{"port": '), (1, "a", "f", "2}")], "id 'a'",
    ),
    "begins like the call before, and ends": ([(0, "a", "t", ONE), (0, NONE, NONE, '{"port": ')], "of 't' with the"),
    "heads first, mixed": (
        [(0, "a", "t", ""), (0, "b", "f", ""), (0, NONE, NONE, '{"po'), (0, NONE, NONE, '{"li'),
         (0, NONE, NONE, 'rt": 1}'), (0, NONE, NONE, 'st": 2}')], "'f' with the id 'b'",
    ),
    "heads first, mixed, two in a frame, no index, empty ids": (
        [[(NONE, "", "t", ""), (NONE, "", "f", "")], [(NONE, "", "", '{"po'), (NONE, "", "", '{"li')],
         [(NONE, "", "", 'rt": 1}'), (NONE, "", "", 'st": 2}')]], "of 'f'",
    ),
    "text twice in one frame": ([[(NONE, NONE, "t", '"{}"'), (NONE, NONE, "t", '"[1]"')]], "of 't'"),
    "two lists": ([(0, NONE, "t", "[1]"), (0, NONE, "t", "[2]")], "of 't'"),
    "half of the arguments so far": (
        [(0, "a", "t", p) for p in ('{"a": "b"', '{"a": "bc"', '{"a": "bc"}')], "'t' with the id 'a'",
    ),
    "all arguments so far": ([(0, "a", "t", p) for p in ('{"po', '{"port": ', ONE)], "repeats the piece before"),
}  # fmt: skip


@rows("form", UNDECIDABLE)
def test_what_cannot_be_decided_is_an_error_that_names_the_call(form: str) -> None:
    fragments, named = UNDECIDABLE[form]
    with pytest.raises(MalformedReplyError, match="cannot be joined") as caught:
        joined(*fragments)
    assert named in str(caught.value)


FORMS = {
    "numbered 0": [row for row, _ in NUMBERED_0.values()],
    "elsewhere": [*ELSEWHERE.values()],
    "one call": [*ONE_CALL.values()],
    "one id": [*SAME_ID.values()],
    "broken": [*BROKEN.values()],
    "standard": [*STANDARD.values()],
    "undecidable": [row for row, _ in UNDECIDABLE.values()],
}


@pytest.mark.parametrize("forms", FORMS)
def test_all_forms_are_read_alike_from_a_stream(forms: str, driver: Driver, server: Emulator) -> None:
    for row in share(FORMS[forms], driver):
        frames = [frame if isinstance(frame, list) else [frame] for frame in row]
        deltas = [
            [{"index": slot, "id": (*rest, NONE)[0],
              "function": dict(zip(("name", "arguments"), rest[1:], strict=False))} for slot, *rest in frame]
            for frame in frames
        ]  # fmt: skip
        body = sse(*(chunk({"tool_calls": delta}) for delta in deltas), chunk(finish_reason="tool_calls"), DONE)
        server.script = Script(body=body, headers={"content-type": "text/event-stream"}, split=50)
        items, error = list[Any](), ""
        try:
            driver.each_event(items.append, "openai", "Hi", model="m", base_url=f"{server.url}/v1", api_key="sk-test-1")
        except MalformedReplyError as caught:
            error = str(caught)
        assert shown(driver.stream.tool_calls) == shown(item for item in items if isinstance(item, ToolCall))
        try:
            expected = joined(*row)
        except MalformedReplyError as malformed:
            assert str(malformed).split(";")[0] in error
            assert driver.stream.tool_calls == ()
        else:
            assert (shown(driver.stream.tool_calls), error) == (expected, "")
            assert driver.stream.finish_reason == "tool_calls"


def event(kind: str, **fields: Any) -> tuple[str, dict[str, Any]]:
    return kind, {"type": kind, **fields}


def block(index: int, **fields: Any) -> Any:
    return event("content_block_start", index=index, content_block=fields)


def tool(index: int, id: str, **input: Any) -> Any:  # noqa: A002
    return block(index, type="tool_use", id=id, name="t", input=input)


def piece(index: int, text: str) -> Any:
    return event("content_block_delta", index=index, delta={"type": "input_json_delta", "partial_json": text})


def stop(index: int) -> Any:
    return event("content_block_stop", index=index)


SERVER_TOOL = {"type": "server_tool_use", "id": "s", "name": "search", "input": {}}
# Events of Anthropic's Messages, and the calls, or None for an error.
BLOCKS: dict[str, tuple[list[Any], Any]] = {
    "at the number of a text": ([block(0, type="text", text="Hi"), stop(0), tool(1, "a"), piece(0, '{"po'),
        piece(0, 'rt": 1}'), stop(1)], [("a", "t", ONE)]),
    "at the number of a thought, behind the stop": ([block(0, type="thinking", thinking=""), stop(0), tool(1, "a"),
        stop(1), piece(0, ONE)], None),
    "at the number of a server's tool": ([block(0, **SERVER_TOOL), stop(0), tool(1, "a"), piece(0, ONE), stop(1)],
        None),
    "of a server's tool, late": ([block(0, **SERVER_TOOL), stop(0), tool(1, "a"), piece(1, ONE), piece(0, TWO)],
        [("a", "t", ONE)]),
    "numbered one higher": ([tool(0, "a"), tool(1, "b"), piece(1, ONE), stop(1), piece(2, TWO), stop(2)], None),
    "at the start, and {}": ([tool(0, "a", port=1), piece(0, "{}"), stop(0)], [("a", "t", ONE)]),
    "at the start, and again": ([tool(0, "a", port=1), piece(0, '{"port":1}'), stop(0)], [("a", "t", '{"port":1}')]),
    "at the start, and others": ([tool(0, "a", port=1), piece(0, TWO), stop(0)], None),
    "at the start, and half of them": ([tool(0, "a", port=1), piece(0, '{"po')], None),
    "numbered one lower, mixed": ([tool(1, "a"), tool(2, "b"), piece(0, ONE), piece(1, TWO), stop(1), stop(2)], None),
    "heads first, at one number": ([tool(0, "a"), tool(0, "b"), piece(0, '{"po'), piece(0, '{"li'), piece(0, 'rt": 1}'),
        piece(0, 'st": 2}'), stop(0), stop(0)], None),
    "two objects": ([tool(0, "a"), piece(0, ONE), piece(0, TWO), stop(0)], None),
    "two objects in one piece": ([tool(0, "a"), piece(0, ONE + TWO), stop(0)], None),
    "at one number, and never stopped": ([tool(0, "a"), piece(0, ONE), tool(0, "b"), piece(0, TWO), stop(0)],
        [("a", "t", ONE), ("b", "t", TWO)]),
    "at one number, all at the start, and never stopped": ([tool(0, "a", port=1), tool(0, "b"), piece(0, TWO)],
        [("a", "t", ONE), ("b", "t", TWO)]),
    "at one number, never stopped, and the first not whole": ([tool(0, "a"), tool(0, "b"), piece(0, TWO)], None),
    "never stopped, the last without input, numbered one lower": ([tool(1, "a"), tool(2, "b"), piece(1, ONE),
        tool(3, "c"), piece(2, TWO)], None),
    "one right, one not": ([tool(0, "a"), piece(0, '{"po'), tool(1, "b"), piece(1, ONE + TWO)], None),
}  # fmt: skip


@rows("form", BLOCKS)
def test_blocks_are_told_apart(form: str, driver: Driver, server: Emulator) -> None:
    events, expected = BLOCKS[form]
    end = [event("message_delta", delta={"stop_reason": "tool_use"}), event("message_stop")]
    server.script = Script(body=sse(*events, *end), headers={"content-type": "text/event-stream"})
    items, error = list[Any](), None
    try:
        driver.each_event(items.append, "anthropic", "Hi", model="m", base_url=server.url, api_key="sk-test-1")
    except MalformedReplyError as caught:
        error = caught
    calls = [item for item in items if isinstance(item, ToolCall)]
    assert (error is None, shown(calls)) == (expected is not None, expected or [])


def test_ids_and_names_are_text_without_lone_surrogates() -> None:
    half = '{"a": "\ud83d'
    assert joined((0, 7, 8, half), (0, 7, 8, '\udc4b"}'), (1, "i\ud800", "n\udc00", half)) == [
        ("7", "8", '{"a": "\U0001f44b"}'), ("i\ufffd", "n\ufffd", '{"a": "\ufffd'),
    ]  # fmt: skip


def test_ids_that_are_made_here_are_random() -> None:
    calls = [call for _ in range(3) for call in told(ToolCalls(99).once("t", {}))]
    assert len({call.id for call in calls}) == 3


@rows("value", [float("nan"), 10**400, "\ud800"])
def test_an_object_may_hold_any_value_that_json_reads(value: Any) -> None:
    (call,) = told(ToolCalls(999).once("t", {"x": value}))
    assert repr(json.loads(call.arguments)) == repr({"x": value})


def test_arguments_of_other_types_are_refused() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="nested too deep"):
        list(ToolCalls(99).once("t", deep))
    with pytest.raises(TypeError, match="a bool where arguments should be"):
        list(ToolCalls(99).once("t", True))


# Protocols that say where a call begins and ends


def test_blocks_may_begin_with_all_arguments_while_another_is_open() -> None:
    """aipotheosis-labs/praxis#266"""
    calls = ToolCalls(999)
    pieces = [
        *calls.begin(0, id="a", name="t", spare={"port": 1}), *calls.begin(1, id="b", name="f", spare={"port": 2}),
        *calls.begin(2, id="c", name="g", spare={}), *calls.stop(0), *calls.stop(1), *calls.stop(2), *calls.whole(),
    ]  # fmt: skip
    assert [(call.id, call.arguments) for call in told(iter(pieces))] == [("a", ONE), ("b", TWO), ("c", "{}")]


@pytest.mark.parametrize("pieces", [[ONE], ['{"po', 'rt": 1}']])
def test_a_call_may_begin_with_empty_arguments_before_the_real_ones(pieces: list[str]) -> None:
    for first in ({"spare": "{}"}, {"arguments": "{}"}):
        calls = ToolCalls(999)
        items = [*calls.begin(0, id="a", name="t", **first)]
        for piece in pieces:
            items += calls.add(0, arguments=piece)
        assert [call.arguments for call in told(iter([*items, *calls.stop(0)]))] == [ONE]
        items = [*calls.begin(1, id="b", name="t", **first), *calls.stop(1)]
        assert [item.arguments for item in items] == ["", "{}", "{}"]


def test_a_whole_call_is_given_out_at_its_end_in_order() -> None:
    calls = ToolCalls(999)
    list(calls.begin(0, id="a", name="t", arguments=ONE))
    assert [type(piece) for piece in calls.stop(0)] == [ToolCall]
    list(calls.begin(1, id="b", name="t", arguments='{"po'))
    # More arguments may follow, here and in the next reply that is cut so.
    assert list(calls.stop(1)) == []
    list(calls.begin(2, id="c", name="t", arguments=TWO))
    assert list(calls.stop(2)) == list(calls.stop(9)) == []
    list(calls.add(1, arguments='rt": 1}'))
    assert [call.id for call in calls.stop(1) if isinstance(call, ToolCall)] == ["b", "c"]
    assert calls.reason("stop") == "tool_calls"
    assert calls.reason("length") == "length"


@rows("pieces", [['{"a": "\\', '"}"', "}"], ['{"a": "\ud83d', "\udc4b", '"}'], ["\ud83d", "\udc4b{}"]])
def test_a_call_that_ends_inside_a_character_is_not_whole(pieces: list[str]) -> None:
    calls, items = ToolCalls(999), list[Any]()
    items += calls.begin(0, id="a", name="t")
    for piece in pieces:
        items += [*calls.add(0, arguments=piece), *calls.stop(0)]
    items += calls.whole()
    (call,) = told(iter(items))
    assert call.arguments.encode() == "".join(pieces).encode("utf-16", "surrogatepass").decode("utf-16").encode()


def test_arguments_behind_the_end_of_a_whole_call_are_an_error() -> None:
    calls = ToolCalls(999)
    list(calls.begin(0, id="a", name="t", arguments=ONE))
    list(calls.stop(0))
    # The same arguments again, and blanks, change nothing.
    assert list(calls.add(0, arguments=ONE)) == list(calls.add(0, arguments=" \n")) == []
    with pytest.raises(MalformedReplyError, match=r"'t' with the id 'a'.*go on behind its end"):
        told(calls.add(0, arguments=", 2"))


def test_fragments_of_a_call_that_the_service_carries_out_are_not_read() -> None:
    calls = ToolCalls(999)
    calls.skip(0)
    assert list(calls.add(0, arguments=ONE)) == list(calls.whole()) == []
    assert calls.reason("stop") == "stop"


SETTLED = {
    "no pieces": ([], ONE, ONE),
    "the same": ([ONE], ONE, ONE),
    "the rest": (['{"po'], ONE, ONE),
    "other blanks": (['{"port":', "1}"], ONE, '{"port":1}'),
    "an object": ([ONE], {"port": 1}, ONE),
    "nothing": ([ONE], "", ONE),
    "an empty object": ([ONE], "{}", ONE),
    "an empty object behind nothing": ([], " {} ", " {} "),
}


@rows("form", SETTLED)
def test_complete_arguments_settle_a_call(form: str) -> None:
    given_pieces, arguments, expected = SETTLED[form]
    calls = ToolCalls(999)
    pieces = list(calls.begin("i", 0, id="a", name="t"))
    for piece in given_pieces:
        pieces += calls.add("i", 0, arguments=piece)
    pieces += [*calls.settle("i", 0, id="a", name="t", arguments=arguments), *calls.stop("i"), *calls.whole()]
    assert [call.arguments for call in told(iter(pieces))] == [expected]


def test_complete_arguments_that_differ_are_an_error() -> None:
    calls = ToolCalls(999)
    list(calls.begin("i", 0, id="a", name="t", arguments=ONE))
    for other in (TWO, "oops"):
        with pytest.raises(MalformedReplyError, match="its arguments differ from the pieces"):
            told(calls.settle("i", 0, arguments=other))
    list(calls.begin("j", 1, id="b", name="t", arguments='{"po'))
    with pytest.raises(MalformedReplyError, match="its arguments differ from the pieces"):
        told(calls.settle("j", 1, arguments="{}"))


def test_a_call_is_settled_by_its_id_if_its_slot_is_unknown() -> None:
    calls = ToolCalls(999)
    pieces = [*calls.begin("i", 0, id="a", name="t"), *calls.settle("j", 5, id="a", arguments=ONE), *calls.whole()]
    assert [call.arguments for call in told(iter(pieces))] == [ONE]


def test_calls_that_come_at_their_end_alone_are_told_apart() -> None:
    calls, pieces = ToolCalls(999), list[Any]()
    for item, call, arguments in (("i", "a", ONE), ("j", "b", ONE), ("k", "b", TWO)):
        pieces += calls.settle(item, 0, id=call, name="t", arguments=arguments)
        pieces += calls.stop(item, 0)
    assert [call.arguments for call in told(iter(pieces))] == [ONE, ONE, TWO]


# Bounds


def test_arguments_that_come_again_in_pieces_may_end_in_blanks() -> None:
    assert joined((0, "a", "now", '{"x":1}'), (0, NONE, NONE, '{"x"'), (0, NONE, NONE, ":1} ")) == [
        ("a", "now", '{"x":1}')
    ]


def test_a_whole_call_without_a_name_is_an_error() -> None:
    (error,) = ToolCalls(100).once(None, {"x": 1})
    assert isinstance(error, MalformedReplyError)
    assert "the name of its tool never came" in str(error)


def test_the_size_of_all_calls_is_bounded() -> None:
    with pytest.raises(LimitError, match="longer than max_frame"):
        told(fed(ToolCalls(50), *((number, NONE, "t", "x" * 10) for number in range(9))))
    with pytest.raises(LimitError, match="longer than max_frame"):
        told(fed(ToolCalls(50), (0, "a", "t"), *((0, NONE, "t" * number) for number in range(20))))


def test_the_number_of_calls_is_bounded() -> None:
    with pytest.raises(LimitError, match="more than 1024 tool calls"):
        told(fed(ToolCalls(2**20), *((number, NONE, "t") for number in range(MOST_CALLS + 1))))


# Any calls, cut and mixed in any way that an index, or an id, tells apart

VALUES = st.recursive(
    st.none() | st.integers() | st.text('{}[]"\\:, a\u00e9\U0001f600'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('{"a', max_size=3), inner, max_size=3),
    max_leaves=8,
)
ARGUMENTS = st.dictionaries(st.text('{"\\ab', min_size=1, max_size=3), VALUES, min_size=1, max_size=3).map(json.dumps)
CALLS = st.lists(st.tuples(st.sampled_from(["t", "f", "get_t"]), ARGUMENTS), min_size=1, max_size=4)


def cut(text: str, data: st.DataObject) -> list[str]:
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=5))
    return [text[a:b] for a, b in pairwise([0, *sorted(cuts), len(text)])]


@given(CALLS, st.sampled_from(["ids", "repeated ids", "no ids"]), st.booleans(), st.data())
def test_calls_with_an_index_each_are_joined_however_they_are_cut_and_mixed(
    calls: list[tuple[str, str]], ids: str, whole_heads: bool, data: st.DataObject
) -> None:
    if ids != "ids":
        # Equal calls that no id tells apart may be one that came again: see the third table.
        calls = list(
            {(name, json.dumps(json.loads(text), sort_keys=True)): (name, text) for name, text in calls}.values()
        )
    names = [{"ids": f"i{number}", "repeated ids": "i", "no ids": NONE}[ids] for number in range(len(calls))]
    heads = [(number, names[number], name, "") for number, (name, _) in enumerate(calls)]
    tails = [[(number, NONE, "", piece) for piece in cut(text, data)] for number, (_, text) in enumerate(calls)]
    mixed = data.draw(st.permutations([number for number, pieces in enumerate(tails) for _ in pieces]))
    rest = [iter(pieces) for pieces in tails]
    fragments = [*heads, *(next(rest[number]) for number in mixed)]
    if not whole_heads:
        # Each head just before the call's first piece.
        order = list(dict.fromkeys(mixed))
        fragments = []
        for number in mixed:
            fragments += [heads[number]] if number in order else []
            fragments += [tails[number].pop(0)]
            order = [other for other in order if other != number]
    indices = [fragment[0] for fragment in fragments if fragment[2]]
    assert [(name, text) for _, name, text in joined(*fragments)] == [calls[number] for number in indices]


ANY = ARGUMENTS | st.sampled_from(["", "{}", ONE, ONE + "}", '{"port" 1}', '{"port": ', "port 1", "null"])


@given(st.lists(st.tuples(st.sampled_from(["t", "f", "get_t"]), ANY), min_size=1, max_size=4), st.data())
def test_on_the_standard_wire_any_calls_come_out_as_they_came(
    calls: list[tuple[str, str]], data: st.DataObject
) -> None:
    fragments: list[Fragment] = []
    for number, (name, text) in enumerate(calls):
        head, *pieces = cut(text, data)
        fragments += [(number, f"i{number}", name, head), *((number, NONE, NONE, piece) for piece in pieces)]
    assert [(name, text) for _, name, text in joined(*fragments)] == [(name, text or "{}") for name, text in calls]


@given(CALLS, st.sampled_from(["ids", "no ids", "repeated ids"]), st.sampled_from(["", "name", "id and name"]),
       st.sampled_from([0, None]), st.data())  # fmt: skip
@example([("t", ONE), ("t", ONE)], "no ids", "", 0, st.data())
def test_calls_that_are_all_numbered_alike_are_joined_however_they_are_cut(
    calls: list[tuple[str, str]], ids: str, repeated: str, index: Any, data: Any
) -> None:
    if ids == "repeated ids" or (ids == "no ids" and repeated):
        # Equal arguments may be those of a call that came again: see the second and the third table.
        calls = list({json.dumps(json.loads(text), sort_keys=True): (name, text) for name, text in calls}.values())
    fragments: list[Fragment] = []
    for number, (name, text) in enumerate(calls):
        key = {"ids": f"i{number}", "no ids": NONE, "repeated ids": "i"}[ids]
        pieces = cut(text, data) if isinstance(data, st.DataObject) else [text]
        fragments.append((index, key, name, ""))
        fragments += [
            (index, key if repeated == "id and name" else "", name if repeated else "", piece) for piece in pieces
        ]
    assert [(name, text) for _, name, text in joined(*fragments)] == calls


@given(
    CALLS,
    st.sampled_from(["own ids", "own ids in each", "one id", "one id in each", "no ids"]),
    st.sampled_from(["own index", "0", "none", "head at 0", "head at 1", "any", "any or none"]),
    st.sampled_from(["", "name"]),
    st.sampled_from(["with its head", "behind its head", "behind {}"]),
    st.data(),
)
def test_in_any_form_calls_come_out_right_or_are_an_error(
    calls: list[tuple[str, str]], ids: str, numbers: str, names: str, arguments: str, data: st.DataObject
) -> None:
    """Nothing that was joined or torn on our side is ever given out, if one call comes behind the other."""
    if ids == "no ids" and (numbers.startswith(("head", "any")) or arguments == "behind {}"):
        # With names, a second index says that a second call begins, if nothing else tells the two apart.
        names = ""
    if numbers.startswith("any") and ids in ("own ids", "one id", "one id in each"):
        # A name at a new index, and no index at all, may each begin a call.
        names = ""
    calls = list(dict.fromkeys(calls))
    fragments: list[Fragment] = []
    for number, (name, text) in enumerate(calls):
        key = {"o": f"i{number}", "n": NONE}.get(ids[0] if ids[:3] != "one" else "", "i")
        # Id and name in a second slot, and no arguments, begin a second call with one id.
        pieces = [piece for piece in cut(text, data) if piece or "each" not in ids]
        heads = {"with its head": [], "behind its head": [""], "behind {}": ["{}"]}[arguments]
        for place, piece in enumerate([*heads, *pieces]):
            slots = {"own index": number, "0": 0, "none": NONE, "head at 0": number if place else 0,
                     "head at 1": number if place else 1, "any": data.draw(st.integers(0, 3)),
                     "any or none": data.draw(st.sampled_from([0, 1, 2, NONE]))}  # fmt: skip
            told_id = key if not place or "each" in ids else ""
            fragments.append((slots[numbers], told_id, name if names or not place else "", piece))
    try:
        found = joined(*fragments)
    except MalformedReplyError:
        return
    assert [(name, text) for _, name, text in found] == calls
