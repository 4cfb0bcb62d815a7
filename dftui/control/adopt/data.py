"""The data of an adopted stack: into backup files, and from one of them into the stack's own volumes.

It goes by a dump, not by a copy of the volume: a dump is read by another version of the server, too.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import tarfile
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

from dftui import __version__
from dftui.control.adopt.found import STORAGE_ROOT, Seen
from dftui.control.adopt.proposal import Proposal
from dftui.control.archive import (
    DATABASE,
    PIECE,
    SECRETS,
    STORAGE,
    Archive,
    ArchiveError,
    Manifest,
    MemberWriter,
    Writer,
)
from dftui.control.backup import closing, dump, kept_folder, kind_of, last_words, shown
from dftui.control.contents import Copied, Count, CutShort, copy_more, dump_of, end_storage, in_thread
from dftui.control.errors import ActionError
from dftui.control.restore import import_dump, put_storage
from dftui.control.steps import Progress
from dftui.control.world import World
from dftui.dreamfactory.variables import STORAGE_PATH
from dftui.engine.api import Container, EngineError, NotFound
from dftui.engine.translate import stamp
from dftui.stack.secrets import text_of
from dftui.watch.datatier import root_client
from dftui.watch.sanitise import clean

_TRIES = 3
_STAMP = "%Y%m%d-%H%M%S"
_EMPTY = root_client(
    '-e "DROP DATABASE \\`$MYSQL_DATABASE\\`; CREATE DATABASE \\`$MYSQL_DATABASE\\` CHARACTER SET utf8mb4"'
)
_FORGET = ("sh", "-c", 'REDISCLI_AUTH="$REDIS_PASSWORD" exec redis-cli flushall')


async def folder(world: World) -> Path:
    """Where the backups of adoptions are kept; unlike those made before a roll, all stay. Raises ActionError."""
    found = kept_folder(await world.engine_id(), world.stack)
    try:
        found.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ActionError(f"{found} cannot be made: {error.strerror}", "see: dftui doctor") from None
    return found


async def back_up(world: World, progress: Progress, proposal: Proposal, what: str) -> Path:
    """Database, secrets and the webs' files in one file that `restore` takes. Raises ActionError."""
    path = await folder(world) / f"{world.stack}-adopted-{time.strftime(_STAMP)}-{what}.tar"
    found = proposal.found
    try:
        with Writer(path) as writer:
            with writer.member(SECRETS) as member:
                member.write(text_of(proposal.secrets).encode())
            with writer.member(DATABASE) as member:
                db = found.db.detail.container
                await dump(world, progress, db, member, float(proposal.bytes), until=progress.done)
            with writer.member(STORAGE) as member:
                copied = await _files(world, progress, found.webs, member)
            writer.finish(
                Manifest(
                    stack=world.stack,
                    created=time.time(),
                    key=proposal.secrets.fingerprint,
                    server=kind_of(proposal.version),
                    version=proposal.version,
                    wanted=proposal.replicas,
                    files=copied.files,
                    left_out=tuple(clean(name, 200) for name in copied.left_out),
                    images={found.role(one): one.detail.container.image for one in found.parts},
                    made_by=f"dftui {__version__}",
                )
            )
    except ArchiveError as error:
        raise ActionError(str(error), error.hint) from None
    except OSError as error:
        raise ActionError(f"{path} could not be written: {error.strerror}; nothing is left of it") from None
    return path


def sources(webs: Sequence[Seen]) -> list[Seen]:
    """One web for each place where they keep files."""
    found: dict[str, Seen] = {}
    for web in webs:
        found.setdefault(web.shared_storage or web.name, web)
    return list(found.values())


async def _files(world: World, progress: Progress, webs: Sequence[Seen], member: MemberWriter) -> Copied:
    """What all of them hold; where two have a file of one name, the first one's."""
    places = sources(webs)
    for left in reversed(range(_TRIES)):
        copied = Copied()
        try:
            for web in places:
                count = Count()
                tar = world.engine.get_archive(web.detail.container.id, STORAGE_PATH)
                with contextlib.suppress(NotFound):  # it has no such folder
                    async with closing(tar) as pieces:
                        work = in_thread(pieces, count, partial(copy_more, member=member, copied=copied))
                        await shown(progress, f"files of {web.name}", work, count, 0, until=progress.done)
            end_storage(member)
            return copied
        except (CutShort, EngineError) as error:
            if not left:
                why = str(error) or "they change while they are read"
                raise ActionError(f"the files of the old webs could not be read: {why}", "try again") from None
            member.restart()
    raise AssertionError


async def put(
    world: World, progress: Progress, db: Container, path: Path, before: Path | None = None, *, rows: bool = True
) -> Manifest:
    """A backup's data into the stack's own volumes; after that of `before` only what differs from it. Without `rows`
    there are none, and none may have come since. Raises ActionError."""
    try:
        archive = Archive(path)
        had = Archive(before).manifest.members if before is not None else {}
        new = archive.manifest.members
        same = bool(had) and had[DATABASE].sha256 == new[DATABASE].sha256
        if had and not same and not rows:
            raise ActionError("somebody has just begun to use the old database, which was empty", "try again")
        if rows and not same:
            if had:
                await _emptied(world, db)
            count = Count()
            work = import_dump(world, db, dump_of(archive), count)
            await shown(progress, "the database's rows", work, count, new[DATABASE].unpacked, until=progress.done)
        if not had or had[STORAGE].sha256 != new[STORAGE].sha256:
            await put_storage(world, progress, db.image_id, archive, until=progress.done)
    except ArchiveError as error:
        raise ActionError(str(error), error.hint) from None
    return archive.manifest


async def _emptied(world: World, db: Container) -> None:
    """Nothing of before is left in the database, nor in what the replicas have cached of it."""
    for ref, argv in ((db.id, _EMPTY), (world.name("cache"), _FORGET)):
        done = await world.engine.exec(ref, argv, timeout=120)
        if done.exit_code:
            raise ActionError(f"{ref[:12]} could not be emptied: {last_words(done.stderr)}")


async def keep_storage(world: World, progress: Progress, web: Seen, name: str) -> Path | None:
    """Everything that an old web, once `name`, wrote to itself, its SQLite among it, as a packed tar of its own; None
    where it has no such folder. Raises ActionError."""
    path = await folder(world) / f"{world.stack}-adopted-{time.strftime(_STAMP)}{_of(name)}"
    count = Count()
    try:
        async with closing(world.engine.get_archive(web.detail.container.id, STORAGE_ROOT)) as tar:
            work = in_thread(tar, count, lambda stream: _packed(stream, path))
            await shown(progress, f"all that {name} wrote, in {path}", work, count, 0, until=progress.done)
    except NotFound:
        return None
    except (CutShort, EngineError) as error:
        raise ActionError(
            f"the files of {name} could not be read: {error or 'they ended before their end'}"
        ) from None
    except OSError as error:
        raise ActionError(f"{path} could not be written: {error.strerror}") from None
    return path


async def is_kept(world: World, web: Seen, name: str) -> bool:
    """Whether there is such a tar from after it ended."""
    ended = stamp(web.detail.finished_at)
    there = (await folder(world)).glob(f"{world.stack}-adopted-*{_of(name)}")
    return any(path.stat().st_mtime >= ended for path in there)


def _of(name: str) -> str:
    return f"-{name}.storage.tar.gz"


def _packed(stream: BinaryIO, path: Path) -> None:
    """Under its name only when it is whole."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as raw:
            tail = b""
            with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=5) as out:
                while piece := stream.read(PIECE):
                    out.write(piece)
                    tail = (tail + piece)[-tarfile.BLOCKSIZE :]
            if tail.strip(b"\0"):  # an engine that fails on the way ends as if all were well; a whole tar in zeros
                raise CutShort
            raw.flush()
            os.fsync(raw.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
