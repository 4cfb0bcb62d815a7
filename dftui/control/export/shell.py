"""A script of docker commands, haproxy.cfg and the secrets' file it reads."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from dftui.balancer import standalone
from dftui.balancer.config import CONFIG_PATH
from dftui.balancer.tls import CERTIFICATE_PATH
from dftui.control.export.blueprint import Blueprint, assigned
from dftui.control.export.files import CERTIFICATE, SCRIPT, Exported, comment, hidden, plain
from dftui.control.steps import options
from dftui.engine.api import ContainerSpec

ENV = "secrets.env"
CONFIG = "haproxy.cfg"

_HELPERS = """\
there() { docker "$1" inspect "$2" >/dev/null 2>&1; }

answers() {
    name=$1
    shift
    tries=0
    until docker exec "$name" "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 180 ] || { echo "$name does not answer: docker logs $name" >&2; exit 1; }
        sleep 1
    done
}
"""


def write(made: Blueprint) -> tuple[Exported, ...]:
    """All files."""
    return (
        Exported(f"{made.stack}.sh", _script(made), SCRIPT),
        plain(CONFIG, standalone.fixed(made.config)),
        hidden(ENV, "\n".join(assigned(made.secrets)) + "\n"),
        *([hidden(CERTIFICATE, made.pem)] if made.pem else ()),
    )


def _script(made: Blueprint) -> str:
    name = f"./{made.stack}.sh"
    head = comment(
        f"The stack {made.stack} as docker commands; written by dftui export, which is not needed to run them.",
        "",
        f"    {name} up                 {made.url}; run again, it starts what is missing",
        f"    {name} down               its data stays; with --volumes that goes, too",
        "",
        f"The secrets are in {ENV}, and reach docker through the environment, never through a command line.",
        *_renewing(made),
        *made.notes,
    )
    parts = [
        "#!/bin/sh",
        head.rstrip("\n"),
        "",
        "set -eu",
        'cd "$(dirname "$0")"',
        "",
        _HELPERS,
        "up() {",
        *_indented(_up(made)),
        "}",
        "",
        "down() {",
        *_indented(_down(made)),
        "}",
        "",
        'case "${1:-}" in',
        "    up) up ;;",
        '    down) down "${2:-}" ;;',
        f'    *) echo "usage: {name} up | down [--volumes]" >&2; exit 2 ;;',
        "esac",
    ]
    return "\n".join(parts) + "\n"


def _renewing(made: Blueprint) -> list[str]:
    if not made.pem:
        return []
    return [
        f"A renewed certificate: its chain, then its key, into {CERTIFICATE} (mode 0600), and",
        f"    {_copy(made, CERTIFICATE, CERTIFICATE_PATH)} && docker restart {made.balancer.name}",
    ]


def _copy(made: Blueprint, file: str, path: str) -> str:
    return shlex.join(["docker", "cp", file, f"{made.balancer.name}:{path}"])


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _up(made: Blueprint) -> list[str]:
    lines = ["set -a", f". ./{ENV}", "set +a"]
    for network in made.networks:
        told = ["docker", "network", "create"]
        told += ["--subnet", network.subnet] if network.subnet else []
        told += ["--internal"] if network.internal else []
        lines.append(f"there network {network.name} || {shlex.join([*told, network.name])} >/dev/null")
    lines += [f"docker volume create {name} >/dev/null" for name in made.volumes]
    for spec in (made.db, made.cache):
        lines += _container(made, spec)
    for spec in (made.db, made.cache):
        if spec.health is not None:
            lines.append(f"answers {shlex.join([spec.name, *spec.health.test])}")
    lines += [
        "# Migrations and the first admin; on data that has them it ends at once.",
        f"docker rm -f {made.setup.name} >/dev/null 2>&1 || :",
        _setup(made),
    ]
    for spec in made.webs:
        lines += _container(made, spec)
    return lines + _container(made, made.balancer)


def _words(made: Blueprint, spec: ContainerSpec) -> list[str]:
    """Of a container, all that `docker create` and `docker run` are told."""
    words = options(spec)
    for alias in spec.networks[0].aliases:
        words += ["--network-alias", alias]
    words += ["--log-driver", "json-file"]
    words += ["--log-opt", f"max-size={spec.log_max_size}", "--log-opt", f"max-file={spec.log_max_file}"]
    if spec.health is not None:
        check = spec.health
        words += ["--health-cmd", check.test[-1], "--health-interval", f"{check.interval:g}s"]
        words += ["--health-timeout", f"{check.timeout:g}s", "--health-retries", str(check.retries)]
        words += ["--health-start-period", f"{check.start_period:g}s"]
    for name, value in spec.env.items():
        # A name alone takes its value from the environment.
        words += ["-e", name if name in made.secrets else f"{name}={value}"]
    return words


def _setup(made: Blueprint) -> str:
    user = ["--user", made.setup_user] if made.setup_user else []
    words = ["docker", "run", "--rm", *_words(made, made.setup), *user, made.setup.image, *(made.setup.command or ())]
    return shlex.join(words)


def _container(made: Blueprint, spec: ContainerSpec) -> list[str]:
    """Made if it is not there, on its first network, joined to the others, then started."""
    secure = spec is made.balancer and bool(made.pem)
    user = ["--user", "root"] if secure else []
    create = ["docker", "create", *_words(made, spec), *user, spec.image, *(spec.command or ())]
    steps = [f"{shlex.join(create)} >/dev/null"]
    for attachment in spec.networks[1:]:
        join = ["docker", "network", "connect", *(["--ip", attachment.address] if attachment.address else [])]
        for alias in attachment.aliases:
            join += ["--alias", alias]
        steps.append(shlex.join([*join, attachment.network, spec.name]))
    if spec is made.balancer:
        steps.append(f"{_copy(made, CONFIG, CONFIG_PATH)} >/dev/null")
    if secure:
        steps.append(f"{_copy(made, CERTIFICATE, CERTIFICATE_PATH)} >/dev/null")
    return [f"if ! there container {spec.name}; then", *_indented(steps), "fi", f"docker start {spec.name}"]


def _down(made: Blueprint) -> list[str]:
    gone = [spec.name for spec in reversed(made.containers)]
    lines = [
        f"for name in {' '.join(gone)}; do",
        '    if there container "$name"; then docker stop "$name" >/dev/null; docker rm -v "$name"; fi',
        "done",
    ]
    for network in made.networks:
        lines.append(f"if there network {network.name}; then docker network rm {network.name}; fi")
    lines.append(f'if [ "$1" = --volumes ]; then docker volume rm -f {" ".join(made.volumes)}; fi')
    return lines
