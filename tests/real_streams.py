"""Realistic streams: the events of an answer as each service really sends them, with all that differs between them.

    STREAMS["ollama"].events[0]     # b'{"model":"llama3.2","created_at":"2026-11-25T10:11:12.000000001Z",...}\\n'

A stream's events differ in more than their text: in times, numbers, counts, ids and random padding.  They are written
as the services write them, that is with or without blanks, and with LF or CRLF.  The texts are tokens of English with
a few escapes and characters beyond ASCII.

Sources: the types of openai-python 3.57.0 for `obfuscation`, `logprobs` and `sequence_number`; a recording of Azure's
(vercel/ai's fixtures, azure-model-router.1) for the content filter; pydantic-ai's cassettes for Mistral's padding `p`,
Anthropic's blanks and pings, and Gemini's counts and CRLF; ollama's docs/api.md.  All of 2026.
"""

import json
import random
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from typing import Any, NamedTuple

# Distinct events of a stream, which are sent over and over: a counter begins anew after so many.
DISTINCT = 640
WORDS = (
    "The", " snow", " falls", " on", " Oslo", ",", " and", " the", " har", "bour", " is", " quiet", ".", "\n\n", " A",
    " tram", " bell", " rings", "; ", '"', "Hello", '"', ",", " says", " a", " child", " in", " Gr", "ü", "nerløkka",
    ".", " Then", " it", " grows", " dark", " —", " at", " three", " o", "'clock", " already", ".",
)  # fmt: skip
# The arguments of a tool call, as a model's tokens cut them.
PIECES = ('{"', "query", '":"', "snow", " in", " Oslo", '","', "days", '":', " ", "7", ',"', "notes", '":"', "Write",
          " a", " long", " text", " about", " the", " snow", " and", " the", " dark", ".", " ")  # fmt: skip
ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


class Reply(NamedTuple):
    """A reply: who sends it and as what, the events before the answer's texts, one for each text, those behind."""

    provider: str
    media: str
    begin: bytes
    events: list[bytes]
    end: bytes
    # Whether `decode.py` reads it as a loop over texts does.
    texts_alone: bool = True


def sse(value: object, name: str = "", *, blanks: tuple[str, str] = (",", ":"), end: str = "\n") -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=blanks)
    return ((f"event: {name}{end}" if name else "") + f"data: {text}{end}{end}").encode()


def padding(dice: random.Random) -> str:
    return "".join(dice.choices(ALPHABET, k=dice.randint(1, 16)))


def chat(delta: dict[str, Any], *, reason: str | None = None, logprobs: Any = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
    return {
        "id": "chatcmpl-CfTqMxWk0pPzR7e2oH3yVnLa9JdSb", "object": "chat.completion.chunk", "created": 1795600000,
        "model": "gpt-4o-mini-2024-07-18", "service_tier": "default", "system_fingerprint": "fp_560af6e559",
        "choices": [choice], "usage": None, **more,
    }  # fmt: skip


def texts() -> Iterator[str]:
    return islice(cycle(WORDS), DISTINCT)


def openai(dice: random.Random, more: Callable[[str], dict[str, Any]] = lambda text: {}) -> Reply:
    usage = {"prompt_tokens": 9, "completion_tokens": DISTINCT, "total_tokens": DISTINCT + 9}
    end = sse(chat({}, reason="stop")) + sse({**chat({}), "choices": [], "usage": usage}) + b"data: [DONE]\n\n"
    begin = sse(chat({"role": "assistant", "content": "", "refusal": None}))
    return Reply("openai", "text/event-stream", begin,
                 [sse(chat({"content": text}, **more(text))) for text in texts()], end)  # fmt: skip


def obfuscated(dice: random.Random) -> Reply:
    return openai(dice, lambda text: {"obfuscation": padding(dice)})


def likely(dice: random.Random) -> Reply:
    """The logprobs of each token, without other likely tokens."""

    def sure(text: str) -> dict[str, Any]:
        logprob = -round(dice.expovariate(3), dice.randint(6, 9))
        return {"token": text, "logprob": logprob, "bytes": list(text.encode()), "top_logprobs": []}

    return openai(dice, lambda text: {"logprobs": {"content": [sure(text)], "refusal": None}})


def as_events(dice: random.Random) -> Reply:
    """The same for a loop over `stream.events()`, which gets the logprobs."""
    return likely(dice)._replace(texts_alone=False)


def azure(dice: random.Random) -> Reply:
    safe = {"filtered": False, "severity": "safe"}
    found = dict.fromkeys(("hate", "self_harm", "sexual", "violence"), safe)
    made = openai(dice)

    def filtered(text: str) -> dict[str, Any]:
        choice = {"content_filter_results": found, "delta": {"content": text}, "finish_reason": None, "index": 0,
                  "logprobs": None}  # fmt: skip
        return {"choices": [choice], "created": 1795600000, "id": "chatcmpl-CfTqMxWk0pPzR7e2oH3yVnLa9JdSb",
                "model": "gpt-4o-mini-2024-07-18", "object": "chat.completion.chunk", "obfuscation": padding(dice),
                "system_fingerprint": "fp_efad92c60b", "usage": None}  # fmt: skip

    first = sse({"choices": [], "created": 0, "id": "", "model": "", "object": "",
                 "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": found}]})  # fmt: skip
    return made._replace(provider="azure-openai", begin=first + made.begin,
                         events=[sse(filtered(text)) for text in texts()])  # fmt: skip


def mistral(dice: random.Random) -> Reply:
    def chunk(delta: dict[str, Any], reason: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return sse({"id": "c5c5f8bf1c4b4e5b8b4c1d2e3f405162", "object": "chat.completion.chunk", "created": 1795600000,
                    "model": "mistral-large-latest", "choices": [choice], **more, "p": padding(dice)})  # fmt: skip

    usage = {"prompt_tokens": 9, "completion_tokens": DISTINCT, "total_tokens": DISTINCT + 9}
    return Reply("mistral", "text/event-stream", chunk({"role": "assistant", "content": ""}),
                 [chunk({"content": text}) for text in texts()],
                 chunk({"content": ""}, "stop", usage=usage) + b"data: [DONE]\n\n")  # fmt: skip


def reasoning(dice: random.Random) -> Reply:
    """DeepSeek's reasoning; the answer is one word."""
    made = openai(dice)

    def thought(content: str | None, text: str | None, role: dict[str, Any] | None = None) -> bytes:
        choice = {"index": 0, "delta": {**(role or {}), "content": content, "reasoning_content": text},
                  "logprobs": None, "finish_reason": None}  # fmt: skip
        return sse({"id": "9a1b7c1e-7f0e-4a83-9d1b-2f3a4b5c6d7e", "object": "chat.completion.chunk",
                    "created": 1795600000, "model": "deepseek-reasoner", "system_fingerprint": "fp_5417b77867",
                    "choices": [choice]})  # fmt: skip

    begin = thought(None, "", {"role": "assistant"})
    return made._replace(provider="deepseek", begin=begin, events=[thought(None, text) for text in texts()],
                         end=thought("Yes", None) + made.end, texts_alone=False)  # fmt: skip


def tool(dice: random.Random) -> Reply:
    """One tool call, whose arguments come in fragments."""
    made = openai(dice)

    def fragment(arguments: str, **more: Any) -> bytes:
        part = {"index": 0, **more, "function": {**({"name": "search"} if more else {}), "arguments": arguments}}
        return sse(chat({"tool_calls": [part]}, obfuscation=padding(dice)))

    begin = sse(chat({"role": "assistant", "content": None})) + fragment("", id="call_Xq3T7mYd", type="function")
    begin += b"".join(map(fragment, PIECES))
    events = [fragment(text) for text in islice(cycle(PIECES[14:]), DISTINCT)]
    return made._replace(begin=begin, events=events, end=fragment('"}') + made.end, texts_alone=False)


def responses(dice: random.Random) -> Reply:
    item, number = "msg_68f2b1c7d0a481909f3c5e7a1b2d4f60068f2b1c7d0a48190", iter(range(1, 10**6))
    place = {"item_id": item, "output_index": 0, "content_index": 0}
    whole = {"id": "resp_68f2b1c6e4b88190a1d3f5b7c9e0a2b4", "object": "response", "status": "in_progress",
             "model": "gpt-4o-mini-2024-07-18", "output": []}  # fmt: skip

    def event(kind: str, **more: Any) -> bytes:
        return sse({"type": f"response.{kind}", "sequence_number": next(number), **more}, f"response.{kind}")

    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
    message = {"id": item, "type": "message", "status": "in_progress", "content": [], "role": "assistant"}
    begin = event("created", response=whole) + event("in_progress", response=whole)
    begin += event("output_item.added", output_index=0, item=message) + event("content_part.added", **place, part=part)
    events = [
        event("output_text.delta", **place, delta=text, logprobs=[], obfuscation=padding(dice)) for text in texts()
    ]
    usage = {"input_tokens": 9, "output_tokens": DISTINCT, "total_tokens": DISTINCT + 9}
    end = event("completed", response={**whole, "status": "completed", "usage": usage})
    return Reply("openai-responses", "text/event-stream", begin, events, end)


def anthropic(dice: random.Random) -> Reply:
    """Blanks before the last brace, of another number in each event, and a ping in the middle."""

    def event(kind: str, **more: Any) -> bytes:
        text = json.dumps({"type": kind, **more}, ensure_ascii=False, separators=(",", ":"))
        return f"event: {kind}\ndata: {text[:-1]}{' ' * dice.randint(0, 12)}}}\n\n".encode()

    def delta(text: str) -> bytes:
        return event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})

    usage = {"input_tokens": 9, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1}
    message = {
        "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-5-5",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    begin = event("message_start", message=message)
    begin += event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    events = [delta(text) for text in texts()]
    events[DISTINCT // 2] = event("ping") + events[DISTINCT // 2]
    stop = event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 9})
    end = event("content_block_stop", index=0) + stop + event("message_stop")
    return Reply("anthropic", "text/event-stream", begin, events, end)


def gemini(dice: random.Random) -> Reply:
    """Counts that rise; the last chunk has the finish reason, and the end of the body ends the reply."""

    def chunk(text: str, count: int, **more: Any) -> bytes:
        usage = {
            "promptTokenCount": 9,
            "candidatesTokenCount": count,
            "totalTokenCount": count + 73,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 9}],
            "thoughtsTokenCount": 64,
        }
        candidate = {"content": {"parts": [{"text": text}], "role": "model"}, **more, "index": 0}
        value = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-flash",
                 "responseId": "Wd0laZTsG5_TvdIP6aXx8Ag"}  # fmt: skip
        return sse(value, blanks=(",", ": "), end="\r\n")

    events = [chunk(text, count) for count, text in enumerate(texts(), 2)]
    return Reply("gemini", "text/event-stream", chunk("Well", 1), events, chunk("", DISTINCT + 2, finishReason="STOP"))


def ollama(dice: random.Random) -> Reply:
    def line(text: str, number: int, **more: Any) -> bytes:
        at = f"2026-11-25T10:11:{number // 60 % 60:02}.{dice.randrange(10**9):09}".rstrip("0")
        message = {"role": "assistant", "content": text}
        value = {"model": "llama3.2", "created_at": f"{at}Z", "message": message, "done": False, **more}
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    counts = {"total_duration": 4883583458, "load_duration": 1334875, "prompt_eval_count": 9,
              "prompt_eval_duration": 342546000, "eval_count": DISTINCT, "eval_duration": 4535599000}  # fmt: skip
    return Reply("ollama", "application/x-ndjson", b"", [line(text, number) for number, text in enumerate(texts())],
                 line("", DISTINCT, done=True, done_reason="stop", **counts))  # fmt: skip


# Each with a random number generator of its own, so that every run sends the same.
STREAMS = {
    name: make(random.Random(name))
    for name, make in {
        "openai": openai, "obfuscated": obfuscated, "logprobs": likely, "logprobs as events": as_events,
        "azure": azure, "mistral": mistral, "reasoning": reasoning, "tool": tool, "responses": responses,
        "anthropic": anthropic, "gemini": gemini, "ollama": ollama,
    }.items()
}  # fmt: skip
