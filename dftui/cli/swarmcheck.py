"""What `dftui doctor` says of a swarm: whether this engine is a manager, how the nodes are, what the kernel lacks."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import TYPE_CHECKING

from dftui.cli.finding import Finding

if TYPE_CHECKING:
    from dftui.engine.api import Engine
    from dftui.engine.nodes import Node

OVERLAYS = ("CONFIG_VXLAN",)
"""What carries a network from node to node."""
VIRTUAL_IPS = ("CONFIG_IP_VS",)
ENCRYPTION = ("CONFIG_INET_ESP", "CONFIG_CRYPTO_GCM")
"""What an encrypted overlay's packets are made with: ESP with AES-GCM (RFC 4106)."""
MODULES = {"CONFIG_VXLAN": "vxlan", "CONFIG_IP_VS": "ip_vs", "CONFIG_INET_ESP": "esp4", "CONFIG_CRYPTO_GCM": "gcm"}


async def look(engine: Engine, local: bool) -> list[Finding]:
    """Nothing where there is no swarm. Raises EngineError."""
    from dftui.engine.cluster import cluster_of
    from dftui.engine.nodes import NoCluster

    try:
        cluster = cluster_of(engine)
    except NoCluster:
        return []
    here = (await cluster.membership()).state
    if here == "inactive":
        return []
    if here != "manager":
        what = "a worker of its swarm" if here == "worker" else f"in a swarm, but {here}"
        do = "name a manager with --docker"
        return [Finding("swarm", None, f"this engine is {what}, so its nodes were not looked at", do)]
    nodes = await cluster.nodes()
    return [_managers(nodes), *(_node(node) for node in nodes if node.state != "ready"), *kernel(local)]


def _managers(nodes: tuple[Node, ...]) -> Finding:
    """How many may be lost: a swarm acts only while more than half of its managers are there (Raft)."""
    managers = sum(node.role == "manager" for node in nodes)
    spare = (managers - 1) // 2
    what = f"this engine is a manager of a swarm of {len(nodes)} nodes, {managers} of them managers"
    if spare:
        return Finding("swarm", True, f"{what}; {spare} of these may be lost")
    do = "with three, one may be lost: docker node promote" if len(nodes) > 2 else ""
    return Finding("swarm", True, f"{what}; while one is away nothing is placed anew", do)


def _node(node: Node) -> Finding:
    from dftui.watch.sanitise import clean

    why = f" ({clean(node.message)})" if node.message else ""
    do = "start its machine or its engine, or take it out: docker node rm --force"
    return Finding("nodes", False, f"{clean(node.name)} is {node.state}{why}", do)


def kernel(local: bool, root: Path = Path("/"), release: str = os.uname().release) -> list[Finding]:
    """What a swarm can do on this machine's kernel: the first is needed, dftui does without the others."""
    if not local:
        return []
    carried = has(OVERLAYS, root, release)
    virtual = has(VIRTUAL_IPS, root, release)
    hidden = has(ENCRYPTION, root, release)
    words = {True: "yes", False: "no", None: "the kernel does not tell"}
    return [
        Finding(
            "kernel",
            carried,
            f"overlay networks (VXLAN): {words[carried]}",
            "" if carried is not False else "a stack's services need them: take a kernel that has vxlan",
        ),
        Finding(
            "kernel",
            None if virtual is None else True,
            f"virtual IPs and the routing mesh (IPVS): {words[virtual]}; dftui's services use neither",
        ),
        Finding(
            "kernel",
            None if hidden is None else True,
            f"encrypted overlay networks (ESP with AES-GCM): {words[hidden]}",
            "keep the nodes on a network that nobody else is on" if hidden is False else "",
        ),
    ]


def has(options: tuple[str, ...], root: Path, release: str) -> bool | None:
    """Whether the kernel has all of these built in, or as modules that are there; None where it does not tell."""
    config = _config(root, release)
    if config is None:
        return None
    modules = root / "lib/modules" / release
    listed = ""
    for name in ("modules.dep", "modules.builtin"):
        try:
            listed += (modules / name).read_text()
        except OSError:
            continue
    for option in options:
        value = config.get(option, "n")
        if value != "y" and not (value == "m" and f"/{MODULES[option]}.ko" in listed):
            return False
    return True


def _config(root: Path, release: str) -> dict[str, str] | None:
    """How the kernel was built, from itself or from the file that distributions lay beside it."""
    try:
        text = gzip.decompress((root / "proc/config.gz").read_bytes()).decode()
    except OSError:
        try:
            text = (root / f"boot/config-{release}").read_text()
        except OSError:
            return None
    pairs = (line.split("=", 1) for line in text.splitlines() if line.startswith("CONFIG_") and "=" in line)
    return dict(pairs)
