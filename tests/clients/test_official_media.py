"""What the official clients send for a PDF and audio is what g4flite sends; `make test-clients` runs this."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import types

import g4flite
from g4flite.testing import Emulator

PDF, WAV = b"%PDF-1.7\n", b"RIFF\x24\x00\x00\x00WAVEfmt "
ASKED = "What is this?"
ENCODED, SOUND = (base64.b64encode(data).decode() for data in (PDF, WAV))
FILE = {"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}}
AUDIO = {"type": "input_audio", "input_audio": {"data": WAV}}
KEY = "sk-0123456789abcdef"


def chat(e: Emulator) -> None:
    parts: Any = [
        {"type": "text", "text": ASKED},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{ENCODED}"}},
        {"type": "input_audio", "input_audio": {"data": SOUND, "format": "wav"}},
    ]
    with openai.OpenAI(base_url=f"{e.url}/v1", api_key=KEY) as client:
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": parts}])


def responses(e: Emulator) -> None:
    file = {"type": "input_file", "file_data": f"data:application/pdf;base64,{ENCODED}", "filename": "a.pdf"}
    parts: Any = [{"type": "input_text", "text": ASKED}, file]
    with openai.OpenAI(base_url=f"{e.url}/v1", api_key=KEY) as client:
        client.responses.create(model="m", input=[{"role": "user", "content": parts}])


def messages(e: Emulator) -> None:
    source: Any = {"type": "base64", "media_type": "application/pdf", "data": ENCODED}
    parts: Any = [{"type": "text", "text": ASKED}, {"type": "document", "source": source, "title": "a.pdf"}]
    with anthropic.Anthropic(base_url=e.url, api_key=KEY) as client:
        client.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": parts}])


def gemini(e: Emulator) -> None:
    parts = [
        types.Part(text=ASKED),
        types.Part.from_bytes(data=PDF, mime_type="application/pdf"),
        types.Part.from_bytes(data=WAV, mime_type="audio/wav"),
    ]
    client = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=e.url))
    client.models.generate_content(model="m", contents=[types.UserContent(parts)])
    client.close()


def parts_of(body: bytes) -> Any:
    """Return the parts of the last message."""
    # Google's client writes some names in snake case, which the service reads, too.
    data = json.loads(body.replace(b'"mime_type"', b'"mimeType"').replace(b'"inline_data"', b'"inlineData"'))
    if "contents" in data:
        return data["contents"][-1]["parts"]
    return (data.get("messages") or data["input"])[-1]["content"]


@pytest.mark.parametrize(
    ("name", "send", "path", "parts"),
    [
        ("openai", chat, "/v1", [FILE, AUDIO]),
        ("openai-responses", responses, "/v1", [FILE]),
        ("anthropic", messages, "", [FILE]),
        ("gemini", gemini, "", [FILE, AUDIO]),
    ],
)
def test_the_official_client_sends_the_same_parts(
    name: str, send: Callable[[Emulator], None], path: str, parts: list[Any]
) -> None:
    with Emulator() as e:
        send(e)
        asked = [{"role": "user", "content": [{"type": "text", "text": ASKED}, *parts]}]
        assert g4flite.stream(name, asked, model="m", base_url=e.url + path, api_key=KEY).text()
        theirs, ours = e.exchanges
        assert parts_of(ours.body) == parts_of(theirs.body)
        assert ours.messages == theirs.messages
        assert (ours.problem, theirs.problem) == (None, None)


# The signature that Gemini does not check (ai.google.dev, thought-signatures); the client writes it in base64.
UNCHECKED = base64.urlsafe_b64decode("skip_thought_signature_validator")


def test_google_s_client_sends_an_image_in_the_result_of_a_tool_alike() -> None:
    png = b"\x89PNG\r\n\x1a\n"
    image = types.FunctionResponsePart(inline_data=types.FunctionResponseBlob(data=png, mime_type="image/png"))
    answer = types.FunctionResponse(id="c1", name="draw", response={"result": "Here."}, parts=[image])
    call = types.FunctionCall(id="c1", name="draw", args={})
    contents: Any = [
        types.UserContent([types.Part(text="Draw.")]),
        types.ModelContent([types.Part(function_call=call, thought_signature=UNCHECKED)]),
        types.UserContent([types.Part(function_response=answer)]),
    ]  # fmt: skip
    asked = [
        {"role": "user", "content": "Draw."},
        {"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "draw", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "Here."},
                                                           {"type": "image_url", "image_url": png}]},
    ]  # fmt: skip
    with Emulator() as e:
        client = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=e.url))
        client.models.generate_content(model="gemini-3-pro", contents=contents)
        client.close()
        assert g4flite.stream("gemini", asked, model="gemini-3-pro", base_url=e.url, api_key=KEY).text()
        theirs, ours = e.exchanges
        assert parts_of(ours.body) == parts_of(theirs.body)
        assert ours.messages == theirs.messages
