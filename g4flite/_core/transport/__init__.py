"""Waits for the network.  Only this wing imports httpx, anyio, ssl and socket."""
