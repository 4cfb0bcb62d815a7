"""`restore`: a backup's data where there is none or, when told so, in place of what is there; then `up` on it.

The whole file is read and checked before anything is touched.  While data is being put in place a volume of the
stack named "restoring" says so, and `up` refuses to start on data that is not whole.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dftui.control import ground, specs, tls
from dftui.control.archive import DATABASE, SECRETS, STORAGE, Archive, ArchiveError, Manifest
from dftui.control.backup import HELPER_MOUNT, helper, keep_one, kind_of, last_words, shown, version_of
from dftui.control.contents import Count, dump_of, pieces_of, storage_of
from dftui.control.down import down, remove_volumes
from dftui.control.errors import ActionError, SteppedAside
from dftui.control.specs import Plan
from dftui.control.spread import spread_files
from dftui.control.steps import Progress
from dftui.control.up import DB_TIMEOUT, answers, networks, service, volumes_made
from dftui.control.world import World, by_role
from dftui.engine.api import ByteStream, Container, EngineError, ImageProgress
from dftui.stack import names
from dftui.stack.secrets import Recovered, Secrets, SecretsError, load_secrets, parse_secrets, save_secrets
from dftui.watch.datatier import root_client
from dftui.watch.sanitise import clean

_END = "dftui-restored"
_BINARY = "--batch --unbuffered --binary-mode "
# A row may be larger than the server takes by default; who connects after this is allowed it.
_LARGE_ROWS = root_client(f"{_BINARY} -e 'SET GLOBAL max_allowed_packet = 1073741824'")
_IMPORT = root_client(f'{_BINARY} --max-allowed-packet=1G --default-character-set=utf8mb4 "$MYSQL_DATABASE"')


@dataclass(frozen=True, slots=True)
class Intent:
    """What a restore would do. `key` is the fingerprint of what is there now, "" for nothing; `data`: there is a
    database's volume already; `running`: its database runs, so that it can be backed up first; `half`: an earlier
    restore did not end."""

    manifest: Manifest
    size: int
    key: str
    data: bool
    running: bool
    half: bool


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """`restore --json`. `kept` is the backup of what was there before, "" for none."""

    file: str
    stack: str
    key: str
    database: int
    files: int
    replaced: bool
    kept: str
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The documented shape."""
        return {
            "file": self.file,
            "stack": self.stack,
            "key": self.key,
            "database_bytes": self.database,
            "files": self.files,
            "replaced": self.replaced,
            "kept": self.kept,
            "seconds": round(self.seconds, 3),
        }


async def look(world: World, path: Path) -> Intent:
    """What restoring this file would meet. Raises ActionError when it is no backup."""
    if world.spec.plain:
        raise SteppedAside("nothing was restored, since the stack keeps no data")
    try:
        archive = await asyncio.to_thread(Archive, path)
        info = await world.engine.info()
        saved = load_secrets(info.id, world.stack)
    except (ArchiveError, SecretsError) as error:
        raise ActionError(str(error), error.hint) from None
    volumes = {v.name for v in await world.engine.volumes({names.LABEL_STACK: world.stack})}
    db = by_role(await world.containers(), "db")
    return Intent(
        archive.manifest,
        archive.size,
        saved.fingerprint if saved else "",
        data=names.volume_name(world.stack, "db") in volumes,
        running=db is not None and db.state == "running",
        half=names.volume_name(world.stack, "restoring") in volumes,
    )


async def restore(
    world: World,
    path: Path,
    *,
    replace: bool,
    first: bool,
    bring_up: Callable[[int | None], Awaitable[None]],
) -> RestoreResult:
    """Put a backup's data in place and bring the stack up on it. `replace`: also where there is data, which is backed
    up `first`. Raises ActionError."""
    begin = time.monotonic()
    progress = Progress("restore", world.report, total=100)
    intent = await look(world, path)
    if intent.data and not replace:
        raise ActionError(
            f"the stack {world.stack} has data already (key {intent.key or 'unknown'}); nothing was changed",
            "to put the backup in its place: dftui restore FILE --replace",
        )
    if intent.data and first and not intent.half and not intent.running:
        raise ActionError(
            "the database does not run, so what is there cannot be backed up first; nothing was changed",
            "bring it up (dftui up), or do without: --no-backup",
        )
    try:
        archive = await asyncio.to_thread(Archive, path)
        secrets = await _checked(progress, archive)
        plan = await _ready(world, progress, secrets, intent)
        kept = ""
        if intent.data:
            if first and not intent.half:
                kept = (await keep_one(world, "before-restore", world.spec.backup.keep)).file
            await down(world, volumes=False)
            await remove_volumes(world, progress)
        plan = await _put_back(world, progress, plan, archive)
        wanted = archive.manifest.wanted
        fits = world.spec.web.min <= wanted <= world.spec.web.max
        progress.done = 95
        progress.tell("the data is in place; bringing the stack up", state="running")
        await bring_up(wanted if fits else None)
        await spread_files(world, progress)
    except (ArchiveError, SecretsError) as error:
        raise ActionError(str(error), error.hint) from None
    except EngineError as error:
        raise ActionError(f"the restore failed: {error}", error.hint) from None
    made = archive.manifest
    progress.done = 100
    progress.tell(f"restored {path.name}: key {made.key}, {made.files} files")
    return RestoreResult(
        file=str(path),
        stack=world.stack,
        key=made.key,
        database=made.members[DATABASE].unpacked,
        files=made.files,
        replaced=intent.data,
        kept=kept,
        seconds=time.monotonic() - begin,
    )


async def _checked(progress: Progress, archive: Archive) -> Secrets:
    """Read everything once, as it will be read again; the secrets. Raises ArchiveError, SecretsError."""
    count = Count()

    def read() -> None:
        for pieces in (archive.raw(SECRETS), dump_of(archive), storage_of(archive, "storage")):
            for piece in pieces:
                count.bytes += len(piece)

    expected = sum(member.unpacked for member in archive.manifest.members.values())
    await shown(progress, "check every part of the backup", asyncio.to_thread(read), count, expected, until=15)
    secrets = parse_secrets(archive.secrets(), archive.path)
    if secrets.fingerprint != archive.manifest.key:
        raise ArchiveError(f"{archive.path} is not used: its secrets are not those that its manifest names")
    return secrets


async def _ready(world: World, progress: Progress, secrets: Secrets, intent: Intent) -> Plan:
    """All that could be in the way, looked at before anything is touched: names, images, the port, the server."""
    await ground.check_names(world, intent.manifest.wanted)
    await tls.read(world)

    def on_image(image: ImageProgress) -> None:
        progress.tell(f"{image.image}: {image.text or image.stage}", state="running")

    containers = await world.containers()
    resolved = await ground.gather_images(world, containers, on_image)
    await ground.check_port(world, resolved.source)
    db = by_role(containers, "db")
    if db is not None and db.state == "running":
        await _same_server(world, db, intent.manifest)
    return ground.make_plan(world, resolved, Recovered(secrets), "")


async def _same_server(world: World, db: Container, manifest: Manifest) -> None:
    version = await version_of(world, db.id)
    if kind_of(version) != manifest.server:
        raise ActionError(
            f"the backup is of {clean(manifest.server, 20)} ({clean(manifest.version, 60)}), the stack's database is "
            f"{kind_of(version)} ({version}): one does not read the other's dump for certain",
            "restore it with the images that it was made with: images.source in dftui.yaml",
        )


async def _put_back(world: World, progress: Progress, plan: Plan, archive: Archive) -> Plan:
    stack = world.stack
    await world.engine.create_volume(names.volume_name(stack, "restoring"), names.stack_labels(stack, "restoring"))
    info = await world.engine.info()
    path = save_secrets(info.id, stack, plan.secrets)
    progress.tell(f"the backup's APP_KEY {plan.key} and passwords are kept in {path}")
    plan = await networks(world, progress, plan)
    await volumes_made(world, plan)
    await service(world, progress, plan, specs.database(plan))
    await answers(world, progress, plan, "db", "database", specs.DB_CHECK, DB_TIMEOUT)
    db = by_role(await world.containers(), "db")
    assert db is not None
    await _same_server(world, db, archive.manifest)
    members = archive.manifest.members
    progress.done = 25
    count = Count()
    work = import_dump(world, db, dump_of(archive), count)
    await shown(progress, "the database's rows", work, count, members[DATABASE].unpacked, until=70)
    await put_storage(world, progress, db.image_id, archive, until=92)
    await world.engine.remove_volume(names.volume_name(stack, "restoring"))
    return plan


async def put_storage(world: World, progress: Progress, image: str, archive: Archive, *, until: int) -> None:
    """A backup's files into the storage's volume, by a container of this image that is never started."""
    async with helper(world, image) as ref:
        count = Count()
        folder, _, last = HELPER_MOUNT.rpartition("/")
        work = world.engine.put_archive(ref, folder, pieces_of(storage_of(archive, last), count))
        expected = archive.manifest.members[STORAGE].unpacked
        await shown(progress, "the storage's files", work, count, expected, until=until)


async def import_dump(world: World, db: Container, dump: Iterator[bytes], count: Count) -> None:
    """Feed the dump to the database's own client. It stops at the first statement that fails; whether it came to the
    end is told by what it answers to a last question. Raises ActionError."""
    await world.engine.exec(db.id, _LARGE_ROWS)
    stream = await world.engine.exec_stream(db.id, _IMPORT)
    reading = asyncio.create_task(_until_end(stream))
    try:
        async for piece in pieces_of(dump, count):
            await stream.write(piece)
        await stream.write(f"\nSELECT '{_END}' AS '';\n".encode())
        whole = await reading
    except EngineError:
        whole = False
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await asyncio.shield(stream.close())
    if not whole:
        raise ActionError(
            f"{db.name} did not take the whole dump: {last_words(stream.stderr())}; its data is not whole now",
            "see its log, and restore again with --replace",
        )


async def _until_end(stream: ByteStream) -> bool:
    """Whether the end mark came before the client ended."""
    got = b""
    while piece := await stream.read():
        got = (got + piece)[-4096:]
        if _END.encode() in got:
            return True
    return False
