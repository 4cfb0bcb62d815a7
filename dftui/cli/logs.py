"""`dftui logs`: what the containers wrote, merged in time order, secrets masked."""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from dftui.cli.common import Opened, coloured, emit_line, masker, opened, say
from dftui.cli.exits import UsageError
from dftui.cli.text import paint

if TYPE_CHECKING:
    from dftui.engine.api import Container, LogLine
    from dftui.watch.lines import Line
    from dftui.watch.logs import LogHub

_FOLLOW_TAIL = 1000
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_COLOURS = ("36", "33", "32", "35", "34", "96", "93", "92", "95", "94")
_ROLE_WORDS = {"mysql": "db", "database": "db", "redis": "cache", "lb": "balancer", "haproxy": "balancer"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Whose, from when, how many, which."""
    parser.add_argument("who", nargs="*", metavar="WHO", help="a name, number, Host, or web, db, cache, balancer")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
    parser.add_argument("--tail", type=int, metavar="N", help=f"last N of each (default all; with -f {_FOLLOW_TAIL})")
    parser.add_argument("--since", metavar="T", help="30s, 10m, 2h, 1d, or a time as 2026-11-23T12:00:00")
    parser.add_argument("--timestamps", action="store_true", help="the time of each line")
    parser.add_argument("--grep", metavar="RE", help="only lines that this regular expression matches")


async def run(args: argparse.Namespace) -> int:
    """Print what there is, or follow."""
    grep = _pattern(args.grep)
    since_ns = int(since(args.since, time.time()) * 1e9) if args.since else 0
    if args.tail is not None and args.tail < 0:
        raise UsageError(f"--tail takes 0 or more, not {args.tail}.")
    async with opened(args) as world:
        from dftui.watch.logs import LogHub

        chosen = choose(await containers(world), args.who, world.spec.name)
        printer = _Printer(chosen, args.json, args.timestamps, grep)
        hub = LogHub(
            world.engine,
            masker=await masker(world),
            tail=args.tail if args.tail is not None else _FOLLOW_TAIL,
            since_ns=since_ns,
            pace=None,
        )
        if args.follow:
            await _follow(world, hub, args.who, printer)
        else:
            await _once(world, hub, chosen, args.tail, since_ns, printer)
    return 0


def _pattern(text: str | None) -> re.Pattern[str] | None:
    try:
        return re.compile(text) if text else None
    except re.error as error:
        raise UsageError(f"--grep {text!r} is no regular expression: {error}.") from None


def since(text: str, now: float) -> float:
    """Unix time of `30s`, `10m`, `2h`, `1d` ago, or of an ISO 8601 time (local unless it says). Raises UsageError."""
    if found := re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text):
        return now - float(found[1]) * _UNITS[found[2]]
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise UsageError(f"--since {text!r} is neither 30s, 10m, 2h, 1d nor a time as 2026-11-23T12:00:00.") from None


def choose(containers: Sequence[Container], who: Sequence[str], stack: str) -> list[Container]:
    """The containers that the words of a command line mean. Raises UsageError, naming what there is."""
    from dftui.stack.names import LABEL_ROLE, container_name

    if not who:
        return list(containers)
    chosen: dict[str, Container] = {}
    for word in who:
        role = _ROLE_WORDS.get(word, word)
        name = container_name(stack, "web", int(word)) if word.isdigit() and len(word) < 4 else word
        found = [
            c
            for c in containers
            if c.labels.get(LABEL_ROLE) == role or c.name == name or (len(word) >= 4 and c.id.startswith(word))
        ]
        if not found:
            there = ", ".join(c.name for c in containers) or "none"
            raise UsageError(f"there is no container {word!r} in the stack {stack}.", f"There are: {there}.")
        chosen.update((c.id, c) for c in found)
    return list(chosen.values())


async def containers(world: Opened) -> list[Container]:
    """Every container of the stack, by name."""
    from dftui.stack.names import LABEL_STACK

    found = await world.engine.containers({LABEL_STACK: world.spec.name})
    return sorted(found, key=lambda c: c.name)


class _Printer:
    """Lines as text or JSON, filtered."""

    def __init__(
        self, containers: Sequence[Container], as_json: bool, timestamps: bool, grep: re.Pattern[str] | None
    ) -> None:
        self._json = as_json
        self._timestamps = timestamps
        self._grep = grep
        self._colour = coloured()
        self._width = max((len(c.name) for c in containers), default=0)
        self._colours: dict[str, str] = {}

    def __call__(self, line: Line) -> None:
        if self._grep is not None and not self._grep.search(line.text):
            return
        if self._json:
            emit_line(line.to_json())
            return
        self._width = max(self._width, len(line.who))
        code = self._colours.setdefault(line.who, _COLOURS[len(self._colours) % len(_COLOURS)])
        head = paint(f"{line.who:<{self._width}} |", code, self._colour)
        late = " (late)" if line.late else ""
        when = (
            f"{datetime.fromtimestamp(line.time).isoformat(timespec='milliseconds')}{late} "
            if self._timestamps
            else ""
        )
        print(f"{head} {when}{line.text}")


async def _once(
    world: Opened,
    hub: LogHub,
    containers: Sequence[Container],
    tail: int | None,
    since_ns: int,
    printer: Callable[[Line], None],
) -> None:
    from dftui.watch.lines import CUT, LENGTH_SHIFT, MAX_LINE, STDERR, Record
    from dftui.watch.sanitise import clean

    sources = [
        (clean(c.name, 128), world.engine.logs(c.id, tail=tail, since_ns=since_ns).__aiter__()) for c in containers
    ]
    seq = 0
    async for name, line in _merged(sources):
        seq += 1
        flags = STDERR if line.stream == "stderr" else 0
        if len(line.data) > MAX_LINE:
            flags |= CUT | len(line.data) << LENGTH_SHIFT
        printer(hub.line(Record(seq, line.time_ns, name, flags, line.data[:MAX_LINE])))


async def _merged(
    sources: Sequence[tuple[str, AsyncIterator[list[LogLine]]]],
) -> AsyncIterator[tuple[str, LogLine]]:
    """Lines of all sources by their time stamps; holds no more than a batch of each."""
    held: list[tuple[str, AsyncIterator[list[LogLine]], deque[LogLine]]] = []
    for name, source in sources:
        first = deque(await anext(source, []))
        if first:
            held.append((name, source, first))
    while held:
        index = min(range(len(held)), key=lambda i: held[i][2][0].time_ns)
        name, source, lines = held[index]
        yield name, lines.popleft()
        while not lines:
            batch = await anext(source, None)
            if batch is None:
                del held[index]
                break
            lines.extend(batch)


async def _follow(world: Opened, hub: LogHub, who: Sequence[str], printer: Callable[[Line], None]) -> None:
    """Also containers that come later; until cancelled, or until the engine is gone for good."""
    names: frozenset[str] | None = None

    async def sync() -> None:
        nonlocal names
        everyone = await containers(world)
        chosen = everyone
        if who:
            try:
                chosen = choose(everyone, who, world.spec.name)
            except UsageError:
                # What was asked for went away meanwhile; its lines so far are still printed.
                chosen = []
            names = (names or frozenset()) | {c.name for c in chosen}
        hub.sync(chosen)

    async def listen() -> None:
        from dftui.engine.api import EngineUnreachable
        from dftui.stack.names import LABEL_STACK

        lost = False
        while True:
            try:
                await sync()
                if lost:
                    say("The engine answers again.")
                    hub.poke()
                    lost = False
                async for event in world.engine.events({LABEL_STACK: world.spec.name}):
                    hub.note(event)
                    if event.kind == "container" and event.action in ("create", "start", "die", "destroy"):
                        await sync()
            except EngineUnreachable as error:
                if not lost:
                    say(f"{error} Waiting for it to come back.")
                lost = True
            await asyncio.sleep(1)

    tasks = [asyncio.ensure_future(listen()), asyncio.ensure_future(hub.run())]
    printing = asyncio.ensure_future(_print(hub, lambda: names, printer))
    try:
        done, _ = await asyncio.wait([*tasks, printing], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in [*tasks, printing]:
            task.cancel()
        await asyncio.gather(*tasks, printing, return_exceptions=True)


async def _print(hub: LogHub, names: Callable[[], frozenset[str] | None], printer: Callable[[Line], None]) -> None:
    seq = 0
    while True:
        await hub.wait(seq)
        batch = hub.lines_since(seq, names())
        if batch.lost:
            say(f"{batch.lost} lines came faster than they could be printed and are missing here.")
        for record in batch.records:
            printer(hub.line(record))
        sys.stdout.flush()
        seq = batch.last
