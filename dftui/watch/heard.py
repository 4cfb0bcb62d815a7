"""Which of the engine's events were heard already: a stream that is opened anew tells the last ones again."""

from __future__ import annotations

from collections import deque

from dftui.engine.api import Event

_MARGIN = 0.5
"""Seconds before the last event from which they are asked for again."""
_KEPT = 500


class Heard:
    """The last events. Each is known by all that it says, not by its time alone, which may step back with the
    engine's clock."""

    def __init__(self, since: float = 0.0) -> None:
        """`since`: unix seconds from which on events are wanted at first; 0 is from now on."""
        self.since = since
        """What to ask the engine for next."""
        self._last: deque[tuple[float, str, str]] = deque(maxlen=_KEPT)

    def new(self, event: Event) -> bool:
        """Whether it is told for the first time; from then on it is not."""
        key = (event.time, event.action, event.id)
        if key in self._last:
            return False
        self._last.append(key)
        self.since = max(0.0, event.time - _MARGIN)
        return True
