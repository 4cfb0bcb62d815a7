"""Following one container's log over restarts, rotation and engine outages: nothing lost, nothing doubled.

The engine is asked again from a little before the last line it gave.  Lines that were already taken are known by
stamp, stream and content; when the last line itself does not come back, the log was rotated away meanwhile, and
that is said as a gap.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from dftui.engine.api import Engine, EngineError, LogLine, NotFound
from dftui.engine.batch import Batch
from dftui.watch.lines import MAX_LINE, STDERR, Record

MARGIN_NS = 50_000_000
"""How far before the last stamp to ask again: stdout and stderr are stamped apart and may cross by a little."""

_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0
FULL_PIECE = 64 * 1024
Key = tuple[int, bool, bytes]


def _key(line: LogLine) -> Key:
    return line.time_ns, line.stream == "stderr", line.data[:MAX_LINE]


class Sink(Protocol):
    """Where a follower's lines go: the hub."""

    def take(self, follower: Follower, lines: Sequence[LogLine]) -> float:
        """New lines; the answer is how many seconds to wait before reading on."""
        ...

    def gap(self, follower: Follower, after_ns: int, before_ns: int, why: str) -> None:
        """Something is missing between these stamps."""
        ...

    def known(self, name: str, since_ns: int) -> Iterable[Record]:
        """This container's records from this stamp on that are still held."""
        ...

    def known_from(self, name: str) -> int:
        """The stamp from which on `known` has all of them."""
        ...


class Follower:
    """One container's log, read by a task of its own."""

    def __init__(self, engine: Engine, sink: Sink, name: str, ref: str, *, tail: int | None, since_ns: int) -> None:
        """`tail` last lines to begin with (None: all), from `since_ns` on."""
        self.name = name
        self.ref = ref
        self.running = True
        self.removed = False
        self.last_ns = 0
        self.repeated = 0
        self.attached = False
        self.opened_ns = 0
        self.quiet_since = 0.0
        self.told_ns = 0
        """Stamp of the last line that was given to the sink."""
        self.heard = False
        """The engine has given something since the log was opened."""
        self._last: dict[str, LogLine] = {"stdout": LogLine(0, "stdout", b""), "stderr": LogLine(0, "stderr", b"")}
        self._engine = engine
        self._sink = sink
        self._tail = tail
        self._since_ns = since_ns
        self._skip_tail: int | None = None
        self._known: set[Key] | None = None
        self._expect = False
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin following, or go on where it ended."""
        if self._task is not None and not self._task.done():
            return
        self._task = asyncio.create_task(self._run(), name=f"follow {self.name}")

    def wake(self) -> None:
        """The container runs (again), or the engine answers again: open the log now."""
        self._wake.set()

    def ended(self) -> None:
        """The container ended: look again, as the engine may end a stream with it and keep its last lines back."""
        self.running = False
        self._wake.set()

    def skip_ahead(self, tail: int) -> None:
        """Give up what is unread but for the `tail` last lines; the hole is said as a gap."""
        self._skip_tail = tail

    def cancel(self) -> None:
        """Ask the task to end."""
        if self._task is not None:
            self._task.cancel()

    async def stop(self) -> None:
        """End the task and the engine's stream."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    @property
    def done(self) -> bool:
        """The container is gone and its log read to the end."""
        return self._task is not None and self._task.done()

    async def _run(self) -> None:
        wait = _FIRST_WAIT
        while True:
            before = self.last_ns
            try:
                await self._read()
            except NotFound:
                # A container may be listed a moment before it can be found by its id: only who is told that it was
                # removed lets it go.
                if self.removed:
                    return
            except EngineError:
                # The engine is away; whoever watches it says so. Here only: try again, unless a stream that broke
                # while it was being cancelled has put its own error in place of the cancellation.
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise asyncio.CancelledError from None
            self.attached = False
            if self._skip_tail is not None:
                continue
            if self.last_ns != before:
                wait = _FIRST_WAIT
            elif self.removed:
                return
            elif not self.running:
                # Ended, and a look since then brought nothing new: wait to be told.
                await self._wake.wait()
                wait = _FIRST_WAIT
            try:
                # Not wait_for, which in Python 3.11 can lose a cancellation that comes with the wake-up.
                async with asyncio.timeout(wait):
                    await self._wake.wait()
                wait = _FIRST_WAIT
            except TimeoutError:
                wait = min(wait * 2, _LONGEST_WAIT)
            self._wake.clear()

    async def _read(self) -> None:
        """One pass over the engine's stream until it ends."""
        tail, since = self._tail, self._since_ns
        self._known = None
        self._expect = False
        skipped = self._skip_tail is not None
        if self._skip_tail is not None:
            tail, since = self._skip_tail, self.last_ns
            self._skip_tail = None
        elif self.last_ns:
            # Never from before what can still be known again, however small the memory is.
            tail, since = None, max(0, self.last_ns - MARGIN_NS, self._sink.known_from(self.name))
        if self.last_ns:
            self._known = self._index(since)
            self._expect = True
        loop = asyncio.get_running_loop()
        stream = self._engine.logs(self.ref, follow=True, tail=tail, since_ns=since)
        self.attached, self.heard = True, False
        self.opened_ns = time.time_ns()
        self.quiet_since = loop.time()
        async for batch in stream:
            if self._expect and batch:
                self._expect = False
                if batch[0].time_ns > self.last_ns:
                    why = "it is written faster than it can be read" if skipped else "the log was rotated meanwhile"
                    self._sink.gap(self, self.last_ns, batch[0].time_ns, why)
            fresh = self._fresh(batch)
            self.quiet_since, self.heard = loop.time(), True
            if fresh:
                pause = self._sink.take(self, fresh)
                # A flood never leaves the loop by itself: others get their turn.
                await asyncio.sleep(pause)
            if self._skip_tail is not None:
                closer: Callable[[], Awaitable[object]] | None = getattr(stream, "aclose", None)
                if closer is not None:
                    await closer()
                return

    def _fresh(self, batch: Sequence[LogLine]) -> Sequence[LogLine]:
        """The lines not taken before."""
        last = self._last
        if isinstance(batch, Batch) and self._newer(batch):
            self.last_ns = batch.times[-1]
            self._known = None
            for stream in set(batch.streams):
                # The last of its kind: most often the last of all.
                at = next(at for at in range(len(batch) - 1, -1, -1) if batch.streams[at] == stream)
                last[stream] = batch[at]
            return batch
        fresh: list[LogLine] = []
        for line in batch:
            stamp = line.time_ns
            if stamp > last[line.stream].time_ns:
                if stamp > self.last_ns:
                    self.last_ns = stamp
                    self._known = None
                elif self._known is not None and self._repeats(line, fresh):
                    continue
            elif self._known is None and stamp == last[line.stream].time_ns:
                # Stamps are unique but for the pieces of a line too long for one: those are full pieces.
                if line.data == last[line.stream].data and len(line.data) < FULL_PIECE:
                    self.repeated += 1
                    continue
            elif self._repeats(line, fresh):
                continue
            if stamp >= last[line.stream].time_ns:
                last[line.stream] = line
            fresh.append(line)
        return fresh

    def _newer(self, batch: Batch) -> bool:
        """Each line is stamped later than the one before it, and the first than any that was taken."""
        return batch.times[0] > self.last_ns and batch.rising

    def _repeats(self, line: LogLine, fresh: list[LogLine]) -> bool:
        """Whether this line, stamped no later than others before it, was taken already."""
        if self._known is None:
            self._known = self._index(0) | {_key(taken) for taken in fresh}
        key = _key(line)
        if key in self._known:
            self.repeated += 1
            return True
        self._known.add(key)
        return False

    def _index(self, since_ns: int) -> set[Key]:
        held = self._sink.known(self.name, since_ns)
        return {(record.time_ns, bool(record.flags & STDERR), record.data) for record in held}
