"""What the palette finds besides actions and themes: replicas, containers, other stacks and other engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from dftui.control.effects import Effect, refusal
from dftui.ui.stacks import switch, switch_engine
from dftui.ui.visit import go_inside
from dftui.watch.sanitise import clean

if TYPE_CHECKING:
    from dftui.ui.app import DftuiApp

Find = tuple[str, str, str, Callable[[], None]]
"""Name, what it does, the headless twin, the call."""


def containers(ui: DftuiApp) -> Iterator[Find]:
    """Each replica's row, each container's lines, a shell in each."""
    main = ui.main
    for replica in main.replicas.table.replicas:
        yield (
            f"replica {replica.name}",
            f"Go to it; Host {replica.host}",
            "dftui status",
            partial(main.go_to, replica.name),
        )
    shells = not refusal(Effect.REVEAL, ui.options.read_only)
    for name in main.container_names():
        yield (
            f"logs of {name}",
            "Only this container's lines",
            f"dftui logs -f {name}",
            partial(main.show_logs_of, name),
        )
        if shells:
            yield f"shell in {name}", "Open a shell there", f"dftui shell {name}", partial(go_inside, ui, name)


def stacks(ui: DftuiApp) -> Iterator[Find]:
    """The other stacks of this engine, unless somebody imposed read-only: they are not what may be seen here."""
    for other in () if ui.options.sealed else ui.others:
        about = f"{other.containers} containers; {other.file or 'its defaults'}"
        if not other.known:
            about = f"{other.containers} containers; to look at, because its stack file is not known here"
        yield f"stack {other.name}", about, f"dftui --stack {other.file or 'FILE'}", partial(switch, ui, other)


def engines(ui: DftuiApp) -> Iterator[Find]:
    """The engines of the docker client's contexts but for this one, unless somebody imposed read-only."""
    here = ui.main.snapshot.engine.host if ui.main.snapshot else ""
    for one in () if ui.options.sealed else ui.engines:
        if one.host != here:
            about = f"This stack's screen there: {clean(one.host, 100)}"
            name = clean(one.name, 64)
            yield f"engine {name}", about, f"dftui --docker {name}", partial(switch_engine, ui, one.name)
