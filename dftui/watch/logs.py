"""The log hub: every container of a stack followed, merged in time order, kept in bounded rings.

Raw bytes go in and stay raw; a line is decoded, sanitised, masked and parsed only when it is drawn, searched or
saved.  Cost in and merge: a few microseconds a line.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from dftui.engine.api import Container, Engine, Event, LogLine
from dftui.watch.changes import event_words
from dftui.watch.follow import Follower
from dftui.watch.lines import (
    EVENT,
    GAP,
    LATE,
    Counts,
    Line,
    LogBatch,
    LogCounts,
    Record,
)
from dftui.watch.mask import Masker
from dftui.watch.merge import Merge, Run, count_lines, run_of_lines, runs_of
from dftui.watch.pace import Pace, jumps
from dftui.watch.paint import Painter
from dftui.watch.recent import Recent
from dftui.watch.rings import Reader, Rings
from dftui.watch.sanitise import clean

WAIT = 0.1
"""Seconds that a line waits for earlier ones of other containers before it is shown."""
SETTLE = 2.0
"""At most so long the first lines are held back, so that all containers' history is merged at once."""
PACE = 20_000
"""Lines per second read from all containers; a flood beyond it is read late rather than at any price."""
MOST_LAG = 10.0
"""Seconds behind at which a flooding container's unread lines are skipped, with a gap mark."""
_SKIP_TAIL = 500
_TICK = 0.05
_BEHIND = 1.0
"""Seconds behind from which on a jump of the stamps is taken for a loss."""
_SILENT = 0.5
"""Seconds after which a log of which nothing came at all is taken to be empty."""
_LIVE = ("running", "paused", "restarting")
Released = Callable[[Sequence[Record]], None]


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
        on_release: Released | None = None,
        keep: bool = True,
    ) -> None:
        """`tail` and `since_ns`: where to begin; `pace` None reads as fast as the engine gives and skips nothing;
        `on_release` is given the records as they leave the merge, before anything of them can be lost; without `keep`
        it is the only one who gets them, and no reader finds any."""
        self._engine = engine
        self._painter = Painter(masker or Masker())
        self._tail = tail
        self._since_ns = since_ns
        self._pace = Pace(pace)
        self._rings = Rings(ring_bytes, total_bytes)
        self._memory: Rings | Recent = self._rings if keep else Recent(ring_bytes)
        self._merge = Merge(wait)
        self._on_release = on_release
        self._counts: dict[str, Counts] = {}
        self._followers: dict[str, Follower] = {}
        self._ids: dict[str, str] = {}
        self._containers: tuple[Container, ...] = ()
        self._began = False
        self._settle_until = 0.0
        self._settled = False
        self._arrived = asyncio.Event()
        self._released = asyncio.Event()
        self._least_lag = 0.0
        self._opened: dict[str, int] = {}
        self.generation = 0
        """Grows when everything is read anew from another point (`reopen`): readers begin again."""

    # ---- what to follow

    def sync(self, containers: Iterable[Container]) -> None:
        """These containers exist now: follow new ones, let go of those that are gone (their lines stay)."""
        loop = asyncio.get_running_loop()
        self._containers = tuple(one for one in containers if not one.pending)  # that has no container yet
        seen: set[str] = set()
        for container in self._containers:
            seen.add(container.id)
            follower = self._followers.get(container.id)
            running = container.state in _LIVE
            if follower is None:
                name = clean(container.name, 128)
                self._ids[container.id] = name
                if not self._settle_until:
                    self._settle_until = loop.time() + SETTLE
                # Of one that comes while we look, nothing is left out however late its log is opened.
                tail = None if self._began else self._tail
                since = self._since_ns
                follower = Follower(self._engine, self, name, container.id, tail=tail, since_ns=since)
                self._followers[container.id] = follower
                follower.running = running
                follower.start()
                continue
            if follower.removed or follower.done:
                # It was taken for gone, and is there.
                follower.removed = False
                follower.start()
            elif running and not follower.attached:
                follower.wake()
            if follower.running and not running:
                follower.ended()
            follower.running = running
        self._began = True
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
                follower.ended()
            elif event.action == "destroy":
                follower.removed = True
                follower.wake()
        words = event_words(event)
        if words:
            self.tell(name, words, int(event.time * 1e9))

    def tell(self, name: str, words: str, time_ns: int | None = None) -> None:
        """Something that happened to a container, shown in the stream as "NAME WORDS"."""
        self._mark(name, time.time_ns() if time_ns is None else time_ns, EVENT, f"{name} {words}")

    def poke(self) -> None:
        """The engine answers again: open every log now and merge what was missed in one go."""
        self._settle()
        for follower in self._followers.values():
            follower.wake()

    def reopen(self, *, tail: int | None, since_ns: int) -> None:
        """Read everything anew: the `tail` last lines of each container (None: all) from `since_ns` on.

        What containers that are gone wrote is kept and merged in again.
        """
        self._tail, self._since_ns = tail, since_ns
        for follower in self._followers.values():
            follower.cancel()
        self._followers.clear()
        held = [*self._rings.clear(), *self._merge.all()]
        self._merge.again()
        self._counts.clear()
        self.generation += 1
        born = {clean(container.name, 128): int(container.created * 1e9) for container in self._containers}
        # The engine has what a container wrote since it was made; earlier lines under its name are another's.
        kept = [
            record._replace(flags=record.flags & ~LATE)
            for record in held
            if record.time_ns >= since_ns and (not record.is_line or record.time_ns < born.get(record.who, 1 << 63))
        ]
        for name, lines in count_lines(kept).items():
            self._count(name).arrived += lines
        for run in runs_of(kept):
            self._merge.add(run, asyncio.get_running_loop().time())
            self._arrived.set()
        self._settle()
        self._began = False
        self.sync(self._containers)

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
                if not self._merge:
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

    def take(self, follower: Follower, lines: Sequence[LogLine]) -> float:
        """New lines of one container; the answer is how long it should wait before it reads on."""
        loop_time = asyncio.get_running_loop().time()
        counts = self._count(follower.name)
        counts.arrived += len(lines)
        counts.repeated += follower.repeated
        follower.repeated = 0
        name = follower.name
        run = run_of_lines(name, lines)
        counts.bytes += run.size
        if counts.lag > _BEHIND:
            for before, after in jumps(run.times, follower.told_ns):
                self.gap(follower, before, after, "the log was rotated before it could be read", "may be")
        newest = follower.told_ns = run.times[-1]
        self._opened[name] = follower.opened_ns
        if newest >= follower.opened_ns:
            lag = time.time() - newest / 1e9
            # A remote engine's clock may be ahead of ours: lag is measured from the smallest difference seen.
            self._least_lag = min(self._least_lag, lag)
            counts.lag = lag - self._least_lag
        else:
            counts.lag = 0.0
        self._merge.add(run, loop_time)
        self._arrived.set()
        if self._merge.full:
            self._release(loop_time)
        if self._settled and counts.lag > MOST_LAG and self._pace.exceeded:
            follower.skip_ahead(_SKIP_TAIL)
        return self._pace.spend(len(lines), loop_time)

    def gap(self, follower: Follower, after_ns: int, before_ns: int, why: str, sure: str = "are") -> None:
        """Lines of this container are (or may be) missing."""
        self._count(follower.name).gaps += 1
        span = f"{_clock(after_ns)} and {_clock(before_ns)}"
        self._mark(follower.name, before_ns - 1, GAP, f"lines between {span} {sure} missing: {why}")

    def known(self, name: str, since_ns: int) -> Iterator[Record]:
        """This container's lines from this stamp on that are held."""
        yield from self._merge.known(name, since_ns)
        for record in self._memory.known(name):
            # Merged order is time order but for late lines, so look a second further back.
            if record.time_ns < since_ns - 1_000_000_000:
                return
            if record.time_ns >= since_ns and record.is_line:
                yield record

    def known_from(self, name: str) -> int:
        """The stamp from which on all of this container's lines are still held; 0 when none is gone."""
        return self._memory.known_from(name)

    # ---- what readers ask

    def reader(self, who: frozenset[str] | None = None) -> Reader:
        """Reads these containers' records (by name; None: all), and counts what is gone before it came to it."""
        return Reader(self._rings, who)

    def lines_since(self, seq: int, who: frozenset[str] | None = None) -> LogBatch:
        """Records above `seq` (0: all that is held) of these containers, by name."""
        return LogBatch(tuple(self._rings.after(seq, who)), self.last_seq)

    @property
    def last_seq(self) -> int:
        """The number of the newest record that left the merge."""
        return self._merge.last_seq

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

    def plain(self, records: Sequence[Record], head: str = "") -> str | None:
        """The texts of these, a line each, behind `head`, if they may be shown just as they are; else None."""
        return self._painter.plain(records, head)

    def names(self) -> tuple[str, ...]:
        """Containers that have lines here or are followed, sorted."""
        return tuple(sorted({*self._rings.by_name, *(f.name for f in self._followers.values())}))

    def oldest(self) -> Mapping[str, int]:
        """The number of each container's oldest record that is held; older ones are gone."""
        return self._rings.oldest()

    def lag_of(self, record: Record) -> float | None:
        """Seconds since a line was written, by the engine's clock; None of one that was there before we looked."""
        opened = self._opened.get(record.who, 0)
        if not opened or record.time_ns < opened or not record.is_line:
            return None
        return time.time() - record.time_ns / 1e9 - self._least_lag

    @property
    def counts(self) -> LogCounts:
        """Of all and of each container."""
        total = Counts()
        waiting = self._merge.waiting()
        for name, one in self._counts.items():
            ring = self._rings.by_name.get(name)
            one.waiting = waiting[name]
            one.kept, one.evicted = (ring.kept, ring.evicted) if ring else (0, 0)
            total.add(one)
        return LogCounts(total, dict(self._counts))

    @property
    def held_bytes(self) -> int:
        """Memory that the rings take."""
        return self._rings.bytes

    @property
    def freed_bytes(self) -> int:
        """Memory that the rings ever gave up."""
        return self._rings.freed

    def flush(self) -> None:
        """Release everything that waits, now."""
        self._settled = True
        self._let_go(self._merge.all())

    # ---- inside

    def _count(self, name: str) -> Counts:
        counts = self._counts.get(name)
        if counts is None:
            counts = self._counts[name] = Counts()
        return counts

    def _mark(self, name: str, time_ns: int, flag: int, text: str) -> None:
        self._merge.add(Run(name, (time_ns,), (flag,), (text.encode(),)), asyncio.get_running_loop().time())
        self._arrived.set()

    def _settle(self) -> None:
        self._settled = False
        self._settle_until = asyncio.get_running_loop().time() + SETTLE

    def _release(self, now: float) -> None:
        """Let go of what has waited long enough, and of all that is stamped before it."""
        if not self._settled and not self._merge.full:
            if all(_quiet(f, now) for f in self._followers.values()) or now >= self._settle_until:
                self.flush()
            return
        self._let_go(self._merge.due(now))

    def _let_go(self, ready: Sequence[Record]) -> None:
        if not ready:
            return
        for name, lines in count_lines(ready).items():
            if lines:
                self._count(name).received += lines
        if self._on_release is not None:
            self._on_release(ready)
        self._memory.add(ready)
        self._released.set()


def calm_collector() -> None:
    """Let Python's cycle collector look less often, in this process: of the many tuples that a log is, none is ever
    part of a cycle, and looking at them all again and again costs as much as merging them."""
    gc.set_threshold(20_000, 20, 50)


def _quiet(follower: Follower, now: float) -> bool:
    """Whether a log's history seems to be read to its end."""
    if not follower.attached:
        return not follower.running
    return now - follower.quiet_since > (2 * _TICK if follower.heard else _SILENT)


def _clock(time_ns: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(time_ns / 1e9))
