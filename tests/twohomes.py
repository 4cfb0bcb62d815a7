"""Clients that know two addresses of one service and go over to the second when the first does not answer, as a
browser does with two A records: what a takeover costs whoever is moved so."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from urllib.parse import urlsplit

PATIENCE = 60.0


class TwoHomes:
    """Some clients, one GET after the other each. One that fails (no answer within `first` seconds at the first
    address, `then` at the next; a cut; another status than 200) is noted and sent again at the next, where its client
    stays.

    Use as a context manager: they end with it."""

    def __init__(
        self,
        urls: Sequence[str],
        clients: int = 4,
        *,
        path: str = "/status",
        first: float = 1.0,
        then: float = 10.0,
        pause: float = 0.005,
    ) -> None:
        self._homes = [(str(urlsplit(url).hostname), urlsplit(url).port or 80) for url in urls]
        self._path, self._pause = path, pause
        self._patience = (first, *(then for _ in urls[1:]))
        self.failed: list[tuple[int, str]] = []
        """Which address, and how."""
        self.answered = [0] * len(urls)
        """By address."""
        self.hosts: set[str] = set()
        self.gaps: list[float] = []
        """Seconds between the last answer of the one address and the first of the next, a client each."""
        self._longest = 0.0
        self._told = threading.Condition()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def _run(self) -> None:
        at, last = 0, time.monotonic()
        line: http.client.HTTPConnection | None = None
        moved = False
        while not self._stop.is_set():
            try:
                line = line or http.client.HTTPConnection(*self._homes[at], timeout=self._patience[at])
                line.request("GET", self._path)
                answer = line.getresponse()
                body = answer.read()
                if answer.status != 200:
                    raise http.client.HTTPException(f"status {answer.status}")
            except (OSError, http.client.HTTPException) as error:
                if line is not None:
                    line.close()
                line = None
                with self._told:
                    self.failed.append((at, f"{type(error).__name__} {error}"))
                at, moved = (at + 1) % len(self._homes), True
                self._stop.wait(self._pause)
                continue
            now = time.monotonic()
            with self._told:
                if moved:
                    self.gaps.append(now - last)
                self._longest = max(self._longest, now - last)
                moved, last = False, now
                self.answered[at] += 1
                self.hosts.add(str(json.loads(body).get("host")))
                self._told.notify_all()
            self._stop.wait(self._pause)
        if line is not None:
            line.close()

    def until_answered(self, count: int, at: int = 0) -> None:
        """Wait for so many more answers at an address."""
        with self._told:
            wanted = self.answered[at] + count
            assert self._told.wait_for(lambda: self.answered[at] >= wanted, PATIENCE), self.failed[-5:]

    def until_moved(self, count: int) -> None:
        """Wait until clients have gone over so many times, and had an answer there."""
        with self._told:
            assert self._told.wait_for(lambda: len(self.gaps) >= count, PATIENCE), self.failed[-5:]

    def longest(self) -> float:
        """The longest that a client has waited from one answer to the next so far, in seconds."""
        with self._told:
            return self._longest

    def __enter__(self) -> TwoHomes:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
