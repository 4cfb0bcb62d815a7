"""What becomes of replicas, for who follows the logs without a screen."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dftui.stack.spec import StackSpec
from dftui.watch import states
from dftui.watch.mask import Masker
from dftui.watch.states import States
from tests.unit.test_watch_watcher import Stack, soon


class Told:
    """Looks at a stack, and keeps what it is told."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.lines: list[str] = []
        link: Any = stack.link
        self.states = States(stack.engine, StackSpec(), self._tell, Masker(["hidden-secret"]).mask, link)

    def _tell(self, name: str, words: str) -> None:
        self.lines.append(f"{name} {words}")

    async def look(self) -> list[str]:
        self.states.sync(await self.stack.engine.containers())
        await self.states.look()
        told, self.lines = self.lines, []
        return told


async def test_a_drain_and_its_end_are_told_once_each() -> None:
    told = Told(Stack())
    assert await told.look() == []
    told.stack.entry(2, status="DRAIN", admin="drain", sessions=3)
    assert await told.look() == ["df-web2 is draining, 3 sessions left"]
    told.stack.entry(2, sessions=0)
    assert await told.look() == ["df-web2 is drained"]
    assert await told.look() == []
    told.stack.entry(2, status="UP", admin="ready")
    assert await told.look() == ["df-web2 serves again"]


async def test_a_check_that_fails_says_why_without_secrets_and_a_new_one_is_told_when_it_serves() -> None:
    told = Told(Stack())
    await told.look()
    told.stack.entry(1, status="DOWN", check_why="no hidden-secret\x1b]0;x\x07")
    assert await told.look() == ["df-web1 does not answer the balancer: its health check fails: no ***"]
    told.stack.add("web", 4)
    assert await told.look() == ["df-web4 serves"]


async def test_a_balancer_that_is_away_tells_nothing_and_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "PERIOD", 0.01)
    told = Told(Stack())
    await told.look()
    told.stack.link.away = True
    task = asyncio.create_task(told.states.run())
    try:
        asked = told.stack.link.asked
        await soon(lambda: told.stack.link.asked > asked + 2)
        assert told.lines == []
        told.stack.entry(3, status="DRAIN", admin="drain")
        told.stack.link.away = False
        await soon(lambda: bool(told.lines))
        assert told.lines == ["df-web3 is drained"]
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
