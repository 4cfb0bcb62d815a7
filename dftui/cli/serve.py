"""`dftui serve`: the screen in a browser, through textual-serve, on this machine's loopback alone.

A page of another site, or another user of the machine, could open the same port.  So each request must name this
very address (a name that was pointed at 127.0.0.1 does not pass), must not come from another site's page, and must
show the secret of the printed link, which becomes a cookie.  Sources: RFC 6455, section 10.2; RFC 6265bis,
"SameSite".
"""

from __future__ import annotations

import argparse
import getpass
import os
import shlex
import socket
import sys
from typing import TYPE_CHECKING

from dftui.cli.common import emit_line, load_spec, say
from dftui.cli.exits import UsageError
from dftui.control.effects import Effect

if TYPE_CHECKING:
    from dftui.cli.webserver import Door

HOST = "127.0.0.1"
PORT = 8765


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which port, and whether it may act."""
    parser.add_argument(
        "--write", action="store_true", help="let the screen act; without it, it only looks (--read-only)"
    )
    parser.add_argument(
        "--port", type=int, default=PORT, metavar="N", help=f"of {HOST}, at both ends of a tunnel (default {PORT})"
    )


def effect(args: argparse.Namespace) -> Effect:
    """A screen that may act may do everything."""
    return Effect.CHANGE if args.write else Effect.LOOK


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    if not 1 <= args.port <= 65535:
        raise UsageError(f"--port takes 1 to 65535, not {args.port}.")
    load_spec(args)  # a bad one is told here, not in the browser
    door = _door(args)
    tunnel = f"ssh -N -L {args.port}:{HOST}:{args.port} {getpass.getuser()}@{socket.gethostname()}"
    if args.json:
        emit_line({"url": door.link, "tunnel": tunnel, "write": args.write})
    else:
        print(door.link, flush=True)
        may = "It may act: whoever has this link may do everything." if args.write else "It only looks; --write acts."
        say(f"{may} It is for this machine alone; from another one, first: {tunnel}")
        say("Ctrl-C ends it, and the screens with it; the stack keeps running.")
    door.serve()
    return 0


def _door(args: argparse.Namespace) -> Door:
    try:
        from dftui.cli.webserver import Door
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "dftui":
            raise
        raise UsageError(
            f"the screen in a browser needs textual-serve, and {error.name} is not installed.",
            "Install it: pipx inject dftui 'dftui[serve]', or pip install 'dftui[serve]'",
        ) from None
    return Door(shlex.join(_screen(args)), _listening(args.port))


def _listening(port: int) -> socket.socket:
    """It listens before the link is printed: whoever is as quick as a script finds somebody at home."""
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UsageError(f"port {port} of {HOST} cannot be used: {why}.", "Another one: --port N") from None


def _screen(args: argparse.Namespace) -> list[str]:
    """The command that each browser gets one of; what stands before --read-only is sealed by it."""
    words = [sys.executable, "-m", "dftui"]
    for name in ("stack", "docker"):
        if (value := getattr(args, name)) is not None:
            words += [f"--{name}", os.path.abspath(value) if name == "stack" else value]  # noqa: PTH100
    if args.theme:
        words += ["--theme", args.theme]
    return words if args.write else [*words, "--read-only"]
