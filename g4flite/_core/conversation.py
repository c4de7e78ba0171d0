"""`fitted`: the messages as a service takes them.

    messages = fitted(call, TAKES)      # a payload builder calls this first; TAKES is a `Takes`

What a service is known to refuse never goes out.  If nothing is lost by it, the messages are mended; otherwise
`MessagesError` names the message and the field, before any socket is opened.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import count, takewhile
from typing import TYPE_CHECKING, Any

from .errors import MessagesError
from .messages import Message, arguments, is_plain, joined, parts, tool_names
from .takes import ANSWER_KEYS, CALL_KEYS, KEPT_EMPTY, PART_KEYS, Takes

if TYPE_CHECKING:
    from .state import Question

SYSTEM = ("system", "developer")
# The fields beside the content in which reasoning goes back.
THOUGHTS = ("reasoning", "reasoning_content")
# The keys of a message that is nothing but its content.
PLAIN = frozenset(("role", "content"))
# The text of a tool's result that is nothing but images, if these go out in another message.
SHOWN_BEHIND = "The user's message shows what it has returned."


def fitted(call: "Question", takes: Takes) -> list[Message]:
    """Return the call's messages as the service takes them.

    A developer message becomes a system message, and both become the user's if the model knows no system messages.  An
    assistant's empty message is left out, and so is the name of a tool's result, which its call says as well.  A tool
    call whose id the service would refuse, or that another call has already, gets another id, together with its result.
    The `state` of an answer becomes the list of its parts if it goes back; otherwise it is left out, and told in
    `call.dropped`, and so are the mark of a failed tool's result and the name of a file.  If the service takes the
    arguments of a tool call as an object and they are not a JSON object, the call goes out with `{}`, which is told as
    well: its result says what was wrong.
    If the service takes images of a user's alone, those in the results of tools go out in a user's message behind them.
    Raises `MessagesError` for a key, a kind of media, a tool's name or a place of a system message that the service
    does not take, for a tool call without its result, and for a result without its call.
    """
    messages, model = call.messages, call.model
    call.notes.bound_to = takes.state
    # Without tools and answers of before, most rules below have nothing to do.
    plain = all(message.keys() == PLAIN for message in messages)
    if not plain:
        _check_pairs(messages)
        if any("state" in message or "partial" in message for message in messages):
            from .state import with_states  # noqa: PLC0415 - most messages hold no state

            messages = with_states(call, takes)
        messages = _with_ids(messages, takes.call_ids)
    # The ids are unique now: some services count them anew in every turn.
    functions = {} if plain else tool_names(messages)
    fit = [_fitted(number, message, takes, functions, call.dropped) for number, message in enumerate(messages, 1)]
    if takes.no_system and re.fullmatch(takes.no_system, model or ""):
        for message in fit:
            message["role"] = "user" if message["role"] in SYSTEM else message["role"]
    if not takes.late_system:
        _check_system(fit)
    if not takes.empty_answers:
        fit = list(_without_empty(fit, takes, call.dropped))
    if not plain and "tool.image_url" not in takes.keys:
        fit = _with_images_behind(fit, functions)
    if not fit:
        raise MessagesError("every message is empty; write something into one of them")
    return fit


def _without_empty(messages: Sequence[Message], takes: Takes, dropped: list[str]) -> Iterator[Message]:
    """Yield the messages without those of the assistant that have neither text nor tool calls nor anything else.

    Without text, `prefix` says nothing: there is no beginning that the model could go on with.  Reasoning in a field
    beside the content is no content for the services that take it, and an answer that was cut off may have no more.
    """
    silent = {"role", "content", "prefix", *THOUGHTS}
    for number, message in enumerate(messages, 1):
        thoughts = takes.reasoning != "content" and all(_is_thought(part) for part in message.get("state", ()))
        keys = message.keys() - {"state"} if thoughts else message.keys()
        if message["role"] != "assistant" or message["content"] or not keys <= silent:
            yield message
        elif takes.reasoning and not {"state", *THOUGHTS}.isdisjoint(message):
            dropped.append(f"message {number}: its reasoning is left out, because no text or tool call follows it")


def _is_thought(part: Any) -> bool:
    """Return whether a part of a state is reasoning, and nothing that the service wants back for itself."""
    return isinstance(part, dict) and part.keys() == {"reasoning"}


def _check_pairs(messages: Sequence[Message]) -> None:
    """Raise `MessagesError` unless the results of all tool calls follow them at once, and each result has its call.

    OpenAI, DeepSeek, Qwen, Anthropic, Gemini and Mistral refuse all else with 400, each in its own words (2025-2026).
    """
    # The ids of the calls whose results have not come yet, and the message that makes them.
    waiting: list[str] = []
    asking = 0
    for number, message in enumerate(messages, 1):
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                raise MessagesError(
                    f"message {number} answers the tool call {message['tool_call_id']!r}, which is answered already or "
                    "made by another message than the assistant's right before; put each result behind its call"
                )
            waiting.remove(message["tool_call_id"])
            continue
        if waiting:
            break
        asking, waiting = number, [call["id"] for call in message.get("tool_calls", ())]
    if waiting:
        raise MessagesError(
            f"message {asking} makes the tool call {waiting[0]!r}, whose result does not follow; "
            "add a message of the role tool for it, or leave the call out"
        )


def _check_system(messages: Sequence[Message]) -> None:
    """Raise `MessagesError` for a system message behind another message.

    It is not moved to the beginning, where it would say something else, and two that cannot be joined are as wrong.
    """
    rest = leading_system_joined(messages)[1:]
    for number, message in enumerate(rest, len(messages) - len(rest) + 1):
        if message["role"] in SYSTEM:
            raise MessagesError(
                f"message {number} is a system message behind another message, which this service refuses; "
                "put its text into the first message, or into a user's"
            )


def _fitted(number: int, message: Message, takes: Takes, functions: dict[str, str], dropped: list[str]) -> Message:
    """Return one message; `functions` has the name of each tool call's function by the call's id."""
    fit, tool = message.copy(), message["role"] == "tool"
    # Most messages are a text alone, of which no service refuses anything.
    if fit.keys() == PLAIN and isinstance(fit["content"], str) and fit["role"] != "developer":
        return fit
    if "is_error" in fit and "tool.is_error" not in takes.keys:
        del fit["is_error"]
        dropped.append(f"message {number}: the mark of an error is left out, which this service does not take")
    if tool and "tool.name" not in takes.keys and fit.get("name") == functions[message["tool_call_id"]]:
        del fit["name"]
    for key in KEPT_EMPTY:
        # An empty value says something to the services that take the key, and nothing to others.
        if fit.get(key) == "" and key not in takes.keys:
            del fit[key]
    for where, key in _extras(fit):
        if key not in takes.keys:
            raise MessagesError(f"message {number}{where} has {_advice(key)}")
    for place, call in enumerate(message.get("tool_calls", ()), 1):
        name = call["function"]["name"]
        if takes.tool_names and not re.fullmatch(takes.tool_names, name):
            raise MessagesError(
                f"message {number}, tool call {place} has the name {name!r}, which this service refuses; "
                f"a name must match {takes.tool_names}"
            )
    if takes.objects and "tool_calls" in fit:
        fit["tool_calls"] = [
            _with_object(f"message {number}, tool call {place}", call, dropped)
            for place, call in enumerate(fit["tool_calls"], 1)
        ]
    for place, part in enumerate(parts(message), 1):
        if problem := _problem(part, takes):
            raise MessagesError(f"message {number}, part {place} {problem}")
        if part["type"] == "file" and "filename" in part["file"] and _kind(part) not in takes.named:
            dropped.append(
                f"message {number}, part {place}: the name of the file is left out, which this service does not take"
            )
    if not takes.blocks and not isinstance(fit["content"], str) and is_plain(fit["content"]):
        fit["content"] = "".join(part["text"] for part in fit["content"])
    if fit["role"] == "developer" and not takes.developer:
        fit["role"] = "system"
    return fit


def _with_images_behind(messages: Sequence[Message], functions: Mapping[str, str]) -> list[Message]:
    """Return the messages with the images in the results of tools in a user's message behind these results.

    OpenAI and many others take text alone there: 400 "Content blocks are expected to be either text or image_url type."
    Each image stands behind a text that says whose it is (as in pydantic-ai's cassettes of multimodal results, 2026).
    """
    if all(isinstance(message["content"], str) for message in messages):
        return [*messages]
    result, images = list[Message](), list[dict[str, Any]]()

    def behind(*more: dict[str, Any]) -> Message:
        made: Message = {"role": "user", "content": [*images, *more]}
        images.clear()
        return made

    for message in messages:
        shown = [part for part in parts(message) if part["type"] != "text"]
        if message["role"] == "tool" and shown:
            id_ = message["tool_call_id"]
            images += [{"type": "text", "text": f"From the tool {functions[id_]} ({id_}):"}, *shown]
            said = [part for part in parts(message) if part["type"] == "text"]
            content = ("".join(part["text"] for part in said) or SHOWN_BEHIND) if is_plain(said) else said
            message = {**message, "content": content}  # noqa: PLW2901
        elif images and message["role"] == "user" and message.keys() == {"role", "content"}:
            message = behind(*parts(message))  # noqa: PLW2901 - two user's messages in a row are refused by some
        elif images and message["role"] != "tool":
            result.append(behind())
        result.append(message)
    return [*result, behind()] if images else result


def _with_object(where: str, call: Mapping[str, Any], dropped: list[str]) -> Mapping[str, Any]:
    """Return a tool call whose arguments are a JSON object, which they may not be if the model wrote them."""
    try:
        arguments(call)
    except MessagesError:
        dropped.append(
            f"{where}: the arguments are left out, because they are not a JSON object, which this service wants"
        )
        return {**call, "function": {**call["function"], "arguments": "{}"}}
    return call


def _kind(part: Mapping[str, Any]) -> str:
    """Return the kind of a medium, as `media.KINDS` has it."""
    from .media import media_kind  # noqa: PLC0415 - most messages are text

    return media_kind(part)


def _problem(part: Mapping[str, Any], takes: Takes) -> str:
    """Return what the service refuses of a part of a message, and what to do instead; "" if it takes the part."""
    if part["type"] == "text":
        return ""
    from .media import KINDS, embedded, media_kind  # noqa: PLC0415 - most messages are text

    kind, (media_type, _) = media_kind(part), embedded(part)
    what, advice = KINDS[kind]
    if kind not in takes.media:
        # Another form of the same is of no use either.
        same = f"{kind.partition('.')[0]}.data"
        return f"is {what}, which this service does not take; {advice if same in takes.media else KINDS[same][1]}"
    if kind == "image.data" and takes.images and media_type not in takes.images:
        return f"has an image of the type {media_type}, which this service refuses; it takes {', '.join(takes.images)}"
    if kind == "file.data" and takes.files and not re.fullmatch(takes.files, media_type):
        advice = (
            "pass an image as an image_url part" if media_type.startswith("image/") else "convert it to text or PDF"
        )
        return f"has a file of the type {media_type}, which this service refuses; {advice}"
    if kind == "audio.data" and takes.audio and not re.fullmatch(takes.audio, part["input_audio"]["format"]):
        return f"has audio of the format {part['input_audio']['format']}, which this service refuses; convert it to wav"
    return ""


def _extras(message: Message) -> Iterator[tuple[str, str]]:
    """Yield where each optional key of a message stands, as error messages say it, and the key as `Takes` says it."""
    if "name" in message:
        yield "", "tool.name" if message["role"] == "tool" else "name"
    yield from (("", key) for key in ANSWER_KEYS if key in message)
    for place, part in enumerate(parts(message), 1):
        yield from ((f", part {place}", f"content.{key}") for key in PART_KEYS if key in part)
        if "detail" in part.get("image_url", ()):
            yield f", part {place}", "image_url.detail"
    for place, call in enumerate(message.get("tool_calls", ()), 1):
        yield from ((f", tool call {place}", f"tool_calls.{key}") for key in CALL_KEYS if key in call)


def _advice(key: str) -> str:
    """Return the end of the message about a key that the service does not take."""
    name = key.rpartition(".")[2]
    if name == "name":
        return "a name, which this service cannot carry; put the name into the content"
    return f"{name!r}, which this service does not take; leave it out"


def _with_ids(messages: Sequence[Message], pattern: str) -> list[Message]:
    """Return the messages with another id for each tool call whose id does not fit the pattern or came before.

    The new id depends on the old one alone (and on whether that came before), so that a conversation that grows keeps
    its ids, and with them the service's cache.
    """
    fits, used, result = re.compile(pattern, re.DOTALL).fullmatch, set[str](), list[Message]()
    # The new ids of the calls whose results are to come, by the old id.
    renamed: dict[str, list[str]] = {}
    for message in messages:
        changed = message.copy()
        if calls := message.get("tool_calls"):
            renamed, named = {}, list[dict[str, Any]]()
            for call in calls:
                new = call["id"] if fits(call["id"]) and call["id"] not in used else _other_id(call["id"], used)
                used.add(new)
                renamed.setdefault(call["id"], []).append(new)
                named.append({**call, "id": new})
            changed["tool_calls"] = named
        elif message["role"] == "tool":
            changed["tool_call_id"] = renamed[message["tool_call_id"]].pop(0)
        result.append(changed)
    return result


def _other_id(old: str, used: Collection[str]) -> str:
    """Return an id of 9 lower case letters and digits, made of the old one, which is not among `used`.

    All services take such an id: Mistral, the strictest, asks for exactly 9 letters and digits.
    """
    from hashlib import sha256  # noqa: PLC0415 - rarely needed

    made = (sha256(f"{turn}:{old}".encode()).hexdigest()[:9] for turn in count())
    return next(new for new in made if new not in used)


def leading_system_joined(messages: Sequence[Message]) -> list[Message]:
    """Return the messages with the system messages at the beginning joined to one, by an empty line.

    The chat templates of many local models refuse a second one: vLLM's 400 "System message must be at the beginning."
    (pydantic-ai docs/openai.md, August 2026).  A later system message stays where it is: moved, it would say something
    else.
    """
    leading = sum(1 for _ in takewhile(lambda message: message["role"] == "system", messages))
    return [*runs_joined(messages[:leading]), *messages[leading:]]


def runs_joined(messages: Sequence[Message]) -> list[Message]:
    """Return the messages with those of one role that follow one another joined to one, by an empty line.

    A message with more than text and images stays by itself, but for tool calls behind an assistant's text.
    """
    result: list[Message] = []
    for message in messages:
        before = result[-1] if result and result[-1]["role"] == message["role"] else None
        if before and before.keys() == {"role", "content"} == message.keys() - {"tool_calls"}:
            said = [one for one in (before, message) if one["content"]]
            result[-1] = {**message, "content": joined(said)}
        else:
            result.append(message)
    return result
