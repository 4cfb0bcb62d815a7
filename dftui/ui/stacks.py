"""From one stack's screen to another's on the same engine, and to this stack's on another engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dftui.stack.spec import StackSpec

if TYPE_CHECKING:
    from dftui.control.known import OtherStack
    from dftui.ui.app import DftuiApp


def switch(ui: DftuiApp, other: OtherStack) -> None:
    """Leave this stack as it is and open the screen on another one."""
    from dftui.stack.file import StackFileError, load

    try:
        spec = load(Path(other.file)) if other.file else StackSpec(name=other.name)
    except StackFileError as error:
        ui.main.conductor.say(str(error.errors[0]), "bad")
        return
    if spec.name != other.name:
        ui.main.conductor.say(f"{other.file} is the file of {spec.name} now.", "bad")
        return
    ui.next_stack = (spec, "" if other.known else "its stack file is not known here")
    ui.exit(return_code=0)


def switch_engine(ui: DftuiApp, name: str) -> None:
    """Leave this engine and open the screen on that of a docker context."""
    ui.next_engine = name
    ui.exit(return_code=0)
