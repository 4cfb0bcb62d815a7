"""One replica's life: created, started, checked, admitted; drained, taken out, stopped, removed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from dftui.balancer.config import Server, endpoint
from dftui.balancer.stat import ServerState
from dftui.control import admission, specs
from dftui.control.errors import ActionError
from dftui.control.receipts import Drained
from dftui.control.specs import Plan
from dftui.control.steps import Progress, docker_remove, docker_run, service_create
from dftui.control.world import World
from dftui.dreamfactory.api import Status, parse_status
from dftui.engine.api import Attachment, Conflict, Container, ContainerSpec, EngineError, NotFound
from dftui.watch.derive import number_of
from dftui.watch.sanitise import clean

POLL = 0.1
"""Seconds between two looks at the balancer's table (0.3 ms each over the long stream)."""

OPEN_PATIENCE = 1.0
"""Seconds to wait for a replica's port before the balancer's checks do: what is added is checked at once and then ten
times a second, so a replica that is added as it begins to listen is in sooner."""

FIRST_PATIENCE = 1.0
"""Seconds for the first request to come to a new replica, for the receipt."""
FORGET_PATIENCE = 5.0
"""Seconds that a dead server's last sessions have to be tried elsewhere."""

FETCH = (
    'exec 3<>"/dev/tcp/127.0.0.1/$1" && '
    "printf 'GET %s HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' \"$2\" >&3 && cat <&3"
)
"""A GET from inside the web itself, with nothing but bash: before there is a balancer to go through."""


async def own_answer(world: World, ref: str) -> tuple[int, bytes]:
    """Status and body of the health path, asked inside the container; (0, b"") while nobody listens."""
    argv = ("bash", "-c", FETCH, "fetch", str(world.spec.web.port), world.spec.web.health)
    result = await world.engine.exec(ref, argv, timeout=15)
    head, _, body = result.stdout.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    code = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    return code, body


async def migrate(world: World, container: Container) -> None:
    """With `admin: none` nobody else migrates; the health path needs the tables before the form can be reached.

    As www-data: artisan run as root leaves a root-owned log, and then the web answers 500 to everything.
    """
    end = time.monotonic() + world.spec.web.start_timeout
    argv = ("php", "artisan", "migrate", "--seed", "--force")
    while time.monotonic() < end:
        try:
            code, _ = await own_answer(world, container.id)
            if code == 200:
                return
            if code:
                result = await world.engine.exec(container.id, argv, user="www-data", timeout=120)
                if result.exit_code == 0:
                    return
        except (Conflict, NotFound):
            return  # it has ended: whoever waits for it next says why
        await asyncio.sleep(0.5)


async def admin_exists(world: World, ref: str) -> bool:
    """Whether the web's `/status` counts an admin."""
    return parse_status(*await own_answer(world, ref)).admins > 0


async def ensure_alive(world: World, ref: str, name: str, plan: Plan) -> None:
    """Raise ActionError, with the last log lines, when a container has exited instead of running."""
    try:
        detail = await world.engine.inspect(ref)
    except NotFound:
        raise ActionError(f"{name} was removed while it was being started", "run the command again") from None
    if detail.container.state in ("exited", "dead") or detail.restart_count > 0:
        code = detail.exit_code
        why = "was killed for lack of memory" if detail.oom_killed else f"exited at once with code {code}"
        words = await world.last_words(ref, plan)
        raise ActionError(
            f"{name} (image {detail.container.image}) {why}" + (f"; its last lines:\n{words}" if words else ""),
            f"look at all of it: docker logs {name}",
        )


async def wait_for_status(
    world: World, ref: str, name: str, plan: Plan, good: Callable[[Status], bool], what: str, timeout: float
) -> None:
    """Wait until the web's own `/status` is `good`. Raises ActionError when it exits or the time is over."""
    end = time.monotonic() + timeout
    last = 0
    while time.monotonic() < end:
        try:
            last, body = await own_answer(world, ref)
            if good(parse_status(last, body)):
                return
        except (Conflict, NotFound):
            pass
        await ensure_alive(world, ref, name, plan)
        await asyncio.sleep(POLL)
    words = await world.last_words(ref, plan)
    raise ActionError(
        f"{name} did not become ready within {timeout:g} s: waited until {what}, {world.spec.web.health} answered "
        + (f"status {last}" if last else "nothing")
        + (f"; its last lines:\n{words}" if words else ""),
        f"look at all of it: docker logs {name}",
    )


async def create(
    world: World, progress: Progress, spec: ContainerSpec, *, still: Callable[[], bool] = lambda: True
) -> str:
    """Create and start one container; its id. What was created is removed again when it does not start, or when it
    is not wanted any more just before it would ("" then): `+` and `-` pressed quickly are nothing.

    It starts on its first network and joins the others while it boots; on a swarm it is made whole, and runs."""
    if world.spec.swarm and spec.place:
        with progress.step(f"start {spec.name}", command=service_create(spec)):
            return await world.engine.create(spec) if still() else ""
    with progress.step(f"start {spec.name}", command=docker_run(spec)):
        ref = await world.engine.create(replace(spec, networks=spec.networks[:1]))
        try:
            if not still():
                await world.engine.remove(ref, force=True)
                return ""
            await world.engine.start(ref)
            for attachment in spec.networks[1:]:
                await _join_booting(world, ref, attachment)
        except BaseException:
            await asyncio.shield(world.engine.remove(ref, force=True))
            raise
    return ref


async def started(world: World, spec: ContainerSpec, ref: str) -> Container:
    """One that was created and started just now; where its addresses are fixed, the engine need not be asked."""
    if world.spec.swarm:
        return (await world.engine.inspect(ref)).container
    return Container(
        id=ref,
        name=spec.name,
        image=spec.image,
        image_id="",
        state="running",
        health="none",
        created=time.time(),
        labels=spec.labels,
        addresses={a.network: a.address or "" for a in spec.networks},
    )


async def _join_booting(world: World, ref: str, attachment: Attachment) -> None:
    """Join one that may end at any moment; then whoever waits for it says why it ended."""
    try:
        await world.engine.connect(attachment.network, ref, attachment)
    except EngineError:
        detail = await world.engine.inspect(ref)
        if detail.container.state == "running" and not detail.restart_count:
            raise


async def join(world: World, plan: Plan, container: Container) -> None:
    """Join a replica to the networks it lacks: its dftui was killed between its start and that."""
    if world.spec.swarm:
        return  # a service is on its networks from the start
    for attachment in specs.web(plan, number_of(container)).networks:
        if attachment.network not in container.addresses:
            await world.engine.connect(attachment.network, container.id, attachment)


async def admit(world: World, progress: Progress, plan: Plan, container: Container, *, known: bool = False) -> None:
    """Put a running replica into the balancer and wait until it has passed: its key and backends, and its own health
    check there. Before that it gets no request. `known`: one of its kind serves already.

    Raises HeldOut when it does not pass within `web.start_timeout`, ActionError when it exits; it is then out of the
    table again.
    """
    server = world.server(plan, container)
    with progress.step(f"admit {container.name} once {world.spec.web.health} answers", command=""):
        opening = asyncio.create_task(_until_open(world, server))
        try:
            unread = await admission.check(world, plan, container, known=known)
            await opening
            await world.link.add(server, closed=unread)
            if unread:
                await _until(world, container, plan, lambda: _checked(world, container.short))
                await admission.check_file(world, plan, container)
                await world.link.ready(container.short)
            await _until(world, container, plan, lambda: world.link.let_in(container.short))
        except BaseException:
            await asyncio.shield(forget(world, container.short))
            raise
        finally:
            opening.cancel()


async def _until_open(world: World, server: Server) -> None:
    end = time.monotonic() + OPEN_PATIENCE
    with contextlib.suppress(EngineError):  # where it cannot be asked, the checks will see
        while time.monotonic() < end:
            if await world.link.shell.reach(endpoint(server)):
                return
            await asyncio.sleep(POLL / 20)


async def _checked(world: World, server: str) -> bool:
    """Its health check has passed, whether it takes requests or not."""
    state = await state_of(world, server)
    return state is not None and state.status in ("DRAIN", "UP")


async def _until(world: World, container: Container, plan: Plan, so: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it is so. Raises HeldOut when the time is over, ActionError when the replica has exited."""
    end = time.monotonic() + world.spec.web.start_timeout
    look = time.monotonic() + 0.5
    why = ""
    while time.monotonic() < end:
        if await so():
            return
        if time.monotonic() > look:
            state = await state_of(world, container.short)
            why = state.check_why if state is not None else ""
            await ensure_alive(world, container.id, container.name, plan)
            look = time.monotonic() + 1.0
        await asyncio.sleep(POLL / 20)
    words = await world.last_words(container.id, plan)
    said = f" (the balancer's check says: {clean(why)})" if why else ""
    raise admission.HeldOut(
        container.name, f"did not become healthy within {world.spec.web.start_timeout:g} s{said}", words
    )


async def first_request(world: World, server: str) -> float | None:
    """When a replica that has just been let in had answered its first request (monotonic seconds). Not waited for for
    long, nor while nobody sends any: None then."""
    end = time.monotonic() + FIRST_PATIENCE
    while True:
        table = await world.link.table()
        state = table.server(server)
        now = time.monotonic()
        if state is not None and state.requests:
            return now
        if state is None or not table.frontend.rate or now > end:
            return None
        await asyncio.sleep(POLL / 5)


async def state_of(world: World, server: str) -> ServerState | None:
    """One server's row in the balancer's table; None when it is not there."""
    return next((s for s in await world.link.servers() if s.name == server), None)


async def forget(world: World, server: str) -> None:
    """Take a server whose replica is gone or no good out of the table; no error when it is not there.

    What it was asked last may still be on its way to another replica (a connection to a container that vanished is
    given up after a second, and then tried elsewhere), so that gets a moment before it would be cut."""
    if await state_of(world, server) is None:
        return
    await world.link.drain(server)
    end = time.monotonic() + FORGET_PATIENCE
    while time.monotonic() < end:
        state = await state_of(world, server)
        if state is None:
            return
        if state.sessions + state.queue == 0:
            break
        await asyncio.sleep(POLL)
    await world.link.delete(server)


async def drain(world: World, name: str, server: str, *, undone: Callable[[], bool]) -> Drained | None:
    """Take a server out of rotation and wait until nothing runs or waits on it; None when the drain was undone.

    Bounded by `web.drain_timeout`; what was still running then is counted in `sessions_left`.
    """
    begin = time.monotonic()
    await world.link.drain(server)
    while True:
        state = await state_of(world, server)
        if state is None:
            return Drained(name, 0, round(time.monotonic() - begin, 2))
        if undone() or state.admin == "ready":
            return None
        left = state.sessions + state.queue
        spent = time.monotonic() - begin
        if left == 0 or spent > world.spec.web.drain_timeout:
            return Drained(name, left, round(spent, 2))
        await asyncio.sleep(POLL)


async def dispose(world: World, progress: Progress, container: Container, *, timeout: float = 10.0) -> None:
    """Stop and remove a replica that no longer stands in the balancer's table."""
    command = docker_remove(container.name, service=world.spec.swarm)
    with progress.step(f"stop and remove {container.name}", command=command):
        async with world.ending:
            try:
                await world.engine.stop(container.id, timeout)
            except NotFound:
                return
            await world.engine.remove(container.id, force=True)
