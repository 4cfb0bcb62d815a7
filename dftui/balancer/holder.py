"""Who holds a stack's lock, as its label says it."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lock, since when (unix time), doing what."""

    who: str
    since: float
    what: str

    @classmethod
    def parse(cls, text: str) -> Holder:
        """From what the holder wrote: `SINCE WHO WHAT…`."""
        since, _, rest = text.strip().partition(" ")
        who, _, what = rest.partition(" ")
        return cls(who or "somebody", float(since.split(".")[0]) if since[:1].isdigit() else 0.0, what or "acting")

    def words(self) -> str:
        """For a sentence: who, doing what, since when."""
        since = time.strftime("%H:%M:%S", time.localtime(self.since)) if self.since else "an unknown time"
        return f"{self.who} ({self.what}, since {since})"
