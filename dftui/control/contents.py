"""What goes into a backup and comes out of it: the database's dump and the storage's files, as streams in threads.

Files come from a container and go into one, so nothing of them is trusted: only plain files and folders with a
relative path pass, without set-id bits.  Source for the dump's last line: mysqldump(1), mariadb-dump(1), --comments.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import tarfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import IO, Any, BinaryIO, TypeVar

from dftui.control.archive import DATABASE, PIECE, STORAGE, Archive, ArchiveError, MemberWriter, PieceReader

T = TypeVar("T")

DUMP_END = b"-- Dump completed"
_TAIL = 4096
_LONGEST_NAME = 4096
_MOST_LEFT_OUT = 50
_FILE_MODE = 0o777
_END = bytes(2 * tarfile.BLOCKSIZE)


@dataclass(slots=True)
class Count:
    """Bytes that a thread has seen so far; for whoever shows progress."""

    bytes: int = 0


async def in_thread(source: AsyncIterator[bytes], count: Count, work: Callable[[BinaryIO], T]) -> T:
    """Let `work` read the stream as a file, in a thread, so that the loop stays free."""
    loop = asyncio.get_running_loop()

    async def next_piece() -> bytes:
        async for piece in source:
            if piece:
                count.bytes += len(piece)
                return piece
        return b""

    def following() -> bytes:
        return asyncio.run_coroutine_threadsafe(next_piece(), loop).result()

    return await asyncio.to_thread(work, io.BufferedReader(PieceReader(following), PIECE))


async def pieces_of(made: Iterator[bytes], count: Count) -> AsyncIterator[bytes]:
    """What a plain iterator makes in a thread, piece by piece, on the loop."""
    while (piece := await asyncio.to_thread(next, made, None)) is not None:
        count.bytes += len(piece)
        yield piece


# -- the database -------------------------------------------------------------------------------------------------


class CutShort(Exception):
    """A dump or tar that ended before its end."""


def copy_dump(stream: BinaryIO, member: MemberWriter) -> None:
    """The dump into its member. Raises CutShort when its last line is missing."""
    tail = b""
    while piece := stream.read(PIECE):
        member.write(piece)
        tail = (tail + piece)[-_TAIL:]
    if DUMP_END not in tail:
        raise CutShort


def dump_of(archive: Archive) -> Iterator[bytes]:
    """The dump from a backup. Raises ArchiveError when it is damaged or has no last line."""
    tail = b""
    with archive.unpacked(DATABASE) as stream:
        while piece := stream.read(PIECE):
            tail = (tail + piece)[-_TAIL:]
            yield piece
    if DUMP_END not in tail:
        raise ArchiveError(
            f"the database's dump in {archive.path} has no end", "nothing was changed; use another file"
        )


# -- the storage --------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Copied:
    """How many plain files went in, and what did not."""

    files: int = 0
    left_out: list[str] = field(default_factory=list)
    digests: dict[str, bytes] = field(default_factory=dict)
    """Of each file, and b"" of each folder, by its name: what came from one container is not written over by the
    next."""

    def leave_out(self, name: str, what: str) -> None:
        """Note one; beyond some only their number."""
        if len(self.left_out) < _MOST_LEFT_OUT:
            self.left_out.append(f"{name[:200]} ({what})")


def safe_name(name: str) -> str:
    """A member's path below the storage's root, "." for the root itself. Raises ValueError for one that leads out of
    it or is none."""
    path = PurePosixPath(name)
    parts = [part for part in path.parts if part != "."]
    if path.is_absolute() or ".." in parts or "\0" in name or len(name) > _LONGEST_NAME:
        raise ValueError(name)
    return "/".join(parts) or "."


def _kind(info: tarfile.TarInfo) -> str:
    """What a member is when it is neither file nor folder; "" when it is."""
    if info.type in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE):
        return ""
    if info.issym() or info.islnk():
        return "a link"
    return "no plain file"


def _plain(info: tarfile.TarInfo, name: str) -> tarfile.TarInfo:
    """The same file or folder with nothing but what it needs."""
    made = tarfile.TarInfo(name)
    made.type = tarfile.DIRTYPE if info.isdir() else tarfile.REGTYPE
    made.size = 0 if info.isdir() else info.size
    made.mode = info.mode & _FILE_MODE
    made.uid, made.gid = info.uid, info.gid
    made.mtime = info.mtime
    return made


def _entry(info: tarfile.TarInfo, content: BinaryIO | IO[bytes] | None) -> Iterator[bytes]:
    """One member as a tar holds it. Raises EOFError when the content is shorter than was said."""
    yield info.tobuf(tarfile.PAX_FORMAT)
    left = info.size if content is not None else 0
    while left and content is not None:
        piece = content.read(min(PIECE, left))
        if not piece:
            raise EOFError
        left -= len(piece)
        yield piece
    yield bytes(-info.size % tarfile.BLOCKSIZE)


def copy_storage(stream: BinaryIO, member: MemberWriter) -> Copied:
    """An engine's tar of the storage folder into its member, plain files and folders alone, their names below the
    folder. Raises CutShort when it ends before its end."""
    copied = Copied()
    copy_more(stream, member, copied)
    end_storage(member)
    return copied


def end_storage(member: MemberWriter) -> None:
    """No more files come."""
    member.write(_END)


def copy_more(stream: BinaryIO, member: MemberWriter, copied: Copied) -> None:
    """The same after what was `copied` already; `end_storage` comes last."""
    ending = _Ending(stream)
    try:
        with tarfile.open(fileobj=ending, mode="r|") as source:
            for info in source:
                _, _, below = info.name.partition("/")
                kind = _kind(info)
                try:
                    name = safe_name(below or ".")
                except ValueError:
                    kind = "a path that leads out of the storage"
                if kind:
                    copied.leave_out(below, kind)
                    continue
                _copy(_plain(info, name), source.extractfile(info), member, copied)
        while ending.read(PIECE):
            pass
    except (tarfile.TarError, EOFError):
        raise CutShort from None
    # An engine that fails on the way ends its answer as if all were well; a whole tar ends with empty blocks.
    if ending.tail != _END:
        raise CutShort


def _copy(info: tarfile.TarInfo, content: IO[bytes] | None, member: MemberWriter, copied: Copied) -> None:
    """One file or folder, unless one of its name went in before."""
    before = copied.digests.get(info.name)
    digest = hashlib.sha256()
    pieces = _entry(info, content)
    head = next(pieces)
    if before is None:
        member.write(head)
    for piece in pieces:
        digest.update(piece)
        if before is None:
            member.write(piece)
    now = digest.digest() if info.isfile() else b""
    if before is None:
        copied.digests[info.name] = now
        copied.files += info.isfile()
    elif before != now:
        copied.leave_out(info.name, "another one of this name came first")


def storage_of(archive: Archive, folder: str) -> Iterator[bytes]:
    """A tar of the storage from a backup, its names beginning with `folder`. Raises ArchiveError on anything that is
    neither file nor folder, or leads out of it."""
    with archive.unpacked(STORAGE) as stream:
        try:
            with tarfile.open(fileobj=stream, mode="r|") as source:
                for info in source:
                    plain = _checked(archive, info, folder)
                    yield from _entry(plain, source.extractfile(info))
            while stream.read(PIECE):  # to its end, where the checksum is compared
                pass
        except (tarfile.TarError, EOFError):
            raise ArchiveError(
                f"the storage's files in {archive.path} cannot be read", "nothing was changed; use another file"
            ) from None
    yield _END


def _checked(archive: Archive, info: tarfile.TarInfo, folder: str) -> tarfile.TarInfo:
    kind = _kind(info)
    name = ""
    try:
        name = safe_name(info.name)
    except ValueError:
        kind = "a path that leads out of the storage"
    if kind:
        raise ArchiveError(
            f"{archive.path} is not used: its storage holds {info.name[:120]!r}, {kind}",
            "nothing was changed; use another file",
        )
    return _plain(info, folder if name == "." else f"{folder}/{name}")


class _Ending(io.RawIOBase):
    """Reads a stream and keeps its last bytes."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.tail = b""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """As a file's."""
        piece = self._stream.read(len(buffer))
        buffer[: len(piece)] = piece
        self.tail = (self.tail + piece)[-len(_END) :] if len(piece) < len(_END) else piece[-len(_END) :]
        return len(piece)
