"""A swarm's stack file, haproxy.cfg and one file for each secret."""

from __future__ import annotations

from typing import Any

from dftui.balancer import standalone
from dftui.balancer.config import CONFIG_PATH
from dftui.balancer.tls import CERTIFICATE_PATH
from dftui.control.export import services
from dftui.control.export.blueprint import Blueprint
from dftui.control.export.files import CERTIFICATE, Exported, comment, hidden, plain
from dftui.control.export.yamltext import dump, literal
from dftui.engine.api import ContainerSpec

STACK = "stack.yaml"
CONFIG = "haproxy.cfg"
SECRETS = "secrets"

_READ = 'for file in /run/secrets/*; do export "${file##*/}=$(cat "$file")"; done; '
"""A secret's file has the variable's name; images take most of them from variables alone."""
_DB_COMMAND = (
    "sh",
    "-c",
    'exec docker-entrypoint.sh "$(command -v mariadbd >/dev/null && echo mariadbd || echo mysqld)"',
)
_CACHE_COMMAND = ("docker-entrypoint.sh", "redis-server")


def write(made: Blueprint) -> tuple[Exported, ...]:
    """All files."""
    notes = list(made.notes)
    for port in made.balancer.ports:
        if port.host_ip not in ("", "0.0.0.0", "::"):
            notes.append(
                f"A swarm cannot publish on one address alone: {port.host_port} is open on every interface of the "
                f"balancer's node, not on {port.host_ip} only."
            )
    if made.pem:
        notes.append(
            f"A renewed certificate is a secret of another name: a file beside {SECRETS}/{CERTIFICATE}, and its name "
            f"in both places below where {CERTIFICATE} stands; deploy again."
        )
    label = f"{made.stack}.data"
    text = comment(
        f"The stack {made.stack}, for a swarm; written by dftui export, which is not needed to run it.",
        "",
        f"    docker node update --label-add {label}=true NODE    once: where database, cache and balancer live",
        f"    docker stack deploy -c {STACK} {made.stack}",
        f"    docker service scale {made.stack}_web=5             the balancer finds the new ones by itself",
        f"    docker stack rm {made.stack}",
        "",
        f"Swarm reads the secrets from the files in {SECRETS}/ and keeps them; afterwards the files may go.",
        "Volumes are of one node: storage/app is shared by the webs of a node, not by nodes, unless its volume is a "
        "network's.",
        "`docker service scale` down stops a web at once: what it serves then is cut short. dftui drains first.",
        "On new data the webs log a few `Table already exists` while setup migrates.",
        *notes,
    ) + dump(_document(made, label))
    # A secret is mounted for its own container's processes, so that HAProxy reads it without being root.
    cfg = standalone.by_name(made.config, "web", made.web_port, len(made.webs))
    return (
        plain(STACK, text),
        plain(CONFIG, cfg),
        *(hidden(f"{SECRETS}/{name}", value) for name, value in sorted(_secrets(made).items())),
    )


def _secrets(made: Blueprint) -> dict[str, str]:
    return {**made.secrets, **({CERTIFICATE: made.pem} if made.pem else {})}


def _document(made: Blueprint, label: str) -> dict[str, Any]:
    db = _service(made, made.db, _DB_COMMAND)
    cache = _service(made, made.cache, made.cache.command or _CACHE_COMMAND)
    setup = _service(made, made.setup, made.setup.command or ())
    balancer = _service(made, made.balancer, ())
    for pinned in (db, cache, setup, balancer):
        pinned["deploy"]["placement"] = {"constraints": [f"node.labels.{label} == true"]}
    setup["deploy"]["restart_policy"] = {"condition": "on-failure"}
    if made.setup_user:
        setup["user"] = made.setup_user
    balancer["configs"] = [{"source": "balancer", "target": CONFIG_PATH}]
    balancer["ports"] = [
        {"target": port.container_port, "published": port.host_port, "protocol": "tcp", "mode": "host"}
        for port in made.balancer.ports
    ]
    if made.pem:
        balancer["secrets"] = [{"source": CERTIFICATE, "target": CERTIFICATE_PATH}]
    listed = {"db": db, "cache": cache, "setup": setup}
    if made.webs:
        web = _service(made, made.webs[0], made.webs[0].command or ())
        web["deploy"] = {
            "replicas": len(made.webs),
            **web["deploy"],
            "update_config": {"parallelism": 1, "order": "start-first", "failure_action": "rollback"},
        }
        listed["web"] = web
    listed["balancer"] = balancer
    return {
        "version": "3.8",
        "services": listed,
        "networks": {
            "front": {"driver": "overlay"},
            "back": {"driver": "overlay", "internal": True},
        },
        "volumes": {name.removeprefix(f"{made.stack}-"): {"name": name} for name in made.volumes},
        "configs": {"balancer": {"file": f"./{CONFIG}"}},
        "secrets": {name: {"file": f"./{SECRETS}/{name}"} for name in sorted(_secrets(made))},
    }


def _service(made: Blueprint, spec: ContainerSpec, command: tuple[str, ...]) -> dict[str, Any]:
    """One service; its secrets become variables before its command runs."""
    held = [name for name in spec.env if name in made.secrets]
    found: dict[str, Any] = {"image": spec.image}
    if held:
        found["entrypoint"] = literal(["sh", "-c", f'{_READ}exec "$@"', "sh"])
        found["secrets"] = [{"source": name, "target": name} for name in held]
    if command:
        found["command"] = literal(list(command))
    if values := services.open_values(spec, frozenset(made.secrets)):
        found["environment"] = values
    if spec.volumes:
        found["volumes"] = [f"{name.removeprefix(f'{made.stack}-')}:{path}" for path, name in spec.volumes.items()]
    if spec.health is not None:
        found["healthcheck"] = services.health(spec.health, _READ)
    if spec.stop_signal:
        found["stop_signal"] = spec.stop_signal
    limits = {
        **({"cpus": f"{spec.cpus:g}"} if spec.cpus else {}),
        **({"memory": str(spec.memory)} if spec.memory else {}),
    }
    deploy: dict[str, Any] = {"endpoint_mode": "dnsrr", "restart_policy": {"condition": "any", "delay": "2s"}}
    if limits:
        deploy["resources"] = {"limits": limits}
    return {**found, "logging": services.logging(spec), "networks": _networks(made, spec), "deploy": deploy}


def _networks(made: Blueprint, spec: ContainerSpec) -> dict[str, Any]:
    """No fixed addresses: a swarm has none."""
    return {
        one.network.removeprefix(f"{made.stack}-"): ({"aliases": list(one.aliases)} if one.aliases else {})
        for one in spec.networks
    }
