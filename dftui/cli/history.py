"""`dftui history`: what was done to the stack, by whom, and what came of it."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from dftui.cli.common import containers, emit_line, opened, say
from dftui.cli.exits import UsageError
from dftui.watch.sanitise import clean

if TYPE_CHECKING:
    from dftui.control.entry import Entry


def arguments(parser: argparse.ArgumentParser) -> None:
    """How many."""
    parser.add_argument("-n", "--number", type=int, default=20, metavar="N", help="the last N actions (default 20)")


async def run(args: argparse.Namespace) -> int:
    """Oldest first; with --json one object a line; with --verbose each step's docker command."""
    from dftui.control.history import read

    if args.number < 0:
        raise UsageError(f"-n takes 0 or more, not {args.number}.")
    async with opened(args) as world:
        info = await world.engine.info()
        entries = list(read(info.id, world.spec.name))
        if not entries:
            # A stack that was taken down keeps its history; without one it is no stack, or one of somebody else's.
            await containers(world)
            say(f"Nothing was done to the stack {world.spec.name} from here yet.")
        entries = entries[len(entries) - min(args.number, len(entries)) :]
    for entry in entries:
        if args.json:
            emit_line(asdict(entry))
            continue
        print(clean(_line(entry)))
        for command in entry.commands if args.verbose else ():
            print(clean(f"  $ {command}"))
    return 0


def _line(entry: Entry) -> str:
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.time))
    last = entry.steps[-1] if entry.steps and not entry.failed else ""
    end = entry.receipt_words() or last
    return f"{at}  {entry.who}  {entry.action}  {entry.outcome}  {entry.seconds:.1f} s  {end}".rstrip()
