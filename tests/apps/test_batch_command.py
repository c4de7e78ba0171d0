"""The command `batch`: from a file into files, against a service on a socket of this machine."""

import json
import os
import random
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from g4flite.__main__ import main
from g4flite.apps.batch import command, progress
from g4flite.apps.cli import make_parser
from tests.apps.complaints import a_line
from tests.apps.service import Service, mixed
from tests.conftest import bare_environment
from tests.rows import rows

Captured = pytest.CaptureFixture[str]
Batch = Callable[..., int]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as running:
        yield running


def arguments(service: Service, *more: str, source: str = "in.jsonl") -> list[str]:
    return ["batch", source, "--provider", "llamacpp", "--base-url", service.url, "-o", "out.jsonl", *more]


def batch(service: Service, *more: str, source: str = "in.jsonl") -> int:
    try:
        return main(arguments(service, *more, source=source))
    except SystemExit as ended:
        return int(str(ended.code))


def written(count: int, name: str = "in.jsonl") -> None:
    Path(name).write_text("".join(json.dumps({"id": n, "prompt": f"Say {n}"}) + "\n" for n in range(count)))


def found(name: str = "out.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(name).read_text().splitlines()]


def test_from_csv_to_answers(service: Service, capsys: Captured) -> None:
    Path("in.csv").write_text("text,x\nHello,1\nGood morning,2\n")
    assert batch(service, "--prompt", "Translate: {text}", "--ordered", source="in.csv") == 0
    one, two = found()
    assert (one["answer"], one["text"], one["x"]) == ("You said: Translate: Hello", "Hello", "1")
    assert two["answer"] == "You said: Translate: Good morning"
    out, err = capsys.readouterr()
    assert (out, err) == ("", "2 answered, 0 failed, 14 tokens: out.jsonl\n")
    header = json.loads(Path("out.job.json").read_text())
    assert (header["provider"], header["prompt"]) == ("llamacpp", "Translate: {text}")


def test_a_key_in_the_path_of_the_base_url_is_in_no_file(service: Service, folder: Path) -> None:
    written(1)
    key = "Zx8fj29fk20fkd93aQ1w"
    # Of two flags, the last counts.
    batch(service, "--base-url", service.url.replace("/v1", f"/{key}/v1"), "--retries", "0")
    assert json.loads(Path("out.job.json").read_text())["base_url"].endswith("/***/v1")
    assert key not in "".join(file.read_text() for file in folder.glob("out*"))


def test_the_flags_of_stream_are_sent(service: Service) -> None:
    written(1)
    more = ["-o", "temperature=0.5", "-s", "Be brief", "-m", "m", "--concurrency", "auto", "--rpm", "6000"]
    assert batch(service, *more, "--tpm", "1e6", "--price", "1,2", "--deadline", "1h") == 0
    assert (service.request["temperature"], service.request["model"]) == (0.5, "m")
    assert [message["content"] for message in service.request["messages"]] == ["Be brief", "Say 0"]
    assert [*Path("cache/g4flite").iterdir()]


def test_what_has_failed_is_an_input_and_what_is_done_is_not_asked_again(capsys: Captured) -> None:
    written(9)
    fate = "html"
    with Service(lambda prompt, attempt: fate if prompt == "Say 7" else "answer") as service:
        assert batch(service) == 1
        assert a_line(
            capsys.readouterr().err.partition("\n")[2],
            "failed: 1 of 9 rows, see out.failed.jsonl; ask them again, with the same flags: batch out",
        )
        (failed,) = found("out.failed.jsonl")
        assert (failed["id"], failed["prompt"], failed["error"]["class"]) == (7, "Say 7", "MalformedReplyError")
        assert batch(service) == 0
        assert capsys.readouterr().err == "0 answered, 0 failed, 9 done before, 0 tokens: out.jsonl\n"
        assert sum(service.asked.values()) == 9
        fate = "answer"
        more = arguments(service, source="out.failed.jsonl")
        more[more.index("out.jsonl")] = "again.jsonl"
        assert main(more) == 0
        assert [row["answer"] for row in found("again.jsonl")] == ["You said: Say 7"]
        # The failed rows of a job are done, so that it has nothing to ask of them.
        assert batch(service, source="out.failed.jsonl") == 2
        why = "out.failed.jsonl is a file of the job of out.jsonl; name another output for its rows"
        assert why in capsys.readouterr().err
        written(11)
        assert batch(service) == 0
        assert sorted(row["id"] for row in found()) == [0, 1, 2, 3, 4, 5, 6, 8, 9, 10]


def test_a_row_that_is_done_and_asks_something_else_now_is_told(service: Service, capsys: Captured) -> None:
    written(9)
    assert batch(service, "--quiet") == 0
    given = [json.loads(line) for line in Path("in.jsonl").read_text().splitlines()]
    for row in given[2:7]:
        row["prompt"] += "!"
    Path("in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*given, {"id": 9, "prompt": "Say 9"}]))
    told = "changed: 5 of the rows that are done ask something else now: 2, 3, 4, ...; they keep their results; delete "
    assert batch(service, "--dry-run") == 0
    rehearsed = capsys.readouterr()
    assert rehearsed.out.startswith("1 rows to ask, ")
    assert a_line(rehearsed.err, told)
    # A new row is asked all the same.
    assert batch(service, "--quiet") == 1
    assert a_line(capsys.readouterr().err, told)
    assert (len(found()), service.asked.total()) == (10, 10)
    done = [line for line in Path("out.jsonl").read_text().splitlines(keepends=True) if json.loads(line)["id"] != 2]
    Path("out.jsonl").write_text("".join(done))
    assert batch(service, "--quiet") == 1
    assert (len(found()), service.asked["Say 2!"]) == (10, 1)
    assert "changed: 4 of the rows that are done ask something else now: 3, 4, 5, ...;" in capsys.readouterr().err


def test_a_prompt_that_names_no_field_is_told(service: Service, capsys: Captured) -> None:
    Path("in.csv").write_text("seed\n1\n2\n")
    assert batch(service, "--prompt", "Say ", "--quiet", source="in.csv") == 0
    assert a_line(capsys.readouterr().err, "warning: each row asks the same, as --prompt names no field, like {text}")
    assert service.asked == {"Say ": 2}
    other = [*arguments(service, "--prompt", "Say {text}", source="in.csv"), "--output", "other.jsonl"]
    other[other.index("-o") : other.index("-o") + 2] = []
    assert main(other) == 2
    why = "error: the template names {text}, which the row has not; it has seed"
    assert a_line(capsys.readouterr().err.splitlines(keepends=True)[-1], why)
    # Nothing is done, so that the right template goes on with the same output.
    other[other.index("Say {text}")] = "Say {seed}"
    assert main(other) == 0
    assert {row["answer"] for row in found("other.jsonl")} == {"You said: Say 1", "You said: Say 2"}


def test_what_every_row_would_meet_ends_the_command_and_is_asked_again(capsys: Captured) -> None:
    written(9)
    fate = "quota"
    with Service(lambda prompt, attempt: fate if prompt == "Say 5" else "answer") as service:
        assert batch(service, "--concurrency", "1", "--quiet") == 1
        assert a_line(capsys.readouterr().err, "error: llamacpp: ")
        assert (len(found()), found("out.failed.jsonl")) == (5, [])
        fate = "answer"
        assert batch(service, "--quiet") == 0
        assert (len(found()), capsys.readouterr().err) == (9, "")


def test_a_budget_ends_with_the_exit_code_3_and_goes_on(service: Service, capsys: Captured) -> None:
    written(50)
    assert batch(service, "--max-cost", "0.0001", "--price", "1,1", "--concurrency", "1") == 3
    told = capsys.readouterr().err.splitlines()
    assert "$0.0001: out.jsonl" in told[0]
    assert told[1] == "g4flite: stopped: --max-cost is reached; type the same again to go on, with as much again"
    assert 10 <= (done := len(found())) < 50
    assert batch(service, "--dry-run", "--no-resume") == 2
    assert a_line(capsys.readouterr().err, "error: out.jsonl was begun; name another output, or leave out --no-resume")
    assert batch(service, "--dry-run") == 0
    assert capsys.readouterr().out.startswith(f"{50 - done} rows to ask, ")
    assert batch(service, "--max-tokens-total", "1e6", "--resume") == 0
    assert len(found()) == 50


def test_a_dry_run_asks_nothing(service: Service, capsys: Captured) -> None:
    Path("in.jsonl").write_text('{"prompt": "four"}\n{"prompt": "eight by", "options": {"max_tokens": 9}}\nno row\n')
    assert batch(service, "--dry-run", "--price", "1000,2000", "-m", "m", "-o", "max_tokens=100") == 0
    tokens = "about 3 tokens of prompts and 109 of answers"
    assert capsys.readouterr().out == f"2 rows to ask, 1 that cannot be asked; {tokens}; about $0.2210\n"
    # The system message comes before the messages of each row.
    assert batch(service, "--dry-run", "-m", "no-such-model", "-s", "twelve bytes") == 0
    assert "about 9 tokens of prompts" in capsys.readouterr().out
    assert batch(service, "--dry-run", "-m", "no-such-model") == 0
    assert capsys.readouterr().out.endswith("265 of answers; the cost is unknown: pass --price\n")
    with Path("in.jsonl").open("a") as file:
        file.write('{"prompt": "Hi", "options": {"model": "other", "system": "four"}}\n')
    assert batch(service, "--dry-run", "--price", "1000,2000", "-m", "m", "-o", "max_tokens=100", "-s", "Be brief") == 0
    assert capsys.readouterr().out.startswith(
        "3 rows to ask, 1 that cannot be asked; about 9 tokens of prompts and 209"
    )
    Path("in.jsonl").write_text("".join(Path("in.jsonl").read_text().splitlines(keepends=True)[:2]))
    openai = [*arguments(service, "--dry-run", "--price", "1000,2000", "-m", "m", "-o", "max_tokens=100")]
    openai[openai.index("llamacpp")] = "openai"
    assert main([*openai, "--vendor-batch", "-H", "authorization: Bearer any"]) == 0
    assert capsys.readouterr().out.endswith("of answers; about $0.1105, at the price of the vendor's batches\n")
    assert not Path("out.jsonl").exists()
    assert not service.asked


@rows(
    ("more", "message"),
    [
        (["-o", "other.jsonl"], "name one output: -o OUT.jsonl"),
        (["--output", "other.jsonl"], "name one output"),
        (["--rpm", "0"], "--rpm must be a number above 0"),
        (["--concurrency", "0"], "--concurrency must be"),
        (["--concurrency", "many"], "argument --concurrency: invalid"),
        (["--deadline", "soon"], "argument --deadline: a time is a number of seconds, or like 2h30m"),
        (["--price", "1"], "argument --price: the prices are two numbers, like 0.15,0.60"),
        (["--retries", "-1"], "--retries must be a whole number from 0 up"),
        (["-o", "no_such=1"], "llamacpp: no option 'no_such'"),
        (["--vendor-batch"], "llamacpp: no interface for batches is known"),
        (["--resume"], "out.jsonl has no job to go on with"),
    ],
)
def test_a_wrong_call_asks_nothing(more: list[str], message: str, service: Service, capsys: Captured) -> None:
    written(1)
    assert batch(service, *more, "--dry-run") == 2
    assert not [*Path().glob("out*")]
    rehearsed = capsys.readouterr().err
    assert batch(service, *more, "--quiet") == 2
    error = capsys.readouterr().err
    assert message in error or "no_such" in more[1], error
    assert rehearsed == error
    assert not service.asked
    for name in ("out.jsonl", "out.job.json", "out.failed.jsonl"):
        Path(name).unlink(missing_ok=True)


def test_an_option_that_json_has_not_fails_its_row_also_when_it_is_asked_again(service: Service) -> None:
    wrong = '{"prompt": "Hi", "options": {"temperature": NaN}}'
    Path("in.jsonl").write_text(f'{wrong}\n{{"prompt": "Ho", "x": Infinity}}\n')
    assert batch(service) == 1
    assert [(row["answer"], row["x"]) for row in found()] == [("You said: Ho", None)]
    (failed,) = found("out.failed.jsonl")
    again = [*arguments(service, source="out.failed.jsonl")[:-1], "again.jsonl"]
    with pytest.raises(SystemExit, match="1"):
        main(again)
    (failed_again,) = found("again.failed.jsonl")
    for row in (failed, failed_again):
        assert (row["error"]["class"], row["options"]) == ("OptionError", '{"temperature": NaN}')
    assert service.asked.total() == 1


def test_wrong_files_are_told(service: Service, capsys: Captured) -> None:
    assert batch(service) == 2
    assert a_line(capsys.readouterr().err, "error: in.jsonl cannot be read")
    written(1)
    wrong = [*arguments(service)]
    wrong[wrong.index("out.jsonl")] = "out.csv"
    assert main(wrong) == 2
    assert a_line(capsys.readouterr().err, "error: the output is JSON lines; its name ends with .jsonl, not '.csv'")
    assert batch(service, "--quiet") == 0
    assert batch(service, "-m", "other") == 2
    assert a_line(capsys.readouterr().err, "error: out.jsonl was begun with other settings: model was")


def test_a_full_disk_is_told(service: Service, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    written(3)

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    for name in ("write", "sync"):
        with monkeypatch.context() as patch:
            patch.setattr(command.Journal, name, full)
            assert batch(service, "--quiet") == 1
        error = "error: out.jsonl cannot be written: No space left on device; make room"
        assert a_line(capsys.readouterr().err, error)


def test_standard_error_that_is_closed_is_no_full_disk(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    written(1)

    def closed(*_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(command, "summary", closed)
    parsed = make_parser([command.add]).parse_args(arguments(service))
    with pytest.raises(BrokenPipeError):
        parsed.run(parsed)
    assert len(found()) == 1


def test_an_input_that_breaks_off_is_told(service: Service, capsys: Captured) -> None:
    Path("in.csv").write_bytes(b"prompt\nHi\n\xff\n")
    assert batch(service, "--quiet", source="in.csv") == 2
    assert a_line(capsys.readouterr().err, "error: in.csv cannot be read: 'utf-8'")


def test_an_error_behind_an_answer_is_no_wrong_call(service: Service, capsys: Captured) -> None:
    written(3)
    assert batch(service, "--quiet", "--max-cost", "1", "-m", "no-such-model", "--concurrency", "1") == 1
    why = "error: --max-cost cannot be kept, as the cost of an answer is unknown; pass the prices"
    assert a_line(capsys.readouterr().err, why)
    assert len(found()) == service.asked.total() == 1


def test_standard_input_is_read(service: Service) -> None:
    command = [sys.executable, "-m", "g4flite", *arguments(service, source="-")]
    done = subprocess.run(command, input='{"prompt": "Hi"}\n', text=True, env=bare_environment(), timeout=60)
    assert done.returncode == 0
    assert [row["answer"] for row in found()] == ["You said: Hi"]


@pytest.mark.skipif(os.name != "posix", reason="a shell of POSIX")
def test_standard_input_that_is_closed_is_told(
    service: Service, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = shlex.join([sys.executable, "-m", "g4flite", *arguments(service, source="-")])
    done = subprocess.run(
        ["sh", "-c", f"{line} <&-"], env=bare_environment(), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert a_line(done.stderr, "error: standard input is closed; name a file, or pipe the rows in")
    monkeypatch.setattr(sys, "stdin", None)
    assert batch(service, source="-") == 2
    assert capsys.readouterr().err == done.stderr
    assert not [*Path().glob("out*")]


def test_processes_on_windows_share_no_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "name", "nt")
        assert command.limits_of("openai", "https://host.test") is None
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "ada")
    path = command.limits_of("openai", "https://host.test")
    assert str(path).startswith("ada/.cache/g4flite/openai-")
    assert path is not None
    assert path.exists()


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
def test_limits_that_cannot_be_shared_do_not_keep_the_rows_from_being_asked(
    service: Service, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(1)
    Path("file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", "file")
    assert batch(service, "--quiet") == 0
    assert a_line(capsys.readouterr().err, "warning: the limits cannot be shared by a file: ")

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    written(2)
    assert batch(service, "--quiet") == 0
    told = "Could not determine home directory.; they hold for this process alone: set XDG_CACHE_HOME to share them"
    assert told in capsys.readouterr().err
    assert len(found()) == 2


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("kills", [2, pytest.param(200, marks=pytest.mark.long)])
def test_a_kill_at_any_moment_loses_no_row_and_asks_none_twice_that_is_done(kills: int) -> None:
    count, chance = 60 * kills, random.Random(7)
    written(count)
    with Service(mixed) as service:
        line = [sys.executable, "-m", "g4flite", *arguments(service, "--quiet", "--concurrency", "8", "--retries", "9")]
        done, killed = set[Any](), 0
        while killed < kills:
            process = subprocess.Popen(line, env=bare_environment(), stderr=subprocess.DEVNULL)
            # From the moment when it asks or, each second time, writes: what comes before takes most of the time.
            watched = (lambda: len(done_in_files())) if killed % 2 else (lambda: sum(service.asked.values()))
            before = watched()
            while process.poll() is None and watched() == before:
                time.sleep(0.005)
            time.sleep(chance.random() * 0.15)
            process.send_signal(signal.SIGKILL)
            if process.wait() != -signal.SIGKILL:
                break
            killed += 1
            again = done_in_files()
            # What was done stays done.
            assert done <= again
            done = again
        assert killed == kills or len(done) >= count / 2
        assert subprocess.run(line, env=bare_environment(), stderr=subprocess.DEVNULL, timeout=600).returncode in (0, 1)
        rows = [*found(), *found("out.failed.jsonl")]
        assert sorted(row["id"] for row in rows) == [*range(count)]
        assert all(row["answer"] == f"You said: Say {row['id']}" for row in found())


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_ends_the_command_and_keeps_what_is_done() -> None:
    written(50)
    with Service(lambda prompt, attempt: "answer" if int(prompt[4:]) < 5 else "held") as service:
        line = [sys.executable, "-m", "g4flite", *arguments(service, "--concurrency", "2")]
        with subprocess.Popen(line, env=bare_environment(), stderr=subprocess.PIPE, text=True) as process:
            while process.poll() is None and (service.fates["held"] < 2 or len(done_in_files()) < 5):
                time.sleep(0.005)
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=60)[1].endswith("5 answered, 0 failed, 30 tokens: out.jsonl\n")
        assert process.returncode == 130
        assert sorted(row["id"] for row in found()) == [*range(5)]


def test_the_progress_of_a_job_is_shown_while_it_runs(
    service: Service, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(2)
    seen, tell, write = threading.Event(), progress.tell, command.write

    def told(text: str) -> None:
        tell(text)
        seen.set()

    def written_once_seen(journal: command.Journal, result: Any = None) -> None:
        assert seen.wait(60)
        write(journal, result)

    monkeypatch.setattr(progress, "tell", told)
    monkeypatch.setattr(progress, "ELSEWHERE", 0.01)
    monkeypatch.setattr(command, "write", written_once_seen)
    assert batch(service) == 0
    first, *_ = capsys.readouterr().err.splitlines()
    assert first.startswith("0 of 2 rows, 0.0 a second, ")


def test_ctrl_c_keeps_what_waits_for_an_earlier_row(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    written(8)
    real, first = command.write, iter([True])

    def write(journal: command.Journal, result: Any = None) -> None:
        real(journal, result)
        if next(first, False):
            # One of two calls is held, so that the rows before the last are answered.
            while sum(service.asked.values()) < 8:
                time.sleep(0.001)
            raise KeyboardInterrupt

    monkeypatch.setattr(command, "write", write)
    with Service(lambda prompt, attempt: "held" if prompt == "Say 1" else "answer") as service:
        assert batch(service, "--ordered", "--concurrency", "2") == 130
    count = len(found())
    assert [row["id"] for row in found()][:6] == [0, 2, 3, 4, 5, 6]
    assert capsys.readouterr().err.endswith(f"{count} answered, 0 failed, {6 * count} tokens: out.jsonl\n")


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_while_standard_input_says_nothing(service: Service) -> None:
    line = [sys.executable, "-m", "g4flite", *arguments(service, source="-")]
    pipe = subprocess.PIPE
    with subprocess.Popen(line, env=bare_environment(), stdin=pipe, stderr=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write('{"prompt": "Hi"}\n')
        process.stdin.flush()
        while process.poll() is None and not done_in_files():
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        # The interpreter aborts (SIGABRT) if a thread waits within its own `sys.stdin` when it ends.
        assert process.wait(timeout=60) == 130
        # On a busy machine, a line of progress comes before.
        assert process.stderr.read().endswith("1 answered, 0 failed, 4 tokens: out.jsonl\n")


def done_in_files() -> set[Any]:
    """Return the ids in the files of the results, without a last line that was only begun."""
    done = set[Any]()
    for path in (Path("out.jsonl"), Path("out.failed.jsonl")):
        lines = path.read_text().split("\n")[:-1] if path.exists() else []
        done |= {json.loads(line)["id"] for line in lines}
    return done
