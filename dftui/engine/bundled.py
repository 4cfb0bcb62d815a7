"""Building the bundled images: one base layer of Debian packages, and on it the small context of each role.

The base is made by mmdebstrap on this machine, with this machine's package sources, and streamed into the engine; the
roles' builds need no network.  So nothing of a mirror is ever in an image, and a remote engine needs no packages.
Packages are unpacked, not configured: that is half the time, and what their scripts would do is not needed.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import os
import re
import shutil
import stat
import tarfile
import tempfile
import weakref
from collections.abc import AsyncIterator, Callable, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from dftui.engine.api import Engine, EngineError, ImageProgress
from dftui.engine.sources import apt_options, debian_sources
from dftui.stack.names import LABEL_CONTEXT, LABEL_IMAGE

BUNDLED_ROLES = ("db", "cache", "balancer", "web")
BASE = "base"
BUNDLED_PREFIX = "dftui/"
"""How their tags begin."""
RECIPE = "1"
"""Raised when the way of building changes, so that images are built anew."""

Report = Callable[[ImageProgress], None]

_HOOK = "trim.sh"
_STEPS = ("apt-get update", "downloading packages", "extracting archives", "cleaning package", "creating tarball")
"""Words of mmdebstrap's progress lines, in their order."""
_SHM = Path("/dev/shm")
_SHM_NEEDED = 1536 * 1024 * 1024
_CHUNK = 1 << 18
_locks: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = weakref.WeakKeyDictionary()


def context_files(role: str) -> dict[str, bytes]:
    """The files of a role's build context (or of `base`) by path, as they are packaged with dftui."""
    found: dict[str, bytes] = {}

    def walk(folder: Traversable, prefix: str) -> None:
        for entry in folder.iterdir():
            if entry.is_dir():
                if entry.name != "__pycache__":
                    walk(entry, f"{prefix}{entry.name}/")
            elif not entry.name.endswith(".pyc"):
                found[prefix + entry.name] = entry.read_bytes()

    walk(files("dftui") / "images" / role, "")
    return dict(sorted(found.items()))


def context_hash(role: str) -> str:
    """12 hex digits that change with the role's files, the base's or the recipe."""
    digest = hashlib.sha256(f"recipe {RECIPE}\n".encode())
    for part in (BASE,) if role == BASE else (BASE, role):
        for path, data in context_files(part).items():
            digest.update(f"{part}/{path} {len(data)}\n".encode() + data)
    return digest.hexdigest()[:12]


def bundled_tag(role: str) -> str:
    """`dftui/<role>:<context hash>`."""
    return f"{BUNDLED_PREFIX}{role}:{context_hash(role)}"


def context_tar(role: str) -> bytes:
    """The build context, the same bytes for the same files whoever owns them; scripts are executable."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, data in context_files(role).items():
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            entry.mode = 0o755 if data.startswith(b"#!") else 0o644
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def packages() -> tuple[str, ...]:
    """Debian packages of the base."""
    lines = context_files(BASE)["packages"].decode().splitlines()
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def labels_of(role: str) -> dict[str, str]:
    """Labels by which a bundled image is known again."""
    return {LABEL_IMAGE: role, LABEL_CONTEXT: context_hash(role)}


async def ensure_bundled(engine: Engine, role: str, report: Report) -> str:
    """The tag of a role's bundled image, built first if the engine lacks it. Raises EngineError."""
    tag = bundled_tag(role)
    if await engine.image(tag) is not None:
        report(ImageProgress(tag, "done"))
        return tag
    async with _locks.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
        base = await _ensure_base(engine, report)
    if await engine.image(tag) is None:
        build = engine.build(tag, context_tar(role), labels=labels_of(role), args={"BASE": base})
        async for progress in build:
            report(progress)
    return tag


async def ensure_all_bundled(engine: Engine, report: Report) -> dict[str, str]:
    """Every role's tag; the builds run side by side."""
    tags = await asyncio.gather(*(ensure_bundled(engine, role, report) for role in BUNDLED_ROLES))
    return dict(zip(BUNDLED_ROLES, tags, strict=True))


async def _ensure_base(engine: Engine, report: Report) -> str:
    tag = bundled_tag(BASE)
    if await engine.image(tag) is not None:
        return tag
    try:
        async for progress in engine.import_image(tag, _root_file_system(tag, report), labels=labels_of(BASE)):
            if progress.stage != "done":
                report(ImageProgress(tag, "base", done=len(_STEPS), total=len(_STEPS), text="importing"))
    except BaseException:
        # A tar that was cut short must not stay behind as an image.
        with contextlib.suppress(EngineError):
            await engine.remove_image(tag)
        raise
    report(ImageProgress(tag, "done"))
    return tag


async def _root_file_system(tag: str, report: Report) -> AsyncIterator[bytes]:
    """The base's tar as mmdebstrap writes it. Raises EngineError when mmdebstrap is missing or fails."""
    program = shutil.which("mmdebstrap")
    if program is None:
        raise EngineError(
            "The bundled images cannot be built: mmdebstrap is not installed on this machine.",
            "apt-get install mmdebstrap",
        )
    suite, sources = await asyncio.to_thread(debian_sources)
    options = await asyncio.to_thread(apt_options)
    with tempfile.TemporaryDirectory(prefix="dftui-") as folder:
        hook, settings = await asyncio.to_thread(_lay_out, Path(folder), options)
        argv = [program, "--variant=extract", f"--include={','.join(packages())}"]
        argv += [f'--extract-hook=sh {hook} "$1"']
        if options:
            argv += [f"--aptopt={settings}"]
        process = await asyncio.create_subprocess_exec(
            *argv,
            suite,
            "-",
            "-",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **_work_folder(), "LC_ALL": "C"},
        )
        told = asyncio.create_task(_told(process, tag, report))
        try:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(sources.encode())
            process.stdin.close()
            while chunk := await process.stdout.read(_CHUNK):
                yield chunk
            lines = await told
            if await process.wait() != 0:
                raise _failure(lines)
        finally:
            told.cancel()
            if process.returncode is None:
                process.terminate()
                # It removes its work folder itself; nobody else may, for the engine's own mounts may be in it.
                await process.wait()


def _lay_out(folder: Path, options: str) -> tuple[Path, Path]:
    """The hook and apt's settings as files; a proxy's address may hold a password, so not as arguments."""
    hook, settings = folder / _HOOK, folder / "apt.conf"
    hook.write_bytes(context_files(BASE)[_HOOK])
    settings.touch(0o600)
    settings.write_text(options)
    return hook, settings


def _work_folder() -> Mapping[str, str]:
    """Memory for the unpacked tree where there is enough: three times as fast as a disk."""
    if "TMPDIR" in os.environ:
        return {}
    with contextlib.suppress(OSError):
        space = os.statvfs(_SHM)
        if not space.f_flag & os.ST_NOEXEC and space.f_bavail * space.f_frsize >= _SHM_NEEDED:
            return {"TMPDIR": str(_SHM)} if stat.S_ISDIR(_SHM.stat().st_mode) else {}
    return {}


async def _told(process: asyncio.subprocess.Process, tag: str, report: Report) -> list[str]:
    """Report mmdebstrap's steps as they come; its last lines."""
    assert process.stderr is not None
    last: list[str] = []
    async for raw in process.stderr:
        line = raw.decode("utf-8", "replace").strip()
        if not line:
            continue
        last = [*last[-20:], line]
        if line.startswith("I: "):
            for number, words in enumerate(_STEPS):
                if words in line:
                    report(ImageProgress(tag, "base", done=number, total=len(_STEPS), text=line[3:]))
    return last


def _failure(lines: list[str]) -> EngineError:
    """What apt or mmdebstrap said, without passwords that stand in addresses."""
    wrong = [line for line in lines if line.startswith(("E:", "Err:"))] or lines[-3:]
    text = re.sub(r"://[^/@\s]+@", "://", " ".join(wrong[:3]))
    return EngineError(
        f"The base of the bundled images could not be made: {text[:400]}",
        "See that `apt-get update` works on this machine; its package sources are used.",
    )
