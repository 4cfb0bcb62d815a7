"""Actions of a stack run in processes that may be killed: the other side of `tests.engine.killed`."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from dftui.engine.connect import DEFAULT_HOST
from tests.engine.relay import Relay
from tests.stacks import Stack

LINK = 0
"""In place of a signal: the action goes on, and its link to the engine is dropped."""
EVERY_CALL = os.environ.get("DFTUI_EVERY_CALL") == "1"
"""The long form (`make soak`): killed before each call of any kind, and the engine before each change."""


class Jobs:
    """The process that forks one for each job."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        where = stack.env.get("DOCKER_HOST") or DEFAULT_HOST
        self._socket = where.removeprefix("unix://")
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
        changes_only: bool = not EVERY_CALL,
        victim: int = 0,
    ) -> Any:
        """What became of the action: {"calls"} when it ended, {"at"} when it (or `victim`, or with LINK its link) was
        killed before its `step`th call, {"error"} when it failed."""
        if step and number == LINK:
            with contextlib.closing(Relay(self._stack.folder, self._socket)) as relay:
                return self._run(action, step, signal.SIGKILL, changes_only, relay.pid, f"unix://{relay.socket}")
        return self._run(action, step, number, changes_only, victim, "")

    def _run(self, action: str, step: int, number: int, changes_only: bool, victim: int, host: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        job: dict[str, Any] = {"file": str(self._stack.file), "action": action, "step": step, "signal": int(number)}
        job |= {"changes_only": changes_only, "victim": victim, "host": host}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)
