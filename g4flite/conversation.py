"""`tool_result`: the message that answers a tool call."""

import json
from collections.abc import Mapping
from typing import Any

from ._core.errors import MessagesError
from ._core.events import ToolCall


def tool_result(call: ToolCall | str, content: Any, *, error: bool = False) -> dict[str, Any]:
    """Return the message of the role tool that answers a tool call.

    `call` is the `ToolCall` or its id.  `content` is text, a list of text and image parts, or any other value, which
    becomes JSON text.  `error=True` says that the tool failed, and that the content says how.  Raises `MessagesError`
    for a value that is not JSON.
    """
    given = content
    if not isinstance(content, str) and not (
        isinstance(content, list) and content and all(isinstance(part, Mapping) and "type" in part for part in content)
    ):
        try:
            given = json.dumps(content, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as wrong:
            raise MessagesError(f"the result of a tool call is not JSON: {wrong}; pass a text") from None
    message = {"role": "tool", "tool_call_id": call if isinstance(call, str) else call.id, "content": given}
    return {**message, "is_error": True} if error else message
