"""The program of a guide: it asks one provider in both loops, against the emulator, and what it prints is known."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from textwrap import indent
from urllib.parse import urlsplit

from .. import providers
from .._core.errors import EmptyReplyError, G4fliteError
from .._core.exchange import reply_of
from .._core.provider import Provider
from .._core.request import build
from .._core.response.reply import Head
from .._core.urls import is_loopback
from . import guide_facts as facts
from .guide_words import listed, unwrapped

PACKAGE = (__package__ or "").rpartition(".")[0]  # a copy in someone's project has another name
ANSWER = "Hello to you"  # on a wire that the emulator has not
PROGRAM = """\
import asyncio
{imports}


def ask(base_url: str) -> {package}.Stream:
    return {package}.stream(
{arguments}
    )


def main(base_url: str) -> None:
{loop}


async def amain(base_url: str) -> None:
{aloop}


with Emulator({settings}) as server:
    main({url})
    asyncio.run(amain({url}))"""
LOOP = """\
for chunk in ask(base_url):
    print(chunk, end="", flush=True)
print()"""
ALOOP = """\
async with ask(base_url) as stream:
    async for chunk in stream:
        print(chunk, end="", flush=True)
print()"""


def example(spec: Provider) -> str:
    """A program that runs as it stands, what it prints, and how the service itself is asked."""
    answer = emulated(spec)
    known = answer is not None
    printed, failed = outcome(spec, answer or ANSWER.encode())
    short = PACKAGE.rpartition(".")[2]
    path = urlsplit(spec.base_url).path.rstrip("/")
    loops = [caught(loop, short) if failed else loop for loop in (LOOP, ALOOP)]
    program = PROGRAM.format(
        imports="\n".join(imports(spec, short, known)),
        package=short,
        arguments=indent("\n".join([*arguments(spec), *(["retries=0,"] if failed else [])]), " " * 8),
        loop=indent(loops[0], " " * 4),
        aloop=indent(loops[1], " " * 4),
        settings=", ".join(settings(spec, known)),
        url=f'f"{{server.url}}{path}"' if path else "server.url",
    )
    said = f"It prints the same twice, once from each loop:\n\n```text\n{printed}\n{printed}\n```"
    return f"```python\n{program}\n```\n\n{said}\n\n{'' if known else UNKNOWN}{otherwise(spec)}"


def caught(loop: str, package: str) -> str:
    """The loop, and the name of its error printed."""
    return f"try:\n{indent(loop, ' ' * 4)}\nexcept {package}.G4fliteError as error:\n    print(type(error).__name__)"


def imports(spec: Provider, short: str, known: bool) -> Iterator[str]:
    """The lines below `import asyncio`."""
    if not spec.url.startswith("{base_url}"):
        yield "from dataclasses import replace"
    yield ""
    yield f"import {PACKAGE}" + ("" if short == PACKAGE else f" as {short}")
    yield f"from {PACKAGE}.testing import Emulator" + ("" if known else ", Script")
    module, name = place(spec)
    if module:
        yield f"\nfrom {module} import {name}" if module != "__main__" else f"\n# {name} is the Provider of this guide"


def settings(spec: Provider, known: bool) -> Iterator[str]:
    """The arguments of the emulator."""
    if not known:
        yield f'script=Script(body="{ANSWER}")'
    if facts.key_headers(spec) and not key(spec):
        yield "keys=False"


def arguments(spec: Provider) -> Iterator[str]:
    """The arguments of the call, a line each."""
    module, name = place(spec)
    expression = name if module else f'"{name}"'
    if not spec.url.startswith("{base_url}"):
        url = urlsplit(spec.url)
        expression = f'replace({expression}, url="{{base_url}}{url.path}{url.query and "?" + url.query}")'
    yield f"{expression},"
    yield '"Hello",'
    if facts.needs_model(spec):
        yield 'model="emulated",  # the emulator answers to any name'
    if variable := key(spec):
        yield f'api_key="${variable}",  # a stand-in: the emulator takes any key'
    yield "base_url=base_url,"


def key(spec: Provider) -> str:
    """The variable of the key that the program passes; empty where it passes none."""
    return spec.key_variables[0] if facts.key_headers(spec) and spec.key_variables and spec.key_needed else ""


UNKNOWN = "The emulator knows no such service, and answers with the body of its `Script`: put a real reply there. "


def otherwise(spec: Provider) -> str:
    """How the service itself is asked."""
    if spec.retired:
        return "The public service is retired: `base_url=` may name any other server that speaks the same."
    changes = ["leave `base_url=` out" if spec.base_url else "pass its address as `base_url=`"]
    if facts.needs_model(spec):
        changes.append("name a model that is served there")
    if key(spec):
        changes.append(f"pass a key in {listed([f'`{name}`' for name in (*spec.key_variables, 'api_key=')])}")
    server = "the server of this machine" if is_loopback(spec.base_url) else "the service itself"
    return f"To ask {server}{spec.base_url and f', at `{spec.base_url}`'}: {listed(changes, 'and')}."


def place(spec: Provider) -> tuple[str, str]:
    """The module and the name under which the program finds the spec; without a module it is a provider's name."""
    if spec.name in providers.names() and providers.find(spec.name) == spec:
        return "", spec.name
    for module in (unwrapped(spec.payload).__module__, *sys.modules):
        held = getattr(sys.modules.get(module), "__dict__", {})
        for name in [name for name, value in held.items() if value is spec]:
            return module, name
    return "__main__", "SPEC"


def emulated(spec: Provider) -> bytes | None:
    """The emulator's answer to the program's request; None where it refuses, as it knows no such service, and in a
    copy that lacks it.
    """
    try:
        from ..testing.emulator import echo  # noqa: PLC0415
        from ..testing.exchange import Exchange, Policy, decide  # noqa: PLC0415 - of use to this function alone
        from ..testing.script import Script  # noqa: PLC0415
    except ModuleNotFoundError:
        return None

    base_url = f"http://127.0.0.1{urlsplit(spec.base_url).path.rstrip('/')}"
    request = build(replace(facts.sample(spec, facts.HELLO), base_url=base_url))
    path = request.url.removeprefix("http://127.0.0.1")
    exchange = Exchange(method="POST", path=path, headers=[*request.headers.items()], body=request.body)
    policy = Policy(script=Script(), reply=echo, prefix="", clock=lambda: facts.NOW / 1000, keys=True)
    answer = decide(exchange, policy, None)
    return b"".join(answer.body) if answer.status == 200 else None


def outcome(spec: Provider, data: bytes) -> tuple[str, bool]:
    """What the program prints of a reply, its text or the name of an error, and whether it is the latter."""
    reply = reply_of(spec, Head(200, {}))
    try:
        text = "".join(item for item in [*reply.feed(data), *reply.close()] if isinstance(item, str))
    except G4fliteError as error:
        return type(error).__name__, True
    return (text, False) if text else (EmptyReplyError.__name__, True)
