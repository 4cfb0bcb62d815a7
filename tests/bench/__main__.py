"""`python -m tests.bench [ROW…]` measures and keeps a table; `python -m tests.bench table` prints the kept ones."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench import churn, drift, fifty, images, ledger, logs, rows, scaling, screen, verifying
from tests.stacks import Stack

ON_ONE_STACK = ("start", "plus", "line", "idle", "verify", "ledger")
ROWS = ("images", *ON_ONE_STACK, "churn", "drift", "fifty", "logs")


def main() -> int:
    """Measure; 0 whatever the figures are: a missed goal stands in the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("what", nargs="*", default=[], help=f"{', '.join(ROWS)} (default: all), or table")
    parser.add_argument("--runs", type=int, default=10, help="runs of start, plus, line and verify (default 10)")
    parser.add_argument("--idle-runs", type=int, default=3, help="runs of idle, 30 s each (default 3)")
    parser.add_argument("--image-runs", type=int, default=3, help="builds of all images (default 3)")
    parser.add_argument("--many-runs", type=int, default=3, help="runs of drift and fifty (default 3)")
    parser.add_argument("--short", action="store_true", help="churn and logs only long enough to see that they work")
    args = parser.parse_args()
    if args.what == ["table"]:
        print(rows.saved() or "No table is kept yet: python -m tests.bench")
        return 0
    if unknown := set(args.what) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    # An installed program has its bytecode, as the toolkit that it is compared with has; a machine that forbids
    # writing it would measure the compiler.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    chosen = args.what or list(ROWS)
    where = rows.machine()
    found: list[rows.Row] = []
    if "images" in chosen:
        _say("building the bundled images")
        found.append(images.building(args.image_runs))
    if set(chosen) & set(ON_ONE_STACK):
        found += on_one_stack(chosen, args.runs, args.idle_runs)
    if "churn" in chosen:
        _say("churn: ten minutes and more of scaling, rolling, killing, restarting under load")
        found += churn.churn(churn.SHORT if args.short else churn.Lengths())
    if "drift" in chosen:
        _say("drift of each kind")
        found += drift.drift(args.many_runs)
    if "fifty" in chosen:
        _say("fifty replicas")
        found += fifty.fifty(args.many_runs)
    if "logs" in chosen:
        _say("logs: floods, slow links, ten minutes of memory, a million lines")
        with tempfile.TemporaryDirectory(prefix="dftui-bench-") as folder:
            found += logs.measure(Path(folder), logs.SHORT if args.short else logs.Lengths())
    name = "main" if set(chosen) == set(ROWS) else "-".join(chosen)
    print(rows.save(name, found, where))
    return 0


def on_one_stack(chosen: Sequence[str], runs: int, idle_runs: int) -> list[rows.Row]:
    """The rows that three replicas of the stand-in are enough for."""
    found: list[rows.Row] = []
    with tempfile.TemporaryDirectory(prefix="dftui-bench-") as folder, Stack(Path(folder)) as stack:
        _say("up: a stack of three replicas")
        stack.ok("up")
        if "start" in chosen:
            _say("start-up to first paint")
            found += screen.start_up(stack, runs)
        if "plus" in chosen:
            _say("+ to serving")
            found.append(scaling.plus(stack, runs))
        if "line" in chosen:
            _say("a line to the screen")
            found.append(screen.line_to_screen(stack, runs))
        if "idle" in chosen:
            _say("idle")
            found += screen.idle(stack, idle_runs)
        if "verify" in chosen:
            _say("verify")
            found += verifying.verifying(stack, runs)
        if "ledger" in chosen:
            _say("a hundred thousand requests, counted thrice")
            found.append(ledger.counts(stack))
        stack.ok("down", "--volumes", "--yes")
    return found


def _say(text: str) -> None:
    print(f"bench: {text} …", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
