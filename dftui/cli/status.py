"""`dftui status`: the snapshot, once or each time that it changes."""

from __future__ import annotations

import argparse
import asyncio

from dftui.cli.common import Opened, coloured, emit, emit_line, look, masker, opened, say
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
        handmade = () if args.json or snapshot.exists else await _handmade(world)
    if args.json:
        emit(snapshot.to_json())
    else:
        print(status_text(snapshot, colour=coloured()))
    if handmade:
        print(
            f"A stack made without dftui is here: {', '.join(handmade)}. `dftui adopt` takes it over, with its data."
        )
    return 0


async def _handmade(world: Opened) -> tuple[str, ...]:
    from dftui.control.adopt.proposal import handmade_names

    return await handmade_names(world.engine)


async def _watch(world: Opened, as_json: bool) -> None:
    from dftui.watch.logs import LogHub
    from dftui.watch.watcher import Watcher

    mask = await masker(world)
    watcher = Watcher(world.engine, world.spec, masker=mask, logs=LogHub(world.engine, masker=mask, tail=0))
    news: asyncio.Queue[Snapshot] = asyncio.Queue()
    watcher.subscribe(news.put_nowait)
    watching = asyncio.ensure_future(watcher.run())
    shown: object = None
    lost = False
    try:
        while True:
            snapshot = await news.get()
            if (snapshot.engine.lost_since is not None) != lost:
                lost = not lost
                say(f"The engine does not answer: {snapshot.engine.error}" if lost else "The engine answers again.")
            facts = snapshot.to_json()
            if facts == shown:
                continue
            shown = facts
            if as_json:
                emit_line(facts)
            else:
                print(status_text(snapshot, colour=coloured()), end="\n\n", flush=True)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
