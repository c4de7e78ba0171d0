"""What of a service's words a message may show: an excerpt, and the id of the request.  No I/O.

    excerpt(b"<html>...", 20)                   # "'<html>...'", on one line and cut
    request_id({"x-request-id": "req_1"})       # "req_1"

`service_errors`, which reads what these words mean, takes seven milliseconds to import, and is needed for errors alone.
"""

from collections.abc import Mapping
from typing import Final

# How many characters of an error's text are kept in `.body`, and searched for words.
KEPT: Final = 2 * 1024
# How much of an error's body is read, in bytes or characters: looking through 4 MiB of events takes ten seconds.
BODY_READ: Final = 16 * 1024
# The most characters of a request's id that are kept.  LiteLLM's have 445 characters.
LONGEST_ID: Final = 4096
# The headers in which services give a request's id; the first of these that is there counts.  `cf-ray` and the like are
# left out: a proxy in between gives them, and the service cannot find a request by them.
REQUEST_IDS: Final = ("x-request-id", "request-id", "x-generation-id", "apim-request-id", "x-ms-request-id")


def excerpt(data: bytes | str, limit: int = 200) -> str:
    """Return the beginning of `data` on one line and in quotes, for a message; `limit` is a number of characters."""
    text = data[: 4 * limit].decode("utf-8", "replace") if isinstance(data, bytes) else data[: 4 * limit]
    text = " ".join(text.split())
    return repr(text if len(text) <= limit else text[:limit] + "...")


def displayable_id(value: object) -> str | None:
    """Return the value if it is an id that a message can show, a line of at most 4096 characters; else None."""
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST_ID and value.isprintable() else None


def request_id(headers: Mapping[str, str]) -> str | None:
    """Return the service's id of the request, from the first of the headers `REQUEST_IDS`, or None if there is none."""
    # A header that a proxy in between has repeated comes as "a, b": its first value is the service's.
    values = (headers.get(name, "").partition(",")[0].strip() for name in REQUEST_IDS)
    return next(filter(None, map(displayable_id, values)), None)
