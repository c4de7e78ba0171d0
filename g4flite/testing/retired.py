"""The four services as a strict server sees them: what a request has to look like, and how the reply is framed.

Written from the wire alone, and from nothing of the client's code, so that a mistake there is not repeated here.
Source: traffic recorded before the services were retired (Cromicle in May 2025, the others in December 2025).
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from ..server.checks import INTEGER, MESSAGES, NUMBER, TEXT, Rule, exactly, matching, one_of
from ..server.framing import ndjson
from .retired_checks import Service, Values


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _user(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


CROMICLE = Service(
    name="cromicle",
    path="/chat",
    content_type="application/json",
    headers={"accept": exactly("*/*")},
    fields={"message": TEXT, "token": exactly("abc"), "hash": TEXT},
    messages=lambda got: _user(got["message"]),
    signature="hash",
    sign=lambda got: _sha256("abc" + got["message"]),
)

FREE2GPT = Service(
    name="free2gpt",
    path="/api/generate",
    content_type="text/plain;charset=UTF-8",
    headers={
        "user-agent": exactly(
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/127.0.0.0 Safari/537.36"
        ),
        "accept": exactly("*/*"),
        "accept-language": exactly("en-US,en;q=0.9"),
        "referer": exactly("https://chat10.free2gpt.xyz/"),
        "origin": exactly("https://chat10.free2gpt.xyz"),
    },
    fields={"messages": MESSAGES, "time": INTEGER, "pass": exactly(None), "sign": TEXT},
    messages=lambda got: got["messages"],
    time=("time", 1000),
    signature="sign",
    sign=lambda got: _sha256(f"{got['time']}:{got['messages'][-1]['content']}:"),
)


def _prompt(messages: Any) -> str | None:
    """The text of GPROChat's one message; None if it is not `[{"role": "user", "parts": [{"text": str}]}]`."""
    try:
        text = messages[0]["parts"][0]["text"]
    except (LookupError, TypeError):
        return None
    return text if isinstance(text, str) and messages == [{"role": "user", "parts": [{"text": text}]}] else None


GPROCHAT = Service(
    name="gprochat",
    path="/api/generate",
    content_type="text/plain;charset=UTF-8",
    headers={
        "accept": exactly("*/*"),
        "origin": exactly("https://gprochat.com"),
        "referer": exactly("https://gprochat.com/"),
        "user-agent": exactly(
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36"
        ),
    },
    fields={
        "messages": Rule('[{"role": "user", "parts": [{"text": string}]}]', lambda got: _prompt(got) is not None),
        "time": INTEGER,
        "pass": exactly(None),
        "sign": TEXT,
    },
    messages=lambda got: _user(got["messages"][0]["parts"][0]["text"]),
    time=("time", 1000),
    signature="sign",
    sign=lambda got: _sha256(f"{got['time']}:{_prompt(got['messages'])}:2BC120D4-BB36-1B60-26DE-DB630472A3D8"),
)

_GREETING = {"role": "assistant", "content": "Hello, how can I help you today?"}
_NO_SYSTEM = "You are helpful assistant. Follow the user's instructions carefully."


def _flowgpt_messages(got: Values) -> list[dict[str, Any]]:
    exactly("model-" + got["model"]).check(422, "promptId", got["promptId"])
    system = [] if got["system"] == _NO_SYSTEM else [{"role": "system", "content": got["system"]}]
    return [*system, *got["history"][1:], *_user(got["question"])]


FLOWGPT = Service(
    name="flowgpt",
    path="/v3/chat-anonymous",
    content_type="application/json",
    headers={
        "user-agent": exactly("Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:122.0) Gecko/20100101 Firefox/122.0"),
        "accept": exactly("*/*"),
        "accept-language": exactly("en-US;q=0.7,en;q=0.3"),
        "referer": exactly("https://flowgpt.com/"),
        "origin": exactly("https://flowgpt.com"),
        "authorization": exactly("Bearer null"),
        "sec-fetch-dest": exactly("empty"),
        "sec-fetch-mode": exactly("cors"),
        "sec-fetch-site": exactly("same-site"),
        "x-flow-device-id": matching("f-[a-z0-9]{19}", "f- and 19 characters of a-z0-9"),
        "x-nonce": matching("[0-9a-f]{32}", "32 hex digits"),
        "x-signature": TEXT,
        "x-timestamp": matching("[0-9]{1,18}", "Unix time in whole seconds"),
    },
    fields={
        "model": one_of(
            "gpt-3.5-turbo gpt-3.5-long gpt-4-turbo google-gemini claude-instant claude-v1 claude-v2 llama2-13b "
            "mythalion-13b pygmalion-13b chronos-hermes-13b Mixtral-8x7B Dolphin-2.6-8x7B".split()
        ),
        "nsfw": exactly(False),
        "question": TEXT,
        "history": Rule(
            f"{MESSAGES.expected}, the first {json.dumps(_GREETING)}, none of role system",
            lambda got: MESSAGES.holds(got) and got[0] == _GREETING and all(m["role"] != "system" for m in got),
        ),
        "system": TEXT,
        "temperature": NUMBER,
        "promptId": TEXT,
        "documentIds": exactly([]),
        "chatFileDocumentIds": exactly([]),
        "generateImage": exactly(False),
        "generateAudio": exactly(False),
    },
    messages=_flowgpt_messages,
    time=("x-timestamp", 1),
    signature="x-signature",
    sign=lambda got: hashlib.md5(
        f"{got['x-timestamp']}-{got['x-nonce']}-{got['authorization']}".encode(), usedforsecurity=False
    ).hexdigest(),
    frame=ndjson,
    reply_type="application/x-ndjson",
)

SERVICES = (CROMICLE, FREE2GPT, GPROCHAT, FLOWGPT)
