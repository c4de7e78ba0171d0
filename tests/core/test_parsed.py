"""Answers that are JSON: the whole value, the value so far, and the schemas of classes, in three drivers."""

import builtins
import datetime
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import Annotated, Any, Literal

import pydantic
import pytest

import g4flite
from g4flite import MalformedReplyError, OptionError, UsageError, providers
from g4flite._core.parsed import Growing, parser_of_partial_json
from g4flite._core.request import build, make_call
from g4flite._core.schemas import closed, is_strict, response_format, schema_of_type
from g4flite.providers.anthropic import accepted
from g4flite.testing import Emulator, Script
from tests.conftest import Driver
from tests.rows import rows

SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object", "properties": {}}}}


@dataclass
class Point:
    """A place."""

    x: int
    y: int


class City(pydantic.BaseModel):
    name: str
    places: list[Point]
    people: Annotated[int, pydantic.Field(ge=0)] | None


@dataclass
class Loose:
    x: int = 0


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Sky(pydantic.BaseModel):
    """A reference beside a description, alone, and in an `anyOf`."""

    color: Color = pydantic.Field(description="At noon.")
    sun: Point = pydantic.Field(description="Where it stands.")
    moon: Point
    stars: list[Point] | None


class Tree(pydantic.BaseModel):
    branches: list["Tree"]
    trunk: "Tree | None" = pydantic.Field(description="What holds it.")


class Node(pydantic.BaseModel):
    value: int
    left: "Node | None" = None
    right: Annotated["Node | None", pydantic.Field(description="The larger.")] = None


def with_field(kind: Any) -> Any:
    return pydantic.create_model("Holder", x=(kind, ...))


@dataclass
class Size:
    x: float


def answering(server: Emulator, text: str, **more: Any) -> g4flite.Stream:
    """Return a stream whose answer is the text, in pieces of three characters."""
    server.reply = lambda _: [text[start : start + 3] for start in range(0, len(text), 3)]
    settings = {"model": "m", "api_key": "key", "base_url": server.url + "/v1", "retries": 0, **more}
    return g4flite.stream("openai", "Hi", **settings)


def parsed(driver: Driver, stream: g4flite.Stream) -> Any:
    return stream.parsed() if driver.name == "sync" else driver.run(stream.aparsed)


def partials(driver: Driver, stream: g4flite.Stream, most: int = 10**9) -> list[Any]:
    """Return the values of a loop over `partials()`, which is left behind so many."""

    async def collect() -> list[Any]:
        found = []
        async with stream:
            async for value in stream.partials():
                found.append(value)
                if len(found) == most:
                    break
        return found

    if driver.name != "sync":
        return driver.run(collect)  # type: ignore[no-any-return]
    found = []
    with stream:
        for value in stream.partials():
            found.append(value)
            if len(found) == most:
                break
    return found


def test_an_answer_becomes_the_value_of_the_class_that_was_asked_for(server: Emulator, driver: Driver) -> None:
    stream = answering(server, '{"x": 1, "y": 2}', response_format=Point)
    assert parsed(driver, stream) == Point(1, 2)
    # A second time, of the text that the stream has kept.
    assert parsed(driver, stream) == Point(1, 2)
    city = '{"name": "Oslo", "places": [{"x": 1, "y": 2}], "people": null}'
    assert parsed(driver, answering(server, city, response_format=City)) == City(
        name="Oslo", places=[Point(1, 2)], people=None
    )


def test_an_answer_without_a_class_is_plain_json(server: Emulator, driver: Driver) -> None:
    for asked in ({}, {"response_format": SCHEMA}, {"keep_partial": False}):
        assert parsed(driver, answering(server, ' {"x": [1, null]}\n', **asked)) == {"x": [1, None]}


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("Hello", None, "the answer is not the JSON that was asked for: Expecting value"),
        ('{"x": 1, "y": "secret"}', Point, "y: Input should be a valid integer"),
        ("[", Point, "Invalid JSON: EOF while parsing a list"),
        ("[" * 10_000, None, "the answer is not the JSON that was asked for"),
        ('{"x": NaN}', None, "NaN is no JSON"),
        ('{"x": NaN}', Size, "NaN is no JSON"),
        ('{"x": -Infinity}', Size, "-Infinity is no JSON"),
    ],
)
def test_an_answer_that_does_not_fit_is_an_error_with_its_text(
    server: Emulator, driver: Driver, text: str, kind: Any, said: str
) -> None:
    with pytest.raises(MalformedReplyError) as caught:
        parsed(driver, answering(server, text, response_format=kind))
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.partial == text
    assert caught.value.provider == "openai"


def test_an_answer_that_calls_a_tool_says_so(server: Emulator, driver: Driver) -> None:
    tool = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}
    settings: dict[str, Any] = {"model": "m", "base_url": f"{server.url}/v1", "api_key": "k", "tools": [tool],
                                "response_format": Point}  # fmt: skip
    said = "the answer calls the tool 'now', and is not the JSON that was asked for; run the calls, and send their"
    for pieces in ([], ["I look."]):
        server.reply = lambda _, pieces=pieces: [*pieces, g4flite.ToolCall("", "now", "{}")]  # type: ignore[misc]
        stream = g4flite.stream("openai", "Where?", **settings)
        with pytest.raises(MalformedReplyError, match=said) as caught:
            stream.parsed() if driver.name == "sync" else driver.run(stream.aparsed)
        assert caught.value.partial == "".join(pieces)
    # A value beside a call is a value.
    server.reply = lambda _: ['{"x": 1, "y": 2}', g4flite.ToolCall("", "now", "{}")]
    stream = g4flite.stream("openai", "Where?", **settings)
    assert (stream.parsed() if driver.name == "sync" else driver.run(stream.aparsed)) == Point(1, 2)


def test_an_answer_that_was_cut_off_says_to_raise_max_tokens(server: Emulator, driver: Driver) -> None:
    server.reply = lambda _: ['{"x": 1', g4flite.Finish("length")]
    stream = g4flite.stream("openai", "Hi", model="m", api_key="key", base_url=server.url + "/v1")
    with pytest.raises(MalformedReplyError, match="max_tokens"):
        parsed(driver, stream)


def test_a_stream_that_was_not_read_to_its_end_has_no_value(server: Emulator, driver: Driver) -> None:
    stream = answering(server, '{"x": 1}')
    driver.read(stream, limit=1)
    with pytest.raises(UsageError, match="not complete"):
        parsed(driver, stream)
    stream = answering(server, '{"x": 1}', keep_partial=False)
    driver.read(stream)
    with pytest.raises(UsageError, match="keep_partial=False"):
        parsed(driver, stream)


def test_a_client_asks_for_its_class_unless_a_stream_names_another(server: Emulator) -> None:
    server.reply = lambda _: ['{"x": 1, "y": 2}']
    settings: Any = {"model": "m", "api_key": "key", "base_url": server.url + "/v1"}
    with g4flite.Client("openai", response_format=Point, **settings) as client:
        assert client.stream("Hi").parsed() == Point(1, 2)
        assert client.stream("Hi", response_format=Loose).parsed() == Loose(1)
        assert client.stream("Hi", response_format=SCHEMA).parsed() == {"x": 1, "y": 2}
    names = [json.loads(one.body)["response_format"]["json_schema"]["name"] for one in server.exchanges]
    assert names == ["Point", "Loose", "a"]


@pytest.mark.parametrize("without", [(), ("jiter",)])
def test_the_values_so_far_come_while_the_answer_does(
    server: Emulator, driver: Driver, without: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(monkeypatch, *without)
    found = partials(driver, answering(server, '{"city": "Oslo", "at": [1, 23]}'))
    assert found[0] == {}
    assert found[-1] == {"city": "Oslo", "at": [1, 23]}
    assert {"city": "Os"} in found
    assert {"city": "Oslo", "at": [1]} in found
    assert not [one for one, other in pairwise(found) if one == other]
    assert partials(driver, answering(server, '{"city": "Oslo", "at": [1, 23]}'), most=2) == found[:2]


def test_the_last_value_of_a_long_answer_is_the_whole_one(server: Emulator, driver: Driver) -> None:
    numbers = list(range(2000))
    assert partials(driver, answering(server, json.dumps(numbers)))[-1] == numbers


def test_a_loop_over_the_values_may_be_passed_on(server: Emulator, driver: Driver) -> None:
    async def collect() -> list[Any]:
        values = aiter(answering(server, "[1]").partials())
        return [value async for value in values]

    if driver.name == "sync":
        values = iter(answering(server, "[1]").partials())
        assert [*iter(values)] == [[1]]
    else:
        assert driver.run(collect) == [[1]]


def test_a_text_that_is_no_json_ends_the_loop_with_an_error(server: Emulator, driver: Driver) -> None:
    for text in ("Hello", '{"x": 1'):
        with pytest.raises(MalformedReplyError) as caught:
            partials(driver, answering(server, text))
        assert caught.value.partial == text


def test_a_loop_that_was_left_closes_its_connection(server: Emulator, driver: Driver) -> None:
    stream = answering(server, "[" + "1," * 5000 + "1]", keep_partial=False)
    assert partials(driver, stream, most=3)[-1] == [1] * 4
    assert [one.outcome for one in stream.attempts] == ["closed"]


def hide(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let modules of these names be missing."""
    real = builtins.__import__

    def found(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] in names:
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", found)


def test_what_is_missing_is_said_before_a_socket_is_opened(server: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = answering(server, "{}")
    hide(monkeypatch, "jiter", "pydantic_core", "pydantic")
    with pytest.raises(OptionError, match=r"partials\(\) needs jiter: pip install jiter"):
        stream.partials()
    with pytest.raises(OptionError, match="needs pydantic: pip install pydantic"):
        answering(server, "{}", response_format=Point)
    assert server.exchanges == []


def test_no_value_so_far_holds_what_json_cannot_say(server: Emulator, driver: Driver) -> None:
    stream = answering(server, '{"x": NaN, "y": 1}')
    seen: list[Any] = []

    async def collect() -> None:
        async with stream:
            async for value in stream.partials():
                seen.append(value)

    with pytest.raises(MalformedReplyError, match="NaN is no JSON"):
        driver.run(collect) if driver.name != "sync" else seen.extend(stream.partials())
    assert "nan" not in str(seen)


@pytest.mark.parametrize("missing", ["", "jiter"])
def test_neither_parser_of_partial_json_takes_nan(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    if missing:
        monkeypatch.setitem(sys.modules, missing, None)
    parse = parser_of_partial_json()
    assert parse(b'{"x": [1.5') == {"x": [1.5]}
    for text in (b'{"x": NaN', b"[-Infinity, 1"):
        with pytest.raises(ValueError, match="invalid number|expected value"):
            parse(text)


def test_a_long_text_is_parsed_in_linear_time() -> None:
    sizes: list[int] = []
    parse = parser_of_partial_json()

    def counting(data: bytes) -> Any:
        sizes.append(len(data))
        return parse(data)

    growing = Growing(counting)
    text = json.dumps(list(range(40_000)))
    for start in range(0, len(text), 4):
        growing.add(text[start : start + 4])
    growing.parse()
    assert growing.value == list(range(40_000))
    assert sum(sizes) < 80 * len(text)


def test_the_schema_of_a_class_has_closed_objects_and_is_strict_if_it_may_be() -> None:
    made = response_format(City)
    assert made["type"] == "json_schema"
    assert {key: made["json_schema"][key] for key in ("name", "strict")} == {"name": "City", "strict": True}
    assert made["json_schema"]["schema"]["additionalProperties"] is False
    assert made["json_schema"]["schema"]["$defs"]["Point"]["additionalProperties"] is False
    assert response_format(Loose)["json_schema"]["strict"] is False
    assert response_format(dict[str, int])["json_schema"]["strict"] is False
    assert closed({"properties": {"properties": {"enum": [{"properties": 1}]}}}) == {
        "properties": {"properties": {"enum": [{"properties": 1}]}}, "additionalProperties": False
    }  # fmt: skip
    assert not is_strict({"anyOf": [{"type": "string", "format": "uri"}]})
    assert is_strict({"anyOf": [{"type": "string", "format": "date"}]})
    with pytest.raises(OptionError, match="a type whose JSON is of the type array, and services want an object"):
        response_format(list[int])
    with pytest.raises(OptionError, match="a type whose JSON is of several types, and services want an object"):
        response_format(pydantic.RootModel[Point | Loose])


def test_a_described_class_and_a_class_that_holds_itself_are_strict() -> None:
    made = response_format(Sky)["json_schema"]
    properties = made["schema"]["properties"]
    assert made["strict"] is True
    assert properties["color"] == {
        "enum": ["red", "blue"], "title": "Color", "type": "string", "description": "At noon."
    }  # fmt: skip
    assert (properties["sun"]["required"], properties["sun"]["description"]) == (["x", "y"], "Where it stands.")
    assert properties["sun"]["additionalProperties"] is False
    assert properties["moon"] == {"$ref": "#/$defs/Point"}
    made = response_format(Tree)["json_schema"]
    assert made["strict"] is True
    assert (made["schema"]["type"], made["schema"]["required"]) == ("object", ["branches", "trunk"])
    assert made["schema"]["properties"]["branches"]["items"] == {"$ref": "#/$defs/Tree"}
    assert response_format(Node)["json_schema"]["strict"] is False


STRICT = (str, int, Literal["a"], Color, list[int], list[Point], int | None, datetime.date, Sky, Tree,
          Annotated[list[int], pydantic.Field(min_length=1)], Annotated[int, pydantic.Field(ge=0)],
          Annotated[str, pydantic.Field(pattern="^a+$")])  # fmt: skip
# Of each, the words with which the service refuses it.
NOT_STRICT: dict[Any, str] = {
    Any: "('properties', 'x'), schema must have a 'type' key", object: "schema must have a 'type' key",
    list: "('properties', 'x', 'items'), schema must have a 'type' key", list[Any]: "schema must have a 'type' key",
    tuple[int, str]: "array schema missing items", set[int]: "'uniqueItems' is not permitted",
    dict[str, int]: "'additionalProperties' is required to be supplied and to be false",
    Loose: "an array including every key in properties. Missing 'x'", list[Loose] | None: "Missing 'x'",
    Annotated[str, pydantic.Field(min_length=1)]: "'minLength' is not permitted",
}  # fmt: skip


@pytest.mark.parametrize("name", ["openai", "openai-responses"])
def test_what_is_said_to_be_strict_is_taken_and_what_is_not_would_be_refused(name: str) -> None:
    with Emulator() as server:
        server.reply = lambda _: "{}"
        server.script = Script(dialect="openai" if name == "openai" else None)
        settings: dict[str, Any] = {"model": "gpt-4o", "api_key": "k", "base_url": server.url + "/v1", "retries": 0}
        for kind in (*STRICT, *NOT_STRICT):
            made = response_format(with_field(kind))
            assert made["json_schema"]["strict"] is (kind not in NOT_STRICT), kind
            assert g4flite.stream(name, "Hi", response_format=made, **settings).text() == "{}"
            made["json_schema"]["strict"] = True
            stream = g4flite.stream(name, "Hi", response_format=made, **settings)
            if kind in NOT_STRICT:
                with pytest.raises(g4flite.StatusError) as caught:
                    stream.text()
                assert NOT_STRICT[kind] in str(caught.value), kind
            else:
                assert stream.text() == "{}", kind
        for schema, said in (
            ({"$ref": "#/$defs/A", "$defs": {}}, "schema must be a JSON Schema of "),
            (schema_of_type(Sky), "$ref cannot have keywords {'description'}"),
        ):
            wrong = {"type": "json_schema", "json_schema": {"name": "a", "schema": closed(schema), "strict": True}}
            with pytest.raises(g4flite.StatusError) as caught:
                g4flite.stream(name, "Hi", response_format=wrong, **settings).text()
            assert said in str(caught.value)


def test_a_pattern_that_looks_around_and_a_schema_of_anything_are_not_strict() -> None:
    assert not is_strict({"type": "array", "items": True})
    for pattern, strict in (("a(?=b)", False), ("(?<!a)b", False), ("(?:a)b", True)):
        assert is_strict({"type": "string", "pattern": pattern}) is strict


def test_gemini_takes_references_and_refuses_what_holds_itself_by_required_properties(
    server: Emulator, driver: Driver
) -> None:
    server.reply = lambda _: "{}"
    settings: dict[str, Any] = {"model": "gemini-3-pro", "api_key": "k", "base_url": server.url, "retries": 0}

    def sky(sky: Sky, point: Annotated[Point, pydantic.Field(description="Where.")]) -> None: ...

    for wanted in (Sky, Node, {"type": "json_schema", "json_schema": {"name": "a", "schema": schema_of_type(Node)}}):
        assert "".join(driver.collect("gemini", "Hi", response_format=wanted, tools=[sky], **settings)) == "{}"
        sent = server.exchanges[-1].body.decode()
        assert '"$ref"' in sent
        assert not re.search(r'"\$ref": ?"[^"]*", ?"', sent)
        root = json.loads(sent)["generationConfig"]["responseJsonSchema"]
        assert root["type"] == "object"
        assert "$ref" not in root
    before = server.connections
    for wanted in (Tree, with_field(Tree), pydantic.create_model("Optional", x=(Tree | None, None))):
        with pytest.raises(OptionError, match=r"^gemini: .*'#/\$defs/Tree' holds itself by required properties alone"):
            driver.collect("gemini", "Hi", response_format=wanted, **settings)
    assert server.connections == before
    for schema, said in ((schema_of_type(Sky), "beside $ref '#/$defs/Color'"), (schema_of_type(Tree), "cyclic"),
                         ({"$ref": "#"}, "cyclic")):  # fmt: skip
        config = {"generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": schema}}
        with pytest.raises(g4flite.StatusError) as caught:
            driver.collect("gemini", "Hi", extra=config, **settings)
        assert said in str(caught.value)


def sent(name: str, model: str, wanted: Any) -> Any:
    call = make_call(providers.find(name), "Hi", model=model, base_url=None, headers=None, api_key="key",
                     options={"response_format": wanted})  # fmt: skip
    return json.loads(build(call).body)


PLACES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "openai": ("gpt-4o", lambda body: body["response_format"]["json_schema"]["schema"]),
    "openai-responses": ("gpt-4o", lambda body: body["text"]["format"]["schema"]),
    "anthropic": ("claude-sonnet-4-5", lambda body: body["output_config"]["format"]["schema"]),
    "gemini": ("gemini-3-pro", lambda body: body["generationConfig"]["responseJsonSchema"]),
    "ollama": ("llama3", lambda body: body["format"]),
    "cohere": ("command-a", lambda body: body["response_format"]["json_schema"]),
    "mistral": ("m", lambda body: body["response_format"]["json_schema"]["schema"]),
    "openrouter": ("m", lambda body: body["response_format"]["json_schema"]["schema"]),
    "llamacpp": ("m", lambda body: body["response_format"]["json_schema"]["schema"]),
}


@rows("name", PLACES)
def test_a_schema_stands_where_the_protocol_has_a_place_for_it(name: str) -> None:
    model, place = PLACES[name]
    schema = place(sent(name, model, Point))
    assert schema["required"] == ["x", "y"]
    assert schema["additionalProperties"] is False


@rows(
    "model", ["claude-3-7-sonnet-latest", "claude-3-opus-20240229", "claude-2.1", "claude-instant-1.2",
              "claude-opus-4-20250514", "claude-opus-4-1", "anthropic/claude-sonnet-4"],
)  # fmt: skip
def test_claude_before_4_5_takes_no_schema(model: str) -> None:
    with pytest.raises(OptionError, match=r"response_format='json_schema' is refused by the model"):
        sent("anthropic", model, SCHEMA)


def test_claude_takes_no_json_without_a_schema() -> None:
    for model in ("claude-sonnet-4-5-20250929", "claude-opus-4-10", "claude-haiku-5", "own"):
        assert "output_config" in sent("anthropic", model, SCHEMA)
        with pytest.raises(OptionError, match="names no schema, which this service needs"):
            sent("anthropic", model, {"type": "json_object"})


def test_claude_s_schema_has_what_the_service_does_not_take_in_its_description() -> None:
    given = {
        "type": "object", "properties": {
            "minimum": {"type": "integer", "minimum": 1, "maximum": 9, "description": "How many."},
            "kind": {"oneOf": [{"const": {"pattern": 1}}, {"type": "string", "pattern": "a+"}]}},
    }  # fmt: skip
    assert accepted(given) == {
        "type": "object", "additionalProperties": False, "properties": {
            "minimum": {"type": "integer", "description": "How many.\n(minimum: 1, maximum: 9)"},
            "kind": {"anyOf": [{"const": {"pattern": 1}}, {"type": "string", "description": "(pattern: a+)"}]}},
    }  # fmt: skip


# The service's rules are those by which the vendor's client mends a schema (anthropic-sdk-python 2.14.0).
MENDED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"type": "array", "items": {"type": "string"}, "minItems": 1}, {}),
    ({"type": "string", "format": "uuid", "default": "x", "enum": ["x"]}, {}),
    ({"type": ["string", "null"], "$schema": "https://json-schema.org/draft/2020-12/schema"}, {"$schema": None}),
    ({"type": "array", "minItems": 2, "maxItems": 3}, {"minItems": None, "maxItems": None,
                                                     "description": "(minItems: 2, maxItems: 3)"}),
    ({"type": "array", "prefixItems": [{"type": "string"}], "minItems": 1},
     {"prefixItems": None, "description": "(prefixItems: [{'type': 'string'}])"}),
    ({"type": "string", "format": "binary"}, {"format": None, "description": "(format: binary)"}),
    ({"anyOf": [{"type": "string"}], "discriminator": {"propertyName": "kind"}},
     {"discriminator": None, "description": "(discriminator: {'propertyName': 'kind'})"}),
    ({"type": "string", "examples": ["a"], "x-own": 1}, {"examples": None, "x-own": None,
                                                      "description": "(examples: ['a'], x-own: 1)"}),
    ({"type": "object", "properties": {}}, {"additionalProperties": False}),
    ({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": True},
     {"additionalProperties": False}),
    ({"type": "object", "properties": {}, "additionalProperties": {}}, {"additionalProperties": False}),
    ({"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "properties": {}}}},
     {"$defs": {"A": {"type": "object", "properties": {}, "additionalProperties": False}}}),
]  # fmt: skip


@rows(("given", "change"), MENDED)
def test_claude_s_schema_is_mended_as_the_vendor_s_client_does(given: dict[str, Any], change: dict[str, Any]) -> None:
    assert accepted(given) == {key: value for key, value in {**given, **change}.items() if value is not None}


ANYTHING: list[tuple[dict[str, Any], str]] = [
    ({"type": "object", "properties": {"d": {"type": "object", "additionalProperties": {"type": "integer"}}}},
     "'d' in the schema may have any keys"),
    ({"type": "object", "properties": {}, "additionalProperties": {"type": "integer"}}, "the schema may have any keys"),
    ({"type": "object"}, "the schema may have any keys"),
    ({"type": "object", "additionalProperties": True}, "the schema may have any keys"),
    ({"type": "object", "properties": {"any": {"title": "Any"}}}, "'any' in the schema may be any value"),
    ({"type": "object", "properties": {"a": {"type": "array", "items": {}}}}, "the items of 'a' in the"),
    ({"type": "array", "items": True}, "the items of the schema may be any value"),
    ({"anyOf": [{"type": "string"}, {"description": "d"}]}, "the schema may be any value"),
]  # fmt: skip


@rows(("schema", "said"), ANYTHING)
def test_claude_takes_no_schema_of_any_value(schema: dict[str, Any], said: str) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    with pytest.raises(OptionError, match=f"response_format=: {said}.*which this service does not take"):
        sent("anthropic", "claude-sonnet-4-5", form)


def test_a_class_with_a_dict_of_any_keys_is_refused_for_claude() -> None:
    @dataclass
    class Prices:
        by_town: dict[str, int]

    with pytest.raises(OptionError, match="'by_town' in the schema may have any keys"):
        sent("anthropic", "claude-sonnet-4-5", Prices)
    assert sent("openai", "gpt-4o", Prices)
