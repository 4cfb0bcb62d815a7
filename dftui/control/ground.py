"""What must be true before anything is created: names free, the port free, a subnet, the secrets, the images."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import zlib
from collections.abc import Callable, Collection, Iterable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

from dftui.balancer.tls import PORT as HTTPS_PORT
from dftui.control.changes import OPEN
from dftui.control.errors import ActionError, NotUp
from dftui.control.specs import Plan, ports
from dftui.control.steps import Progress
from dftui.control.told import told
from dftui.control.world import World, by_role, webs
from dftui.engine.api import Container, EngineError, ImageProgress, Network, Port
from dftui.engine.images import ResolvedImages, resolve_images
from dftui.engine.nodes import Spread
from dftui.stack import names
from dftui.stack.appkey import new_password
from dftui.stack.secrets import Recovered, Secrets, SecretsError, load_secrets, recover, save_secrets


class NoSecrets(ActionError):
    """A stack that has none yet."""


async def check_number(world: World, wanted: int) -> None:
    """Raise ActionError for more replicas than the stack file allows."""
    if wanted > world.spec.web.max:
        raise ActionError(f"{wanted} replicas are more than web.max allows ({world.spec.web.max})", "raise web.max")


async def check_names(world: World, wanted: int) -> None:
    """Raise ActionError when a container that is not this stack's holds a name that it needs."""
    ours = {world.name(role) for role in world.spec.services}
    ours |= set() if world.spec.plain else {world.name("setup")}
    ours |= {world.name("web", n) for n in range(1, wanted + 1)}
    for container in await world.engine.containers():
        if container.name in ours and container.labels.get(names.LABEL_STACK) != world.stack:
            raise ActionError(
                f"a container named {container.name} exists and is not dftui's (image {container.image})",
                "if it is a DreamFactory stack made without dftui, take it over: dftui adopt; else give this stack "
                f"another name in dftui.yaml (name: …), or: docker rename {container.name} {container.name}-old",
            )


async def check_whole(world: World) -> None:
    """Raise ActionError when a restore of this stack, or its adoption, began and did not end."""
    there = {volume.name for volume in await world.engine.volumes({names.LABEL_STACK: world.stack})}
    if names.volume_name(world.stack, "restoring") in there:
        raise ActionError(
            f"a restore of the stack {world.stack} did not end, so its data is not whole",
            "restore again: dftui restore FILE --replace; or remove what there is: dftui down --volumes",
        )
    if names.volume_name(world.stack, "adopting") in there:
        raise ActionError(
            f"an adoption for the stack {world.stack} did not end, so its data is not whole",
            "bring back what there was: dftui adopt --undo",
        )


def port_holder(containers: Iterable[Container], port: Port, stack: str) -> str:
    """The name of another container that publishes this host port, else ""."""
    own = ("balancer", "standby")
    for container in containers:
        if container.labels.get(names.LABEL_STACK) == stack and container.labels.get(names.LABEL_ROLE) in own:
            continue
        for held in container.ports:
            same = held.host_ip == port.host_ip or held.host_ip in OPEN or port.host_ip in OPEN
            if held.host_port == port.host_port and same and container.state == "running":
                return container.name
    return ""


async def check_port(world: World, source: str, *, moved: bool = False) -> None:
    """Raise ActionError when a port to publish is taken, saying by whom as far as that can be seen. `moved`: it is
    another one than the balancer, which may run, has."""
    everyone = await world.engine.containers()
    mine = by_role([c for c in everyone if c.labels.get(names.LABEL_STACK) == world.stack], "balancer")
    if not moved and mine is not None and mine.state in ("running", "paused"):
        return
    own = {one.host_port for one in mine.ports} if mine is not None else set()
    local = (await world.engine.info()).host.startswith("unix://")
    for port in ports(world.spec, source):
        _check_port(world, everyone, port, local and port.host_port not in own)


def _check_port(world: World, everyone: Iterable[Container], port: Port, look: bool) -> None:
    where = f"port {port.host_port}" + ("" if port.host_ip in OPEN else f" on {port.host_ip}")
    another = f"publish: '127.0.0.1:{port.host_port + 8000}'"
    if port.container_port == HTTPS_PORT:
        another = f"tls: {{…, {another}}}"
    hint = f"free it, or publish another in dftui.yaml: balancer: {{{another}}}"
    holder = port_holder(everyone, port, world.stack)
    if holder:
        raise ActionError(f"{where} is held by the container {holder}", hint)
    if look and taken_here(port):
        who = holder_of_local_port(port.host_port)
        raise ActionError(f"{where} is in use on this machine" + (f", by {who}" if who else ""), hint)


def taken_here(port: Port) -> bool:
    """Whether something on this machine listens on the port."""
    family = socket.AF_INET6 if ":" in port.host_ip else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # A port in TIME_WAIT is free for the engine too; without this it would look taken after a `down`.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((port.host_ip, port.host_port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def holder_of_local_port(port: int) -> str:
    """ "name (pid N)" of the process that listens on a TCP port here, as far as this user may see it.

    Source: /proc/net/tcp and tcp6 (proc(5)): state 0A is LISTEN, the tenth field is the socket's inode.
    """
    inodes: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            field = line.split()
            if field[3] == "0A" and int(field[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{field[9]}]")
    if not inodes:
        return ""
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            if any(str(link.readlink()) in inodes for link in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
        except OSError:
            continue
    return ""


def free_subnet(stack: str, networks: Iterable[Network], taken: Iterable[str] = ()) -> str:
    """A /24 for the front network that overlaps no engine network and none of `taken`.

    Starts at a place given by the stack's name, so that it is mostly the same after a `down`.
    """
    used = [
        ipaddress.ip_network(s) for s in [*taken, *(s for n in networks for s in n.subnets)] if s and ":" not in s
    ]
    start = zlib.crc32(stack.encode()) % 4096
    for step in range(4096):
        block = (start + step) % 4096
        candidate = ipaddress.ip_network(f"172.{16 + block // 256}.{block % 256}.0/24")
        if not any(candidate.overlaps(other) for other in used):
            return str(candidate)
    raise ActionError("no free /24 is left in 172.16.0.0/12 for the front network", "set `subnet:` in dftui.yaml")


def local_routes() -> list[str]:
    """Networks this machine routes to already but for the default route (proc(5): little-endian hex)."""
    found = []
    try:
        lines = Path("/proc/net/route").read_text().splitlines()[1:]
    except OSError:
        return []
    for line in lines:
        field = line.split()
        network, mask = (int.from_bytes(bytes.fromhex(field[i])[::-1]) for i in (1, 7))
        if mask:
            found.append(f"{ipaddress.ip_address(network)}/{mask.bit_count()}")
    return found


async def known_secrets(
    world: World,
    containers: Iterable[Container],
    *,
    odd_keys: bool = False,
    file_holds: bool = False,
    keep: bool = True,
) -> Recovered:
    """The secrets of a stack with these containers; none are made. Options as of `gather_secrets`. Raises
    NoSecrets when there are none."""
    saved = await kept_secrets(world)
    if saved is not None and (world.spec.plain or _labels_agree(containers, saved.fingerprint)):
        return Recovered(saved)
    return await gather_secrets(world, make=False, odd_keys=odd_keys, file_holds=file_holds, keep=keep)


async def kept_secrets(world: World) -> Secrets | None:
    """Those in the stack's file; None without one. Raises ActionError when it may not be used."""
    try:
        return load_secrets(await world.engine_id(), world.stack)
    except SecretsError as error:
        raise ActionError(str(error), error.hint) from None


async def gather_secrets(
    world: World,
    progress: Progress | None = None,
    *,
    make: bool = True,
    new_admin: bool = False,
    odd_keys: bool = False,
    file_holds: bool = False,
    keep: bool = True,
) -> Recovered:
    """The stack's secrets: running containers first, then the file, then (with `make`) new ones; saved if changed.
    `new_admin`: the data is new, so an admin's password that nobody knows is made anew. `odd_keys`: the caller names
    replicas that hold another key or password, so the file holds as long as any replica runs with its key.
    `file_holds`: the caller replaces all that run with another. Without `keep` what is found is not saved."""
    engine_id = await world.engine_id()
    try:
        saved = load_secrets(engine_id, world.stack)
        if saved is not None and file_holds:
            return Recovered(saved)
        # What is held out, mostly for its key, tells nothing about what is right.
        found = await told(world.engine, world.stack, [one.name for one in await world.held()])
        if odd_keys and saved is not None and saved.app_key in found.keys().values():
            return Recovered(saved)
        if not make and saved is None and not found.envs and not found.volumes:
            raise NoSecrets(f"no secrets of stack {world.stack} are kept here", "bring it up first: dftui up")
        result = recover(found.envs, saved=saved, volumes=found.volumes)
        if new_admin and not result.secrets.admin_password:
            result = replace(result, secrets=replace(result.secrets, admin_password=new_password(), admin_email=""))
            save_secrets(engine_id, world.stack, result.secrets)
        elif world.spec.admin.mode == "none" and saved is None:
            # Nobody's: whoever fills in the form chooses one.
            result = replace(result, secrets=replace(result.secrets, admin_password=""))
        if result.changed and keep:
            path = save_secrets(engine_id, world.stack, result.secrets, replace_existing=saved is not None)
            if progress is not None:
                if result.found:
                    progress.tell(f"recovered from the running containers: {', '.join(result.found)}; kept in {path}")
                else:
                    progress.tell(f"made APP_KEY {result.secrets.fingerprint} and the passwords; kept in {path}")
    except SecretsError as error:
        raise ActionError(str(error), error.hint) from None
    return result


async def keep_admin(world: World, plan: Plan, email: str, password: str) -> Path:
    """Keep who the admin is, and the password that dftui may log in with ("": none); the file. Raises ActionError."""
    engine_id = await world.engine_id()
    try:
        return save_secrets(engine_id, world.stack, replace(plan.secrets, admin_email=email, admin_password=password))
    except SecretsError as error:
        raise ActionError(str(error), error.hint) from None


def _labels_agree(containers: Iterable[Container], key: str) -> bool:
    """Every replica was started with the key of this fingerprint: nothing needs to be asked of each."""
    return all(c.labels.get(names.LABEL_KEY) == key for c in webs(containers))


async def recorded_source(world: World, containers: Iterable[Container]) -> str | None:
    """Where this stack's images came from at its first `up`: a label of its containers and volumes."""
    for container in containers:
        source = container.labels.get(names.LABEL_SOURCE)
        if source:
            return source
    for volume in await world.engine.volumes({names.LABEL_STACK: world.stack}):
        source = volume.labels.get(names.LABEL_SOURCE)
        if source:
            return source
    return None


async def gather_images(
    world: World,
    containers: Iterable[Container],
    on_image: Callable[[ImageProgress], None],
    anew: Collection[str] = (),
) -> ResolvedImages:
    """The images of all roles, pulled or built where missing; `containers` are the stack's, and `anew` the images
    that the file names since it was made."""
    recorded = await recorded_source(world, containers)
    roles = world.spec.roles
    return await resolve_images(world.engine, world.spec.images, recorded, on_image, anew, roles=roles)


async def have_images(
    world: World,
    containers: Iterable[Container],
    on_image: Callable[[ImageProgress], None],
    anew: Collection[str] = (),
) -> ResolvedImages:
    """The same, and on a swarm the replicas' on every node: none of them pulls."""
    resolved = await gather_images(world, containers, on_image, anew)
    if isinstance(world.engine, Spread):
        async with aclosing(world.engine.bring(resolved.refs["web"])) as told:  # type: ignore[type-var]
            async for progress in told:
                on_image(progress)
    return resolved


def make_plan(world: World, resolved: ResolvedImages, recovered: Recovered, subnet: str) -> Plan:
    """Put together what containers are made from."""
    return Plan(world.spec, recovered.secrets, resolved.refs, resolved.ids, resolved.source, subnet)


async def current_plan(world: World, *, odd_keys: bool = False, file_holds: bool = False) -> Plan:
    """The plan of a stack that is up already: nothing is made, pulled or built. `odd_keys` and `file_holds` as in
    `gather_secrets`.

    Raises NotUp when the stack is not there.
    """
    containers, networks = await asyncio.gather(world.containers(), world.networks())
    front = next((n for n in networks if n.name == names.network_name(world.stack, "front")), None)
    if front is None or by_role(containers, "balancer") is None or not front.subnets:
        raise NotUp(world.stack)

    def on_image(progress: ImageProgress) -> None:
        return None

    try:
        recovered, resolved = await asyncio.gather(
            known_secrets(world, containers, odd_keys=odd_keys, file_holds=file_holds),
            gather_images(world, containers, on_image),
        )
    except EngineError as error:
        raise ActionError(str(error), error.hint) from None
    return pinned_to_pool(make_plan(world, resolved, recovered, front.subnets[0]), webs(containers))


def pinned_to_pool(plan: Plan, replicas: Iterable[Container]) -> Plan:
    """The same plan, but for the image that the replicas run: a tag may have moved, a pool is never mixed."""
    ids = [c.image_id for c in replicas if c.state == "running"]
    if not ids or ids[0] == plan.image_ids.get("web"):
        return plan
    return replace(
        plan,
        images={**plan.images, "web": ids[0]},
        image_ids={**plan.image_ids, "web": ids[0]},
    )
