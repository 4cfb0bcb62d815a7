"""A real engine, and names, ports and subnets of a test's own on it; what a test made goes by its own label."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator

import pytest

from dftui.engine.api import Engine, EngineError
from dftui.engine.connect import connect
from dftui.stack.names import LABEL_STACK
from tests.leases import a_port, a_subnet
from tests.tiny import pieces, root_tar


async def everything_of(engine: Engine, stack: str) -> list[str]:
    """Words for each container, network and volume that carries the stack's label."""
    labels = {LABEL_STACK: stack}
    return [
        *(f"container {one.name} ({one.state})" for one in await engine.containers(labels)),
        *(f"network {one.name}" for one in await engine.networks(labels)),
        *(f"volume {one.name}" for one in await engine.volumes(labels)),
    ]


async def remove_stack(engine: Engine, stack: str) -> None:
    """Take away what carries the stack's label, and nothing else."""
    labels = {LABEL_STACK: stack}
    for container in await engine.containers(labels):
        await engine.remove(container.id, force=True)
    for network in await engine.networks(labels):
        await engine.remove_network(network.id)
    for volume in await engine.volumes(labels):
        await engine.remove_volume(volume.name)
    for image in await engine.images(labels):
        for tag in image.tags or (image.id,):
            await engine.remove_image(tag)


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    """The engine of DOCKER_HOST or this machine; without one the test fails."""
    try:
        found = await connect()
    except EngineError as error:
        pytest.fail(f"these tests need a container engine: {error} {error.hint}")
    yield found
    await found.close()


@pytest.fixture
async def stack_name(engine: Engine) -> AsyncIterator[str]:
    """A stack name that nobody else has; what carries it as its label is removed after the test."""
    name = f"t{secrets.token_hex(4)}"
    yield name
    # A connection of its own: the test may have closed or broken the other.
    cleaner = await connect()
    try:
        await remove_stack(cleaner, name)
        assert not await everything_of(cleaner, name)
    finally:
        await cleaner.close()


@pytest.fixture
async def leaves_nothing(engine: Engine, stack_name: str) -> AsyncIterator[None]:
    """Fails the test when it ends while something still carries its stack's label."""
    yield
    left = await everything_of(engine, stack_name)
    assert not left, f"left behind: {', '.join(left)}"


@pytest.fixture
def labels(stack_name: str) -> dict[str, str]:
    """The label that makes an object this test's own."""
    return {LABEL_STACK: stack_name}


@pytest.fixture
def free_port() -> Iterator[int]:
    """A TCP port on loopback that is this test's until it ends."""
    with a_port() as port:
        yield port


@pytest.fixture
async def subnet(engine: Engine) -> AsyncIterator[str]:
    """A /24 that no network of the engine uses, this test's until it ends."""
    taken = [one for network in await engine.networks() for one in network.subnets]
    with a_subnet(taken) as found:
        yield found


@pytest.fixture
async def other_subnet(engine: Engine, subnet: str) -> AsyncIterator[str]:
    """A second one, for a second network."""
    taken = [one for network in await engine.networks() for one in network.subnets]
    with a_subnet([*taken, subnet]) as found:
        yield found


@pytest.fixture(scope="session")
def tiny_image() -> Iterator[str]:
    """The tag of an image with a shell and little more; gone after the run."""
    tag = f"dftui-test/tiny:{secrets.token_hex(4)}"

    async def make() -> None:
        engine = await connect()
        try:
            async for _ in engine.import_image(tag, pieces(root_tar()), labels={"dftui.test": "tiny"}):
                pass
        finally:
            await engine.close()

    async def drop() -> None:
        engine = await connect()
        try:
            await engine.remove_image(tag)
        finally:
            await engine.close()

    asyncio.run(make())
    yield tag
    asyncio.run(drop())
