"""A PDF and a question about it; the file is read at the call, and goes out in the form of the service."""

import os
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import g4flite
from g4flite.testing import Emulator


def summary(path: Path, url: str) -> str:
    """Return what the model says about a PDF."""
    parts = [
        {"type": "text", "text": "Sum up this report in a sentence, please."},
        {"type": "file", "file": {"file_data": path}},
    ]
    messages = [{"role": "user", "content": parts}]
    try:
        return g4flite.stream("anthropic", messages, model="claude-sonnet-4-5", base_url=url, api_key="any").text()
    except g4flite.G4fliteError as error:
        return f"[{type(error).__name__}]"


with ExitStack() as stack:
    report = Path(stack.enter_context(TemporaryDirectory())) / "report.pdf"
    report.write_bytes(b"%PDF-1.7\n%%EOF\n")
    url = os.environ.get("BASE_URL") or stack.enter_context(Emulator()).url
    print(summary(report, url))
