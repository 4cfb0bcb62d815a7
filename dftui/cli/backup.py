"""`dftui backup [FILE]`: the database, the secrets and the storage in one file, its owner's alone."""

from __future__ import annotations

import argparse
from pathlib import Path

from dftui.cli.common import emit, opened, say


def arguments(parser: argparse.ArgumentParser) -> None:
    """Where to."""
    parser.add_argument(
        "file",
        metavar="FILE",
        type=Path,
        nargs="?",
        help="the file to write, which must not be there yet (default: STACK-DATE-TIME.backup.tar here)",
    )


async def run(args: argparse.Namespace) -> int:
    """Write it while the stack goes on serving."""
    from dftui.control.backup import default_name

    async with opened(args) as world, world.operator(args) as operator:
        result = await operator.backup(args.file or Path(default_name(world.spec.name)))
    if args.json:
        emit(result.to_json())
        return 0
    print(result.file)
    say(f"It holds the stack's APP_KEY and passwords: whoever can read it can read everything. Key {result.key}.")
    for name in result.left_out:
        say(f"Left out: {name}")
    return 0
