"""OpenAI Chat Completions: server-sent events of `chat.completion.chunk` objects, then `[DONE]`.

The parser also reads the fields that other services which speak this protocol (`dialects.py`) have added to the reply.
Source: https://platform.openai.com/docs/api-reference/chat/streaming and the types of openai-openapi (August 2026).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from .._core.conversation import fitted
from .._core.errors import G4fliteError, LimitError, OptionError
from .._core.events import Event, Finish, Native, Reasoning, ServerToolResult, TurnState, Usage
from .._core.messages import Message
from .._core.options import (
    OPTIONS,
    as_chat_tools,
    as_wire_names,
    check_name,
    has_tools,
    logprob_fields,
    non_empty,
    required_model,
    single_answer,
    stops,
    tool_choice,
)
from .._core.provider import JSON, NO_EVENTS, Call, Provider
from .._core.refused import check_effort, check_refused
from .._core.response.assembly import ToolCalls
from .._core.response.counts import ANSWER, LONGEST, MOST_NAMES, PROMPT, count_or_none, found, merged, usage_of
from .._core.response.counts import REASONING as REASONED
from .._core.response.ending import Ending
from .._core.response.excerpts import KEPT
from .._core.response.fields import Naming, as_object, reasoning_of, weight
from .._core.response.framing import ServerSentEvents
from .._core.response.names import name_of
from .._core.response.parsers import FrameParser, Items, failure, refusal, reported, text_or_error
from .._core.response.partial_calls import NOTHING
from .._core.response.reasons import finish_of
from .._core.response.repeats import Tell, fields
from .._core.response.tails import Tail
from .._core.response.thinking import TAGS, ThinkTag
from .._core.takes import CHAT_MEDIA, SAME_LEVELS, Refused, Takes

# The options that have the common name in this protocol.
SAME = {name: name for name in OPTIONS if name not in ("max_tokens", "tools", "reasoning_effort", "logprobs", "cache")}

# The models that always reason, those that reason unless they are told not to, and those that reason if they are told
# to (pydantic-ai's profiles, checked against the service in July 2026; gpt-6-astra is of its guide).
REASONING = (
    r"o[1-9](-.+)?|gpt-5(-mini|-nano|-pro|-codex)?(-\d{4}-\d\d-\d\d)?|gpt-5\.1-codex(-.+)?|gpt-5\.\d+-(chat|pro)(-.+)?|"
    "gpt-6-astra(-.+)?"
)
BY_DEFAULT, IF_TOLD = r"gpt-5\.[56](-.+)?", r"gpt-5\.[1-4](-.+)?"
# What models refuse: 400 "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1)
# value is supported." of the models that always reason (seen in many public reports, 2025-2026).  gpt-5.1 and later
# ones take it while they do not reason (pydantic-ai's profiles, July 2026).
# 400 "Unsupported parameter: 'top_p' is not supported with this model.", and of 'stop' alike, of the same models
# (the same reports; a `top_p` of 1 is taken).
# 400 "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.", and of
# Responses "Response input messages must contain the word 'json' in some form to use 'text.format' of type
# 'json_object'." (public reports of 2025-2026, of Azure's relays, too).
JSON_UNSAID = Refused(option="response_format", values=("json_object",), unsaid="json")
REFUSED = (
    Refused(option="temperature", but=(1,), models=REASONING),
    Refused(option="top_p", but=(1,), models=REASONING),
    Refused(option="stop", models=REASONING),
    JSON_UNSAID,
    # 400 "Unsupported parameter: 'presence_penalty' is not supported with this model." (pydantic-ai's profiles)
    *(Refused(option=name, models=REASONING) for name in ("frequency_penalty", "presence_penalty", "logprobs")),
    *(
        Refused(option=name, but=but, models=models, idle=idle)
        for models, idle in ((BY_DEFAULT, ("none",)), (IF_TOLD, ("none", None)))
        for name, but in (
            ("temperature", (1,)),
            ("top_p", (1,)),
            ("frequency_penalty", ()),
            ("presence_penalty", ()),
            ("logprobs", ()),
        )
    ),
    # 400 "Unrecognized request argument supplied: reasoning_effort" (umputun/tg-spam#304, AAswordman/Operit#1048)
    Refused(option="reasoning_effort", models=r"(chatgpt-4o|gpt-(3\.5|4)).*"),
    # "All models before gpt-5.1 [...] do not support none. The gpt-5-pro model [...] only supports high"; of 5.1,
    # "none, low, medium, and high" (types of openai-python 3.57.0, `Reasoning`); 5.6 knows no minimal (pydantic-ai's
    # profiles, July 2026).  400 "'none' is not supported with the 'gpt-5.1-codex' model. Supported values are: 'low',
    # 'medium', and 'high'." (openai/codex#6647); "'high' is not supported with the 'gpt-5.2-chat-2025-12-11' model.
    # Supported values are: 'medium'." (Laisky/one-api#285); the pro models know medium, high and xhigh (developers.
    # openai.com, models, 2026).
    Refused(option="reasoning_effort", but=("high",), models=r"gpt-5-pro.*"),
    Refused(option="reasoning_effort", but=("medium", "high"), models=r"gpt-5\.\d+-pro.*"),
    Refused(option="reasoning_effort", models="gpt-5-chat.*"),
    Refused(option="reasoning_effort", but=("medium",), models=r"gpt-5\.\d+-chat.*"),
    Refused(option="reasoning_effort", but=("low", "medium", "high"), models=r"gpt-5\.1-codex.*|gpt-6-astra.*"),
    Refused(option="reasoning_effort", but=("minimal", "low", "medium", "high"), models=REASONING),
    Refused(option="reasoning_effort", but=("none", "low", "medium", "high"), models=r"gpt-5\.[16](-.+)?"),
)
# What OpenAI takes: the fields in the types of openai-python; 400 "You uploaded an unsupported image. Please make sure
# your image has of one the following formats: ['png', 'jpeg', 'gif', 'webp']"; 400 "Invalid
# 'messages[2].tool_calls[0].id': string too long. Expected a string with maximum length 40"; a function's name is
# letters, digits, _ and -, 64 at most (types of openai-python, 3.57.0).  Audio is "wav" or "mp3" (the same types).
TAKES = Takes(
    keys=("name", "refusal", "content.prompt_cache_breakpoint", "image_url.detail", "function.strict"),
    media=CHAT_MEDIA,
    images=("image/png", "image/jpeg", "image/gif", "image/webp"),
    audio="wav|mp3",
    # 400 "Assistant messages must have either content or tool_calls" (agent0ai/agent-zero#980, February 2026).
    empty_answers=False,
    developer=True,
    call_ids=".{1,40}",
    tool_names="[a-zA-Z0-9_-]{1,64}",
    # The id of what the model said aloud, which is the account's.
    state="account",
    # 400 "Unsupported value: 'messages[0].role' does not support 'developer' with this model.", and of 'system' alike
    # (pydantic-ai's cassette test_openai_o1_mini_system_role, 2025).
    no_system="o1-mini(-.+)?",
    refused=REFUSED,
)


# The models of Gemini that refuse an answer's first tool call without a signature, also in this protocol, and the
# signature that they do not check (intrafind/ihub-apps#2240, earendil-works/pi#1825; ai.google.dev, 2026).
GEMINI = r"(models/)?gemini-([3-9]|\d\d).*"
UNCHECKED = {"google": {"thought_signature": "skip_thought_signature_validator"}}


def effort_as_it_is(call: Call) -> dict[str, Any]:
    """Return the fields of `reasoning_effort` in OpenAI's form, which has our levels and no budget."""
    from .._core.effort import level  # noqa: PLC0415 - most calls give no level

    return non_empty(reasoning_effort=level(call, SAME_LEVELS))


def chat(
    call: Call, takes: Takes, reasoning: Callable[[Call], dict[str, Any]] = effort_as_it_is, **names: str
) -> dict[str, Any]:
    """Return the payload that all dialects share.

    `reasoning` returns the fields of `reasoning_effort`, and `names` are the options that a dialect names otherwise.
    """
    check_effort(call, takes)
    tools = as_chat_tools(call.options["tools"], takes) if "tools" in call.options else []
    thought = reasoning(call) if "reasoning_effort" in call.options else {}
    # These options go out unchanged.  The functions raise for a value that the service would refuse.
    stops(call.options)
    check_refused(call.model, call.options, call.extra, call.messages, takes, thought.get("thinking"))
    single_answer(call.extra.get("n"), "n")
    named = call.options.get("response_format", {}).get("json_schema")
    if isinstance(named, dict) and isinstance(named.get("name"), str):
        check_name("response_format=", named["name"], takes)
    options = as_wire_names(call.options, **{**SAME, "max_tokens": "max_tokens", **names}) if call.options else {}
    if tool_choice(call.options, call.extra) is None:
        options.pop("tool_choice", None)
    # 400 "'parallel_tool_calls' is only allowed when 'tools' are specified."
    if not has_tools(call.options, call.extra):
        options.pop("parallel_tool_calls", None)
    messages = [as_chat(message, takes, call.model) for message in fitted(call, takes)]
    return (
        {"model": required_model(call.model), "messages": messages, "stream": True}
        | options
        | thought
        | logprob_fields(call.options, "logprobs", "top_logprobs")
        | non_empty(tools=tools)
    )


def check_stored(call: Call) -> None:
    """Raise `OptionError` for `metadata` of an answer that is not stored.

    400 "The 'metadata' parameter is only allowed when 'store' is enabled." (tmc/langchaingo#1484, March 2026)
    """
    if "metadata" in call.options and not call.extra.get("store"):
        raise OptionError(
            "is refused unless the service stores the answer",
            argument="metadata",
            advice="leave it out[, or add 'store': True to {extra}]",
        )


def as_chat(message: Message, takes: Takes, model: str | None) -> Message:
    """Return a message with the parts of its state in the fields where the dialect wants them back.

    400 "The `reasoning_content` in the thinking mode must be passed back to the API." without the field in a message
    with tool calls; an empty text is accepted (pydantic-ai's cassettes; continuedev/continue#11711, 2026).
    The first call gets a signature that is not checked if it has none and the model is Gemini 3 or a later one.
    """
    fields: dict[str, Any] = {**message}
    if isinstance(message["content"], list):
        fields["content"] = [as_chat_part(part) for part in message["content"]]
    calls = [dict(call) for call in message.get("tool_calls", ())]
    reasoning, state, field = "", fields.pop("state", ()), takes.reasoning
    if state and takes.reasoning == "content":
        fields["content"], state = chunks(state), ()
    for part in state:
        if isinstance(part, dict) and "tool_call" in part:
            calls[part["tool_call"]]["extra_content"] = part["extra_content"]
        elif isinstance(part, dict) and "reasoning" in part:
            reasoning += part["reasoning"]
        elif isinstance(part, dict) and part.get("type") == FIELD:
            field = part["name"]
        elif isinstance(part, dict) and "type" not in part:
            # A list may have come in several pieces.
            fields |= {key: [*fields.get(key, ()), *one] if isinstance(one, list) else one for key, one in part.items()}
    if "audio" in fields:
        # The transcript is in the audio.
        del fields["content"]
    if calls and "tool_calls.extra_content" in takes.keys and re.fullmatch(GEMINI, model or ""):
        calls[0].setdefault("extra_content", UNCHECKED)
    # OpenRouter's details repeat the reasoning.
    if takes.reasoning and reasoning and "reasoning_details" not in fields:
        if field in TAGS:
            field, reasoning = "content", f"{field}{reasoning}{TAGS[field]}{fields['content']}"
        fields[field] = reasoning
    if takes.reasoned and calls and re.fullmatch(takes.reasoned, model or ""):
        fields.setdefault(takes.reasoning, "")
    if calls:
        fields["tool_calls"] = calls
    return fields


def chunks(state: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the parts of a state as a content whose reasoning stands in its place, with its signature.

    So do references to sources.  Source: types of mistralai 3.7.0, `ThinkChunk` and `ReferenceChunk`.
    """
    found = list[dict[str, Any]]()
    for part in state:
        if isinstance(part, str):
            found.append({"type": "text", "text": part})
        elif isinstance(part, dict) and "reasoning" in part:
            found.append({"type": "thinking", "thinking": [{"type": "text", "text": part["reasoning"]}]})
        elif isinstance(part, dict) and part.get("type") == "thinking":
            # A signature belongs to the reasoning before it, which may have no text.
            unsigned = found and found[-1]["type"] == "thinking" and "signature" not in found[-1]
            found.append((found.pop() if unsigned else {"thinking": []}) | part)
        elif isinstance(part, dict) and part.get("type") == "reference":
            found.append(part)
    return found


def as_chat_part(part: dict[str, Any]) -> dict[str, Any]:
    """Return a part of a content in the form of Chat Completions: the data of a file have a name.

    OpenRouter takes a file's web URL in the place of its data (types of openrouter-python 1.3.84).
    """
    if part["type"] != "file" or "file_id" in part["file"]:
        return part
    from .._core.media import filename_of  # noqa: PLC0415 - most messages are text alone

    file = part["file"]
    data = file.get("file_data") or file["file_url"]
    return {**part, "file": {"filename": filename_of(part), "file_data": data}}


def payload(call: Call) -> JSON:
    """`messages` and `tools` are unchanged, but ids of tool calls that are too long; `max_tokens` becomes
    `max_completion_tokens`.

    System messages for o1-mini become the user's.  `stop` for a model that always reasons, and `temperature`, `top_p`,
    penalties and `logprobs` for one that reasons, raise `OptionError`.  A `response_format` of any JSON raises it if no
    message has the word "json".  A tool's name that the service refuses raises `OptionError`, or `MessagesError` in a
    tool call.  A level of `reasoning_effort` that the model refuses, a budget, and `metadata` unless `extra=` has
    `store: True` raise it, too.
    `parallel_tool_calls` without tools is left out, and so are empty answers.  `cache=True` changes nothing: the
    service caches by itself.  A file without a name is named after its type.

    `include_usage` asks for the token counts; `include_obfuscation` declines the padding against eavesdroppers.
    """
    check_stored(call)
    usage = {"include_usage": True, "include_obfuscation": False}
    return {**chat(call, TAKES, max_tokens="max_completion_tokens"), "stream_options": usage}


# The fields of Groq's `executed_tools` that hold a result, and the most tools of a reply.
OUTCOMES = ("output", "search_results", "code_results", "browser_results")
MOST_TOOLS = 1024
# The fields that hold reasoning.  The details, which are OpenRouter's, and LiteLLM's blocks repeat the others.
THOUGHTS = ("reasoning", "reasoning_content", "reasoning_text", "thinking", "reasoning_details", "thinking_blocks")
# The fields of a delta that are read below or say nothing of the answer.  Any other field that holds a text, a list or
# an object is content of its own kind: `audio` (types of openai-python), `images` and `annotations` (OpenRouter),
# `executed_tools` (Groq), `content_blocks` (pollinations), `audio_content` (MiniMax), November 2026.
READ = frozenset((
    "content", "refusal", "reasoning", "reasoning_content", "reasoning_details", "tool_calls", "function_call",
    "extra_content",
    "role", "name", "id", "index", "type", "object", "model", "channel", "prefix", "padding", "obfuscation", "logprobs",
    "token_ids", "usage", "status", "phase", "tool_call_id", "finish_reason", "stop_reason",
))  # fmt: skip
KNOWN = READ.union(THOUGHTS)
# The type of the state that names the field in which the reasoning came, or the tag with which the text began.
FIELD = "reasoning_field"
NO_CALLS = ToolCalls(0)
# What a reply says of which most replies say nothing; one for all, because a dict for each takes 64 bytes of a stream.
NO_FIELDS: Final[Mapping[str, Any]] = MappingProxyType({})
# The fields of a chunk with content beside the answer, which Perplexity repeats in each chunk (docs.perplexity.ai).
SOURCES = frozenset(("citations", "search_results", "images", "videos", "related_questions"))


class ChatReader:
    """Reads the chunks of one reply, of OpenAI or of a dialect.  Of several choices, the one that comes first is read.

    The finish reason and complete tool calls come out at the end of the reply, because content may follow the chunk
    with the reason.
    """

    # Events of other names are read if their data are chunks.
    names = ("", "message")
    # `p` is Mistral's padding.
    roles = fields(unread=(
        "created", "service_tier", "system_fingerprint", "obfuscation", "p", "choices.content_filter_results",
        "choices.content_filter_offsets"), beside="choices.logprobs")  # fmt: skip

    def __init__(
        self, limit: int, *, thoughts_beside: bool = False, returned: Sequence[str] = (), any_field: bool = False
    ) -> None:
        # `_calls` are none, for all readers the same, until a tool call comes: they would take half a kilobyte.
        self._calls, self._think, self._naming, self._ending = NO_CALLS, ThinkTag(), Naming(), Ending()
        # The fields and parts with content of other kinds that the service takes back: "images", "reference".
        self._returned = returned
        # The token counts so far, and those of llama.cpp's `timings`.
        self._counts = NO_FIELDS
        self._timings = NO_FIELDS
        # Whether the service counts the reasoning beside the answer, also where it counts no total.
        self._thoughts_beside = thoughts_beside
        # Whether the reasoning goes back in the field in which it came, and that field; "" if it came in no field.
        self._any_field, self._field = any_field, ""
        # OpenRouter's reasoning, in the pieces that have come, and whether the last delta had some.
        self._details: list[dict[str, Any]] = []
        self._has_details = False
        # How many characters of them may still come, and how many characters the tool calls may have.
        self._left = self._limit = limit
        # The words of a refusal, as many as its error keeps.
        self._refusal = ""
        # The fields of `SOURCES` as they came last.
        self._sources = NO_FIELDS
        # The id and the media type of the audio, "" if none came.
        self._audio = self._sound = ""
        # The places of Groq's tools of which a call was given out.
        self._ran: frozenset[str] = NOTHING
        # The names of the fields that were not empty in a delta; and the last whole message that stood beside a delta.
        self._said: frozenset[str] = NOTHING
        self._message = NO_FIELDS
        # The ends of the text and of the reasoning that came in deltas; None before the first reasoning.
        self._text = Tail()
        self._thought: Tail | None = None
        # The index of the choice that is read, "" before the first.
        self._place = ""
        # The token counts that came with the finish reason or behind it.
        self._usage: Usage | None = None
        self.done = False

    @property
    def told(self) -> Mapping[type, Tell | None]:
        # Once the model refuses, and behind a finish reason, it matters that a text comes; and details are kept.
        if self._refusal or self._ending.finish is not None or self._has_details:
            return {}
        told: dict[type, Tell | None] = {**self._calls.told}
        # While a `<think>` tag may come, what the text says matters, and within one, it is the reasoning.
        if self._think.off:
            told[str] = Tell(self._text.append, self._text.extend)
        if not self._think.open:
            tail = self._thought
            told[Reasoning] = (
                Tell(tail.append, tail.extend) if tail is not None else Tell(self._add_thought, self._add_thoughts)
            )
        return told

    @property
    def settled(self) -> bool:
        return self._ending.settled(self._calls.torn)

    def read(self, name: str, frame: dict[str, Any]) -> Items:
        items: list[str | Event | G4fliteError | None] = []
        # The first chunk of Azure has neither yet.
        if not self._naming.complete and (frame.get("id") or frame.get("model")):
            items += filter(None, (self._naming.learn(frame.get("id"), frame.get("model")),))
        choices, counts = frame.get("choices") or (), None
        for choice in (choices,) if isinstance(choices, dict) else choices:
            if not isinstance(choice, dict):
                continue
            # Some services number their only choice 1.
            place = str(choice.get("index") or 0)
            if place != (self._place or place):
                continue
            self._place = place
            delta = choice.get("delta")
            if delta is None:
                delta = self._unsaid(whole_of(choice))
            else:
                if not self._said.issuperset(delta):
                    self._note_said(delta)
                if choice.get("text"):
                    delta = self._with_text(delta, choice["text"])
                if "message" in choice:
                    self._message = as_object(choice["message"])
            items += self._delta(delta)
            # OpenRouter's may stand in the choice (openrouter.ai/docs, types of a response; genkit-ai/genkit PR#6259).
            if choice.get("error"):
                frame = {**frame, "error": choice["error"]}
            reason = choice.get("finish_reason")
            if reason or self._ending.finish or delta.get("tool_calls"):
                finish = finish_of(reason, choice.get("native_finish_reason"))
                self._ending.note(finish, items, calls=self._calls.count)
                counts = choice.get("usage")
            # Behind `note`, because they are no content of their own.
            if isinstance(logprobs := choice.get("logprobs"), dict):
                items.append(Native("logprobs", logprobs))
        if not SOURCES.isdisjoint(frame):
            found_sources = {key: value for key, value in frame.items() if key in SOURCES and value}
            self._sources = {**self._sources, **found_sources}
        counted, finish = self._count(frame, counts), self._ending.finish
        if counted is not None and finish is not None:
            self._usage = counted
        elif counted is not None:
            items.append(counted)
        if name == "error" or frame.get("error") or frame.get("object") == "error":
            items += (finish, reported(frame if frame.get("error") else {"error": frame}))
        elif finish is not None and finish.reason == "error":
            items += self.end(marked=False)
        return items

    def whole(self, value: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        return (value,) if value.get("choices") else ()

    def _delta(self, delta: dict[str, Any]) -> Iterator[str | Event | G4fliteError]:
        """Yield the reasoning, text, pieces of tool calls and other content in a delta."""
        known = READ.issuperset(delta)
        reasoning = delta.get("reasoning_content") or delta.get("reasoning")
        if not known:
            reasoning = reasoning or delta.get("reasoning_text") or delta.get("thinking")
        if reasoning:
            self._field = self._field or next(key for key in THOUGHTS if delta.get(key))
            for piece in reasoning_of(reasoning):
                if isinstance(piece, Reasoning):
                    self._add_thought(piece.text)
                yield piece
        details = delta.get("reasoning_details") or ()
        self._has_details = bool(details)
        for detail in details if isinstance(details, list | tuple) else (details,):
            own = as_object(detail)
            if own:
                self._details.append(own)
                self._left -= weight(own)
            if self._left < 0:
                raise LimitError("the details of the reasoning are longer than max_frame allows")
            # Other details are the service's own: a signature, or `data` that is encrypted.
            if not reasoning and self._said.isdisjoint(THOUGHTS[:4]):
                yield from reasoning_of((own.get("text") or own.get("summary")) if own else detail)
        if delta.get("extra_content"):
            yield TurnState({"extra_content": delta["extra_content"]})
        content = delta.get("content")
        # Mistral's reasoning models send a list of parts.
        if isinstance(content, list | dict):
            for part in (content,) if isinstance(content, dict) else content:
                yield from self._part(part)
        elif content:
            self._text.append(text_or_error(content))
            yield from (content,) if self._think.off else self._think.feed(content)
        if delta.get("refusal"):
            self._refuse(delta["refusal"])
        if not known:
            for key, value in delta.items():
                repeats = key in THOUGHTS[:4] or (key == "thinking_blocks" and reasoning)
                if value and key not in READ and not repeats and isinstance(value, str | list | dict):
                    yield from self._others(key, value)
        if self._calls is NO_CALLS and (delta.get("tool_calls") or delta.get("function_call")):
            self._calls = ToolCalls(self._limit)
        # No text comes behind a tool call that could complete a tag.
        if delta.get("tool_calls"):
            yield from self._think.close()
        for number, fragment in enumerate(delta.get("tool_calls") or ()):
            # A call of a custom tool, whose input is no JSON, or a piece of one (types of openai-python 3.57.0).
            if fragment.get("custom"):
                yield Native("custom_tool_call", fragment)
                continue
            function = fragment.get("function") or {}
            name, text = function.get("name"), function.get("arguments")
            yield from self._calls.add(
                fragment.get("index"), id=fragment.get("id"), name=name, arguments=text, first=not number
            )
            # Gemini's signature (earendil-works/pi#6733, 2026).
            if extra := fragment.get("extra_content"):
                yield TurnState({"tool_call": max(self._calls.count - 1, 0), "extra_content": extra})
        # The protocol's older form of a tool call.
        if function := delta.get("function_call"):
            yield from self._calls.add("function_call", name=function.get("name"), arguments=function.get("arguments"))

    def _note_said(self, delta: dict[str, Any]) -> None:
        """Note which fields of a delta are not empty; of fields that are not known, so many as counts may have."""
        named = {key for key, value in delta.items() if value}
        room = MOST_NAMES - len(self._said - KNOWN)
        others = [key for key in named - KNOWN if len(key) <= LONGEST][:room]
        self._said = self._said.union(named & KNOWN, others)

    def _add_thought(self, text: str) -> None:
        """Note that a piece of reasoning came."""
        self._add_thoughts((text,))

    def _add_thoughts(self, texts: Sequence[str]) -> None:
        """Note that pieces of reasoning came."""
        if self._thought is None:
            self._thought = Tail()
        self._thought.extend(texts)

    def _unsaid(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Return what of a whole message no delta held: other fields, and what is longer than its pieces."""
        said = self._said if self._said.isdisjoint(THOUGHTS) else self._said.union(THOUGHTS)
        unsaid = {key: value for key, value in message.items() if key not in said}
        for key, value in message.items():
            if key in said and isinstance(value, str) and key in ("content", *THOUGHTS[:4]):
                tail = self._text if key == "content" else self._thought or Tail()
                unsaid[key] = tail.rest(value)
        calls = message.get("tool_calls")
        if "tool_calls" in said and isinstance(calls, list) and self._calls.count < len(calls):
            unsaid["tool_calls"] = calls[self._calls.count :]
        return unsaid

    def _with_text(self, delta: dict[str, Any], text: object) -> dict[str, Any]:
        """Return a delta with the text that stands beside it, which counts if the delta is empty.

        Behind texts in deltas, it is the whole text (Hugging Face's, August 2026).
        """
        if any(value for key, value in delta.items() if key != "role") or not isinstance(text, str):
            return delta
        return {**delta, "content": self._text.rest(text) if "content" in self._said else text}

    def _part(self, part: Any) -> Iterator[str | Event]:
        """Yield the text, reasoning or other content in a part of `content`."""
        kind = part.get("type")
        if kind == "thinking":
            # Reasoning behind a text is a part of its own.
            if self._text.pause():
                yield TurnState(None)
            yield from reasoning_of(part.get("thinking"))
            if part.get("signature"):
                yield TurnState({"type": "thinking", "signature": part["signature"]})
        elif kind == "refusal":
            self._refuse(part.get("refusal"))
        elif kind in (None, "text"):
            text = text_or_error(part.get("text") if kind else part["text"])
            self._text.append(text)
            yield from (text,) if self._think.off else self._think.feed(text)
        elif kind == "image_url":
            from .._core.response.others import image_of  # noqa: PLC0415 - most answers are text

            yield image_of(kind, part)
        # A `reference`, a `document_url`.
        else:
            yield Native(str(kind), part)
            if kind in self._returned:
                yield TurnState(part)

    def _others(self, key: str, value: Any) -> Iterator[str | Event]:
        """Yield the content of another kind than text, reasoning and tool calls in a field of a delta."""
        if key == "audio" and isinstance(value, dict):
            yield from self._spoken(value)
        elif key in ("annotations", "images") and isinstance(value, list):
            from .._core.response.others import annotation_of, image_of  # noqa: PLC0415 - most answers are text

            yield from (annotation_of(key, one) if key == "annotations" else image_of(key, one) for one in value)
            if key in self._returned:
                # A source that is named says nothing to the model; a file that was read need not be read again.
                back = [one for one in value if key == "images" or as_object(one).get("type") == "file"]
                yield from (TurnState({key: back}),) if back else ()
        elif key == "executed_tools" and isinstance(value, list):
            for tool in value:
                yield from self._executed(tool) if isinstance(tool, dict) else (Native(key, tool),)
        else:
            yield Native(key, value)

    def _spoken(self, audio: dict[str, Any]) -> Iterator[str | Event]:
        """Yield a piece of audio, and of its transcript, which is the answer's text; its id goes back in its place."""
        if isinstance(audio.get("id"), str) and self._audio != audio["id"]:
            self._audio = audio["id"]
            yield TurnState({"audio": {"id": self._audio}})
        if audio.get("transcript"):
            yield text_or_error(audio["transcript"])
        if audio.get("data"):
            from .._core.response.others import media_of  # noqa: PLC0415 - most answers are text

            sound = media_of("audio", data=audio["data"], mime_type=self._sound)
            self._sound = sound.mime_type if sound else ""
            yield sound or Native("audio", audio)

    def _executed(self, tool: dict[str, Any]) -> Iterator[Event]:
        """Yield a call of one of Groq's own tools, and its result, which may come in a later chunk.

        Sources: types of groq-python 1.7.0; pydantic-ai's cassettes (2026).
        """
        from .._core.response.others import server_call, word  # noqa: PLC0415 - most answers are text

        place = name_of(tool.get("index")) or ""
        found = {key: value for key, value in tool.items() if key in OUTCOMES and value}
        if place not in self._ran:
            self._ran |= {place}
            if len(self._ran) > MOST_TOOLS:
                raise LimitError(f"the tools that the service has run are more than {MOST_TOOLS}")
            yield server_call(place, tool.get("type"), tool.get("arguments"))
        if found:
            yield ServerToolResult(place, word(tool.get("type")), found)

    def _refuse(self, words: object) -> None:
        self._refusal = (self._refusal + text_or_error(words))[:KEPT]

    def _count(self, frame: dict[str, Any], counts: object) -> Usage | None:
        """Return the token counts so far, if the chunk counts tokens; `counts` stand in its choice."""
        group, timings = frame.get("x_groq"), frame.get("timings")
        # Groq sends the token counts in a field of its own; Moonshot in the choice (earendil-works/pi#2017).
        usage = frame.get("usage") or as_object(group).get("usage") or counts
        if isinstance(timings, dict):
            self._timings = timings
        elif not usage or not isinstance(usage, dict):
            return None
        self._counts = merged(self._counts, usage)
        # llama.cpp's own counts, which come unasked (tools/server/README.md).
        cached = count_or_none(self._timings.get("cache_n"))
        if not self._counts:
            prompt, answer = (count_or_none(self._timings.get(name)) for name in ("prompt_n", "predicted_n"))
            prompt = None if prompt is None else prompt + (cached or 0)
            return usage_of({**self._timings, "cached_tokens": cached}, prompt, answer)
        counts = merged({"cached_tokens": cached} if cached else {}, self._counts)
        prompt, answer, total = (found(counts, *names) for names in (PROMPT, ANSWER, ("total_tokens",)))
        # DeepSeek's two halves of the prompt (api-docs.deepseek.com, kv_cache).
        halves = [found(counts, f"prompt_cache_{name}_tokens") for name in ("hit", "miss")]
        if prompt is None and halves != [None, None]:
            prompt = sum(filter(None, halves))
        if self._thoughts_beside and answer is not None and total is None:
            answer += found(counts, *REASONED) or 0
        return usage_of(counts, prompt, answer, total=total)

    def end(self, *, marked: bool) -> Items:
        """Yield what was held back, the finish reason, and the error that it stands for.

        Some servers send a finish reason, but no `[DONE]`; others `[DONE]`, but no finish reason.
        """
        yield from self._think.close()
        finish = self._ending.finish or (Finish("other") if marked else None)
        if finish is None:
            return
        self.done = True
        if self._message:
            yield from self._delta(self._unsaid(self._message))
            yield from self._think.close()
        yield from self._calls.whole()
        if self._details:
            yield TurnState({"reasoning_details": joined_details(self._details)})
        field = self._field or self._think.tag
        if self._any_field and field not in ("", "reasoning_content"):
            yield TurnState({"type": FIELD, "name": field})
        if self._sources:
            from .._core.response.others import sources_of  # noqa: PLC0415 - most answers are text

            yield from sources_of(self._sources)
        yield from (finish._replace(reason=self._calls.reason(finish.reason)), self._usage)
        yield failure(finish) or (refusal(self._refusal) if self._refusal else None)

    def rest(self) -> Items:
        return (*self._think.close(), self._usage)


def joined_details(pieces: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return OpenRouter's `reasoning_details`, the pieces of one index, id and type joined as they came.

    A text grows from piece to piece; the signature comes in a piece of its own (pydantic-ai's cassette
    test_openrouter_streaming_reasoning, 2026).
    """
    details: dict[tuple[Any, Any], dict[str, Any]] = {}
    for piece in pieces:
        place = piece.get("id") if piece.get("index") is None else piece["index"]
        whole = details.setdefault((piece.get("type"), place), {})
        # Gemini's signatures of several calls have one index, and the ids of the calls (mastra-ai/mastra#23433).
        if None not in (piece.get("id"), whole.get("id")) and piece["id"] != whole["id"]:
            whole = details.setdefault((piece.get("type"), str(piece["id"])), {})
        for key, value in piece.items():
            grows = key in ("text", "summary", "data") and isinstance(value, str)
            if value is not None or key not in whole:
                whole[key] = (whole.get(key) or "") + value if grows else value
    return list(details.values())


def whole_of(choice: dict[str, Any]) -> dict[str, Any]:
    """Return what stands in a choice in place of a delta: a whole message, or the text of a plain completion."""
    text = choice.get("text")
    return choice.get("message") or ({"content": text} if text else {})


def parser(limit: int) -> FrameParser:
    """OpenAI Chat Completions: server-sent events, each with a chunk; the first of its `choices` is read.

    `delta.content` is text; `delta.reasoning_content`, `delta.reasoning` and a `<think>` or `<reasoning>` element at
    the start of the text are reasoning; `delta.tool_calls` are pieces of tool calls; `usage` holds the token counts.
    The reply is complete with its `[DONE]`, or if the body ends behind a `finish_reason`; content between the two is
    read.
    """
    return FrameParser(ServerSentEvents(limit), ChatReader(limit), "an event")


OPENAI = Provider(
    name="openai",
    base_url="https://api.openai.com/v1",
    url="{base_url}/chat/completions",
    headers={"content-type": "application/json", "accept": "text/event-stream", "authorization": "Bearer {api_key}"},
    payload=payload,
    parser=parser,
    end="marker",
    error_types=NO_EVENTS,
    example_model="gpt-4o-mini",
    options=dict(OPTIONS),
    key_variables=("OPENAI_API_KEY",),
    base_url_variables=("OPENAI_BASE_URL",),
)
