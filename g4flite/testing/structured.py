"""The text with which the emulator answers a request for JSON: a value that fits the request's JSON Schema.

text = structured(turn.options)         # '{"city": "text", "days": 1}'; None if the request wants no JSON
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..server.checks import Refusal
from .tool_calls import value_of


def structured(options: Mapping[str, Any]) -> str | None:
    """Return JSON that fits the `response_format` of a request, None if the request wants text.

    Without a schema it is `{}`.  Raise `Refusal` 400 for a value that is not a schema.
    """
    form = options.get("response_format") or {}
    if form.get("type") not in ("json_schema", "json_object"):
        return None
    schema = (form.get("json_schema") or {}).get("schema", {"type": "object"})
    try:
        value = value_of(schema, schema)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Refusal(400, "response_format: expected a JSON Schema") from error
    return json.dumps(value, ensure_ascii=False)
