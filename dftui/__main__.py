"""The program: reads the arguments, then shows the screen or runs a command.

Nothing heavy (textual, docker, yaml) is imported at the top: `dftui --version` answers at once, and the screen
paints before the engine's client is imported.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dftui.cli import exits, gate, parser

if TYPE_CHECKING:
    from dftui.stack.spec import StackSpec
    from dftui.ui.backend import Backend
    from dftui.ui.options import Options


def main(argv: Sequence[str] | None = None) -> int:
    """Run dftui; the exit code. Never a traceback (unless DFTUI_DEBUG is set)."""
    try:
        if "_ARGCOMPLETE" in os.environ:
            from dftui.cli import completion

            completion.answer(parser.build())
        args = _arguments(argv)
        if args.no_color:
            os.environ["NO_COLOR"] = "1"
        code = _screen(args) if args.command is None else _command(args)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        return exits.quiet_broken_pipe()
    except exits.Signalled as error:
        return 128 + error.number
    except (Exception, KeyboardInterrupt) as error:
        return exits.report(error)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    config, bad = None, None
    try:
        config = gate.load_config()
    except Exception as error:  # told once it is known that more is asked for than help
        bad = error
    try:
        args = parser.parse(argv, gate.imposed(config))
        if bad is not None:
            raise bad
        args.config = config
        return args
    except SystemExit:
        # --help and --version end here; what they printed must be on its way while a lost reader can be met.
        sys.stdout.flush()
        raise


def _command(args: argparse.Namespace) -> int:
    from dftui.control.errors import SteppedAside

    try:
        result = parser.runner(args.command)(args)
        if isinstance(result, int):
            return result
        from dftui.cli.common import run_async

        return run_async(result)
    except SteppedAside as aside:
        from dftui.cli.common import emit, say

        if args.json:
            emit({"stepped_aside": str(aside)})
        else:
            say(f"{aside}.")
        return exits.Exit.DONE


def _screen(args: argparse.Namespace) -> int:
    from dftui.cli import terminal

    terminal.check()
    from dftui.cli.common import load_spec

    spec = load_spec(args)
    terminal.prepare()
    from dftui.ui import driver
    from dftui.ui.app import DftuiApp
    from dftui.ui.options import Options
    from dftui.ui.promptness import be_prompt

    options = Options.from_environment(
        ascii=args.ascii,
        mouse=not args.no_mouse,
        theme=args.theme,
        max_bps=args.max_bps,
        read_only=args.read_only,
        config=args.config,
    )
    be_prompt()
    docker = args.docker
    while True:
        app = DftuiApp(_connector(docker, spec, options), spec, options)
        app.run(mouse=options.mouse)
        if app.return_code == driver.HANGUP:
            driver.let_go_of_terminal()
        # Another stack, or engine, is another program's worth of facts: nothing of this one stays.
        if app.next_engine:
            docker = app.next_engine
        elif app.next_stack is not None:
            spec, why = app.next_stack
            options = replace(options, read_only=why)
        else:
            return app.return_code or 0


def _connector(docker: str | None, spec: StackSpec, options: Options) -> Callable[[], Awaitable[Backend]]:
    async def connect() -> Backend:
        from dftui.ui.live import connect

        return await connect(docker, spec, read_only=options.read_only)

    return connect


if __name__ == "__main__":
    sys.exit(main())
