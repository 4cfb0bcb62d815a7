"""`make soak`, second part: `verify` again and again on a sound stack that is being scaled, with no false alarm."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.engine.operate import assert_sound, false_alarms
from tests.stacks import Stack


def main() -> int:
    """Print each false alarm; 1 if there was one."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.alarms", description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder)) as stack:
        stack.ok("up")
        begin = time.monotonic()
        found = asyncio.run(false_alarms(stack, args.runs))
        seconds = time.monotonic() - begin
        asyncio.run(assert_sound(stack, 3))
        stack.ok("down", "--volumes", "--yes")
    print("\n".join(found) or f"{args.runs} runs of verify in {seconds:.0f} s, no false alarm")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
