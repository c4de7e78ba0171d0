"""Decodes replies: bytes to frames to texts and events.  No I/O."""
