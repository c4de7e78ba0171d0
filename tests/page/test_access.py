"""The page for those who cannot see it well, or not at all: axe-core finds nothing to complain of."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.page.conftest import ready
from tests.page.gateway import DONE, Gateway, Reply, delta, finish, refusal, text

ANSWER = """# Title

Text with `code` and a [link](https://a.example/).

```python
def f(): return 'x'  # c
```

|a|b|
|-|-|
|1|2|
"""


def violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {[node['html'] for node in one['nodes']]}" for one in found]


def test_axe_finds_nothing_in_light_and_dark_wide_and_narrow(browser: Browser, gateway: Gateway) -> None:
    # axe is a script of its own, which the page's policy forbids.
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    ready(page, gateway.url)
    assert violations(page) == []
    calls = [{"index": 0, "id": "c", "function": {"name": "weather", "arguments": "{}"}}]
    whole = [delta(reasoning_content="Hm"), text(ANSWER), delta(tool_calls=calls), finish("length"), DONE]
    for reply in (Reply(whole), refusal(401, "No.")):
        gateway.replies.append(reply)
        page.locator("#prompt").fill("Hi")
        page.locator("#prompt").press("Enter")
        expect(page.locator("#send")).to_have_attribute("aria-label", "Send")
    expect(page.locator(".error")).to_be_visible()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for width in (1200, 360):
            page.set_viewport_size({"width": width, "height": 740})
            assert violations(page) == []
        page.get_by_role("button", name="Settings", exact=True).click()
        assert violations(page) == []
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Show the list of chats").click()
        expect(page.get_by_role("button", name="Close the list of chats")).to_be_focused()
        assert violations(page) == []
        page.keyboard.press("Escape")
    context.close()
