"""Actions of a stack run in processes that may be killed: the other side of `tests.engine.killed`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.stacks import Stack


class Jobs:
    """The process that forks one for each job."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.engine.killed"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=dict(stack.env),
            cwd=Path(__file__).parent.parent.parent,
        )

    def run(
        self,
        action: str,
        step: int = 0,
        number: int = signal.SIGKILL,
        *,
        changes_only: bool = True,
        victim: int = 0,
    ) -> Any:
        """What became of the action: {"calls"} when it ended, {"at"} when it (or `victim`) was killed before its
        `step`th call, {"error"} when it failed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        job: dict[str, Any] = {"file": str(self._stack.file), "action": action, "step": step, "signal": int(number)}
        job |= {"changes_only": changes_only, "victim": victim}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)
