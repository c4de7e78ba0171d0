"""`Ledger`: an observer that sums the tokens and the cost of each stream, those that were left or failed included.

A stream has the tokens of all its attempts: a service may charge for one that has failed.

    ledger = Ledger({"gpt-4o-mini": (0.15, 0.60)})      # dollars for a million tokens: of the prompt, of the answer
    g4flite.observe(ledger)
    ...
    ledger.total.cost                                   # Figure(counted=1.25, estimated=0.01, unknown=3)
    ledger.by_model["openai", "gpt-4o-mini"].completion_tokens

A number is *counted* if the service has counted it and the answer is complete.  A service that was left in the middle
of an answer has counted nothing, or only what it had written by then; then the number is *estimated* from the text that
came: a token is taken for four bytes of UTF-8.  It is *unknown* if there is no text to estimate it from: with
`keep_partial=False`, for a prompt that holds an image, a file or audio, and for an answer of an image alone.
"""

import json
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache, partial
from importlib import util
from typing import Any, Final, Literal, NamedTuple

from .errors import (
    AllFailedError,
    ConnectError,
    ConnectTimeoutError,
    EmptyReplyError,
    OptionError,
    ProxyError,
    StatusError,
    TLSError,
    UsageError,
    name_by_package,
)
from .events import Start, Usage

Mark = Literal["counted", "estimated", "unknown"]
# Bytes of UTF-8 that are taken for a token.  OpenAI says of English text that a token is about four characters.
# Source: https://platform.openai.com/tokenizer (August 2026).
BYTES: Final = 4
MILLION: Final = 1_000_000
# After these errors, the service has written nothing that it could charge for.
UNCHARGED: Final = (StatusError, UsageError, ConnectError, ConnectTimeoutError, ProxyError, TLSError)
# The names that genai-prices has for providers, where they differ from ours.
PRICED_AS: Final = {"gemini": "google", "azure-openai": "azure", "openai-responses": "openai", "xai": "x-ai",
                    "moonshot": "moonshotai"}  # fmt: skip

# The names that genai-prices has for the parts of a `Price`, and numbers of tokens of each part.
PARTS: Final = ("input", "output", "cache_read", "cache_write")
SAMPLE: Final = (1009, 101, 31, 7)

# Once a process: to look for a package that is not there costs more than all else at the end of a stream.
find_spec = cache(util.find_spec)


class Price(NamedTuple):
    """Prices for a million tokens: of the prompt, of the answer, of what was read from the cache and written to it.

    Without a price for cached tokens, they cost what other tokens of the prompt cost.
    """

    prompt: float
    completion: float
    cached: float | None = None
    cache_write: float | None = None


class Figure(NamedTuple):
    """A sum: of what was counted, of what was estimated; and of how many attempts of streams nothing is known."""

    counted: float = 0
    estimated: float = 0
    unknown: int = 0

    @property
    def known(self) -> float:
        """What was counted and what was estimated, together."""
        return self.counted + self.estimated


class Sums(NamedTuple):
    """The figures of some streams; `streams` is how many there are that this model was the last to be asked by."""

    streams: int = 0
    prompt_tokens: Figure = Figure()
    completion_tokens: Figure = Figure()
    cost: Figure = Figure()


class Entry(NamedTuple):
    """The figures of one attempt: pairs of a number, None if unknown, and how it is known."""

    prompt_tokens: tuple[int | None, Mark]
    completion_tokens: tuple[int | None, Mark]
    cost: tuple[float | None, Mark]


class Ledger:
    """An observer that sums the tokens and the cost of streams.  Any thread may use it.

    `prices` are a `Price`, or a tuple of its numbers, for each model, by its name or by "provider/model".  A model
    without a price costs what `genai-prices` says, if that is installed; else its cost is unknown.  Raises
    `OptionError` for prices that are no numbers.
    """

    def __init__(self, prices: Mapping[str, Price | tuple[float, ...]] | None = None) -> None:
        if not isinstance(prices, Mapping | None):
            raise OptionError(f"prices must be a mapping of names of models to prices, not {type(prices).__name__}")
        self._prices = {name: _price(name, price) for name, price in (prices or {}).items()}
        # A garbage collection may end a stream, and so call `end`, while this thread holds the lock.  It must neither
        # wait for the lock nor change a sum that is being added to.
        self._lock, self._adding = threading.RLock(), False
        # The attempts of streams that have ended, and are not in the sums yet; 1 for the last one of a stream, else 0.
        self._ended = deque[tuple[tuple[str, str | None], int, Entry]]()
        self._sums: dict[tuple[str, str | None], Sums] = {}
        # The attempts of the streams that run, by the ids of their calls, and for which the service may charge.
        self._attempts: dict[int, list[Any]] = {}

    def attempt(self, call: Any, attempt: Any) -> None:
        """Note an attempt, as its `ObservedAttempt` tells of it."""
        self._attempts.setdefault(call.id, []).append(attempt._replace(error=bare(attempt.error)))

    def end(self, call: Any, end: Any) -> None:
        """Add a stream, as its `ObservedEnd` tells of it."""
        # A call that is no `ObservedCall` has no id, as no attempt was told.
        earlier = self._attempts.pop(getattr(call, "id", 0), [])
        # The last attempt was not told if another observer was interrupted.
        last = earlier.pop() if earlier and earlier[-1].number == end.attempts else None
        for one in earlier:
            told = end._replace(
                state="failed", error=one.error, provider=one.provider, model=one.model, first=None, text="",
                reasoning="", tool_calls=(), start=Start(), usage=one.usage, finish=None, url=one.url, attempts=1,
            )  # fmt: skip
            if told.usage is not None or not is_free(told):
                self._ended.append(((one.provider, one.model), 0, self._entry(call, told)))
        # Of a list, `end.error` is that of all attempts; and a stream may end while it waits for the next one.
        if last is not None:
            end = end._replace(error=last.error or end.error, attempts=1)
        self._ended.append(((end.provider, end.model), 1, self._entry(call, end)))
        self._add_up()

    def _add_up(self) -> None:
        """Add the streams that have ended to the sums."""
        with self._lock:
            if not self._adding:
                self._adding = True
                try:
                    while self._ended:
                        key, more, entry = self._ended.popleft()
                        streams, *figures = self._sums.get(key, Sums())
                        self._sums[key] = Sums(streams + more, *map(_added, figures, entry))
                finally:
                    self._adding = False

    def _entry(self, call: Any, end: Any) -> Entry:
        """Return the figures of one stream."""
        prompt, completion = prompt_tokens(call, end), completion_tokens(end)
        return Entry(prompt, completion, self._cost(end, prompt, completion))

    @property
    def by_model(self) -> dict[tuple[str, str | None], Sums]:
        """The sums for each provider and model that was asked last by a stream."""
        with self._lock:
            self._add_up()
            return {**self._sums}

    @property
    def total(self) -> Sums:
        """The sums of all streams."""
        return _summed(self.by_model.values())

    def __repr__(self) -> str:
        return f"<Ledger: {self.total}>"

    def _cost(self, end: Any, prompt: tuple[int | None, Mark], completion: tuple[int | None, Mark]) -> tuple[Any, Mark]:
        """Return the cost of one stream, which is known as well as the less known of its numbers of tokens."""
        if prompt[0] is None or completion[0] is None:
            return None, "unknown"
        mark: Mark = "counted" if prompt[1] == completion[1] == "counted" else "estimated"
        usage = end.usage or Usage()
        cached = min(usage.cached_tokens or 0, prompt[0])
        written = min(usage.cache_write_tokens or 0, prompt[0] - cached)
        names = [name for model in (end.start.model, end.model) if model for name in (f"{end.provider}/{model}", model)]
        price = next((self._prices[name] for name in names if name in self._prices), None)
        if price is not None:
            return cost_of(price, prompt[0], completion[0], cached, written), mark
        listed = listed_cost(end, prompt[0], completion[0], cached, written)
        return (None, "unknown") if listed is None else (listed, mark)


def bare(error: BaseException | None) -> BaseException | None:
    """Return an error of the same class that holds nothing: a traceback would keep its stream from being collected."""
    return None if error is None else type(error).__new__(type(error))


def _price(name: str, price: Any) -> Price:
    """Return a price.  Raises `OptionError` for a value that is not a price."""
    try:
        made = Price(*price)
    except TypeError:
        made = Price(-1, -1)
    if (
        not all(one is None or (isinstance(one, int | float) and 0 <= one < math.inf) for one in made)
        or None in made[:2]
    ):
        raise OptionError(f"prices: {name!r} must have a Price(prompt, completion) of numbers from 0 up, not {price!r}")
    return made


def cost_of(price: Price, prompt: int, completion: int, cached: int, written: int) -> float:
    """Return what so many tokens cost; those of the cache are a part of the prompt's."""
    of_cache = price.prompt if price.cached is None else price.cached
    of_write = price.prompt if price.cache_write is None else price.cache_write
    plain = (prompt - cached - written) * price.prompt
    return (plain + cached * of_cache + written * of_write + completion * price.completion) / MILLION


def _added(figure: Figure, known: tuple[float | None, Mark]) -> Figure:
    """Return the figure with the number of one more stream."""
    counted, estimated, unknown = figure
    number, mark = known
    if number is None:
        return Figure(counted, estimated, unknown + 1)
    return (
        Figure(counted + number, estimated, unknown)
        if mark == "counted"
        else Figure(counted, estimated + number, unknown)
    )


def _summed(sums: Iterable[Sums]) -> Sums:
    """Return the sum of sums."""
    total = Sums()
    for one in sums:
        figures = (
            Figure(x.counted + y.counted, x.estimated + y.estimated, x.unknown + y.unknown)
            for x, y in zip(total[1:], one[1:], strict=True)
        )
        total = Sums(total.streams + one.streams, *figures)
    return total


def estimated(text: str) -> int:
    """Return about how many tokens a text has."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES)


def is_free(end: Any) -> bool:
    """Return whether no service has got anything to write, or each has refused to."""
    nothing_sent = end.url is None and end.attempts <= 1
    return end.first is None and (nothing_sent or is_refusal(end.error))


def is_refusal(error: BaseException | None) -> bool:
    """Return whether a service has written nothing before this error; of several providers, none has."""
    if isinstance(error, AllFailedError):
        return all(map(is_refusal, error.errors))
    return isinstance(error, UNCHARGED)


def prompt_tokens(call: Any, end: Any) -> tuple[int | None, Mark]:
    """Return the tokens of the prompt, and how they are known."""
    if end.usage is not None and end.usage.prompt_tokens is not None:
        return end.usage.prompt_tokens, "counted"
    if is_free(end):
        return 0, "estimated"
    texts = [text_of(message) for message in call.messages]
    # The tools are a part of the prompt, and often the longest.
    texts += [json.dumps([*tools], default=dict)] if (tools := call.options.get("tools")) else []
    return (None, "unknown") if None in texts else (sum(estimated(text or "") for text in texts), "estimated")


def text_of(message: Mapping[str, Any]) -> str | None:
    """Return all that a message says in text, None if it holds anything else."""
    content = message.get("content") or ""
    parts = [content] if isinstance(content, str) else [part.get("text") for part in content]
    for call in message.get("tool_calls") or ():
        parts += [call["function"]["name"], call["function"]["arguments"]]
    return None if None in parts else "".join(parts)


def completion_tokens(end: Any) -> tuple[int | None, Mark]:
    """Return the tokens of the answer and of its reasoning, and how they are known."""
    counted = end.usage.completion_tokens if end.usage is not None else None
    # The services that count while they write begin with 1 or so.
    if counted is not None and end.state == "complete":
        return counted, "counted"
    if is_free(end) or (end.first is None and end.state == "complete"):
        return counted or 0, "estimated"
    # The error comes at the end of a reply, behind its counts.
    if end.first is None and counted is not None and isinstance(end.error, EmptyReplyError):
        return counted, "estimated"
    # It may have written without a word: before its first text, or what was not kept.
    if end.first is None or end.text is None:
        return None, "unknown"
    said = (end.text, end.reasoning, *(part for call in end.tool_calls for part in (call.name, call.arguments)))
    words = sum(map(estimated, said))
    # An image has come, or half of a tool call.
    if not words and (counted is None or end.finish is None):
        return None, "unknown"
    return max(counted or 0, words), "estimated"


def listed_cost(end: Any, prompt: int, completion: int, cached: int, written: int) -> float | None:
    """Return what genai-prices says that a stream costs, None if it is not installed or does not know the model."""
    if find_spec("genai_prices") is None:
        return None
    import genai_prices  # noqa: PLC0415 - it is not needed, and reads a large table

    cost = listed(genai_prices, end.provider, (end.start.model, end.model), int(time.monotonic()))
    return None if cost is None else cost(prompt, completion, cached, written)


@lru_cache(256)
def listed(
    package: Any, provider: str, models: tuple[str | None, ...], _second: int
) -> Callable[[int, int, int, int], float] | None:
    """Return what does the same as `listed_cost` for the tokens of these models, None if none of them is known.

    To ask genai-prices takes 680,000 instructions, a quarter of what a short call takes.  So it is asked once a second,
    as a price may change with the hour, and then its prices for a million tokens are used here: unless they make
    another sum of a sample, or depend on the length of the prompt.
    """

    def asked(model: str, prompt: int, completion: int, cached: int, written: int) -> Any:
        usage = package.Usage(
            input_tokens=prompt, output_tokens=completion, cache_read_tokens=cached, cache_write_tokens=written
        )
        return package.calc_price(usage, model, provider_id=PRICED_AS.get(provider, provider))

    def total(model: str, *tokens: int) -> float:
        return float(asked(model, *tokens).total_price)

    for model in filter(None, models):
        try:
            found = asked(model, *SAMPLE)
        except LookupError:
            continue
        parts: list[Any] = [getattr(found.model_price, f"{name}_mtok", None) for name in PARTS]
        try:
            price = Price(*(None if part is None else float(part) for part in parts))  # type: ignore[arg-type]
            is_plain = math.isclose(cost_of(price, *SAMPLE), found.total_price)
        # Several prices by the length of the prompt, or none.
        except TypeError:
            is_plain = False
        return partial(cost_of, price) if is_plain else partial(total, model)
    return None


name_by_package(Price, Figure, Sums, Entry, Ledger)
