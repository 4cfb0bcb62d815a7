"""A second Docker engine of a test's own, that may be stopped, frozen and killed without harm to anyone."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path


class SecondEngine:
    """A dockerd with folders, socket and runtime of its own. Needs root, as the first one does.

    It lives in a network namespace of its own: with `--bridge=none` a dockerd deletes the `docker0` that it finds,
    which on the machine itself is the first engine's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "docker.sock"
        self.host = f"unix://{self.socket}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; the caller connects once it answers."""
        # The machine's own /etc/docker/daemon.json must not speak into it.
        settings = self.folder / "daemon.json"
        settings.write_text("{}")
        # Killed with its parent, it may stay a zombie where PID 1 reaps nothing, and be taken for alive.
        (self.folder / "exec/containerd/containerd.pid").unlink(missing_ok=True)
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            [
                *("unshare", "--net", "--", "dockerd"),
                *("--data-root", str(self.folder / "data")),
                *("--exec-root", str(self.folder / "exec")),
                *("--pidfile", str(self.folder / "pid")),
                *("--host", self.host),
                *("--config-file", str(settings)),
                *("--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs"),
            ],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        log.close()

    def words(self) -> str:
        """The end of what it logged."""
        return (self.folder / "log").read_text(errors="replace")[-2000:]

    def send(self, number: signal.Signals) -> None:
        """Send the daemon alone a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> None:
        """End it and all that it started, and remove its folders."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.send(signal.SIGCONT)
                self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(20)
            # What is left of its session: a killed daemon leaves its containerd and shims behind.
            self._end()
            self.process.wait(20)
        for mount in _mounts():
            if mount.startswith(f"{self.folder}/"):
                subprocess.run(["umount", "-l", mount], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self) -> None:
        """End processes whose command line names this engine's own folder, until none is left."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            left = [pid for pid in _pids() if str(self.folder) in _command(pid) and pid != os.getpid()]
            if not left:
                return
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _command(pid: int) -> str:
    try:
        return (Path("/proc") / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""


def _mounts() -> list[str]:
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return sorted((line.split(" ")[1] for line in lines), key=len, reverse=True)
