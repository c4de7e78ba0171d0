"""`Provider`: one service, described as frozen data; `Call` and `Request`: one question to it, before and after its
payload is built.

    Provider(name="acme", base_url="https://acme.test", url="{base_url}/chat",
             headers={"authorization": "Bearer {api_key}"},
             payload=lambda call: {"prompt": call.prompt}, parser=TextParser)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from os import urandom
from string import Formatter
from typing import Any, Literal, NamedTuple, TypeAlias

from .errors import SpecError, StatusError
from .events import ChunkParser
from .headers import HIDDEN, check_header, is_secret
from .messages import Message, flatten, texts
from .urls import check_base_url

JSON: TypeAlias = Mapping[str, object] | Sequence[object] | str | float | bool | None

# The content types that are never a reply, and those of a service whose replies are no plain JSON.
WEB_PAGE = ("text/html", "application/xhtml+xml")
WEB_PAGE_OR_JSON = (*WEB_PAGE, "application/json")


class ErrorRule(NamedTuple):
    """A service's own way to refuse: `status` with a body that contains `contains` means `error`."""

    status: int
    contains: str
    error: type[StatusError]


def unsigned(call: "Call") -> Mapping[str, str | int]:  # noqa: ARG001 - a signer takes the call
    """Return no fields: the signer of a provider that signs nothing."""
    return {}


def check_template(what: str, template: str) -> None:
    """Raise `ValueError` unless the template is a string that names plain fields only, like `{nonce}`."""
    if not isinstance(template, str):
        raise ValueError(f"{what} is a {type(template).__name__}, not a string")
    try:
        fields = [parts for parts in Formatter().parse(template) if parts[1] is not None]
    except ValueError as error:
        raise ValueError(f"{what} is no template: {error}") from None
    for _, name, form, conversion in fields:
        if not (name or "").isidentifier() or form or conversion:
            raise ValueError(f"{what} is a template of plain fields, like {{nonce}}; write {{{{ for a brace")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Provider:
    """One service, described.  A provider can be printed, compared, hashed, pickled and copied with
    `dataclasses.replace`.  Raises `SpecError` if its fields contradict one another.

    - `url` and the values of `headers` are templates (`str.format`): `{base_url}`, `{model}`, `{api_key}` and every
      field that `signer` returns stand for their values, `{{` for a brace.  In `url`, values are percent-encoded, and
      `{api_key}` is refused.  A header that names `{api_key}` is left out if there is no key.
    - `signer` runs first, anew for each attempt; `payload` finds its fields in `call.signed`.
    - `parser` is called with `max_frame` for each response and returns a `ChunkParser`.
    - `models` lists the service's models, () for any; the default is `default_model`, or else the first of `models`.
    - `options` maps the name of each option to the types that its value may have.
    - `error_types` are content types that make a 2xx response no reply.
    - `end` says what completes a reply: "http", a clean end of the HTTP body, or "marker", a marker that the parser
      notes as `done`.
    - `key_variables` are the environment variables that may hold the API key; the first one set counts.  If there are
      any and `key_needed` is true, a call without a key is refused.
    - `base_url_variables` may hold another base URL.  `base_url` may be "", and a call has to give one then.
    - `max_frame` limits the bytes of one frame, `max_ratio` how many times a compressed reply may grow.
    - `retired` says since when the public service is gone, "" if it is not.
    """

    name: str
    url: str
    base_url: str
    headers: Mapping[str, str] = field(hash=False)
    payload: Callable[["Call"], JSON]
    signer: Callable[["Call"], Mapping[str, str | int]] = unsigned
    parser: Callable[[int], ChunkParser]
    models: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict, hash=False)
    default_model: str | None = None
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
        if not (
            isinstance(self.name, str) and self.name.isascii() and self.name.replace("-", "").replace("_", "").isalnum()
        ):
            raise SpecError(f"a provider's name is made of letters, digits, - and _, not {self.name!r}")
        try:
            if self.base_url:
                check_base_url(self.base_url)
            check_template("url", self.url)
            if "{api_key}" in self.url:
                raise ValueError("url names the key, and URLs are logged everywhere; name it in a header")
            for name, template in self.headers.items():
                check_header(name, template)
                check_template(f"the header {name}", template)
        except ValueError as error:
            raise SpecError(str(error), provider=self.name) from None
        if not self.url.startswith(("{base_url}", "https://", "http://")):
            raise SpecError("url begins with {base_url}, http:// or https://", provider=self.name)
        if self.end not in ("http", "marker"):
            raise SpecError(f"end is 'http' or 'marker', not {self.end!r}", provider=self.name)
        for name in ("models", "errors", "error_types", "key_variables", "base_url_variables"):
            if not isinstance(getattr(self, name), tuple):
                raise SpecError(f"{name} is a tuple", provider=self.name)
        for option, kinds in self.options.items():
            if not isinstance(kinds, tuple):
                raise SpecError(f"options: the types of {option!r} are a tuple, like (int, float)", provider=self.name)
        for model in [*self.aliases.values(), self.default_model]:
            if model is not None and self.models and model not in self.models:
                raise SpecError(f"{model!r} is no model of its own; models lists it not", provider=self.name)

    def __repr__(self) -> str:
        """Return every field: functions by name, secret headers as `***`."""
        shown = {f.name: getattr(self, f.name) for f in fields(self)}
        shown["headers"] = {n: HIDDEN if is_secret(n, v) else v for n, v in self.headers.items()}
        texts = [f"{name}={getattr(value, '__qualname__', None) or repr(value)}" for name, value in shown.items()]
        return f"Provider({', '.join(texts)})"


def _below(limit: int) -> int:
    return int.from_bytes(urandom(8), "big") % limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One attempt, as the signer and the payload builder see it.

    `messages` are checked and in the form of `Message`, `now_ms` is Unix time in milliseconds, `signed` holds the
    signer's fields (empty while the signer runs), `extra` goes into the payload as it is.  Time and randomness come
    from here alone, so that a test can freeze them.
    """

    provider: Provider
    messages: tuple[Message, ...]
    model: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    base_url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    api_key: str = field(default="", repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict)
    now_ms: int = 0
    random_below: Callable[[int], int] = _below
    signed: Mapping[str, str | int] = field(default_factory=dict, repr=False)

    @property
    def texts(self) -> tuple[dict[str, str], ...]:
        """The messages as `{"role": str, "content": str}`.  Raises `MessagesError` if they hold more than text."""
        return texts(self.messages)

    @property
    def prompt(self) -> str:
        """The conversation as one text, see `flatten`.  Raises `MessagesError` if it holds more than text."""
        return flatten(self.messages)

    def random_text(self, length: int, alphabet: str) -> str:
        """Return `length` random characters of `alphabet`."""
        return "".join(alphabet[self.random_below(len(alphabet))] for _ in range(length))

    def random_hex(self, length: int) -> str:
        """Return `length` random hexadecimal digits."""
        return self.random_text(length, "0123456789abcdef")


class Request(NamedTuple):
    """One HTTP request, ready to send."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    method: str = "POST"

    def __repr__(self) -> str:
        """Return the URL alone: headers hold keys, bodies hold messages."""
        return f"Request(url={self.url!r})"
