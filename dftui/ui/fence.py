"""How much may be under way to the terminal: flow control by the terminal's own answers.

A slow link queues whatever is sent into it, so keys would be answered seconds late.  Behind a frame the fence asks
`CSI ? 2026 $ p`; a terminal answers in order, so its answer says that the frame has arrived.  Frames of a stream
(log lines, requests) wait until nothing is under way, and then rest as long as the frame itself took, which leaves
half of the link to keys.  Any other frame waits only while more than a window is under way; the window grows on a
fast link, however long the way is, and shrinks when frames begin to queue.
Under tmux or screen the answer is not the real terminal's: there a fixed low rate holds.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

QUERY = "\x1b[?2026$p"
PATIENCE = 3.0
"""Seconds to wait for an answer; when the first one does not come, the fence is given up."""
SLOWEST = 1000
"""Bytes a second of the slowest link: what is under way may take so much longer."""
LONGEST_REST = 2.0
QUICK = 0.02
"""Seconds on top of the shortest trip that are no sign of a queue."""
QUEUED = 0.1
"""Seconds on top of the shortest trip at which the window shrinks."""
BARE = 256
"""Bytes before a question that take no time worth counting."""
LEAST, MOST = 2048, 65536
"""Bounds of the window, in bytes."""


class Fence:
    """Counts what goes out and what has arrived. The caller sends the queries and passes the answers on."""

    def __init__(self, *, enabled: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        self.enabled = enabled
        self.window = LEAST
        self._clock = clock
        self._asked: deque[tuple[float, int, int]] = deque()
        """For each question its time, the bytes before it, and all that was under way."""
        self._under_way = 0
        self._unasked = 0
        self._answered = False
        self._least: float | None = None
        """The shortest trip, known from the first question with nothing before it on."""
        self._rest_until = 0.0

    def _look(self, now: float) -> None:
        """Answers that are too late are not waited for."""
        while self._asked and now - self._asked[0][0] >= PATIENCE + self._asked[0][2] / SLOWEST:
            self._under_way -= self._asked.popleft()[1]
            if not self._answered:
                self.enabled = False

    @property
    def free(self) -> bool:
        """May a frame go out now?"""
        self._look(self._clock())
        return not self.enabled or self._under_way < self.window

    @property
    def open(self) -> bool:
        """May a frame of a stream go out now?"""
        now = self._clock()
        self._look(now)
        return not self.enabled or (self._least is not None and not self._asked and now >= self._rest_until)

    @property
    def waiting(self) -> bool:
        """An answer is under way."""
        self._look(self._clock())
        return self.enabled and bool(self._asked)

    @property
    def blind(self) -> bool:
        """All has arrived, but the shortest trip is not known yet: ask once with nothing before it."""
        return self.enabled and self._least is None and not self._asked

    def sent(self, size: int, *, ask: bool = False) -> bool:
        """So many bytes go out now; whether to ask behind them (always when `ask`)."""
        if not self.enabled:
            return False
        self._under_way += size
        self._unasked += size
        if not ask and self._unasked < LEAST // 2:
            return False
        self._asked.append((self._clock(), self._unasked, self._under_way))
        self._unasked = 0
        return True

    def answered(self) -> None:
        """The terminal's answer to the oldest question came."""
        if not self._asked:
            return
        now = self._clock()
        at, size, under_way = self._asked.popleft()
        self._under_way -= size
        self._answered = True
        trip = now - at
        if self._least is None:
            if size < BARE:
                self._least = trip
            return
        self._least = min(self._least, trip)
        queued = trip - self._least
        self._rest_until = now + (min(LONGEST_REST, queued) if queued > QUICK else 0.0)
        if queued > QUEUED:
            self.window = max(LEAST, self.window // 2)
        elif queued <= QUICK and 2 * under_way >= self.window:
            self.window = min(MOST, 2 * self.window)
