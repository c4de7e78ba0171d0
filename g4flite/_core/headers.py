"""HTTP headers: what a header may hold, which headers are secret, and how secrets are blotted out of a text.

No other module decides what is secret.  A secret is known by its header's name (`is_secret`), or by being a header that
the caller gave (`secrets_of`).  `redact` then takes each of them out of whatever a service or a proxy said back.
"""

from collections.abc import Collection, Iterable, Mapping

# httpx computes these from the request; a second value beside httpx's own would make the request ambiguous.
COMPUTED = frozenset({"host", "content-length", "transfer-encoding", "connection", "te", "accept-encoding"})
# The characters of a header's name, RFC 9110 5.6.2.
TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
SECRET_WORDS = ("auth", "key", "token", "secret", "password", "cookie", "credential", "session")
# Headers whose values may be shown, even if the caller gave them.
HARMLESS = frozenset({"accept", "accept-language", "content-type", "origin", "referer", "user-agent"})
HIDDEN = "***"
# A shorter text is not blotted out: "none" or "12345" as a key would take innocent words out of messages.
SHORTEST_SECRET = 6


def check_header(name: str, value: str) -> None:
    """Raise `ValueError`, without the value in it, if HTTP cannot carry the header or httpx computes it itself."""
    if not isinstance(name, str) or not name or not TOKEN.issuperset(name):
        raise ValueError(f"{name!r} is no name of a header")
    if name.lower() in COMPUTED:
        raise ValueError(f"the header {name} is computed by httpx; leave it out")
    if not isinstance(value, str):
        raise ValueError(f"the header {name} is a {type(value).__name__}, not a string")
    if not value.isascii() or not (value.isprintable() or value.replace("\t", " ").isprintable()):
        raise ValueError(f"the header {name} holds a line break, a control character or one that is not ASCII")
    if value != value.strip():
        raise ValueError(f"the header {name} begins or ends with white space")


def is_secret(name: str, value: str) -> bool:
    """Return whether the value of a header (or of a field) with this name is secret.

    `Bearer null` is the public placeholder of a retired service.
    """
    return value != "Bearer null" and any(word in name.lower() for word in SECRET_WORDS)


def secrets_of(headers: Mapping[str, str], given: Collection[str], api_key: str) -> tuple[str, ...]:
    """Return the texts that no message may repeat, the longest first.

    These are the API key and the values of `headers` that are secret by name or that the caller gave (`given`, names
    in lower case), each whole and without a scheme such as `Bearer`.
    """
    values = [v for n, v in headers.items() if is_secret(n, v) or (n in given and n not in HARMLESS)]
    values.append(api_key)
    found = {*values, *(value.rpartition(" ")[2] for value in values)}
    return tuple(sorted((value for value in found if len(value) >= SHORTEST_SECRET), key=len, reverse=True))


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return the text with each secret replaced by `***`, also a secret that is cut off.

    An excerpt ends in the middle of a text, marked by `...` or not at all, and so may end in the middle of a secret.
    """
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
        for length in range(len(secret) - 1, SHORTEST_SECRET - 1, -1):
            text = text.replace(f"{secret[:length]}...", f"{HIDDEN}...")
            if text.endswith(secret[:length]):
                text = f"{text[:-length]}{HIDDEN}"
    return text


def redact_bytes(data: bytes, secrets: Iterable[str]) -> bytes:
    """Return the bytes with a star for each byte of a secret, also of a secret that is cut off (see `redact`).

    The length stays, so that an offset into the bytes means the same before and after.
    """
    for secret in (text.encode("utf-8", "surrogatepass") for text in secrets):
        data = data.replace(secret, b"*" * len(secret))
        # A body may have megabytes, and nearly all hold no beginning of a secret: look for all beginnings at once.
        if secret[:SHORTEST_SECRET] not in data:
            continue
        for length in range(len(secret) - 1, SHORTEST_SECRET - 1, -1):
            beginning, stars = secret[:length], b"*" * length
            data = data.replace(beginning + b"...", stars + b"...")
            if data.endswith(beginning):
                data = data[:-length] + stars
    return data
