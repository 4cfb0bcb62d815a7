"""How long the way to an engine on another machine takes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable
from typing import TypeVar

from dftui.watch.traffic import few

T = TypeVar("T")
LOOKS = 5


class Answers:
    """Times the looks at an engine. The quickest of the last ones counts: what a look waits for besides, is not the
    way's."""

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=LOOKS)

    async def timed(self, look: Awaitable[T]) -> T:
        """The answer, once its time is noted."""
        began = time.monotonic()
        answer = await look
        self._last.append(time.monotonic() - began)
        return answer

    def ms(self, host: str) -> float:
        """Milliseconds, two digits of them; 0 for an engine behind a socket of this machine."""
        return 0.0 if host.startswith("unix:") or not self._last else few(1000 * min(self._last))
