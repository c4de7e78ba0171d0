"""What services are known to refuse does not reach them: it is mended, or refused before any socket.

The emulator refuses what the services refuse, so a conversation that it answers is one that they take.
"""

import json
from typing import Any

import pytest

import g4flite
from g4flite import providers
from g4flite.testing import Emulator, Script
from tests.conftest import Driver
from tests.providers.test_all import DIALECTS, HABITS, PROTOCOLS, TOOLS, settings
from tests.providers.test_outgoing import body

HI = {"role": "user", "content": "Hi"}
SYSTEM = {"role": "system", "content": "Be brief."}
PNG = "iVBORw0KGgo="
ALL = {*PROTOCOLS, *DIALECTS}
OPENAI = {"openai", "openai-responses", "azure-openai"}
NOBODY: set[str] = set()


def said(content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


def asking(*ids: str, content: str = "") -> dict[str, Any]:
    function = {"name": "now", "arguments": "{}"}
    return {**said(content), "tool_calls": [{"id": one, "type": "function", "function": function} for one in ids]}


def answer(one: str, content: str = "noon") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": one, "content": content}


def picture(media: str, *texts: str) -> dict[str, Any]:
    image = {"type": "image_url", "image_url": {"url": f"data:{media};base64,{PNG}"}}
    return {"role": "user", "content": [image, *({"type": "text", "text": text} for text in texts)]}


# The messages, and the providers to which they are not sent; all others answer.
CASES: dict[str, tuple[list[Any], set[str]]] = {
    "a developer": ([{"role": "developer", "content": "Be brief."}, HI], NOBODY),
    "several system messages": ([SYSTEM, {"role": "developer", "content": "b"}, SYSTEM, HI], NOBODY),
    "a blank system message": ([{"role": "system", "content": " "}, HI], NOBODY),
    "system messages alone": ([SYSTEM], {"anthropic", "gemini"}),
    "an empty answer": ([HI, said(""), HI], NOBODY),
    "an empty answer at the end": ([HI, said("")], NOBODY),
    "a blank answer": ([HI, said("\n\n"), HI], NOBODY),
    "blank text beside a call": ([HI, asking("abcdefgh1", content="\n\n"), answer("abcdefgh1")], NOBODY),
    "an empty result": ([HI, asking("abcdefgh1"), answer("abcdefgh1", "")], NOBODY),
    "a blank result": ([HI, asking("abcdefgh1"), answer("abcdefgh1", " ")], NOBODY),
    "an empty user's message": ([HI, said("a"), {"role": "user", "content": ""}], {"anthropic"}),
    "a blank user's message": ([HI, said("a"), {"role": "user", "content": " \n"}], {"anthropic"}),
    "an empty caption": ([picture("image/png", "")], NOBODY),
    "a blank caption": ([picture("image/png", " ", "What is this?")], NOBODY),
    "an image/jpg": ([picture("image/jpg", "?")], NOBODY),
    "an Image/JPG with a parameter": ([picture("Image/JPG;charset=x", "?")], NOBODY),
    "an image of another type": ([picture("image/svg+xml", "?")], OPENAI | {"anthropic"}),
    "a user's name": ([{**HI, "name": "ann"}],
                      {"openai-responses", "anthropic", "gemini", "ollama", "cohere", "mistral"}),
    "a long id": ([HI, asking("c" * 100), answer("c" * 100)], NOBODY),
    "an id of other characters": ([HI, asking("functions.now:0"), answer("functions.now:0")], NOBODY),
    "an id in two turns": ([HI, asking("c0"), answer("c0"), said("a"), HI, asking("c0"), answer("c0")], NOBODY),
    "one id for two calls": ([HI, asking("c0", "c0"), answer("c0"), answer("c0", "one")], NOBODY),
    "results in another order": ([HI, asking("a", "b"), answer("b"), answer("a")], NOBODY),
    "a call without its result": ([HI, asking("a"), HI], ALL),
    "a call without its result at the end": ([HI, asking("a")], ALL),
    "a result without its call": ([HI, asking("a"), answer("a"), HI, answer("a")], ALL),
    "a result too many": ([HI, asking("a"), answer("a"), answer("a")], ALL),
    "a result behind another message": ([HI, asking("a"), HI, answer("a")], ALL),
    "a user right behind a result": ([HI, asking("a"), answer("a"), HI], NOBODY),
    "users in a row": ([HI, HI], NOBODY),
    "answers in a row": ([HI, said("a"), said("b"), HI], NOBODY),
    "an answer at the end": ([HI, said("Once")], NOBODY),
    "an answer with blanks at the end": ([HI, said("Once \n")], NOBODY),
    "a call at the beginning": ([asking("a"), answer("a")], NOBODY),
}  # fmt: skip


@pytest.mark.parametrize("name", PROTOCOLS + DIALECTS)
def test_what_is_sent_is_not_refused(name: str, driver: Driver, server: Emulator) -> None:
    server.reply = lambda messages: "Hello"
    call = settings(name, server)
    server.script = Script(dialect=HABITS.get(name, "openai" if name == "openai" else None))
    for case, (messages, refused) in CASES.items():
        before = server.connections
        if name in refused:
            with pytest.raises(g4flite.MessagesError) as caught:
                driver.collect(name, messages, tools=TOOLS, **call)
            assert str(caught.value).startswith(f"{name}: "), case
            assert any(word in str(caught.value) for word in ("message", "system")), case
            assert server.connections == before, case
        else:
            assert "".join(driver.collect(name, messages, tools=TOOLS, **call)) == "Hello", case
            assert server.exchanges[-1].problem is None, case


@pytest.mark.parametrize("name", PROTOCOLS + DIALECTS)
def test_a_tool_choice_without_tools_is_left_out_or_refused(name: str, server: Emulator) -> None:
    server.reply = lambda messages: "Hello"
    call = settings(name, server)
    server.script = Script(dialect=HABITS.get(name, "openai" if name == "openai" else None))
    if "tool_choice" not in providers.find(name).options:
        return
    for choice in ("auto", "none"):
        g4flite.stream(name, "Hi", tool_choice=choice, **call).text()
        assert "tool" not in server.exchanges[-1].body.decode()
    for demand in ("required", {"type": "function", "function": {"name": "now"}}):
        with pytest.raises(g4flite.OptionError, match=f"^{name}: tool_choice= (demands a tool|cannot name one tool)"):
            g4flite.stream(name, "Hi", tool_choice=demand, **call)
    # The tools may be in extra=, where this module cannot read them.
    assert "required" in json.dumps(body("openai", [HI], extra={"tools": [{}]}, tool_choice="required"))


@pytest.mark.parametrize("wrong", ["a.b", "a b", "x" * 65, "\u00e4"])
def test_names_that_a_service_refuses_are_refused(wrong: str) -> None:
    tools = [{"type": "function", "function": {"name": wrong}}]
    form = {"type": "json_schema", "json_schema": {"name": wrong, "schema": {"type": "object"}}}
    for name in OPENAI:
        with pytest.raises(g4flite.OptionError, match="tool 1 has the name '.*', which this service refuses"):
            body(name, [HI], tools)
        with pytest.raises(g4flite.OptionError, match="response_format= has the name '.*', which this service"):
            body(name, [HI], response_format=form)
    if len(wrong) < 65:
        with pytest.raises(g4flite.OptionError, match="tool 1 has the name"):
            body("anthropic", [HI], tools)
    assert body("gemini", [HI], tools)["tools"][0]["functionDeclarations"][0]["name"] == wrong


# What goes out instead.


def test_developer_stays_developer_for_openai_alone() -> None:
    messages = [{"role": "developer", "content": "a"}, HI]
    for name in ALL:
        roles = {"developer", "system", "systemInstruction"}
        sent = json.dumps(body(name, messages))
        assert {role for role in roles if f'"{role}"' in sent} == (
            {"developer"} if name in OPENAI else {"systemInstruction"} if name == "gemini" else {"system"}
        )


def test_leading_system_messages_are_one_for_every_dialect() -> None:
    messages = [SYSTEM, SYSTEM, HI, SYSTEM]
    for name in DIALECTS:
        joined = [{"role": "system", "content": "Be brief.\n\nBe brief."}, HI, SYSTEM]
        assert body(name, messages)["messages"] == (messages if name == "azure-openai" else joined)
    for name in ("openai", "ollama", "cohere"):
        assert body(name, messages)["messages"] == messages


def test_mistral_s_order_and_its_prefix() -> None:
    messages = [HI, asking("a"), answer("a"), HI, said(""), said("Once")]
    sent = body("mistral", messages)["messages"]
    assert [m["role"] for m in sent] == ["user", "assistant", "tool", "assistant", "user", "assistant"]
    assert sent[3] == said("OK")
    assert sent[-1] == {**said("Once"), "prefix": True}
    assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"] != "a"


def test_anthropic_s_blocks_hold_no_blanks() -> None:
    messages = [
        HI,
        asking("a", content=" "),
        answer("a", " "),
        said("\n"),
        picture("image/png", " ", "x"),
        said("a \n"),
    ]
    assert body("anthropic", messages)["messages"] == [
        HI,
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "now", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": ""}]},
        {"role": "user", "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
            {"type": "text", "text": "x"},
        ]},
        said("a"),
    ]  # fmt: skip
    with pytest.raises(g4flite.MessagesError, match="message 2 is empty, which this service refuses"):
        body("anthropic", [HI, {"role": "user", "content": " "}])
    marked = {"type": "text", "text": "Once ", "cache_control": {"type": "ephemeral"}}
    assert body("anthropic", [HI, said([marked])])["messages"][1]["content"] == [{**marked, "text": "Once"}]


def test_gemini_s_contents_have_parts_and_its_calls_have_ids() -> None:
    contents = body("gemini", [asking("a"), answer("a"), said(""), {"role": "user", "content": ""}])["contents"]
    assert contents == [
        {"role": "user", "parts": [{"text": ""}]},
        {"role": "model", "parts": [{"functionCall": {"id": "a", "name": "now", "args": {}}}]},
        {"role": "user", "parts": [{"functionResponse": {"id": "a", "name": "now", "response": {"result": "noon"}}}]},
        {"role": "model", "parts": [{"text": ""}]},
        {"role": "user", "parts": [{"text": ""}]},
    ]


def test_an_empty_message_is_an_item_without_parts_for_the_responses_api() -> None:
    sent = body("openai-responses", [HI, said(""), {"role": "user", "content": ""}])["input"]
    assert sent == [
        {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
        {"role": "user", "content": ""},
    ]


def test_an_image_jpg_is_an_image_jpeg_for_every_service() -> None:
    for name in ALL:
        for media in ("image/jpg", "IMAGE/JPG"):
            sent = json.dumps(body(name, [picture(media, "?")]))
            assert "jpg" not in sent.lower()
            assert name == "ollama" or "image/jpeg" in sent
