"""How far an engine is away, is what its quickest answer took; for one of this machine it is not asked."""

from __future__ import annotations

import asyncio

from dftui.watch.answers import LOOKS, Answers


async def test_the_quickest_of_the_last_looks_counts() -> None:
    answers = Answers()
    assert answers.ms("ssh://me@there") == 0.0

    async def look(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "seen"

    assert await answers.timed(look(0.05)) == "seen"
    slow = answers.ms("ssh://me@there")
    assert slow >= 50
    await answers.timed(look(0))
    quick = answers.ms("ssh://me@there")
    assert quick < slow
    assert answers.ms("unix:///var/run/docker.sock") == 0.0
    for _ in range(LOOKS):
        await answers.timed(look(0.02))
    assert answers.ms("tcp://there:2376") >= 20
