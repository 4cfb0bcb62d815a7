"""`dftui nodes [drain|activate NODE]`: the machines of a swarm, and taking one out of use or back in."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dftui.cli.common import coloured, emit, opened
from dftui.cli.exits import UsageError
from dftui.cli.text import columns, paint
from dftui.control.effects import Effect

if TYPE_CHECKING:
    from dftui.engine.nodes import NodeUse


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, with which node."""
    parser.add_argument(
        "what",
        choices=("list", "drain", "activate"),
        nargs="?",
        default="list",
        help="list: role, availability, state and tasks of each; drain: have its tasks run elsewhere, the stack's "
        "replicas by way of the balancer; activate: let tasks come to it again",
    )
    parser.add_argument("node", metavar="NODE", nargs="?", help="its name, or the beginning of its id")
    parser.add_argument("--yes", action="store_true", help="drain it even if a database or cache stops by it")


def effect(args: argparse.Namespace) -> Effect:
    """A list only looks."""
    return Effect.LOOK if args.what == "list" else Effect.CHANGE


async def run(args: argparse.Namespace) -> int:
    """List, drain or activate."""
    from dftui.control.nodes import Nodes, look
    from dftui.engine.cluster import cluster_of

    if args.what != "list" and not args.node:
        raise UsageError(f"which node? dftui nodes {args.what} NODE", "`dftui nodes` lists them.")
    if args.what == "list" and args.node:
        raise UsageError("list takes no NODE: it lists all of them.")
    async with opened(args) as world:
        cluster = cluster_of(world.engine)
        if args.what == "list":
            uses = await look(cluster)
            if args.json:
                emit({"nodes": [use.to_json() for use in uses]})
            else:
                print("\n".join(nodes_text(uses, coloured())))
            return 0
        async with world.operator(args) as operator:
            nodes = Nodes(world.engine, cluster, world.spec.name, operator.repair, operator.told)
            receipt = await (
                nodes.activate(args.node) if args.what == "activate" else nodes.drain(args.node, pinned_too=args.yes)
            )
    if args.json:
        emit(receipt.to_json())
    else:
        from dftui.watch.sanitise import clean

        print(clean(receipt.text))
    return 0


def nodes_text(uses: Sequence[NodeUse], colour: bool = False) -> list[str]:
    """A line a node, and what runs on it."""
    from dftui.watch.format import size
    from dftui.watch.sanitise import clean

    rows: list[tuple[str, ...]] = []
    for use in uses:
        node = use.node
        role = f"{node.role}, leader" if node.leader else node.role
        state = f"{node.state}: {node.message}" if node.message else node.state
        rows.append(
            (
                clean(node.name),
                role,
                f"{mark(use)} {clean(state)}",
                node.availability,
                f"{node.cpus:g} cores",
                size(node.memory),
                clean(node.address),
                f"{len(use.tasks)} tasks" if len(use.tasks) != 1 else "1 task",
                clean(", ".join(use.tasks)),
            )
        )
    codes = ["31" if use.node.state != "ready" else "33" if use.node.availability != "active" else "" for use in uses]
    return [paint(line, code, colour) for line, code in zip(columns(rows, indent=""), codes, strict=True)]


def mark(use: NodeUse) -> str:
    """A sign for how it is."""
    if use.node.state != "ready":
        return "✗"
    return "●" if use.node.availability == "active" else "◌"
