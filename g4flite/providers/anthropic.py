"""Anthropic Messages: server-sent events; a `message_stop` completes the reply.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming, types of anthropic-sdk-python (August 2026).
"""

import re
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.conversation import fitted
from .._core.errors import LimitError, MessagesError, OptionError
from .._core.events import Citation, Finish, Native, Other, Reasoning, ServerToolResult, Start, TurnState, Usage
from .._core.messages import Message, arguments, parts, split_system
from .._core.numbers import loads
from .._core.options import (
    as_wire_names,
    bare_schema,
    cache_mark,
    check_tools,
    has_tools,
    non_empty,
    options_named,
    required_model,
    schema,
    stops,
    tool_choice,
)
from .._core.provider import JSON, NO_EVENTS, Call, Provider
from .._core.refused import check_refused
from .._core.response.assembly import ToolCalls, arguments_of, place_of
from .._core.response.counts import ANSWER, PROMPT, found, merged, usage_of
from .._core.response.ending import Ending
from .._core.response.excerpts import KEPT as KEPT_WORDS
from .._core.response.fields import as_object, reasoning_of, weight
from .._core.response.framing import ServerSentEvents
from .._core.response.names import name_of
from .._core.response.parsers import FrameParser, Items, failure, refusal, reported, text_or_error
from .._core.response.reasons import finish_of
from .._core.response.repeats import Tell, fields
from .._core.takes import EFFORTS, IMAGES, Refused, Takes

# `max_tokens` without the option: the protocol requires a number.
MAX_TOKENS = 8192
# The fields that a tool has in this protocol under the same names.
KEPT = ("name", "strict", "cache_control")
# The blocks that hold the model's reasoning.
THINKING = ("thinking", "redacted_thinking")
# The protocol's words for the kinds of `tool_choice`.
CHOICES = {"auto": "auto", "none": "none", "required": "any", "function": "tool"}


# The models from 4.1, 4.6 and 4.7 on, whatever their size, and whoever serves them: claude-opus-4-6,
# anthropic/claude-sonnet-5.5.  The number behind a dash may also be a date: claude-opus-4-20250514 is 4.0.
FROM_4_1, FROM_4_6, FROM_4_7 = (
    rf"(.*[./])?claude-[a-z]+-(4[.-]([{first}-9]|1\d)|[5-9])(?!\d).*" for first in (1, 6, 7)
)
UP_TO_4_5 = r"(.*[./])?claude-(3[.-]|[a-z]+-4([.-][0-5](?!\d)|[-@]\d{8}|$)).*"
CLAUDE = r"(.*[./])?claude-.*"
ALWAYS_THINKING = r"(.*[./])?claude-(fable-5|mythos|(opus|sonnet)-5[.-]5)(?!\d).*"
# The models that do not think unless they are told to.  Later ones think by default (platform.claude.com,
# preserved-thinking, 2026).
OFF_BY_DEFAULT = r"(.*[./])?claude-(\d.*|instant.*|[a-z]+-4(?!\d).*)"
# The models before 4.6, which know a budget of thinking alone, and those before 3.7, which do not think.
BUDGETED = r"(.*[./])?claude-(\d.*|instant.*|[a-z]+-4(?![.-]([6-9]|1\d)(?!\d)).*)"
THOUGHTLESS = r"(.*[./])?claude-(instant|2|3-(opus|sonnet|haiku)|3[.-]5).*"
# The least budget (types of anthropic-sdk-python 2.14.0).
LEAST = 1024
# The service's words for our levels.
LEVELS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high"}
# What models refuse (pydantic-ai's profiles and public reports, 2025-2026):
REFUSED = (
    # 400 for `disabled` of models that always think (danielmiessler/Fabric v1.4.553, 2026).
    Refused(
        option="reasoning_effort",
        but=EFFORTS[1:],
        models=ALWAYS_THINKING,
    ),
    Refused(option="reasoning_effort", but=("none",), models=THOUGHTLESS),
    # 400 "`temperature` is deprecated for this model.": of 4.7 and later ones, any value but the default
    # (platform.claude.com, whats-new-claude-4-7; The-PR-Agent/pr-agent#2456).
    Refused(option="temperature", but=(1,), models=FROM_4_7),
    Refused(option="top_p", but=(1,), models=FROM_4_7),
    # 400 "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
    Refused(option="temperature", beside="top_p", models=FROM_4_1),
    # 400 "Thinking may not be enabled when tool_choice forces tool use." (mastra-ai/mastra#7507)
    Refused(option="tool_choice", but=("auto", "none"), thinking=("enabled",)),
    # 400 "tool_choice: type "tool" and "any" are not supported for this model." of Opus and Sonnet 5.5, Fable and
    # Mythos (platform.claude.com, whats-new-claude-opus-5-5; measured by many, September 2026)
    Refused(option="tool_choice", but=("auto", "none"), models=ALWAYS_THINKING),
    # 400 ""thinking.type.enabled" is not supported for this model.", and of "disabled" alike, where thinking cannot be
    # turned off; 400 "adaptive thinking is not supported on this model" of 4.5 and earlier ones
    # (platform.claude.com, thinking-troubleshooting; danielmiessler/Fabric v1.4.553; public reports of 2026)
    Refused(option="thinking", values=("enabled",), but=("adaptive",), models=FROM_4_7),
    Refused(option="thinking", values=("disabled",), but=("adaptive",), models=ALWAYS_THINKING),
    Refused(option="thinking", values=("adaptive",), but=("enabled", "disabled"), models=UP_TO_4_5),
    # 400 "`temperature` may only be set to 1 when thinking is enabled or in adaptive mode"
    # (dotCipher/opencode-claude-bridge#1)
    Refused(option="temperature", but=(1,), thinking=("enabled",)),
    Refused(option="temperature", but=(1,), models=FROM_4_6, thinking=("adaptive",)),
)
# Structured output begins with Claude 4.5 (platform.claude.com, structured-outputs, 2026).
NO_SCHEMA = Refused(
    option="response_format",
    but=("text",),
    models=r"(.*[./])?claude-(\d.*|instant.*|[a-z]+-4(?![.-]([5-9]|1\d)(?!\d)).*)",
)
# The keywords of a schema that the service takes, and the formats of texts.  The vendor's client writes all others into
# the description, and so do we (types and helpers of anthropic-sdk-python 2.14.0).
KEYWORDS = frozenset((
    "type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "$defs", "definitions", "title", "description",
    "default", "properties", "required", "additionalProperties", "items", "minItems", "format",
))  # fmt: skip
FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid")
# The keywords of which a schema needs one, and those that say nothing of the answer.
TYPED, IDLE = frozenset(("type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref")), ("$schema", "$comment")
# The models of other vendors that refuse tool calls without thinking, and the thinking that they take for calls which
# another model has made (lobehub/lobehub#16294, 2026).
REASONED = r"(.*/)?(deepseek-(reasoner|v4)|kimi-).*"
PLACEHOLDER = {"type": "thinking", "thinking": " "}
# 400 "This model does not support assistant message prefill. The conversation must end with a user message."
NO_PREFILL = FROM_4_6
# Models that check whether something before their thinking was changed: 400 "The block is bound to a different
# conversation." (platform.claude.com, preserved-thinking/prefix-checks, 2026).
BOUND_TO_PREFIX = r"(.*[./])?claude-((fable|mythos)-5[.-][12]|(opus|sonnet|haiku)-5[.-]5)(?!\d).*"
# The types of anthropic-sdk-python 2.14.0, and the service's own errors (2025-2026): "media_type: Input should be
# 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'", "tool_use.id: String should match pattern
# '^[a-zA-Z0-9_-]+$'", "`tool_use` ids must be unique", "tools.0.custom.name: String should match pattern
# '^[a-zA-Z0-9_-]{1,128}$'".
TAKES = Takes(
    keys=("content.cache_control", "tools.cache_control", "function.strict", "tool.is_error", "tool.image_url"),
    media=(*IMAGES, "image.id", "file.data", "file.url", "file.id"),
    images=("image/jpeg", "image/png", "image/gif", "image/webp"),
    # A PDF, or text of any kind, which goes out as plain text.
    files="application/pdf|text/.+",
    blocks=True,
    objects=True,
    call_ids="[a-zA-Z0-9_-]+",
    tool_names="[a-zA-Z0-9_-]{1,128}",
    refused=(*REFUSED, NO_SCHEMA),
    # 400 "Invalid `signature` in `thinking` block" for another model's or another vendor's (NousResearch/hermes-agent
    # #24401, can1357/oh-my-pi#6379, 2026); Sonnet and Haiku 5.5 bind to the account, too (docs.aws.amazon.com).
    state="account",
    prefix=BOUND_TO_PREFIX,
)


def payload(call: Call) -> JSON:
    """`messages` are turns whose content is text or a list of blocks, and `system` holds the system messages.

    Tool calls and their results, images and files are blocks; a file of text goes out as text.  The service requires
    `max_tokens`: it is 8192 without the option.
    A JSON Schema goes out with its objects closed, and with limits such as `minimum` in its descriptions; an object of
    any keys, any value, and models before Claude 4.5, which know no schema, raise `OptionError`.
    A text that holds blanks alone is left out, as are reasoning that nothing follows, reasoning without a signature if
    the model is Claude, and an assistant's empty message; a user's raises `MessagesError`.  For DeepSeek's and Kimi's
    models, blank thinking stands before tool calls that have none.  An answer that the model is to go on with loses the
    blanks at its end, and raises `MessagesError` for Claude 4.6 and later models, which refuse to.  A message with a
    `name` raises `MessagesError`.
    An option that the model refuses raises `OptionError`: `temperature` and `top_p` for Claude 4.7 and later models,
    both together from 4.1 on, a `tool_choice` that demands a tool of a model that thinks, and a type of `thinking` in
    `extra` that the model refuses.
    `reasoning_effort` becomes adaptive `thinking` with an `effort`; for Claude up to 4.5 a budget, by which the default
    of `max_tokens` grows, and which is left out while the model goes on with an answer that began without its thinking.
    `user` becomes `metadata.user_id`, and `cache` a top-level `cache_control`.
    """
    system, messages = split_system(list(without_blanks(fitted(call, TAKES), call)))
    conversation = turns(messages)
    if re.fullmatch(REASONED, call.model or ""):
        add_thinking_to_calls(conversation)
    thought = fitting(thinking(call), conversation, call)
    check_refused(call.model, call.options, call.extra, call.messages, TAKES, thought.get("thinking"))
    last = messages[-1]
    if last["role"] == "assistant" and not is_paused(last) and re.fullmatch(NO_PREFILL, call.model or ""):
        raise MessagesError(
            f"the last message is the assistant's, and the model {call.model!r} does not go on with an answer; "
            "add a user's message"
        )
    kind, name = tool_choice(call.options, call.extra) or ("", "")
    tools = [{"input_schema": {"type": "object", "properties": {}}, **{key: tool[key] for key in tool if key in KEPT},
              **non_empty(description=tool.get("description"), input_schema=tool.get("parameters"))}
             for tool in check_tools(call.options.get("tools", ()), TAKES)]  # fmt: skip
    sequences = stops(call.options)
    # 400 "stop_sequences: each stop sequence must contain non-whitespace" (BerriAI/litellm#3286 and PR#7484)
    if any(not text.strip() for text in sequences):
        raise OptionError("has a text of blanks alone, which this service refuses; leave it out", argument="stop")
    wanted = schema(call.options)
    if wanted == {}:
        raise OptionError(
            'response_format= {"type": "json_object"} names no schema, which this service needs; pass a json_schema'
        )
    form = {"type": "json_schema", "schema": accepted(bare_schema(wanted))} if wanted else None
    choice: dict[str, Any] = non_empty(type=CHOICES.get(kind), name=name)
    side_by_side = call.options.get("parallel_tool_calls")
    # The types of anthropic-sdk-python 2.14.0 have the field for every choice but `none`.
    if side_by_side is not None and kind != "none" and has_tools(call.options, call.extra):
        choice = {"type": "auto", **choice, "disable_parallel_tool_use": not side_by_side}
    return (
        {"model": required_model(call.model), "max_tokens": MAX_TOKENS, "messages": conversation, "stream": True}
        | as_wire_names(call.options, max_tokens="max_tokens", temperature="temperature", top_p="top_p")
        | non_empty(system=system, stop_sequences=sequences, tools=tools)
        | non_empty(tool_choice=choice, metadata=non_empty(user_id=call.options.get("user")))
        | cache_mark(call.options)
        | thought
        | non_empty(output_config=non_empty(format=form, **thought.get("output_config", {})))
    )


def thinking(call: Call) -> dict[str, Any]:
    """Return the fields that `reasoning_effort` makes: `thinking`, and `output_config` or `max_tokens`.

    A summary of the reasoning is asked for, which models from 4.7 on send only then (AAswordman/Operit#568, 2026).
    Raises `OptionError` for a budget that the model does not take, or that leaves nothing of `max_tokens`.
    """
    if "reasoning_effort" not in call.options:
        return {}
    from .._core.effort import budget, effort, level  # noqa: PLC0415 - most calls give no level

    given, model = effort(call.options), call.model or ""
    if given == "none":
        return {"thinking": {"type": "disabled"}}
    # The service of another model may know a budget.
    if not re.fullmatch(BUDGETED, model) and (isinstance(given, str) or re.fullmatch(FROM_4_6, model)):
        return {
            "thinking": {"type": "adaptive", "display": "summarized"},
            "output_config": {"effort": level(call, LEVELS)},
        }
    tokens = budget(call.options) or 0
    if tokens < LEAST:
        raise OptionError(f"reasoning_effort= must be at least {LEAST} tokens for this service, not {tokens}")
    most = call.options.get("max_tokens", MAX_TOKENS + tokens)
    if most <= tokens:
        raise OptionError(
            f"max_tokens={most} must be above {tokens}, the budget of reasoning_effort={given!r}; raise the one or "
            "lower the other"
        )
    return {"thinking": {"type": "enabled", "budget_tokens": tokens}, "max_tokens": most}


def fitting(thought: dict[str, Any], conversation: list[dict[str, Any]], call: Call) -> dict[str, Any]:
    """Return the fields of `reasoning_effort` that the service takes for this conversation, and fit its last turn.

    400 "Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is enabled, a final
    `assistant` message must start with a thinking block" (n8n-io/n8n#22550, anthropics/claude-code#11978): the answer
    that the model goes on with behind its tools began at another model, another account or without thinking.
    400 "When thinking is disabled, an `assistant` message in the final position cannot contain `thinking`"
    (tailcallhq/forgecode#1195).
    Raises `OptionError` if `extra` turns the thinking on.
    """
    kind = as_object(call.extra.get("thinking", thought.get("thinking"))).get("type")
    if not re.fullmatch(CLAUDE, call.model or ""):
        return thought
    if kind == "enabled" and goes_on_without_thinking(conversation):
        why = "the answer that the model goes on with began without its thinking"
        if "thinking" in call.extra:
            raise OptionError(
                f"thinking in extra= is refused, because {why}; leave it out until the answer is complete"
            )
        call.dropped.append(f"reasoning_effort={call.options['reasoning_effort']!r} is left out, because {why}")
        thought, kind = {}, None
    last = conversation[-1]
    off = kind == "disabled" or (kind is None and re.fullmatch(OFF_BY_DEFAULT, call.model or ""))
    if last["role"] == "assistant" and off and isinstance(last["content"], list):
        kept = [block for block in last["content"] if block["type"] not in THINKING]
        if len(kept) < len(last["content"]):
            call.dropped.append("the reasoning of the last message is left out, because the model does not think now")
            last["content"] = kept
    return thought


def goes_on_without_thinking(conversation: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the conversation ends within an answer that has no thinking at the beginning of its turns.

    Within an answer, a turn behind the results of tools may have no thinking, if a turn before it has.
    """
    begun, answers_tools = list[bool](), False
    for turn in conversation:
        first = turn["content"][0] if isinstance(turn["content"], list) else {}
        if turn["role"] == "assistant":
            begun.append(first.get("type") in THINKING)
            answers_tools = False
        else:
            # What the user says beside the results belongs to them.
            answers_tools = answers_tools or first.get("type") == "tool_result"
            if not answers_tools:
                begun.clear()
    return bool(begun) and not any(begun)


def add_thinking_to_calls(conversation: Sequence[Mapping[str, Any]]) -> None:
    """Put thinking that says nothing before the tool calls of each turn that has no thinking."""
    for turn in conversation:
        kinds = {block["type"] for block in turn["content"]} if isinstance(turn["content"], list) else set()
        if "tool_use" in kinds and "thinking" not in kinds:
            turn["content"].insert(0, PLACEHOLDER)


def is_paused(message: Message) -> bool:
    """Return whether an answer is one that pauses, or holds a turn of a tool of the service's.

    Such an answer goes back as it is and last, without a user's message behind it.
    Source: pydantic-ai's cassette test_pause_turn_web_search_streaming_vcr (2026).
    """
    kinds = [str(part.get("type")) for part in message.get("state", ()) if isinstance(part, dict)]
    return any(kind in (PAUSED["type"], *SERVER_TOOLS) or kind.endswith("_tool_result") for kind in kinds)


def accepted(schema: Any, where: str = "the schema") -> Any:
    """Return a JSON Schema as the service takes it: closed objects, and other keywords told in the description.

    `oneOf` becomes `anyOf`.  Raises `OptionError`, which says `where`, for what would mean something else then: an
    object of any keys, which would be closed to all of them, and a schema of any value.
    """
    if not isinstance(schema, dict) or TYPED.isdisjoint(schema):
        raise OptionError(
            f"response_format=: {where} may be any value, which this service does not take; give it a type"
        )
    made, told = dict[str, Any](), list[str]()
    for key, value in schema.items():
        if not takes_keyword(key, value):
            told += [f"{key}: {value}"] if key not in IDLE else []
        elif key in ("properties", "$defs", "definitions"):
            made[key] = {name: accepted(one, f"{name!r} in {where}") for name, one in value.items()}
        elif key in ("anyOf", "oneOf", "allOf"):
            made["anyOf" if key == "oneOf" else key] = [accepted(one, where) for one in value]
        else:
            made[key] = accepted(value, f"the items of {where}") if key == "items" else value
    if told:
        made["description"] = "\n".join(filter(None, (made.get("description"), f"({', '.join(told)})")))
    if schema.get("type") == "object":
        others = schema.get("additionalProperties", "properties" not in schema)
        # Fields that may be more are left out; an object that is made of such fields would be empty.
        if others not in (False, True, {}) or (others is not False and "properties" not in schema):
            raise OptionError(
                f"response_format=: {where} may have any keys, which this service does not take; name its "
                "properties, or make it a list of objects with a key and a value"
            )
        made["additionalProperties"] = False
    return made


def takes_keyword(key: str, value: Any) -> bool:
    """Return whether the service takes a keyword of a schema with this value."""
    if key == "format":
        return value in FORMATS
    return key in KEYWORDS and (key != "minItems" or value in (0, 1))


def turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return the messages in the protocol's form.  Tool results that follow one another are one turn of the user."""
    result: list[dict[str, Any]] = []
    # Whether the last turn holds tool results.
    answers_tools = False
    for message in messages:
        if message["role"] == "tool":
            if not answers_tools:
                result.append({"role": "user", "content": []})
            # A result may be an empty text, but no empty list.
            result[-1]["content"].append(
                {"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": blocks(message) or ""}
                | non_empty(is_error=message.get("is_error"))
            )
        else:
            result.append({"role": message["role"], "content": blocks(message)})
        answers_tools = message["role"] == "tool"
    if result[-1]["role"] == "assistant" and not is_paused(messages[-1]):
        result[-1]["content"] = without_end(result[-1]["content"])
    return result


def blocks(message: Message) -> Any:
    """Return the content of a turn: the text, if the message is nothing but text, else a list of blocks."""
    calls = [tool_use(call) for call in message.get("tool_calls", ())]
    if "state" in message:
        return turn_blocks(message["state"], calls)
    if isinstance(message["content"], str) and not calls:
        return message["content"]
    result: list[dict[str, Any]] = []
    for part in parts(message):
        # A text part has the form of a text block.
        block = dict(part)
        if image := block.pop("image_url", None):
            block |= {"type": "image", "source": source(part, image)}
        elif file := block.pop("file", None):
            title = non_empty(title=file.get("filename"))
            block |= {"type": "document", "source": source(part, file), **title}
        result.append(block)
    return result + calls


def source(part: dict[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """Return the source of an image or a document, which is `given` in the part: its data, its URL or its id.

    Raises `MessagesError` for text that is not in UTF-8.  Source: the types of anthropic-sdk-python 2.14.0.
    """
    if "file_id" in given:
        return {"type": "file", "file_id": given["file_id"]}
    from .._core.media import embedded  # noqa: PLC0415 - most messages are text

    media_type, text = embedded(part)
    if not media_type:
        return {"type": "url", "url": given.get("file_url") or given["url"]}
    if not media_type.startswith("text/"):
        return {"type": "base64", "media_type": media_type, "data": text}
    try:
        return {"type": "text", "media_type": "text/plain", "data": b64decode(text).decode()}
    except UnicodeDecodeError:
        raise MessagesError("a file of text is not in UTF-8, which this service needs; encode it") from None


def tool_use(call: Mapping[str, Any]) -> dict[str, Any]:
    """Return the block of a tool call."""
    return {"type": "tool_use", "id": call["id"], "name": call["function"]["name"], "input": arguments(call)}


def turn_blocks(parts: Sequence[Any], calls: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the blocks of an answer from the parts of its state.

    Reasoning stands before the object that signs it.  A text stands before the object with its citations, and the
    fields of a tool call name the call by its place.
    """
    beside = {part["call"]: part["fields"] for part in parts if isinstance(part, dict) and "fields" in part}
    made, thinking = list[dict[str, Any]](), ""
    for part, following in zip(parts, [*parts[1:], None], strict=True):
        if isinstance(part, int):
            made.append(calls[part] | beside.get(part, {}))
        elif isinstance(part, str):
            # The service takes no text of blanks.
            if part.strip():
                made.append({"type": "text", "text": part, **(following if is_cited(following) else {})})
        elif "reasoning" in part:
            thinking = part["reasoning"]
        elif not (is_cited(part) or "fields" in part or part == PAUSED):
            made.append({**part, "thinking": thinking} if part.get("type") == "thinking" else part)
            thinking = ""
    return made


def is_cited(part: Any) -> bool:
    """Return whether a part of a state holds the citations of the text before it."""
    return isinstance(part, dict) and part.keys() == {"citations"}


def without_end_of_thought(number: int, message: Message, dropped: list[str]) -> Message:
    """Return an answer without thinking and blanks at its end, which an answer has that was cut off there.

    400 "The final block in an assistant message cannot be `thinking`" (tailcallhq/forgecode#2107 and #3073,
    NousResearch/hermes-agent#13010).
    """
    state = [part for part in message["state"] if part != PAUSED]
    while state and (is_thought(state[-1]) or makes_no_block(state)):
        state.pop()
    if any(map(is_thought, message["state"][len(state) :])):
        dropped.append(
            f"message {number}: the reasoning at the end of an answer is left out, because no text or tool call "
            "follows it"
        )
    kept: Any = {**message, "state": [*state, PAUSED] if PAUSED in message["state"] else state}
    if not state:
        del kept["state"]
    return kept  # type: ignore[no-any-return]


def makes_no_block(state: Sequence[Any]) -> bool:
    """Return whether the last part of a state is a text of blanks, or the citations of such a text."""
    *before, last = state
    if is_cited(last):
        last = before[-1] if before and isinstance(before[-1], str) else ""
    return isinstance(last, str) and not last.strip()


def with_unsigned_thought(number: int, message: Message, call: Call) -> Message:
    """Return an answer whose reasoning without a signature is a block of its own; Claude gets no such block.

    Claude refuses it.  Other models that speak this protocol may sign nothing, take reasoning without a
    signature, and want it back: 400 "The `content[].thinking` in the thinking mode must be passed back to the API." of
    DeepSeek's, "thinking is enabled but reasoning_content is missing in assistant tool call message" of Kimi's
    (NousResearch/hermes-agent#16748, #17057, PR#49143 and PR#75779, 2026).
    """
    given, state = message["state"], list[Any]()
    claude = re.fullmatch(CLAUDE, call.model or "") is not None
    for part, following in zip(given, [*given[1:], None], strict=True):
        signed = isinstance(following, dict) and following.get("type") == "thinking"
        if signed or not isinstance(part, dict) or "reasoning" not in part:
            state.append(part)
        elif not claude:
            state += (part, {"type": "thinking"})
    if len(state) < len(given):
        call.dropped.append(f"message {number}: reasoning without a signature is left out, which Claude refuses")
    return {**message, "state": state}


def is_thought(part: Any) -> bool:
    """Return whether a part of a state is reasoning, signed, hidden or neither."""
    return isinstance(part, dict) and ("reasoning" in part or part.get("type") in THINKING)


def without_blanks(messages: Sequence[Message], call: Call) -> Iterator[Message]:
    """Yield the messages without text parts that hold blanks alone, and without an assistant's empty messages.

    An answer of reasoning alone is empty.

    400 "messages: text content blocks must contain non-whitespace text" (anthropics/claude-code#59812, May 2026), and
    400 "messages.1: all messages must have non-empty content except for the optional final assistant message".
    Raises `MessagesError` for a user's empty message, for a `cache_control` that would be left out, and if all but
    system messages would be left out.
    """
    # The roles of the messages that stay.
    roles = set[str]()
    for number, given in enumerate(messages, 1):
        message = without_end_of_thought(number, given, call.dropped) if "state" in given else given
        if "state" in message:
            message = with_unsigned_thought(number, message, call)
        content = message["content"]
        blank = [part for part in parts(message) if part["type"] == "text" and not part["text"].strip()]
        if any("cache_control" in part for part in blank):
            raise MessagesError(f"message {number} has 'cache_control' on a part without text; put it on another part")
        if blank:
            content = "" if isinstance(content, str) else [part for part in content if part not in blank]
        if message["role"] == "user" and not content:
            raise MessagesError(f"message {number} is empty, which this service refuses; write something into it")
        if message["role"] != "assistant" or content or message.get("tool_calls") or "state" in message:
            roles.add(message["role"])
            yield {**message, "content": content}
    if roles <= {"system"} < {message["role"] for message in messages} | {"system"}:
        all_but = " but the system messages" if roles else ""
        raise MessagesError(f"every message{all_but} is empty; write something into one of them")


def without_end(content: Any) -> Any:
    """Return the content of the last turn without blanks at its end.

    400 "messages: final assistant content cannot end with trailing whitespace".
    """
    if isinstance(content, str):
        return content.rstrip()
    if content[-1]["type"] != "text":
        return content
    return [*content[:-1], {**content[-1], "text": content[-1]["text"].rstrip()}]


# The types of the deltas, by the field that each has, for servers that leave the type out.
DELTAS = {"text": "text_delta", "thinking": "thinking_delta", "partial_json": "input_json_delta",
          "signature": "signature_delta", "citation": "citations_delta"}  # fmt: skip


# The blocks that are calls of tools which the service runs itself.
SERVER_TOOLS = ("server_tool_use", "mcp_tool_use")
# The state at the end of an answer that pauses.
PAUSED = {"type": "pause_turn"}
# The fields of a tool call that go back beside the common ones: who has made it, and the set of the tool (types of
# anthropic-sdk-python 2.14.0).
BESIDE = ("caller", "toolset_name")
# The ranks of the kinds of blocks: see `MessagesReader`.
RANKS = {"text": 1, None: 1, "tool_use": 2}


# Characters that an open block counts, besides those that it has, because it takes memory without any.
OPEN = 1024


@dataclass(slots=True)
class Block:
    """A block of another kind than text, thinking and the caller's tools: as it began, and its input so far.

    `size` is how many characters it has taken of those that the open blocks may have.
    """

    value: dict[str, Any]
    pieces: list[str]
    size: int = 0


def other(block: dict[str, Any], text: str) -> Other:
    """Return a block of another kind than text, thinking and the caller's tools; `text` is its input, if it came so.

    The result of a tool of the service is a block of its own, whose kind names the tool.
    """
    from .._core.response.others import server_call, word  # noqa: PLC0415 - most answers are text

    kind = str(block.get("type"))
    if kind in SERVER_TOOLS:
        return server_call(block.get("id"), block.get("name"), text or block.get("input"))
    if kind.endswith("_tool_result"):
        return ServerToolResult(word(block.get("tool_use_id")), kind.removesuffix("_tool_result"), block.get("content"))
    return Native(kind, block)


def citation(value: dict[str, Any]) -> Citation:
    """Return a citation: the words of the source.  It belongs to the text block in which it comes."""
    from .._core.response.others import citation_of  # noqa: PLC0415 - most answers are text

    title = "title" if value.get("title") else "document_title"
    url = "source" if value.get("type") == "search_result_location" else "url"
    return citation_of(value, value, text="cited_text", url=url, title=title, start="", end="")


class MessagesReader:
    """Reads the events of one reply.  Unknown events are skipped, as the documentation asks of clients."""

    names = ("message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta",
             "message_stop")  # fmt: skip
    roles = fields()

    def __init__(self, limit: int) -> None:
        self._calls, self._ending, self.done = ToolCalls(limit), Ending(), False
        self._counts: dict[str, Any] = {}
        # The open blocks of other kinds, by their index; the indices of those that have stopped; and how many
        # characters the open ones may still have.
        self._blocks: dict[object, Block] = {}
        self._stopped: set[object] = set()
        self._left = limit
        # The finish reason in a `message_start`, for servers that send a whole answer there.
        self._early: Finish | None = None
        # What the service says about a refusal.
        self._said: object = None
        # The rank of the last block's kind: in a turn, reasoning comes before text, and text before tool calls.
        self._rank = 0
        # The pieces of the signature of the open block of thinking; None if no such block is open.
        self._signature: list[str] | None = None
        # The citations of the open block of text.
        self._cited: list[Any] = []
        # Whether the last event began a block.
        self._begins = False

    @property
    def told(self) -> Mapping[type, Tell | None]:
        # Behind a finish reason, it matters whether content comes; and a block's beginning ends the block before.
        if self._begins or self._ending.finish is not None:
            return {}
        return {str: None, Reasoning: None, **self._calls.told}

    @property
    def settled(self) -> bool:
        return self._ending.settled(self._calls.torn or bool(self._blocks))

    def read(self, name: str, frame: dict[str, Any]) -> Items:
        kind = frame.get("type") or name
        self._begins = kind == "content_block_start"
        if kind == "content_block_delta" and self._ending.finish is None:
            return self._delta(frame.get("index"), frame["delta"])
        items = tuple(self._read(kind, name, frame))
        if kind == "message_delta":
            delta = as_object(frame.get("delta"))
            self._said = as_object(delta.get("stop_details")).get("explanation") or self._said
            self._ending.note(finish_of(delta.get("stop_reason")), (), calls=self._calls.count)
        elif self._ending.finish is not None or kind in ("content_block_start", "message_start"):
            # Behind a finish reason, the beginning of a block says that content is under way.
            self._ending.note(None, (kind,) if kind == "content_block_start" else items, calls=self._calls.count)
        return items

    def whole(self, value: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        is_answer = value.get("type") == "message"
        return ({"type": "message_start", "message": value}, {"type": "message_stop"}) if is_answer else ()

    def _read(self, kind: object, name: str, frame: dict[str, Any]) -> Items:
        """Return the items of an event of this `kind` and this name."""
        if kind == "content_block_delta":
            return self._delta(frame.get("index"), frame["delta"])
        if kind == "message_start":
            message = as_object(frame.get("message"))
            self._early = finish_of(message.get("stop_reason"))
            start = Start(name_of(message.get("id")), name_of(message.get("model")))
            return start, *self._begun(message.get("content")), self._count(message.get("usage"))
        if kind == "content_block_start":
            return self._started(frame.get("index"), frame["content_block"])
        if kind == "content_block_stop":
            return (*self._calls.stop(frame.get("index")), *self._signed(), *self._native(frame.get("index")))
        if kind == "message_delta":
            return (self._count(frame.get("usage")),)
        if kind == "message_stop":
            return self._finish(self._ending.finish or self._early or Finish("other"))
        # An error comes as an event of that type or name, or as a field of any other event, where null is no error.
        failed = "error" in (kind, name) or frame.get("error")
        return (reported(frame if frame.get("error") else {"error": frame}),) if failed else ()

    def _begun(self, blocks: object) -> Items:
        """Yield the blocks that a message already holds when it starts: some servers send the whole answer there."""
        for index, block in enumerate(blocks if isinstance(blocks, list) else ()):
            yield from (*self._started(index, block), *self._calls.stop(index), *self._signed(), *self._native(index))

    def _started(self, index: object, block: dict[str, Any]) -> Items:
        """Yield what a block begins with."""
        kind = block.get("type")
        # The block before never stopped, if it is still open.
        yield from self._signed()
        rank = RANKS.get(kind, 0)
        # A text behind a text is a block of its own.
        if rank < self._rank or rank == self._rank == RANKS["text"]:
            yield TurnState(None)
        self._rank = rank
        if kind == "tool_use":
            # Some servers send the whole `input` here, and no `input_json_delta`.
            yield from self._calls.begin(index, id=block.get("id"), name=block.get("name"), spare=block.get("input"))
            if beside := {key: block[key] for key in BESIDE if block.get(key) is not None}:
                yield TurnState({"call": self._calls.count - 1, "fields": beside})
            return
        if kind in (None, "text"):
            yield text_or_error(block.get("text"))
            cited = block.get("citations")
            for one in cited if isinstance(cited, list) else ():
                yield from self._quoted(one) if isinstance(one, dict) else ()
        elif kind == "thinking":
            self._signature = []
            self._sign(block.get("signature"))
            yield from reasoning_of(block.get("thinking"))
        else:
            # The block may be a `server_tool_use`, a tool that the service runs itself.
            self._calls.skip(index)
            # The block before never stopped, if it is still open.
            yield from self._native(index)
            self._blocks[place_of(index)] = Block(block, [])
            self._spend(self._blocks[place_of(index)], OPEN + weight(block))
            self._stopped.discard(place_of(index))

    def _signed(self) -> Items:
        """Yield the signature of the open block of thinking, or the citations of the open block of text, which ends."""
        pieces, self._signature = self._signature, None
        if pieces is not None:
            signature = "".join(pieces)
            self._left += len(signature)
            yield TurnState({"type": "thinking", "signature": signature} if signature else None)
        if self._cited:
            yield TurnState({"citations": self._cited})
            self._left += sum(map(weight, self._cited))
            self._cited = []

    def _quoted(self, value: dict[str, Any]) -> Items:
        """Yield a citation of the open block of text.  The service wants it back with the text."""
        self._cited.append(value)
        self._left -= weight(value)
        self._check_left()
        yield citation(value)

    def _sign(self, piece: object) -> None:
        """Keep a piece of a signature, which may be as long as the blocks that are open.

        A signature that is no text is none: reasoning that is not signed costs no answer.
        """
        self._signature = self._signature or []
        if isinstance(piece, str):
            self._signature.append(piece)
            self._left -= len(piece)
        if self._left < 0:
            raise LimitError("the signatures of the reply are longer than max_frame allows")

    def _spend(self, block: Block, size: int) -> None:
        """Count the characters that an open block has more."""
        self._left -= size
        block.size += size
        self._check_left()

    def _check_left(self) -> None:
        """Raise `LimitError` if the open blocks have more characters than they may."""
        if self._left < 0:
            raise LimitError("the blocks of the reply are longer than max_frame allows")

    def _native(self, index: object) -> Items:
        """Yield the open block at an index, with its input joined."""
        block = self._blocks.pop(place_of(index), None)
        if block is None:
            return
        self._left += block.size
        self._stopped.add(place_of(index))
        value = block.value
        if text := "".join(block.pieces):
            try:
                value = {**value, "input": loads(text)}
            # The model broke it off.
            except (ValueError, RecursionError):
                value = {**value, "input": text}
        yield other(value, text)
        yield TurnState(value)

    def _delta(self, index: object, delta: dict[str, Any]) -> Items:
        """Return the text, reasoning, piece of a tool call or other content in a `content_block_delta`."""
        kind = delta.get("type")
        if kind == "text_delta":
            return (text_or_error(delta["text"]),)
        if not kind:
            kind = next((kind for name, kind in DELTAS.items() if name in delta), None)
            return self._delta(index, {**delta, "type": kind}) if kind else ()
        if kind == "thinking_delta":
            return tuple(reasoning_of(delta.get("thinking")))
        if self._blocks and (block := self._blocks.get(place_of(index))):
            return self._grown(block, delta)
        if kind == "input_json_delta":
            items = tuple(self._calls.add(index, arguments=delta["partial_json"]))
            # A piece that came behind the end of its block.
            late = not items and bool(delta["partial_json"]) and place_of(index) in self._stopped
            return (Native(kind, delta),) if late else items
        if kind == "signature_delta":
            self._sign(delta.get("signature"))
            return ()
        if kind == "citations_delta" and isinstance(delta.get("citation"), dict):
            return tuple(self._quoted(delta["citation"]))
        return (Native(str(kind), delta),)

    def _grown(self, block: Block, delta: dict[str, Any]) -> tuple[()]:
        """Add a delta to a block: a piece of its input, or fields of the block (`compaction_delta`)."""
        self._spend(block, weight(delta))
        for key, value in delta.items():
            if key == "partial_json":
                # The input of the service's own tool is no call of the caller's: what it cannot be is passed over.
                block.pieces.append(arguments_of(value) if isinstance(value, str | dict | list) else "")
            elif key != "type":
                before = block.value.get(key)
                block.value[key] = before + value if isinstance(before, str) and isinstance(value, str) else value
        return ()

    def _count(self, usage: object) -> Usage | None:
        """Return the tokens so far.  `usage` is cumulative: each event repeats some counts with higher numbers."""
        if not usage or not isinstance(usage, dict):
            return None
        self._counts = counts = merged(self._counts, usage)
        # `input_tokens` leaves out the tokens that were written to the cache or read from it.
        names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
        prompt = sum(found(counts, name) or 0 for name in names) or found(counts, *PROMPT)
        return usage_of(counts, prompt, found(counts, *ANSWER))

    def end(self, *, marked: bool) -> Items:  # noqa: ARG002 - a [DONE] has no meaning here
        # Some servers close the connection behind their `stop_reason`, without a `message_stop`.
        return self._finish(self._ending.finish) if self._ending.finish is not None else ()

    def _finish(self, finish: Finish) -> Items:
        """Yield the end of the answer: blocks that were not ended, the finish reason."""
        self.done = True
        yield from self._calls.whole()
        yield from self._signed()
        for index in tuple(self._blocks):
            yield from self._native(index)
        if finish.reason == "pause":
            yield TurnState(PAUSED)
        yield from (finish._replace(reason=self._calls.reason(finish.reason)), failure(finish))
        if finish.reason == "content_filter" and isinstance(self._said, str):
            yield refusal(self._said[:KEPT_WORDS])

    def rest(self) -> Items:
        return ()


def parser(limit: int) -> FrameParser:
    """Anthropic Messages: server-sent events, each with the name that its JSON has as `type`.

    `content_block_delta` holds text, reasoning or a piece of a tool call; `message_delta` holds the token counts;
    `error` raises.  The reply is complete with its `message_stop`, or if the body ends behind a `stop_reason`.  Events
    with other names are skipped.
    """
    return FrameParser(ServerSentEvents(limit), MessagesReader(limit), "an event")


HEADERS = {"content-type": "application/json", "accept": "text/event-stream", "x-api-key": "{api_key}"}
ANTHROPIC = Provider(
    name="anthropic", base_url="https://api.anthropic.com", url="{base_url}/v1/messages", payload=payload,
    headers={**HEADERS, "anthropic-version": "2023-06-01"}, parser=parser, end="marker", error_types=NO_EVENTS,
    example_model="claude-sonnet-4-5",
    options=options_named(
        "temperature", "max_tokens", "top_p", "stop", "tools", "tool_choice", "response_format", "reasoning_effort",
        "parallel_tool_calls", "user", "cache",
    ),
    key_variables=("ANTHROPIC_API_KEY",), base_url_variables=("ANTHROPIC_BASE_URL",),
)  # fmt: skip
