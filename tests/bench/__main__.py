"""`python -m tests.bench [ROW…]` measures and keeps a table; `python -m tests.bench table` prints the kept ones."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bench import (
    churn,
    drift,
    fifty,
    images,
    ledger,
    logs,
    rows,
    scaling,
    screen,
    swarm,
    swarm_standby,
    verifying,
)
from tests.stacks import Stack
from tests.swarmlab import missing

ON_ONE_STACK = ("start", "plus", "line", "idle", "verify", "sound", "ledger")
LOGS = tuple(f"logs:{group}" for group in logs.GROUPS)
ROWS = ("images", *ON_ONE_STACK, "churn", "drift", "fifty", "swarm", "standby", "logs", *LOGS)


def main() -> int:
    """Measure; 0 whatever the figures are: a missed goal stands in the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("what", nargs="*", default=[], help=f"{', '.join(ROWS)} (default: all), or table")
    parser.add_argument("--runs", type=int, default=10, help="runs of start, plus, line and verify (default 10)")
    parser.add_argument("--idle-runs", type=int, default=3, help="runs of idle, 30 s each (default 3)")
    parser.add_argument("--image-runs", type=int, default=3, help="builds of all images (default 3)")
    parser.add_argument("--many-runs", type=int, default=3, help="runs of drift, fifty and standby (default 3)")
    parser.add_argument(
        "--short", action="store_true", help="churn, swarm and logs only long enough to see that they work"
    )
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

    def keep(name: str, found: Sequence[rows.Row]) -> None:
        # At once: what fails later does not take it along.
        print(f"{name}:\n\n{rows.save(name, found, where)}", flush=True)

    if "images" in chosen:
        _say("building the bundled images")
        keep("images", [images.building(args.image_runs)])
    if set(chosen) & set(ON_ONE_STACK):
        on_one_stack(chosen, args.runs, args.idle_runs, keep)
    if "churn" in chosen:
        _say("churn: ten minutes and more of scaling, rolling, killing, restarting under load")
        churn.churn(churn.SHORT if args.short else churn.Lengths(), keep)
    if "drift" in chosen:
        _say("drift of each kind")
        keep("drift", drift.drift(args.many_runs))
    if "fifty" in chosen:
        _say("fifty replicas")
        keep("fifty", fifty.fifty(args.many_runs))
    if "swarm" in chosen and (lacks := missing()):
        _say(f"no swarm: {lacks}")
    elif "swarm" in chosen:
        _say("a swarm of three nodes: scaled, rolled, drained, its nodes lost, under load; a hundred replicas")
        keep("swarm", swarm.swarm(swarm.SHORT if args.short else swarm.Lengths()))
    if "standby" in chosen:
        _say("the active balancer's manager lost, its standby taking over")
        keep("standby", swarm_standby.standby(args.many_runs))
    groups = [group for group in logs.GROUPS if {"logs", f"logs:{group}"} & set(chosen)]
    if groups:
        _say("logs: floods, slow links, ten minutes of memory, a million lines")
        with tempfile.TemporaryDirectory(prefix="dftui-bench-") as folder:
            logs.measure(Path(folder), logs.SHORT if args.short else logs.Lengths(), keep, groups)
    return 0


def on_one_stack(
    chosen: Sequence[str], runs: int, idle_runs: int, keep: Callable[[str, Sequence[rows.Row]], None]
) -> None:
    """The rows that three replicas of the stand-in are enough for; each is given to `keep` when it is measured."""
    with tempfile.TemporaryDirectory(prefix="dftui-bench-") as folder, Stack(Path(folder)) as stack:
        _say("up: a stack of three replicas")
        stack.ok("up")
        if "start" in chosen:
            _say("start-up to first paint")
            keep("start", screen.start_up(stack, runs))
        if "plus" in chosen:
            _say("+ to serving")
            keep("plus", [scaling.plus(stack, runs)])
        if "line" in chosen:
            _say("a line to the screen")
            keep("line", [screen.line_to_screen(stack, runs)])
        if "idle" in chosen:
            _say("idle")
            keep("idle", screen.idle(stack, idle_runs))
        if "verify" in chosen:
            _say("verify")
            keep("verify", verifying.verifying(stack, runs))
        if "sound" in chosen:
            _say("a hundred runs of verify while the stack is scaled")
            keep("sound", [verifying.sound(stack)])
        if "ledger" in chosen:
            _say("a hundred thousand requests, counted thrice")
            keep("ledger", [ledger.counts(stack)])
        stack.ok("down", "--volumes", "--yes")


def _say(text: str) -> None:
    print(f"bench: {text} …", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
