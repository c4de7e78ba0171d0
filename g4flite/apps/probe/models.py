"""The models that a server lists, and the one to ask where none is named.  A part of the tool `probe`."""

import json
import re
from dataclasses import replace
from typing import Any, Final

from ..._core.errors import ModelNotFoundError
from ..._core.provider import Call, Request
from ..._core.response.service_errors import displayable_id
from ..._core.settings import Timeout
from ..._core.urls import is_loopback
from ...client import resolve_connection, route_of

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
    from ..._core.response.service_errors import status_error  # noqa: PLC0415 - httpx is imported with the first call
    from ..._core.transport.driver import fetch  # noqa: PLC0415

    # The headers of a request name no model, so that any will do.
    call = replace(call, model="-")
    route = route_of(call, resolve_connection(call, None, None), None, timeout, 0)
    url = PLACES[call.provider.url].format(base_url=call.base_url)
    headers = {**route.request(0, call.now_ms).headers, "accept": "application/json", "accept-encoding": "identity"}
    body = b""
    with fetch(route, Request(url, headers, b"", "GET")) as fetched:
        while len(body) < LONGEST and (data := next(fetched.pieces, b"")):
            body += data
        head = fetched.response.head
        if head.status in (404, 405):
            return []
        if head.status != 200:
            raise status_error(
                head.status,
                head.headers,
                body.decode("utf-8", "replace"),
                rules=call.provider.errors,
                key_variables=call.provider.key_variables,
                now_ms=call.now_ms,
            )
    return names(body[:LONGEST])


def names(body: bytes) -> list[str]:
    """The ids of `{"data": [{"id": str}]}` that may be shown and may answer a question; none of any other body."""
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        return []
    entries = found.get("data") if isinstance(found, dict) else None
    ids = (
        [displayable_id(entry.get("id")) for entry in entries if isinstance(entry, dict)]
        if isinstance(entries, list)
        else []
    )
    return [name for name in ids if name is not None and not NO_CHAT.search(name)]
