"""What is doubled or missing in a base URL: a table of wrong forms for every protocol, and the right ones."""

from g4flite import providers
from g4flite._core.base_urls import advice_on_base_url
from tests.rows import rows

# For each provider the paths of base URLs at a host of one's own: what is said of each, and the path that is advised.
DOUBLED, SURPLUS, MISSING = '"{}" is doubled', '"{}" does not belong there', '"{}" is missing'
FORMS: list[tuple[str, str, str, str]] = [
    ("openai", "", MISSING.format("/v1"), "/v1"),
    ("openai", "/v1/v1", DOUBLED.format("/v1"), "/v1"),
    ("openai", "/v1/chat", DOUBLED.format("/chat"), "/v1"),
    ("openai", "/v1/chat/completions", DOUBLED.format("/chat/completions"), "/v1"),
    ("openai", "/chat/completions", '"/chat/completions" is doubled and "/v1" is missing', "/v1"),
    ("openai", "/v1/responses", SURPLUS.format("/responses"), "/v1"),
    ("openai", "/v1/models", SURPLUS.format("/models"), "/v1"),
    ("openai", "/api", '"/api" does not belong there and "/v1" is missing', "/v1"),
    ("openai", "/V1", '"/V1" does not belong there and "/v1" is missing', "/v1"),
    ("openai", "/v2", '"/v2" does not belong there and "/v1" is missing', "/v1"),
    ("openrouter", "/api/V1", '"/V1" does not belong there and "/v1" is missing', "/api/v1"),
    ("anthropic", "/V1", SURPLUS.format("/V1"), ""),
    ("openai", "/proxy", MISSING.format("/v1"), "/proxy/v1"),
    ("openai", "/proxy/v1/chat/completions", DOUBLED.format("/chat/completions"), "/proxy/v1"),
    ("openai-responses", "", MISSING.format("/v1"), "/v1"),
    ("openai-responses", "/v1/responses", DOUBLED.format("/responses"), "/v1"),
    ("openai-responses", "/v1/chat/completions", SURPLUS.format("/chat/completions"), "/v1"),
    ("anthropic", "/v1", DOUBLED.format("/v1"), ""),
    ("anthropic", "/v1/messages", DOUBLED.format("/v1/messages"), ""),
    ("anthropic", "/anthropic/v1", DOUBLED.format("/v1"), "/anthropic"),
    ("gemini", "/v1beta", DOUBLED.format("/v1beta"), ""),
    ("gemini", "/v1beta/models", DOUBLED.format("/v1beta/models"), ""),
    ("gemini", "/v1beta/models/gemini-9:streamGenerateContent",
     DOUBLED.format("/v1beta/models/gemini-9:streamGenerateContent"), ""),
    ("gemini", "/v1", SURPLUS.format("/v1"), ""),
    ("gemini", "/v1beta/openai", SURPLUS.format("/v1beta/openai"), ""),
    ("ollama", "/api", DOUBLED.format("/api"), ""),
    ("ollama", "/api/chat", DOUBLED.format("/api/chat"), ""),
    ("ollama", "/api/generate", SURPLUS.format("/api/generate"), ""),
    ("ollama", "/v1", SURPLUS.format("/v1"), ""),
    ("ollama", "/v1/chat/completions", SURPLUS.format("/v1/chat/completions"), ""),
    ("cohere", "/v2", DOUBLED.format("/v2"), ""),
    ("cohere", "/v2/chat", DOUBLED.format("/v2/chat"), ""),
    ("cohere", "/v1", SURPLUS.format("/v1"), ""),
    ("cohere", "/compatibility/v1", SURPLUS.format("/compatibility/v1"), ""),
    ("azure-openai", "/openai", DOUBLED.format("/openai"), ""),
    ("azure-openai", "/openai/v1", SURPLUS.format("/openai/v1"), ""),
    ("azure-openai", "/openai/deployments/gpt-9/chat/completions",
     DOUBLED.format("/openai/deployments/gpt-9/chat/completions"), ""),
    ("openrouter", "/api", MISSING.format("/v1"), "/api/v1"),
    ("groq", "/openai", MISSING.format("/v1"), "/openai/v1"),
    ("deepseek", "", MISSING.format("/v1"), "/v1"),
    ("github-models", "/inference/chat/completions", DOUBLED.format("/chat/completions"), "/inference"),
    ("github-models", "", MISSING.format("/inference"), "/inference"),
    ("openai-compatible", "", MISSING.format("/v1"), "/v1"),
    ("cromicle", "/chat", DOUBLED.format("/chat"), ""),
]  # fmt: skip
# The same at the service's own host, where the right base URL is known.
AT_HOME = [
    ("openai", "https://api.openai.com", MISSING.format("/v1"), "https://api.openai.com/v1"),
    ("groq", "https://api.groq.com/v1", '"/v1" does not belong there and "/openai/v1" is missing', "https://api.groq.com/openai/v1"),
    ("openrouter", "https://openrouter.ai/v1", '"/v1" does not belong there and "/api/v1" is missing',
     "https://openrouter.ai/api/v1"),
    ("anthropic", "https://api.anthropic.com/v1", DOUBLED.format("/v1"), "https://api.anthropic.com"),
    ("zai", "https://api.z.ai/v1", '"/v1" does not belong there and "/api/paas/v4" is missing', "https://api.z.ai/api/paas/v4"),
    ("perplexity", "https://api.perplexity.ai/chat/completions", DOUBLED.format("/chat/completions"),
     "https://api.perplexity.ai"),
    ("llamacpp", "http://127.0.0.1:8080", MISSING.format("/v1"), "http://127.0.0.1:8080/v1"),
    ("ollama", "http://localhost:11434/api", DOUBLED.format("/api"), "http://localhost:11434"),
]  # fmt: skip


def advice(name: str, base_url: str, variable: str = "") -> str:
    spec = providers.find(name)
    return advice_on_base_url(base_url, spec.url, spec.base_url, variable)


@rows(("name", "path", "said", "right"), FORMS)
def test_a_wrong_path_is_named_and_mended(name: str, path: str, said: str, right: str) -> None:
    host = "http://10.0.0.7:8000"
    assert advice(name, host + path) == f"{said}: set {{base_url}} to {host}{right}"
    # What is advised is advised against no more.
    assert advice(name, host + right) == ""


@rows(("name", "base_url", "said", "right"), AT_HOME)
def test_at_the_service_s_own_host_the_public_base_url_is_right(
    name: str, base_url: str, said: str, right: str
) -> None:
    assert advice(name, base_url) == f"{said}: set {{base_url}} to {right}"


def test_nothing_is_said_of_a_base_url_that_the_provider_does_not_use() -> None:
    assert advice_on_base_url("http://h.test/v1/v1", "https://acme.test/chat", "https://acme.test") == ""


def test_the_environment_variable_that_holds_the_base_url_is_named() -> None:
    said = advice("openai", "http://h.test:8000", "OPENAI_BASE_URL")
    assert said == '"/v1" is missing: set OPENAI_BASE_URL[ or {base_url}] to http://h.test:8000/v1'
    said = advice("openai", "https://h.test", "OPENAI_BASE_URL")
    assert said == '"/v1" may be missing: try https://h.test/v1 as OPENAI_BASE_URL[ or {base_url}]'


@rows("name", providers.names())
def test_nothing_is_said_against_the_public_base_url(name: str) -> None:
    assert advice(name, providers.find(name).base_url or "https://own.test/v1") in (
        "", '"/v1" does not belong there: set {base_url} to https://own.test',
    )  # fmt: skip


@rows(
    ("name", "path"),
    [("openai", "/v1"), ("zai", "/v4"), ("openai", "/openai/v1"), ("openai", "/api/v1"), ("openai", "/a/b/v1beta"),
     ("anthropic", ""), ("anthropic", "/anthropic"), ("gemini", "/proxy/gemini"), ("ollama", ""), ("cohere", "/x"),
     ("azure-openai", ""), ("github-models", "/orgs/acme/inference"), ("cromicle", ""), ("cromicle", "/v1")],
)  # fmt: skip
def test_nothing_is_said_against_a_form_that_may_be_right(name: str, path: str) -> None:
    assert advice(name, f"https://own.test{path}") == ""


# The base URLs that services document for OpenAI's clients (2026): `/v1` is not the end of each.
PUBLIC = [
    "https://api.perplexity.ai", "https://api.deepseek.com", "https://models.github.ai/inference",
    "https://ark.cn-beijing.volces.com/api/v3", "https://api.z.ai/api/paas/v4", "https://open.bigmodel.cn/api/paas/v4",
    "https://generativelanguage.googleapis.com/v1beta/openai", "https://api.groq.com/openai/v1",
    "https://api.cloudflare.com/client/v4/accounts/0123/ai/v1", "https://api.cohere.ai/compatibility/v1",
    "https://dashscope.aliyuncs.com/compatible-mode/v1", "https://qianfan.baidubce.com/v2",
    "https://gateway.ai.cloudflare.com/v1/0123/name/compat", "https://router.huggingface.co/v1",
]  # fmt: skip


@rows("name", ["openai-compatible", "openai"])
@rows("base_url", PUBLIC)
def test_nothing_false_is_said_of_a_base_url_that_a_service_documents(name: str, base_url: str) -> None:
    assert advice(name, base_url) in ("", f'"/v1" may be missing: try {base_url}/v1 as {{base_url}}')
    for endpoint in ("/chat/completions", "/responses"):
        assert advice(name, base_url + endpoint).endswith(f": set {{base_url}} to {base_url}")
    if "v" in base_url.rpartition("/")[2][:1]:
        assert advice(name, base_url) == ""


@rows(
    ("name", "base_url"),
    [("anthropic", "https://openrouter.ai/api"), ("anthropic", "https://api.z.ai/api/anthropic"),
     ("anthropic", "https://api.moonshot.ai/anthropic"), ("gemini", "https://gw.test/api"), ("cohere", "https://gw.test/api")],
)  # fmt: skip
def test_nothing_is_said_against_a_root_before_another_protocol(name: str, base_url: str) -> None:
    assert advice(name, base_url) == ""
    assert advice(name, f"{base_url}/{ {'gemini': 'v1beta', 'cohere': 'v2'}.get(name, 'v1') }").endswith(base_url)
