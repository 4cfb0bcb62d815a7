"""In a real terminal: first paint, resize, signals, and bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.pty_run import PtyRun
from tests.sources import ROOT

RUN = [sys.executable, "-m", "tests.ui.run_fake"]
RESTORED = b"\x1b[?1049l"


def start(columns: int = 100, rows: int = 30, env: Mapping[str, str] | None = None, *args: str) -> PtyRun:
    return PtyRun([*RUN, *args], columns=columns, rows=rows, env=env or {})


def test_paint_resize_and_quit() -> None:
    with start() as run:
        run.wait_text("3 of 3 serving")
        run.resize(200, 50)
        run.wait_text("image")
        run.resize(80, 24)
        run.wait_text("sess")
        run.resize(50, 12)
        run.wait_text("This terminal is 50x12")
        run.resize(80, 24)
        run.wait_text("3 of 3 serving")
        run.send("+")
        run.wait_text("4 of 4 serving")
        run.send("q")
        assert run.wait_exit() == 0
        assert RESTORED in run.output()


def test_the_terminals_own_size_counts_whatever_a_shell_has_exported() -> None:
    with start(100, 30, {"COLUMNS": "70", "LINES": "20"}) as run:
        run.wait_text("3 of 3 serving")
        run.wait_until(lambda text: max(map(len, text.splitlines())) > 90)
        run.resize(140, 40)
        run.wait_until(lambda text: max(map(len, text.splitlines())) > 130)
        run.send("s")
        run.wait_text(r"^\$ ?$")
        run.send("size\r")
        run.wait_text("^140x40")


def test_f5_sends_the_whole_screen_again() -> None:
    with start() as run:
        run.wait_text("3 of 3 serving")
        before = run.output().count(b"df-redis")
        run.send("\x1b[15~")
        run.wait_until(lambda _: run.output().count(b"df-redis") > before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_leave_the_terminal_as_it_was(number: signal.Signals) -> None:
    import os

    with start() as run:
        run.wait_text("3 of 3 serving")
        os.kill(run.pid, number)
        assert run.wait_exit() == 128 + number
        assert RESTORED in run.output()
        assert b"\x1b[?25h" in run.output()


def test_sixteen_colours_and_none() -> None:
    with start(env={"TERM": "xterm", "COLORTERM": ""}) as run:
        run.wait_text("3 of 3 serving")
        assert b"38;2;" not in run.output()
        assert b"38;5;" not in run.output()
        run.send("q")
        run.wait_exit()
    with start(env={"NO_COLOR": "1"}) as run:
        run.wait_text("3 of 3 serving")
        assert b"38;" not in run.output()
        run.send("q")
        run.wait_exit()


def test_a_flood_does_not_steal_the_keys() -> None:
    with start(80, 24, None, "2000") as run:
        run.wait_text("of the flood")
        run.send("+")
        run.wait_text("4 of 4 serving")
        run.send("q")
        assert run.wait_exit() == 0


def test_nothing_heavy_is_imported_before_the_first_paint() -> None:
    code = """
import asyncio, sys
from dftui.stack.spec import StackSpec
from dftui.ui.app import DftuiApp
from dftui.ui.options import Options
async def connect():
    await asyncio.Event().wait()
async def main():
    app = DftuiApp(connect, StackSpec(), Options())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        heavy = (
            "docker", "requests", "urllib3", "cryptography", "yaml", "h11", "tree_sitter", "dftui.engine.docker",
            "dftui.watch.watcher", "dftui.control.operator", "textual.widgets._data_table",
            "textual.widgets._markdown", "markdown_it", "plotext", "dftui.help",
        )
        print([name for name in heavy if name in sys.modules])
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_the_program_itself_imports_nothing_heavy_before_the_first_paint(tmp_path: Path) -> None:
    code = """
import asyncio, sys
from dftui.__main__ import main
from dftui.cli import terminal
from dftui.ui.app import DftuiApp
terminal.check = lambda: None
async def begin(self):
    heavy = ("docker", "requests", "urllib3", "cryptography", "yaml", "h11", "argcomplete")
    print([name for name in heavy if name in sys.modules])
    self.exit()
def run(self, **how):
    async def go():
        async with self.run_test(size=(120, 40)) as pilot:
            await pilot.pause()
    asyncio.run(go())
DftuiApp._begin, DftuiApp.run = begin, run
main([])
"""
    env = {**os.environ, "DFTUI_CONFIG_DIR": str(tmp_path), "DFTUI_STATE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=env, check=True
    )
    assert done.stdout.strip() == "[]"
