"""Gemini's batches of requests in the body, as the service's side: over after some questions, results in the batch.

    batches = GeminiBatches()
    batches.respond("POST", "/v1beta/models/m:batchGenerateContent", body, ask) -> Reply(200, {"name": ...})

`ask(path, body)` answers a request, as if it came by itself.

The paths are those below /v1beta, which the documentation shows; google-genai also asks those below /v1, where the
emulator has OpenAI's batches.

Sources (November 2026): ai.google.dev/api/batch-api and ai.google.dev/gemini-api/docs/batch-api; the types of
google-genai 2.33 (`BatchJob`, `InlinedRequest`, `InlinedResponse`), and what it reads of the wire (batches.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from threading import Lock
from typing import Any
from urllib.parse import parse_qsl

from .checks import Refusal
from .protocol import Reply

PATHS = r"/v1beta/(models/[^/:]+:batchGenerateContent|batches(/[\w-]+(:cancel)?)?)"
OPEN = ("BATCH_STATE_PENDING", "BATCH_STATE_RUNNING")
# The code of google.rpc for a status of HTTP.
CODES = {400: 3, 401: 16, 403: 7, 404: 5, 429: 8, 500: 13, 503: 14, 504: 4}


class GeminiBatches:
    """The batches of an emulator, which a test may look at.

    A batch is over after so many questions for it (`lasts`), with the state `ends`.  With any but
    "BATCH_STATE_SUCCEEDED", it has no results.
    """

    def __init__(self) -> None:
        self.lasts = 1
        self.ends = "BATCH_STATE_SUCCEEDED"
        # By their names, what the service says of them, and their requests.
        self.made: dict[str, dict[str, Any]] = {}
        self.requests: dict[str, list[dict[str, Any]]] = {}
        self._questions: dict[str, int] = {}
        self._lock = Lock()

    def respond(self, method: str, path: str, body: bytes, ask: Callable[[str, bytes], Reply]) -> Reply:
        """Return the reply to a request, whose path may have a query.  Raise `Refusal`."""
        place, _, query = path.partition("?")
        name, _, verb = place.removeprefix("/v1beta/").partition(":")
        with self._lock:
            if (method, verb) == ("POST", "batchGenerateContent"):
                return Reply(200, self._create(name, body))
            if (method, name) == ("GET", "batches"):
                return Reply(200, self._list(dict(parse_qsl(query))))
            if name not in self.made:
                raise Refusal(404, f"name: expected one that was given out, not {name!r}")
            if (method, verb) == ("POST", "cancel"):
                self.made[name]["metadata"]["state"] = "BATCH_STATE_CANCELLED"
                return Reply(200, {})
            if (method, verb) == ("GET", ""):
                return Reply(200, self._question(self.made[name], ask))
        raise Refusal(404, f"method, path: expected another one than {method} {place}")

    def _create(self, model: str, body: bytes) -> dict[str, Any]:
        given = json.loads(body).get("batch") or {}
        requests = ((given.get("inputConfig") or {}).get("requests") or {}).get("requests")
        if not requests or not given.get("displayName"):
            raise Refusal(400, "batch: expected a displayName, and inputConfig.requests.requests")
        name = f"batches/{len(self.made) + 1}"
        self.requests[name] = requests
        metadata = {"model": model, "displayName": given["displayName"], "state": "BATCH_STATE_PENDING",
                    "batchStats": {"requestCount": str(len(requests))}}  # fmt: skip
        self.made[name] = {"name": name, "metadata": metadata}
        return self.made[name]

    def _list(self, query: dict[str, str]) -> dict[str, Any]:
        """Return a page of the batches, the newest first."""
        start, size = int(query.get("pageToken") or 0), int(query.get("pageSize") or 50)
        newest = [*reversed(self.made.values())]
        more = {"nextPageToken": str(start + size)} if start + size < len(newest) else {}
        return {"operations": newest[start : start + size], **more}

    def _question(self, batch: dict[str, Any], ask: Callable[[str, bytes], Reply]) -> dict[str, Any]:
        """Return the batch, which is over if it has been asked for often enough."""
        name, metadata = batch["name"], batch["metadata"]
        asked = self._questions[name] = self._questions.get(name, 0) + 1
        if metadata["state"] in OPEN and asked <= self.lasts:
            metadata["state"] = "BATCH_STATE_RUNNING"
        elif metadata["state"] in OPEN:
            metadata["state"] = self.ends
            batch["done"] = True
            if self.ends == "BATCH_STATE_SUCCEEDED":
                results = [self._result(one, metadata["model"], ask) for one in self.requests[name]]
                metadata["output"] = {"inlinedResponses": {"inlinedResponses": results}}
        return batch

    def _result(self, request: dict[str, Any], model: str, ask: Callable[[str, bytes], Reply]) -> dict[str, Any]:
        reply = ask(f"/v1beta/{model}:generateContent", json.dumps(request["request"]).encode())
        own = {"metadata": request["metadata"]} if "metadata" in request else {}
        if reply.status == 200:
            return {"response": reply.body, **own}
        return {"error": {"code": CODES[reply.status], "message": reply.body["error"]["message"]}, **own}
