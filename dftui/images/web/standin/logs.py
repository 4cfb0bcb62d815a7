"""Log lines in the shapes of the real thing: the application's and nginx's."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from .settings import STORAGE, Settings

LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")


class Logs:
    """Writes what is at or above the level, to `storage/logs` and, where wanted, to standard output."""

    def __init__(self, settings: Settings, path: Path = STORAGE / "logs" / "dreamfactory.log") -> None:
        level = settings.log_level
        self._least = LEVELS.index(level) if level in LEVELS else LEVELS.index("warning")
        self._stdout = settings.log_to_stdout
        self._path = path
        self._lock = threading.Lock()
        self._errors = 0

    def writable(self) -> bool:
        """False when the log file is another user's: every request then fails, as in the real application."""
        return not self._path.exists() or os.access(self._path, os.W_OK)

    def write(self, level: str, text: str) -> None:
        if LEVELS.index(level) < self._least:
            return
        stamp = datetime.now(UTC).isoformat(timespec="microseconds")
        data = f"[{stamp}] local.{level.upper()}: {text} \n".encode()
        with self._lock:
            try:
                with self._path.open("ab", buffering=0) as file:
                    file.write(data)
            except OSError:
                pass
            if self._stdout:
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()

    def request(self, method: str, service: str, resource: str, user: int | None) -> None:
        facts = {"API Version": "2.0", "Method": method, "Service": service, "Resource": resource, "Requestor": user}
        self.write("info", "[REQUEST] " + json.dumps(facts, separators=(",", ":")))

    def response(self, status: int) -> None:
        facts = {"Status Code": status, "Content-Type": "application/json"}
        self.write("info", "[RESPONSE] " + json.dumps(facts, separators=(",", ":")))

    def event(self, name: str, content: Mapping[str, object]) -> None:
        """Debug lines hold what was answered, whole tokens included."""
        self.write("debug", f"API event handled: {name} " + json.dumps({"response": content}, default=str))

    def trouble(self, kind: str, message: str, frames: list[str]) -> None:
        """An error with its stack trace, over several lines."""
        lines = [f'{message} {{"exception":"[object] ({kind}(code: 0): {message} at {frames[0]})', "[stacktrace]"]
        lines += [f"#{number} {frame}" for number, frame in enumerate(frames)]
        self.write("error", "\n".join([*lines, '"}']))

    def nginx(self, message: str, environ: Mapping[str, object]) -> None:
        """What nginx says of a request that the application failed."""
        with self._lock:
            self._errors += 1
            number = self._errors
        stamp = datetime.now(UTC).strftime("%Y/%m/%d %H:%M:%S")
        line = f"{environ.get('REQUEST_METHOD')} {environ.get('PATH_INFO')} HTTP/1.1"
        sys.stderr.write(
            f'{stamp} [error] 59#59: *{number} FastCGI sent in stderr: "PHP message: {message}" while reading '
            f"response header from upstream, client: {environ.get('REMOTE_ADDR')}, server: dreamfactory.app, "
            f'request: "{line}", upstream: "fastcgi://unix:/var/run/php/php8.3-fpm.sock:", '
            f'host: "{environ.get("HTTP_HOST", "")}"\n'
        )
        sys.stderr.flush()
