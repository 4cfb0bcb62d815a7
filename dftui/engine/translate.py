"""The engine's JSON to the facts of `api`, and a `ContainerSpec` to what the engine's create call takes.

Source of the shapes: Docker Engine API 1.41 (ContainerSummary, ContainerInspect, Network, Volume, ImageSummary).
"""

from __future__ import annotations

import io
import re
import tarfile
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, cast

from dftui.engine.api import (
    Attachment,
    Container,
    ContainerDetail,
    ContainerSpec,
    ContainerState,
    File,
    Health,
    Image,
    Network,
    Port,
    Volume,
)

_STATES: Mapping[str, ContainerState] = {
    "created": "created",
    "running": "running",
    "paused": "paused",
    "restarting": "restarting",
    "removing": "removing",
    "exited": "exited",
    "dead": "dead",
    # Podman's words
    "configured": "created",
    "initialized": "created",
    "stopping": "running",
    "stopped": "exited",
}
_ENDED = re.compile(r"(?:Exited|Restarting) \((-?\d+)\)")


def health_in(status: str) -> Health:
    """The health that the engine's status words hold ("Up 5 minutes (healthy)")."""
    if "(healthy)" in status:
        return "healthy"
    if "(unhealthy)" in status:
        return "unhealthy"
    return "starting" if "(health: starting)" in status else "none"


def exit_code_in(status: str) -> int | None:
    """The code in "Exited (137) 3 seconds ago"; None in any other status."""
    found = _ENDED.match(status)
    return int(found[1]) if found else None


def own_name(names: Iterable[str]) -> str:
    """A container's own name among those of the list call, which holds links ("/other/alias") too."""
    plain = [name.lstrip("/") for name in names]
    return next((name for name in plain if "/" not in name), plain[0] if plain else "")


def addresses_of(networks: Mapping[str, Any] | None) -> dict[str, str]:
    """Address by network; the fixed one where the container is not running."""
    found: dict[str, str] = {}
    for name, end in (networks or {}).items():
        end = end or {}
        found[name] = str(end.get("IPAddress") or (end.get("IPAMConfig") or {}).get("IPv4Address") or "")
    return found


def container_of(raw: Mapping[str, Any]) -> Container:
    """One entry of the list call."""
    status = str(raw.get("Status", ""))
    ports = {
        Port(int(one["PrivatePort"]), str(one.get("IP", "")), int(one["PublicPort"]))
        for one in raw.get("Ports") or ()
        if one.get("PublicPort")
    }
    return Container(
        id=str(raw["Id"]),
        name=own_name(raw.get("Names") or ()),
        image=str(raw.get("Image", "")),
        image_id=str(raw.get("ImageID", "")),
        state=_STATES.get(str(raw.get("State", "")).lower(), "dead"),
        health=health_in(status),
        created=float(raw.get("Created") or 0),
        labels=dict(raw.get("Labels") or {}),
        addresses=addresses_of((raw.get("NetworkSettings") or {}).get("Networks")),
        ports=tuple(sorted(ports, key=lambda port: (port.container_port, port.host_ip, port.host_port))),
        status=status,
        exit_code=exit_code_in(status),
    )


def detail_of(raw: Mapping[str, Any]) -> ContainerDetail:
    """What inspect tells."""
    state = raw.get("State") or {}
    config = raw.get("Config") or {}
    host = raw.get("HostConfig") or {}
    word = str(state.get("Status", "")).lower()
    code = int(state.get("ExitCode") or 0)
    ended = word in ("exited", "dead", "restarting")
    health = str((state.get("Health") or {}).get("Status", "none"))
    # A stopped container publishes nothing now, but will: its wish stands in the host config.
    bindings = (raw.get("NetworkSettings") or {}).get("Ports") or host.get("PortBindings") or {}
    return ContainerDetail(
        container=Container(
            id=str(raw["Id"]),
            name=str(raw.get("Name", "")).lstrip("/"),
            image=str(config.get("Image", "")),
            image_id=str(raw.get("Image", "")),
            state=_STATES.get(word, "dead"),
            health=cast(Health, health if health in ("starting", "healthy", "unhealthy") else "none"),
            created=stamp(str(raw.get("Created", ""))),
            labels=dict(config.get("Labels") or {}),
            addresses=addresses_of((raw.get("NetworkSettings") or {}).get("Networks")),
            ports=_ports_of(bindings),
            status=f"{word.capitalize()} ({code})" if ended else word.capitalize(),
            exit_code=code if ended else None,
        ),
        env=dict(_pair(one) for one in config.get("Env") or ()),
        exit_code=code,
        error=str(state.get("Error") or ""),
        oom_killed=bool(state.get("OOMKilled")),
        restart_count=int(raw.get("RestartCount") or 0),
        started_at=str(state.get("StartedAt") or ""),
        finished_at=str(state.get("FinishedAt") or ""),
        volumes={
            str(mount.get("Destination", "")): str(mount.get("Name", ""))
            for mount in raw.get("Mounts") or ()
            if mount.get("Type") == "volume"
        },
        tty=bool(config.get("Tty")),
        log_path=str(raw.get("LogPath") or ""),
        command=tuple(str(word) for word in config.get("Cmd") or ()),
        cpus=host.get("NanoCpus", 0) / 1e9 or None,
        memory=host.get("Memory") or None,
        links=_links_of(host.get("Links") or (), (raw.get("NetworkSettings") or {}).get("Networks")),
        aliases=frozenset(
            str(alias)
            for end in ((raw.get("NetworkSettings") or {}).get("Networks") or {}).values()
            for alias in (end or {}).get("Aliases") or ()
        ),
        restart=str((host.get("RestartPolicy") or {}).get("Name") or "no"),
    )


def _links_of(legacy: Iterable[str], networks: Mapping[str, Any] | None) -> dict[str, str]:
    """Container by alias: of the default bridge ("/child:/parent/alias"), and of other networks ("child:alias")."""
    found: dict[str, str] = {}
    for text in [*legacy, *(one for end in (networks or {}).values() for one in (end or {}).get("Links") or ())]:
        child, _, alias = str(text).partition(":")
        found.setdefault(alias.rpartition("/")[2], child.lstrip("/"))
    return found


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def _ports_of(bindings: Mapping[str, Any]) -> tuple[Port, ...]:
    found = {
        Port(int(inside.split("/")[0]), str(one.get("HostIp", "")), int(one.get("HostPort") or 0))
        for inside, ends in bindings.items()
        for one in ends or ()
    }
    return tuple(sorted(found, key=lambda port: (port.container_port, port.host_ip, port.host_port)))


def stamp(text: str) -> float:
    """Unix seconds of an RFC 3339 stamp with up to nine digits of fraction; 0 for none."""
    found = re.match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)?$", text)
    if found is None:
        return 0.0
    zone = found[3] or "Z"
    whole = datetime.fromisoformat(found[1] + ("+00:00" if zone == "Z" else zone))
    return whole.timestamp() + float(found[2] or 0)


def network_of(raw: Mapping[str, Any]) -> Network:
    """One entry of the network list."""
    pools = (raw.get("IPAM") or {}).get("Config") or ()
    return Network(
        id=str(raw["Id"]),
        name=str(raw.get("Name", "")),
        labels=dict(raw.get("Labels") or {}),
        subnets=tuple(str(pool["Subnet"]) for pool in pools if pool.get("Subnet")),
        internal=bool(raw.get("Internal")),
        driver=str(raw.get("Driver", "")),
    )


def volume_of(raw: Mapping[str, Any]) -> Volume:
    """One entry of the volume list."""
    return Volume(name=str(raw["Name"]), labels=dict(raw.get("Labels") or {}))


def image_of(raw: Mapping[str, Any]) -> Image:
    """One entry of the image list, or an image's inspect (which tells times as text, labels in its config)."""
    created = raw.get("Created") or 0
    labels = raw.get("Labels")
    if labels is None:
        labels = (raw.get("Config") or {}).get("Labels")
    return Image(
        id=str(raw["Id"]),
        tags=tuple(tag for tag in raw.get("RepoTags") or () if tag != "<none>:<none>"),
        digests=tuple(digest for digest in raw.get("RepoDigests") or () if not digest.startswith("<none>")),
        size=int(raw.get("Size") or 0),
        created=stamp(created) if isinstance(created, str) else float(created),
        labels=dict(labels or {}),
        env=dict(_pair(one) for one in (raw.get("Config") or {}).get("Env") or ()),
    )


def endpoint_of(attachment: Attachment) -> dict[str, Any]:
    """An EndpointSettings with the fixed address and the names."""
    settings: dict[str, Any] = {}
    if attachment.aliases:
        settings["Aliases"] = list(attachment.aliases)
    if attachment.address:
        settings["IPAMConfig"] = {"IPv4Address": attachment.address}
    return settings


def create_body(spec: ContainerSpec) -> dict[str, Any]:
    """The body of the create call, with the first network only: two in one call is a 400 before API 1.44."""
    host: dict[str, Any] = {
        "RestartPolicy": {"Name": spec.restart},
        "LogConfig": {
            "Type": "json-file",
            "Config": {"max-size": spec.log_max_size, "max-file": str(spec.log_max_file)},
        },
        "Mounts": [
            {"Type": "volume", "Source": name, "Target": target} for target, name in sorted(spec.volumes.items())
        ],
        "PortBindings": {},
    }
    exposed: dict[str, Any] = {}
    for port in spec.ports:
        inside = f"{port.container_port}/tcp"
        exposed[inside] = {}
        host["PortBindings"].setdefault(inside, []).append(
            {"HostIp": port.host_ip, "HostPort": str(port.host_port) if port.host_port else ""}
        )
    if spec.cpus is not None:
        host["NanoCpus"] = round(spec.cpus * 1e9)
    if spec.memory is not None:
        host["Memory"] = spec.memory
    if spec.cpu_shares is not None:
        host["CpuShares"] = spec.cpu_shares
    body: dict[str, Any] = {
        "Image": spec.image,
        "Labels": dict(spec.labels),
        "Env": [f"{name}={value}" for name, value in spec.env.items()],
        "ExposedPorts": exposed,
        "HostConfig": host,
    }
    if spec.command is not None:
        body["Cmd"] = list(spec.command)
    if spec.entrypoint is not None:
        body["Entrypoint"] = list(spec.entrypoint)
    if spec.health is not None:
        body["Healthcheck"] = {
            "Test": ["CMD", *spec.health.test],
            "Interval": round(spec.health.interval * 1e9),
            "Timeout": round(spec.health.timeout * 1e9),
            "Retries": spec.health.retries,
            "StartPeriod": round(spec.health.start_period * 1e9),
        }
    if spec.stop_signal:
        body["StopSignal"] = spec.stop_signal
    if spec.auto_remove:
        host["AutoRemove"] = True
    if spec.isolated:
        host["NetworkMode"] = "none"
    if spec.networks:
        first = spec.networks[0]
        host["NetworkMode"] = first.network
        body["NetworkingConfig"] = {"EndpointsConfig": {first.network: endpoint_of(first)}}
    return body


def tar_of(files: Iterable[File]) -> bytes:
    """An archive for "/": the files alone, since the engine makes missing folders itself and an entry for one that
    exists would change its mode and owner."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for file in files:
            entry = tarfile.TarInfo(file.path.lstrip("/"))
            entry.size = len(file.data)
            entry.mode = file.mode
            entry.uid, entry.gid = file.uid, file.gid
            entry.mtime = int(time.time())
            tar.addfile(entry, io.BytesIO(file.data))
    return out.getvalue()
