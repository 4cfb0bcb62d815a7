"""`dftui verify`: whether the replicas are interchangeable: each tried against each, and every cause named."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys
from typing import TYPE_CHECKING

from dftui.cli.common import coloured, emit_line, load_spec, opened, run_async, say
from dftui.cli.exits import Exit, UsageError
from dftui.cli.text import columns, paint

if TYPE_CHECKING:
    from dftui.control.login import Login
    from dftui.control.verify import VerifyResult
    from dftui.dreamfactory.checks import Check

_MAX_PASSWORD = 4096
_SIGNS = {"ok": "✓", "unchecked": "·"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Watch, and whose password."""
    parser.add_argument("--watch", action="store_true", help="again and again, until Ctrl-C")
    parser.add_argument(
        "--every", type=float, default=30.0, metavar="SECONDS", help="with --watch: the time between (default 30)"
    )
    parser.add_argument("--email", help="whose login to use (default: the stack file's admin)")
    parser.add_argument(
        "--password-stdin", action="store_true", help="read that password from standard input instead of asking"
    )


def run(args: argparse.Namespace) -> int:
    """Verify, once or again and again; 4 when a check does not hold. A person is asked again for a password that is
    not known or was refused; where nobody is there to ask, it ends."""
    from dftui.control.login import PasswordNeeded

    if args.every < 1:
        raise UsageError(f"--every takes 1 second or more, not {args.every:g}.")
    login: Login | None = None
    if args.password_stdin or args.email:
        login = _login(args.email or load_spec(args).admin.email, from_stdin=args.password_stdin)
    while True:
        try:
            return run_async(_verify(args, login))
        except PasswordNeeded as needed:
            if args.password_stdin or not sys.stdin.isatty():
                raise
            say(f"dftui: {needed}.")
            login = _login(needed.email, from_stdin=False)


async def _verify(args: argparse.Namespace, login: Login | None) -> int:
    async with opened(args) as world, world.operator(args) as operator:
        while True:
            result = await operator.verify(login)
            if args.json:
                emit_line(result.to_json())
            else:
                print("\n".join(text(result, coloured())), flush=True)
            if not args.watch:
                return Exit.DONE if result.ok else Exit.UNTRUE
            await asyncio.sleep(args.every)


def _login(email: str, *, from_stdin: bool) -> Login:
    """The password as it is typed, unseen, or the first line of standard input. Raises UsageError without one."""
    from dftui.control.login import Login

    if from_stdin:
        password = sys.stdin.readline(_MAX_PASSWORD).rstrip("\r\n")
    elif sys.stdin.isatty():
        password = getpass.getpass(f"Password of {email}: ")
    else:
        raise UsageError("nobody is there to type a password.", "Give it on standard input: --password-stdin")
    if not password:
        raise UsageError(
            f"no password of {email} was given; nothing was tried.",
            "Type that of an admin, or name another with --email.",
        )
    return Login(email, password)


def text(result: VerifyResult, colour: bool) -> list[str]:
    """For people: the matrix, each check, and under one that fails what breaks and what puts it right."""
    from dftui.dreamfactory.oddities import first_of_each
    from dftui.watch.sanitise import clean

    evidence = result.evidence
    lines = [clean(f"✗ {odd.name} {odd.words}") for odd in first_of_each(result.odd).values()]
    lines = [paint(line, "31", colour) for line in lines] + [""] * bool(lines)
    if result.cells:
        lines += [*matrix([seen.name for seen in evidence.replicas], result.cells), ""]
    if evidence.sequence:
        lines += [clean(f"served in turn: {evidence.in_turn()}"), ""]
    rows = [(*_word(check)[:1], check.name, clean(check.says)) for check in result.checks]
    for check, line in zip(result.checks, columns(rows, indent=""), strict=True):
        word, code = _word(check)
        lines.append(paint(word, code, colour) + line.removeprefix(word))
        if not check.ok:
            lines += [] if check.unchecked else [f"    for users: {check.breaks}"]
            lines += [
                f"    repair: {clean(r.words)}" + (f": {r.command}" if r.command else "") for r in check.repairs
            ]
    for name, why in evidence.left_out.items():
        lines.append(f"  {clean(f'{name} was left out {why}')}")
    good = sum(check.ok for check in result.tried)
    lines.append(
        f"{good} of {len(result.tried)} checks hold on {len(evidence.replicas)} replicas, in {result.seconds:.1f} s."
    )
    return lines


def _word(check: Check) -> tuple[str, str]:
    """A sign with its word, and a colour."""
    if check.aside:
        return "· aside", "37"
    if check.ok:
        return "✓ holds", "32"
    return ("? untried", "33") if check.unchecked else ("✗ wrong", "31")


def matrix(names: list[str], cells: dict[tuple[str, str], str]) -> list[str]:
    """Whose token (rows) is good where (columns); in a ring only neighbours were tried."""
    table = [("token of ↓ on →", *names)]
    table += [(a, *(_cell(cells.get((a, b))) for b in names)) for a in names]
    return columns(table, indent="") if len(names) <= 8 else _ring(names, cells)


def _cell(cause: str | None) -> str:
    from dftui.dreamfactory.causes import WORDS

    return f"{_SIGNS.get(cause, '✗')} {WORDS[cause]}" if cause else ""


def _ring(names: list[str], cells: dict[tuple[str, str], str]) -> list[str]:
    rows = [(a, *(f"{b} {_cell(cells[a, b])}" for b in names if (a, b) in cells)) for a in names]
    most = max(map(len, rows))  # one whose neighbour left meanwhile has fewer
    rows = [(*row, *("",) * (most - len(row))) for row in rows]
    return [f"token of → good on (of {len(names)}, each with its neighbours)", *columns(rows, indent="")]
