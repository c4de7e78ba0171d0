"""The two families of clients: httpx, and its continuation httpx2 where the caller has imported it."""

import sys
from typing import Any

import httpx


def kinds(*names: str) -> tuple[type[Any], ...]:
    """The classes of these names, in each family."""
    families = (httpx, sys.modules.get("httpx2"))
    return tuple(getattr(family, name) for family in families for name in names if hasattr(family, name))
