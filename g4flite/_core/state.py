"""Which state goes back: the `state` of an answer in the history returns to the service that gave it, and to no other.

    messages = with_states(call, TAKES)     # each state is now the list of its parts, or gone
    call.dropped            # ["message 2: its state is left out, because it belongs to another model m"]

A state says to what it belongs: provider, host, model, perhaps the account, and digests of the turn's tool calls and of
all that came before.  `turn.py` shows the form.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import pbkdf2_hmac, sha256
from os import urandom
from typing import Any, Protocol, TypeAlias
from urllib.parse import urlsplit

from .takes import PART_KEYS, Takes

# A message that `messages.normalise` returned.
Message: TypeAlias = dict[str, Any]


class Question(Protocol):
    """What is read here of a `provider.Call`."""

    @property
    def provider(self) -> Any: ...
    @property
    def messages(self) -> Sequence[Message]: ...
    @property
    def model(self) -> str | None: ...
    @property
    def options(self) -> Mapping[str, Any]: ...
    @property
    def extra(self) -> Mapping[str, Any]: ...
    @property
    def base_url(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def api_key(self) -> str: ...
    @property
    def dropped(self) -> list[str]: ...
    @property
    def notes(self) -> Any: ...


# The fields of a message that a digest of the messages stands for.  A service has seen the states among them that
# belong to it, and these are the same for each later turn that belongs to it.
SEEN = ("role", "content", "name", "tool_calls", "tool_call_id", "is_error", "state", "partial")
# The roles whose messages are the system prompt.
SYSTEM = ("system", "developer")
# How many hexadecimal digits of a SHA-256 a digest has.
DIGITS = 12
# How often the hash of a key is hashed: one key takes about 20 milliseconds, a list of likely keys takes long.
ROUNDS = 50_000
# The headers that tell whose account is asked, besides that in which the service wants its key (OpenAI's API reference,
# authentication, 2026).
WHOSE = ("authorization", "openai-organization", "openai-project")
# The salt of the conversations that begin in this process.
SALT = urandom(16).hex()
# The fields of `origin` that a state has to share with the call, by what it is bound to.  A state that is bound to the
# account has a field more, which `_foreign` compares by its hash.
BOUND: Mapping[str, Sequence[str]] = {
    "provider": ("provider", "host"),
    **dict.fromkeys(("model", "account"), ("provider", "host", "model")),
}


def with_states(call: Question, takes: Takes) -> Sequence[Message]:
    """Return the messages with the parts of each state that goes back, and without the other states."""
    now, result = origin(call), list[Message]()
    bound = bool(takes.prefix) and re.fullmatch(takes.prefix, call.model or "") is not None
    before = prefixes(call)
    # The number of the first message that may have been changed since the last state that fits.
    first = 1
    for number, message in enumerate(call.messages, 1):
        kept = message.copy()
        state, partial = kept.pop("state", None), kept.pop("partial", False)
        digest = next(before) if bound else ""
        if state is not None:
            why = "the answer is not complete" if partial else _foreign(state, message, call, takes)
            # A state that came after a change fits: it was left out of that request, too, what the change had ended.
            if not why and bound and state.get("prefix") != digest:
                why = _changed(call, first, number, state.get("prefix"), digest)
            if not why:
                first, kept["state"] = number + 1, state["parts"]
                # If reasoning goes back in the content, there is no place for `extra_content`.
                if state.get("model") != call.model and takes.reasoning != "content":
                    kept["state"] = list(_of_any_model(number, state, call.dropped))
            elif takes.state or not _is_reasoning(state, now):
                call.dropped.append(f"message {number}: its state is left out, because {why}")
        result.append(kept)
    return result


def _of_any_model(number: int, state: Mapping[str, Any], dropped: list[str]) -> Iterator[Any]:
    """Yield the parts of a state that another model of the provider takes: all but Gemini's signatures in Chat.

    400 "Corrupted thought signature." for another model's (docs.apiyi.com, October 2026).
    """
    for part in state["parts"]:
        if isinstance(part, dict) and "extra_content" in part:
            dropped.append(
                f"message {number}: 'extra_content' is left out, because it belongs to another model {state['model']}"
            )
        else:
            yield part


def _foreign(state: Mapping[str, Any], message: Message, call: Question, takes: Takes) -> str:
    """Return why a state does not belong to this call; "" if it does."""
    if not takes.state:
        return "this service takes none"
    now = origin(call)
    for field in BOUND[takes.state]:
        if state.get(field) != now[field]:
            return f"it belongs to another {field} {state.get(field)}"
    if takes.state == "account" and state.get("account", "") != account(call, _salt(state)):
        return "it belongs to another account"
    texts = "".join(part for part in state["parts"] if isinstance(part, str))
    calls = [part for part in state["parts"] if isinstance(part, int)]
    made = message.get("tool_calls", ())
    if texts != message["content"] or calls != [*range(len(made))] or state.get("calls", "") != digest_of_calls(made):
        return "the message was changed"
    return ""


def _is_reasoning(state: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Return whether a state is no more than the reasoning of this service, which never wants that back."""
    own = all(state.get(field) == now[field] for field in BOUND["provider"])
    return own and all(not isinstance(part, dict) or part.keys() == {"reasoning"} for part in state["parts"])


def _changed(call: Question, first: int, number: int, then: object, now: str) -> str:
    """Return why a state of message `number` is not valid any more: something before it was changed."""
    tools, system, _ = now.split("-")
    if not str(then).startswith(f"{tools}-"):
        return "the tools were changed"
    if not str(then).startswith(f"{tools}-{system}-"):
        behind = enumerate(call.messages[number:], number + 1)
        late = next((place for place, message in behind if message["role"] in SYSTEM), None)
        return f"message {late} changed the system prompt" if late else "the system prompt was changed"
    return (
        f"message {first} was changed"
        if first + 1 >= number
        else f"one of messages {first} to {number - 1} was changed"
    )


def origin(call: Question) -> dict[str, Any]:
    """Return what a state belongs to: the provider, the host and the model that are asked."""
    host = urlsplit(call.base_url).netloc.rpartition("@")[2]
    return {"provider": call.provider.name, "host": host, "model": call.model}


def account(call: Question, salt: str = "") -> str:
    """Return the text that tells the account of the call from others: a salt and a hash of the key; "" without a key.

    A header of the caller's may hold the key in place of `api_key`, or beside it, and may name an organisation.

    A salted hash of many rounds does not let a key be guessed from a saved conversation, even if it is a word.  Without
    a `salt`, it is that of the last state, so that the states of one conversation have one hash.
    """
    templates = {name.lower(): text for name, text in call.provider.headers.items() if "{api_key}" in text}
    made = {name: text.replace("{api_key}", call.api_key) for name, text in templates.items() if call.api_key}
    given = {name: call.headers[name] for name in (*templates, *WHOSE) if name in call.headers}
    key = "\n".join((made | given).values())
    last = (_salt(message["state"]) for message in reversed(call.messages) if "state" in message)
    return _account(sha256(key.encode()).digest(), salt or next(filter(None, last), SALT)) if key else ""


def _salt(state: Mapping[str, Any]) -> str:
    """Return the salt in the `account` of a state."""
    return str(state.get("account", "")).partition("-")[0]


@lru_cache(maxsize=64)
def _account(key: bytes, salt: str) -> str:
    """Return the account of a key, of which `key` is a plain hash, so that the cache holds no keys."""
    made = pbkdf2_hmac("sha256", key, salt.encode(), ROUNDS)
    return f"{salt}-{made.hex()[:DIGITS]}"


def digest_of_calls(calls: Sequence[Mapping[str, Any]]) -> str:
    """Return the digest of an answer's tool calls; "" without any."""
    made = [(call["id"], call["function"]["name"], call["function"]["arguments"]) for call in calls]
    return _digest(made) if made else ""


def prefixes(call: Question) -> Iterator[str]:
    """Yield a digest of what stands before each message, and one of all messages.

    A digest is that of the tools, that of the system prompt, and that of the other messages, with "-" between.  The
    services that check what stands before a state get all system messages in one place before the others, so that a
    system message that comes later changes the beginning.  Marks of the cache change nothing: the service leaves them
    out of the comparison (platform.claude.com, preserved-thinking/prefix-checks, 2026).
    """
    tools = _digest([_unmarked(call.options.get("tools") or []), _unmarked(call.extra.get("tools"))])
    system = _digest(_as_blocks(call.extra.get("system") or _system_prompt(call.messages)))
    beginning, seen = f"{tools}-{system}", sha256()
    yield f"{beginning}-{seen.hexdigest()[:DIGITS]}"
    for message in call.messages:
        if message["role"] not in SYSTEM:
            fields = {key: value for key, value in message.items() if key in SEEN}
            seen.update(_json({**fields, "content": _as_blocks(message["content"])}))
        yield f"{beginning}-{seen.hexdigest()[:DIGITS]}"


def _system_prompt(messages: Sequence[Message]) -> Any:
    """Return the contents of the system messages as `messages.split_system` joins them."""
    contents = [message["content"] for message in messages if message["role"] in SYSTEM]
    if all(isinstance(content, str) for content in contents):
        return "\n\n".join(content for content in contents if content.strip())
    return [block for content in contents for block in _as_blocks(content) if block["text"].strip()]


def _as_blocks(content: Any) -> Any:
    """Return a content as a list of its parts, without marks of the cache."""
    return _unmarked([{"type": "text", "text": content}] if isinstance(content, str) else content)


def _unmarked(values: Any) -> Any:
    """Return a list of objects without their marks of the cache; any other value as it is."""
    if not isinstance(values, Sequence) or isinstance(values, str):
        return values
    return [{k: v for k, v in value.items() if k not in PART_KEYS} if isinstance(value, Mapping) else value
            for value in values]  # fmt: skip


def _digest(value: object) -> str:
    """Return the digest of a value that is JSON."""
    return sha256(_json(value)).hexdigest()[:DIGITS]


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")
