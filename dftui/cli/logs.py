"""`dftui logs`: what the containers wrote, merged in time order, secrets masked."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dftui.cli.common import Opened, coloured, containers, masker, opened, say
from dftui.cli.exits import Exit, UsageError
from dftui.cli.logprinter import Printer
from dftui.control.effects import Effect
from dftui.control.errors import NotUp

if TYPE_CHECKING:
    from dftui.engine.api import Container, LogLine
    from dftui.watch.logs import LogHub
    from dftui.watch.sieve import Choice
    from dftui.watch.states import States

_FOLLOW_TAIL = 1000
_ROLE_WORDS = {"mysql": "db", "database": "db", "redis": "cache", "lb": "balancer", "haproxy": "balancer"}
_LEVELS = ("debug", "info", "notice", "warning", "error", "critical")
_LATEST_CROSSING = 1_000_000_000
"""Nanoseconds by which a container's lines may be out of order."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Whose, from when to when, how many, which, how."""
    add = parser.add_argument
    add("who", nargs="*", metavar="WHO", help="a name, number, Host, or web, db, cache, balancer")
    add("-f", "--follow", action="store_true", help="go on until Ctrl-C")
    add("--tail", type=int, metavar="N", help=f"last N of each (default all; with -f {_FOLLOW_TAIL})")
    add("--since", metavar="T", help="30s, 10m, 2h, 1d ago, 14:05, or a time as 2026-11-23T12:00:00")
    add("--until", metavar="T", help="only what was written before this time")
    add("--timestamps", action="store_true", help="the time of each line")
    add("--grep", metavar="RE", help="only lines that this regular expression matches")
    add("-F", "--fixed", action="store_true", help="--grep is plain text")
    add("-v", "--invert", action="store_true", help="only lines that --grep does not match")
    add("-i", "--ignore-case", action="store_true", help="capitals do not count in --grep")
    add("--level", choices=_LEVELS, metavar="LEVEL", help=f"only lines at least as bad: {', '.join(_LEVELS)}")
    add("--fold", action="store_true", help="stack traces as one line, with a count")
    add("--output", metavar="FILE", help="into a new file that only you can read; never over one that is there")


def effect(args: argparse.Namespace) -> Effect:
    """A file that is written is more than a look."""
    return Effect.CHANGE if args.output else Effect.LOOK


async def run(args: argparse.Namespace) -> int:
    """Print what there is, or follow."""
    choice = _choice(args)
    since_ns = _moment("--since", args.since)
    if args.tail is not None and args.tail < 0:
        raise UsageError(f"--tail takes 0 or more, not {args.tail}.")
    async with opened(args) as world:
        from dftui.watch.export import NewFile, SaveError
        from dftui.watch.logs import LogHub, calm_collector
        from dftui.watch.states import States

        calm_collector()
        chosen = choose(await containers(world), args.who, world.spec.name)
        with ExitStack() as files:
            try:
                file = files.enter_context(NewFile(Path(args.output))) if args.output else None
            except SaveError as error:
                say(str(error))
                return Exit.FAILED
            printer = Printer(chosen, args, choice, file.write if file else _to_stdout, file is None and coloured())
            mask = await masker(world)
            hub = LogHub(
                world.engine,
                masker=mask,
                tail=args.tail if args.tail is not None else _FOLLOW_TAIL,
                since_ns=since_ns,
                pace=None,
                on_release=printer.released,
                keep=False,
            )
            printer.show_with(hub)
            if args.follow:
                states = States(world.engine, world.spec, hub.tell, mask.mask)
                await _follow(world, hub, states, args.who, printer, choice.until_ns)
            else:
                await _once(world, chosen, args.tail, since_ns, choice.until_ns, printer)
            printer.end()
        if file is not None:
            say(f"{printer.lines} lines are in {file.path.absolute()}, with secrets masked.")
    return Exit.DONE


def _choice(args: argparse.Namespace) -> Choice:
    from dftui.watch.match import BadPattern, Matcher
    from dftui.watch.sieve import Choice

    case = "ignore" if args.ignore_case else "exact"
    try:
        matcher = Matcher(args.grep or "", not args.fixed, args.invert, case=case, names=False)  # type: ignore[arg-type]
    except BadPattern as error:
        raise UsageError(f"--grep {args.grep!r}: {error}.") from None
    return Choice(matcher, args.level or "", _moment("--until", args.until))


def _moment(option: str, text: str | None) -> int:
    """Nanoseconds of a time as it was typed; 0 without one."""
    from dftui.watch.times import moment

    if not text:
        return 0
    try:
        return max(1, int(moment(text, time.time()) * 1e9))
    except ValueError as error:
        raise UsageError(f"{option}: {error}.") from None


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
            if c.labels.get(LABEL_ROLE) == role
            or c.name in (name, f"{stack}-{word}")
            or (len(word) >= 4 and c.id.startswith(word))
        ]
        if not found:
            there = ", ".join(c.name for c in containers) or "none"
            raise UsageError(f"there is no container {word!r} in the stack {stack}.", f"There are: {there}.")
        chosen.update((c.id, c) for c in found)
    return list(chosen.values())


def _to_stdout(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


async def _once(
    world: Opened, containers: Sequence[Container], tail: int | None, since_ns: int, until_ns: int, printer: Printer
) -> None:
    from dftui.watch.lines import CUT, LENGTH_SHIFT, MAX_LINE, STDERR, Record
    from dftui.watch.sanitise import clean

    new = tuple.__new__
    sources = [
        (clean(c.name, 128), world.engine.logs(c.id, tail=tail, since_ns=since_ns).__aiter__()) for c in containers
    ]
    seq = 0
    async for lines in merged(sources, until_ns):
        records: list[Record] = []
        for name, (stamp_ns, stream, data) in lines:
            seq += 1
            flags = STDERR if stream == "stderr" else 0
            if len(data) > MAX_LINE:
                flags |= CUT | len(data) << LENGTH_SHIFT
                data = data[:MAX_LINE]
            records.append(new(Record, (seq, stamp_ns, name, flags, data)))
        printer.print(records)


async def merged(
    sources: Sequence[tuple[str, AsyncIterator[Sequence[LogLine]]]], until_ns: int = 0
) -> AsyncIterator[list[tuple[str, LogLine]]]:
    """Lines of all sources by their time stamps, in pieces; holds little more than a batch of each. A source is left
    once it is past `until_ns` (0: never)."""
    held: list[_Source] = []
    fresh = [_Source(name, source) for name, source in sources]
    while fresh or held:
        held += [one for one in fresh if await one.read(until_ns)]
        # Whatever comes later is stamped after the newest line of the source that has told least.
        upto = min((one.newest for one in held), default=0)
        found: list[tuple[str, LogLine]] = []
        for one in held:
            while one.lines and one.lines[0].time_ns <= upto:
                found.append((one.name, one.lines.popleft()))
        found.sort(key=lambda each: each[1].time_ns)
        if found:
            yield found
        fresh = [one for one in held if not one.lines]
        held = [one for one in held if one.lines]


@dataclass(slots=True)
class _Source:
    """One container's log, a batch at a time."""

    name: str
    batches: AsyncIterator[Sequence[LogLine]]
    lines: deque[LogLine] = field(default_factory=deque)
    newest: int = 0

    async def read(self, until_ns: int) -> bool:
        """The next batch; False when there is none, or none that is wanted."""
        while not self.lines:
            batch = await anext(self.batches, None)
            if batch is None:
                return False
            self.lines.extend(batch)
            self.newest = max([self.newest, *(line.time_ns for line in batch)])
        return not until_ns or self.lines[0].time_ns < until_ns + _LATEST_CROSSING


async def _follow(
    world: Opened, hub: LogHub, states: States, who: Sequence[str], printer: Printer, until_ns: int
) -> None:
    """Also containers that come later; until cancelled, until that time, or until the engine is gone for good."""

    async def sync() -> None:
        found: Sequence[Container] = ()
        try:
            found = await containers(world)
            chosen = choose(found, who, world.spec.name)
        except (UsageError, NotUp):
            # What was asked for went away meanwhile; its lines so far are still printed.
            chosen = []
        if who:
            printer.names = (printer.names or frozenset()) | {c.name for c in chosen}
        states.sync(found)
        hub.sync(chosen)

    async def listen() -> None:
        from dftui.engine.api import EngineUnreachable
        from dftui.stack.names import LABEL_STACK
        from dftui.watch.heard import Heard

        lost = False
        # Also what happens between the first look and the moment at which the engine begins to tell.
        heard = Heard(time.time())
        while True:
            try:
                await sync()
                if lost:
                    say("The engine answers again.")
                    hub.poke()
                    lost = False
                async for event in world.engine.events({LABEL_STACK: world.spec.name}, since=heard.since):
                    if not heard.new(event):
                        continue
                    hub.note(event)
                    if event.kind == "container" and event.action in ("create", "start", "die", "destroy"):
                        await sync()
            except EngineUnreachable as error:
                if not lost:
                    say(f"{error} Waiting for it to come back.")
                lost = True
            await asyncio.sleep(1)

    tasks = [asyncio.ensure_future(job()) for job in (listen, hub.run, states.run)]
    # What was written before that time is here a moment after it.
    left = max(0.0, until_ns / 1e9 - time.time()) + 1 if until_ns else None
    try:
        done, _ = await asyncio.wait(tasks, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
