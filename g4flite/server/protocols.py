"""The six open protocols."""

from __future__ import annotations

from .anthropic import ANTHROPIC
from .cohere import COHERE
from .gemini import GEMINI
from .ollama import OLLAMA
from .openai_chat import CHAT
from .openai_responses import RESPONSES

PROTOCOLS = (CHAT, RESPONSES, ANTHROPIC, GEMINI, OLLAMA, COHERE)
