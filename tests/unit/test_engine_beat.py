"""Busy streams wait together for the next beat at which they have something."""

from __future__ import annotations

import asyncio
import socket

from dftui.engine.beat import Beat


async def test_only_those_that_have_something_are_let_go_and_all_of_them_together() -> None:
    beat = Beat(0.01)
    pairs = [socket.socketpair() for _ in range(3)]
    try:
        waiting = [asyncio.create_task(beat.readable(there.fileno(), 60)) for _, there in pairs]
        await asyncio.sleep(0)
        pairs[0][0].send(b"x")
        pairs[2][0].close()  # an end is something, too
        async with asyncio.timeout(30):
            done, left = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert done == {waiting[0], waiting[2]}
        assert all(task.result() for task in done)
        pairs[1][0].send(b"y")
        async with asyncio.timeout(30):
            assert await waiting[1]
        assert not left - {waiting[1]}
    finally:
        for pair in pairs:
            for one in pair:
                one.close()


async def test_who_has_nothing_is_let_go_after_its_time() -> None:
    beat = Beat(0.01)
    here, there = socket.socketpair()
    with here, there:
        async with asyncio.timeout(30):
            assert not await beat.readable(there.fileno(), 0.03)


async def test_one_that_gives_up_is_forgotten_and_its_number_is_free() -> None:
    beat = Beat(0.01)
    here, there = socket.socketpair()
    with here, there:
        task = asyncio.create_task(beat.readable(there.fileno(), 60))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        here.send(b"x")
        async with asyncio.timeout(30):
            assert await beat.readable(there.fileno(), 60)


async def test_a_socket_that_is_closed_meanwhile_lets_its_waiter_go() -> None:
    beat = Beat(0.01)
    here, there = socket.socketpair()
    with here:
        task = asyncio.create_task(beat.readable(there.fileno(), 60))
        await asyncio.sleep(0)
        there.close()
        async with asyncio.timeout(30):
            assert await task
