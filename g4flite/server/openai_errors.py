"""The errors of OpenAI's API, and the forms in which those who speak its protocol give them.

Source: https://platform.openai.com/docs/guides/error-codes and the dialects' documentation, August 2026. The messages
are in the vendor's style and not always its words; a dialect has OpenAI's status and type where its own is not known.
"""

from __future__ import annotations

from typing import Any

from .protocol import Fault, Post

FAULTS: dict[str, tuple[int, str, str | None, str]] = {  # status, type, code, message
    "invalid": (400, "invalid_request_error", None, "Invalid request."),
    "authentication": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    "permission": (
        403, "request_forbidden", "unsupported_country_region_territory", "Country, region, or territory not supported",
    ),
    "not_found": (
        404, "invalid_request_error", "model_not_found", "The model does not exist or you do not have access to it.",
    ),
    "rate_limit": (
        429, "requests", "rate_limit_exceeded",
        "Rate limit reached on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 1s.",
    ),
    "overloaded": (
        503, "server_error", None, "The server is currently overloaded with other requests. Sorry about that!",
    ),
    "context_length": (
        400, "invalid_request_error", "context_length_exceeded",
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 10000 tokens.",
    ),
    "content_filter": (
        400, "invalid_request_error", "invalid_prompt",
        "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
    ),
    "server": (
        500, "server_error", None, "The server had an error while processing your request. Sorry about that!",
    ),
}  # fmt: skip

ZAI = {
    "invalid": "1214", "authentication": "1000", "permission": "1220", "not_found": "1211", "rate_limit": "1302",
    "overloaded": "1312", "context_length": "1261", "content_filter": "1301", "server": "500",
}  # fmt: skip
"""https://docs.bigmodel.cn/cn/api/api-code"""

VLLM = {
    400: "BadRequestError", 401: "Unauthorized", 403: "Forbidden", 404: "NotFoundError", 429: "RateLimitError",
    500: "InternalServerError", 503: "ServiceUnavailableError",
}  # fmt: skip

AZURE_FILTER = (
    "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify "
    "your prompt and retry."
)


def field_of(problem: str) -> str | None:
    """The field that a refusal speaks of: what stands before its first colon, without an index; None for a header."""
    name = problem.partition(":")[0].partition("[")[0]
    return None if name.startswith("header ") else name


def error(kind: str, problem: str | None = None) -> dict[str, Any]:
    """OpenAI's own error object, which its Responses API gives too."""
    _, type_, code, message = FAULTS[kind]
    param = "messages" if kind == "context_length" else None
    if problem and kind == "invalid":
        param = field_of(problem)
    return {"message": problem or message, "type": type_, "param": param, "code": code}


def fault(post: Post, kind: str, problem: str | None) -> Fault:
    """The HTTP error of the dialect; Mistral answers a wrong shape with 422."""
    if post.dialect == "mistral" and problem and kind == "invalid":
        entry = {"type": "value_error", "loc": ["body", field_of(problem)], "msg": problem, "input": None}
        return Fault(422, {"detail": [entry]})
    return Fault(FAULTS[kind][0], form(post.dialect, kind, problem))


def form(dialect: str, kind: str, problem: str | None = None) -> dict[str, Any]:
    """The error as a JSON object, in the stream or as the body of an HTTP error."""
    plain, status = error(kind, problem), FAULTS[kind][0]
    message = plain["message"]
    match dialect:
        case "azure" if kind == "content_filter":
            inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"hate": {"filtered": True}}}
            said = {"message": AZURE_FILTER, "type": None, "param": "prompt", "code": "content_filter"}
            return {"error": {**said, "status": 400, "innererror": inner}}
        case "azure" if kind != "context_length":
            code = "DeploymentNotFound" if kind == "not_found" else str(status)
            return {"error": {"code": code, "message": message}}
        case "openrouter":
            return {"error": {"message": message, "code": status, "metadata": {"provider_name": "Emulator"}}}
        case "groq":
            return {"error": {name: plain[name] for name in ("message", "type", "code")}}
        case "vllm":
            return {"error": plain | {"type": VLLM[status], "code": status}}
        case "litellm":
            return {"error": plain | {"code": str(status)}}
        case "llamacpp":
            type_ = "exceed_context_size_error" if kind == "context_length" else plain["type"]
            return {"error": {"code": status, "message": message, "type": type_}}
        case "zai":
            return {"error": {"code": ZAI[kind], "message": message}}
        case "huggingface" | "transformers":
            return {"error": message}
        case "mistral":
            return {"object": "error", **plain}
    return {"error": plain}
