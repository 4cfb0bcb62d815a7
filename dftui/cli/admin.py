"""`dftui admin create`: the first admin, where `up` did not make one.

The password never stands on a command line: it is typed unseen, comes on standard input, or is made by dftui.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from dftui.cli.common import emit, opened, say
from dftui.cli.exits import UsageError
from dftui.control.errors import SteppedAside

if TYPE_CHECKING:
    from dftui.dreamfactory.admin import NewAdmin
    from dftui.stack.spec import AdminSpec

_MAX_INPUT = 4096
_FIELDS = (
    ("email", "the admin's email, and login"),
    ("first_name", "first name"),
    ("last_name", "last name"),
    ("phone", "telephone number, at least 5 digits"),
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Who it is; what is not given is asked for at a terminal, else taken from the stack file."""
    parser.add_argument("what", choices=("create",), help="create: make the first admin, while there is none")
    for name, text in _FIELDS:
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="TEXT", help=text)
    parser.add_argument("--username", metavar="TEXT", default="", help="at least 6 characters (default: the email)")
    parser.add_argument("--name", metavar="TEXT", default="", help="display name (default: first and last name)")
    parser.add_argument(
        "--password-stdin",
        action="store_true",
        help="the password, at least 16 characters, is one line of standard input; "
        "without it, it is typed unseen at a terminal, or else made by dftui and kept in the secrets file",
    )
    parser.add_argument("--keep", action="store_true", help="keep a given password for dftui's own logins too")


async def run(args: argparse.Namespace) -> int:
    """Gather who it is, check it, make it."""
    from dftui.cli.common import load_spec
    from dftui.stack.appkey import new_password

    spec = load_spec(args)
    if spec.plain:
        raise SteppedAside("no admin was made")
    admin = _gather(args, spec.admin)
    made = not admin.password
    if made:
        from dataclasses import replace

        admin = replace(admin, password=new_password())
    _check(admin)
    async with opened(args) as world, world.operator(args) as operator:
        result = await operator.create_admin(admin, keep=made or args.keep)
    if args.json:
        emit(result.to_json())
        return 0
    say(f"{result.email} is the first admin; the setup form is closed.")
    if result.file:
        say(f"The password is ADMIN_PASSWORD in {result.file}.")
    return 0


def _check(admin: NewAdmin) -> None:
    """Before anything is sent, and before an engine is asked."""
    from dftui.dreamfactory.admin import problems

    if broken := list(problems(admin).values()):
        raise UsageError("; ".join(broken) + "; nothing was sent.")


def _gather(args: argparse.Namespace, spec: AdminSpec) -> NewAdmin:
    from dftui.dreamfactory.admin import NewAdmin

    asking = sys.stdin.isatty()
    told: dict[str, str] = {}
    for name, text in _FIELDS:
        given = getattr(args, name)
        default = getattr(spec, name)
        if given is None and asking:
            print(f"{text} [{default}]:", end=" ", file=sys.stderr, flush=True)
            given = sys.stdin.readline().strip()
        told[name] = given or default
    password = ""
    if args.password_stdin:
        password = sys.stdin.readline(_MAX_INPUT).rstrip("\r\n")
        if not password:
            raise UsageError("no password came on standard input; nothing was sent.")
    elif asking:
        password = _typed()
    return NewAdmin(**told, password=password, username=args.username, name=args.name)


def _typed() -> str:
    """Unseen, twice; "" lets dftui make one."""
    import getpass

    first = getpass.getpass("password, at least 16 characters (not shown; empty: dftui makes one): ")
    if first and getpass.getpass("the password again: ") != first:
        raise UsageError("the two passwords differ; nothing was sent.")
    return first
