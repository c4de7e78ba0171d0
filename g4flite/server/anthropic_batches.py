"""Anthropic's message batches, as the service's side: batches that are over after some questions, and their results.

    batches = MessageBatches()
    batches.respond("POST", "/v1/messages/batches", body, now, ask) -> Reply(200, {"id": "msgbatch_1", ...})
    batches.respond("GET", "/v1/messages/batches/msgbatch_1/results", ...) -> the bytes of a file of JSON lines

`ask(path, body)` answers the `params` of a request, as if they came as a request of their own.

Sources (November 2026): platform.claude.com, docs/en/api/messages/batches and docs/en/build-with-claude/
batch-processing; the types of anthropic-sdk-python (`MessageBatch`, `MessageBatchIndividualResponse`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timezone
from threading import Lock
from typing import Any
from urllib.parse import parse_qsl

from .checks import Refusal
from .openai_batches import json_lines, page_of
from .protocol import Reply

ROOT = "/v1/messages/batches"
PATHS = rf"{ROOT}(/[\w-]+(/results|/cancel)?)?"


class MessageBatches:
    """The batches of an emulator, which a test may look at.

    A batch is over after so many questions for it (`lasts`).  The requests of `unasked`, by their custom id, are never
    asked: their result has the type that stands there, "expired" or "canceled".
    """

    def __init__(self) -> None:
        self.lasts = 1
        self.unasked: dict[str, str] = {}
        # By their ids: what the service says of each batch, its requests, and the lines of its results.
        self.made: dict[str, dict[str, Any]] = {}
        self.requests: dict[str, list[dict[str, Any]]] = {}
        self.results: dict[str, bytes] = {}
        self._questions: dict[str, int] = {}
        self._lock = Lock()

    def respond(
        self, method: str, path: str, body: bytes, now: float, ask: Callable[[str, bytes], Reply]
    ) -> Reply | bytes:
        """Return the reply to a request, whose path may have a query.  Raise `Refusal`."""
        place, _, query = path.partition("?")
        name, last, *_ = (*place.removeprefix(ROOT).strip("/").split("/"), "", "")
        with self._lock:
            if (method, name) == ("POST", ""):
                return Reply(200, self._create(body, now))
            if (method, name) == ("GET", ""):
                return Reply(200, self._list(dict(parse_qsl(query))))
            if name not in self.made:
                raise Refusal(404, f"id: expected one that was given out, not {name!r}")
            if (method, last) == ("POST", "cancel"):
                self.made[name].update(processing_status="canceling", cancel_initiated_at=stamp(now))
                return Reply(200, self.made[name])
            if (method, last) == ("GET", ""):
                return Reply(200, self._question(self.made[name], ask, now))
            if (method, last) == ("GET", "results") and name in self.results:
                return self.results[name]
        raise Refusal(404, f"method, path: expected another one than {method} {place}")

    def _create(self, body: bytes, now: float) -> dict[str, Any]:
        given = json.loads(body)
        requests = given.get("requests") or []
        names = [request.get("custom_id", "") for request in requests]
        if not names or len({*names}) < len(names) or not all(re.fullmatch(r"[\w-]{1,64}", name) for name in names):
            raise Refusal(400, "requests: expected at least one, each with a custom_id of its own")
        if any("stream" in request["params"] for request in requests):
            raise Refusal(400, "requests.params: expected no stream")
        key = f"msgbatch_{len(self.made) + 1}"
        self.requests[key] = requests
        self.made[key] = {
            "id": key, "type": "message_batch", "processing_status": "in_progress", "created_at": stamp(now),
            "expires_at": stamp(now + 86400), "ended_at": None, "archived_at": None, "cancel_initiated_at": None,
            "request_counts": counts(processing=len(requests)), "results_url": None,
        }  # fmt: skip
        return self.made[key]

    def _list(self, query: dict[str, str]) -> dict[str, Any]:
        """Return a page of the batches, the newest first."""
        return page_of(self.made, query.get("after_id"), query.get("limit"))

    def _question(self, batch: dict[str, Any], ask: Callable[[str, bytes], Reply], now: float) -> dict[str, Any]:
        """Return the batch, which is over if it has been asked for often enough."""
        key = batch["id"]
        self._questions[key] = self._questions.get(key, 0) + 1
        canceling = batch["processing_status"] == "canceling"
        if key not in self.results and (canceling or self._questions[key] > self.lasts):
            lines = [self._result(request, ask, canceling=canceling) for request in reversed(self.requests[key])]
            kinds = [line["result"]["type"] for line in lines]
            self.results[key] = json_lines(lines)
            batch.update(
                processing_status="ended", ended_at=stamp(now), results_url=f"https://api.anthropic.com{ROOT}/{key}/results",
                request_counts=counts(**{kind: kinds.count(kind) for kind in kinds}),
            )  # fmt: skip
        return batch

    def _result(
        self, request: dict[str, Any], ask: Callable[[str, bytes], Reply], *, canceling: bool
    ) -> dict[str, Any]:
        name = request["custom_id"]
        if canceling or name in self.unasked:
            return {"custom_id": name, "result": {"type": "canceled" if canceling else self.unasked[name]}}
        reply = ask("/v1/messages", json.dumps(request["params"]).encode())
        if reply.status == 200:
            return {"custom_id": name, "result": {"type": "succeeded", "message": reply.body}}
        return {"custom_id": name, "result": {"type": "errored", "error": reply.body}}


def counts(**given: int) -> dict[str, int]:
    """Return how many requests are in each state."""
    return {"processing": 0, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0, **given}


def stamp(seconds: float) -> str:
    """Return a Unix time as RFC 3339 writes it."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat()
