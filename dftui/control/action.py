"""What an action is: a key, what it does, and when it applies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dftui.control.effects import Effect
from dftui.engine.nodes import Node
from dftui.stack.spec import NOT_FOR_PLAIN
from dftui.watch.snapshot import Replica, Service, Snapshot

NOTHING = "There is nothing to look at yet; {up} brings the stack up."


@dataclass(frozen=True, slots=True)
class Context:
    """What decides whether an action applies: the facts, the selected container, the pane in focus."""

    snapshot: Snapshot | None = None
    selected: Replica | Service | None = None
    pane: str = ""
    connected: bool = False
    busy: frozenset[str] = frozenset()
    """Actions that run now ("up", "scale", …)."""
    read_only: str = ""
    """Who imposes read-only ("--read-only", a variable, a file); "" when nobody does."""
    node: Node | None = None
    """The selected machine, while the pane of a swarm's machines is in focus."""
    fixable: bool = False
    """The last verify found something that repair puts right."""

    @property
    def plain(self) -> bool:
        """The stack's web is not DreamFactory."""
        return self.snapshot is not None and self.snapshot.kind == "plain"

    @property
    def swarm(self) -> bool:
        """The engine is a swarm."""
        return self.snapshot is not None and self.snapshot.engine.kind == "swarm"

    @property
    def stack(self) -> bool:
        """The engine answers and there is a stack to act on."""
        return self.connected and self.snapshot is not None and self.snapshot.exists

    @property
    def replica(self) -> Replica | None:
        """The selected replica, if a replica is selected."""
        return self.selected if isinstance(self.selected, Replica) else None


def always(context: Context) -> bool:
    """Everywhere."""
    return True


def present(context: Context) -> bool:
    """There is a stack to look at, if only as it last was."""
    return context.snapshot is not None and context.snapshot.exists


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do. `key` is textual's name of the key (several parted by commas), `show` what is read for
    it; `why_not` is said when the key is pressed where it does not apply, with `{id}` for the key of another action;
    `twin` holds the headless commands that do the same, parted by ", " (only what concerns nothing but the screen has
    none); one that is `dangerous` cannot be undone by a key and asks first; `rank` orders the footer (0: absent).
    What is about `dreamfactory` alone steps aside where the web is another."""

    id: str
    key: str
    show: str
    name: str
    help: str
    group: str
    applies: Callable[[Context], bool] = always
    why_not: str = ""
    twin: str = ""
    dangerous: bool = False
    rank: int = 0
    dreamfactory: bool = False
    effect: Effect = field(kw_only=True)

    def refused(self, context: Context) -> str:
        """Why it does not apply here and now; "" when it does."""
        if self.dreamfactory and context.plain:
            return f"{self.name.capitalize()}: {NOT_FOR_PLAIN}."
        return "" if self.applies(context) else self.why_not
