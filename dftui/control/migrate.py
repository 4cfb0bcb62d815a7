"""`migrate swarm`: a stack of one engine goes on as services of the swarm that this engine manages.

Its data stays where it is: the volumes of this machine, which becomes the node that has the stack's data.  Key,
passwords and port are the same; only the containers and the networks are others, so that nobody answers while they
are made.  When the swarm does not bring it up, it comes back as it was.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from dftui.control import ground
from dftui.control.backup import keep_one
from dftui.control.errors import ActionError
from dftui.control.spread import spread_files
from dftui.control.steps import Progress
from dftui.control.world import World, webs
from dftui.engine.api import EngineError
from dftui.stack.secrets import SecretsError, save_secrets

End = Callable[[], Awaitable[None]]
Begin = Callable[[int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class MigrateResult:
    """`migrate --json`: the seconds in which nobody answered, the backup that was made first ("" without one), and by
    node how many replicas it has now."""

    stack: str
    key: str
    wanted: int
    nodes: dict[str, int]
    gap: float
    backup: str = ""

    def to_json(self) -> dict[str, Any]:
        """The documented shape."""
        return {
            "stack": self.stack,
            "key": self.key,
            "wanted": self.wanted,
            "nodes": self.nodes,
            "gap": round(self.gap, 3),
            "backup": self.backup,
        }


async def migrate(
    old: World, new: World, *, end_old: End, begin_new: Begin, end_new: End, begin_old: Begin
) -> MigrateResult:
    """From `old` to `new`, which are one stack; the steps are those of each one's operator. Raises ActionError; the
    stack is then as it was, or the message says what is left to do."""
    try:
        return await _migrate(old, new, end_old, begin_new, end_new, begin_old)
    except (EngineError, SecretsError) as error:
        raise ActionError(str(error), error.hint) from None


async def _migrate(
    old: World, new: World, end_old: End, begin_new: Begin, end_new: End, begin_old: Begin
) -> MigrateResult:
    progress = Progress("migrate", old.report)
    plan = await ground.current_plan(old)
    wanted = await old.wanted()
    if any(network.driver == "overlay" for network in await new.networks()):
        raise ActionError(f"the stack {old.stack} is on the swarm already", "set engine: swarm in the stack file")
    kept = ""
    if not old.spec.plain:
        kept = (await keep_one(old, "before-migrate", old.spec.backup.keep)).file
    with progress.step("the replicas' image on every node"):
        await ground.have_images(new, await old.containers(), lambda _: None)
    path = save_secrets(await new.engine_id(), new.stack, plan.secrets)
    progress.tell(f"APP_KEY {plan.key} and the passwords are kept for the swarm in {path}")
    begin = time.monotonic()
    await end_old()
    try:
        await begin_new(wanted)
    except (ActionError, EngineError) as error:
        progress.tell(f"it goes back to one engine: {error}", state="failed")
        await end_new()
        await begin_old(wanted)
        raise ActionError(f"{error}; the stack runs on one engine again, on the same data", error.hint) from None
    gap = time.monotonic() - begin
    if not new.spec.plain:
        await spread_files(new, progress)
    nodes: dict[str, int] = {}
    for one in webs(await new.containers()):
        nodes[one.node] = nodes.get(one.node, 0) + 1
    return MigrateResult(new.stack, plan.key, wanted, nodes, gap, kept)
