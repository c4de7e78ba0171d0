"""Tools: what a model may call, and what becomes of a call.  No I/O: a driver calls the functions.

tools = tools_of([weather, (DICT, function)])       # {"weather": Tool(...), ...}
job = job_of(call, tools)           # without work if the call is wrong: `job.result` tells the model so
job.judge(True)                     # what the caller's `approve=` says
job.returned(job.work(), fatal)
job.result                          # the message that answers the call
"""

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from .errors import MalformedReplyError, MessagesError, OptionError
from .events import ToolCall
from .media import RAW
from .messages import Message, checked_content
from .schemas import Function, function_of
from .secrets import redact
from .takes import PART_KEYS

# How many characters of an exception's message the model is told.
MOST_SAID = 2000
# The types of parts, each with the types of its own field.  The results of tools may be text and images; the others are
# known here so that the error of such a part is a clear one.
PARTS: Mapping[str, Any] = {
    "text": str, "image_url": (str, Mapping, *RAW), "file": Mapping, "input_audio": Mapping,
}  # fmt: skip


def tool_result(call: ToolCall | str, content: Any, *, error: bool = False) -> Message:
    """Return the message of the role tool that answers a tool call.

    `call` is the `ToolCall` or its id.  `content` is text, a list of text and image parts, or any other value, which
    becomes JSON text; if pydantic is installed, it converts models, dataclasses, dates and what else it knows.
    `error=True` says that the tool failed, and that the content says how.  Raises `MessagesError` for a value that is
    not JSON.
    """
    is_content = isinstance(content, str) or (isinstance(content, list) and content and all(map(_is_part, content)))
    given = content if is_content else _json(content)
    message = {"role": "tool", "tool_call_id": call if isinstance(call, str) else call.id, "content": given}
    return {**message, "is_error": True} if error else message


def _is_part(value: Any) -> bool:
    """Return whether a value is a part of a content, and not, say, a row of a table with a column `type`."""
    kind = value.get("type") if isinstance(value, Mapping) else None
    return (
        isinstance(kind, str)
        and isinstance(value.get(kind), PARTS.get(kind, ()))
        and value.keys() <= {"type", kind, *PART_KEYS}
    )


def _json(value: Any) -> str:
    """Return a value as JSON text.  Raises `MessagesError` if it is not JSON."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=_jsonable)
    except (TypeError, ValueError, RecursionError) as wrong:
        raise MessagesError(f"the result of a tool call is not JSON: {wrong}; pass a text") from None
    # Half of a surrogate pair, which UTF-8 cannot carry, becomes its escape, which is JSON's as well.
    return text.encode("utf-8", "backslashreplace").decode()


def _jsonable(value: Any) -> Any:
    """Return what pydantic makes of a value that is no JSON.  Raises `TypeError` or `ValueError`."""
    try:
        from pydantic_core import to_jsonable_python  # noqa: PLC0415 - an extra, and most results are JSON
    except ImportError:
        raise TypeError(f"it holds a value of the type {type(value).__name__}") from None
    return to_jsonable_python(value)


class Tool(NamedTuple):
    """A tool in the OpenAI form, and the function that is called; `described` is None if the caller gave the form."""

    form: Mapping[str, Any]
    function: Callable[..., Any]
    described: Function | None = None

    def arguments(self, given: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of a call: those by place, those by name.  Raises `ValueError` if they do not fit."""
        if self.described is not None:
            return self.described.arguments(given)
        try:
            signature = inspect.signature(self.function)
        # Some functions that are written in C do not tell their parameters.
        except ValueError:
            return (), {**given}
        try:
            signature.bind(**given)
        except TypeError as error:
            raise ValueError(str(error)) from None
        return (), {**given}


def tools_of(tools: Sequence[Any]) -> dict[str, Tool]:
    """Return the tools by their names.

    A tool is a function, or a pair of a dict in the OpenAI form and its function.  Raises `OptionError` for any other
    tool, and for two tools of one name.
    """
    if isinstance(tools, str) or not isinstance(tools, Sequence):
        raise OptionError(f"tools= must be a list, not {type(tools).__name__}")
    result: dict[str, Tool] = {}
    for number, given in enumerate(tools, 1):
        tool = _tool(number, given)
        name = tool.form["function"]["name"]
        if name in result:
            raise OptionError(f"there are two tools of the name {name!r}; a model could not tell them apart")
        result[name] = tool
    return result


def _tool(number: int, given: Any) -> Tool:
    """Return one tool, checked; `number` says in error messages which tool it is."""
    if isinstance(given, Mapping):
        raise OptionError(
            f"tool {number} is a dict, which does not say what to call; give the pair (dict, function)",
            advice="or run the calls yourself: stream() takes dicts, and `stream.tool_calls` are the calls",
        )
    if not isinstance(given, tuple):
        described = function_of(given)
        return Tool(described.tool, given, described)
    form, function = given if len(given) == 2 else ({}, None)
    named = form.get("function") if isinstance(form, Mapping) else None
    if not isinstance(named, Mapping) or not isinstance(named.get("name"), str) or not callable(function):
        raise OptionError(
            f'tool {number} is not a pair of {{"type": "function", "function": {{"name", "parameters"}}}} and the '
            "function to call"
        )
    return Tool(form, function)


@dataclass(slots=True)
class Job:
    """A tool call, the work that it asks for, and the message that answers it.

    Once the call is answered, `work` is None.  `secrets` are the texts that no message to the model repeats.
    """

    call: ToolCall
    work: Callable[[], Any] | None = None
    secrets: Sequence[str] = field(default=(), repr=False)
    result: dict[str, Any] = field(default_factory=dict)

    def judge(self, verdict: object) -> None:
        """Note whether the call is allowed: True, False, or a text that tells the model why it is not."""
        if verdict is True:
            return
        if not isinstance(verdict, bool | str):
            raise TypeError(f"approve= returned {verdict!r}; it must return True, False or a reason as text")
        self.fail(f"the call was not allowed: {verdict}" if verdict else "the call was not allowed")

    def returned(self, value: Any, fatal: Any) -> None:
        """Note what the function returned.  If that cannot be sent, this is the error of the call."""
        try:
            result = tool_result(self.call, value)
            result["content"] = checked_content("the result of a tool call", result["content"], "tool")
        # Iterators and properties of the value may raise anything.
        except Exception as error:
            self.raised(error, fatal)
        else:
            self.result, self.work = result, None

    def raised(self, error: Exception, fatal: Any) -> None:
        """Note the exception that the function raised, or raise it if it is one of the `fatal` classes."""
        # A coroutine raises a RuntimeError from a StopIteration (PEP 479).
        stop = error.__cause__ if isinstance(error.__cause__, StopIteration) else error
        if isinstance(error, fatal) or isinstance(stop, fatal):
            raise error
        try:
            text = str(error)
        # The class of the exception may be anybody's.
        except Exception:
            text = ""
        said = redact(text, self.secrets)[:MOST_SAID]
        self.fail(f"{type(error).__name__}: {said}" if said else type(error).__name__)

    def fail(self, why: str) -> None:
        """Note that the call failed: the model is told why."""
        # A file's name in an exception may hold half of a surrogate pair, which UTF-8 cannot carry.
        sendable = why.encode("utf-8", "backslashreplace").decode()
        self.result, self.work = tool_result(self.call, sendable, error=True), None


def job_of(call: ToolCall, tools: Mapping[str, Tool], secrets: Sequence[str] = ()) -> Job:
    """Return the job of a call.  If the call is wrong, the model is told so, and there is no work."""
    job = Job(call, None, secrets)
    tool = tools.get(call.name)
    if tool is None:
        job.fail(f"there is no tool {call.name!r}; the tools are {', '.join(tools) or 'none'}")
        return job
    try:
        by_place, by_name = tool.arguments(call.parsed)
        job.work = partial(tool.function, *by_place, **by_name)
    except MalformedReplyError as error:
        # Without the advice, which is for the program.
        job.fail(str(error.args[0]))
    except ValueError as error:
        job.fail(f"the arguments are wrong: {error}")
    # A validator of the function's own.
    except Exception as error:
        job.raised(error, ())
    return job
