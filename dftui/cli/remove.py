"""`dftui remove WHO`: that replica is drained, taken out of the balancer's table, then stopped and removed."""

from __future__ import annotations

import argparse

from dftui.cli.common import ask, emit, opened, say
from dftui.cli.exits import Exit
from dftui.cli.text import receipt_text
from dftui.watch.sanitise import clean


def arguments(parser: argparse.ArgumentParser) -> None:
    """WHO, and `--yes`."""
    parser.add_argument("who", metavar="WHO", help="a replica: its number, name (df-web2) or Host")
    parser.add_argument("--yes", action="store_true", help="do not ask")


async def run(args: argparse.Namespace) -> int:
    """Ask, drain, remove, print the receipt."""
    async with opened(args) as world, world.operator(args) as operator:
        name = await operator.name_of(args.who)
        if not args.yes and not ask(clean(f"Drain {name}, then remove it? [y/N]")):
            say("Nothing was changed.")
            return Exit.FAILED
        result = await operator.scale(by=-1, victim=name)
    if args.json:
        emit(result.to_json())
    else:
        print(receipt_text(result))
    return Exit.DONE
