"""The flight recorder: a stream that fails becomes a file, which fails in the same way when it is replayed."""

import gzip
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

import g4flite
from g4flite import providers
from g4flite._core import exchange
from g4flite._core.provider import Request
from g4flite._core.timers import Timers
from g4flite.testing import Emulator, Script, flight, flight_recorder
from g4flite.testing.flight_recorder import EACH, MOST, Flight, Sent
from tests.conftest import Driver
from tests.conftest import httpx as clients
from tests.core.test_observed import AT_ONCE, FRAME, SLOW, ask
from tests.exchanges import answering, arrived
from tests.rows import rows
from tests.transport.test_driver_faults import BRIEF, FAULTS

replayable = pytest.mark.skipif(clients.__name__ != "httpx", reason="a replay is a transport of httpx")


def replayed(driver: Driver, path: Path, *args: Any, **kwargs: Any) -> list[str]:
    """Read a stream over the replay of a file."""
    from g4flite.testing import replay

    client = driver.client(transport=replay(path))
    try:
        return driver.collect(*args, client=client, **kwargs)
    finally:
        driver.close(client)


@replayable
@pytest.mark.heavy
@rows("fault", FAULTS, shared=True)
def test_each_fault_is_the_same_when_it_is_replayed(
    fault: str, driver: Driver, server: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "BODY_TIME", 0.12)
    script, kind, _, seconds = FAULTS[fault]
    server.script = script("cromicle")
    arguments = {"base_url": server.url, "timeout": BRIEF.get(kind) if seconds else None}
    with pytest.raises(g4flite.G4fliteError) as caught:
        driver.collect("cromicle", "Hi", observer=flight(tmp_path / fault), **arguments)
    [path] = (tmp_path / fault).iterdir()
    assert f"; {path} is its replay file" in str(caught.value)
    with pytest.raises(g4flite.G4fliteError) as again:
        replayed(driver, path, "cromicle", "Hi", **arguments)
    assert (type(again.value), again.value.partial) == (type(caught.value), caught.value.partial)


@replayable
def test_a_total_timeout_and_a_failed_connection_are_the_same_when_they_are_replayed(
    driver: Driver, server: Emulator, tmp_path: Path
) -> None:
    server.script = Script(silence=30)
    for name, arguments in [
        ("total", {"base_url": server.url, "timeout": 0.2}),
        ("connect", {"base_url": "http://127.0.0.1:1"}),
        ("proxy", {"base_url": "http://upstream.test", "proxy": "http://127.0.0.1:1"}),
    ]:
        with pytest.raises(g4flite.G4fliteError) as caught:
            driver.collect("cromicle", "Hi", observer=flight(tmp_path / name), **arguments)
        [path] = (tmp_path / name).iterdir()
        # A replay knows of no proxy.
        kind = type(caught.value) if arguments.pop("proxy", None) is None else g4flite.ConnectError
        with pytest.raises(g4flite.G4fliteError) as again:
            replayed(driver, path, "cromicle", "Hi", **arguments)
        assert type(again.value) is kind


@replayable
def test_all_attempts_of_a_stream_are_in_its_file(driver: Driver, server: Emulator, tmp_path: Path) -> None:
    answering(server, Script(status=503), Script(status=500), Script(body=FRAME, cut=20))
    with pytest.raises(g4flite.TruncatedStreamError) as caught:
        driver.read(ask(server, flight(tmp_path), retries=AT_ONCE))
    assert [attempt.outcome.partition(":")[0] for attempt in driver.stream.attempts] == [
        "StatusError", "StatusError", "TruncatedStreamError",
    ]  # fmt: skip
    [path] = tmp_path.iterdir()
    arguments = {"model": "m", "api_key": "none", "base_url": f"{server.url}/v1", "retries": AT_ONCE}
    with pytest.raises(g4flite.TruncatedStreamError):
        replayed(driver, path, "openai", "Hi", **arguments)
    assert len(driver.stream.attempts) == 3
    assert str(caught.value).count("replay file") == 1


def test_a_file_holds_no_secret_and_only_its_owner_may_read_it(
    driver: Driver, server: Emulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    body = "no such key: sk-key-123456, p4ssw0rd1, sk-own-123456, c00kie-123456"
    server.script = Script(status=401, body=body, headers={"connection": "close", "set-cookie": "sid=c00kie-123456"})
    client = driver.client(params={"sig": "p4ssw0rd1"})
    with pytest.raises(g4flite.AuthenticationError):
        driver.read(ask(server, flight(tmp_path), client=client, headers={"x-own": "sk-own-123456"}, system="Psst."))
    driver.close(client)
    [path] = tmp_path.iterdir()
    text = path.read_text()
    for secret in ("sk-key", "p4ssw0rd1", "sk-own", "c00kie"):
        assert secret not in text
    assert "Psst." in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert str(path) in caplog.records[-1].getMessage()


def test_what_did_not_fail_leaves_no_file_until_it_is_dumped(driver: Driver, server: Emulator, tmp_path: Path) -> None:
    recorder = flight(tmp_path / "new", streams=2)
    for number in range(3):
        driver.read(ask(server, recorder, user=f"u{number}"))
    server.script = SLOW
    driver.read(ask(server, recorder, user="left"), limit=1)
    assert [*(tmp_path / "new").iterdir()] == []
    files = recorder.dump()
    assert recorder.dump() == files
    first, last = (path.read_text() for path in files)
    assert ("u2" in first, "left" in last) == (True, True)
    assert first.rstrip().endswith("end")
    assert last.rstrip().endswith("left")
    assert sorted(files) == sorted((tmp_path / "new").iterdir())


def test_a_stream_that_runs_is_dumped_as_far_as_it_has_come(server: Emulator, tmp_path: Path) -> None:
    recorder = flight(tmp_path)
    server.script = SLOW
    running = iter(ask(server, recorder))
    next(running)
    [path] = recorder.dump()
    assert "You" in path.read_text()
    running.close()


def test_the_oldest_files_are_removed(driver: Driver, server: Emulator, tmp_path: Path) -> None:
    recorder, named = flight(tmp_path, streams=2), []
    server.script = Script(status=400)
    for _ in range(4):
        with pytest.raises(g4flite.StatusError) as caught:
            driver.read(ask(server, recorder))
        named.append(str(caught.value))
    files = sorted(tmp_path.iterdir(), key=lambda path: int(path.stem.rpartition("-")[2]))
    assert len(files) == 2
    assert all(str(path) in said for path, said in zip(files, named[2:], strict=True))


def test_a_file_that_dump_returns_is_there_and_removed_later(server: Emulator, tmp_path: Path) -> None:
    recorder = flight(tmp_path, streams=2)
    server.script = SLOW
    running = [iter(ask(server, recorder)) for _ in range(3)]
    for one in running:
        next(one)
    files = recorder.dump()
    assert sorted(files) == sorted(tmp_path.iterdir())
    assert len(files) == 3
    for one in running:
        one.close()
    # The ring has two of the three streams.
    assert recorder.dump() == files[1:]
    assert sorted(tmp_path.iterdir()) == sorted(files[1:])


def test_a_signal_s_handler_may_dump_while_a_file_is_written(
    server: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = flight_recorder.created

    def interrupted(path: Path) -> bool:
        monkeypatch.setattr(flight_recorder, "created", create)
        recorder.dump()
        return create(path)

    monkeypatch.setattr(flight_recorder, "created", interrupted)
    recorder = flight(tmp_path)
    server.script = Script(status=400)
    with pytest.raises(g4flite.StatusError, match="is its replay file"):
        ask(server, recorder).text()


def test_an_exception_of_a_parser_has_a_note(driver: Driver, server: Emulator, tmp_path: Path) -> None:
    class Broken:
        done = False

        def feed(self, data: bytes) -> list[str]:
            raise ZeroDivisionError("of the parser")

        def close(self) -> list[str]:
            return []

    spec = replace(providers.find("cromicle"), parser=lambda limit: Broken())
    with pytest.raises(ZeroDivisionError) as caught:
        driver.collect(spec, "Hi", base_url=server.url, observer=flight(tmp_path))
    [path] = tmp_path.iterdir()
    assert getattr(caught.value, "__notes__", [f"{path} is its replay file"]) == [f"{path} is its replay file"]


def test_what_the_caller_has_ended_or_mistaken_leaves_no_file(driver: Driver, server: Emulator, tmp_path: Path) -> None:
    recorder = flight(tmp_path)
    client = g4flite.Client("cromicle", base_url=server.url, observer=recorder)
    client.close() if driver.name == "sync" else driver.run(client.aclose)
    with pytest.raises(g4flite.UsageError):
        driver.read(client.stream("Hi"))
    wrong = Driver("asyncio" if driver.name == "sync" else "sync").client()
    with pytest.raises(TypeError):
        driver.read(ask(server, recorder, client=wrong))
    server.script = SLOW

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            stream = ask(server, recorder)
            tasks.start_soon(stream.atext)
            await anyio.to_thread.run_sync(arrived, server)
            tasks.cancel_scope.cancel()

    if driver.name != "sync":
        driver.run(main)
    else:
        stream = ask(server, recorder)
        with pytest.raises(g4flite.StreamClosedError):
            for _ in stream:
                stream._run.abort()
    # Neither has a request that was sent.
    assert list(tmp_path.iterdir()) == []
    assert len(recorder.dump()) == 1


def test_of_a_long_reply_the_beginning_is_kept(
    driver: Driver, server: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("g4flite.testing.flight_recorder.MOST", 100)
    server.script = Script(body=FRAME * 50, split=len(FRAME))
    with pytest.raises(g4flite.TruncatedStreamError) as caught:
        driver.read(ask(server, flight(tmp_path), retries=0))
    assert len(caught.value.partial) == 150
    [path] = tmp_path.iterdir()
    # The first read may be one frame, or several.
    ends = [f"left\n# {lost:,} bytes behind these were not kept." for lost in (49 * len(FRAME), 50 * len(FRAME) - 100)]
    assert path.read_text().rstrip().endswith(tuple(ends))
    assert len(path.read_text()) < 1500


@rows("most", [1, 65536])
def test_many_small_pieces_fill_no_more_memory_than_a_few_large_ones(most: int) -> None:
    sent = Sent(Request("http://a.test", {}, b"{}"), Timers(g4flite.Timeout()))
    feed, count = sent.through(bytes, most), 100_000
    for _ in range(count):
        feed(b"x")
    assert len(sent.pieces) == len(sent.times) == -(-MOST // (1 + EACH))
    assert sent.lost == count - len(sent.pieces)
    large = Sent(Request("http://a.test", {}, b"{}"), Timers(g4flite.Timeout()))
    assert len(large.through(bytes, most)(bytes(2 * MOST))) == 2 * MOST
    assert (len(large.pieces[0]), large.lost) == (MOST, MOST)


@rows("size", [20, 300, 65536])
def test_pieces_of_any_size_fill_the_memory_of_one_reply_and_no_more(size: int) -> None:
    sent = Sent(Request("http://a.test", {}, b"{}"), Timers(g4flite.Timeout()))
    feed, count = sent.through(bytes, 65536), 2 * MOST // size
    for _ in range(count):
        feed(bytes(size))
    taken = sum(map(len, sent.pieces)) + EACH * len(sent.pieces)
    assert MOST <= taken <= MOST + EACH
    assert sent.lost == count * size - sum(map(len, sent.pieces))


def test_recorders_that_share_a_folder_overwrite_no_file_of_each_other(
    driver: Driver, server: Emulator, tmp_path: Path
) -> None:
    server.script = Script(status=400)
    with pytest.raises(g4flite.StatusError) as caught:
        driver.collect("cromicle", "Hi", base_url=server.url, observer=[flight(tmp_path), flight(tmp_path)])
    first, second = sorted(tmp_path.glob("*.txt"), key=lambda path: len(path.name))
    assert second.name == f"{first.stem}-1.txt"
    assert str(caught.value).count(f"{tmp_path}/") == 2
    assert len({path.read_text().partition(".")[2].count("\n") for path in (first, second)}) == 1
    server.script = Script(body=b"cut off", cut=4)
    with pytest.raises(g4flite.TruncatedStreamError):
        driver.collect("cromicle", "Hi", base_url=server.url, observer=[flight(tmp_path / "a"), flight(tmp_path / "b")])
    for name in ("a", "b"):
        [path] = (tmp_path / name).iterdir()
        text = path.read_text()
        assert (text.count(" cut"), "RemoteProtocolError" in text) == (1, True)


def test_a_body_that_h11_decodes_is_kept_as_well(driver: Driver, server: Emulator, tmp_path: Path) -> None:
    recorder = flight(tmp_path)
    client = driver.client(transport=clients.MockTransport(lambda _: clients.Response(200, content=FRAME * 2)))
    with pytest.raises(g4flite.TruncatedStreamError):
        driver.read(ask(server, recorder, client=client))
    driver.close(client)
    [path] = tmp_path.iterdir()
    assert path.read_text().count("You") == 2
    assert path.read_text().rstrip().endswith("end")


def test_a_compressed_reply_is_kept_without_the_secrets_in_it(driver: Driver, server: Emulator, tmp_path: Path) -> None:
    body = gzip.compress(b'{"error": {"message": "no such key: sk-key-123456"}}')
    server.script = Script(status=401, body=body, headers={"content-encoding": "gzip"})
    with pytest.raises(g4flite.AuthenticationError):
        driver.read(ask(server, flight(tmp_path)))
    [path] = tmp_path.iterdir()
    assert "no such key: *" in path.read_text()


def test_a_folder_that_cannot_be_written_costs_nothing_but_the_file(
    driver: Driver, server: Emulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = flight(tmp_path / "folder")
    (tmp_path / "folder").rmdir()
    (tmp_path / "folder").touch()
    server.script = Script(status=400)
    with pytest.raises(g4flite.StatusError) as caught:
        driver.read(ask(server, recorder))
    assert "replay" not in str(caught.value)
    assert "the observer g4flite.testing.flight_recorder.Flight failed in landed" in caplog.text


def test_a_folder_that_cannot_be_made_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        flight(tmp_path / "file")


@rows("streams", [0, -1, 1.5, True, "2"])
def test_a_ring_of_no_size_is_refused(streams: Any) -> None:
    with pytest.raises(ValueError, match="streams is how many streams are kept, at least 1, not"):
        flight("x", streams=streams)


def test_an_end_that_it_was_not_told_the_beginning_of_is_nothing_to_it(tmp_path: Path) -> None:
    from tests.core.test_ledger import CALL

    recorder = flight(tmp_path)
    assert isinstance(recorder, Flight)
    recorder.landed(CALL, "complete", None)
    assert recorder.dump() == []


@rows(
    ("error", "end"),
    [
        (g4flite.ConnectError("refused: key-1234567"), "ConnectError: refused: ***"),
        (g4flite.TLSError("bad certificate"), "ConnectError, SSLError: bad certificate"),
        (g4flite.TransportError("lost"), "TransportError: lost"),
        (ZeroDivisionError("of a hook"), "left"),
        (StopIteration(), "end"),
        (KeyboardInterrupt(), "left"),
    ],
)
def test_a_failure_whose_cause_was_taken_out_is_recorded_by_its_class(error: BaseException, end: str) -> None:
    """The cause is taken out if it quotes a secret."""
    sent = Sent(Request("http://a.test", {"authorization": "Bearer key-1234567"}, b"{}"), Timers(g4flite.Timeout()))
    sent.stop(error)
    assert sent.lines()[-1].split(" ", 2)[2] == end
