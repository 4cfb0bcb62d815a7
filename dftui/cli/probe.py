"""`dftui probe`: what the blog post does by reloading Config: which Host answers, request by request."""

from __future__ import annotations

import argparse

from dftui.cli.common import emit, opened
from dftui.cli.exits import UsageError
from dftui.cli.progress import Progress
from dftui.cli.text import columns


def arguments(parser: argparse.ArgumentParser) -> None:
    """`-n N`."""
    parser.add_argument("-n", "--count", type=int, default=9, metavar="N", help="how many requests (default 9)")


async def run(args: argparse.Namespace) -> int:
    """Send the requests and print the rotation."""
    if not 1 <= args.count <= 10_000:
        raise UsageError(f"-n takes 1 to 10000, not {args.count}.")
    async with opened(args) as world:
        with Progress(verbose=args.verbose) as progress:
            result = await world.operator(progress.report).probe(args.count)
    if args.json:
        emit(
            {
                "rows": [{"host": r.host, "replica": r.replica, "status": r.status, "ms": r.ms} for r in result.rows],
                "hosts": dict(result.hosts),
            }
        )
        return 0
    rows = [
        (str(i), r.host or "-", r.replica or "-", str(r.status), f"{r.ms:.0f} ms")
        for i, r in enumerate(result.rows, 1)
    ]
    print("\n".join(columns(rows)))
    print(
        f"{len(result.hosts)} hosts answered: " + ", ".join(f"{host} {n}" for host, n in sorted(result.hosts.items()))
    )
    return 0
