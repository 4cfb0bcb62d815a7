"""The log hub on real containers: order, restarts, re-creation, rotation, floods."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from dftui.engine.api import ContainerSpec, Engine
from dftui.ui.panes.logmodel import LogModel
from dftui.watch.lines import GAP, Record
from dftui.watch.logs import LogHub
from dftui.watch.match import Matcher
from dftui.watch.sieve import Choice

# Numbered lines for ever, also over restarts: the count is kept in a file of the container.
COUNT = (
    "sh",
    "-c",
    'n=$(cat /tmp/n 2>/dev/null || echo 0); while :; do n=$((n+1)); echo "line $n"; echo $n >/tmp/n; sleep .02; done',
)


def say(count: int) -> tuple[str, ...]:
    return ("sh", "-c", f'for n in $(seq {count}); do echo "line $n"; done; exec sleep 1000')


async def made(engine: Engine, image: str, labels: dict[str, str], name: str, command: tuple[str, ...]) -> str:
    spec = ContainerSpec(name=name, image=image, labels=labels, command=command, restart="no", log_max_size="50m")
    ref = await engine.create(spec)
    await engine.start(ref)
    return ref


@asynccontextmanager
async def following(engine: Engine, labels: dict[str, str], **options: object) -> AsyncIterator[LogHub]:
    hub = LogHub(engine, **options)  # type: ignore[arg-type]
    hub.sync(await engine.containers(labels))

    async def told() -> None:
        async for event in engine.events(labels):
            hub.note(event)
            hub.sync(await engine.containers(labels))

    tasks = [asyncio.create_task(hub.run()), asyncio.create_task(told())]
    try:
        yield hub
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(hub: LogHub, true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await hub.wait(hub.last_seq)


def lines(hub: LogHub, who: str | None = None) -> list[Record]:
    found = hub.lines_since(0, None if who is None else frozenset({who})).records
    return [record for record in found if record.is_line]


def numbers(hub: LogHub, who: str | None = None) -> list[int]:
    return [int(record.data.split()[1]) for record in lines(hub, who)]


async def test_lines_of_several_containers_come_in_time_order_each_once(
    engine: Engine, tiny_image: str, stack_name: str, labels: dict[str, str]
) -> None:
    names = [f"{stack_name}-{n}" for n in range(4)]
    for name in names:
        await made(engine, tiny_image, labels, name, COUNT)
    async with following(engine, labels) as hub:
        await until(hub, lambda: all(len(numbers(hub, name)) > 60 for name in names))
        found = lines(hub)
    stamps = [record.time_ns for record in found]
    assert stamps == sorted(stamps)
    for name in names:
        mine = numbers(hub, name)
        assert mine == list(range(1, len(mine) + 1))


async def test_a_restart_loses_and_doubles_nothing(
    engine: Engine, tiny_image: str, stack_name: str, labels: dict[str, str]
) -> None:
    ref = await made(engine, tiny_image, labels, stack_name, COUNT)
    async with following(engine, labels) as hub:
        await until(hub, lambda: len(numbers(hub)) > 20)
        for _ in range(3):
            before = len(numbers(hub))
            await engine.restart(ref, timeout=0)
            await until(hub, lambda before=before: len(numbers(hub)) > before + 20)  # type: ignore[misc]
        texts = [hub.line(record).text for record in hub.lines_since(0).records]
        seen = lines(hub)
    written = [line.data async for batch in engine.logs(ref) for line in batch]
    # The writer was killed between printing and noting a number, so its numbers may repeat: compare with the engine.
    assert [record.data for record in seen] == written[: len(seen)]
    assert f"{stack_name} started" in texts
    assert f"{stack_name} ended with exit code 137" in texts
    assert hub.counts.total.gaps == 0


async def test_a_container_made_anew_under_the_same_name_goes_on(
    engine: Engine, tiny_image: str, stack_name: str, labels: dict[str, str]
) -> None:
    ref = await made(engine, tiny_image, labels, stack_name, say(5))
    async with following(engine, labels) as hub:
        await until(hub, lambda: len(numbers(hub)) == 5)
        await engine.remove(ref, force=True)
        await made(engine, tiny_image, labels, stack_name, say(3))
        await until(hub, lambda: len(numbers(hub)) == 8)
        assert numbers(hub, stack_name) == [1, 2, 3, 4, 5, 1, 2, 3]


async def test_the_last_words_of_a_container_that_ends_at_once_are_there(
    engine: Engine, tiny_image: str, stack_name: str, labels: dict[str, str]
) -> None:
    async with following(engine, labels) as hub:
        await made(engine, tiny_image, labels, stack_name, ("sh", "-c", "echo line 1; echo line 2 >&2; exit 3"))
        await until(hub, lambda: len(lines(hub)) == 2)
        await until(hub, lambda: any(b"exit code 3" in r.data for r in hub.lines_since(0).records))
        assert sorted(numbers(hub)) == [1, 2]


async def test_a_burst_is_all_received_and_what_the_ring_cannot_hold_is_counted(
    engine: Engine, tiny_image: str, stack_name: str, labels: dict[str, str]
) -> None:
    async with following(engine, labels, ring_bytes=1 << 20) as hub:
        await made(engine, tiny_image, labels, stack_name, say(50_000))
        reader, shown = hub.reader(), 0
        async with asyncio.timeout(60):
            while hub.counts.total.kept < 50_000:
                await hub.wait(hub.last_seq)
                shown += sum(record.is_line for record in reader.read().records)
        shown += sum(record.is_line for record in reader.read().records)
        assert hub.counts.total.received == 50_000
        assert shown + reader.lost == 50_000
        assert numbers(hub)[-1] == 50_000
        assert hub.held_bytes <= 1 << 20


async def test_lines_that_rotation_took_while_nobody_read_are_a_gap(
    engine: Engine, tiny_image: str, stack_name: str, labels: dict[str, str]
) -> None:
    # Two lines a file and one file: what is not read at once is gone.
    command = ("sh", "-c", 'for n in $(seq 3); do echo "line $n"; done; cat /dev/zero | head -c 0; exec sleep 1000')
    spec = ContainerSpec(
        stack_name, tiny_image, labels, command=command, restart="no", log_max_size="20k", log_max_file=1
    )
    ref = await engine.create(spec)
    await engine.start(ref)
    async with following(engine, labels) as hub:
        await until(hub, lambda: len(numbers(hub)) == 3)
        follower = next(iter(hub._followers.values()))
        await follower.stop()
        await engine.exec(ref, ("sh", "-c", 'for n in $(seq 4 2000); do echo "line $n"; done > /proc/1/fd/1'))
        # The engine is still taking them in, and rotates meanwhile: only what it has done with is a quiet log.
        for _ in range(500):
            last = [line.data async for batch in engine.logs(ref, tail=1) for line in batch]
            if last == [b"line 2000"]:
                break
        follower.start()
        await until(hub, lambda: numbers(hub)[-1:] == [2000])
        found = numbers(hub)
        gap = [record for record in hub.lines_since(0).records if record.flags & GAP]
    assert len(gap) == 1
    assert found[:3] == [1, 2, 3]
    assert found[3] > 4
    assert found[3:] == list(range(found[3], 2001))


async def test_a_log_that_rotates_while_it_is_followed_doubles_nothing_and_says_what_is_missing(
    engine: Engine, tiny_image: str, stack_name: str, labels: dict[str, str]
) -> None:
    # A line a millisecond at most: some thirty rotations of three files.
    command = (
        "sh",
        "-c",
        'for n in $(seq 4000); do echo "line $n"; [ $((n % 20)) = 0 ] && sleep .01; done; sleep 1000',
    )
    spec = ContainerSpec(
        stack_name, tiny_image, labels, command=command, restart="no", log_max_size="10k", log_max_file=3
    )
    ref = await engine.create(spec)
    async with following(engine, labels) as hub:
        await engine.start(ref)
        await until(hub, lambda: numbers(hub)[-1:] == [4000])
        found = numbers(hub)
        gaps = [record for record in hub.lines_since(0).records if record.flags & GAP]
    assert found == sorted(set(found))
    assert found[0] == 1
    missing = [n for n, after in itertools.pairwise(found) if after != n + 1]
    assert len(missing) == len(gaps)


async def test_the_header_s_figures_agree_with_the_engine_while_lines_wait_and_get_lost(
    engine: Engine, tiny_image: str, stack_name: str, labels: dict[str, str]
) -> None:
    async with following(engine, labels, ring_bytes=256 << 10) as hub:
        model = LogModel(hub)
        for name in ("a", "b"):
            await made(engine, tiny_image, labels, f"{stack_name}-{name}", say(20_000))
        async with asyncio.timeout(60):
            while hub.counts.total.received < 40_000:
                await asyncio.sleep(0.02)
                model.pull()
                tally = model.tally()
                assert tally.shown + tally.filtered + tally.dropped == tally.received
                assert tally.astray == 0
        model.pull()
        model.restart(frozenset({f"{stack_name}-a"}), Choice(Matcher("line 1999")))
        tally = model.tally()
        assert (tally.received, tally.shown) == (20_000, 10)
        assert tally.shown + tally.filtered + tally.dropped == tally.received
        assert tally.dropped > 0


async def test_bytes_of_any_kind_and_length_survive(
    engine: Engine, tiny_image: str, stack_name: str, labels: dict[str, str]
) -> None:
    command = (
        "sh",
        "-c",
        r"printf '\377\376 binary \000 \033[2J\n'; printf 'half \342\202'; sleep .2; printf '\254 euro\n';"
        "head -c 300000 /dev/zero | tr '\\0' x; echo; echo the end; exec sleep 1000",
    )
    async with following(engine, labels) as hub:
        await made(engine, tiny_image, labels, stack_name, command)
        await until(hub, lambda: any(record.data == b"the end" for record in lines(hub)))
        shown = [hub.line(record).text for record in lines(hub)]
    # Docker's json-file driver itself puts U+FFFD in the place of what is not UTF-8.
    assert shown[0] == "\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER} binary ␀ "
    assert "".join(shown[1:-1]).startswith("half ")
    assert "euro" in "".join(shown[1:4])
    assert all(len(text) <= 4096 for text in shown)
    cut = [text for text in shown if "…[cut, " in text]
    assert len(cut) >= 1
    # The engine's reader gives a line without an end in pieces; each says how long it was.
    assert sum(int(text.rpartition("[cut, ")[2].split()[0].replace(",", "")) for text in cut) <= 300_000


async def test_reading_anew_from_the_engine_goes_further_back(
    engine: Engine, tiny_image: str, stack_name: str, labels: dict[str, str]
) -> None:
    await made(engine, tiny_image, labels, stack_name, say(3000))
    async with following(engine, labels, tail=10) as hub:
        await until(hub, lambda: numbers(hub)[-1:] == [3000])
        before = numbers(hub)
        hub.reopen(tail=None, since_ns=0)
        await until(hub, lambda: len(numbers(hub)) == 3000)
        assert numbers(hub) == list(range(1, 3001))
        middle = lines(hub)[1500].time_ns
        hub.reopen(tail=None, since_ns=middle)
        await until(hub, lambda: numbers(hub)[-1:] == [3000])
        again = numbers(hub)
    # The log may still have been written when it was first read.
    assert len(before) < 3000
    assert again == list(range(again[0], 3001))
    assert 1400 <= again[0] <= 1501
