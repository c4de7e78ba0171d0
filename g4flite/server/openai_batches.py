"""OpenAI's files and batches, as the service's side: uploads, batches that are over after some questions, results.

    batches = Batches()
    batches.respond("POST", "/files", headers, body, now, ask) -> Reply(200, {"id": "file-1", ...}), or bytes of a file
    batches.respond("POST", "/batches", ...) -> Reply(200, {"id": "batch_1", "status": "validating", ...})

`ask(path, body)` answers a line of the file, as if it came as a request of its own.

Sources (November 2026): platform.openai.com/docs/guides/batch and /docs/api-reference/batch, the types of openai-python
3.52.0 (`Batch`, `BatchError`, `FileObject`), of openai-client-base (`BatchRequestOutputError`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from email import message_from_bytes
from threading import Lock
from typing import Any
from urllib.parse import parse_qsl

from .checks import Headers, Refusal, sole
from .protocol import Reply

# Below /v1.
PATHS = r"/(files|batches)(/[\w-]+(/content|/cancel)?)?"
ENDPOINTS = ("/v1/chat/completions", "/v1/responses")


class Batches:
    """The files and the batches of an emulator, which a test may look at.

    A batch is over after so many questions for it (`lasts`).  The lines of `unasked`, by their custom id, are never
    asked: their error has the code that stands there, like "batch_expired".
    """

    def __init__(self) -> None:
        self.lasts = 1
        self.unasked: dict[str, str] = {}
        # By their ids: names and data, and what the service says of each batch.
        self.files: dict[str, tuple[str, bytes]] = {}
        self.made: dict[str, dict[str, Any]] = {}
        self._questions: dict[str, int] = {}
        self._lock = Lock()

    def respond(
        self, method: str, path: str, headers: Headers, body: bytes, now: float, ask: Callable[[str, bytes], Reply]
    ) -> Reply | bytes:
        """Return the reply to a request, whose path is below /v1 and may have a query.  Raise `Refusal`."""
        place, _, query = path.partition("?")
        kind, name, *rest = (*place.strip("/").split("/"), "", "")[:3]
        with self._lock:
            match (method, kind, bool(name), rest[0]):
                case ("POST", "files", False, _):
                    return Reply(200, self._upload(headers, body, now))
                case ("POST", "batches", False, _):
                    return Reply(200, self._create(body, now))
                case ("GET", "batches", False, _):
                    return Reply(200, self._list(dict(parse_qsl(query))))
                case ("GET", "batches", True, ""):
                    return Reply(200, self._question(found(self.made, name), ask, now))
                case ("POST", "batches", True, "cancel"):
                    found(self.made, name)["status"] = "cancelling"
                    return Reply(200, self.made[name])
                case ("GET", "files", True, "content"):
                    data: bytes = found(self.files, name)[1]
                    return data
        raise missing(f"method, path: expected another one than {method} {place}")

    def _upload(self, headers: Headers, body: bytes, now: float) -> dict[str, Any]:
        kind = sole(headers, "content-type") or ""
        form = message_from_bytes(b"content-type: " + kind.encode() + b"\r\n\r\n" + body)
        parts = {part.get_param("name", header="content-disposition"): part for part in form.walk()}
        if form.get_content_type() != "multipart/form-data" or not {"purpose", "file"} <= parts.keys():
            raise Refusal(400, "body: expected multipart/form-data with the fields purpose and file")
        purpose, data = (parts[field].get_payload(decode=True) for field in ("purpose", "file"))
        if purpose != b"batch" or not isinstance(data, bytes):
            raise Refusal(400, "purpose: expected batch")
        return self.keep(parts["file"].get_filename() or "", data, "batch", now)

    def keep(self, name: str, data: bytes, purpose: str, now: float) -> dict[str, Any]:
        """Keep a file, and return what the service says of it; the last two fields are Mistral's."""
        key = f"file-{len(self.files) + 1}"
        self.files[key] = (name, data)
        return {"id": key, "object": "file", "bytes": len(data), "created_at": int(now), "filename": name,
                "purpose": purpose, "status": "processed", "sample_type": "batch_request",
                "source": "upload"}  # fmt: skip

    def _create(self, body: bytes, now: float) -> dict[str, Any]:
        given = json.loads(body)
        found(self.files, given.get("input_file_id", ""))
        if given.get("endpoint") not in ENDPOINTS or given.get("completion_window") != "24h":
            raise Refusal(400, f"endpoint, completion_window: expected one of {', '.join(ENDPOINTS)}, and 24h")
        key = f"batch_{len(self.made) + 1}"
        self.made[key] = {
            "id": key, "object": "batch", "endpoint": given["endpoint"], "errors": None,
            "input_file_id": given["input_file_id"], "completion_window": "24h", "status": "validating",
            "output_file_id": None, "error_file_id": None, "created_at": int(now), "expires_at": int(now) + 86400,
            "request_counts": {"total": 0, "completed": 0, "failed": 0}, "metadata": given.get("metadata"),
        }  # fmt: skip
        return self.made[key]

    def _list(self, query: dict[str, str]) -> dict[str, Any]:
        """Return a page of the batches, the newest first."""
        return {"object": "list", **page_of(self.made, query.get("after"), query.get("limit"))}

    def _question(self, batch: dict[str, Any], ask: Callable[[str, bytes], Reply], now: float) -> dict[str, Any]:
        """Return the batch, which is over if it has been asked for often enough."""
        asked = self._questions[batch["id"]] = self._questions.get(batch["id"], 0) + 1
        if batch["status"] in ("validating", "in_progress", "cancelling"):
            if batch["status"] == "validating" and (errors := self._errors(batch)):
                batch.update(status="failed", errors={"object": "list", "data": errors}, failed_at=int(now))
            elif asked > self.lasts or batch["status"] == "cancelling":
                self._carry_out(batch, ask, now)
            else:
                batch["status"] = "in_progress"
        return batch

    def _errors(self, batch: dict[str, Any]) -> list[dict[str, Any]]:
        """Return what is wrong with the file of a batch."""
        lines = self.files[batch["input_file_id"]][1].splitlines()
        seen, models = set[str](), set[str]()
        for number, line in enumerate(lines, 1):
            try:
                given = json.loads(line)
                names = {"custom_id", "method", "url", "body"}
                ok = given.keys() == names and given["url"] == batch["endpoint"] and given["custom_id"] not in seen
                seen.add(given["custom_id"])
                models.add(given["body"]["model"])
            except (ValueError, KeyError, TypeError):
                ok = False
            if not ok or len(models) > 1:
                code = "mismatched_model" if ok else "invalid_json_line"
                return [{"code": code, "line": number, "message": f"line {number} is not taken", "param": None}]
        return [] if lines else [{"code": "empty_file", "line": None, "message": "the file is empty", "param": None}]

    def _carry_out(self, batch: dict[str, Any], ask: Callable[[str, bytes], Reply], now: float) -> None:
        results: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
        # The order of the results is not that of the requests.
        for line in reversed(self.files[batch["input_file_id"]][1].splitlines()):
            given = json.loads(line)
            name = given["custom_id"]
            result = {"id": f"batch_req_{name}", "custom_id": name, "response": None, "error": None}
            code = "batch_cancelled" if batch["status"] == "cancelling" else self.unasked.get(name)
            if code is not None:
                results[False].append({**result, "error": {"code": code, "message": "It was not carried out."}})
                continue
            reply = ask(given["url"], json.dumps(given["body"]).encode())
            response = {"status_code": reply.status, "request_id": f"req_{name}", "body": reply.body}
            results[reply.status == 200].append({**result, "response": response})
        for good, field in ((True, "output_file_id"), (False, "error_file_id")):
            if results[good]:
                data = json_lines(results[good])
                batch[field] = self.keep(f"{batch['id']}_{field}.jsonl", data, "batch_output", now)["id"]
        counts = {"total": len(results[True]) + len(results[False]), "completed": len(results[True]),
                  "failed": len(results[False])}  # fmt: skip
        expired = "batch_expired" in self.unasked.values()
        over = "cancelled" if batch["status"] == "cancelling" else "expired" if expired else "completed"
        batch.update(status=over, request_counts=counts)


def page_of(made: dict[str, dict[str, Any]], after: str | None, limit: str | None) -> dict[str, Any]:
    """Return a page of the batches behind the one of the id `after`, the newest first."""
    newest = [*reversed(made)]
    rest = newest[newest.index(after) + 1 :] if after in made else newest
    page = rest[: int(limit or 20)]
    return {"data": [made[key] for key in page], "first_id": page[0] if page else None,
            "last_id": page[-1] if page else None, "has_more": len(page) < len(rest)}  # fmt: skip


def json_lines(values: Iterable[object]) -> bytes:
    """Return a file of JSON lines."""
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def found(table: dict[str, Any], name: str) -> Any:
    """Return the entry of this name.  Raise `Refusal` 404 if there is none."""
    if name not in table:
        raise missing(f"id: expected one that was given out, not {name!r}")
    return table[name]


def missing(problem: str) -> Refusal:
    """Return the refusal of what is not there.  That of Chat Completions would say that the model is missing."""
    body = {"error": {"message": problem, "type": "invalid_request_error", "param": None, "code": None}}
    return Refusal(404, problem, body=body)
