"""`up`: create what is missing, in the order that loses nothing and races with nothing.

Database healthy → cache answering → on new data the setup web alone (migrations, first admin), then removed →
one web alone until it answers → the others in parallel → balancer.  What is there already is left as it is.
A plain web needs neither: its replicas start, and the balancer's own checks let them in.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from dftui.balancer.config import Held
from dftui.control import admission, changes, ground, replicas, specs, standby, tls
from dftui.control.admission import HeldOut
from dftui.control.errors import ActionError
from dftui.control.specs import Plan
from dftui.control.steps import Progress, docker_run
from dftui.control.world import PARALLEL, World, bounded, by_role, webs
from dftui.engine.api import Conflict, Container, ContainerSpec, EngineError, ImageProgress, NotFound
from dftui.stack import names
from dftui.stack.certificate import KeyPair

DB_TIMEOUT = 180.0
CACHE_TIMEOUT = 60.0
SETUP_TIMEOUT = 300.0


async def up(world: World, replicas_wanted: int | None) -> None:
    """Bring the stack to `replicas_wanted` (None: what it had, else the stack file's). Raises ActionError."""
    progress = Progress("up", world.report, total=5 if world.spec.plain else 9)
    try:
        await _up(world, progress, replicas_wanted)
    except EngineError as error:
        raise ActionError(str(error), error.hint) from None


async def _up(world: World, progress: Progress, replicas_wanted: int | None) -> None:
    wanted = replicas_wanted if replicas_wanted is not None else await world.wanted()
    await ground.check_number(world, wanted)
    await ground.check_whole(world)
    await ground.check_names(world, wanted)
    await standby.check(world)
    pair = await tls.read(world)
    images_seen: dict[str, str] = {}

    def on_image(image: ImageProgress) -> None:
        line = f"{image.image}: {image.text or image.stage}"
        if image.total:
            line += f" {100 * image.done // image.total} %"
        if images_seen.get(image.image) != line:
            images_seen[image.image] = line
            progress.tell(line, state="running")

    with progress.step("images"):
        anew = changes.named_anew(world.spec, await world.marked())
        resolved = await ground.have_images(world, await world.containers(), on_image, anew)
    await ground.check_port(world, resolved.source)
    if world.spec.plain:
        recovered = await ground.gather_secrets(world)
        plan = await networks(world, progress, ground.make_plan(world, resolved, recovered, ""))
        plan = ground.pinned_to_pool(plan, webs(await world.containers()))
        await _webs(world, progress, plan, wanted)
        await _balancer(world, progress, plan, wanted, pair)
        await standby.ensure(world, progress)
        return
    fresh = names.volume_name(world.stack, "db") not in await _volumes(world)
    recovered = await ground.gather_secrets(world, progress, new_admin=fresh and world.spec.makes_admin)
    plan = await networks(world, progress, ground.make_plan(world, resolved, recovered, ""))
    await services(world, progress, plan)
    plan = await pool_up(world, progress, plan, wanted, fresh=fresh)
    await _balancer(world, progress, plan, wanted, pair)
    await standby.ensure(world, progress)


async def services(world: World, progress: Progress, plan: Plan) -> None:
    """The volumes, and database and cache on them, until both answer."""
    await volumes_made(world, plan)
    await asyncio.gather(
        service(world, progress, plan, specs.database(plan)), service(world, progress, plan, specs.cache(plan))
    )
    await answers(world, progress, plan, "db", "database", specs.DB_CHECK, DB_TIMEOUT)
    await answers(world, progress, plan, "cache", "cache", specs.CACHE_CHECK, CACHE_TIMEOUT)


async def pool_up(world: World, progress: Progress, plan: Plan, wanted: int, *, fresh: bool) -> Plan:
    """The replicas, after the setup web where the data is `fresh`; the plan that they are of."""
    containers = await world.containers()
    plan = ground.pinned_to_pool(plan, webs(containers))
    left_over = by_role(containers, "setup")
    if changes.setup_due(world.spec, fresh=fresh, left_over=left_over):
        await _setup(world, progress, plan, left_over)
    await _webs(world, progress, plan, wanted)
    return plan


async def _volumes(world: World) -> set[str]:
    return {v.name for v in await world.engine.volumes({names.LABEL_STACK: world.stack})}


async def networks(world: World, progress: Progress, plan: Plan) -> Plan:
    """Both networks, and the plan with the front's subnet in it."""
    ours = {n.name: n for n in await world.engine.networks({names.LABEL_STACK: world.stack})}
    front, back = (names.network_name(world.stack, which) for which in ("front", "back"))
    everything = await world.engine.networks()
    for name in (front, back):
        if name not in ours and any(n.name == name for n in everything):
            raise ActionError(
                f"a network named {name} exists and is not dftui's", "give this stack another name in dftui.yaml"
            )
    subnet = ours[front].subnets[0] if front in ours and ours[front].subnets else ""
    refused: list[str] = []
    while not subnet:
        candidate = world.spec.subnet or ground.free_subnet(
            world.stack, everything, [*ground.local_routes(), *refused]
        )
        spec = specs.front_network(world.stack, candidate)
        try:
            with progress.step(
                f"network {front} ({candidate})", command=f"docker network create --subnet {candidate} {front}"
            ):
                await world.engine.create_network(spec)
            subnet = candidate
        except Conflict:
            refused.append(candidate)
            if world.spec.subnet or len(refused) > 8:
                raise
    if "back" in changes.missing_networks(world.stack, ours.values()):
        with progress.step(f"network {back}", command=f"docker network create --internal {back}"):
            await world.engine.create_network(specs.back_network(world.stack))
    return replace(plan, subnet=subnet)


async def volumes_made(world: World, plan: Plan) -> None:
    """The stack's volumes, those that are not there yet."""
    for which in changes.missing_volumes(world.spec, await _volumes(world)):
        labels = names.stack_labels(world.stack, which, source=plan.source)
        await world.engine.create_volume(names.volume_name(world.stack, which), labels)


async def service(world: World, progress: Progress, plan: Plan, spec: ContainerSpec) -> None:
    """The database or the cache: created when missing, started when stopped, thawed when paused."""
    role = spec.labels[names.LABEL_ROLE]
    there = by_role(await world.containers(), role)
    if there is None:
        await replicas.create(world, progress, spec)
    elif step := changes.service_step(there):
        await _begin(world, progress, there, step)
    else:
        progress.done += 1


async def _begin(world: World, progress: Progress, container: Container, step: changes.ServiceStep) -> None:
    """Start one that is stopped, or thaw one that is paused."""
    with progress.step(f"{step} {container.name}", command=f"docker {step} {container.name}"):
        await (world.engine.unpause if step == "unpause" else world.engine.start)(container.id)


async def answers(
    world: World, progress: Progress, plan: Plan, role: str, word: str, check: tuple[str, ...], timeout: float
) -> None:
    """Wait until the service answers its own health check (asked at once, not at the engine's next interval)."""
    name = world.name(role)
    end = time.monotonic() + timeout
    with progress.step(f"{word} answers"):
        said = ""
        while time.monotonic() < end:
            try:
                result = await world.engine.exec(name, check, timeout=10)
                if result.exit_code == 0:
                    return
                said = result.stderr.decode("utf-8", "replace").strip().splitlines()[-1:][0] if result.stderr else ""
            except Conflict:
                pass  # it is not running: the next look says why
            except NotFound:
                # Still on its way out when this `up` began (another one was killed over its removal).
                spec = specs.database(plan) if role == "db" else specs.cache(plan)
                await service(world, progress, plan, spec)
                continue
            await replicas.ensure_alive(world, name, name, plan)
            await asyncio.sleep(replicas.POLL)
        raise ActionError(
            f"the {word} ({name}) did not answer within {timeout:g} s" + (f": {said}" if said else ""),
            f"look at its log: docker logs {name}",
        )


async def _setup(world: World, progress: Progress, plan: Plan, left_over: Container | None) -> None:
    """The first web, alone, with the first admin's variables; gone again once `/status` reports an admin."""
    progress.total += 2
    if left_over is not None:
        await world.engine.remove(left_over.id, force=True)
    spec = specs.setup(plan)
    ref = await replicas.create(world, progress, spec)
    try:
        with progress.step(f"migrations and the first admin {world.spec.admin.email}"):
            await replicas.wait_for_status(
                world, ref, spec.name, plan, lambda s: s.admins >= 1, "it reports an admin", SETUP_TIMEOUT
            )
    except ActionError:
        # Stopped and kept: its log is what the user needs; the next `up` replaces it.
        await asyncio.shield(world.engine.stop(ref, 1))
        raise
    await ground.keep_admin(world, plan, world.spec.admin.email, plan.secrets.admin_password)
    with progress.step(
        f"remove {spec.name}, so that no container keeps ADMIN_*", command=f"docker rm -f {spec.name}"
    ):
        await world.engine.remove(ref, force=True)


async def _webs(world: World, progress: Progress, plan: Plan, wanted: int) -> None:
    """Start what is stopped, then create what is missing: the first alone when none is ready, then in parallel."""
    everyone = await world.containers()
    held = changes.still_held(await world.marked(), everyone)
    there = changes.counted(everyone, held)
    if len(there) > wanted:
        return
    steps, missing = changes.web_steps(everyone, held, wanted)
    for container in there:
        await replicas.join(world, plan, container)
    for container, step in steps:
        await _begin(world, progress, container, step)
    progress.total += len(missing)
    running = list(there)
    if not running and missing:
        first = specs.web(plan, missing.pop(0))
        await replicas.create(world, progress, first)
        running = [c for c in webs(await world.containers()) if c.name == first.name]
        await web_ready(world, plan, running[0])

    async def make(number: int) -> None:
        await replicas.create(world, progress, specs.web(plan, number))

    await bounded(PARALLEL, make, missing)


async def web_ready(world: World, plan: Plan, container: Container) -> None:
    """Wait until a replica answers by itself. Raises ActionError."""
    if world.spec.plain:
        return  # nothing can be run in just any image: the balancer's check is asked
    if world.spec.admin.mode == "none":
        await replicas.migrate(world, container)
    await replicas.wait_for_status(
        world,
        container.id,
        container.name,
        plan,
        lambda s: s.ready,
        "it answers 200",
        world.spec.web.start_timeout,
    )


async def _balancer(world: World, progress: Progress, plan: Plan, wanted: int, pair: KeyPair | None) -> None:
    """Create, start or catch up the balancer; ends when every replica is in its table and up, and its certificate is
    this `pair`'s."""
    everyone = await world.containers()
    there = by_role(everyone, "balancer")
    held = changes.still_held(await world.marked(), everyone)
    pool = [c for c in changes.counted(everyone, held) if c.state == "running"]
    if there is not None and there.state == "running":
        # One that serves no HTTPS yet is replaced when what was edited is rolled out.
        if pair is not None and (marked := await world.marked()) is not None and marked.https:
            await tls.take_up(world, progress, pair)
        await catch_up(world, progress, plan, wanted, pool, held)
        return

    if world.spec.plain:
        for ended in (c for c in changes.counted(everyone, held) if c.state != "running"):
            await replicas.ensure_alive(world, ended.id, ended.name, plan)
        # It begins with no server, and lets each in when its own check of it has passed.
        await _start_balancer(world, progress, plan, wanted, there, [], held, pair)
        await all_up(world, plan, [])
        await catch_up(world, progress, plan, wanted, pool, held)
        return

    # Before the balancer begins: each replica's own answer, so that it starts with servers that are up.
    async def ready(container: Container) -> None:
        await web_ready(world, plan, container)

    with progress.step(f"{len(pool)} replicas answer {world.spec.web.health}"):
        await bounded(PARALLEL, ready, pool)
    refused = await _refused(world, plan, pool)
    pool = [c for c in pool if c.id not in refused]
    held += [Held(ref[:12], error.why) for ref, error in refused.items()]
    if refused and not pool:
        raise next(iter(refused.values()))
    wanted -= len(refused)
    await _start_balancer(world, progress, plan, wanted, there, pool, held, pair)
    with progress.step("balancer sees every replica up"):
        await all_up(world, plan, pool)
    for error in refused.values():
        raise error


async def _start_balancer(
    world: World,
    progress: Progress,
    plan: Plan,
    wanted: int,
    there: Container | None,
    pool: list[Container],
    held: list[Held],
    pair: KeyPair | None,
) -> None:
    """One that is stopped, or a new one, with these replicas in its table from the start."""
    servers = [world.server(plan, c) for c in pool]
    world.refiled = world.filed or changes.filed(world.spec)
    if there is not None:
        await world.write_config(plan, wanted, servers, held)
        if pair is not None:
            await tls.put(world, there.id, pair.pem)
        with progress.step(f"start {there.name}", command=f"docker start {there.name}"):
            await world.engine.start(there.id)
        return
    closed = bool(pool) and await replicas.admin_exists(world, pool[0].id)
    secure = specs.https(world.spec, plan.source)
    https = secure.host_port if secure else 0
    spec = specs.balancer(plan, world.config(plan, wanted, servers, held, closed=closed, https=https))
    with progress.step(f"start {spec.name}", command=docker_run(spec)):
        ref = await world.engine.create(spec)
        try:
            if pair is not None:
                await tls.put(world, ref, pair.pem)
            await world.engine.start(ref)
        except BaseException:
            await asyncio.shield(world.engine.remove(ref, force=True))
            raise


async def _refused(world: World, plan: Plan, pool: list[Container]) -> dict[str, HeldOut]:
    """Which of these may not be let in, by id; what the application reads is looked at in the first of them."""
    refused: dict[str, HeldOut] = {}

    async def one(container: Container) -> None:
        try:
            if await admission.check(world, plan, container, known=container is not pool[0]):
                await admission.check_file(world, plan, container)
        except HeldOut as error:
            refused[container.id] = error

    await bounded(PARALLEL, one, pool)
    return refused


async def all_up(world: World, plan: Plan, pool: list[Container]) -> None:
    """Wait until the balancer has all of these and finds them up. Raises ActionError."""
    end = time.monotonic() + 30
    name = world.name("balancer")
    problem = ""
    while time.monotonic() < end:
        try:
            states = {s.name: s for s in await world.link.servers()}
            waiting = [c.name for c in pool if c.short not in states or not states[c.short].status.startswith("UP")]
            if not waiting:
                return
            problem = f"{', '.join(waiting)} not up"
        except EngineError as error:
            problem = str(error)
            await replicas.ensure_alive(world, name, name, plan)
        await asyncio.sleep(replicas.POLL)
    raise ActionError(f"the balancer ({name}) is not ready after 30 s: {problem}", f"docker logs {name}")


async def catch_up(
    world: World, progress: Progress, plan: Plan, wanted: int, pool: list[Container], held: list[Held]
) -> None:
    """Bring a running balancer's table to the replicas that run: forget dead servers, admit new ones; `held` are
    those that stay out. Raises HeldOut, when all is done, if one more has to."""
    states = {s.name: s for s in await world.link.servers()}
    alive = {c.short: c for c in pool}
    for gone in set(states) - set(alive):
        with progress.step(f"forget server {gone}: its container is gone"):
            await replicas.forget(world, gone)

    refused: dict[str, HeldOut] = {}

    async def take(container: Container) -> None:
        try:
            await replicas.admit(world, progress, plan, container)
        except HeldOut as error:
            refused[container.short] = error

    await bounded(PARALLEL, take, [c for c in pool if c.short not in states])
    held += [Held(name, error.why) for name, error in refused.items()]
    servers = [world.server(plan, c) for c in pool if c.short not in refused]
    await world.link.trust(world.spec.balancer.trusted_proxies)
    asked = bool(pool) and not world.spec.plain and not await world.setup_closed()
    if asked and await replicas.admin_exists(world, pool[0].id):
        with progress.step("close the setup form: there is an admin"):
            await world.link.close_setup(True)
    await world.write_config(plan, wanted - len(refused), servers, held)
    for error in refused.values():
        raise error
