"""Spans and metrics, as OpenTelemetry's own SDK exports them."""

import asyncio
import json
import sys
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import g4flite
from g4flite import Finish, Start, ToolCall, Usage
from g4flite.apps.telemetry import Telemetry, answer, as_json, message_of, output, tool_call
from g4flite.testing import Emulator, Script
from tests.conftest import Driver
from tests.core.test_ledger import DONE
from tests.core.test_observed import AT_ONCE, SLOW, ask
from tests.exchanges import answering
from tests.rows import rows


class Exported:
    """What the SDK has exported."""

    def __init__(self, **arguments: Any) -> None:
        self.spans_of, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracing = TracerProvider()
        self.tracing.add_span_processor(SimpleSpanProcessor(self.spans_of))
        metering = MeterProvider([self.reader])
        self.telemetry = Telemetry(tracer_provider=self.tracing, meter_provider=metering, **arguments)

    @property
    def spans(self) -> Any:
        return self.spans_of.get_finished_spans()

    @property
    def metrics(self) -> dict[str, Any]:
        """The points of each metric."""
        data: Any = self.reader.get_metrics_data()
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
        return {metric.name: [*metric.data.data_points] for scope in scopes for metric in scope.metrics}


def test_a_stream_is_one_span_over_all_its_attempts(driver: Driver, server: Emulator) -> None:
    exported = Exported()
    answering(server, Script(status=503, headers={"x-request-id": "r1"}), Script())
    options = {"temperature": 1, "max_tokens": 9, "stop": "x", "seed": 3, "response_format": {"type": "json_object"},
               "system": "json"}  # fmt: skip
    driver.read(ask(server, exported.telemetry, retries=AT_ONCE, **options))
    [span], usage = exported.spans, driver.stream.usage
    assert usage is not None
    assert (span.name, span.kind, span.status.status_code) == ("chat m", trace.SpanKind.CLIENT, trace.StatusCode.UNSET)
    found = dict(span.attributes)
    assert found.pop("gen_ai.response.time_to_first_chunk") > 0
    assert found.pop("gen_ai.response.id").startswith("chatcmpl-")
    assert found == {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "m",
        "gen_ai.request.stream": True, "gen_ai.request.temperature": 1.0, "gen_ai.request.max_tokens": 9,
        "gen_ai.request.stop_sequences": ("x",), "gen_ai.request.seed": 3, "gen_ai.output.type": "json",
        "server.address": "127.0.0.1", "server.port": int(server.url.rpartition(":")[2]),
        "gen_ai.response.model": "m", "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": usage.prompt_tokens, "gen_ai.usage.output_tokens": usage.completion_tokens,
        "gen_ai.usage.cache_read.input_tokens": 0,
        "gen_ai.usage.reasoning.output_tokens": 0,
    }  # fmt: skip
    events = [(event.name, event.attributes.get("http.response.status_code"), event.attributes.get("error.type"))
              for event in span.events]  # fmt: skip
    assert events == [("g4flite.attempt", 503, "StatusError"), ("g4flite.attempt", 200, None)]
    assert span.events[0].attributes["g4flite.request_id"] == "r1"
    # The service is told of the span, by each request.
    name = f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-{span.context.trace_flags:02x}"
    assert [dict(one.headers)["traceparent"] for one in server.exchanges] == [name, name]
    assert set(exported.metrics) == {
        "gen_ai.client.inference.duration", "gen_ai.client.inference.time_to_first_chunk",
        "gen_ai.client.inference.operation.input_tokens", "gen_ai.client.inference.operation.output_tokens",
        *(f"gen_ai.client.inference.usage.{kind}" for kind in (
            "input_tokens", "output_tokens", "cache_read.input_tokens", "cache_write.input_tokens",
            "reasoning.output_tokens")),
    }  # fmt: skip
    [point] = exported.metrics["gen_ai.client.inference.usage.output_tokens"]
    assert (point.value, point.attributes["gen_ai.token.modality"]) == (usage.completion_tokens, "unknown")
    [point] = exported.metrics["gen_ai.client.inference.duration"]
    assert (point.count, point.explicit_bounds[0], dict(point.attributes)) == (
        1, 0.01, {name: found[name] for name in point.attributes},
    )  # fmt: skip


def test_the_span_s_parent_is_the_one_around_the_loop_which_stays_current(driver: Driver, server: Emulator) -> None:
    exported = Exported()
    tracer = exported.tracing.get_tracer("test")

    def read() -> None:
        with tracer.start_as_current_span("request") as around:
            for _ in stream:
                assert trace.get_current_span() is around

    async def aread() -> None:
        with tracer.start_as_current_span("request") as around:
            async for _ in stream:
                assert trace.get_current_span() is around

    stream = ask(server, exported.telemetry)
    read() if driver.name == "sync" else driver.run(aread)
    inner, outer = exported.spans
    assert (outer.name, inner.parent.span_id) == ("request", outer.context.span_id)


@rows(
    ("metrics", "names"),
    [
        ("operation", {"gen_ai.client.operation.duration", "gen_ai.client.operation.time_to_first_chunk",
                       "gen_ai.client.token.usage"}),
        ("both", {"gen_ai.client.operation.duration", "gen_ai.client.inference.duration", "gen_ai.client.token.usage",
                  "gen_ai.client.inference.usage.input_tokens"}),
    ],
)  # fmt: skip
def test_the_names_of_the_metrics_are_chosen(metrics: Any, names: set[str], driver: Driver, server: Emulator) -> None:
    exported = Exported(metrics=metrics)
    driver.read(ask(server, exported.telemetry))
    assert (set(exported.metrics) == names) == (metrics == "operation")
    assert set(exported.metrics) >= names
    tokens = {
        point.attributes["gen_ai.token.type"]: point.sum for point in exported.metrics["gen_ai.client.token.usage"]
    }
    assert tokens == {"input": 1, "output": 3}


def test_a_stream_that_fails_is_an_error_without_its_key(driver: Driver, server: Emulator) -> None:
    exported = Exported()
    server.script = Script(status=401, body="no such key: sk-key-123456")
    with pytest.raises(g4flite.AuthenticationError):
        driver.read(ask(server, exported.telemetry))
    [span] = exported.spans
    assert (span.status.status_code, span.attributes["error.type"]) == (trace.StatusCode.ERROR, "AuthenticationError")
    assert span.attributes["gen_ai.response.finish_reasons"] == ("error",)
    assert "sk-key" not in span.to_json()
    [point] = exported.metrics["gen_ai.client.inference.duration"]
    assert point.attributes["error.type"] == "AuthenticationError"
    assert exported.metrics["gen_ai.client.inference.usage.input_tokens"][0].value == 0
    assert "gen_ai.client.inference.time_to_first_chunk" not in exported.metrics


def test_a_stream_that_is_left_ends_its_span_without_an_error(driver: Driver, server: Emulator) -> None:
    exported = Exported()
    server.script = SLOW
    driver.read(ask(server, exported.telemetry), limit=1)
    [span] = exported.spans
    assert (span.status.status_code, "error.type" in span.attributes) == (trace.StatusCode.UNSET, False)
    assert exported.telemetry._spans == {}


def test_a_cancellation_is_an_error_without_a_message() -> None:
    exported = Exported()
    call = g4flite.ObservedCall(1, "acme", "m", "https://acme.test", {}, ())
    exported.telemetry.start(call)
    error = asyncio.CancelledError("by <Task pending coro=<main() running at /home/ann/main.py:3>>")
    exported.telemetry.end(call, DONE._replace(state="closed", error=error))
    [span] = exported.spans
    assert (span.status.status_code, span.status.description) == (trace.StatusCode.ERROR, None)
    assert span.attributes["error.type"] == "CancelledError"


def test_the_span_names_the_provider_that_has_answered(driver: Driver, server: Emulator) -> None:
    exported = Exported()
    down = g4flite.Client("gemini", model="a", api_key="k-123456", base_url="http://127.0.0.1:1", retries=0)
    second = g4flite.Client("xai", model="b", api_key="k-123456", base_url=f"{server.url}/v1")
    driver.read(g4flite.stream([down, second], "Hi", observer=exported.telemetry))
    [span] = exported.spans
    assert (span.name, span.attributes["gen_ai.provider.name"]) == ("chat b", "x_ai")
    assert [event.attributes["gen_ai.provider.name"] for event in span.events] == ["gcp.gemini", "x_ai"]
    for client in (down, second):
        client.close() if driver.name == "sync" else driver.run(client.aclose)


def test_content_is_recorded_only_where_it_is_asked_for(driver: Driver, server: Emulator) -> None:
    silent, told = Exported(), Exported(content=True)
    driver.read(ask(server, [silent.telemetry, told.telemetry], system="Be brief."))
    assert "Be brief" not in silent.spans[0].to_json()
    assert "said" not in silent.spans[0].to_json()
    attributes = told.spans[0].attributes
    assert json.loads(attributes["gen_ai.input.messages"]) == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {"role": "user", "parts": [{"type": "text", "content": "Hi"}]},
    ]
    assert json.loads(attributes["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "You said: Hi"}], "finish_reason": "stop"}
    ]


@rows(
    ("message", "parts"),
    [
        ({"role": "user", "content": [
            {"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "https://a.test/i.png"}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
            {"type": "file", "file": {"file_id": "f"}},
        ]}, [{"type": "text", "content": "a"}, {"type": "uri", "modality": "image", "uri": "https://a.test/i.png"},
             {"type": "image"}, {"type": "audio"}, {"type": "document"}]),
        ({"role": "assistant", "content": "", "tool_calls": [
            {"id": "c", "function": {"name": "now", "arguments": '{"a": 1}'}},
            {"id": "d", "function": {"name": "now", "arguments": "half {"}},
        ]}, [{"type": "tool_call", "id": "c", "name": "now", "arguments": {"a": 1}},
             {"type": "tool_call", "id": "d", "name": "now", "arguments": "half {"}]),
        ({"role": "tool", "tool_call_id": "c", "content": "noon"},
         [{"type": "tool_call_response", "id": "c", "response": "noon"}]),
        ({"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "noon"}]},
         [{"type": "tool_call_response", "id": "c", "response": [{"type": "text", "content": "noon"}]}]),
    ],
)  # fmt: skip
def test_messages_have_the_conventions_form(message: Any, parts: Any) -> None:
    assert message_of(message) == {"role": message["role"], "parts": parts}


def test_half_of_a_surrogate_pair_in_a_tool_call_can_be_exported() -> None:
    made = as_json([tool_call("c", "now", '{"a": "\\ud800 \\u00e9"}')])
    assert "\u00e9" in made.encode().decode()
    assert json.loads(made)[0]["arguments"] == {"a": "\ud800 \u00e9"}


def test_an_answer_has_the_conventions_form() -> None:
    end = DONE._replace(
        reasoning="hm", text="", tool_calls=(ToolCall("c", "now", "{}"),), finish=Finish("tool_calls"),
        usage=Usage(9, 8, 7, 17, 6, 5), start=Start("id", "m-1"),
    )  # fmt: skip
    assert output(end) == {
        "role": "assistant", "finish_reason": "tool_call",
        "parts": [{"type": "reasoning", "content": "hm"},
                  {"type": "tool_call", "id": "c", "name": "now", "arguments": {}}],
    }  # fmt: skip
    assert answer(end) == {
        "gen_ai.response.id": "id", "gen_ai.response.model": "m-1", "gen_ai.response.finish_reasons": ["tool_call"],
        "gen_ai.usage.input_tokens": 9, "gen_ai.usage.output_tokens": 8, "gen_ai.usage.reasoning.output_tokens": 7,
        "gen_ai.usage.cache_read.input_tokens": 6, "gen_ai.usage.cache_write.input_tokens": 5,
    }  # fmt: skip
    assert "gen_ai.response.finish_reasons" not in answer(DONE._replace(finish=None))


@rows(
    ("form", "kind"),
    [({"type": "text"}, "text"), ({"type": "json_object"}, "json"), (dict, "json")],
)
def test_the_type_of_the_output_is_what_the_call_asks_for(form: Any, kind: str) -> None:
    exported = Exported()
    call = g4flite.ObservedCall(1, "acme", None, "https://acme.test", {"response_format": form}, ())
    exported.telemetry.start(call)
    exported.telemetry.end(call, DONE)
    assert exported.spans[0].attributes["gen_ai.output.type"] == kind


def test_a_call_without_a_model_is_a_chat(server: Emulator) -> None:
    exported = Exported()
    call = g4flite.ObservedCall(1, "acme", None, "https://acme.test", {}, ())
    exported.telemetry.start(call)
    exported.telemetry.end(call, DONE._replace(model=None, provider="acme"))
    assert (exported.spans[0].name, exported.spans[0].attributes["server.port"]) == ("chat", 443)


def test_what_is_wrong_with_its_arguments_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong: Any = "old"
    with pytest.raises(g4flite.OptionError, match='metrics= must be "inference", "operation" or "both", not \'old\''):
        Telemetry(metrics=wrong)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(g4flite.OptionError, match="pip install opentelemetry-api"):
        Telemetry()
