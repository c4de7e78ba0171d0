"""The spec: what a provider is, as frozen data, and what one call to it knows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from os import urandom
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from .errors import SpecError, StatusError
from .events import Event
from .headers import check_base_url, check_header, check_template, is_secret
from .messages import Message, flatten, texts

JSON: TypeAlias = Mapping[str, object] | Sequence[object] | str | float | bool | None  # as far as types can tell


WEB_PAGE = ("text/html", "application/xhtml+xml")
WEB_PAGE_OR_JSON = (*WEB_PAGE, "application/json")  # where a reply is raw text


class ChunkParser(Protocol):
    """A push decoder: bytes of a reply in, texts out.  One instance decodes one response.

    Events (`Usage`, `Finish`, ...) come out between the texts, where the protocol has them.  Both methods raise a
    `ReplyError` where the bytes are not what the protocol says; what was decoded before that is given out first.
    """

    @property
    def done(self) -> bool:
        """Whether the end marker came; False for ever where the protocol has none."""

    def feed(self, data: bytes) -> Iterable[str | Event]:
        """The texts and events that `data` completes; never an empty text."""

    def close(self) -> Iterable[str | Event]:
        """What is still held back at the end of the reply."""


class ErrorRule(NamedTuple):
    """A service's own way to say something: `status` with a body that contains `contains` means `error`."""

    status: int
    contains: str
    error: type[StatusError]


def unsigned(call: "Call") -> Mapping[str, str | int]:  # noqa: ARG001 - a signer takes the call
    """No fields: the signer of a provider that signs nothing."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Provider:
    """One service, described.  It can be printed, compared, hashed, pickled and copied with `dataclasses.replace`.

    `url` and the values of `headers` are templates (`str.format`): `{base_url}`, `{model}` and every field that
    `signer` returns stand for their values, `{{` for a brace; in `url`, what is filled in is percent-encoded.  A header
    that names `{api_key}` is left out where there is no key.  `signer` runs first, on each attempt anew; `payload`
    finds its fields in `call.signed`.  `parser` is called with `max_frame` for each response.  `models` empty means
    any; the default model is `default_model`, or else the first.  `options` maps the name of each option to the types
    its value may have.  `error_types` are the content types that make a 2xx answer no reply.  `key_variables` are the
    environment variables that may hold the API key, the first one set counts; where they are named and `key_needed`, a
    call without a key is refused.  `base_url_variables` are those that may hold another base URL; `base_url` may be
    empty, and one has to be given then.  `end` says what completes a reply: a clean end of the HTTP body, or a marker
    that the parser notes as `done`.  `max_frame` limits the bytes of one frame, `max_ratio` how many times a compressed
    reply may grow.  `retired` says since when the public service is gone, or is empty.  Raises `SpecError` where the
    fields contradict one another.
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
        """Every field; functions by name, and no header that holds a secret."""
        shown = {f.name: getattr(self, f.name) for f in fields(self)}
        shown["headers"] = {n: "***" if is_secret(n, v) else v for n, v in self.headers.items()}
        texts = [f"{name}={getattr(value, '__qualname__', None) or repr(value)}" for name, value in shown.items()]
        return f"Provider({', '.join(texts)})"


def _below(limit: int) -> int:
    return int.from_bytes(urandom(8), "big") % limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One attempt, as the signer and the payload builder see it.

    `messages` are in the form of `Message`, checked, `now_ms` is Unix time in milliseconds, `signed` holds the signer's
    fields (empty while it runs), `extra` goes into the payload as it is.  Time and randomness come from here alone, so
    that a test can freeze them.
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
        """The messages as `{"role": str, "content": str}`.  Raises `MessagesError` where they hold more than text."""
        return texts(self.messages)

    @property
    def prompt(self) -> str:
        """The conversation as one text: see `flatten`.  Raises `MessagesError` where it holds more than text."""
        return flatten(self.messages)

    def random_text(self, length: int, alphabet: str) -> str:
        """`length` random characters of `alphabet`."""
        return "".join(alphabet[self.random_below(len(alphabet))] for _ in range(length))

    def random_hex(self, length: int) -> str:
        """`length` random hexadecimal digits."""
        return self.random_text(length, "0123456789abcdef")


class Request(NamedTuple):
    """One HTTP request, ready to send: a POST of `body` (JSON) to `url`."""

    url: str
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Request(url={self.url!r})"
