"""OpenAI Responses: server-sent events; `response.completed` or `response.incomplete` completes the reply.

The documentation shows an `error` event with the fields of the error in it.  The events that the service sends hold the
error as an object `error` (recorded, August 2026).  The parser reads both.
Source: https://platform.openai.com/docs/api-reference/responses-streaming (August 2026).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from .._core.conversation import fitted
from .._core.errors import LimitError, MessagesError
from .._core.events import Finish, FinishReason, Native, Other, Reasoning, ServerToolResult, TurnState, Usage
from .._core.messages import Message, parts
from .._core.options import (
    as_wire_names,
    check_name,
    check_tools,
    has_tools,
    logprob_fields,
    non_empty,
    options_named,
    required_model,
    schema,
    tool_choice,
)
from .._core.provider import JSON, Call
from .._core.refused import check_effort, check_refused
from .._core.response.assembly import ToolCalls, place_of
from .._core.response.counts import ANSWER, PROMPT, found, merged, usage_of
from .._core.response.excerpts import KEPT
from .._core.response.fields import Naming, as_object, reasoning_of, weight
from .._core.response.framing import ServerSentEvents
from .._core.response.parsers import FrameParser, Items, failure, refusal, reported, text_or_error
from .._core.response.reasons import REASONS, word_of
from .._core.response.repeats import Tell, fields
from .._core.takes import IMAGES, SAME_LEVELS
from .openai import OPENAI
from .openai import TAKES as CHAT_TAKES

# The types of events with a piece of the reasoning, with audio and what is said in it, with an image before it is
# complete (the event is all of it), with an annotation, and with the head of the response.
REASONING = ("response.reasoning_summary_text.delta", "response.reasoning_text.delta")
AUDIO, TRANSCRIPT = "response.audio.delta", "response.audio.transcript.delta"
DRAFT = "response.image_generation_call.partial_image"
# The events with a whole part of the reasoning, which extends the pieces before it or stands in their place.
REASONED = ("response.reasoning_summary_text.done", "response.reasoning_text.done",
            "response.reasoning_summary_part.done")  # fmt: skip
# The events that end content of other kinds, for servers that send no pieces of it; and the fields that say nothing.
ENDS = ("response.audio.done", "response.audio.transcript.done")
PLACES = frozenset(("type", "sequence_number", "response_id", "item_id", "output_index", "content_index"))
# The events with the whole input of an item that is no function call, and the field of the item that it belongs in.
INPUTS = {"response.custom_tool_call_input.done": "input", "response.mcp_call_arguments.done": "arguments",
          "response.code_interpreter_call_code.done": "code"}  # fmt: skip
ANNOTATION = "response.output_text.annotation.added"
STARTS = ("response.created", "response.queued", "response.in_progress")
# The kinds of content that the parts of a message hold.
PARTS = {"output_text": "text", "text": "text", "refusal": "refusal"}
# The kinds of parts that come in events of their own.
SUMMARY = ("summary_text", None)
# How many parts of a reply are remembered, and how many characters of the last piece of each.
MOST_PARTS = 1024
PIECE = 256
# As in Chat Completions, but 400 "Invalid 'input[2].call_id': string too long. Expected a string with maximum length
# 64" (openclaw/openclaw#10640); the types of openai-python 3.57.0 have no name of a speaker.
TAKES = CHAT_TAKES._replace(
    keys=("phase", "content.prompt_cache_breakpoint", "image_url.detail", "function.strict", "tool.image_url"),
    # 400 "unsupported MIME type 'audio/mpeg'" for audio (pydantic-ai's cassette, 2026).
    media=(*IMAGES, "image.id", "file.data", "file.url", "file.id"),
    named=("file.data",),
    call_ids=".{1,64}",
    # 400 `invalid_encrypted_content` for another account (pydantic/pydantic-ai#4608, openai/codex#8119).
    state="account",
)
# The items that hold text and tool calls, and the fields that go back of them: the id, the phase of a message, and who
# has made a call, of which set of functions (types of openai-python 3.57.0).
HEADED, HEAD = ("message", "function_call"), ("type", "id", "phase", "caller", "namespace")
# The items that are calls of the service's own tools: the field with the arguments.  The fields with what a tool found.
# Source: types of openai-python 3.57.0.
SERVER_TOOLS = {"web_search_call": "action", "file_search_call": "queries", "code_interpreter_call": "code",
                "mcp_call": "arguments"}  # fmt: skip
OUTCOMES = ("results", "outputs", "output", "error")


def payload(call: Call) -> JSON:
    """`input` holds an item for each message, tool call and tool result.

    Images and files are parts `input_image` and `input_file`, also in the results of tools.
    `tools` are the functions, without the object `function` around each.  System messages for o1-mini become the
    user's.  A message with a `name` raises `MessagesError`.  A tool call with a name that the service refuses raises
    it, too; `temperature`, `top_p` and `logprobs` for a model that reasons, and a level of `reasoning_effort` that it
    refuses, raise `OptionError`.  A `response_format` of any JSON raises it if no message has the word "json".
    `parallel_tool_calls` without tools is left out, and `cache=True` changes nothing: the service caches by itself.
    """
    check_effort(call, TAKES)
    (kind, name), wanted = tool_choice(call.options, call.extra) or ("", ""), schema(call.options)
    check_refused(call.model, call.options, call.extra, call.messages, TAKES)
    tools = [
        {"type": "function", "strict": False, **tool} for tool in check_tools(call.options.get("tools", ()), TAKES)
    ]
    if wanted:
        # The service requires a name.
        wanted = {"name": "answer", **wanted}
        check_name("response_format=", wanted["name"], TAKES)
    asked = logprob_fields(call.options, "include", "top_logprobs")
    if asked:
        asked["include"] = ["message.output_text.logprobs"]
    form = None if wanted is None else {"type": "json_schema", **wanted} if wanted else {"type": "json_object"}
    for number, message in enumerate(call.messages, 1):
        if message.get("phase") and not message["content"] and "state" not in message:
            raise MessagesError(f"message {number} has 'phase', but no text that could have one; leave it out")
    return (
        {
            "model": required_model(call.model),
            "input": [item for m in fitted(call, TAKES) for item in with_following(list(items(m)), call.dropped)],
            "stream": True,
        }
        | as_wire_names(call.options, max_tokens="max_output_tokens", temperature="temperature", top_p="top_p",
                        user="user", metadata="metadata")
        | reasoning(call)
        | asked
        | (as_wire_names(call.options, parallel_tool_calls="parallel_tool_calls") if has_tools(call.options, call.extra)
           else {})
        | non_empty(tools=tools, tool_choice={"type": "function", "name": name} if name else kind)
        | non_empty(text=non_empty(format=form))
    )  # fmt: skip


def with_following(items: list[dict[str, Any]], dropped: list[str]) -> list[dict[str, Any]]:
    """Return the items of a message without reasoning at their end, as an answer has it that was cut off there.

    400 "Item 'rs_...' of type 'reasoning' was provided without its required following item."
    """
    kept = list(items)
    while kept and kept[-1].get("type") == "reasoning":
        kept.pop()
    if len(kept) < len(items):
        dropped.append("the reasoning at the end of an answer is left out, because no text or tool call follows it")
    return kept


def items(message: Message) -> Iterator[dict[str, Any]]:
    """Yield the items of one message: its content, and each of its tool calls."""
    answer = message["role"] == "assistant"
    content = [item(part, "output_text" if answer else "input_text") for part in parts(message)]
    if message["role"] == "tool":
        output = content if isinstance(message["content"], list) else message["content"]
        yield {"type": "function_call_output", "call_id": message["tool_call_id"], "output": output}
        return
    if "state" in message:
        yield from turn_items(message)
        return
    if content or not answer:
        yield {"role": message["role"], "content": content or ""} | non_empty(phase=message.get("phase"))
    yield from map(function_call, message.get("tool_calls", ()))


def function_call(call: Mapping[str, Any]) -> dict[str, Any]:
    """Return the item of a tool call."""
    function = call["function"]
    return {"type": "function_call", "call_id": call["id"], "name": function["name"],
            "arguments": function["arguments"]}  # fmt: skip


def turn_items(message: Message) -> Iterator[dict[str, Any]]:
    """Yield the items of an answer from the parts of its state, in the order of the service's output.

    The head of a message or of a tool call stands behind it, with the id that the service wants behind reasoning (400
    "Item 'fc_...' of type 'function_call' was provided without its required 'reasoning' item").
    """
    parts, calls = message["state"], message.get("tool_calls", ())
    for part, following in zip(parts, [*parts[1:], None], strict=True):
        head = following if is_head(following) else {}
        if isinstance(part, int):
            yield function_call(calls[part]) | head
        elif isinstance(part, str):
            bare = {"role": "assistant", "content": [{"type": "output_text", "text": part}]}
            yield message_item(part, head) if head else bare
        elif "reasoning" not in part and not is_head(part):
            yield part


def is_head(part: Any) -> bool:
    """Return whether a part of a state is the head of a message or a tool call: what stands beside its content."""
    return isinstance(part, dict) and part.get("type") in HEADED and "content" not in part


def message_item(text: str, head: Mapping[str, Any]) -> dict[str, Any]:
    """Return the item of a message.  `parts` in its head has the length and the annotations of each part of the text.

    If the lengths do not make up the text, because the service has rewritten it, there is one part.
    """
    parts, content = head.get("parts", []), list[dict[str, Any]]()
    if sum(part["size"] for part in parts) != len(text):
        parts = [{"size": len(text), "annotations": [note for part in parts for note in part["annotations"]]}]
    for part in parts:
        said, text = text[: part["size"]], text[part["size"] :]
        content.append({"type": "output_text", "text": said, "annotations": part["annotations"]})
    # The types of openai-python 3.57.0 require a role and a status beside an id.
    beside = {key: value for key, value in head.items() if key != "parts"}
    return {"role": "assistant", "status": "completed", **beside, "content": content}


def reasoning(call: Call) -> dict[str, Any]:
    """Return the field `reasoning` of the option `reasoning_effort`."""
    if "reasoning_effort" not in call.options:
        return {}
    from .._core.effort import level  # noqa: PLC0415 - most calls give no level

    return {"reasoning": {"effort": level(call, SAME_LEVELS)}}


def item(part: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return one part of a content in the protocol's form; `kind` is the type of a part that is text."""
    if part["type"] == "text":
        return {**part, "type": kind}
    media = {**part.get("image_url", {}), **part.get("file", {})}
    kept = {key: value for key, value in part.items() if key not in ("image_url", "file")}
    if part["type"] == "image_url":
        image = {"file_id": media["file_id"]} if "file_id" in media else {"image_url": media["url"]}
        return {**kept, "type": "input_image", **image, "detail": media.get("detail", "auto")}
    if "file_data" in media:
        from .._core.media import filename_of  # noqa: PLC0415 - most messages are text

        media["filename"] = filename_of(part)
    elif "filename" in media:
        # The service takes a name beside the data alone (types of openai-python 3.57.0).
        del media["filename"]
    return {**kept, "type": "input_file", **media}


@dataclass(slots=True, eq=False)
class Part:
    """What was given out of one part of the output, or of an item that is no message.

    `index` is the number of its item, `number` that of the part in its item, and
    `item_id` the hash of the item's id, which takes less memory than the id.  None is unknown.
    """

    kind: str
    index: object
    number: object
    item_id: int | None
    # How many characters were given out (of content that is no text: whether it was), and the end of the last piece.
    given: int = 0
    piece: str = ""
    # How many annotations were given out.
    notes: int = 0
    # The form of an item's reasoning that came first, "summary" or "content", and how its text begins; "" if none came.
    form: str = ""
    head: str = ""
    # Whether the other form says the same; None if it has not come.
    again: bool | None = None

    def fits(self, index: object, item_id: int | None) -> bool | None:
        """Return whether this is the part of an item with this number and id; None if the two do not tell."""
        pairs = ((self.index, index), (self.item_id, item_id))
        known = {mine == its for mine, its in pairs if mine is not None and its is not None}
        return known.pop() if len(known) == 1 else None

    def rest(self, whole: str) -> str | None:
        """Return what of the whole text was not given out; None if the text begins otherwise.

        Blanks do not count, which some servers take off the whole text.
        """
        began = whole[: self.given].rstrip().endswith(self.piece.strip())
        return whole[self.given :] if began else None

    def is_again(self, form: str, text: str) -> bool:
        """Return whether a text of an item's reasoning in this form says what has come in the other form.

        The beginnings decide: the pieces of the two forms may take turns, or differ in length.
        """
        began = text.strip()[:PIECE]
        self.form = self.form or form
        if self.form == form:
            self.head = self.head or began
            return False
        if self.again is None and began:
            self.again = self.head != "" and (began.startswith(self.head) or self.head.startswith(began))
        # Blanks before the first word of the second form are as little as a repeat.
        return self.again is not False

    def told(self, text: str) -> None:
        """Note that a text, which is not empty, is given out."""
        self.given += len(text)
        self.piece = text[-PIECE:]

    def told_all(self, texts: Sequence[str]) -> None:
        """Note that texts, none of which is empty, are given out."""
        self.given += len("".join(texts))
        self.piece = texts[-1][-PIECE:]

    def add(self, text: str) -> str:
        """Note that a text is given out, and return it."""
        self.given, self.piece = self.given + len(text), text[-PIECE:] or self.piece
        return text


# The events that end a reply, and the finish reason that each is if its response names none.  `done` and `cancelled`
# come from relays (can1357/oh-my-pi PR#4692, decolua/9router PR#2142, Wei-Shaw/sub2api#1565, 2026).
LAST = {
    "response.completed": None, "response.done": None, "response.incomplete": "incomplete",
    "response.cancelled": "cancelled", "response.canceled": "cancelled",
}  # fmt: skip


class ResponsesReader:
    """Reads the events of one reply.  Events of other types are skipped; the protocol has more than fifty types.

    Servers send a text in deltas, whole in `response.output_text.done` or `response.content_part.done`, in the item of
    `response.output_item.done`, in the `output` of `response.completed`, or in several of these.  So for each part of
    the output the reader remembers how much was given out, and of a later whole text it gives out the rest.  A whole
    text that does not begin like the pieces before it was rewritten: then the pieces stand.

    The events number and name an item in several ways, or not at all.  If a number and an id contradict each other, or
    neither is known, the text decides which part it is.  The `output` of `response.completed` has all items: its parts
    are matched with those that were given out by their ids, then by their texts, then in order; any other is new.

    An item may say its reasoning in two forms, as a text and as a summary, of which some servers make one and the same
    (peonist-ai/halogen-flash-server#67, chenyme/grok2api PR#960, 2026).  If the second form begins as the first, it is
    given out as `Native`.
    """

    # (What `response.content_part.added` holds comes again in later events.)
    names = (
        *(f"response.{name}" for name in (
            "output_text.delta", "output_text.done", "refusal.delta", "refusal.done", "content_part.done",
            "output_item.added", "output_item.done", "function_call_arguments.delta", "function_call_arguments.done",
            "failed")),
        *LAST,
    )  # fmt: skip
    roles = fields(unread=("sequence_number", "obfuscation"), beside="logprobs")

    def __init__(self, limit: int) -> None:
        self._calls, self._naming = ToolCalls(limit), Naming()
        # The output indices of messages that are a commentary and no answer (lm15-contract's recordings, 2026).
        self._asides: set[object] = set()
        # The hashes of the ids of the items whose state was given out.
        self._sent: set[int] = set()
        # The words of a refusal, as many as its error keeps.
        self._refusal = ""
        # The parts of the output so far.
        self._parts: dict[tuple[object, ...], Part] = {}
        # The part of the last text delta, and where that stands: the item's number, the part's number, the item's id.
        self._key: tuple[object, ...] | None = None
        self._part = Part("", None, None, None)
        # The items of other kinds that have begun, and how many characters of them may still come.
        self._begun: dict[Part, dict[str, Any]] = {}
        self._left = limit
        # The types of `WHOLE` that came.
        self._whole: set[str] = set()
        # The item and part of the last reasoning, None if none came; and whether a part of a summary has begun since.
        self._thought: tuple[object, object] | None = None
        self._new_part = False
        # The media type of the audio, "" if none came.
        self._sound = ""
        # Behind a delta, `repeats` may read the next one.
        self.told: Mapping[type, Tell | None] = {}
        self.done = False

    def read(self, name: str, frame: dict[str, Any]) -> Items:
        kind = frame.get("type") or name
        if kind == "response.output_text.delta":
            key = frame.get("output_index"), frame.get("content_index", 0), frame.get("item_id")
            if key != self._key:
                self._key, self._part = key, self._at("text", place_of(key[0]), place_of(key[1]) or 0, key[2])
            text = self._part.add(text_or_error(frame["delta"]))
            item = Reasoning(text) if self._asides and place_of(key[0]) in self._asides else text
            self.told = {type(item): Tell(self._part.told, self._part.told_all)}
            # The list is there and empty if nobody asked for logprobs.
            return (item, *logprobs_of(frame)) if frame.get("logprobs") else (item,)
        self.told = {}
        # What follows comes once in a part, an item or a reply.
        return tuple(self._read(kind, name, frame))

    def _read(self, kind: object, name: str, frame: dict[str, Any]) -> Items:
        """Yield the items of an event of this `kind` and this name."""
        index, item_id = place_of(frame.get("output_index")), frame.get("item_id")
        number = place_of(frame.get("content_index")) or 0
        if kind in REASONING:
            place, said = place_of(frame.get("summary_index", number)), frame.get("delta")
            form, thought = ("summary" if "summary" in kind else "content"), self._at("reasoning", index, None, item_id)
            known = self._at(form, index, place, item_id)
            if thought.is_again(form, thought_in(said)):
                known.add(thought_in(said))
                yield Native(str(kind).removeprefix("response."), frame)
                return
            yield from self._think(index, place, said)
            self._count_thought(thought, known, thought_in(said))
            several = partial(self._count_thoughts, thought, known)
            self.told = {Reasoning: Tell(partial(self._count_thought, thought, known), several)}
        elif kind in REASONED:
            thought = self._at("reasoning", index, None, item_id)
            form, place = ("summary" if "summary" in kind else "content"), frame.get("summary_index", number)
            yield from self._reasoned(thought, form, place_of(place), frame.get("text") or frame.get("part"), index)
        elif kind == "response.reasoning_summary_part.added":
            self._new_part = True
        elif kind == "response.refusal.delta":
            self._refuse(self._at("refusal", index, number, item_id).add(text_or_error(frame["delta"])))
        elif kind in ("response.output_text.done", "response.refusal.done"):
            part = {**frame, "type": kind.removeprefix("response.").removesuffix(".done")}
            yield from self._come(index, number, item_id, part)
        elif kind in ("response.content_part.added", "response.content_part.done"):
            part = as_object(frame.get("part"))
            if part.get("type") == "reasoning_text" and kind.endswith("done"):
                thought = self._at("reasoning", index, None, item_id)
                yield from self._reasoned(thought, "content", number, part, index)
            # A part of another kind is whole at its end.
            elif part.get("type") in PARTS or (kind.endswith("done") and part.get("type") not in SUMMARY):
                yield from self._come(index, number, item_id, part)
        elif kind == ANNOTATION:
            from .._core.response.others import annotation_of  # noqa: PLC0415 - most answers are text

            self._at("text", index, number, item_id).notes += 1
            yield annotation_of("output_text.annotation.added", frame.get("annotation"))
        elif kind == AUDIO:
            from .._core.response.others import media_of  # noqa: PLC0415 - most answers are text

            sound = media_of("audio", data=frame.get("delta"), mime_type=self._sound)
            self._sound = sound.mime_type if sound else ""
            self._whole.add(str(kind))
            yield sound or Native("audio.delta", frame)
        elif kind == TRANSCRIPT:
            self._whole.add(str(kind))
            yield text_or_error(frame.get("delta"))
        elif kind == DRAFT:
            yield Native(DRAFT.removeprefix("response."), frame)
        elif kind in ENDS:
            came = kind.replace(".done", ".delta") in self._whole
            if not came and "transcript" in frame:
                yield text_or_error(frame["transcript"])
            elif not came and any(value for key, value in frame.items() if key not in PLACES):
                yield Native(kind.removeprefix("response."), frame)
        elif kind in INPUTS:
            yield from self._input(index, item_id, kind, frame)
        elif kind in STARTS:
            response = as_object(frame.get("response"))
            yield self._naming.learn(response.get("id"), response.get("model"))
        elif kind == "response.output_item.added":
            yield from self._added(index, frame["item"])
        elif kind == "response.function_call_arguments.delta":
            yield from self._calls.add(item_id, index, arguments=frame["delta"])
            self.told = self._calls.told
        elif kind == "response.function_call_arguments.done":
            yield from self._calls.settle(item_id, index, arguments=frame.get("arguments"))
        elif kind == "response.output_item.done":
            yield from self._item(index, frame["item"])
            yield from self._kept(frame["item"])
        elif kind in LAST and as_object(frame.get("response")).get("status") != "failed":
            yield from self._finish(as_object(frame.get("response")), LAST[kind])
        elif kind in LAST or kind == "response.failed":
            response = as_object(frame.get("response"))
            yield self._count(response)
            yield reported({"error": response.get("error") or "the response failed"})
        elif kind == "error" or name == "error" or frame.get("error"):
            yield reported(frame if frame.get("error") else {"error": frame})

    def _at(self, kind: str, index: object, number: object, item_id: object, whole: str | None = None) -> Part:
        """Return the part at a place, which may be a new one.  `whole` is its whole text, if that is known."""
        hashed = hash(item_id) if isinstance(item_id, str) else None
        key = (kind, index, number, hashed)
        if key in self._parts and (whole is None or index is not None or hashed is not None):
            return self._parts[key]
        for part in reversed(self._parts.values()):
            if (part.kind, part.number) == (kind, number):
                fits = part.fits(index, hashed)
                # The reasoning is given out once at most.
                if fits is None and (kind == "reasoning" or whole is not None):
                    fits = whole is None or part.rest(whole) is not None
                if fits:
                    break
        else:
            part = Part(kind, index, number, hashed)
        self._remember(key, part)
        return part

    def _remember(self, key: tuple[object, ...], part: Part) -> None:
        # Several parts may have no place.
        self._parts[(*key, len(self._parts)) if key in self._parts else key] = part
        if len(self._parts) > MOST_PARTS:
            raise LimitError(f"the parts of the reply are more than {MOST_PARTS}")

    def _come(
        self, index: object, number: object, item_id: object, value: dict[str, Any], *, told: bool = False
    ) -> Items:
        """Yield what is new in a part of a message that is whole."""
        kind, text = content_of(value)
        part = self._at(kind, index, number, item_id, text)
        yield from self._give(part, value, aside=index in self._asides, told=told)

    def _give(self, part: Part, value: dict[str, Any], *, aside: bool = False, told: bool = False) -> Items:
        """Yield what of a part's whole value was not given out; none of its text, if that was `told` in other parts."""
        kind, whole = content_of(value)
        if whole is None:
            yield from others(kind, value) if not part.given else ()
            part.given = 1
            return
        rest = None if told and kind == "text" else part.rest(whole)
        begins = not part.given
        text = part.add(rest or "")
        if kind == "refusal":
            self._refuse(text)
        else:
            yield Reasoning(text) if aside else text
            # Those of a text that came in pieces came with the pieces.
            yield from logprobs_of(value) if begins and text else ()
        notes = value.get("annotations")
        for note in notes[part.notes :] if isinstance(notes, list) else ():
            from .._core.response.others import annotation_of  # noqa: PLC0415 - most answers are text

            part.notes += 1
            yield annotation_of("output_text.annotation.added", note)

    def _item(self, index: object, item: dict[str, Any]) -> Items:
        """Yield what is new in an output item that is complete."""
        kind, item_id = str(item.get("type")), item.get("id")
        if kind == "function_call":
            yield from self._done(index, item)
        elif kind == "message":
            if is_commentary(item):
                self._asides.add(index)
                if len(self._asides) > MOST_PARTS:
                    raise LimitError(f"the parts of the reply are more than {MOST_PARTS}")
            content = item.get("content") or ()
            hashed = hash(item_id) if isinstance(item_id, str) else None
            told = is_told(content, (part for part in self._parts.values() if part.fits(index, hashed)))
            for number, value in enumerate(content):
                yield from self._come(index, number, item_id, value, told=told)
        elif kind == "reasoning":
            yield from self._thoughts(index, item, self._at(kind, index, None, item_id))
        else:
            yield from self._give(self._at(kind, index, None, item_id), item)

    def _kept(self, item: dict[str, Any]) -> Items:
        """Yield what goes back of an item that is complete: its head if it holds text or a tool call, else all of it.

        The vendor's client sends each item back as it came.
        (The item of `response.output_item.added` has another `encrypted_content`: types of openai-python 3.57.0.)
        """
        kind, item_id = item.get("type"), item.get("id")
        if not isinstance(item_id, str) or hash(item_id) in self._sent:
            # The next text is another message's.
            yield TurnState(None)
            return
        self._sent.add(hash(item_id))
        if len(self._sent) > MOST_PARTS:
            raise LimitError(f"the items of the reply are more than {MOST_PARTS}")
        if kind == "reasoning":
            yield TurnState({key: value for key, value in item.items() if key != "status" and value is not None})
        # Items of the service's own tools go back as they came: most need their `status`, and some a field that is
        # null.
        elif kind not in HEADED or is_commentary(item):
            yield TurnState(item)
        else:
            status = item.get("status") if kind == "message" and item.get("status") != "completed" else None
            head = {key: item[key] for key in HEAD if item.get(key) is not None}
            yield TurnState(head | non_empty(status=status, parts=parts_of(item)))

    def _thoughts(self, index: object, item: dict[str, Any], thought: Part) -> Items:
        """Yield what is new in the reasoning of an item, which is in none of its pieces."""
        form = "summary" if item.get("summary") else "content"
        came = {part.kind for part in self._parts.values() if part.kind in ("summary", "content")}
        # The item says its reasoning in another form than its pieces, or no more than they did.
        if thought.given and (form not in came or thought.given >= size_of(item)):
            return
        place = thought.index if thought.given else index
        for number, said in enumerate(thoughts_of(item)):
            yield from self._reasoned(thought, form, number, said, place)

    def _reasoned(self, thought: Part, form: str, number: object, said: object, index: object) -> Items:
        """Yield what is new in a whole part of the reasoning, which stands at an `index`."""
        parts = (part for part in self._parts.values() if (part.kind, part.number) == (form, number))
        # If nothing of the item has come, a part that might be another item's is another item's.
        fitting = (True, None) if thought.given else (True,)
        part = next((part for part in parts if part.fits(thought.index, thought.item_id) in fitting), None)
        if part is None:
            part = Part(form, thought.index, number, thought.item_id)
            self._remember((form, thought.index, number, thought.item_id), part)
        if text := thought_in(said):
            said = text = part.rest(text) or ""
        # Nothing is new, or it is no text and came before.
        if not said or (part.notes and not text):
            return
        if thought.is_again(form, text):
            part.add(text)
            yield Native("reasoning_summary_text" if form == "summary" else "reasoning_text", said)
            return
        self._count_thought(thought, part, text)
        yield from self._think(index, number, said)

    @staticmethod
    def _count_thoughts(thought: Part, part: Part, texts: Sequence[str]) -> None:
        """Do the same as `_count_thought` for texts, none of which is empty."""
        part.told_all(texts)
        thought.told_all(texts)

    @staticmethod
    def _count_thought(thought: Part, part: Part, text: str) -> None:
        """Note that a text of a part of the reasoning is given out; "" stands for what is no text."""
        part.add(text)
        part.notes += not text
        thought.add(text or " ")

    def _think(self, index: object, number: object, said: object) -> Items:
        """Yield a piece of reasoning.  A blank line separates it from the part or the item before.

        Source: goai#125, July 2026: without it, the headings of a summary run into the text before.
        """
        for piece in reasoning_of(said):
            apart = self._thought is not None and (self._new_part or self._thought != (index, number))
            self._thought, self._new_part = (index, number), False
            yield Reasoning(f"\n\n{piece.text}") if apart and isinstance(piece, Reasoning) else piece

    def _refuse(self, words: str) -> None:
        self._refusal = (self._refusal + words)[:KEPT]

    def _added(self, index: object, item: dict[str, Any]) -> Items:
        """Yield the beginning of a tool call or of a message, and note whether that is a commentary."""
        if item.get("type") == "function_call":
            # Some servers send all arguments here, and again later.
            whole = item.get("arguments")
            yield from self._calls.begin(
                item.get("id"), index, id=item.get("call_id"), name=item.get("name"), spare=whole
            )
            return
        self._asides.discard(index)
        if item.get("type") == "message":
            yield from self._item(index, item)
        elif item.get("type") != "reasoning":
            self._left -= weight(item)
            if self._left < 0:
                raise LimitError("the items of the reply are longer than max_frame allows")
            self._begun[self._at(str(item.get("type")), index, None, item.get("id"))] = item

    def _input(self, index: object, item_id: object, kind: str, frame: dict[str, Any]) -> Items:
        """Take the whole input of an item that has begun.  Yield it if there is no such item."""
        hashed, field = hash(item_id) if isinstance(item_id, str) else None, INPUTS[kind]
        for part, item in self._begun.items():
            if kind.startswith(f"response.{part.kind}") and part.fits(index, hashed) is not False:
                item[field] = frame.get(field)
                return
        yield Native(kind.removeprefix("response."), frame)

    def _done(self, index: object, item: dict[str, Any], *, last: bool = False) -> Items:
        """Yield the tool call that is complete, if it is new.  Some servers send the call here alone."""
        slots, name, text = (item.get("id"), index), item.get("name"), item.get("arguments")
        yield from self._calls.settle(*slots, id=item.get("call_id"), name=name, arguments=text, last=last)
        yield from self._calls.stop()

    def whole(self, value: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        is_answer = value.get("object") == "response"
        return ({"type": f"response.{value.get('status')}", "response": value},) if is_answer else ()

    def _finish(self, response: dict[str, Any], word: str | None) -> Items:
        """Yield the end of the answer: what is new in the response, token counts, the finish reason, a refusal.

        `word` is the finish reason if the response names none.
        """
        self.done = True
        # llama.cpp and LiteLLM name the model here.
        if response.get("model"):
            yield self._naming.learn(response.get("id"), response.get("model"))
        yield from self._new_in(response.get("output") or ())
        # Items that have begun and come nowhere whole.
        for part, item in self._begun.items():
            if not part.given:
                yield from (*self._give(part, item), *self._kept(item))
        words = (as_object(response.get("incomplete_details")).get("reason"), response.get("status"), word)
        native = next(filter(None, map(word_of, words)), None)
        yield from self._calls.whole()
        yield self._count(response)
        # Whatever the reason, an answer that is incomplete has been cut short.
        unknown: FinishReason = "length" if "incomplete" in words else "other"
        finish = Finish(self._calls.reason(REASONS.get(native or "completed", unknown)), native)
        yield from (finish, failure(finish))
        yield refusal(self._refusal) if self._refusal else None

    def _new_in(self, output: Iterable[dict[str, Any]]) -> Items:
        """Yield what was not given out of the response's whole output."""
        # Each part with its own value, and the item that it stands in.
        entries: list[tuple[Part, dict[str, Any], dict[str, Any]]] = []
        for item in output:
            hashed = hash(item["id"]) if isinstance(item.get("id"), str) else None
            if item.get("type") == "message":
                for number, value in enumerate(item.get("content") or ()):
                    entries.append((Part(content_of(value)[0], None, number, hashed), value, item))
            else:
                entries.append((Part(str(item.get("type")), None, None, hashed), item, item))
        if len(entries) > MOST_PARTS:
            raise LimitError(f"the parts of the reply are more than {MOST_PARTS}")
        before = self._matched([
            (part, "".join(map(thought_in, thoughts_of(item))) if part.kind == "reasoning" else content_of(value)[1],
             is_commentary(item)) for part, value, item in entries
        ])  # fmt: skip
        # A commentary says nothing of the answer's parts, nor they of it.
        asides = {place for place, (_, _, item) in enumerate(entries) if is_commentary(item)}
        noted = {part for part in self._parts.values() if part.index in self._asides}
        noted |= {before[place] for place in asides & before.keys()}
        told = {
            aside: is_told(
                (value for place, (_, value, _) in enumerate(entries) if (place in asides) is aside),
                (part for part in self._parts.values() if (part in noted) is aside),
            )
            for aside in (True, False)
        }
        thought = sum(part.given for part in set(self._parts.values()) if part.kind == "reasoning")
        thought_told = thought >= sum(size_of(item) for part, _, item in entries if part.kind == "reasoning")
        for place, (part, value, item) in enumerate(entries):
            if part.kind == "reasoning":
                if not thought_told:
                    # A new item stands at no place of those before.
                    part.index = ("completed", place)
                    yield from self._thoughts(part.index, item, before.get(place, part))
            elif part.kind == "function_call":
                yield from self._done(None, item, last=True)
            else:
                aside = place in asides
                yield from self._give(before.get(place, part), value, aside=aside, told=told[aside])
            # Behind all parts of a message.
            if place + 1 == len(entries) or entries[place + 1][2] is not item:
                yield from self._kept(item)

    def _matched(self, entries: list[tuple[Part, str | None, bool]]) -> dict[int, Part]:
        """Return the parts that were given out, by the place of their entry in the response.

        `entries` have texts, and say whether they are a commentary's: no place among others tells that a commentary is
        the answer.
        """
        known, result = list(dict.fromkeys(self._parts.values())), dict[int, Part]()
        matches: tuple[Callable[[Part, Part, str | None, bool], object], ...] = (
            lambda old, new, _, __: old.number == new.number and old.fits(new.index, new.item_id),
            lambda old, _, text, __: text and old.given and old.rest(text) is not None,
            # The ids of two different calls, or of two items of reasoning, tell them apart.
            lambda old, new, _, aside: (
                old.index == new.index or None in (old.index, new.index)
                if new.kind == "function_call"
                else old.fits(new.index, new.item_id) is not False
                if new.kind == "reasoning"
                else (old.index in self._asides) is aside
            ),
        )
        for match in matches:
            for place, (new, text, aside) in enumerate(entries):
                if place not in result:
                    old = next((old for old in known if old.kind == new.kind and match(old, new, text, aside)), None)
                    if old is not None:
                        result[place] = old
                        known.remove(old)
        return result

    @staticmethod
    def _count(response: dict[str, Any]) -> Usage | None:
        """Return the token counts of a response."""
        counts = merged({}, response.get("usage"))
        prompt, answer, total = (found(counts, *names) for names in (PROMPT, ANSWER, ("total_tokens",)))
        return usage_of(counts, prompt, answer, total=total)

    def end(self, *, marked: bool) -> Items:  # noqa: ARG002 - OpenRouter adds a [DONE], which has no meaning here
        return ()


def others(kind: str, item: dict[str, Any]) -> Iterator[Other]:
    """Yield the content of an item, or of a part of a message, that is neither text nor reasoning nor a tool call."""
    from .._core.response.others import media_of, server_call, word  # noqa: PLC0415 - most answers are text

    if kind == "image_generation_call":
        form = item.get("output_format")
        mime_type = f"image/{form}" if isinstance(form, str) else None
        yield media_of("image", data=item.get("result"), mime_type=mime_type) or Native(kind, item)
        return
    if kind not in SERVER_TOOLS:
        yield Native(kind, item)
        return
    given = item.get(SERVER_TOOLS[kind])
    name = word(item.get("name")) if kind == "mcp_call" else kind.removesuffix("_call")
    arguments = given if isinstance(given, dict) or kind == "mcp_call" else {SERVER_TOOLS[kind]: given}
    yield server_call(item.get("id"), name, arguments)
    found = {key: item[key] for key in OUTCOMES if item.get(key) is not None}
    if found or item.get("status") == "failed":
        yield ServerToolResult(word(item.get("id")), name, found or {"status": "failed"})


def parts_of(item: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the length and the annotations of each part of a message; [] for one text without annotations."""
    parts = [as_object(part) for part in item.get("content") or () if content_of(as_object(part))[0] == "text"]
    found = [
        {"size": len(content_of(part)[1] or ""), "annotations": notes if isinstance(notes, list) else []}
        for part in parts
        for notes in (part.get("annotations"),)
    ]
    return found if len(found) > 1 or any(part["annotations"] for part in found) else []


def is_commentary(item: dict[str, Any]) -> bool:
    """Return whether an item is a message that is no answer."""
    return item.get("type") == "message" and item.get("phase") == "commentary"


def is_told(values: Iterable[dict[str, Any]], parts: Iterable[Part]) -> bool:
    """Return whether as much text as the values hold was given out in these parts.

    Some servers join the text of several parts in a later event.
    """
    size = sum(len(text) for kind, text in map(content_of, values) if kind == "text" and text)
    return size <= sum(part.given for part in set(parts) if part.kind == "text")


def logprobs_of(value: dict[str, Any]) -> tuple[Native, ...]:
    """Return the logprobs of a part or of a delta, as a tuple of one; () if it has none."""
    logprobs = value.get("logprobs")
    return (Native("logprobs", logprobs),) if logprobs and isinstance(logprobs, list) else ()


def thoughts_of(item: dict[str, Any]) -> list[Any]:
    """Return the parts of an item's reasoning, which may stand there without a list."""
    said = item.get("summary") or item.get("content") or []
    return said if isinstance(said, list) else [said]


def size_of(item: dict[str, Any]) -> int:
    """Return how many characters the reasoning in an item has; a part that is no text counts one."""
    return sum(len(thought_in(part)) or 1 for part in thoughts_of(item))


def thought_in(said: object) -> str:
    """Return the text in a part of the reasoning, "" if it holds none."""
    if isinstance(said, str):
        return said
    return "".join(piece.text for piece in reasoning_of(said) if isinstance(piece, Reasoning))


def content_of(value: dict[str, Any]) -> tuple[str, str | None]:
    """Return the kind of a part or an item, and its text; None if it is neither text nor a refusal."""
    kind = PARTS.get(value.get("type", ""))
    return (str(value.get("type")), None) if kind is None else (kind, text_or_error(value.get(kind)))


def parser(limit: int) -> FrameParser:
    """OpenAI Responses: server-sent events, each with the name that its JSON has as `type`.

    `response.output_text.delta` is text, or reasoning if its message has the phase `commentary`;
    `response.reasoning_summary_text.delta` and `response.reasoning_text.delta` are reasoning,
    `response.function_call_arguments.delta` is a piece of a tool call; `error` and `response.failed` raise.
    `response.completed` or `response.incomplete` holds the token counts and completes the reply.  Events with other
    names are skipped.  `response.completed` means `stop`, also if the output is as long as `max_output_tokens`: a
    server that says no `response.incomplete` (llama.cpp's) leaves that to the token counts.
    """
    return FrameParser(ServerSentEvents(limit), ResponsesReader(limit), "an event")


OPENAI_RESPONSES = replace(
    OPENAI,
    name="openai-responses",
    url="{base_url}/responses",
    payload=payload,
    parser=parser,
    options=options_named(
        "temperature", "max_tokens", "top_p", "tools", "tool_choice", "response_format", "reasoning_effort",
        "parallel_tool_calls", "logprobs", "user", "metadata", "cache",
    ),
)  # fmt: skip
