"""The screen on the fake backend, in a real terminal: `python -m tests.ui.run_fake [lines a second] [options]`."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import sys
from dataclasses import replace

from dftui.cli import terminal
from dftui.stack.spec import StackSpec
from dftui.ui.app import DftuiApp
from dftui.ui.backend import Backend
from dftui.ui.options import Options

from .fake_backend import FakeBackend, busy, stack


async def live(fake: FakeBackend, lines: int) -> None:
    """Figures that wobble each second as an idle stack's do, and `lines` log lines a second."""
    chance = random.Random(7)
    count = itertools.count()
    while True:
        for n in range(10):
            if lines:
                words = (
                    f"line {k}, {chance.random():.16f}, of the flood" for k in itertools.islice(count, lines // 10)
                )
                fake.logs.feed(f"df-web{1 + n % 3}", *words)
            await asyncio.sleep(0.1)
        snapshot = fake.snapshot
        if snapshot is not None and snapshot.web:
            load = [replace(r, load=replace(r.load, cpu=chance.choice((0.2, 0.4, 0.7)))) for r in snapshot.web]
            figures = {**snapshot.db.figures, "queries/s": str(chance.randint(2, 4))}
            fake.set(replace(snapshot, web=tuple(load), db=replace(snapshot.db, figures=figures)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lines", nargs="?", type=int, default=0)
    parser.add_argument("--ascii", action="store_true")
    parser.add_argument("--no-mouse", action="store_true")
    parser.add_argument("--max-bps", type=int)
    args = parser.parse_args()
    terminal.prepare()
    fake = busy(FakeBackend(stack()))

    async def connect() -> Backend:
        task = asyncio.create_task(live(fake, args.lines))
        fake.keep = task  # type: ignore[attr-defined]
        return fake

    options = Options.from_environment(ascii=args.ascii, mouse=not args.no_mouse, max_bps=args.max_bps)
    app = DftuiApp(connect, StackSpec(), options)
    app.run(mouse=options.mouse)
    return app.return_code or 0


if __name__ == "__main__":
    sys.exit(main())
