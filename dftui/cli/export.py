"""`dftui export docker|compose|swarm`: the stack as commands or files that run without dftui."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from dftui.cli.common import emit, opened, say

KINDS = ("docker", "compose", "swarm")
_NEXT = {
    "docker": "sh {stack}.sh up",
    "compose": "docker compose up -d",
    "swarm": "docker stack deploy -c stack.yaml {stack}",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """As what, and where to."""
    parser.add_argument(
        "kind",
        choices=KINDS,
        help="docker: a script of docker commands; compose: a compose.yaml; swarm: a stack file",
    )
    parser.add_argument(
        "--output",
        metavar="FOLDER",
        type=Path,
        help="where to write; no file there is written over (default: STACK-KIND here)",
    )


async def run(args: argparse.Namespace) -> int:
    """Write the files, and say what to type."""
    async with opened(args) as world, world.operator(args) as operator:
        stack = world.spec.name
        result = await operator.export(args.kind, args.output or Path(f"{stack}-{args.kind}"))
    if args.json:
        emit(result.to_json())
        return 0
    for name in result.files:
        print(Path(result.folder) / name)
    what = "what runs" if result.source == "running" else "what the stack file wants"
    say(f"It is {what}: {result.replicas} replicas, key {result.key}.")
    for note in result.notes:
        say(note)
    many = f"{len(result.secret)} files" if len(result.secret) > 1 else result.secret[0]
    secure = result.url.startswith("https:")
    what = "APP_KEY, passwords and the certificate's key" if secure else "APP_KEY and passwords"
    say(f"The {what} are in {many}, mode 0600: keep them as you would the stack.")
    if result.source == "running":
        say(f"Its names, port and volumes are those of {stack}: take that down first (dftui down; the data stays).")
    say(f"To bring it up: cd {shlex.quote(result.folder)} && {_NEXT[args.kind].format(stack=stack)}")
    return 0
