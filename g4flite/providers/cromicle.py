"""Cromicle: a raw text reply; the body carries a SHA-256 of its own message.

The prompt is the conversation as one text, with a line `Role: content` for each message.  The request names no model.
Any status outside 200-299 is an error; a clean end of the HTTP body completes the reply.
Source: recorded traffic of https://cromicle.top, upstream until May 2025.
"""

from hashlib import sha256

from .._core.provider import JSON, WEB_PAGE_OR_JSON, Call, Provider
from .._core.response.parsers import TextParser

# The same for every caller.
TOKEN = "abc"  # noqa: S105


def sign(call: Call) -> dict[str, str]:
    """`hash` is `sha256_hex("abc" + prompt)`, in UTF-8."""
    return {"hash": sha256((TOKEN + call.prompt).encode()).hexdigest()}


def payload(call: Call) -> JSON:
    """`message` is the prompt, `token` the constant "abc", and `hash` comes from the signer.

    A message with a `name`, images and tool calls raise `MessagesError`.
    """
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
