"""Write the guide to a provider, and the tables of all providers, from a `Provider`'s fields and docstrings.

    guide("cromicle")       # `g4flite guide cromicle` prints the same
    guide(MY_PROVIDER)      # the docstrings of its signer, payload builder and parser stand in the guide

`TEMPLATE` is the text of a guide. To fill it in, a sample call goes through the provider's own signer and payload
builder, so that a guide shows the names that the real request has. Nothing is sent, and no provider is known by name.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import count
from operator import attrgetter
from typing import Any
from urllib.parse import urlsplit

from .. import Call, Message, Provider, Retry, Timeout, providers
from .._core.request import base_url_variable
from .._core.secrets import is_secret
from .cli import PACKAGE

# `#.` becomes the number of a step. A line whose first field is empty is left out.
TEMPLATE = """\
# How to Use This Code Block

## Description

The provider `{spec.name}` streams the answer of a chat model.

{about}

- **Protocol:** {protocol}
- **Endpoint:** `POST {url}`
- **Base URL:** `base_url=`, else the environment variable {variables}{public}
- **Retired:** upstream since {retired}. The public host may be gone or belong to someone else: `base_url=` names a \
server of your own, or the emulator
- **Key:** {key}
- **Models:** {models}
- **Aliases:** {aliases}
- **Options:** {options}

## Execution Steps

`stream()` checks the call before anything is sent. A mistake raises a `UsageError`:

#. **Checks the arguments.** Messages that are neither a string nor a list in the form of `Message` raise \
`MessagesError`. An option that is not listed above or has another type, and a header that HTTP cannot carry, raise \
`OptionError`.
#. **Resolves the model.** An alias becomes its model, a missing `model=` the default model. A model that is not \
listed above, and a missing one that the request needs, raise `ModelNotFoundError`.
#. **Resolves the base URL and the key.** The argument counts first, then the first environment variable that is set. \
A missing base URL, a missing key (unless `headers=` holds it), and a key that the service cannot use raise \
`OptionError`.
#. **Builds the first request.** Runs the steps below up to "Builds the body"; messages and options that this provider \
cannot carry raise `MessagesError` and `OptionError`.
#. **Returns the stream.** Warns of a key that would travel over plain http to another machine \
(`InsecureTransportWarning`), and of a retired service at its public base URL (`RetiredProviderWarning`).

The loop sends the request and reads the reply, `for` and `async for` alike:

#. **Signs the request.** Calls {signer}
#. **Fills in the URL and the headers.** A name in braces stands for its value. The headers in `headers=` win.

    ```http
    POST {url}
    {headers}
    ```

#. **Builds the body.** Calls {payload} At the Unix time {now:.3f}, the messages

    ```json
    {messages}
    ```

    with {chosen} make the body

    ```json
    {body}
    ```

    The fields in `extra=` are added as they are.
#. **Sends the request.** Raises `ConnectTimeoutError` if no connection stands after {timeout.connect:g} s, and \
`FirstTokenTimeoutError` if no text came {timeout.first_token:g} s after the first byte was sent. \
`timeout={package}.Timeout(connect=..., first_token=...)` sets both; a number limits the whole answer. Follows no \
redirect.
#. **Checks the status.** A status outside 200-299 raises the first of these errors that fits:

    - 407: `ProxyError`
    {errors}
    - 403 or 503 with a challenge page as the body: `ChallengeError`
    - a body with a known code, type or message of an error: its class, like `ContextLengthError`
    - the status alone: 401 `AuthenticationError`, 403 `PermissionDeniedError`, 404 `NotFoundError`, 429 \
`RateLimitError`, 529 `OverloadedError`, any other `StatusError`
#. **Checks the content type.** A reply of the type {error_types} is no answer, unless its body is one nevertheless: \
it raises the error that it reports, else `MalformedReplyError`.
#. **Decodes the reply.** Feeds the bytes to a parser made by {parser} An error inside the reply raises its class, as \
above, or `ProviderError`; a frame of more than {spec.max_frame:,} bytes, and a compressed reply that grows more than \
{spec.max_ratio} times, raise `LimitError`.
#. **Repeats a failed attempt.** After a lost connection, a timeout, an empty or truncated reply, an overloaded \
service, or a status 408, 409, 425, 429, 500, 502, 503, 504 or 529, the steps of the loop start again, up to \
{retry.times} times, unless text has come. The wait is up to {retry.base:g} s, then twice that, or as long as the \
service asks. If `stream()` names several providers, it then asks the next one.
#. **Yields the text.** Each piece reaches the loop as it comes; `events()` also yields reasoning, tool calls, token \
counts and the finish reason. Raises `IdleTimeoutError` if the next piece takes more than {timeout.idle:g} s. An error \
holds the text so far in `.partial`.
#. **Recognises the end.** {marker} is complete once its end marker has come; a body that ends before raises \
`TruncatedStreamError`, unless its finish reason has come and no text since. \
If no text came, a missing finish reason raises `EmptyReplyError`, and the finish reason \
`content_filter` raises `ContentFilterError`.
#. **Recognises the end.** {clean} is complete when the HTTP body is, at its `content-length` or its last chunk; a \
body that ends before, or has neither over HTTP/1, raises `TruncatedStreamError`, and a reply without text \
`EmptyReplyError`.
#. **Closes the connection.** At the end, after an error, and when the loop is left early. A `Client` keeps the \
connection of a complete reply for its next call.

## Usage Example

```python
import asyncio
{replacing}

from {package} import G4fliteError, Stream, stream
from {package}.testing import {classes}
{home}


def ask() -> Stream:
    return stream(
        {arguments},
    )


async def main() -> None:
    async for chunk in ask():
        print(chunk, end="", flush=True)
    print()


with Emulator({answering}) as server:
    try:
        for chunk in ask():
            print(chunk, end="", flush=True)
        print()
        asyncio.run(main())
    except G4fliteError as error:
        print(f"{{type(error).__name__}}: {{error}}")
```

{unknown} knows no such protocol and answers with the body of its `Script`: put a recorded reply of the service there. \
The output below is right if the parser reads raw text.
It prints the answer once from each loop:

```text
Hello to you
Hello to you
```

To ask the service itself, {changes}.
"""
SAID = "Hello to you"
NOW = 1_700_000_000_123  # Unix time in milliseconds
OPTIONS: dict[str, Any] = {  # an example of each option that has one name for all providers
    "temperature": 0.2, "max_tokens": 64, "top_p": 0.9, "stop": ["END"], "seed": 7, "tool_choice": "required",
    "tools": [{"type": "function", "function": {"name": "now"}}], "response_format": {"type": "json_object"},
    "reasoning_effort": "low", "parallel_tool_calls": False, "frequency_penalty": 0.5, "presence_penalty": 0.5,
    "logprobs": True, "user": "ann", "metadata": {"app": "demo"}, "cache": True,
}  # fmt: skip
SYSTEM, HELLO = Message(role="system", content="Answer in JSON."), Message(role="user", content="Hello")
TALK = (SYSTEM, HELLO, Message(role="assistant", content="Hi"), Message(role="user", content="How are you?"))


def guide(provider: str | Provider) -> str:
    """Return the guide to a provider, by name or as a `Provider`, as Markdown.

    Raises `ProviderNotFoundError`, and what the provider's own functions raise of a plain "Hello".
    """
    values, numbers, lines = facts(providers.find(provider)), count(1), []
    for line in TEMPLATE.splitlines():
        first = re.search(r"\{(\w+)", line)
        if first is None or values.get(first[1]) != "":
            number = f"{next(numbers)}." if line.startswith("#.") else ""
            indent = " " * (len(line) - len(line.lstrip()))
            lines.append(number + line.removeprefix("#.").format_map(values).replace("\n", f"\n{indent}").rstrip())
    return "\n".join(lines).rstrip() + "\n"


def table(*, retired: bool) -> str:
    """Return the Markdown table of the providers that are retired, or of those that are not."""
    rows = [("provider", "protocol", "key", "models", "options"), ("---",) * 5]
    for spec in map(providers.find, providers.names()):
        values, missing = facts(spec), [name for name in OPTIONS if name not in spec.options]
        models, options = values["models"].split(", "), code(spec.options)
        if len(models) > 4:
            models[3:] = [f"{len(models) - 3} more"]
        if spec.options.keys() <= OPTIONS.keys() and len(missing) < len(spec.options):
            options = f"all but {code(missing)}" if missing else "all"
        if bool(spec.retired) == retired:
            rows.append((f"`{spec.name}`", values["protocol"], values["key"], ", ".join(models), options))
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def facts(spec: Provider) -> dict[str, Any]:
    """Return what each field of `TEMPLATE` stands for."""
    # No other command needs the emulator: --help should not wait for this import.
    from ..testing.dialects import DIALECTS  # noqa: PLC0415

    call, body = sample(spec)
    url = re.sub(r"(\w+)=([^&{]+)", lambda found: f"{found[1]}={masked(found[2], found[1], 1)}", spec.url)
    functions = [f.func if isinstance(f, partial) else f for f in (spec.payload, spec.signer, spec.parser)]
    payload, signer, parser = (f"`{getattr(f, '__name__', type(f).__name__)}`." for f in functions)
    wire = doc(functions[2]) or doc(type(spec.parser(spec.max_frame))) or "A protocol of its own."
    homes = [home for home in dict.fromkeys(function.__module__ for function in functions) if home in sys.modules]
    about = [doc(sys.modules[home]) for home in homes if not home.startswith(f"{PACKAGE}._core")]
    models = code(dict.fromkeys((call.model or "", *spec.models)))
    if not spec.models:
        models = f"any, else {models}" if spec.default_model else "any, named with `model=`"
    options = [f"`{name}` ({' or '.join(kind.__name__ for kind in kinds)})" for name, kinds in spec.options.items()]
    errors = [f"- {rule.status} with `{rule.contains}` in the body: `{rule.error.__name__}`" for rule in spec.errors]
    key = code(spec.key_variables or ["api_key="], " or ")
    if not (spec.key_needed and spec.key_variables):
        key += ", if the server asks for a key"

    # The emulator knows the protocol of each built-in provider, and so of each that has the same requests and replies.
    built_in = [getattr(providers, name) for name in providers.__all__ if name.isupper()]
    alike = attrgetter("url", "headers", "payload", "signer", "parser")
    known = next((one for one in (spec, *built_in) if one in built_in and alike(one) == alike(spec)), None)
    path = urlsplit(known.base_url).path if known else ""
    if known and known.url == "{base_url}/chat/completions" and not known.base_url:
        path = "/v1"
    dialect = f', script=Script(dialect="{known.name}")' if known and known.name in DIALECTS else ""
    home, name = ("", f'"{spec.name}"') if spec in built_in else place(spec, homes)
    if fixed := not url.startswith("{base_url}"):
        name = f'replace({name}, url="{{base_url}}{urlsplit(url)._replace(scheme="", netloc="").geturl()}")'
    arguments = [name, '"Hello"', "base_url=server.url" + (f' + "{path}"' if path else "")]
    changes = ["leave `base_url=` out" if spec.base_url else "pass its address as `base_url=`"]
    if not (spec.models or spec.default_model):
        arguments.append('model="any-model"')
        changes.append("name one of its models")
    if takes_key := any("{api_key}" in text for text in spec.headers.values()):
        arguments.append('api_key="any-key"')
        changes.append(f"pass your own key as {code(('api_key=', *spec.key_variables), ' or ')}")
    return {
        "spec": spec, "retry": Retry(), "timeout": Timeout(), "now": NOW / 1000, "package": PACKAGE,
        "about": "\n\n".join(filter(None, about)),
        "protocol": re.split(r": |\. |\.$", wire)[0],
        "url": url.replace("{base_url}", spec.base_url.rstrip("/") or "{base_url}"),
        "variables": code((base_url_variable(spec), *spec.base_url_variables), " or "),
        "public": spec.base_url and f", else `{spec.base_url}`",
        "retired": spec.retired,
        "key": key if takes_key else "none",
        "models": models,
        "aliases": ", ".join(f"`{alias}` means `{model}`" for alias, model in spec.aliases.items()),
        "options": ", ".join(options) or "none",
        "signer": f"{signer} {doc(functions[1])}" if spec.signer(call) else "",
        "headers": "\n".join(f"{name.lower()}: {masked(text, name, 1)}" for name, text in spec.headers.items()),
        "payload": f"{payload} {doc(functions[0])}".strip(),
        "messages": pretty(call.messages),
        "chosen": f"the options `{json.dumps(call.options)}`" if call.options else "no options",
        "body": pretty(masked(body)),
        "errors": "\n".join(errors),
        "error_types": code(spec.error_types, " or "),
        "parser": f"{parser} {wire}",
        "marker": "The reply" if spec.end == "marker" else "",
        "clean": "The reply" if spec.end == "http" else "",
        "replacing": "from dataclasses import replace" if fixed else "",
        "classes": "Emulator" if known and not dialect else "Emulator, Script",
        "home": home and f"\n{home}",
        "arguments": ",\n".join(arguments),
        "answering": f'reply=lambda messages: "{SAID}"{dialect}' if known else f'script=Script(body="{SAID}")',
        "unknown": "" if known else "The emulator",
        "changes": "" if spec.retired else ", ".join(changes),
    }  # fmt: skip


def place(spec: Provider, homes: Iterable[str]) -> tuple[str, str]:
    """Return the line that imports the provider, from one of the modules `homes` or from any other, and its name."""
    for module in (*homes, *sys.modules):
        for name, value in [*getattr(sys.modules.get(module), "__dict__", {}).items()]:
            if value is spec:
                comment = f"# {name} is the `Provider` of this guide"
                return comment if module == "__main__" else f"from {module} import {name}", name
    return "# MINE is the `Provider` of this guide", "MINE"


def sample(spec: Provider) -> tuple[Call, Any]:
    """Return a call, with a system message and all options if the provider carries them, and the body that it makes."""

    def body(call: Call) -> Any:
        return json.loads(json.dumps(spec.payload(replace(call, signed=spec.signer(call)))))

    call = Call(
        provider=spec, messages=TALK, model=spec.default_model or (*spec.models, "{model}")[0],
        options={name: value for name, value in OPTIONS.items() if isinstance(value, spec.options.get(name, ()))},
        base_url=spec.base_url or "{base_url}", api_key="{api_key}", now_ms=NOW, random_below=lambda _: 0,
    )  # fmt: skip
    # A service may take tools or a format of the answer, but not both; or metadata with a field of its own alone.
    lacking: tuple[Iterable[str], ...] = (
        [],
        ["response_format"],
        ["metadata"],
        ["response_format", "metadata"],
        OPTIONS,
    )
    for left_out in lacking:
        options = {name: value for name, value in call.options.items() if name not in left_out}
        simpler = replace(call, options=options)
        with suppress(Exception):  # the functions may be anyone's, and raise anything of what they cannot carry
            return simpler, body(simpler)
    hello = replace(call, options={}, messages=(HELLO,))
    return hello, body(hello)


def masked(value: Any, name: str = "", shortest: int = 8) -> Any:
    """Return the value with `***` for each secret, known by its name, and of `shortest` characters at least.

    A field, as in `Bearer {api_key}`, is not one.
    """
    if isinstance(value, dict):
        return {name: masked(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [masked(inner, name) for inner in value]
    secret = isinstance(value, str) and len(value) >= shortest and is_secret(name, value)
    return "***" if secret and not re.fullmatch(r"((Bearer|Basic|Token) )?\{\w+\}", value) else value


def doc(thing: Any) -> str:
    """Return the docstring of a function, class or module on one line."""
    return " ".join((thing.__doc__ or "").split())


def pretty(value: Any) -> str:
    """Return the value as JSON; short arrays and objects that hold no others stand on one line."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return re.sub(r"([\[{])\n *([^\[{}\]]{,90}?)\n *([\]}])", lambda m: m[1] + re.sub("\n *", " ", m[2]) + m[3], text)


def code(names: Iterable[str], between: str = ", ") -> str:
    """Return the names as code, in a row."""
    return between.join(f"`{name}`" for name in names)


def add(commands: Any) -> None:
    """Add the command `guide` to the command line."""
    text = "print how a provider works, step by step, with a program to try"
    command: argparse.ArgumentParser = commands.add_parser(
        "guide", help=text, description=text, epilog=f"example:\n  %(prog)s {providers.names()[0]}"
    )
    command.set_defaults(run=lambda arguments: sys.stdout.write(guide(arguments.provider)))
    command.add_argument("provider", metavar="PROVIDER", help=", ".join(providers.names()))
