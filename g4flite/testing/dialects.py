"""The dialects of Chat Completions: the habits of each service, whatever it does not do as the protocol has it.

Sources: each service's documentation and recorded traffic, August 2026; vllm-project/vllm#40986 for vLLM's [DONE] after
an error; https://docs.bigmodel.cn/cn/api/api-code for Z.AI's codes.  Where a dialect's own status and type of an error
are not known, it has OpenAI's.  Not verified: that transformers sends no [DONE], and Hugging Face's `error_type`s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from .._core.events import Reasoning, Usage
from ..server import refusals
from ..server.anthropic import ANTHROPIC
from ..server.cohere import COHERE
from ..server.framing import DONE
from ..server.gemini import GEMINI
from ..server.ollama import OLLAMA
from ..server.openai_chat import chat
from ..server.openai_habits import FAULTS, JSON, SHOWN, Habits, error, field_of
from ..server.openai_responses import responses
from ..server.pieces import Piece, Problem
from ..server.protocol import Protocol, Reply, Turn

AZURE_FILTER = (
    "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify "
    "your prompt and retry."
)
ZAI = {
    "invalid": "1214", "authentication": "1000", "permission": "1220", "not_found": "1211", "rate_limit": "1302",
    "overloaded": "1312", "context_length": "1261", "content_filter": "1301", "server": "500",
}  # fmt: skip
VLLM = {
    400: "BadRequestError", 401: "Unauthorized", 403: "Forbidden", 404: "NotFoundError", 429: "RateLimitError",
    500: "InternalServerError", 503: "ServiceUnavailableError",
}  # fmt: skip


# Errors, by their kind; `problem` is the message of a refusal.


def shaped(shape: Callable[[str, JSON, int], JSON]) -> Callable[[str, str | None], Reply]:
    """Return the function that makes a dialect's reply for an error, from the kind, OpenAI's error, and its status."""

    def fault(kind: str, problem: str | None) -> Reply:
        status = FAULTS[kind][0]
        return Reply(status, shape(kind, error(kind, problem), status))

    return fault


def azure_error(kind: str, openai: JSON, status: int) -> JSON:
    """Return Azure's error; the one of its content filter says what the filter found."""
    if kind == "content_filter":
        inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"hate": {"filtered": True}}}
        said = {"message": AZURE_FILTER, "type": None, "param": "prompt", "code": "content_filter"}
        return {"error": {**said, "status": 400, "innererror": inner}}
    if kind == "context_length":
        return {"error": openai}
    code = "DeploymentNotFound" if kind == "not_found" else str(status)
    return {"error": {"code": code, "message": openai["message"]}}


def openrouter_error(_: str, openai: JSON, status: int) -> JSON:
    """Return OpenRouter's error, which names the provider behind it."""
    return {"error": {"message": openai["message"], "code": status, "metadata": {"provider_name": "Emulator"}}}


def openrouter_event(kind: str) -> JSON:
    """Return OpenRouter's error inside a stream."""
    return {"error": {"code": FAULTS[kind][0], "message": FAULTS[kind][3]}}


def groq_error(_: str, openai: JSON, __: int) -> JSON:
    """Return Groq's error."""
    return {"error": {name: openai[name] for name in ("message", "type", "code")}}


def groq_event(kind: str) -> JSON:
    """Return Groq's error inside a stream."""
    status = FAULTS[kind][0]
    return {"error": groq_error(kind, error(kind), status)["error"] | {"failed_generation": "", "status_code": status}}


def vllm_error(_: str, openai: JSON, status: int) -> JSON:
    """Return vLLM's error, whose type is named after the status."""
    return {"error": {**openai, "type": VLLM[status], "code": status}}


def llamacpp_error(kind: str, openai: JSON, status: int) -> JSON:
    """Return llama.cpp's error, which has a type of its own for a prompt that is too long."""
    type_ = "exceed_context_size_error" if kind == "context_length" else openai["type"]
    return {"error": {"code": status, "message": openai["message"], "type": type_}}


def huggingface_event(kind: str) -> JSON:
    """Return Hugging Face's error inside a stream."""
    return {"error": error(kind)["message"], "error_type": "overloaded" if kind == "overloaded" else "generation"}


def mistral_fault(kind: str, problem: str | None) -> Reply:
    """Return Mistral's error; for a request of a wrong shape the status is 422."""
    if problem and kind == "invalid":
        entry = {"type": "value_error", "loc": ["body", field_of(problem)], "msg": problem, "input": None}
        return Reply(422, {"detail": [entry]})
    return Reply(FAULTS[kind][0], {"object": "error", **error(kind, problem)})


message_alone = shaped(lambda _, openai, __: {"error": openai["message"]})


# Pieces and chunks.


def inlined(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Yield the pieces with the reasoning as text, between `<think>` and `</think>`."""
    thinking = False
    for piece in pieces:
        if isinstance(piece, Reasoning):
            yield piece.text if thinking else "<think>\n" + piece.text
            thinking = True
            continue
        # A Usage stands before each piece and says nothing; an error leaves the reasoning open.
        if thinking and not isinstance(piece, Usage | Problem):
            yield "\n</think>\n\n"
            thinking = False
        yield piece


def dress_openai(turn: Turn, chunk: JSON) -> JSON:
    """Add what OpenAI says besides; in a stream also zeros that hide the length of the text, unless unwanted."""
    if not turn.stream:
        (choice,) = chunk["choices"]
        choices = [{"logprobs": None, **choice, "message": {**choice["message"], "annotations": []}}]
        return {**chunk, "choices": choices, "service_tier": "default"}
    extra = {} if "plain" in turn.form else {"obfuscation": "0" * (-len(str(chunk["choices"])) % 16)}
    return {**chunk, "service_tier": "default", **extra}


def dress_azure(_: Turn, chunk: JSON) -> JSON:
    """Add the results of Azure's content filter."""
    return {**chunk, "choices": [{**choice, "content_filter_results": {}} for choice in chunk["choices"]]}


def dress_openrouter(turn: Turn, chunk: JSON) -> JSON:
    """Add the provider, the finish reason in the provider's own word, and the format of the reasoning's details."""
    for choice in chunk["choices"]:
        said = choice["delta" if turn.stream else "message"]
        if "reasoning_details" in said:
            said["reasoning_details"] = formatted(said["reasoning_details"], refusals.format_of(turn.bound.model))
    choices = [{**choice, "native_finish_reason": choice["finish_reason"]} for choice in chunk["choices"]]
    return {**chunk, "provider": "Emulator", "choices": choices}


def formatted(details: list[JSON], form: str) -> list[JSON]:
    """Return the details in the format of a family of models; those of one type and index are one."""
    joined = dict[Any, JSON]()
    for detail in details:
        made = {**detail, "format": form}
        if form == "openai-responses-v1" and detail["type"] == "reasoning.text":
            made |= {"type": "reasoning.summary", "summary": made.pop("text")}
        joined.setdefault((made["type"], made["index"]), {}).update(made)
    return list(joined.values())


def dress_huggingface(turn: Turn, chunk: JSON) -> JSON:
    """Add the text of a delta once more, and the id of a token."""
    if not turn.stream:
        return chunk
    choices = [{**choice, "text": choice["delta"].get("content") or "", "token_id": 0} for choice in chunk["choices"]]
    return {**chunk, "choices": choices}


def dress_late(_: Turn, chunk: JSON) -> JSON:
    """Leave out the key `finish_reason` as long as there is no reason."""
    choices = [{name: value for name, value in choice.items() if value is not None} for choice in chunk["choices"]]
    return {**chunk, "choices": choices}


def reasoning(text: str) -> JSON:
    """Return a delta of reasoning as vLLM and Groq have it."""
    return {"reasoning": text}


def reasoning_content(text: str) -> JSON:
    """Return a delta of reasoning as DeepSeek has it, and others after it."""
    return {"content": None, "reasoning_content": text}


def reasoning_details(text: str) -> JSON:
    """Return a delta of reasoning as OpenRouter has it: twice."""
    detail = {"type": "reasoning.text", "text": text, "format": "unknown", "index": 0}
    return {"content": "", "reasoning": text, "reasoning_details": [detail]}


def sign_details(turn: Turn, text: str) -> JSON:
    """Return the delta that signs reasoning as OpenRouter does, for models of Anthropic and OpenAI."""
    match refusals.format_of(turn.bound.model):
        case "anthropic-claude-v1":
            signed = {"type": "reasoning.text", "signature": turn.bound.sign("openrouter", text, []), "index": 0}
            return {"reasoning_details": [signed]}
        case "openai-responses-v1":
            mark = turn.bound.sign("openrouter", "", [])
            item = {"type": "reasoning.encrypted", "data": mark, "id": turn.new_id("rs", 1), "index": 1}
            return {"reasoning_details": [item]}
    return {}


def thinking_list(text: str) -> JSON:
    """Return a delta of reasoning as Mistral has it: the content is a list."""
    return {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]}


def text_list(text: str, thought: bool) -> JSON:
    """Return a delta of text as Mistral has it: after reasoning the content is a list, too."""
    return {"content": [{"type": "text", "text": text}] if thought else text}


EMPTY: JSON = {"content": ""}
# The parts of those services that take files and audio.
FILES = (*SHOWN, "file", "input_audio")

DIALECTS = {
    "openai": Habits(
        parts=FILES, check=refusals.openai, role={"content": "", "refusal": None}, dress=dress_openai,
    ),
    "azure": Habits(
        bases=("/openai/deployments/[^/]+", "/openai/v1"), parts=(*SHOWN, "input_audio"), check=refusals.openai,
        key_headers=("api-key", "authorization"), fault=shaped(azure_error), role=EMPTY, dress=dress_azure,
        first={"prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]},
    ),
    "openrouter": Habits(
        bases=("/api/v1",), check=refusals.openrouter, sign=sign_details, parts=FILES,
        id_header="x-generation-id", id="gen-1", reply_id="gen-1", fault=shaped(openrouter_error),
        error_event=openrouter_event, error_in_chunk=True, comment="OPENROUTER PROCESSING", role=EMPTY,
        think=reasoning_details, dress=dress_openrouter, usage="last",
        usage_choices=({"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None},),
    ),
    "deepseek": Habits(
        # https://api-docs.deepseek.com: "the v1 has no relationship with the model's version".
        bases=("", "/v1", "/beta"), check=refusals.deepseek,
        comment="keep-alive", role={"content": None, "reasoning_content": ""}, think=reasoning_content, usage="finish",
        error_reason="insufficient_system_resource",
    ),
    "vllm": Habits(
        parts=(*SHOWN, "input_audio"),
        check=refusals.vllm, id_header="", fault=shaped(vllm_error), done_after_error=True, role=EMPTY, think=reasoning,
    ),
    "groq": Habits(
        bases=("/openai/v1",), check=refusals.groq,
        fault=shaped(groq_error), error_event=groq_event, error_event_name="error", role=EMPTY, think=reasoning,
        usage="finish", x_groq=True,
    ),
    "zai": Habits(
        bases=("/api/paas/v4", "/api/coding/paas/v4"),
        fault=shaped(lambda kind, openai, _: {"error": {"code": ZAI[kind], "message": openai["message"]}}),
        think=lambda text: {"role": "assistant", "reasoning_content": text},
        text=lambda text, _: {"role": "assistant", "content": text},
        whole_calls=True, dress=dress_late, usage="finish",
    ),
    "huggingface": Habits(
        fault=message_alone, error_event=huggingface_event, role=EMPTY, pieces=inlined, dress=dress_huggingface,
    ),
    # The server takes the paths without /v1 as well (ggml-org/llama.cpp, tools/server).
    "llamacpp": Habits(
        bases=("", "/v1"), parts=(*SHOWN, "input_audio"), id_header="", fault=shaped(llamacpp_error),
        check=refusals.llamacpp, comment="ping - 2026-08-01 12:00:00.000000+00:00",
        role={"content": None}, think=reasoning_content,
    ),
    "transformers": Habits(
        id_header="", fault=message_alone, role={}, pieces=inlined, dress=dress_late, usage="finish", done=False,
    ),
    # The proxy takes the paths without /v1 as well.
    "litellm": Habits(
        bases=("", "/v1"), parts=FILES,
        fault=shaped(lambda _, openai, status: {"error": {**openai, "code": str(status)}}), role=EMPTY,
        think=reasoning_content, usage_choices=({"index": 0, "delta": {}},),
    ),
    "mistral": Habits(
        check=refusals.mistral, parts=(*FILES, "document_url", "thinking"), fault=mistral_fault, role=EMPTY,
        think=thinking_list, text=text_list, whole_calls=True, usage="finish",
    ),
    "moonshot": Habits(check=refusals.moonshot, role=EMPTY, think=reasoning_content, usage="finish"),
    "xai": Habits(check=refusals.xai, role=EMPTY, think=reasoning_content, usage="finish"),
    "perplexity": Habits(check=refusals.perplexity, bases=("",), role=EMPTY),
    "github-models": Habits(check=refusals.github, bases=("/inference", "/orgs/[^/]+/inference"), role=EMPTY),
    "fireworks": Habits(bases=("/inference/v1",), role=EMPTY),
}  # fmt: skip
# Without a dialect, the base path may be that of any service, but not empty: whoever leaves out /v1 is to notice.
ANY = replace(
    DIALECTS["openai"], bases=tuple(dict.fromkeys(base for one in DIALECTS.values() for base in one.bases if base))
)

KEYLESS = {"vllm", "llamacpp", "transformers"}
"""Servers of one's own, which demand no key."""


def ending_in_done(protocol: Protocol) -> Protocol:
    """Return the protocol with [DONE] at the end of each stream, as OpenRouter sends it whatever the protocol."""

    def write(turn: Turn, pieces: Iterator[Piece]) -> Iterator[bytes]:
        yield from protocol.write(turn, pieces)
        yield DONE

    return replace(protocol, write=write)


def protocols(dialect: str) -> tuple[Protocol, ...]:
    """Return the six protocols; the first two have the dialect's habits."""
    habits = ANY if dialect == "any" else DIALECTS[dialect]
    others = [responses(habits), ANTHROPIC]
    if dialect == "openrouter":
        others = [ending_in_done(protocol) for protocol in others]
    return (chat(habits), *others, GEMINI, OLLAMA, COHERE)


PROTOCOLS = {dialect: protocols(dialect) for dialect in ("any", *DIALECTS)}
