"""`adopt`: a stack that was made without dftui goes over into one of dftui's own, with its data and on its port.

The new one is built beside the old one, which serves meanwhile: backup, database, rows, replicas.  Then the gap: the
old balancer and webs stop, what was written meanwhile is put in again, and dftui's balancer takes the port.  The old
containers are only stopped; whatever goes wrong on the way, they are brought back.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dftui.control import ground, tls
from dftui.control.adopt import data, record
from dftui.control.adopt.back import bring_back
from dftui.control.adopt.found import Left, Seen
from dftui.control.adopt.proposal import Proposal
from dftui.control.archive import DATABASE, Manifest
from dftui.control.backup import kind_of, version_of
from dftui.control.errors import ActionError
from dftui.control.lock import held_outside
from dftui.control.specs import Plan
from dftui.control.steps import Progress
from dftui.control.up import networks, pool_up, services, up, web_ready
from dftui.control.world import PARALLEL, World, bounded, by_role, webs
from dftui.engine.api import EngineError, ImageProgress
from dftui.stack.secrets import Recovered, SecretsError, save_secrets
from dftui.stack.spec import AdminSpec

STOP_PATIENCE = 5.0
BALANCER_PATIENCE = 1.0
"""Seconds for an old container to end by itself. A balancer has nothing to lose, and tutum/haproxy never does."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """`adopt --json`. `gap` is in seconds: from the old balancer's stop until the new one sees every replica up;
    `backup` is the whole, `kept` are the files of what each old web wrote to itself."""

    stack: str
    kind: str
    key: str
    publish: str
    replicas: int
    gap: float
    rows: int
    """Bytes of the database's dump."""
    files: int
    backup: str
    kept: dict[str, str]
    renamed: dict[str, str]
    own_databases: tuple[str, ...]
    stack_file: str
    notes: tuple[str, ...]
    left: tuple[Left, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The documented shape."""
        return {
            "stack": self.stack,
            "kind": self.kind,
            "key": self.key,
            "publish": self.publish,
            "replicas": self.replicas,
            "gap_seconds": round(self.gap, 3),
            "database_bytes": self.rows,
            "files": self.files,
            "backup": self.backup,
            "kept": self.kept,
            "renamed": self.renamed,
            "own_databases": list(self.own_databases),
            "stack_file": self.stack_file,
            "notes": list(self.notes),
            "left": [{"name": one.name, "why": one.why} for one in self.left],
            "seconds": round(self.seconds, 3),
        }


@dataclass(slots=True)
class _Done:
    """How far it came, for taking it back."""

    file: Path | None = None
    secrets: Path | None = None
    noted: bool = False
    over: bool = False
    """The new stack serves: rows may have come, so nothing is taken back any more."""
    kept: dict[str, str] = field(default_factory=dict)


async def adopt(world: World, proposal: Proposal) -> Adopted:
    """Take it over. Raises ActionError; then everything is as it was, but for the backup that was made."""
    if proposal.problems:
        raise ActionError(
            "\n".join(["it is not certain what is here, so nothing was changed:", *proposal.problems]),
            "put that right, then look again: dftui adopt --dry-run",
        )
    renamed = sum(one.name != one.aside for one in proposal.record.containers)
    progress = Progress("adopt", world.report, total=14 + renamed)
    image = proposal.found.db.detail.container.image_id
    async with held_outside(world.engine, world.stack, image, "adopt"):
        done = _Done()
        try:
            return await _adopt(world, progress, proposal, done)
        except BaseException as error:
            if done.over:
                if not isinstance(error, ActionError | EngineError):
                    raise
                raise ActionError(
                    f"the stack is taken over and serves, but: {error}",
                    "nothing is lost, the old containers are there: look at it, then dftui adopt --finish or --undo",
                ) from None
            taking_back = asyncio.ensure_future(_take_back(world, progress, done))
            try:
                problem = await asyncio.shield(taking_back)
            except asyncio.CancelledError:
                problem = await taking_back
            if not isinstance(error, ActionError | EngineError):
                raise
            after = problem or "what was there before serves as it did"
            raise ActionError(f"{error}\n{after}", error.hint) from None


async def _take_back(world: World, progress: Progress, done: _Done) -> str:
    """Everything as it was; what stood in the way of that, "" for nothing."""
    try:
        if done.noted and (noted := await record.read(world)) is not None:
            await bring_back(world, progress, noted)
    except (ActionError, EngineError) as error:
        return f"and it could not be taken back: {error}; try: dftui adopt --undo"
    for path in (done.file, done.secrets):
        if path is not None:
            path.unlink(missing_ok=True)
    return ""


async def _adopt(world: World, progress: Progress, proposal: Proposal, done: _Done) -> Adopted:
    begin = time.monotonic()
    found, engine = proposal.found, world.engine
    await tls.read(world)

    def on_image(image: ImageProgress) -> None:
        progress.tell(f"{image.image}: {image.text or image.stage}", state="running")

    with progress.step("images"):
        resolved = await ground.gather_images(world, (), on_image)
    with progress.step("back up the database and the webs' files"):
        first = await data.back_up(world, progress, proposal, "before")
    if proposal.file:
        done.file = _written(Path(proposal.file), proposal.text)
    done.noted = True
    await record.write(world, proposal.record)
    done.secrets = await _keep_secrets(world, proposal)
    progress.tell(f"the APP_KEY {proposal.secrets.fingerprint} and passwords are kept")
    for old in proposal.record.containers:
        if old.aside != old.name:
            with progress.step(f"rename {old.name} to {old.aside}", command=f"docker rename {old.name} {old.aside}"):
                await engine.rename(old.id, old.aside)
    recovered = Recovered(proposal.secrets)
    if proposal.fresh and world.spec.makes_admin:
        recovered = await ground.gather_secrets(world, progress, new_admin=True)
    plan = await networks(world, progress, ground.make_plan(world, resolved, recovered, ""))
    await services(world, progress, plan)
    db = by_role(await world.containers(), "db")
    assert db is not None
    await _same_kind(world, db.id, proposal)
    with progress.step("put its rows and files in"):
        await data.put(world, progress, db, first, rows=not proposal.fresh)
    # Without an admin to make, a replica is migrated by whoever starts it.
    admin = AdminSpec("none") if proposal.migrates else world.spec.admin
    builder = replace(world, spec=replace(world.spec, admin=admin))
    plan = await pool_up(builder, progress, plan, proposal.replicas, fresh=proposal.fresh)
    await _ready(builder, progress, plan)
    manifest, gap, backup = await _hand_over(world, progress, proposal, first, done)
    notes = list(proposal.notes)
    if manifest.left_out:
        notes.append(f"files that stayed behind: {', '.join(manifest.left_out[:5])}")
    progress.done = progress.total
    progress.tell(f"{world.stack} is taken over; its port answered nothing for {gap:.1f} s")
    return Adopted(
        stack=world.stack,
        kind=found.kind,
        key=plan.key,
        publish=found.publish,
        replicas=proposal.replicas,
        gap=gap,
        rows=manifest.members[DATABASE].unpacked,
        files=manifest.files,
        backup=str(backup),
        kept=done.kept,
        renamed={one.name: one.aside for one in proposal.record.containers if one.name != one.aside},
        own_databases=tuple(web.name for web in found.own_databases),
        stack_file=proposal.file,
        notes=tuple(notes),
        left=proposal.left,
        seconds=time.monotonic() - begin,
    )


async def _ready(world: World, progress: Progress, plan: Plan) -> None:
    """Every replica answers by itself, before the gap begins."""
    pool = webs(await world.containers())
    with progress.step(f"{len(pool)} replicas answer {world.spec.web.health}"):
        await bounded(PARALLEL, lambda one: web_ready(world, plan, one), pool)


async def _hand_over(
    world: World, progress: Progress, proposal: Proposal, first: Path, done: _Done
) -> tuple[Manifest, float, Path]:
    """The gap; then what was only the old webs' own is kept, and the old database and cache stop."""
    found = proposal.found
    db = by_role(await world.containers(), "db")
    assert db is not None
    begun = time.monotonic()
    with progress.step(f"stop {' and '.join(one.name for one in found.front)}: the gap begins"):
        for one in (*found.front, *(web for web in found.webs if web not in found.front)):
            await _stop(world, one, BALANCER_PATIENCE if one is found.balancer else STOP_PATIENCE)
    with progress.step("back up once more, and put in what was written meanwhile"):
        last = await data.back_up(world, progress, proposal, "at-handover")
        manifest = await data.put(world, progress, db, last, first, rows=not proposal.fresh)
    await record.whole(world)
    await up(world, proposal.replicas)
    gap = time.monotonic() - begun
    done.over = True
    await asyncio.to_thread(first.unlink, missing_ok=True)  # the later one has all of it
    for web in data.sources(found.webs):
        if (path := await data.keep_storage(world, progress, web, web.name)) is not None:
            done.kept[web.name] = str(path)
    for service in (found.cache, found.db):
        if service is not None:
            with progress.step(f"stop the old {service.name}"):
                await _stop(world, service)
    return manifest, gap, last


async def _stop(world: World, one: Seen, patience: float = STOP_PATIENCE) -> None:
    container = one.detail.container
    if container.state == "paused":
        await world.engine.unpause(container.id)
    await world.engine.stop(container.id, patience)


async def _same_kind(world: World, db: str, proposal: Proposal) -> None:
    version = await version_of(world, db)
    if kind_of(version) != kind_of(proposal.version) and not proposal.fresh:
        raise ActionError(
            f"the database that is here is {proposal.version}, the stack's would be {version}: one does not read the "
            "other's dump for certain",
            "name the image that it runs in a stack file: images: {db: …}",
        )


async def _keep_secrets(world: World, proposal: Proposal) -> Path | None:
    """Into the stack's file; its path where there was none before."""
    if proposal.record.secrets:
        return None
    try:
        return save_secrets(await world.engine_id(), world.stack, proposal.secrets, replace_existing=False)
    except SecretsError as error:
        raise ActionError(str(error), error.hint) from None


def _written(path: Path, text: str) -> Path:
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise ActionError(f"{path} cannot be written: {error.strerror}; nothing was changed") from None
    return path
