"""What a spec makes of a call, found out by asking its own functions: what its guide is written from.  No I/O."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from .._core.errors import G4fliteError, LimitError, ModelNotFoundError, ProviderError, StatusError, UsageError
from .._core.exchange import reply_of
from .._core.messages import normalise
from .._core.provider import Call, Provider
from .._core.request import build, resolve_model
from .._core.response.reply import Head
from .guide_words import made_of

NOW = 1_700_000_000_123  # Unix time in milliseconds
HELLO = [{"role": "user", "content": "Hello"}]
TURNS = ("system", "user", "assistant", "user")
SAID, UNSAID = ("Be brief.", "Hello", "Hi", "How are you?"), ("Be kind.", "Bye", "Oh", "Are you sad?")
MESSAGES = [{"role": role, "content": content} for role, content in zip(TURNS, SAID, strict=True)]
OTHERS = [{"role": role, "content": content} for role, content in zip(TURNS, UNSAID, strict=True)]
TOOL = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}
ASKED = {"role": "assistant", "tool_calls": [{"id": "call_1", "function": {"name": "now", "arguments": "{}"}}]}
SAMPLES = {"temperature": 0.2, "max_tokens": 64, "top_p": 0.9, "stop": ["END"], "seed": 7, "tools": [TOOL],
           "tool_choice": "required", "response_format": {"type": "json_object"}}  # fmt: skip
OF_TYPE: dict[type, Any] = {bool: True, int: 7, float: 0.5, str: "text", list: ["text"], tuple: ("text",),
                            dict: {"name": "text"}}  # fmt: skip
KINDS: dict[str, list[dict[str, Any]]] = {  # messages of each kind, beside plain ones of system, user and assistant
    "developer messages": [{"role": "developer", "content": "Be brief."}, *HELLO],
    "a `name`": [{**HELLO[0], "name": "ada"}],
    "images as `data:` URLs": [
        {"role": "user", "content": [{"type": "image_url", "image_url": "data:image/png;base64,AA=="}]}
    ],
    "images at `https:` URLs": [
        {"role": "user", "content": [{"type": "image_url", "image_url": "https://images.example/a.png"}]}
    ],
    "tool calls with their results": [
        *HELLO, ASKED, {"role": "tool", "tool_call_id": "call_1", "content": "noon"}
    ],
}  # fmt: skip
FAULT = json.dumps({"error": {"message": "the server is overloaded", "type": "overloaded_error"}})
FRAMED = (FAULT, f"{FAULT}\n", f"data: {FAULT}\n\n", f"[{FAULT}]")  # as text, a line, an event, an element


def sample(spec: Provider, messages: Sequence[Mapping[str, Any]] = MESSAGES) -> Call:
    """A call of that spec, at a fixed time and without chance; what the caller chooses is named in braces."""
    return Call(
        provider=spec, messages=normalise(messages), model=resolve_model(spec, None) or "{model}",
        base_url=spec.base_url or "{base_url}", api_key="{api_key}", now_ms=NOW,
        random_below=lambda _: 0,
    )  # fmt: skip


def plain(spec: Provider) -> Call:
    """The sample call that the spec's functions take: with a system message, else without one.  Raises what they do."""
    call = sample(spec)
    return call if takes(call) else sample(spec, HELLO)


def takes(call: Call) -> bool:
    """Whether the spec's functions carry this call."""
    try:
        build(call)
    except UsageError:
        return False
    return True


def needs_model(spec: Provider) -> bool:
    """Whether a call without model= is refused."""
    try:
        build(replace(plain(spec), model=resolve_model(spec, None)))
    except ModelNotFoundError:
        return True
    return False


def carried(spec: Provider) -> dict[str, bool]:
    """Whether the spec carries messages of each of the `KINDS`."""
    return {kind: takes(sample(spec, messages)) for kind, messages in KINDS.items()}


def body(call: Call) -> Any:
    """The body of the call's request, as a value."""
    return json.loads(build(call).body)


def settled(spec: Provider) -> Any:
    """The body of the plain call; "..." stands where it is another one each time."""
    return settle(*(body(plain(spec)) for _ in range(2)))


def settle(one: Any, other: Any) -> Any:
    """The first value; "..." stands for what the second one has otherwise."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return {name: settle(value, other[name]) for name, value in one.items()}
    return one if one == other else "..."


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The fields that hold no further ones, as (`options.seed`, value); the path of a value without fields is empty."""
    if not isinstance(value, dict) or not value:
        yield path, value
        return
    for name, inner in value.items():
        yield from leaves(inner, f"{path}.{name}" if path else name)


def causes(spec: Provider, made: Callable[[Call], Any]) -> dict[str, list[str]]:
    """What each field that is `made` of a call follows: the time, random numbers, the messages, the model, or nothing
    of the call, where the same one makes another field each time; a constant follows nothing.
    """
    call = plain(spec)
    model = next((model for model in spec.models if model != call.model), "{other}")
    others = {
        "the time": replace(call, now_ms=NOW + 86_400_999),
        "random numbers": replace(call, random_below=lambda limit: limit - 1),
        "the messages": replace(call, messages=normalise(OTHERS[-len(call.messages) :])),
        "the model": replace(call, model=model),
    }
    base, again = dict(leaves(made(call))), dict(leaves(made(call)))
    varied = {cause: dict(leaves(made(other))) for cause, other in others.items()}
    return {
        path: [cause for cause, fields in varied.items() if fields.get(path) != value]
        if again.get(path) == value
        else ["what is no part of the call"]
        for path, value in base.items()
    }


def sources(spec: Provider) -> dict[str, str]:
    """Where each field of the body that is no constant comes from, in words."""
    call = plain(spec)
    signed = spec.signer(call)
    known: list[tuple[Any, str]] = [
        (call.model, "the model"),
        (NOW, "Unix time in milliseconds"),
        (NOW // 1000, "Unix time in seconds"),
        ([*call.messages], "the messages, in the form in which they were passed"),
        (call.prompt, "the conversation as one text, a line `Role: content` for each message"),
        (call.messages[-1]["content"], "the content of the last message"),
        *((value, f"the signer's `{name}`") for name, value in signed.items()),
    ]
    found = {}
    for path, follows in causes(spec, body).items():
        value = dict(leaves(body(call)))[path]
        words = next((words for one, words in known if one == value and not isinstance(value, bool)), None)
        if words == "the model" or follows:
            found[path] = words or made_of(follows)
    return found


def destinations(spec: Provider) -> dict[str, str]:
    """The field of the body that each option goes to, as `options.seed`; empty where no sample of it shows one."""
    call = plain(spec)
    base, found = body(call), dict.fromkeys(spec.options, "")
    for option, kinds in spec.options.items():
        value = SAMPLES.get(option)
        if not isinstance(value, kinds):
            value = next((OF_TYPE[kind] for kind in kinds if kind in OF_TYPE), None)
        with suppress(Exception):  # the builder is anyone's, and may want another value
            made = body(replace(call, options={option: value}))
            found[option] = added(base, made, json.loads(json.dumps(value)))
    return found


def added(base: Any, made: Any, wanted: Any, path: str = "") -> str:
    """The path of the first field that `made` has otherwise, followed down to `wanted` or to a choice of fields."""
    if made == wanted or not isinstance(made, dict):
        return path
    base = base if isinstance(base, dict) else {}
    changed = [name for name, value in made.items() if name not in base or base[name] != value]
    if len(changed) != 1:
        return path
    (name,) = changed
    return added(base.get(name), made[name], wanted, f"{path}.{name}" if path else name)


def reports_errors(spec: Provider) -> bool:
    """Whether the parser recognises an error object inside a reply of status 200."""
    for framed in FRAMED:
        reply = reply_of(spec, Head(200, {}))
        try:
            [*reply.feed(framed.encode()), *reply.close()]
        except (StatusError, ProviderError):
            return True
        except G4fliteError:
            continue
    return False


def key_headers(spec: Provider) -> list[str]:
    """The headers that carry the API key."""
    return [name for name, template in spec.headers.items() if "{api_key}" in template]


def limits_frames(spec: Provider) -> bool:
    """Whether the parser refuses what is longer than its limit."""
    try:
        [*spec.parser(8).feed(b"x" * 64)]
    except LimitError:
        return True
    except G4fliteError:
        pass
    return False


def endpoint(spec: Provider) -> str:
    """The URL with the public base URL filled in, where there is one."""
    return spec.url.replace("{base_url}", spec.base_url.rstrip("/") or "{base_url}")
