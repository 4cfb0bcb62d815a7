"""The balancer's certificate: given to it before it starts, and a renewed one taken up without losing a request."""

from __future__ import annotations

import asyncio
import os
import tarfile
from dataclasses import dataclass
from typing import Any

from dftui.balancer.tls import CERTIFICATE_FOLDER, CERTIFICATE_PATH
from dftui.control.errors import ActionError
from dftui.control.steps import Progress
from dftui.control.world import World, by_role
from dftui.engine.api import EngineError, File
from dftui.stack.certificate import CertificateError, KeyPair, files, load
from dftui.stack.spec import StackSpec


@dataclass(frozen=True, slots=True)
class TlsResult:
    """`tls --json`: what the balancer serves, whether the files hold the same, and whether it was `renewed` now.
    `expires` is unix time, `files` "same", "newer", or why they are not used."""

    names: tuple[str, ...]
    expires: float
    fingerprint: str
    files: str
    renewed: bool = False

    def to_json(self) -> dict[str, Any]:
        """The documented shape."""
        return {
            "names": list(self.names),
            "expires": self.expires,
            "fingerprint": self.fingerprint,
            "files": self.files,
            "renewed": self.renewed,
        }


async def read(world: World) -> KeyPair | None:
    """The stack file's pair, checked; None when it has none. Raises ActionError."""
    if world.spec.balancer.tls is None:
        return None
    try:
        return await asyncio.to_thread(load, world.spec)
    except CertificateError as error:
        raise ActionError(f"{error}; nothing was changed", error.hint) from None


async def put(world: World, ref: str, pem: bytes) -> None:
    """Lay chain and key into a balancer that does not run, for HAProxy's user alone. Raises EngineError."""
    owner = await _owner(world, ref)
    uid, gid = owner.uid, owner.gid
    await world.engine.put_file(ref, File(CERTIFICATE_PATH, pem, 0o600, uid, gid))


async def _owner(world: World, ref: str) -> tarfile.TarInfo:
    """Whose HAProxy's folder is: the first entry of its archive."""
    head = b""
    async for piece in world.engine.get_archive(ref, CERTIFICATE_FOLDER):
        head += piece
        if len(head) >= tarfile.BLOCKSIZE:
            break
    try:
        return tarfile.TarInfo.frombuf(head[: tarfile.BLOCKSIZE], "utf-8", "surrogateescape")
    except tarfile.TarError:
        raise EngineError(
            f"{CERTIFICATE_FOLDER} of the balancer's image cannot be read", "use an official haproxy image"
        ) from None


async def take_up(world: World, progress: Progress, pair: KeyPair) -> bool:
    """Let a running balancer serve this pair on new connections; whether it served another. Those that are open go
    on. Raises EngineError."""
    served = await world.link.certificate()
    if served is not None and served.fingerprint == pair.fingerprint:
        return False
    with progress.step("take up the renewed certificate"):
        await world.link.renew(pair.pem)
    return True


async def look(world: World) -> TlsResult:
    """What is served, beside what the files hold. Raises ActionError."""
    served = await world.link.certificate()
    if world.spec.balancer.tls is None or served is None:
        raise ActionError(
            f"the balancer of {world.stack} serves no HTTPS",
            "give it a certificate: balancer: {tls: {cert: FILE, key: FILE}} in dftui.yaml; dftui help tls",
        )
    try:
        pair = await asyncio.to_thread(load, world.spec)
    except CertificateError as error:
        told = str(error)
    else:
        told = "same" if pair.fingerprint == served.fingerprint else "newer"
    return TlsResult(served.names, served.expires, served.fingerprint, told)


async def renew(world: World) -> TlsResult:
    """Take up what the files hold now. Raises ActionError."""
    progress = Progress("tls", world.report, total=1)
    pair = await read(world)
    balancer = by_role(await world.containers(), "balancer")
    if pair is None or balancer is None or balancer.state != "running" or await world.link.certificate() is None:
        return await look(world)  # says what is missing
    renewed = await take_up(world, progress, pair)
    progress.tell("the balancer serves the renewed certificate" if renewed else "it serves this certificate already")
    return TlsResult(pair.names, pair.expires, pair.fingerprint, "same", renewed)


class Renewals:
    """Notices that the files have changed, by what a look at them tells (a link that points elsewhere, too)."""

    def __init__(self, spec: StackSpec) -> None:
        self._paths = files(spec) if spec.balancer.tls is not None else ()
        self._last: list[tuple[int, ...]] | None = None

    def changed(self) -> bool:
        """Whether they differ from the last look; they do at the first."""
        if not self._paths:
            return False
        now: list[tuple[int, ...]] = []
        for path in self._paths:
            try:
                found = os.stat(path)  # noqa: PTH116 - the numbers alone
                now.append((found.st_ino, found.st_mtime_ns, found.st_size))
            except OSError:
                now.append(())
        before, self._last = self._last, now
        return before != now
