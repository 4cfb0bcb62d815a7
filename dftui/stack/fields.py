"""The keys of the stack file: one table for the validator, the editors' schema and the file that `dftui init` writes.

A key's default stands in `spec`; a new key is a line here and a field there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dftui.stack import patterns, values
from dftui.stack.spec import AdminSpec, BackupSpec, BalancerSpec, ImagesSpec, LogsSpec, StackSpec, TlsSpec, WebSpec
from dftui.stack.values import Choice, Kind, Number, Publish, Seconds, Size, Truth, Whole

MAX_REPLICAS = 200
_SECRET_WORDS = ("app_?key", "passw(?:or)?d", "secret", "token")
_OWN = "APP_KEY|SESSION_DRIVER|(?:DB|CACHE|REDIS|ADMIN|MYSQL)_.*"
"""Variables of a replica that dftui itself sets; see the DreamFactory variables for why each is needed."""
_SECRET = re.compile("|".join(_SECRET_WORDS), re.IGNORECASE)


def looks_secret(name: str) -> bool:
    """Whether what is so called is a secret, which never stands in the file."""
    return bool(_SECRET.search(name))


def own_variable(name: str) -> bool:
    """Whether dftui itself sets this variable of a replica, unless that is a plain web."""
    return bool(re.fullmatch(_OWN, name))


@dataclass(frozen=True, slots=True)
class Key:
    """One value. `example` is shown where there is no default; `also` are other tools' words for it."""

    kind: Kind
    help: str
    example: str = ""
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Items:
    """A list of values."""

    kind: Kind
    help: str
    example: str = ""
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Names:
    """Which keys of one's own choice a `Table` may have."""

    pattern: str = ".*"

    def check(self, name: str, where: str) -> str:
        """What is wrong with a name, "" when nothing is."""
        return ""


@dataclass(frozen=True, slots=True)
class VariableNames(Names):
    """Variables of a replica: no secrets. That dftui sets some itself is a rule of its own, see `own_variable`."""

    pattern: str = f"(?!.*(?:{'|'.join(map(patterns.either_case, _SECRET_WORDS))}))[A-Za-z_][A-Za-z0-9_]*"

    def check(self, name: str, where: str) -> str:
        """What is wrong with a name, "" when nothing is."""
        if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name):
            return f"{show(name)} in {where} is no variable's name; allowed: A-Z, a-z, 0-9 and _"
        if looks_secret(name) and not own_variable(name):
            return f"{name} in {where} looks like a secret, and secrets never stand in the stack file"
        return ""


@dataclass(frozen=True, slots=True)
class Table:
    """Values under keys of one's own choice."""

    kind: Kind
    help: str
    example: str = ""
    also: tuple[str, ...] = ()
    names: Names = Names()


@dataclass(frozen=True, slots=True)
class Section:
    """Keys below a key; `make` is what they become, field by field. `word`: one of these may stand
    for them all, and is then the field `mode`."""

    make: type[Any]
    help: str
    keys: Mapping[str, Field]
    word: Choice | None = None
    also: tuple[str, ...] = ()


Field = Key | Items | Table | Section


NODE = values.Text(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", "a node's name")
ENGINE = values.Text(r"(?:unix|ssh|tcp|https?)://\S+", "an engine's address, as ssh://user@host")


def show(text: str) -> str:
    """A value from a file, quoted and short, with everything unprintable spelled out."""
    shown = repr(text)
    return shown if len(shown) <= 60 else shown[:57] + "…" + shown[0]


IMAGES = Section(
    ImagesSpec,
    "What each role runs; by default the real ones, or the bundled ones where no registry can be reached.",
    {
        "web": Key(values.IMAGE, "the replicas'", "dreamfactorysoftware/df-docker:latest", also=("image",)),
        "db": Key(values.IMAGE, "the database's", "mysql:8.4", also=("database", "mysql")),
        "cache": Key(values.IMAGE, "the cache's", "redis:7", also=("redis",)),
        "balancer": Key(values.IMAGE, "the balancer's", "haproxy:3.2", also=("haproxy",)),
        "source": Key(
            Choice(("auto", "pull", "bundled")),
            "auto: pull, and build the bundled ones only if no registry can be reached; decided at the first up",
        ),
    },
)
WEB = Section(
    WebSpec,
    "The replicas.",
    {
        "replicas": Key(
            Whole(0, MAX_REPLICAS),
            "at the first up, and when this is changed; in between + and - decide",
            also=("scale", "count", "instances"),
        ),
        "kind": Key(
            Choice(("dreamfactory", "plain")), "plain: any stateless web image, named in images.web", also=("type",)
        ),
        "min": Key(Whole(0, MAX_REPLICAS), "fewer than this are refused"),
        "max": Key(Whole(1, MAX_REPLICAS), "more than this are refused"),
        "health": Key(values.URL_PATH, "what the balancer asks each replica", also=("healthcheck", "health_path")),
        "port": Key(Whole(1, 65535), "where a replica listens"),
        "drain_timeout": Key(Seconds(0, 3600), "what is still running then is cut, and the receipt says so"),
        "start_timeout": Key(Seconds(1, 3600), "a replica that is not healthy by then is taken out"),
        "cpus": Key(Number(0.01, 1024, "cores"), "limit of each replica, in cores", "1.5", also=("cpu",)),
        "memory": Key(
            Size(values.MIN_MEMORY, 2**50, "a size of at least 6m, as 512m or 2g"),
            "limit of each replica",
            "512m",
            also=("mem_limit", "ram"),
        ),
        "env": Table(
            values.Variable(),
            "more variables; those that dftui sets, and secrets, are refused",
            "{APP_LOG_LEVEL: info}",
            also=("environment", "variables"),
            names=VariableNames(),
        ),
        "target_rps": Key(
            Number(0.1, 1_000_000, "requests a second"),
            "autoscale between min and max to so many requests/s a replica …",
            "50",
        ),
        "target_cpu": Key(
            Number(1, 6400, "percent of a core"), "… or to so much CPU, in percent of a core; one of the two", "60"
        ),
        "cool_down": Key(Seconds(1, 3600), "autoscale rests so long after removing one"),
    },
    also=("replica", "webs"),
)
TLS = Section(
    TlsSpec,
    "HTTPS; http is then sent on to it.",
    {
        "cert": Key(values.PATH, "the certificate's file in PEM, the server's own first", "site.pem"),
        "key": Key(values.PATH, "its key's file in PEM", "site.key"),
        "publish": Key(Publish(), "PORT or ADDRESS:PORT of the host for HTTPS; by default 443", "8443"),
    },
    also=("https", "ssl"),
)
BALANCER = Section(
    BalancerSpec,
    "What clients reach.",
    {
        "publish": Key(
            Publish(),
            "PORT or ADDRESS:PORT of the host; by default 127.0.0.1:80 for bundled images, else 80",
            "127.0.0.1:8080",
            also=("ports", "listen", "bind"),
        ),
        # The others of HAProxy's algorithms take no servers at run time, or would not share the work.
        "balance": Key(
            Choice(("roundrobin", "leastconn", "random")), "who gets the next request", also=("algorithm", "mode")
        ),
        "trusted_proxies": Items(
            values.Proxy(),
            "whose X-Forwarded-For and X-Request-ID are believed; nobody's otherwise",
            "[10.1.0.5, 10.2.0.0/16]",
        ),
        "tls": TLS,
        "nodes": Items(
            NODE,
            "two managers of a swarm that stand in nodes: a balancer on each, one stands by; `dftui help swarm`",
            "[node1, node2]",
            also=("standby",),
        ),
    },
    also=("lb", "loadbalancer", "haproxy"),
)
ADMIN = Section(
    AdminSpec,
    "The first admin; `admin: none` leaves DreamFactory's setup form open instead.",
    {
        "email": Key(values.EMAIL, "the login"),
        "name": Key(values.WHOLE_NAME, "or first_name and last_name"),
        "first_name": Key(values.PERSON, "in place of name"),
        "last_name": Key(values.PERSON, "in place of name"),
        "phone": Key(values.PHONE, "DreamFactory asks for one"),
    },
    word=Choice(("auto", "none")),
)
LOGS = Section(
    LogsSpec,
    "What the screen keeps of the logs.",
    {
        "memory": Key(Size(1 << 20, 1 << 30, "a size from 1m to 1g, as 32m"), "in all …"),
        "per_container": Key(
            Size(256 << 10, 1 << 30, "a size from 256k to 1g, as 2m"), "… and of each container; older lines go first"
        ),
        "tail": Key(Whole(0, 1_000_000), "last lines of each container to begin with"),
    },
)
BACKUP = Section(
    BackupSpec,
    "Backups that dftui makes by itself, kept beside the history.",
    {
        "before_roll": Key(Truth(), "before a roll to another image"),
        "keep": Key(Whole(1, 1000), "that many stay"),
    },
)
TOP = Section(
    StackSpec,
    "A stack of dftui: a scaled DreamFactory on one Docker Engine.",
    {
        "name": Key(values.NAME, "begins the names of all containers, networks and volumes"),
        "images": IMAGES,
        "web": WEB,
        "balancer": BALANCER,
        "admin": ADMIN,
        "logs": LOGS,
        "backup": BACKUP,
        "engine": Key(
            Choice(("docker", "swarm")),
            "swarm: replicas, database and cache are services of a Docker Swarm; `dftui help swarm`",
            also=("orchestrator",),
        ),
        "nodes": Table(
            ENGINE,
            "how the engine of a swarm's node is reached, by the node's name; those not named are found",
            "{node1: ssh://user@node1, node2: ssh://user@node2}",
        ),
        "repair": Key(
            Choice(("ask", "auto")), "auto: drift is put right while the screen or `dftui watch` runs", also=("heal",)
        ),
        "subnet": Key(
            values.Subnet(), "of the front network; a free one is taken otherwise", "10.89.7.0/24", also=("network",)
        ),
        "theme": Key(values.THEME, "colours of the screen; `dftui help themes` names them", "night"),
        "keys": Table(values.KEY_NAME, "other keys, by the action's name; `dftui man` has them", "{scale-up: i}"),
    },
)
CONFIG: Mapping[str, Field] = {
    "theme": Key(values.THEME, "colours of the screen"),
    "mouse": Key(Truth(), "false leaves the mouse to the terminal"),
    "ascii": Key(Truth(), "no signs beyond ASCII"),
    "read_only": Key(Truth(), "look, and touch nothing"),
    "keys": Table(values.KEY_NAME, "other keys, by the action's name"),
}
"""The keys of the config files."""


@dataclass(frozen=True, slots=True)
class Place:
    """A key with the sections that it stands in."""

    path: tuple[str, ...]
    field: Field = field(repr=False)


def places(section: Section = TOP, path: tuple[str, ...] = ()) -> list[Place]:
    """Every key at every depth, in the order of the file."""
    found: list[Place] = []
    for name, held in section.keys.items():
        found.append(Place((*path, name), held))
        if isinstance(held, Section):
            found += places(held, (*path, name))
    return found
