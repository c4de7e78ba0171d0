"""`Takes`: what a service takes of a conversation and its tools.  The sources stand beside each provider's `Takes`.

TAKES = Takes(keys=("name", "image_url.detail"), call_ids="[a-zA-Z0-9]{9}")
"""

from collections.abc import Collection
from dataclasses import dataclass

# The optional keys that some services take and others refuse: of an assistant's message, a part and a tool call.
ANSWER_KEYS = (
    "reasoning_content", "reasoning", "reasoning_details", "thinking_blocks", "annotations", "refusal", "phase",
    "prefix",
)  # fmt: skip
PART_KEYS = ("cache_control", "prompt_cache_breakpoint")
CALL_KEYS = ("extra_content",)
# All optional keys, as `Takes` names them.
EVERY_KEY = (
    "name", "tool.name", *ANSWER_KEYS, *(f"content.{key}" for key in PART_KEYS), "image_url.detail",
    *(f"tool_calls.{key}" for key in CALL_KEYS), "tools.cache_control", "function.strict",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Takes:
    """What a service takes of a conversation and its tools; `Takes()` takes any names, ids and images, but no key.

    - `keys` are the optional keys that it takes.  A key is named after the object that holds it: `name` in a message,
      `tool.name` in a message of the role tool, `content.cache_control` in a part, `image_url.detail` in an image,
      `tool_calls.extra_content` in a tool call, `tools.cache_control` in a tool, `function.strict` in a tool's
      function.
    - `images` are the media types of the images that it takes; () means any.
    - `developer` says whether it knows the role developer.
    - `empty_answers` says whether an assistant's message may have neither text nor tool calls.
    - `call_ids` is a regular expression for the ids of tool calls.
    - `tool_names` is a regular expression for the names of tools; "" means any.
    """

    keys: Collection[str] = ()
    images: Collection[str] = ()
    developer: bool = False
    empty_answers: bool = True
    call_ids: str = ".+"
    tool_names: str = ""


# What a server takes whose owner, the caller, knows better than we do.
EVERYTHING = Takes(keys=EVERY_KEY)
