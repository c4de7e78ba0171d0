"""The steps of a call, in the order in which the engine takes them, with the names of one spec."""

from collections.abc import Iterator
from textwrap import indent
from typing import TypeAlias

from .._core.errors import PASSING_STATUSES
from .._core.exchange import BODY_READ, BODY_TIME
from .._core.provider import Provider
from .._core.request import FRESH, base_url_variable, resolve_model
from .._core.response.service_errors import RULES, Report, classify
from .._core.settings import Retry, Timeout
from . import guide_facts as facts
from .guide_words import blotted, listed, made_of, name_of, pretty, said, told, veiled

Steps: TypeAlias = Iterator[tuple[str, str]]  # what is done, in a word or two, and how
CALLED = "While `stream()` is called; nothing is sent yet, and what is wrong raises a `UsageError`:"
LOOPED = "While the loop runs, `for` and `async for` alike:"


def steps(spec: Provider) -> str:
    """The steps, numbered through, in two parts: before anything is sent, and from there on."""
    number, parts = 0, []
    for title, part in ((CALLED, called(spec)), (LOOPED, looped(spec))):
        lines = [title, ""]
        for verb, text in part:
            number += 1
            lines.append(f"{number}. **{verb}.** {indent(text, '    ').lstrip()}")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def called(spec: Provider) -> Steps:
    """What `stream()` checks."""
    yield (
        "Checks the headers and the messages",
        "A header of `headers=` is one that HTTP can carry. The messages are a string, which is one user message, or a "
        'list of `{"role", "content"}` in the form of `Message`. Others raise `OptionError` or `MessagesError`.',
    )
    yield "Resolves the model", model(spec)
    taken = [f"`{name}` ({' or '.join(kind.__name__ for kind in kinds)})" for name, kinds in spec.options.items()]
    yield (
        "Checks the options",
        (f"The names and types are {', '.join(taken)}; any other" if taken else "There are none: one that is passed")
        + " raises `OptionError`.",
    )
    variables = [f"`{name}`" for name in (base_url_variable(spec), *spec.base_url_variables)]
    public = f"`{spec.base_url}`" if spec.base_url else "none: an `OptionError` asks for one"
    yield "Resolves the base URL", f"`base_url=`, else the variable {listed(variables)}, else {public}."
    yield "Resolves the key", key(spec)
    yield (
        "Rehearses the request",
        "Copies `extra=`, builds the first request, as the steps below say, and keeps it for a loop that begins within "
        f"{FRESH / 1000:g} s: messages or options that this provider cannot carry raise `MessagesError` or "
        "`OptionError` here.",
    )
    yield "Warns", " ".join(warned(spec))
    yield (
        "Returns the stream",
        "Checks `proxy=` (without it `G4FLITE_PROXY`), `verify=`, `client=`, `timeout=` and `retries=`, and returns a "
        "`Stream`, which is read once.",
    )


def model(spec: Provider) -> str:
    """How the model is found."""
    default, parts = resolve_model(spec, None), []
    if default is not None:
        parts.append(f"Without `model=` it is `{default}`.")
    elif facts.needs_model(spec):
        parts.append("There is no default: without `model=` the rehearsal below raises `ModelNotFoundError`.")
    parts += [f"`{alias}` means `{name}`." for alias, name in spec.aliases.items()]
    if spec.models:
        parts.append("A name that is not among those above raises `ModelNotFoundError`.")
    else:
        parts.append("Any name is sent as it is.")
    return " ".join(parts)


def key(spec: Provider) -> str:
    """How the key is found, and where it goes."""
    headers = listed([f"`{name}`" for name in facts.key_headers(spec)], "and")
    if not headers:
        return "There is none: `api_key=` raises `OptionError`."
    found = ", else ".join(["`api_key=`", *(f"the variable `{name}`" for name in spec.key_variables)])
    without = "the header is left out"
    if spec.key_variables and spec.key_needed:
        without = "an `OptionError` asks for it, unless `headers=` brings that header"
    return f"{found}. It travels in the header {headers}; without a key, {without}."


def warned(spec: Provider) -> Iterator[str]:
    """What is warned of."""
    if spec.retired:
        yield (
            "`RetiredProviderWarning`, once in a program, where the base URL is the public one, whose service is "
            f"retired since {spec.retired}."
        )
    yield "`InsecureTransportWarning` where a key or another secret would travel over plain http to another machine."


def looped(spec: Provider) -> Steps:
    """What an iteration asks of the engine."""
    timeout = Timeout()
    if signed := list(signature(spec)):
        yield "Signs the attempt", "\n".join(signed)
    yield "Fills in the URL and the headers", head(spec)
    yield "Builds the body", "\n".join(payload(spec))
    yield (
        "Sends the request",
        f"Posts it with httpx, and follows no redirect. No connection within {timeout.connect:g} s raises "
        f"`ConnectTimeoutError`, no text within {timeout.first_token:g} s of the first byte sent "
        "`FirstTokenTimeoutError`, unless `timeout=` says otherwise.",
    )
    yield "Checks the status", "\n".join(status(spec))
    yield (
        "Checks the content type",
        f"A reply of {listed([f'`{kind}`' for kind in spec.error_types])} is no answer: it raises the error that it "
        "reports, else `MalformedReplyError`."
        if spec.error_types
        else "Any is taken.",
    )
    yield "Decodes the body", "\n".join(reply(spec))
    yield "Repeats what failed", repeats()
    yield (
        "Yields the text",
        "Each chunk goes to the loop as it comes; `events()` yields reasoning, tool calls, usage and the finish as "
        f"well, where the wire has them. No further one within {timeout.idle:g} s raises `IdleTimeoutError`. After the "
        "first text, reasoning or tool call nothing is sent again: an error then holds the text so far in `.partial`.",
    )
    yield "Recognises the end", end(spec)
    yield (
        "Closes the connection",
        "At the end, at an error, and when the loop is left early; that of a `Client` goes back to its pool.",
    )


def signature(spec: Provider) -> Iterator[str]:
    """What the signer adds, and what that is made of; nothing where nothing is signed."""
    made = {name: one for name, one in facts.causes(spec, lambda call: dict(spec.signer(call))).items() if name}
    if made:
        yield " ".join([f"Reads the clock and calls the signer, {name_of(spec.signer)}.", *said(spec.signer)])
    yield from (f"- `{name}`: {made_of(one)}" for name, one in made.items())


def head(spec: Provider) -> str:
    """The request line and the headers, as templates."""
    lines = [f"POST {facts.endpoint(spec)}"]
    lines += [f"{name.lower()}: {veiled(name, text)}" for name, text in spec.headers.items()]
    template = "\n".join(lines)
    own = {name.lower() for name in spec.headers}
    left = [f"`{name}`" for name in ("accept", "user-agent") if name not in own]
    return (
        ("What stands in braces is filled in. " if "{" in template else "")
        + "The headers of `headers=` win. httpx adds `host`, `content-length`, `connection` and `accept-encoding`"
        + (f" and, where `headers=` has none, {listed(left, 'and')}." if left else ".")
        + f"\n\n```http\n{template}\n```\n"
    )


def payload(spec: Provider) -> Iterator[str]:
    """The body of a plain call, where its fields come from, and where the options go."""
    plain, body = [*map(dict, facts.plain(spec).messages)], blotted(facts.settled(spec))
    yield " ".join([f"Calls the payload builder, {name_of(spec.payload)}.", *said(spec.payload)])
    yield f"\nAt the Unix time {facts.NOW / 1000:.3f}, the messages\n\n```json\n{pretty(plain)}\n```\n"
    yield f"make the body\n\n```json\n{pretty(body)}\n```\n"
    for path, words in facts.sources(spec).items():
        yield f"- {f'`{path}`' if path else 'the body'}: {words}"
    places = facts.destinations(spec)
    if same := [f"`{name}`" for name, path in places.items() if name == path]:
        yield f"- {listed(same, 'and')}: the option{'s' if len(same) > 1 else ''} of that name"
    for name, path in places.items():
        if name != path:
            yield f"- {f'`{path}`' if path else 'as the payload builder decides'}: the option `{name}`"
    yield "- last, as they are: the fields of `extra=`"


def status(spec: Provider) -> Iterator[str]:
    """What a status outside 200-299 means."""
    yield (
        "407 raises `ProxyError`. For any other outside 200-299, reads up to "
        f"{BODY_READ // 1024} KiB of the body, for {BODY_TIME:g} s at most, and raises by the first of these that fits:"
        "\n"
    )
    for rule in spec.errors:
        yield f"- {rule.status} with `{rule.contains}` in the body: `{rule.error.__name__}`"
    yield "- 403 or 503 with a challenge page: `ChallengeError`"
    classes = [f"`{rule.error.__name__}`" for rule in RULES]
    yield f"- an error in the body whose code, type or message is known: {listed(classes)}"
    statuses = {code: classify(code, Report("")) for code in sorted(code for rule in RULES for code in rule.numbers)}
    named = [f"{code} `{kind.__name__}`" for code, kind in statuses.items() if kind is not None]
    yield f"- the status alone: {', '.join(named)}, any other `StatusError`"


def reply(spec: Provider) -> Iterator[str]:
    """How the bytes of the body become text."""
    yield f"Makes a parser with {name_of(spec.parser)} and feeds it the bytes as they come. {' '.join(told(spec))}\n"
    if facts.reports_errors(spec):
        yield "- an error object inside the reply raises its class, as above, or `ProviderError`"
    else:
        yield "- an error object inside the reply is not recognised as one"
    if facts.limits_frames(spec):
        mebi, rest = divmod(spec.max_frame, 2**20)
        yield f"- a frame of more than {f'{spec.max_frame} bytes' if rest else f'{mebi} MiB'} raises `LimitError`"
    yield f"- gzip and deflate are undone; a reply that grows more than {spec.max_ratio} times raises `LimitError`"


def repeats() -> str:
    """When an attempt is made again."""
    retry = Retry()
    waits = [f"{min(retry.cap, retry.base * 2**number):g}" for number in range(retry.times)]
    passing = [str(status) for status in sorted(PASSING_STATUSES)]
    return (
        f"An attempt that fails before its first text is made again, from the first step of the loop, {retry.times} "
        f"times at most, after up to {listed(waits, 'and')} s or what `retry-after` asks for: where no connection "
        f"stands, where it is lost or too slow, for the statuses {listed(passing, 'and')}, an empty reply, one that is "
        "cut off, and an error that passes. Then the next provider of a list is asked, where several are named."
    )


def end(spec: Provider) -> str:
    """What completes a reply."""
    if spec.end == "marker":
        return (
            "The reply is complete once its parser has noted the end marker; a body that ends without one raises "
            "`TruncatedStreamError`. Where no text came, a finish without a reason raises `EmptyReplyError`, and one "
            "for the content `ContentFilterError`."
        )
    return (
        "The reply is complete when the HTTP body ends as it should, at its `content-length` or with its last HTTP "
        "chunk. One that is cut off before, or that has neither of the two over HTTP/1, raises `TruncatedStreamError`; "
        "one without text raises `EmptyReplyError`."
    )
