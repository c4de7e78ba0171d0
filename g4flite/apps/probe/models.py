"""The models that a server lists, and which of them is asked if the caller names none."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from ..._core.errors import ModelNotFoundError
from ..._core.provider import Call, Request
from ..._core.response.excerpts import displayable_id
from ..._core.response.service_errors import status_error
from ..._core.settings import Timeout
from ..._core.urls import is_loopback
from ...client import resolve_connection, route_of

# For the URL of each protocol: where its servers list their models, as {"data": [{"id": str}]}.
LIST_URLS: Final = {
    "{base_url}/chat/completions": "{base_url}/models",
    "{base_url}/responses": "{base_url}/models",
    "{base_url}/v1/messages": "{base_url}/v1/models",
    "{base_url}/api/chat": "{base_url}/v1/models",
}
# Bytes of a list that are read.
LONGEST: Final = 4 * 2**20
# Names of models that answer no question: they embed or rank texts, or turn speech into text or text into speech.
NO_CHAT: Final = re.compile("embed|rerank|bge-|whisper|tts", re.IGNORECASE)


def choose_model(call: Call, timeout: Timeout) -> str:
    """Return the model to ask: the first that a server on this machine lists, or the only one that any other lists.

    A cloud service lists dozens of models at different prices, and a program should not choose among them.  Raises
    `ModelNotFoundError` if there is no such model, and what `list_models` raises.
    """
    models = list_models(call, timeout)
    if len(models) == 1 or (models and is_loopback(call.base_url)):
        return models[0]
    name = call.provider.name
    listed = f"{', '.join(models[:5])}{', ...' if models[5:] else ''}" if models else "none"
    raise ModelNotFoundError(
        f"no model is named; pass model={{{name!r}: ...}}, or --model {name}=...; the server lists {listed}",
        provider=name,
    )


def list_models(call: Call, timeout: Timeout) -> list[str]:
    """Return the names of the models that the server lists, but for those of `NO_CHAT`; [] if it has no list.

    Raises the `G4fliteError` that a failure on the way or a refusal means.
    """
    # httpx is imported with the first request.
    from ..._core.transport.driver import fetch  # noqa: PLC0415

    # Only the headers of this request are used, and no header names the model: any name will do.
    call = replace(call, model="-")
    route = route_of(call, resolve_connection(call, None, None), None, timeout, 0)
    url = LIST_URLS[call.provider.url].format(base_url=call.base_url)
    headers = {**route.request(0, call.now_ms).headers, "accept": "application/json", "accept-encoding": "identity"}
    with fetch(route, Request(url, headers, b"", "GET")) as fetched:
        body = read_up_to(LONGEST, fetched.pieces)
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
    return model_names(body)


def read_up_to(longest: int, pieces: Iterator[bytes]) -> bytes:
    """Return the body that comes in these pieces, cut to so many bytes; no piece is read after that.

    Each byte is copied a fixed number of times, however small the pieces are.
    """
    body = bytearray()
    while len(body) < longest and (piece := next(pieces, b"")):
        body.extend(piece)
    return bytes(body[:longest])


def model_names(body: bytes) -> list[str]:
    """Return the ids in `{"data": [{"id": str}]}` that may be shown and are not of `NO_CHAT`; [] for any other body."""
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        return []
    entries = found.get("data") if isinstance(found, dict) else None
    if not isinstance(entries, list):
        return []
    ids = [displayable_id(entry.get("id")) for entry in entries if isinstance(entry, dict)]
    return [name for name in ids if name is not None and not NO_CHAT.search(name)]
