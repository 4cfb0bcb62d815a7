"""Folders in and out of containers as tar streams: what every engine promises, the fake and a real one alike."""

from __future__ import annotations

import io
import tarfile

import pytest

from dftui.engine.api import EngineError, NotFound
from tests.engine.test_engine_contract import Rig, rig  # noqa: F401
from tests.tiny import pieces

BIG = bytes(range(256)) * 20_000


def a_tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in (("data/big", BIG), ("data/sub/small", b"small\n")):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.uid, entry.gid = len(data), 0o640, 33, 34
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


async def test_a_folder_goes_in_and_comes_out_of_a_container_that_never_ran(rig: Rig) -> None:  # noqa: F811
    volume = f"{rig.stack}-data"
    await rig.engine.create_volume(volume, rig.labels)
    ref = await rig.engine.create(rig.spec("one", "true", volumes={"/keep/data": volume}))
    await rig.engine.put_archive(ref, "/keep", pieces(a_tar(), 7000))
    got = [piece async for piece in rig.engine.get_archive(ref, "/keep/data")]
    assert len(got) > 1
    with tarfile.open(fileobj=io.BytesIO(b"".join(got))) as tar:
        found = {entry.name: entry for entry in tar if entry.isreg()}
        assert set(found) == {"data/big", "data/sub/small"}
        big = tar.extractfile(found["data/big"])
        assert big is not None and big.read() == BIG
        assert {(entry.uid, entry.gid, oct(entry.mode & 0o7777)) for entry in found.values()} == {(33, 34, "0o640")}
    # It is in the volume: another container that has it sees the same.
    if not hasattr(rig.engine, "by_id"):
        other = await rig.sleeper("two", volumes={"/elsewhere": volume})
        assert (await rig.engine.exec(other, ("cat", "/elsewhere/sub/small"))).stdout == b"small\n"


async def test_what_is_missing_or_no_archive_is_told(rig: Rig) -> None:  # noqa: F811
    ref = await rig.engine.create(rig.spec("one", "true"))
    with pytest.raises(NotFound):
        _ = [piece async for piece in rig.engine.get_archive(ref, "/none")]
    with pytest.raises(NotFound):
        _ = [piece async for piece in rig.engine.get_archive(f"{rig.stack}-none", "/")]
    with pytest.raises(NotFound):
        await rig.engine.put_archive(f"{rig.stack}-none", "/", pieces(a_tar()))
    with pytest.raises(EngineError, match="Could not unpack files into /tmp"):
        await rig.engine.put_archive(ref, "/tmp", pieces(b"no archive" * 100))
