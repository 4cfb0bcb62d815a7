"""The backup file: a tar of four members in a fixed order, the last of which holds the checksums of the others.

It is written as a stream: a member's size is put into its header once the member has ended, so nothing is held in
memory or on disk twice.  The file is its owner's alone (mode 0600: it holds the stack's secrets), appears under its
name only when it is whole, and never takes another's place.  Source of the format: tar(5), "ustar" and GNU sizes.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

SCHEMA = 1
SECRETS, DATABASE, STORAGE, MANIFEST = "secrets.env", "database.sql.gz", "storage.tar.gz", "manifest.json"
MEMBERS = (SECRETS, DATABASE, STORAGE, MANIFEST)
"""All that there may be, in this order; each a plain file."""
MOST_SECRETS, MOST_MANIFEST = 64 * 1024, 4 * 1024 * 1024
PIECE = 1 << 20
_LEVEL = 5
"""Of gzip: twice as fast as the default, a few percent larger."""


class ArchiveError(Exception):
    """A backup file cannot be written or is not used; `str()` is one sentence, `hint` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Member:
    """A member as the manifest has it: `size` and `sha256` as it stands in the file, `unpacked` bytes before gzip."""

    size: int
    sha256: str
    unpacked: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup is of. `created` is unix time, `key` the APP_KEY's fingerprint, `server` "mariadb" or "mysql";
    `left_out` names what the storage held that is neither file nor folder."""

    stack: str
    created: float
    key: str
    server: str
    version: str
    wanted: int
    files: int = 0
    left_out: tuple[str, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)
    made_by: str = ""
    members: Mapping[str, Member] = field(default_factory=dict)
    schema: int = SCHEMA

    def to_json(self) -> dict[str, Any]:
        """As it stands in the file."""
        return asdict(self)

    @classmethod
    def parse(cls, data: bytes) -> Manifest:
        """Read one. Raises ArchiveError."""
        try:
            raw = json.loads(data)
            schema = int(raw["schema"])
            if schema > SCHEMA:
                raise ArchiveError(
                    f"the backup was made by a newer dftui ({str(raw.get('made_by'))[:40]!r})", "use that one"
                )
            members = {
                str(name): Member(int(one["size"]), str(one["sha256"]), int(one["unpacked"]))
                for name, one in raw["members"].items()
            }
            return cls(
                stack=str(raw["stack"]),
                created=float(raw["created"]),
                key=str(raw["key"]),
                server=str(raw["server"]),
                version=str(raw["version"]),
                wanted=int(raw["wanted"]),
                files=int(raw["files"]),
                left_out=tuple(map(str, raw["left_out"])),
                images={str(role): str(image) for role, image in raw["images"].items()},
                made_by=str(raw["made_by"]),
                members=members,
                schema=schema,
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ArchiveError("the backup's manifest cannot be read") from None


class MemberWriter:
    """One member while it is being written; `packed` ones go through gzip."""

    def __init__(self, stream: io.BufferedRandom, name: str, packed: bool) -> None:
        self._stream = stream
        self._name = name
        self._packed = packed
        self._header = stream.tell()
        stream.write(bytes(tarfile.BLOCKSIZE))
        self._begin()

    def _begin(self) -> None:
        # wbits 31: a gzip header and trailer around the deflated data.
        self._deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, 31) if self._packed else None
        self._hash = hashlib.sha256()
        self._size = 0
        self.unpacked = 0

    def restart(self) -> None:
        """Forget what was written."""
        self._stream.seek(self._header + tarfile.BLOCKSIZE)
        self._stream.truncate()
        self._begin()

    def write(self, data: bytes) -> int:
        """Take bytes; how many (a file's `write`)."""
        self.unpacked += len(data)
        self._put(self._deflate.compress(data) if self._deflate else data)
        return len(data)

    def _put(self, data: bytes) -> None:
        self._hash.update(data)
        self._size += len(data)
        self._stream.write(data)

    def end(self) -> Member:
        """Fill up the last block, and the header in."""
        if self._deflate:
            self._put(self._deflate.flush())
        self._stream.write(bytes(-self._size % tarfile.BLOCKSIZE))
        info = tarfile.TarInfo(self._name)
        info.size, info.mode, info.mtime = self._size, 0o600, int(time.time())
        header = info.tobuf(tarfile.GNU_FORMAT)
        assert len(header) == tarfile.BLOCKSIZE
        self._stream.seek(self._header)
        self._stream.write(header)
        self._stream.seek(0, io.SEEK_END)
        return Member(self._size, self._hash.hexdigest(), self.unpacked)


class Writer:
    """A backup file being written; use it as a context manager. Without `finish` nothing is left of it."""

    def __init__(self, path: Path) -> None:
        """Raises ArchiveError when the file is there already or its folder cannot be written."""
        self.path = path
        if path.exists() or path.is_symlink():
            raise ArchiveError(f"{path} is there already; nothing was written", "name another file, or move it away")
        try:
            descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        except OSError as error:
            raise ArchiveError(f"{path} cannot be written: {error.strerror}") from None
        self._part = Path(name)
        self._stream = os.fdopen(descriptor, "w+b")
        self._members: dict[str, Member] = {}
        self.size = 0
        """Bytes of the whole file, once it is finished."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._stream.close()
        self._part.unlink(missing_ok=True)

    @contextlib.contextmanager
    def member(self, name: str) -> Iterator[MemberWriter]:
        """The next member, in the order of `MEMBERS`."""
        assert name == MEMBERS[len(self._members)]
        writer = MemberWriter(self._stream, name, name.endswith(".gz"))
        yield writer
        self._members[name] = writer.end()

    def finish(self, manifest: Manifest) -> Manifest:
        """Write the manifest with the members' checksums, and give the file its name. Raises ArchiveError."""
        whole = Manifest(**{**_shallow(manifest), "members": dict(self._members)})
        try:
            with self.member(MANIFEST) as writer:
                writer.write(json.dumps(whole.to_json(), indent=1).encode())
            self._stream.write(bytes(2 * tarfile.BLOCKSIZE))
            self.size = self._stream.tell()
            self._stream.flush()
            os.fsync(self._stream.fileno())
            # The name is taken first, so that another's file is never replaced; a hard link could not be made on
            # the file systems of many a backup disk.
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            self._part.replace(self.path)
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise ArchiveError(f"{self.path} cannot be written: {error.strerror}") from None
        return whole


def _shallow(manifest: Manifest) -> dict[str, Any]:
    return {name: getattr(manifest, name) for name in Manifest.__slots__}


class Archive:
    """A backup file that is there. Opening it looks at its members alone; `verify` reads all of it."""

    def __init__(self, path: Path) -> None:
        """Raises ArchiveError when it is not exactly what `Writer` makes."""
        self.path = path
        self._places: dict[str, tuple[int, int]] = {}
        try:
            with path.open("rb") as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
                for expected in MEMBERS:
                    self._take(tar.next(), expected)
                if (more := tar.next()) is not None:
                    raise self._no(f"it holds {more.name[:80]!r}, which no backup holds")
        except OSError as error:
            raise ArchiveError(f"{path} cannot be read: {error.strerror}") from None
        except (tarfile.TarError, EOFError, ValueError, OverflowError):
            raise self._no("it is cut off or is no tar file") from None
        size = path.stat().st_size
        if any(start + length > size for start, length in self._places.values()):
            raise self._no("it is cut off")
        if self._places[MANIFEST][1] > MOST_MANIFEST or self._places[SECRETS][1] > MOST_SECRETS:
            raise self._no("a member of it is too large")
        self.manifest = Manifest.parse(self._whole(MANIFEST))
        if set(self.manifest.members) != {SECRETS, DATABASE, STORAGE}:
            raise self._no("its manifest names other members than it holds")

    def _no(self, why: str) -> ArchiveError:
        return ArchiveError(f"{self.path} is not used as a backup: {why}", "nothing was changed; use another file")

    def _take(self, found: tarfile.TarInfo | None, expected: str) -> None:
        if found is None:
            raise self._no(f"it lacks {expected}")
        if found.name != expected:
            raise self._no(f"it holds {found.name[:80]!r} where {expected} should be")
        plain = found.type == tarfile.REGTYPE and not found.linkname and not found.pax_headers
        if not plain:
            raise self._no(f"{expected} in it is no plain file")
        self._places[expected] = (found.offset_data, found.size)

    @property
    def size(self) -> int:
        """Bytes of all members."""
        return sum(length for _, length in self._places.values())

    def _whole(self, name: str) -> bytes:
        start, length = self._places[name]
        with self.path.open("rb") as stream:
            stream.seek(start)
            return stream.read(length)

    def secrets(self) -> bytes:
        """The secrets file."""
        return self._whole(SECRETS)

    def raw(self, name: str) -> Iterator[bytes]:
        """A member's bytes as they stand in the file, checked at their end against the manifest. Raises ArchiveError
        instead of ending when they differ."""
        start, length = self._places[name]
        noted = self.manifest.members[name]
        digest = hashlib.sha256()
        with self.path.open("rb") as stream:
            stream.seek(start)
            left = length
            while left > 0 and (piece := stream.read(min(PIECE, left))):
                digest.update(piece)
                left -= len(piece)
                yield piece
        if left or length != noted.size or digest.hexdigest() != noted.sha256:
            raise self._no(f"{name} is not what was written (its checksum differs)")

    @contextlib.contextmanager
    def unpacked(self, name: str) -> Iterator[io.BufferedReader]:
        """A packed member as a plain file of what it was before gzip; reading it raises ArchiveError where it is
        damaged, and at its end when its checksum or its length differs."""
        noted = self.manifest.members[name]
        pieces = self.raw(name)
        raw = PieceReader(lambda: next(pieces, b""))
        with gzip.GzipFile(fileobj=io.BufferedReader(raw, PIECE), mode="rb") as stream:
            yield io.BufferedReader(_Checked(stream, raw, noted.unpacked, self._no(f"{name} is damaged")), PIECE)


class PieceReader(io.RawIOBase):
    """Pieces of bytes, asked for one after the other, as a file; an empty one is the end."""

    def __init__(self, following: Callable[[], bytes]) -> None:
        self._following = following
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """What is there, up to the buffer's size; 0 at the end."""
        if not self._rest:
            self._rest = memoryview(self._following())
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


class _Checked(io.RawIOBase):
    """Reads a gzip stream; says what is wrong in our words, and never gives more than was noted."""

    def __init__(self, stream: gzip.GzipFile, raw: PieceReader, length: int, error: ArchiveError) -> None:
        self._stream = stream
        self._raw = raw
        self._left = length
        self._error = error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """As `PieceReader`."""
        try:
            count = self._stream.readinto(buffer)
            if not count:
                while self._raw.read(PIECE):  # to the end, where the checksum is compared
                    pass
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise self._error from None
        self._left -= count
        if self._left < 0 or (count == 0 and self._left):
            raise self._error
        return count
