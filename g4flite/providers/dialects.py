"""The services and servers that speak OpenAI's Chat Completions.  The parser of `openai.py` reads the replies of all.

Sources (August 2026): https://openrouter.ai/docs/api/reference/streaming, https://console.groq.com/docs/openai,
https://api-docs.deepseek.com, https://docs.mistral.ai/api, https://huggingface.co/docs/inference-providers,
https://enter.pollinations.ai/api/docs/llm.txt, https://docs.together.ai, https://docs.x.ai,
https://learn.microsoft.com/azure/ai-foundry/openai/reference, https://github.com/ggml-org/llama.cpp (tools/server),
https://docs.vllm.ai/en/stable/serving/openai_compatible_server, https://lmstudio.ai/docs/developer
Sources (November 2026): https://docs.langchain.com/oss/python/integrations/providers/fireworks,
https://docs.pipecat.ai/server/services/llm/fireworks, https://inference-docs.cerebras.ai/resources/openai,
https://build.nvidia.com, https://platform.kimi.ai/docs/api/overview, https://docs.z.ai/guides/develop/openai/python,
https://docs.perplexity.ai/docs/sonar/openai-compatibility, https://docs.github.com/en/github-models/quickstart
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise, takewhile
from typing import Any

from .._core.conversation import leading_system_joined, runs_joined
from .._core.errors import MessagesError, OptionError
from .._core.messages import Message
from .._core.options import OPTIONS, cache_mark, non_empty, options_named
from .._core.provider import JSON, Call
from .._core.response.framing import ServerSentEvents
from .._core.response.parsers import FrameParser
from .._core.takes import EFFORTS, EVERYTHING, IMAGES, SAME_LEVELS, Refused, Takes
from .openai import JSON_UNSAID, OPENAI, ChatReader, chat, check_stored, effort_as_it_is
from .openai import TAKES as OPENAI_TAKES

USAGE = {"stream_options": {"include_usage": True}}
# What OpenAI's documentation lists, without the fields that it added of late; the services have no role developer.
# Many refuse an assistant's message without text and tool calls: 400 "An empty message was provided. Every message
# needs at least one non-empty content element." of xAI (langbot-app/LangBot#1205), "Invalid assistant message: content
# or tool_calls must be set" of DeepSeek (carlrobertoh/ProxyAI#830), "the message at position N with role 'assistant'
# must not be empty" of Moonshot, also of one with reasoning alone (router-for-me/CLIProxyAPI#1730,
# anomalyco/opencode#37887), and Z.AI alike (agent0ai/agent-zero#980, 2025-2026).
TAKES = Takes(keys=("name", "image_url.detail", "function.strict"), empty_answers=False)
# The name of a deployment says nothing of its model.
# Azure takes no `file` (pydantic-ai, August 2026).
AZURE_TAKES = OPENAI_TAKES._replace(
    keys=(*TAKES.keys, "refusal"), media=(*IMAGES, "audio.data"), no_system="", refused=(JSON_UNSAID,)
)
# An unknown field is a 400: "property 'reasoning_content' is unsupported" (NousResearch/hermes-agent#11089).  The
# fields are those in the types of groq-python 1.7.0.
GROQ_TAKES = TAKES._replace(
    keys=(*TAKES.keys, "reasoning"),
    refused=(
        # 400 "json mode cannot be combined with tool/function calling" (vercel/ai#16540, 2026; agno-agi/agno#1065).
        Refused(option="response_format", but=("text",), beside="tools"),
        # "Streaming and tool use are not currently supported with Structured Outputs."
        # (console.groq.com/docs/structured-outputs, July 2026; jgravelle/GroqApiLibrary#33)
        Refused(option="response_format", values=("json_schema",), but=("text", "json_object")),
        # The same words as OpenAI's (vercel/ai#7303, July 2025).
        JSON_UNSAID,
    ),
)  # fmt: skip
# DeepSeek's, Moonshot's and Z.AI's thinking models want their reasoning back (earlier answers with tool calls).
THINKING_TAKES = TAKES._replace(
    keys=(*TAKES.keys, "reasoning_content"), state="provider", reasoning="reasoning_content"
)
DEEPSEEK_TAKES = THINKING_TAKES._replace(
    keys=(*THINKING_TAKES.keys, "prefix"),
    # 400 "The `reasoning_content` in the thinking mode must be passed back to the API." (anomalyco/opencode#25356)
    reasoned="deepseek-(reasoner|v4).*",
    refused=(
        # 400 "Thinking mode does not support this tool_choice", of "required" and of a named tool
        # (deepseek-ai/DeepSeek-V3#1376, August 2026; "deepseek-reasoner does not support this tool_choice", 2025).
        Refused(option="tool_choice", but=("auto", "none"), models="deepseek-(reasoner|v4)(-.+)?",
                thinking=(None, "enabled")),
        # 400 "This response_format type is unavailable now" (UKGovernmentBEIS/inspect_ai#4916, 2026).
        Refused(option="response_format", but=("text", "json_object")),
        # 400 "Prompt must contain the word 'json' in some form to use 'response_format' of type 'json_object'"
        # (vercel/ai#7913, 2025).
        JSON_UNSAID,
    ),
)  # fmt: skip
# 400 "tool_choice 'required' is incompatible with thinking enabled", and 'specified' for a named tool; K3 refuses the
# named one alone (AstrBotDevs/AstrBot#7805, UKGovernmentBEIS/inspect_ai#5152, August 2026).
MOONSHOT_TAKES = THINKING_TAKES._replace(
    # 400 "thinking is enabled but reasoning_content is missing in assistant tool call message at index N"
    # (continuedev/continue#11711).
    reasoned="kimi-.*",
    refused=(
        Refused(option="tool_choice", but=("auto", "none"), models="kimi-(?!k3).+", thinking=(None, "enabled")),
        Refused(option="tool_choice", but=("auto", "none", "required"), models="kimi-k3.*"),
        # 400 "invalid temperature: only 1 is allowed for this model" (many public reports, 2026).
        Refused(option="temperature", but=(1,), models=r"kimi-k(2\.[5-9](?!\d)|3).*", thinking=(None, "enabled")),
    ),
)
# The levels of all but "none".
SOME = EFFORTS[1:]
XAI_TAKES = TAKES._replace(
    refused=(
        # "[...] does not support parameter reasoningEffort" (neavo/LinguaGacha#771, 2026); 4.5 always reasons.
        Refused(option="reasoning_effort", models=r"grok-(2|3|4|code)(-(?!mini|\d\d?(-|$)).*)?"),
        Refused(option="reasoning_effort", but=SOME, models=r"grok-4[.-]5(-.+)?"),
        # "presencePenalty, frequencyPenalty and stop parameters are not supported by reasoning models" (docs.x.ai).
        *(Refused(option=name, models=r"grok-(3-mini|4|code)(?!.*non-reasoning).*")
          for name in ("frequency_penalty", "presence_penalty", "stop")),
    ),
)  # fmt: skip
COMPLETION = "max_completion_tokens"
# GitHub puts the vendor before the model's name: openai/o3-mini.
GITHUB_TAKES = TAKES._replace(
    refused=tuple(
        rule._replace(models=f"openai/({rule.models})") for rule in OPENAI_TAKES.refused if rule is not JSON_UNSAID
    ),
)
# 400 "System message must be at the beginning." of the chat templates of many models (pydantic-ai docs/openai.md,
# August 2026).  Whoever serves another model asks `openai-compatible`, which leaves such a message where it is.
# 400 "Unsupported chat content part type: 'file'" (langchain-ai/openwiki#171, vllm-project/vllm PR#57774, 2026).
VLLM_TAKES = EVERYTHING._replace(late_system=False, media=(*IMAGES, "audio.data"))
# README of llama.cpp's server (2026).
LLAMACPP_TAKES = EVERYTHING._replace(media=(*IMAGES, "audio.data"))
# 400 "After the (optional) system message(s), user or tool message(s) should alternate with assistant message(s)."
# (perplexityai/api-discussion#265, edenai/edenai-apis#144, 2024-2025).
PERPLEXITY_TAKES = TAKES._replace(late_system=False)
# The types of together-python 3.1.1.
TOGETHER_TAKES = TAKES._replace(media=(*IMAGES, "audio.data"))
# The types of openrouter-python 1.3.84; `annotations` of files are sent back (pydantic-ai, cassettes).
OPENROUTER_TAKES = TAKES._replace(
    keys=(*TAKES.keys, "reasoning", "reasoning_details", "annotations", "refusal", "content.cache_control",
          "content.prompt_cache_breakpoint", "tools.cache_control"),
    # A file's data, or its URL in their place (cassettes test_openrouter_file_annotation and document_url).
    media=(*IMAGES, "file.data", "file.url", "audio.data"),
    blocks=True,
    # The details belong to the family of the model (the types' `format`).
    state="model",
    reasoning="reasoning",
)  # fmt: skip
# The types of mistralai 3.7.0.  422 "extra_forbidden" for a user's name (mistralai_client_dart#44); 400 3280 "Tool call
# id was X but must be a-z, A-Z, 0-9, with a length of 9." (nearai/ironclaw#1241); 400 "Assistant message must have
# either content or tool_calls, but not none".
MISTRAL_TAKES = Takes(
    keys=("tool.name", "prefix", "image_url.detail", "function.strict"), empty_answers=False, call_ids="[a-zA-Z0-9]{9}",
    media=(*IMAGES, "file.data", "file.url", "file.id", "audio.data"),
    named=("file.data", "file.url"),
    # Reasoning goes back as a part of the content, with its signature.
    state="provider", reasoning="content",
    refused=(
        # Magistral always reasons; Small 4 and Medium 3.5 know high and none alone (docs.mistral.ai, reasoning, 2026).
        Refused(option="reasoning_effort", models="magistral-.*"),
        Refused(option="reasoning_effort", but=("none", "high"), models=r"mistral-(small-4|medium-3[.-]5)(?!\d).*"),
    ),
)  # fmt: skip


def chosen(*table: tuple[str, Callable[[Call], dict[str, Any]]]) -> Callable[[Call], dict[str, Any]]:
    """Return the function for `chat` that makes the fields of `reasoning_effort` as the table says for the model.

    Each row has a regular expression for whole names of models.  Models that no row names get OpenAI's form.
    """

    def fields(call: Call) -> dict[str, Any]:
        made = next((made for models, made in table if re.fullmatch(models, call.model or "")), effort_as_it_is)
        return made(call)

    return fields


def words(**levels: str) -> Callable[[Call], dict[str, Any]]:
    """Return the function that makes `reasoning_effort` of the levels that are named, with the service's words."""

    def fields(call: Call) -> dict[str, Any]:
        from .._core.effort import level  # noqa: PLC0415 - most calls give no level

        return non_empty(reasoning_effort=level(call, levels))

    return fields


def switch(call: Call) -> dict[str, Any]:
    """Return the field `thinking`, which turns the reasoning on or off."""
    from .._core.effort import level  # noqa: PLC0415 - most calls give no level

    kind = level(call, {"none": "disabled", **dict.fromkeys(SOME, "enabled")})
    return {"thinking": {"type": kind}}


def switch_and(levels: Mapping[str, str]) -> Callable[[Call], dict[str, Any]]:
    """Return the function that makes the fields `thinking` and `reasoning_effort`, with the service's words."""

    def fields(call: Call) -> dict[str, Any]:
        from .._core.effort import level  # noqa: PLC0415 - most calls give no level

        word = level(call, {"none": "none", **levels})
        if word == "none":
            return {"thinking": {"type": "disabled"}}
        return {"thinking": {"type": "enabled"}, "reasoning_effort": word}

    return fields


def openrouter_effort(call: Call) -> dict[str, Any]:
    """Return the field `reasoning`, which holds a level or a budget (openrouter.ai/docs, reasoning-tokens, 2026)."""
    from .._core.effort import effort  # noqa: PLC0415 - most calls give no level

    given = effort(call.options)
    return {"reasoning": {"effort" if isinstance(given, str) else "max_tokens": given}}


def template_effort(call: Call) -> dict[str, Any]:
    """Return the switch of the chat template, and beside it the level for the models that know levels.

    Sources: docs.vllm.ai, reasoning outputs; README of llama.cpp's server (2026).
    """
    from .._core.effort import level  # noqa: PLC0415 - most calls give no level

    word = level(call, {"none": "none", **SAME_LEVELS, "minimal": "low"})
    return {"chat_template_kwargs": {"enable_thinking": word != "none"}} | (
        {"reasoning_effort": word} if word != "none" else {}
    )


# low, medium and high are the levels of gpt-oss, which always reasons; Qwen's can only be turned off (types of
# groq-python 1.7.0).
groq_effort = chosen(
    (r"(.*/)?gpt-oss.*", words(minimal="low", low="low", medium="medium", high="high")),
    (r"(.*/)?qwen.*", words(none="none", **dict.fromkeys(SOME, "default"))),
)
# The levels are high and max (api-docs.deepseek.com, thinking mode, 2026).
deepseek_effort = switch_and(dict.fromkeys(SOME, "high"))
# Kimi K2 has a switch, K3 the levels low, high and max (agentscope's documentation of Kimi, 2026).
LOW_OR_HIGH = {"minimal": "low", "low": "low", "medium": "high", "high": "high"}
moonshot_effort = chosen(("kimi-k2.*", switch), ("kimi-k3.*", words(**LOW_OR_HIGH)))
# GLM 5.2 and 5.3 know the levels low, high and max, the models before have a switch (docs.z.ai, 2026).
zai_effort = chosen((r"glm-5\.[23](?!\d).*", switch_and(LOW_OR_HIGH)), ("glm-.*", switch))
# none, low, medium and high (xAI's protocol, v6, 2026).
xai_effort = words(**{**SAME_LEVELS, "minimal": "low"})


def dialect(
    call: Call, takes: Takes, reasoning: Callable[[Call], dict[str, Any]] = effort_as_it_is, **names: str
) -> dict[str, Any]:
    """Return the payload of `chat` with the system messages at the beginning joined to one."""
    made = chat(call, takes, reasoning, **names)
    return {**made, "messages": leading_system_joined(made["messages"])}


def payload(call: Call) -> JSON:
    """`messages` and `tools` are unchanged, but a developer message becomes a system message.

    Empty answers are left out.  Several system messages at the beginning become one.  `include_usage` asks for the
    token counts.
    """
    return {**dialect(call, TAKES), **USAGE}


def together_payload(call: Call) -> JSON:
    """`messages` and `tools` are unchanged, but a developer message becomes a system message.

    Empty answers are left out.  Several system messages at the beginning become one.  `include_usage` asks for the
    token counts.
    """
    return {**dialect(call, TOGETHER_TAKES), **USAGE}


def openrouter_payload(call: Call) -> JSON:
    """`messages` and `tools` are unchanged, but a developer message becomes a system message.

    Empty answers are left out.  Several system messages at the beginning become one.  `cache_control` goes out in parts
    and tools, `reasoning` and `reasoning_details` in an assistant's message.  `reasoning_effort` becomes `reasoning`, a
    level or a budget.  `cache` becomes a top-level `cache_control`.  `include_usage` asks for the token counts.
    """
    return {**dialect(call, OPENROUTER_TAKES, openrouter_effort), **cache_mark(call.options), **USAGE}


def groq_payload(call: Call) -> JSON:
    """`messages` and `tools` are unchanged, but a developer message becomes a system message.

    Empty answers are left out.  Several system messages at the beginning become one.  `reasoning` goes out in an
    assistant's message.  A JSON Schema as `response_format`, any `response_format` of JSON beside `tools`, and one
    without the word "json" in a message, raise `OptionError`.  `reasoning_effort` becomes `default` or `none` for
    Qwen's models.  `include_usage` asks for the token counts.
    """
    return {**dialect(call, GROQ_TAKES, groq_effort), **USAGE}


def zai_payload(call: Call) -> JSON:
    """`messages` and `tools` are unchanged, but a developer message becomes a system message.

    Empty answers are left out.  Several system messages at the beginning become one.  `reasoning_content` goes out in
    an assistant's message.  `reasoning_effort` becomes `thinking`, with a level for GLM 5.2 and 5.3; `user` becomes
    `user_id`.  `include_usage` asks for the token counts.
    """
    return {**dialect(call, THINKING_TAKES, zai_effort, user="user_id"), **USAGE}


def moonshot_payload(call: Call) -> JSON:
    """`messages` and `tools` are unchanged, but a developer message becomes a system message.

    Several system messages at the beginning become one.  `reasoning_content` goes out in an assistant's message.
    Such a message without text and tool calls is left out, and an empty text beside tool calls.
    A `tool_choice` that demands a tool of a Kimi model that thinks raises `OptionError`, and a `temperature`
    other than 1 raises it for Kimi K2.5 and later models.  `reasoning_effort` becomes `thinking` for Kimi K2, and
    low or high for K3.  `include_usage` asks for the token counts.
    """
    made = dialect(call, MOONSHOT_TAKES, moonshot_effort)
    for message in made["messages"]:
        # Kimi K3 refuses an empty text beside tool calls (anomalyco/opencode#39451); Moonshot's own client leaves it
        # out, also one of blanks (MoonshotAI/kimi-cli PR#2035).
        if message.get("tool_calls") and not str(message["content"]).strip():
            del message["content"]
    return {**made, **USAGE}


def deepseek_payload(call: Call) -> JSON:
    """`messages` and `tools` are unchanged, but a developer message becomes a system message.

    Empty answers are left out.  Several system messages at the beginning become one.  `reasoning_content` and `prefix`
    go out in an assistant's message.  A JSON Schema as `response_format`, one of any JSON if no message has the word
    "json", and a `tool_choice` that demands a tool of a model that thinks, raise `OptionError`.  `reasoning_effort`
    becomes `thinking` and the level high.  For a model that thinks, an answer without `reasoning_content` goes out with
    an empty one.  `include_usage` asks for the token counts.
    """
    made = dialect(call, DEEPSEEK_TAKES, deepseek_effort)
    if re.fullmatch(DEEPSEEK_TAKES.reasoned, call.model or ""):
        # The same 400 for an answer of text alone, before tool calls that no user's message is in front of; an empty
        # text is taken everywhere (experientiallabs/experiential PR#890, measured in September 2026).
        for message in made["messages"]:
            if message["role"] == "assistant":
                message.setdefault("reasoning_content", "")
    return {**made, **USAGE}


def perplexity_payload(call: Call) -> JSON:
    """`messages` and `tools` are unchanged, but a developer message becomes a system message.

    Empty answers are left out.  Messages of one role that follow one another become one.  A system message behind
    another message raises `MessagesError`.  `include_usage` asks for the token counts.
    """
    made = chat(call, PERPLEXITY_TAKES)
    messages = runs_joined(made["messages"])
    for before, message in pairwise(messages):
        if before["role"] == message["role"] != "tool":
            raise MessagesError(
                f"two messages of the role {message['role']} follow one another and cannot be joined, because one has "
                "more than text; put a message of another role between them"
            )
    return {**made, "messages": messages, **USAGE}


def vllm_payload(call: Call) -> JSON:
    """`messages` and `tools` are unchanged, but a developer message becomes a system message.

    Several system messages at the beginning become one; a system message behind another message and a file raise
    `MessagesError`.  All optional keys go out.  `reasoning_effort` goes out beside `enable_thinking`, the switch of
    the chat template.  `include_usage` asks for the token counts.
    """
    return {**dialect(call, VLLM_TAKES, template_effort), **USAGE}


def azure_payload(call: Call) -> JSON:
    """`messages` and `tools` are unchanged.  `model` is the name of the deployment, which the URL names, too.

    Empty answers are left out.  `max_tokens` becomes `max_completion_tokens`.  A `response_format` of any JSON raises
    `OptionError` if no message has the word "json", and `metadata` unless `extra=` has `store: True`.  `include_usage`
    asks for the token counts.
    """
    check_stored(call)
    return {**chat(call, AZURE_TAKES, max_tokens="max_completion_tokens"), **USAGE}


def openrouter_parser(limit: int) -> FrameParser:
    """OpenAI Chat Completions: server-sent events, each with a chunk; the first of its `choices` is read.

    `delta.content` is text, `delta.reasoning` is reasoning, `delta.tool_calls` are pieces of tool calls,
    `delta.images` are images.  Images and annotations of files go back with the turn (types of openrouter-python
    1.3.84; pydantic-ai's cassettes).  `usage` holds the token counts.  The reply is complete with its `[DONE]`, or if
    the body ends behind a `finish_reason`.
    """
    return FrameParser(ServerSentEvents(limit), ChatReader(limit, returned=("images", "annotations")), "an event")


def xai_parser(limit: int) -> FrameParser:
    """OpenAI Chat Completions: server-sent events, each with a chunk; the first of its `choices` is read.

    `delta.content` is text, `delta.reasoning_content` is reasoning, `delta.tool_calls` are pieces of tool calls.
    `usage` holds the token counts, whose `completion_tokens` leave out the reasoning (vercel/ai#12425, 2026).  The
    reply is complete with its `[DONE]`, or if the body ends behind a `finish_reason`.
    """
    return FrameParser(ServerSentEvents(limit), ChatReader(limit, thoughts_beside=True), "an event")


def github_payload(call: Call) -> JSON:
    """`messages` and `tools` are unchanged, but a developer message becomes a system message.

    Empty answers are left out.  Several system messages at the beginning become one.  For OpenAI's models that reason,
    `max_tokens` becomes `max_completion_tokens`; `temperature`, `top_p` and `stop` for those that always reason raise
    `OptionError`.

    `include_usage` asks for the token counts.
    """
    reasons = re.fullmatch(r"openai/(o[1-9]|gpt-5)(?!\d).*", call.model or "")
    return {**dialect(call, GITHUB_TAKES, max_tokens=COMPLETION if reasons else "max_tokens"), **USAGE}


def own_payload(call: Call) -> JSON:
    """`messages` and `tools` are unchanged, but a developer message becomes a system message.

    Several system messages at the beginning become one.  All optional keys go out.  `include_usage` asks for the
    token counts.
    """
    return {**dialect(call, EVERYTHING), **USAGE}


def own_parser(limit: int) -> FrameParser:
    """OpenAI Chat Completions: server-sent events, each with a chunk; the first of its `choices` is read.

    `delta.content` is text; `delta.reasoning_content`, `delta.reasoning` and a `<think>` or `<reasoning>` element at
    the start of the text are reasoning; `delta.tool_calls` are pieces of tool calls; `usage` holds the token counts.
    The reasoning goes back where it came: vLLM reads `reasoning` alone, llama.cpp `reasoning_content`, and the
    chat template of a model whose reasoning came as text reads it there (vllm-project/vllm#38488,
    QwenLM/qwen-code#4285, NousResearch/hermes-agent#20577, 2026).
    The reply is complete with its `[DONE]`, or if the body ends behind a `finish_reason`.
    """
    return FrameParser(ServerSentEvents(limit), ChatReader(limit, any_field=True), "an event")


def llamacpp_payload(call: Call) -> JSON:
    """`messages` and `tools` are unchanged, but a developer message becomes a system message.

    Several system messages at the beginning become one.  All optional keys go out.  A file raises `MessagesError`.
    `reasoning_effort` goes out beside `enable_thinking`, the switch of the chat template, and raises `OptionError` if
    the last message is the assistant's.  `include_usage` asks for the token counts.
    """
    if call.messages[-1]["role"] == "assistant" and call.options.get("reasoning_effort") not in (None, "none", 0):
        # 400 "Assistant response prefill is incompatible with enable_thinking."
        raise OptionError(
            "reasoning_effort= is refused if the last message is the assistant's; leave it out, pass 'none', or add a "
            "user's message"
        )
    return {**dialect(call, LLAMACPP_TAKES, template_effort), **USAGE}


def xai_payload(call: Call) -> JSON:
    """`messages` and `tools` are unchanged, but a developer message becomes a system message.

    Empty answers are left out.  Several system messages at the beginning become one.  An option that the model is known
    to refuse raises `OptionError`: `reasoning_effort` for models without levels, penalties and `stop` for models that
    reason.  `include_usage` asks for the token counts.
    """
    return {**dialect(call, XAI_TAKES, xai_effort), **USAGE}


def mistral_payload(call: Call) -> JSON:
    """`messages` and `tools` are unchanged, but for what the service refuses; `seed` becomes `random_seed`.

    A file is a `document_url`, also with its data, and `input_audio` is the base64 text.

    A developer message becomes a system message, messages of one role that follow one another become one, ids of tool
    calls become 9 letters and digits, empty answers are left out, an assistant's `OK` stands between the result of a
    tool and a user's message, and the last message has `prefix: true` if it is the assistant's.  A message with a
    `name` raises `MessagesError`.  A system message as the last one raises it, too.

    The service sends the token counts unasked, and refuses unknown fields, `stream_options` among them.
    `cache=True` becomes a `prompt_cache_key`, which is the same for all calls with these tools and system messages.
    """
    made = dialect(call, MISTRAL_TAKES, seed="random_seed")
    messages = list(in_order(runs_joined([with_chunks(message) for message in made["messages"]])))
    key = cache_key(made.get("tools"), messages) if call.options.get("cache") else None
    return {**made, "messages": messages, **non_empty(prompt_cache_key=key)}


def cache_key(tools: object, messages: Sequence[Message]) -> str:
    """Return a digest of the beginning of a conversation: the tools, the system messages, or else the first message.

    The service wants one key for all requests that begin alike, and takes no secrets in it (docs.mistral.ai, prompt
    caching, 2026).
    """
    from hashlib import sha256  # noqa: PLC0415 - most calls ask for no key

    system = list(takewhile(lambda message: message["role"] == "system", messages))
    beginning = [tools, system or messages[:1]]
    return sha256(json.dumps(beginning, sort_keys=True).encode()).hexdigest()[:32]


def mistral_parser(limit: int) -> FrameParser:
    """OpenAI Chat Completions: server-sent events, each with a chunk; the first of its `choices` is read.

    `delta.content` is text, or a list of parts: `text`, `thinking`, which is reasoning, and `reference`, which goes
    back with the turn.  `delta.tool_calls` are pieces of tool calls; `usage` holds the token counts.  The reply is
    complete with its `[DONE]`, or if the body ends behind a `finish_reason`.
    """
    return FrameParser(ServerSentEvents(limit), ChatReader(limit, returned=("reference",)), "an event")


def with_chunks(message: Message) -> Message:
    """Return the message with its media in the service's form (types of mistralai 3.7.0, `ContentChunk`)."""
    if not isinstance(message["content"], list):
        return message
    return {**message, "content": [chunk(part) for part in message["content"]]}


def chunk(part: dict[str, Any]) -> dict[str, Any]:
    """Return one part of a content in Mistral's form: audio is its base64 text, a file a document or its id."""
    if part["type"] == "input_audio":
        return {"type": "input_audio", "input_audio": part["input_audio"]["data"]}
    if part["type"] != "file":
        return part
    if "file_id" in part["file"]:
        return {"type": "file", "file_id": part["file"]["file_id"]}
    return {
        "type": "document_url",
        "document_url": part["file"]["file_data"],
        "document_name": part["file"]["filename"],
    }


def in_order(messages: Sequence[Message]) -> Iterator[Message]:
    """Yield the messages in an order that Mistral accepts.

    400 3230 "Unexpected role 'user' after role 'tool'": an answer has to stand between (as in pydantic-ai's cassettes).
    400 3230 "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant".
    """
    if messages[-1]["role"] == "system":
        raise MessagesError("the last message is a system message, which this service refuses; add a user's message")
    before = ""
    for message in messages:
        if (before, message["role"]) == ("tool", "user"):
            yield {"role": "assistant", "content": "OK"}
        if message is messages[-1] and message["role"] == "assistant":
            message = {**message, "prefix": True}  # noqa: PLW2901 - the last message alone
        yield message
        before = message["role"]


# What the options of a service are: it caches by itself, or by the mark that `cache` is; it has no such mark.
CACHING = options_named(*OPTIONS)
UNMARKED = {name: kinds for name, kinds in CACHING.items() if name != "cache"}
# "This parameter is not currently supported", and no model has logprobs (types of groq-python 1.7.0).
GROQ_OPTIONS = {name: kinds for name, kinds in CACHING.items() if name not in ("metadata", "logprobs")}
# 422 "extra_forbidden" for fields that are not in the types of mistralai 3.7.0.
MISTRAL_OPTIONS = {name: kinds for name, kinds in CACHING.items() if name not in ("user", "logprobs")}
# What all providers below have in common.
OTHER = replace(OPENAI, payload=payload, base_url_variables=(), options=UNMARKED, example_model="")
OPENROUTER = replace(OTHER, name="openrouter", base_url="https://openrouter.ai/api/v1", payload=openrouter_payload,
                     example_model="openai/gpt-4o-mini", parser=openrouter_parser,
                     key_variables=("OPENROUTER_API_KEY",), options=CACHING)  # fmt: skip
GROQ = replace(OTHER, name="groq", base_url="https://api.groq.com/openai/v1", payload=groq_payload,
               example_model="llama-3.3-70b-versatile",
               key_variables=("GROQ_API_KEY",), options=GROQ_OPTIONS)  # fmt: skip
DEEPSEEK = replace(OTHER, name="deepseek", base_url="https://api.deepseek.com", payload=deepseek_payload,
                   example_model="deepseek-chat", key_variables=("DEEPSEEK_API_KEY",), options=CACHING)  # fmt: skip
MISTRAL = replace(OTHER, name="mistral", base_url="https://api.mistral.ai/v1", payload=mistral_payload,
                  example_model="mistral-small-latest", parser=mistral_parser,
                  key_variables=("MISTRAL_API_KEY",), options=MISTRAL_OPTIONS)  # fmt: skip
HUGGINGFACE = replace(OTHER, name="huggingface", base_url="https://router.huggingface.co/v1",
                      example_model="meta-llama/Llama-3.1-8B-Instruct", key_variables=("HF_TOKEN",))  # fmt: skip
POLLINATIONS = replace(OTHER, name="pollinations", base_url="https://gen.pollinations.ai/v1",
                       example_model="openai", key_variables=("POLLINATIONS_API_KEY",))  # fmt: skip
TOGETHER = replace(
    OTHER,
    name="together",
    base_url="https://api.together.xyz/v1",
    payload=together_payload,
    example_model="meta-llama/Llama-3.3-70B-Instruct-Turbo",
    key_variables=("TOGETHER_API_KEY",),
)
XAI = replace(OTHER, name="xai", base_url="https://api.x.ai/v1", payload=xai_payload, parser=xai_parser,
              example_model="grok-4", key_variables=("XAI_API_KEY",), options=CACHING)  # fmt: skip
FIREWORKS = replace(OTHER, name="fireworks", base_url="https://api.fireworks.ai/inference/v1",
                    example_model="accounts/fireworks/models/llama-v3p3-70b-instruct",
                    key_variables=("FIREWORKS_API_KEY",))  # fmt: skip
CEREBRAS = replace(
    OTHER,
    name="cerebras",
    base_url="https://api.cerebras.ai/v1",
    example_model="llama3.1-8b",
    key_variables=("CEREBRAS_API_KEY",),
)
NVIDIA = replace(OTHER, name="nvidia", base_url="https://integrate.api.nvidia.com/v1",
                 example_model="meta/llama-3.1-8b-instruct", key_variables=("NVIDIA_API_KEY",))  # fmt: skip
MOONSHOT = replace(OTHER, name="moonshot", base_url="https://api.moonshot.ai/v1", payload=moonshot_payload,
                   example_model="kimi-k2.5", key_variables=("MOONSHOT_API_KEY",), options=CACHING)  # fmt: skip
ZAI = replace(OTHER, name="zai", base_url="https://api.z.ai/api/paas/v4", payload=zai_payload,
              example_model="glm-4.6", key_variables=("ZAI_API_KEY",), options=CACHING)  # fmt: skip
PERPLEXITY = replace(OTHER, name="perplexity", base_url="https://api.perplexity.ai", payload=perplexity_payload,
                     example_model="sonar", key_variables=("PERPLEXITY_API_KEY",))  # fmt: skip
GITHUB_MODELS = replace(OTHER, name="github-models", base_url="https://models.github.ai/inference",
                        payload=github_payload, example_model="openai/gpt-4o-mini",
                        key_variables=("GITHUB_TOKEN",))  # fmt: skip
# Each resource of Azure has a base URL of its own, so there is no public one.
AZURE_OPENAI = replace(
    OTHER, name="azure-openai", base_url="", payload=azure_payload, options=CACHING,
    url="{base_url}/openai/deployments/{model}/chat/completions?api-version=2024-10-21",
    headers={"content-type": "application/json", "accept": "text/event-stream", "api-key": "{api_key}"},
    example_model="gpt-4o-mini", key_variables=("AZURE_OPENAI_API_KEY",), base_url_variables=("AZURE_OPENAI_ENDPOINT",),
)  # fmt: skip
# Servers on this machine, at their default ports.
OWN = replace(OTHER, payload=own_payload, parser=own_parser, key_needed=False)
LLAMACPP = replace(OWN, name="llamacpp", base_url="http://127.0.0.1:8080/v1", payload=llamacpp_payload,
                   default_model="default", key_variables=("LLAMA_API_KEY",), options=CACHING)  # fmt: skip
VLLM = replace(OWN, name="vllm", base_url="http://127.0.0.1:8000/v1", payload=vllm_payload,
               example_model="Qwen/Qwen3-0.6B", key_variables=("VLLM_API_KEY",), options=CACHING)  # fmt: skip
LMSTUDIO = replace(
    OWN, name="lmstudio", base_url="http://127.0.0.1:1234/v1", example_model="qwen/qwen3-4b", key_variables=()
)
# Any other server, at a base URL that the caller names.
OPENAI_COMPATIBLE = replace(OWN, name="openai-compatible", base_url="", key_variables=())
