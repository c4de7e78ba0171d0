"""What services refuse of a request's options, most of it for certain models alone: a table for each service.

check(OPENAI, data)     # Refusal 400 "Unsupported value: 'temperature' does not support 0.2 with this model. ..."

The words are the services' own, as users have quoted them in 2025 and 2026 (issues of deepseek-ai/DeepSeek-V3,
AstrBotDevs/AstrBot, mastra-ai/mastra, The-PR-Agent/pr-agent and others, and recordings of pydantic-ai).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from .checks import Refusal

JSON = dict[str, Any]


class Rule(NamedTuple):
    """A field that models of these names refuse with these words, unless `takes` says that the request is right.

    `models` is a regular expression for whole names.  The words may hold `{value}`.
    """

    field: str
    words: str
    takes: Callable[[Any, JSON], bool]
    models: str = ".*"


def check(rules: tuple[Rule, ...], data: JSON) -> None:
    """Raise `Refusal` 400 for the first rule that the request breaks."""
    for rule in rules:
        value = data.get(rule.field)
        if value is not None and not rule.takes(value, data) and re.fullmatch(rule.models, str(data.get("model"))):
            raise Refusal(400, rule.words.format(value=value))


def never(_: Any, __: JSON) -> bool:
    """Return False: no value is taken."""
    return False


def is_one(value: Any, _: JSON) -> bool:
    """Return whether the value is the default 1."""
    return value == 1  # type: ignore[no-any-return]


def kind_of(value: Any) -> Any:
    """Return the type of an object, and any other value as it is."""
    return value.get("type") if isinstance(value, dict) else value


def is_free(value: Any, _: JSON) -> bool:
    """Return whether a tool choice leaves the choice to the model."""
    return kind_of(value) in ("auto", "none")


def says_json(value: Any, data: JSON) -> bool:
    """Return whether a message has the word "json", unless the format needs none."""
    return kind_of(value) != "json_object" or "json" in str(data.get("messages") or data.get("input")).lower()


def is_not(*kinds: str) -> Callable[[Any, JSON], bool]:
    """Return a function that says whether a value is of none of these kinds."""
    return lambda value, _: kind_of(value) not in kinds


def within(*values: Any) -> Callable[[Any, JSON], bool]:
    """Return the function that says whether a value is one of these."""
    return lambda value, _: value in values


def effort_within(*levels: str) -> Callable[[Any, JSON], bool]:
    """Return the function that says whether the field `reasoning` of Responses has one of these efforts, or none."""
    return lambda value, _: value.get("effort") in (None, *levels)


def silent(*levels: str | None) -> Callable[[Any, JSON], bool]:
    """Return the function that says whether a value is the default 1, or the model reasons at one of these efforts."""

    def takes(value: Any, data: JSON) -> bool:
        effort = data.get("reasoning_effort") or (data.get("reasoning") or {}).get("effort")
        return effort in levels or (value == 1 and value is not True)

    return takes


def thinks(data: JSON, *kinds: str | None) -> bool:
    """Return whether the field `thinking` has one of these types; None stands for no such field."""
    return kind_of(data.get("thinking")) in kinds


def thinks_right(value: Any, data: JSON) -> bool:
    """Return whether a budget of Anthropic's thinking is at least 1024 and below `max_tokens`."""
    return value.get("type") != "enabled" or value.get("budget_tokens", 0) in range(1024, data["max_tokens"])


def is_paused(message: JSON) -> bool:
    """Return whether a message holds a call or a result of a tool that the service runs: it goes back as it is."""
    content = message["content"]
    return isinstance(content, list) and any(block["type"] in SERVER_BLOCKS for block in content)


# The blocks of tools that Anthropic runs itself (types of anthropic-sdk-python 2.14.0).
SERVER_BLOCKS = (
    "server_tool_use", "mcp_tool_use",
    *(f"{tool}_tool_result" for tool in ("web_search", "web_fetch", "code_execution", "bash_code_execution",
                                         "text_editor_code_execution", "tool_search", "mcp")),
)  # fmt: skip
REASONING = (
    r"o[1-9](-.+)?|gpt-5(-mini|-nano|-pro|-codex)?(-\d{4}-.+)?|gpt-5\.1-codex(-.+)?|gpt-5\.\d+-(chat|pro)(-.+)?|"
    "gpt-6-astra(-.+)?"
)
GPT_4 = r"(chatgpt-4o|gpt-(3\.5|4)).*"
LEVEL = "Unsupported value: '{value}' is not supported with this model."
DEEPSEEK_REASONING = "deepseek-(reasoner|v4)(-.+)?"
# From Claude 4.1, 4.6 and 4.7 on; a number of more than two digits is a date.
CLAUDE_4_1, CLAUDE_4_6, CLAUDE_4_7 = (rf"claude-[a-z]+-(4-([{first}-9]|1\d)|[5-9])(-.+)?" for first in (1, 6, 7))
DEPRECATED = "`{}` is deprecated for this model."
FORCED = "Thinking may not be enabled when tool_choice forces tool use."
CLAUDE_UP_TO_4_5 = r"claude-(3-.+|[a-z]+-4(-[0-5])?(-\d{8}.*)?)"
CLAUDE_ALWAYS_THINKING = "claude-(fable-5|mythos|(opus|sonnet)-5-5)(-.+)?"
NO_THINKING = (
    '"thinking.type.{}" is not supported for this model. Use "thinking.type.adaptive" and "output_config.effort" to '
    "control thinking behavior."
)
UNSAID = "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
UNSUPPORTED = "Unsupported parameter: '{}' is not supported with this model."

OPENAI = (
    Rule("temperature", "Unsupported value: 'temperature' does not support {value} with this model. Only the default "
         "(1) value is supported.", is_one, REASONING),
    Rule("max_tokens", "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
         "'max_completion_tokens' instead.", never, r"o[1-9](-.+)?|gpt-5.*"),
    Rule("top_p", UNSUPPORTED.format("top_p"), is_one, REASONING),
    Rule("stop", UNSUPPORTED.format("stop"), never, REASONING),
    Rule("response_format", UNSAID, says_json),
    *(Rule(name, f"Unsupported parameter: '{name}' is not supported with this model.", never, REASONING)
      for name in ("frequency_penalty", "presence_penalty", "logprobs", "top_logprobs")),
    *(Rule(name, UNSUPPORTED.format(name), silent(*efforts), models)
      for models, efforts in ((r"gpt-5\.[56](-.+)?", ("none",)), (r"gpt-5\.[1-4](-.+)?", ("none", None)))
      for name in ("temperature", "top_p", "frequency_penalty", "presence_penalty", "logprobs", "top_logprobs")),
    Rule("reasoning_effort", "Unrecognized request argument supplied: reasoning_effort", never, GPT_4),
    Rule("reasoning", "Unsupported parameter: 'reasoning.effort' is not supported with this model.", never, GPT_4),
    *(Rule(field, LEVEL, within_it(*levels), models)
      for field, within_it in (("reasoning_effort", within), ("reasoning", effort_within))
      for levels, models in (
          (("high",), "gpt-5-pro.*"),
          (("medium", "high", "xhigh"), r"gpt-5\.\d+-pro.*"),
          ((), "gpt-5-chat.*"),
          (("medium",), r"gpt-5\.\d+-chat.*"),
          (("low", "medium", "high", "xhigh"), r"gpt-5\.1-codex.*|gpt-6-astra.*"),
          (("minimal", "low", "medium", "high"), REASONING),
          (("none", "low", "medium", "high", "xhigh", "max"), r"gpt-5\.[16](-.+)?"),
      )),
    Rule("parallel_tool_calls", "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when "
         "'tools' are specified.", lambda _, data: bool(data.get("tools"))),
)  # fmt: skip
RESPONSES = (
    Rule("text", "Response input messages must contain the word 'json' in some form to use 'text.format' of type "
         "'json_object'.", lambda value, data: says_json(value.get("format"), data)),
)  # fmt: skip
GROQ = (
    Rule("response_format", "json mode cannot be combined with tool/function calling",
         lambda value, data: kind_of(value) == "text" or not data.get("tools")),
    Rule("response_format", "response_format` does not support streaming",
         lambda value, data: kind_of(value) != "json_schema" or not data.get("stream")),
    Rule("response_format", UNSAID, says_json),
    Rule("reasoning_effort", "`reasoning_effort` must be one of `none` or `default`", within("none", "default"),
         "(.*/)?qwen.*"),
    Rule("reasoning_effort", "`reasoning_effort` must be one of `low`, `medium`, or `high`",
         within("low", "medium", "high"), "(.*/)?gpt-oss.*"),
)  # fmt: skip
XAI = (
    Rule("stop", "Argument not supported on this model: stop", never,
         "grok-3-mini(-.+)?|grok-code(-.+)?|grok-4(-0709|-latest|-fast|-fast-reasoning)?"),
)  # fmt: skip
DEEPSEEK = (
    Rule("tool_choice", "Thinking mode does not support this tool_choice",
         lambda value, data: is_free(value, data) or not thinks(data, None, "enabled"), DEEPSEEK_REASONING),
    Rule("response_format", "This response_format type is unavailable now",
         lambda value, _: kind_of(value) in ("text", "json_object")),
    Rule("response_format", "Prompt must contain the word 'json' in some form to use 'response_format' of type "
         "'json_object'", says_json),
)  # fmt: skip
MOONSHOT = (
    Rule("tool_choice", "tool_choice 'required' is incompatible with thinking enabled",
         lambda value, data: value != "required" or not thinks(data, None, "enabled"), "kimi-(?!k3).+"),
    Rule("tool_choice", "tool_choice 'specified' is incompatible with thinking enabled",
         lambda value, data: isinstance(value, str) or not thinks(data, None, "enabled"), "kimi-.+"),
    Rule("temperature", "invalid temperature: only 1 is allowed for this model",
         lambda value, data: value == 1 or not thinks(data, None, "enabled"), r"kimi-k(2\.[5-9](?!\d)|3).*"),
)  # fmt: skip
ANTHROPIC = (
    Rule("temperature", DEPRECATED.format("temperature"), is_one, CLAUDE_4_7),
    Rule("top_p", DEPRECATED.format("top_p"), is_one, CLAUDE_4_7),
    Rule("temperature", "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
         lambda _, data: data.get("top_p") is None, CLAUDE_4_1),
    Rule("tool_choice", FORCED, lambda value, data: is_free(value, data) or not thinks(data, "enabled")),
    Rule("tool_choice", 'tool_choice: type "tool" and "any" are not supported for this model.', is_free,
         CLAUDE_ALWAYS_THINKING),
    Rule("thinking", NO_THINKING.format("enabled"), is_not("enabled"), CLAUDE_4_7),
    Rule("thinking", NO_THINKING.format("disabled"), is_not("disabled"), CLAUDE_ALWAYS_THINKING),
    Rule("thinking", "adaptive thinking is not supported on this model", is_not("adaptive"), CLAUDE_UP_TO_4_5),
    Rule("temperature", "`temperature` may only be set to 1 when thinking is enabled.",
         lambda value, data: value == 1 or not thinks(data, "enabled")),
    Rule("temperature", "`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.",
         lambda value, data: value == 1 or not thinks(data, "adaptive"), CLAUDE_4_6),
    Rule("thinking", "`max_tokens` must be greater than `thinking.budget_tokens`, which must be at least 1024.",
         thinks_right),
    Rule("messages", "This model does not support assistant message prefill. The conversation must end with a user "
         "message.", lambda value, _: value[-1]["role"] != "assistant" or is_paused(value[-1]), CLAUDE_4_6),
)  # fmt: skip
# The request as it comes, with the model of the URL beside it.
GEMINI = (
    Rule("generationConfig", "Function calling with a response mime type: 'application/json' is unsupported",
         lambda value, data: value.get("responseMimeType") != "application/json" or not data.get("tools"),
         r"gemini-[12]\D.*"),
)  # fmt: skip
OLLAMA = (
    Rule("think", 'think value "{value}" is not supported for this model', lambda value, _: not isinstance(value, str),
         "(?!gpt-oss).*"),
)  # fmt: skip
MISTRAL = (
    Rule("reasoning_effort", "reasoning_effort is not supported for this model", never, "magistral-.*"),
    Rule("reasoning_effort", "reasoning_effort must be one of none, high for this model", within("none", "high"),
         r"mistral-(small-4|medium-3[.-]5)(-.+)?"),
)  # fmt: skip
COHERE = (
    Rule("response_format", "response_format is not supported with tools",
         lambda value, data: kind_of(value) == "text" or not data.get("tools")),
)  # fmt: skip
