"""`dftui up`: what is missing is created, what is stopped started, what was edited in the stack file rolled out; run
again it changes nothing."""

from __future__ import annotations

import argparse

from dftui.cli.common import coloured, emit, look, opened
from dftui.cli.text import status_text


def arguments(parser: argparse.ArgumentParser) -> None:
    """`-n N`."""
    number(parser)


def number(parser: argparse.ArgumentParser) -> None:
    """`-n N`: how many replicas."""
    parser.add_argument(
        "-n", "--replicas", type=_at_least_one, metavar="N", help="how many replicas are wanted from now on"
    )


def _at_least_one(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"takes 1 or more, not {text}; `dftui down` removes the stack")
    return int(text)


async def run(args: argparse.Namespace) -> int:
    """Bring the stack up and print it."""
    async with opened(args) as world:
        async with world.operator(args) as operator:
            await operator.up(args.replicas)
        snapshot = await look(world)
    if args.json:
        emit(snapshot.to_json())
    else:
        print(status_text(snapshot, colour=coloured()))
    return 0
