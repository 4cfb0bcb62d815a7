"""Reporting: every action tells its steps, with the docker command that would do the same."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from dftui.dreamfactory.variables import SECRET_VARIABLES
from dftui.engine.api import ContainerSpec
from dftui.stack import names
from dftui.watch.records import Step

Report = Callable[[Step], None]


def ignore(step: Step) -> None:
    """Report to nobody."""


@dataclass(slots=True)
class Progress:
    """Counts the work of one action; `total` may grow while it runs."""

    action: str
    report: Report
    total: int = 0
    done: int = 0
    who: str = ""
    _open: list[str] = field(default_factory=list)

    def tell(self, text: str, *, state: str = "ok", command: str = "") -> None:
        """One step that is over as it is told."""
        self._send(text, state, command)

    @contextmanager
    def step(self, text: str, *, command: str = "", work: int = 1) -> Iterator[None]:
        """A step that runs: told at its start, and as ok or failed at its end; `work` counts towards the total."""
        self._send(text, "running", command)
        try:
            yield
        except BaseException:
            self._send(text, "failed", command)
            raise
        self.done += work
        self._send(text, "ok", command)

    def _send(self, text: str, state: str, command: str) -> None:
        assert state in ("running", "ok", "failed")
        self.report(
            Step(
                at=time.time(),
                action=self.action,
                text=text,
                state=state,  # type: ignore[arg-type]
                command=command,
                done=self.done,
                total=max(self.total, self.done),
                who=self.who,
            )
        )


def options(spec: ContainerSpec) -> list[str]:
    """What `docker run` and `docker create` are told of a container, its variables and command aside."""
    words = ["--name", spec.name]
    if spec.restart != "no":
        words += ["--restart", spec.restart]
    if spec.networks:
        first = spec.networks[0]
        words += ["--network", first.network]
        if first.address:
            words += ["--ip", first.address]
    for port in spec.ports:
        where = f"{port.host_ip}:" if port.host_ip else ""
        words += ["-p", f"{where}{port.host_port}:{port.container_port}"]
    for path, volume in spec.volumes.items():
        words += ["-v", f"{volume}:{path}"]
    if spec.cpus:
        words += ["--cpus", f"{spec.cpus:g}"]
    if spec.cpu_shares:
        words += ["--cpu-shares", str(spec.cpu_shares)]
    if spec.memory:
        words += ["--memory", str(spec.memory)]
    if spec.stop_signal:
        words += ["--stop-signal", spec.stop_signal]
    return words


def docker_remove(name: str, *, service: bool) -> str:
    """The command line that ends and removes a container, or a service of a swarm."""
    return f"docker service rm {name}" if service else f"docker stop {name} && docker rm {name}"


def docker_begin(word: str, name: str, *, service: bool) -> str:
    """The command line that starts or thaws one (`word`)."""
    return f"docker service scale {name}=1" if service and word == "start" else f"docker {word} {name}"


def service_create(spec: ContainerSpec) -> str:
    """The `docker` command line that would make the same as a service; the values of secrets are left out."""
    words = ["docker", "service", "create", "--no-resolve-image", "--endpoint-mode", "dnsrr", "--name", spec.name]
    if spec.place == "data":
        words += ["--constraint", f"node.labels.{names.data_label(spec.labels[names.LABEL_STACK])}==true"]
    for one in spec.networks:
        words += ["--network", ",".join([f"name={one.network}", *(f"alias={alias}" for alias in one.aliases)])]
    for path, volume in spec.volumes.items():
        words += ["--mount", f"type=volume,source={volume},target={path}"]
    if spec.cpus:
        words += ["--limit-cpu", f"{spec.cpus:g}"]
    if spec.memory:
        words += ["--limit-memory", str(spec.memory)]
    for variable, version in spec.secrets.items():
        source = names.secret_name(spec.labels[names.LABEL_STACK], variable, version)
        words += ["--secret", f"source={source},target={variable}"]
    return shlex.join([*words, *_env(spec, spec.secrets), spec.image, *(spec.command or ())])


def _env(spec: ContainerSpec, without: Collection[str] = ()) -> list[str]:
    return [
        word
        for name, value in spec.env.items()
        if name not in without
        for word in ("-e", f"{name}=***" if name in SECRET_VARIABLES else f"{name}={value}")
    ]


def docker_run(spec: ContainerSpec) -> str:
    """The `docker` command line that would make the same container; the values of secrets are left out."""
    words = ["docker", "run", "-d", *options(spec), *_env(spec), spec.image, *(spec.command or ())]
    line = shlex.join(words)
    for second in spec.networks[1:]:
        at = f"--ip {second.address} " if second.address else ""
        line += f" && docker network connect {at}{second.network} {spec.name}"
    return line
