"""`dftui up`: what is missing is created, what is stopped started, what was edited in the stack file rolled out; run
again it changes nothing."""

from __future__ import annotations

import argparse

from dftui.cli.common import coloured, emit, look, opened
from dftui.cli.exits import UsageError
from dftui.cli.text import status_text


def arguments(parser: argparse.ArgumentParser) -> None:
    """`-n N`."""
    number(parser)


def number(parser: argparse.ArgumentParser) -> None:
    """`-n N`: how many replicas."""
    parser.add_argument("-n", "--replicas", type=int, metavar="N", help="how many replicas are wanted from now on")


def wanted(args: argparse.Namespace) -> int | None:
    """What `-n` says. Raises UsageError."""
    replicas: int | None = args.replicas
    if replicas is not None and replicas < 1:
        raise UsageError(f"-n takes 1 or more, not {replicas}.", "`dftui down` removes the stack.")
    return replicas


async def run(args: argparse.Namespace) -> int:
    """Bring the stack up and print it."""
    replicas = wanted(args)
    async with opened(args) as world:
        async with world.operator(args) as operator:
            await operator.up(replicas, edits=True)
        snapshot = await look(world)
    if args.json:
        emit(snapshot.to_json())
    else:
        print(status_text(snapshot, colour=coloured()))
    return 0
