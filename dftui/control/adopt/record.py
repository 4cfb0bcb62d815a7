"""What an adoption took over, so that it can be undone: a small volume of the stack whose labels say it.

Labels are there with the volume or not at all, every dftui of the engine sees them, and they outlast a kill.  A
second volume stands while the data is not whole: `up` refuses to start on it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from dftui.control.adopt.found import ENGINE_NETWORKS, Handmade
from dftui.control.errors import ActionError
from dftui.control.world import World
from dftui.engine.api import Volume
from dftui.stack import names

RECORD, HALF = "adopted", "adopting"
_LABEL = "adopted"


@dataclass(frozen=True, slots=True)
class Old:
    """A container as it was: `role` as dftui has them, `ran`: it was running; `aside` is its name meanwhile."""

    id: str
    name: str
    aside: str
    role: str
    ran: bool
    links: tuple[str, ...] = ()
    """What it calls others by its links."""


@dataclass(frozen=True, slots=True)
class Record:
    """An adoption. `volumes` and `networks` are named ones that nothing but these containers used."""

    containers: tuple[Old, ...]
    volumes: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    secrets: bool = False
    """dftui had the stack's secrets already."""
    half: bool = False
    """It did not end."""


def of(found: Handmade, needed: Iterable[str], *, secrets: bool = False) -> Record:
    """What to write down of a stack when its adopter needs these names."""
    wanted = set(needed)
    return Record(
        containers=tuple(
            Old(
                one.detail.container.id,
                one.name,
                f"{one.name}-old" if one.name in wanted else one.name,
                found.role(one),
                one.running,
                tuple(sorted(one.detail.links)),
            )
            for one in found.parts
        ),
        volumes=tuple(sorted({v for one in found.parts for v in one.detail.volumes.values() if not anonymous(v)})),
        networks=tuple(sorted({n for one in found.parts for n in one.detail.container.addresses} - ENGINE_NETWORKS)),
        secrets=secrets,
    )


def anonymous(volume: str) -> bool:
    """Whether the engine named it: 64 hex digits; such a one goes with its container."""
    return len(volume) == 64 and all(c in "0123456789abcdef" for c in volume)


async def write(world: World, record: Record) -> None:
    """Note it, as one that has not ended."""
    text = json.dumps({name: value for name, value in asdict(record).items() if name != "half"})
    await halve(world)
    labels = names.stack_labels(world.stack, RECORD, **{_LABEL: text})
    await world.engine.create_volume(names.volume_name(world.stack, RECORD), labels)


async def halve(world: World) -> None:
    """From now on the data is not whole."""
    await world.engine.create_volume(names.volume_name(world.stack, HALF), names.stack_labels(world.stack, HALF))


async def whole(world: World) -> None:
    """The data is in place."""
    await world.engine.remove_volume(names.volume_name(world.stack, HALF))


async def forget(world: World) -> None:
    """There is nothing to undo any more."""
    await world.engine.remove_volume(names.volume_name(world.stack, RECORD))
    await whole(world)


async def read(world: World) -> Record | None:
    """What is noted for this stack; None for nothing. Raises ActionError when it cannot be read."""
    volumes = {v.name: v for v in await world.engine.volumes({names.LABEL_STACK: world.stack})}
    noted = volumes.get(names.volume_name(world.stack, RECORD))
    if noted is None:
        return None
    return _parsed(noted, half=names.volume_name(world.stack, HALF) in volumes)


def _parsed(volume: Volume, *, half: bool) -> Record:
    try:
        raw = json.loads(volume.labels[f"dftui.{_LABEL}"])
        containers = tuple(
            Old(
                str(one["id"]),
                str(one["name"]),
                str(one["aside"]),
                str(one["role"]),
                bool(one["ran"]),
                tuple(map(str, one["links"])),
            )
            for one in raw["containers"]
        )
        volumes, networks = tuple(map(str, raw["volumes"])), tuple(map(str, raw["networks"]))
        return Record(containers, volumes, networks, bool(raw["secrets"]), half)
    except (KeyError, ValueError, TypeError):
        raise ActionError(
            f"the volume {volume.name}, which says what was taken over, cannot be read",
            f"look at its labels: docker volume inspect {volume.name}",
        ) from None
