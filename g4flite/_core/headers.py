"""HTTP headers: what a header may hold, which headers are secret, and how secrets are taken out of a text.

    secrets = secrets_of(request.headers, call.headers.keys(), call.api_key)     # ("Bearer sk-abc123", "sk-abc123")
    redact("no such key: sk-abc123", secrets)                                    # "no such key: ***"

No other module decides which headers are secret.  A value is secret if its header has a telling name (`is_secret`) or
if the caller gave the header (`secrets_of`).  `redact` takes secrets out of the texts that a service or a proxy sent.
"""

from collections.abc import Collection, Iterable, Mapping

# httpx computes these headers from the request.  A second value beside httpx's own would make the request ambiguous.
COMPUTED = frozenset({"host", "content-length", "transfer-encoding", "connection", "te", "accept-encoding"})
# The characters that the name of a header may have (RFC 9110 5.6.2).
TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
# A header (or a field of JSON) whose name contains one of these words is secret.
SECRET_WORDS = ("auth", "key", "token", "secret", "password", "cookie", "credential", "session")
# Headers whose values may be shown, even if the caller gave them.
HARMLESS = frozenset({"accept", "accept-language", "content-type", "origin", "referer", "user-agent"})
# Stands for a secret in a text.
HIDDEN = "***"
# Characters.  `redact` leaves a shorter secret in the text: with "none" or "12345" as a key, it would take innocent
# words out of messages.
SHORTEST_SECRET = 6


def check_header(name: str, value: str) -> None:
    """Raise `ValueError` if HTTP cannot carry the header, or if httpx computes it.  No message quotes the value."""
    if not isinstance(name, str) or not name or not TOKEN.issuperset(name):
        raise ValueError(f"{name!r} cannot be the name of a header; use letters, digits and hyphens")
    if name.lower() in COMPUTED:
        raise ValueError(f"the header {name} is computed by httpx; leave it out")
    if not isinstance(value, str):
        raise ValueError(f"the header {name} must be a string, not {type(value).__name__}")
    # HTTP allows a tab inside a value, but no other control character (RFC 9110 5.5).
    if not value.isascii() or not (value.isprintable() or value.replace("\t", " ").isprintable()):
        raise ValueError(f"the header {name} holds a line break, a control character or a character outside ASCII")
    if value != value.strip():
        raise ValueError(f"the header {name} begins or ends with white space; strip it")


def is_secret(name: str, value: str) -> bool:
    """Return whether a header (or a field of JSON) of this name and value is secret.

    The value `Bearer null` is not secret: it is FlowGPT's public placeholder, the same for every caller.
    """
    return value != "Bearer null" and any(word in name.lower() for word in SECRET_WORDS)


def secrets_of(headers: Mapping[str, str], given: Collection[str], api_key: str) -> tuple[str, ...]:
    """Return the secrets of a request, which no message may repeat; the longest comes first.

    The secrets are `api_key`, the values of the secret headers, and the values of the headers that the caller gave
    (`given` holds their names in lower case), except for harmless headers.  Each value is there twice, as a whole and
    without a scheme such as `Bearer`.
    """
    values = [v for n, v in headers.items() if is_secret(n, v) or (n in given and n not in HARMLESS)]
    values.append(api_key)
    found = {*values, *(value.rpartition(" ")[2] for value in values)}
    return tuple(sorted((value for value in found if len(value) >= SHORTEST_SECRET), key=len, reverse=True))


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return the text with each secret replaced by `***`, also a secret of which the text holds only the beginning.

    An excerpt may end in the middle of a secret, with `...` behind it or not.
    """
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
        # The beginnings of the secret, the longest first.
        for length in range(len(secret) - 1, SHORTEST_SECRET - 1, -1):
            text = text.replace(f"{secret[:length]}...", f"{HIDDEN}...")
            if text.endswith(secret[:length]):
                text = f"{text[:-length]}{HIDDEN}"
    return text
