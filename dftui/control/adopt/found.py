"""Which containers are a DreamFactory stack that somebody made without dftui; pure.

Two shapes are known: the `docker run` lines of the 2016 post (and of df-docker's README), where links join the
containers, and df-docker's compose files, where a network does.  What a container is, is told by what is in it and
by who calls whom, not by its name: a web keeps DreamFactory's `.env`; the database is what the webs call by DB_HOST
and was made by MYSQL_*; the balancer links the webs and publishes a port.  Source of the shapes:
github.com/dreamfactorysoftware/df-docker, README.md, docker-compose.yml, docker-compose.yml-load-balance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dftui.control.changes import OPEN
from dftui.dreamfactory.variables import SECRET_VARIABLES, STORAGE_PATH
from dftui.engine.api import ContainerDetail, Port
from dftui.stack import appkey, names
from dftui.stack.fields import looks_secret, own_variable

COMPOSE_PROJECT = "com.docker.compose.project"
COMPOSE_SERVICE = "com.docker.compose.service"
ENGINE_NETWORKS = frozenset({"bridge", "host", "none"})
"""Networks that every engine has by itself."""
HTTP, HTTPS = 80, 443
STORAGE_ROOT = STORAGE_PATH.rpartition("/")[0]
"""The whole of what DreamFactory writes: files, logs, and the SQLite of a replica that has no other database."""
_MYSQL = ("MYSQL_ROOT_PASSWORD", "MYSQL_DATABASE", "MYSQL_USER", "MYSQL_PASSWORD")


@dataclass(frozen=True, slots=True)
class Seen:
    """A container that dftui did not make. `settings` are those of DreamFactory's `.env` (None: it has none),
    `image_env` what its image sets; both hold secrets."""

    detail: ContainerDetail
    settings: Mapping[str, str] | None = field(default=None, repr=False)
    image_env: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """The container's."""
        return self.detail.container.name

    @property
    def project(self) -> str:
        """The compose project that it is of, "" for none."""
        return self.detail.container.labels.get(COMPOSE_PROJECT, "")

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self.detail.container.state == "running"

    def value(self, *variables: str) -> str:
        """The first of these that is set, by what the application reads before what its container was given."""
        for source in (self.settings or {}, self.detail.env):
            for variable in variables:
                if found := source.get(variable, ""):
                    return found
        return ""

    @property
    def own_database(self) -> bool:
        """A web whose application keeps its data in a file of its own, whatever its container was told."""
        return (self.value("DB_CONNECTION", "DB_DRIVER") or "sqlite") == "sqlite"

    @property
    def shared_storage(self) -> str:
        """The volume that holds what a web writes, "" where that is in the container itself."""
        volumes = self.detail.volumes
        return volumes.get(STORAGE_ROOT, "") or volumes.get(STORAGE_PATH, "")


@dataclass(frozen=True, slots=True)
class Left:
    """A container that is left as it is, and why."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Handmade:
    """A stack that can be taken over, or, with `problems`, one that cannot for certain. `env` are further variables
    that all webs share and that may stand in a stack file; `lost` names those that may not, or that differ."""

    db: Seen
    webs: tuple[Seen, ...]
    port: Port
    app_key: str = field(repr=False)
    cache: Seen | None = None
    balancer: Seen | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    lost: tuple[str, ...] = ()
    left: tuple[Left, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """What made it."""
        return "compose" if self.db.project else "docker run"

    @property
    def parts(self) -> tuple[Seen, ...]:
        """Its containers, each before those that need it."""
        cache = (self.cache,) if self.cache else ()
        balancer = (self.balancer,) if self.balancer else ()
        return (self.db, *cache, *self.webs, *balancer)

    def role(self, one: Seen) -> str:
        """What one of its containers is: db, cache, web or balancer."""
        return {id(self.db): "db", id(self.cache): "cache", id(self.balancer): "balancer"}.get(id(one), "web")

    @property
    def front(self) -> tuple[Seen, ...]:
        """Who holds the port: the balancer, or a web that does without one."""
        return (self.balancer,) if self.balancer else tuple(w for w in self.webs if _http(w) is not None)

    @property
    def publish(self) -> str:
        """The port, as a stack file has it."""
        if self.port.host_ip in OPEN:
            return str(self.port.host_port)
        address = f"[{self.port.host_ip}]" if ":" in self.port.host_ip else self.port.host_ip
        return f"{address}:{self.port.host_port}"

    @property
    def own_databases(self) -> tuple[Seen, ...]:
        """The webs that each keep their data to themselves."""
        return tuple(web for web in self.webs if web.own_database)


@dataclass(frozen=True, slots=True)
class Recognition:
    """Every stack that was found, and the containers that are none of one."""

    stacks: tuple[Handmade, ...] = ()
    left: tuple[Left, ...] = ()


def recognise(seen: Iterable[Seen]) -> Recognition:
    """Find them. Whatever carries a label of dftui's is passed over."""
    strangers = sorted(
        (one for one in seen if names.LABEL_STACK not in one.detail.container.labels), key=lambda one: one.name
    )
    webs = [one for one in strangers if one.settings is not None]
    others = [one for one in strangers if one.settings is None]
    groups: dict[str, list[Seen]] = {}
    left: list[Left] = []
    for web in webs:
        db = _called(web, others, _db_hosts(web))
        if db is None:
            said = " or ".join(_db_hosts(web)[:2]) or "none"
            left.append(Left(web.name, f"a web of DreamFactory, but its database server ({said}) is not here"))
        else:
            groups.setdefault(db.name, []).append(web)
    stacks = [_stack(next(o for o in others if o.name == db), pool, others) for db, pool in groups.items()]
    taken = {one.name for stack in stacks for one in stack.parts}
    taken |= {one.name for stack in stacks for one in stack.left} | {one.name for one in left}
    left += [Left(one.name, _why_not(one)) for one in others if one.name not in taken]
    return Recognition(tuple(stacks), tuple(left))


def _why_not(one: Seen) -> str:
    image = one.detail.container.image
    if any(word in image.lower() for word in ("dreamfactory", "df-docker")):
        return f"its image is {image}, but there is no DreamFactory in it"
    if all(name in one.detail.env for name in _MYSQL[:2]):
        return "a database that no web of DreamFactory calls"
    return f"no part of a DreamFactory stack (image {image})"


# -- who calls whom


def _db_hosts(web: Seen) -> list[str]:
    """What a web may call its database, the likeliest first."""
    named = [web.value("DB_HOST")] if not web.own_database else [web.detail.env.get("DB_HOST", "")]
    return [host for host in dict.fromkeys([*named, "db", "mysql"]) if host]


def _cache_hosts(web: Seen) -> list[str]:
    env = web.detail.env
    named = [web.value("CACHE_HOST", "REDIS_HOST"), env.get("CACHE_HOST", ""), env.get("REDIS_HOST", "")]
    return [host for host in dict.fromkeys([*named, "rd", "redis"]) if host]


def _called(caller: Seen, others: Sequence[Seen], hosts: Iterable[str]) -> Seen | None:
    """Whom it reaches by the first of these names that is somebody's."""
    for host in hosts:
        if linked := caller.detail.links.get(host):
            return next((one for one in others if one.name == linked), None)
        near = [one for one in others if host in _names_of(one) and _meet(caller, one)]
        if len(near) == 1:
            return near[0]
    return None


def _names_of(one: Seen) -> set[str]:
    labels = one.detail.container.labels
    return {one.name, *one.detail.aliases, labels.get(COMPOSE_SERVICE, one.name)}


def _meet(one: Seen, other: Seen) -> bool:
    """They share a network on which names are known; on the default bridge there are only links."""
    shared = one.detail.container.addresses.keys() & other.detail.container.addresses.keys()
    return bool(shared - ENGINE_NETWORKS)


def _http(one: Seen) -> Port | None:
    """Where it publishes http; the address for every interface first."""
    found = [port for port in one.detail.container.ports if port.container_port == HTTP]
    return min(found, key=lambda port: port.host_ip not in OPEN) if found else None


# -- one stack


def _stack(db: Seen, webs: list[Seen], others: Sequence[Seen]) -> Handmade:
    problems: list[str] = []
    notes: list[str] = []
    caches = {one.name: one for web in webs if (one := _called(web, others, _cache_hosts(web))) is not None}
    caches.pop(db.name, None)
    if len(caches) > 1:
        problems.append(f"its webs use several caches: {', '.join(caches)}")
    cache = next(iter(caches.values()), None)
    balancer = _balancer(webs, [one for one in others if one is not db and one is not cache], problems)
    fronts = [balancer] if balancer is not None else [web for web in webs if _http(web) is not None]
    port = Port(HTTP, "", HTTP)
    if len(fronts) != 1 or (found := _http(fronts[0])) is None:
        who = ", ".join(one.name for one in fronts) or "none"
        problems.append(f"one of its containers should publish port {HTTP} of its own, and it is {who}")
    else:
        port = found
        for more in {p.container_port for p in fronts[0].detail.container.ports} - {HTTP}:
            if more == HTTPS:
                problems.append(f"{fronts[0].name} publishes HTTPS too, whose certificate is not taken over")
            else:
                notes.append(f"{fronts[0].name}'s port {more} is not published any more")
    key = _key(webs, problems)
    _credentials(db, webs, problems)
    for one, what in ((db, "the database"), *((front, "who holds the port") for front in fronts)):
        if not one.running:
            problems.append(f"{one.name}, {what}, does not run")
    if not any(web.running for web in webs):
        problems.append("none of its webs runs")
    env, lost = _variables(webs)
    parts = [db, cache, balancer, *webs]
    left = tuple(
        Left(one.name, f"of the compose project {db.project}, but no part of DreamFactory's stack")
        for one in others
        if db.project and one.project == db.project and not any(one is part for part in parts)
    )
    restarting = [one.name for one in parts if one is not None and one.detail.restart == "always"]
    if restarting:
        notes.append(f"{', '.join(restarting)} would come back when the engine restarts (restart: always)")
    return Handmade(
        db,
        tuple(webs),
        port,
        key,
        cache,
        balancer,
        env,
        lost,
        left,
        tuple(notes),
        tuple(problems),
    )


def _balancer(webs: Sequence[Seen], others: Sequence[Seen], problems: list[str]) -> Seen | None:
    """What links the webs, or, in their compose project, an HAProxy."""
    called = {web.name for web in webs}
    found = [
        one
        for one in others
        if called & set(one.detail.links.values())
        or (one.project and one.project == webs[0].project and "haproxy" in one.detail.container.image.lower())
    ]
    if len(found) > 1:
        problems.append(f"several containers could be its balancer: {', '.join(one.name for one in found)}")
    if not found:
        return None
    unlinked = called - set(found[0].detail.links.values()) if found[0].detail.links else set()
    services = {web.detail.container.labels.get(COMPOSE_SERVICE, "") for web in webs}
    if unlinked and services == {""}:
        problems.append(f"the balancer {found[0].name} has no link to {', '.join(sorted(unlinked))}")
    return found[0]


def _key(webs: Sequence[Seen], problems: list[str]) -> str:
    """The APP_KEY that all share."""
    keys: dict[str, list[str]] = {}
    for web in webs:
        keys.setdefault(web.value("APP_KEY"), []).append(web.name)
    if without := keys.pop("", []):
        problems.append(f"{', '.join(without)} has no APP_KEY")
    if len(keys) > 1:
        told = "; ".join(f"{appkey.fingerprint(key)} in {', '.join(who)}" for key, who in keys.items())
        problems.append(f"its webs have {len(keys)} different APP_KEYs ({told}): dftui does not choose")
    key = next(iter(keys), "")
    if key and (why := appkey.check(key)):
        problems.append(why)
    return key


def _credentials(db: Seen, webs: Sequence[Seen], problems: list[str]) -> None:
    """What the database was made with is what the webs log in with."""
    if missing := [name for name in _MYSQL if not db.detail.env.get(name)]:
        problems.append(f"{db.name} was made without {', '.join(missing)}, so dftui does not know how to log in")
        return
    pairs = (("DB_DATABASE", "MYSQL_DATABASE"), ("DB_USERNAME", "MYSQL_USER"), ("DB_PASSWORD", "MYSQL_PASSWORD"))
    for web in webs:
        for asked, made in pairs:
            given = web.detail.env.get(asked, "") if web.own_database else web.value(asked)
            if given and given != db.detail.env[made]:
                problems.append(f"{web.name}'s {asked} is not {db.name}'s {made}")


def _variables(webs: Sequence[Seen]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Further variables of the webs: those that a stack file may hold, and the names of the others."""
    given = [
        {
            name: value
            for name, value in web.detail.env.items()
            if web.image_env.get(name) != value and not own_variable(name) and name not in ("LOG_TO_STDOUT", "PATH")
        }
        for web in webs
    ]
    everything = sorted({name for one in given for name in one})
    kept: dict[str, str] = {}
    for name in everything:
        values = {one.get(name) for one in given}
        if len(values) == 1 and name not in SECRET_VARIABLES and not looks_secret(name):
            kept[name] = given[0][name]
    return kept, tuple(name for name in everything if name not in kept)
