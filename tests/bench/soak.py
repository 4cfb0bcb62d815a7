"""`make soak`: the long trials. `python -m tests.bench.soak [scaling|kills …] [--minutes M] [--seed S]`.

scaling: `+` and `-` at random on a real screen under load, while replicas are killed; kills: every action killed
before each of its calls, looks too, and the engine killed before each change (no minutes: it takes what it takes).
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench import soak_scaling

MINUTES = {"scaling": 10.0, "kills": 0.0}
KILLS = ("tests/engine/test_killed.py", "tests/engine/test_second_stack.py")


def kills() -> bool:
    """As in `make test`, but before each call of any kind."""
    argv = [sys.executable, "-m", "pytest", "-q", *KILLS]
    return subprocess.run(argv, env={**os.environ, "DFTUI_EVERY_CALL": "1"}, check=False).returncode == 0


def main() -> int:
    """Run the chosen ones; 1 when one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak", description=__doc__)
    parser.add_argument("what", nargs="*", help=f"{', '.join(MINUTES)} (default: all)")
    parser.add_argument("--minutes", type=float, help="of scaling (default 10)")
    parser.add_argument("--rate", type=float, default=100.0, help="scaling: requests a second")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    args = parser.parse_args()
    if unknown := set(args.what) - set(MINUTES):
        parser.error(f"no such trial: {', '.join(sorted(unknown))}; there are {', '.join(MINUTES)}")
    good = True
    for what in args.what or MINUTES:
        with tempfile.TemporaryDirectory(prefix="dftui-soak-") as folder:
            match what:
                case "scaling":
                    minutes = args.minutes or MINUTES[what]
                    good &= soak_scaling.run(Path(folder), minutes, args.rate, args.seed)
                case _:
                    good &= kills()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
