"""`verify` on a real stack: sound it holds, and each thing that breaks is named by its cause and put right.

What breaks is what an operator can change: a replica started by hand with other variables, the balancer's table.
"""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from dftui.control.login import Login, PasswordNeeded
from dftui.control.operator import Operator
from dftui.control.verify import VerifyResult
from dftui.control.world import webs
from dftui.dreamfactory.checks import NAMES
from dftui.engine.api import Engine
from dftui.stack.names import LABEL_STACK
from dftui.watch.records import Step
from tests.engine.breaking import FAKETIME, by_hand, causes, in_database, odd, put_right, redis_of_its_own
from tests.engine.operate import assert_sound, false_alarms, operating
from tests.stacks import Stack, docker

OTHER_KEY = "another0APP0KEY0of0thirtytwo0000"
NO_DATABASE: dict[str, str | None] = dict.fromkeys(
    ("DB_DRIVER", "DB_CONNECTION", "DB_HOST", "DB_PORT", "DB_DATABASE", "DB_USERNAME", "DB_PASSWORD")
)
OWN_COMMAND = ("/docker-entrypoint.sh",)
"""The image's, without the way round its cache trap."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    text = "web:\n  replicas: 3\n  start_timeout: 20\n  env: {APP_LOG_LEVEL: info}\n"
    with Stack(tmp_path_factory.mktemp("verify"), text) as found:
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


async def test_a_sound_stack_holds_all_checks_while_it_is_scaled(stack: Stack) -> None:
    assert await false_alarms(stack, 5) == []  # a hundred: `python -m tests.bench sound`
    await assert_sound(stack, 3)


async def sessions_asked(seat: Seat) -> Counter[tuple[str, str]]:
    """How often each replica's own log has a session begun (POST) or ended (DELETE)."""
    found: Counter[tuple[str, str]] = Counter()
    for name in await seat.names():
        async for batch in seat.engine.logs(name):
            for line in batch:
                for method in ("POST", "DELETE"):
                    if f'"Method":"{method}","Service":"system","Resource":"admin/session"'.encode() in line.data:
                        found[name, method] += 1
    return found


def rows(stack: Stack) -> str:
    """All that is in the database, but for when the admin logged in last."""
    tables = set(in_database(stack, "SHOW TABLES").split()) - {"user"}
    kept = "SELECT id, name, username, email, password, phone, is_active, is_sys_admin FROM user"
    return in_database(stack, ";".join([kept, *(f"SELECT * FROM {table}" for table in sorted(tables))]))


async def test_one_login_on_each_replica_and_none_is_left(stack: Stack, seat: Seat) -> None:
    before, data = await sessions_asked(seat), rows(stack)
    assert (await seat.operator.verify()).ok
    assert rows(stack) == data
    once = await sessions_asked(seat) - before
    assert once == Counter({(name, m): 1 for name in await seat.names() for m in ("POST", "DELETE")})

    # Cut short while it is at it, it ends its sessions all the same.
    using = asyncio.Event()

    def heard(step: Step) -> None:
        if step.text.startswith("use each token") and step.state == "running":
            using.set()

    seat.operator._report = heard
    task = asyncio.create_task(seat.operator.verify())
    await using.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    twice = await sessions_asked(seat) - before - once
    assert twice == once
    assert in_database(stack, "SELECT COUNT(*) FROM token_map").strip() == "0"


def secrets_file(stack: Stack) -> Path:
    return next(Path(stack.env["DFTUI_CONFIG_DIR"]).rglob("*.env"))


async def test_one_refused_login_is_the_last_and_a_password_may_be_given(stack: Stack, seat: Seat) -> None:
    wrong, before = "NotTheRightPassword0", await sessions_asked(seat)
    with pytest.raises(PasswordNeeded, match=r"refused the login of admin@example\.com; it was not tried again"):
        await seat.operator.verify(Login("admin@example.com", wrong))
    assert sum((await sessions_asked(seat) - before).values()) == 1
    found = stack.run("verify", "--password-stdin", stdin=f"{wrong}\n")
    assert found.returncode == 1
    assert "refused the login" in found.stderr
    assert wrong not in found.stdout + found.stderr

    kept = secrets_file(stack)
    text = kept.read_text()
    right = next(line.partition("=")[2] for line in text.splitlines() if line.startswith("ADMIN_PASSWORD="))
    kept.write_text("".join(line for line in text.splitlines(True) if not line.startswith("ADMIN_PASSWORD=")))
    try:
        asked = stack.run("verify")
        assert asked.returncode == 1
        assert "the password of admin@example.com is not known here" in asked.stderr
        assert "--password-stdin" in asked.stderr
        given = stack.run("verify", "--password-stdin", stdin=f"{right}\n")
        assert given.returncode == 0, given.stderr
        assert right not in given.stdout + given.stderr
    finally:
        kept.write_text(text)


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
    turns = re.findall(r"^served in turn: (.+)$", text, re.MULTILINE)[0].split()
    assert Counter(turns) == dict.fromkeys(await seat.names(), 3)
    assert f"11 of {len(NAMES)} checks hold on 3 replicas" in text


def test_watching_tells_it_again_and_again(stack: Stack) -> None:
    with stack.follow("verify", "--watch", "--every", "1", "--json") as watching:
        for _ in range(2):
            assert watching.until(lambda line: line["checks"], lambda: None)["ok"]


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
    words = "has weight 0 in the balancer: it serves nothing"
    probed = await seat.operator.probe()
    assert (len(probed.rows), probed.silent) == (3 * 2, {pool[0].name: words})
    assert [drift["what"] for drift in seat.stack.json("status")["drift"]] == [f"{pool[0].name} {words}"]
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
