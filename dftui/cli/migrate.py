"""`dftui migrate swarm`: a stack of one engine goes on as services of the swarm that this engine manages."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from dftui.cli.common import Opened, ask, emit, opened, say
from dftui.cli.exits import Exit, UsageError

if TYPE_CHECKING:
    from dftui.control.migrate import MigrateResult


def arguments(parser: argparse.ArgumentParser) -> None:
    """Where to, and whether to ask."""
    parser.add_argument("to", choices=("swarm",), help="the swarm of which the engine is a manager")
    parser.add_argument("--yes", action="store_true", help="do not ask")


async def run(args: argparse.Namespace) -> int:
    """Ask, back up, end the one, begin the other on the same data."""
    from dftui.engine.connect import connect_for

    async with opened(args) as here:
        if here.spec.swarm:
            raise UsageError("this stack is on a swarm already.", "engine: swarm stands in the stack file.")
        spec = replace(here.spec, engine="swarm")
        engine = await connect_for(spec, args.docker)
        try:
            if not args.yes and not ask(
                f"Nobody answers for some seconds while {spec.name} goes on as services of the swarm. Go ahead? [y/N]"
            ):
                say("Nothing was changed.")
                return Exit.FAILED
            result = await _migrate(here, Opened(spec, engine), args.verbose)
        finally:
            await engine.close()
    if args.json:
        emit(result.to_json())
        return 0
    on = ", ".join(f"{node} {count}" for node, count in sorted(result.nodes.items()))
    say(f"{result.stack} runs on the swarm: {on}; with the same key {result.key}.")
    kept = f" The backup before it: {result.backup}" if result.backup else ""
    say(f"Nobody answered for {result.gap:.1f} s.{kept}")
    say("Set `engine: swarm` in the stack file (or give --engine swarm), so that the next command finds it there.")
    return 0


async def _migrate(here: Opened, there: Opened, verbose: bool) -> MigrateResult:
    from dftui.cli.progress import Progress
    from dftui.control.migrate import migrate
    from dftui.control.operator import Operator
    from dftui.control.world import World

    with Progress(verbose=verbose) as progress:
        old = Operator(here.engine, here.spec, report=progress.report)
        new = Operator(there.engine, there.spec, report=progress.report)
        try:
            return await migrate(
                World(here.engine, here.spec, old.link, progress.report),
                World(there.engine, there.spec, new.link, progress.report),
                end_old=old.down,
                begin_new=new.up,
                end_new=new.down,
                begin_old=old.up,
            )
        finally:
            await old.close()
            await new.close()
