"""`make soak`: the long trials. `python -m tests.bench.soak [scaling|logs|hostile …] [--minutes M]`.

scaling: `+` and `-` at random under load while replicas are killed; logs: an hour of tailing them, compared line by
line with the engine's files; hostile: thousands of made-up outputs, read from the raw stream.
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

MINUTES = {"scaling": 10.0, "logs": 60.0, "hostile": 10.0}
EXAMPLES_A_MINUTE = 150


def hostile(minutes: float) -> bool:
    """As in `make test`, only longer."""
    env = {**os.environ, "DFTUI_FUZZ": str(int(minutes * EXAMPLES_A_MINUTE))}
    argv = [sys.executable, "-m", "pytest", "-q", "tests/ui/test_hostile.py"]
    return subprocess.run(argv, env=env, check=False).returncode == 0


def main() -> int:
    """Run the chosen ones; 1 when one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak", description=__doc__)
    parser.add_argument("what", nargs="*", help=f"{', '.join(MINUTES)} (default: all)")
    parser.add_argument(
        "--minutes", type=float, help="for each; default " + ", ".join(f"{k} {v:g}" for k, v in MINUTES.items())
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
                case _:
                    good &= hostile(minutes)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
