"""`Takes`: what a service takes of a conversation and its tools.  The sources stand beside each provider's `Takes`.

TAKES = Takes(keys=("name", "image_url.detail"), call_ids="[a-zA-Z0-9]{9}")
"""

from collections.abc import Collection
from typing import Any, Literal, NamedTuple

# The optional keys that some services take and others refuse: of an assistant's message, a part and a tool call.
ANSWER_KEYS = (
    "reasoning_content", "reasoning", "reasoning_details", "thinking_blocks", "annotations", "refusal", "phase",
    "prefix",
)  # fmt: skip
# Those of them that are kept with an empty text: DeepSeek's and Moonshot's thinking models want the field with each
# tool call, and take "" (pydantic-ai's cassette test_deepseek_deferred_capability_with_thinking, 2026).
KEPT_EMPTY = ("reasoning_content",)
PART_KEYS = ("cache_control", "prompt_cache_breakpoint")
CALL_KEYS = ("extra_content",)
# All optional keys, as `Takes` names them.
EVERY_KEY = (
    "name", "tool.name", "tool.is_error", "tool.image_url", *ANSWER_KEYS, *(f"content.{key}" for key in PART_KEYS),
    "image_url.detail", *(f"tool_calls.{key}" for key in CALL_KEYS), "tools.cache_control", "function.strict",
)  # fmt: skip
# The levels of `reasoning_effort`, and the words of a service that calls them the same.
EFFORTS = ("none", "minimal", "low", "medium", "high")
SAME_LEVELS = {name: name for name in EFFORTS}
# The kinds of media that most services take, those of files, and those that have a form in OpenAI's Chat Completions.
IMAGES = ("image.data", "image.url")
FILES = ("file.data", "file.url", "file.gs", "file.id")
CHAT_MEDIA = (*IMAGES, "file.data", "file.id", "audio.data")


class Refused(NamedTuple):
    """An option that a service refuses, for all models or for some: each service's are a table of these.

    - `option` is the option's name, or "thinking" for `extra["thinking"]`.  `values` are the values that the service
      refuses; if there are none, it refuses all but those in `but`.  Of a dict, its `type` is compared.
    - `models` is a regular expression for the whole names of the models that refuse it.  A model that nobody knows
      refuses nothing.
    - `beside` is another option; if there is one, the service refuses the two together.
    - `unsaid` is a word in lower case; if there is one, the service takes the option once a message has the word.
    - `thinking` are the types of the field `thinking` with which the model refuses it, None standing for no such field;
      () means that it does not matter whether the model thinks.
    - `idle` are the levels of `reasoning_effort` with which the model takes it, None standing for no level; () means
      that the level does not matter.
    """

    option: str
    but: Collection[Any] = ()
    values: Collection[Any] = ()
    models: str = ".*"
    beside: str = ""
    unsaid: str = ""
    thinking: Collection[str | None] = ()
    idle: Collection[str | None] = ()


class Takes(NamedTuple):
    """What a service takes of a conversation and its tools; `Takes()` takes any names, ids and images, but no key.

    - `keys` are the optional keys that it takes.  A key is named after the object that holds it: `name` in a message,
      `tool.name`, `tool.is_error` and `tool.image_url` in a message of the role tool, `content.cache_control` in a
      part, `image_url.detail` in an image, `tool_calls.extra_content` in a tool call, `tools.cache_control` in a tool,
      `function.strict` in a tool's function.
    - `media` are the kinds of media that it takes, in the words of `media.KINDS`.
    - `images` are the media types of the images that it takes; () means any.  `files` is a regular expression for the
      media types of files, and `audio` one for the formats of audio; "" means any.  `named` are the kinds of files
      whose names go out.
    - `blocks` says whether each text part of a message stays a part of its own, for a service that caches or signs what
      ends with it; else they are joined.
    - `developer` says whether it knows the role developer.
    - `objects` says whether the arguments of a tool call go out as an object, and not as text.
    - `empty_answers` says whether an assistant's message may have neither text nor tool calls; else it is left out.
    - `call_ids` is a regular expression for the ids of tool calls.
    - `tool_names` is a regular expression for the names of tools; "" means any.
    - `late_system` says whether a system message may stand behind other messages.
    - `no_system` is a regular expression for the whole names of models that know no system messages; "" means none.
    - `refused` are the options that it refuses; `negatives` says whether it takes options below zero (llama.cpp's
      `max_tokens` of -1 has no bound).
    - `state` says to what the state of an answer is bound that goes back: "provider", "model" (to the provider and the
      model) or "account" (to the key as well); "" means that the service wants no state back.
    - `prefix` is a regular expression for the whole names of models whose state is bound to all messages before it.
    - `reasoning` is the field of an assistant's message in which reasoning goes back, in a dialect of Chat Completions
      and for Cohere ("content" stands for parts of the content);
      `reasoned` is a regular expression for the whole names of models that refuse tool calls without that field.
    """

    keys: Collection[str] = ()
    media: Collection[str] = IMAGES
    images: Collection[str] = ()
    files: str = ""
    named: Collection[str] = FILES
    audio: str = ""
    blocks: bool = False
    developer: bool = False
    objects: bool = False
    empty_answers: bool = True
    call_ids: str = ".+"
    tool_names: str = ""
    late_system: bool = True
    no_system: str = ""
    refused: Collection[Refused] = ()
    negatives: bool = False
    state: Literal["", "provider", "model", "account"] = ""
    prefix: str = ""
    reasoning: str = ""
    reasoned: str = ""


# What a server takes whose owner, the caller, knows better than we do.  Chat Completions has no mark of a failed tool:
# the name is ours, and Gemini's chat path refuses unknown ones (400 "Invalid JSON payload received. Unknown name").
CHAT_KEYS = tuple(key for key in EVERY_KEY if key != "tool.is_error")
EVERYTHING = Takes(keys=CHAT_KEYS, media=CHAT_MEDIA, negatives=True, state="provider", reasoning="reasoning_content")
