"""What keys do with the machines of a swarm."""

from __future__ import annotations

from dftui.control.action import Action, Context, present
from dftui.control.effects import Effect


def _swarm(context: Context) -> bool:
    return present(context) and context.swarm


def _chosen(context: Context) -> bool:
    return context.connected and context.swarm and context.node is not None


NODE_ACTIONS: tuple[Action, ...] = (
    Action(
        "nodes",
        "M",
        "M",
        "machines",
        "Go to the machines of a swarm: how each is, its load, and what runs on it",
        "Look",
        _swarm,
        "This engine is no swarm: there is one machine.",
        "dftui nodes",
        rank=24,
        effect=Effect.LOOK,
    ),
    Action(
        "drain-node",
        "X",
        "X",
        "drain machine",
        "Have what runs on the selected machine run elsewhere, or let tasks come to it again",
        "Nodes",
        _chosen,
        "Select a machine of a swarm first.",
        "dftui nodes drain NODE, dftui nodes activate NODE",
        dangerous=True,
        rank=26,
        effect=Effect.CHANGE,
    ),
)
