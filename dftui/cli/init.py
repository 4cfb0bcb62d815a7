"""`dftui init [FILE]`: a stack file with every key, its default and what it does, all of it commented out."""

from __future__ import annotations

import argparse
from pathlib import Path

from dftui.cli.exits import Exit, UsageError

SCHEMA_FILE = "dftui.schema.json"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Where to, and whether with a schema."""
    parser.add_argument("file", metavar="FILE", nargs="?", help="where to write it (default: ./dftui.yaml)")
    parser.add_argument(
        "--schema",
        action="store_true",
        help=f"write {SCHEMA_FILE} beside it, too, and name it in the first line, where editors look for it",
    )


def run(args: argparse.Namespace) -> int:
    """Write what is not there yet; over nothing that is."""
    from dftui.stack.commented import commented
    from dftui.stack.file import DEFAULT_NAME

    path = Path(args.file or args.stack or DEFAULT_NAME)
    texts = {path: commented(SCHEMA_FILE if args.schema else "")}
    if args.schema:
        from dftui.cli.schema import text

        texts[path.with_name(SCHEMA_FILE)] = text()
    if there := [str(one) for one in texts if one.is_symlink() or one.exists()]:
        raise UsageError(
            f"{' and '.join(there)} {'are' if len(there) > 1 else 'is'} there already; nothing was written.",
            "Name another file, or move that one away.",
        )
    for one, content in texts.items():
        _write_new(one, content)
    if args.json:
        from dftui.cli.common import emit

        emit({"written": [str(one) for one in texts]})
    else:
        from dftui.cli.common import say

        for one in texts:
            say(f"Wrote {one}.")
        say("It says nothing but the defaults: `dftui up` does the same with it as without.")
    return Exit.DONE


def _write_new(path: Path, content: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(content)
    except FileExistsError:
        raise UsageError(f"{path} is there already; nothing was written over it.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from None
