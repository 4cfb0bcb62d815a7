"""`dftui up`: what is missing is created, what is stopped is started; run again it changes nothing."""

from __future__ import annotations

import argparse

from dftui.cli.common import coloured, emit, look, opened
from dftui.cli.exits import UsageError
from dftui.cli.text import status_text


def arguments(parser: argparse.ArgumentParser) -> None:
    """`-n N`."""
    parser.add_argument("-n", "--replicas", type=int, metavar="N", help="how many replicas are wanted from now on")


async def run(args: argparse.Namespace) -> int:
    """Bring the stack up and print it."""
    if args.replicas is not None and args.replicas < 1:
        raise UsageError(f"-n takes 1 or more, not {args.replicas}.", "`dftui down` removes the stack.")
    async with opened(args) as world:
        async with world.operator(args) as operator:
            await operator.up(args.replicas)
        snapshot = await look(world)
    if args.json:
        emit(snapshot.to_json())
    else:
        print(status_text(snapshot, colour=coloured()))
    return 0
