"""`dftui down`: the stack's containers and networks go; volumes stay unless told."""

from __future__ import annotations

import argparse

from dftui.cli.common import ask, emit, opened, say
from dftui.cli.exits import Exit


def arguments(parser: argparse.ArgumentParser) -> None:
    """`--volumes` and `--yes`."""
    parser.add_argument("--volumes", action="store_true", help="the data too: database, cache, DreamFactory's files")
    parser.add_argument("--yes", action="store_true", help="do not ask")


async def run(args: argparse.Namespace) -> int:
    """Ask in proportion, then remove."""
    async with opened(args) as world:
        name = world.spec.name
        if not args.yes:
            if args.volumes:
                question = f"This removes the stack {name} AND ALL ITS DATA for good. Type its name to go ahead:"
                agreed = ask(question, expected=name)
            else:
                agreed = ask(f"Remove the stack {name}? Its volumes, and so its data, stay. [y/N]")
            if not agreed:
                say("Nothing was changed.")
                return Exit.FAILED
        async with world.operator(args) as operator:
            await operator.down(volumes=args.volumes)
    if args.json:
        emit({"stack": name, "volumes": args.volumes, "removed": True})
    else:
        say(f"{name} is gone{', with its data' if args.volumes else '; its volumes are kept'}.")
    return 0
