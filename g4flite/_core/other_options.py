"""Arguments of other SDKs: what to write here instead.  For error messages alone.

Sources (November 2026): the signatures of `openai.OpenAI` and `chat.completions.create`, `anthropic.Anthropic`,
`litellm.completion`, `g4f.client.Client` and `instructor`.
"""

# What to do if a `Client` should read over the caller's HTTP client, say for a recording.
OWN_CLIENT = (
    "a Client has an HTTP client of its own; pass yours to stream(), with the provider's name in place of the Client"
)
# What to do, by the name of the argument; `{retries}` stands for our own argument of that name.
INSTEAD = {
    "stream": "a stream always streams; leave it out, and call .text() for the whole answer",
    "acompletion": "the same call serves `async for`; leave it out",
    **dict.fromkeys(("proxies", "http_proxy"), "pass one URL as {proxy}"),
    **dict.fromkeys(("max_retries", "num_retries", "retry"), "pass {retries}"),
    **dict.fromkeys(("request_timeout", "read_timeout", "connect_timeout"), "pass {timeout}, a number or a Timeout"),
    **dict.fromkeys(
        ("response_model", "output_type", "text_format"),
        "pass the class in {response_format}, and call .parsed() for its value",
    ),
    **dict.fromkeys(("api_base", "endpoint", "azure_endpoint", "host", "url"), "pass {base_url}"),
    **dict.fromkeys(("key", "token", "api_token", "auth"), "pass {api_key}"),
    **dict.fromkeys(("default_headers", "extra_headers"), "pass {headers}"),
    **dict.fromkeys(("organization", "project"), "pass the service's header in {headers}"),
    **dict.fromkeys(("extra_body", "model_kwargs"), "pass {extra}"),
    **dict.fromkeys(("http_client", "session", "httpx_client"), "pass {client}"),
    **dict.fromkeys(("ssl", "verify_ssl", "ssl_verify", "cert"), "pass {verify}, an ssl.SSLContext"),
    **dict.fromkeys(("system_prompt", "instructions", "systemInstruction"), "pass {system}"),
    **dict.fromkeys(
        ("thinking", "reasoning", "effort", "thinking_config", "thinking_budget", "budget_tokens", "think"),
        "pass {reasoning_effort}: a level, or a budget of tokens",
    ),
    "top_logprobs": "pass the number as {logprobs}",
    **dict.fromkeys(("user_id", "safety_identifier"), "pass {user}"),
    "disable_parallel_tool_use": "pass {parallel_tool_calls}",
    "cache_control": "pass {cache}, or mark a part of a message",
    **dict.fromkeys(("prompt", "input", "contents"), "pass it as the messages, the second argument"),
    **dict.fromkeys(
        ("max_completion_tokens", "max_output_tokens", "max_new_tokens", "num_predict"), "pass {max_tokens}"
    ),
    **dict.fromkeys(("stop_sequences", "stopSequences"), "pass {stop}"),
    "topP": "pass {top_p}",
    "functions": "pass {tools}",
    "function_call": "pass {tool_choice}",
    "stream_options": "the token counts are asked for anyway; leave it out, and read .usage",
    "provider": "name the provider as the first argument",
    **dict.fromkeys(("n", "num_generations", "candidate_count"), "one stream is one answer; call once for each answer"),
    # Options that a few services have, each under a name and in a place of its own.
    **dict.fromkeys(
        ("top_k", "topK", "min_p", "top_a", "typical_p", "repetition_penalty", "repeat_penalty", "logit_bias",
         "best_of", "prediction", "modalities", "service_tier", "store", "verbosity", "keep_alive",
         "num_ctx", "grammar", "guided_json", "chat_template_kwargs", "enable_thinking", "web_search_options",
         "safety_settings", "prompt_cache_key"),
        "pass the service's own field in {extra}, where the service's documentation puts it",
    ),
    "fallbacks": "pass a list of providers as the first argument",
    # What `Client.stream` and `Client` do not take.
    **dict.fromkeys(("api_key", "base_url", "proxy", "verify"), "it is a setting of the Client; set it there"),
    "client": OWN_CLIENT,
    "transport": "pass client=httpx.Client(transport=...) to stream()",
}  # fmt: skip


def instead_of(name: str) -> str:
    """Return what to do instead of passing an argument of another SDK, "" if none is known by this name."""
    return INSTEAD.get(name, "")
