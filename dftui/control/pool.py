"""The replicas at one moment: which containers there are, and what the balancer believes of each."""

from __future__ import annotations

from dataclasses import dataclass

from dftui.balancer.stat import ServerState
from dftui.control.world import World, webs
from dftui.engine.api import Container
from dftui.stack import names
from dftui.watch.derive import number_of

HELD_KEPT = 3
"""Replicas that are held out and kept to be looked at; the oldest goes when there are more."""


@dataclass(slots=True)
class Pool:
    """The replicas at one moment, with what the balancer believes of each."""

    containers: list[Container]
    states: dict[str, ServerState]

    def serving(self, container: Container) -> bool:
        """Whether the balancer gives it new requests."""
        state = self.states.get(container.short)
        return (
            container.state == "running"
            and state is not None
            and state.status.startswith("UP")
            and state.admin == "ready"
        )

    def healthy(self) -> list[Container]:
        """Those that serve."""
        return [c for c in self.containers if self.serving(c)]

    def in_table(self) -> list[Container]:
        """Those that count towards the target: running and known to the balancer, serving or drained.  One that
        never became healthy stands outside, kept to be looked at."""
        return [c for c in self.containers if c.state == "running" and c.short in self.states]

    def outside(self, container: Container) -> bool:
        """It runs, and the balancer does not know it: held out, or left half-way. It does not count."""
        return container.state == "running" and container.short not in self.states

    def counted(self) -> list[Container]:
        """All but those outside."""
        return [c for c in self.containers if not self.outside(c)]

    def knows(self, like: Container) -> bool:
        """One that was made from the same serves: what holds for it holds for the other."""
        spec = like.labels.get(names.LABEL_SPEC)
        return spec is not None and any(
            c.labels.get(names.LABEL_SPEC) == spec for c in self.healthy() if c.id != like.id
        )

    def victims(self, count: int, chosen: str | None) -> list[Container]:
        """Who goes: the chosen one, then those that do not serve, then the youngest."""
        order = sorted(self.counted(), key=lambda c: (c.name != chosen, self.serving(c), -c.created, -number_of(c)))
        return order[:count]


async def look(world: World) -> Pool:
    """The replicas and the balancer's table, now."""
    containers = webs(await world.containers())
    return Pool(containers, {s.name: s for s in await world.link.servers()})
