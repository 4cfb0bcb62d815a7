"""What `up` decides, from how a stack is and how it is wanted; pure, so that `up` does what `plan` shows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from dftui.balancer.config import Filed, Held, Marked, spelled
from dftui.balancer.running import Running
from dftui.balancer.tls import PORT as HTTPS_PORT
from dftui.control import specs
from dftui.control.specs import Plan
from dftui.control.world import by_role, webs
from dftui.dreamfactory.variables import SECRET_VARIABLES
from dftui.engine.api import Container, ContainerDetail, ContainerSpec, Network, Port
from dftui.stack import names
from dftui.stack.fields import looks_secret
from dftui.stack.spec import StackSpec
from dftui.watch.derive import number_of
from dftui.watch.format import size
from dftui.watch.sanitise import clean

ServiceStep = Literal["", "create", "start", "unpause"]
OPEN = ("", "0.0.0.0", "::")
"""Host addresses of a published port that stand for every interface."""
NETWORKS = ("front", "back")
VOLUMES = ("db", "cache", "storage")
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Look:
    """A stack as it is. `running` is None without a balancer that runs; `details` are of the balancer and of the
    replicas that are `outdated`, by id, and `image_env` is what their images set, by image id; `images` are the ids
    of those that the stack file names, by role."""

    containers: Sequence[Container] = ()
    networks: Sequence[Network] = ()
    volumes: Collection[str] = ()
    marked: Marked | None = None
    running: Running | None = None
    details: Mapping[str, ContainerDetail] = field(default_factory=dict)
    image_env: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)


# -- what is missing


def missing_networks(stack: str, networks: Iterable[Network]) -> list[str]:
    """Which of front and back is not there."""
    there = {network.name for network in networks}
    return [which for which in NETWORKS if names.network_name(stack, which) not in there]


def missing_volumes(spec: StackSpec, volumes: Collection[str]) -> list[str]:
    """Which of the stack's volumes are not there."""
    wanted = () if spec.plain else VOLUMES
    return [which for which in wanted if names.volume_name(spec.name, which) not in volumes]


def service_step(there: Container | None) -> ServiceStep:
    """What brings the one container of a role up."""
    if there is None:
        return "create"
    if there.state == "paused":
        return "unpause"
    return "" if there.state == "running" else "start"


def setup_due(spec: StackSpec, *, fresh: bool, left_over: Container | None) -> bool:
    """Whether a web alone has to migrate and make the first admin."""
    return spec.makes_admin and (fresh or left_over is not None)


def still_held(marked: Marked | None, everyone: Iterable[Container]) -> list[Held]:
    """Those that were held out before and are still there."""
    there = {c.short for c in webs(everyone)}
    return [one for one in marked.held if one.name in there] if marked else []


def counted(everyone: Iterable[Container], held: Iterable[Held]) -> list[Container]:
    """The replicas that count: all but those that are held out."""
    out = {one.name for one in held}
    return [c for c in webs(everyone) if c.short not in out]


def web_steps(
    everyone: Sequence[Container], held: Sequence[Held], wanted: int
) -> tuple[list[tuple[Container, ServiceStep]], list[int]]:
    """Replicas to be started or thawed, and the numbers of those to be created. Nothing when there are more than
    wanted: a replica is removed by a drain alone."""
    there = counted(everyone, held)
    if len(there) > wanted:
        return [], []
    steps: list[tuple[Container, ServiceStep]] = [(c, step) for c in there if (step := service_step(c))]
    return steps, names.lowest_free((number_of(c) for c in webs(everyone)), wanted - len(there))


# -- what the stack file asks for that is not so


def filed(spec: StackSpec) -> Filed:
    """What is noted of the stack file once it is rolled out."""
    return Filed(spec.web.replicas, spec.images.web)


def wanted_number(spec: StackSpec, marked: Marked | None) -> int:
    """The file's number where there is no balancer yet, or where it was changed since it was last rolled out; else
    what `+`, `-` and scale made of it."""
    if marked is None:
        return spec.web.replicas
    edited = spec.path and marked.filed is not None and marked.filed.replicas != spec.web.replicas
    return spec.web.replicas if edited else marked.wanted


def image_edited(spec: StackSpec, marked: Marked | None) -> bool:
    """Whether the file names another image for the web than when it was last rolled out; else a roll to an image
    would be taken back by the next `up`."""
    if not spec.path or marked is None:
        return False
    if marked.filed is None:
        return spec.images.web is not None
    return marked.filed.image != spec.images.web


def named_anew(spec: StackSpec, marked: Marked | None) -> tuple[str, ...]:
    """The images that the file names since it was last rolled out: they may have to be fetched."""
    return (spec.images.web,) if spec.images.web and image_edited(spec, marked) else ()


def outdated(pool: Iterable[Container], plan: Plan) -> list[Container]:
    """Replicas that were made from something else than one would be now, or do not run."""
    wanted = specs.spec_hash(plan)
    return [c for c in pool if c.labels.get(names.LABEL_SPEC) != wanted or c.state != "running"]


def unlike(
    detail: ContainerDetail, wanted: ContainerSpec, image_id: str, image_env: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """What differs between a container and one made now, a few words each; values of secrets are left out. Without
    `image_env`, what the container's image sets, variables that are there no more are not found."""
    why: list[str] = []
    if image_id and detail.container.image_id != image_id:
        old = detail.container.image
        why.append(f"image: {_arrow(old, wanted.image)}" if old != wanted.image else f"image: {old}, built anew")
    why += _variables(detail.env, wanted.env, image_env)
    if abs((detail.cpus or 0) - (wanted.cpus or 0)) > 1e-6:
        why.append(f"cpus: {_arrow(_limit(detail.cpus), _limit(wanted.cpus))}")
    if (detail.memory or 0) != (wanted.memory or 0):
        old, new = (size(m) if m else "no limit" for m in (detail.memory, wanted.memory))
        why.append(f"memory: {_arrow(old, new)}")
    if wanted.command is not None and detail.command != wanted.command:
        why.append("command: this dftui starts replicas in another way")
    return tuple(clean(one) for one in why)


def _variables(have: Mapping[str, str], wanted: Mapping[str, str], image_env: Mapping[str, str] | None) -> list[str]:
    found: list[str] = []
    for name in sorted(wanted):
        if name not in have:
            found.append(f"{name}: new" if _secret(name) else f"{name}: new, {_short(wanted[name])}")
        elif have[name] != wanted[name]:
            found.append(f"{name}: changed" if _secret(name) else f"{name}: {_arrow(have[name], wanted[name])}")
    if image_env is not None:
        gone = (n for n in sorted(have) if n not in wanted and image_env.get(n) != have[n])
        found += [f"{name}: no more" for name in gone]
    return found


def _secret(name: str) -> bool:
    return name in SECRET_VARIABLES or looks_secret(name)


def _short(text: str) -> str:
    return (text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…") or '""'


def _arrow(old: str, new: str) -> str:
    return f"{_short(old)} → {_short(new)}"


def _limit(value: float | None) -> str:
    return f"{value:g}" if value else "no limit"


def to_replace(look: Look, plan: Plan) -> dict[str, tuple[str, ...]]:
    """By name, the replicas that `up` replaces, and why: only those of which something that can be seen differs; what
    is held out is kept to be looked at."""
    found: dict[str, tuple[str, ...]] = {}
    if not plan.spec.path:
        return found  # without a stack file there is no edit
    dated = {c.id for c in outdated(webs(look.containers), plan)}
    for container in counted(look.containers, still_held(look.marked, look.containers)):
        why: tuple[str, ...] = ()
        detail = look.details.get(container.id)
        if container.id in dated and detail is not None:
            image_id = plan.image_ids.get("web", "")
            env = look.image_env.get(detail.container.image_id)
            why = unlike(detail, specs.web(plan, number_of(container)), image_id, env)
        at = look.running.servers.get(container.short, "") if look.running else ""
        port = at.rpartition(":")[2]
        if port and int(port) != plan.spec.web.port:
            why += (f"web.port: {_arrow(port, str(plan.spec.web.port))}",)
        if why:
            found[container.name] = why
    return found


@dataclass(frozen=True, slots=True)
class BalancerEdit:
    """What of the balancer differs, by what it takes: done while it runs, a reload, another container."""

    live: tuple[str, ...] = ()
    reload: tuple[str, ...] = ()
    replace: tuple[str, ...] = ()
    moved: bool = False
    """The port is another one."""


RELOAD_COST = "no request is lost; its counters begin anew"
REPLACE_COST = "about a second without an answer; requests under way are cut"


def balancer_edit(look: Look, spec: StackSpec, source: str) -> BalancerEdit:
    """What the file asks of the balancer that is there."""
    there = by_role(look.containers, "balancer")
    if there is None or not spec.path:
        return BalancerEdit()
    live: list[str] = []
    reload: list[str] = []
    replace: list[str] = []
    if (now := look.running) is not None:
        if now.balance and now.balance != spec.balancer.balance:
            reload.append(f"balance: {_arrow(now.balance, spec.balancer.balance)}")
        if now.health and now.health != spelled(spec.web.health):
            reload.append(f"web.health: {_arrow(now.health, spec.web.health)}")
        if set(now.trusted) != set(spec.balancer.trusted_proxies):
            old, new = (", ".join(one) or "nobody" for one in (now.trusted, spec.balancer.trusted_proxies))
            live.append(f"trusted_proxies: {_arrow(old, new)}")
    detail = look.details.get(there.id)
    ports = detail.container.ports if detail else there.ports
    moved, paired = False, bool(spec.pair)
    for number, word in ((80, "publish"), (HTTPS_PORT, "tls")):
        wanted = next((p for p in specs.ports(spec, source) if p.container_port == number), None)
        have = [p for p in ports if p.container_port == number]
        if ports and not (
            any(same_place(p, wanted, paired=paired) for p in have) if wanted is not None else not have
        ):
            moved = True
            old, new = (where(p) if p is not None else "none" for p in (have[0] if have else None, wanted))
            replace.append(f"{word}: {_arrow(old, new)}")
    image_id = look.images.get("balancer", "")
    if image_id and image_id != there.image_id:
        replace.append(f"image: {_arrow(there.image, spec.images.balancer or '')}")
    return BalancerEdit(tuple(live), tuple(reload), tuple(replace), moved)


def same_place(one: Port, other: Port, *, paired: bool = False) -> bool:
    """Whether two published ports are the same one of the host; `paired`: each of two hosts has its own address."""
    both_open = one.host_ip in OPEN and other.host_ip in OPEN
    both_own = paired and not any(p.host_ip in OPEN or p.host_ip.startswith("127.") for p in (one, other))
    return one.host_port == other.host_port and (both_open or both_own or one.host_ip == other.host_ip)


def where(port: Port) -> str:
    """A published port in words."""
    if port.host_ip in OPEN:
        return f"{port.host_port} on every interface"
    return f"[{port.host_ip}]:{port.host_port}" if ":" in port.host_ip else f"{port.host_ip}:{port.host_port}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An edit that `up` does not roll out, and what to do."""

    what: str
    hint: str


_ANEW = "put it back, or take the stack down and up again, which keeps the data: dftui down, dftui up"


def refused(look: Look, spec: StackSpec) -> list[Refusal]:
    """Edits of what cannot be changed while the stack is up; nothing is done then."""
    found: list[Refusal] = []
    if not spec.path:
        return found
    front = next((n for n in look.networks if n.name == names.network_name(spec.name, "front")), None)
    if spec.subnet and front is not None and front.subnets and spec.subnet not in front.subnets:
        found.append(
            Refusal(
                f"subnet is {spec.subnet}, and the network {front.name} has {front.subnets[0]}: every address in the "
                "stack would change",
                _ANEW,
            )
        )
    for role, word in (("db", "database"), ("cache", "cache")):
        there, image_id = by_role(look.containers, role), look.images.get(role, "")
        if there is not None and image_id and image_id != there.image_id:
            found.append(
                Refusal(
                    f"images.{role} is {getattr(spec.images, role)}, and the {word} runs {there.image}: replicas "
                    "cannot do without it while it is replaced",
                    _ANEW,
                )
            )
    return found
