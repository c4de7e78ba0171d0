"""Free2GPT: a raw text reply; the body carries a SHA-256 of the time and the last message.

The request names no model.  A status 500 with `Quota exceeded` in its body is a rate limit, as a 429 is.  A clean end
of the HTTP body completes the reply.
Source: recorded traffic of https://chat10.free2gpt.xyz, upstream until December 2025.
"""

from hashlib import sha256

from .._core.errors import RateLimitError
from .._core.provider import JSON, WEB_PAGE_OR_JSON, Call, ErrorRule, Provider
from .._core.response.parsers import TextParser

SITE = "https://chat10.free2gpt.xyz"


def sign(call: Call) -> dict[str, str]:
    """`sign` is `sha256_hex("{time}:{content of the last message}:")`, with the time in milliseconds.

    The text ends with a colon because the secret that follows the colon is empty.
    """
    return {"sign": sha256(f"{call.now_ms}:{call.texts[-1]['content']}:".encode()).hexdigest()}


def payload(call: Call) -> JSON:
    """`messages` are the messages as `role` and `content`, `time` is Unix time in milliseconds, and `pass` is null.

    `sign` comes from the signer.  A message with a `name`, images and tool calls raise `MessagesError`.
    """
    return {"messages": call.texts, "time": call.now_ms, "pass": None, "sign": call.signed["sign"]}


FREE2GPT = Provider(
    name="free2gpt",
    base_url=SITE,
    url="{base_url}/api/generate",
    headers={
        "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/127.0.0.0 Safari/537.36",
        "accept": "*/*",
        "accept-language": "en-US,en;q=0.9",
        # The body is JSON all the same: this is the type in the recorded traffic.
        "content-type": "text/plain;charset=UTF-8",
        "referer": f"{SITE}/",
        "origin": SITE,
    },
    signer=sign,
    payload=payload,
    parser=TextParser,
    error_types=WEB_PAGE_OR_JSON,
    models=("gemini-1.5-pro", "gemini-1.5-flash"),
    errors=(ErrorRule(status=500, contains="Quota exceeded", error=RateLimitError),),
    retired="December 2025",
)
