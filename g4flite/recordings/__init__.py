"""Replies that were recorded once and are replayed without a network; `testing` is the way in."""

from ._record import Recorder
from ._replay import NotRecorded, Replayer

__all__ = ["NotRecorded", "Recorder", "Replayer"]
