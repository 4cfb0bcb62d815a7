"""`dftui roll [IMAGE]`: replicas replaced one by one, with a receipt; goes back by itself when a new one fails."""

from __future__ import annotations

import argparse

from dftui.cli.common import emit, opened, say
from dftui.cli.exits import Exit, UsageError


def arguments(parser: argparse.ArgumentParser) -> None:
    """The image, and the word for a changed key."""
    parser.add_argument("image", metavar="IMAGE", nargs="?", help="the new web image (default: the stack file's)")
    parser.add_argument(
        "--new-key",
        action="store_true",
        help="accept a changed APP_KEY: it logs everyone out and makes stored service credentials unreadable",
    )
    parser.add_argument("--no-backup", action="store_true", help="to another image without a backup first")
    held = parser.add_mutually_exclusive_group()
    held.add_argument(
        "--hold", action="store_true", help="let the roll that runs, here or elsewhere, wait before its next replica"
    )
    held.add_argument("--go-on", action="store_true", help="let a roll that is held go on")


async def run(args: argparse.Namespace) -> int:
    """Roll and print the receipt; 1 when it went back."""
    if (args.hold or args.go_on) and (args.image or args.new_key):
        raise UsageError("--hold and --go-on are about the roll that runs: they take neither IMAGE nor --new-key.")
    async with opened(args) as world, world.operator(args) as operator:
        if args.hold or args.go_on:
            roller = await operator.hold_roll(args.hold)
            if args.json:
                emit({"held": args.hold, "roll": {"who": roller.who, "since": roller.since}})
            else:
                waits = "waits before its next replica; dftui roll --go-on lets it go on" if args.hold else "goes on"
                say(f"The roll of {roller.who} {waits}.")
            return Exit.DONE
        result = await operator.roll(args.image, new_key=args.new_key, backup=not args.no_backup)
    if args.json:
        emit(result.to_json())
    else:
        for old, new in result.replaced:
            print(f"{old} → {new}")
        if result.backup:
            say(f"The data as it was before is in {result.backup}.")
        word = "Went back" if result.rolled_back else "Done"
        print(f"{word} in {result.seconds:.1f} s: {result.receipt.text}.")
    return Exit.FAILED if result.rolled_back else Exit.DONE
