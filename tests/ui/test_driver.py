"""A terminal that goes away ends the program; it never freezes it."""

from __future__ import annotations

import errno
import sys
import threading
from pathlib import Path
from typing import IO, cast

from textual.drivers._writer_thread import MAX_QUEUED_WRITES, WriterThread

from dftui.ui.driver import HANGUP, Outlet
from tests.pty_run import PtyRun


class Dead:
    """A terminal whose other side has gone."""

    def __init__(self, good: int) -> None:
        self.good = good
        self.got: list[str] = []

    def write(self, text: str) -> int:
        if len(self.got) >= self.good:
            raise OSError(errno.EIO, "Input/output error")
        self.got.append(text)
        return len(text)

    def flush(self) -> None:
        if len(self.got) >= self.good:
            raise OSError(errno.EIO, "Input/output error")


def test_writing_goes_on_when_nobody_reads() -> None:
    dead = Dead(good=3)
    told = threading.Event()
    writer = WriterThread(cast(IO[str], Outlet(cast(IO[str], dead), told.set)))
    writer.start()
    done = threading.Event()

    def write() -> None:
        for number in range(10 * MAX_QUEUED_WRITES):
            writer.write(str(number))
        writer.stop()
        done.set()

    threading.Thread(target=write, daemon=True).start()
    assert done.wait(10), "the program would hang here"
    assert told.is_set()
    assert dead.got == ["0", "1", "2"]


APP = """
import asyncio, signal, sys
from textual.app import App
from textual.widgets import Static
from dftui.ui.driver import let_go_of_terminal, survive_hangup

class Busy(App):
    def compose(self):
        yield Static("begins")
    def on_mount(self):
        # The signal that a hang-up sends is not heard: only the failing output tells.
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, lambda: None)
        self.number = 0
        self.set_interval(0.01, self.tick)
    def tick(self):
        self.number += 1
        self.query_one(Static).update(f"frame {self.number} " + "x" * 500)

app = Busy()
survive_hangup(app)
app.run()
let_go_of_terminal()
open(sys.argv[1], "w").write(str(app.return_code))
"""


def test_a_cut_link_ends_a_busy_screen(tmp_path: Path) -> None:
    said = tmp_path / "code"
    run = PtyRun([sys.executable, "-c", APP, str(said)], env={"PYTHONPATH": str(Path(__file__).parents[2])})
    try:
        run.wait_text("frame")
        run.hang_up()
        run.wait_exit(20)
    finally:
        run.close()
    # textual's reader may notice first and end the program with 1; either way it has ended, in order.
    assert said.read_text() in (str(HANGUP), "1")
