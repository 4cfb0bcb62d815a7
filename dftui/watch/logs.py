"""The log hub: every container of a stack followed, merged in time order, kept in bounded rings.

Raw bytes go in and stay raw; a line is decoded, sanitised, masked and parsed only when it is drawn, searched or
saved.  Cost in and merge: a few microseconds a line.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter

from dftui.engine.api import Container, Engine, Event, LogLine
from dftui.watch.follow import Follower
from dftui.watch.lines import (
    CUT,
    EVENT,
    GAP,
    LATE,
    LENGTH_SHIFT,
    MAX_LINE,
    STDERR,
    Counts,
    Line,
    LogBatch,
    LogCounts,
    Record,
)
from dftui.watch.mask import Masker
from dftui.watch.paint import Painter
from dftui.watch.rings import Rings
from dftui.watch.sanitise import clean

WAIT = 0.15
"""Seconds that a line waits for earlier ones of other containers before it is shown."""
SETTLE = 2.0
"""At most so long the first lines are held back, so that all containers' history is merged at once."""
PACE = 40_000
"""Lines per second read from all containers; a flood beyond it is read late rather than at any price."""
MOST_LAG = 10.0
"""Seconds behind at which a flooding container's unread lines are skipped, with a gap mark."""
_SKIP_TAIL = 500
_PENDING_BYTES = 4 << 20
_TICK = 0.05
_EVENT_WORDS = {
    "create": "was created",
    "start": "started",
    "restart": "was restarted",
    "pause": "was paused",
    "unpause": "goes on",
    "oom": "ran out of memory",
    "destroy": "was removed",
}
_by_time = itemgetter(1)


class LogHub:
    """Follows containers' logs. `sync` tells it which exist, `note` what happened to them, `run` merges."""

    def __init__(
        self,
        engine: Engine,
        *,
        masker: Masker | None = None,
        tail: int | None = 1000,
        since_ns: int = 0,
        ring_bytes: int = 2 << 20,
        total_bytes: int = 32 << 20,
        wait: float = WAIT,
        pace: float | None = PACE,
    ) -> None:
        """`tail` and `since_ns`: where to begin; `pace` None reads as fast as the engine gives and skips nothing."""
        self._engine = engine
        self._painter = Painter(masker or Masker())
        self._tail = tail
        self._since_ns = since_ns
        self._wait = wait
        self._pace = pace
        self._credit = pace or 0.0
        self._credit_at = 0.0
        self._rings = Rings(ring_bytes, total_bytes, self._evicted)
        self._counts: dict[str, Counts] = {}
        self._followers: dict[str, Follower] = {}
        self._ids: dict[str, str] = {}
        self._pending: list[Record] = []
        self._pending_bytes = 0
        self._arrivals: list[tuple[float, int]] = []
        self._high_ns = 0
        self._settle_until = 0.0
        self._settled = False
        self._arrived = asyncio.Event()
        self._released = asyncio.Event()
        self._listeners: list[Callable[[Record], None]] = []
        self._least_lag = 0.0
        self.last_seq = 0

    # ---- what to follow

    def sync(self, containers: Iterable[Container]) -> None:
        """These containers exist now: follow new ones, let go of those that are gone (their lines stay)."""
        loop = asyncio.get_running_loop()
        seen: set[str] = set()
        for container in containers:
            seen.add(container.id)
            follower = self._followers.get(container.id)
            if follower is None:
                name = clean(container.name, 128)
                self._ids[container.id] = name
                if not self._settle_until:
                    self._settle_until = loop.time() + SETTLE
                since = self._since_ns
                follower = Follower(self._engine, self, name, container.id, tail=self._tail, since_ns=since)
                self._followers[container.id] = follower
                follower.running = container.state in ("running", "paused", "restarting")
                follower.start()
                continue
            running = container.state in ("running", "paused", "restarting")
            if running and not follower.attached:
                follower.wake()
            follower.running = running
        for ref in self._followers.keys() - seen:
            follower = self._followers[ref]
            follower.removed = True
            follower.wake()
            if follower.done:
                del self._followers[ref]

    def note(self, event: Event) -> None:
        """A life-cycle event: shown in the stream, and a start opens the log again."""
        if event.kind != "container":
            return
        name = self._ids.get(event.id) or clean(event.name, 128)
        follower = self._followers.get(event.id)
        if follower is not None:
            if event.action in ("start", "unpause"):
                follower.running = True
                follower.wake()
            elif event.action == "die":
                follower.running = False
            elif event.action == "destroy":
                follower.removed = True
                follower.wake()
        words = _EVENT_WORDS.get(event.action)
        if event.action == "die":
            words = f"ended with exit code {event.exit_code}" if event.exit_code else "ended"
        elif event.action.startswith("health_status"):
            words = f"is {event.action.partition(':')[2].strip() or 'checked'}"
        if words:
            self._mark(name, int(event.time * 1e9), EVENT, f"{name} {words}")

    def poke(self) -> None:
        """The engine answers again: open every log now and merge what was missed in one go."""
        self._settled = False
        self._settle_until = asyncio.get_running_loop().time() + SETTLE
        for follower in self._followers.values():
            follower.wake()

    def skip_ahead(self, name: str, tail: int = _SKIP_TAIL) -> None:
        """Give up a container's unread lines but for the last few; the stream says so."""
        for follower in self._followers.values():
            if follower.name == name:
                follower.skip_ahead(tail)

    async def run(self) -> None:
        """Merge and release until cancelled; then every stream is closed."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._arrived.wait()
                await asyncio.sleep(_TICK)
                self._release(loop.time())
                if not self._pending:
                    self._arrived.clear()
        finally:
            await self.close()

    async def close(self) -> None:
        """End all streams; what was kept stays readable."""
        followers, self._followers = list(self._followers.values()), {}
        for follower in followers:
            follower.cancel()  # all of them first: whoever cancels this, too, leaves none running
        await asyncio.gather(*(follower.stop() for follower in followers))
        self.flush()

    # ---- what a follower brings

    def take(self, follower: Follower, lines: list[LogLine]) -> float:
        """New lines of one container; the answer is how long it should wait before it reads on."""
        loop_time = asyncio.get_running_loop().time()
        counts = self._count(follower.name)
        counts.received += len(lines)
        counts.repeated += follower.repeated
        follower.repeated = 0
        name = follower.name
        pending = self._pending
        size = 0
        for line in lines:
            data = line.data
            flags = STDERR if line.stream == "stderr" else 0
            if len(data) > MAX_LINE:
                flags |= CUT | len(data) << LENGTH_SHIFT
                data = data[:MAX_LINE]
            size += len(data)
            pending.append(Record(0, line.time_ns, name, flags, data))
        counts.bytes += size
        self._pending_bytes += size
        newest = lines[-1].time_ns
        if newest >= follower.opened_ns:
            lag = time.time() - newest / 1e9
            # A remote engine's clock may be ahead of ours: lag is measured from the smallest difference seen.
            self._least_lag = min(self._least_lag, lag)
            counts.lag = lag - self._least_lag
        else:
            counts.lag = 0.0
        self._arrivals.append((loop_time, max([line.time_ns for line in lines])))
        self._arrived.set()
        if self._pending_bytes > _PENDING_BYTES:
            self._release(loop_time)
        if self._pace is None:
            return 0.0
        if self._settled and counts.lag > MOST_LAG and self._credit < 0:
            follower.skip_ahead(_SKIP_TAIL)
        return self._spend(len(lines), loop_time)

    def gap(self, follower: Follower, after_ns: int, before_ns: int, why: str) -> None:
        """Lines of this container are missing."""
        self._count(follower.name).gaps += 1
        span = f"{_clock(after_ns)} and {_clock(before_ns)}"
        self._mark(follower.name, before_ns - 1, GAP, f"lines between {span} are missing: {why}")

    def known(self, name: str, since_ns: int) -> Iterable[Record]:
        """This container's lines from this stamp on that are held."""
        for record in self._pending:
            if record.who == name and record.time_ns >= since_ns and record.is_line:
                yield record
        ring = self._rings.by_name.get(name)
        if ring is not None:
            for record in reversed(ring.records):
                # Merged order is time order but for late lines, so look a second further back.
                if record.time_ns < since_ns - 1_000_000_000:
                    return
                if record.time_ns >= since_ns and record.is_line:
                    yield record

    # ---- what readers ask

    def lines_since(self, seq: int, who: frozenset[str] | None = None, limit: int | None = None) -> LogBatch:
        """Records above `seq` (0: all that is held) of these containers, by name; at most the `limit` oldest."""
        records = self._rings.after(seq, who)
        lost = self._rings.lost_after(seq, who)
        last = self.last_seq
        if limit is not None and len(records) > limit:
            records = records[:limit]
            last = records[-1].seq
        return LogBatch(tuple(records), last, lost)

    async def wait(self, seq: int) -> None:
        """Return when there are records above `seq`."""
        while self.last_seq <= seq:
            self._released.clear()
            await self._released.wait()

    def line(self, record: Record) -> Line:
        """A record as it may be shown."""
        return self._painter.line(record)

    def lines(self, records: Sequence[Record]) -> list[Line]:
        """`line` of each; for many at a fraction of the cost."""
        return self._painter.lines(records)

    def text(self, record: Record) -> str:
        """Only the text of `line`: for searching and filtering."""
        return self._painter.text(record)

    def texts(self, records: Sequence[Record]) -> list[str]:
        """`text` of each; for many at a fraction of the cost."""
        return self._painter.texts(records)

    def names(self) -> tuple[str, ...]:
        """Containers that have lines here or are followed, sorted."""
        return tuple(sorted({*self._rings.by_name, *self._ids.values()}))

    @property
    def counts(self) -> LogCounts:
        """Of all and of each container."""
        total = Counts()
        by_name: dict[str, Counts] = {}
        for name, one in self._counts.items():
            ring = self._rings.by_name.get(name)
            one.evicted = ring.evicted if ring else one.evicted
            by_name[name] = one
            for key in ("received", "kept", "dropped", "evicted", "repeated", "gaps", "bytes"):
                setattr(total, key, getattr(total, key) + getattr(one, key))
            total.lag = max(total.lag, one.lag)
        return LogCounts(total, by_name)

    @property
    def held_bytes(self) -> int:
        """Memory that the rings take."""
        return self._rings.bytes

    def on_evict(self, heard: Callable[[Record], None]) -> Callable[[], None]:
        """Call `heard` for each record that leaves a ring; the answer ends it."""
        self._listeners.append(heard)
        return lambda: self._listeners.remove(heard)

    def flush(self) -> None:
        """Release everything that waits, now."""
        self._settled = True
        self._let_go(self._pending)
        self._pending, self._pending_bytes = [], 0
        self._arrivals.clear()

    # ---- inside

    def _count(self, name: str) -> Counts:
        counts = self._counts.get(name)
        if counts is None:
            counts = self._counts[name] = Counts()
        return counts

    def _mark(self, name: str, time_ns: int, flag: int, text: str) -> None:
        self._pending.append(Record(0, time_ns, name, flag, text.encode()))
        self._arrivals.append((asyncio.get_running_loop().time(), time_ns))
        self._arrived.set()

    def _release(self, now: float) -> None:
        """Let go of what has waited long enough, and of all that is stamped before it."""
        full = self._pending_bytes > _PENDING_BYTES
        if not self._settled and not full:
            quiet = all(
                now - f.quiet_since > 2 * _TICK if f.attached else not f.running for f in self._followers.values()
            )
            if not quiet and now < self._settle_until:
                return
            self._settled = True
            self.flush()
            return
        if full:
            self._let_go(self._pending)
            self._pending, self._pending_bytes = [], 0
            self._arrivals.clear()
            return
        waited = 0
        upto = 0
        for at, newest in self._arrivals:
            if at > now - self._wait:
                break
            upto = max(upto, newest)
            waited += 1
        if not waited:
            return
        del self._arrivals[:waited]
        ready = [record for record in self._pending if record.time_ns <= upto]
        if len(ready) == len(self._pending):
            self._pending, self._pending_bytes = [], 0
        else:
            self._pending = [record for record in self._pending if record.time_ns > upto]
            self._pending_bytes = sum(len(record.data) for record in self._pending)
        self._let_go(ready)

    def _let_go(self, ready: list[Record]) -> None:
        if not ready:
            return
        ready.sort(key=_by_time)
        seq, high = self.last_seq, self._high_ns
        new = tuple.__new__
        released: list[Record] = []
        append = released.append
        counts = self._counts
        for _, stamp, who, flags, data in ready:
            seq += 1
            if stamp < high:
                flags |= LATE
            append(new(Record, (seq, stamp, who, flags, data)))
            if who in counts and not flags & (EVENT | GAP):
                counts[who].kept += 1
        self._high_ns = max(high, ready[-1].time_ns)
        self.last_seq = seq
        self._rings.add(released)
        self._released.set()

    def _spend(self, lines: int, now: float) -> float:
        """A bucket of lines, refilled at the pace: how long to wait for the next ones."""
        pace = self._pace or PACE
        self._credit = min(pace / 2, self._credit + (now - self._credit_at) * pace)
        self._credit_at = now
        self._credit -= lines
        return min(0.25, -self._credit / pace) if self._credit < 0 else 0.0

    def _evicted(self, record: Record) -> None:
        for heard in self._listeners:
            heard(record)


def _clock(time_ns: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(time_ns / 1e9))
