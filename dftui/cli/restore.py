"""`dftui restore FILE`: a backup's data in place, and the stack brought up on it."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from dftui.cli.common import ask, emit, opened, say
from dftui.cli.exits import Exit

if TYPE_CHECKING:
    from dftui.control.restore import Intent


def arguments(parser: argparse.ArgumentParser) -> None:
    """From where, and how far it may go."""
    parser.add_argument("file", metavar="FILE", type=Path, help="what `dftui backup` wrote")
    parser.add_argument(
        "--replace",
        action="store_true",
        help="also where the stack has data, which is backed up first and then removed",
    )
    parser.add_argument("--no-backup", action="store_true", help="with --replace: do not back up what is there")
    parser.add_argument("--yes", action="store_true", help="do not ask")


async def run(args: argparse.Namespace) -> int:
    """Check the file, ask, restore."""
    async with opened(args) as world, world.operator(args) as operator:
        name = world.spec.name
        intent = await operator.look_at_backup(args.file)
        # Where it will be refused, there is nothing to ask.
        if not args.yes and (args.replace or not intent.data):
            for line in _words(intent, name):
                say(line)
            if intent.data:
                question = (
                    f"This removes the data of {name} and puts the backup's in its place. Type its name to go ahead:"
                )
                agreed = ask(question, expected=name)
            else:
                agreed = ask(f"Restore it as the stack {name}? [y/N]")
            if not agreed:
                say("Nothing was changed.")
                return Exit.FAILED
        result = await operator.restore(args.file, replace=args.replace, first=not args.no_backup)
    if args.json:
        emit(result.to_json())
        return 0
    say(f"{result.stack} is restored: key {result.key}, {result.files} files.")
    if result.kept:
        say(f"What was there before is in {result.kept}.")
    return 0


def _words(intent: Intent, stack: str) -> list[str]:
    made = intent.manifest
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(made.created))
    lines = [f"A backup of the stack {made.stack}, made {when}: key {made.key}, {made.files} files, {made.version}."]
    if intent.half:
        lines.append(f"An earlier restore of {stack} did not end.")
    elif intent.data:
        lines.append(f"{stack} has data now, with the key {intent.key or 'unknown'}.")
    return lines
