"""`dftui adopt`: a stack that was made without dftui, taken over; undone, or finished."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from dftui.cli.common import Opened, ask, emit, opened, say
from dftui.cli.exits import Exit, UsageError
from dftui.control.effects import Effect

if TYPE_CHECKING:
    from dftui.control.adopt.adopter import Adopter
    from dftui.control.adopt.back import Finished, Undone
    from dftui.control.adopt.proposal import Proposal
    from dftui.control.adopt.record import Record
    from dftui.control.adopt.take import Adopted


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which stack, and whether to take it, or to go back, or on."""
    parser.add_argument(
        "which",
        metavar="NAME",
        nargs="?",
        default="",
        help="where there are several: a container of it, or its compose project",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--dry-run", action="store_true", help="only say what would be done; 4 if anything")
    how.add_argument("--undo", action="store_true", help="bring the old containers back, as they were")
    how.add_argument("--finish", action="store_true", help="remove the old containers, with their data")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def effect(args: argparse.Namespace) -> Effect:
    """Looking over changes nothing."""
    return Effect.LOOK if args.dry_run else Effect.CHANGE


async def run(args: argparse.Namespace) -> int:
    """Show the plan, ask, act."""
    from dftui.control.adopt.adopter import Adopter

    if args.which and (args.undo or args.finish):
        raise UsageError("which one is noted already: NAME does not go with --undo or --finish.")
    async with opened(args) as world, world.acting(args, Adopter) as adopter:
        if args.undo or args.finish:
            noted = await adopter.adoption()
            if not args.yes and not _agreed(noted, world, undo=args.undo):
                say("Nothing was changed.")
                return Exit.FAILED
            return await (_undo if args.undo else _finish)(args, adopter)
        proposal = await adopter.propose(args.which)
        if args.dry_run:
            if args.json:
                emit(proposal.to_json())
            else:
                print(text(proposal))
            return Exit.UNTRUE
        if not args.yes and not proposal.problems:
            for line in text(proposal).splitlines():
                say(line)
            if not ask(f"Take it over as the stack {proposal.stack}? [y/N]"):
                say("Nothing was changed.")
                return Exit.FAILED
        result = await adopter.adopt(proposal)
    return _report(args, result, _told(result))


def _report(args: argparse.Namespace, result: Adopted | Undone | Finished, lines: list[str]) -> int:
    if args.json:
        emit(result.to_json())
        return Exit.DONE
    for line in lines:
        say(line)
    return Exit.DONE


async def _undo(args: argparse.Namespace, adopter: Adopter) -> int:
    result = await adopter.undo()
    lines = [f"{', '.join(result.back)} are back as they were; of {result.stack} nothing is left."]
    if result.kept:
        lines.append(f"What it held is in {result.kept}.")
    if lost := ", ".join(result.unlinked):
        lines.append(f"The engine has lost the links of {lost}: restart it (systemctl restart docker).")
    return _report(args, result, lines)


async def _finish(args: argparse.Namespace, adopter: Adopter) -> int:
    result = await adopter.finish()
    lines = [f"Removed: {', '.join(result.removed)}. {result.stack} is dftui's alone now."]
    return _report(args, result, [*lines, *(f"Kept: {line}" for line in result.kept)])


def _agreed(noted: Record, world: Opened, *, undo: bool) -> bool:
    names = ", ".join(one.name if undo else one.aside for one in noted.containers)
    stack = world.spec.name
    if undo:
        rows = "" if noted.half else " What was written since is backed up, and NOT put into the old database."
        return ask(f"Remove the stack {stack}, and start {names} again?{rows} [y/N]")
    more = f" and the volumes {', '.join(noted.volumes)}" if noted.volumes else ""
    return ask(f"This removes {names}{more} AND ALL DATA IN THEM for good. Type {stack} to go ahead:", expected=stack)


def text(proposal: Proposal) -> str:
    """What was found and what would be done, a line each."""
    from dftui.watch.sanitise import clean

    found = proposal.found
    lines = [f"A stack made by {found.kind}, on port {found.publish}:"]
    for one in found.parts:
        container = one.detail.container
        lines.append(f"  {found.role(one):<9} {container.name}  {container.image}  {container.state}")
    if proposal.problems:
        lines.append("It is not certain what is here, so `dftui adopt` would change nothing:")
        lines += [f"  {one}" for one in proposal.problems]
    else:
        lines.append(f"`dftui adopt` would take it over as the stack {proposal.stack}:")
        lines += [f"  {number}. {step}" for number, step in enumerate(proposal.steps(), 1)]
        lines.append("  The old containers are only stopped: --undo brings them back, --finish removes them.")
    lines += [f"Note: {one}." for one in proposal.notes]
    lines += [f"Left as it is: {one.name}, {one.why}." for one in proposal.left[:20]]
    return "\n".join(clean(line) for line in lines)


def _told(result: Adopted) -> list[str]:
    lines = [
        f"{result.stack} is taken over: {result.replicas} replicas, key {result.key}, port {result.publish}.",
        f"Between the old balancer and the new one it answered nothing for {result.gap:.1f} s.",
        f"All that it held is in {result.backup}.",
    ]
    for web, path in result.kept.items():
        what = "its own SQLite and files, in nothing else" if web in result.own_databases else "what it wrote"
        lines.append(f"{web}: {what}: {path}")
    lines += [f"Note: {one}." for one in result.notes]
    if result.stack_file:
        lines.append(f"{result.stack_file} says what it is: keep it, and start dftui beside it.")
    lines.append("The old containers are stopped and kept. See that all is well, then: dftui adopt --finish.")
    lines.append("To go back: dftui adopt --undo.")
    return lines
