"""`dftui plan`: what `up` would do, before it does it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from dftui.cli.common import coloured, emit, opened
from dftui.cli.exits import Exit
from dftui.cli.text import columns, paint
from dftui.cli.up import number, wanted

if TYPE_CHECKING:
    from dftui.control.planning import Change, Preview

_CODES = {"create": "32", "replace": "33", "reload": "33", "scale": "36"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """`-n N`, as of `up`."""
    number(parser)


async def run(args: argparse.Namespace) -> int:
    """Print it; 4 if there is anything to do, or something that `up` would refuse."""
    replicas = wanted(args)
    async with opened(args) as world, world.operator(args) as operator:
        preview = await operator.plan(replicas)
    if args.json:
        emit(preview.to_json())
    else:
        print(text(preview, colour=coloured()))
    return Exit.UNTRUE if preview.changes or preview.refused else Exit.DONE


def text(preview: Preview, *, colour: bool = False) -> str:
    """A line a change, in the order of `up`; what it would refuse first."""
    from dftui.watch.sanitise import clean

    lines = []
    for refusal in preview.refused:
        lines.append(paint(f"refused: {clean(refusal.what)}", "31", colour))
        lines += [f"  {clean(refusal.hint)}"] if refusal.hint else []
    if preview.refused:
        lines.append(f"`dftui up` would change nothing on {preview.stack} until that is put right.")
    if not preview.changes:
        return "\n".join(lines) or f"Nothing to do: {preview.stack} is as the stack file says."
    lines.append(f"{preview.stack}: {'then it' if preview.refused else '`dftui up`'} would")
    rows = [(one.action, one.what, one.name, clean(_why(one))) for one in preview.changes]
    for one, line in zip(preview.changes, columns(rows), strict=True):
        lines.append(paint(line, _CODES.get(one.action, ""), colour))
    return "\n".join(lines)


def _why(change: Change) -> str:
    return "; ".join(change.why) + (f" ({change.cost})" if change.cost else "")
