"""`dftui probe`: what the blog post does by reloading Config: which Host answers, request by request."""

from __future__ import annotations

import argparse

from dftui.cli.common import emit, opened
from dftui.cli.exits import Exit, UsageError
from dftui.cli.text import columns
from dftui.watch.sanitise import clean


def arguments(parser: argparse.ArgumentParser) -> None:
    """`-n N`."""
    parser.add_argument(
        "-n", "--count", type=int, metavar="N", help="how many requests (default: three for each replica that serves)"
    )


async def run(args: argparse.Namespace) -> int:
    """Send the requests and print the rotation; 4 when one was not answered with 200."""
    if args.count is not None and not 1 <= args.count <= 10_000:
        raise UsageError(f"-n takes 1 to 10000, not {args.count}.")
    from dftui.control.probe import NO_ANSWER

    async with opened(args) as world, world.operator(args) as operator:
        result = await operator.probe(args.count)
    sound = all(row.status == 200 for row in result.rows)
    if args.json:
        emit(result.to_json())
        return Exit.DONE if sound else Exit.UNTRUE
    rows = [
        (str(i), r.host or NO_ANSWER, r.replica or "-", str(r.status), f"{r.ms:.0f} ms")
        for i, r in enumerate(result.rows, 1)
    ]
    print("\n".join(columns(rows)))
    hosts = ", ".join(f"{host or NO_ANSWER} {n}" for host, n in result.hosts.items())
    print(f"{result.answered} hosts answered: {hosts}")
    for name, why in result.silent.items():
        print(clean(f"{name} {why}."))
    return Exit.DONE if sound else Exit.UNTRUE
