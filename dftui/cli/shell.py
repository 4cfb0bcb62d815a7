"""`dftui shell WHO [-- COMMAND…]`: inside a container, at this terminal or in a pipe."""

from __future__ import annotations

import argparse
import sys

from dftui.cli.common import containers, emit, opened
from dftui.cli.exits import UsageError
from dftui.cli.parser import CommandParser
from dftui.control.errors import SteppedAside


def arguments(parser: CommandParser) -> None:
    """WHO, `--client`, and what to run."""
    parser.add_argument("who", metavar="WHO", help="a replica's number, name or Host; db, cache or balancer")
    parser.add_argument(
        "--client", action="store_true", help="the database's or the cache's own client; COMMAND is its arguments"
    )
    parser.rest = "words"
    parser.usage = "%(prog)s [options] WHO [-- COMMAND ...]"


async def run(args: argparse.Namespace) -> int:
    """Run it; the command's own exit code. With --json its output in one document, and no terminal."""
    if args.json and not args.words:
        raise UsageError("--json is for a command that ends: a shell has no document.", "Add -- COMMAND.")
    async with opened(args) as world, world.operator(args) as operator:
        from dftui.cli.logs import choose
        from dftui.control import attach
        from dftui.control.tty import terminal_size
        from dftui.stack.names import LABEL_ROLE

        if world.spec.plain and args.who in ("db", "cache"):
            raise SteppedAside(f"there is no {'database' if args.who == 'db' else 'cache'}")
        found = choose(await containers(world), [args.who], world.spec.name)
        if len(found) != 1:
            raise UsageError(f"{args.who} is {len(found)} containers.", f"One of {', '.join(c.name for c in found)}.")
        role = found[0].labels.get(LABEL_ROLE, "")
        tty = not args.json and sys.stdin.isatty() and sys.stdout.isatty()
        size = terminal_size() if tty else None
        words = tuple(args.words)
        async with operator.inside(found[0].name, role, words, client=args.client, size=size) as session:
            if args.json:
                code, out, err = await attach.gathered(session)
                emit({"who": found[0].name, "exit_code": code, "stdout": out, "stderr": err})
            elif tty:
                code, _ = await attach.at_terminal(session)
            else:
                code = await attach.at_pipes(session)
    return code
