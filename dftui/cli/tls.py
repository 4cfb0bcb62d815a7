"""`dftui tls [show|renew]`: the certificate that the balancer serves HTTPS with."""

from __future__ import annotations

import argparse
import time

from dftui.balancer.tls import Certificate
from dftui.cli.common import emit, opened, say
from dftui.cli.text import certificate_text
from dftui.control.effects import Effect


def arguments(parser: argparse.ArgumentParser) -> None:
    """To look, or to take up."""
    parser.add_argument(
        "what",
        choices=("show", "renew"),
        nargs="?",
        default="show",
        help="show: what is served, and whether the stack file's files hold the same; renew: serve what they hold "
        "now, on new connections; nothing is cut",
    )


def effect(args: argparse.Namespace) -> Effect:
    """`show` looks."""
    return Effect.CHANGE if args.what == "renew" else Effect.LOOK


async def run(args: argparse.Namespace) -> int:
    """Show or renew."""
    async with opened(args) as world, world.operator(args) as operator:
        result = await (operator.renew_certificate() if args.what == "renew" else operator.certificate())
    if args.json:
        emit(result.to_json())
        return 0
    served = Certificate(result.fingerprint, result.expires, result.names)
    print(f"{certificate_text(served, time.time())}\nSHA-1 {result.fingerprint}")
    if result.files == "newer":
        say("The files hold another one. To serve it: dftui tls renew")
    elif result.files != "same":
        say(f"The files are not used: {result.files}.")
    elif args.what == "renew":
        say("Served on new connections from now on." if result.renewed else "It was served already.")
    return 0
