"""The dialects of Chat Completions: each a handful of habits, and everything else as OpenAI has it.

Sources: each service's documentation and recorded traffic, August 2026; vllm-project/vllm#40986 for its [DONE] behind
an error. Not verified: that transformers sends no [DONE], and the `error_type` values of Hugging Face.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..server.framing import DONE, sse
from ..server.openai_errors import FAULTS, form
from ..server.pieces import Call, Piece, Problem, Think
from ..server.protocol import Turn

JSON = dict[str, Any]


def usage_of(turn: Turn) -> JSON:
    """The tokens of a reply so far, reasoning included."""
    prompt, thoughts = turn.prompt_tokens, turn.tally.thoughts
    completion = turn.tally.texts + thoughts
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": thoughts, "audio_tokens": 0},
    }


def fragmented(call: Call, number: int) -> Iterator[JSON]:
    """The deltas of a tool call: its name, then the fragments of its arguments."""
    begin: JSON = {"index": number, "id": call.id or f"call_{number + 1}", "type": "function"}
    yield {"tool_calls": [begin | {"function": {"name": call.name, "arguments": ""}}]}
    for fragment in call.fragments:
        yield {"tool_calls": [{"index": number, "function": {"arguments": fragment}}]}


def whole(call: Call, number: int) -> Iterator[JSON]:
    """The one delta of a tool call."""
    asked = {"name": call.name, "arguments": call.text}
    begin: JSON = {"index": number, "id": call.id or f"call_{number + 1}", "type": "function"}
    yield {"tool_calls": [begin | {"function": asked}]}


def inlined(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Puts reasoning into the text, between `<think>` and `</think>`."""
    thinking = False
    for piece in pieces:
        if isinstance(piece, Think):
            yield piece.text if thinking else "<think>\n" + piece.text
            thinking = True
            continue
        if thinking and not isinstance(piece, Problem):
            yield "\n</think>\n\n"
            thinking = False
        yield piece


def tell(turn: Turn, kind: str) -> Iterator[bytes]:
    """Yields an error as an event, after which nothing comes."""
    yield sse(form(turn.dialect, kind))


def tell_openrouter(turn: Turn, kind: str) -> Iterator[bytes]:
    chunk = DIALECTS["openrouter"].chunk(turn, {"content": ""}, "error")
    yield sse({**chunk, "error": {"code": FAULTS[kind][0], "message": FAULTS[kind][3]}})


def tell_vllm(_: Turn, kind: str) -> Iterator[bytes]:
    yield sse(form("vllm", kind))
    yield DONE


def tell_groq(_: Turn, kind: str) -> Iterator[bytes]:
    error = form("groq", kind)["error"] | {"failed_generation": "", "status_code": FAULTS[kind][0]}
    yield sse({"error": error}, event="error")


def tell_huggingface(_: Turn, kind: str) -> Iterator[bytes]:
    yield sse({**form("huggingface", kind), "error_type": "overloaded" if kind == "overloaded" else "generation"})


def dress_openai(turn: Turn, chunk: JSON) -> JSON:
    extra = {} if "plain" in turn.form else {"obfuscation": "0" * (-len(str(chunk["choices"])) % 16)}
    return {**chunk, "service_tier": "default", **extra}


def dress_azure(_: Turn, chunk: JSON) -> JSON:
    return {**chunk, "choices": [{**choice, "content_filter_results": {}} for choice in chunk["choices"]]}


def dress_openrouter(_: Turn, chunk: JSON) -> JSON:
    choices = [{**choice, "native_finish_reason": choice["finish_reason"]} for choice in chunk["choices"]]
    return {**chunk, "provider": "Emulator", "choices": choices}


def dress_huggingface(_: Turn, chunk: JSON) -> JSON:
    choices = [{**choice, "text": choice["delta"].get("content") or "", "token_id": 0} for choice in chunk["choices"]]
    return {**chunk, "choices": choices}


def dress_late(_: Turn, chunk: JSON) -> JSON:
    """Without the key `finish_reason` as long as there is none."""
    choices = [{name: value for name, value in choice.items() if value is not None} for choice in chunk["choices"]]
    return {**chunk, "choices": choices}


def details(text: str) -> JSON:
    """A piece of reasoning as OpenRouter has it, twice."""
    detail = {"type": "reasoning.text", "text": text, "format": "unknown", "index": 0}
    return {"content": "", "reasoning": text, "reasoning_details": [detail]}


def thinking_list(text: str) -> JSON:
    """A piece of reasoning as Mistral has it: the content is a list."""
    return {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]}


def text_list(turn: Turn, text: str) -> JSON:
    """A piece of text as Mistral has it: behind reasoning the content is a list too."""
    return {"content": [{"type": "text", "text": text}] if turn.tally.thoughts else text}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The habits of one service."""

    local: bool = False  # a server of one's own: no key, no request id
    id_header: str = "x-request-id"
    id: str = "req_1"
    comment: str = ""  # sent as a comment before the first event and again before the third
    first: JSON | None = None  # what the first chunk of all has besides or instead of id, model and choices
    role: JSON | None = None  # what the first delta says besides its role; None: no such delta
    think: Callable[[str], JSON] = lambda _: {}  # the delta of a piece of reasoning; empty: there is none
    text: Callable[[Turn, str], JSON] = lambda _, text: {"content": text}
    call: Callable[[Call, int], Iterator[JSON]] = fragmented
    pieces: Callable[[Iterator[Piece]], Iterator[Piece]] = lambda pieces: pieces
    dress: Callable[[Turn, JSON], JSON] = lambda _, chunk: chunk  # a chunk as it finally is
    usage: str = "asked"  # a chunk of its own if asked for; "last": in any case; "finish": in the last; "never"
    usage_choices: tuple[JSON, ...] = ()  # of the chunk of its own
    groq: bool = False  # ids and usage a second time, in `x_groq`
    error_reason: str = "error"  # the finish_reason of Stop("error")
    done: bool = True  # whether [DONE] ends the stream
    problem: Callable[[Turn, str], Iterator[bytes]] = tell

    def chunk(self, turn: Turn, delta: JSON, reason: str | None = None) -> JSON:
        """A chunk of one choice."""
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return self.dress(turn, self._bare(turn, [choice]) | self._no_usage(turn))

    def opening(self, turn: Turn) -> Iterator[JSON]:
        """The chunks before the first piece."""
        if self.first is not None:
            yield {**self._bare(turn, []), **self.first}
        if self.role is not None:
            chunk = self.chunk(turn, {"role": "assistant", **self.role})
            yield chunk | ({"x_groq": {"id": self.id}} if self.groq else {})

    def closing(self, turn: Turn, reason: str) -> Iterator[JSON]:
        """The chunks behind the last piece: the finish reason and the usage."""
        last = self.chunk(turn, {}, self.error_reason if reason == "error" else reason)
        usage = usage_of(turn)
        if self.usage == "finish":
            last["usage"] = usage
        if self.groq:
            last["x_groq"] = {"id": self.id, "usage": usage}
        yield last
        if self.usage == "last" or (self.usage == "asked" and "usage" in turn.form):
            yield {**self._bare(turn, list(self.usage_choices)), "usage": usage}

    def _bare(self, turn: Turn, choices: list[JSON]) -> JSON:
        kind = {"id": "gen-1" if self.id == "gen-1" else "chatcmpl-1", "object": "chat.completion.chunk"}
        return {**kind, "created": int(turn.now), "model": turn.model, "choices": choices}

    def _no_usage(self, turn: Turn) -> JSON:
        return {"usage": None} if self.usage == "asked" and "usage" in turn.form else {}


def _reasoning(text: str) -> JSON:
    return {"reasoning": text}


def _reasoning_content(text: str) -> JSON:
    return {"content": None, "reasoning_content": text}


EMPTY: JSON = {"content": ""}
AZURE_FIRST: JSON = {
    "id": "",
    "model": "",
    "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}],
}
OPENROUTER_LAST: JSON = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}

DIALECTS = {
    "openai": Dialect(role={"content": "", "refusal": None}, dress=dress_openai),
    "azure": Dialect(role=EMPTY, first=AZURE_FIRST, dress=dress_azure),
    "openrouter": Dialect(
        id_header="x-generation-id", id="gen-1", comment="OPENROUTER PROCESSING", role=EMPTY, think=details,
        dress=dress_openrouter, usage="last", usage_choices=(OPENROUTER_LAST,), problem=tell_openrouter,
    ),
    "deepseek": Dialect(
        comment="keep-alive", role={"content": None, "reasoning_content": ""}, think=_reasoning_content, usage="finish",
        error_reason="insufficient_system_resource",
    ),
    "vllm": Dialect(local=True, role=EMPTY, think=_reasoning, problem=tell_vllm),
    "groq": Dialect(role=EMPTY, think=_reasoning, usage="finish", groq=True, problem=tell_groq),
    "zai": Dialect(
        think=lambda text: {"role": "assistant", "reasoning_content": text},
        text=lambda _, text: {"role": "assistant", "content": text},
        call=whole, dress=dress_late, usage="finish",
    ),
    "huggingface": Dialect(role=EMPTY, pieces=inlined, dress=dress_huggingface, problem=tell_huggingface),
    "llamacpp": Dialect(
        local=True, comment="ping - 2026-08-01 12:00:00.000000+00:00", role={"content": None}, think=_reasoning_content,
    ),
    "transformers": Dialect(
        local=True, role={}, pieces=inlined, dress=dress_late, usage="never", done=False,
    ),
    "litellm": Dialect(
        role=EMPTY, think=_reasoning_content, usage_choices=({"index": 0, "delta": {}},),
    ),
    "mistral": Dialect(
        role=EMPTY, think=thinking_list, text=text_list, call=whole, usage="finish",
    ),
}  # fmt: skip
