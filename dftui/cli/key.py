"""`dftui key show|new|check|import`: the APP_KEY that all replicas share.

Only `show` ever prints the key; everything else names it by its fingerprint.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dftui.cli.common import Opened, emit, load_spec, opened, say
from dftui.cli.exits import Exit, UsageError
from dftui.control.effects import Effect
from dftui.control.errors import SteppedAside
from dftui.stack.appkey import PRINTED

if TYPE_CHECKING:
    from dftui.control.told import Told
    from dftui.stack.secrets import Secrets

_MAX_INPUT = 4096
_IN_PRINT = "has an APP_KEY that is in print: anyone can sign an admin's token with it"


class KeyRefused(Exception):
    """A key is not made, kept or shown; `hint` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to do with it, and `--base64`, `--replace`."""
    parser.add_argument(
        "what",
        choices=("show", "new", "check", "import"),
        help="show: print it; new: make one for a stack that is not up yet; check: the file's and every replica's; "
        "import: take your own from standard input",
    )
    parser.add_argument("--base64", action="store_true", help='new: in the form "base64:…"')
    parser.add_argument(
        "--replace", action="store_true", help="new, import: in place of the one in the file, which is kept beside it"
    )


def effect(args: argparse.Namespace) -> Effect:
    """Only `check` looks; `show` hands the key out."""
    return {"check": Effect.LOOK, "show": Effect.REVEAL}.get(args.what, Effect.CHANGE)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a stack's secrets before anything is done."""

    engine_id: str
    stack: str
    path: Path
    saved: Secrets | None
    told: Told


async def run(args: argparse.Namespace) -> int:
    """Show, make, check or import."""
    if args.what in ("show", "check") and (args.base64 or args.replace):
        raise UsageError(f"key {args.what} takes neither --base64 nor --replace.")
    if args.what == "import" and args.base64:
        raise UsageError("key import takes no --base64: the key comes as it is.")
    if load_spec(args).plain:
        raise SteppedAside("there is no APP_KEY")
    given = _read_key() if args.what == "import" else ""
    async with opened(args) as world:
        known = await _known(world)
    match args.what:
        case "show":
            return _show(args, known)
        case "check":
            return _check(args, known)
        case "new":
            return _new(args, known)
        case _:
            return _import(args, known, given)


async def _known(world: Opened) -> _Known:
    from dftui.control.told import told
    from dftui.stack.secrets import load_secrets, secrets_path

    info = await world.engine.info()
    stack = world.spec.name
    return _Known(
        info.id,
        stack,
        secrets_path(info.id, stack),
        load_secrets(info.id, stack),
        await told(world.engine, stack),
    )


def _show(args: argparse.Namespace, known: _Known) -> int:
    from dftui.stack.secrets import recover

    if known.saved is None and not any(known.told.keys().values()):
        raise KeyRefused(
            f"the stack {known.stack} has no APP_KEY yet: there is no {known.path} and no replica",
            "make the stack: dftui up; or a key alone: dftui key new",
        )
    # recover, not just the file: it says so when a replica runs with another key.
    secrets = recover(known.told.envs, saved=known.saved, volumes=known.told.volumes).secrets
    if args.json:
        emit({"stack": known.stack, "app_key": secrets.app_key, "fingerprint": secrets.fingerprint})
    else:
        print(secrets.app_key)
    return Exit.DONE


def _problems(known: _Known) -> list[tuple[str, str]]:
    """What is not as it should be, and what to do about it."""
    from dftui.stack import appkey

    saved, keys = known.saved, known.told.keys()
    several = len(set(keys.values())) > 1
    problems: list[tuple[str, str]] = []
    if saved is None:
        do = "make the stack: dftui up; or a key alone: dftui key new"
        if keys:
            do = "dftui up takes over what the replicas run with" + (", once that is one key" if several else "")
        problems.append((f"there is no secrets file {known.path}", do))
    for name, key in sorted(keys.items()):
        wrong = appkey.check(key) if key else "it has no APP_KEY"
        if wrong:
            problems.append((f"{name}: {wrong}", f"dftui repair {name} replaces it"))
        elif appkey.fingerprint(key) in appkey.PRINTED:
            problems.append((f"{name} {_IN_PRINT}", "what to do: dftui help printed-key"))
        elif saved is not None and key != saved.app_key:
            what = f"{name} runs with the key {appkey.fingerprint(key)}, the file holds {saved.fingerprint}"
            do = f"dftui repair {name} replaces it; if it is the file that is wrong: dftui help another-key"
            problems.append((f"{what}: tokens from one are refused by the other", do))
    if saved is None and several:
        what = f"the replicas run with {len(set(keys.values()))} different keys"
        problems.append((what, "remove those that run with the wrong one: dftui remove WHO"))
    return problems


def _check(args: argparse.Namespace, known: _Known) -> int:
    from dftui.stack import appkey

    keys = known.told.keys()
    problems = _problems(known)
    fingerprint = known.saved.fingerprint if known.saved else None
    if args.json:
        emit(
            {
                "stack": known.stack,
                "ok": not problems,
                "fingerprint": fingerprint,
                "file": str(known.path),
                "replicas": [
                    {"name": name, "key": appkey.fingerprint(key) if key else None}
                    for name, key in sorted(keys.items())
                ],
                "problems": [what for what, _ in problems],
                "repairs": [do for _, do in problems],
            }
        )
    elif problems:
        for what, do in problems:
            say(what)
            say(f"  {do}")
    else:
        print(f"{fingerprint}  good; the same in the file and in {len(keys)} replicas")
    return Exit.UNTRUE if problems else Exit.DONE


def _new(args: argparse.Namespace, known: _Known) -> int:
    from dftui.stack import appkey

    _refuse_while_used(known, "a new key")
    return _keep(args, known, appkey.new_base64_key() if args.base64 else appkey.new_key(), "made")


def _import(args: argparse.Namespace, known: _Known, key: str) -> int:
    from dftui.stack import appkey

    if known.saved is not None and known.saved.app_key == key:
        return _tell(args, known, known.saved, "is there already")
    others = {name: held for name, held in known.told.keys().items() if held and held != key}
    if others:
        held = ", ".join(f"{name} ({appkey.fingerprint(value)})" for name, value in sorted(others.items())[:3])
        raise KeyRefused(
            f"replicas run with another APP_KEY than {appkey.fingerprint(key)}: {held}; nothing was changed",
            "remove these replicas first; with another key, everyone is logged out and the credentials stored in "
            "DreamFactory cannot be read",
        )
    return _keep(args, known, key, "imported")


def _refuse_while_used(known: _Known, what: str) -> None:
    if known.told.envs or known.told.volumes:
        having = "containers" if known.told.envs else "a database volume"
        raise KeyRefused(
            f"the stack {known.stack} has {having} that use the present APP_KEY; {what} would log everyone out and "
            "make the credentials stored in DreamFactory unreadable; nothing was changed",
            "to start anew without the data: dftui down --volumes",
        )


def _keep(args: argparse.Namespace, known: _Known, key: str, verb: str) -> int:
    from dftui.stack.secrets import recover, save_secrets

    if known.saved is not None and not args.replace:
        raise KeyRefused(
            f"{known.path} holds the APP_KEY {known.saved.fingerprint} already; nothing was changed",
            "add --replace to put another in its place (the old file is kept beside it)",
        )
    if known.saved is not None:
        secrets = replace(known.saved, app_key=key)
    else:
        envs = {**known.told.envs, "web/standard input": {"APP_KEY": key}}
        secrets = recover(envs, volumes=known.told.volumes).secrets
    save_secrets(known.engine_id, known.stack, secrets, replace_existing=known.saved is not None)
    return _tell(args, known, secrets, verb)


def _tell(args: argparse.Namespace, known: _Known, secrets: Secrets, verb: str) -> int:
    if args.json:
        emit({"stack": known.stack, "fingerprint": secrets.fingerprint, "file": str(known.path)})
    else:
        say(f"APP_KEY {secrets.fingerprint} {verb}; it is in {known.path}")
    if secrets.fingerprint in PRINTED:
        say(f"This stack {_IN_PRINT}; see dftui help printed-key")
    return Exit.DONE


def _read_key() -> str:
    """The key from standard input: typed unseen at a terminal, else one line."""
    from dftui.stack import appkey

    if sys.stdin.isatty():
        import getpass

        text = getpass.getpass("APP_KEY (not shown): ")
    else:
        text = sys.stdin.read(_MAX_INPUT)
    key = text.strip("\r\n")
    if not key:
        raise UsageError("no key came on standard input.", "Pipe it in: dftui key import < FILE")
    problem = appkey.check(key)
    if problem:
        raise UsageError(problem + "; nothing was changed.")
    return key
