"""Other stacks on the same engine, and the stack files that this user has opened them with.

A stack's file is noted in the state folder, `<state dir>/<engine id>/<stack>.file`, when a screen or an `up` uses it.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dftui.control.history import history_path
from dftui.engine.api import Engine
from dftui.stack import names
from dftui.stack.spec import StackSpec


@dataclass(frozen=True, slots=True)
class OtherStack:
    """A stack that is on the engine: how many containers it has, and its file; "" when none is known (or needed)."""

    name: str
    containers: int
    file: str = ""

    @property
    def known(self) -> bool:
        """What is wanted of it can be told: it may be acted on."""
        return bool(self.file) or self.name == StackSpec().name


def _note_path(engine_id: str, stack: str) -> Path:
    return history_path(engine_id, stack).with_name(f"{stack}.file")


def note(engine_id: str, spec: StackSpec) -> None:
    """Remember where a stack's file is. One that cannot be kept is not missed."""
    if not spec.path:
        return
    path = _note_path(engine_id, spec.name)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(str(Path(spec.path).resolve()), encoding="utf-8")


def noted(engine_id: str, stack: str) -> str:
    """The file that a stack was last used with; "" when there is none, or it is gone."""
    with suppress(OSError, UnicodeDecodeError):
        found = _note_path(engine_id, stack).read_text(encoding="utf-8").strip()
        return found if Path(found).is_file() else ""
    return ""


async def others(engine: Engine, engine_id: str, own: str) -> list[OtherStack]:
    """Every stack of this engine but `own`, by name. Raises EngineError."""
    found = await engine.containers({names.LABEL_SCHEMA: names.SCHEMA})
    counted = Counter(c.labels.get(names.LABEL_STACK, "") for c in found)
    return [
        OtherStack(name, count, noted(engine_id, name))
        for name, count in sorted(counted.items())
        if name not in ("", own)
    ]
