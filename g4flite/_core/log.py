"""The log: one line of `key=value` for each attempt, each stream that has failed, and what a request leaves out.

    DEBUG    dropped provider=anthropic model=claude-4 what="reasoning_effort='none' is left out, because ..."
    DEBUG    attempt number=1 provider=openai model=gpt-4o-mini outcome=complete seconds=1.204 status=200 request_id=r1
    WARNING  failed provider=openai error_type=RateLimitError error="openai: status 429: ..." attempts=3 request_id=r3

The fields are attributes of the record as well, for formatters that write JSON.
"""

import json
import logging
from typing import Final

# The logger is named like the package, which may have been vendored under another name.
log = logging.getLogger((__package__ or "").rpartition(".")[0])
# Without a handler of the program, Python would print warnings to stderr.
log.addHandler(logging.NullHandler())

# Characters that a value may have without quotes.
BARE: Final = frozenset("-._:/+@%,;()[]#*~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def say(level: int, event: str, **fields: object) -> None:
    """Log one line, `event key=value key=value`, without the fields that are None."""
    if log.isEnabledFor(level):
        known = {name: value for name, value in fields.items() if value is not None}
        log.log(
            level, "%s %s", event, " ".join(f"{name}={_quoted(value)}" for name, value in known.items()), extra=known
        )


def _quoted(value: object) -> str:
    """Return a value of a line in the log; a text with spaces or quotes stands in quotes, as in JSON.

    What a terminal or a reader of lines could obey is escaped: JSON leaves U+009B, U+2028 or U+202E as they are.
    """
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    if text and BARE.issuperset(text):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in quoted)
