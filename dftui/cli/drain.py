"""`dftui drain WHO`: a replica gets no new requests; what it is working on it finishes."""

from __future__ import annotations

import argparse

from dftui.cli.common import emit, opened, say


def arguments(parser: argparse.ArgumentParser) -> None:
    """WHO."""
    parser.add_argument("who", metavar="WHO", help="a replica: its number, name (df-web2) or Host")


async def run(args: argparse.Namespace) -> int:
    """Drain or undrain, by the name the command was called with."""
    async with opened(args) as world, world.operator(args) as operator:
        await (operator.drain(args.who) if args.command == "drain" else operator.undrain(args.who))
    if args.json:
        emit({"who": args.who, "action": args.command})
    else:
        say(
            f"It gets no new requests and finishes those it has; `dftui undrain {args.who}` takes that back."
            if args.command == "drain"
            else "It gets new requests again."
        )
    return 0
