"""GPROChat: a raw text reply; the body carries a SHA-256 of the time, the prompt and a public constant.

The prompt is the conversation as one text, with a line `Role: content` for each message.  The request names no model.
A clean end of the HTTP body completes the reply.
Source: recorded traffic of https://gprochat.com, upstream until December 2025.
"""

from hashlib import sha256

from .._core.provider import JSON, WEB_PAGE_OR_JSON, Call, Provider
from .._core.response.parsers import TextParser

SITE = "https://gprochat.com"
# The site's web page holds this constant, so it is no secret.
SECRET = "2BC120D4-BB36-1B60-26DE-DB630472A3D8"  # noqa: S105


def sign(call: Call) -> dict[str, str]:
    """`sign` is `sha256_hex("{time}:{prompt}:2BC120D4-BB36-1B60-26DE-DB630472A3D8")`, with the time in milliseconds."""
    return {"sign": sha256(f"{call.now_ms}:{call.prompt}:{SECRET}".encode()).hexdigest()}


def payload(call: Call) -> JSON:
    """`messages` holds the prompt as one text part, `time` is Unix time in milliseconds, and `pass` is null.

    `sign` comes from the signer.  A message with a `name`, images and tool calls raise `MessagesError`.
    """
    messages = [{"role": "user", "parts": [{"text": call.prompt}]}]
    return {"messages": messages, "time": call.now_ms, "pass": None, "sign": call.signed["sign"]}


GPROCHAT = Provider(
    name="gprochat",
    base_url=SITE,
    url="{base_url}/api/generate",
    headers={
        "accept": "*/*",
        "origin": SITE,
        "referer": f"{SITE}/",
        "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/129.0.0.0 Safari/537.36",
        # The body is JSON all the same: this is the type in the recorded traffic.
        "content-type": "text/plain;charset=UTF-8",
    },
    signer=sign,
    payload=payload,
    parser=TextParser,
    error_types=WEB_PAGE_OR_JSON,
    models=("gemini-1.5-pro",),
    retired="December 2025",
)
