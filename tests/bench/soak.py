"""`make soak`: the long trials. `python -m tests.bench.soak [scaling|kills|logs|hostile|swarm …]`.

scaling: `+` and `-` at random on a real screen under load, while replicas are killed; kills: every action killed
before each of its calls, looks too, and the engine killed before each change (no minutes: it takes what it takes);
logs: an hour of tailing replicas, compared line by line with the engine's files; hostile: thousands of made-up
outputs, read from the raw stream; swarm: all that is tested on a swarm, and the acceptance script on one engine, too.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench import soak_logs, soak_scaling

MINUTES = {"scaling": 10.0, "kills": 0.0, "logs": 60.0, "hostile": 10.0, "swarm": 0.0}
KILLS = ("tests/engine/test_killed.py", "tests/engine/test_second_stack.py")
HOSTILE = ("tests/ui/test_hostile.py",)
SWARM = (
    "tests/engine/test_both_engines.py",
    "tests/engine/test_swarm.py",
    "tests/engine/test_swarm_nodes.py",
    "tests/engine/test_swarm_standby.py",
)
EXAMPLES_A_MINUTE = 150


def tests(names: tuple[str, ...], **more: str) -> bool:
    """As in `make test`, but in their long form."""
    argv = [sys.executable, "-m", "pytest", "-q", *names]
    return subprocess.run(argv, env={**os.environ, **more}, check=False).returncode == 0


def main() -> int:
    """Run the chosen ones; 1 when one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak", description=__doc__)
    parser.add_argument("what", nargs="*", help=f"{', '.join(MINUTES)} (default: all)")
    parser.add_argument(
        "--minutes", type=float, help="for each; default " + ", ".join(f"{k} {v:g}" for k, v in MINUTES.items() if v)
    )
    parser.add_argument("--rate", type=float, default=100.0, help="scaling: requests a second")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    args = parser.parse_args()
    if unknown := set(args.what) - set(MINUTES):
        parser.error(f"no such trial: {', '.join(sorted(unknown))}; there are {', '.join(MINUTES)}")
    good = True
    for what in args.what or MINUTES:
        minutes = args.minutes or MINUTES[what]
        with tempfile.TemporaryDirectory(prefix="dftui-soak-") as folder:
            match what:
                case "scaling":
                    good &= soak_scaling.run(Path(folder), minutes, args.rate, args.seed)
                case "logs":
                    good &= soak_logs.soak(Path(folder), minutes, args.seed)
                case "hostile":
                    good &= tests(HOSTILE, DFTUI_FUZZ=str(int(minutes * EXAMPLES_A_MINUTE)))
                case "swarm":
                    good &= tests(SWARM, DFTUI_LONG="1")
                case _:
                    good &= tests(KILLS, DFTUI_EVERY_CALL="1", DFTUI_LONG="1")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
