"""A container image of two megabytes, made of one static binary: enough to start, write, fail and be asked."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

_FOLDERS = ("bin", "dev", "etc", "proc", "sys", "tmp", "root")
_COMMANDS = (
    "cat chmod cut date dd echo env false grep head httpd id ip kill ls mkdir nc printf ps readlink rm sed "
    "seq sh sleep sort stat tail test touch tr true wget yes"
).split()


def busybox() -> Path:
    """The host's static busybox. Raises AssertionError with the package to install."""
    for found in (shutil.which("busybox"), "/bin/busybox"):
        if found and Path(found).is_file():
            return Path(found)
    raise AssertionError("engine tests need a static busybox: apt-get install busybox-static")


def root_tar() -> bytes:
    """The root file system, uncompressed."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in _FOLDERS:
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            tar.addfile(folder)
        data = busybox().read_bytes()
        binary = tarfile.TarInfo("bin/busybox")
        binary.size, binary.mode = len(data), 0o755
        tar.addfile(binary, io.BytesIO(data))
        for name in _COMMANDS:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        for name, text in (
            ("etc/passwd", "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/tmp:/bin/sh\n"),
            ("etc/group", "root:x:0:\nwww-data:x:33:\n"),
        ):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), 0o644
            tar.addfile(entry, io.BytesIO(text.encode()))
    return out.getvalue()


async def pieces(data: bytes, size: int = 1 << 16) -> AsyncIterator[bytes]:
    """The same bytes, in pieces."""
    for start in range(0, len(data), size):
        yield data[start : start + size]
