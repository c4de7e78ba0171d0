"""The four retired services as a strict server sees them: what a request has to look like, and how a reply is framed.

    service = match("POST", "/chat", headers, "")       # raises Refusal if no service has the path
    messages = check(service, headers, body, now)       # raises Refusal at the first fault
    service.frame(["Hello ", "to you"])                 # the body of the reply

All this is written from the wire alone and from nothing of the client's code, so that a mistake there is not repeated
here.  Source: traffic recorded before the services were retired (Cromicle in May 2025, the others in December 2025).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..server.checks import INTEGER, NUMBER, TEXT, Headers, Refusal, Rule, exactly, json_data, matching, one_of, sole

Values = Mapping[str, Any]
"""The value of every required header (lower case) and of every field of the body; their names differ."""

FRESH = 60
"""The seconds by which a request's time may differ from the server's clock."""


def raw_text(pieces: Iterable[str]) -> Iterator[bytes]:
    """Yield each piece as UTF-8."""
    return (piece.encode() for piece in pieces)


def ndjson(pieces: Iterable[str]) -> Iterator[bytes]:
    """Yield JSON objects, one a line: one without an event, one of event `text` for each piece, one of event `done`."""
    yield _line({"status": "ok"})
    for piece in pieces:
        yield _line({"event": "text", "data": piece})
    yield _line({"event": "done"})


def _line(value: dict[str, str]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service: the rules for its requests, the messages in them, and the framing of its replies."""

    name: str
    path: str
    content_type: str
    headers: Mapping[str, Rule]
    fields: Mapping[str, Rule]
    # Returns the messages in the request.  Raises Refusal 422 if one field contradicts another.
    messages: Callable[[Values], list[dict[str, Any]]]
    # The value that holds Unix time, and how many of its ticks make a second.
    time: tuple[str, int] | None = None
    # The value that holds the signature, and the function that computes it.
    signature: str
    sign: Callable[[Values], str]
    frame: Callable[[Iterable[str]], Iterator[bytes]] = raw_text
    reply_type: str = "text/plain; charset=utf-8"


MESSAGES = Rule(
    'a list of {"role": string, "content": string}, at least one',
    lambda got: isinstance(got, list) and bool(got) and all(map(_is_message, got)),
)


def _is_message(value: object) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"role", "content"}
        and all(isinstance(text, str) for text in value.values())
    )


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
    """Return the text in GPROChat's messages; None if they are not `[{"role": "user", "parts": [{"text": str}]}]`."""
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


def match(method: str, path: str, headers: Headers, prefix: str, others: Iterable[str] = ()) -> Service:
    """Return the service that a request is meant for.

    If two services share a path, `Origin` tells them apart, because it names the public site whatever host is asked.
    Raise `Refusal` 404 for another path, 405 for another method than POST, 400 for another origin.  The message of the
    404 names the paths of these services and of `others` that end as this one does, or all paths if none does.
    """
    found = [service for service in SERVICES if prefix + service.path == path]
    if not found:
        known = dict.fromkeys(prefix + path for path in (*(service.path for service in SERVICES), *others))
        # A client ends its path as its protocol does, whatever its base URL is.
        meant = [one for one in known if _end(one) == _end(path)]
        raise Refusal(404, f"path: expected {' or '.join(meant) or 'one of ' + ', '.join(known)}")
    if method != "POST":
        raise Refusal(405, "method: expected POST", {"allow": "POST"})
    if len(found) == 1:
        return found[0]
    origin = sole(headers, "origin")
    for service in found:
        if service.headers["origin"].holds(origin):
            return service
    origins = " or ".join(service.headers["origin"].expected for service in found)
    raise Refusal(400, f"header origin (once): expected {origins}")


def _end(path: str) -> str:
    """Return the last word of a path, without the query."""
    return re.split("[/:]", path.partition("?")[0])[-1]


def check(service: Service, headers: Headers, body: bytes, now: float) -> list[dict[str, Any]]:
    """Return the messages of a faultless request, `[{"role": str, "content": str}]`; `now` is Unix time in seconds.

    Raise `Refusal` at the first fault: 415 content type, 400 header or JSON, 422 body, 401 time, 403 signature.
    """
    exactly(service.content_type).check(415, "header content-type (once)", sole(headers, "content-type"))
    given = {name: sole(headers, name) for name in service.headers}
    for name, rule in service.headers.items():
        rule.check(400, f"header {name} (once)", given[name])
    values = given | json_object(body, service.fields)
    for name, rule in service.fields.items():
        rule.check(422, name, values[name])
    messages = service.messages(values)
    if service.time:
        name, ticks = service.time
        now_ticks = int(now * ticks)
        if abs(int(values[name]) - now_ticks) > FRESH * ticks:
            raise Refusal(401, f"{name}: expected within {FRESH} s of {now_ticks}")
    exactly(service.sign(values)).check(403, service.signature, values[service.signature])
    return messages


def json_object(body: bytes, names: Iterable[str]) -> dict[str, Any]:
    """Return the object in the body.  Raise `Refusal` 400 if it is no JSON, 422 if its fields are not these `names`."""
    data = json_data(body)
    expected = f"body: expected an object with exactly the fields {', '.join(names)}"
    if not isinstance(data, dict):
        raise Refusal(422, expected)
    missing, unknown = sorted(set(names) - data.keys()), sorted(data.keys() - set(names))
    if missing or unknown:
        raise Refusal(422, f"{expected}; missing {missing}, unknown {unknown}")
    return data
