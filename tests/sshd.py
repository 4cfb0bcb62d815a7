"""An sshd of a test's own on loopback: own configuration, own host key, own port, own client key."""

from __future__ import annotations

import contextlib
import getpass
import os
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from tests.leases import a_port


class Sshd:
    """Use as a context manager; `argv` gives the `ssh -tt` that runs a command through it.

    `forced` is what runs instead of whatever the client asks for, as authorized_keys has it.
    """

    def __init__(self, folder: Path, forced: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self.folder = folder
        self._ssh = shutil.which("ssh")
        self._held = contextlib.ExitStack()
        self.port = self._held.enter_context(a_port())
        for name in ("host", "client"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(folder / name)], check=True
            )
        quoted = forced.replace("\\", "\\\\").replace('"', '\\"')
        options = f'command="{quoted}",restrict,pty ' if forced else ""
        (folder / "authorized").write_text(options + (folder / "client.pub").read_text())
        config = folder / "config"
        config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nPasswordAuthentication no\n"
            f"KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nPrintMotd no\n"
        )
        if os.geteuid() == 0:
            # sshd as root wants this folder, which an init system would have made.
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        program = shutil.which("sshd") or "/usr/sbin/sshd"
        self.log = folder / "log"
        self._process = subprocess.Popen([program, "-D", "-f", str(config), "-E", str(self.log)])
        self._wait()

    def _wait(self) -> None:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as found:
                if found.recv(4).startswith(b"SSH"):
                    return
            assert self._process.poll() is None, self.log.read_text()
            time.sleep(0.02)
        raise AssertionError(f"sshd does not answer\n{self.log.read_text()}")

    def client(self) -> Path:
        """A folder whose `ssh` is a user's own, with this server's key known and the client's key at hand."""
        folder = self.folder / "bin"
        folder.mkdir(exist_ok=True)
        kind, key = (self.folder / "host.pub").read_text().split()[:2]
        (self.folder / "known").write_text(f"[127.0.0.1]:{self.port} {kind} {key}\n")
        config = self.folder / "ssh_config"
        config.write_text(
            f"UserKnownHostsFile {self.folder}/known\nStrictHostKeyChecking yes\nIdentitiesOnly yes\n"
            f"IdentityFile {self.folder}/client\n"
        )
        program = folder / "ssh"
        program.write_text(f'#!/bin/sh\nexec {self._ssh} -F {config} "$@"\n')
        program.chmod(0o755)
        return folder

    def cut(self) -> int:
        """End every connection that stands, as a link that is cut; how many there were."""
        mine = f"{self._process.pid}\n"
        found = subprocess.run(["pgrep", "-P", mine.strip()], capture_output=True, text=True, check=False)
        for pid in found.stdout.split():
            subprocess.run(["pkill", "-KILL", "-P", pid], check=False)
            os.kill(int(pid), 9)
        return len(found.stdout.split())

    def argv(self, command: Sequence[str], env: Mapping[str, str], cwd: Path) -> list[str]:
        """`ssh -tt` that runs `command` with `env` in `cwd`."""
        words = ["env", *(f"{name}={value}" for name, value in env.items()), *command]
        options = {
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "IdentitiesOnly": "yes",
            "IdentityFile": str(self.folder / "client"),
        }
        return [
            *("ssh", "-tt", "-F", "/dev/null", "-p", str(self.port)),
            *(word for name, value in options.items() for word in ("-o", f"{name}={value}")),
            f"{getpass.getuser()}@127.0.0.1",
            f"cd {shlex.quote(str(cwd))} && exec {shlex.join(words)}",
        ]

    def __enter__(self) -> Sshd:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._held.close()
