"""How the figures moved over the last hour: fixed buckets in memory, filled while this dftui watches, kept nowhere.

Each series is one array of `BUCKETS` means over `SPAN` seconds each, so that an hour of a replica's four figures
costs some 12 KB however long dftui runs.  A bucket in which nothing was known stays empty, which is not zero.
"""

from __future__ import annotations

import math
from array import array
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from dftui.watch.records import Step
from dftui.watch.snapshot import Load, ReplicaState, Snapshot

SPAN = 5.0
"""Seconds of a bucket."""
BUCKETS = 720
"""Buckets kept: an hour."""
_MOST_MARKS = 200
_TOGETHER = 15.0
"""Seconds within which changes of the wanted number are one mark."""
_QUIET = 60.0
"""Seconds without a step after which the next step of the same action belongs to another run of it."""
_UNMARKED = frozenset({"scale", "autoscale", "probe", "verify"})
"""Actions without a mark of their own: the wanted number is marked itself, the others change nothing."""


class Series:
    """One figure's buckets. `None` stands for "not known"."""

    __slots__ = ("_count", "_last", "_values")

    def __init__(self) -> None:
        self._values: array[float] | None = None
        self._last = -1
        self._count = 0

    def put(self, bucket: int, value: float | None) -> None:
        """Take a value into the mean of its bucket (a number that grows with time); older buckets are closed."""
        if self._values is None:
            if value is None:
                return
            self._values = array("f", [math.nan]) * BUCKETS
        if bucket < self._last:
            if self._last - bucket < BUCKETS // 60:
                return
            self._values = array("f", [math.nan]) * BUCKETS  # the clock was set back
            self._last = -1
        values = self._values
        if bucket > self._last:
            for gone in range(max(self._last + 1, bucket - BUCKETS + 1), bucket + 1):
                values[gone % BUCKETS] = math.nan
            self._last, self._count = bucket, 0
        if value is None:
            return
        at = bucket % BUCKETS
        self._count += 1
        held = values[at]
        values[at] = value if self._count == 1 else held + (value - held) / self._count

    def until(self, bucket: int, count: int) -> list[float | None]:
        """The `count` buckets before `bucket`, oldest first."""
        count = min(count, BUCKETS)
        values = self._values
        if values is None:
            return [None] * count
        found: list[float | None] = []
        for one in range(bucket - count, bucket):
            known = self._last - BUCKETS < one <= self._last and one >= 0
            value = values[one % BUCKETS] if known else math.nan
            found.append(None if math.isnan(value) else value)
        return found


@dataclass(slots=True)
class Track:
    """Requests a second, p95 in milliseconds, CPU in percent of one core, memory in bytes."""

    rate: Series = field(default_factory=Series)
    p95: Series = field(default_factory=Series)
    cpu: Series = field(default_factory=Series)
    memory: Series = field(default_factory=Series)


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that was done or that happened, to be seen beside the curves."""

    at: float
    text: str
    role: str = ""
    """ "" for what was done, "bad" for what went wrong, "good" for what came right."""


class Trends:
    """Fed once a second; `stack` is everything together, `of` one container."""

    def __init__(self) -> None:
        self.stack = Track()
        self.bucket = 0
        """The one that is being filled."""
        self.marks: deque[Mark] = deque(maxlen=_MOST_MARKS)
        self._first: int | None = None
        self._tracks: dict[str, Track] = {}
        self._before: Snapshot | None = None
        self._last_step: dict[str, float] = {}
        self._wanted_from = 0

    @property
    def known(self) -> int:
        """Closed buckets since the first look."""
        return 0 if self._first is None else self.bucket - self._first

    def of(self, ref: str) -> Track:
        """A container's, by its id; an empty one where nothing is known."""
        return self._tracks.get(ref) or Track()

    def take(self, snapshot: Snapshot, at: float) -> bool:
        """Take what is known at `at` (unix seconds); whether a bucket was closed by it."""
        bucket = int(at // SPAN)
        closed = bucket != self.bucket
        self.bucket = bucket
        if self._first is None or bucket < self._first:
            self._first = bucket
        self._note(snapshot, at)
        if not snapshot.exists:
            self._tracks.clear()
        lost = snapshot.engine.lost_since is not None
        services = [one for one in snapshot.services if one.id]
        loads = {one.id: one.load for one in services} | {one.id: one.load for one in snapshot.web}
        for gone in self._tracks.keys() - loads.keys():
            del self._tracks[gone]
        for ref, load in loads.items():
            track = self._tracks.setdefault(ref, Track())
            track.cpu.put(bucket, None if lost else load.cpu)
            track.memory.put(bucket, None if lost else load.memory)
        for replica in snapshot.web:
            track = self._tracks[replica.id]
            known = not lost and replica.state in (ReplicaState.SERVING, ReplicaState.DRAINING, ReplicaState.DRAINED)
            track.rate.put(bucket, replica.traffic.rate if known else None)
            track.p95.put(bucket, replica.traffic.p95_ms if known else None)
        known = not lost and snapshot.balancer.state == "running"
        self.stack.rate.put(bucket, snapshot.traffic.rate if known else None)
        self.stack.p95.put(bucket, snapshot.traffic.p95_ms if known else None)
        total = total_load(snapshot)
        self.stack.cpu.put(bucket, None if lost else total.cpu)
        self.stack.memory.put(bucket, None if lost else total.memory)
        return closed

    def step(self, step: Step) -> None:
        """A step of an action; the first of each run of it is marked. A refusal, which has no other step, is not."""
        before = self._last_step.get(step.action)
        self._last_step[step.action] = step.at
        if step.action in _UNMARKED or step.state == "failed" or (before is not None and step.at - before < _QUIET):
            return
        self.marks.append(Mark(step.at, f"{step.action} {step.who}".strip()))

    def marks_since(self, at: float) -> Iterator[Mark]:
        """Marks from then on, oldest first."""
        return (mark for mark in self.marks if mark.at >= at)

    def _note(self, new: Snapshot, at: float) -> None:
        """Marks for what differs from the last look."""
        old, self._before = self._before, new
        if old is None or not (old.exists and new.exists):
            return
        if new.wanted != old.wanted:
            self._note_wanted(old.wanted, new.wanted, at)
        if (old.engine.lost_since is None) != (new.engine.lost_since is None):
            lost = new.engine.lost_since is not None
            self.marks.append(Mark(at, "engine lost" if lost else "engine back", "bad" if lost else "good"))
        states = {replica.id: replica.state for replica in old.web}
        for replica in new.web:
            wrong = replica.state in (ReplicaState.FAILED, ReplicaState.UNREACHABLE)
            if wrong and states.get(replica.id, replica.state) is not replica.state:
                self.marks.append(Mark(at, f"{replica.name} {replica.state.value}", "bad"))

    def _note_wanted(self, old: int, new: int, at: float) -> None:
        last = self.marks[-1] if self.marks else None
        if last is not None and last.text.endswith(("replica", "replicas")) and at - last.at < _TOGETHER:
            self.marks.pop()
        else:
            self._wanted_from, last = old, None
        by = new - self._wanted_from
        if by:
            word = "replica" if abs(by) == 1 else "replicas"
            self.marks.append(Mark(last.at if last else at, f"{by:+d} {word}"))


def total_load(snapshot: Snapshot) -> Load:
    """CPU and memory of all running containers together; None while one of them is not sampled."""
    services = snapshot.services
    resting = (ReplicaState.STOPPED, ReplicaState.FAILED)
    loads = [one.load for one in services if one.state == "running"]
    loads += [one.load for one in snapshot.web if one.state not in resting]
    return Load(_sum(load.cpu for load in loads), _whole(_sum(load.memory for load in loads)))


def _sum(values: Iterable[float | None]) -> float | None:
    total, some = 0.0, False
    for value in values:
        if value is None:
            return None
        total, some = total + value, True
    return total if some else None


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
