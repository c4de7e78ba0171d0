"""`PartialArgs`: a tool call of Gemini's whose arguments come in pieces, each with a path and a value.

    call = PartialArgs(limit)
    call.add({"name": "now", "partialArgs": [{"jsonPath": "$.zone", "stringValue": "U", "willContinue": True}]})
    call.add({"partialArgs": [{"jsonPath": "$.zone", "stringValue": "TC"}, {"jsonPath": "$.at[0]", "numberValue": 1}]})
    call.arguments()        # {"zone": "UTC", "at": [1]}

Texts of one path are joined, as Google's own clients do, whatever `willContinue` says of the path.  What would be read
in two ways is a `MalformedReplyError` that names the call: another value for a path, a path through a value, a list
with a gap, a piece of two values or of a kind that is not known, another call before this one has ended.

Source: the types of google-genai 3.6.1, and its tests; vercel/ai and BerriAI/litellm#23815 (2026).  Vertex AI sends
such calls if `streamFunctionCallArguments` asks for them: the name first, then the pieces, and `{}` at the end.
"""

import re
from io import StringIO
from itertools import pairwise
from typing import Any, Final

from ..errors import LimitError, MalformedReplyError
from .assembly import string_of
from .partial_calls import PartialCall, unclear

# One step of a path (RFC 9535): `.name`, `['name']`, `["name"]` or `[0]`.
STEP: Final = re.compile(r"""\.([^.\[\]]+)|\[(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(\d{1,9}))\]""", re.DOTALL)
VALUES: Final = ("stringValue", "numberValue", "boolValue", "nullValue")
KNOWN: Final = frozenset((*VALUES, "jsonPath", "willContinue"))
# Steps of the longest path.  Writing deeper arguments would take more stack than Python has.
DEEPEST: Final = 100
NOTHING: Final = object()


class PartialArgs:
    """What came of one tool call; `limit` is the most characters that its pieces may have."""

    __slots__ = ("_call", "_left", "_root")

    def __init__(self, limit: int) -> None:
        self._call, self._left, self._root = PartialCall(None, None), limit, dict[str | int, Any]()

    @property
    def id(self) -> str | None:
        return self._call.id

    @property
    def name(self) -> str | None:
        return self._call.name

    def add(self, part: dict[str, Any]) -> None:
        """Add one `functionCall`: its name and its id, if it has them, and its pieces."""
        call, (name, known) = self._call, map(string_of, (part.get("name"), part.get("id")))
        if (name and call.name not in (None, name)) or (known and call.id not in (None, known)):
            raise unclear(call, "another call begins before this one has ended")
        call.name, call.id = call.name or name, call.id or known
        if part.get("args"):
            raise unclear(call, "its arguments come whole and in pieces")
        for piece in part.get("partialArgs") or ():
            self._put(piece)

    def arguments(self) -> dict[str, Any]:
        """Return the arguments so far."""
        joined: dict[str, Any] = _joined(self._root)
        return joined

    def unended(self) -> MalformedReplyError:
        """Return the error for a call whose reply has ended before it."""
        return unclear(self._call, "the reply ended before its arguments did")

    def _put(self, piece: dict[str, Any]) -> None:
        """Put the value of a piece to its place."""
        path, given = piece.get("jsonPath"), [key for key in VALUES if piece.get(key) is not None]
        if not KNOWN.issuperset(key for key, value in piece.items() if value is not None) or len(given) > 1:
            raise unclear(self._call, f"a piece of its arguments has the fields {', '.join(sorted(piece))}")
        # A null value is null in JSON.
        if not given and "nullValue" not in piece:
            return
        value = piece[given[0]] if given and given[0] != "nullValue" else None
        if given == ["stringValue"] and not isinstance(value, str):
            raise unclear(self._call, "a text among its arguments is no text")
        steps = self._steps(path)
        self._left -= len(str(path)) + (len(value) if isinstance(value, str) else 1)
        if self._left < 0:
            raise LimitError("the tool calls of the reply are longer than max_frame allows")
        place: dict[str | int, Any] = self._root
        for step, after in pairwise(steps):
            place = self._entered(place, step, _Items() if isinstance(after, int) else {}, path)
        self._set(place, steps[-1], value, path)

    def _steps(self, path: object) -> list[str | int]:
        """Return the names and the indices of a path."""
        steps, end = list[str | int](), 1
        while isinstance(path, str) and path.startswith("$") and (step := STEP.match(path, end)):
            name, single, double, index = step.groups()
            quoted = single if single is not None else double
            steps.append(int(index) if index else name or re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL))
            end = step.end()
        if not isinstance(path, str) or not 0 < len(steps) <= DEEPEST or end != len(path):
            raise unclear(self._call, f"the path {str(path)[:200]!r} of a piece cannot be read")
        return steps

    def _entered(self, place: dict[str | int, Any], step: str | int, new: dict[str | int, Any], path: object) -> Any:
        """Return the object or the list at this step, which is `new` if there is none."""
        self._check(place, step, path)
        inner = place.setdefault(step, new)
        if type(inner) is not type(new):
            raise unclear(self._call, f"the path {path!r} leads through another value")
        return inner

    def _set(self, place: dict[str | int, Any], step: str | int, value: Any, path: object) -> None:
        """Set a value, or add a piece of a text."""
        self._check(place, step, path)
        before = place.get(step, NOTHING)
        if isinstance(value, str) and (before is NOTHING or isinstance(before, StringIO)):
            place.setdefault(step, StringIO()).write(value)
        elif before is NOTHING:
            place[step] = value
        elif type(before) is not type(value) or before != value:
            raise unclear(self._call, f"the path {path!r} has two values")

    def _check(self, place: dict[str | int, Any], step: str | int, path: object) -> None:
        """Raise an error for a name in a list, an index in an object, and an index behind a gap."""
        fits = step in range(len(place) + 1) if isinstance(place, _Items) else isinstance(step, str)
        if not fits:
            raise unclear(self._call, f"the path {path!r} leads nowhere")


class _Items(dict[str | int, Any]):
    """The items of a list by their indices, in order and without a gap."""


def _joined(value: Any) -> Any:
    """Return a value with its lists and texts as Python has them."""
    if isinstance(value, StringIO):
        return value.getvalue()
    if isinstance(value, _Items):
        return [_joined(item) for item in value.values()]
    return {key: _joined(item) for key, item in value.items()} if isinstance(value, dict) else value
