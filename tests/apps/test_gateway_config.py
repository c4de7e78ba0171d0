"""`gateway.toml`: what it may say, and that what is wrong is told by file, line and field."""

import pickle
import sys
from pathlib import Path
from typing import Any

import pytest

from g4flite import G4fliteError, Timeout, UsageError
from g4flite.apps.gateway import config
from g4flite.apps.gateway.config import Config, Log, Model, Target, clients, load
from g4flite.apps.gateway.http import host_of
from g4flite.testing import Emulator
from tests.rows import rows


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two services have a key, and others have none."""
    for name in ("OPENAI_API_KEY", "GROQ_API_KEY", "GPU_KEY"):
        monkeypatch.setenv(name, "sk-test-1")
    for name in ("ANTHROPIC_API_KEY", "COHERE_API_KEY", "CO_API_KEY", "NO_KEY"):
        monkeypatch.delenv(name, raising=False)


def read(folder: Path, text: str) -> Config:
    (folder / "gateway.toml").write_text(text)
    return load(folder / "gateway.toml")


def test_the_example_says_what_it_says(tmp_path: Path) -> None:
    assert config.__doc__ is not None
    example = "\n".join(line[4:] for line in config.__doc__.splitlines() if line.startswith("    "))
    found = read(tmp_path, example)
    fast, own = found.models.values()
    assert fast == Model(
        name="fast",
        targets=(
            Target(name="groq", provider="groq", model="llama-3.3-70b-versatile"),
            Target(name="openai", provider="openai", model="gpt-4o-mini"),
        ),
        timeout=Timeout(first_token=10, total=120),
        retries=0,
        options={"temperature": 0.2},
    )
    (gpu,) = own.targets
    assert (gpu.name, gpu.provider, gpu.model, gpu.base_url) == (
        "gpu", "vllm", "Qwen/Qwen3-8B", "http://10.0.0.7:8000/v1",
    )  # fmt: skip
    assert (gpu.key_variable, gpu.api_key, fast.targets[0].api_key) == ("GPU_KEY", "sk-test-1", None)
    assert (own.timeout, own.retries, own.options) == (Timeout(), 2, {})
    assert (found.keys, found.origins) == (tmp_path / "keys.sqlite", ("https://chat.example",))
    assert found.log == Log(file=tmp_path / "calls.jsonl", content=False)


def test_a_short_file_has_the_defaults(tmp_path: Path) -> None:
    found = read(tmp_path, '[models.m]\r\nprovider = "openai"\r\nmodel = "gpt-4o-mini"\r\ntimeout = 9\r\n')
    assert found == Config(
        models={
            "m": Model(
                name="m",
                targets=(Target(name="openai", provider="openai", model="gpt-4o-mini"),),
                timeout=Timeout(total=9),
            )
        },
        keys=None,
        origins=(),
        log=Log(file=None, content=False),
    )
    assert pickle.loads(pickle.dumps(found)) == found
    assert read(tmp_path, '[models.m]\nprovider = "openai"\nmodel = "gpt-4o-mini"\ntimeout = 9') == found


def test_what_it_says_makes_clients(tmp_path: Path, server: Emulator) -> None:
    found = read(
        tmp_path,
        f"""
[models."a b"]
provider = "here"
model = "m"
options = {{max_tokens = 9}}
[providers.here]
provider = "openai-compatible"
base_url = "{server.url}/v1"
headers = {{x-team = "blue"}}
key_variable = "GPU_KEY"
""",
    )
    (client,) = clients(found.models["a b"])
    with client:
        assert client.stream("Hi").text() == "You said: Hi"
    assert ("x-team", "blue") in [(name.lower(), value) for name, value in server.exchanges[-1].headers]


def test_secrets_stand_in_no_repr(tmp_path: Path) -> None:
    text = """
[models.m]
provider = "p"
model = "m"
[providers.p]
provider = "openai"
proxy = "http://me:secret-1@proxy.example:8080"
headers = {authorization = "Bearer secret-2"}
key_variable = "GPU_KEY"
"""
    found = read(tmp_path, text)
    assert found.models["m"].targets[0].proxy == "http://me:secret-1@proxy.example:8080"
    assert [secret for secret in ("secret-1", "secret-2", "sk-test-1") if secret in repr(found)] == []


def test_a_provider_without_its_key_is_left_to_the_others(tmp_path: Path) -> None:
    text = """
[models.m]
provider = ["anthropic", "openai", "p"]
model = "m"
[providers.p]
provider = "groq"
key_variable = "NO_KEY"
"""
    model = read(tmp_path, text).models["m"]
    assert [target.name for target in model.targets] == ["openai"]
    assert model.left_out == (
        "anthropic: there is no API key; set ANTHROPIC_API_KEY", "p: there is no key; set NO_KEY",
    )  # fmt: skip


GOOD = '\n[models.m]\nprovider = "openai"\nmodel = "gpt-4o-mini"\n'


@rows(
    ("text", "said"),
    [
        # The file as a whole.
        ("", ': models: there is no model; add a table [models.NAME] with provider = "..."'),
        ("[models]", ", line 1: models: there is no model"),
        ("a = 1\nb = = 2", " is no TOML: Invalid value (at line 2, column 5)"),
        ("key = 1" + GOOD, ", line 1: there is no field 'key' (did you mean 'keys'?)"),
        ("zzz = 1" + GOOD, ", line 1: there is no field 'zzz'; there are models, providers, keys, origins, hosts, log"),
        ("keys = 1" + GOOD, ", line 1: keys must be a text, not a whole number"),
        ('\n\nkeys = ""' + GOOD, ", line 3: keys is empty; name a file, or leave keys out"),
        ("models = 3", ", line 1: models must be a table, not a whole number"),
        ("models.m = 3", ", line 1: models: m must be a table, not 3"),
        ("log = true" + GOOD, ", line 1: log must be a table, not true or false"),
        (GOOD + '[log]\nfile = ""', ", line 6: log: file is empty"),
        (GOOD + "[log]\ncontent = 1", ", line 6: log: content must be true or false, not a whole number"),
        (GOOD + "[log]\nfile = 1979-05-27", ", line 6: log: file must be a text, not a date"),
        # Origins.
        ('origins = ["*"]' + GOOD, """, line 1: origins: '*' is no origin; write it like "https://chat.example\""""),
        ('origins = ["null"]' + GOOD, ", line 1: origins: 'null' is no origin"),
        ('origins = ["https://a.example/"]' + GOOD, ", line 1: origins: 'https://a.example/' is no origin"),
        ('origins = ["https://A.example"]' + GOOD, ", line 1: origins: 'https://A.example' is no origin"),
        ('origins = ["ftp://a.example"]' + GOOD, ", line 1: origins: 'ftp://a.example' is no origin"),
        ("origins = [1]" + GOOD, ", line 1: origins: 1 is no origin"),
        ("hosts = [1]" + GOOD, ", line 1: hosts: 1 is no name of a host"),
        ('hosts = ["a.example:80"]' + GOOD, """, line 1: hosts: 'a.example:80' is no name of a host; write it like"""),
        # A model.
        ("[models.fast]\n", ', line 1: models.fast: provider must be a name or a list of names, like ["'),
        ("[models.m]\nprovider = []", ", line 2: models.m: provider must be a name or a list of names"),
        ("[models.m]\nprovider = [1]", ", line 2: models.m: provider must be a name or a list of names"),
        ("[models.m]\nprovider = 1", ", line 2: models.m: provider must be a text or a list, not a whole number"),
        ('[models.m]\n"provder" = 1', ", line 2: models.m: there is no field 'provder' (did you mean 'provider'?)"),
        ('[models.m]\nprovider = "opnai"', ", line 2: models.m: there is no provider 'opnai' (did you mean 'openai'?)"),
        ('[models.m]\nprovider = "gpuu"\n[providers.gpu]\nprovider = "vllm"',
         ", line 2: models.m: there is no provider 'gpuu' (did you mean 'gpu'?)"),
        ('[models.m]\nprovider = "openai"\nmodel = {groq = "x"}',
         ", line 3: models.m.model: there is no field 'groq'; there are openai"),
        ('[models.m]\nprovider = "openai"\n[models.m.model]\nopenai = 1',
         ", line 4: models.m.model: openai must be a text, not a whole number"),
        ('[models.""]\nprovider = "openai"\nmodel = "m"', ', line 1: models."": the name of a model must be a text'),
        ('[models."a.b"]\nprovider = 1', ', line 2: models."a.b": provider must be a text'),
        ('[models.m]\nprovider = "openai"', ", line 1: models.m: openai: there is no default model; name one"),
        ('[models.m]\nprovider = "openai"\nmodel = ""', ", line 3: models.m: openai: model must be a string that is"),
        # Its settings.
        (GOOD + "timeout = 0", ", line 5: models.m: timeout must be a positive number of seconds or None, not 0"),
        (GOOD + 'timeout = "1 s"', ", line 5: models.m: timeout must be a number or a table, not a text"),
        (GOOD + "timeout = {conect = 1}", ", line 5: models.m.timeout: there is no field 'conect' (did you"),
        (GOOD + "timeout = {connect = -1}", ", line 5: models.m: timeout.connect must be a positive number"),
        (GOOD + "[models.m.timeout]\ntotal = true", ", line 6: models.m.timeout: total must be a number, not true or"),
        (GOOD + "retries = -1", ", line 5: models.m: retries must be a whole number from 0 up"),
        (GOOD + "retries = true", ", line 5: models.m: retries must be a whole number, not true or false"),
        (GOOD + "options = {temprature = 1}", ", line 5: models.m.options: openai: there is no option 'temprature'"),
        (GOOD + 'options = {temperature = "hot"}', ", line 5: models.m.options: openai: temperature must be of"),
        (GOOD + '[models.m.options]\nseed = 1\ntemperature = "hot"', ", line 7: models.m.options: openai: temperature"),
        (GOOD + "options = {timeout = 1}", ", line 5: models.m.options: there is no option 'timeout'; it is a field"),
        # What no provider can be asked for.
        ('[models.m]\nprovider = ["anthropic", "cohere"]\nmodel = "m"',
         ", line 2: models.m: no provider can be asked: anthropic: there is no API key; set ANTHROPIC_API_KEY; cohere: "
         "there is no API key; set "),
        ('[models.m]\nprovider = "p"\nmodel = "m"\n[providers.p]\nprovider = "openai"\nkey_variable = "NO_KEY"',
         ", line 2: models.m: no provider can be asked: p: there is no key; set NO_KEY"),
        # A provider of the file's own.
        (GOOD + "[providers]\np = 1", ", line 6: providers: p must be a table, not 1"),
        (GOOD + "[providers.p]\n", ', line 5: providers.p: there is no provider; add provider = "openai-comp'),
        (GOOD + '[providers.p]\nprovider = "nil"', ", line 6: providers.p: there is no provider 'nil'"),
        (GOOD + '[providers.p]\nprovider = "openai"\napi_key = "sk-1"',
         ", line 7: providers.p: there is no field 'api_key'; there are provider, base_url, proxy"),
        (GOOD + '[providers.p]\nprovider = "openai"\nproxy = "ftp://me:pass@h"',
         ", line 7: providers.p: proxy must be a URL scheme://host:port with one of the schemes"),
        ('[models.m]\nprovider = "p"\n[providers.p]\nprovider = "openai-compatible"\nbase_url = "x"',
         ", line 5: providers.p: openai-compatible: base_url must begin with http:// or https://"),
        ('[models.m]\nprovider = "p"\nmodel = "m"\n[providers.p]\nprovider = "ollama"\n\nheaders = {a = 1}',
         ", line 7: providers.p: ollama: the header a must be a string, not int"),
        # The log.
        (GOOD + '[log]\nfile = "none/calls.jsonl"', ", line 6: log: file: "),
        (GOOD + '[log]\nfile = "."', ", line 6: log: file: "),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_by_line_and_field(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'gateway.toml'}{said}"), str(caught.value)
    assert "me:pass" not in str(caught.value)


def test_a_line_that_cannot_be_found_is_not_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gateway\.toml: models\.m: there is no field 'x'"):
        read(tmp_path, 'models = {m = {provider = "openai", x = 1}}'.replace("models =", '"mod\\u0065ls" ='))


def test_a_file_that_cannot_be_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(G4fliteError, match=r"none\.toml cannot be read: No such file or directory"):
        load(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match=r"binary\.toml is not encoded in UTF-8"):
        load(str(tmp_path / "binary.toml"))
    (tmp_path / "deep.toml").write_text("a = " + "[" * 100_000)
    with pytest.raises(UsageError, match=r"deep\.toml is no TOML"):
        load(tmp_path / "deep.toml")


def test_the_file_is_read_before_python_3_11_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported: list[str] = []

    def importing(name: str) -> Any:
        imported.append(name)
        return real(name)

    real = config.import_module
    monkeypatch.setattr(config, "import_module", importing)
    read(tmp_path, GOOD)
    assert imported == ["tomllib" if sys.version_info >= (3, 11) else "tomli"]


@rows(
    "origin",
    ["http://a", "https://chat.example", "http://127.0.0.1:8000", "https://[2001:db8::1]:8443", "http://a_b:1"],
)
def test_what_a_browser_sends_is_an_origin(origin: str) -> None:
    assert config.origin_of(origin) == origin


@rows("origin", [
    "http://", "https://:8000", "null", "*", "", 1, None, "http://a/", "http://a:80", "https://a:443", "http://a:0",
    "http://a:b", "http://a:123456", "http://a b", "http://me@a", "http://A", "http://b\u00fccher.example", "ftp://a",
    "http://[::1", "http://[a]", "http://[0:0::1]", "http://[]", "http://a\n", "http://::1",
])  # fmt: skip
def test_what_no_browser_sends_is_none(origin: object) -> None:
    with pytest.raises(ValueError, match="is no origin; write it like"):
        config.origin_of(origin)


@rows(("host", "asked"), [
    ("2001:db8::1", "[2001:DB8:0:0::1]:8000"), ("[2001:db8::1]", "[2001:db8::1]"), ("::1", "[0::1]:1"),
    ("Gateway.Example", "gateway.EXAMPLE:80"), ("127.0.0.1", "127.0.0.1:80"), ("a_b-c.d", "a_b-c.d"),
])  # fmt: skip
def test_the_name_of_a_host_is_compared_in_one_form(host: str, asked: str) -> None:
    assert config.host_of(host) == host_of({"host": asked})


@rows(
    "host", ["", "[]", "[::1", "::1]", "[a]", "a:80", "2001:db8::g", "a b", "http://a", "a/b", "b\u00fccher", 1, None]
)
def test_another_text_is_no_name_of_a_host(host: object) -> None:
    with pytest.raises(ValueError, match="is no name of a host; write it like"):
        config.host_of(host)


@rows("host", ["", "[", "[::1", "/"])
def test_a_header_without_a_name_asks_no_host(host: str) -> None:
    assert host_of({"host": host}) == ""
