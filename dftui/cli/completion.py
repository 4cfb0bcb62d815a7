"""`dftui completion bash|zsh|fish`: what a shell reads to complete dftui's words, by argcomplete.

The words themselves come from the parser, and names of containers from the engine, at the moment of the Tab.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import Any

ROLES = ("db", "cache", "balancer", "web")
_WITH_ROLES = ("logs", "shell")
PATIENCE = 1.0
"""Seconds that a Tab may wait for the engine."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which shell."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help='for bash: eval "$(dftui completion bash)"')


def run(args: argparse.Namespace) -> int:
    """Print what the shell reads."""
    from argcomplete.shell_integration import shellcode

    print(shellcode(["dftui"], shell=args.shell))
    return 0


def answer(parser: argparse.ArgumentParser) -> None:
    """A shell asks, by its variables: tell it, and end the program."""
    import argcomplete
    from argcomplete.completers import SuppressCompleter

    from dftui.cli.parser import subparsers

    _complete(parser._actions, "")
    for name, sub in subparsers(parser).items():
        sub.fill()
        _complete(sub._actions, name)
    argcomplete.autocomplete(parser, always_complete_options=False, default_completer=SuppressCompleter())


def _complete(actions: Iterable[argparse.Action], command: str) -> None:
    """What the words of each option and argument may be, by what stands for them in the help."""
    from argcomplete.completers import FilesCompleter

    for action in actions:
        completer: Any = None
        match action.metavar:
            case "FILE":
                completer = FilesCompleter()
            case "WHO":
                completer = _who(with_roles=command in _WITH_ROLES)
            case "NAME" if "--theme" in action.option_strings:
                completer = _themes
        if completer is not None:
            action.completer = completer  # type: ignore[attr-defined]


def _themes(**_: Any) -> list[str]:
    from dftui.stack.paths import themes_dir, user_themes_dir

    found = [entry.name for entry in themes_dir().iterdir()]
    if user_themes_dir().is_dir():
        found += [entry.name for entry in user_themes_dir().iterdir()]
    return sorted({name.removesuffix(".yaml") for name in found if name.endswith(".yaml")})


def _who(*, with_roles: bool) -> Callable[..., list[str]]:
    def names(parsed_args: argparse.Namespace, **_: Any) -> list[str]:
        import asyncio

        try:
            found = asyncio.run(_containers(parsed_args))
        except Exception:  # no engine, no good stack file: a Tab says nothing of it
            found = {}
        if with_roles:
            return [*ROLES, *found]
        return [name for name, role in found.items() if role == "web"]

    return names


async def _containers(args: argparse.Namespace) -> dict[str, str]:
    """Role by name; asked for without the engine's whole client, which takes longer to import than to answer."""
    import json

    from dftui.cli.common import load_spec
    from dftui.engine.connect import address_of
    from dftui.engine.wire import Address, Wire
    from dftui.stack.names import LABEL_ROLE, LABEL_STACK

    spec = load_spec(args)
    query = {"filters": json.dumps({"label": [f"{LABEL_STACK}={spec.name}"]})}
    where = address_of(args.docker)
    if not isinstance(where, Address):  # a Tab opens no ssh connection
        return {}
    wire = Wire(where)
    found = await wire.json(
        "GET", "/containers/json", "list the containers", query={"all": "1", **query}, timeout=PATIENCE
    )
    names = {one["Names"][0].lstrip("/"): one["Labels"].get(LABEL_ROLE, "") for one in found}
    if spec.swarm:
        names = {name: role for name, role in names.items() if "." not in name}  # a service's has its task's name
        services = await wire.json("GET", "/services", "list the services", query=query, timeout=PATIENCE)
        names |= {one["Spec"]["Name"]: one["Spec"]["Labels"].get(LABEL_ROLE, "") for one in services}
    return names
