"""A common beat for streams that are busy: at each beat one look at all of them, and only those that have something
are read.

Fifty containers that write a few lines now and then wake a program for every one of their lines; what a wake-up costs
is more than the lines do.  A stream that waits here is read once a beat at most, with all that has come, and together
with the others.
"""

from __future__ import annotations

import asyncio
import select


class Beat:
    """Sockets wait here for the next beat at which they have something. Runs only while one waits."""

    def __init__(self, seconds: float) -> None:
        """`seconds` from beat to beat."""
        self.seconds = seconds
        self._poll = select.poll()
        self._waiting: dict[int, tuple[asyncio.Future[bool], float]] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def readable(self, fd: int, most: float) -> bool:
        """Return at the first beat at which there is something to read (the end counts), or after `most` seconds;
        whether there is."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        self._waiting[fd] = (future, loop.time() + most)
        self._poll.register(fd, select.POLLIN)
        if self._timer is None:
            self._timer = loop.call_later(self.seconds, self._look, loop)
        try:
            return await future
        finally:
            # A number may have become another socket's meanwhile.
            if self._waiting[fd][0] is future:
                del self._waiting[fd]
                self._poll.unregister(fd)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        ready = {fd for fd, _ in self._poll.poll(0)}
        for fd, (future, end) in self._waiting.items():
            if future.done():
                continue
            if fd in ready or now >= end:
                future.set_result(fd in ready)
            elif self._timer is None:
                self._timer = loop.call_later(self.seconds, self._look, loop)
