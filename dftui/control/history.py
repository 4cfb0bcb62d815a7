"""What was done to a stack: one JSON line an action, appended to a file in the user's state folder and never changed.

The file is `<state dir>/<engine id>/<stack>.history.jsonl`, mode 0600. Secrets in it are masked.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dftui.control.entry import Entry
from dftui.control.errors import SteppedAside
from dftui.control.lock import me
from dftui.engine.api import Engine, EngineError
from dftui.stack import paths
from dftui.stack.secrets import SecretsError, load_secrets
from dftui.watch.mask import Masker
from dftui.watch.records import Step
from dftui.watch.sanitise import clean

SESSION = secrets.token_hex(4)
"""Tells what this process did from what others do."""
_KEPT_STEPS = 200
_TAIL = 512 * 1024
"""Bytes of the file that a screen reads at its start."""


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
    yield from Reader(engine_id, stack, whole=True).new()


class Reader:
    """Reads a history as it grows: what `new` has given it does not give again."""

    def __init__(self, engine_id: str, stack: str, *, whole: bool = False) -> None:
        """From the beginning where the `whole` is wanted, else the last of it."""
        self._path = history_path(engine_id, stack)
        self._at = -1
        self._whole = whole

    def new(self) -> list[Entry]:
        """What was appended since the last call. Raises OSError when the file is there and cannot be read."""
        try:
            size = self._path.stat().st_size
        except FileNotFoundError:
            return []
        if size == self._at:
            return []
        if self._at < 0 or size < self._at:
            self._at = 0 if self._whole else max(0, size - _TAIL)
        with self._path.open("rb") as stream:
            stream.seek(self._at)
            data = stream.read()
        # A line that is still being written is left for the next time.
        end = data.rfind(b"\n") + 1
        self._at += end
        return [entry for line in data[:end].splitlines() if (entry := _parse(line)) is not None]


def _parse(line: bytes) -> Entry | None:
    try:
        raw = json.loads(line)
        return Entry(
            time=float(raw["time"]),
            who=str(raw["who"]),
            action=str(raw["action"]),
            outcome=str(raw["outcome"]),
            seconds=float(raw["seconds"]),
            steps=tuple(map(str, raw.get("steps", ()))),
            commands=tuple(map(str, raw.get("commands", ()))),
            receipt=dict(raw.get("receipt", {})),
            session=str(raw.get("session", "")),
        )
    except (ValueError, KeyError, TypeError):
        return None


class Recording:
    """Gathers what one action did while it runs."""

    def __init__(self, action: str) -> None:
        self.action = action
        self.steps: list[str] = []
        self.commands: list[str] = []
        self.receipt: dict[str, Any] = {}
        self.dropped = False
        """Nothing was done after all (somebody said no): there will be no entry."""
        self._begin = time.time()
        self._last: Step | None = None

    def told(self, step: Step) -> None:
        """A step of the action, told by one or by two; its command counts from its start on."""
        if step.command and step.command not in self.commands:
            self.commands.append(step.command)
        if step.state != "running" and step is not self._last:
            self.steps.append(step.text)
        self._last = step

    def entry(self, outcome: str, masker: Masker) -> Entry:
        """The action as it ended."""

        def safe(text: str) -> str:
            return masker.mask(clean(text))

        return Entry(
            time=self._begin,
            who=me(),
            action=safe(self.action),
            outcome=safe(outcome),
            seconds=round(time.time() - self._begin, 3),
            steps=tuple(map(safe, self.steps[-_KEPT_STEPS:])),
            commands=tuple(map(safe, self.commands[-_KEPT_STEPS:])),
            receipt=self.receipt,
            session=SESSION,
        )


_NOW: ContextVar[Recording | None] = ContextVar("the action being recorded", default=None)


def recording() -> Recording | None:
    """The action that is being recorded here, if one is."""
    return _NOW.get()


def note_receipt(receipt: dict[str, Any]) -> None:
    """What the action that runs here gives back."""
    if (now := _NOW.get()) is not None:
        now.receipt = receipt


@asynccontextmanager
async def recorded(engine: Engine, stack: str, action: str) -> AsyncIterator[Recording]:
    """The action in the history, however it ends; a part of another one is in that one's entry."""
    outer = _NOW.get()
    if outer is not None:
        yield outer
        return
    now = Recording(action)
    token = _NOW.set(now)
    outcome = "interrupted"
    try:
        yield now
        outcome = "done"
    except SteppedAside:
        now.dropped = True  # there was nothing to do
        raise
    except Exception as error:
        outcome = f"failed: {error or type(error).__name__}"
        raise
    finally:
        _NOW.reset(token)
        # An action is not failed by a history that cannot be written.
        with contextlib.suppress(OSError, EngineError):
            if not now.dropped:
                engine_id = (await asyncio.shield(engine.info())).id
                append(engine_id, stack, now.entry(outcome, _masker(engine_id, stack)))


def _masker(engine_id: str, stack: str) -> Masker:
    try:
        found = load_secrets(engine_id, stack)
    except SecretsError:
        found = None
    return Masker(found.values() if found else ())
