"""Rolls on a real stack: to other variables, limits, another image, another key; held, stopped, gone back."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dftui.control.errors import ActionError
from dftui.control.world import webs
from dftui.engine.api import Container, ContainerDetail, Engine, NotFound
from dftui.stack.appkey import new_key
from dftui.stack.names import LABEL_STACK
from dftui.watch.records import Step
from tests.engine.operate import assert_sound, operating
from tests.load import Load, Plan
from tests.stacks import Stack, docker
from tests.tinyweb import MIGRATIONS, text, tiny_image

REPLICAS = 3


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("roll"), text(tiny_image(), REPLICAS)) as found:
        found.ok("up")
        yield found
        found.ok("down", "--volumes", "--yes")
        docker("rmi", "-f", next_image(found), check=False)


@pytest.fixture
def plain(stack: Stack) -> Iterator[str]:
    """The stack file's text, put back after the test."""
    kept = stack.file.read_text()
    yield kept
    stack.file.write_text(kept)


def next_image(stack: Stack) -> str:
    return f"dftui-test/next:{stack.name}"


async def pool(engine: Engine, stack: Stack) -> list[Container]:
    return webs(await engine.containers({LABEL_STACK: stack.name}))


async def details(engine: Engine, stack: Stack) -> list[ContainerDetail]:
    found: list[ContainerDetail] = []
    for container in await pool(engine, stack):
        with contextlib.suppress(NotFound):  # gone meanwhile
            found.append(await engine.inspect(container.id))
    return found


async def migrations(engine: Engine, stack: Stack) -> list[str]:
    """Which Host migrated, in order."""
    some = (await pool(engine, stack))[0]
    done = await engine.exec(some.id, ("sh", "-c", f"cat {MIGRATIONS} 2>/dev/null || true"))
    return [line.split()[0] for line in done.stdout.decode().splitlines()]


async def test_variables_and_limits_reach_all_and_the_first_alone_migrates(stack: Stack, plain: str) -> None:
    stack.file.write_text(f"{plain}  env: {{ROLLED: 'yes'}}\n  memory: 200m\n  cpus: 1.5\n")
    with Load(Plan(stack.port, rate=100, post_path="/api")) as load:
        async with operating(stack) as (operator, engine):
            old = {c.id for c in await pool(engine, stack)}
            before = await migrations(engine, stack)
            result = await operator.roll()
            now = await details(engine, stack)
            hosts = (await migrations(engine, stack))[len(before) :]
        tally = load.stop()
    assert len(result.replaced) == REPLICAS
    assert old.isdisjoint(one.container.id for one in now)
    assert {(one.env["ROLLED"], one.memory, one.cpus) for one in now} == {("yes", 200 * 2**20, 1.5)}
    assert tally.failures == result.receipt.failed == 0, tally.lost
    # The first one migrated, once; then it was replaced no more.
    first = next(one.container for one in now if one.container.name == result.replaced[0][1])
    assert hosts == [first.short]
    await assert_sound(stack, REPLICAS)


async def test_another_image_by_name_and_back_to_the_stack_files(stack: Stack, plain: str) -> None:
    docker("commit", stack.serving()[0], next_image(stack))
    async with operating(stack) as (operator, engine):
        kept = {c.image_id for c in await pool(engine, stack)}
        await operator.roll(next_image(stack))
        moved = {c.image_id for c in await pool(engine, stack)}
        assert len(moved) == 1
        assert moved != kept
        # A replica that is added now is like the others, whatever the stack file says.
        await operator.scale(by=1)
        assert {c.image_id for c in await pool(engine, stack)} == moved
        await operator.scale(by=-1)
        await operator.roll()
        assert {c.image_id for c in await pool(engine, stack)} == kept
    await assert_sound(stack, REPLICAS)


async def test_a_roll_is_held_before_its_next_replica_and_goes_on(stack: Stack, plain: str) -> None:
    stack.file.write_text(f"{plain}  env: {{HELD: 'yes'}}\n")
    held, steps = asyncio.Event(), []

    class Heard(list[Step]):
        def append(self, step: Step) -> None:
            steps.append(step.text)
            if step.text.startswith("stop and remove") and step.state == "ok" and not operator._roller.paused:
                operator.pause_roll()
            if re.match(r"\w+ after 1 of 3", step.text):
                held.set()

    async with operating(stack, Heard()) as (operator, engine):
        old = {c.id for c in await pool(engine, stack)}
        rolling = asyncio.create_task(operator.roll())
        await held.wait()
        kept = [c for c in await pool(engine, stack) if c.id in old]
        assert len(kept) == REPLICAS - 1
        assert len(await pool(engine, stack)) == REPLICAS
        assert not rolling.done()
        operator._report = lambda step: None
        operator.pause_roll()
        result = await rolling
    assert len(result.replaced) == REPLICAS
    await assert_sound(stack, REPLICAS)


async def test_one_that_fails_later_takes_back_those_that_were_replaced(stack: Stack, plain: str) -> None:
    """The second new one is killed as often as it starts; the first one is back to what it was, variables and all."""
    stack.file.write_text(f"{plain}  start_timeout: 5\n  env: {{WORSE: 'yes'}}\n  memory: 150m\n")
    async with operating(stack) as (operator, engine):
        before = {(d.env.get("WORSE"), d.memory, d.container.image_id) for d in await details(engine, stack)}
        rolling = asyncio.create_task(operator.roll())
        with Load(Plan(stack.port, rate=100, posts=0.0)) as load:
            while not rolling.done():
                new = [d.container for d in await details(engine, stack) if d.env.get("WORSE")]
                for container in sorted(new, key=lambda c: c.created)[1:]:
                    docker("kill", container.id, check=False)
            tally = load.stop()
        result = await rolling
        after = {(d.env.get("WORSE"), d.memory, d.container.image_id) for d in await details(engine, stack)}
    assert result.rolled_back
    assert len(result.replaced) == 1
    assert result.why
    assert after == before
    assert tally.failures == 0, tally.lost
    await assert_sound(stack, REPLICAS)


async def test_an_image_that_cannot_start_is_taken_back_and_nothing_changed(stack: Stack, plain: str) -> None:
    broken = f"dftui-test/broken:{stack.name}"
    image = docker("inspect", stack.serving()[0], "--format", "{{.Config.Image}}")
    docker("build", "-q", "-t", broken, "-", stdin=f"FROM {image}\nRUN rm /bin/bash\n")
    try:
        async with operating(stack) as (operator, engine):
            old = {c.id for c in await pool(engine, stack)}
            result = await operator.roll(broken)
            assert result.rolled_back
            assert {c.id for c in await pool(engine, stack)} == old
    finally:
        docker("rmi", "-f", broken, check=False)
    await assert_sound(stack, REPLICAS)


def secrets_file(stack: Stack) -> Path:
    return next(Path(stack.env["DFTUI_CONFIG_DIR"]).rglob("*.env"))


async def test_another_key_is_refused_unless_it_is_asked_for_by_name(stack: Stack) -> None:
    path = secrets_file(stack)
    kept = path.read_text()
    path.write_text(re.sub("(?m)^APP_KEY=.*$", f"APP_KEY={new_key()}", kept))
    async with operating(stack) as (operator, engine):
        old = {c.id for c in await pool(engine, stack)}
        with pytest.raises(ActionError, match="nothing was done") as refused:
            await operator.roll()
        assert "logs everyone out" in refused.value.hint
        assert "stored in services unreadable" in refused.value.hint
        assert "dftui roll --new-key" in refused.value.hint
        assert {c.id for c in await pool(engine, stack)} == old
        result = await operator.roll(new_key=True)
        keys = {d.env["APP_KEY"] for d in await details(engine, stack)}
    assert len(result.replaced) == REPLICAS
    assert keys == {re.search("(?m)^APP_KEY=(.*)$", path.read_text())[1]}  # type: ignore[index]
    await assert_sound(stack, REPLICAS)
