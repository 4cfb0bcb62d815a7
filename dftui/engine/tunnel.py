"""An engine on another machine, its socket forwarded here by ssh: `ssh://[user@]host[:port][/path/to/docker.sock]`.

The system's own `ssh` does it, with the user's configuration, keys and known hosts; nothing is decided here that it
decides.  One forwarded socket carries every call (1 ms each), where a connection by ssh for each costs 240 to 360 ms.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from urllib.parse import SplitResult, unquote

from dftui.engine.api import EngineUnreachable
from dftui.engine.errors import one_line

REMOTE_SOCKET = "/var/run/docker.sock"
OPEN_TIMEOUT = 30.0
_RETRY_FIRST = 0.5
_RETRY_MOST = 10.0
_SAID_BYTES = 4096
_PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that a process gets when its parent ends."""

_OPTIONS = {
    # Nothing may ask on the terminal: the screen is drawn on it.
    "BatchMode": "yes",
    "ExitOnForwardFailure": "yes",
    "StreamLocalBindUnlink": "yes",
    "StreamLocalBindMask": "0177",
    # A link that died silently is seen within 15 s.
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "3",
    "ControlMaster": "no",
    "ControlPath": "none",
}


class Tunnel:
    """One `ssh` that forwards the socket to `path`, opened again by itself for as long as it is not closed."""

    def __init__(self, url: str, parts: SplitResult) -> None:
        self.url = url
        self.host = parts.hostname or ""
        self._user = unquote(parts.username or "")
        self._port = parts.port
        self.remote = unquote(parts.path.rstrip("/")) or REMOTE_SOCKET
        self._folder = ""
        self.path = ""
        """The socket here, once it is open."""
        self._process: asyncio.subprocess.Process | None = None
        self._said = b""
        self._keeper: asyncio.Task[None] | None = None

    def argv(self) -> list[str]:
        """The command line; it holds nothing secret."""
        options = [word for name, value in _OPTIONS.items() for word in ("-o", f"{name}={value}")]
        return ["ssh", "-nNT", *options, "-L", f"{self.path}:{self.remote}", *self._destination()]

    def _destination(self) -> list[str]:
        port = ["-p", str(self._port)] if self._port else []
        user = ["-l", self._user] if self._user else []
        return [*port, *user, "--", self.host]

    async def open(self) -> None:
        """Start it and wait until the socket is there. Raises EngineUnreachable with ssh's own last words."""
        if shutil.which("ssh") is None:
            raise EngineUnreachable(
                f"“{self.url}” needs ssh, which is not installed here.", "Install openssh-client."
            )
        self._folder = tempfile.mkdtemp(prefix="dftui-")
        self.path = f"{self._folder}/engine.sock"
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise
        self._keeper = asyncio.create_task(self._keep(), name="tunnel")

    async def _start(self) -> None:
        self._said = b""
        self._process = await asyncio.create_subprocess_exec(
            *self.argv(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            # Ctrl-C in the terminal is for dftui, which ends ssh itself.
            start_new_session=True,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
        listener = asyncio.create_task(self._listen(self._process))
        ended = asyncio.create_task(self._process.wait())
        try:
            async with asyncio.timeout(OPEN_TIMEOUT):
                while not ended.done() and not self._there():
                    await asyncio.wait({ended}, timeout=0.02)
        except TimeoutError:
            await self._stop()
            raise self._failed(f"it did not open within {OPEN_TIMEOUT:g} s") from None
        if ended.done():
            await listener
            raise self._failed(one_line(self._said.decode("utf-8", "replace")) or f"it ended with {ended.result()}")
        ended.cancel()

    def _there(self) -> bool:
        return Path(self.path).is_socket()

    def _unlink(self) -> None:
        Path(self.path).unlink(missing_ok=True)

    def _failed(self, why: str) -> EngineUnreachable:
        return EngineUnreachable(
            f"The ssh connection to {self.url} failed: {why.rstrip('.')}.",
            f"It must work without a question: ssh -o BatchMode=yes {' '.join(self._destination())} true",
        )

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Keep the end of what ssh says; it would block on a full pipe."""
        assert process.stderr is not None
        while data := await process.stderr.read(_SAID_BYTES):
            self._said = (self._said + data)[-_SAID_BYTES:]

    async def _keep(self) -> None:
        """Open it again when it ends; who uses the socket meanwhile finds nobody listening, as with a lost engine."""
        pause = _RETRY_FIRST
        while True:
            assert self._process is not None
            await self._process.wait()
            self._unlink()
            try:
                await asyncio.sleep(pause)
                await self._start()
                pause = _RETRY_FIRST
            except (EngineUnreachable, OSError):
                pause = min(2 * pause, _RETRY_MOST)

    async def why(self) -> str:
        """ ": " and what ssh said last about the far end: that a socket is missing there shows only so. "" when it
        says nothing; its words may come a moment after the connection that they are about has ended."""
        for _ in range(10):
            if self._said:
                return ": " + one_line(self._said.decode("utf-8", "replace"))
            await asyncio.sleep(0.05)
        return ""

    async def _stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(2):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def close(self) -> None:
        """End ssh and remove the socket; never raises."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await self._stop()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)


def _end_with_parent() -> None:
    """In the child, before ssh: a dftui that was killed leaves no tunnel behind."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
