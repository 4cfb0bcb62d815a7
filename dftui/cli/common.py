"""What every command shares: the engine and the stack opened, JSON, messages, progress, an end by signal."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from dftui.cli.exits import Signalled, UsageError
from dftui.control.effects import Effect

if TYPE_CHECKING:
    from dftui.control.operator import Operator
    from dftui.engine.api import Container, Engine
    from dftui.stack.spec import StackSpec
    from dftui.watch.mask import Masker
    from dftui.watch.snapshot import Snapshot

Actor = TypeVar("Actor", bound="Operator")


@dataclass(slots=True)
class Opened:
    """A command's hold on the world: what is wanted, and the engine that has it."""

    spec: StackSpec
    engine: Engine

    @asynccontextmanager
    async def operator(self, args: argparse.Namespace) -> AsyncIterator[Operator]:
        """The one who acts; its steps are shown on stderr."""
        from dftui.control.operator import Operator

        async with self.acting(args, Operator) as operator:
            yield operator

    @asynccontextmanager
    async def acting(self, args: argparse.Namespace, kind: type[Actor]) -> AsyncIterator[Actor]:
        """The same for one of a `kind`."""
        from dftui.cli.progress import Progress

        with Progress(verbose=args.verbose) as progress:
            operator = kind(self.engine, self.spec, report=progress.report)
            try:
                yield operator
            finally:
                await operator.close()


def load_spec(args: argparse.Namespace) -> StackSpec:
    """The stack file named on the command line, ./dftui.yaml, or the defaults. Raises StackFileError."""
    from dftui.stack.file import load

    spec = load(Path(args.stack) if args.stack else None)
    return replace(spec, engine=args.engine) if args.engine else spec


@asynccontextmanager
async def opened(args: argparse.Namespace, *, one_action: bool = True) -> AsyncIterator[Opened]:
    """The stack file read first (a bad one touches nothing), then the engine; closed at the end. A command that does
    more than look is one entry of the history, unless it is no `one_action`."""
    from dftui.cli.parser import effect
    from dftui.engine.connect import connect_for

    spec = load_spec(args)
    engine = await connect_for(spec, args.docker)
    if moved := getattr(engine, "moved", ""):
        say(moved)
    try:
        if effect(args) is Effect.LOOK or not one_action:
            yield Opened(spec, engine)
            return
        from dftui.control.history import recorded

        async with recorded(engine, spec.name, args.said) as now:
            try:
                yield Opened(spec, engine)
            except UsageError:  # nothing was done
                now.dropped = True
                raise
    finally:
        await engine.close()


async def containers(world: Opened) -> list[Container]:
    """Every container of the stack, by name. Raises NotUp where there is none."""
    from dftui.control.errors import NotUp
    from dftui.stack.names import LABEL_STACK

    found = await world.engine.containers({LABEL_STACK: world.spec.name})
    if not found:
        raise NotUp(world.spec.name)
    return sorted(found, key=lambda c: c.name)


async def masker(world: Opened) -> Masker:
    """Masks the stack's own secrets wherever they turn up, besides what looks like a secret."""
    from dftui.stack.secrets import load_secrets
    from dftui.watch.mask import Masker

    info = await world.engine.info()
    found = load_secrets(info.id, world.spec.name)
    return Masker(found.values() if found else ())


async def look(world: Opened) -> Snapshot:
    """The stack as it is now."""
    from dftui.watch.observe import observe

    return await observe(world.engine, world.spec, mask=(await masker(world)).mask)


def emit(document: Any) -> None:
    """One JSON document on one line."""
    from dftui.watch.sanitise import json_line

    print(json_line(document))


def emit_line(document: Any) -> None:
    """A JSON line of a stream: at once on its way to the reader."""
    emit(document)
    sys.stdout.flush()


def say(text: str) -> None:
    """A message to the person, on stderr."""
    from dftui.watch.sanitise import clean

    print(clean(text), file=sys.stderr)


def coloured(stream: Any = None) -> bool:
    """Whether colours may be used on a stream (stdout by default)."""
    stream = stream or sys.stdout
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


def ask(question: str, expected: str = "y") -> bool:
    """Ask on stderr, read stdin; True when the answer is `expected` (for "y" also "yes"). After any other answer the
    command has done nothing, and the history does not have it.

    Raises UsageError when nobody can answer.
    """
    if not sys.stdin.isatty():
        raise UsageError("this needs a yes, and nobody is there to say it.", "Add --yes to go ahead.")
    print(question, end=" ", file=sys.stderr, flush=True)
    answer = sys.stdin.readline().strip()
    agreed = answer.lower() in ("y", "yes") if expected == "y" else answer == expected
    if not agreed:
        from dftui.control.history import recording

        if (now := recording()) is not None:
            now.dropped = True
    return agreed


_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def run_async(work: Coroutine[Any, Any, int]) -> int:
    """Run a command to its end. Ctrl-C, SIGTERM and SIGHUP cancel it, so that it can put things in order.

    Raises KeyboardInterrupt or Signalled once the command has ended for a signal.
    """

    async def body() -> int:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        got: list[int] = []

        def end(number: int) -> None:
            got.append(number)
            task.cancel()

        for number in _SIGNALS:
            loop.add_signal_handler(number, end, number)
        try:
            return await task
        except asyncio.CancelledError:
            if got:
                raise Signalled(got[0]) from None
            raise

    return asyncio.run(body())
