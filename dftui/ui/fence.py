"""How often frames may go to the terminal: a frame clock, and a fence for slow links.

textual queues frames faster than a slow link carries them, so keys would be answered seconds late.  After a frame
of a busy pane the fence asks the terminal `CSI ? 2026 $ p`; it answers in order, so its answer says that the frame
has arrived.  The next one waits for that answer and then rests as long as the round trip took: half of the link stays
free for keys.
Under tmux or screen the answer is not the real terminal's: there a fixed low rate holds.
"""

from __future__ import annotations

import time
from collections.abc import Callable

QUERY = "\x1b[?2026$p"
PATIENCE = 3.0
"""Seconds to wait for the first answer before giving the fence up."""
LONGEST_REST = 2.0
QUICK = 0.02
"""Round trips below this are a local terminal: no rest is needed."""


class Fence:
    """Says whether a frame may be painted now. `write` sends the query behind the frame."""

    def __init__(
        self, write: Callable[[], None], *, enabled: bool = True, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write = write
        self._clock = clock
        self.enabled = enabled
        self._sent = 0.0
        self._rest_until = 0.0
        self._answered = False

    def open(self) -> bool:
        """May a frame go out now?"""
        if not self.enabled:
            return True
        now = self._clock()
        if self._sent:
            if now - self._sent < PATIENCE:
                return False
            self._sent = 0.0
            if not self._answered:
                self.enabled = False
                return True
        return now >= self._rest_until

    @property
    def waiting(self) -> bool:
        """An answer is under way."""
        return self._sent > 0 and self._clock() - self._sent < PATIENCE

    def passed(self) -> None:
        """A frame goes out: ask behind it."""
        if self.enabled and not self._sent:
            self._sent = self._clock()
            self._write()

    def answered(self) -> None:
        """The terminal's answer came."""
        if self._sent:
            now = self._clock()
            self._answered = True
            trip = now - self._sent
            self._rest_until = now + (min(LONGEST_REST, trip) if trip > QUICK else 0.0)
            self._sent = 0.0
