"""The storage's files on every node of a swarm: a volume is of one node."""

from __future__ import annotations

from dftui.control.backup import HELPER_MOUNT, closing, helper
from dftui.control.steps import Progress
from dftui.control.world import World, by_role, webs
from dftui.dreamfactory.variables import STORAGE_PATH


async def spread_files(world: World, progress: Progress) -> None:
    """From the manager that is spoken to, which got them, to the other nodes that have replicas. Nothing where there
    is no swarm."""
    everyone = await world.containers()
    db = by_role(everyone, "db")
    if not world.spec.swarm or db is None:
        return
    async with helper(world, db.image_id) as ref:
        here = (await world.engine.inspect(ref)).container.node
        for node, one in {one.node: one for one in webs(everyone) if one.node and one.node != here}.items():
            with progress.step(f"the storage's files to {node}", work=0):
                async with closing(world.engine.get_archive(ref, HELPER_MOUNT)) as source:
                    await world.engine.put_archive(one.id, STORAGE_PATH.rpartition("/")[0], source)
