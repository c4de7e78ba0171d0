"""`--vendor-batch`: the batches of OpenAI, Anthropic, Mistral and Gemini, which the emulator plays on a socket."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

import g4flite
from g4flite import Reasoning, ToolCall
from g4flite.__main__ import main
from g4flite.apps.batch import command, vendor_batch
from g4flite.apps.batch.rows import Row, row_of
from g4flite.apps.batch.vendor_batch import VendorBatch
from g4flite.apps.batch.vendors import ANTHROPIC, GEMINI, MISTRAL, OPENAI, Ask, CanceledError, ExpiredError
from g4flite.testing import Emulator, Problem
from tests.rows import rows

Captured = pytest.CaptureFixture[str]
RULE = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}


def said(messages: Any) -> Any:
    prompt = messages[-1]["content"]
    if prompt == "Fail":
        return [Problem("overloaded")]
    if prompt == "Call":
        return [Reasoning("Hm"), ToolCall("", "now", "{}")]
    return '{"a": 1}' if prompt == "JSON" else f"You said: {prompt}"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(vendor_batch, "SOON", 0.001)
    with Emulator(said) as running:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{running.url}/v1")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", running.url)
        monkeypatch.setenv("G4FLITE_MISTRAL_BASE_URL", f"{running.url}/v1")
        monkeypatch.setenv("MISTRAL_API_KEY", "any")
        monkeypatch.setenv("G4FLITE_GEMINI_BASE_URL", running.url)
        monkeypatch.setenv("GEMINI_API_KEY", "any")
        monkeypatch.setenv("OPENAI_API_KEY", "any")
        monkeypatch.setenv("ANTHROPIC_API_KEY", "any")
        yield running


def batch(*more: str) -> int:
    command = ["batch", "in.jsonl", "--provider", "openai", "-m", "m", "-o", "out.jsonl", "--vendor-batch"]
    try:
        return main([*command, *more])
    except SystemExit as ended:
        return int(str(ended.code))


def written(*given: Any) -> None:
    Path("in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in given))


def found(name: str = "out.jsonl") -> dict[Any, Any]:
    lines = Path(name).read_text().splitlines()
    results = {json.loads(line)["id"]: json.loads(line) for line in lines}
    assert len(results) == len(lines)
    return results


def left() -> list[str]:
    return sorted(path.name for path in Path().glob("out.*"))


def asked(server: Emulator) -> Counter[tuple[str, str]]:
    return Counter((one.method, one.path.partition("?")[0]) for one in server.exchanges)


def test_answers_come_of_the_vendors_batch(server: Emulator, capsys: Captured) -> None:
    options = {"response_format": {"type": "json_object"}}
    written(
        {"id": 1, "prompt": "Hello", "mine": 5},
        {"id": "1", "prompt": "Call", "options": {"tools": [RULE]}},
        {"id": 2, "messages": [{"role": "user", "content": "Fail"}]},
        {"id": 3, "prompt": "JSON", "options": {**options, "model": "other"}},
        {"id": 4, "text": "no prompt"},
        {"id": 5, "prompt": "Late"},
        {"id": 6, "prompt": "Canceled"},
        {"id": 7, "prompt": "Slow"},
    )
    server.batches.unasked = {"3": "batch_expired", "4": "batch_cancelled", "5": "request_timeout"}
    server.batches.lasts = 3
    assert batch("-o", "temperature=0.5", "-s", "Be brief, as json", "--price", "1e4,1e4") == 1
    out, failures = found(), found("out.failed.jsonl")
    assert {*out} == {"1", 1, 3}
    assert (out[1]["answer"], out[1]["mine"], out[1]["finish_reason"]) == ("You said: Hello", 5, "stop")
    assert (out[1]["attempts"], out[1]["usage"]["completion_tokens"]) == (1, 3)
    assert (out["1"]["finish_reason"], out["1"]["tool_calls"][0]["name"]) == ("tool_calls", "now")
    assert out[3]["parsed"] == {"a": 1}
    classes = {name: row["error"]["class"] for name, row in failures.items()}
    assert classes == {2: "OverloadedError", 4: "UsageError", 5: "ExpiredError", 6: "CanceledError",
                       7: "ProviderError"}  # fmt: skip
    assert failures[5]["error"]["message"] == "openai: It was not carried out. (batch_expired)"
    told = capsys.readouterr().err
    assert "vendor: batch_1: validating" not in told
    assert "vendor: batch_1: in_progress, batch_2: in_progress" in told
    assert "3 answered, 5 failed, " in told
    # The price of the model `m`, the half of it; nobody knows that of the other one.
    tokens = sum(out[name]["usage"]["total_tokens"] for name in (1, "1"))
    assert f" tokens, ${tokens * 0.01 / 2:.4f}: out.jsonl" in told
    assert "done before" not in told
    # A file has the requests of one model, with the options of the job, and none asks for a stream.
    (_, one), (_, two) = [*server.batches.files.values()][:2]
    bodies = [json.loads(line)["body"] for data in (one, two) for line in data.splitlines()]
    assert [body["model"] for body in bodies] == ["m"] * 6 + ["other"]
    assert all(body["temperature"] == 0.5 and not body.keys() & {"stream", "stream_options"} for body in bodies)
    assert bodies[0]["messages"][0] == {"role": "system", "content": "Be brief, as json"}
    assert left() == ["out.failed.jsonl", "out.job.json", "out.jsonl"]
    # Nothing is asked twice, and rows that are new are asked.
    before = asked(server)["POST", "/v1/batches"]
    assert batch("-o", "temperature=0.5", "-s", "Be brief, as json", "--quiet") == 0
    assert asked(server)["POST", "/v1/batches"] == before


def test_it_goes_on_wherever_it_was_killed(server: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    written(*({"id": n, "prompt": f"Say {n}"} for n in range(9)))
    real, calls = VendorBatch._sent, [0]
    monkeypatch.setitem(vendor_batch.VENDORS, "openai", replace(OPENAI, lines=4))  # type: ignore[arg-type]

    class Killed(BaseException):
        """What ends the process, as far as the job is concerned."""

    def mortal(at: int, *, before: bool) -> Any:
        def sent(self: VendorBatch, ask: Ask) -> Iterator[bytes]:
            calls[0] += 1
            if calls[0] == at and before:
                raise Killed
            yield from real(self, ask)
            if calls[0] == at:
                raise Killed

        return sent

    # Each request is the last of a run once: before the service has it, and behind its reply, which nobody notes.
    at = runs = 0
    while True:
        at, calls[0] = at + 1, 0
        ended = 0
        for before in (True, False):
            calls[0] = 0
            monkeypatch.setattr(VendorBatch, "_sent", mortal(at, before=before))
            try:
                batch("--quiet")
            except Killed:
                runs += 1
            else:
                ended += 1
        if ended == 2:
            break
    assert runs >= 8
    assert {name: row["answer"] for name, row in found().items()} == {n: f"You said: Say {n}" for n in range(9)}
    # Each part was made once, though the note of it was lost.
    assert len(server.batches.made) == 3
    assert left() == ["out.failed.jsonl", "out.job.json", "out.jsonl"]


def test_results_that_are_written_are_not_written_again(server: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    written(*({"id": n, "prompt": f"Say {n}"} for n in range(5)))
    real = VendorBatch._write_row
    count = 0

    def full(self: VendorBatch, *given: Any) -> None:
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt
        real(self, *given)

    monkeypatch.setattr(VendorBatch, "_write_row", full)
    assert batch("--quiet") == 130
    written(*({"id": n, "prompt": f"Say {n}"} for n in range(7)))
    assert batch("--quiet") == 0
    assert sorted(found()) == [*range(7)]
    assert [len(data.splitlines()) for name, data in server.batches.files.values() if "g4flite" in name] == [5, 2]


def test_a_row_that_the_vendor_has_asked_and_that_asks_something_else_now_is_told(
    server: Emulator, capsys: Captured
) -> None:
    written({"id": 1, "prompt": "Hello"}, {"id": 2, "prompt": "Hello"})
    server.batches.lasts = 10**9
    assert batch("--deadline", "0.05") == 3
    server.batches.lasts = 0
    capsys.readouterr()
    written({"id": 1, "prompt": "Hello"}, {"id": 2, "prompt": "Good morning"}, {"id": 3, "prompt": "Hello"})
    assert batch("--quiet") == 1
    told = "changed: 1 of the rows that are done ask something else now: 2; they keep their results; "
    assert told in capsys.readouterr().err
    assert [found()[name]["answer"] for name in (1, 2, 3)] == ["You said: Hello"] * 3


def test_a_part_holds_what_is_binary_as_it_can_be_sent(
    server: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    def message(part: dict[str, Any]) -> Row:
        return row_of({"id": part["type"], "messages": [{"role": "user", "content": [part]}]})

    png, wav = b"\x89PNG\r\n\x1a\n", b"RIFF    WAVE"
    image = message({"type": "image_url", "image_url": {"url": png}})
    audio = message({"type": "input_audio", "input_audio": {"data": wav}})
    monkeypatch.setattr(command, "read", lambda path, template: iter([image, audio]))
    written()
    assert batch("--quiet") == 1
    assert found().keys() == {"image_url"}
    (sent,) = (one for one in server.exchanges if b"data:image/png;base64," in one.body)
    assert sent.method == "POST"
    # Base64 text needs a format, which bytes tell.
    assert found("out.failed.jsonl")["input_audio"]["error"]["class"] == "MessagesError"


def test_a_deadline_leaves_the_batch_to_the_vendor(server: Emulator, capsys: Captured) -> None:
    written({"id": 1, "prompt": "Hello"})
    server.batches.lasts = 10**9
    assert batch("--deadline", "0.05") == 3
    assert "stopped: --deadline is reached, and the vendor goes on" in capsys.readouterr().err
    server.batches.lasts = 0
    assert batch("--quiet") == 0
    assert len(server.batches.made) == 1


def test_a_batch_that_is_refused_or_lacks_a_row_fails_its_rows(server: Emulator) -> None:
    written({"id": 1, "prompt": "Hello"}, {"id": 2, "prompt": "Ho"})
    server.batches.lasts = 10**9
    assert batch("--deadline", "0.05") == 3
    (made,) = server.batches.made.values()
    errors = {"data": [{"message": "no such model", "code": "model_not_found", "line": 1}]}
    made.update(status="failed", errors=errors)
    assert batch() == 1
    messages = {row["error"]["message"] for row in found("out.failed.jsonl").values()}
    assert messages == {"openai: the service has refused the batch: no such model"}
    written({"id": 3, "prompt": "Hello"}, {"id": 4, "prompt": "Hello"})
    assert batch("--deadline", "0.05") == 3
    # The last line of the file lacks its end.
    body = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}
    line = {"custom_id": "1", "response": {"status_code": 200, "request_id": "r", "body": body}, "error": None}
    server.batches.files["file-9"] = ("", json.dumps(line).encode())
    server.batches.made["batch_2"].update(status="completed", output_file_id="file-9")
    assert batch() == 1
    assert "the results of batch_2 (completed) lack this row" in found("out.failed.jsonl")[3]["error"]["message"]
    assert (found()[4]["answer"], found()[4]["usage"]) == ("Hi", {})


def test_a_question_that_fails_on_the_way_is_asked_again(server: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    written({"id": 1, "prompt": "Hello"})
    real, left_over = VendorBatch._asked, [2]

    def weak(self: VendorBatch, ask: Ask, *read: Any) -> Any:
        if ask.path.startswith("/batches/") and left_over[0]:
            left_over[0] -= 1
            raise g4flite.ConnectError("gone")
        return real(self, ask, *read)

    monkeypatch.setattr(VendorBatch, "_asked", weak)
    assert batch("--quiet") == 0
    monkeypatch.setattr(vendor_batch, "FAILURES", 2)
    left_over[0] = 2
    written({"id": 2, "prompt": "Hello"})
    assert batch("--quiet") == 1
    assert batch("--quiet") == 0
    assert sorted(found()) == [1, 2]


def test_a_result_that_cannot_be_read_fails_its_row_alone(server: Emulator) -> None:
    written({"id": 1, "prompt": "Hello"}, {"id": 2, "prompt": "Ho"})
    server.batches.lasts = 10**9
    assert batch("--deadline", "0.05") == 3
    (made,) = server.batches.made.values()
    body = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}
    good = json.dumps({"custom_id": "0", "response": {"status_code": 200, "body": body}}).encode()
    strange = [b'{"custom_id": "1", "resp', b"[1]", b"\xff", b'{"custom_id": "1", "response": {"status_code": 200}}',
               b'{"custom_id": "1", "error": "text"}']  # fmt: skip
    server.batches.files["file-9"] = ("", b"\n".join([*strange, good]))
    made.update(status="completed", output_file_id="file-9")
    assert batch() == 1
    assert found()[1]["answer"] == "Hi"
    message = found("out.failed.jsonl")[2]["error"]["message"]
    assert message == "openai: the results of batch_1 (completed) lack this row, and 5 of them cannot be read"


@rows("reply", [{"ok": True}, [1], None, "text", {"id": 5}])
@pytest.mark.parametrize("provider", ["openai", "anthropic", "mistral", "gemini"])
def test_a_reply_of_another_form_is_told(provider: str, reply: Any, server: Emulator, capsys: Captured) -> None:
    written({"id": 1, "prompt": "Hello"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VendorBatch, "_sent", lambda *_: iter([json.dumps(reply).encode()]))
        # Where a reply without most fields is one, the batch is not over.
        assert batch("--provider", provider, "--quiet", "--deadline", "0.01") in (1, 3)
    told = capsys.readouterr().err
    assert "the reply has not the form of the interface for batches" in told or "--deadline is reached" in told
    for path in Path().glob("out.*"):
        path.unlink()


def test_a_batch_that_is_gone_is_told_and_may_be_given_up(server: Emulator, capsys: Captured) -> None:
    written({"id": 1, "prompt": "Hello"})
    server.batches.lasts = 10**9
    assert batch("--deadline", "0.05") == 3
    server.batches.made.clear()
    server.batches.lasts = 0
    for _ in range(2):
        capsys.readouterr()
        assert batch("--quiet") == 1
        told = capsys.readouterr().err
        assert "if the batch is gone, delete out.vendor.json: its rows are then asked, and paid, again" in told
        assert "openai: status 404" in told
    Path("out.vendor.json").unlink()
    assert batch("--quiet") == 0
    assert found()[1]["answer"] == "You said: Hello"


@pytest.mark.parametrize("full_at", ["prepare", "submit", "fetch", "lack"])
def test_a_full_disk_is_told_and_the_job_goes_on(
    full_at: str, server: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    written({"id": 1, "prompt": "Hello"})
    server.batches.unasked = {"0": "unknown"} if full_at == "lack" else {}

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    real, saves = VendorBatch._save, [0]

    def full_later(self: VendorBatch) -> None:
        saves[0] += 1
        full() if saves[0] == 2 else real(self)

    with monkeypatch.context() as patch:
        if full_at == "prepare":
            finish = vendor_batch.finish
            patch.setattr(vendor_batch, "finish", lambda file: (finish(file), full()))
        elif full_at == "submit":
            patch.setattr(VendorBatch, "_save", full_later)
        else:
            patch.setattr(vendor_batch.Journal, "write", full)
        assert batch("--quiet") == 1
    error = "out.jsonl cannot be written: No space left on device; make room, and type the same again"
    assert error in capsys.readouterr().err
    assert batch("--quiet") == (full_at == "lack")
    assert len(server.batches.made) == 1


@rows(
    ("more", "message"),
    [
        (["--provider", "llamacpp"], "llamacpp: no interface for batches is known; --vendor-batch is for openai, "),
        (["--rpm", "5"], "--rpm does not go with --vendor-batch"),
        (["--max-cost", "5"], "--max-cost does not go with --vendor-batch"),
        (["--on", "ray"], "--on does not go with --vendor-batch"),
        (["-o", "no_such=1"], "there is no option 'no_such'"),
    ],
)
def test_a_wrong_call_sends_nothing(server: Emulator, more: list[str], message: str, capsys: Captured) -> None:
    written({"id": 1, "prompt": "Hello"})
    assert batch(*more) == 2
    assert message in capsys.readouterr().err
    assert server.exchanges == []


def test_what_the_service_says_is_told(server: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    written({"id": 1, "prompt": "Hello"})
    real = OPENAI.list
    monkeypatch.setitem(vendor_batch.VENDORS, "openai", replace(OPENAI, list=lambda after: Ask("PUT", "/files")))  # type: ignore[arg-type]
    assert batch("--quiet") == 1
    assert "openai: status 404 Not Found: 'method, path: expected another one" in capsys.readouterr().err
    monkeypatch.setitem(vendor_batch.VENDORS, "openai", replace(OPENAI, list=real, lines=1))  # type: ignore[arg-type]
    server.batches.files["file-x"] = ("", b"<html>")
    strange = replace(OPENAI, list=lambda after: Ask("GET", "/files/file-x/content"))
    monkeypatch.setitem(vendor_batch.VENDORS, "openai", strange)  # type: ignore[arg-type]
    assert batch("--quiet") == 1
    assert "openai: the reply is no JSON" in capsys.readouterr().err


def test_the_list_has_pages_and_files_may_lack_their_last_line_end(server: Emulator) -> None:
    with httpx.Client(base_url=f"{server.url}/v1", headers={"authorization": "Bearer any"}) as client:

        def post(ask: Ask) -> Any:
            answer = client.post(ask.path, content=ask.body, headers={"content-type": ask.content_type})
            return answer.json()

        line = OPENAI.line("0", "/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "Hi"}]})
        file = OPENAI.uploaded(post(OPENAI.upload("a", json.dumps(line).encode())))
        ids = [post(OPENAI.create(file, f"name-{n}", "/v1/chat/completions", "m"))["id"] for n in range(3)]
        pages = [client.get("/batches?limit=2").json(), client.get(f"/batches?limit=2&after={ids[1]}").json()]
        (one, after), (two, end) = (OPENAI.listed(page, "") for page in pages)
        assert [state.name for state in (*one, *two)] == ["name-2", "name-1", "name-0"]
        assert (after, end) == (ids[1], "")
        assert OPENAI.list(after) == Ask("GET", "/batches?limit=100&after=batch_2")
        assert client.post(f"/batches/{ids[0]}/cancel").json()["status"] == "cancelling"
        state = OPENAI.state(client.get(f"/batches/{ids[0]}").json())
        assert (state.status, state.over) == ("cancelled", True)
        # What is wrong with a file ends its batch.
        for data, code in ((b"", "empty_file"), (b"no\n", "invalid_json_line"),
                           (json.dumps(line).encode() + b"\n" + json.dumps({**line, "custom_id": "1", "body": {
                               "model": "n"}}).encode(), "mismatched_model")):  # fmt: skip
            made = post(
                OPENAI.create(OPENAI.uploaded(post(OPENAI.upload("a", data))), "b", "/v1/chat/completions", "m")
            )
            wrong = client.get(f"/batches/{made['id']}").json()
            assert (wrong["status"], wrong["errors"]["data"][0]["code"]) == ("failed", code)
        for ask, status in (
            (Ask("POST", "/files", b"x"), 400),
            (
                OPENAI.upload("a", b"")._replace(body=OPENAI.upload("a", b"").body.replace(b"\nbatch\r", b"\nelse\r")),
                400,
            ),
            (OPENAI.create("file-none", "b", "/v1/chat/completions", "m"), 404),
            (OPENAI.create(file, "b", "/v1/embeddings", "m"), 400),
        ):
            answer = client.post(ask.path, content=ask.body, headers={"content-type": ask.content_type})
            assert answer.status_code == status
            assert answer.json()["error"]["message"]
        assert client.get("/batches", headers={"authorization": ""}).status_code == 401
    assert OPENAI.result({"custom_id": "1", "response": None, "error": None}).error is not None


def test_answers_come_of_anthropic_s_batches(server: Emulator) -> None:
    written(
        {"id": 1, "prompt": "Hello"},
        {"id": 2, "prompt": "Call", "options": {"tools": [RULE], "model": "other"}},
        {"id": 3, "prompt": "Fail"},
        {"id": 4, "prompt": "Late"},
    )
    server.message_batches.unasked = {"2": "expired"}
    server.message_batches.lasts = 2
    assert batch("--provider", "anthropic", "-s", "Be brief") == 1
    out, failures = found(), found("out.failed.jsonl")
    assert (out[1]["answer"], out[1]["finish_reason"], out[1]["usage"]["completion_tokens"]) == (
        "You said: Hello", "stop", 3)  # fmt: skip
    assert (out[2]["finish_reason"], out[2]["tool_calls"][0]["name"]) == ("tool_calls", "now")
    assert {name: row["error"]["class"] for name, row in failures.items()} == {3: "OverloadedError", 4: "ExpiredError"}
    assert failures[4]["error"]["message"] == "anthropic: the service has not asked the model: expired"
    (one, two) = server.message_batches.requests.values()
    assert [request["params"]["model"] for request in (*one, *two)] == ["m", "m", "m", "other"]
    assert one[0]["params"]["system"] == "Be brief"
    assert left() == ["out.failed.jsonl", "out.job.json", "out.jsonl"]
    # A batch that is noted is not made again.
    server.message_batches.lasts = 10**9
    written({"id": 5, "prompt": "Hello"})
    more = ("--provider", "anthropic", "-s", "Be brief", "--quiet")
    assert batch(*more, "--deadline", "0.01") == 3
    server.message_batches.lasts = 0
    assert batch(*more) == 0
    assert (len(server.message_batches.made), found()[5]["answer"]) == (3, "You said: Hello")


def test_anthropic_s_batches_are_strict(server: Emulator) -> None:
    lines = [json.dumps(ANTHROPIC.line(name, "", {"model": "m", "max_tokens": 5, "messages": [
        {"role": "user", "content": "Hi"}]})).encode() + b"\n" for name in "ab"]  # fmt: skip
    keys = {"x-api-key": "any", "anthropic-version": "2023-06-01", "content-type": "application/json"}
    with httpx.Client(base_url=server.url, headers=keys) as client:

        def post(given: bytes) -> httpx.Response:
            ask = ANTHROPIC.create(given, "", "", "m")
            return client.post(ask.path, content=ask.body)

        ids = [post(b"".join(lines)).json()["id"] for _ in range(3)]
        page = client.get("/v1/messages/batches?limit=2").json()
        rest = client.get(f"/v1/messages/batches?after_id={page['last_id']}").json()
        assert [[one["id"] for one in given["data"]] for given in (page, rest)] == [[ids[2], ids[1]], [ids[0]]]
        assert (page["has_more"], rest["has_more"]) == (True, False)
        path = f"/v1/messages/batches/{ids[0]}"
        assert client.get(f"{path}/results").status_code == 404
        assert client.post(f"{path}/cancel").json()["processing_status"] == "canceling"
        state = ANTHROPIC.state(client.get(path).json())
        assert (state.over, state.files) == (True, (f"{path}/results",))
        results = [ANTHROPIC.result(json.loads(line)) for line in client.get(f"{path}/results").text.splitlines()]
        assert [(one.custom_id, type(one.error)) for one in results] == [("b", CanceledError), ("a", CanceledError)]
        streamed = lines[0].replace(b'"model"', b'"stream": true, "model"')
        for given in (b"", lines[0] * 2, streamed):
            assert (post(given).status_code, post(given).json()["type"]) == (400, "error")
        assert client.get("/v1/messages/batches/none").json()["error"]["type"] == "not_found_error"
        assert client.get(path, headers={"x-api-key": ""}).status_code == 401
    expired = ANTHROPIC.result({"custom_id": "a", "result": {"type": "expired"}})
    assert isinstance(expired.error, ExpiredError)


def test_answers_come_of_mistral_s_jobs(server: Emulator) -> None:
    written(
        {"id": 1, "prompt": "Hello"},
        {"id": 2, "prompt": "Call", "options": {"tools": [RULE], "model": "other"}},
        {"id": 3, "prompt": "Fail"},
        {"id": 4, "prompt": "Late"},
    )
    server.jobs.unasked, server.jobs.ends, server.jobs.lasts = {"2"}, "TIMEOUT_EXCEEDED", 2
    assert batch("--provider", "mistral") == 1
    out, failures = found(), found("out.failed.jsonl")
    assert (out[1]["answer"], out[1]["usage"]["completion_tokens"]) == ("You said: Hello", 3)
    assert (out[2]["finish_reason"], out[2]["tool_calls"][0]["name"]) == ("tool_calls", "now")
    assert {name: row["error"]["class"] for name, row in failures.items()} == {3: "OverloadedError", 4: "ExpiredError"}
    assert [job["model"] for job in server.jobs.made.values()] == ["m", "other"]
    # A job that was made before a kill is found by its name.
    server.jobs.lasts = 10**9
    written({"id": 5, "prompt": "Hello"})
    assert batch("--provider", "mistral", "--quiet", "--deadline", "0.01") == 3
    state = json.loads(Path("out.vendor.json").read_text())
    state["parts"][0]["batch"] = None
    Path("out.vendor.json").write_text(json.dumps(state))
    server.jobs.made["job-3"]["status"] = "CANCELLATION_REQUESTED"
    assert batch("--provider", "mistral", "--quiet") == 1
    assert (len(server.jobs.made), found("out.failed.jsonl")[5]["error"]["class"]) == (3, "CanceledError")


def test_mistral_s_jobs_are_strict(server: Emulator) -> None:
    with httpx.Client(base_url=f"{server.url}/v1", headers={"authorization": "Bearer any"}) as client:

        def post(ask: Ask) -> httpx.Response:
            return client.post(ask.path, content=ask.body, headers={"content-type": ask.content_type})

        file = MISTRAL.uploaded(post(MISTRAL.upload("a", b'{"custom_id": "0", "body": {}}')).json())  # type: ignore[misc]
        jobs = [post(MISTRAL.create(file, f"n{n}", "/v1/chat/completions", "m")).json()["id"] for n in range(3)]
        pages = [client.get(f"/batch/jobs?page={page}&page_size=2").json() for page in (0, 1)]
        assert [[job["id"] for job in page["data"]] for page in pages] == [["job-3", "job-2"], ["job-1"]]
        assert MISTRAL.listed({"data": pages[0]["data"] * 50}, "")[1] == "1"
        assert MISTRAL.listed({"data": pages[0]["data"] * 50}, "1")[1] == "2"
        assert MISTRAL.listed({"data": None}, "1") == ((), "")
        assert MISTRAL.list is not None
        assert [MISTRAL.list(place).path for place in ("", "1")] == [
            f"/batch/jobs?page={page}&page_size=100" for page in (0, 1)
        ]
        assert client.post(f"/batch/jobs/{jobs[0]}/cancel").json()["status"] == "CANCELLATION_REQUESTED"
        states = [MISTRAL.state(client.get(f"/batch/jobs/{jobs[0]}").json()) for _ in range(2)]
        assert [(state.name, state.status, state.over) for state in states] == [("n0", "CANCELLED", True)] * 2
        for wrong, status in (
            (MISTRAL.create("file-none", "n", "/v1/chat/completions", "m"), 404),
            (MISTRAL.create(file, "n", "/v1/embeddings", "m"), 400),
            (Ask("POST", f"/batch/jobs/{jobs[0]}"), 404),
        ):
            assert post(wrong).status_code == status
    failed = MISTRAL.state({"id": "j", "status": "FAILED", "errors": [{"message": "no such model"}]})
    assert str(failed.error) == "the service has refused the batch: no such model"


def test_answers_come_of_gemini_s_batches(server: Emulator) -> None:
    written(
        {"id": 1, "prompt": "Hello"},
        {"id": 2, "prompt": "Call", "options": {"tools": [RULE], "model": "other"}},
        {"id": 3, "prompt": "Fail"},
    )
    server.gemini_batches.lasts = 2
    assert batch("--provider", "gemini") == 1
    out, failures = found(), found("out.failed.jsonl")
    assert (out[1]["answer"], out[1]["usage"]["completion_tokens"]) == ("You said: Hello", 3)
    assert (out[2]["finish_reason"], out[2]["tool_calls"][0]["name"]) == ("tool_calls", "now")
    assert failures[3]["error"]["class"] == "OverloadedError"
    assert [one["metadata"]["model"] for one in server.gemini_batches.made.values()] == ["models/m", "models/other"]
    # A batch that was made before a kill is found by its name.  One that has expired has no results.
    server.gemini_batches.lasts, server.gemini_batches.ends = 10**9, "BATCH_STATE_EXPIRED"
    written({"id": 5, "prompt": "Hello"})
    assert batch("--provider", "gemini", "--quiet", "--deadline", "0.01") == 3
    state = json.loads(Path("out.vendor.json").read_text())
    state["parts"][0]["batch"] = None
    Path("out.vendor.json").write_text(json.dumps(state))
    server.gemini_batches.lasts = 0
    assert batch("--provider", "gemini", "--quiet") == 1
    assert (len(server.gemini_batches.made), found("out.failed.jsonl")[5]["error"]["class"]) == (3, "ExpiredError")


def test_gemini_s_batches_are_strict(server: Emulator) -> None:
    with httpx.Client(base_url=server.url, headers={"x-goog-api-key": "any"}) as client:

        def post(ask: Ask) -> httpx.Response:
            return client.post(ask.path, content=ask.body, headers={"content-type": ask.content_type})

        line = b'{"request": {"contents": []}}'
        names = [post(GEMINI.create(line, f"n{n}", "", "m")).json()["name"] for n in range(3)]
        pages = [client.get(f"/v1beta/batches?pageSize=2&pageToken={token}").json() for token in ("", "2")]
        states, places = zip(*(GEMINI.listed(page, "") for page in pages), strict=True)
        assert ([[state.name for state in page] for page in states], places) == ([["n2", "n1"], ["n0"]], ("2", ""))
        assert GEMINI.list is not None
        assert GEMINI.list("2").path == "/v1beta/batches?pageSize=100&pageToken=2"
        assert GEMINI.list("").path == "/v1beta/batches?pageSize=100"
        assert client.post(f"/v1beta/{names[0]}:cancel").json() == {}
        state = GEMINI.state(client.get(f"/v1beta/{names[0]}").json())
        assert (state.status, state.over, type(state.error)) == ("CANCELLED", True, CanceledError)
        # A request that is wrong in itself has an error for its result.
        server.gemini_batches.lasts = 0
        (result,) = GEMINI.state(client.get(f"/v1beta/{names[1]}").json()).results
        assert (result["error"]["code"], GEMINI.result(result).status) == (3, 400)
        for wrong, status in (
            (GEMINI.create(b"", "n", "", "m"), 400),
            (Ask("POST", f"/v1beta/{names[0]}"), 404),
            (Ask("POST", "/v1beta/batches/none:cancel"), 404),
        ):
            assert (post(wrong).status_code, post(wrong).json()["error"]["code"]) == (status, status)
    failed = GEMINI.state({"name": "b", "metadata": {"state": "BATCH_STATE_FAILED"}, "error": {"message": "no quota"}})
    assert str(failed.error) == "the service has refused the batch: no quota"
