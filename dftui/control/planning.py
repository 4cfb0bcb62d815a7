"""`plan`: what `up` would do, before it does it; nothing is changed by looking."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from dataclasses import asdict, dataclass
from typing import Any

from dftui.balancer.config import spelled
from dftui.balancer.running import running
from dftui.control import changes, ground, replicas, rotation, specs, standby, tls
from dftui.control.changes import Look, Refusal
from dftui.control.errors import ActionError
from dftui.control.specs import Plan
from dftui.control.world import PARALLEL, World, bounded, by_role, webs
from dftui.dreamfactory.http import HttpError, Line
from dftui.engine.api import Container, EngineError
from dftui.engine.images import Seen, look_for_images
from dftui.stack import names
from dftui.stack.secrets import Secrets

_SOME_SUBNET = "10.0.0.0/24"
"""Addresses are not compared."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that `up` would do: `action` is get, create, start, unpause, replace, scale, reload or set; `what`
    the kind of thing; `why` what differs; `cost` what it costs those who use the stack, "" for nothing."""

    action: str
    what: str
    name: str
    why: tuple[str, ...] = ()
    cost: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """`plan --json`. Where something is `refused`, `up` does nothing at all."""

    stack: str
    changes: tuple[Change, ...]
    refused: tuple[Refusal, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The documented shape."""
        return asdict(self)


async def look(world: World, plan: Plan | None) -> Look:
    """How the stack is, as far as decisions need it; replicas are compared with `plan`."""
    containers, networks, volumes = await asyncio.gather(
        world.containers(), world.networks(), world.engine.volumes({names.LABEL_STACK: world.stack})
    )
    balancer = by_role(containers, "balancer")
    up = balancer is not None and balancer.state == "running"
    marked = await world.marked() if balancer is not None else None
    now = await running(world.link) if up else None
    asked = changes.outdated(webs(containers), plan) if plan is not None else []
    if balancer is not None:
        asked.append(balancer)
    details = await bounded(PARALLEL, lambda c: world.engine.inspect(c.id), asked)
    env = {}
    for image_id in {d.container.image_id for d in details if d.container.labels.get(names.LABEL_ROLE) == "web"}:
        if image_id and (image := await world.engine.image(image_id)) is not None:
            env[image_id] = image.env
    return Look(
        containers,
        networks,
        {volume.name for volume in volumes},
        marked,
        now,
        {detail.container.id: detail for detail in details},
        env,
        await _named(world),
    )


async def outline(world: World) -> Look:
    """The same without looking into replicas, and where the balancer cannot answer without what it would say."""
    containers, networks, images = await asyncio.gather(world.containers(), world.networks(), _named(world))
    balancer = by_role(containers, "balancer")
    marked, now = None, None
    if balancer is not None and balancer.state == "running":
        with contextlib.suppress(EngineError):
            marked, now = await world.marked(), await running(world.link)
    return Look(containers, networks, marked=marked, running=now, images=images)


async def check_health(world: World, look: Look) -> None:
    """Raise ActionError where the balancer is to ask for another path that replicas do not answer at: it would take
    them all out. Those of another image are asked when they are there."""
    edited = look.running is not None and look.running.health not in ("", spelled(world.spec.web.health))
    if world.spec.path and edited and not changes.image_edited(world.spec, look.marked):
        await all_answer(world)


async def all_answer(world: World) -> None:
    """Raise ActionError when a replica that counts does not answer 200 at its health path."""
    everyone = await world.containers()

    async def one(container: Container) -> None:
        code = await _answer(world, container)
        if code != 200:
            said = f"status {code}" if code else "nothing"
            raise ActionError(
                f"{container.name} answers {said} at {world.spec.web.health}, which the balancer is to ask, "
                "so it would be taken out; the balancer goes on with what it asks now",
                "put web.health right in the stack file; where it goes with other variables, roll those out first",
            )

    held = changes.still_held(await world.marked(), everyone)
    await bounded(PARALLEL, one, [c for c in changes.counted(everyone, held) if c.state == "running"])


async def _answer(world: World, container: Container) -> int:
    """The status of a replica's health path, 200 for every one that HAProxy takes for good; 0 without an answer."""
    if not world.spec.plain:
        return (await replicas.own_answer(world, container.id))[0]
    line = Line(world.engine, world.name("balancer"), world.address(container), world.spec.web.port)
    try:
        status = (await line.request("GET", world.spec.web.health)).status
    except HttpError:
        return 0
    finally:
        await line.close()
    return 200 if rotation.well(status) else status


async def _named(world: World) -> dict[str, str]:
    """Ids of the images that the stack file names, but for the replicas', as far as they are there."""
    found = {}
    for role in ("db", "cache", "balancer"):
        if (ref := getattr(world.spec.images, role)) and (image := await world.engine.image(ref)) is not None:
            found[role] = image.id
    return found


def web_target(plan: Plan, containers: tuple[Container, ...], *, edited: bool) -> Plan:
    """What replicas should be made from: the file's values, and the image that the pool runs unless the file was
    `edited` to name another one."""
    return plan if edited else ground.pinned_to_pool(plan, webs(containers))


async def preview(world: World, number: int | None = None) -> Preview:
    """What `up` (with `-n number`) would do now. Raises EngineError where the engine does not answer."""
    problems: list[Refusal] = []

    async def tried(work: Awaitable[Any]) -> Any:
        try:
            return await work
        except (ActionError, EngineError) as error:
            problems.append(Refusal(str(error), error.hint))
            return None

    containers = await world.containers()
    balancer = by_role(containers, "balancer")
    marked = await world.marked() if balancer is not None else None
    wanted = number if number is not None else changes.wanted_number(world.spec, marked)
    await tried(ground.check_number(world, wanted))
    await tried(ground.check_names(world, wanted))
    await tried(ground.check_whole(world))
    source = await ground.recorded_source(world, containers)
    anew = changes.named_anew(world.spec, marked)
    seen: Seen | None = await tried(
        look_for_images(world.engine, world.spec.images, source, anew, roles=world.spec.roles)
    )
    await tried(tls.read(world))
    secrets: Secrets | None = await tried(_secrets(world, containers))
    plan = None
    if seen is not None and secrets is not None:
        ids = {"web": seen.refs["web"], **seen.ids}  # one that is still to be had is none of those that run
        made = Plan(world.spec, secrets, seen.refs, ids, seen.source, _SOME_SUBNET)
        plan = web_target(made, containers, edited=changes.image_edited(world.spec, marked))
    found = await look(world, plan)
    problems += changes.refused(found, world.spec)
    await tried(check_health(world, found))
    steps = _steps(world, found, plan, seen, wanted)
    edit = changes.balancer_edit(found, world.spec, seen.source if seen else "")
    if seen is not None and (edit.moved or changes.service_step(balancer) in ("create", "start")):
        await tried(ground.check_port(world, seen.source, moved=edit.moved))
    return Preview(world.stack, tuple(steps), tuple(dict.fromkeys(problems)))


async def _secrets(world: World, containers: tuple[Container, ...]) -> Secrets | None:
    """Those that there are; None for a stack that has none yet, which `up` makes. Nothing is kept by looking."""
    try:
        return (await ground.known_secrets(world, containers, keep=False)).secrets
    except ground.NoSecrets:
        return None


def _steps(world: World, found: Look, plan: Plan | None, seen: Seen | None, wanted: int) -> list[Change]:
    """In the order in which `up` does them."""
    stack, steps = world.stack, []
    if seen is not None:
        named = {getattr(world.spec.images, role) for role in seen.refs}
        otherwise = {
            "pull": "pulled",
            "bundled": "built",
            "auto": "pulled, or built where no registry can be reached",
        }
        for ref in seen.missing():
            steps.append(Change("get", "image", ref, ("pulled" if ref in named else otherwise[seen.source],)))
    steps += [
        Change("create", "network", names.network_name(stack, which))
        for which in changes.missing_networks(stack, found.networks)
    ]
    steps += [
        Change("create", "volume", names.volume_name(stack, which))
        for which in changes.missing_volumes(world.spec, found.volumes)
    ]
    for role in (role for role in ("db", "cache") if role in world.spec.services):
        if step := changes.service_step(by_role(found.containers, role)):
            steps.append(Change(step, "container", world.name(role)))
    fresh = names.volume_name(stack, "db") not in found.volumes
    if changes.setup_due(world.spec, fresh=fresh, left_over=by_role(found.containers, "setup")):
        why = ("migrations and the first admin; removed again",)
        steps.append(Change("create", "container", world.name("setup"), why))
    held = changes.still_held(found.marked, found.containers)
    there = len(changes.counted(found.containers, held))
    first = found.marked.wanted if found.marked is not None else wanted
    to_start, to_make = changes.web_steps(found.containers, held, first)
    steps += [Change(step, "container", c.name) for c, step in to_start]
    steps += [Change("create", "container", world.name("web", number)) for number in to_make]
    balancer = by_role(found.containers, "balancer")
    if step := changes.service_step(balancer):
        steps.append(Change(step, "container", world.name("balancer"), _published(world, seen, balancer)))
    if node := standby.lacking(world, found.containers):
        steps.append(Change("create", "container", world.name("standby"), (f"on {node}, beside the balancer",)))
    if plan is not None:
        steps += [Change("replace", "container", *odd) for odd in changes.to_replace(found, plan).items()]
    if found.marked is not None and wanted != first:
        exist = (f"{there} exist",) if there != first else ()
        steps.append(Change("scale", "replicas", f"{first} → {wanted}", exist))
    edit = changes.balancer_edit(found, world.spec, seen.source if seen else "")
    name = world.name("balancer")
    if edit.live:
        steps.append(Change("set", "balancer", name, edit.live))
    if edit.replace:
        steps.append(Change("replace", "balancer", name, edit.replace + edit.reload, changes.REPLACE_COST))
    elif edit.reload:
        steps.append(Change("reload", "balancer", name, edit.reload, changes.RELOAD_COST))
    return steps


def _published(world: World, seen: Seen | None, balancer: Container | None) -> tuple[str, ...]:
    if balancer is not None or seen is None or (seen.source == "auto" and not world.spec.balancer.publish):
        return ()
    return (f"publishes {changes.where(specs.publish(world.spec, seen.source))}",)
