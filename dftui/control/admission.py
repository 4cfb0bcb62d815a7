"""Whether a replica may be let in: its key and backends are looked at before it gets a request.

What its variables ask for is known from one inspect, while it boots.  What its application made of them is in its
`.env`; that is the same for the same image, variables and command, so it is read of the first of its kind alone,
when that one's health check has passed: reading it costs the engine 60 ms.
"""

from __future__ import annotations

from dftui.control.errors import ActionError
from dftui.control.specs import Plan, web_env
from dftui.control.world import World
from dftui.dreamfactory import settings
from dftui.dreamfactory.variables import WEB_COMMAND
from dftui.engine.api import Container, NotFound
from dftui.watch.sanitise import clean


class HeldOut(ActionError):
    """A replica is not let in; `why` goes behind its name. Its container is kept, so that it can be looked at."""

    def __init__(self, name: str, why: str, last_lines: str = "") -> None:
        said = f"; its last lines:\n{last_lines}" if last_lines else ""
        super().__init__(
            f"{name} {why}; it is held out, gets no requests, and is kept{said}",
            f"look at all of it: dftui logs {name}; dftui undrain {name} tries again, x on the screen removes it",
        )
        self.why = why


def _safe(text: str) -> str:
    return clean(text, 120)


async def check(world: World, plan: Plan, container: Container, *, known: bool) -> bool:
    """Look at what the replica was started with. Raises HeldOut. Whether its file has to be read as well: not when
    it is `known`, because one of its kind serves, and it is what it says it is. Of a plain web nothing is known that
    could be wrong."""
    if plan.spec.plain:
        return False
    detail = await world.engine.inspect(container.id)
    expected = settings.of_variables(web_env(plan.spec, plan.secrets), _safe)
    if why := settings.of_variables(detail.env, _safe).unlike(expected):
        raise HeldOut(container.name, why)
    return not known or detail.command != WEB_COMMAND


async def check_file(world: World, plan: Plan, container: Container) -> None:
    """Look at what its application reads. Raises HeldOut. An image that keeps no such file is let in: that it is
    not like the others is found by `verify`."""
    try:
        data = await world.engine.get_file(container.id, settings.ENV_PATH)
    except NotFound:
        return
    expected = settings.of_variables(web_env(plan.spec, plan.secrets), _safe)
    if why := settings.of_file(data, _safe).unlike(expected):
        raise HeldOut(container.name, why)
