"""HAProxy's runtime API spoken over one long byte stream, framed by its prompt.

After `prompt` HAProxy ends each reply with an empty line and "> ".  Source: HAProxy management guide, "Unix Socket
commands".  Two commands on one line would give two prompts and shift every later reply, hence `check_command`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence

from dftui.balancer.config import SOCKET_PATH
from dftui.balancer.errors import BalancerError, BalancerGone
from dftui.engine.api import ByteStream

SOCAT = ("socat", "-", f"UNIX:{SOCKET_PATH}")
"""The argv that connects stdin and stdout with the runtime socket inside the balancer's container."""

_PROMPT = b"\n> "
_MAX_REPLY = 16 * 1024 * 1024
_MAX_COMMAND = 4000
_COMMAND = re.compile(r"[A-Za-z0-9 _./:,()\[\]=%+@#-]+")
# How the engine says that an exec's program is not there (runc and crun; on stdout, stderr or as its refusal).
_NO_PROGRAM = re.compile(r"executable file[^\n]*not found|exec failed: no such file", re.IGNORECASE)


def check_command(line: str) -> str:
    """The line itself, if it is one plain command. Raises BalancerError on a separator, payload mark, control
    character or anything else that could make it more than one."""
    if len(line) > _MAX_COMMAND or not _COMMAND.fullmatch(line):
        raise BalancerError("the balancer command holds characters that are not allowed", "this is a bug in dftui")
    return line


def why_gone(said: str) -> BalancerGone:
    """The error for a stream that ended, from what socat or the engine wrote."""
    if _NO_PROGRAM.search(said):
        return BalancerGone(
            "the balancer's image has no socat, through which dftui speaks to it",
            "use an official haproxy image from October 2025 or later, or the bundled one",
        )
    if "Connection refused" in said or "No such file" in said:
        return BalancerGone("HAProxy's runtime socket does not answer", "see the balancer's log for why it is not up")
    if "ermission denied" in said:
        return BalancerGone("HAProxy's runtime socket may not be opened", "run the image as its own user")
    return BalancerGone("the balancer's runtime connection ended", "it is restarting, or was stopped or replaced")


class Session:
    """One prompt-framed conversation. Not for concurrent use: the caller serialises. After any error, a time-out or
    a cancelled `ask`, it is unusable and must be closed, since replies could be out of step."""

    def __init__(self, stream: ByteStream, why: Callable[[str], BalancerGone] = why_gone) -> None:
        """`why` makes the error for a stream that ended from what was said on it."""
        self._stream = stream
        self._why = why
        self.broken = False

    async def start(self, timeout: float = 10.0) -> None:
        """Turn the prompt on. Raises BalancerGone."""
        await self.ask("prompt", timeout)

    async def ask(self, line: str, timeout: float = 10.0) -> str:
        """Send one command and return its reply without the prompt and surrounding empty lines.

        Raises BalancerGone when the stream ended or nothing complete came within `timeout` seconds."""
        return (await self.exchange(check_command(line).encode("ascii") + b"\n", timeout)).strip("\n")

    async def ask_together(self, lines: Sequence[str], timeout: float = 10.0) -> list[str]:
        """Send commands in one piece, so that HAProxy does nothing between them; their replies. For commands that
        answer with a line at most. Raises as `ask` does."""
        data = "".join(f"{check_command(line)}\n" for line in lines).encode("ascii")
        replies = (await self.exchange(data, timeout, len(lines))).split(_PROMPT.decode())
        return [reply.strip("\n") for reply in replies]

    async def exchange(self, data: bytes, timeout: float, replies: int = 1) -> str:
        """As `ask`, for whole lines that the caller vouches for; what came up to the last of so many prompts."""
        if self.broken:
            raise BalancerGone("the balancer's runtime connection is out of step")
        self.broken = True  # until the reply is whole: a cancelled call must not leave a half-read one behind
        try:
            async with asyncio.timeout(timeout):
                await self._stream.write(data)
                reply = await self._reply(replies)
        except TimeoutError:
            raise BalancerGone(f"the balancer did not answer within {timeout:g} s") from None
        self.broken = False
        return reply.decode("utf-8", "replace")

    async def _reply(self, count: int) -> bytes:
        parts = bytearray()
        while True:
            data = await self._stream.read()
            if not data:
                said = self._stream.stderr()[-2000:] + bytes(parts[-2000:])
                raise self._why(said.decode("utf-8", "replace"))
            parts += data
            if parts == b"> ":
                return b""
            if parts.endswith(_PROMPT) and (count == 1 or parts.count(_PROMPT) == count):
                return bytes(parts[: -len(_PROMPT)])
            if len(parts) > _MAX_REPLY:
                raise BalancerGone("the balancer's reply does not end")

    async def close(self) -> None:
        """End the conversation; never raises."""
        self.broken = True
        await self._stream.close()
