"""The one who acts on a stack: every key and every command ends here."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from dftui.balancer.holder import Holder
from dftui.balancer.link import BalancerLink
from dftui.balancer.pair import link_to
from dftui.control import ground, hold, inside, replicas, standby, tls
from dftui.control.admin import AdminResult, create_admin
from dftui.control.backup import BackupResult, backup
from dftui.control.down import down
from dftui.control.effects import Effect, refusal
from dftui.control.errors import ActionError, NotUp
from dftui.control.history import Recording, note_receipt, recorded, recording
from dftui.control.lock import held_for, holder
from dftui.control.login import Login
from dftui.control.planning import Preview, preview
from dftui.control.pool import look
from dftui.control.probe import ProbeResult, probe
from dftui.control.receipts import ScaleResult
from dftui.control.repair import HALF_DONE, Finding, Repairer, RepairResult
from dftui.control.restore import Intent, RestoreResult, restore
from dftui.control.restore import look as look_at_backup
from dftui.control.roll import Roller, RollResult
from dftui.control.rollout import Rollout
from dftui.control.scale import Scaler
from dftui.control.steps import Progress, Report, ignore
from dftui.control.tls import TlsResult
from dftui.control.uninstall import Found, Uninstalled, uninstall
from dftui.control.uninstall import look as leftovers
from dftui.control.up import up
from dftui.control.verify import VerifyResult, verify
from dftui.control.world import World
from dftui.dreamfactory.admin import NewAdmin
from dftui.engine.api import Container, Engine, EngineError, Session
from dftui.stack import names
from dftui.stack.spec import StackSpec
from dftui.watch.records import Step

if TYPE_CHECKING:
    from dftui.control.export.gather import ExportResult

_HOLDS: ContextVar[Operator | None] = ContextVar("who holds the lock here", default=None)


class Operator:
    """Acts on one stack; its steps go to `report`. One action at a time here and, by a lock in the engine, of all
    operators; `scale` adds up while it runs, and a drain can be undone. Where something imposes `read_only` (its
    name), every action is refused."""

    def __init__(
        self,
        engine: Engine,
        spec: StackSpec,
        *,
        link: BalancerLink | None = None,
        report: Report = ignore,
        read_only: str = "",
    ) -> None:
        self._read_only = read_only
        self._own_link = link is None
        self.link = link or link_to(engine, spec)
        self._report = report
        self._world = World(engine, spec, self.link, self.told)
        self._scaler = Scaler(self._world, self._locked)
        self._roller = Roller(self._world, self._scaler)
        self._repairer = Repairer(self._world, self._scaler, self._bring_up)
        self._rollout = Rollout(self._world, self._scaler, self._roller)
        self._busy = asyncio.Lock()

    @asynccontextmanager
    async def _locked(self, what: str) -> AsyncIterator[None]:
        """One action at a time: of this operator (the next one waits), and by the stack's lock of all. A part of an
        action that holds it already goes on."""
        if _HOLDS.get() is self:
            yield
            return
        async with self._recorded(what), self._busy:
            token = _HOLDS.set(self)
            try:
                async with held_for(self._world, what):
                    await standby.in_step(self._world)
                    yield
                    await standby.in_step(self._world, now=True)
            finally:
                _HOLDS.reset(token)

    def told(self, step: Step) -> None:
        """Each step goes into the record of its action, and on to whoever listens."""
        if (now := recording()) is not None:
            now.told(step)
        self._report(step)

    @asynccontextmanager
    async def _recorded(self, what: str, effect: Effect = Effect.CHANGE) -> AsyncIterator[Recording]:
        """The action in the history, if it may be done at all."""
        if refused := refusal(effect, self._read_only):
            raise ActionError(refused)
        async with recorded(self._world.engine, self._world.stack, what) as now:
            yield now

    async def _bring_up(self) -> None:
        await up(self._world, None)

    @asynccontextmanager
    async def _acting(self, what: str) -> AsyncIterator[None]:
        """One action at a time; whatever the engine says becomes an ActionError."""
        try:
            async with self._locked(what):
                yield
        except EngineError as error:
            raise ActionError(str(error), error.hint) from None

    async def up(self, replicas_wanted: int | None = None, *, edits: bool = False) -> None:
        """Create what is missing, pick up what is half made, put right what is off; with `edits`, which a file that
        was read a while ago must not be asked for, roll out what was edited in it. Raises ActionError."""
        async with self._acting("up"):
            if edits:
                await self._rollout.check()
            await up(self._world, replicas_wanted)
            await self._repairer.recover()
            if edits:
                await self._rollout.run(replicas_wanted)
                await standby.ensure(self._world, Progress("up", self._world.report))

    async def plan(self, replicas_wanted: int | None = None) -> Preview:
        """What `up` would do; changes nothing."""
        try:
            return await preview(self._world, replicas_wanted)
        except EngineError as error:
            raise ActionError(str(error), error.hint) from None

    def prepare_scale(self) -> None:
        """A scale is about to be asked for: look ahead, change nothing."""
        self._scaler.prepare()

    async def scale(
        self,
        *,
        to: int | None = None,
        by: int | None = None,
        victim: str | None = None,
        below_min: bool = False,
        why: str = "",
    ) -> ScaleResult:
        """To a number, or by a difference that adds up with others; `victim` names who should go first; `why` is told
        when nobody's key but autoscale asks for it."""
        try:
            chosen = (await self._find(victim)).name if victim else None
            return await self._scaler.change(to=to, by=by, victim=chosen, below_min=below_min, why=why)
        except EngineError as error:
            raise await self._plainly(error) from None

    async def _plainly(self, error: EngineError) -> ActionError:
        """What the engine says; where all of the stack is missing, that."""
        with suppress(EngineError):
            if not await self._world.containers():
                return NotUp(self._world.stack)
        return ActionError(str(error), error.hint)

    async def roll(self, image: str | None = None, *, new_key: bool = False, backup: bool = True) -> RollResult:
        """Replace replicas one by one, to `image` or to what the stack file says now; another image only after a
        `backup`, unless the stack file says otherwise."""
        async with self._acting("roll"):
            result = await self._roller.run(image, new_key=new_key, backup=backup)
            note_receipt(result.to_json())
            return result

    def pause_roll(self) -> bool:
        """Hold a roll before its next replica, or let it go on; whether it waits now."""
        self._roller.pause(not self._roller.paused)
        return self._roller.paused

    async def hold_roll(self, on: bool) -> Holder:
        """Hold the roll that runs, here or in another dftui, before its next replica, or let it go on; who rolls."""
        try:
            async with self._recorded("hold roll" if on else "let roll go on"):
                if on:
                    return await hold.hold(self._world)
                found = await hold.rolling(self._world)
                await hold.let_go(self._world)
                return found
        except EngineError as error:
            raise ActionError(str(error), error.hint) from None

    async def findings(self) -> tuple[Finding, ...]:
        """What `repair` would put right."""
        try:
            return tuple(await self._repairer.look())
        except EngineError as error:
            raise ActionError(str(error), error.hint) from None

    async def recover(self) -> tuple[Finding, ...]:
        """Finish or take back what an interrupted action left; nothing when somebody else is acting."""
        findings = await self.findings()
        if not any(f.kind in HALF_DONE for f in findings) or await holder(self._world.engine, self._world.stack):
            return ()
        async with self._acting("recover"):
            return await self._repairer.recover()

    async def repair(self, who: Sequence[str] = ()) -> RepairResult:
        """Bring wanted, existing and believed together; `who` are replaced first, whatever they look like."""
        async with self._acting("repair"):
            result = await self._repairer.repair([(await self._find(one)).name for one in who])
            note_receipt(result.to_json())
            return result

    async def drain(self, who: str) -> None:
        """Take a replica out of rotation and leave it running; what it serves is finished."""
        progress = Progress("drain", self._world.report, total=1)
        async with self._recorded(f"drain {who}"):
            await self._drain(who, progress)

    async def _drain(self, who: str, progress: Progress) -> None:
        try:
            container = await self._find(who)
            pool = await look(self._world)
            after = sum(pool.serving(c) for c in pool.containers if c.id != container.id)
            if pool.serving(container) and after < self._world.spec.web.min:
                raise ActionError(
                    f"draining {container.name} would leave {after} replicas serving, fewer than web.min "
                    f"({self._world.spec.web.min}); nothing was done",
                    "add a replica first",
                )
            if container.short not in pool.states:
                raise ActionError(f"{container.name} is not in the balancer", "look at it: dftui status")
            with progress.step(f"drain {container.name}"):
                await replicas.drain(self._world, container.name, container.short, undone=lambda: False)
        except EngineError as error:
            raise ActionError(str(error), error.hint) from None

    async def undrain(self, who: str) -> None:
        """Let a draining or drained replica serve again; one on its way out by `scale` stays. One that is held out is
        let in if it passes now."""
        progress = Progress("undrain", self._world.report, total=1)
        async with self._recorded(f"undrain {who}"):
            try:
                container = await self._find(who)
                if (await look(self._world)).outside(container):
                    async with self._locked(f"undrain {who}"):
                        await self._scaler.try_again(container)
                    return
                with progress.step(f"{container.name} serves again"):
                    await self.link.ready(container.short)
            except EngineError as error:
                raise ActionError(str(error), error.hint) from None

    async def create_admin(self, admin: NewAdmin, *, keep: bool) -> AdminResult:
        """Make the first admin, and close the setup form behind it."""
        async with self._acting("admin"):
            return await create_admin(self._world, admin, keep=keep)

    async def close_setup(self) -> None:
        """Refuse the setup form in the balancer, now and after its restarts."""
        async with self._acting("close setup"):
            with Progress("setup", self._world.report, total=1).step("close the setup form: there is an admin"):
                await self._world.close_setup(await ground.current_plan(self._world))

    async def certificate(self) -> TlsResult:
        """What HTTPS is served with, beside what the files hold."""
        try:
            return await tls.look(self._world)
        except EngineError as error:
            raise ActionError(str(error), error.hint) from None

    async def renew_certificate(self) -> TlsResult:
        """Serve what the certificate's files hold now, on new connections; nothing is cut."""
        async with self._acting("renew certificate"):
            return await tls.renew(self._world)

    async def probe(self, count: int | None = None) -> ProbeResult:
        """Which Host serves, `count` times through the balancer; by default some for each replica."""
        try:
            return await probe(self._world, count)
        except EngineError as error:
            raise ActionError(str(error), error.hint) from None

    @asynccontextmanager
    async def inside(
        self, name: str, role: str, words: tuple[str, ...] = (), *, client: bool = False, size: tuple[int, int] | None
    ) -> AsyncIterator[Session]:
        """A shell, a client or a command in the container `name` of that role, at a terminal of `size` if given.
        Raises ActionError."""
        argv = inside.command(role, words, client=client)
        tty = size is not None
        async with self._recorded(f"{'client' if client else 'shell'} in {name}", Effect.REVEAL) as now:
            now.commands.append(inside.docker_exec(name, argv, tty=tty))
            env = {"TERM": os.environ.get("TERM", "xterm")} if tty else None
            try:
                session = await self._world.engine.exec_session(
                    name, inside.sized(argv) if tty and not words else argv, env=env, size=size
                )
                try:
                    yield session
                finally:
                    await session.close()
            except EngineError as error:
                raise ActionError(str(error), error.hint) from None

    async def verify(self, login: Login | None = None) -> VerifyResult:
        """Every replica tried against every other; changes nothing. Raises PasswordNeeded when the admin's password
        is not known here and none, or a wrong one, was given."""
        try:
            return await verify(self._world, login)
        except EngineError as error:
            raise ActionError(str(error), error.hint) from None

    async def backup(self, path: Path) -> BackupResult:
        """Database, secrets and files in one file. Others may act meanwhile: it changes nothing."""
        async with self._recorded("backup", Effect.REVEAL):
            result = await backup(self._world, path)
            note_receipt(result.to_json())
            return result

    async def export(self, kind: str, folder: Path) -> ExportResult:
        """The stack as files that run without dftui. Others may act meanwhile: it changes nothing."""
        from dftui.control.export.gather import export  # rarely wanted, and it imports YAML

        async with self._recorded(f"export {kind}", Effect.REVEAL):
            result = await export(self._world, kind, folder)
            note_receipt(result.to_json())
            return result

    async def look_at_backup(self, path: Path) -> Intent:
        """What restoring this file would do."""
        try:
            return await look_at_backup(self._world, path)
        except EngineError as error:
            raise ActionError(str(error), error.hint) from None

    async def restore(self, path: Path, *, replace: bool, first: bool) -> RestoreResult:
        """Put a backup's data in place and bring the stack up on it; what is there now is backed up `first`."""
        await self._scaler.cancel()
        async with self._acting("restore"):
            return await restore(
                self._world, path, replace=replace, first=first, bring_up=lambda wanted: up(self._world, wanted)
            )

    async def down(self, *, volumes: bool = False) -> None:
        """Remove the stack; with `volumes` its data and secrets too."""
        await self._scaler.cancel()
        async with self._acting("down"):
            await down(self._world, volumes=volumes)

    async def look_at_leftovers(self) -> Found:
        """What uninstalling would remove."""
        try:
            return await leftovers(self._world)
        except EngineError as error:
            raise ActionError(str(error), error.hint) from None

    async def uninstall(self) -> Uninstalled:
        """Remove the stack with its data, the images and the files. It is in no history."""
        if refused := refusal(Effect.CHANGE, self._read_only):
            raise ActionError(refused)
        try:
            return await uninstall(self._world, lambda: self.down(volumes=True))
        except EngineError as error:
            raise ActionError(str(error), error.hint) from None

    async def close(self) -> None:
        """Stop what runs and let go of the balancer."""
        await self._scaler.cancel()
        if self._own_link:
            await self.link.close()

    async def name_of(self, who: str) -> str:
        """The name of a replica called by its number, name or Host. Raises ActionError, naming those there are."""
        try:
            return (await self._find(who)).name
        except EngineError as error:
            raise ActionError(str(error), error.hint) from None

    async def _find(self, who: str) -> Container:
        """A replica by name, number or Host. Raises ActionError, naming those there are."""
        pool = (await look(self._world)).containers
        stack = self._world.stack
        called = {who, f"{stack}-{who}", names.container_name(stack, "web", int(who)) if who.isdigit() else who}
        for container in pool:
            if container.name in called or (len(who) >= 4 and container.id.startswith(who)):
                return container
        raise ActionError(
            f"there is no replica {who}",
            "there are: " + (", ".join(c.name for c in pool) or "none") + "; dftui status",
        )
