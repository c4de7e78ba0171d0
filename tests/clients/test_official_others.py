"""The official clients read the emulator's images, audio, sources and server tools; `make test-clients` runs this."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import anthropic
import cohere
import httpx
import openai
import pytest
from google import genai
from google.genai import types

from g4flite.testing import Citation, Emulator, Media, Reasoning, Script, ServerToolCall, ServerToolResult, ToolCall

PNG = b"\x89PNG\r\n\x1a\n"
IMAGE, CITED = Media("image/png", PNG), Citation("Snow", "https://a.test", "News", 0, 4)
SOUND = [Media("audio/wav", b"RIFF\0\0\0\0WAVE"), Media("audio/wav", b"\1\2\3")]
PAGE = {"type": "web_search_result", "url": "https://a.test", "title": "News", "encrypted_content": "RQ=="}
SEARCH = ServerToolCall("srvtoolu_1", "web_search", '{"query": "snow"}')
RESULT = ServerToolResult("srvtoolu_1", "web_search", [PAGE])
TEXT = ["Snow falls.", CITED, " Now."]
KEY = "sk-0123456789abcdef"
ASKED: Any = [{"role": "user", "content": "Is there snow?"}]
BOTH = pytest.mark.parametrize("streamed", [True, False])


@pytest.fixture
def e() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


def says(e: Emulator, *said: Any, **script: Any) -> None:
    e.reply, e.script = (lambda _: said), Script(**script)


@BOTH
def test_openai_s_client_reads_the_output_of_responses(e: Emulator, streamed: bool) -> None:
    code = ServerToolCall("", "code_interpreter", '{"code": "1"}')
    logs = ServerToolResult("", "code_interpreter", [{"type": "logs", "logs": "1"}])
    says(e, Reasoning("Hm."), SEARCH, code, logs, IMAGE, *TEXT)
    with openai.OpenAI(base_url=f"{e.url}/v1", api_key=KEY) as client:
        if streamed:
            with client.responses.stream(model="m", input="Is there snow?") as stream:
                kinds = [event.type for event in stream]
                response = stream.get_final_response()
            assert "response.output_text.annotation.added" in kinds
            assert "response.image_generation_call.completed" in kinds
        else:
            response = client.responses.create(model="m", input="Is there snow?")
    _, search, code_, image, message = response.output
    assert (search.type, search.action.query, search.status) == ("web_search_call", "snow", "completed")
    assert (code_.code, code_.outputs[0].logs) == ("1", "1")
    assert base64.b64decode(image.result) == PNG
    (note,) = message.content[0].annotations
    assert (note.url, note.title, note.start_index, note.end_index) == ("https://a.test", "News", 0, 4)
    assert response.output_text == "Snow falls. Now."


@BOTH
def test_openai_s_client_reads_sources_and_audio_in_chat(e: Emulator, streamed: bool) -> None:
    says(e, "Snow ", *SOUND, "falls.", CITED)
    asked: Any = {"model": "m", "messages": ASKED, "modalities": ["text", "audio"],
                  "audio": {"voice": "alloy", "format": "pcm16"}}  # fmt: skip
    with openai.OpenAI(base_url=f"{e.url}/v1", api_key=KEY) as client:
        if streamed:
            deltas = [chunk.choices[0].delta for chunk in client.chat.completions.create(**asked, stream=True)]
            spoken = [delta.audio for delta in deltas if getattr(delta, "audio", None)]
            text = "".join(one.transcript or "" for one in spoken)
            data = b"".join(base64.b64decode(one.data or "") for one in spoken)
            (note,) = [note for delta in deltas for note in getattr(delta, "annotations", None) or ()]
            url = note["url_citation"]["url"]
        else:
            message = client.chat.completions.create(**asked).choices[0].message
            text, data = message.audio.transcript, base64.b64decode(message.audio.data)
            url = message.annotations[0].url_citation.url
    assert (text, data, url) == ("Snow falls.", b"".join(one.data or b"" for one in SOUND), "https://a.test")


@BOTH
def test_anthropic_s_client_reads_server_tools_and_citations(e: Emulator, streamed: bool) -> None:
    says(e, Reasoning("Hm."), SEARCH, RESULT, *TEXT)
    with anthropic.Anthropic(base_url=e.url, api_key=KEY) as client:
        if streamed:
            with client.messages.stream(model="m", max_tokens=9, messages=ASKED) as stream:
                message = stream.get_final_message()
        else:
            message = client.messages.create(model="m", max_tokens=9, messages=ASKED)
        thinking, call, result, text = message.content
        assert thinking.signature
        assert (call.type, call.name, call.input) == ("server_tool_use", "web_search", {"query": "snow"})
        assert (result.tool_use_id, result.content[0].url) == (call.id, "https://a.test")
        (cited,) = text.citations
        assert (text.text, cited.cited_text, cited.url) == ("Snow falls. Now.", "Snow", "https://a.test")
        # The client sends the turn back as it came.
        history = [*ASKED, {"role": "assistant", "content": message.content}, *ASKED]
        client.messages.create(model="m", max_tokens=9, messages=history)
    assert e.exchanges[-1].problem is None


@BOTH
def test_google_s_client_reads_images_code_and_grounding(e: Emulator, streamed: bool) -> None:
    code = ServerToolCall("", "code_execution", '{"code": "1"}')
    says(e, code, ServerToolResult("", "code_execution", {"output": "1"}), IMAGE, *TEXT)
    client = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=e.url))
    asked: Any = {"model": "gemini-3-pro", "contents": "Is there snow?"}
    if streamed:
        candidates = [chunk.candidates[0] for chunk in client.models.generate_content_stream(**asked)]
    else:
        candidates = [client.models.generate_content(**asked).candidates[0]]
    client.close()
    parts = [part for candidate in candidates for part in candidate.content.parts]
    assert [part.executable_code.code for part in parts if part.executable_code] == ["1"]
    assert [part.code_execution_result.output for part in parts if part.code_execution_result] == ["1"]
    assert [part.inline_data.data for part in parts if part.inline_data] == [PNG]
    assert all(part.thought_signature for part in parts if part.inline_data)
    grounding = candidates[-1].grounding_metadata
    assert grounding.grounding_chunks[0].web.uri == "https://a.test"
    assert grounding.grounding_supports[0].segment.text == "Snow"


@BOTH
def test_cohere_s_client_reads_citations(e: Emulator, streamed: bool) -> None:
    says(e, *TEXT)
    client = cohere.ClientV2(api_key=KEY, base_url=e.url, httpx_client=httpx.Client(trust_env=False))
    if streamed:
        events = list(client.chat_stream(model="m", messages=ASKED))
        (cited,) = [one.delta.message.citations for one in events if one.type == "citation-start"]
    else:
        (cited,) = client.chat(model="m", messages=ASKED).message.citations
    assert (cited.text, cited.start, cited.end) == ("Snow", 0, 4)
    assert cited.sources[0].document["url"] == "https://a.test"


def test_openai_s_client_goes_on_with_a_conversation_of_gemini_3(e: Emulator) -> None:
    """Its messages keep the field that it does not know, in which the signature of a call stands."""
    e.reply = lambda messages: "It is nine." if messages[-1]["role"] == "tool" else [
        ToolCall("", "clock", "{}"), ToolCall("", "clock", '{"zone": 1}')]  # fmt: skip
    tools: Any = [{"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}]
    with openai.OpenAI(base_url=f"{e.url}/v1beta/openai", api_key=KEY) as client:
        asked: Any = {"model": "gemini-3-pro", "tools": tools}
        message = client.chat.completions.create(**asked, messages=ASKED).choices[0].message
        results = [{"role": "tool", "tool_call_id": call.id, "content": "9"} for call in message.tool_calls]
        turn = message.to_dict()
        answer = client.chat.completions.create(**asked, messages=[*ASKED, turn, *results])
        assert answer.choices[0].message.content == "It is nine."
        del turn["tool_calls"][0]["extra_content"]
        with pytest.raises(openai.BadRequestError, match="missing a thought_signature"):
            client.chat.completions.create(**asked, messages=[*ASKED, turn, *results])
