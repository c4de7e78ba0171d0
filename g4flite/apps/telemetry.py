"""Telemetry: an observer that makes a span and metrics of each stream, by OpenTelemetry's conventions for GenAI.

    from g4flite.apps.telemetry import Telemetry        # pip install 'g4flite[otel]'

    g4flite.observe(Telemetry())                        # the global providers of spans and metrics
    g4flite.stream("openai", "Hello", observer=Telemetry(content=True)).text()

One span `chat {model}` spans all attempts of a stream, from the first step of its loop to its end.  The requests carry
its `traceparent`.  The event `g4flite.attempt` of a span tells of an attempt.  Neither messages nor the answer are
recorded unless `content` is true; the message of an error, which a service may have written, is the span's status.
The package opentelemetry-api does nothing without an SDK, which the program sets up.

Source: https://github.com/open-telemetry/semantic-conventions-genai, v0.1.0: docs/gen-ai/client-inference.md and
gen-ai-token-metrics.md (November 2026).  The names before it: semantic conventions v1.41.0, gen-ai-metrics.md.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from .. import __version__
from .._core.errors import PACKAGE, OptionError
from .._core.observed import ObservedAttempt, ObservedCall, ObservedEnd, ObservedFirst

Attributes: TypeAlias = dict[str, Any]
# The conventions' names of providers, where they differ from ours.
PROVIDERS: Final = {
    "azure-openai": "azure.ai.openai", "gemini": "gcp.gemini", "mistral": "mistral_ai", "moonshot": "moonshot_ai",
    "openai-responses": "openai", "xai": "x_ai",
}  # fmt: skip
# The attributes of our options, and the type of each.
OPTIONS: Final[Mapping[str, tuple[str, Callable[[Any], Any]]]] = {
    "temperature": ("gen_ai.request.temperature", float),
    "top_p": ("gen_ai.request.top_p", float),
    "max_tokens": ("gen_ai.request.max_tokens", int),
    "frequency_penalty": ("gen_ai.request.frequency_penalty", float),
    "presence_penalty": ("gen_ai.request.presence_penalty", float),
    "seed": ("gen_ai.request.seed", int),
    "stop": ("gen_ai.request.stop_sequences", lambda stop: [stop] if isinstance(stop, str) else list(stop)),
    "reasoning_effort": ("gen_ai.request.reasoning.level", str),
    # A class, or a dict; the type "text" asks for no JSON.
    "response_format": (
        "gen_ai.output.type",
        lambda form: "text" if isinstance(form, Mapping) and form.get("type") == "text" else "json",
    ),
}
# The attributes of the counts of tokens.
USAGE: Final = {
    "prompt_tokens": "input_tokens", "completion_tokens": "output_tokens", "cached_tokens": "cache_read.input_tokens",
    "cache_write_tokens": "cache_write.input_tokens", "reasoning_tokens": "reasoning.output_tokens",
}  # fmt: skip
SECONDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS: Final = tuple(4**power for power in range(14))
# The attributes of a span that its metrics have, too.
OF_METRICS: Final = ("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.response.model",
                     "server.address", "server.port")  # fmt: skip


class Telemetry:
    """An observer that makes a span and metrics of each stream.  Any thread may use it.

    - `content=True` records the messages and the answer in the span, as JSON.
    - `metrics` chooses the names of the metrics: "inference" are those of the conventions' own repository (v0.1.0:
      `gen_ai.client.inference.*`), "operation" those before (v1.41.0: `gen_ai.client.operation.*` and
      `gen_ai.client.token.usage`), "both" are for the time of a move.
    - `tracer_provider` and `meter_provider` are OpenTelemetry's; None means the global ones.

    Raises `OptionError` if opentelemetry-api is not installed, or `metrics` is another word.
    """

    def __init__(
        self,
        *,
        content: bool = False,
        metrics: Literal["inference", "operation", "both"] = "inference",
        tracer_provider: Any = None,
        meter_provider: Any = None,
    ) -> None:
        try:
            from opentelemetry import metrics as api  # noqa: PLC0415 - an extra
            from opentelemetry import trace  # noqa: PLC0415
            from opentelemetry.propagate import inject  # noqa: PLC0415
        except ImportError:
            raise OptionError("telemetry needs opentelemetry-api: pip install opentelemetry-api") from None
        if metrics not in ("inference", "operation", "both"):
            raise OptionError(f'metrics= must be "inference", "operation" or "both", not {metrics!r}')
        self._trace, self._inject, self._content = trace, inject, content
        self._tracer = trace.get_tracer(PACKAGE, __version__, tracer_provider)
        meter = api.get_meter(PACKAGE, __version__, meter_provider)
        self._instruments: dict[str, Any] = {}
        self._names = ("inference", "operation") if metrics == "both" else (metrics,)
        for name in self._names:
            for suffix in ("duration", "time_to_first_chunk"):
                whole = f"gen_ai.client.{name}.{suffix}"
                self._instruments[whole] = meter.create_histogram(
                    whole, "s", explicit_bucket_boundaries_advisory=SECONDS
                )
        if "inference" in self._names:
            for suffix in USAGE.values():
                whole = f"gen_ai.client.inference.usage.{suffix}"
                self._instruments[whole] = meter.create_counter(whole, "{token}")
        histograms = [f"gen_ai.client.inference.operation.{kind}_tokens" for kind in ("input", "output")]
        for whole in (histograms if "inference" in self._names else []) + (
            ["gen_ai.client.token.usage"] if "operation" in self._names else []
        ):
            self._instruments[whole] = meter.create_histogram(
                whole, "{token}", explicit_bucket_boundaries_advisory=TOKENS
            )
        # The spans that have not ended, by the ids of their calls.
        self._spans: dict[int, Any] = {}

    def start(self, call: ObservedCall) -> dict[str, str]:
        """Begin the span, and return the headers that name it to the service."""
        attributes = {**place(call.provider, call.model, call.base_url), "gen_ai.request.stream": True}
        for option, (name, convert) in OPTIONS.items():
            if option in call.options:
                attributes[name] = convert(call.options[option])
        if self._content:
            attributes["gen_ai.input.messages"] = as_json([*map(message_of, call.messages)])
        span = self._tracer.start_span(span_name(call.model), kind=self._trace.SpanKind.CLIENT, attributes=attributes)
        self._spans[call.id] = span
        headers: dict[str, str] = {}
        self._inject(headers, self._trace.set_span_in_context(span))
        return headers

    def attempt(self, call: ObservedCall, attempt: ObservedAttempt) -> None:
        """Add the event of an attempt to the span."""
        told = {
            "g4flite.attempt.number": attempt.number,
            "g4flite.attempt.seconds": attempt.seconds,
            "gen_ai.provider.name": provider_name(attempt.provider),
            "gen_ai.request.model": attempt.model,
            "error.type": attempt.error_type,
            "http.response.status_code": attempt.status,
            "g4flite.request_id": attempt.request_id,
        }
        self._spans[call.id].add_event("g4flite.attempt", known(told))

    def first(self, call: ObservedCall, first: ObservedFirst) -> None:
        """Note when the first content came, counted from the beginning of the span."""
        self._spans[call.id].set_attribute("gen_ai.response.time_to_first_chunk", first.seconds)

    def end(self, call: ObservedCall, end: ObservedEnd) -> None:
        """End the span, and record the metrics."""
        span = self._spans.pop(call.id)
        attributes = {**place(end.provider, end.model, end.url or call.base_url), **answer(end)}
        if self._content:
            attributes["gen_ai.output.messages"] = as_json([output(end)])
        span.update_name(span_name(end.model))
        span.set_attributes(attributes)
        if end.error is not None:
            # The message of a cancellation names tasks and files of the program.
            told = str(end.error) if isinstance(end.error, Exception) else None
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, told))
        span.end()
        self._record(end, {name: attributes[name] for name in OF_METRICS if name in attributes})

    def _record(self, end: ObservedEnd, shared: Attributes) -> None:
        """Record the metrics of a stream that has ended."""
        with_error = shared if end.error is None else {**shared, "error.type": type(end.error).__name__}
        for name in self._names:
            self._instruments[f"gen_ai.client.{name}.duration"].record(end.seconds, with_error)
            if end.first is not None:
                self._instruments[f"gen_ai.client.{name}.time_to_first_chunk"].record(end.first, shared)
        counts = {name: getattr(end.usage, field, None) for field, name in USAGE.items()}
        # No service of ours breaks its counts down by modality.
        unknown = {**shared, "gen_ai.token.modality": "unknown"}
        for name, count in counts.items() if "inference" in self._names else ():
            self._instruments[f"gen_ai.client.inference.usage.{name}"].add(count or 0, unknown)
        for kind in ("input", "output"):
            if (count := counts[f"{kind}_tokens"]) is None:
                continue
            if "inference" in self._names:
                self._instruments[f"gen_ai.client.inference.operation.{kind}_tokens"].record(count, shared)
            if "operation" in self._names:
                of_kind = {**shared, "gen_ai.token.type": kind}
                self._instruments["gen_ai.client.token.usage"].record(count, of_kind)


def span_name(model: str | None) -> str:
    """Return the name of a span."""
    return f"chat {model}" if model else "chat"


def provider_name(provider: str) -> str:
    """Return the conventions' name of a provider."""
    return PROVIDERS.get(provider, provider)


def known(attributes: Attributes) -> Attributes:
    """Return the attributes that are not None."""
    return {name: value for name, value in attributes.items() if value is not None}


def as_json(value: object) -> str:
    """Return a value as JSON that UTF-8 can carry: half of a surrogate pair in a tool call's arguments stays escaped.

    OTLP sends texts as UTF-8, in batches: one text that cannot be sent would cost the other spans, too.
    """
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


def place(provider: str, model: str | None, url: str) -> Attributes:
    """Return the attributes of a provider, a model and a server."""
    parts = urlsplit(url)
    return known(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": provider_name(provider),
            "gen_ai.request.model": model,
            "server.address": parts.hostname,
            "server.port": parts.port or {"https": 443, "http": 80}.get(parts.scheme),
        }
    )


def answer(end: ObservedEnd) -> Attributes:
    """Return the attributes of an answer, and of what went wrong."""
    reason = finish_reason(end)
    return known(
        {
            "gen_ai.response.id": end.start.response_id,
            "gen_ai.response.model": end.start.model,
            "gen_ai.response.finish_reasons": [reason] if reason else None,
            "error.type": type(end.error).__name__ if end.error is not None else None,
            **{f"gen_ai.usage.{name}": getattr(end.usage, field, None) for field, name in USAGE.items()},
        }
    )


def finish_reason(end: ObservedEnd) -> str | None:
    """Return the finish reason in the conventions' words: "error" if it was expected and did not come."""
    if end.finish is None:
        return None if end.state == "complete" else "error"
    return "tool_call" if end.finish.reason == "tool_calls" else end.finish.reason


def output(end: ObservedEnd) -> dict[str, Any]:
    """Return the answer in the form of `gen_ai.output.messages`."""
    parts = [{"type": "reasoning", "content": end.reasoning}] if end.reasoning else []
    parts += [{"type": "text", "content": end.text}] if end.text else []
    parts += [tool_call(call.id, call.name, call.arguments) for call in end.tool_calls]
    return {"role": "assistant", "parts": parts, "finish_reason": finish_reason(end) or "stop"}


def tool_call(identity: str, name: str, arguments: str) -> dict[str, Any]:
    """Return a tool call in the conventions' form; arguments that are no JSON stay text."""
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        value = arguments
    return {"type": "tool_call", "id": identity, "name": name, "arguments": value}


def message_of(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message in the form of `gen_ai.input.messages`."""
    content = message.get("content") or ""
    parts: Any = content
    if isinstance(content, str):
        parts = [{"type": "text", "text": content}] if content else []
    if message["role"] == "tool":
        said = content if isinstance(content, str) else [*map(part_of, parts)]
        return {"role": "tool", "parts": [
            {"type": "tool_call_response", "id": message.get("tool_call_id"), "response": said}
        ]}  # fmt: skip
    return {"role": message["role"], "parts": [*map(part_of, parts), *calls_of(message)]}


def calls_of(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the tool calls of a message."""
    for call in message.get("tool_calls") or ():
        yield tool_call(call["id"], call["function"]["name"], call["function"]["arguments"])


def part_of(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part of a message.  Of an image, a file or audio, the kind and a URL are told, and no data."""
    if part["type"] == "text":
        return {"type": "text", "content": part["text"]}
    kind = {"image_url": "image", "input_audio": "audio"}.get(part["type"], "document")
    url = part["image_url"].get("url", "") if kind == "image" else ""
    return {"type": "uri", "modality": kind, "uri": url} if url.startswith("http") else {"type": kind}
