"""Images, files and audio: each provider gets them in its own form, or refuses them before any socket, by their kind.

The forms are those of the types in the vendors' packages and of pydantic-ai's recordings (August to November 2026).
"""

import json
from typing import Any

import pytest

import g4flite
from g4flite import providers
from g4flite._core.request import build, make_call
from g4flite.testing import Emulator
from tests.conftest import Driver
from tests.core.test_media import PDF, PNG, URL, WAV, b64, part
from tests.rows import rows

DATA = f"data:application/pdf;base64,{b64(PDF)}"
PARTS = {
    "image.data": part("image_url", PNG), "image.url": part("image_url", {"url": URL}),
    "image.id": part("image_url", {"file_id": "file-1"}),
    "file.data": part("file", {"file_data": PDF, "filename": "a.pdf"}), "file.url": part("file", {"file_url": URL}),
    "file.gs": part("file", {"file_url": "gs://bucket/a.pdf"}),
    "file.id": part("file", {"file_id": "file-1", "filename": "a.pdf"}),
    "audio.data": part("input_audio", {"data": WAV}),
}  # fmt: skip
AUDIO = {"data": b64(WAV), "format": "wav"}
PICTURE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{b64(PNG)}"}}
FAR = {"type": "image_url", "image_url": {"url": URL}}
CHAT = {"image.data": PICTURE, "image.url": FAR}
FILES = {"file.data": {"type": "file", "file": {"filename": "a.pdf", "file_data": DATA}},
         "file.id": {"type": "file", "file": {"file_id": "file-1", "filename": "a.pdf"}}}  # fmt: skip
SAID = {"audio.data": {"type": "input_audio", "input_audio": AUDIO}}
SOURCE = {"type": "base64", "media_type": "application/pdf", "data": b64(PDF)}
INLINE = {"inlineData": {"mimeType": "application/pdf", "data": b64(PDF)}}
# By the provider, the forms of the kinds that it takes.
FORMS: dict[str, dict[str, Any]] = {
    "openai": {**CHAT, **FILES, **SAID},
    "azure-openai": {**CHAT, **SAID},
    "openrouter": {**CHAT, "file.data": FILES["file.data"], **SAID,
        "file.url": {"type": "file", "file": {"filename": "a.pdf", "file_data": URL}}},
    "together": {**CHAT, **SAID},
    "mistral": {**CHAT, "file.data": {"type": "document_url", "document_url": DATA, "document_name": "a.pdf"},
        "file.url": {"type": "document_url", "document_url": URL, "document_name": "a.pdf"},
        "file.id": {"type": "file", "file_id": "file-1"}, "audio.data": {"type": "input_audio",
        "input_audio": b64(WAV)}},
    "openai-responses": {
        "image.data": {"type": "input_image", "image_url": PICTURE["image_url"]["url"], "detail": "auto"},
        "image.url": {"type": "input_image", "image_url": URL, "detail": "auto"},
        "image.id": {"type": "input_image", "file_id": "file-1", "detail": "auto"},
        "file.data": {"type": "input_file", "file_data": DATA, "filename": "a.pdf"},
        "file.url": {"type": "input_file", "file_url": URL}, "file.id": {"type": "input_file", "file_id": "file-1"}},
    "anthropic": {
        "image.data": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": b64(PNG)}},
        "image.url": {"type": "image", "source": {"type": "url", "url": URL}},
        "image.id": {"type": "image", "source": {"type": "file", "file_id": "file-1"}},
        "file.data": {"type": "document", "source": SOURCE, "title": "a.pdf"},
        "file.url": {"type": "document", "source": {"type": "url", "url": URL}},
        "file.id": {"type": "document", "source": {"type": "file", "file_id": "file-1"}, "title": "a.pdf"}},
    "gemini": {"image.data": {"inlineData": {"mimeType": "image/png", "data": b64(PNG)}}, "file.data": INLINE,
        "file.url": {"fileData": {"fileUri": URL, "mimeType": "application/pdf"}},
        "file.gs": {"fileData": {"fileUri": "gs://bucket/a.pdf", "mimeType": "application/pdf"}},
        "audio.data": {"inlineData": {"mimeType": "audio/wav", "data": b64(WAV)}}},
    "ollama": {"image.data": b64(PNG)},
    "cohere": CHAT,
    **{name: {**CHAT, **SAID} for name in ("llamacpp", "vllm")},
    **{name: {**CHAT, **FILES, **SAID} for name in ("lmstudio", "openai-compatible")},
    **{name: {} for name in ("cromicle", "free2gpt", "gprochat", "flowgpt")},
}  # fmt: skip
# The emulator's dialects that know the parts of a provider.
DIALECTS = {"azure-openai": "azure", "openrouter": "openrouter", "mistral": "mistral", "vllm": "vllm",
            "llamacpp": "llamacpp"}  # fmt: skip


def messages(*parts: dict[str, Any]) -> list[Any]:
    return [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, *parts]}]


def body(name: str, asked: Any, model: str = "m") -> Any:
    """Return the JSON that a call sends."""
    spec = providers.find(name)
    call = make_call(spec, asked, model=None if spec.models else model, base_url="http://127.0.0.1", headers=None,
                     options={}, extra=None, api_key="k" if "{api_key}" in str(spec.headers) else None)  # fmt: skip
    return json.loads(build(call).body)


def sent(name: str, asked: Any, model: str = "m") -> list[Any]:
    """Return the parts of the last message as the service gets them."""
    made = body(name, asked, model)
    if name == "gemini":
        return made["contents"][-1]["parts"]  # type: ignore[no-any-return]
    last = (made["input"] if name == "openai-responses" else made["messages"])[-1]
    return [last["content"], *last["images"]] if name == "ollama" else last["content"]


@rows("name", providers.names())
@rows("kind", PARTS)
def test_a_part_goes_out_in_the_service_s_form_or_is_refused_by_its_kind(name: str, kind: str) -> None:
    form = FORMS.get(name, CHAT).get(kind)
    if form is not None:
        assert sent(name, messages(PARTS[kind]))[1:] == [form]
        return
    with pytest.raises(g4flite.MessagesError) as caught:
        body(name, messages(PARTS[kind]))
    said = str(caught.value)
    assert said.startswith("message 1")
    assert "part 2" in said
    assert {"image": " image", "file": " file", "audio": " audio"}[kind.partition(".")[0]] in said
    assert URL not in said
    # What to do instead.
    assert "; " in said


@pytest.mark.parametrize(
    "name",
    [name for name in FORMS if FORMS[name] and name not in ("lmstudio", "openai-compatible")],
)
def test_the_emulator_takes_the_same(name: str, driver: Driver, server: Emulator) -> None:
    server.script = g4flite.testing.Script(dialect=DIALECTS.get(name))
    spec = providers.find(name)
    base = server.url + ("" if name in ("anthropic", "gemini", "ollama", "cohere", "azure-openai") else
                         "/api/v1" if name == "openrouter" else "/v1")  # fmt: skip
    for kind, given in PARTS.items():
        call = {"model": "m", "base_url": base, "api_key": "sk-test-1"}
        asked = server.connections
        if kind in FORMS[name]:
            assert driver.collect(name, messages(given), **call), kind
            # The emulator read a part of the same kind.
            _, got = server.exchanges[-1].messages[-1]["content"]  # type: ignore[index]
            assert (got["type"] == "input_audio") == (kind == "audio.data"), kind
            assert (got["type"] == "image_url") == kind.startswith("image"), kind
        else:
            with pytest.raises(g4flite.MessagesError, match=f"^{spec.name}: message 1, part 2 is "):
                driver.collect(name, messages(given), **call)
            assert server.connections == asked


def file_of(media_type: str, data: bytes) -> dict[str, Any]:
    return part("file", {"file_data": f"data:{media_type};base64,{b64(data)}"})


@rows(("file", "media_type", "name"), [
    ({"file_url": "https://host.test/dir/My%20notes.txt#top"}, "text/plain", "My notes.txt"),
    ({"file_url": "https://host.test/show?id=1", "filename": "clip.mp4"}, "video/mp4", "clip.mp4"),
    ({"file_url": "https://www.youtube.com/watch?v=x"}, None, "watch"),
    ({"file_url": "https://host.test/"}, None, "file"),
])  # fmt: skip
def test_a_file_at_a_url_is_named_and_typed_after_it(file: dict[str, str], media_type: str | None, name: str) -> None:
    data = {"fileUri": file["file_url"], "mimeType": media_type}
    _, made = sent("gemini", messages(part("file", file)))
    assert made == {"fileData": {key: value for key, value in data.items() if value}}
    for provider, named in (("openrouter", "filename"), ("mistral", "document_name")):
        _, made = sent(provider, messages(part("file", file)))
        assert (made.get("file") or made)[named] == name


def test_a_jpeg_has_its_registered_name_in_a_file_too() -> None:
    given = part("file", {"file_data": f"data:image/JPG;base64,{b64(PNG)}"})
    assert sent("gemini", messages(given))[1]["inlineData"]["mimeType"] == "image/jpeg"


def test_anthropic_reads_files_of_text_as_text() -> None:
    _, block = sent("anthropic", messages(file_of("text/csv", "a,\u00e9".encode())))
    assert block == {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a,\u00e9"}}
    with pytest.raises(g4flite.MessagesError, match="a file of text is not in UTF-8, which this service needs"):
        sent("anthropic", messages(file_of("text/csv", b"\xff")))


@rows(("name", "given", "complaint"), [
    ("anthropic", file_of("application/zip", b"x"), "has a file of the type application/zip, which this service "
        "refuses; convert it to text or PDF"),
    ("anthropic", file_of("image/png", PNG), "has a file of the type image/png, which this service refuses; pass an "
        "image as an image_url part"),
    ("openai", part("input_audio", {"data": "AQA=", "format": "flac"}), "has audio of the format flac, which this "
        "service refuses; convert it to wav"),
    ("groq", PARTS["file.url"], "is a file at a web URL, which this service does not take; send its text, or ask"),
    ("openai", PARTS["file.url"], "is a file at a web URL, which this service does not take; download it, and"),
    ("openrouter", PARTS["file.gs"], "is a file in Google's Cloud Storage, which this service does not take; download"),
    ("ollama", PARTS["file.gs"], "is a file in Google's Cloud Storage, which this service does not take; send its"),
    ("gemini", PARTS["file.id"], "is a file by its file_id, which this service does not take; pass its bytes"),
    ("anthropic", PARTS["audio.data"], "is audio, which this service does not take; send its text, or ask a provider"),
])  # fmt: skip
def test_the_error_says_what_to_do_instead(name: str, given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(g4flite.MessagesError) as caught:
        body(name, messages(given))
    assert f"message 1, part 2 {complaint}" in str(caught.value)


CALL = {"id": "call_1", "type": "function", "function": {"name": "draw", "arguments": "{}"}}
DRAWN = [{"role": "user", "content": "Draw."}, {"role": "assistant", "content": "", "tool_calls": [CALL]},
         {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "Here."},
                                                                part("image_url", PNG)]}]  # fmt: skip


def test_an_image_in_the_result_of_a_tool() -> None:
    assert body("openai-responses", DRAWN)["input"][-1]["output"] == [
        {"type": "input_text", "text": "Here."}, FORMS["openai-responses"]["image.data"]]  # fmt: skip
    (answer,) = sent("gemini", DRAWN, model="gemini-3-pro")
    assert answer["functionResponse"] == {"id": "call_1", "name": "draw", "response": {"result": "Here."},
                                          "parts": [FORMS["gemini"]["image.data"]]}  # fmt: skip
    said = {"type": "text", "text": "From the tool draw (call_1):"}
    for name in ("openai", "openrouter", "groq", "cohere", "azure-openai"):
        result, shown = body(name, DRAWN)["messages"][2:]
        assert (result["content"], shown) == ("Here.", {"role": "user", "content": [said, CHAT["image.data"]]})
    *_, result, shown = body("gemini", DRAWN, "gemini-2.5-pro")["contents"]
    assert [*result["parts"][0]["functionResponse"]] == ["id", "name", "response"]
    assert shown["parts"] == [{"text": said["text"]}, FORMS["gemini"]["image.data"]]
    result, between, shown = body("mistral", DRAWN)["messages"][2:]
    assert (result["role"], between["role"], shown["content"][1]) == ("tool", "assistant", CHAT["image.data"])
    *_, shown = body("ollama", DRAWN)["messages"]
    assert shown["images"] == [b64(PNG)]


@pytest.mark.parametrize(
    ("name", "model"),
    [("openai-responses", "m"), ("gemini", "gemini-3-pro"), ("anthropic", "m"), ("openai", "m"), ("mistral", "m"),
     ("gemini", "gemini-2.5-pro"), ("cohere", "m"), ("ollama", "m")],
)  # fmt: skip
def test_the_emulator_reads_an_image_in_the_result_of_a_tool(
    name: str, model: str, driver: Driver, server: Emulator
) -> None:
    base = f"{server.url}/v1" if name in ("openai-responses", "openai", "mistral") else server.url
    assert driver.collect(name, DRAWN, model=model, base_url=base, api_key="sk-test-1")
    content: Any = server.exchanges[-1].messages[-1]["content"]  # type: ignore[index]
    assert [one["type"] for one in content] == ["text", "image_url"]


def test_the_emulator_refuses_what_the_services_refuse(driver: Driver, server: Emulator) -> None:
    wrong = {"type": "input_audio", "input_audio": {"data": "AQA=", "format": "flac"}}
    with pytest.raises(g4flite.StatusError, match="Invalid value: 'flac'. Supported values are: 'wav' and 'mp3'"):
        driver.collect("openai", "Hi", model="m", base_url=f"{server.url}/v1", api_key="sk-test-1",
                       extra={"messages": messages(wrong)})  # fmt: skip
    assert driver.collect("anthropic", messages(file_of("text/csv", b"a,b")), model="m", base_url=server.url,
                          api_key="sk-test-1")  # fmt: skip
    assert server.exchanges[-1].messages == [{"role": "user", "content": "What is this?a,b"}]
