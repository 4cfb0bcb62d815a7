"""A stack and an operator on it in the test's own process: for what a command line cannot do."""

from __future__ import annotations

import asyncio
import os
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from dftui.control.operator import Operator
from dftui.control.world import webs
from dftui.engine.api import Engine
from dftui.engine.connect import connect_for
from dftui.stack.file import load
from dftui.stack.names import LABEL_STACK
from dftui.watch.records import Step
from tests.stacks import Stack


@asynccontextmanager
async def operating(stack: Stack, heard: list[Step] | None = None) -> AsyncIterator[tuple[Operator, Engine]]:
    """An operator with the stack's own folders; its steps go to `heard`."""
    os.environ.update({k: v for k, v in stack.env.items() if k.startswith("DFTUI_")})
    spec = load(stack.file)
    engine = await connect_for(spec, stack.host or None)
    operator = Operator(engine, spec, report=(heard if heard is not None else []).append)
    try:
        yield operator, engine
    finally:
        await operator.close()
        await engine.close()


async def until(look: Callable[[], Awaitable[bool]], what: str, tries: int = 2000) -> None:
    """Look again and again (each look is a question to the real thing) until it is so."""
    for _ in range(tries):
        if await look():
            return
    raise AssertionError(f"never {what}")


async def until_all_serve(operator: Operator) -> None:
    """Look until the balancer takes every server for good."""

    async def all_serve() -> bool:
        return all(s.serving for s in await operator.link.servers())

    await until(all_serve, "serving, all of them")


async def start_again(stack: Stack) -> list[str]:
    """What the next start does; what it said it had found."""
    heard: list[Step] = []
    async with operating(stack, heard) as (operator, _):
        await operator.recover()
        await operator.repair()
    return [step.text for step in heard]


async def assert_sound(stack: Stack, replicas: int | None = None) -> None:
    """Nothing is left over or missing: wanted, existing and believed agree, and every replica serves."""
    async with operating(stack) as (operator, engine):
        assert [f.what for f in await operator.findings()] == []
        everyone = await engine.containers({LABEL_STACK: stack.name})
        roles = sorted(c.labels["dftui.role"] for c in everyone)
        count = len(webs(everyone))
        assert roles == sorted(["db", "cache", "balancer", *["web"] * count])
        assert all(c.state == "running" for c in everyone), [c.status for c in everyone]
        states = await operator.link.servers()
        assert {s.name for s in states} == {c.short for c in webs(everyone)}
        # On a machine that is busy a health check may fail once; it comes back by itself.
        await until_all_serve(operator)
        if replicas is not None:
            assert count == replicas
        assert len(await engine.networks({LABEL_STACK: stack.name})) == 2
    assert get(stack) == 200


async def false_alarms(stack: Stack, runs: int) -> list[str]:
    """What `verify` finds wrong, in so many runs, on a sound stack that another operator scales up and down."""
    found: list[str] = []
    async with operating(stack) as (operator, _), operating(stack) as (other, _):
        scaling = True

        async def scale() -> None:
            while scaling:
                await other.scale(by=2)
                await other.scale(by=-2)

        task = asyncio.create_task(scale())
        try:
            for _ in range(runs):
                result = await operator.verify()
                found += [f"{check.name}: {check.cause}: {check.says}" for check in result.checks if not check.ok]
        finally:
            scaling = False
            await task
    return found


def get(stack: Stack, path: str = "/status") -> int:
    """The status of one request through the balancer; asked inside it where its port is not on this machine."""
    if stack.host:
        ask = f"exec 3<>/dev/tcp/127.0.0.1/80; printf 'GET {path} HTTP/1.0\\r\\n\\r\\n' >&3; head -n 1 <&3"
        return int(stack.docker("exec", f"{stack.name}-lb", "bash", "-c", ask).split()[1])
    try:
        with urllib.request.urlopen(f"{stack.url}{path}", timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
