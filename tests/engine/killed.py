"""Runs an action of dftui in a process of its own, which gets a real signal just before its Nth call to the engine or
the balancer; or the engine's daemon does.  No fake: the engine is the real one, and the signal comes from the kernel.

`python -m tests.engine.killed` reads jobs, a JSON object a line, and answers each with one; each job is a fork, so
that what is imported once serves all.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from dftui.balancer.link import BalancerLink
from dftui.cli.common import run_async
from dftui.cli.exits import Signalled
from dftui.control.errors import ActionError
from dftui.control.operator import Operator
from dftui.engine.api import Engine
from dftui.engine.connect import connect
from dftui.stack.file import load
from dftui.stack.names import container_name

_LOOKS = (
    *("info", "containers", "inspect", "get_file", "networks", "volumes", "images", "image", "exec", "logs"),
    "shell.marks",
)


def changes(name: str, args: tuple[Any, ...]) -> bool:
    """Whether a call can change anything. Killed before a look, an action leaves what it leaves before the change
    that follows the look, so the short form counts changes alone (`exec` runs checks)."""
    if name == "balancer.command":
        return not str(args[0][0]).startswith(("show ", "get "))
    return name.removeprefix("engine.") not in _LOOKS


class Counted:
    """Passes every call on; `victim` (a process id) gets `number` just before call `step` (0: never)."""

    def __init__(self, step: int, number: int, out: int, changes_only: bool, victim: int) -> None:
        self._changes_only = changes_only
        self._victim = victim
        self.calls: list[str] = []
        self._step = step
        self._number = number
        self._out = out

    def count(self, name: str, args: tuple[Any, ...]) -> None:
        if self._changes_only and not changes(name, args):
            return
        self.calls.append(name)
        if len(self.calls) == self._step:
            os.write(self._out, json.dumps({"at": name}).encode())
            os.kill(self._victim, self._number)

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        if not inspect.iscoroutinefunction(call):

            def plain(*args: Any, **more: Any) -> Any:
                self.count(name, args)
                return call(*args, **more)

            return plain

        async def awaited(*args: Any, **more: Any) -> Any:
            self.count(name, args)
            # A signal that can be handled is handled now, not after the call.
            await asyncio.sleep(0)
            return await call(*args, **more)

        return awaited


class CountedEngine:
    """An engine whose every call is counted."""

    def __init__(self, engine: Engine, counted: Counted) -> None:
        self._engine = engine
        self._counted = counted

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._engine, name)
        if name.startswith("_") or name == "close" or not callable(found):
            return found
        return self._counted.around(f"engine.{name}", found)


async def act(job: dict[str, Any], out: int) -> int:
    """One job: {"file", "action", "step", "signal", "changes_only", "victim" (0: the process itself),
    "host" ("": as the environment says)}."""
    counted = Counted(job["step"], job["signal"], out, job["changes_only"], job["victim"] or os.getpid())
    spec = load(Path(job["file"]))
    real = await connect(job["host"] or None)
    engine: Any = CountedEngine(real, counted)
    link = BalancerLink(engine, container_name(spec.name, "balancer"))
    link._together = counted.around("balancer.command", link._together)  # type: ignore[method-assign]
    for name in ("marks", "write", "take", "drop"):
        setattr(link.shell, name, counted.around(f"shell.{name}", getattr(link.shell, name)))
    operator = Operator(engine, spec, link=link)
    word, _, more = str(job["action"]).partition(" ")
    actions: dict[str, Callable[[], Awaitable[Any]]] = {
        "up": lambda: operator.up(int(more) if more else None, edits=True),
        "scale": lambda: operator.scale(to=int(more)),
        "roll": operator.roll,
        "down": operator.down,
        "repair": operator.repair,
    }
    try:
        await actions[word]()
    except ActionError as error:
        os.write(out, json.dumps({"error": f"{error} | {error.hint}"}).encode())
        return 1
    finally:
        with contextlib.suppress(Exception):
            await operator.close()
            await link.close()
            await real.close()
    os.write(out, json.dumps({"calls": counted.calls}).encode())
    return 0


def child(job: dict[str, Any], out: int) -> int:
    """In the fork: as the command line runs an action, signals and all."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    try:
        return run_async(act(job, out))
    except (Signalled, KeyboardInterrupt):
        return 128


def load_all() -> None:
    """What an action would import while it runs, so that forks start at once."""
    for name in ("dftui.control.ground", "dftui.engine.docker", "cryptography.hazmat.primitives.ciphers.aead"):
        importlib.import_module(name)


def main() -> None:
    """Jobs in, answers out, one after the other."""
    load_all()
    for line in sys.stdin:
        job = json.loads(line)
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(read)
            code = 70
            try:
                code = child(job, write)
            finally:
                os._exit(code)
        os.close(write)
        with os.fdopen(read, "rb") as stream:
            said = stream.read()
        _, status = os.waitpid(pid, 0)
        answer: dict[str, Any] = {"code": os.waitstatus_to_exitcode(status)}
        decoder = json.JSONDecoder()
        text = said.decode()
        while text:
            found, end = decoder.raw_decode(text)
            answer |= found
            text = text[end:]
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
