"""The services and servers that speak OpenAI's Chat Completions.  The parser of `openai.py` reads the replies of all.

Sources (August 2026): https://openrouter.ai/docs/api/reference/streaming, https://console.groq.com/docs/openai,
https://api-docs.deepseek.com, https://docs.mistral.ai/api, https://huggingface.co/docs/inference-providers,
https://enter.pollinations.ai/api/docs/llm.txt, https://docs.together.ai, https://docs.x.ai,
https://learn.microsoft.com/azure/ai-foundry/openai/reference, https://github.com/ggml-org/llama.cpp (tools/server),
https://docs.vllm.ai/en/stable/serving/openai_compatible_server, https://lmstudio.ai/docs/developer
"""

from dataclasses import replace

from .._core.provider import JSON, Call
from .openai import OPENAI, chat


def payload(call: Call) -> JSON:
    """`messages` and `tools` are unchanged.  `include_usage` asks for the token counts."""
    return {**chat(call), "stream_options": {"include_usage": True}}


def azure_payload(call: Call) -> JSON:
    """`messages` and `tools` are unchanged.  `model` is the name of the deployment, which the URL names, too.

    `max_tokens` becomes `max_completion_tokens`.  `include_usage` asks for the token counts.
    """
    return {**chat(call, max_tokens="max_completion_tokens"), "stream_options": {"include_usage": True}}


def mistral_payload(call: Call) -> JSON:
    """`messages` and `tools` are unchanged; `seed` becomes `random_seed`.

    The service sends the token counts unasked, and refuses unknown fields, `stream_options` among them.
    """
    return chat(call, seed="random_seed")


# What all providers below have in common.
OTHER = replace(OPENAI, payload=payload, base_url_variables=())
OPENROUTER = replace(
    OTHER, name="openrouter", base_url="https://openrouter.ai/api/v1", key_variables=("OPENROUTER_API_KEY",)
)
GROQ = replace(OTHER, name="groq", base_url="https://api.groq.com/openai/v1", key_variables=("GROQ_API_KEY",))
DEEPSEEK = replace(OTHER, name="deepseek", base_url="https://api.deepseek.com", key_variables=("DEEPSEEK_API_KEY",))
MISTRAL = replace(OTHER, name="mistral", base_url="https://api.mistral.ai/v1", payload=mistral_payload,
                  key_variables=("MISTRAL_API_KEY",))  # fmt: skip
HUGGINGFACE = replace(OTHER, name="huggingface", base_url="https://router.huggingface.co/v1",
                      key_variables=("HF_TOKEN",))  # fmt: skip
POLLINATIONS = replace(OTHER, name="pollinations", base_url="https://gen.pollinations.ai/v1",
                       key_variables=("POLLINATIONS_API_KEY",))  # fmt: skip
TOGETHER = replace(OTHER, name="together", base_url="https://api.together.xyz/v1", key_variables=("TOGETHER_API_KEY",))
XAI = replace(OTHER, name="xai", base_url="https://api.x.ai/v1", key_variables=("XAI_API_KEY",))
# Each resource of Azure has a base URL of its own, so there is no public one.
AZURE_OPENAI = replace(
    OTHER, name="azure-openai", base_url="", payload=azure_payload,
    url="{base_url}/openai/deployments/{model}/chat/completions?api-version=2024-10-21",
    headers={"content-type": "application/json", "accept": "text/event-stream", "api-key": "{api_key}"},
    key_variables=("AZURE_OPENAI_API_KEY",), base_url_variables=("AZURE_OPENAI_ENDPOINT",),
)  # fmt: skip
# Servers on this machine, at their default ports.
LLAMACPP = replace(OTHER, name="llamacpp", base_url="http://127.0.0.1:8080/v1", default_model="default",
                   key_variables=("LLAMA_API_KEY",), key_needed=False)  # fmt: skip
VLLM = replace(OTHER, name="vllm", base_url="http://127.0.0.1:8000/v1", key_variables=("VLLM_API_KEY",),
               key_needed=False)  # fmt: skip
LMSTUDIO = replace(OTHER, name="lmstudio", base_url="http://127.0.0.1:1234/v1", key_variables=())
