"""Gemini streamGenerateContent: server-sent events without names, up to the end of the body.

Source: https://ai.google.dev/api/generate-content and the types of python-genai (August 2026).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .._core.conversation import fitted
from .._core.errors import ContentFilterError, G4fliteError, OptionError, ProviderError
from .._core.events import CONTENT, Citation, Finish, Native, Other, Reasoning, ServerToolResult, TurnState, Usage
from .._core.messages import Message, arguments, as_result_object, parts, split_system, tool_names
from .._core.numbers import dumps
from .._core.options import (
    as_wire_names,
    bare_schema,
    check_tools,
    logprob_fields,
    non_empty,
    options_named,
    schema,
    single_answer,
    stops,
    tool_choice,
)
from .._core.provider import JSON, Call, Provider
from .._core.refused import check_refused
from .._core.response.assembly import ToolCalls
from .._core.response.counts import found, merged, usage_of
from .._core.response.ending import Ending
from .._core.response.excerpts import excerpt
from .._core.response.fields import Naming, as_object, reasoning_of
from .._core.response.framing import EventsOrArray
from .._core.response.parsers import FrameParser, Items, reported, text_or_error
from .._core.response.partial_args import PartialArgs
from .._core.response.reasons import finish_of
from .._core.response.repeats import Tell, fields
from .._core.takes import EFFORTS, Refused, Takes

# The protocol's words for the kinds of `tool_choice`.
MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "function": "ANY"}
# The types of google-genai 3.6.1 have none of the optional keys.
TAKES = Takes(
    keys=("tool.is_error",),
    # A web page's image is not fetched; a file's URL is one of the Files API, of YouTube, or of a bucket (Vertex AI).
    media=("image.data", "file.data", "file.url", "file.gs", "audio.data"),
    # `displayName` is Vertex AI's alone (types of google-genai 3.6.1, `Blob` and `FileData`).
    named=(),
    objects=True,
    # 400 "Function calling with a response mime type: 'application/json' is unsupported", but for Gemini 3
    # (pydantic-ai's profiles and vercel/ai#16540, 2026).
    refused=(Refused(option="response_format", but=("text",), beside="tools", models=r"gemini-[12]\D.*"),),
    # "Invalid/Corrupted thought signature" for one of another model (docs.apiyi.com, 2026).
    state="model",
)
# Of the tools that are declared: 400 "Invalid function name. Must start with a letter or an underscore. Must be a-z,
# A-Z, 0-9, or contain underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 64."
# (kaitranntt/ccs#25, November 2025)
DECLARED = TAKES._replace(tool_names="[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}")
# From Gemini 3 on: 400 "Function call is missing a thought_signature in functionCall parts" (earendil-works/pi#8590,
# 2026).  Of calls that stand side by side, the first has it.  This one stands for a call that another model has made
# (ai.google.dev, thought-signatures).
SIGNED = re.compile(r"gemini-([3-9]|\d\d).*")
UNCHECKED = "skip_thought_signature_validator"
# Their results of tools may hold images (types of google-genai 3.6.1, `FunctionResponse.parts`).
SIGNED_TAKES = TAKES._replace(keys=(*TAKES.keys, "tool.image_url"))
# Gemini 2 knows budgets alone, and Gemini 3 levels: types of google-genai 3.6.1 say that from 3.5 on a budget is an
# error (`ReinforcementTuningThinkingLevel`).  A model of another name, like "gemini-flash-latest", gets what the caller
# says.  Gemini 3 takes no level "none", and Pro no "minimal" either; 2.5 Pro takes no budget of 0 (pydantic-ai's
# profiles, July 2026).
LEVELS = {name: name.upper() for name in EFFORTS[1:]}
PRO_LEVELS = {name: name.upper() for name in EFFORTS[2:]}


def payload(call: Call) -> JSON:
    """`contents` holds the messages, and `systemInstruction` the system messages.

    Images, files and audio are parts `inlineData`; a file at a URL is `fileData`.

    Messages of one role that follow one another become one content, but for a user's behind the results of tools.  An
    empty text stands before a tool call with which the conversation begins.  The name and the description of a JSON
    Schema become its `title` and `description`.  What a `$ref` names is copied to the keywords beside it, and a schema
    that holds itself by required properties alone raises `OptionError`.  A message with a `name` and an image at an
    `https:` URL raise `MessagesError`.  For Gemini 2.5 and earlier models, an image in the result of a tool becomes a
    user's, and a `response_format` beside `tools` raises `OptionError`.
    `reasoning_effort` becomes a `thinkingLevel`, for Gemini 2 a `thinkingBudget`; a level that the model refuses
    raises `OptionError`.  `cache=True` changes nothing: the service caches by itself.
    If the last messages are an answer that pauses, the service goes on with it by its `continuationToken`.
    """
    check_refused(call.model, call.options, call.extra, call.messages, TAKES)
    # The service takes both spellings of each name.
    for group in ("generationConfig", "generation_config"):
        for count in ("candidateCount", "candidate_count"):
            single_answer(as_object(call.extra.get(group)).get(count), count)
    signed = SIGNED.fullmatch(call.model or "") is not None
    system, conversation = split_system(fitted(call, SIGNED_TAKES if signed else TAKES))
    messages, token = without_paused(conversation)
    wanted, (kind, name) = schema(call.options), tool_choice(call.options, call.extra) or ("", "")
    names = {"temperature": "temperature", "max_tokens": "maxOutputTokens", "top_p": "topP", "seed": "seed",
             "frequency_penalty": "frequencyPenalty", "presence_penalty": "presencePenalty"}  # fmt: skip
    config = (
        as_wire_names(call.options, **names)
        | logprob_fields(call.options, "responseLogprobs", "logprobs")
        | non_empty(
            thinkingConfig=thinking(call),
            stopSequences=stops(call.options),
            responseMimeType=None if wanted is None else "application/json",
            responseJsonSchema=ending(bare_schema(wanted)) if wanted else None,
        )
    )
    functions = [declaration(tool) for tool in check_tools(call.options.get("tools", ()), DECLARED)]
    mode = non_empty(mode=MODES.get(kind), allowedFunctionNames=[name] if name else None)
    return non_empty(
        contents=contents(messages, signed=signed),
        systemInstruction=non_empty(parts=[{"text": system}] if system else None),
        generationConfig=config,
        tools=[{"functionDeclarations": functions}] if functions else None,
        toolConfig=non_empty(functionCallingConfig=mode),
        continuationToken=token,
    )


def without_paused(messages: Sequence[Message]) -> tuple[Sequence[Message], object]:
    """Return the messages without an answer that pauses at their end, and the token to go on with it; None without one.

    The service wants the messages of the paused request as they were: the token stands for what it has said since.
    Source: google-genai 3.6.1, whose client sends "the same request again with the response's continuation token"
    (`GenerateContentConfig.automatic_continuation`).
    """
    end, token = len(messages), None
    # An answer may pause several times, and its last token stands for all of it.  One message has to be left.
    while end > 1 and (found := [part[TOKEN] for part in messages[end - 1].get("state", ()) if is_token(part)]):
        end, token = end - 1, token or found[0]
    return messages[:end], token


def is_token(part: object) -> bool:
    """Return whether a part of a state is the token of an answer that pauses."""
    return isinstance(part, dict) and part.keys() == {TOKEN}


def declaration(tool: Mapping[str, Any]) -> dict[str, Any]:
    """Return the declaration of a function that the model may call."""
    from .._core.references import inlined  # noqa: PLC0415 - many calls have no tools

    parameters = inlined(dict(tool.get("parameters") or {}))
    return non_empty(name=tool["name"], description=tool.get("description"), parametersJsonSchema=parameters)


def ending(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON Schema as it is.  Raises `OptionError` if a schema in it holds itself by required properties alone.

    Circles "may only be used within non-required properties.  (Nullable properties are not sufficient.)" (types of
    google-genai 3.6.1, `GenerationConfig.response_json_schema`)
    """
    from .._core.references import circles  # noqa: PLC0415 - most calls name no schema

    for ref in sorted(circles(schema, required=True)):
        raise OptionError(
            f"response_format=: {ref!r} holds itself by required properties alone, which the service refuses",
            advice="make one of them optional; a field of a class is optional if it has a default value",
        )
    return schema


def thinking(call: Call) -> dict[str, Any]:
    """Return the `thinkingConfig` of the option `reasoning_effort`; {} without the option."""
    if "reasoning_effort" not in call.options:
        return {}
    from .._core.effort import budget, effort, level, unknown_effort  # noqa: PLC0415 - most calls give no level

    model, given = call.model or "", effort(call.options)
    if SIGNED.fullmatch(model) or (given in LEVELS and not model.startswith("gemini-2")):
        word = level(call, PRO_LEVELS if re.fullmatch(r"gemini-3(\.\d+)?-pro.*", model) else LEVELS)
        return {"thinkingLevel": word, "includeThoughts": True}
    tokens = budget(call.options) or 0
    if not tokens and model.startswith("gemini-2.5-pro"):
        raise unknown_effort(call, LEVELS)
    return {"thinkingBudget": tokens, "includeThoughts": tokens > 0}


def contents(messages: Sequence[Message], *, signed: bool) -> list[dict[str, Any]]:
    """Return the messages in the protocol's form.  Messages of one role that follow one another are one content.

    If calls have to be `signed`, a first call without a signature gets one that is not checked.
    The results of tools are a content of their own: with a user's text beside them, Gemini 3 answers 200 and says
    nothing (NousResearch/hermes-agent#79791, anomalyco/opencode#43479, 2026).
    """
    names, result, before = tool_names(messages), list[dict[str, Any]](), ""
    for message in messages:
        if message["role"] != before:
            result.append({"role": "model" if message["role"] == "assistant" else "user", "parts": []})
        # An answer of reasoning alone may have no part that goes back.
        made = list(turn_parts(message) if "state" in message else ()) or list(wire_parts(message, names))
        first = next((part for part in made if "functionCall" in part), None)
        if signed and first is not None:
            first.setdefault("thoughtSignature", UNCHECKED)
        result[-1]["parts"] += made
        before = message["role"]
    # The service takes tool calls behind a user's turn alone (pydantic-ai does the same, August 2026).
    if any("functionCall" in part for part in result[0]["parts"]):
        result.insert(0, {"role": "user", "parts": [{"text": ""}]})
    return result


def wire_parts(message: Message, names: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the parts of one message in the protocol's form; `names` has each tool call's function by the call's id."""
    if message["role"] == "tool":
        name = names[message["tool_call_id"]]
        content = "".join(part["text"] for part in parts(message) if part["type"] == "text")
        shown = [wire_part(part) for part in parts(message) if part["type"] != "text"]
        # "error" is the service's word for a failed call (types of google-genai 3.6.1, `FunctionResponse`).
        response = {"error": content} if message.get("is_error") else as_result_object(content)
        result = {"id": message["tool_call_id"], "name": name, "response": response}
        yield {"functionResponse": result | non_empty(parts=shown)}
        return
    calls = message.get("tool_calls", ())
    # 400 "must include at least one parts field"; an empty text is accepted (pydantic-ai's cassettes, August 2026).
    yield from map(wire_part, parts(message) or ([] if calls else [{"type": "text", "text": ""}]))
    yield from map(function_call, calls)


def wire_part(part: dict[str, Any]) -> dict[str, Any]:
    """Return one part of a content in the protocol's form."""
    if part["type"] == "text":
        return {"text": part["text"]}
    file = part.get("file", {})
    if "file_url" in file:
        from .._core.media import guessed_type  # noqa: PLC0415 - most messages are text

        # Google's client guesses the type from the name, too (`Part.from_uri` of google-genai 3.6.1).
        return {"fileData": {"fileUri": file["file_url"]} | non_empty(mimeType=guessed_type(file))}
    from .._core.media import embedded  # noqa: PLC0415 - most messages are text

    media_type, data = embedded(part)
    return {"inlineData": {"mimeType": media_type, "data": data}}


def function_call(call: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a tool call."""
    return {"functionCall": {"id": call["id"], "name": call["function"]["name"], "args": arguments(call)}}


def turn_parts(message: Message) -> Iterator[dict[str, Any]]:
    """Yield the parts of an answer from those of its state.

    A signature, and what else stood beside a text or a call, goes back in the part that it came with; two parts of
    which one is signed are never joined (ai.google.dev, thought-signatures).  Reasoning without a signature is not
    wanted back.
    """
    before: dict[str, Any] = {}
    for part in message["state"]:
        if is_token(part):
            continue
        if isinstance(part, dict) and part.keys() <= {"thoughtSignature", BESIDE}:
            before |= part.get(BESIDE, part)
            continue
        if before and (not before.get("thought") or "thoughtSignature" in before):
            yield before
        if isinstance(part, int):
            before = function_call(message["tool_calls"][part])
        elif isinstance(part, str):
            before = {"text": part}
        else:
            before = {"text": part["reasoning"], "thought": True} if "reasoning" in part else part
    if before and (not before.get("thought") or "thoughtSignature" in before):
        yield before


# The fields of a part that are read or say something about other fields.  Any other field is content of its own kind:
# `inlineData`, `executableCode`, `codeExecutionResult`, `fileData`, `toolCall`, `toolResponse`.
KNOWN = frozenset(("text", "thought", "thoughtSignature", "functionCall", "videoMetadata", "partMetadata",
                   "mediaResolution"))  # fmt: skip
# The fields that are read of a part with a text or a call, and the field of a state that holds the others.
SAID, BESIDE = frozenset(("text", "thought", "functionCall")), "beside"
# This finish reason says nothing.  It counts only if no other one comes.
UNSPECIFIED = "FINISH_REASON_UNSPECIFIED"
# The finish reason of an answer that is longer than one reply may be, and the field with which the service goes on: the
# last that came.  It may come in early chunks, too (google-genai 3.6.1).
CONTINUATION, TOKEN = "CONTINUATION", "continuationToken"
# The fields of a candidate that name the answer's sources.  The last chunk has them whole.
SOURCES = frozenset(("groundingMetadata", "citationMetadata", "urlContextMetadata"))


# The parts of the two fields `GROUNDING` are citations.
GROUNDING = ("groundingChunks", "groundingSupports")
# The tool that runs code has no name.
TOOLS = {"executableCode": "code_execution", "codeExecutionResult": "code_execution"}


class GeminiReader:
    """Reads the chunks of one reply.  Of several candidates, the first is read.

    The end of the body ends the answer: `finishReason` may stand in early chunks, or in every chunk.
    """

    names = ("", "message")
    roles = fields(unread=("createTime", "candidates.avgLogprobs", "candidates.tokenCount"), kept="usageMetadata",
                   beside="candidates.logprobsResult")  # fmt: skip

    def __init__(self, limit: int) -> None:
        self._calls, self._naming, self._ending = ToolCalls(limit), Naming(), Ending()
        self._sources: dict[str, Any] = {}
        # The token counts so far, and whether they have changed since they were given out.
        self._counts: dict[str, Any] = {}
        self._uncounted = False
        # Whether the last counts have replaced those before.
        self._anew = True
        # The tool call whose arguments are coming in pieces, and the most characters of them.
        self._open: PartialArgs | None = None
        # The signature of that call.
        self._signature: object = None
        # How many calls stand before the last part of the text.
        self._called = 0
        self._limit = limit
        # What the service says about its finish reason, and its token to go on with the answer.
        self._said: object = None
        self._token: object = None
        # Whether content came; and whether `UNSPECIFIED` came as the finish reason.
        self._come = self._unspecified = False
        self.done = False

    @property
    def told(self) -> Mapping[type, Tell | None]:
        # Behind a finish reason, it matters whether content comes.
        return {str: None, Reasoning: None} if self._ending.finish is None and self._anew else {}

    def keep(self, usage: dict[str, Any]) -> None:
        """Take the token counts of the last chunk that `repeats` has read."""
        self._counts, self._uncounted = usage, True

    @property
    def settled(self) -> bool:
        # An early reason with nothing before it says nothing.
        return self._come and self._ending.settled(torn=self._open is not None)

    def whole(self, value: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        return (value,) if value.get("candidates") else ()

    def read(self, name: str, frame: dict[str, Any]) -> Items:  # noqa: ARG002 - the events have no names
        return (reported(frame),) if frame.get("error") else tuple(self._read(frame))

    def _read(self, frame: dict[str, Any]) -> Items:
        """Yield the items of a frame that reports no error."""
        if not self._naming.complete:
            yield self._naming.learn(frame.get("responseId"), frame.get("modelVersion"))
        feedback, candidates = frame.get("promptFeedback"), frame.get("candidates")
        blocked = as_object(feedback).get("blockReason") if feedback else None
        # What no value of the enumeration means.
        blocked = None if isinstance(blocked, str) and blocked.endswith("_UNSPECIFIED") else blocked
        candidate = (candidates if isinstance(candidates, dict) else candidates[0] if candidates else None) or {}
        if candidate.get("index") not in (None, 0, "0"):
            candidate = {}
        items: list[Any] = []
        for part in (candidate.get("content") or {}).get("parts") or ():
            items += self._part(part)
        yield from items
        self._come |= any(isinstance(item, CONTENT) and item for item in items)
        reason, finished = candidate.get("finishReason"), self._ending.finish is not None
        if reason or finished:
            self._unspecified |= reason == UNSPECIFIED
            finish = finish_of(reason) if reason != UNSPECIFIED else None
            self._ending.note(finish, items, calls=self._calls.count)
        # Behind `note`, because they are no content of their own.
        if isinstance(logprobs := candidate.get("logprobsResult"), dict):
            yield Native("logprobs", logprobs)
        if not SOURCES.isdisjoint(candidate):
            self._sources.update({key: value for key, value in candidate.items() if key in SOURCES and value})
        if candidate.get("finishMessage"):
            self._said = candidate["finishMessage"]
        self._token = candidate.get(TOKEN) or self._token
        # Most chunks repeat the token counts, and those of the last chunk are final: they begin anew while the service
        # runs its own tools.  But a last chunk may have zeros, or no count of the answer (microsoft/semantic-kernel
        # #13944), and then adds to the counts before.
        if usage := as_object(frame.get("usageMetadata")):
            prompt, answer = usage.get("promptTokenCount"), usage.get("candidatesTokenCount")
            self._anew = type(prompt) is type(answer) is int and prompt > 0 < answer
            self._counts, self._uncounted = usage if self._anew else merged(self._counts, usage), True
        if blocked or (reason and not finished):
            yield self._usage()
        if blocked:
            body = json.dumps(feedback)
            said = f"the service blocked the messages ({blocked}); change them, or ask another provider"
            yield ContentFilterError(said, status=200, code=blocked, body=body)

    def _part(self, part: dict[str, Any]) -> Items:
        """Yield the tool call, reasoning, text or other content in a part."""
        call = part.get("functionCall")
        if call is not None and (self._open is not None or call.get("partialArgs") or call.get("willContinue")):
            yield from self._pieces(call, part.get("thoughtSignature"))
            return
        elif call:
            yield from self._calls.once(call.get("name"), call.get("args"), call.get("id"))
        text, signature, known = part.get("text"), part.get("thoughtSignature"), KNOWN.issuperset(part)
        if text:
            # What stands before a signed text has no part in its signature, and a text behind a call is one of its own.
            if signature or self._calls.count > self._called or not known:
                self._called = self._calls.count
                yield TurnState(None)
            yield from reasoning_of(text) if part.get("thought") else (text_or_error(text),)
        if not known:
            for key, value in part.items():
                if key not in KNOWN and value is not None:
                    yield Native(key, value) if part.get("thought") else other(key, value)
            # The text or the call has its place in the turn already.
            beside = {key: value for key, value in part.items() if key not in SAID}
            yield TurnState({BESIDE: beside} if text or call else part)
        elif signature:
            yield TurnState({"thoughtSignature": signature} if text or call else part)

    def _pieces(self, call: dict[str, Any], signature: object) -> Items:
        """Yield a tool call that comes in pieces, and its signature, once its last piece came."""
        self._signature = signature or self._signature
        self._open = waiting = self._open or PartialArgs(self._limit)
        try:
            waiting.add(call)
        except G4fliteError as error:
            yield error
            return
        if not call.get("willContinue"):
            yield from self._calls.once(waiting.name, waiting.arguments(), waiting.id)
            if self._signature:
                yield TurnState({"thoughtSignature": self._signature})
            self._open = self._signature = None

    def end(self, *, marked: bool) -> Items:  # noqa: ARG002 - without a finishReason, no end completes a reply
        """Yield the sources, the finish reason, the last token counts, and the error that the reason stands for."""
        finish = self._ending.finish or (finish_of(UNSPECIFIED) if self._unspecified else None)
        if finish is None:
            return
        self.done = True
        waiting = self._open
        if waiting is not None and finish.reason != "length":
            yield waiting.unended()
        elif waiting is not None:
            # The text of half a call has no last brace, as the model would have broken it off.
            yield from self._calls.once(waiting.name, dumps(waiting.arguments())[:-1], waiting.id)
        yield from cited(self._sources)
        native, reason = finish.native, self._calls.reason(finish.reason)
        # Half a call cannot be joined with the other half, which another reply would hold.
        if native == CONTINUATION and self._token and waiting is None:
            reason = "pause"
            yield TurnState({TOKEN: self._token})
        yield Finish(reason, native)
        yield self._usage()
        why = f"{native}: {excerpt(self._said)}" if isinstance(self._said, str) else native
        if finish.reason == "content_filter":
            said = f"the service stopped the answer ({why}); the text so far is in .partial; change the messages"
            yield ContentFilterError(said, status=200, code=native)
        if finish.reason == "error":
            said = f"the model wrote what the service cannot use ({why}); try again"
            yield ProviderError(said, code=native, passing=True)

    def _usage(self) -> Usage | None:
        """Return the token counts so far, None if they were given out."""
        new, self._uncounted = self._uncounted, False
        return counted(self._counts) if new else None

    def rest(self) -> Items:
        return (self._usage() if self._ending.finish is not None else None,)


def other(key: str, value: Any) -> Other:
    """Return the content in a field of a part that is not among `KNOWN`; a drawing among the thoughts is no answer."""
    from .._core.response.others import media_of, server_call, word  # noqa: PLC0415 - most answers are text

    if not isinstance(value, dict):
        return Native(key, value)
    if key in ("inlineData", "fileData"):
        found = media_of("*", data=value.get("data"), url=value.get("fileUri"), mime_type=value.get("mimeType"))
        return found or Native(key, value)
    name = TOOLS.get(key, value.get("toolType"))
    rest = {name: one for name, one in value.items() if name not in ("id", "toolType")}
    if key in ("executableCode", "toolCall"):
        return server_call(value.get("id"), name, rest.get("args", rest))
    if key in ("codeExecutionResult", "toolResponse"):
        return ServerToolResult(word(value.get("id")), word(name), rest.get("response", rest))
    return Native(key, value)


def cited(sources: dict[str, Any]) -> Iterator[Other]:
    """Yield the sources that the service names: each passage with each of its sources, then sources without a passage.

    What else is said, like the queries of a web search, is `Native`.  Source: types of google-genai 3.6.1.
    """
    grounding, noted = (as_object(sources.get(key)) for key in ("groundingMetadata", "citationMetadata"))
    chunks, supports = (objects(grounding.get(key)) for key in GROUNDING)
    used = set[int]()
    for support in supports:
        indices = support.get("groundingChunkIndices")
        places = [place for place in indices if place in range(len(chunks))] if isinstance(indices, list) else []
        used.update(places)
        for chunk in [chunks[place] for place in places] or [{}]:
            yield passage(as_object(support.get("segment")), chunk, support)
    for place, chunk in enumerate(chunks):
        if place not in used:
            yield passage({}, chunk, {})
    # Vertex has the second name.
    sourced = objects(noted.get("citationSources")) or objects(noted.get("citations"))
    for source in sourced:
        from .._core.response.others import citation_of  # noqa: PLC0415 - most answers are text

        yield citation_of(source, source, url="uri", start="startIndex", end="endIndex")
    rest = {key: value for key, value in grounding.items() if key not in GROUNDING or not objects(value)}
    for key, value in sources.items():
        if key == "groundingMetadata" and grounding:
            yield from (Native(key, rest),) if rest else ()
        elif key != "citationMetadata" or not sourced:
            yield Native(key, value)


def objects(value: object) -> list[dict[str, Any]]:
    """Return the value if it is a list of objects, else []."""
    return value if isinstance(value, list) and all(isinstance(one, dict) for one in value) else []


def passage(segment: dict[str, Any], chunk: dict[str, Any], support: dict[str, Any]) -> Citation:
    """Return the citation of a source, which is an object `web`, `retrievedContext` or `maps`, for a passage."""
    from .._core.response.others import citation_of  # noqa: PLC0415 - most answers are text

    source = next((one for one in chunk.values() if isinstance(one, dict)), {})
    raw = {"groundingChunk": chunk} | non_empty(groundingSupport=support)
    found = citation_of(segment, raw, start="startIndex", end="endIndex")
    # The first passage has no start, which stands for 0.
    start = 0 if found.start is None and found.end is not None else found.start
    named = citation_of(source, raw, url="uri")
    return found._replace(url=named.url, title=named.title, start=start)


def counted(counts: dict[str, Any]) -> Usage | None:
    """Return the token counts in a `usageMetadata`, None if it has none."""
    names = ("prompt", "toolUsePrompt", "candidates", "thoughts", "total")
    prompt, used, answer, thought, total = (found(counts, f"{name}TokenCount") for name in names)
    # What tools of the service have put into the prompt, and the thoughts, are counted beside the others.
    prompt = None if prompt is None else prompt + (used or 0)
    return usage_of(counts, prompt, (answer or 0) + (thought or 0), total=total)


def parser(limit: int) -> FrameParser:
    """Gemini streamGenerateContent: server-sent events, or one JSON array if a proxy drops `alt=sse` from the URL.

    `candidates[0].content.parts` holds text, reasoning (`thought`) and tool calls; `usageMetadata` holds the token
    counts; the end of the body completes the reply, if a `finishReason` came.
    """
    return FrameParser(EventsOrArray(limit), GeminiReader(limit), "an event")


GEMINI = Provider(
    name="gemini",
    base_url="https://generativelanguage.googleapis.com",
    url="{base_url}/v1beta/models/{model}:streamGenerateContent?alt=sse",
    headers={"content-type": "application/json", "accept": "text/event-stream", "x-goog-api-key": "{api_key}"},
    payload=payload, parser=parser, end="marker",
    example_model="gemini-2.5-flash",
    options=options_named(
        "temperature", "max_tokens", "top_p", "stop", "seed", "tools", "tool_choice", "response_format",
        "reasoning_effort", "frequency_penalty", "presence_penalty", "logprobs", "cache",
    ),
    key_variables=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    # The service lists its models as "models/NAME"; Vertex AI writes "publishers/google/models/NAME".
    model_prefixes=("models/", "publishers/google/models/"),
)  # fmt: skip
