"""Schemas of functions and classes, and the arguments of a call, which pydantic checks and converts."""

import builtins
import dataclasses
import datetime
from typing import Annotated, Any

import pydantic
import pytest

import g4flite
from g4flite._core.schemas import function_of, schema_of_function, schema_of_type
from tests.acme import ACME
from tests.conftest import interpret
from tests.rows import rows


@dataclasses.dataclass
class Point:
    x: int
    y: int = 2


class Model(pydantic.BaseModel):
    name: str


def weather(
    city: str, when: datetime.date | None = None, at: Point | None = None, *, days: Annotated[int, "whole"] = 1
) -> str:
    """Return the weather
    of a city.

    This paragraph is for programmers.
    """
    return f"{city} {when} {at} {days}"


def nothing() -> None:
    pass


def test_a_function_is_a_tool_in_the_openai_form() -> None:
    tool = schema_of_function(weather)
    assert (tool["type"], [*tool]) == ("function", ["type", "function"])
    function = tool["function"]
    assert (function["name"], function["description"]) == ("weather", "Return the weather of a city.")
    parameters = function["parameters"]
    assert (parameters["type"], parameters["required"]) == ("object", ["city"])
    assert [*parameters["properties"]] == ["city", "when", "at", "days"]
    assert parameters["properties"]["days"]["type"] == "integer"
    assert parameters["$defs"]["Point"]["required"] == ["x"]


def test_a_function_may_have_no_parameters_and_no_docstring() -> None:
    empty = {"type": "object", "properties": {}, "additionalProperties": False}
    assert schema_of_function(nothing) == {"type": "function", "function": {"name": "nothing", "parameters": empty}}


def test_a_method_is_a_tool_without_its_self() -> None:
    class Station:
        def read(self, sensor: str) -> str:
            return sensor

    assert [*schema_of_function(Station().read)["function"]["parameters"]["properties"]] == ["sensor"]


def test_the_arguments_of_a_call_are_converted() -> None:
    given = {"city": "Oslo", "when": "2026-01-02", "at": {"x": "3"}, "days": 2}
    by_place, by_name = function_of(weather).arguments(given)
    assert weather(*by_place, **by_name) == "Oslo 2026-01-02 Point(x=3, y=2) 2"
    assert function_of(nothing).arguments({}) == ((), {})


@rows(
    ("given", "said"),
    [
        ({}, "city: Missing required argument"),
        ({"city": "Oslo", "country": "no"}, "country: Unexpected keyword argument"),
        ({"city": "Oslo", "at": {"x": "east"}}, "at.x: Input should be a valid integer, unable to parse"),
        ({"city": [], "days": "x"}, "city: Input should be a valid string; days: Input should be a valid integer"),
    ],
)
def test_arguments_that_do_not_fit_are_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        function_of(weather).arguments(given)
    assert "pydantic" not in str(caught.value)


def unannotated(city, days=1):  # type: ignore[no-untyped-def]
    return city, days


def by_place(city: str, /) -> str:
    return city


def mixed(city: str, /, *, days: int) -> str:
    return city * days


def nameless(at: "Nowhere") -> None:  # type: ignore[name-defined]  # noqa: F821
    pass


def unknown(loop: dataclasses.Field[int], other: memoryview) -> None:
    pass


@rows(
    ("function", "said"),
    [
        (unannotated, r"'unannotated' has no annotations, .*; annotate it, like def unannotated\(city: str\)"),
        (by_place, "the function 'by_place' has a parameter that cannot be passed by name"),
        (mixed, "pydantic makes no schema of the function 'mixed': Unable to generate JSON schema"),
        (nameless, "pydantic makes no schema of the function 'nameless': .*Nowhere"),
        (unknown, "pydantic makes no schema of the function 'unknown': Unable to generate"),
        (Point, "a tool must be a function or a dict in the OpenAI form, not <class"),
        (getattr, "the function 'getattr' does not tell its parameters"),
    ],
)
def test_a_function_without_a_schema_is_refused(function: Any, said: str) -> None:
    with pytest.raises(g4flite.OptionError, match=said):
        schema_of_function(function)


def test_a_class_has_a_schema() -> None:
    assert schema_of_type(Point)["required"] == ["x"]
    assert schema_of_type(Model)["properties"]["name"]["type"] == "string"
    assert schema_of_type(list[int])["items"] == {"type": "integer"}
    with pytest.raises(g4flite.OptionError, match="no schema of the type 'memoryview'"):
        schema_of_type(memoryview)


def test_without_pydantic_a_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = builtins.__import__

    def barred(name: str, *rest: Any) -> Any:
        if name == "pydantic":
            raise ImportError
        return whole(name, *rest)

    monkeypatch.setattr(builtins, "__import__", barred)
    with pytest.raises(g4flite.OptionError, match="'weather' needs pydantic: pip install pydantic"):
        g4flite.stream(ACME, "Hi", tools=[weather])


def test_tools_of_a_stream_may_be_functions() -> None:
    stream = g4flite.stream(ACME, "Hi", tools=[nothing, {"function": {"name": "other"}}])
    assert stream._run.call.options["tools"] == [schema_of_function(nothing), {"function": {"name": "other"}}]


def test_a_stream_without_functions_does_not_import_pydantic() -> None:
    code = """if True:
        import sys, g4flite
        tool = {"type": "function", "function": {"name": "now"}}
        g4flite.stream("ollama", "Hi", model="m", tools=[tool])
        g4flite.Conversation("ollama", model="m", tools=[(tool, print)]).say("Hi")
        print("pydantic" in sys.modules)
    """
    assert interpret(code) == "False\n"
