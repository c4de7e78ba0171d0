"""The page in a real browser: an answer is seen growing, stopped, retried, edited, kept, exported and imported."""

import base64
import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from g4flite.testing import Emulator, Reasoning, Script, ToolCall
from tests.page.conftest import ready
from tests.page.gateway import DONE, Gateway, Reply, delta, event, finish, refusal, text, whole
from tests.rows import rows

RED_DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHxgljNBAAO9TXL0Y4OHwAAAABJRU5ErkJggg=="
)


def say(page: Page, words: str) -> None:
    page.locator("#prompt").fill(words)
    page.locator("#prompt").press("Enter")


def answers(page: Page) -> Any:
    return page.locator(".assistant .text")


def idle(page: Page) -> None:
    expect(page.locator("#send")).to_have_attribute("aria-label", "Send")


def test_an_answer_is_seen_growing(page: Page, gateway: Gateway) -> None:
    first, second = threading.Event(), threading.Event()
    gateway.replies.append(Reply([first, text("One,"), second, text(" two"), text("."), finish(), DONE]))
    say(page, "Count")
    expect(page.get_by_label("Waiting for the answer")).to_be_visible()
    first.set()
    expect(answers(page)).to_have_text("One,")
    expect(page.locator(".assistant")).to_have_attribute("aria-busy", "true")
    second.set()
    expect(answers(page)).to_have_text("One, two.")
    expect(page.locator(".assistant")).to_have_attribute("aria-busy", "false")
    expect(page.locator(".figures")).to_have_text(re.compile(r"fast · 42 tokens · [\d.]+ s · \d+ tokens/s"))
    assert gateway.requests[-1] == {
        "model": "fast", "messages": [{"role": "user", "content": "Count"}], "stream": True,
        "stream_options": {"include_usage": True},
    }  # fmt: skip


def test_the_conversation_and_the_system_prompt_are_sent(page: Page, gateway: Gateway) -> None:
    page.locator("#model").select_option("smart")
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("System prompt of this chat").fill("Be brief.")
    page.keyboard.press("Escape")
    for words in ("Hi", "And you?"):
        say(page, words)
        idle(page)
        expect(answers(page).last).to_have_text(f"You said: {words}")
    assert gateway.requests[-1]["model"] == "smart"
    assert gateway.requests[-1]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "You said: Hi"},
        {"role": "user", "content": "And you?"},
    ]


@rows("how", ["button", "Escape"])
def test_stop_leaves_at_once_and_keeps_what_came(how: str, page: Page, gateway: Gateway) -> None:
    reply = Reply([text("One,"), threading.Event(), text(" two"), finish(), DONE])
    gateway.replies.append(reply)
    page.keyboard.press("Alt+n")
    say(page, "Count")
    expect(answers(page)).to_have_text("One,")
    if how == "button":
        page.get_by_role("button", name="Stop").click()
    else:
        page.keyboard.press("Escape")
    expect(page.locator(".assistant")).to_contain_text("You stopped this answer.")
    assert reply.left.wait(60)
    expect(answers(page)).to_have_text("One,")
    say(page, "Go on")
    idle(page)
    assert gateway.requests[-1]["messages"][1] == {"role": "assistant", "content": "One,"}


def test_reasoning_is_folded_and_tool_calls_are_shown(page: Page, gateway: Gateway) -> None:
    gate = threading.Event()
    calls = [
        delta(tool_calls=[{"index": 0, "id": "c1", "function": {"name": "weather", "arguments": '{"ci'}}]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": 'ty": "Oslo"}'}}]),
    ]
    thinking = [delta(reasoning_content="Hm, "), gate, delta(reasoning_content="snow?")]
    gateway.replies.append(Reply([*thinking, text("Let me look."), *calls, finish("tool_calls"), DONE]))
    say(page, "Weather?")
    expect(page.locator(".reasoning summary")).to_have_text("Reasoning …")
    expect(page.locator(".reasoning .plain")).to_be_hidden()
    page.locator(".reasoning summary").click()
    gate.set()
    idle(page)
    # It stays as the reader has left it.
    expect(page.locator(".reasoning .plain")).to_be_visible()
    expect(page.locator(".reasoning .plain")).to_have_text("Hm, snow?")
    expect(answers(page)).to_have_text("Let me look.")
    expect(page.locator(".call summary")).to_have_text("Tool call: weather")
    expect(page.locator(".call pre")).to_have_text('{\n  "city": "Oslo"\n}')


def test_what_the_emulator_says_is_read(page: Page, gateway: Gateway) -> None:
    with Emulator(
        lambda messages: [Reasoning("Hm"), "Sunny", ToolCall("", "weather", '{"city": "Oslo"}')],
        script=Script(dialect="deepseek", split=3),
    ) as emulator:
        gateway.forward = f"{emulator.url}/v1"
        say(page, "Weather?")
        idle(page)
    expect(page.locator(".assistant .error")).to_have_count(0)
    expect(answers(page)).to_have_text("Sunny")
    expect(page.locator(".reasoning .plain")).to_have_text("Hm")
    expect(page.locator(".call summary")).to_have_text("Tool call: weather")


WHOLE_ERROR = event(choices=[{"index": 0, "delta": {}, "finish_reason": "error"}], error={"message": "Overloaded"})


@rows(
    ("rest", "cut", "said"),
    [
        ([WHOLE_ERROR], False, "Overloaded"),
        ([event(error="all is lost")], False, "all is lost"),
        ([event(error={"code": 500})], False, "The answer failed."),
        # No [DONE], with and without a finish reason, with a clean end and without.
        ([], False, "The answer was cut off before its end."),
        ([finish()], False, "The answer was cut off before its end."),
        ([b"data: [DONE]"], False, "The answer was cut off before its end."),
        ([], True, "The connection was lost in the middle of the answer."),
        ([b"data: {oops\n\n"], False, "The gateway sent something that is no JSON."),
    ],
)
def test_an_answer_that_fails_in_the_middle_keeps_its_text(
    rest: list[bytes], cut: bool, said: str, page: Page, gateway: Gateway
) -> None:
    gate = threading.Event()
    gateway.replies.append(Reply([text("One,"), gate, *rest], cut=cut))
    page.keyboard.press("Alt+n")
    say(page, "Count")
    expect(answers(page)).to_have_text("One,")
    gate.set()
    expect(page.locator(".error strong")).to_have_text(said)
    expect(page.locator(".error p")).to_have_text("What came is kept above; retry to ask again.")
    expect(answers(page)).to_have_text("One,")
    idle(page)
    expect(page.locator("#live")).to_contain_text(said)
    page.get_by_role("button", name="Retry").click()
    expect(answers(page)).to_have_text("You said: Count")
    idle(page)
    # The failed answer is a version beside the new one.
    page.get_by_role("button", name="Previous version").last.click()
    expect(answers(page)).to_have_text("One,")
    expect(page.locator(".error strong")).to_have_text(said)


@rows(
    ("reply", "said", "advice", "then"),
    [
        (Reply([]), "The answer was cut off", "Nothing of it came; retry to ask again.", None),
        (Reply([WHOLE_ERROR]), "Overloaded", "Nothing of it came; retry to ask again.", None),
        (refusal(402, "Spent."), "Spent.", "The budget is spent: use another key", "Open the settings"),
        (refusal(429, "No.", code="insufficient_quota"), "No.", "The budget is spent", "Open the settings"),
        (refusal(403, "Not that model."), "Not that model.", "This key may not do that", "Open the settings"),
        (refusal(404, "No such model."), "No such model.", "Choose another model", "Choose a model"),
        (refusal(400, "Bad."), "Bad.", "Edit your message or choose another model.", "Choose a model"),
        (refusal(400, "Long.", code="context_length_exceeded"), "Long.", "Begin a new chat", None),
        (refusal(413, "Large."), "Large.", "Send a shorter message", None),
        (refusal(429, "Slow.", {"retry-after": "7"}), "Slow.", "Wait 7 seconds, then retry.", None),
        (refusal(429, "Slow."), "Slow.", "Wait a moment, then retry.", None),
        (refusal(503, "Busy."), "Busy.", "Retry in a moment, or choose another model.", None),
        (
            Reply([b"<html>"], 502, {"content-type": "text/html"}),
            "The gateway answered 502.",
            "Retry in a moment",
            None,
        ),
        (Reply([b"{}"], 200, {"content-type": "application/json"}), "something other than a stream", "Retry.", None),
    ],
)
def test_an_error_before_the_answer_says_what_to_do(
    reply: Reply, said: str, advice: str, then: str | None, page: Page, gateway: Gateway
) -> None:
    gateway.replies.append(reply)
    page.keyboard.press("Alt+n")
    say(page, "Hi")
    expect(page.locator(".error strong")).to_contain_text(said)
    expect(page.locator(".error p")).to_contain_text(advice)
    assert page.locator(".error button").all_inner_texts() == ["Retry", *([then] if then else [])]


def test_a_gateway_that_is_gone_is_told(page: Page, gateway: Gateway, context: BrowserContext) -> None:
    context.set_offline(True)
    say(page, "Hi")
    expect(page.locator(".error strong")).to_have_text("The gateway cannot be reached.")
    context.set_offline(False)
    page.get_by_role("button", name="Retry").click()
    expect(answers(page)).to_have_text("You said: Hi")


def test_a_message_is_edited_and_both_branches_stay(page: Page, gateway: Gateway) -> None:
    say(page, "First")
    idle(page)
    say(page, "Second")
    idle(page)
    page.get_by_role("button", name="Edit the message").first.click()
    expect(page.locator("#prompt")).to_have_value("First")
    say(page, "Other")
    idle(page)
    expect(answers(page)).to_have_text(["You said: Other"])
    assert gateway.requests[-1]["messages"] == [{"role": "user", "content": "Other"}]
    expect(page.locator(".branches")).to_have_text("2 / 2")
    page.get_by_role("button", name="Previous version").click()
    expect(answers(page)).to_have_text(["You said: First", "You said: Second"])
    page.reload()
    expect(answers(page)).to_have_text(["You said: First", "You said: Second"])
    page.get_by_role("button", name="Next version").click()
    expect(answers(page)).to_have_text(["You said: Other"])


def test_escape_leaves_a_message_as_it_was(page: Page, gateway: Gateway) -> None:
    say(page, "First")
    idle(page)
    page.get_by_role("button", name="Edit the message").click()
    page.keyboard.press("Escape")
    expect(page.locator("#prompt")).to_have_value("")
    say(page, "Second")
    idle(page)
    assert [one["content"] for one in gateway.requests[-1]["messages"]] == ["First", "You said: First", "Second"]


def test_an_answer_is_asked_for_again(page: Page, gateway: Gateway) -> None:
    gateway.replies += [whole("One"), whole("Two")]
    say(page, "Hi")
    idle(page)
    page.get_by_role("button", name="Ask again").click()
    expect(answers(page)).to_have_text("Two")
    assert gateway.requests[0] == gateway.requests[1]
    page.get_by_role("button", name="Previous version").click()
    expect(answers(page)).to_have_text("One")


def test_the_history_outlives_a_reload_and_chats_are_found_renamed_and_deleted(page: Page, gateway: Gateway) -> None:
    for words in ("About cats", "About dogs"):
        page.get_by_role("button", name="New chat").first.click()
        say(page, words)
        idle(page)
    page.reload()
    titles = page.locator("#chats .chat")
    expect(titles).to_have_text(["About dogs", "About cats"])
    expect(answers(page)).to_have_text("You said: About dogs")
    page.get_by_label("Search chats").fill("CATS")
    expect(titles).to_have_text(["About cats"])
    titles.click()
    expect(answers(page)).to_have_text("You said: About cats")
    page.get_by_label("Search chats").fill("")
    page.once("dialog", lambda dialog: dialog.accept("Felines"))
    page.get_by_role("button", name="Rename About cats").click()
    expect(titles).to_have_text(["About dogs", "Felines"])
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete Felines").click()
    expect(titles).to_have_text(["About dogs"])
    page.reload()
    expect(titles).to_have_text(["About dogs"])


# What the browser keeps; this is read when all that was written before is on the disk.
KEPT = """() => new Promise(resolve => {
    const opened = indexedDB.open("g4flite", 1);
    opened.onsuccess = () => {
        const read = opened.result.transaction("chats").objectStore("chats").getAll();
        read.onsuccess = () => (opened.result.close(), resolve(JSON.stringify(read.result)));
    };
})"""


def test_a_page_that_is_closed_keeps_what_came(page: Page, gateway: Gateway) -> None:
    gateway.replies.append(Reply([text("One,"), text(" two"), threading.Event()]))
    page.clock.install()
    say(page, "Count")
    expect(answers(page)).to_have_text("One, two")
    page.clock.run_for(3000)
    assert "One, two" in page.evaluate(KEPT)
    page.reload()
    expect(answers(page)).to_have_text("One, two")
    expect(page.locator(".error strong")).to_have_text("The page was closed while this answer came.")


def test_chats_are_exported_and_imported_elsewhere(
    page: Page, gateway: Gateway, context: BrowserContext, browser: Any
) -> None:
    gateway.key = "sk-secret-1"
    page.reload()
    # Before the page is ready, it opens no settings and sends nothing.
    expect(page.locator("#notice")).to_contain_text("This gateway wants a key.")
    page.get_by_label("API key").fill("sk-secret-1")
    page.keyboard.press("Escape")
    expect(page.locator("#model option")).to_have_count(2)
    gateway.replies.append(whole("# Title"))
    say(page, "Export me")
    expect(page.locator(".assistant h1")).to_have_text("Title")
    idle(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Export", exact=True).click()
    path = download.value.path()
    exported = json.loads(Path(path).read_text())
    assert (exported["format"], exported["version"], len(exported["chats"])) == ("g4flite-chats", 1, 1)
    assert "sk-secret-1" not in json.dumps(exported)
    gateway.key = None
    elsewhere = browser.new_context()
    other = elsewhere.new_page()
    ready(other, gateway.url)
    other.locator("#import-file").set_input_files(path)
    expect(other.locator("#notice")).to_contain_text("1 chat was imported.")
    other.get_by_role("button", name="Export me", exact=True).click()
    expect(other.locator(".assistant h1")).to_have_text("Title")
    other.reload()
    expect(other.locator(".assistant h1")).to_have_text("Title")
    elsewhere.close()


MESSAGE = {"id": "m", "parent": None, "role": "user", "text": "Hi", "images": []}
CHAT = {"id": "c", "title": "T", "leaf": "m", "messages": {"m": MESSAGE}}


def file_of(*chats: Any, **more: Any) -> str:
    return json.dumps({"format": "g4flite-chats", "version": 1, "chats": chats, **more})


@rows(
    ("text", "said"),
    [
        ("{", "This file is no JSON."),
        ("null", "This file holds no chats."),
        (file_of(version=2), "This file comes from a newer version of the page."),
        (file_of({**CHAT, "leaf": "x"}), "A chat of this file is damaged."),
        (file_of({**CHAT, "id": ""}), "A chat of this file is damaged."),
        (file_of(None), "A chat of this file is damaged."),
        (file_of({**CHAT, "messages": {"m": {**MESSAGE, "role": "system"}}}), "A chat of this file is damaged."),
        (file_of({**CHAT, "messages": {"m": {**MESSAGE, "parent": "m"}}}), "A chat of this file is damaged."),
        (file_of({**CHAT, "messages": {"m": {**MESSAGE, "parent": "x"}}}), "A chat of this file is damaged."),
    ],
)
def test_a_file_that_cannot_be_imported_changes_nothing(text: str, said: str, page: Page, tmp_path: Path) -> None:
    (tmp_path / "chats.json").write_text(text)
    page.locator("#import-file").set_input_files(tmp_path / "chats.json")
    expect(page.locator("#notice")).to_contain_text(said)
    expect(page.locator("#chats .chat")).to_have_count(0)


def test_an_imported_chat_brings_no_image_from_elsewhere(page: Page, tmp_path: Path) -> None:
    images = ["https://evil.example/x.png", "javascript:alert(1)", "data:image/svg+xml;base64,AAAA"]
    chat = {**CHAT, "messages": {"m": {**MESSAGE, "images": images, "text": "<img src=x onerror=alert(1)>"}}}
    (tmp_path / "chats.json").write_text(file_of(chat))
    page.locator("#import-file").set_input_files(tmp_path / "chats.json")
    page.get_by_role("button", name="T", exact=True).click()
    expect(page.locator(".user .bubble")).to_have_text("<img src=x onerror=alert(1)>")
    expect(page.locator(".user img")).to_have_count(0)


def test_images_are_pasted_removed_and_sent(page: Page, gateway: Gateway) -> None:
    paste = """bytes => {
        const file = new File([new Uint8Array(bytes)], "dot.png", {type: "image/png"});
        const data = new DataTransfer();
        data.items.add(file);
        const event = new ClipboardEvent("paste", {clipboardData: data, bubbles: true});
        document.querySelector("#prompt").dispatchEvent(event);
    }"""
    for count in (1, 2):
        page.evaluate(paste, [*RED_DOT])
        expect(page.locator("#images img")).to_have_count(count)
    page.get_by_role("button", name="Remove image 2").click()
    say(page, "What is this?")
    idle(page)
    url = f"data:image/png;base64,{base64.b64encode(RED_DOT).decode()}"
    assert gateway.requests[-1]["messages"] == [
        {
            "role": "user",
            "content": [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}],
        }
    ]
    expect(page.locator("#images img")).to_have_count(0)
    page.reload()
    expect(page.locator(".user img")).to_have_attribute("src", url)
    page.locator("#attach-file").set_input_files({"name": "a.txt", "mimeType": "text/plain", "buffer": b"no"})
    expect(page.locator("#notice")).to_contain_text("a.txt is no image that models read.")


@pytest.mark.parametrize("remember", [False, True])
def test_the_key_is_kept_only_if_asked(remember: bool, page: Page, gateway: Gateway) -> None:
    gateway.key = "sk-secret-1"
    page.reload()
    expect(page.locator("#notice")).to_contain_text("This gateway wants a key. Enter your API key in the settings")
    page.get_by_label("API key").fill(" sk-secret-1 ")
    page.get_by_label("Keep the key in this browser").set_checked(remember)
    page.get_by_role("button", name="Close the settings").click()
    expect(page.locator("#model option")).to_have_count(2)
    say(page, "Hi")
    idle(page)
    expect(answers(page)).to_have_text("You said: Hi")
    kept = page.evaluate("() => JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert ("sk-secret-1" in kept) == remember
    page.reload()
    expect(page.locator("#settings")).to_be_visible(visible=not remember)
    assert gateway.keys[-1] == ("Bearer sk-secret-1" if remember else None)


def test_code_is_coloured_and_copied(page: Page, gateway: Gateway) -> None:
    gateway.replies.append(
        whole("Look:\n\n```python\ndef f():\n    return '<b>'\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |")
    )
    say(page, "Code")
    idle(page)
    expect(page.locator(".code-bar")).to_have_text("python")
    expect(page.locator(".code .hljs-keyword").first).to_have_text("def")
    page.get_by_role("button", name="Copy the code").click()
    expect(page.locator("#live")).to_have_text("Copied.")
    assert page.evaluate("() => navigator.clipboard.readText()") == "def f():\n    return '<b>'"
    expect(page.locator("td").first).to_have_text("1")


def test_sentences_are_told_to_screen_readers_when_they_are_whole(page: Page, gateway: Gateway) -> None:
    gate, end = threading.Event(), threading.Event()
    gateway.replies.append(Reply([text("One. Tw"), gate, text("o. Three"), end, finish(), DONE]))
    say(page, "Count")
    expect(page.locator("#live")).to_have_text("One.")
    gate.set()
    expect(page.locator("#live")).to_have_text("Two.")
    end.set()
    expect(page.locator("#live")).to_have_text("Three")


def test_the_page_is_used_by_keyboard_alone(page: Page, gateway: Gateway) -> None:
    expect(page.locator("#prompt")).to_be_focused()
    page.keyboard.type("One")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("two")
    page.keyboard.press("Enter")
    idle(page)
    assert gateway.requests[-1]["messages"][-1]["content"] == "One\ntwo"
    page.keyboard.press("Alt+n")
    expect(page.locator(".message")).to_have_count(0)
    expect(page.locator("#prompt")).to_be_focused()
    names = set()
    for _ in range(12):
        page.keyboard.press("Shift+Tab")
        names.add(
            page.evaluate(
                "() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent"
            )
        )
    assert {"Settings", "Model", "Attach images", "Export", "Import", "Search chats", "New chat", "One two"} <= names


def test_two_chats_answer_at_the_same_time(page: Page, gateway: Gateway) -> None:
    gate = threading.Event()
    gateway.replies.append(Reply([text("Slow"), gate, text(" and steady"), finish(), DONE]))
    say(page, "First")
    expect(answers(page)).to_have_text("Slow")
    page.get_by_role("button", name="New chat").first.click()
    say(page, "Second")
    idle(page)
    expect(answers(page)).to_have_text("You said: Second")
    gate.set()
    page.locator("#chats .chat", has_text="First").click()
    expect(answers(page)).to_have_text("Slow and steady")


@rows("width", [320, 360])
def test_a_phone_scrolls_down_alone(width: int, page: Page, gateway: Gateway) -> None:
    page.set_viewport_size({"width": width, "height": 640})
    long = "word" * 60
    gateway.replies.append(
        whole(f"{long}\n\n```python\n{'x = 1; ' * 40}\n```\n\n| {'column |' * 12}\n|{'---|' * 12}\n| {'cell |' * 12}")
    )
    say(page, long)
    idle(page)
    gateway.replies.append(refusal(500, long))
    say(page, "Again")
    expect(page.locator(".error")).to_be_visible()
    sizes = "() => [document.documentElement.scrollWidth, document.querySelector('#scroll').scrollWidth]"
    assert max(page.evaluate(sizes)) <= width
    expect(page.locator("#side")).to_be_hidden()
    page.get_by_role("button", name="Show the list of chats").click()
    expect(page.locator("#side")).to_be_visible()
    expect(page.get_by_role("button", name="Close the list of chats")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#side")).to_be_hidden()
    page.get_by_role("button", name="Settings").click()
    assert max(page.evaluate(sizes)) <= width
    assert page.locator("#settings").bounding_box()["width"] <= width
    page.keyboard.press("Escape")
    page.keyboard.press("Alt+n")


def test_dark_and_light_follow_the_system_until_one_is_chosen(page: Page) -> None:
    ground = "() => getComputedStyle(document.documentElement).backgroundColor"
    light, dark = "rgb(255, 255, 255)", "rgb(22, 24, 27)"
    assert page.evaluate(ground) == light
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(ground) == dark
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("Light").check()
    assert page.evaluate(ground) == light
    page.reload()
    assert page.evaluate(ground) == light
