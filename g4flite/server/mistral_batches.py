"""Mistral's batch jobs, as the service's side: jobs of files that were uploaded, over after some questions.

    jobs = Jobs(Batches())                                      # the files are in one place with OpenAI's
    jobs.respond("POST", "/batch/jobs", body, now, ask) -> Reply(200, {"id": "job-1", "status": "QUEUED", ...})

`ask(path, body)` answers a line of the file, as if it came as a request of its own.

Sources (November 2026): docs.mistral.ai/capabilities/batch; the types of mistralai 3.7.0 (`CreateBatchJobRequest`,
`BatchJob`) and its examples/mistral/jobs, which read `response.body` of a result.  How an error stands in a result is
said nowhere: here it stands as in OpenAI's.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from threading import Lock
from typing import Any
from urllib.parse import parse_qsl

from .checks import Refusal
from .openai_batches import Batches, found, json_lines, missing
from .protocol import Reply

# Below /v1.
ROOT = "/batch/jobs"
PATHS = rf"{ROOT}(/[\w-]+(/cancel)?)?"
OPEN = ("QUEUED", "RUNNING", "CANCELLATION_REQUESTED")


class Jobs:
    """The jobs of an emulator, which a test may look at.

    A job is over after so many questions for it (`lasts`), with the status `ends`.  The lines of `unasked`, by their
    custom id, are not in its results: with "TIMEOUT_EXCEEDED", the job had no time for them.
    """

    def __init__(self, batches: Batches) -> None:
        self.lasts = 1
        self.ends = "SUCCESS"
        self.unasked: set[str] = set()
        self.made: dict[str, dict[str, Any]] = {}
        self._batches = batches
        self._questions: dict[str, int] = {}
        self._lock = Lock()

    def respond(self, method: str, path: str, body: bytes, now: float, ask: Callable[[str, bytes], Reply]) -> Reply:
        """Return the reply to a request, whose path is below /v1 and may have a query.  Raise `Refusal`."""
        place, _, query = path.partition("?")
        name, last, *_ = (*place.removeprefix(ROOT).strip("/").split("/"), "", "")
        with self._lock:
            if (method, name) == ("POST", ""):
                return Reply(200, self._create(body, now))
            if (method, name) == ("GET", ""):
                return Reply(200, self._list(dict(parse_qsl(query))))
            job = found(self.made, name)
            if (method, last) == ("POST", "cancel"):
                job["status"] = "CANCELLATION_REQUESTED"
                return Reply(200, job)
            if (method, last) == ("GET", ""):
                return Reply(200, self._question(job, ask, now))
        raise missing(f"method, path: expected another one than {method} {place}")

    def _create(self, body: bytes, now: float) -> dict[str, Any]:
        given = json.loads(body)
        for file in given.get("input_files") or [""]:
            found(self._batches.files, file)
        if not isinstance(given.get("model"), str) or given.get("endpoint") != "/v1/chat/completions":
            raise Refusal(400, "model, endpoint: expected a model, and /v1/chat/completions")
        key = f"job-{len(self.made) + 1}"
        lines = self._lines(given["input_files"])
        self.made[key] = {
            "id": key, "object": "batch", "input_files": given["input_files"], "endpoint": given["endpoint"],
            "model": given["model"], "agent_id": None, "metadata": given.get("metadata"), "errors": [],
            "status": "QUEUED", "output_file": None, "error_file": None, "created_at": int(now),
            "started_at": None, "completed_at": None, "total_requests": len(lines), "completed_requests": 0,
            "succeeded_requests": 0, "failed_requests": 0,
        }  # fmt: skip
        return self.made[key]

    def _lines(self, files: list[str]) -> list[dict[str, Any]]:
        return [json.loads(line) for file in files for line in self._batches.files[file][1].splitlines()]

    def _list(self, query: dict[str, str]) -> dict[str, Any]:
        """Return a page of the jobs, the newest first."""
        size = int(query.get("page_size", 100))
        start = int(query.get("page", 0)) * size
        page = [*reversed(self.made.values())][start : start + size]
        return {"object": "list", "data": page, "total": len(self.made)}

    def _question(self, job: dict[str, Any], ask: Callable[[str, bytes], Reply], now: float) -> dict[str, Any]:
        """Return the job, which is over if it has been asked for often enough."""
        asked = self._questions[job["id"]] = self._questions.get(job["id"], 0) + 1
        if job["status"] == "CANCELLATION_REQUESTED":
            job["status"] = "CANCELLED"
        elif job["status"] in OPEN and asked <= self.lasts:
            job["status"] = "RUNNING"
        elif job["status"] in OPEN:
            self._carry_out(job, ask, now)
        return job

    def _carry_out(self, job: dict[str, Any], ask: Callable[[str, bytes], Reply], now: float) -> None:
        results: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
        # The order of the results is not that of the requests.
        for given in reversed(self._lines(job["input_files"])):
            name = given["custom_id"]
            if name not in self.unasked:
                # One model for all lines: that of the job.
                reply = ask(job["endpoint"], json.dumps({**given["body"], "model": job["model"]}).encode())
                response = {"status_code": reply.status, "body": reply.body}
                results[reply.status == 200].append({"id": f"{job['id']}-{name}", "custom_id": name,
                                                     "response": response, "error": None})  # fmt: skip
        for good, field in ((True, "output_file"), (False, "error_file")):
            if results[good]:
                data = json_lines(results[good])
                job[field] = self._batches.keep(f"{job['id']}_{field}.jsonl", data, "batch", now)["id"]
        succeeded, failed = len(results[True]), len(results[False])
        job.update(status=self.ends, completed_at=int(now), succeeded_requests=succeeded, failed_requests=failed,
                   completed_requests=succeeded + failed)  # fmt: skip
