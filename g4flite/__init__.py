"""g4flite streams a chat model's answer into a Python program.

for chunk in g4flite.stream("cromicle", "Hello"): ...
async for chunk in g4flite.stream("cromicle", "Hello"): ...     # the same call: asyncio or trio
"""

from . import providers
from ._client import Client, stream
from ._errors import (
    ChallengeError,
    ConnectError,
    EmptyReplyError,
    G4fliteError,
    LimitError,
    MalformedReplyError,
    MessagesError,
    ModelNotFoundError,
    OptionError,
    ProviderNotFoundError,
    ProxyError,
    RateLimitError,
    ReplyError,
    RetiredProviderWarning,
    SpecError,
    StatusError,
    StreamConsumed,
    StreamTimeoutError,
    TLSError,
    TransportError,
    TruncatedStreamError,
    UsageError,
)
from ._messages import Message
from ._parsers import JsonLinesParser, TextParser
from ._spec import JSON, Call, ChunkParser, ErrorRule, Provider
from ._stream import Stream
from .providers import register

__version__ = "0.1.0"

__all__ = [
    "JSON",
    "Call",
    "ChallengeError",
    "ChunkParser",
    "Client",
    "ConnectError",
    "EmptyReplyError",
    "ErrorRule",
    "G4fliteError",
    "JsonLinesParser",
    "LimitError",
    "MalformedReplyError",
    "Message",
    "MessagesError",
    "ModelNotFoundError",
    "OptionError",
    "Provider",
    "ProviderNotFoundError",
    "ProxyError",
    "RateLimitError",
    "ReplyError",
    "RetiredProviderWarning",
    "SpecError",
    "StatusError",
    "Stream",
    "StreamConsumed",
    "StreamTimeoutError",
    "TLSError",
    "TextParser",
    "TransportError",
    "TruncatedStreamError",
    "UsageError",
    "providers",
    "register",
    "stream",
]
