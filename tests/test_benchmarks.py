"""The benchmark's plain functions: what they make of figures that the test gives.  Nothing is measured here."""

import asyncio
import re
from typing import Any

import pytest

from g4flite import ToolCallDelta, providers
from g4flite._core.events import Reasoning
from tests.benchmarks import check, contenders, decode, gateway, guide, run, server, table
from tests.benchmarks.rows import ROWS
from tests.real_streams import DISTINCT, PIECES, STREAMS, WORDS
from tests.rows import rows


def entry(shown: str, *, least: bool = False, target: float = 5.0, **values: list[float]) -> dict[str, Any]:
    return {"row": "OpenAI SSE, drip, sync", "section": "CPU per chunk", "unit": "us", "shown": shown, "least": least,
            "targets": {"g4flite": target}, "values": values}  # fmt: skip


def test_a_figure_is_a_median_or_a_ratio_to_the_floor_or_a_difference_from_the_floor() -> None:
    # The machine was slow in the second round.
    values = {"floor": [2.0, 20.0, 1.0], "g4flite": [8.0, 60.0, 90.0]}
    assert table.figure(entry("value", **values), "g4flite") == 60
    assert table.figure(entry("ratio", **values), "g4flite") == 4
    assert table.figure(entry("above", **values), "g4flite") == 40
    assert table.figure(entry("ratio", **values), "openai") is None
    assert table.figure(entry("ratio", g4flite=[1.0]), "g4flite") is None


@rows(
    ("value", "shown"), [(None, "-"), (0.1234, "0.12"), (1.456, "1.46"), (34.56, "34.6"), (7.0, "7"), (1234.5, "1,234")]
)
def test_numbers_are_shown_with_three_digits(value: float | None, shown: str) -> None:
    assert table.number(value) == shown


def test_a_target_stands_beside_its_figure_and_is_marked_if_missed() -> None:
    values = {"floor": [1.0], "g4flite": [6.0]}
    assert table.verdict(entry("ratio", target=6, **values)) == "target 6"
    assert table.verdict(entry("ratio", target=5.9, **values)) == "target 5.9 MISSED"
    assert table.verdict(entry("ratio", target=6.1, least=True, **values)) == "target 6.1 MISSED"
    assert table.verdict(entry("ratio", floor=[1.0])) == "target 5 not measured"
    lines = table.text([entry("ratio", **values)]).splitlines()
    assert lines[1].startswith("CPU per chunk (times httpx's)")
    assert lines[2].split()[-8:] == ["6", *"----", "target", "5", "MISSED"]


def test_the_openai_sdk_is_compared_with_g4flite_if_both_were_measured() -> None:
    row = next(row for row in ROWS if row.name == "OpenAI SSE, one event an HTTP chunk, sync")
    both = entry("ratio", floor=[1.0], g4flite=[2.0], openai=[30.0])
    assert [found["values"] for found in run.against_openai(row, both)] == [{"g4flite": [15]}]
    assert list(run.against_openai(row, entry("ratio", g4flite=[2.0]))) == []


def test_check_compares_ratios_with_the_baseline_within_a_margin() -> None:
    found = check.ratios([entry("ratio", floor=[2.0], g4flite=[4.0]), entry("value", least=True, g4flite=[1.0])])
    (name, ratio), *_ = found.items()
    assert (len(found), ratio) == (1, 2)
    assert check.compare(found, {name: 2.0})[1]
    assert check.compare(found, {})[1]
    lines, sound = check.compare({name: 4.1}, {name: 2.0})
    assert not sound
    assert "BEYOND 3.35 (baseline 2.00)" in lines[0]


def test_the_guide_on_speed_shows_sync_and_async_in_one_line_between_its_marks() -> None:
    pair = [entry("ratio", floor=[1.0], g4flite=[2.0]), entry("ratio", floor=[4.0], g4flite=[4.0])]
    pair[1]["row"] = "OpenAI SSE, drip, async"
    conditions = {"python": "3.11.7", "system": "Linux", "machine": "x86_64", "cores": 2, "date": "2026-01-01",
                  "versions": {"httpx": "0.28.1"}, "rounds": 5, "quick": False}  # fmt: skip
    results = {"conditions": conditions, "entries": pair}
    before = f"above\n{guide.BEGIN}\nold\n{guide.END}\nbelow\n"
    after = guide.placed(before, guide.BEGIN, guide.END, guide.speed(results))
    assert "times httpx's): OpenAI SSE, drip (sync / async) | 1 us / 4 us | 2 / 1 | 5 |" in after
    assert after.startswith("above\n")
    assert after.endswith(f"{guide.END}\nbelow\n")
    assert "old" not in after
    assert guide.placed(after, guide.BEGIN, guide.END, guide.speed(results)) == after
    with pytest.raises(ValueError, match="lacks the marks"):
        guide.placed("nothing", guide.BEGIN, guide.END, "")


@rows("kind", ["~openai", "~ollama"])
@rows("group", [1, 64, -100])
def test_the_server_sends_realistic_streams(kind: str, group: int) -> None:
    sent = b"".join(server.reply(kind, group, 700))
    # Without the framing of the HTTP chunks.
    body = re.sub(rb"\r\n[0-9a-f]+\r\n|\r\n\Z", b"", sent.partition(b"\r\n\r\n")[2])
    events = STREAMS[kind[1:]].events
    assert b"".join([*events, *events[:60]])[100:] in body
    assert contenders.settings(kind, "http://host.test")["provider"] == kind[1:]


@rows("kind", contenders.PROVIDERS)
@rows("group", [1, 64])
def test_the_server_serialises_as_many_events_as_are_asked_for(kind: str, group: int) -> None:
    sent = b"".join(server.reply(kind, group, 131))
    assert sent.count(b"hello word") + sent.count(b"other text") == 131
    assert sent.endswith(b"0\r\n\r\n")


@rows("read", decode.READS)
@rows("name", STREAMS)
def test_a_realistic_stream_is_complete_and_holds_its_texts(name: str, read: str) -> None:
    reply = STREAMS[name]
    parser = providers.find(reply.provider).parser(2**20)
    items = [item for piece in decode.cut([reply.begin, *reply.events, reply.end], read) for item in parser.feed(piece)]
    items += parser.close()
    assert parser.done
    kinds = {"reasoning": Reasoning, "tool": ToolCallDelta}
    said = [item[-1] if name in kinds else item for item in items if isinstance(item, kinds.get(name, str))]
    words = PIECES[14:] if name == "tool" else WORDS
    wanted = "".join(words * DISTINCT)[: len("".join(said))]
    assert "".join(said).removeprefix("Well").removeprefix("".join(PIECES)).removesuffix('"}') in wanted
    assert len(said) >= DISTINCT


def test_decode_cuts_a_stream_into_reads_and_measures_it(capsys: pytest.CaptureFixture[str]) -> None:
    events = STREAMS["openai"].events
    assert [len(decode.cut(events, read)) for read in decode.READS] == [640, 10, -(-len(b"".join(events)) // 100)]
    assert decode.rows("gemini") == [("gemini", "alone"), ("gemini", "of 64")]
    decode.measure("openai, alone", 1)
    assert "openai, alone" in capsys.readouterr().out


def test_the_client_of_the_gateways_benchmark_hears_whole_and_open_streams() -> None:
    async def ask() -> None:
        service = await asyncio.get_running_loop().create_server(gateway.Service, "127.0.0.1", 0)
        port = service.sockets[0].getsockname()[1]
        assert len(await gateway.times_to_first(port, 2, "burst", 0.0)) == 2
        link = await gateway.link_to(port)
        assert await link.whole("burst") == link.first > 0
        link.transport.close()
        assert await gateway.hold(port, 50, lambda: 7.0) == (50, 7.0)
        service.close()

    asyncio.run(ask())


def test_the_rank_of_a_time_is_in_milliseconds() -> None:
    assert gateway.rank([0.001, 0.002, 0.003], 0.5) == 2.0
    assert gateway.rank([0.001], 0.99) == 1.0
