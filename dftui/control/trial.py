"""The replicas tried against each other, once: what `verify` does before anything is judged.

Each replica is asked directly, from inside the balancer's container; tokens and passwords go by that exec's stdin.
One login on each, and one refused login ends them all.  What the run made is taken away again: its sessions are
ended.  Nothing but the admin's last login differs afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace

from dftui.balancer.config import PORT, PROBE_HEADER
from dftui.control import rotation
from dftui.control.errors import ActionError, NotUp
from dftui.control.login import Login, PasswordNeeded
from dftui.control.repair import services_off
from dftui.control.rotation import Settled
from dftui.control.specs import probe_nonce, web_env
from dftui.control.steps import Progress
from dftui.control.tried import Tried, likeliest, look, safe, status_of
from dftui.control.world import World, bounded, by_role
from dftui.dreamfactory import api, settings
from dftui.dreamfactory.causes import CACHE, DATABASE, OK, REFUSED, UNCHECKED, UNREACHABLE
from dftui.dreamfactory.clock import Bounds, stamped
from dftui.dreamfactory.evidence import Evidence, Pair, Seen, Silence, pairs
from dftui.dreamfactory.http import HttpError, Line
from dftui.engine.api import Container, EngineError
from dftui.stack.secrets import Secrets
from dftui.watch.sanitise import clean

AT_ONCE = 6
"""Replicas asked side by side: each costs the engine an exec and a file."""
TRIES = 3
"""Looks at the database's last login before it counts as another one: somebody else may log in meanwhile."""


@contextlib.asynccontextmanager
async def trial(world: World, secrets: Secrets | None, login: Login | None) -> AsyncIterator[Trial]:
    """One to go through; what it leaves is taken away at the end, also when it is cut short."""
    run = Trial(world, secrets, login)
    try:
        yield run
    finally:
        await asyncio.shield(run.close())


class Trial:
    """One time through. `secrets` are dftui's own, None where it holds none; `login` is what was typed."""

    def __init__(self, world: World, secrets: Secrets | None, login: Login | None) -> None:
        self._world = world
        self._secrets = secrets
        self._login = login
        self._ones: list[Tried] = []
        self._engine_clock = Bounds()
        self._uses: dict[Pair, str] = {}
        self._logouts: dict[Pair, str] = {}
        self._turns: list[rotation.Turn] = []
        self._silent: Mapping[str, Silence] = {}
        self._idle: Mapping[str, Silence] = {}
        self._settled: Settled | None = None
        self._open: tuple[str, ...] = ()
        self._down: tuple[str, ...] = ()
        self._through = Line(world.engine, world.name("balancer"), "127.0.0.1", PORT)
        self.progress = Progress("verify", world.report, total=2 if world.spec.plain else 5)
        self._headers = {PROBE_HEADER: probe_nonce(secrets.app_key)} if secrets else {}

    async def all(self) -> None:
        """Everything, in an order in which each step only needs what is known by then."""
        if self._world.spec.plain:
            await self._all_plain()
            return
        with self.progress.step("look at each replica's key, backends, clock and image"):
            await self._gather()
        with self.progress.step("log in once on each replica"):
            await self._log_in()
        with self.progress.step("use each token on each replica"):
            await self._use()
        with self.progress.step("ask the balancer which Host serves"):
            await self._rotate()
        with self.progress.step("log out, and see whether each replica knows"):
            await self._log_out()
        self._settled = await rotation.settled(self._world, self._silent)

    async def _all_plain(self) -> None:
        """What can be asked of any web: its health path, its clock, its image, and who serves."""
        world = self._world
        with self.progress.step("look at each replica's image and clock"):
            await self._gather()
        with self.progress.step("ask the balancer which replica serves"):
            ask = rotation.by_balancer(self._through, world.spec.web.health, self._headers)
            count = rotation.EACH * len(self._ones)
            self._turns, self._idle = await rotation.rotate(world, ask, count)
        self._settled = await rotation.settled(world, self._silent)

    # -- without a login

    async def _gather(self) -> None:
        world = self._world
        everyone = await world.containers()
        if by_role(everyone, "balancer") is None:
            raise NotUp(world.stack)
        self._down = tuple(clean(finding.what, 200) for finding in services_off(everyone, world.spec.services))
        start = await rotation.settled(world)
        self._silent = start.silent
        chosen = [c for c in start.pool.containers if c.state == "running" and c.id not in start.moving]
        if not chosen:
            raise ActionError("there is no replica to verify", "dftui up, or dftui scale +1")
        sent = time.time()
        info = await world.engine.info()
        if info.time:
            self._engine_clock = stamped(info.time, sent, time.time())

        async def look_at(container: Container) -> Tried | None:
            return await look(world, container, self._headers)

        self._ones = [one for one in await bounded(AT_ONCE, look_at, chosen) if one is not None]
        admins = max((one.seen.told.admins for one in self._ones), default=0)
        if admins:
            # Not before: the question itself would have "there is no admin" remembered.
            await self._each(self._ask_setup)
            self._open = tuple(
                [path for path in api.SETUP_PATHS if await status_of(self._through, path, self._headers) == 200]
            )

    async def _each(self, work: Callable[[Tried], Awaitable[None]]) -> None:
        """For every replica that can be reached, some side by side."""

        async def on(one: Tried) -> None:
            await one.reach(lambda: work(one))

        await bounded(AT_ONCE, on, [one for one in self._ones if not one.seen.problem])

    async def _ask_setup(self, one: Tried) -> None:
        one.seen = replace(one.seen, setup=await status_of(one.line, api.SETUP_PATHS[0], self._headers))

    # -- with one

    def _expected(self) -> settings.Settings | None:
        if self._secrets is None or self._world.spec.plain:
            return None
        return settings.of_variables(web_env(self._world.spec, self._secrets), safe)

    def _words(self) -> Login:
        """Who logs in. Raises PasswordNeeded."""
        if self._login is not None:
            return self._login
        email = (self._secrets.admin_email if self._secrets else "") or self._world.spec.admin.email
        if self._secrets is None or not self._secrets.admin_password:
            raise PasswordNeeded(f"the password of {email} is not known here", email)
        return Login(email, self._secrets.admin_password)

    async def _log_in(self) -> None:
        able = likeliest([one for one in self._ones if not one.seen.problem], self._expected())
        if not able or not able[0].seen.told.admins:
            return
        words = self._words()

        async def log_in(one: Tried) -> None:
            await one.reach(lambda: self._log_in_on(one, words))

        for first in able:
            await log_in(first)
            if first.token:
                break
        else:
            return
        first.seen = replace(first.seen, same_database=True)
        await self._each(lambda one: self._compare_database(one, first))
        # The password was good there, so with the same users it is good on these, and nothing can be locked by them.
        same = [one for one in able if one.seen.same_database and one.seen.login == UNCHECKED]
        await bounded(AT_ONCE, log_in, same)

    async def _log_in_on(self, one: Tried, words: Login) -> None:
        try:
            one.token = await api.login(one.line, words.email, words.password, {})
        except api.LoginRefused:
            raise PasswordNeeded(
                f"DreamFactory ({one.seen.name}) refused the login of {words.email}; it was not tried again",
                words.email,
            ) from None
        except HttpError as error:
            one.seen = replace(one.seen, login=REFUSED)
            if one.seen.status == 200 and not str(error).startswith("login answered"):
                raise
            return
        one.seen = replace(one.seen, login=OK)
        if (told := await api.platform(one.line, one.token)) is not None:
            one.seen = replace(
                one.seen,
                own_host=clean(told.host, 64),
                cache_driver=clean(told.cache_driver, 40),
                db_driver=clean(told.db_driver, 40),
            )

    async def _compare_database(self, one: Tried, first: Tried) -> None:
        """The first login is the marker: another replica tells of the same last login only if it reads the same
        database. Asked between two looks at the first, because others may log in at any time."""
        if one is first:
            return
        for _ in range(TRIES):
            _, before = await api.status(first.line)
            code, told = await api.status(one.line)
            _, after = await api.status(first.line)
            one.seen = replace(one.seen, status=code, told=told)
            if not told.ready or not told.counts:
                return  # not known: it fails for another reason
            times = sorted((before.last_login, told.last_login, after.last_login))
            counts = told.counts in (before.counts, after.counts)
            same = times[1] == told.last_login and (counts or before.counts != after.counts)
            one.seen = replace(one.seen, same_database=same)
            if same:
                return

    async def _use(self) -> None:
        """Whose token is good where. Each replica is asked one after the other, all of them side by side."""
        by_name = {one.seen.name: one for one in self._ones}
        todo = pairs([one.seen.name for one in self._ones])

        async def on(b: Tried) -> None:
            for a in (by_name[x] for x, y in todo if y == b.seen.name):
                self._uses[a.seen.name, b.seen.name] = await self._use_on(a, b)

        await bounded(AT_ONCE, on, self._ones)

    async def _use_on(self, a: Tried, b: Tried) -> str:
        if a.seen.problem or b.seen.problem:
            return UNREACHABLE
        if not a.token:
            return DATABASE if a.seen.same_database is False else a.seen.login
        try:
            refusal = await api.session(b.line, a.token)
            if refusal.startswith("status ") and not b.seen.told.ready:
                # It answers so to everybody. What its file says is then all that is known of why.
                return REFUSED if b.seen.settings.database == a.seen.settings.database else DATABASE
            return _cause(refusal)
        except HttpError as error:
            b.seen = replace(b.seen, problem=f"cannot be reached: {clean(str(error), 200)}")
            return UNREACHABLE

    async def _rotate(self) -> None:
        """With a fresh token of one that is as it should be."""
        known = likeliest([one for one in self._ones if one.token], self._expected())
        if known:
            count = rotation.EACH * len(self._ones)
            ask = rotation.with_token(self._through, known[0].token, self._headers)
            self._turns, self._idle = await rotation.rotate(self._world, ask, count)

    async def _log_out(self) -> None:
        """End each session where it was begun, then see where its token is still good, and end it there too."""
        by_name = {one.seen.name: one for one in self._ones}
        holders = [one for one in self._ones if one.token]
        for one in holders:
            await one.reach(lambda one=one: api.logout(one.line, one.token, {}))  # type: ignore[misc]
        ended = {one.seen.name: one.token for one in holders if not one.seen.problem}

        async def on(b: Tried) -> None:
            for (x, y), was in self._uses.items():
                if y != b.seen.name:
                    continue
                self._logouts[x, y] = UNCHECKED
                if was == OK and x in ended and not b.seen.problem:
                    await b.reach(lambda x=x, y=y: self._logged_out(by_name[x], b, (x, y)))  # type: ignore[misc]

        await bounded(AT_ONCE, on, self._ones)
        for name in ended:
            by_name[name].token = ""

    async def _logged_out(self, a: Tried, b: Tried, pair: Pair) -> None:
        still_good = await api.session(b.line, a.token) == ""
        if still_good:
            await api.logout(b.line, a.token, {})
        self._logouts[pair] = CACHE if still_good else OK

    # -- the end

    def evidence(self) -> Evidence:
        """What was seen, of those replicas that were there all the time and that nobody was moving."""
        assert self._settled is not None
        now = {c.id: c for c in self._settled.pool.containers}
        moving = self._settled.moving
        clocks = {one.seen.name: one.line.clock for one in self._ones}
        stayed: list[Seen] = []
        for one in self._ones:
            container = now.get(one.container.id)
            if container is None or container.id in moving:
                continue
            clock = clocks[one.seen.name]
            offset = clock.since(self._engine_clock) if clock.known and self._engine_clock.known else Bounds()
            why = self._settled.silent.get(container.id) or self._idle.get(container.id)
            stayed.append(replace(one.seen, clock=offset, silence=why))
        return Evidence(
            replicas=tuple(stayed),
            expected=self._expected(),
            uses=self._uses,
            logouts=self._logouts,
            asked=len(self._turns),
            hosts=dict(Counter(turn.host for turn in self._turns).most_common()),
            answers=dict(Counter(turn.status for turn in self._turns)),
            sequence=tuple(turn.host for turn in self._turns),
            open_paths=self._open,
            down=self._down,
            plain=self._world.spec.plain,
            absent={
                clean(c.name, 128): why
                for ref, why in self._settled.silent.items()
                if (c := now[ref]).state != "running"
            },
            left_out={clean(now[ref].name, 128): words for ref, words in moving.items() if ref in now},
        ).among(frozenset(seen.name for seen in stayed))

    async def close(self) -> None:
        """End what sessions are left (the run was cut short), and every connection."""
        for one in self._ones:
            others = [other for other in self._ones if one.token and not other.seen.problem]
            for asked in sorted(others, key=lambda other: other is not one):
                with contextlib.suppress(HttpError, EngineError, TimeoutError):
                    async with asyncio.timeout(5):
                        await api.logout(asked.line, one.token, {})
                        break
        for line in [self._through, *(one.line for one in self._ones)]:
            await line.close()


def _cause(refusal: str) -> str:
    if not refusal:
        return OK
    return REFUSED if refusal.startswith("status ") else refusal
