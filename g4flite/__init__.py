"""g4flite streams a chat model's answer into a Python program.

for chunk in g4flite.stream("cromicle", "Hello"): ...
async for chunk in g4flite.stream("cromicle", "Hello"): ...     # the same call: asyncio or trio
"""

from . import providers
from ._client import Client, stream
from ._errors import (
    AllFailedError,
    AuthenticationError,
    ChallengeError,
    ConnectError,
    ConnectTimeoutError,
    ContentFilterError,
    ContextLengthError,
    EmptyReplyError,
    FirstTokenTimeoutError,
    G4fliteError,
    IdleTimeoutError,
    InsecureTransportWarning,
    LimitError,
    MalformedReplyError,
    MessagesError,
    ModelNotFoundError,
    NotFoundError,
    OptionError,
    OverloadedError,
    PermissionDeniedError,
    ProviderError,
    ProviderNotFoundError,
    ProxyError,
    RateLimitError,
    ReplyError,
    RetiredProviderWarning,
    SpecError,
    StatusError,
    StreamClosedError,
    StreamConsumed,
    StreamTimeoutError,
    TLSError,
    TotalTimeoutError,
    TransportError,
    TruncatedStreamError,
    UsageError,
)
from ._events import Finish, Reasoning, Start, ToolCall, ToolCallDelta, Usage
from ._messages import Message
from ._parsers import JsonLinesParser, TextParser
from ._retry import Retry
from ._spec import JSON, Call, ChunkParser, ErrorRule, Provider
from ._stream import Attempt, Stream
from ._timeout import Timeout
from .providers import register

__version__ = "0.1.0"

__all__ = [
    "JSON",
    "AllFailedError",
    "Attempt",
    "AuthenticationError",
    "Call",
    "ChallengeError",
    "ChunkParser",
    "Client",
    "ConnectError",
    "ConnectTimeoutError",
    "ContentFilterError",
    "ContextLengthError",
    "EmptyReplyError",
    "ErrorRule",
    "Finish",
    "FirstTokenTimeoutError",
    "G4fliteError",
    "IdleTimeoutError",
    "InsecureTransportWarning",
    "JsonLinesParser",
    "LimitError",
    "MalformedReplyError",
    "Message",
    "MessagesError",
    "ModelNotFoundError",
    "NotFoundError",
    "OptionError",
    "OverloadedError",
    "PermissionDeniedError",
    "Provider",
    "ProviderError",
    "ProviderNotFoundError",
    "ProxyError",
    "RateLimitError",
    "Reasoning",
    "ReplyError",
    "RetiredProviderWarning",
    "Retry",
    "SpecError",
    "Start",
    "StatusError",
    "Stream",
    "StreamClosedError",
    "StreamConsumed",
    "StreamTimeoutError",
    "TLSError",
    "TextParser",
    "Timeout",
    "ToolCall",
    "ToolCallDelta",
    "TotalTimeoutError",
    "TransportError",
    "TruncatedStreamError",
    "Usage",
    "UsageError",
    "providers",
    "register",
    "stream",
]
