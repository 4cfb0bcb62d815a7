"""`dftui status`: the snapshot, once or each time that it changes."""

from __future__ import annotations

import argparse
import asyncio

from dftui.cli.common import Opened, coloured, emit, emit_line, look, masker, opened
from dftui.cli.text import status_text
from dftui.watch.snapshot import Snapshot


def arguments(parser: argparse.ArgumentParser) -> None:
    """`--watch`."""
    parser.add_argument("--watch", action="store_true", help="again at each change, until Ctrl-C")


async def run(args: argparse.Namespace) -> int:
    """Print the snapshot; 0 also when there is no stack."""
    async with opened(args) as world:
        if args.watch:
            await _watch(world, args.json)
            return 0
        snapshot = await look(world)
    if args.json:
        emit(snapshot.to_json())
    else:
        print(status_text(snapshot, colour=coloured()))
    return 0


async def _watch(world: Opened, as_json: bool) -> None:
    from dftui.watch.watcher import Watcher

    changed = asyncio.Event()
    watcher = Watcher(world.engine, world.spec, None, masker=await masker(world))
    watcher.subscribe(lambda _: changed.set())
    task = asyncio.ensure_future(watcher.run())
    shown: object = None
    try:
        while not task.done():
            await asyncio.wait({task, asyncio.ensure_future(changed.wait())}, return_when=asyncio.FIRST_COMPLETED)
            changed.clear()
            snapshot: Snapshot = watcher.snapshot
            facts = snapshot.to_json()
            if facts == shown:
                continue
            shown = facts
            if as_json:
                emit_line(facts)
            else:
                print(status_text(snapshot, colour=coloured()), end="\n\n", flush=True)
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
