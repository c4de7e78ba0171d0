"""The models that a server lists, and the one to ask where none is named.  A part of the tool `probe`."""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from .._core.errors import G4fliteError, ModelNotFoundError
from .._core.headers import is_loopback
from .._core.provider import Call
from .._core.response.service_errors import as_id
from .._core.settings import Timeout
from ..routes import resolve, route

if TYPE_CHECKING:
    from .._core.run import Run

PLACES: Final = {  # a protocol's URL: where its servers list their models, as {"data": [{"id": str}]}
    "{base_url}/chat/completions": "{base_url}/models",
    "{base_url}/responses": "{base_url}/models",
    "{base_url}/v1/messages": "{base_url}/v1/models",
    "{base_url}/api/chat": "{base_url}/v1/models",
}
LONGEST: Final = 4 * 2**20  # bytes of a list that are read
NO_CHAT: Final = re.compile("embed|rerank|bge-|whisper|tts", re.IGNORECASE)  # models that answer no question


def choose(call: Call, timeout: Timeout) -> str:
    """The model to ask where none is named: the first that a server on this machine lists, elsewhere the only one.

    A cloud lists dozens, at prices of their own, and a program should pick none.  Raises `ModelNotFoundError`, and what
    `listed` raises.
    """
    models = listed(call, timeout)
    if len(models) == 1 or (models and is_loopback(call.base_url)):
        return models[0]
    name = call.provider.name
    hint = f"{', '.join(models[:5])}{', ...' if models[5:] else ''}" if models else "none"
    raise ModelNotFoundError(
        f"no model is named; pass model={{{name!r}: ...}}, or --model {name}=...; it lists {hint}", provider=name
    )


def listed(call: Call, timeout: Timeout) -> list[str]:
    """The names of the models that the server lists, but for those that answer no question; none without a list.

    Raises the `G4fliteError` that a failure on the way, or a refusal, means.
    """
    from .._core.response.answers import secrets  # noqa: PLC0415 - httpx is imported with the first call
    from .._core.run import Run  # noqa: PLC0415
    from .._core.timers import Timers  # noqa: PLC0415
    from .._core.transport.network_errors import failures, shown, unsent  # noqa: PLC0415

    call = replace(call, model="-")  # for a request, whose headers name no model
    way = route(call, resolve(call, None, None), None, timeout, 0)
    run = Run((way,), Timers(timeout))
    run.begin(way)
    run.secrets = secrets(call, way.rehearsed)
    url = PLACES[call.provider.url].format(base_url=call.base_url)
    cause: Exception | None = None
    try:
        return names(read(run, url, way.rehearsed.headers))
    except failures() as failed:
        error, cause = unsent(failed, url, run), shown(failed, run)
    except G4fliteError as failed:
        error = failed
    finally:
        run.timers.release()
        way.source.release()
    run.fail(error)
    raise error from cause


def read(run: "Run", url: str, headers: Mapping[str, str]) -> bytes:
    """The body of the list, as far as it is read; empty where nothing is served there.  Raises what a refusal means."""
    from .._core.response.answers import status_error  # noqa: PLC0415
    from .._core.transport.deadlines import extensions, watch  # noqa: PLC0415
    from .._core.transport.httpx import head  # noqa: PLC0415

    headers = {**headers, "accept": "application/json", "accept-encoding": "identity"}
    client = run.routes[0].source.client()
    with client.stream("GET", url, headers=headers, extensions=extensions(run.timers, watch)) as response:
        run.head, body = head(response, run.timers), b""
        for piece in response.iter_raw():
            body += piece
            if len(body) > LONGEST:
                break
    if response.status_code in (404, 405):
        return b""
    if response.status_code != 200:
        text = run.redact(body.decode("utf-8", "replace"))
        raise status_error(run.call.provider, run.head, text, time.time_ns() // 1_000_000)
    return body[:LONGEST]


def names(body: bytes) -> list[str]:
    """The ids of `{"data": [{"id": str}]}` that may be shown and may answer a question; none of any other body."""
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        return []
    entries = found.get("data") if isinstance(found, dict) else None
    ids = [as_id(entry.get("id")) for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return [name for name in ids if name is not None and not NO_CHAT.search(name)]
