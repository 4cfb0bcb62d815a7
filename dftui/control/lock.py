"""One operator acts at a time: a lock that lives in the engine and ends with its holder.

While the balancer runs, the lock is a folder in it, made and held by its shell (`balancer.shell`), whose stream the
holder keeps open and beats on.  When the stream ends (the holder was killed) the folder goes at once; when the beats
stop although the stream stands (a cut SSH link says nothing), another may take it after `STALE` seconds, and that is
said.  Where no balancer runs (the first `up`), it is a small container of a fixed name with the same rules: names are
unique.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dftui.balancer.holder import Holder
from dftui.balancer.pair import PairedLink
from dftui.balancer.shell import LOCK_PATH, STALE, Shell
from dftui.control.errors import ActionError
from dftui.control.steps import Progress
from dftui.control.world import World, by_role
from dftui.engine.api import ByteStream, Conflict, ContainerSpec, Engine, EngineError, NotFound
from dftui.stack import names

BEAT = 4.0
PATIENCE = 3.0
"""Seconds to wait for the other to finish before saying no."""
_PAUSE = 0.1

_LIVES = (
    "touch /tmp/beat; while [ -e /tmp/beat ] && "
    f"[ $(( $(date +%s) - $(stat -c %Y /tmp/beat) )) -lt {STALE} ]; do sleep 0.5; done"
)
_BEATS = "while read -r beat; do touch /tmp/beat; done; rm -f /tmp/beat"
_WHO = "dftui.who"


class Busy(ActionError):
    """Another one holds the lock."""


def me() -> str:
    """This operator: the user, and where the SSH connection comes from if there is one."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        user = f"uid{os.geteuid()}"
    origin = os.environ.get("SSH_CONNECTION", "").split(" ")[0]
    return f"{user}@{origin}" if origin else user


def _label(what: str) -> str:
    # Like no other: by it the holder is known again, and two may be of one name, process id and second.
    return f"{int(time.time())}.{os.getpid()}.{secrets.token_hex(4)} {me()} {what}".replace("\n", " ")


async def holder(engine: Engine, stack: str) -> Holder | None:
    """Who acts on a stack now, None when nobody does."""
    balancer = names.container_name(stack, "balancer")
    with contextlib.suppress(EngineError):
        return Holder.parse((await engine.get_file(balancer, f"{LOCK_PATH}/who")).decode("utf-8", "replace"))
    for container in await engine.containers({names.LABEL_STACK: stack, names.LABEL_ROLE: "lock"}):
        if container.state in ("created", "running"):
            return Holder.parse(container.labels.get(_WHO, ""))
    return None


@asynccontextmanager
async def held(shell: Shell, stack: str, what: str, *, taken: list[Holder] | None = None) -> AsyncIterator[None]:
    """Hold the lock in the running balancer while acting. Raises ActionError, naming the holder, when another one
    does; a holder whose beats had stopped, and from whom it was taken, is put into `taken`.  One from whom it is
    taken that way is cancelled where it stands as soon as it wakes, and raises ActionError, too."""
    who = _label(what)
    task = asyncio.current_task()
    assert task is not None
    lost: list[Holder] = []
    beating: asyncio.Task[None] | None = None
    try:
        last = await _take_inside(shell, stack, who)
        if last and taken is not None:
            taken.append(Holder.parse(last))
        beating = asyncio.create_task(_beat_inside(shell, who, task, lost))
        yield
    except asyncio.CancelledError:
        if not lost:
            raise
        task.uncancel()
        raise ActionError(
            f"{lost[0].words()} took over: this dftui gave no sign of life for {STALE} s; it stopped where it was",
            "look at what there is now: dftui status",
        ) from None
    finally:
        if beating is not None:
            beating.cancel()
        # Also when it was cancelled on the way: the shell answers to the end, and may hold the lock by then.
        with contextlib.suppress(EngineError):
            await asyncio.shield(shell.drop(who))


async def _take_inside(shell: Shell, stack: str, who: str) -> str:
    """Take it, waiting a moment for whoever has it; the silent one it was taken from, or ""."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            taken, other = await shell.take(who)
        except EngineError as error:
            raise ActionError(f"the lock in the balancer of {stack} cannot be taken: {error}", error.hint) from None
        if taken:
            return other
        if time.monotonic() > end:
            raise _busy(Holder.parse(other))
        await asyncio.sleep(_PAUSE)


async def _beat_inside(shell: Shell, who: str, task: asyncio.Task[object], lost: list[Holder]) -> None:
    """Signs of life; a lock that went with its stream (the balancer was restarted) is taken again if it is free, and
    `task` ends if another one has it."""
    while True:
        await asyncio.sleep(BEAT)
        with contextlib.suppress(EngineError):
            if await shell.beat(who):
                continue
            taken, other = await shell.take(who)
            if not taken:
                lost.append(Holder.parse(other))
                task.cancel()
                return


def _busy(other: Holder) -> Busy:
    return Busy(
        f"{other.words()} is acting on this stack; nothing was done",
        f"wait until that is done; if that session is gone, its lock can be taken after {STALE} s",
    )


async def _beat(stream: ByteStream) -> None:
    try:
        while True:
            await stream.write(b"beat\n")
            await asyncio.sleep(BEAT)
    except EngineError:
        return


@asynccontextmanager
async def held_for(world: World, what: str, image: str = "") -> AsyncIterator[None]:
    """Hold it in the running balancer, else (while there is anything to lock, or with an `image`) as a container."""
    balancer = by_role(await world.containers(), "balancer")
    if balancer is not None and balancer.state == "running":
        taken: list[Holder] = []
        async with held(world.link.shell, world.stack, what, taken=taken):
            for other in taken:
                Progress(what, world.report).tell(f"took over from {other.words()}: no sign of life")
            async with _held_beside(world, what):
                yield
    elif balancer is not None or image:
        async with held_outside(world.engine, world.stack, balancer.image_id if balancer else image, what):
            yield
    else:
        yield


@asynccontextmanager
async def _held_beside(world: World, what: str) -> AsyncIterator[None]:
    """The standby's lock, too: another dftui may speak to that one's manager. One that does not answer has none."""
    async with contextlib.AsyncExitStack() as stack:
        if isinstance(world.link, PairedLink) and await world.link.also(lambda other: other.shell.who()) is not None:
            try:
                await stack.enter_async_context(held(world.link.other.shell, world.stack, what))
            except Busy:
                raise
            except ActionError:
                pass  # it has gone since
        yield


@asynccontextmanager
async def held_outside(engine: Engine, stack: str, image: str, what: str) -> AsyncIterator[None]:
    """Hold the lock as a container of `image`, for when no balancer runs. Raises ActionError as `held` does."""
    ref = await _take(engine, stack, image, what)
    stream: ByteStream | None = None
    beating: asyncio.Task[None] | None = None
    try:
        await engine.start(ref)
        stream = await engine.exec_stream(ref, ("sh", "-c", _BEATS))
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


async def _take(engine: Engine, stack: str, image: str, what: str) -> str:
    name = f"{stack}-lock"
    spec = ContainerSpec(
        name=name,
        image=image,
        labels=names.stack_labels(stack, "lock", who=_label(what)),
        entrypoint=("sh",),
        command=("-c", _LIVES),
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
            await asyncio.sleep(_PAUSE)
    other = await holder(engine, stack)
    if other is None:
        raise ActionError(f"the lock of stack {stack} ({name}) cannot be taken", f"remove it: docker rm -f {name}")
    raise _busy(other)


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
