"""HTTP headers: what a header may hold.  `secrets` knows which headers are secret."""

# httpx computes these headers from the request.  A second value beside httpx's own would make the request ambiguous.
COMPUTED = frozenset({"host", "content-length", "transfer-encoding", "connection", "te", "accept-encoding"})
# The characters that the name of a header may have (RFC 9110 5.6.2).
TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


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
