"""`down`: everything of the stack removed; the volumes, the images and the secrets stay unless asked."""

from __future__ import annotations

import asyncio

from dftui.control.backup import kept_backups
from dftui.control.errors import ActionError
from dftui.control.steps import Progress, docker_remove
from dftui.control.world import World
from dftui.engine.api import Container, EngineError
from dftui.stack import names
from dftui.stack.secrets import secrets_path

_ORDER = ("balancer", "standby", "web", "setup", "cache", "db")


async def down(world: World, *, volumes: bool) -> None:
    """Remove containers and networks; with `volumes` the data and the secrets that open it, too."""
    progress = Progress("down", world.report)
    try:
        await _down(world, progress, volumes)
    except EngineError as error:
        raise ActionError(str(error), error.hint) from None


async def _down(world: World, progress: Progress, volumes: bool) -> None:
    # The lock is held by whoever called this, and goes when they let go of it.
    everyone = [c for c in await world.containers() if c.labels.get(names.LABEL_ROLE) != "lock"]
    progress.total = len(everyone) + 2

    async def remove(container: Container) -> None:
        service = world.spec.swarm and container.labels.get(names.LABEL_ROLE) in ("web", "db", "cache")
        command = docker_remove(container.name, service=service)
        with progress.step(f"stop and remove {container.name}", command=command):
            if container.state == "paused":
                await world.engine.unpause(container.id)
            await world.engine.stop(container.id)
            await world.engine.remove(container.id, force=True)

    groups = [[c for c in everyone if c.labels.get(names.LABEL_ROLE) == role] for role in _ORDER]
    known = {c.id for group in groups for c in group}
    groups.append([c for c in everyone if c.id not in known])
    for container in (c for group in groups for c in group):
        await remove(container)  # one after the other: see `World.ending`
    for network in await world.engine.networks({names.LABEL_STACK: world.stack}):
        with progress.step(f"remove network {network.name}", command=f"docker network rm {network.name}"):
            await world.engine.remove_network(network.id)
    if not volumes:
        return
    await remove_volumes(world, progress)
    info = await world.engine.info()
    path = secrets_path(info.id, world.stack)
    if path.exists():
        with progress.step(f"remove {path}: its APP_KEY opened nothing but this data", command=f"rm {path}"):
            await asyncio.to_thread(path.unlink, missing_ok=True)
    if backups := kept_backups(info.id, world.stack):
        # The way back from a `down --volumes` that was a mistake; whoever wants nothing left removes them by hand.
        many = f"{len(backups)} backups" if len(backups) > 1 else "one backup"
        progress.tell(f"made before a roll or a restore, {many} kept: {backups[0].parent}")


async def remove_volumes(world: World, progress: Progress) -> None:
    """The stack's data, for good."""
    for volume in await world.engine.volumes({names.LABEL_STACK: world.stack}):
        with progress.step(f"remove volume {volume.name}", command=f"docker volume rm {volume.name}"):
            await world.engine.remove_volume(volume.name)
