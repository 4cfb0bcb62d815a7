"""The first admin, made while the stack runs: the form filled in at one replica, the way there closed behind it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from dftui.control import ground, replicas
from dftui.control.errors import ActionError, SteppedAside
from dftui.control.specs import Plan
from dftui.control.steps import Progress
from dftui.control.world import World, webs
from dftui.dreamfactory.admin import AdminExists, NewAdmin, NotMigrated, SetupRefused, make_first_admin, problems
from dftui.dreamfactory.http import HttpError, connect_through
from dftui.engine.api import Container, EngineError
from dftui.watch.sanitise import clean


@dataclass(frozen=True, slots=True)
class AdminResult:
    """`admin create --json`: whom, by which replica, and the file that keeps the password ("": none does)."""

    email: str
    replica: str
    file: str
    setup_closed: bool = True

    def to_json(self) -> dict[str, Any]:
        """The documented shape."""
        return asdict(self)


async def create_admin(world: World, admin: NewAdmin, *, keep: bool) -> AdminResult:
    """Make the first admin and close the setup form; `keep` the password in the secrets file, for dftui's own logins.
    Nothing is sent when a rule is broken or there is an admin already. Raises ActionError."""
    if world.spec.plain:
        raise SteppedAside("no admin was made")
    if broken := problems(admin):
        raise ActionError(
            "; ".join(broken.values()) + "; nothing was sent", "see the rules: dftui admin create --help"
        )
    progress = Progress("admin", world.report, total=3)
    plan = await ground.current_plan(world)
    web = await _one_that_answers(world)
    if await replicas.admin_exists(world, web.id):
        if not await world.setup_closed():
            await world.close_setup(plan)
        raise ActionError(
            "there is an admin already; nothing was changed", "further admins are made in DreamFactory, by the first"
        )
    with progress.step(f"the setup form, filled in at {web.name} alone"):
        await _fill_in(world, plan, web, admin)
    with progress.step("close the setup form in the balancer"):
        await world.close_setup(plan)
    with progress.step("keep the password for dftui's own logins" if keep else "keep whom to log in as"):
        path = await ground.keep_admin(world, plan, admin.email, admin.password if keep else "")
    progress.tell(f"{admin.email} is the first admin")
    return AdminResult(admin.email, web.name, str(path) if keep else "")


async def _one_that_answers(world: World) -> Container:
    states = {server.name: server for server in await world.link.servers()}
    pool = [c for c in webs(await world.containers()) if c.state == "running"]
    up = [c for c in pool if c.short in states and states[c.short].status == "UP"]
    if not up:
        raise ActionError("no replica is up that could make the admin", "look at them: dftui status")
    return up[0]


async def _fill_in(world: World, plan: Plan, web: Container, admin: NewAdmin) -> None:
    server = world.server(plan, web)
    try:
        for last in (False, True):
            http = await connect_through(world.engine, world.name("balancer"), server.address, server.port)
            try:
                await make_first_admin(http, admin)
                break
            except NotMigrated:
                if last:
                    raise
                await replicas.migrate(world, web)
            finally:
                await http.close()
    except AdminExists as error:
        raise ActionError(f"{error}; nothing was changed", "look at it: dftui status") from None
    except SetupRefused as error:
        raise ActionError(f"DreamFactory refused the admin: {clean(str(error))}", "change it and try again") from None
    except (HttpError, EngineError) as error:
        raise ActionError(
            f"the setup form of {web.name} could not be filled in: {clean(str(error))}", "see: dftui logs"
        ) from None
    if not await replicas.admin_exists(world, web.id):
        raise ActionError(f"{web.name} took the form, but counts no admin", f"see its log: dftui logs {web.name}")
