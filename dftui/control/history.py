"""What was done to a stack: one JSON line an action, appended to a file in the user's state folder and never changed.

The file is `<state dir>/<engine id>/<stack>.history.jsonl`, mode 0600.  Commands in it have their secrets masked.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dftui.control.lock import me
from dftui.stack import paths

_KEPT_STEPS = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """One action: `outcome` is "done" or the error's sentence; `receipt` is what the action gave back."""

    time: float
    who: str
    action: str
    outcome: str
    seconds: float
    steps: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    receipt: dict[str, Any] = field(default_factory=dict)


def history_path(engine_id: str, stack: str) -> Path:
    """Where the history of a stack on an engine is kept."""
    return paths.state_dir() / paths.engine_folder(engine_id) / f"{stack}.history.jsonl"


def append(engine_id: str, stack: str, entry: Entry) -> None:
    """Add one action. Raises OSError; callers go on without it."""
    path = history_path(engine_id, stack)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    line = json.dumps(asdict(entry), ensure_ascii=True, separators=(",", ":")) + "\n"
    # One write to a file opened for appending: two dftui at once do not mix their lines.
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def read(engine_id: str, stack: str) -> Iterator[Entry]:
    """All actions, oldest first; a line that cannot be read (cut by a full disk) is left out."""
    try:
        stream = history_path(engine_id, stack).open(encoding="utf-8")
    except FileNotFoundError:
        return
    with stream:
        for line in stream:
            try:
                raw = json.loads(line)
                yield Entry(
                    time=float(raw["time"]),
                    who=str(raw["who"]),
                    action=str(raw["action"]),
                    outcome=str(raw["outcome"]),
                    seconds=float(raw["seconds"]),
                    steps=tuple(map(str, raw.get("steps", ()))),
                    commands=tuple(map(str, raw.get("commands", ()))),
                    receipt=dict(raw.get("receipt", {})),
                )
            except (ValueError, KeyError, TypeError):
                continue


class Recording:
    """Gathers what one action did while it runs."""

    def __init__(self, action: str) -> None:
        self.action = action
        self.steps: list[str] = []
        self.commands: list[str] = []
        self._begin = time.time()

    def entry(self, outcome: str, receipt: dict[str, Any] | None = None) -> Entry:
        """The action as it ended."""
        return Entry(
            time=self._begin,
            who=me(),
            action=self.action,
            outcome=outcome,
            seconds=round(time.time() - self._begin, 3),
            steps=tuple(self.steps[-_KEPT_STEPS:]),
            commands=tuple(self.commands[-_KEPT_STEPS:]),
            receipt=receipt or {},
        )
