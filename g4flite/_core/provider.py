"""`Provider`: one service, described as frozen data.  `Call`: what the caller asks of it.  `Request`: what is sent.

    Provider(name="acme", base_url="https://acme.test", url="{base_url}/chat",
             headers={"authorization": "Bearer {api_key}"},
             payload=lambda call: {"prompt": call.prompt}, parser=TextParser)

`request.make_call` makes a `Call` of a caller's arguments, `request.build` makes a `Request` of a `Call`.
"""

from collections.abc import Callable, ItemsView, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from os import urandom
from string import Formatter
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, NoReturn, TypeAlias

from .errors import SpecError, StatusError, name_by_package
from .events import ChunkParser
from .headers import check_header
from .messages import Message, flatten, texts
from .secrets import HIDDEN, is_secret
from .urls import check_base_url

JSON: TypeAlias = Mapping[str, object] | Sequence[object] | str | float | bool | None

# Content types that are never a reply, for `Provider.error_types`: a proxy or a login page stands in between.
WEB_PAGE = ("text/html", "application/xhtml+xml")
# For a service whose replies have another type than JSON: a JSON body is an error, even if its status is 200.
WEB_PAGE_OR_JSON = (*WEB_PAGE, "application/json")
# For a service whose replies are events: a text that does not begin like an event says what went wrong.
NO_EVENTS = (*WEB_PAGE_OR_JSON, "text/plain")


class ErrorRule(NamedTuple):
    """A service's own error: a response of this `status` whose body contains the text `contains` means `error`."""

    status: int
    contains: str
    error: type[StatusError]


class FrozenDict(Mapping[str, Any]):
    """A mapping that cannot be changed; unlike `types.MappingProxyType` it can be pickled and copied.

    It is no dict, because `dict.__setitem__` and `dict.__init__` change every dict.
    """

    __slots__ = ("_fields",)
    _fields: Mapping[str, Any]

    # There is no `__init__`, which could be called again.
    def __new__(cls, fields: Mapping[str, Any]) -> "FrozenDict":
        self = super().__new__(cls)
        object.__setattr__(self, "_fields", MappingProxyType(dict(fields)))
        return self

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError(
            "this mapping cannot be changed; make a copy with dict(), or a variant of a provider with "
            "dataclasses.replace"
        )

    __setitem__ = __delitem__ = __ior__ = __setattr__ = __delattr__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __getitem__(self, name: str) -> Any:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __or__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return {**self, **other}

    def __ror__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return {**other, **self}

    # As fast as a dict's: the one that `Mapping` makes is a generator.
    def items(self) -> ItemsView[str, Any]:
        return self._fields.items()

    def __repr__(self) -> str:
        return repr(dict(self))

    def __reduce__(self) -> tuple[type, tuple[dict[str, Any]]]:
        return type(self), (dict(self),)


def unsigned(call: "Call") -> Mapping[str, str | int]:  # noqa: ARG001 - a signer takes the call
    """Return no fields.  This is the signer of a provider that signs nothing."""
    return {}


def check_template(what: str, template: str) -> None:
    """Raise `ValueError` unless the template is a string whose fields are plain names, like `{nonce}`.

    Only a missing name can fail when such a template is filled in; `{nonce[0].x:>{width}}` could fail in any way.
    """
    if not isinstance(template, str):
        raise ValueError(f"{what} must be a string, not {type(template).__name__}")
    try:
        fields = [parts for parts in Formatter().parse(template) if parts[1] is not None]
    except ValueError as error:
        raise ValueError(f"{what} is not a template: {error}") from None
    for _, name, form, conversion in fields:
        if not (name or "").isidentifier() or form or conversion:
            raise ValueError(f"{what} must be a template of plain fields, like {{nonce}}; write {{{{ for a brace")


def is_name(value: object) -> bool:
    """Return whether the value is a string that is not empty."""
    return isinstance(value, str) and value != ""


def is_rule(value: object) -> bool:
    """Return whether the value is an `ErrorRule` that can be applied.  A rule whose text is "" fits every body."""
    return (
        isinstance(value, ErrorRule) and type(value.status) is int and isinstance(value.contains, str)
        and isinstance(value.error, type) and issubclass(value.error, StatusError)
    )  # fmt: skip


# What the fields of a provider have to be: the names of the fields, whether a value is so, and the same in words.
FIELDS: Sequence[tuple[str, Callable[[Any], bool], str]] = (
    ("headers aliases options", lambda value: isinstance(value, Mapping), "a mapping"),
    ("payload signer parser", callable, "a function"),
    ("models model_prefixes key_variables base_url_variables error_types errors",
     lambda value: isinstance(value, tuple), "a tuple"),
    ("models model_prefixes key_variables base_url_variables error_types",
     lambda value: all(map(is_name, value)), "a tuple of strings that are not empty"),
    ("errors", lambda value: all(map(is_rule, value)),
     "a tuple of ErrorRule, each with an int, a string and a subclass of StatusError"),
    ("max_frame max_ratio", lambda value: type(value) is int and value > 0, "an integer above 0"),
    ("key_needed", lambda value: isinstance(value, bool), "True or False"),
    ("base_url retired example_model", lambda value: isinstance(value, str), "a string"),
    ("default_model", lambda value: value is None or is_name(value), "a string that is not empty, or None"),
)  # fmt: skip


def _shown(value: object) -> str:
    """Return "", a number or a tuple as it is, and of anything else its type, for an error message."""
    return repr(value) if value == "" or isinstance(value, int | tuple) else type(value).__name__


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Provider:
    """One service, described as data.  `dataclasses.replace` makes a variant of it.

    Required are `name`, `url`, `base_url`, `payload` and `parser`.

    - `url` and the values of `headers` are templates (`str.format`).  `{base_url}`, `{model}`, `{api_key}` and the name
      of each field that `signer` returns stand for their values, `{{` for a brace.  In `url`, values are
      percent-encoded (but for the base URL), and `{api_key}` is refused.  A header that names `{api_key}` is left out
      if there is no key.
    - `payload` returns the JSON of the body.  It finds the fields that `signer` returned in `call.signed`.
    - `signer` returns the fields that sign a request.  It runs first, and again for each attempt.
    - `parser` returns a new `ChunkParser`.  It is called with `max_frame`, once for each response.
    - `models` lists the service's models; () means that any name is a model.  `aliases` maps other names to models.
    - `model_prefixes` may stand before the name of a model, and are left out of the request.
    - `default_model` is the model of a call without `model=`; None means the first of `models`.
    - `example_model` is a model's name, for the error of a call that has to name one; "" means that none is known.
    - `options` maps the name of each option to the types that its value may have.
    - `errors` are rules for errors that only this service knows; the first rule that fits counts.
    - `error_types` are content types of a 2xx response that is not a reply, but an error or a web page.
    - `end` says what completes a reply: "http" means the clean end of the HTTP body, "marker" means an end marker,
      after which the parser's property `done` is true.
    - `key_variables` are the environment variables that may hold the API key; the first that is set counts.  If there
      are any and `key_needed` is true, a call without a key raises `OptionError`.
    - `base_url_variables` are the environment variables that may hold another base URL.  If `base_url` is "", each call
      has to give a base URL.
    - `max_frame` is the most bytes that a frame may have, `max_ratio` how many times a compressed reply may grow.
    - `retired` says since when the public service is gone, like "May 2025"; "" means that the service is there.

    A provider can be printed, compared, hashed and pickled, and nothing in it can be changed.  Raises `SpecError` if a
    field has the wrong type or if the fields contradict each other.
    """

    name: str
    url: str
    base_url: str
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    payload: Callable[["Call"], JSON]
    signer: Callable[["Call"], Mapping[str, str | int]] = unsigned
    parser: Callable[[int], ChunkParser]
    models: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict, hash=False)
    model_prefixes: tuple[str, ...] = ()
    default_model: str | None = None
    example_model: str = ""
    options: Mapping[str, tuple[type, ...]] = field(default_factory=dict, hash=False)
    errors: tuple[ErrorRule, ...] = ()
    error_types: tuple[str, ...] = WEB_PAGE
    end: Literal["http", "marker"] = "http"
    key_variables: tuple[str, ...] = ()
    key_needed: bool = True
    base_url_variables: tuple[str, ...] = ()
    max_frame: int = 16 * 2**20
    max_ratio: int = 200
    retired: str = ""

    def __post_init__(self) -> None:
        """Check the fields.  An error names the provider, unless the name itself is wrong."""
        if not (
            isinstance(self.name, str) and self.name.isascii() and self.name.replace("-", "").replace("_", "").isalnum()
        ):
            raise SpecError(f"a provider's name must be made of letters, digits, - and _, not {self.name!r}")
        for names, holds, expected in FIELDS:
            for name in names.split():
                if not holds(value := getattr(self, name)):
                    raise SpecError(f"{name} must be {expected}, not {_shown(value)}", provider=self.name)
        for name in ("headers", "aliases", "options"):
            object.__setattr__(self, name, FrozenDict(getattr(self, name)))
        try:
            if self.base_url:
                check_base_url(self.base_url)
        except ValueError as error:
            raise SpecError(f"base_url {error}", provider=self.name) from None
        try:
            check_template("url", self.url)
            if "{api_key}" in self.url:
                raise ValueError("url names {api_key}, but URLs are logged everywhere; name it in a header")
            for name, template in self.headers.items():
                check_header(name, template)
                check_template(f"the header {name}", template)
        except ValueError as error:
            raise SpecError(str(error), provider=self.name) from None
        if not self.url.startswith(("{base_url}", "https://", "http://")):
            raise SpecError("url must begin with {base_url}, http:// or https://", provider=self.name)
        if self.end not in ("http", "marker"):
            raise SpecError(f"end must be 'http' or 'marker', not {self.end!r}", provider=self.name)
        for known in [*self.aliases, *self.aliases.values(), *self.options]:
            if not is_name(known):
                raise SpecError(
                    f"the names in aliases and options must be strings that are not empty, not {known!r}",
                    provider=self.name,
                )
        for option, kinds in self.options.items():
            if not isinstance(kinds, tuple) or not kinds or not all(isinstance(kind, type) for kind in kinds):
                raise SpecError(
                    f"options: the types of {option!r} must be a tuple, like (int, float)", provider=self.name
                )
        for model in [*self.aliases.values(), self.default_model]:
            if model is not None and self.models and model not in self.models:
                raise SpecError(
                    f"{model!r} is an alias or the default model, but models does not list it", provider=self.name
                )

    def __repr__(self) -> str:
        """Return all fields, functions by their names and secret headers as `***`."""
        shown = {f.name: getattr(self, f.name) for f in fields(self)}
        shown["headers"] = {n: HIDDEN if is_secret(n, v) else v for n, v in self.headers.items()}
        texts = [f"{name}={getattr(value, '__qualname__', None) or repr(value)}" for name, value in shown.items()]
        return f"Provider({', '.join(texts)})"


def _below(limit: int) -> int:
    """Return a random number from 0 to `limit` - 1.  (`secrets.randbelow` does the same, but imports much more.)"""
    return int.from_bytes(urandom(8), "big") % limit


class Notes:
    """What a payload builder says beside the payload.  Each copy of a `Call`, which is frozen, has its own.

    - `dropped` holds a short text for each thing that the builder leaves out.
    - `bound_to` is what the service binds the state of its answer to, in the words of `Takes.state`.
    """

    __slots__ = ("bound_to", "dropped")

    def __init__(self) -> None:
        self.dropped: list[str] = []
        self.bound_to = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One attempt's question, as the signer and the payload builder get it.

    - `messages` are checked and have the form of `Message`; `model` is the model's own name, not an alias.
    - `options` and `headers` are the caller's, checked; the names of the headers are in lower case.
    - `api_key` is "" if there is no key.
    - `base_url_variable` is the environment variable that `base_url` comes from, "" if it comes from none.
    - `extra` holds fields that are merged into the payload unchanged.
    - `answer_type` is the class that was given as `response_format`, for `Stream.parsed`; None without one.
    - `now_ms` is Unix time in milliseconds, and `random_below(n)` returns a random number from 0 to n - 1.  Signers and
      payload builders take time and randomness from the call alone, so that a test can freeze both.
    - `signed` holds the fields that the signer returned; it is empty while the signer runs.
    - `notes` is what the payload builder says beside the payload: see `Notes`.
    - `head` holds the URL and the headers of the request, once they were made.  The calls of a `Client` share it.
    """

    provider: Provider
    messages: tuple[Message, ...]
    model: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    base_url: str = ""
    base_url_variable: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    api_key: str = field(default="", repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict)
    answer_type: Any = None
    now_ms: int = 0
    random_below: Callable[[int], int] = _below
    signed: Mapping[str, str | int] = field(default_factory=dict, repr=False)
    notes: Notes = field(init=False, default_factory=Notes, repr=False, compare=False)
    head: list[tuple[str, dict[str, str]]] = field(init=False, default_factory=list, repr=False, compare=False)

    @property
    def dropped(self) -> list[str]:
        """Gets a short text for each thing that the payload builder leaves out; `Stream.dropped` shows the texts."""
        return self.notes.dropped

    @property
    def texts(self) -> tuple[dict[str, str], ...]:
        """The messages as `{"role": str, "content": str}` each.  Raises `MessagesError` if they hold more than text."""
        return texts(self.messages, self.dropped)

    @property
    def prompt(self) -> str:
        """The conversation as one text (`messages.flatten`).  Raises `MessagesError` if it holds more than text."""
        return flatten(self.messages, self.dropped)

    def random_text(self, length: int, alphabet: str) -> str:
        """Return `length` random characters of `alphabet`."""
        return "".join(alphabet[self.random_below(len(alphabet))] for _ in range(length))

    def random_hex(self, length: int) -> str:
        """Return `length` random hexadecimal digits."""
        return self.random_text(length, "0123456789abcdef")


class Request(NamedTuple):
    """One HTTP request, complete: signed, its templates filled in, its payload encoded."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    method: str = "POST"
    # The `Notes` of the call: what the payload leaves out, and what the state of the answer is bound to.
    dropped: tuple[str, ...] = ()
    bound_to: str = ""

    def __repr__(self) -> str:
        """Return the URL alone, because headers hold keys and bodies hold what users wrote."""
        return f"Request(url={self.url!r})"


name_by_package(ErrorRule, Provider, Call)
