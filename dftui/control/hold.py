"""Holding a roll from outside: a mark in the balancer, so that any dftui can hold the roll of any other."""

from __future__ import annotations

from dftui.balancer.holder import Holder
from dftui.control.errors import ActionError
from dftui.control.lock import holder
from dftui.control.world import World
from dftui.engine.api import EngineError

MARK = "/tmp/dftui.hold"


async def is_held(world: World) -> bool:
    """Whether the mark is there. A balancer that cannot be asked holds nothing."""
    try:
        await world.engine.get_file(world.name("balancer"), MARK)
    except EngineError:
        return False
    return True


async def let_go(world: World) -> None:
    """Take the mark away, if it is there. Raises ActionError."""
    await _in_balancer(world, f"rm -f {MARK}")


async def hold(world: World) -> Holder:
    """Let the roll that runs wait before its next replica; who rolls. Raises ActionError when nobody does."""
    roller = await rolling(world)
    await _in_balancer(world, f"touch {MARK}")
    return roller


async def _in_balancer(world: World, script: str) -> None:
    # By the balancer's own user, as the lock's folder is made: what root laid there, that user could not remove.
    done = await world.engine.exec(world.name("balancer"), ("sh", "-c", script))
    if done.exit_code != 0:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise ActionError(f"the mark that holds a roll cannot be changed in {world.name('balancer')}: {said}")


async def rolling(world: World) -> Holder:
    """Who rolls this stack now. Raises ActionError when nobody does."""
    found = await holder(world.engine, world.stack)
    if found is None or not found.what.startswith("roll"):
        raise ActionError("no roll is running", "start one: dftui roll")
    return found
