"""Other names of providers: what people call them, and what their models are called.  For error messages alone."""

import re

# A provider's name for each name that people use: of a vendor, a product or a model.
NICKNAMES = {
    **dict.fromkeys(("claude", "claude-code"), "anthropic"),
    **dict.fromkeys(("google", "google-genai", "bard", "vertex", "vertexai", "ai-studio"), "gemini"),
    **dict.fromkeys(("azure", "azureopenai", "azure_openai", "microsoft"), "azure-openai"),
    **dict.fromkeys(("hf", "hugging-face", "hugging_face", "tgi"), "huggingface"),
    **dict.fromkeys(("chatgpt", "gpt", "chat-gpt", "open-ai", "open_ai", "oai"), "openai"),
    **dict.fromkeys(("responses", "openai_responses"), "openai-responses"),
    **dict.fromkeys(("grok", "x.ai", "x-ai"), "xai"),
    **dict.fromkeys(("kimi", "moonshotai"), "moonshot"),
    **dict.fromkeys(("glm", "zhipu", "zhipuai", "z.ai", "z-ai"), "zai"),
    **dict.fromkeys(("github", "copilot", "github_models"), "github-models"),
    **dict.fromkeys(("llama.cpp", "llama-cpp", "llama_cpp", "llama-server"), "llamacpp"),
    **dict.fromkeys(("lm-studio", "lm_studio", "lms"), "lmstudio"),
    **dict.fromkeys(("le-chat", "mistralai"), "mistral"),
    **dict.fromkeys(("custom", "compatible", "openai_compatible", "litellm"), "openai-compatible"),
    **dict.fromkeys(("pplx", "sonar"), "perplexity"),
    **dict.fromkeys(("together_ai", "togetherai", "together-ai"), "together"),
    **dict.fromkeys(("fireworks_ai", "fireworks-ai"), "fireworks"),
    **dict.fromkeys(("command", "commandr"), "cohere"),
    "nim": "nvidia",
}
# The servers that run on this machine.
LOCAL = ("ollama", "llamacpp", "lmstudio", "vllm")
# How the names of a provider's own models begin.  Ollama serves the open models under these names.
MODELS = (
    (re.compile(r"(gpt(?!-oss)|chatgpt|ft:gpt)-|o[1-9]($|-)"), "openai"),
    (re.compile(r"claude-"), "anthropic"),
    (re.compile(r"(models/)?gemini-"), "gemini"),
    (re.compile(r"grok-"), "xai"),
    (re.compile(r"deepseek-(chat|reasoner|v\d)"), "deepseek"),
    (re.compile(r"(open-)?(mistral|ministral|codestral|magistral|pixtral|devstral)-"), "mistral"),
    (re.compile(r"(command|c4ai)-"), "cohere"),
    (re.compile(r"(kimi|moonshot)-"), "moonshot"),
    (re.compile(r"glm-\d"), "zai"),
    (re.compile(r"sonar-"), "perplexity"),
    (
        re.compile(r"(llama|qwen|gemma|phi|mistral|mixtral|deepseek-r\d|gpt-oss|smollm|granite|codellama)[\d.:-]"),
        "ollama",
    ),
)


def meant_by(word: str) -> tuple[str, ...]:
    """Return the names of the providers that people call by this word, () if there are none."""
    word = word.lower()
    return LOCAL if word in ("local", "localhost") else (NICKNAMES[word],) if word in NICKNAMES else ()


def provider_and_model(text: str, known: tuple[str, ...]) -> tuple[str, str] | None:
    """Return the provider and the model that a text names, None if it names no model.

    The text is a model's name, like `gpt-4o-mini`, or both as routers write them: `anthropic/claude-x`, `openai:gpt-x`.
    `known` are the names of all providers.
    """
    for separator in "/", ":":
        first, found, rest = text.partition(separator)
        if found and rest:
            for name in (first.lower(), *meant_by(first)):
                if name in known:
                    return name, rest
    return next(((provider, text) for begins, provider in MODELS if begins.match(text.lower())), None)
