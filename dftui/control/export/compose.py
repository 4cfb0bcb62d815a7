"""compose.yaml, haproxy.cfg and .env, for `docker compose` (and docker-compose from 1.29 on)."""

from __future__ import annotations

from typing import Any

from dftui.balancer import standalone
from dftui.balancer.config import CONFIG_PATH
from dftui.balancer.tls import CERTIFICATE_PATH
from dftui.control.export import services
from dftui.control.export.blueprint import Blueprint, assigned
from dftui.control.export.files import CERTIFICATE, Exported, comment, hidden, plain
from dftui.control.export.yamltext import Merge, dump, literal
from dftui.engine.api import ContainerSpec

ENV = ".env"
CONFIG = "haproxy.cfg"
_HELD = "/run/secrets.env"
"""Where setup finds the secrets' file: what it knows of the admin then stands in no container's variables."""


def write(made: Blueprint) -> tuple[Exported, ...]:
    """All files. compose reads `.env` by itself."""
    text = comment(
        f"The stack {made.stack}, for docker compose; written by dftui export, which is not needed to run it.",
        "",
        f"    docker compose up -d              {made.url}",
        "    docker compose down               its data stays in the volumes; with -v they go, too",
        "",
        f"The secrets are in {ENV}. Another replica: copy one of the webs below, with a name and an address that are",
        f"free, and its line at the end of {CONFIG}.",
        *_renewing(made),
        *made.notes,
    ) + dump(_document(made))
    secrets = [f"COMPOSE_PROJECT_NAME={made.stack}", *assigned(made.secrets)]
    return (
        plain("compose.yaml", text),
        plain(CONFIG, standalone.fixed(made.config)),
        hidden(ENV, "\n".join(secrets) + "\n"),
        *([hidden(CERTIFICATE, made.pem)] if made.pem else ()),
    )


def _renewing(made: Blueprint) -> list[str]:
    if not made.pem:
        return []
    return [
        f"A renewed certificate: its chain, then its key, into {CERTIFICATE} (mode 0600), and",
        "    docker compose restart balancer",
    ]


def _document(made: Blueprint) -> dict[str, Any]:
    front, back = made.networks
    document: dict[str, Any] = {}
    shared = _service(made, made.webs[0]) if made.webs else {}
    for own in ("container_name", "networks"):
        shared.pop(own, None)
    if shared:
        shared["depends_on"] = {"setup": {"condition": "service_completed_successfully"}}
        document["x-web"] = shared
    listed: dict[str, Any] = {
        "db": _service(made, made.db),
        "cache": _service(made, made.cache),
        "setup": _setup(made),
    }
    for spec in made.webs:
        listed[_short(made, spec)] = {
            Merge("<<"): shared,
            "container_name": spec.name,
            "networks": _networks(made, spec),
        }
    balancer = _service(made, made.balancer)
    balancer["volumes"] = [f"./{CONFIG}:{CONFIG_PATH}:ro"]
    if made.pem:
        balancer["user"] = "root"
        balancer["volumes"].append(f"./{CERTIFICATE}:{CERTIFICATE_PATH}:ro")
    balancer["depends_on"] = [_short(made, spec) for spec in made.webs] or ["cache"]
    listed["balancer"] = balancer
    document["services"] = listed
    document["networks"] = {
        "front": {"name": front.name, "ipam": {"config": [{"subnet": front.subnet}]}},
        "back": {"name": back.name, "internal": True},
    }
    document["volumes"] = {_volume(made, name): {"name": name} for name in made.volumes}
    return document


def _short(made: Blueprint, spec: ContainerSpec) -> str:
    return spec.name.removeprefix(f"{made.stack}-")


def _volume(made: Blueprint, name: str) -> str:
    return name.removeprefix(f"{made.stack}-")


def _networks(made: Blueprint, spec: ContainerSpec) -> dict[str, Any]:
    joined: dict[str, Any] = {}
    for attachment in spec.networks:
        told: dict[str, Any] = {}
        if attachment.address:
            told["ipv4_address"] = attachment.address
        if attachment.aliases:
            told["aliases"] = list(attachment.aliases)
        joined[attachment.network.removeprefix(f"{made.stack}-")] = told
    return joined


def _environment(made: Blueprint, spec: ContainerSpec) -> dict[str, str]:
    secret = frozenset(made.secrets)
    values = services.open_values(spec, secret)
    values |= {name: f"${{{name}:?it stands in {ENV}}}" for name in spec.env if name in secret}
    return values


def _service(made: Blueprint, spec: ContainerSpec) -> dict[str, Any]:
    """One service, as its container is made."""
    found: dict[str, Any] = {"image": spec.image, "container_name": spec.name}
    if spec.command is not None:
        found["command"] = literal(list(spec.command))
    if spec.env:
        found["environment"] = _environment(made, spec)
    if spec.volumes:
        found["volumes"] = [f"{_volume(made, name)}:{path}" for path, name in spec.volumes.items()]
    if spec.ports:
        found["ports"] = [_port(one.host_ip, one.host_port, one.container_port) for one in spec.ports]
    if spec.health is not None:
        found["healthcheck"] = services.health(spec.health)
    if spec.cpus:
        found["cpus"] = spec.cpus
    if spec.memory:
        found["mem_limit"] = spec.memory
    if spec.cpu_shares:
        found["cpu_shares"] = spec.cpu_shares
    if spec.stop_signal:
        found["stop_signal"] = spec.stop_signal
    return {
        **found,
        "restart": spec.restart,
        "logging": services.logging(spec),
        "networks": _networks(made, spec),
    }


def _port(host_ip: str, host_port: int, container_port: int) -> str:
    where = f"[{host_ip}]:" if ":" in host_ip else f"{host_ip}:" if host_ip else ""
    return f"{where}{host_port}:{container_port}"


def _setup(made: Blueprint) -> dict[str, Any]:
    """Ends by itself once the tables and the first admin are there; on data that has them it ends at once."""
    spec = made.setup
    found = _service(made, spec)
    if made.setup_user:
        found["user"] = made.setup_user
    elif spec.command is not None:
        words = ["sh", "-c", f'set -a; . {_HELD}; set +a; exec "$@"', "sh", *spec.command]
        found["command"] = literal(words)
        found["volumes"] = [*found["volumes"], f"./{ENV}:{_HELD}:ro"]
        found["environment"] = {k: v for k, v in found["environment"].items() if k not in made.secrets}
    found["depends_on"] = {name: {"condition": "service_healthy"} for name in ("db", "cache")}
    return found
