"""Results: what became of a row, as a plain dict that JSON can hold.  No I/O.

    {"id": "a", "prompt": "Hello", "answer": "Hi.", "finish_reason": "stop", "usage": {"prompt_tokens": 9, ...},
     "attempts": 1, "seconds": 0.8}
    {"id": "b", "prompt": "Hello", "error": {"class": "RateLimitError", "message": "openai: ...", "partial": ""},
     "attempts": 3, "seconds": 9.1}

Both begin with the row's own fields.  `tool_calls` are there if the model calls tools, `parsed` if the answer was to be
JSON.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from ... import Stream

Result: TypeAlias = dict[str, Any]


def answered(
    fields: Mapping[str, Any], stream: Stream, parsed: tuple[Any, ...], attempts: int, seconds: float
) -> Result:
    """Return the result of a row whose stream was read to its end; `parsed` holds the value, if one was asked for."""
    usage = stream.usage
    counts = () if usage is None else zip(usage._fields, usage, strict=True)
    result = {
        **fields,
        "answer": stream.partial,
        "finish_reason": stream.finish_reason,
        "usage": {name: count for name, count in counts if count is not None and name != "raw"},
        "attempts": attempts,
        "seconds": round(seconds, 3),
    }
    if stream.tool_calls:
        result["tool_calls"] = [call._asdict() for call in stream.tool_calls]
    if parsed:
        result["parsed"] = parsed[0]
    return result


def failed(fields: Mapping[str, Any], error: BaseException, attempts: int, seconds: float) -> Result:
    """Return the result of a row that has failed."""
    told = {"class": type(error).__name__, "message": str(error), "partial": getattr(error, "partial", "")}
    return {**fields, "error": told, "attempts": attempts, "seconds": round(seconds, 3)}
