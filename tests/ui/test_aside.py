"""The screen steps aside (a shell in a container, the shell below, a stop from outside) and is whole again after."""

from __future__ import annotations

import os
import signal
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.pty_run import PtyRun
from tests.sources import ROOT

RUN = [sys.executable, "-m", "tests.ui.run_fake"]
BASH = ["bash", "--norc", "--noprofile", "-i"]


def fake(*args: str, columns: int = 100, rows: int = 30) -> PtyRun:
    return PtyRun([*RUN, *args], columns=columns, rows=rows)


def whole(run: PtyRun) -> None:
    """Every part of the screen is there, down to a column's head, a log line and the footer."""
    for text in ("3 of 3 serving", "df-mysql", r"name +host", "df-web3 .*serving", "of the flood", r"\? help"):
        run.wait_text(text)


def wait_state(pid: int, letter: str) -> None:
    """Until the kernel says that a process runs (S), or is stopped (T)."""
    end = time.monotonic() + 20
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != letter:
        assert time.monotonic() < end
        time.sleep(0.01)


def echoes(run: PtyRun) -> bool:
    """The terminal is as a shell wants it: it shows what is typed, and reads whole lines."""
    flags: int = termios.tcgetattr(run.fd)[3]
    return flags & termios.ECHO != 0 and flags & termios.ICANON != 0


def test_a_shell_has_the_terminal_and_gives_it_back_while_logs_pour_in() -> None:
    with fake("2000") as run:
        whole(run)
        run.send("s")
        run.wait_text("shell in df-web1: its end")
        run.wait_text(r"^\$ ?$")
        assert "serving" not in run.text()
        run.send("size\r")
        run.wait_text("^100x30")
        run.resize(120, 40)
        while "120x40" not in run.text():  # the news of the size and what is typed come by different ways
            run.send("size\r")
            run.wait_text(r"x\d+\s+\$\s*$")
        run.send("q+x\r")  # no key of the screen
        run.send("exit 3\r")
        run.wait_text("Back from the shell in df-web1, which ended with exit code 3")
        whole(run)
        assert "size" not in run.text()
        run.send("s")
        run.wait_until(
            lambda text: text.count("shell in df-web1: its end") == 2, what="below what the first visit left"
        )
        run.send("exit 0\r")
        run.wait_text("Back from the shell in df-web1.")
        run.send("+")
        run.wait_text("4 of 4 serving")
        run.send("q")
        assert run.wait_exit() == 0
        assert echoes(run)


@pytest.mark.parametrize("how", [signal.SIGHUP, signal.SIGTERM])
def test_a_signal_in_a_shell_ends_it_and_the_terminal_is_as_it_was(how: signal.Signals) -> None:
    with fake() as run:
        run.wait_text("3 of 3 serving")
        run.send("s")
        run.wait_text(r"^\$ ?$")
        os.kill(run.pid, how)
        assert run.wait_exit() == 128 + how
        assert echoes(run)


def test_a_link_that_is_cut_in_a_shell_ends_all() -> None:
    with fake() as run:
        run.wait_text("3 of 3 serving")
        run.send("s")
        run.wait_text(r"^\$ ?$")
        run.hang_up()
        assert run.wait_exit() in (128 + signal.SIGHUP, 1)


def test_ctrl_z_goes_to_the_shell_below_and_fg_brings_everything_back() -> None:
    env = {"PS1": "below> ", "PYTHONPATH": str(ROOT)}
    with PtyRun(BASH, columns=100, rows=30, env=env) as run:
        run.wait_text("below>")
        run.send(f"{RUN[0]} -m tests.ui.run_fake 20\r")
        whole(run)
        for columns in (100, 130):
            run.send("\x1a")
            run.wait_text("Stopped")
            run.resize(columns, 30)
            run.send("echo $((6 * 7))\r")
            run.wait_text("^42")
            run.send("fg\r")
            whole(run)
            assert "Stopped" not in run.text()
        run.send("t")
        run.wait_text("/api/v2/system/admin/session")
        run.send("q")
        run.wait_until(lambda text: text.rstrip().endswith("below>"))
        run.send("exit\r")
        run.wait_exit()


def test_ctrl_z_where_nothing_could_bring_it_back_says_so() -> None:
    with fake() as run:
        run.wait_text("3 of 3 serving")
        run.send("\x1a")
        run.wait_text("no shell below")
        run.send("+")
        run.wait_text("4 of 4 serving")


def test_stopped_and_continued_from_outside() -> None:
    with fake("20") as run:
        whole(run)
        os.kill(run.pid, signal.SIGTSTP)
        wait_state(run.pid, "T")
        assert echoes(run)
        run.resize(120, 40)
        os.kill(run.pid, signal.SIGCONT)
        whole(run)
        run.wait_until(lambda text: max(map(len, text.splitlines())) > 100)
        run.send("+")
        run.wait_text("4 of 4 serving")


def test_a_paste_never_acts_as_keys() -> None:
    with fake() as run:
        run.wait_text("3 of 3 serving")
        assert b"\x1b[?2004h" in run.output()
        run.send("\x1b[200~+x-yDdf\rq\x1b[201~")
        # What is typed behind it is a key again, and shows that the paste has been read.
        run.send("t")
        run.wait_text("/api/v2/system/admin/session")
        assert "3 of 3 serving" in run.text()
        assert "Remove" not in run.text()
        run.send("D")
        run.wait_text("Take down df")
        run.send("v")
        run.wait_text("Type df to do it")
        run.send("\x1b[200~df\r\x1b[201~")
        run.wait_text(r"▌ +df +")
        run.send("\x1b")
        run.wait_until(lambda text: "Take down df" not in text)
        assert "3 of 3 serving" in run.text()


def test_what_is_typed_faster_than_a_dialogue_opens_is_the_dialogues() -> None:
    with fake() as run:
        run.wait_text("3 of 3 serving")
        run.send("\x10theme day\r")
        run.wait_text("Theme day")
        run.send("=7\r")
        run.wait_text("7 of 7 serving")
        run.send("xn-")
        run.wait_text("6 of 6 serving")
