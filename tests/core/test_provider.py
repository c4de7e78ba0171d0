"""Providers and calls: frozen data that is checked as it is made."""

import copy
import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import g4flite
from g4flite import Call, ErrorRule, Provider, providers
from g4flite._core import request
from tests.acme import ACME
from tests.rows import rows

WRONG_RULES: Any = (
    ("429", "", g4flite.RateLimitError), (True, "", g4flite.RateLimitError), (429, None, g4flite.RateLimitError),
    (429, "", ValueError), (429, "", None),
)  # fmt: skip


@rows("name", providers.names())
def test_a_provider_can_be_pickled_copied_compared_and_hashed(name: str) -> None:
    spec = providers.find(name)
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert copy.deepcopy(spec) == spec
    assert dataclasses.replace(spec) == spec
    assert dataclasses.replace(spec, name="other") != spec
    assert len({spec, dataclasses.replace(spec)}) == 1
    assert repr(spec).startswith(f"Provider(name='{name}', url='{{base_url}}/")
    assert "0x" not in repr(spec)


def test_a_provider_is_frozen_and_has_no_other_fields() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ACME.name = "other"  # type: ignore[misc]
    assert not hasattr(ACME, "__dict__")
    with pytest.raises(TypeError):
        Provider("acme")  # type: ignore[call-arg,misc]


@rows("name", ["Authorization", "x-api-key", "cookie", "x-auth-token"])
def test_the_repr_of_a_provider_shows_no_secret(name: str) -> None:
    spec = dataclasses.replace(ACME, headers={name: "Bearer s3cret", "x-plain": "{nonce}"})
    assert "s3cret" not in repr(spec)
    assert f"'{name}': '***', 'x-plain': '{{nonce}}'" in repr(spec)


@rows(
    ("fields", "complaint"),
    [
        ({"name": "no spaces"}, "letters, digits, - and _"),
        ({"name": ""}, "letters, digits, - and _"),
        ({"name": "n\u00f6"}, "letters, digits, - and _"),
        ({"base_url": "ftp://acme.test"}, "must begin with http:// or https://"),
        ({"headers": {"accept-encoding": "br"}}, "accept-encoding is computed by httpx"),
        ({"headers": {"Content-Length": "3"}}, "Content-Length is computed by httpx"),
        ({"headers": {"x-a": "1\r\nx-b: 2"}}, "x-a holds a line break"),
        ({"models": ("a",), "default_model": "b"}, "'b' is an alias or the default model, but models"),
        ({"name": 5}, "letters, digits, - and _"),
        ({"url": None}, "url must be a string, not NoneType"),
        ({"url": "/chat"}, "url must begin with {base_url}"),
        ({"url": "{base_url}/{"}, "url is not a template"),
        ({"url": "{base_url}/}"}, "url is not a template"),
        ({"url": "{base_url}/{0}"}, "url must be a template of plain fields, like {nonce}"),
        ({"url": "{base_url}/{}"}, "plain fields"),
        ({"url": "{base_url}/{model:d}"}, "plain fields"),
        ({"url": "{base_url}/{model.x}"}, "plain fields"),
        ({"headers": {"x-a": "{model!r}"}}, "the header x-a must be a template of plain fields"),
        ({"headers": {"x-a": "{model[x]}"}}, "plain fields"),
        ({"end": "markr"}, "end must be 'http' or 'marker', not 'markr'"),
        ({"models": "abc"}, "models must be a tuple, not str"),
        ({"error_types": ["text/html"]}, "error_types must be a tuple, not list"),
        ({"options": {"t": float}}, "the types of 't' must be a tuple"),
        ({"models": ("a",), "aliases": {"x": "c"}}, "'c' is an alias or the default model, but models"),
        ({"options": {"t": ()}}, "the types of 't' must be a tuple"),
        ({"options": {"t": ("float",)}}, "the types of 't' must be a tuple"),
        *(({name: None}, f"{name} must be a mapping, not NoneType") for name in ("headers", "aliases", "options")),
        ({"headers": [("a", "b")]}, "headers must be a mapping, not list"),
        *(({name: None}, f"{name} must be a function, not NoneType") for name in ("payload", "signer", "parser")),
        ({"payload": {"a": 1}}, "payload must be a function, not dict"),
        ({"max_frame": "5"}, "max_frame must be an integer above 0, not str"),
        *(({"max_ratio": value}, f"max_ratio must be an integer above 0, not {value}") for value in (-1, 0, True)),
        ({"max_frame": 1.5}, "max_frame must be an integer above 0, not float"),
        ({"models": (3,)}, "models must be a tuple of strings that are not empty, not (3,)"),
        *(
            ({name: ("",)}, f"{name} must be a tuple of strings that are not empty, not ('',)")
            for name in ("models", "model_prefixes", "key_variables", "base_url_variables", "error_types")
        ),
        *(
            ({name: value}, f"the names in aliases and options must be strings that are not empty, not {shown}")
            for name, value, shown in (
                ("aliases", {"a": 5}, "5"),
                ("aliases", {"a": None}, "None"),
                ("aliases", {"a": ""}, "''"),
                ("aliases", {5: "m"}, "5"),
                ("aliases", {"": "m"}, "''"),
                ("options", {5: (int,)}, "5"),
                ("options", {"": (int,)}, "''"),
            )
        ),
        ({"model_prefixes": "models/"}, "model_prefixes must be a tuple, not str"),
        *(
            ({"errors": (rule,)}, "errors must be a tuple of ErrorRule, each with an int, a string and a subclass of")
            for rule in (500, (429, "", g4flite.RateLimitError), *(ErrorRule(*parts) for parts in WRONG_RULES))
        ),
        ({"key_needed": None}, "key_needed must be True or False, not NoneType"),
        ({"base_url": None}, "base_url must be a string, not NoneType"),
        ({"retired": None}, "retired must be a string, not NoneType"),
        ({"default_model": 3}, "default_model must be a string that is not empty, or None, not 3"),
        ({"default_model": ""}, "default_model must be a string that is not empty, or None, not ''"),
    ],
)
def test_a_provider_that_cannot_work_is_refused(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(g4flite.SpecError) as caught:
        dataclasses.replace(ACME, **fields)
    assert complaint in str(caught.value)


@rows("name", ["headers", "aliases", "options"])
def test_nobody_can_change_a_provider_s_mappings(name: str) -> None:
    given = {"a": "b"} if name != "options" else {"a": (int,)}
    spec = dataclasses.replace(ACME, **{name: given})
    given["a"] = given["c"] = "changed"  # type: ignore[assignment]
    mapping: Any = getattr(spec, name)
    before = dict(mapping)
    refused: list[Callable[[], Any]] = [
        lambda: mapping.__setitem__("a", "x"), lambda: mapping.__delitem__("a"), lambda: mapping.__ior__({"d": "x"}),
        mapping.clear, mapping.popitem, lambda: mapping.pop("a"), lambda: mapping.setdefault("d", "x"),
        lambda: mapping.update(d="x"), lambda: setattr(mapping, "_fields", {}), lambda: delattr(mapping, "_fields"),
    ]  # fmt: skip
    for change in refused:
        with pytest.raises(TypeError, match="this mapping cannot be changed; make a copy with dict"):
            change()
    tricks: list[Callable[[], Any]] = [
        lambda: dict.__setitem__(mapping, "a", "x"), lambda: dict.update(mapping, a="x"), lambda: dict.clear(mapping),
        lambda: dict.__init__(mapping, a="x"), lambda: mapping._fields.__setitem__("a", "x"),
    ]  # fmt: skip
    for change in tricks:
        with pytest.raises((TypeError, AttributeError)):
            change()
    mapping.__init__({"x-evil": "1"})
    assert mapping == before == {"a": "b" if name != "options" else (int,)}
    assert copy.deepcopy(mapping) == pickle.loads(pickle.dumps(mapping)) == copy.copy(mapping) == mapping
    assert type(copy.deepcopy(mapping)) is type(mapping)
    assert repr(mapping) == repr(before)
    assert dataclasses.asdict(spec)[name] == before
    assert (len(mapping), list(mapping), "a" in mapping, mapping.get("d")) == (1, ["a"], True, None)
    assert mapping | {"d": "x"} == {**before, "d": "x"} == {"d": "x"} | mapping


def test_all_random_text_of_a_call_comes_from_random_below() -> None:
    call = Call(provider=ACME, messages=(), random_below=lambda n: n - 1)
    assert call.random_hex(4) == "ffff"
    assert call.random_text(3, "ab") == "bbb"


def test_a_call_is_random_if_random_below_is_not_replaced() -> None:
    call = Call(provider=ACME, messages=())
    assert call.random_hex(32) != call.random_hex(32)
    assert set(call.random_text(200, "abc")) == set("abc")


def test_an_error_rule_can_be_pickled() -> None:
    rule = ErrorRule(status=500, contains="Quota", error=g4flite.RateLimitError)
    assert pickle.loads(pickle.dumps(rule)) == rule


def test_a_provider_that_signs_nothing_adds_no_fields() -> None:
    assert ACME.signer(Call(provider=ACME, messages=())) == {}


def test_a_call_is_frozen_has_no_other_fields_and_shows_no_secret() -> None:
    call = Call(provider=ACME, messages=(), api_key="s3cret-1", headers={"x": "s3cret-2"}, signed={"hash": "s3cret-3"})
    with pytest.raises(dataclasses.FrozenInstanceError):
        call.model = "m"  # type: ignore[misc]
    assert not hasattr(call, "__dict__")
    with pytest.raises(TypeError):
        Call(ACME, ())  # type: ignore[call-arg,misc]
    assert "s3cret" not in repr(call)


def test_a_provider_s_limits_and_its_need_of_a_key_unless_it_says_otherwise() -> None:
    assert (ACME.max_frame, ACME.max_ratio) == (16 * 2**20, 200)
    keyed = dataclasses.replace(ACME, headers={"x-key": "{api_key}"}, key_variables=("NO_SUCH_KEY",))
    with pytest.raises(g4flite.OptionError, match="there is no API key; pass api_key= or set NO_SUCH_KEY"):
        g4flite.stream(keyed, "Hi")
    g4flite.stream(dataclasses.replace(keyed, key_needed=False), "Hi").close()


def test_five_fields_are_required_and_no_headers_are_none() -> None:
    mine = g4flite.Provider(
        name="mine", base_url="http://h.test", url="{base_url}/x", payload=lambda call: {}, parser=g4flite.TextParser
    )
    assert dict(mine.headers) == {}
    assert (
        request.build(request.make_call(mine, "Hi", model=None, base_url=None, headers=None, options={})).headers == {}
    )
    required = {f.name for f in dataclasses.fields(mine) if f.default is f.default_factory is dataclasses.MISSING}
    assert required == {"name", "base_url", "url", "payload", "parser"}
