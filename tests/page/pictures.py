"""Take pictures of the page, to look at: light, dark, on a phone, and the one of the README.

.venv-page/bin/python -m tests.page.pictures build/page
"""

import shutil
import sys
import threading
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from tests.page.conftest import ready
from tests.page.gateway import DONE, Gateway, Reply, delta, finish, refusal, text

ANSWER = """Sunlight is scattered by the molecules of the air, **blue light far more than red**: the strength grows \
with the fourth power of the frequency.

| Colour | Wavelength | Scattered |
|---|---|---|
| red | 700 nm | 1.0 |
| green | 530 nm | 3.0 |
| blue | 450 nm | 5.9 |

So the sky sends blue to you from everywhere. As a function:

```python
def scattered(wavelength: float, than: float = 700e-9) -> float:
    \"\"\"Return how much more is scattered than at 700 nm (Rayleigh).\"\"\"
    return (than / wavelength) ** 4

print(f"{scattered(450e-9):.1f}")  # 5.9
```

At sunset the path through the air is long:

1. most of the blue is scattered *out* of it;
2. what is left looks [red](https://en.wikipedia.org/wiki/Rayleigh_scattering).
"""
REASONING = "The user wants the reason, briefly. Rayleigh scattering: intensity goes with 1 / wavelength^4."


def ask(page, words: str) -> None:  # type: ignore[no-untyped-def]
    page.locator("#prompt").fill(words)
    page.locator("#prompt").press("Enter")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, Gateway() as gateway:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1180, "height": 820})
        ready(page, gateway.url)
        page.screenshot(path=folder / "empty.png")
        for words in ("A name for a small boat", "Explain monads with soup", "Trains from Oslo to Bergen"):
            page.keyboard.press("Alt+n")
            ask(page, words)
            expect(page.locator(".figures")).to_be_visible()
        page.keyboard.press("Alt+n")
        gateway.replies.append(Reply([delta(reasoning_content=REASONING), text(ANSWER), finish(tokens=236), DONE]))
        ask(page, "Why is the sky blue? With a function in Python, please.")
        expect(page.locator(".figures")).to_be_visible()
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.mouse.move(700, 5)
            page.locator("#scroll").evaluate("box => box.scrollTop = 0")
            page.screenshot(path=folder / f"{scheme}.png")
        page.emulate_media(color_scheme="light")
        calls = [{"index": 0, "id": "c", "function": {"name": "weather", "arguments": '{"city": "Oslo", "days": 3}'}}]
        gateway.replies.append(
            Reply([text("Let me look that up."), delta(tool_calls=calls), finish("tool_calls"), DONE])
        )
        ask(page, "And the weather in Oslo?")
        expect(page.locator(".figures")).to_have_count(2)
        gateway.replies.append(refusal(429, "The key 'anna' may make 60 calls a minute.", {"retry-after": "12"}))
        ask(page, "Once more")
        expect(page.locator(".error")).to_be_visible()
        page.screenshot(path=folder / "error.png")
        page.get_by_role("button", name="Settings").click()
        page.screenshot(path=folder / "settings.png")
        page.keyboard.press("Escape")
        page.set_viewport_size({"width": 360, "height": 740})
        page.locator("#scroll").evaluate("box => box.scrollTop = 0")
        page.screenshot(path=folder / "phone.png")
        page.locator("#scroll").evaluate("box => box.scrollTop = 1e6")
        page.screenshot(path=folder / "phone-end.png")
        page.get_by_role("button", name="Show the list of chats").click()
        page.wait_for_timeout(400)
        page.screenshot(path=folder / "phone-side.png")
        page.keyboard.press("Escape")
        page.keyboard.press("Alt+n")
        gateway.replies.append(Reply([delta(reasoning_content=REASONING), threading.Event()]))
        ask(page, "Why is the sky blue?")
        expect(page.locator(".reasoning")).to_be_visible()
        page.emulate_media(color_scheme="dark")
        page.screenshot(path=folder / "phone-dark.png")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
