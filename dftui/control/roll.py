"""`roll`: replace replicas one by one, one more than wanted at a time, to what they should be now.

A new one is admitted before an old one is drained, so that capacity never falls.  When a new one does not become
healthy in its time, the roll stops and the new ones already in service are replaced by ones of the old kind again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from dftui.control import changes, ground, hold, replicas
from dftui.control.backup import keep_one
from dftui.control.counters import read_counters, receipt
from dftui.control.errors import ActionError
from dftui.control.receipts import Drained, Receipt
from dftui.control.scale import Scaler
from dftui.control.specs import Plan
from dftui.control.steps import Progress
from dftui.control.world import World, webs
from dftui.dreamfactory.variables import OWN_VARIABLES
from dftui.engine.api import Container, EngineError, ImageProgress
from dftui.stack import names

MIGRATE = ("php", "artisan", "migrate", "--force")
"""Run once, by the first new replica, as www-data (as root it leaves a root-owned log and the web answers 500)."""
HELD_PERIOD = 0.3
"""Seconds between two looks at what holds a roll."""


@dataclass(frozen=True, slots=True)
class RollResult:
    """`roll --json`: who was replaced by whom, and the receipt. `backup` is the file that was made before the first
    was replaced, "" where the image stayed the same."""

    image: str
    replaced: tuple[tuple[str, str], ...]
    rolled_back: bool
    seconds: float
    receipt: Receipt
    why: str = ""
    backup: str = ""

    def to_json(self) -> dict[str, Any]:
        """The documented shape."""
        from dataclasses import asdict

        return {
            "image": self.image,
            "replaced": [{"old": old, "new": new} for old, new in self.replaced],
            "rolled_back": self.rolled_back,
            "why": self.why,
            "backup": self.backup,
            "seconds": round(self.seconds, 3),
            "receipt": asdict(self.receipt),
        }


class Roller:
    """One roll; `pause` holds it between two replicas."""

    def __init__(self, world: World, scaler: Scaler) -> None:
        self._world = world
        self._scaler = scaler
        self._go = asyncio.Event()
        self._go.set()
        self._outside = False
        self._lift = False

    @property
    def paused(self) -> bool:
        """Whether it waits before the next replica, held by this dftui or another."""
        return self._outside or not self._go.is_set()

    def pause(self, on: bool = True) -> None:
        """Hold the roll before its next replica, or let it go on."""
        if on:
            self._go.clear()
        else:
            self._go.set()
            self._lift = self._outside

    async def _until_let_go(self, progress: Progress, done: int, total: int) -> None:
        """Wait as long as this dftui or the mark of another holds the roll."""
        told = False
        while True:
            self._outside = await hold.is_held(self._world)
            if self._outside and self._lift:
                await hold.let_go(self._world)
                self._outside = False
            self._lift = False
            if not self.paused:
                return
            if not told:
                progress.tell(f"held after {done} of {total}", state="running")
                told = True
            await asyncio.sleep(HELD_PERIOD)

    async def run(
        self, image: str | None, *, new_key: bool = False, backup: bool = True, only: Collection[str] | None = None
    ) -> RollResult:
        """To `image`, or to what the stack file says now; to another image only after a `backup`. `only`: those of
        these names, whatever they were made from. Raises ActionError."""
        try:
            keeps = self._world.spec.backup.before_roll and not self._world.spec.plain
            return await self._run(image, new_key, backup and keeps, only)
        except EngineError as error:
            raise ActionError(str(error), error.hint) from None

    async def _target(self, image: str | None, progress: Progress) -> Plan:
        """What replicas should be made from: the stack file's values, and `image` if given."""
        world = self._world
        if image is not None:
            world = replace(world, spec=replace(world.spec, images=replace(world.spec.images, web=image)))
        current = await ground.current_plan(self._world, file_holds=True)

        def on_image(seen: ImageProgress) -> None:
            progress.tell(f"{seen.image}: {seen.text or seen.stage}", state="running")

        containers = await world.containers()
        resolved = await ground.have_images(world, containers, on_image)
        recovered = await ground.known_secrets(world, containers, file_holds=True)
        return ground.make_plan(world, resolved, recovered, current.subnet)

    async def _back_up(self) -> str:
        """The way back for the data: another version migrates the database, and going back to the old image does
        not undo that."""
        try:
            return (await keep_one(self._world, "before-roll", self._world.spec.backup.keep)).file
        except ActionError as error:
            raise ActionError(
                f"{error}; nothing was replaced",
                "roll without it: --no-backup, or backup: {before_roll: false} in dftui.yaml",
            ) from None

    async def _run(self, image: str | None, new_key: bool, backup: bool, only: Collection[str] | None) -> RollResult:
        begin = time.monotonic()
        progress = Progress("roll", self._world.report)
        new = await self._target(image, progress)
        pool = webs(await self._world.containers())
        keys = {c.labels.get(names.LABEL_KEY, new.key) for c in pool}
        if keys - {new.key} and not new_key:
            raise ActionError(
                f"the replicas run with APP_KEY {', '.join(sorted(keys))}, the secrets file holds {new.key}; "
                "nothing was done",
                "a changed key logs everyone out and makes the credentials stored in services unreadable; "
                "if that is what you want: dftui roll --new-key",
            )
        old = changes.outdated(pool, new) if only is None else [c for c in pool if c.name in only]
        progress.total = 3 * len(old)
        kept = ""
        if backup and any(c.image_id != new.image_ids.get("web", c.image_id) for c in old):
            kept = await self._back_up()
        start = await read_counters(self._world)
        await hold.let_go(self._world)  # what an interrupted roll left
        replaced: list[tuple[str, str]] = []
        removed: list[Drained] = []
        back, why = False, ""
        wanted = await self._world.wanted()
        if not old:
            progress.tell("every replica is already what it should be")
        old_plan = await self._old_plan(new, old)
        for index, container in enumerate(old):
            await self._until_let_go(progress, index, len(old))
            try:
                name = await self._one(progress, new, container, wanted, removed, migrate=index == 0)
            except (ActionError, EngineError) as error:
                back, why = True, str(error)
                progress.tell(f"roll stopped: {error}", state="failed")
                try:
                    await self._go_back(progress, old_plan, replaced, wanted, removed)
                except (ActionError, EngineError) as another:
                    why += f"; going back failed, too: {another}"
                    progress.tell(f"going back failed: {another}", state="failed")
                break
            replaced.append((container.name, name))
        if not back and only is None and self._world.spec.path:
            # The file's image is what was looked at; that it names another one than was asked for is no edit.
            filed = self._world.filed or changes.filed(self._world.spec)
            self._world.refiled = replace(filed, image=self._world.spec.images.web)
            await self._scaler.keep(new, wanted)
        result = RollResult(
            image=new.images["web"],
            replaced=tuple(replaced),
            rolled_back=back,
            seconds=time.monotonic() - begin,
            receipt=receipt(start, await read_counters(self._world), removed),
            why=why,
            backup=kept,
        )
        cut = [f"{one.name}: {one.text}" for one in removed if one.sessions_left]
        progress.tell(
            f"{'went back after' if back else 'replaced'} {len(replaced)} of {len(old)} in {result.seconds:.1f} s; "
            f"{result.receipt.text}" + "".join(f"; {one}" for one in cut) + (f"; backup in {kept}" if kept else ""),
            state="failed" if back else "ok",
        )
        return result

    async def _old_plan(self, new: Plan, old: list[Container]) -> Plan:
        """What the replicas were made from: image, variables, limits and key as one of them says."""
        running = next((c for c in old if c.state == "running"), None)
        if running is None:
            return new
        detail = await self._world.engine.inspect(running.id)
        own = frozenset[str]() if new.spec.plain else OWN_VARIABLES
        env = {name: value for name, value in detail.env.items() if name not in own}
        web = replace(new.spec.web, env=env, cpus=detail.cpus, memory=detail.memory)
        secrets = replace(new.secrets, app_key=detail.env.get("APP_KEY", new.secrets.app_key))
        plan = replace(new, spec=replace(new.spec, web=web), secrets=secrets)
        return ground.pinned_to_pool(plan, [running])

    async def _one(
        self, progress: Progress, plan: Plan, old: Container, wanted: int, removed: list[Drained], *, migrate: bool
    ) -> str:
        """A new replica in, the old one out; the new one's name."""

        async def migrations(ref: str, name: str) -> None:
            await self._migrate(progress, ref, name, plan)

        name, drained = await self._scaler.replace(
            progress,
            plan,
            old,
            wanted,
            "replaced",
            before=migrations if migrate and not plan.spec.plain else None,
        )
        if drained is not None:
            removed.append(drained)
        return name

    async def _migrate(self, progress: Progress, ref: str, name: str, plan: Plan) -> None:
        await replicas.wait_for_status(
            self._world, ref, name, plan, lambda s: s.listening, "it answers", self._world.spec.web.start_timeout
        )
        with progress.step(
            f"migrations, once, by {name}", command=f"docker exec -u www-data {name} {' '.join(MIGRATE)}"
        ):
            result = await self._world.engine.exec(ref, MIGRATE, user="www-data", timeout=300)
            if result.exit_code != 0:
                words = await self._world.last_words(ref, plan)
                raise ActionError(f"the migrations of {name} failed (exit {result.exit_code}):\n{words}")

    async def _go_back(
        self,
        progress: Progress,
        plan: Plan,
        replaced: list[tuple[str, str]],
        wanted: int,
        removed: list[Drained],
    ) -> None:
        progress.total += 3 * len(replaced)
        for _, name in replaced:
            current = next((c for c in webs(await self._world.containers()) if c.name == name), None)
            if current is not None:
                await self._one(progress, plan, current, wanted, removed, migrate=False)
