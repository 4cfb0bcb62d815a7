"""`dftui repair`: what is wanted, what exists and what the balancer believes, brought together."""

from __future__ import annotations

import argparse

from dftui.cli.common import emit, opened
from dftui.cli.exits import Exit, UsageError
from dftui.control.effects import Effect
from dftui.watch.sanitise import clean


def arguments(parser: argparse.ArgumentParser) -> None:
    """Look only, or whom to replace."""
    parser.add_argument("who", nargs="*", metavar="WHO", help="replace these replicas, a new one first")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing; 4 if anything")


def effect(args: argparse.Namespace) -> Effect:
    """A dry run only looks."""
    return Effect.LOOK if args.dry_run else Effect.CHANGE


async def run(args: argparse.Namespace) -> int:
    """Repair, or with --dry-run only look."""
    if args.dry_run and args.who:
        raise UsageError("--dry-run only looks; WHO would be replaced whatever it looks like.")
    async with opened(args) as world, world.operator(args) as operator:
        if args.dry_run:
            findings = await operator.findings()
            if args.json:
                emit({"findings": [{"who": f.who, "what": f.what, "repair": f.repair} for f in findings]})
            for finding in () if args.json else findings:
                print(clean(f"{finding.what}: would {finding.repair}"))
            return Exit.UNTRUE if findings else Exit.DONE
        result = await operator.repair(args.who)
    if args.json:
        emit(result.to_json())
    elif not result.findings:
        print("Nothing to repair.")
    else:
        for finding in result.findings:
            print(clean(f"{finding.what}: {finding.repair}"))
    return Exit.DONE
