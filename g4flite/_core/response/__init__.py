"""Decodes replies: from bytes to frames, from frames to texts and events.  No I/O."""
