"""Tools and the jobs of their calls, without I/O."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

import pydantic
import pytest

import g4flite
from g4flite import ToolCall, tool_result
from g4flite._core.tools import MOST_SAID, Job, job_of, tools_of
from tests.rows import rows

CALL = ToolCall("c1", "weather", '{"city": "Oslo"}')
FORM = {"type": "function", "function": {"name": "weather"}}
PART = {"type": "text", "text": "a"}
IMAGE = {"type": "image_url", "image_url": "data:image/png;base64,QUI="}
LOOP: list[Any] = []
LOOP.append(LOOP)


@dataclass
class Place:
    name: str
    size: float


def weather(city: str, days: int = 1) -> str:
    return f"snow in {city} on {days} days"


@rows(
    ("content", "sent"),
    [
        ("text", "text"),
        ("", ""),
        (None, "null"),
        ({"a": "\u00e9"}, '{"a": "\u00e9"}'),
        ([1, 2], "[1, 2]"),
        ([], "[]"),
        ([{"type": "text", "text": "a"}], [{"type": "text", "text": "a"}]),
        ([{"kind": "a"}], '[{"kind": "a"}]'),
        # Rows of a table with a column `type`.
        ([{"type": "restaurant", "name": "A"}], '[{"type": "restaurant", "name": "A"}]'),
        ([{"type": "text", "id": 3}], '[{"type": "text", "id": 3}]'),
        ([{"type": "text", "text": 3}], '[{"type": "text", "text": 3}]'),
        ([{"type": "text", "text": "a", "id": 3}], '[{"type": "text", "text": "a", "id": 3}]'),
        ([{"type": "file", "file": "a.txt"}], '[{"type": "file", "file": "a.txt"}]'),
        ([{"type": ["text"]}, {"type": None}], '[{"type": ["text"]}, {"type": null}]'),
        ([{"type": "text", "text": "a"}, "b"], '[{"type": "text", "text": "a"}, "b"]'),
        ([PART, {**PART, "cache_control": {}}, IMAGE], [PART, {**PART, "cache_control": {}}, IMAGE]),
        # What pydantic converts.
        ({"at": date(2026, 1, 2), "days": {1}}, '{"at": "2026-01-02", "days": [1]}'),
        ([Place("Oslo", 1.5)], '[{"name": "Oslo", "size": 1.5}]'),
        ((number for number in (1, 2)), "[1, 2]"),
        # Half of a surrogate pair.
        ({"a": "\ud83d"}, '{"a": "\\ud83d"}'),
    ],
)
def test_a_result_is_text_or_parts_or_json(content: Any, sent: Any) -> None:
    message = {"role": "tool", "tool_call_id": "c1", "content": sent}
    assert tool_result(CALL, content) == message
    assert tool_result("c1", "a", error=True) == {**message, "content": "a", "is_error": True}


@rows("content", [float("nan"), object(), Place("Oslo", float("inf")), b"\xff", LOOP])
def test_a_result_that_is_not_json_is_refused_and_the_model_is_told(content: Any) -> None:
    with pytest.raises(g4flite.MessagesError, match="the result of a tool call is not JSON: .*; pass a text"):
        tool_result(CALL, content)
    job = Job(CALL, list)
    job.returned(content, ())
    assert (job.work, job.result["is_error"]) == (None, True)
    assert job.result["content"].startswith("MessagesError: the result of a tool call is not JSON: ")
    with pytest.raises(g4flite.MessagesError):
        Job(CALL).returned(content, (ValueError, g4flite.UsageError))


def test_without_pydantic_only_json_is_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydantic_core", None)
    assert tool_result("c1", [1])["content"] == "[1]"
    with pytest.raises(g4flite.MessagesError, match="is not JSON: it holds a value of the type set; pass a text"):
        tool_result("c1", {"a": {1}})


def test_the_model_is_told_of_a_result_that_cannot_be_sent() -> None:
    def rows() -> Iterator[int]:
        yield 1
        raise KeyError("gone")

    for value, said in (
        ("a\ud83d", "MessagesError: the result of a tool call has half of a surrogate pair at character 1"),
        ([{"type": "image_url", "image_url": b"no"}], "MessagesError: the result of a tool call, part 1 has an image"),
        ([{"type": "file", "file": {"file_id": "f"}}], "MessagesError: the result of a tool call, part 1 is of the"),
        (rows(), "KeyError: 'gone'"),
    ):
        job = Job(CALL, list)
        job.returned(value, ())
        assert (job.work, job.result["is_error"]) == (None, True)
        assert job.result["content"].startswith(said)
    job = Job(CALL, list)
    job.returned([IMAGE], ())
    assert job.result == tool_result("c1", [{**IMAGE, "image_url": {"url": IMAGE["image_url"]}}])


def test_an_exception_without_a_text_and_one_that_utf_8_cannot_carry_are_told() -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise KeyError

    for error, said in ((Odd(), "Odd"), (OSError("no caf\udce9"), "OSError: no caf\\udce9")):
        job = Job(CALL, list)
        job.raised(error, ())
        assert job.result == tool_result("c1", said, error=True)
    job.judge("\ud83d")
    assert job.result["content"] == "the call was not allowed: \\ud83d"


def test_a_fatal_stop_ends_the_answer_although_a_coroutine_hides_it() -> None:
    hidden = RuntimeError("coroutine raised StopIteration")
    hidden.__cause__ = StopIteration()
    for fatal in (StopIteration, RuntimeError):
        with pytest.raises(RuntimeError):
            Job(CALL, list).raised(hidden, fatal)
    job = Job(CALL, list)
    job.raised(hidden, (LookupError,))
    assert job.result["content"] == "RuntimeError: coroutine raised StopIteration"


def test_an_exception_of_a_validator_is_told() -> None:
    def known(city: str) -> str:
        return {"Rome": "Roma"}[city]

    def weather(city: Annotated[str, pydantic.AfterValidator(known)]) -> str:
        return city

    assert job_of(CALL, tools_of([weather])).result == tool_result("c1", "KeyError: 'Oslo'", error=True)


def test_a_tool_is_a_function_or_a_pair_of_its_form_and_a_function() -> None:
    (tool,) = tools_of([weather]).values()
    assert tool.form["function"]["name"] == "weather"
    assert tools_of(((FORM, len),))["weather"].function is len
    assert tools_of([]) == {}


@rows(
    ("tools", "said"),
    [
        ([FORM], r"tool 1 is a dict, which does not say what to call; give the pair \(dict, function\)"),
        ([weather, (FORM, weather)], "two tools of the name 'weather'"),
        ([weather, (FORM,)], "tool 2 is not a pair of"),
        ([(FORM, "weather")], "tool 1 is not a pair of"),
        ([("weather", weather)], "tool 1 is not a pair of"),
        ([({"function": {}}, weather)], "tool 1 is not a pair of"),
        ([3], "a tool must be a function"),
        (weather, "tools= must be a list, not function"),
        ("weather", "tools= must be a list, not str"),
    ],
)
def test_another_tool_is_refused(tools: Any, said: str) -> None:
    with pytest.raises(g4flite.OptionError, match=said):
        tools_of(tools)


@pytest.mark.parametrize("tool", [weather, (FORM, weather)])
def test_a_call_becomes_the_work_of_a_function(tool: Any) -> None:
    job = job_of(CALL, tools_of([tool]))
    assert job.work is not None
    job.returned(job.work(), ())
    assert (job.work, job.result) == (None, tool_result("c1", "snow in Oslo on 1 days"))


def test_a_function_that_does_not_tell_its_parameters_is_called_with_what_came() -> None:
    job = job_of(CALL, tools_of([(FORM, getattr)]))
    assert job.work is not None
    assert job.work.keywords == {"city": "Oslo"}  # type: ignore[attr-defined]


@rows(
    ("call", "said"),
    [
        (CALL._replace(name="now"), "there is no tool 'now'; the tools are weather"),
        (
            CALL._replace(arguments="[1]"),
            "the arguments of the tool call 'c1' of 'weather' are not a JSON object: '[1]'",
        ),
        (CALL._replace(arguments='{"city'), "the arguments of the tool call 'c1' of 'weather' are not a JSON object:"),
        (CALL._replace(arguments='{"city": NaN}'), "the arguments of the tool call 'c1' of 'weather' are not a JSON"),
        (CALL._replace(arguments="{}"), "the arguments are wrong: "),
        (CALL._replace(arguments='{"city": "Oslo", "x": 1}'), "the arguments are wrong: "),
    ],
)
@rows("tool", [weather, (FORM, weather)])
def test_the_model_is_told_what_is_wrong_with_a_call(call: ToolCall, said: str, tool: Any) -> None:
    job = job_of(call, tools_of([tool]))
    assert (job.work, job.result["is_error"], job.result["tool_call_id"]) == (None, True, "c1")
    assert job.result["content"].startswith(said)
    assert ";" not in job.result["content"].removeprefix("there is no tool 'now';")


def test_without_tools_there_is_none_to_call() -> None:
    assert job_of(CALL, {}).result["content"] == "there is no tool 'weather'; the tools are none"


def test_a_call_is_allowed_or_the_model_is_told_why_not() -> None:
    job = Job(CALL, list)
    job.judge(True)
    assert job.work is list
    for verdict, said in ((False, ""), ("", ""), ("too late", ": too late")):
        job = Job(CALL, list)
        job.judge(verdict)
        assert (job.work, job.result) == (None, tool_result("c1", f"the call was not allowed{said}", error=True))
    for verdict in (None, 1):
        with pytest.raises(TypeError, match=f"approve= returned {verdict}; it must return True, False or a reason"):
            Job(CALL, list).judge(verdict)


def test_the_model_is_told_the_class_and_the_message_of_an_exception_without_secrets() -> None:
    job = Job(CALL, list, ("sk-s3cret-s3cret",))
    assert "s3cret" not in repr(job)
    job.raised(KeyError("no sk-s3cret-s3cret"), ())
    assert job.result == tool_result("c1", "KeyError: 'no ***'", error=True)
    job.raised(ValueError("x" * 3 * MOST_SAID), ())
    assert len(job.result["content"]) == MOST_SAID + len("ValueError: ")
    job.raised(ValueError(), ())
    assert job.result["content"] == "ValueError"
    with pytest.raises(ZeroDivisionError, match="^no$"):
        job.raised(ZeroDivisionError("no"), (KeyError, ArithmeticError))


def test_the_arguments_of_a_call_are_an_object() -> None:
    assert CALL.parsed == {"city": "Oslo"}
    assert str(CALL._replace(arguments='{"a": 1e400}').parsed) == "{'a': inf}"
    for text in ("", "[]", "{", "[" * 100_000, '{"a": NaN}', '{"a": [-Infinity]}'):
        with pytest.raises(g4flite.MalformedReplyError, match="the tool call 'c1' of 'weather' are not a JSON object"):
            _ = CALL._replace(arguments=text).parsed
