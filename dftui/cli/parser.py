"""The command line: options common to all, and commands whose modules are imported only when used.

A command is a module of `dftui.cli` with `arguments(parser)`, which adds its own arguments, and
`run(args) -> int`, plain or async, which gives back the exit code.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NoReturn

from dftui import __version__
from dftui.cli.exits import Exit

LEAST_BPS = 1000
"""Bytes a second below which no screen can be used."""

COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("up", "create what is missing and start it"),
    "scale": ("scale", "set the number of replicas: N, +K or -K"),
    "status": ("status", "what there is and how it is"),
    "stats": ("stats", "requests/s, p95, CPU and memory, of the stack and of each replica"),
    "logs": ("logs", "the containers' logs, merged in time order"),
    "requests": ("requests", "which replica served each request"),
    "probe": ("probe", "send requests through the balancer and show the Host of each answer"),
    "verify": ("verify", "try every replica against every other: keys, tokens, backends, clocks, Host rotation"),
    "drain": ("drain", "give a replica no new requests"),
    "undrain": ("undrain", "let a drained replica serve again"),
    "roll": ("roll", "replace replicas one by one: to an image, or to what the stack file says now"),
    "repair": ("repair", "put right what differs between wanted, existing and the balancer's table"),
    "watch": ("watch", "repair and autoscale as the stack file asks, without a screen"),
    "history": ("history", "what was done, by whom, and what came of it"),
    "backup": ("backup", "database, secrets and files in one file"),
    "restore": ("restore", "a backup's data in place, and the stack brought up on it"),
    "down": ("down", "remove the stack; volumes stay unless told"),
    "admin": ("admin", "create the first admin, while there is none"),
    "key": ("key", "the APP_KEY that all replicas share"),
    "images": ("images", "list, pull or build the images"),
    "help": ("help", "what there is to know: a page a topic"),
    "doctor": ("doctor", "look the machine over: engine, disk, port, clock"),
}
"""Command → its module and one line of help, in the order of `dftui --help`."""


def _bps(text: str) -> int:
    """A budget in bytes a second, with `k` for thousands."""
    digits, thousands = (text[:-1], 1000) if text[-1:] in ("k", "K") else (text, 1)
    found = int(digits) * thousands if digits.isascii() and digits.isdigit() and len(digits) < 10 else 0
    if found < LEAST_BPS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of bytes a second from {LEAST_BPS} on")
    return found


class _CommandParser(argparse.ArgumentParser):
    """A command's parser that imports the command's module on first use."""

    module: str = ""
    _filled = False

    def fill(self) -> None:
        """Import the module and let it add its arguments."""
        if self.module and not self._filled:
            self._filled = True
            import_module(f"dftui.cli.{self.module}").arguments(self)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does it, once the command's arguments are there."""
        self.fill()
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Wrong use: the sentence, how it is used, exit 2."""
        self.exit(Exit.USAGE, f"dftui: {message}\n{self.format_usage()}")


def _common(parser: argparse.ArgumentParser, top: bool) -> None:
    """Options that hold before and after a command; after it they must not reset what stood before."""
    default: Any = None if top else argparse.SUPPRESS
    off: Any = False if top else argparse.SUPPRESS
    parser.add_argument(
        "--stack", metavar="FILE", default=default, help="stack file (default: ./dftui.yaml, if there)"
    )
    parser.add_argument(
        "--docker",
        metavar="HOST",
        default=default,
        help="engine: unix:///var/run/docker.sock, ssh://user@host, or a docker context",
    )
    parser.add_argument("--json", action="store_true", default=off, help="JSON on stdout; messages stay on stderr")
    parser.add_argument("--verbose", action="store_true", default=off, help="the docker commands that do the same")
    parser.add_argument("--no-color", action="store_true", default=off, help="no colours")


def build() -> argparse.ArgumentParser:
    """The whole parser; commands are still empty."""
    parser = _CommandParser(
        prog="dftui",
        description="Runs a scaled DreamFactory on Docker. Without a command: the screen.",
        epilog="Exit codes: 0 done, 1 failed, 2 wrong use or a bad file, 3 no engine, 4 checked and found untrue.",
    )
    parser.add_argument("--version", action="version", version=f"dftui {__version__}")
    _common(parser, top=True)
    screen = parser.add_argument_group("the screen")
    screen.add_argument("--theme", metavar="NAME", help="colours, e.g. night or day; dftui help themes")
    screen.add_argument("--ascii", action="store_true", help="no line drawing or symbols beyond ASCII")
    screen.add_argument("--no-mouse", action="store_true", help="leave the mouse to the terminal")
    screen.add_argument(
        "--max-bps", type=_bps, metavar="N", help="send the terminal at most N bytes a second, e.g. 20000 or 20k"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_CommandParser, title="commands")
    for name, (module, text) in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        _common(sub, top=False)
        sub.module = module
    return parser


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; wrong use ends the program with exit code 2."""
    return build().parse_args(argv)


def runner(command: str) -> Callable[[argparse.Namespace], Any]:
    """The command's `run`; call it, and await what it gives if that is awaitable."""
    module = import_module(f"dftui.cli.{COMMANDS[command][0]}")
    run: Callable[[argparse.Namespace], Any] = module.run
    return run
