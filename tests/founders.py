"""The four founding providers, and replies of their services.

    @pytest.mark.parametrize("name", FOUNDERS)
    def test_a_reply_comes_whole(name: str, driver: Driver, server: Emulator) -> None:
        server.script = Script(body=wire(name))
        assert "".join(driver.collect(name, "Hi", base_url=server.url)) == TEXT

`said("a")` is one frame of flowgpt's; the other three send raw text.
"""

import json

from tests.splits import TEXT

FOUNDERS = ("cromicle", "free2gpt", "gprochat", "flowgpt")
# The prompt whose signatures are known.
HELLO = "Hello, how are you?"


def said(text: str) -> dict[str, str]:
    """Return the frame in which flowgpt sends a text."""
    return {"event": "text", "data": text}


def wire(name: str) -> bytes:
    """Return the body of a reply that says TEXT."""
    return json.dumps(said(TEXT), ensure_ascii=False).encode() if name == "flowgpt" else TEXT.encode()
