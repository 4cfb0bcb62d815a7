"""An adoption undone, or finished: until it is finished, the old containers are there, stopped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dftui.control.adopt import data, record
from dftui.control.adopt.found import Seen
from dftui.control.adopt.record import Old, Record
from dftui.control.backup import keep_one
from dftui.control.down import down
from dftui.control.errors import ActionError
from dftui.control.lock import held_for
from dftui.control.steps import Progress
from dftui.control.world import World, by_role
from dftui.engine.api import Conflict, EngineError, NotFound
from dftui.stack import names
from dftui.stack.secrets import secrets_path

_ORDER = ("db", "cache", "web", "balancer")


@dataclass(frozen=True, slots=True)
class Undone:
    """`adopt --undo --json`. `kept` is a backup of what the stack held, "" where it held nothing yet; `unlinked` are
    those whose links the engine has lost."""

    stack: str
    back: tuple[str, ...]
    kept: str
    unlinked: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The documented shape."""
        return {
            "stack": self.stack,
            "back": list(self.back),
            "kept": self.kept,
            "unlinked": list(self.unlinked),
        }


@dataclass(frozen=True, slots=True)
class Finished:
    """`adopt --finish --json`. `kept` says what stayed, and why."""

    stack: str
    removed: tuple[str, ...]
    kept: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The documented shape."""
        return {"stack": self.stack, "removed": list(self.removed), "kept": list(self.kept)}


async def adoption(world: World) -> Record:
    """What was taken over for this stack. Raises ActionError where nothing was."""
    found = await record.read(world)
    if found is None:
        raise ActionError(
            f"nothing is noted that was taken over for the stack {world.stack}; nothing was changed",
            "dftui adopt takes over a stack that was made without it",
        )
    return found


async def undo(world: World) -> Undone:
    """The old containers as they were, and dftui's own gone, with a backup of what they held. Raises ActionError."""
    noted = await adoption(world)
    progress = Progress("undo", world.report, total=len(noted.containers) + 4)
    gone = [old.name for old in noted.containers if not await _is_there(world, old)]
    if gone:
        raise ActionError(
            f"of the old stack {', '.join(gone)} is not there any more, so it cannot be brought back; "
            "nothing was changed",
            "the new one holds its data; dftui adopt --finish removes what is left of the old one",
        )
    kept = ""
    db = next(old for old in noted.containers if old.role == "db")
    image = (await world.engine.inspect(db.id)).container.image_id
    async with held_for(world, "adopt --undo", image):
        if not noted.half:
            kept = await _kept(world)
            await record.halve(world)  # cut off, it can be done again, and nobody brings up what is being removed
        await bring_back(world, progress, noted)
        if not noted.secrets:
            secrets_path(await world.engine_id(), world.stack).unlink(missing_ok=True)
    # An engine that was restarted meanwhile looked for these names, which were dftui's then, and links to nobody now.
    unlinked = [
        old.name for old in noted.containers if set(old.links) - (await world.engine.inspect(old.id)).links.keys()
    ]
    return Undone(world.stack, tuple(old.name for old in noted.containers), kept, tuple(unlinked))


async def _kept(world: World) -> str:
    """A backup of what the stack holds now, rows that came after the adoption among it. Raises ActionError."""
    db = by_role(await world.containers(), "db")
    if db is None or db.state != "running":
        raise ActionError(
            "the stack's database does not run, so what was written since cannot be backed up; nothing was changed",
            "bring it up first: dftui up",
        )
    return (await keep_one(world, "before-undo", world.spec.backup.keep)).file


async def bring_back(world: World, progress: Progress, noted: Record) -> None:
    """Remove what dftui made of it, give the old ones their names, and start those that ran. Can be done again."""
    await down(world, volumes=False)
    for which in ("db", "cache", "storage"):
        volume = names.volume_name(world.stack, which)
        with progress.step(f"remove volume {volume}", command=f"docker volume rm {volume}"):
            await world.engine.remove_volume(volume)
    for old in noted.containers:
        now = (await world.engine.inspect(old.id)).container
        if now.name != old.name:
            with progress.step(f"rename {now.name} to {old.name}", command=f"docker rename {now.name} {old.name}"):
                await world.engine.rename(old.id, old.name)
    for old in sorted(noted.containers, key=lambda one: _ORDER.index(one.role)):
        if old.ran:
            with progress.step(f"start {old.name}", command=f"docker start {old.name}"):
                await _start(world, old)
    await record.forget(world)


async def _start(world: World, old: Old) -> None:
    try:
        await world.engine.start(old.id)
    except EngineError as error:
        if "Cannot link to" not in str(error):
            raise
        # An engine that was restarted meanwhile looked for these names, which were dftui's then.
        raise ActionError(
            f"{old.name} has its name and its data again, but the engine, which was restarted since, does not find "
            f"what it is linked to: {error}",
            "restart the engine once more (systemctl restart docker), then again: dftui adopt --undo",
        ) from None


async def finish(world: World) -> Finished:
    """Remove the old containers with their data, and the volumes and networks that were theirs alone. Raises
    ActionError where the new stack does not serve."""
    noted = await adoption(world)
    await _serves(world, noted)
    progress = Progress("finish", world.report, total=len(noted.containers) + 2)
    removed: list[str] = []
    kept: list[str] = []
    async with held_for(world, "adopt --finish"):
        await _kept_apart(world, progress, noted)
        for old in reversed(noted.containers):
            if not await _is_there(world, old):
                continue
            with progress.step(f"remove {old.aside}", command=f"docker rm -v {old.aside}"):
                await world.engine.stop(old.id)
                await world.engine.remove(old.id, force=True)
            removed.append(old.aside)
        for volume in noted.volumes:
            try:
                await world.engine.remove_volume(volume)
                removed.append(volume)
            except Conflict:
                kept.append(f"the volume {volume}: another container uses it")
        await _networks(world, noted, removed, kept)
        await record.forget(world)
    return Finished(world.stack, tuple(removed), tuple(kept))


async def _kept_apart(world: World, progress: Progress, noted: Record) -> None:
    """What each old web wrote to itself is in a file, for it goes now."""
    there = {
        old.name: Seen(await world.engine.inspect(old.id))
        for old in noted.containers
        if old.role == "web" and await _is_there(world, old)
    }
    names_of = {id(web): name for name, web in there.items()}
    for web in data.sources(list(there.values())):
        name = names_of[id(web)]
        if not await data.is_kept(world, web, name):
            await data.keep_storage(world, progress, web, name)


async def _networks(world: World, noted: Record, removed: list[str], kept: list[str]) -> None:
    there = {network.name for network in await world.engine.networks()}
    users = [(one.name, one.addresses) for one in await world.engine.containers()]
    for network in noted.networks:
        if network not in there:
            continue
        if used := [name for name, addresses in users if network in addresses]:
            kept.append(f"the network {network}: {', '.join(used)} is on it")
            continue
        try:
            await world.engine.remove_network(network)
            removed.append(network)
        except EngineError as error:
            kept.append(f"the network {network}: {error}")


async def _serves(world: World, noted: Record) -> None:
    balancer = by_role(await world.containers(), "balancer")
    up = False
    if not noted.half and balancer is not None and balancer.state == "running":
        up = any(server.status.startswith("UP") for server in await world.link.servers())
    if not up:
        why = "the adoption did not end" if noted.half else "no replica of it serves"
        raise ActionError(
            f"the stack {world.stack} does not stand in the old one's place: {why}; nothing was removed",
            "look at it (dftui status), or bring the old one back: dftui adopt --undo",
        )


async def _is_there(world: World, old: Old) -> bool:
    try:
        await world.engine.inspect(old.id)
    except NotFound:
        return False
    return True
