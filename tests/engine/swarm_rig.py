"""A stack on a swarm of three nodes, and what is left of one on any of them."""

from __future__ import annotations

from pathlib import Path

from tests.stacks import LABEL, Stack
from tests.swarmlab import SwarmLab


def swarm_stack(folder: Path, lab: SwarmLab, text: str) -> Stack:
    """A stack whose engine is the lab."""
    return Stack(folder, lab.stack_lines + text, host=lab.manager.host, address=lab.address)


def left(lab: SwarmLab, stack: str) -> list[str]:
    """What any node, or the swarm, still has of a stack."""
    wanted = ("--filter", f"label={LABEL}={stack}")
    found = []
    for node in lab.nodes:
        for kind, *words in (("container", "ps", "-a"), ("volume", "volume", "ls")):
            name = "{{.Names}}" if kind == "container" else "{{.Name}}"
            listed = node.docker(*words, *wanted, "--format", name).split()
            found += [f"{kind} {one} on {node.name}" for one in listed]
    for kind in ("service", "network", "secret"):
        found += [f"{kind} {one}" for one in lab.manager.docker(kind, "ls", *wanted, "--format", "{{.Name}}").split()]
    found += [word for word in _data_labels(lab) if word == f"dftui.data.{stack}"]
    return found


def _data_labels(lab: SwarmLab) -> list[str]:
    ids = lab.manager.docker("node", "ls", "-q").split()
    return lab.manager.docker(
        "node", "inspect", *ids, "--format", "{{range $k, $v := .Spec.Labels}}{{$k}} {{end}}"
    ).split()
