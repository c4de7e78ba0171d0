"""What services refuse although the protocol has it: one function for each service, which reads the request's messages.

openai(data)            # Refusal 400 "Invalid 'messages[2].tool_calls[0].id': string too long. ..."
mistral(data)           # Refusal 422 with Mistral's own body

The messages have the protocol's shape when these functions see them.  The words are the services' own, as users have
quoted them in 2025 and 2026 (issues of NousResearch/hermes-agent, nearai/ironclaw, anthropics/claude-code,
mistralai_client_dart and others, and recordings of pydantic-ai).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import dropwhile, pairwise
from typing import Any

from . import model_refusals, schemas
from .checks import NAME, Refusal, may
from .conversation import check_tools
from .model_refusals import SERVER_BLOCKS
from .signatures import Signature, digest

JSON = dict[str, Any]
Check = Callable[[JSON], None]

# What the services say of a tool call without its result, and of a result without its call.
OPENAI_PAIRS = {
    "unanswered": "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
    "'tool_call_id'.",
    "unasked": "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
    "'tool_calls'.",
}
ANTHROPIC_PAIRS = {
    "unanswered": "`tool_use` ids were found without `tool_result` blocks immediately after. Each `tool_use` block "
    "must have a corresponding `tool_result` block in the next message.",
    "unasked": "unexpected `tool_use_id` found in `tool_result` blocks. Each `tool_result` block must have a "
    "corresponding `tool_use` block in the previous message.",
}
GEMINI_PAIRS = dict.fromkeys(
    ("unanswered", "unasked"),
    "Please ensure that the number of function response parts is equal to the number of function call parts of the "
    "function call turn.",
)
# OpenAI's and Anthropic's media types of images.
IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
GROQ_KEYS = {
    **dict.fromkeys(("system", "developer", "user"), ("role", "content", "name")),
    "assistant": ("role", "content", "name", "reasoning", "tool_calls", "function_call"),
    "tool": ("role", "content", "name", "tool_call_id"),
}  # fmt: skip
MISTRAL_KEYS = {
    "system": ("role", "content"), "user": ("role", "content"),
    "assistant": ("role", "content", "tool_calls", "prefix"), "tool": ("role", "content", "name", "tool_call_id"),
}  # fmt: skip
ANTHROPIC_KEYS = {
    "text": ("text", "cache_control", "citations"), "image": ("source", "cache_control", "transformations"),
    "document": ("source", "title", "context", "citations", "cache_control"),
    "thinking": ("thinking", "signature"), "redacted_thinking": ("data",),
    "tool_use": ("id", "name", "input", "cache_control", "caller", "toolset_name"),
    "tool_result": ("tool_use_id", "content", "is_error", "cache_control", "toolset_name"),
    # Calls and results of tools that the service runs go back as they came.
    **dict.fromkeys(SERVER_BLOCKS, ("id", "name", "input", "server_name", "tool_use_id", "content", "is_error",
                                    "cache_control", "caller")),
}  # fmt: skip


def nothing(_: JSON) -> None:
    """Refuse nothing."""


def openai(data: JSON) -> None:
    """Refuse long ids and other names of tool calls, images of other types, a tool choice without tools, and more."""
    openai_model(data, "messages", data["messages"])
    schemas.openai_strict(data)
    for number, message in enumerate(data["messages"]):
        named = [(f"messages[{number}].tool_call_id", message.get("tool_call_id") or "")]
        for place, call in enumerate(message.get("tool_calls") or ()):
            named.append((f"messages[{number}].tool_calls[{place}].id", call["id"]))
            openai_name(f"messages[{number}].tool_calls[{place}].function.name", call["function"]["name"])
        for name, value in named:
            too_long(name, value, 40)
        for part in message["content"] if isinstance(message.get("content"), list) else ():
            supported_image((part.get("image_url") or {}).get("url", ""))
            if part["type"] == "input_audio" and part["input_audio"]["format"] not in ("wav", "mp3"):
                said = f"Invalid value: '{part['input_audio']['format']}'. Supported values are: 'wav' and 'mp3'."
                raise Refusal(400, said)
    for number, tool in enumerate(data.get("tools") or ()):
        function = tool.get("function") or {}
        openai_name(f"tools[{number}].function.name", function.get("name", ""))
        openai_schema(function)
    if data.get("metadata") and not data.get("store"):
        raise Refusal(400, "The 'metadata' parameter is only allowed when 'store' is enabled.")
    if data.get("tool_choice") and not data.get("tools"):
        raise Refusal(400, "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.")


def openai_model(data: JSON, field: str, messages: list[JSON]) -> None:
    """Refuse what certain models of OpenAI refuse: options, and the role of a message in this field."""
    model_refusals.check(model_refusals.OPENAI, data)
    for number, message in enumerate(messages):
        if re.fullmatch("o1-mini(-.+)?", str(data.get("model"))) and message.get("role") in ("system", "developer"):
            raise Refusal(
                400,
                f"Unsupported value: '{field}[{number}].role' does not support '{message['role']}' with this model.",
            )


def openai_name(where: str, name: str) -> None:
    """Refuse the name of a tool that is not of letters, digits, _ and -, as OpenAI does."""
    if name and not re.fullmatch("[a-zA-Z0-9_-]+", name):
        raise Refusal(
            400,
            f"Invalid '{where}': string does not match pattern. Expected a string that matches the pattern "
            "'^[a-zA-Z0-9_-]+$'.",
        )
    too_long(where, name, 64)


def openai_schema(function: JSON) -> None:
    """Refuse a schema of a function's arguments that is no object with properties, as OpenAI does.

    Source: langchain-ai/langchain-mcp-adapters#137, inboxapi/cli#106 (2025-2026).
    """
    schema = function.get("parameters")
    if schema and schema.get("type") == "object" and "properties" not in schema:
        said = "In context=(), object schema missing properties."
        raise Refusal(400, f"Invalid schema for function '{function.get('name')}': {said}")


def unique(names: Iterable[str], said: str) -> None:
    """Refuse two tools of one name; `said` is what the service says of the name."""
    known = set[str]()
    for name in names:
        if name in known:
            raise Refusal(400, said.format(name))
        known.add(name)


def too_long(name: str, value: str, limit: int) -> None:
    """Refuse a text of more than `limit` characters, as OpenAI does."""
    if len(value) > limit:
        raise Refusal(
            400,
            f"Invalid '{name}': string too long. Expected a string with maximum length {limit}, but got a string with "
            f"length {len(value)} instead.",
        )


def supported_image(url: str) -> None:
    """Refuse an image of an unsupported type in a data URL, as OpenAI does."""
    if url.startswith("data:") and not url.startswith(tuple(f"data:{media};" for media in IMAGES)):
        raise Refusal(
            400,
            "You uploaded an unsupported image. Please make sure your image has of one the following formats: "
            "['png', 'jpeg', 'gif', 'webp'].",
        )


def deepseek(data: JSON) -> None:
    """Refuse the role developer, an empty answer, a JSON Schema, JSON that no message names; of a model that thinks, a
    tool choice and missing reasoning.
    """
    model_refusals.check(model_refusals.DEEPSEEK, data)
    # decolua/9router PR#3333, August 2026
    functions = (tool.get("function") or {} for tool in data.get("tools") or ())
    unique((function.get("name", "") for function in functions), "Tool names must be unique.")
    # anomalyco/opencode#25356; an empty text is accepted (pydantic-ai's cassette
    # test_deepseek_deferred_capability_with_thinking, 2026).
    # With tools, the texts behind the last user's message need it, too (experientiallabs/experiential PR#890).
    for _ in without_reasoning(data, model_refusals.DEEPSEEK_REASONING, texts=bool(data.get("tools"))):
        raise Refusal(400, "The `reasoning_content` in the thinking mode must be passed back to the API.")
    # carlrobertoh/ProxyAI#830
    if has_empty_answer(data):
        raise Refusal(400, "Invalid assistant message: content or tool_calls must be set")
    for number, message in enumerate(data["messages"]):
        if message["role"] == "developer":
            raise Refusal(
                400,
                f"messages[{number}].role: unknown variant `developer`, expected one of `system`, `user`, `assistant`, "
                "`tool`",
            )


def moonshot(data: JSON) -> None:
    """Refuse an empty answer, and of a model that thinks a tool choice, a call without reasoning, a temperature."""
    model_refusals.check(model_refusals.MOONSHOT, data)
    for number, message in enumerate(data["messages"]):
        # router-for-me/CLIProxyAPI#1730; K3 also beside tool calls (anomalyco/opencode#39451).
        is_bad = not message.get("tool_calls") or ("content" in message and "kimi-k3" in str(data.get("model")))
        if message["role"] == "assistant" and not message.get("content") and is_bad:
            raise Refusal(
                400, f"Invalid request: the message at position {number} with role 'assistant' must not be empty"
            )
    # continuedev/continue#11711
    for number in without_reasoning(data, r"kimi-(k2\.[5-9]|k2-thinking|k[3-9])(\W.*)?"):
        raise Refusal(
            400,
            f"thinking is enabled but reasoning_content is missing in assistant tool call message at index {number}",
        )


def has_empty_answer(data: JSON) -> bool:
    """Return whether a message of the assistant's has neither text nor tool calls."""
    answers = (message for message in data["messages"] if message["role"] == "assistant")
    return any(not message.get("content") and not message.get("tool_calls") for message in answers)


def without_reasoning(data: JSON, models: str, *, texts: bool = False) -> Iterator[int]:
    """Yield the numbers of messages with tool calls and no `reasoning_content`, for a model that thinks.

    With `texts`, the assistant's messages without tool calls behind the last user's message count as well.
    """
    thinks = model_refusals.thinks(data, None, "enabled") and re.fullmatch(models, str(data.get("model")))
    asked = max((number for number, message in enumerate(data["messages"]) if message["role"] == "user"), default=0)
    for number, message in enumerate(data["messages"] if thinks else ()):
        late = texts and number > asked and message["role"] == "assistant"
        if (message.get("tool_calls") or late) and message.get("reasoning_content") is None:
            yield number


# The formats of OpenRouter's details that are signed, by the beginning of the model's name (types of openrouter-python
# 1.3.84, `ReasoningFormat`).
FORMATS = {"anthropic/": "anthropic-claude-v1", "openai/": "openai-responses-v1"}


def format_of(model: str) -> str:
    """Return the format of the details with which OpenRouter signs a model's reasoning; "unknown" for no format."""
    return next((known for start, known in FORMATS.items() if model.startswith(start)), "unknown")


def openrouter(data: JSON) -> None:
    """Refuse `reasoning_details` that the service behind it would refuse: changed, or in another order.

    The words are Anthropic's and OpenAI's.  All details may be missing.
    """
    form = format_of(str(data.get("model")))
    for number, message in enumerate(data["messages"]):
        order: list[str] = []
        for detail in message.get("reasoning_details") or ():
            mark = detail.get("signature", detail.get("data"))
            if detail.get("format") != form or form == "unknown" or detail.get("type") == "reasoning.summary":
                continue
            found = Signature.read("openrouter", mark)
            said = digest(detail.get("text", ""))
            if found is None or (found.content, found.order) != (said, digest(order)):
                words = "Invalid `signature` in `thinking` block"
                encrypted = f"The encrypted content {str(mark)[:4]}... could not be verified."
                raw = f"messages.{number}.content.0: {words}" if form == FORMATS["anthropic/"] else encrypted
                metadata = {"raw": raw, "provider_name": "Emulator"}
                error = {"message": "Provider returned error", "code": 400, "metadata": metadata}
                raise Refusal(400, raw, body={"error": error})
            order.append(str(mark))


def perplexity(data: JSON) -> None:
    """Refuse a system message behind others, and two messages of the user or the assistant in a row."""
    roles = [message["role"] for message in data["messages"]]
    rest = list(dropwhile(lambda role: role in ("system", "developer"), roles))
    if "system" in rest or "developer" in rest or any(one == two != "tool" for one, two in pairwise(rest)):
        said = (
            "After the (optional) system message(s), user or tool message(s) should alternate with assistant "
            "message(s)."
        )
        raise Refusal(400, said, body={"error": {"message": said, "type": "invalid_message", "code": 400}})


def xai(data: JSON) -> None:
    """Refuse `stop` for models that reason, and an empty answer."""
    model_refusals.check(model_refusals.XAI, data)
    # langbot-app/LangBot#1205
    if has_empty_answer(data):
        raise Refusal(400, "An empty message was provided. Every message needs at least one non-empty content element.")


def github(data: JSON) -> None:
    """Refuse what OpenAI's own models refuse, whose names have their vendor before them."""
    model = str(data.get("model"))
    if model.startswith("openai/"):
        model_refusals.check(model_refusals.OPENAI, {**data, "model": model.removeprefix("openai/")})


def vllm(data: JSON) -> None:
    """Refuse a system message that is not the first message, as many chat templates do."""
    if any(message["role"] in ("system", "developer") for message in data["messages"][1:]):
        raise Refusal(400, "System message must be at the beginning.")


def llamacpp(data: JSON) -> None:
    """Refuse to go on with an assistant's message while the chat template lets the model think."""
    if data["messages"][-1]["role"] == "assistant" and (data.get("chat_template_kwargs") or {}).get("enable_thinking"):
        raise Refusal(400, "Assistant response prefill is incompatible with enable_thinking.")


def groq(data: JSON) -> None:
    """Refuse unknown fields of messages, JSON beside tools or that no message names, a JSON Schema in a stream, and a
    level of reasoning that a model does not know.
    """
    model_refusals.check(model_refusals.GROQ, data)
    for number, message in enumerate(data["messages"]):
        for key in message.keys() - GROQ_KEYS[message["role"]]:
            place = f"'messages.{number}'"
            raise Refusal(
                400,
                f"{place} : for 'role:{message['role']}' the following must be satisfied[({place} : property '{key}' "
                "is unsupported)]",
            )


def mistral(data: JSON) -> None:
    """Refuse unknown fields, ids that are not 9 letters and digits, an order that the models do not know, and more."""
    messages = data["messages"]
    for name in ("stream_options", "user", "logprobs", "top_logprobs", "seed", "cache_control"):
        if name in data:
            raise forbidden(name)
    model_refusals.check(model_refusals.MISTRAL, data)
    for number, message in enumerate(messages):
        role = message["role"]
        if role not in MISTRAL_KEYS:
            known = ", ".join(f"'{one}'" for one in MISTRAL_KEYS)
            said = f"Input tag '{role}' found using 'role' does not match any of the expected tags: {known}"
            raise mistral_422("union_tag_invalid", said, "messages", number)
        for key in message.keys() - MISTRAL_KEYS[role]:
            raise forbidden("messages", number, role, key)
        for one in filter(None, [message.get("tool_call_id"), *(c["id"] for c in message.get("tool_calls") or ())]):
            if not re.fullmatch("[a-zA-Z0-9]{9}", one):
                said = f"Tool call id was {one} but must be a-z, A-Z, 0-9, with a length of 9."
                raise mistral_400("invalid_function_call", "3280", said)
        if role == "assistant" and not (message.get("content") or message.get("tool_calls")):
            said = "Assistant message must have either content or tool_calls, but not none"
            raise mistral_400("invalid_request_assistant_message", "3240", said)
        before = messages[number - 1]["role"] if number else ""
        if (role == "user" and before == "tool") or before == role in ("user", "assistant"):
            said = f"Unexpected role '{role}' after role '{before}'"
            raise mistral_400("invalid_request_message_order", "3230", said)
    try:
        check_tools(messages)
    except Refusal:
        said = "Not the same number of function calls and responses"
        raise mistral_400("invalid_request_message_order", "3230", said) from None
    last = messages[-1]["role"]
    if last == "system" or (last == "assistant" and not messages[-1].get("prefix")):
        said = f"Expected last role User or Tool (or Assistant with prefix True) for serving but got {last}"
        raise mistral_400("invalid_request_message_order", "3230", said)


def forbidden(*place: str | int) -> Refusal:
    """Return Mistral's refusal of a field that it does not know."""
    return mistral_422("extra_forbidden", "Extra inputs are not permitted", *place)


def mistral_422(kind: str, said: str, *place: str | int) -> Refusal:
    """Return Mistral's refusal of a request of a wrong shape."""
    body = {"detail": [{"type": kind, "loc": ["body", *place], "msg": said, "input": None}]}
    return Refusal(422, f"{'.'.join(map(str, place))}: {said}", body=body)


def mistral_400(kind: str, code: str, said: str) -> Refusal:
    """Return Mistral's refusal of a request of the right shape."""
    return Refusal(400, said, body={"object": "error", "message": said, "type": kind, "param": None, "code": code})


def gemini_thinking(model: str, thinking: JSON) -> None:
    """Refuse the levels and budgets of thinking that a model does not take (ai.google.dev, thinking, 2026)."""
    level, budget = thinking.get("thinkingLevel"), thinking.get("thinkingBudget")
    if budget == 0 and model.startswith("gemini-2.5-pro"):
        raise Refusal(400, "Budget 0 is invalid. This model only works in thinking mode.")
    old, pro = model.startswith("gemini-2"), re.fullmatch(r"gemini-3(\.\d+)?-pro.*", model)
    if level and (old or (pro and level.upper() == "MINIMAL")):
        raise Refusal(400, f"Thinking level {level} is not supported for this model.")


def gemini(data: JSON) -> None:
    """Refuse a tool call that stands behind no user's turn, a tool choice without tools, and names of tools."""
    before = "model"
    for number, content in enumerate(data["contents"]):
        role = content.get("role") or "user"
        if before == role == "model" and any("functionCall" in part for part in content["parts"]):
            raise Refusal(
                400,
                f"contents[{number}]: Please ensure that function call turn comes immediately after a user turn or "
                "after a function response turn.",
            )
        before = role
    if (data.get("toolConfig") or {}).get("functionCallingConfig") and not data.get("tools"):
        raise Refusal(400, "toolConfig: Function calling config is set without function_declarations.")
    names = [
        str(function.get("name", ""))
        for tool in data.get("tools") or ()
        for function in tool.get("functionDeclarations") or ()
    ]
    for number, name in enumerate(names):
        # kaitranntt/ccs#25, November 2025
        if not re.fullmatch("[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}", name):
            raise Refusal(
                400,
                f"tools[0].function_declarations[{number}].name: [FIELD_INVALID] Invalid function name. Must start "
                "with a letter or an underscore. Must be a-z, A-Z, 0-9, or contain underscores (_), dots (.), colons "
                "(:), or dashes (-), with a maximum length of 64.",
            )
    # rikkahub/rikkahub#1311, June 2026
    unique(names, "Duplicate function declaration found: {}")


def anthropic(data: JSON) -> None:
    """Refuse unknown fields, blank texts, ids of tool calls, images of other types, blanks at the end, and more."""
    model_refusals.check(model_refusals.ANTHROPIC, data)
    used: set[str] = set()
    for place, block in anthropic_blocks(data["messages"]):
        kind = block["type"]
        for key in block.keys() - {"type", *ANTHROPIC_KEYS[kind]}:
            raise Refusal(400, f"{place}.{kind}.{key}: Extra inputs are not permitted")
        if kind == "text" and not block["text"].strip():
            raise Refusal(400, "messages: text content blocks must contain non-whitespace text")
        if kind == "tool_result" and block.get("content") == []:
            raise Refusal(400, f"{place}.tool_result.content: expected a string or at least one block")
        if kind == "tool_use":
            if not re.fullmatch("[a-zA-Z0-9_-]+", block["id"]):
                raise Refusal(400, f"{place}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
            if not re.fullmatch("[a-zA-Z0-9_-]{1,128}", block["name"]):
                raise Refusal(400, f"{place}.tool_use.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
            if block["id"] in used:
                raise Refusal(400, f"{place}: `tool_use` ids must be unique")
            used.add(block["id"])
        if kind == "image" and block["source"].get("media_type", IMAGES[0]) not in IMAGES:
            raise Refusal(
                400,
                f"{place}.image.source.base64.media_type: Input should be 'image/jpeg', 'image/png', 'image/gif' or "
                "'image/webp'",
            )
    if not all(text.strip() for text in data.get("stop_sequences") or ()):
        raise Refusal(400, "stop_sequences: each stop sequence must contain non-whitespace")
    last = data["messages"][-1]
    end = last["content"] if isinstance(last["content"], str) else last["content"][-1].get("text", "")
    if last["role"] == "assistant" and end != end.rstrip():
        raise Refusal(400, "messages: final assistant content cannot end with trailing whitespace")
    for number, tool in enumerate(data.get("tools") or ()):
        # `mcp_toolset` has none; the reader wants one of a `custom` tool.
        if not re.fullmatch("[a-zA-Z0-9_-]{1,128}", may(tool, "name", NAME, f"tools.{number}.") or "none"):
            raise Refusal(400, f"tools.{number}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        # lidge-jun/opencodex#75, Kilo-Org/kilocode#12238 (July 2026)
        if "input_schema" in tool and "type" not in tool["input_schema"]:
            raise Refusal(400, f"tools.{number}.custom.input_schema.type: Field required")
    unique((tool["name"] for tool in data.get("tools") or () if "name" in tool), "tools: Tool names must be unique.")


def anthropic_blocks(messages: list[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the place and the block of each block; a content that is text is one block."""
    for number, message in enumerate(messages):
        for key in message.keys() - {"role", "content"}:
            raise Refusal(400, f"messages.{number}.{key}: Extra inputs are not permitted")
        content = message["content"]
        for place, block in enumerate([{"type": "text", "text": content}] if isinstance(content, str) else content):
            yield f"messages.{number}.content.{place}", block
