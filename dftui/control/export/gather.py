"""What an export writes down: what runs, or, where nothing does, what the stack file wants. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dftui.balancer.config import PORT, Server
from dftui.balancer.tls import PORT as HTTPS_PORT
from dftui.control import ground, specs, tls
from dftui.control.errors import ActionError, SteppedAside
from dftui.control.export import compose, files, shell, swarm
from dftui.control.export.blueprint import Blueprint, blueprint
from dftui.control.export.files import Exported
from dftui.control.specs import FIRST_WEB_HOST, Plan
from dftui.control.told import told
from dftui.control.world import World, by_role, webs
from dftui.engine.api import Container, EngineError, Port
from dftui.engine.bundled import bundled_tag
from dftui.stack import names
from dftui.stack.secrets import Recovered, SecretsError, load_secrets, recover
from dftui.stack.spec import REAL_IMAGES, StackSpec
from dftui.watch.derive import number_of

KINDS: Mapping[str, Callable[[Blueprint], tuple[Exported, ...]]] = {
    "docker": shell.write,
    "compose": compose.write,
    "swarm": swarm.write,
}
_OPEN = ("", "0.0.0.0", "::")


@dataclass(frozen=True, slots=True)
class ExportResult:
    """`export --json`. `source` is "running" or "stack file", `key` the APP_KEY's fingerprint, `secret` the files
    that hold secrets."""

    kind: str
    folder: str
    files: tuple[str, ...]
    secret: tuple[str, ...]
    source: str
    replicas: int
    key: str
    url: str
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The documented shape."""
        return {
            "kind": self.kind,
            "folder": self.folder,
            "files": list(self.files),
            "secret": list(self.secret),
            "source": self.source,
            "replicas": self.replicas,
            "key": self.key,
            "url": self.url,
            "notes": list(self.notes),
        }


async def export(world: World, kind: str, folder: Path) -> ExportResult:
    """Write the stack down as `kind`. Raises ActionError; then nothing was written."""
    if world.spec.plain:
        raise SteppedAside("nothing was exported")
    try:
        made = await _gathered(world)
    except EngineError as error:
        raise ActionError(str(error), error.hint) from None
    written = KINDS[kind](made)
    files.check(written, made.hidden)
    files.save(folder, written)
    return ExportResult(
        kind=kind,
        folder=str(folder),
        files=tuple(one.name for one in written),
        secret=tuple(one.name for one in written if one.mode == files.OWN),
        source="running" if made.running else "stack file",
        replicas=len(made.webs),
        key=made.key,
        url=made.url,
        notes=made.notes,
    )


async def _gathered(world: World) -> Blueprint:
    containers = await world.containers()
    recovered = await _secrets(world)
    notes: list[str] = []
    source = await ground.recorded_source(world, containers) or world.spec.images.source
    images = _images(world.spec, source) | {
        role: found.image for role in ("db", "cache", "web", "balancer") if (found := by_role(containers, role))
    }
    pool = await _pool(world, containers)
    ids = {"web": pool[0].image_id} if pool else {}
    spec = await _as_published(world, by_role(containers, "balancer"))
    pair = await tls.read(world)
    if pair is None and (marked := await world.marked()) is not None and marked.https:
        notes.append("It is without HTTPS, which the balancer serves: the stack file names no certificate (tls:).")
    subnet = await _subnet(world, notes)
    plan = Plan(spec, recovered.secrets, images, ids, "bundled" if source == "bundled" else "pull", subnet)
    wanted = await world.wanted() if containers else spec.web.replicas
    numbers = [number_of(c) for c in pool]
    numbers += names.lowest_free(numbers, max(0, wanted - len(numbers)))
    if recovered.made and not recovered.found:
        notes.append("APP_KEY and passwords are new: nothing runs yet. dftui itself does not keep them.")
    if any(c.labels.get(names.LABEL_SPEC) != specs.spec_hash(plan) for c in pool):
        notes.append("What runs was made with other settings than the stack file has now; this is what it has now.")
    if local := [image for image in images.values() if image.startswith(("dftui/", "sha256:"))]:
        notes.append(
            f"No registry has {', '.join(dict.fromkeys(local))}: on another machine, `docker save` and `docker load` "
            "them first."
        )
    servers = tuple(
        Server(name, plan.address(FIRST_WEB_HOST + n), spec.web.port, name)
        for n in sorted(numbers)
        for name in (names.container_name(world.stack, "web", n),)
    )
    closed = bool(by_role(containers, "balancer")) and await world.setup_closed()
    secure = specs.https(spec, plan.source)
    config = world.config(plan, len(servers), servers, closed=closed, https=secure.host_port if secure else 0)
    return blueprint(
        plan,
        sorted(numbers),
        replace(config, probe_nonce=""),
        pem=pair.pem.decode("ascii") if pair else "",
        running=bool(containers),
        notes=notes,
    )


async def _secrets(world: World) -> Recovered:
    """From the file and the containers; new ones where the stack has never been. Nothing is kept."""
    try:
        saved = load_secrets(await world.engine_id(), world.stack)
        found = await told(world.engine, world.stack, [one.name for one in await world.held()])
        return recover(found.envs, saved=saved, volumes=found.volumes)
    except SecretsError as error:
        raise ActionError(str(error), error.hint) from None


async def _pool(world: World, containers: tuple[Container, ...]) -> list[Container]:
    """The replicas, but for those that are held out."""
    held = {one.name for one in await world.held()}
    return [c for c in webs(containers) if c.short not in held]


def _images(spec: StackSpec, source: str) -> dict[str, str]:
    """What `up` would create from, as far as that can be told without asking a registry."""
    return {
        role: getattr(spec.images, role) or (bundled_tag(role) if source == "bundled" else real)
        for role, real in REAL_IMAGES.items()
    }


async def _as_published(world: World, balancer: Container | None) -> StackSpec:
    """The stack file, with the ports that the balancer has."""
    if balancer is None:
        return world.spec
    ports = {port.container_port: port for port in (await world.engine.inspect(balancer.id)).container.ports}
    told = world.spec.balancer
    if (http := ports.get(PORT)) is not None:
        told = replace(told, publish=_place(http).lstrip(":"))
    if told.tls is not None and (secure := ports.get(HTTPS_PORT)) is not None:
        # Without an address it would be taken from that of http.
        address = "0.0.0.0" if secure.host_ip in _OPEN else ""
        told = replace(told, tls=replace(told.tls, publish=f"{address}{_place(secure)}"))
    return replace(world.spec, balancer=told)


def _place(port: Port) -> str:
    """ADDRESS:PORT, with no address for every interface."""
    host = "" if port.host_ip in _OPEN else port.host_ip
    return f"{f'[{host}]' if ':' in host else host}:{port.host_port}"


async def _subnet(world: World, notes: list[str]) -> str:
    """The front network's, else one that is free here."""
    name = names.network_name(world.stack, "front")
    everything = await world.engine.networks()
    for network in everything:
        if network.name == name and network.labels.get(names.LABEL_STACK) == world.stack and network.subnets:
            return network.subnets[0]
    if world.spec.subnet:
        return world.spec.subnet
    found = ground.free_subnet(world.stack, everything, ground.local_routes())
    notes.append(f"The front network's addresses, {found}, are free on this machine; elsewhere they may not be.")
    return found
