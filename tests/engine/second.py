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

    It lives in a network namespace of its own, which outlasts it as a machine's does: with `--bridge=none` a dockerd
    deletes the `docker0` that it finds, which on the machine itself is the first engine's.
    """

    def __init__(self, folder: Path, *, whole: bool = False) -> None:
        """`whole`: good for a whole stack, with the storage driver that it would choose, a loopback to publish on and
        the bridge on which links work; otherwise for containers of two megabytes, whatever file system there is."""
        self.whole = whole
        self.folder = folder
        self.socket = folder / "docker.sock"
        self.host = f"unix://{self.socket}"
        self.process: subprocess.Popen[bytes] | None = None
        self._namespace: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; the caller connects once it answers."""
        # The machine's own /etc/docker/daemon.json must not speak into it.
        settings = self.folder / "daemon.json"
        settings.write_text("{}")
        self._end_containerd()
        if self._namespace is None:
            hold = ("sh", "-c", "busybox ip link set lo up; echo; exec sleep infinity", str(self.folder))
            self._namespace = subprocess.Popen(
                ("unshare", "--net", "--", *hold), stdout=subprocess.PIPE, start_new_session=True
            )
            assert self._namespace.stdout is not None
            self._namespace.stdout.readline()
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            [
                *("nsenter", f"--net=/proc/{self._namespace.pid}/ns/net", "--", "dockerd"),
                *("--data-root", str(self.folder / "data")),
                *("--exec-root", str(self.folder / "exec")),
                *("--pidfile", str(self.folder / "pid")),
                *("--host", self.host),
                *("--config-file", str(settings)),
                *("--iptables=false", "--ip6tables=false"),
                *(() if self.whole else ("--storage-driver=vfs", "--bridge=none")),
            ],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        log.close()

    def until_it_answers(self, timeout: float = 60.0) -> None:
        """Wait for it."""
        end = time.monotonic() + timeout
        while subprocess.run(["docker", "-H", self.host, "info"], capture_output=True, check=False).returncode:
            assert self.process is not None and self.process.poll() is None, self.words()
            assert time.monotonic() < end, self.words()

    def ended(self, number: signal.Signals) -> None:
        """End the daemon (SIGTERM: as a service manager does; SIGKILL: a crash) and wait for that."""
        assert self.process is not None
        self.send(number)
        self.process.wait(60)

    def again(self) -> None:
        """Start it after it ended."""
        self.start()
        self.until_it_answers()

    def load(self, *tags: str) -> None:
        """Bring images of the machine's own engine into this one."""
        saved = subprocess.Popen(["docker", "save", *tags], stdout=subprocess.PIPE)
        loading = ("docker", "-H", self.host, "load", "--quiet")
        subprocess.run(loading, stdin=saved.stdout, check=True, stdout=subprocess.DEVNULL)
        assert saved.wait() == 0

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
        if self._namespace is not None:
            self._namespace.kill()
            self._namespace.wait(20)
        for mount in _mounts():
            if mount.startswith(f"{self.folder}/"):
                subprocess.run(["umount", "-l", mount], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end_containerd(self) -> None:
        """Left by a killed daemon, it would hold its database against the next one.  Its file goes, too: where PID 1
        reaps nothing it stays a zombie, and would be taken for alive."""
        file = self.folder / "exec/containerd/containerd.pid"
        try:
            pid = int(file.read_text())
        except (OSError, ValueError):
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            while _command(pid):  # a zombie has none
                time.sleep(0.01)
        file.unlink()

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
