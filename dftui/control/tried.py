"""A replica while it is tried: how it is reached, and what can be seen of it without a login."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dftui.control import rotation
from dftui.control.world import World
from dftui.dreamfactory import api, settings
from dftui.dreamfactory.evidence import Seen
from dftui.dreamfactory.http import HttpError, Line
from dftui.dreamfactory.oddities import usual
from dftui.engine.api import Container, EngineError, NotFound
from dftui.watch.sanitise import clean


@dataclass(slots=True)
class Tried:
    """One of them; `token` is that of the login on it, "" without one."""

    container: Container
    line: Line
    seen: Seen
    token: str = field(default="", repr=False)

    async def reach(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do something with it; that it cannot be reached is a fact."""
        try:
            await work()
        except HttpError as error:
            self.seen = replace(self.seen, problem=f"cannot be reached: {clean(str(error), 200)}")


def likeliest(ones: Sequence[Tried], expected: settings.Settings | None) -> list[Tried]:
    """What is most as it should be (as most are, where that is not known) comes first: the others are held against
    it, and a login that it refuses is the last."""
    own = expected or usual([one.seen.settings for one in ones])

    def unlike(one: Tried) -> tuple[bool, ...]:
        seen = one.seen
        return (
            not seen.told.ready,
            seen.told.admins == 0,
            seen.settings.database != own.database,
            seen.settings.key != own.key,
            bool(seen.settings.key_problem),
        )

    return sorted(ones, key=unlike)


async def look(world: World, container: Container, headers: Mapping[str, str]) -> Tried | None:
    """Its variables, its application's file, its clock and what it says of itself; None when it is gone. Raises
    EngineError."""
    plain = world.spec.plain
    address = world.address(container)
    line = Line(world.engine, world.name("balancer"), address, world.spec.web.port)
    try:
        detail = await world.engine.inspect(container.id)
    except NotFound:
        return None
    seen = Seen(
        name=clean(container.name, 128),
        host=container.short,
        image=container.image_id,
        variables=settings.Settings() if plain else settings.of_variables(detail.env, safe),
    )
    if not plain:
        try:
            data = await world.engine.get_file(container.id, settings.ENV_PATH)
            seen = replace(seen, file=settings.of_file(data, safe))
        except EngineError as error:
            seen = replace(seen, file_problem=clean(str(error), 200))
    if not address:
        return Tried(container, line, replace(seen, problem="is not on the front network"))
    one = Tried(container, line, seen)

    async def health() -> None:
        path = world.spec.web.health
        code = await status_of(line, path, headers)
        wrong = "" if rotation.well(code) else f"answers {path} with status {code}"
        one.seen = replace(one.seen, status=code, problem=wrong)

    async def status() -> None:
        code, told = await api.status(line)
        one.seen = replace(one.seen, status=code, told=told)

    await one.reach(health if plain else status)
    return one


async def status_of(line: Line, path: str, headers: Mapping[str, str]) -> int:
    """What a path answers with. Raises HttpError."""
    return (await line.request("GET", path, headers=headers)).status


def safe(text: str) -> str:
    """A short text of a replica's, through the sanitiser."""
    return clean(text, 120)
