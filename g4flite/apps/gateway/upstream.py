"""`Upstream`: a provider's client, as the gateway asks it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ... import MessagesError, OptionError
from ..._core.exchange import Route
from ...client import Client
from ...server.conversation import Messages
from ...server.framing import compact
from .carry import HINTS
from .passing import as_passing, body_for, headers_for, takes_usage_option, wire_of
from .wires import CHAT, Wire

# How long the first text of an answer that is not streamed may take, in seconds, if the client of the provider allows
# less: it comes with the last one.  The official clients wait as long.
WHOLE = 600.0


def loose(tool: dict[str, Any]) -> dict[str, Any]:
    """Return a function without `strict`, which asks that its arguments fit the schema."""
    function = {name: value for name, value in tool["function"].items() if name != "strict"}
    return {**tool, "function": function}


def has_name(message: dict[str, Any]) -> bool:
    """Return whether a message is an answer that says who has given it."""
    return message["role"] == "assistant" and "name" in message


def nameless(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message without the name of the assistant who has given it."""
    return {key: value for key, value in message.items() if key != "name"} if has_name(message) else message


class Upstream:
    """One client of a route."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.provider = client._call.provider
        self._wire = wire_of(self.provider)
        # Those that answer one key's call are nothing for another's.
        client._pool.keep_no_cookies()
        # By whether the answer is whole, or streamed.
        self._passing = {whole: as_passing(client, whole=whole) for whole in (True, False)}
        self._usage_option = self._wire is CHAT and takes_usage_option(client)
        # How many calls may ask it now, and whether no further ones will.
        self.calls, self.retired = 0, False

    async def release(self) -> None:
        """Note that a call has ended; the last call of a client that no route has any more closes it."""
        self.calls -= 1
        await self.close_if_idle()

    async def close_if_idle(self) -> None:
        """Close the client if no route has it, and no call needs it."""
        if self.retired and not self.calls:
            await self.client.aclose()

    @property
    def models(self) -> tuple[str, ...]:
        """The models that are known to be there: the client's own, or else those that the provider lists."""
        own = self.client._call.model
        return self.provider.models or ((own,) if own else ())

    def model_for(self, name: str) -> str:
        """Return the model that is asked for a name: the client's own, or else the model of this name."""
        return self.client._call.model or name

    def route(self, name: str, messages: Messages, options: dict[str, Any], notes: list[str]) -> Route:
        """Return the route of a question in common terms, for `client.start`.

        An option that only hints is left out if the provider does not know it, and `notes` say so; so are `strict` of a
        tool and an assistant's `name`, which clients send without being told to.  Raises a `UsageError` for what the
        provider cannot be asked.
        """
        options = dict(options)
        # What each model does by itself.
        if options.get("tool_choice") == "auto" and "tool_choice" not in self.provider.options:
            del options["tool_choice"]
        for hint in HINTS:
            if hint in options and hint not in self.provider.options:
                del options[hint]
                notes.append(f"left out for {self.provider.name}: {hint}")
        while True:
            try:
                return self._route(self.client, name, messages, options)
            except OptionError as error:
                left = error.argument
                if left in HINTS and left in options:
                    del options[left]
                elif any("strict" in tool["function"] for tool in options.get("tools", ())):
                    options["tools"], left = [loose(tool) for tool in options["tools"]], "tools.strict"
                else:
                    raise
            except MessagesError:
                if not any(map(has_name, messages)):
                    raise
                messages, left = [*map(nameless, messages)], "messages.name"
            notes.append(f"left out for {self.provider.name}: {left}")

    def passes(self, wire: Wire) -> bool:
        """Return whether an answer can go on to this wire as it came.

        A client with options or a system prompt of its own asks in common terms, which these belong to.
        """
        call = self.client._call
        return wire is self._wire and not (call.options or call.extra or call.answer_type or self.client._system)

    def route_as_it_is(
        self, wire: Wire, name: str, data: dict[str, Any], headers: Mapping[str, str], *, whole: bool
    ) -> Route:
        """Return the route of a client's own request, whose answer is passed on."""
        extra = body_for(wire, data, whole=whole, usage_option=self._usage_option)
        # The messages are in `extra`; these stand for them where the prompt is estimated.
        said = [{"role": "user", "content": compact(extra)}]
        timeout = self.client._timeout
        if whole and timeout.first_token is not None:
            timeout = replace(timeout, first_token=max(timeout.first_token, WHOLE))
        asking, named = self._passing[whole], headers_for(wire, headers)
        return asking._route(said, None, self.model_for(name), named, timeout, None, extra, {})

    def _route(self, client: Client, name: str, messages: Messages, options: dict[str, Any]) -> Route:
        return client._route(messages, None, self.model_for(name), None, None, None, None, options)
