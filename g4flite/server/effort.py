"""How much the model is to reason, read from the fields of each protocol: the option `reasoning_effort`.

    chat_effort({"thinking": {"type": "disabled"}})                 # {"reasoning_effort": "none"}
    chat_effort({"reasoning": {"max_tokens": 2000}})                # {"reasoning_effort": 2000}
    switched({"type": "enabled"})                                   # {"reasoning_effort": True}: no level is named

Sources: openrouter.ai/docs, reasoning-tokens; api-docs.deepseek.com; docs.z.ai; docs.vllm.ai; README of llama.cpp's
server (2026).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .checks import BOOLEAN, COUNT, OBJECT, TEXT, may, need, one_of

KIND = one_of(("enabled", "disabled", "adaptive", "between_tools"))


def chat_effort(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the option that a request of Chat Completions names, in OpenAI's form or a dialect's; or {}."""
    found = may(data, "reasoning_effort", TEXT)
    reasoning = may(data, "reasoning", OBJECT) or {}
    found = found or may(reasoning, "effort", TEXT, "reasoning.") or may(reasoning, "max_tokens", COUNT, "reasoning.")
    if found is not None:
        return {"reasoning_effort": found}
    template = may(data, "chat_template_kwargs", OBJECT) or {}
    on = may(template, "enable_thinking", BOOLEAN, "chat_template_kwargs.")
    return switched(may(data, "thinking", OBJECT) or {}) if on is None else {"reasoning_effort": on or "none"}


def switched(thinking: Mapping[str, Any]) -> dict[str, Any]:
    """Return the option that a field `thinking` names: its budget, "none" if it is off, True if it is on; or {}."""
    if not thinking:
        return {}
    off = need(thinking, "type", KIND, "thinking.") == "disabled"
    tokens = next((found for name in ("budget_tokens", "token_budget") if (found := may(thinking, name, COUNT))), True)
    return {"reasoning_effort": "none" if off else tokens}
