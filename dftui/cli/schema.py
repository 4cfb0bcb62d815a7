"""`dftui schema`: the stack file's JSON Schema, for editors."""

from __future__ import annotations

import argparse

from dftui.cli.exits import Exit


def arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing of its own."""


def text() -> str:
    """The schema as it stands in a file."""
    import json

    from dftui.stack.schema import schema

    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def run(args: argparse.Namespace) -> int:
    """Print it; with --json on one line."""
    if args.json:
        from dftui.cli.common import emit
        from dftui.stack.schema import schema

        emit(schema())
    else:
        print(text(), end="")
    return Exit.DONE
