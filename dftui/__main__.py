"""The program: reads the arguments, then shows the screen or runs a command.

Nothing heavy (textual, docker, yaml) is imported at the top: `dftui --version` answers at once, and the screen
paints before the engine's client is imported.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from dftui.cli import exits, parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run dftui; the exit code. Never a traceback (unless DFTUI_DEBUG is set)."""
    args = parser.parse(argv)
    if args.no_color:
        os.environ["NO_COLOR"] = "1"
    try:
        code = _screen(args) if args.command is None else _command(args)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        return exits.quiet_broken_pipe()
    except exits.Signalled as error:
        return 128 + error.number
    except (Exception, KeyboardInterrupt) as error:
        return exits.report(error)


def _command(args: argparse.Namespace) -> int:
    run = parser.runner(args.command)
    if not parser.is_async(run):
        return int(run(args))
    from dftui.cli.common import run_async

    return run_async(run(args))


def _screen(args: argparse.Namespace) -> int:
    from dftui.cli.screen import show

    return show(args)


if __name__ == "__main__":
    sys.exit(main())
