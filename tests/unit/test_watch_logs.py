from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from hypothesis import given, settings
from hypothesis import strategies as st

from dftui.engine.api import Event, LogLine, NotFound
from dftui.watch.follow import Follower
from dftui.watch.lines import CUT, GAP, LATE, MAX_LINE, Record
from dftui.watch.logs import LogHub
from dftui.watch.mask import Masker
from dftui.watch.rings import OVERHEAD, Reader, Rings
from tests.fakes.engine import FakeEngine


@asynccontextmanager
async def following(engine: FakeEngine, **options: object) -> AsyncIterator[LogHub]:
    hub = LogHub(engine, **options)  # type: ignore[arg-type]
    hub.sync(await engine.containers())
    task = asyncio.create_task(hub.run())
    try:
        yield hub
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(hub: LogHub, true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await hub.wait(hub.last_seq)


def texts(hub: LogHub, who: str | None = None) -> list[str]:
    batch = hub.lines_since(0, None if who is None else frozenset({who}))
    return [hub.line(record).text for record in batch.records if record.is_line]


def marks(hub: LogHub) -> list[str]:
    return [hub.line(record).text for record in hub.lines_since(0).records if not record.is_line]


async def test_history_of_several_containers_is_merged_by_time() -> None:
    engine = FakeEngine()
    refs = [engine.add(f"df-web{n}") for n in (1, 2, 3)]
    for number in range(60):
        engine.write(refs[number % 3], f"line {number}".encode())
    async with following(engine) as hub:
        await until(hub, lambda: hub.last_seq >= 60)
        assert texts(hub) == [f"line {number}" for number in range(60)]
        assert [hub.line(r).who for r in hub.lines_since(0).records[:3]] == ["df-web1", "df-web2", "df-web3"]
        assert texts(hub, "df-web2") == [f"line {number}" for number in range(1, 60, 3)]


class Curt(FakeEngine):
    """Ends a log's stream with its container and gives none of the lines that were written meanwhile, as the real one
    does now and then; asked again, it has them."""

    async def logs(
        self, ref: str, *, follow: bool = False, tail: int | None = None, since_ns: int = 0
    ) -> AsyncIterator[list[LogLine]]:
        if self._find(ref).live:
            async for _ in super().logs(ref, follow=follow, tail=0):
                pass
            return
        async for batch in super().logs(ref, follow=follow, tail=tail, since_ns=since_ns):
            yield batch


async def test_the_last_lines_of_one_that_ends_are_looked_for_once_more() -> None:
    engine = Curt()
    ref = engine.add("df-web1")
    async with following(engine) as hub:
        while not hub._followers[ref].attached:  # noqa: ASYNC110
            await asyncio.sleep(0)
        for number in range(3):
            engine.write(ref, f"{number}".encode())
        # It is told that the container ended before the stream ends.
        engine.die(ref)
        hub.note(engine.past[-1])
        await until(hub, lambda: len(texts(hub)) == 3)
        assert texts(hub) == ["0", "1", "2"]


async def test_one_that_is_listed_before_the_engine_finds_it_is_read_from_its_first_line() -> None:
    engine = FakeEngine()
    running, new = engine.add("a"), engine.add("b", running=False)
    for ref in (running, new):
        engine.fail("logs", NotFound(f"No such container: {ref}"))
    async with following(engine) as hub:
        engine.write(running, b"0")
        await until(hub, lambda: texts(hub) == ["0"])
        await engine.start(new)
        engine.write(new, b"1")
        hub.note(engine.past[-1])
        await until(hub, lambda: texts(hub) == ["0", "1"])
        await engine.remove(new, force=True)
        hub.note(engine.past[-1])
        task = hub._followers[new]._task
        assert task is not None
        await task


async def test_one_that_was_taken_for_gone_is_followed_again() -> None:
    engine = FakeEngine()
    ref = engine.add("df-web1")
    async with following(engine) as hub:
        engine.write(ref, b"0")
        await until(hub, lambda: texts(hub) == ["0"])
        # For once the engine leaves it out; meanwhile its log cannot be read.
        engine.go_away()
        hub.sync(())
        engine.come_back()
        hub.sync(await engine.containers())
        engine.write(ref, b"1")
        await until(hub, lambda: texts(hub) == ["0", "1"])
        follower = hub._followers[ref]
        hub.sync(())
        await follower.stop()
        engine.write(ref, b"2")
        hub.sync(await engine.containers())
        await until(hub, lambda: texts(hub) == ["0", "1", "2"])


async def test_live_lines_that_arrive_out_of_order_are_sorted_and_a_late_one_is_marked() -> None:
    engine = FakeEngine()
    first, second = engine.add("a"), engine.add("b")
    async with following(engine) as hub:
        now = time.time_ns()
        engine.write(first, b"2", at_ns=now + 2)
        engine.write(second, b"1", at_ns=now + 1)
        await until(hub, lambda: hub.last_seq >= 2)
        assert texts(hub) == ["1", "2"]
        engine.write(second, b"late", at_ns=now)
        await until(hub, lambda: hub.last_seq >= 3)
        line = hub.line(hub.lines_since(2).records[0])
        assert (line.text, line.late) == ("late", True)


async def test_a_restart_loses_and_doubles_nothing_and_is_told() -> None:
    engine = FakeEngine()
    ref = engine.add("df-web1")
    async with following(engine) as hub:
        engine.write(ref, b"before 1")
        engine.write(ref, b"before 2")
        await until(hub, lambda: hub.last_seq >= 2)

        async def told() -> None:
            async for event in engine.events():
                hub.note(event)

        events = asyncio.create_task(told())
        await asyncio.sleep(0)
        await engine.restart(ref)
        engine.write(ref, b"after 1")
        engine.write(ref, b"after 2", "stderr")
        await until(hub, lambda: len(texts(hub)) >= 4)
        assert texts(hub) == ["before 1", "before 2", "after 1", "after 2"]
        assert "df-web1 ended" in marks(hub)
        assert "df-web1 started" in marks(hub)
        assert not any(record.flags & GAP for record in hub.lines_since(0).records)
        events.cancel()


async def test_a_container_made_anew_goes_on_under_its_name() -> None:
    engine = FakeEngine()
    ref = engine.add("df-web1")
    async with following(engine) as hub:
        engine.write(ref, b"old")
        await until(hub, lambda: hub.last_seq >= 1)
        await engine.remove(ref, force=True)
        again = engine.add("df-web1")
        # However much it has written by then.
        for number in range(1500):
            engine.write(again, f"new {number}".encode())
        hub.sync(await engine.containers())
        await until(hub, lambda: len(texts(hub)) >= 1501)
        assert texts(hub, "df-web1") == ["old", *(f"new {number}" for number in range(1500))]


async def test_an_engine_that_comes_back_gives_what_was_written_meanwhile_once() -> None:
    engine = FakeEngine()
    ref = engine.add("df-web1")
    async with following(engine) as hub:
        engine.write(ref, b"one")
        await until(hub, lambda: hub.last_seq >= 1)
        engine.go_away()
        await asyncio.sleep(0)
        engine.write(ref, b"two")
        engine.come_back()
        hub.poke()
        await until(hub, lambda: len(texts(hub)) >= 2)
        engine.write(ref, b"three")
        await until(hub, lambda: len(texts(hub)) >= 3)
        assert texts(hub) == ["one", "two", "three"]
        counts = hub.counts.total
        assert (counts.received, counts.kept, counts.gaps) == (3, 3, 0)


async def test_what_rotation_took_meanwhile_is_a_gap() -> None:
    engine = FakeEngine()
    ref = engine.add("df-web1")
    async with following(engine) as hub:
        engine.write(ref, b"one")
        await until(hub, lambda: hub.last_seq >= 1)
        engine.go_away()
        await asyncio.sleep(0)
        engine.by_id[ref].log.clear()
        engine.write(ref, b"much later")
        engine.come_back()
        hub.poke()
        await until(hub, lambda: len(texts(hub)) >= 2)
        assert texts(hub) == ["one", "much later"]
        assert any("are missing: the log was rotated" in text for text in marks(hub))
        assert hub.counts.total.gaps == 1


class Sink:
    """Remembers what a follower brings."""

    def __init__(self) -> None:
        self.lines: list[LogLine] = []
        self.gaps = 0

    def take(self, follower: Follower, lines: Sequence[LogLine]) -> float:
        self.lines += lines
        return 0.0

    def gap(self, follower: Follower, after_ns: int, before_ns: int, why: str) -> None:
        self.gaps += 1

    def known_from(self, name: str) -> int:
        return 0

    def known(self, name: str, since_ns: int) -> list[Record]:
        return [
            Record(0, line.time_ns, name, int(line.stream == "stderr"), line.data)
            for line in self.lines
            if line.time_ns >= since_ns
        ]


class Broken(FakeEngine):
    """An engine whose log streams break off, cut anywhere, and sometimes tell the last lines twice, as rotation
    makes Docker do."""

    def __init__(self, log: list[LogLine], seed: int) -> None:
        super().__init__()
        self.whole = log
        self.dice = random.Random(seed)
        self.asked = 0

    async def logs(
        self, ref: str, *, follow: bool = False, tail: int | None = None, since_ns: int = 0
    ) -> AsyncIterator[list[LogLine]]:
        self.asked += 1
        lines = [line for line in self.whole if line.time_ns >= since_ns]
        at = 0
        last = self.asked > 6
        while at < len(lines):
            if not last and self.dice.random() < 0.2:
                return
            size = self.dice.randint(1, 5)
            yield lines[at : at + size]
            at += size
            if self.dice.random() < 0.2:
                at = max(0, at - self.dice.randint(1, 4))
            await asyncio.sleep(0)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 3), st.booleans(), st.sampled_from([b"a", b"b"])), max_size=40), st.integers()
)
def test_each_line_comes_once_however_the_stream_breaks(steps: list[tuple[int, bool, bytes]], seed: int) -> None:
    stamp = time.time_ns()
    log: list[LogLine] = []
    for step, is_error, data in steps:
        stamp += step
        log.append(LogLine(stamp, "stderr" if is_error else "stdout", data))
    sink = Sink()

    async def follow() -> None:
        engine = Broken(log, seed)
        follower = Follower(engine, sink, "x", "x", tail=None, since_ns=0)
        while engine.asked <= 8:
            await follower._read()

    asyncio.run(follow())
    assert sink.lines == log
    assert sink.gaps == 0


def records(sizes: list[int], who: str = "a", first: int = 1) -> list[Record]:
    return [Record(first + n, first + n, who, 0, b"x" * size) for n, size in enumerate(sizes)]


@given(st.lists(st.lists(st.integers(0, 3000), max_size=20), max_size=20), st.integers(1, 3))
def test_rings_stay_under_their_bytes_and_every_line_is_kept_or_evicted(batches: list[list[int]], names: int) -> None:
    rings = Rings(20_000, 40_000)
    seq = 0
    for number, sizes in enumerate(batches):
        who = f"c{number % names}"
        batch = records(sizes, who, seq + 1)
        rings.add(batch)
        seq += len(batch)
        held = rings.after(0)
        assert [record.seq for record in held] == sorted(record.seq for record in held)
        gone = sum(ring.evicted for ring in rings.by_name.values())
        assert len(held) + gone == seq
        assert Reader(rings).held().lines == len(held)
        assert sum(len(record.data) + OVERHEAD for record in held) == rings.bytes
        assert rings.bytes <= 40_000 + 3000 + OVERHEAD


def test_lines_lost_before_a_reader_came_are_counted_for_it() -> None:
    rings = Rings(10 * (100 + OVERHEAD), 1 << 20)
    rings.add(records([100] * 8))
    early, other = Reader(rings), Reader(rings, frozenset({"other"}))
    assert (len(early.read().records), early.lost) == (8, 0)
    rings.add(records([100] * 30, first=9))
    assert (len(early.read().records), early.lost) == (10, 20)
    assert (len(early.read().records), early.lost) == (0, 20)
    assert (len(other.read().records), other.lost) == (0, 0)
    late = Reader(rings)
    assert (late.held().lines, late.lost) == (10, 28)
    rings.add(records([100] * 4, first=39))
    assert (len(late.read().records), late.lost) == (4, 28)


@given(st.lists(st.integers(0, 2), max_size=200), st.integers(1, 60))
def test_what_is_held_is_taken_from_the_newest_back_each_once(whose: list[int], size: int) -> None:
    rings = Rings(1 << 20, 1 << 20)
    rings.add([Record(n + 1, n, "abc"[who], 0, b"") for n, who in enumerate(whose)])
    held = Reader(rings, frozenset("ab")).held()
    wanted = [n + 1 for n, who in enumerate(whose) if who < 2]
    taken: list[int] = []
    while held:
        piece = [record.seq for record in held.take(size)]
        assert len(piece) == min(size, len(wanted) - len(taken))
        taken = piece + taken
        assert held.lines == len(wanted) - len(taken)
    assert taken == wanted


async def test_received_is_shown_and_dropped_also_when_lines_are_lost_on_purpose() -> None:
    engine = FakeEngine()
    ref = engine.add("a")
    async with following(engine, ring_bytes=50 * (10 + OVERHEAD), pace=None) as hub:
        reader, seen = hub.reader(), 0
        for burst in range(5):
            for number in range(200):
                engine.write(ref, f"{burst:04} {number:05}".encode())
            await until(hub, lambda burst=burst: hub.counts.total.kept >= 200 * (burst + 1))  # type: ignore[misc]
            seen += len(reader.read().records)
        assert reader.lost > 0
        assert seen + reader.lost == hub.counts.total.received == 1000


async def test_a_long_line_is_cut_at_the_stated_length_and_says_how_long_it_was() -> None:
    engine = FakeEngine()
    ref = engine.add("a")
    secret = "S3cretSecretS3cretSecretS3cret99"
    async with following(engine, masker=Masker([secret])) as hub:
        engine.write(ref, b"x" * 1_000_000)
        engine.write(ref, b"\xff\xfe partial \xe2\x82")
        engine.write(ref, f"{'y' * 4060}{secret}{'z' * 20_000}".encode())
        await until(hub, lambda: hub.last_seq >= 3)
        first, second, third = hub.lines_since(0).records
        assert first.flags & CUT
        assert len(first.data) == MAX_LINE
        assert hub.line(first).text.endswith("…[cut, 1,000,000 bytes]")
        assert hub.line(second).text == "«\\xff»«\\xfe» partial «\\xe2»«\\x82»"
        assert secret[:5] not in hub.line(third).text


async def test_secrets_and_control_sequences_never_leave_the_hub() -> None:
    engine = FakeEngine()
    ref = engine.add("a")
    async with following(engine, masker=Masker(["Abcdefgh12345678"])) as hub:
        engine.write(ref, b"\x1b]52;c;eA==\x07Setting APP_KEY=Abcdefgh12345678")
        await until(hub, lambda: hub.last_seq >= 1)
        assert texts(hub) == ["Setting APP_KEY=***"]


async def test_a_jump_of_the_engine_while_we_are_behind_may_be_a_gap() -> None:
    engine = FakeEngine()
    ref = engine.add("a")
    second = 1_000_000_000
    async with following(engine) as hub:
        now = time.time_ns() + 10 * second
        # The first tells how far the engine's clock is ahead; the others then come seconds late.
        for at in (9, 1, 2, 6, 7):
            engine.write(ref, b"x", at_ns=now + at * second)
            await until(hub, lambda: hub.counts.total.waiting == 0 and hub.counts.total.arrived > 0)
        await until(hub, lambda: hub.counts.total.received == 5 and bool(marks(hub)))
        assert [text.split(" are")[0].split(": ")[1] for text in marks(hub)] == [
            "the log was rotated before it could be read"
        ]
        assert "may be missing" in marks(hub)[0]
        assert hub.counts.total.gaps == 1


async def test_a_flooding_container_is_skipped_ahead_with_a_gap() -> None:
    engine = FakeEngine()
    ref = engine.add("a")
    async with following(engine) as hub:
        engine.write(ref, b"first")
        await until(hub, lambda: hub.last_seq >= 1)
        hub.skip_ahead("a", tail=2)
        for number in range(10):
            engine.write(ref, f"{number}".encode())
        await until(hub, lambda: texts(hub)[-1:] == ["9"])
        assert texts(hub) == ["first", "0", "8", "9"]
        assert any("written faster than it can be read" in text for text in marks(hub))


def test_events_of_a_container_are_words() -> None:
    async def told() -> list[str]:
        hub = LogHub(FakeEngine())
        for action, code in (
            ("create", None),
            ("start", None),
            ("die", 137),
            ("health_status: healthy", None),
            ("kill", None),
        ):
            hub.note(Event(time.time(), "container", action, "1" * 64, "df-web1", {}, code))
        hub.flush()
        return marks(hub)

    assert asyncio.run(told()) == [
        "df-web1 was created",
        "df-web1 started",
        "df-web1 ended with exit code 137",
        "df-web1 is healthy",
    ]


async def test_lines_that_wait_in_the_merge_are_counted_as_waiting_until_they_are_received() -> None:
    engine = FakeEngine()
    first, second = engine.add("a"), engine.add("b")
    async with following(engine, wait=3600.0) as hub:
        engine.write(first, b"history")
        await until(hub, lambda: hub.last_seq >= 1)
        for _ in range(3):
            engine.write(first, b"x")
        engine.write(second, b"y")
        for _ in range(1000):
            if hub.counts.total.arrived == 5:
                break
            await asyncio.sleep(0)
        counts = hub.counts
        assert (counts.total.arrived, counts.total.waiting, counts.total.received) == (5, 4, 1)
        assert (counts.by_name["a"].waiting, counts.by_name["b"].waiting) == (3, 1)
        assert counts.of(frozenset({"a"})).waiting == 3
        hub.flush()
        counts = hub.counts
        assert (counts.total.waiting, counts.total.received, counts.total.kept) == (0, 5, 5)


async def test_reading_anew_gives_what_is_asked_for_and_keeps_what_the_engine_has_no_more() -> None:
    engine = FakeEngine()
    gone, there = engine.add("df-web1"), engine.add("df-web2")
    engine.write(gone, b"of the first")
    for number in range(20):
        engine.write(there, f"{number}".encode())
    async with following(engine, tail=5) as hub:
        await until(hub, lambda: hub.last_seq >= 6)
        assert texts(hub, "df-web2") == ["15", "16", "17", "18", "19"]
        await engine.remove(gone, force=True)
        again = engine.add("df-web1")
        engine.write(again, b"of the second")
        hub.sync(await engine.containers())
        await until(hub, lambda: len(texts(hub)) >= 7)
        hub.tell("df-web1", "is drained")
        await until(hub, lambda: bool(marks(hub)))
        assert hub.generation == 0

        hub.reopen(tail=None, since_ns=0)
        assert hub.generation == 1
        assert hub.counts.total.received == 0
        await until(hub, lambda: len(texts(hub)) >= 22)
        assert texts(hub, "df-web1") == ["of the first", "of the second"]
        assert texts(hub, "df-web2") == [str(number) for number in range(20)]
        assert marks(hub) == ["df-web1 is drained"]
        stamps = [record.time_ns for record in hub.lines_since(0).records]
        assert stamps == sorted(stamps)
        assert not any(record.flags & LATE for record in hub.lines_since(0).records)
        counts = hub.counts.total
        assert (counts.arrived, counts.received, counts.kept) == (22, 22, 22)
        # What is written from now on comes as ever.
        engine.write(there, b"20")
        await until(hub, lambda: texts(hub)[-1] == "20")

        hub.reopen(tail=None, since_ns=hub.lines_since(0).records[-2].time_ns)
        await until(hub, lambda: "20" in texts(hub))
        assert len(texts(hub)) <= 3


async def test_what_leaves_the_merge_is_given_on_before_any_ring_can_lose_it() -> None:
    engine = FakeEngine()
    ref = engine.add("a")
    got: list[Record] = []
    async with following(engine, ring_bytes=20 * OVERHEAD, pace=None, on_release=got.extend) as hub:
        for number in range(5000):
            engine.write(ref, f"{number}".encode())
        await until(hub, lambda: hub.counts.total.received >= 1000)
    assert [int(record.data) for record in got] == list(range(4000, 5000))


async def test_with_little_memory_a_reconnect_still_doubles_nothing() -> None:
    engine = FakeEngine()
    ref = engine.add("a")
    async with following(engine, ring_bytes=3 * (2 + OVERHEAD), pace=None, tail=None) as hub:
        seen: list[str] = []
        reader = hub.reader()
        for number in range(40):
            engine.write(ref, f"{number:02}".encode())
        await until(hub, lambda: hub.counts.total.received >= 40)
        engine.go_away()
        await asyncio.sleep(0)
        engine.write(ref, b"40")
        engine.come_back()
        hub.poke()
        await until(hub, lambda: hub.counts.total.received >= 41)
        seen += texts(hub)
        assert hub.counts.total.received == 41
        assert len(reader.read().records) + reader.lost == 41
    assert seen == ["38", "39", "40"]


async def test_who_only_passes_lines_on_gets_each_once_over_a_reconnect_and_keeps_none() -> None:
    engine = FakeEngine()
    ref = engine.add("a")
    got: list[Record] = []
    few = 3 * (2 + OVERHEAD)
    async with following(engine, ring_bytes=few, pace=None, tail=None, on_release=got.extend, keep=False) as hub:
        for number in range(40):
            engine.write(ref, f"{number:02}".encode())
        await until(hub, lambda: len(got) >= 40)
        engine.go_away()
        await asyncio.sleep(0)
        engine.write(ref, b"40")
        engine.come_back()
        hub.poke()
        await until(hub, lambda: len(got) >= 41)
        assert hub.held_bytes == 0
        assert hub.counts.total.repeated > 0
    assert [record.data for record in got] == [f"{number:02}".encode() for number in range(41)]
