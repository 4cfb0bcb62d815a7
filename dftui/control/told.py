"""What the containers and volumes of a stack tell about its secrets, for recovering them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from dftui.engine.api import Engine, NotFound
from dftui.stack import names


@dataclass(frozen=True, slots=True)
class Told:
    """Variables by "role/name" (secrets: never shown), and the kinds of volume that hold data."""

    envs: dict[str, dict[str, str]] = field(repr=False)
    volumes: tuple[str, ...]

    def keys(self) -> dict[str, str]:
        """The APP_KEY of each replica by the replica's name; "" for one that has none."""
        return {
            who.partition("/")[2]: env.get("APP_KEY", "") for who, env in self.envs.items() if who.startswith("web/")
        }


async def told(engine: Engine, stack: str, without: Collection[str] = ()) -> Told:
    """Look at every container of the stack that holds secrets, stopped ones too, but for those with a short id of
    `without`."""
    envs: dict[str, dict[str, str]] = {}
    for container in await engine.containers({names.LABEL_STACK: stack}):
        role = container.labels.get(names.LABEL_ROLE, "")
        if role not in ("web", "db", "cache", "setup") or container.short in without or container.pending:
            continue
        try:
            detail = await engine.inspect(container.id)
        except NotFound:
            continue
        envs[f"{role}/{container.name}"] = dict(detail.env)
    exist = {volume.name for volume in await engine.volumes({names.LABEL_STACK: stack})}
    return Told(envs, tuple(kind for kind in ("db",) if names.volume_name(stack, kind) in exist))
