"""g4flite streams a chat model's answer into a Python program.

for chunk in g4flite.stream("cromicle", "Hello"): ...
async for chunk in g4flite.stream("cromicle", "Hello"): ...     # the same call: asyncio or trio

Each public name is imported from its module when a program first uses the name (PEP 562).  So `import g4flite` alone
takes a millisecond or two, and does not import httpx.
"""

# Type checkers take this name for `typing.TYPE_CHECKING`; to import `typing` would take longer than all of this module.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import providers
    from ._core.errors import (
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
        SyncInAsyncWarning,
        TLSError,
        TotalTimeoutError,
        TransportError,
        TruncatedStreamError,
        UsageError,
    )
    from ._core.events import (
        ChunkParser,
        Citation,
        Event,
        Finish,
        FinishReason,
        Media,
        Native,
        Reasoning,
        ServerToolCall,
        ServerToolResult,
        Start,
        ToolCall,
        ToolCallDelta,
        TurnState,
        Usage,
    )
    from ._core.exchange import Attempt
    from ._core.hooks import observe
    from ._core.ledger import Figure, Ledger, Price, Sums
    from ._core.messages import Message
    from ._core.observed import ObservedAttempt, ObservedCall, ObservedEnd, ObservedFirst
    from ._core.parsed import Partials
    from ._core.provider import JSON, Call, ErrorRule, Provider
    from ._core.response.parsers import JsonLinesParser, TextParser
    from ._core.settings import Retry, Timeout
    from ._core.stream import Events, Stream
    from ._core.tools import tool_result
    from .client import Client, HttpClient, Messages, ProviderLike, stream
    from .conversation import Answer, Conversation
    from .providers import register

__version__ = "0.1.0"

__all__ = [
    "JSON",
    "AllFailedError",
    "Answer",
    "Attempt",
    "AuthenticationError",
    "Call",
    "ChallengeError",
    "ChunkParser",
    "Citation",
    "Client",
    "ConnectError",
    "ConnectTimeoutError",
    "ContentFilterError",
    "ContextLengthError",
    "Conversation",
    "EmptyReplyError",
    "ErrorRule",
    "Event",
    "Events",
    "Figure",
    "Finish",
    "FinishReason",
    "FirstTokenTimeoutError",
    "G4fliteError",
    "HttpClient",
    "IdleTimeoutError",
    "InsecureTransportWarning",
    "JsonLinesParser",
    "Ledger",
    "LimitError",
    "MalformedReplyError",
    "Media",
    "Message",
    "Messages",
    "MessagesError",
    "ModelNotFoundError",
    "Native",
    "NotFoundError",
    "ObservedAttempt",
    "ObservedCall",
    "ObservedEnd",
    "ObservedFirst",
    "OptionError",
    "OverloadedError",
    "Partials",
    "PermissionDeniedError",
    "Price",
    "Provider",
    "ProviderError",
    "ProviderLike",
    "ProviderNotFoundError",
    "ProxyError",
    "RateLimitError",
    "Reasoning",
    "ReplyError",
    "RetiredProviderWarning",
    "Retry",
    "ServerToolCall",
    "ServerToolResult",
    "SpecError",
    "Start",
    "StatusError",
    "Stream",
    "StreamClosedError",
    "StreamConsumed",
    "StreamTimeoutError",
    "Sums",
    "SyncInAsyncWarning",
    "TLSError",
    "TextParser",
    "Timeout",
    "ToolCall",
    "ToolCallDelta",
    "TotalTimeoutError",
    "TransportError",
    "TruncatedStreamError",
    "TurnState",
    "Usage",
    "UsageError",
    "observe",
    "providers",
    "register",
    "stream",
    "tool_result",
]

# The module of each public name; most of the names are errors.  "" stands for a name that is a module itself.
_HOME = dict.fromkeys(__all__, "_core.errors") | {
    **dict.fromkeys(("Client", "HttpClient", "Messages", "ProviderLike", "stream"), "client"),
    **dict.fromkeys("ChunkParser Citation Event Finish FinishReason Media Native Reasoning ServerToolCall "
                    "ServerToolResult Start ToolCall ToolCallDelta TurnState Usage".split(), "_core.events"),
    **dict.fromkeys(("JsonLinesParser", "TextParser"), "_core.response.parsers"),
    **dict.fromkeys(("JSON", "Call", "ErrorRule", "Provider"), "_core.provider"),
    **dict.fromkeys(("Retry", "Timeout"), "_core.settings"), "Attempt": "_core.exchange",
    **dict.fromkeys(("Events", "Stream"), "_core.stream"), "Message": "_core.messages",
    "Partials": "_core.parsed",
    **dict.fromkeys("ObservedAttempt ObservedCall ObservedEnd ObservedFirst".split(), "_core.observed"),
    "observe": "_core.hooks", **dict.fromkeys(("Figure", "Ledger", "Price", "Sums"), "_core.ledger"),
    **dict.fromkeys(("Answer", "Conversation"), "conversation"), "tool_result": "_core.tools",
    "providers": "", "register": "providers",
}  # fmt: skip


def __dir__() -> list[str]:
    """Return all public names, also those that were not imported yet."""
    return sorted({*globals(), *__all__})


# Type checkers do not see this function.  If they did, they would take a misspelt name for one that it returns.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a public name from its module, and keep it here so that Python asks for it once."""
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        # Here, so that `import g4flite` alone does not pay for it.
        from importlib import import_module  # noqa: PLC0415

        module = import_module(f".{_HOME[name] or name}", __name__)
        found = globals()[name] = getattr(module, name) if _HOME[name] else module
        return found
