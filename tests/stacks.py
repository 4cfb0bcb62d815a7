"""A real stack of a test's own: name, port, configuration folder; gone, with all it made, at the end."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import secrets
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.leases import a_port

LABEL = "dftui.stack"


def docker(*argv: str, check: bool = True, stdin: str | None = None) -> str:
    """The docker client's stdout; it speaks to the same engine that dftui does."""
    found = subprocess.run(["docker", *argv], capture_output=True, text=True, input=stdin, timeout=180, check=False)
    if check and found.returncode:
        raise AssertionError(f"docker {' '.join(argv)}: {found.stderr}")
    return found.stdout.strip()


def write_line(container: str, words: str) -> str:
    """Let a database, cache or balancer container write a line; what of it tells it from all others."""
    docker("exec", container, "sh", "-c", f"echo '{words}' >/proc/1/fd/1")
    return words


def web_writes_line(container: str, word: str) -> str:
    """Let a replica's own application log a line (at APP_LOG_LEVEL info), by a request to it alone; what of it stands
    on the screen, which shows what was asked for instead of the line's own time stamp."""
    address = docker("inspect", container, "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}")
    with contextlib.suppress(urllib.error.HTTPError):
        urllib.request.urlopen(f"http://{address.split()[0]}/api/v2/system/{word}", timeout=10).close()
    return f"system/{word}"


class Stack:
    """Runs `dftui` for a stack of its own. Use as a context manager: what it made is removed, by its own label.

    `text` is more YAML for the stack file; `host` is another engine than the machine's own, and `address` where what
    it publishes is reached.
    """

    def __init__(
        self,
        folder: Path,
        text: str = "",
        name: str = "",
        port: int = 0,
        host: str = "",
        address: str = "127.0.0.1",
    ) -> None:
        self.host = host
        self.address = address
        self.name = name or f"t{secrets.token_hex(3)}"
        self._held = contextlib.ExitStack()
        self.port = port or self._held.enter_context(a_port())
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "dftui.yaml"
        self.file.write_text(f"name: {self.name}\nbalancer:\n  publish: {address}:{self.port}\n{text}")
        self.env: Mapping[str, str] = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("DFTUI_", "TEXTUAL"))},
            "DFTUI_CONFIG_DIR": str(folder / "config"),
            "DFTUI_STATE_DIR": str(folder / "state"),
            "PYTHONPATH": str(Path(__file__).parent.parent),
            "TERM": "xterm-256color",
            **({"DOCKER_HOST": host} if host else {}),
        }

    def docker(self, *argv: str, check: bool = True) -> str:
        """The docker client's stdout, from this stack's engine."""
        return docker(*(("-H", self.host) if self.host else ()), *argv, check=check)

    @property
    def url(self) -> str:
        """Where its balancer answers."""
        return f"http://{self.address}:{self.port}"

    def argv(self, *argv: str) -> list[str]:
        """The command line of a `dftui` for this stack."""
        return [sys.executable, "-m", "dftui", "--stack", str(self.file), *argv]

    def run(self, *argv: str, stdin: str | None = None, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """`dftui ARGV` to its end, without a terminal."""
        return subprocess.run(
            self.argv(*argv),
            capture_output=True,
            text=True,
            input=stdin if stdin is not None else "",
            env=self.env,
            cwd=self.folder,
            timeout=timeout,
            check=False,
        )

    def ok(self, *argv: str) -> str:
        """Its stdout; anything but exit code 0 fails the test with what was said."""
        found = self.run(*argv)
        assert found.returncode == 0, f"dftui {' '.join(argv)} → {found.returncode}\n{found.stdout}\n{found.stderr}"
        return found.stdout

    def json(self, *argv: str) -> Any:
        """Its one JSON document."""
        return json.loads(self.ok(*argv, "--json"))

    def follow(self, *argv: str) -> Follower:
        """`dftui ARGV` in the background, its lines as they come."""
        return Follower(self.argv(*argv), self.env, self.folder)

    @property
    def secrets_file(self) -> Path:
        """Where dftui keeps its secrets."""
        (found,) = Path(self.env["DFTUI_CONFIG_DIR"]).glob(f"*/{self.name}.env")
        return found

    def secret_values(self) -> list[str]:
        """What must stand nowhere else: the key and the passwords."""
        pairs = [line.partition("=") for line in self.secrets_file.read_text().splitlines()]
        return [value for name, _, value in pairs if name == "APP_KEY" or name.endswith("PASSWORD")]

    def left(self) -> list[str]:
        """Names of every container, network and volume that carries this stack's label."""
        wanted = ("--filter", f"label={LABEL}={self.name}", "--format")
        return [
            *self.docker("ps", "-a", *wanted, "container {{.Names}}").splitlines(),
            *self.docker("network", "ls", *wanted, "network {{.Name}}").splitlines(),
            *self.docker("volume", "ls", *wanted, "volume {{.Name}}").splitlines(),
        ]

    def serving(self) -> list[str]:
        """Names of the replicas that serve."""
        return [web["name"] for web in self.json("status")["web"] if web["state"] == "serving"]

    def wait_serving(self, count: int, timeout: float = 60.0) -> None:
        """Until that many serve."""
        end = time.monotonic() + timeout
        while len(found := self.serving()) != count:
            assert time.monotonic() < end, f"{found} serve, not {count}"

    def remove(self) -> None:
        """Take away, by its own label, whatever is left of it."""
        for line in self.left():
            kind, name = line.split()
            match kind:
                case "container":
                    self.docker("rm", "-f", "-v", name, check=False)
                case "network":
                    self.docker("network", "rm", name, check=False)
                case _:
                    self.docker("volume", "rm", name, check=False)

    def __enter__(self) -> Stack:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.remove()


class Follower:
    """A command that streams. Use as a context manager: it is ended by `number`, and its exit code kept."""

    def __init__(self, argv: list[str], env: Mapping[str, str], folder: Path) -> None:
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=env,
            cwd=folder,
            # A shell's background jobs ignore Ctrl-C, and what they start does, too; a person's command does not.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        self.number = signal.SIGTERM
        self.errors = ""
        self.code: int | None = None

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)

    def until(self, wanted: Callable[[Any], object], nudge: Callable[[], object], timeout: float = 30.0) -> Any:
        """The first JSON line that is wanted; `nudge`, what makes such lines come, is done again and again."""
        end = time.monotonic() + timeout
        while time.monotonic() < end and self._process.poll() is None:
            nudge()
            with contextlib.suppress(queue.Empty):
                line = json.loads(self._lines.get(timeout=0.5))
                while not wanted(line):
                    line = json.loads(self._lines.get_nowait())
                return line
        raise AssertionError(f"no such line within {timeout:g} s; exit code {self._process.poll()}")

    def kill(self) -> None:
        """End it as the kernel would: nothing is put in order."""
        self._process.kill()

    def __enter__(self) -> Follower:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.send_signal(self.number)
        try:
            self.code = self._process.wait(20)
        finally:
            self._process.kill()
            self._thread.join(5)
            assert self._process.stderr is not None
            self.errors = self._process.stderr.read()
