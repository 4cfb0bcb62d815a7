"""Calls of docker-py from asyncio: one client, threads of our own, and every failure an `EngineError`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from dftui.engine.api import EngineError
from dftui.engine.errors import from_docker_py
from dftui.engine.wire import Address

if TYPE_CHECKING:
    from docker import APIClient

T = TypeVar("T")

LOOKERS = 4
"""Threads for quick questions."""
WORKERS = 16
"""Threads for what may take seconds (start, stop, remove); more than that at once only queues in the engine."""
API_TIMEOUT = 120.0
"""Seconds that the engine may take to answer a command (a stop's own time is added)."""


class Threads(Executor):
    """At most `limit` threads that do not keep the program from ending: the standard pool's are waited for at exit,
    so that a hung engine would hold the terminal."""

    def __init__(self, limit: int, name: str) -> None:
        self._limit = limit
        self._name = name
        self._todo: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._wanted = 0
        """Calls taken and not ended."""
        self._count = 0
        self._closed = False

    def submit(self, call: Callable[..., T], /, *args: Any, **more: Any) -> Future[T]:
        """Run `call(*args, **more)` in a thread. Raises RuntimeError after `shutdown`."""
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(call(*args, **more))
            except BaseException as error:
                future.set_exception(error)

        with self._lock:
            if self._closed:
                raise RuntimeError("closed")
            self._todo.put(run)
            self._wanted += 1
            if self._wanted <= self._count or self._count >= self._limit:
                return future
            self._count += 1
            name = f"{self._name}-{self._count}"
        threading.Thread(target=self._serve, name=name, daemon=True).start()
        return future

    def _serve(self) -> None:
        while (run := self._todo.get()) is not None:
            run()
            del run
            with self._lock:
                self._wanted -= 1

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = False) -> None:
        """Take no more; what was taken still runs to its end, without being waited for."""
        with self._lock:
            self._closed = True
            count = self._count
        for _ in range(count):
            self._todo.put(None)


class Calls:
    """docker-py's client for one engine, behind two pools so that a slow stop never holds up a look."""

    def __init__(self, address: Address, api_version: str) -> None:
        self.address = address
        self._version = api_version
        self._client: APIClient | None = None
        self._client_lock = threading.Lock()
        self._look_pool = Threads(LOOKERS, "engine-look")
        self._work_pool = Threads(WORKERS, "engine-work")

    def client(self) -> APIClient:
        """The docker-py client, made at its first use, since importing it costs more than the first screen may.
        For use in a thread only."""
        with self._client_lock:
            if self._client is None:
                import docker
                import docker.tls

                tls: Any = False
                if self.address.tls is not None:
                    folder = self.address.cert_path
                    tls = docker.tls.TLSConfig(
                        client_cert=(f"{folder}/cert.pem", f"{folder}/key.pem"),
                        ca_cert=f"{folder}/ca.pem",
                        verify=True,
                    )
                self._client = docker.APIClient(
                    base_url=self.address.docker_py,
                    version=self._version,
                    timeout=int(API_TIMEOUT),
                    tls=tls,
                    max_pool_size=LOOKERS + WORKERS,
                )
                # Else REQUESTS_CA_BUNDLE would stand in the place of the engine's own authority.
                self._client.trust_env = self.address.tls is None
            return self._client

    async def _in(self, pool: Threads, doing: str, call: Callable[[APIClient], T]) -> T:
        def run() -> T:
            try:
                return call(self.client())
            except Exception as error:
                raise from_docker_py(error, self.address.url, doing) from error

        try:
            return await asyncio.get_running_loop().run_in_executor(pool, run)
        except RuntimeError as error:  # the pool was shut down by close()
            raise EngineError(f"Could not {doing}: the connection to the engine was closed.") from error

    async def look(self, doing: str, call: Callable[[APIClient], T]) -> T:
        """A quick question; `doing` words it for an error ("list the networks")."""
        return await self._in(self._look_pool, doing, call)

    async def work(self, doing: str, call: Callable[[APIClient], T]) -> T:
        """A command that may take seconds."""
        return await self._in(self._work_pool, doing, call)

    def close(self) -> None:
        """Take no more calls; those that run in threads end on their own."""
        self._look_pool.shutdown()
        self._work_pool.shutdown()
        if self._client is not None:
            self._client.close()
