"""`dftui scale N|+K|-K`: the number of replicas, with a receipt."""

from __future__ import annotations

import argparse

from dftui.cli.common import emit, opened
from dftui.cli.exits import UsageError
from dftui.cli.text import receipt_text


def arguments(parser: argparse.ArgumentParser) -> None:
    """The number, and --yes for none at all."""
    parser.add_argument("number", metavar="N|+K|-K", type=_number, help="how many, or how many more or fewer")
    parser.add_argument("--yes", action="store_true", help="go ahead even if fewer than web.min are left, or none")


def _number(text: str) -> tuple[int | None, int | None]:
    """(to, by): exactly one of them is set."""
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor +K nor -K") from None
    if text[0] in "+-":
        if value == 0:
            raise argparse.ArgumentTypeError(f"{text!r} changes nothing")
        return None, value
    return value, None


async def run(args: argparse.Namespace) -> int:
    """Scale and print the receipt."""
    to, by = args.number
    if to == 0 and not args.yes:
        raise UsageError(
            "scale 0 leaves nothing that answers: every request would get a 503.", "Add --yes if that is meant."
        )
    async with opened(args) as world, world.operator(args) as operator:
        result = await operator.scale(to=to, by=by, below_min=args.yes)
    if args.json:
        emit(result.to_json())
    else:
        print(receipt_text(result))
    return 0
