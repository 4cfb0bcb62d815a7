"""`verify` on a real stack: sound it holds, and each thing that breaks is named by its cause and put right.

What breaks is what an operator can change: a replica started by hand with other variables, the balancer's table.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import urllib.request
from collections.abc import AsyncIterator, Iterator

import pytest

from dftui.control.operator import Operator
from dftui.control.verify import VerifyResult
from dftui.control.world import webs
from dftui.dreamfactory.checks import NAMES
from dftui.engine.api import Engine
from dftui.stack.names import LABEL_STACK
from tests.engine.breaking import FAKETIME, by_hand, causes, in_database, odd, put_right, redis_of_its_own
from tests.engine.operate import assert_sound, operating
from tests.stacks import Stack, docker

OTHER_KEY = "another0APP0KEY0of0thirtytwo0000"
NO_DATABASE: dict[str, str | None] = dict.fromkeys(
    ("DB_DRIVER", "DB_CONNECTION", "DB_HOST", "DB_PORT", "DB_DATABASE", "DB_USERNAME", "DB_PASSWORD")
)
OWN_COMMAND = ("/docker-entrypoint.sh",)
"""The image's, without the way round its cache trap."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("verify"), "web:\n  replicas: 3\n  start_timeout: 20\n") as found:
        found.ok("up")
        yield found
        found.ok("down", "--volumes", "--yes")


class Seat:
    """An operator at a stack that is about to be broken."""

    def __init__(self, stack: Stack, operator: Operator, engine: Engine) -> None:
        self.stack = stack
        self.operator = operator
        self.engine = engine

    async def names(self) -> list[str]:
        return [c.name for c in webs(await self.engine.containers({LABEL_STACK: self.stack.name}))]

    async def break_newest(self, changes: dict[str, str | None], **more: object) -> str:
        """The newest replica started by hand with other variables; its name."""
        name = (await self.names())[-1]
        await by_hand(self.stack, self.operator, self.engine, name, changes, **more)  # type: ignore[arg-type]
        return name

    async def diagnosed(self, replicas: dict[str, str], checks: dict[str, str]) -> VerifyResult:
        """One look names exactly these replicas with these causes and fails exactly these checks, and what it says
        is done (whether that puts it right is seen when the test ends)."""
        result = await self.operator.verify()
        assert odd(result) == replicas
        assert causes(result) == checks
        assert all(check.breaks and check.repairs for check in result.checks if not check.ok)
        await put_right(self.operator, result)
        return result


@pytest.fixture
async def seat(stack: Stack) -> AsyncIterator[Seat]:
    async with operating(stack) as (operator, engine):
        yield Seat(stack, operator, engine)
        left = await operator.verify()
        if not left.ok:
            await operator.repair(await Seat(stack, operator, engine).names())  # for the next test
        assert causes(left) == {}


async def test_a_sound_stack_holds_all_checks_while_it_is_scaled(stack: Stack, seat: Seat) -> None:
    async with operating(stack) as (other, _):
        scaling = True

        async def scale() -> None:
            while scaling:
                await other.scale(by=2)
                await other.scale(by=-2)

        task = asyncio.create_task(scale())
        try:
            for _ in range(10):
                result = await seat.operator.verify()
                assert result.ok, [(c.name, c.cause, c.says) for c in result.checks if not c.ok]
        finally:
            scaling = False
            await task
    await assert_sound(stack, 3)


async def test_another_key_from_the_command_line(stack: Stack, seat: Seat) -> None:
    name = await seat.break_newest({"APP_KEY": OTHER_KEY})
    found = stack.run("verify", "--json")
    assert found.returncode == 4, found.stderr
    assert OTHER_KEY not in found.stdout + found.stderr
    told = json.loads(found.stdout)
    failed = {check["name"]: check for check in told["checks"] if not check["ok"]}
    assert {n: c["cause"] for n, c in failed.items()} == {
        "app-key": "key",
        "jwt-portability": "signature",
        "host-rotation": "key",
    }
    assert {r["name"]: r["cause"] for r in told["replicas"] if r["cause"]} == {name: "key"}
    (repair,) = failed["app-key"]["detail"]["repairs"]
    assert repair["command"] == f"dftui repair {name}"
    stack.ok(*shlex.split(repair["command"])[1:])
    text = stack.ok("verify")
    assert "✓ ok" in text
    assert f"11 of {len(NAMES)} checks hold on 3 replicas" in text


async def test_a_database_of_its_own_that_looks_healthy(seat: Seat) -> None:
    """The blog's `docker run` line without DB_*, and somebody who then set it up by hand with the same admin."""
    admin = "--admin_email=admin@example.com --admin_first_name=A --admin_last_name=B --admin_phone=1"
    setup = f"php artisan df:setup {admin} --admin_password=NotThePasswordOfTheOthers"
    name = await seat.break_newest(NO_DATABASE, prepared=("sh", "-c", setup))
    await seat.diagnosed({name: "database"}, {"jwt-portability": "database", "backends": "database"})


async def test_a_database_of_its_own_that_is_not_migrated(seat: Seat) -> None:
    name = await seat.break_newest(NO_DATABASE, serves=False)
    checks = {"host-rotation": "check", "backends": "database", "jwt-portability": "database"}
    await seat.diagnosed({name: "database"}, checks)


async def test_a_file_cache(seat: Seat) -> None:
    name = await seat.break_newest({}, command=OWN_COMMAND)
    await seat.diagnosed({name: "file-cache"}, {"cache-driver": "file-cache", "logout": "cache"})


async def test_a_redis_of_its_own(stack: Stack, seat: Seat) -> None:
    mine = redis_of_its_own(stack, "cache2")
    try:
        name = await seat.break_newest({"CACHE_HOST": "cache2", "REDIS_HOST": "cache2"})
        await seat.diagnosed({name: "cache"}, {"backends": "cache", "logout": "cache"})
    finally:
        docker("rm", "-f", "-v", mine)


async def test_a_skewed_clock(seat: Seat) -> None:
    name = await seat.break_newest({"LD_PRELOAD": FAKETIME, "FAKETIME": "+5"})
    result = await seat.diagnosed({name: "clock"}, {"clock": "clock", "jwt-portability": "clock"})
    clock = next(check for check in result.checks if check.name == "clock")
    low, high = clock.facts["seconds"][name]
    assert low - 0.01 <= 5 <= high + 0.01


def page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read(), "utf-8")


async def test_a_stale_setup_page(stack: Stack, seat: Seat) -> None:
    """A replica with a cache of its own that was asked while there was no admin, and that has heard of none since."""
    name = await seat.break_newest({"SESSION_DRIVER": None}, command=OWN_COMMAND)
    front = docker(
        "inspect", name, "--format", f'{{{{json (index .NetworkSettings.Networks "{stack.name}-front")}}}}'
    )
    in_database(stack, "UPDATE user SET is_sys_admin = 0")
    try:
        told = await asyncio.to_thread(page, f"http://{json.loads(front)['IPAddress']}/setup")
        assert "Welcome to DreamFactory" in told
    finally:
        in_database(stack, "UPDATE user SET is_sys_admin = 1")
    await seat.diagnosed(
        {name: "file-cache"},
        {
            "setup-closed": "stale-setup",
            "cache-driver": "file-cache",
            "session-driver": "file-sessions",
            "logout": "cache",
        },
    )


async def test_a_weight_of_nothing_a_drain_and_a_server_taken_out(seat: Seat) -> None:
    pool = webs(await seat.engine.containers({LABEL_STACK: seat.stack.name}))
    await seat.operator.link.command(f"set server web/{pool[0].short} weight 0")
    await seat.diagnosed({pool[0].name: "weight"}, {"host-rotation": "weight", "backends": "weight"})
    await seat.operator.drain(pool[1].name)
    await seat.diagnosed({pool[1].name: "drained"}, {"host-rotation": "drained"})
    await seat.operator.link.delete(pool[2].short)
    await seat.diagnosed({pool[2].name: "table"}, {"host-rotation": "table", "backends": "table"})


async def test_another_image(seat: Seat) -> None:
    name = (await seat.names())[-1]
    image = docker("commit", "--change", "LABEL other=image", name)
    try:
        await seat.break_newest({}, image=image)
        await seat.diagnosed({name: "image"}, {"image-digest": "image"})
    finally:
        docker("rmi", "-f", image)
