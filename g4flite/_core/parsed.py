"""The value of an answer that is JSON: whole (`value_of`), and so far (`Partials`).

stream.parsed()                         # {"city": "Oslo"}, or a Point if `response_format` was the class Point
for value in stream.partials(): ...     # {}, {"city": "O"}, {"city": "Oslo"}
"""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

from .errors import MalformedReplyError, OptionError, UsageError, name_by_package
from .loops import refusals
from .numbers import loads_strictly

if TYPE_CHECKING:
    from .exchange import Run

# A long text is parsed anew only once it has grown by this share, so that reading an answer takes linear time.
GROWTH = 1 / 64


def value_of(run: "Run", text: str | None = None) -> Any:
    """Return the value of a complete answer: of the class that was given as `response_format`, else plain JSON.

    `text` is the answer if the stream has not kept it.  Raises `MalformedReplyError`, whose `.partial` is the text, for
    a text that is not JSON or does not fit the class, and `UsageError` if the answer is not complete.
    """
    if run.state != "complete":
        raise UsageError("the answer is not complete; read the stream to its end first")
    if text is None:
        if not run.keep_partial:
            raise UsageError("the stream keeps no text with keep_partial=False, so there is nothing to parse")
        text = run.partial
    why = ""
    value: Any = None
    try:
        if run.call.answer_type is None:
            value = loads_strictly(text)
        else:
            from .schemas import validated  # noqa: PLC0415 - needs pydantic

            value = validated(run.call.answer_type, text)
            # Pydantic takes NaN and infinities, which are no JSON.
            loads_strictly(text)
    except (ValueError, RecursionError) as error:
        why = str(error)
    if not why:
        return value
    said = f"is not the JSON that was asked for: {why}; the text is in .partial"
    advice = "ask again, or say in the messages what is wanted"
    if run.finish is not None and run.finish.reason == "length":
        advice = "the answer was cut off: raise {max_tokens}"
    elif run.tool_calls:
        # Before its calls, the model may say what it does.
        said = f"calls the tool {run.tool_calls[0].name!r}, and is not the JSON that was asked for"
        advice = "run the calls, and send their results for the next answer, as a Conversation does"
    failed = MalformedReplyError(f"the answer {said}", provider=run.call.provider.name, advice=advice)
    failed.partial = text
    raise failed


def parser_of_partial_json() -> Callable[[bytes], Any]:
    """Return a function that parses the beginning of a JSON text, its open strings and objects closed.

    Raises `OptionError` if neither jiter nor pydantic is installed.
    """
    try:
        from jiter import from_json as parse  # noqa: PLC0415 - an extra

        return lambda data: parse(data, partial_mode="trailing-strings", allow_inf_nan=False)
    except ImportError:
        pass
    try:
        from pydantic_core import from_json  # noqa: PLC0415 - an extra
    except ImportError:
        raise OptionError("partials() needs jiter: pip install jiter") from None
    return lambda data: from_json(data, allow_partial="trailing-strings", allow_inf_nan=False)


class Growing:
    """The text of an answer that grows, and its value so far."""

    def __init__(self, parse: Callable[[bytes], Any]) -> None:
        self._parse = parse
        self._pieces: list[str] = []
        self._size = self._parsed = 0
        self._last: Any = self

    def add(self, text: str) -> bool:
        """Add a piece of the text, and return whether the value has changed; `value` is the new one."""
        self._pieces.append(text)
        self._size += len(text)
        if self._size - self._parsed < self._parsed * GROWTH:
            return False
        return self.parse()

    def parse(self) -> bool:
        """Parse the text so far, and return whether the value has changed."""
        self._parsed = self._size
        self._pieces = ["".join(self._pieces)]
        try:
            value = self._parse(self._pieces[0].encode("utf-8", "replace"))
        # Nothing of a value is there yet, or the text is not JSON, as the end will tell.
        except ValueError:
            return False
        changed = self._last is self or value != self._last
        self._last = value
        return changed

    @property
    def value(self) -> Any:
        return self._last

    @property
    def text(self) -> str:
        return "".join(self._pieces)


class Partials:
    """The values of an answer that is JSON while it comes, for a `for` or an `async for` loop.

    Each value is the JSON so far: open texts, lists and objects are closed.  A value that equals the one before is left
    out, and so are some values of a long answer.  The last value is the whole one; the loop raises what the loop over
    the stream raises, and `MalformedReplyError` if the whole answer is not JSON.
    """

    def __init__(self, source: Any) -> None:
        # A `Stream`, or the `Answer` of a conversation.
        self._source, self._parse = source, parser_of_partial_json()

    def __iter__(self) -> Iterator[Any]:
        return Values(self._source, self._source._read(), self._parse)

    def __aiter__(self) -> AsyncIterator[Any]:
        return Values(self._source, self._source._aread(), self._parse)

    if not TYPE_CHECKING:
        __next__, __await__ = refusals("partials()", "for value in stream.partials()", "stream.aparsed()")


class Values:
    """What a loop over `Partials` runs.

    This is no generator: the stream's own generator, which closes the connection, would be nested in it.
    """

    def __init__(self, source: Any, texts: Any, parse: Callable[[bytes], Any]) -> None:
        self._source, self._texts, self._parse = source, texts, parse
        self._run, self._growing = source._run, Growing(parse)

    def __iter__(self) -> "Values":
        return self

    def __aiter__(self) -> "Values":
        return self

    def __next__(self) -> Any:
        for text in self._texts:
            if self._grows(text):
                return self._growing.value
        if self._ends():
            return self._growing.value
        raise StopIteration

    async def __anext__(self) -> Any:
        async for text in self._texts:
            if self._grows(text):
                return self._growing.value
        if self._ends():
            return self._growing.value
        raise StopAsyncIteration

    def _grows(self, text: str) -> bool:
        """Return whether a piece of the text has changed the value."""
        self._begin_round()
        return self._growing.add(text)

    def _ends(self) -> bool:
        """Return whether the end of the text has changed the value.  Raises if the whole text is no value."""
        self._begin_round()
        changed = self._growing.parse()
        value_of(self._run, self._growing.text)
        return changed

    def _begin_round(self) -> None:
        """Begin a new text if the answer of a conversation is in another round than before."""
        if self._source._run is not self._run:
            self._run, self._growing = self._source._run, Growing(self._parse)


name_by_package(Partials)
