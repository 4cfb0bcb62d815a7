"""A machine in small: namespaces of its own, kept by a process, and what is done in them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = 60.0
"""Seconds for what may take some on a loaded machine."""

# PID 1 of a space: it reaps what a killed daemon leaves, and takes all processes with it when it ends.
_INIT = """
set -e
echo "$2" >/proc/sys/kernel/hostname
eval "$3"
trap 'exit 0' TERM
echo ready
exec >&- 2>&-
while :; do sleep infinity & wait; done
"""
_KINDS = {"net": "net", "uts": "uts", "mount": "mnt", "pid": "pid_for_children"}


class LabError(Exception):
    """One sentence that says what a lab lacks."""


class Space:
    """A network, host name, mounts and processes of their own, as long as their first process lives.

    `folder` holds that process's number, so that another process can use and end them, too.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "holder"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process that made them; 0 when there is none (any more)."""
        try:
            pid = int(self._file.read_text())
            command = (Path("/proc") / str(pid) / "cmdline").read_bytes()
        except (OSError, ValueError):
            return 0
        return pid if str(self.folder).encode() in command else 0  # another's by now, or a zombie

    def open(self, script: str = "") -> None:
        """Make them, the folder's name as host name, and run a piece of shell there; `$1` is the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        flags = (*(f"--{kind}" for kind in _KINDS), "--fork", "--mount-proc")
        self._process = subprocess.Popen(
            ("unshare", *flags, "sh", "-c", _INIT, "sh", str(self.folder), self.folder.name, script),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._file.write_text(f"{self._process.pid}\n")
        assert self._process.stdout is not None and self._process.stderr is not None
        with self._process.stdout, self._process.stderr:
            if not self._process.stdout.readline():
                said = self._process.stderr.read().decode("utf-8", "replace").strip()
                raise LabError(f"This machine gives no namespaces for a node: {said or 'it does not say why'}.")

    def inside(self, *command: str) -> tuple[str, ...]:
        """The command as it is run in them."""
        spaces = Path("/proc") / str(self.pid) / "ns"
        return ("nsenter", *(f"--{kind}={spaces / file}" for kind, file in _KINDS.items()), "--", *command)

    def close(self) -> None:
        """End every process in them, and wait for that."""
        if self.pid:
            subprocess.run(self.inside("kill", "-TERM", "1"), check=False, capture_output=True)
        if self._process is not None:
            self._process.wait(PATIENCE)
        until(lambda: not self.pid, f"the namespaces of {self.folder} do not end")
        self._file.unlink(missing_ok=True)


def ip(space: Space | None, *lines: str) -> None:
    """Run lines of `ip`, in a space's network or in the machine's own. Raises LabError."""
    command: tuple[str, ...] = ("ip", "-batch", "-")
    if space is not None:
        # Its network alone: the numbers of processes in the lines are the machine's.
        command = ("nsenter", f"--net=/proc/{space.pid}/ns/net", "--", *command)
    done = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"The network cannot be made: {done.stderr.strip()}")


def until(true: Callable[[], bool], otherwise: str) -> None:
    """Wait for it. Raises LabError."""
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            raise LabError(f"{otherwise[0].upper()}{otherwise[1:]}, after {PATIENCE:.0f} s.")
        time.sleep(0.05)
