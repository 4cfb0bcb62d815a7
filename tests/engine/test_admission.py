"""No replica gets a request before its key, its backends and its health were found good; one that fails is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from dftui.control.admission import HeldOut
from dftui.control.world import webs
from dftui.engine.api import Container, Engine
from dftui.stack.names import LABEL_STACK
from tests.engine.breaking import by_hand, slow_to_start
from tests.engine.operate import assert_sound, get, operating
from tests.stacks import Stack, docker

TEXT = "web:\n  replicas: 2\n  start_timeout: 6\n"
OTHER_KEY = "another0APP0KEY0of0thirtytwo0000"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("admission"), TEXT) as found:
        found.ok("up")
        yield found
        found.ok("down", "--volumes", "--yes")


async def pool(engine: Engine, stack: Stack) -> list[Container]:
    return webs(await engine.containers({LABEL_STACK: stack.name}))


def states(stack: Stack) -> dict[str, tuple[str, str]]:
    return {web["name"]: (web["state"], web["why"]) for web in stack.json("status")["web"]}


async def test_another_key_is_held_out_kept_and_not_counted(stack: Stack) -> None:
    """A replica that somebody started by hand: repair would let it in, if it were like the others."""
    async with operating(stack) as (operator, engine):
        name = (await pool(engine, stack))[-1].name
        odd = await by_hand(stack, operator, engine, name, {"APP_KEY": OTHER_KEY}, serves=False, listed=False)
        await operator.repair()
        found = await pool(engine, stack)
        assert [c.name for c in found if c.id == odd.id] == [name]
        assert odd.short not in {server.name for server in await operator.link.servers()}
        assert len(found) == 3
        assert await operator.findings() == ()

        told = states(stack)
        assert told[name][0] == "held"
        assert "held out: it runs with another APP_KEY" in told[name][1]
        assert stack.json("status")["wanted"] == 2
        assert stack.json("status")["drift"] == []
        assert {get(stack) for _ in range(6)} == {200}

        # Adding and setting numbers leaves it where it is; verify names it with its cause, and offers to look.
        await operator.scale(by=1)
        await operator.scale(to=2)
        assert odd.id in {c.id for c in await pool(engine, stack)}
        result = await operator.verify()
        by_name = {check.name: check for check in result.checks}
        assert by_name["app-key"].cause == "key"
        assert by_name["host-rotation"].cause == "held"
        assert result.replaces == ()
        with pytest.raises(HeldOut, match="another APP_KEY"):
            await operator.undrain(name)

        # Over a restart of everything it stays out.
        docker("restart", "-t", "1", f"{stack.name}-lb")
        stack.ok("up")
        assert states(stack)[name][0] == "held"

        removed = await operator.scale(by=-1, victim=name)
        assert removed.removed == (name,)
        assert removed.after == 2
    await assert_sound(stack, 2)


async def test_one_that_is_not_healthy_in_time_is_held_out_and_let_in_when_it_is(stack: Stack) -> None:
    text = stack.file.read_text()
    # What its application needs is there only later, so the health check fails for a while.
    stack.file.write_text(text.replace("start_timeout: 6", f"start_timeout: 2\n  {slow_to_start(stack, 6)}"))
    try:
        async with operating(stack) as (operator, _):
            with pytest.raises(HeldOut, match="did not become healthy within 2 s"):
                await operator.scale(by=1)
            (name,) = [name for name, (state, _) in states(stack).items() if state == "held"]
            assert "did not become healthy within 2 s" in states(stack)[name][1]
            assert stack.json("status")["wanted"] == 2

            for _ in range(20):  # each try is two seconds long
                try:
                    await operator.undrain(name)
                    break
                except HeldOut:
                    pass
            assert states(stack)[name] == ("serving", "")
            assert stack.json("status")["wanted"] == 3
            await operator.scale(to=2)
    finally:
        stack.file.write_text(text)
    await assert_sound(stack, 2)


def spoilt_image(stack: Stack) -> str:
    """An image whose entrypoint leaves the cache at its default whatever the variables say; its tag."""
    name, tag = f"{stack.name}-spoilt", f"dftui-test/spoilt:{stack.name}"
    image = docker("inspect", f"{stack.name}-web1", "--format", "{{.Config.Image}}")
    # Every bash that runs a script reads this file first, the entrypoint's last of all.
    spoil = "echo 'sed -i s/^CACHE_STORE=.*/CACHE_STORE=file/ /opt/dreamfactory/.env' > /spoil"
    docker("run", "--name", name, image, "sh", "-c", spoil)
    docker("commit", "--change", "ENV BASH_ENV=/spoil", name, tag)
    docker("rm", name)
    return tag


async def test_an_image_whose_application_reads_something_else_gets_no_request(stack: Stack) -> None:
    """Its variables are right, and what it makes of them is not: a roll to it goes back by itself."""
    tag = spoilt_image(stack)
    try:
        async with operating(stack) as (operator, engine):
            before = {c.id for c in await pool(engine, stack)}
            result = await operator.roll(tag)
            assert result.rolled_back
            assert "keeps its cache to itself (driver file)" in result.why
            assert result.replaced == ()
            assert {c.id for c in await pool(engine, stack)} == before
    finally:
        docker("rmi", "-f", tag, check=False)
    await assert_sound(stack, 2)


async def test_only_the_last_few_that_fail_are_kept(stack: Stack) -> None:
    text = stack.file.read_text()
    stack.file.write_text(text.replace("start_timeout: 6", f"start_timeout: 1\n  {slow_to_start(stack, 60)}"))
    try:
        async with operating(stack) as (operator, engine):
            for _ in range(4):
                with pytest.raises(HeldOut):
                    await operator.scale(by=1)
            assert len(await pool(engine, stack)) == 2 + 3
            await asyncio.gather(*(operator.scale(by=-1) for _ in range(3)))
            assert len(await pool(engine, stack)) == 2
    finally:
        stack.file.write_text(text)
    await assert_sound(stack, 2)
