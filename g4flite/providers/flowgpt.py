"""FlowGPT: an NDJSON reply; the headers carry an MD5 of the time and a nonce.

A clean end of the HTTP body completes the reply.
Source: recorded traffic of https://flowgpt.com, upstream until December 2025.
"""

from hashlib import md5
from json import dumps
from typing import Any

from .._core.errors import MalformedReplyError
from .._core.provider import JSON, Call, Provider
from .._core.response.excerpts import excerpt
from .._core.response.parsers import CHECK, JsonLinesParser, reported

SYSTEM = "You are helpful assistant. Follow the user's instructions carefully."
GREETING: JSON = {"role": "assistant", "content": "Hello, how can I help you today?"}
MODELS = """gpt-3.5-turbo gpt-3.5-long gpt-4-turbo google-gemini claude-instant claude-v1 claude-v2 llama2-13b
mythalion-13b pygmalion-13b chronos-hermes-13b Mixtral-8x7B Dolphin-2.6-8x7B"""
HEADERS = {
    "user-agent": "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:122.0) Gecko/20100101 Firefox/122.0",
    "accept": "*/*", "accept-language": "en-US;q=0.7,en;q=0.3", "content-type": "application/json",
    "referer": "https://flowgpt.com/", "origin": "https://flowgpt.com", "authorization": "Bearer null",
    "sec-fetch-dest": "empty", "sec-fetch-mode": "cors", "sec-fetch-site": "same-site",
    "x-flow-device-id": "f-{device}", "x-nonce": "{nonce}", "x-signature": "{signature}", "x-timestamp": "{timestamp}",
}  # fmt: skip


def sign(call: Call) -> dict[str, str]:
    """`signature` is `md5_hex("{timestamp}-{nonce}-Bearer null")`, with the timestamp in whole seconds.

    `nonce` is 32 random hexadecimal digits, `device` 19 random letters and digits.
    """
    timestamp, nonce = str(call.now_ms // 1000), call.random_hex(32)
    signature = md5(f"{timestamp}-{nonce}-Bearer null".encode(), usedforsecurity=False).hexdigest()
    device = call.random_text(19, "abcdefghijklmnopqrstuvwxyz0123456789")
    return {"timestamp": timestamp, "nonce": nonce, "signature": signature, "device": device}


def payload(call: Call) -> JSON:
    """`question` is the content of the last message.  `system` is the content of the system messages, or a default.

    `history` is a greeting and the earlier messages, without the system messages; `promptId` is `model-` and the model.
    A message with a `name`, images and tool calls raise `MessagesError`.
    """
    system = [m["content"] for m in call.texts if m["role"] == "system"] or [SYSTEM]
    history = [m for m in call.texts[:-1] if m["role"] != "system"]
    question, temperature = call.texts[-1]["content"], call.options.get("temperature", 0.7)
    return {"model": call.model, "nsfw": False, "question": question, "history": [GREETING, *history],
            "system": "\n".join(system), "temperature": temperature, "promptId": f"model-{call.model}",
            "documentIds": [], "chatFileDocumentIds": [], "generateImage": False, "generateAudio": False}  # fmt: skip


def text_of(frame: dict[str, Any]) -> str:
    """Return the text of one object of the reply.  Raises the error that the object reports, or that its shape is."""
    if error := reported({"error": frame.get("data")} if frame.get("event") == "error" else frame):
        raise error
    text = frame.get("data") if frame.get("event") == "text" else ""
    if not isinstance(text, str):
        raise MalformedReplyError(
            f"a line of the reply does not have the protocol's shape: {excerpt(dumps(frame))}", advice=CHECK
        )
    return text


def parser(limit: int) -> JsonLinesParser:
    """NDJSON: the `data` of an object whose `event` is `text` is text; an error raises; other objects are skipped."""
    return JsonLinesParser(text_of, limit, verbatim=True)


FLOWGPT = Provider(
    name="flowgpt", base_url="https://prod-backend-k8s.flowgpt.com", url="{base_url}/v3/chat-anonymous",
    headers=HEADERS, signer=sign, payload=payload, parser=parser, models=tuple(MODELS.split()),
    aliases={"gemini": "google-gemini", "gemini-pro": "google-gemini"}, options={"temperature": (int, float)},
    retired="December 2025",
)  # fmt: skip
