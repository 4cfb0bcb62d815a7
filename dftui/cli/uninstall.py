"""`dftui uninstall`: the engine and this user's folders as they were before dftui."""

from __future__ import annotations

import argparse

from dftui.cli.common import ask, emit, opened, say
from dftui.cli.exits import Exit


def arguments(parser: argparse.ArgumentParser) -> None:
    """`--yes`."""
    parser.add_argument("--yes", action="store_true", help="do not ask")


async def run(args: argparse.Namespace) -> int:
    """Say what there is, ask, remove. It leaves no history: that goes, too."""
    async with opened(args, one_action=False) as world, world.operator(args) as operator:
        name = world.spec.name
        found = await operator.look_at_leftovers()
        if not args.yes and not found.others:
            things = [f"{len(found.images)} images", f"{found.files} files (secrets, history, kept backups)"]
            if found.stack:
                things.insert(0, f"the stack {name} AND ALL ITS DATA")
            agreed = ask(f"This removes {', '.join(things)} for good. Type {name} to go ahead:", expected=name)
            if not agreed:
                say("Nothing was changed.")
                return Exit.FAILED
        result = await operator.uninstall()
    if args.json:
        emit(result.to_json())
        return 0
    for line in result.kept:
        say(f"Kept: {line}")
    say("dftui has left nothing here but itself: pipx uninstall dftui, or pip uninstall dftui.")
    return 0
