"""Anthropic's thinking: signs it in a reply, and checks it when it comes back.

    bound, told = checked(data, Bound(model, account), controls=False)      # Refusal 400 for thinking that was changed
    block = Signer(bound).signed({"type": "thinking", "thinking": "Hm."})   # for each block of the reply

Source: https://platform.claude.com/docs/en/build-with-claude/preserved-thinking and the pages below it (2026);
https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-thinking-block-binding.html; the words of the
refusals also in anthropics/claude-code#19539, NousResearch/hermes-agent#24401 and #13010, tailcallhq/forgecode#2107.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import takewhile
from typing import Any

from .checks import Refusal, picked
from .signatures import Bound, Signature, Unsigned, digest

JSON = dict[str, Any]

THINKING = ("thinking", "redacted_thinking")
# The models that check what stands before their thinking, and those that check the account.
PREFIX = r"(.*/)?claude-((fable|mythos)-5[.-][12]|(opus|sonnet|haiku)-5[.-]5)(?!\d).*"
ACCOUNT = r"(.*/)?claude-(sonnet|haiku)-5[.-]5(?!\d).*"
# The models that do not think unless they are asked to.
OFF = r"claude-(\d.*|instant.*|[a-z]+-4(?!\d).*)"
# The models of other vendors that speak the protocol, sign nothing, and want the thinking of each tool call back; and
# their words (NousResearch/hermes-agent#16748 and #17057, can1357/oh-my-pi#906, 2026).
WANTED = {
    r"(.*/)?deepseek-(reasoner|v4).*": "The `content[].thinking` in the thinking mode must be passed back to the API.",
    r"(.*/)?kimi-.*": "thinking is enabled but reasoning_content is missing in assistant tool call message at index {}",
}
CONTROLS = "thinking-binding-controls-2026-08-01"
"""The beta header with which a request may say what becomes of thinking whose prefix was changed."""
INVALID = "Invalid `signature` in `{}` block"
ELSEWHERE = (
    f"{INVALID}. The block is bound to a different conversation. Remove the block, or set "
    '`thinking.block_binding.prefix_mismatch_behavior` to "drop_block".'
)
MODIFIED = (
    "`thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified. These blocks must "
    "remain as they were in the original response."
)
# What of a block belongs to the conversation, by its type; any other block belongs to it as a whole.
FIELDS = {
    "text": ("text", "citations"), "thinking": ("thinking", "signature"), "redacted_thinking": ("data",),
    "tool_use": ("id", "name", "input", "caller", "toolset_name"),
    "tool_result": ("tool_use_id", "content", "is_error"), "image": ("source",),
}  # fmt: skip


def seen(role: str, block: Mapping[str, Any]) -> list[Any]:
    """Return what of a block thinking behind it is bound to.  Marks of the cache and fields that are null are not."""
    kind = block["type"]
    return [role, kind, picked(block, *FIELDS.get(kind, block.keys() - {"cache_control"}))]


def mark_of(block: Mapping[str, Any]) -> Any:
    """Return the signature of a block of thinking."""
    return block.get("data" if block["type"] == "redacted_thinking" else "signature")


def blocks(content: Any) -> list[JSON]:
    """Return a content as blocks."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def checked(data: JSON, bound: Bound, *, controls: bool) -> tuple[Bound, list[JSON]]:
    """Return what the signatures of the reply are bound to, and which thinking of the messages is left out and why.

    Raise `Refusal` 400 for thinking that was changed.  Thinking of another model is left out, and thinking of another
    account, too, if the model looks at it.  All thinking of a conversation may be missing; thinking between others may
    not.  If `controls` are allowed, the request may ask to leave out thinking whose prefix was changed.
    The models in `WANTED` sign nothing.
    """
    _check_ends(data["messages"])
    if wanted := next((words for models, words in WANTED.items() if re.fullmatch(models, bound.model)), None):
        _check_passed_back(data, wanted)
        return Unsigned(bound.model), []
    if re.fullmatch("claude-.*", bound.model):
        _check_beginning(data)
    drops = _drops(data, controls=controls)
    for block in blocks(data.get("system") or []):
        bound = bound.followed_by(seen("system", block))
    for tool in data.get("tools") or ():
        bound = bound.followed_by({name: value for name, value in tool.items() if name != "cache_control"})
    latest = max((n for n, message in enumerate(data["messages"]) if message["role"] == "assistant"), default=-1)
    told: list[JSON] = []
    dropping = False
    for number, message in enumerate(data["messages"]):
        order: list[str] = []
        for place, block in enumerate(blocks(message["content"])):
            if block["type"] in THINKING:
                where = f"messages.{number}.content.{place}"
                found = _signature(where, block, latest=number == latest)
                reason = _left_out(found, bound)
                prefix_fits = not dropping and found.before == digest(bound.before)
                if not reason and re.fullmatch(PREFIX, bound.model) and not prefix_fits:
                    if not drops:
                        raise Refusal(400, f"{where}: {ELSEWHERE.format(block['type'])}")
                    dropping, reason = True, "prefix_binding_mismatch"
                elif number == latest and found.order != digest(order):
                    raise Refusal(400, f"{where}: {MODIFIED}")
                told += [{"type": "thinking_dropped", "path": where, "reason": reason}] if reason else []
                order.append(mark_of(block))
            bound = bound.followed_by(seen(message["role"], block))
    return bound, told if controls else []


def _check_ends(messages: list[JSON]) -> None:
    """Raise `Refusal` 400 for a message with thinking at its end."""
    for number, message in enumerate(messages):
        kind = blocks(message["content"])[-1]["type"]
        if kind in THINKING:
            raise Refusal(400, f"messages.{number}: The final block in an assistant message cannot be `{kind}`.")


def _check_beginning(data: JSON) -> None:
    """Raise `Refusal` 400 for an answer to go on with that has no thinking though the model thinks, or that has some
    though it does not.

    The answer began behind the last words of the user that stand beside no result of a tool.
    """
    messages, kind = data["messages"], (data.get("thinking") or {}).get("type")
    last = len(messages) - 1
    asked = [n for n, message in enumerate(messages) if message["role"] == "user" and not _answers(messages[: n + 1])]
    begun = [n for n, message in enumerate(messages) if message["role"] == "assistant" and n > max(asked, default=-1)]
    found = [blocks(messages[n]["content"])[0]["type"] for n in begun]
    if kind == "enabled" and found and not set(found) & set(THINKING):
        raise Refusal(
            400,
            f"messages.{begun[-1]}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{found[-1]}`"
            ". When `thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding "
            "the lastmost set of `tool_use` and `tool_result` blocks).",
        )
    off = kind == "disabled" or (kind is None and re.fullmatch(OFF, data["model"]))
    if off and messages[last]["role"] == "assistant":
        for place, block in enumerate(blocks(messages[last]["content"])):
            if block["type"] in THINKING:
                raise Refusal(
                    400,
                    f"messages.{last}.content.{place}: When thinking is disabled, an `assistant` message in the final "
                    f"position cannot contain `{block['type']}`.",
                )


def _check_passed_back(data: JSON, words: str) -> None:
    """Raise `Refusal` 400 for a tool call without thinking, unless thinking is off."""
    off = (data.get("thinking") or {}).get("type") == "disabled"
    for number, message in enumerate(() if off else data["messages"]):
        kinds = {block["type"] for block in blocks(message["content"])}
        if "tool_use" in kinds and "thinking" not in kinds:
            raise Refusal(400, words.format(number))


def _answers(messages: list[JSON]) -> bool:
    """Return whether the last messages are the user's and one of them holds results of tools."""
    users = takewhile(lambda message: message["role"] == "user", reversed(messages))
    return any(block["type"] == "tool_result" for message in users for block in blocks(message["content"]))


def _drops(data: JSON, *, controls: bool) -> bool:
    """Return whether thinking whose prefix was changed is left out in place of a refusal."""
    binding = (data.get("thinking") or {}).get("block_binding")
    if binding is None:
        return False
    if not controls:
        raise Refusal(400, "thinking.adaptive.block_binding: Extra inputs are not permitted")
    behavior = binding.get("prefix_mismatch_behavior", "error")
    if behavior not in ("error", "drop_block"):
        raise Refusal(
            400,
            "thinking.adaptive.block_binding.prefix_mismatch_behavior: Input should be 'error' or 'drop_block'",
        )
    return bool(behavior == "drop_block")


def _signature(where: str, block: Mapping[str, Any], *, latest: bool) -> Signature:
    """Return the signature of a block.  Raise `Refusal` 400 unless it is one of the service, of this thinking."""
    kind, mark = block["type"], mark_of(block)
    if mark is None:
        raise Refusal(400, f"{where}.{kind}.{'signature' if kind == 'thinking' else 'data'}: Field required")
    found = Signature.read("anthropic", mark)
    if found is None:
        raise Refusal(400, f"{where}: {INVALID.format(kind)}")
    if found.content != digest(block.get("thinking", "")):
        raise Refusal(400, f"{where}: {MODIFIED if latest else INVALID.format(kind)}")
    return found


def _left_out(found: Signature, bound: Bound) -> str:
    """Return why the model does not see a block of thinking; "" if it does."""
    if found.model != digest(bound.model):
        return "model_binding_mismatch"
    if re.fullmatch(ACCOUNT, bound.model) and found.account != digest(bound.account):
        return "organization_binding_mismatch"
    return ""


class Signer:
    """Signs the thinking of one reply."""

    __slots__ = ("_bound", "_order")

    def __init__(self, bound: Bound) -> None:
        # To what the next block is bound, and the signatures of the thinking so far.
        self._bound, self._order = bound, list[str]()

    def signed(self, block: JSON) -> JSON:
        """Return the next block of the reply: thinking with its signature, any other block as it is.

        A `redacted_thinking` block is nothing but a signature.
        """
        if block["type"] in THINKING:
            field = "data" if block["type"] == "redacted_thinking" else "signature"
            mark = self._bound.sign("anthropic", block.get("thinking", ""), self._order)
            block = {**block, field: mark}
            self._order.append(mark)
        # A text of blanks cannot come back, because the service refuses it.
        if block["type"] != "text" or block["text"].strip():
            self._bound = self._bound.followed_by(seen("assistant", block))
        return block
