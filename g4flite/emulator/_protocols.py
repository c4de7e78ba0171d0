"""The six open protocols."""

from __future__ import annotations

from ._anthropic import ANTHROPIC
from ._chat import CHAT
from ._cohere import COHERE
from ._gemini import GEMINI
from ._ollama import OLLAMA
from ._responses import RESPONSES

PROTOCOLS = (CHAT, RESPONSES, ANTHROPIC, GEMINI, OLLAMA, COHERE)
