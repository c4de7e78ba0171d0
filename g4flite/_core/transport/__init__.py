"""Waits: the only wing that imports httpx, anyio, ssl and socket."""
