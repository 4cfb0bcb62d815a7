"""Holding a roll from outside: a mark in the balancer, so that any dftui can hold the roll of any other."""

from __future__ import annotations

from dftui.control.errors import ActionError
from dftui.control.lock import Holder, holder, me
from dftui.control.world import World
from dftui.engine.api import EngineError, File, NotFound

MARK = "/tmp/dftui.hold"


async def is_held(world: World) -> bool:
    """Whether the mark is there. A balancer that cannot be asked holds nothing."""
    try:
        await world.engine.get_file(world.name("balancer"), MARK)
    except EngineError:
        return False
    return True


async def let_go(world: World) -> None:
    """Take the mark away, if it is there."""
    try:
        await world.engine.exec(world.name("balancer"), ("rm", "-f", MARK))
    except NotFound:
        return


async def hold(world: World) -> Holder:
    """Let the roll that runs wait before its next replica; who rolls. Raises ActionError when nobody does."""
    roller = await rolling(world)
    await world.engine.put_file(world.name("balancer"), File(MARK, me().encode()))
    return roller


async def rolling(world: World) -> Holder:
    """Who rolls this stack now. Raises ActionError when nobody does."""
    found = await holder(world.engine, world.stack)
    if found is None or not found.what.startswith("roll"):
        raise ActionError("no roll is running", "start one: dftui roll")
    return found
