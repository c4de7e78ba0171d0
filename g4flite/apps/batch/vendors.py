"""`Vendor`: a service's own interface for batches, at half the price and within a day, as frozen data.  No I/O.

    vendor.line("0", "/v1/chat/completions", body)      # a row of the file that is uploaded
    vendor.upload(name, data) -> Ask                    # a request; `vendor_batch.py` sends it
    vendor.create(file, name, path) -> Ask
    vendor.check(batch) -> Ask -> vendor.state(reply) -> State(over=True, files=("/files/file-1/content",), ...)
    vendor.result({...}) -> Outcome("0", 200, {...})    # a line of such a file

OpenAI: a file of JSON lines goes to POST /files, as multipart/form-data with `purpose` "batch" and the `file`; POST
/batches makes a batch of it, with 16 `metadata` at most, which GET /batches gives back.  A file has 50,000 lines and
200 MB at most, and requests of one model alone.  The status is validating, failed (then `errors.data` says why),
in_progress, finalizing, completed, expired, cancelling or cancelled.  `output_file_id` and `error_file_id` name the
files of the results, in any order.  A line of a request that was not carried out has `response` null, and an `error`
whose code is batch_expired, batch_cancelled or request_timeout.  Sources (November 2026): platform.openai.com,
docs/guides/batch and docs/api-reference/batch; the types of openai-python 3.52.0 (`Batch`) and of openai-client-base
(`BatchRequestOutputError`); learn.microsoft.com, batches-create-batch.

Anthropic: POST /v1/messages/batches has all `requests`, 100,000 and 256 MB at most, each with a `custom_id` and the
`params` of a message.  A batch has no name.  Its `processing_status` is in_progress, canceling or ended; then
`results_url` is the place of the results, in any order.  A result is succeeded, with the `message`, errored, with the
`error` that a reply would be, canceled or expired.  Sources (November 2026): platform.claude.com, docs/en/api/messages/
batches and docs/en/build-with-claude/batch-processing; the types of anthropic-sdk-python (`MessageBatch`,
`MessageBatchIndividualResponse`).

Mistral: a file goes to POST /files as with OpenAI, each line with a `custom_id` and the `body`; POST /batch/jobs makes
a job of `input_files`, of one `model`, with `metadata`.  The status is QUEUED, RUNNING, SUCCESS, FAILED,
TIMEOUT_EXCEEDED, CANCELLATION_REQUESTED or CANCELLED.  `output_file` and `error_file` name the files of the results, a
line of which has `custom_id` and `response.body`, as mistralai's examples read them.  No document says how an error
stands there: it is read as OpenAI's, and a row without a result has failed by the status of the job.  Sources (November
2026): docs.mistral.ai/capabilities/batch; the types of mistralai 3.7.0 (`CreateBatchJobRequest`, `BatchJob`) and its
examples/mistral/jobs.  None says how long a file may be: the limits are OpenAI's.

Gemini: POST /v1beta/models/MODEL:batchGenerateContent has the requests in its body, 20 MB at most, each with the
`metadata` that come back with its result, and a `displayName`.  (Larger batches take files; these parts are small.)  It
returns an operation, whose `metadata.state` is BATCH_STATE_PENDING, _RUNNING, _SUCCEEDED, _FAILED, _CANCELLED or
_EXPIRED: then there are no results.  `metadata.output.inlinedResponses.inlinedResponses` holds a `response` or an
`error` of google.rpc for each request.  Sources (November 2026): ai.google.dev/api/batch-api and
ai.google.dev/gemini-api/docs/batch-api; google-genai 2.33 (batches.py, `InlinedRequest`, `InlinedResponse`).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

from ... import G4fliteError, ProviderError

# What a request of a batch costs, as a part of the usual price, with each of the vendors.
PRICE: Final = 0.5


class ExpiredError(G4fliteError):
    """The service has not carried out the request within the time of its batch; ask the row again."""


class CanceledError(G4fliteError):
    """The batch was cancelled before the service has carried out the request; ask the row again."""


class Ask(NamedTuple):
    """A request to the service; `path` is below the base URL."""

    method: str
    path: str
    body: bytes = b""
    content_type: str = "application/json"


class State(NamedTuple):
    """What the service says of a batch; `name` is ours, and `error` that of the rows that the results lack."""

    id: str
    name: object
    status: str
    over: bool
    files: tuple[str, ...]
    error: G4fliteError | None = None
    # The results, if they come with the state.
    results: tuple[Any, ...] = ()


class Outcome(NamedTuple):
    """What became of a row: a reply of the service, or an error if the service has not asked the model."""

    custom_id: object
    status: int = 0
    body: Any = None
    error: G4fliteError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """The batches of one service, as functions without state."""

    # The most lines and bytes of a file.
    lines: int
    size: int
    # The line of a request: its id, the path of the URL that a stream asks, and the body.
    line: Callable[[str, str, Mapping[str, Any]], Any]
    # Uploads a file of this name; `uploaded` reads the file's id in the reply.  None if a batch has its lines itself.
    upload: Callable[[str, bytes], Ask] | None
    uploaded: Callable[[Any], str] = lambda reply: str(reply["id"])
    # Makes a batch of a file, or of lines, for a path and a model, under a name of ours.
    create: Callable[[Any, str, str, str], Ask]
    # Lists the batches from a place on, "" for the first; `listed` reads the batches of a place, and the next place, ""
    # behind the last.  None if the batches have no names, so that none can be found again.
    list: Callable[[str], Ask] | None
    listed: Callable[[Any, str], "tuple[tuple[State, ...], str]"] = lambda *_: ((), "")
    check: Callable[[str], Ask]
    state: Callable[[Any], State]
    result: Callable[[Any], Outcome]
    # The body of a whole answer as the stream that the provider's parser reads.
    stream: Callable[[Any], bytes]


# What separates the parts of an uploaded form.  A line of JSON cannot begin with it.
BOUNDARY: Final = "g4flite-batch-of-lines"
# The key of our name in the metadata.
NAME: Final = "g4flite"


def form(fields: Mapping[str, str], name: str, data: bytes) -> tuple[bytes, str]:
    """Return a form with a file as multipart/form-data (RFC 7578), and its content type."""
    parts = [
        f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in fields.items()
    ]
    parts.append(
        f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="{name}.jsonl"\r\n'
        "content-type: application/jsonl\r\n\r\n"
    )
    whole = b"".join(["".join(parts).encode(), data, f"\r\n--{BOUNDARY}--\r\n".encode()])
    return whole, f"multipart/form-data; boundary={BOUNDARY}"


def refused(said: str) -> ProviderError:
    """Return the error of the rows of a batch that the service has refused as a whole."""
    return ProviderError(f"the service has refused the batch: {said or 'it does not say why'}")


def messages(errors: Sequence[Mapping[str, Any]] | None) -> str:
    """Return what the first three errors say, "" if there are none."""
    return "; ".join(str(error.get("message")) for error in (errors or ())[:3])


def contents(*files: str | None) -> tuple[str, ...]:
    """Return the paths of the contents of the files that are there."""
    return tuple(f"/files/{quote(file, safe='')}/content" for file in files if file)


def openai_state(batch: Mapping[str, Any]) -> State:
    """Return the state of a `Batch`."""
    status = str(batch.get("status"))
    return State(
        id=str(batch["id"]),
        name=(batch.get("metadata") or {}).get(NAME),
        status=status,
        over=status in ("completed", "failed", "expired", "cancelled"),
        files=contents(batch.get("output_file_id"), batch.get("error_file_id")),
        error=refused(messages((batch.get("errors") or {}).get("data"))) if status == "failed" else None,
    )


def openai_listed(reply: Mapping[str, Any], place: str) -> tuple[tuple[State, ...], str]:  # noqa: ARG001
    """Return the states of a page of the list, and the id of the last one if there are more, else ""."""
    states = tuple(map(openai_state, reply["data"]))
    return states, states[-1].id if states and reply.get("has_more") else ""


def openai_result(line: Mapping[str, Any]) -> Outcome:
    """Return the outcome of a `BatchRequestOutput`."""
    name, response, error = line.get("custom_id"), line.get("response"), line.get("error") or {}
    if response:
        return Outcome(name, response.get("status_code", 200), response["body"])
    code = error.get("code")
    kind = {"batch_expired": ExpiredError, "batch_cancelled": CanceledError}.get(str(code), ProviderError)
    return Outcome(name, error=kind(f"{error.get('message') or 'the service does not say why'} ({code})"))


def openai_upload(name: str, data: bytes) -> Ask:
    """Return the request that uploads a file for a batch."""
    return Ask("POST", "/files", *form({"purpose": "batch"}, name, data))


def openai_create(file: str, name: str, path: str, model: str) -> Ask:  # noqa: ARG001 - the lines name it
    """Return the request that makes a batch."""
    body = {"input_file_id": file, "endpoint": path, "completion_window": "24h", "metadata": {NAME: name}}
    return Ask("POST", "/batches", json.dumps(body).encode())


def openai_list(after: str) -> Ask:
    """Return the request for a page of the list of batches, the newest first."""
    return Ask("GET", f"/batches?limit=100{f'&after={quote(after)}' if after else ''}")


OPENAI: Final = Vendor(
    lines=50_000,
    size=200_000_000,
    line=lambda name, path, body: {"custom_id": name, "method": "POST", "url": path, "body": body},
    upload=openai_upload,
    create=openai_create,
    list=openai_list,
    listed=openai_listed,
    check=lambda batch: Ask("GET", f"/batches/{quote(batch, safe='')}"),
    state=openai_state,
    result=openai_result,
    stream=lambda body: b"data: " + json.dumps(body).encode() + b"\n\ndata: [DONE]\n\n",
)


def anthropic_create(lines: bytes, name: str, path: str, model: str) -> Ask:  # noqa: ARG001 - a batch has none of them
    """Return the request that makes a batch of its lines."""
    return Ask("POST", "/v1/messages/batches", b'{"requests":[' + lines.strip().replace(b"\n", b",") + b"]}")


def anthropic_state(batch: Mapping[str, Any]) -> State:
    """Return the state of a `MessageBatch`."""
    # Of the URL, the path alone: the key goes to no other host than the base URL's.
    files = (urlsplit(batch["results_url"]).path,) if batch.get("results_url") else ()
    status = str(batch.get("processing_status"))
    return State(str(batch["id"]), None, status, status == "ended", files)


# The status of a reply with an error of this type.  Source: platform.claude.com, docs/en/api/errors (November 2026).
ANTHROPIC_ERRORS: Final = {
    "invalid_request_error": 400, "authentication_error": 401, "billing_error": 402, "permission_error": 403,
    "not_found_error": 404, "request_too_large": 413, "rate_limit_error": 429, "api_error": 500, "timeout_error": 504,
    "overloaded_error": 529,
}  # fmt: skip


def anthropic_result(line: Mapping[str, Any]) -> Outcome:
    """Return the outcome of a `MessageBatchIndividualResponse`."""
    name, result = line.get("custom_id"), line["result"]
    kind = result["type"]
    if kind == "succeeded":
        return Outcome(name, 200, result["message"])
    if kind == "errored":
        error = result["error"]
        return Outcome(name, ANTHROPIC_ERRORS.get(error["error"]["type"], 500), error)
    said = {"expired": ExpiredError, "canceled": CanceledError}.get(kind, ProviderError)
    return Outcome(name, error=said(f"the service has not asked the model: {kind}"))


ANTHROPIC: Final = Vendor(
    lines=100_000,
    size=256_000_000,
    line=lambda name, path, body: {"custom_id": name, "params": body},  # noqa: ARG005 - there is one path
    upload=None,
    create=anthropic_create,
    list=None,
    check=lambda batch: Ask("GET", f"/v1/messages/batches/{quote(batch, safe='')}"),
    state=anthropic_state,
    result=anthropic_result,
    stream=lambda body: b"".join(
        b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(event).encode())
        for event in ({"type": "message_start", "message": body}, {"type": "message_stop"})
    ),
)


def mistral_create(file: str, name: str, path: str, model: str) -> Ask:
    """Return the request that makes a job."""
    body = {"input_files": [file], "endpoint": path, "model": model, "metadata": {NAME: name}, "timeout_hours": 24}
    return Ask("POST", "/batch/jobs", json.dumps(body).encode())


def mistral_state(job: Mapping[str, Any]) -> State:
    """Return the state of a `BatchJob`."""
    status = str(job.get("status"))
    errors = {
        "FAILED": refused(messages(job.get("errors"))),
        "TIMEOUT_EXCEEDED": ExpiredError("the service has not asked the model in time"),
        "CANCELLED": CanceledError("the job was cancelled"),
    }
    return State(
        id=str(job["id"]),
        name=(job.get("metadata") or {}).get(NAME),
        status=status,
        over=status == "SUCCESS" or status in errors,
        files=contents(job.get("output_file"), job.get("error_file")),
        error=errors.get(status),
    )


def mistral_listed(reply: Mapping[str, Any], place: str) -> tuple[tuple[State, ...], str]:
    """Return the states of a page of the list, and the number of the next page, "" behind the last."""
    states = tuple(map(mistral_state, reply.get("data") or ()))
    return states, str(int(place or 0) + 1) if len(states) == PAGE else ""


# The jobs of a page of Mistral's list, whose pages count from 0.
PAGE: Final = 100
MISTRAL: Final = replace(
    OPENAI,
    line=lambda name, path, body: {"custom_id": name, "body": body},  # noqa: ARG005 - the job has it
    create=mistral_create,
    list=lambda place: Ask("GET", f"/batch/jobs?page={place or 0}&page_size={PAGE}"),
    listed=mistral_listed,
    check=lambda batch: Ask("GET", f"/batch/jobs/{quote(batch, safe='')}"),
    state=mistral_state,
)


def gemini_create(lines: bytes, name: str, path: str, model: str) -> Ask:  # noqa: ARG001 - the model is in the path
    """Return the request that makes a batch of its lines."""
    requests = b'{"requests":{"requests":[' + lines.strip().replace(b"\n", b",") + b"]}}"
    body = b'{"batch":{"displayName":%b,"inputConfig":%b}}' % (json.dumps(name).encode(), requests)
    return Ask("POST", f"/v1beta/models/{quote(model, safe='')}:batchGenerateContent", body)


def gemini_state(batch: Mapping[str, Any]) -> State:
    """Return the state of an operation whose metadata are a `GenerateContentBatch`."""
    metadata = batch.get("metadata") or {}
    status = str(metadata.get("state")).removeprefix("BATCH_STATE_")
    errors = {
        "FAILED": refused(str((batch.get("error") or {}).get("message") or "")),
        "EXPIRED": ExpiredError("the service has not asked the model in time"),
        "CANCELLED": CanceledError("the batch was cancelled"),
    }
    output = metadata.get("output") or {}
    return State(
        id=str(batch["name"]),
        name=metadata.get("displayName"),
        status=status,
        over=status == "SUCCEEDED" or status in errors,
        files=(),
        error=errors.get(status),
        results=tuple((output.get("inlinedResponses") or {}).get("inlinedResponses") or ()),
    )


def gemini_listed(reply: Mapping[str, Any], place: str) -> tuple[tuple[State, ...], str]:  # noqa: ARG001
    """Return the states of a page of the list, and the token of the next page, "" behind the last."""
    return tuple(map(gemini_state, reply.get("operations") or ())), reply.get("nextPageToken") or ""


# The status of HTTP for a code of google.rpc (googleapis, google/rpc/code.proto).
GEMINI_ERRORS: Final = {3: 400, 4: 504, 5: 404, 7: 403, 8: 429, 13: 500, 14: 503, 16: 401}


def gemini_result(line: Mapping[str, Any]) -> Outcome:
    """Return the outcome of an `InlinedResponse`."""
    name, error = (line.get("metadata") or {}).get("key"), line.get("error")
    if error is None:
        return Outcome(name, 200, line.get("response"))
    return Outcome(name, GEMINI_ERRORS.get(error.get("code"), 500), {"error": error})


GEMINI: Final = Vendor(
    lines=100_000,
    size=18_000_000,
    line=lambda name, path, body: {"request": body, "metadata": {"key": name}},  # noqa: ARG005 - there is one path
    upload=None,
    create=gemini_create,
    list=lambda place: Ask("GET", f"/v1beta/batches?pageSize=100{f'&pageToken={quote(place)}' if place else ''}"),
    listed=gemini_listed,
    check=lambda batch: Ask("GET", f"/v1beta/{quote(batch)}"),
    state=gemini_state,
    result=gemini_result,
    stream=lambda body: b"data: " + json.dumps(body).encode() + b"\n\n",
)
VENDORS: Final[Mapping[str, Vendor]] = {
    "openai": OPENAI, "anthropic": ANTHROPIC, "mistral": MISTRAL, "gemini": GEMINI,
}  # fmt: skip


def whole(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of a request for a stream as that for an answer in one piece."""
    return {name: value for name, value in body.items() if name not in ("stream", "stream_options")}
