"""`backup`: the database's dump, the secrets and the storage's files in one file; and one made before each roll to
another image.

Nothing is stopped for it.  The dump is one transaction (`--single-transaction`), so it is of one moment although
the replicas go on writing.  What the cache holds is not in it: sessions and copies of what the database has.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from dftui import __version__
from dftui.control import ground
from dftui.control.archive import DATABASE, SECRETS, STORAGE, ArchiveError, Manifest, MemberWriter, Writer
from dftui.control.contents import Copied, Count, CutShort, copy_dump, copy_storage, in_thread
from dftui.control.errors import ActionError, SteppedAside
from dftui.control.steps import Progress
from dftui.control.world import World, by_role, webs
from dftui.dreamfactory.variables import STORAGE_PATH
from dftui.engine.api import Container, ContainerSpec, EngineError
from dftui.stack import names, paths
from dftui.stack.secrets import text_of
from dftui.watch.datatier import Database, root_client
from dftui.watch.figures import size
from dftui.watch.sanitise import clean

T = TypeVar("T")

# mysqldump is gone from MariaDB's newer images, as mariadb-dump is missing in MySQL's.  The password is in the
# environment, inside the container.
DUMP = (
    "sh",
    "-c",
    'MYSQL_PWD="$MYSQL_ROOT_PASSWORD" exec "$(command -v mariadb-dump || command -v mysqldump)" --no-defaults '
    "--protocol=socket --user=root --single-transaction --quick --routines --triggers --events --hex-blob "
    '--no-tablespaces --skip-dump-date --max-allowed-packet=1G --default-character-set=utf8mb4 "$MYSQL_DATABASE"',
)
_VERSION = root_client("--batch --skip-column-names -e 'SELECT VERSION()'")
HELPER_MOUNT = "/keep/app"
"""Where the storage lies in a container that is made for nothing else, and never started: nothing of its image is
there, which would be copied into an empty volume."""
_TRIES = 3
_TICK = 0.2


@dataclass(frozen=True, slots=True)
class BackupResult:
    """`backup --json`. `size` in bytes, `key` the APP_KEY's fingerprint, `files` plain files of the storage,
    `left_out` what it held that is neither file nor folder."""

    file: str
    size: int
    seconds: float
    key: str
    database: int
    files: int
    left_out: tuple[str, ...]
    sha256: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """The documented shape."""
        return {
            "file": self.file,
            "size": self.size,
            "seconds": round(self.seconds, 3),
            "key": self.key,
            "database_bytes": self.database,
            "files": self.files,
            "left_out": list(self.left_out),
            "sha256": self.sha256,
        }


def default_name(stack: str) -> str:
    """A file's name for a backup made now."""
    return f"{stack}-{time.strftime('%Y%m%d-%H%M%S')}.backup.tar"


async def backup(world: World, path: Path) -> BackupResult:
    """Write everything of the stack that cannot be made anew into one file. Raises ActionError; then there is no
    file."""
    if world.spec.plain:
        raise SteppedAside("there is nothing to back up, since the stack keeps no data")
    begin = time.monotonic()
    progress = Progress("backup", world.report, total=100)
    try:
        with Writer(path) as writer:
            made = await _write(world, progress, writer)
    except ArchiveError as error:
        raise ActionError(str(error), error.hint) from None
    except OSError as error:
        raise ActionError(f"{path} could not be written: {error.strerror}; nothing is left of it") from None
    except EngineError as error:
        raise ActionError(f"the backup failed: {error}", error.hint) from None
    result = BackupResult(
        file=str(path),
        size=writer.size,
        seconds=time.monotonic() - begin,
        key=made.key,
        database=made.members[DATABASE].unpacked,
        files=made.files,
        left_out=made.left_out,
        sha256={name: member.sha256 for name, member in made.members.items()},
    )
    progress.done = 100
    left = f"; left out: {', '.join(result.left_out[:3])}" if result.left_out else ""
    progress.tell(f"backup in {path}: {size(result.size)}, {result.files} files{left}")
    return result


async def _write(world: World, progress: Progress, writer: Writer) -> Manifest:
    containers = await world.containers()
    db = by_role(containers, "db")
    if db is None or db.state != "running":
        raise ActionError(
            f"the database of {world.stack} does not run, so it cannot be dumped", "bring it up first: dftui up"
        )
    secrets = (await ground.known_secrets(world, containers)).secrets
    version = await version_of(world, db.id)
    expected = (await Database(world.engine, db.id).once()).values.get("size_bytes", 0.0)
    with writer.member(SECRETS) as member:
        member.write(text_of(secrets).encode())
    progress.done = 2
    with writer.member(DATABASE) as member:
        await dump(world, progress, db, member, expected, until=68)
    with writer.member(STORAGE) as member:
        found = await _files(world, progress, containers, member)
    marked = await world.marked()
    manifest = Manifest(
        stack=world.stack,
        created=time.time(),
        key=secrets.fingerprint,
        server=kind_of(version),
        version=version,
        wanted=marked.wanted if marked else world.spec.web.replicas,
        files=found.files,
        left_out=tuple(clean(name, 200) for name in found.left_out),
        images={c.labels[names.LABEL_ROLE]: c.image for c in containers if names.LABEL_ROLE in c.labels},
        made_by=f"dftui {__version__}",
    )
    return await asyncio.to_thread(writer.finish, manifest)


async def version_of(world: World, db: str) -> str:
    """What the database server calls itself. Raises ActionError."""
    done = await world.engine.exec(db, _VERSION)
    if done.exit_code:
        raise ActionError(f"the database does not answer: {last_words(done.stderr)}", "look at it: dftui status")
    return clean(done.stdout.decode("utf-8", "replace").strip(), 100)


def kind_of(version: str) -> str:
    """ "mariadb" or "mysql", from what the server calls itself."""
    return "mariadb" if "mariadb" in version.lower() else "mysql"


async def dump(
    world: World, progress: Progress, db: Container, member: MemberWriter, expected: float, *, until: int
) -> None:
    """The database's rows, as of one moment, into the member; two dumps of the same rows are the same. Raises
    ActionError."""
    count = Count()
    stream = await world.engine.exec_stream(db.id, DUMP)

    async def pieces() -> AsyncIterator[bytes]:
        while piece := await stream.read():
            yield piece

    try:
        work = in_thread(pieces(), count, lambda dump: copy_dump(dump, member))
        await shown(progress, f"dump of {db.name}", work, count, expected, until=until)
    except CutShort:
        raise ActionError(
            f"the dump of {db.name} ended before its end: {last_words(stream.stderr())}",
            f"see: docker logs {db.name}",
        ) from None
    finally:
        await asyncio.shield(stream.close())


async def _files(world: World, progress: Progress, containers: Sequence[Container], member: MemberWriter) -> Copied:
    for left in reversed(range(_TRIES)):
        count = Count()
        try:
            async with (
                _storage(world, containers) as (ref, folder),
                closing(world.engine.get_archive(ref, folder)) as tar,
            ):
                work = in_thread(tar, count, lambda files: copy_storage(files, member))
                return await shown(progress, "files of the storage", work, count, 0, until=98)
        except (CutShort, EngineError) as error:
            # A file that grew while it was read, or a replica that was removed: the next try reads anew.
            if not left:
                why = str(error) or "its files change while they are read"
                raise ActionError(f"the storage of {world.stack} could not be read: {why}", "try again") from None
            member.restart()
            containers = await world.containers()
    raise AssertionError


@asynccontextmanager
async def closing(source: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """An async generator that is closed at the end, also one that was not read to its end."""
    try:
        yield source
    finally:
        if isinstance(source, AsyncGenerator):
            await source.aclose()


@asynccontextmanager
async def _storage(world: World, containers: Sequence[Container]) -> AsyncIterator[tuple[str, str]]:
    """A container that has the storage, and where in it: a replica, else one made for this and removed again."""
    if pool := [c for c in webs(containers) if c.state in ("running", "exited", "created")]:
        yield pool[0].id, STORAGE_PATH
        return
    db = by_role(containers, "db")
    assert db is not None
    async with helper(world, db.image_id) as ref:
        yield ref, HELPER_MOUNT


@asynccontextmanager
async def helper(world: World, image: str) -> AsyncIterator[str]:
    """A container that is never started and only holds the storage's volume, removed at the end."""
    name = names.container_name(world.stack, "helper")
    await world.engine.remove(name, force=True)
    ref = await world.engine.create(
        ContainerSpec(
            name=name,
            image=image,
            labels=names.stack_labels(world.stack, "helper"),
            volumes={HELPER_MOUNT: names.volume_name(world.stack, "storage")},
            restart="no",
            isolated=True,
        )
    )
    try:
        yield ref
    finally:
        await asyncio.shield(world.engine.remove(ref, force=True))


async def shown(progress: Progress, text: str, work: Awaitable[T], count: Count, expected: float, *, until: int) -> T:
    """Wait for work in a thread, and tell how far it is: bytes, and as a share of what is expected where that is
    known; the progress stands at `until` when it is done."""
    begin = progress.done
    task = asyncio.ensure_future(work)
    try:
        with progress.step(text, work=0):
            while not task.done():
                await asyncio.wait((task,), timeout=_TICK)
                share = min(0.99, count.bytes / expected) if expected else 0.0
                progress.done = begin + int(share * (until - begin))
                if count.bytes:
                    progress.tell(f"{text}: {size(count.bytes)}", state="running")
            progress.done = until
            return await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def last_words(said: bytes) -> str:
    """The last line of what a program said."""
    lines = [line for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
    return clean(lines[-1], 200) if lines else "it said nothing"


# -- those that dftui makes by itself ------------------------------------------------------------------------------


def kept_folder(engine_id: str, stack: str) -> Path:
    """Where the backups made by dftui itself are kept."""
    return paths.state_dir() / paths.engine_folder(engine_id) / f"{stack}.backups"


def kept_backups(engine_id: str, stack: str) -> list[Path]:
    """Those that are there, the oldest first."""
    return sorted(kept_folder(engine_id, stack).glob("*.backup.tar"), key=lambda path: path.stat().st_mtime)


async def keep_one(world: World, why: str, keep: int) -> BackupResult:
    """A backup in the state folder, where the last `keep` stay. Raises ActionError."""
    info = await world.engine.info()
    folder = kept_folder(info.id, world.stack)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ActionError(f"{folder} cannot be made: {error.strerror}", "see: dftui doctor") from None
    result = await backup(world, folder / default_name(f"{world.stack}-{why}"))
    for old in kept_backups(info.id, world.stack)[:-keep]:
        old.unlink(missing_ok=True)
    return result
