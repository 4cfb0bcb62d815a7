"""The backup file: what is written is read back, and nothing else is ever used."""

from __future__ import annotations

import io
import json
import stat
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dftui.control.archive import (
    DATABASE,
    MANIFEST,
    MEMBERS,
    SECRETS,
    STORAGE,
    Archive,
    ArchiveError,
    Manifest,
    Writer,
)
from dftui.control.contents import (
    Count,
    CutShort,
    copy_dump,
    copy_storage,
    dump_of,
    in_thread,
    pieces_of,
    safe_name,
    storage_of,
)

DUMP = b"CREATE TABLE t (id INT);\n" * 50_000 + b"-- Dump completed on 2026-11-25  1:58:18\n"
MADE = Manifest("df", 1.0, "0badcafe", "mariadb", "10.11", 3, images={"web": "dftui/web:1"}, made_by="dftui 0")


def entry(
    name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    made = tarfile.TarInfo(name)
    made.size, made.type, made.linkname, made.mode = len(data), kind, link, 0o4755
    return made, data


def tar(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        for info, data in entries:
            made.addfile(info, io.BytesIO(data))
    return out.getvalue()


FOLDER = entry("app/", kind=tarfile.DIRTYPE)
FILES = tar(FOLDER, entry("app/a.txt", b"one"), entry("app/deep/é b", b"x" * 3_000_000))


def write(path: Path, dump: bytes = DUMP, files: bytes = FILES) -> Manifest:
    with Writer(path) as writer:
        with writer.member(SECRETS) as member:
            member.write(b"APP_KEY=x\n")
        with writer.member(DATABASE) as member:
            copy_dump(io.BytesIO(dump), member)
        with writer.member(STORAGE) as member:
            copy_storage(io.BytesIO(files), member)
        return writer.finish(MADE)


def read(path: Path) -> tuple[bytes, bytes]:
    archive = Archive(path)
    return b"".join(dump_of(archive)), b"".join(storage_of(archive, "storage"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "b.tar"
    write(path)
    return path


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    path = tmp_path / "b.tar"
    made = write(path)
    archive = Archive(path)
    assert archive.manifest == made
    assert archive.secrets() == b"APP_KEY=x\n"
    dump, files = read(path)
    assert dump == DUMP
    with tarfile.open(fileobj=io.BytesIO(files)) as found:
        assert found.getnames() == ["storage", "storage/a.txt", "storage/deep/é b"]
        member = found.extractfile("storage/deep/é b")
        assert member is not None and member.read() == b"x" * 3_000_000
        assert {oct(info.mode) for info in found if info.isfile()} == {"0o755"}, "no set-id bits"


def test_the_file_is_its_owners_alone_and_takes_no_others_place(file: Path) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    with pytest.raises(ArchiveError, match="is there already"):
        Writer(file)
    assert file.read_bytes() == before
    with pytest.raises(ArchiveError, match="No such file or directory"):
        Writer(file.parent / "none" / "b.tar")


def test_one_that_fails_on_the_way_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(CutShort):
        write(tmp_path / "b.tar", dump=DUMP[:-60])
    with pytest.raises(CutShort):
        write(tmp_path / "b.tar", files=FILES[:-20_000])
    # An engine that failed on the way: the members are whole, the end is not there.
    with pytest.raises(CutShort):
        write(tmp_path / "b.tar", files=FILES.rstrip(b"\0") + bytes(512))
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


def test_a_member_can_begin_anew(tmp_path: Path) -> None:
    path = tmp_path / "b.tar"
    with Writer(path) as writer:
        with writer.member(SECRETS) as member:
            member.write(b"x")
        with writer.member(DATABASE) as member:
            member.write(b"half" * 100_000)
            member.restart()
            copy_dump(io.BytesIO(DUMP), member)
        with writer.member(STORAGE) as member:
            copy_storage(io.BytesIO(FILES), member)
        writer.finish(MADE)
    assert read(path)[0] == DUMP


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        (entry("app/l", kind=tarfile.SYMTYPE, link="/etc/passwd"), "l (a link)"),
        (entry("app/h", kind=tarfile.LNKTYPE, link="app/a.txt"), "h (a link)"),
        (entry("app/p", kind=tarfile.FIFOTYPE), "p (no plain file)"),
        (entry("app/../../etc/x", b"x"), "../../etc/x (a path that leads out of the storage)"),
    ],
)
def test_what_is_neither_file_nor_folder_stays_out_and_is_named(
    tmp_path: Path, odd: tuple[tarfile.TarInfo, bytes], why: str
) -> None:
    path = tmp_path / "b.tar"
    with Writer(path) as writer:
        for name in (SECRETS, DATABASE):
            with writer.member(name) as member:
                member.write(b"-- Dump completed")
        with writer.member(STORAGE) as member:
            copied = copy_storage(io.BytesIO(tar(FOLDER, odd, entry("app/a", b"1"))), member)
        writer.finish(MADE)
    assert (copied.files, copied.left_out) == (1, [why])
    with tarfile.open(fileobj=io.BytesIO(read(path)[1])) as found:
        assert found.getnames() == ["storage", "storage/a"]


def members(path: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(path) as found:
        return [(info, content.read()) for info in found if (content := found.extractfile(info)) is not None]


def rewrite(path: Path, entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    path.write_bytes(tar(*entries))


def refused(path: Path, why: str) -> None:
    with pytest.raises(ArchiveError, match=why):
        read(path)


@pytest.mark.parametrize("name", [DATABASE, STORAGE])
def test_a_changed_byte_anywhere_is_seen(file: Path, name: str) -> None:
    whole = members(file)
    for at in (0, 12, 0.5, -1):
        entries = []
        for info, data in whole:
            if info.name == name:
                changed = bytearray(data)
                index = at if isinstance(at, int) else int(at * len(data))
                changed[index] ^= 0x10
                data = bytes(changed)
            entries.append((info, data))
        rewrite(file, entries)
        refused(file, "is damaged|checksum|cannot be read")


def test_other_secrets_than_those_that_were_written_are_seen(file: Path) -> None:
    entries = members(file)
    entries[0] = (entries[0][0], b"APP_KEY=y\n")
    rewrite(file, entries)
    with pytest.raises(ArchiveError, match="checksum"):
        list(Archive(file).raw(SECRETS))


def test_only_the_four_members_in_their_order_are_taken(file: Path) -> None:
    whole = members(file)
    assert [info.name for info, _ in whole] == list(MEMBERS)
    rewrite(file, whole[:-1])
    refused(file, "lacks manifest")
    rewrite(file, [whole[1], whole[0], *whole[2:]])
    refused(file, "where secrets.env should be")
    rewrite(file, [*whole, entry("more", b"x")])
    refused(file, "holds 'more', which no backup holds")
    rewrite(file, [entry("../secrets.env", b"x"), *whole[1:]])
    refused(file, "where secrets.env should be")
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE):
        rewrite(file, [entry(SECRETS, kind=kind, link="/etc/shadow"), *whole[1:]])
        refused(file, "secrets.env in it is no plain file|where secrets.env should be")


@pytest.mark.parametrize("at", [0, 1, 100, 511, 512, 5000, -1024, -2000])
def test_a_file_that_was_cut_is_no_backup(file: Path, at: int) -> None:
    data = file.read_bytes()
    file.write_bytes(data[:at] if at >= 0 else data[: len(data) + at - 1024])
    with pytest.raises(ArchiveError):
        read(file)


def test_what_is_no_backup_at_all_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with pytest.raises(ArchiveError, match="No such file"):
        Archive(path)
    for data in (b"", b"text" * 1000, bytes(10_240), b"\x1f\x8b" + bytes(2000)):
        path.write_bytes(data)
        with pytest.raises(ArchiveError):
            Archive(path)
    with pytest.raises(ArchiveError):
        Archive(tmp_path)


def storage_that_holds(file: Path, *odd: tuple[tarfile.TarInfo, bytes]) -> None:
    """The same backup with another storage, and checksums that are right for it."""
    import gzip
    import hashlib

    entries = members(file)
    inner = tar(*odd)
    packed = gzip.compress(inner)
    manifest = json.loads(entries[3][1])
    manifest["members"][STORAGE] = {
        "size": len(packed),
        "sha256": hashlib.sha256(packed).hexdigest(),
        "unpacked": len(inner),
    }
    text = json.dumps(manifest).encode()
    rewrite(file, [*entries[:2], entry(STORAGE, packed), entry(MANIFEST, text)])


@pytest.mark.parametrize(
    "odd",
    [
        entry("l", kind=tarfile.SYMTYPE, link="/etc"),
        entry("l", kind=tarfile.LNKTYPE, link="../../etc/passwd"),
        entry("d", kind=tarfile.BLKTYPE),
        entry("../x", b"x"),
        entry("a/../../x", b"x"),
        entry("/etc/cron.d/x", b"x"),
    ],
)
def test_a_storage_that_leads_out_is_refused_though_its_checksum_is_right(
    file: Path, odd: tuple[tarfile.TarInfo, bytes]
) -> None:
    storage_that_holds(file, entry("fine", b"x"), odd)
    refused(file, "its storage holds")


def test_more_than_was_noted_is_never_unpacked(file: Path) -> None:
    entries = members(file)
    manifest = json.loads(entries[3][1])
    manifest["members"][DATABASE]["unpacked"] = 1000
    rewrite(file, [*entries[:3], entry(MANIFEST, json.dumps(manifest).encode())])
    seen = 0
    with pytest.raises(ArchiveError, match="is damaged"):
        for piece in dump_of(Archive(file)):
            seen += len(piece)
    assert seen <= 1000


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b'{"schema": "x"}',
        b'{"schema": 1, "members": {"a": 1}}',
        b"\xff",
        b'{"schema":1,"members":[]}',
    ],
)
def test_a_manifest_that_is_none_is_told(text: bytes) -> None:
    with pytest.raises(ArchiveError, match="manifest cannot be read"):
        Manifest.parse(text)
    with pytest.raises(ArchiveError, match="newer dftui"):
        Manifest.parse(b'{"schema": 2, "made_by": "dftui 9"}')


@given(st.text(max_size=60))
@settings(max_examples=300)
def test_no_name_leads_out_of_the_storage(name: str) -> None:
    try:
        safe = safe_name(name)
    except ValueError:
        return
    assert not safe.startswith("/")
    assert ".." not in safe.split("/")
    assert safe


async def test_streams_go_to_threads_and_back_whole() -> None:
    pieces = [bytes([n]) * 70_000 for n in range(40)]

    async def source() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece
            yield b""

    def made() -> Iterator[bytes]:
        yield b""
        yield from pieces

    count = Count()
    assert await in_thread(source(), count, lambda stream: stream.read()) == b"".join(pieces)
    assert count.bytes == sum(map(len, pieces))
    assert b"".join([piece async for piece in pieces_of(made(), Count())]) == b"".join(pieces)
