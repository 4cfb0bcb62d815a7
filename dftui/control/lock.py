"""One operator acts at a time: a lock that lives in the engine and dies with its holder.

It is a small container of a fixed name (the engine makes names unique), without a network, whose labels say who holds
it and since when.  Its holder keeps an exec stream open and sends a beat every few seconds.  When the stream ends
(the holder was killed) the container is gone within a second; when the beats stop although the stream stands (a cut
SSH link says nothing), after `STALE` seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dftui.control.errors import ActionError
from dftui.engine.api import ByteStream, Conflict, ContainerSpec, Engine, EngineError, NotFound
from dftui.stack import names

STALE = 15
BEAT = 4.0
PATIENCE = 3.0
"""Seconds to wait for the other to finish before saying no."""

_LIVES = (
    "sh",
    "-c",
    "touch /tmp/beat; while [ -e /tmp/beat ] && "
    f"[ $(( $(date +%s) - $(stat -c %Y /tmp/beat) )) -lt {STALE} ]; do sleep 0.5; done",
)
_BEATS = ("sh", "-c", "while read -r beat; do touch /tmp/beat; done; rm -f /tmp/beat")
_WHO = "dftui.who"
_SINCE = "dftui.since"
_WHAT = "dftui.what"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lock, since when (unix time), doing what."""

    who: str
    since: float
    what: str


def me() -> str:
    """This operator: the user, and where the SSH connection comes from if there is one."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        user = f"user {os.geteuid()}"
    origin = os.environ.get("SSH_CONNECTION", "").split(" ")[0]
    return f"{user}@{origin}" if origin else user


async def holder(engine: Engine, stack: str) -> Holder | None:
    """Who acts on a stack now, None when nobody does."""
    for container in await engine.containers({names.LABEL_STACK: stack, names.LABEL_ROLE: "lock"}):
        if container.state in ("created", "running"):
            labels = container.labels
            since = labels.get(_SINCE, "0")
            return Holder(labels.get(_WHO, "?"), float(since) if since.isdigit() else 0.0, labels.get(_WHAT, "?"))
    return None


@asynccontextmanager
async def held(engine: Engine, stack: str, image: str, what: str) -> AsyncIterator[None]:
    """Hold the stack's lock while acting. Raises ActionError, naming the holder, when another one does."""
    ref = await _take(engine, stack, image, what)
    stream: ByteStream | None = None
    beating: asyncio.Task[None] | None = None
    try:
        await engine.start(ref)
        stream = await engine.exec_stream(ref, _BEATS)
        beating = asyncio.create_task(_beat(stream))
        yield
    finally:
        if beating is not None:
            beating.cancel()
        await asyncio.shield(_release(engine, ref, stream))


async def _release(engine: Engine, ref: str, stream: ByteStream | None) -> None:
    if stream is not None:
        await stream.close()
    with contextlib.suppress(EngineError):  # its stream is closed, so it ends by itself
        await engine.remove(ref, force=True)


async def _beat(stream: ByteStream) -> None:
    try:
        while True:
            await stream.write(b"beat\n")
            await asyncio.sleep(BEAT)
    except EngineError:
        return


async def _take(engine: Engine, stack: str, image: str, what: str) -> str:
    name = f"{stack}-lock"
    spec = ContainerSpec(
        name=name,
        image=image,
        labels=names.stack_labels(stack, "lock", who=me(), since=str(int(time.time())), what=what),
        entrypoint=_LIVES[:1],
        command=_LIVES[1:],
        restart="no",
        auto_remove=True,
        isolated=True,
    )
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return await engine.create(spec)
        except Conflict:
            await _clear_dead(engine, name)
            if time.monotonic() > end:
                break
            await asyncio.sleep(0.1)
    other = await holder(engine, stack)
    if other is None:
        raise ActionError(f"the lock of stack {stack} ({name}) cannot be taken", f"remove it: docker rm -f {name}")
    since = time.strftime("%H:%M:%S", time.localtime(other.since))
    raise ActionError(
        f"{other.who} is acting on this stack ({other.what}, since {since}); nothing was done",
        f"wait until it is done; if that session is gone, the lock ends by itself after {STALE} s",
    )


async def _clear_dead(engine: Engine, name: str) -> None:
    """A lock whose holder was killed before it beat, or that the engine did not remove."""
    try:
        detail = await engine.inspect(name)
    except NotFound:
        return
    dead = detail.container.state in ("exited", "dead")
    never = detail.container.state == "created" and time.time() - detail.container.created > STALE
    if dead or never:
        await engine.remove(detail.container.id, force=True)
