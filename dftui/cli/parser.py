"""The command line: options common to all, and commands whose modules are imported only when used.

A command is a module of `dftui.cli` with `arguments(parser)`, which adds its own arguments, and
`run(args) -> int`, plain or async, which gives back the exit code.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NoReturn

from dftui import __version__
from dftui.cli.exits import Exit, UsageError
from dftui.control.effects import Effect, refusal

LEAST_BPS = 1000
"""Bytes a second below which no screen can be used."""

LOOK, CHANGE, REVEAL = Effect.LOOK, Effect.CHANGE, Effect.REVEAL
COMMANDS: dict[str, tuple[str, str, Effect | None]] = {
    "up": ("up", "create what is missing, start it, and roll out what was edited in the stack file", CHANGE),
    "plan": ("plan", "what `up` would do; 4 if anything", LOOK),
    "init": ("init", "write a stack file with every key, its default and what it does", CHANGE),
    "schema": ("schema", "the stack file's JSON Schema, for editors", LOOK),
    "scale": ("scale", "set the number of replicas: N, +K or -K", CHANGE),
    "status": ("status", "what there is and how it is", LOOK),
    "stats": ("stats", "requests/s, p95, CPU and memory, of the stack and of each replica", LOOK),
    "logs": ("logs", "the containers' logs, merged in time order", None),
    "requests": ("requests", "which replica served each request", LOOK),
    "probe": ("probe", "send requests through the balancer and show the Host of each answer", LOOK),
    "verify": (
        "verify",
        "try every replica against every other: keys, tokens, backends, clocks, Host rotation",
        LOOK,
    ),
    "remove": ("remove", "drain a replica, then remove that one", CHANGE),
    "shell": ("shell", "a shell, a client or a command inside a container", REVEAL),
    "drain": ("drain", "give a replica no new requests", CHANGE),
    "undrain": ("undrain", "let a drained replica serve again", CHANGE),
    "roll": ("roll", "replace replicas one by one: to an image, or to what the stack file says now", CHANGE),
    "repair": ("repair", "put right what differs between wanted, existing and the balancer's table", None),
    "nodes": ("nodes", "the machines of a swarm: what runs on each; drain or activate one", None),
    "watch": ("watch", "repair and autoscale as the stack file asks, without a screen", CHANGE),
    "history": ("history", "what was done, by whom, and what came of it", LOOK),
    "backup": ("backup", "database, secrets and files in one file", REVEAL),
    "export": ("export", "the stack as docker commands, compose or swarm files that run without dftui", REVEAL),
    "restore": ("restore", "a backup's data in place, and the stack brought up on it", CHANGE),
    "adopt": ("adopt", "take over a stack that was made without dftui: the blog's commands, or compose", None),
    "migrate": ("migrate", "the stack, with its data, to the Docker Swarm that its engine manages", CHANGE),
    "down": ("down", "remove the stack; volumes stay unless told", CHANGE),
    "uninstall": ("uninstall", "remove the stack, its data, images and files: as it was before dftui", CHANGE),
    "admin": ("admin", "create the first admin, while there is none", CHANGE),
    "tls": ("tls", "the certificate of HTTPS: show what is served, or take up a renewed one", None),
    "key": ("key", "the APP_KEY that all replicas share", None),
    "images": ("images", "list, pull or build the images", None),
    "help": ("help", "what there is to know: a page a topic", LOOK),
    "serve": ("serve", "the screen in a browser, on this machine's loopback; only looks unless told", None),
    "man": ("man", "the manual page", LOOK),
    "completion": ("completion", "what bash, zsh or fish read to complete dftui's words", LOOK),
    "doctor": ("doctor", "look the machine over: engine, disk, port, clock", LOOK),
}
"""Command → its module, one line of help, and what it does to the world, in the order of `dftui --help`. `None`: it
depends on the arguments, and the module's `effect(args)` says it."""


def _bps(text: str) -> int:
    """A budget in bytes a second, with `k` for thousands."""
    digits, thousands = (text[:-1], 1000) if text[-1:] in ("k", "K") else (text, 1)
    found = int(digits) * thousands if digits.isascii() and digits.isdigit() and len(digits) < 10 else 0
    if found < LEAST_BPS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of bytes a second from {LEAST_BPS} on")
    return found


class Seal:
    """What `--read-only` seals: `--stack`, `--docker` and `--engine` count only before it, because what stands behind
    it may come from another hand (`command="dftui --stack FILE --read-only $SSH_ORIGINAL_COMMAND"`)."""

    def __init__(self, on: bool = False) -> None:
        self.on = on
        self.broken = ""
        """The first sealed option that came too late."""


def _sealing(seal: Seal) -> tuple[type[argparse.Action], type[argparse.Action]]:
    """The actions of `--read-only` and of the options that it seals."""

    class Close(argparse.Action):
        def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
            seal.on = namespace.read_only = True

    class Sealed(argparse.Action):
        def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
            if seal.on:
                seal.broken = seal.broken or self.option_strings[0]
            setattr(namespace, self.dest, values)

    return Close, Sealed


class CommandParser(argparse.ArgumentParser):
    """A command's parser that imports the command's module on first use."""

    module: str = ""
    rest: str = ""
    """Where the words behind `--` go, for a command that passes them on; argparse loses them behind an option."""
    _filled = False

    def fill(self) -> None:
        """Import the module and let it add its arguments."""
        if self.module and not self._filled:
            self._filled = True
            import_module(f"dftui.cli.{self.module}").arguments(self)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does it, once the command's arguments are there."""
        self.fill()
        words = list(args or ())
        at = words.index("--") if self.rest and "--" in words else len(words)
        found = super().parse_known_args(words[:at] if self.module else args, namespace)
        if self.rest:
            setattr(found[0], self.rest, words[at + 1 :])
        if self.module:
            found[0].said = said(self.prog.split()[-1], words)
        return found

    def error(self, message: str) -> NoReturn:
        """Wrong use: the sentence, how it is used, exit 2."""
        self.exit(Exit.USAGE, f"dftui: {message}\n{self.format_usage()}")


def said(command: str, words: Sequence[str]) -> str:
    """A command as the history has it: without the options that do not matter to what was done."""
    kept: list[str] = [command]
    left = iter(words)
    for word in left:
        name, equals, _ = word.partition("=")
        if name in ("--stack", "--docker", "--engine"):
            if not equals:
                next(left, None)
        elif word not in ("--json", "--verbose", "--no-color", "--yes"):
            kept.append(word)
    return shlex.join(kept)


def _common(parser: argparse.ArgumentParser, top: bool, seal: Seal) -> None:
    """Options that hold before and after a command; after it they must not reset what stood before."""
    default: Any = None if top else argparse.SUPPRESS
    off: Any = False if top else argparse.SUPPRESS
    close, sealed = _sealing(seal)
    parser.add_argument(
        "--stack",
        metavar="FILE",
        action=sealed,
        default=default,
        help="stack file (default: ./dftui.yaml, if there)",
    )
    parser.add_argument(
        "--docker",
        metavar="HOST",
        action=sealed,
        default=default,
        help="engine: unix:///var/run/docker.sock, ssh://user@host, or a docker context",
    )
    parser.add_argument(
        "--engine",
        action=sealed,
        choices=("docker", "swarm"),
        default=default,
        help="one engine, or a swarm by one of its managers (default: what the stack file says, else docker)",
    )
    parser.add_argument(
        "--read-only",
        action=close,
        nargs=0,
        default=off,
        help="change and hand out nothing; --stack, --docker and --engine count only before it. Holds in dftui, not "
        "against someone who can reach the engine's socket",
    )
    parser.add_argument("--json", action="store_true", default=off, help="JSON on stdout; messages stay on stderr")
    parser.add_argument("--verbose", action="store_true", default=off, help="the docker commands that do the same")
    parser.add_argument("--no-color", action="store_true", default=off, help="no colours")


def build(seal: Seal | None = None) -> argparse.ArgumentParser:
    """The whole parser; commands are still empty. Under a closed seal those that are refused are not listed."""
    seal = seal or Seal()
    parser = CommandParser(
        prog="dftui",
        description="Runs a scaled DreamFactory on Docker. Without a command: the screen.",
        epilog="Exit codes: 0 done, 1 failed, 2 wrong use or a bad file, 3 no engine, 4 checked and found untrue.",
    )
    parser.add_argument("--version", action="version", version=f"dftui {__version__}")
    _common(parser, True, seal)
    screen = parser.add_argument_group("the screen")
    screen.add_argument("--theme", metavar="NAME", help="colours, e.g. night or day; dftui help themes")
    screen.add_argument("--ascii", action="store_true", help="no line drawing or symbols beyond ASCII")
    screen.add_argument("--no-mouse", action="store_true", help="leave the mouse to the terminal")
    screen.add_argument(
        "--max-bps", type=_bps, metavar="N", help="send the terminal at most N bytes a second, e.g. 20000 or 20k"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=CommandParser, title="commands")
    for name, (module, text, effect) in COMMANDS.items():
        about = text[0].upper() + text[1:] + "."
        # argparse lists a command that was given a help, and only that.
        hidden = seal.on and effect not in (LOOK, None)
        sub = (
            commands.add_parser(name, description=about)
            if hidden
            else commands.add_parser(name, help=text, description=about)
        )
        _common(sub, False, seal)
        sub.module = module
    return parser


def subparsers(parser: argparse.ArgumentParser) -> dict[str, CommandParser]:
    """Each command's parser, not yet filled."""
    held = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return dict(held.choices)


def parse(argv: Sequence[str] | None = None, imposed: str = "") -> argparse.Namespace:
    """Read the command line; wrong use ends the program with exit code 2. `imposed` names what makes this dftui
    read-only whatever the command line says. Raises UsageError for what read-only refuses."""
    words = sys.argv[1:] if argv is None else argv
    seal = Seal(bool(imposed) or "--read-only" in words)
    parser = build(seal)
    seal.on = bool(imposed)
    args = parser.parse_args(words)
    args.read_only = imposed or ("--read-only" if args.read_only else "")
    if seal.broken:
        raise UsageError(
            f"this dftui is read-only ({args.read_only}): {seal.broken} cannot be given here.",
            "" if imposed else f"Where you start it yourself, {seal.broken} goes before --read-only.",
        )
    if args.command and (refused := refusal(effect(args), args.read_only)):
        raise UsageError(refused)
    return args


def effect(args: argparse.Namespace) -> Effect:
    """What a command does to the world with these arguments."""
    module, _, found = COMMANDS[args.command]
    if found is None:
        told: Effect = import_module(f"dftui.cli.{module}").effect(args)
        return told
    return found


def runner(command: str) -> Callable[[argparse.Namespace], Any]:
    """The command's `run`; call it, and await what it gives if that is awaitable."""
    module = import_module(f"dftui.cli.{COMMANDS[command][0]}")
    run: Callable[[argparse.Namespace], Any] = module.run
    return run
