"""Cromicle: a raw text reply; the body carries a SHA-256 of its own message.

The prompt is the flattened conversation; the model is not on the wire.  Any status outside 200-299 is an error, and a
clean HTTP end completes the reply.  Source: recorded traffic of https://cromicle.top, upstream until May 2025.
"""

from hashlib import sha256

from .._core.provider import JSON, WEB_PAGE_OR_JSON, Call, Provider
from .._core.response.parsers import TextParser

TOKEN = "abc"  # noqa: S105 - the same for every caller


def sign(call: Call) -> dict[str, str]:
    """`hash`: `sha256_hex("abc" + prompt)`."""
    return {"hash": sha256((TOKEN + call.prompt).encode()).hexdigest()}


def payload(call: Call) -> JSON:
    """The fields `message`, `token` and `hash`."""
    return {"message": call.prompt, "token": TOKEN, "hash": call.signed["hash"]}


CROMICLE = Provider(
    name="cromicle",
    base_url="https://cromicle.top",
    url="{base_url}/chat",
    headers={"accept": "*/*", "content-type": "application/json"},
    signer=sign,
    payload=payload,
    parser=TextParser,
    error_types=WEB_PAGE_OR_JSON,
    models=("gpt-3.5-turbo",),
    retired="May 2025",
)
