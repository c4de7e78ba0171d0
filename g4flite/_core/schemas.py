"""JSON Schemas of Python functions and classes, made by pydantic, which is imported only if one is given.

def weather(city: str, days: int = 1) -> str:
    "Return the weather of a city."

schema_of_function(weather)     # {"type": "function", "function": {"name": "weather", "description": ..., ...}}
schema_of_type(Point)           # of a dataclass, a pydantic model or any other type that pydantic knows

function = function_of(weather)
function.arguments({"city": "Oslo"})        # ((), {"city": "Oslo", "days": 1}): checked and converted
"""

import inspect
import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import OptionError

if TYPE_CHECKING:
    from pydantic import TypeAdapter


class Function(NamedTuple):
    """A function as a tool in the OpenAI form, and the adapter that checks the arguments of a call."""

    tool: dict[str, Any]
    adapter: "TypeAdapter[Any]"

    def arguments(self, given: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of a call, checked and converted: those by place, and those by name.

        Raises `ValueError`, which says what is wrong with each argument, if they do not fit.
        """
        from pydantic_core import ArgsKwargs, ValidationError  # noqa: PLC0415 - pydantic has made the adapter

        try:
            return self.adapter.validate_python(ArgsKwargs((), {**given}))  # type: ignore[no-any-return]
        except ValidationError as error:
            # The default text repeats the values and names a page of pydantic's.
            wrong = error.errors(include_url=False, include_context=False, include_input=False)
            raise ValueError("; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in wrong)) from None


def function_of(function: Callable[..., Any]) -> Function:
    """Return a function as a tool; the description is the first paragraph of its docstring.

    Raises `OptionError` if pydantic is missing or makes no schema of the function, and for a function whose parameters
    have no annotation at all: its schema would not tell the model what to pass.
    """
    if not inspect.isroutine(function):
        raise OptionError(
            f"a tool must be a function or a dict in the OpenAI form, not {function!r}",
            advice="wrap it into a function with annotations and a docstring",
        )
    name = function.__name__
    try:
        parameters = inspect.signature(function).parameters
    except ValueError as error:
        raise OptionError(f"the function {name!r} does not tell its parameters; wrap it into another") from error
    if parameters and all(parameter.annotation is parameter.empty for parameter in parameters.values()):
        raise OptionError(
            f"the function {name!r} has no annotations, so that its schema would not tell the model what to pass",
            advice=f"annotate it, like def {name}({next(iter(parameters))}: str)",
        )

    # `wraps` gives it the signature and the annotations.
    @wraps(function)
    def arguments(*by_place: Any, **by_name: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return by_place, by_name

    adapter, schema = _adapter_and_schema(f"the function {name!r}", arguments)
    if schema.get("type") != "object":
        raise OptionError(f"the function {name!r} has a parameter that cannot be passed by name; wrap it into another")
    described = {"name": name}
    if text := re.split(r"\n\s*\n", inspect.getdoc(function) or "")[0].strip():
        described["description"] = " ".join(text.split())
    return Function({"type": "function", "function": {**described, "parameters": schema}}, adapter)


def schema_of_function(function: Callable[..., Any]) -> dict[str, Any]:
    """Return a function as a tool in the OpenAI form.  Raises as `function_of` does."""
    return function_of(function).tool


def schema_of_type(kind: Any) -> dict[str, Any]:
    """Return the JSON Schema of a type.  Raises `OptionError` if pydantic is missing or makes none of it."""
    return _adapter_and_schema(f"the type {getattr(kind, '__name__', kind)!r}", kind)[1]


def _adapter_and_schema(what: str, kind: Any) -> "tuple[TypeAdapter[Any], dict[str, Any]]":
    """Return pydantic's adapter of a type or a function, and its JSON Schema; `what` names it in error messages."""
    try:
        import pydantic  # noqa: PLC0415 - a program without functions and classes as schemas does not need it
    except ImportError:
        raise OptionError(f"a schema of {what} needs pydantic: pip install pydantic") from None
    try:
        adapter: TypeAdapter[Any] = pydantic.TypeAdapter(kind)
        return adapter, adapter.json_schema()
    # NameError: an annotation is a text that names nothing.
    except (pydantic.errors.PydanticUserError, NameError) as error:
        raise OptionError(f"pydantic makes no schema of {what}: {str(error).splitlines()[0]}") from error
