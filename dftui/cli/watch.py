"""`dftui watch`: what the screen does by itself (repair, autoscale), without a screen."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from typing import TYPE_CHECKING

from dftui.cli.common import emit_line, masker, opened, say
from dftui.cli.exits import UsageError

if TYPE_CHECKING:
    from dftui.watch.records import Step
    from dftui.watch.snapshot import Snapshot


def arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing of its own: the stack file says what to do."""


async def run(args: argparse.Namespace) -> int:
    """Until a signal ends it; each step and each new drift is a line."""
    from dftui.balancer.pair import link_to
    from dftui.control.autopilot import Autopilot
    from dftui.control.operator import Operator
    from dftui.watch.logs import LogHub
    from dftui.watch.watcher import Watcher

    def report(step: Step) -> None:
        if step.state == "running":
            return
        if args.json:
            emit_line({"time": step.at, "action": step.action, "text": step.text, "state": step.state})
        else:
            say(f"{step.action}: {step.text}" + (": FAILED" if step.state == "failed" else ""))

    known: set[str] = set()

    def seen(snapshot: Snapshot) -> None:
        drift = {d.what: d.repair for d in snapshot.drift}
        for what in drift.keys() - known:
            if args.json:
                emit_line({"time": snapshot.at, "drift": what, "repair": drift[what]})
            else:
                say(f"drift: {what}; repair would {drift[what]}")
        known.clear()
        known.update(drift)
        watcher.watch_stats([r.id for r in snapshot.web] if world.spec.web.target_cpu else [])

    async with opened(args, one_action=False) as world:
        mask = await masker(world)
        link = link_to(world.engine, world.spec)
        watcher = Watcher(world.engine, world.spec, link, masker=mask, logs=LogHub(world.engine, masker=mask, tail=0))
        operator = Operator(world.engine, world.spec, link=link, report=report)
        autopilot = Autopilot(operator, world.spec, lambda: watcher.snapshot, report, acting=watcher.acting)
        if not autopilot.on:
            raise UsageError(
                "there is nothing to watch for: the stack file asks for neither repair nor autoscale.",
                "Set `repair: auto`, or `web: {target_rps: N}`, in dftui.yaml.",
            )
        watcher.subscribe(seen)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(watcher.run())
                group.create_task(autopilot.run())
        finally:
            with contextlib.suppress(Exception):
                await operator.close()
                await link.close()
    return 0
