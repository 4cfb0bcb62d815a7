"""What every engine promises, held against the fake and a real one alike."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import pytest

from dftui.engine.api import (
    Attachment,
    Conflict,
    Container,
    ContainerSpec,
    Engine,
    EngineError,
    Event,
    ExecResult,
    File,
    LogLine,
    NetworkSpec,
    NotFound,
    Port,
    PortInUse,
)
from tests.fakes.engine import FakeEngine
from tests.fakes.state import FakeContainer
from tests.fakes.told import Told


@dataclass
class Rig:
    """One of the two engines with what a test of it needs."""

    engine: Engine
    image: str
    stack: str
    labels: dict[str, str]
    subnet: str
    port: int
    back: str
    place: Literal["", "any"] = ""

    def spec(self, name: str, *command: str, **more: Any) -> ContainerSpec:
        called = f"{self.stack}-{name}"
        return ContainerSpec(called, self.image, self.labels, command=command, place=self.place, **more)

    async def run(self, name: str, *command: str, **more: Any) -> str:
        ref = await self.engine.create(self.spec(name, *command, **more))
        await self.engine.start(ref)
        return ref

    async def sleeper(self, name: str = "sleeper", **more: Any) -> str:
        return await self.run(name, "sleep", "600", **more)

    async def one(self, ref: str) -> Container:
        (found,) = [one for one in await self.engine.containers(self.labels) if one.id == ref]
        return found

    async def front(self) -> str:
        name = f"{self.stack}-front"
        await self.engine.create_network(NetworkSpec(name, self.labels, self.subnet))
        return name

    def host(self, number: int) -> str:
        return self.subnet.replace("0/24", str(number))


async def _cat(one: FakeContainer, argv: tuple[str, ...], env: dict[str, str], stdin: bytes) -> ExecResult:
    if argv[1:]:
        file = one.files.get(argv[1])
        return ExecResult(0, file.data, b"") if file else ExecResult(1, b"", b"no such file")
    return ExecResult(0, stdin, b"")


async def _shell(one: FakeContainer, argv: tuple[str, ...], env: dict[str, str], stdin: bytes) -> ExecResult:
    match argv[2]:
        case "exit 3":
            return ExecResult(3, b"", b"")
        case 'echo "$GREETING"; echo trouble >&2':
            return ExecResult(0, env["GREETING"].encode() + b"\n", b"trouble\n")
    raise AssertionError(argv)


async def _sleep(one: FakeContainer, argv: tuple[str, ...], env: dict[str, str], stdin: bytes) -> ExecResult:
    await asyncio.sleep(float(argv[1]))
    return ExecResult(0, b"", b"")


def _program(engine: Told, one: FakeContainer) -> None:
    """The few commands of the tiny image that the tests start."""
    match one.spec.command:
        case ("echo", text):
            engine.write(one.id, text.encode())
            engine.die(one.id, 0)
        case ("sh", "-c", script):
            for part in script.split("; "):
                if part.startswith("echo "):
                    engine.write(one.id, part.removeprefix("echo ").encode())
                elif part.startswith("exit "):
                    engine.die(one.id, int(part.removeprefix("exit ")))


def _fake(stack: str, labels: dict[str, str]) -> Rig:
    fake = FakeEngine()
    fake.hold("tiny:1")
    fake.programs["tiny:1"] = _program
    fake.on_exec(("cat",), _cat)
    fake.on_exec(("sh", "-c"), _shell)
    fake.on_exec(("sleep",), _sleep)
    fake.on_stream(("cat",), lambda data: data)
    return Rig(fake, "tiny:1", stack, labels, "10.213.9.0/24", 18080, "10.213.10.0/24")


@pytest.fixture(params=["fake", "real"])
def rig(
    request: pytest.FixtureRequest,
    stack_name: str,
    labels: dict[str, str],
    engine: Engine,
    tiny_image: str,
    free_port: int,
    subnet: str,
    other_subnet: str,
) -> Rig:
    if request.param == "fake":
        return _fake(stack_name, labels)
    return Rig(engine, tiny_image, stack_name, labels, subnet, free_port, other_subnet)


async def lines_of(engine: Engine, ref: str, **how: Any) -> list[LogLine]:
    return [line async for batch in engine.logs(ref, **how) for line in batch]


async def until(find: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while True:
            if await find():
                return
            await asyncio.sleep(0.05)


async def ended(rig: Rig, ref: str) -> Container:
    async def over() -> bool:
        return (await rig.one(ref)).state == "exited"

    await until(over)
    return await rig.one(ref)


# -- containers -----------------------------------------------------------------------------------------------------


async def test_a_container_lives_and_goes(rig: Rig) -> None:
    ref = await rig.engine.create(rig.spec("one", "sleep", "600"))
    made = await rig.one(ref)
    assert (made.name, made.state, made.image, made.exit_code) == (f"{rig.stack}-one", "created", rig.image, None)
    assert len(made.id) == 64 and made.short == ref[:12]
    await rig.engine.start(ref)
    await rig.engine.start(ref)
    assert (await rig.one(ref)).state == "running"
    await rig.engine.pause(ref)
    assert (await rig.one(ref)).state == "paused"
    await rig.engine.unpause(ref)
    assert (await rig.one(ref)).state == "running"
    with pytest.raises(Conflict):
        await rig.engine.remove(ref)
    await rig.engine.kill(ref)
    assert (await ended(rig, ref)).exit_code == 137
    await rig.engine.stop(ref, 1)
    await rig.engine.remove(ref)
    await rig.engine.remove(ref)
    assert await rig.engine.containers(rig.labels) == ()


async def test_a_running_container_gets_another_name(rig: Rig) -> None:
    one, other = await rig.sleeper("one"), await rig.sleeper("other")
    await rig.engine.rename(one, f"{rig.stack}-new")
    assert ((await rig.one(one)).name, (await rig.one(one)).state) == (f"{rig.stack}-new", "running")
    with pytest.raises(Conflict):
        await rig.engine.rename(other, f"{rig.stack}-new")
    assert (await rig.one(other)).name == f"{rig.stack}-other"


async def test_only_containers_that_carry_all_labels_are_listed(rig: Rig) -> None:
    await rig.engine.create(replace(rig.spec("web", "true"), labels={**rig.labels, "role": "web"}))
    await rig.engine.create(replace(rig.spec("db", "true"), labels={**rig.labels, "role": "db"}))
    assert [one.name for one in await rig.engine.containers({**rig.labels, "role": "web"})] == [f"{rig.stack}-web"]
    assert len(await rig.engine.containers(rig.labels)) == 2


async def test_what_is_missing_is_not_found(rig: Rig) -> None:
    calls: list[Awaitable[object]] = [
        rig.engine.inspect(f"{rig.stack}-none"),
        rig.engine.start(f"{rig.stack}-none"),
        rig.engine.stop(f"{rig.stack}-none"),
        rig.engine.exec(f"{rig.stack}-none", ("true",)),
        rig.engine.get_file(f"{rig.stack}-none", "/x"),
        lines_of(rig.engine, f"{rig.stack}-none"),
        rig.engine.create(replace(rig.spec("x"), image="dftui-test/none:1")),
        rig.engine.tag("dftui-test/none:1", "dftui-test/none:2"),
    ]
    for call in calls:
        with pytest.raises(NotFound) as told:
            await call
        assert "\n" not in str(told.value) and str(told.value).endswith(".")
    assert await rig.engine.image("dftui-test/none:1") is None
    await rig.engine.remove(f"{rig.stack}-none")
    await rig.engine.remove_network(f"{rig.stack}-none")
    await rig.engine.remove_volume(f"{rig.stack}-none")
    await rig.engine.remove_image("dftui-test/none:1")


async def test_a_name_that_is_taken_is_a_conflict(rig: Rig) -> None:
    await rig.engine.create(rig.spec("one", "true"))
    with pytest.raises(Conflict, match=f"{rig.stack}-one"):
        await rig.engine.create(rig.spec("one", "true"))


async def test_environment_and_volumes_come_back_and_no_repr_shows_them(rig: Rig) -> None:
    name = f"{rig.stack}-data"
    await rig.engine.create_volume(name, rig.labels)
    await rig.engine.create_volume(name, rig.labels)
    spec = rig.spec("one", "sleep", "600", env={"SECRET": "a=b c"}, volumes={"/data": name})
    ref = await rig.engine.create(spec)
    detail = await rig.engine.inspect(f"{rig.stack}-one")
    assert detail.container.id == ref and detail.env["SECRET"] == "a=b c" and detail.volumes == {"/data": name}
    assert "a=b c" not in repr(detail) and "a=b c" not in repr(spec)
    with pytest.raises(Conflict):
        await rig.engine.remove_volume(name)
    assert [volume.name for volume in await rig.engine.volumes(rig.labels)] == [name]


async def test_two_networks_a_fixed_address_and_names(rig: Rig) -> None:
    front = await rig.front()
    back = f"{rig.stack}-back"
    await rig.engine.create_network(NetworkSpec(back, rig.labels, rig.back, internal=True))
    both = (Attachment(front, rig.host(77), ("web",)), Attachment(back))
    ref = await rig.engine.create(rig.spec("one", "sleep", "600", networks=both))
    assert (await rig.one(ref)).addresses == {front: rig.host(77), back: ""}
    await rig.engine.start(ref)
    now = (await rig.one(ref)).addresses
    assert now[front] == rig.host(77) and now[back].startswith(rig.back.removesuffix("0/24"))
    await rig.engine.kill(ref)
    assert (await ended(rig, ref)).addresses[front] == rig.host(77)
    assert {(n.name, n.subnets, n.internal) for n in await rig.engine.networks(rig.labels)} == {
        (front, (rig.subnet,), False),
        (back, (rig.back,), True),
    }


async def test_a_subnet_or_name_that_is_taken_is_a_conflict(rig: Rig) -> None:
    front = await rig.front()
    with pytest.raises(Conflict):
        await rig.engine.create_network(NetworkSpec(f"{rig.stack}-other", rig.labels, rig.subnet))
    with pytest.raises(Conflict):
        await rig.engine.create_network(NetworkSpec(front, rig.labels))


async def test_a_creation_that_fails_part_way_leaves_nothing(rig: Rig) -> None:
    front = await rig.front()
    gone = Attachment(f"{rig.stack}-none")
    for networks in ((Attachment(front), gone), (gone,)):
        with pytest.raises(NotFound, match=f"{rig.stack}-none"):
            await rig.engine.create(rig.spec("one", "true", networks=networks))
    assert await rig.engine.containers(rig.labels) == ()


async def test_a_port_in_use_is_named(rig: Rig) -> None:
    ports = (Port(80, "127.0.0.1", rig.port),)
    first = await rig.sleeper("one", ports=ports)
    assert (await rig.one(first)).ports == ports
    second = await rig.engine.create(rig.spec("two", "sleep", "600", ports=ports))
    with pytest.raises(PortInUse, match=f"port {rig.port} on 127.0.0.1 is already in use"):
        await rig.engine.start(second)
    assert (await rig.one(second)).state in ("created", "exited")


async def test_files_are_laid_before_the_start_and_replaced_later(rig: Rig) -> None:
    file = File("/opt/new/folder/a.cfg", b"one\n", 0o640, 33, 33)
    ref = await rig.engine.create(rig.spec("one", "sleep", "600", files=(file,)))
    assert await rig.engine.get_file(ref, file.path) == b"one\n"
    await rig.engine.start(ref)
    await rig.engine.put_file(ref, replace(file, data=b"two\n" * 5000))
    assert await rig.engine.get_file(ref, file.path) == b"two\n" * 5000
    assert (await rig.engine.exec(ref, ("cat", file.path))).stdout == b"two\n" * 5000
    with pytest.raises(NotFound):
        await rig.engine.get_file(ref, "/opt/none")


# -- exec -----------------------------------------------------------------------------------------------------------


async def test_exec_tells_outputs_and_exit_code(rig: Rig) -> None:
    ref = await rig.sleeper()
    assert (await rig.engine.exec(ref, ("sh", "-c", "exit 3"))).exit_code == 3
    both = ("sh", "-c", 'echo "$GREETING"; echo trouble >&2')
    assert await rig.engine.exec(ref, both, env={"GREETING": "good day"}) == ExecResult(
        0, b"good day\n", b"trouble\n"
    )
    assert (await rig.engine.exec(ref, ("no-such-command",))).exit_code in (126, 127)


async def test_exec_feeds_stdin_to_its_end(rig: Rig) -> None:
    ref = await rig.sleeper()
    data = bytes(range(256)) * 8192
    result = await rig.engine.exec(ref, ("cat",), stdin=data)
    assert result.exit_code == 0 and result.stdout == data


async def test_exec_that_takes_too_long_is_an_error(rig: Rig) -> None:
    ref = await rig.sleeper()
    with pytest.raises(EngineError, match=r"sleep in .* did not end within 0\.2 s"):
        await rig.engine.exec(ref, ("sleep", "5"), timeout=0.2)


async def test_exec_in_a_stopped_container_is_a_conflict(rig: Rig) -> None:
    ref = await rig.engine.create(rig.spec("one", "true"))
    with pytest.raises(Conflict):
        await rig.engine.exec(ref, ("true",))
    with pytest.raises(Conflict):
        await rig.engine.exec_stream(ref, ("cat",))


async def test_a_session_tells_both_outputs_as_they_come_and_how_it_ended(rig: Rig) -> None:
    ref = await rig.sleeper()
    both = ("sh", "-c", 'echo "$GREETING"; echo trouble >&2')
    session = await rig.engine.exec_session(ref, both, env={"GREETING": "good day"})
    said = {"stdout": b"", "stderr": b""}
    while True:
        channel, data = await session.read()
        if not data:
            break
        said[channel] += data
    assert said == {"stdout": b"good day\n", "stderr": b"trouble\n"}
    assert await session.exit_code() == 0
    await session.close()
    await session.close()
    ended = await rig.engine.exec_session(ref, ("sh", "-c", "exit 3"), size=(80, 24))
    assert await ended.read() == ("stdout", b"")
    assert await ended.exit_code() == 3
    await ended.close()
    with pytest.raises(Conflict):
        await rig.engine.exec_session(await rig.engine.create(rig.spec("two", "true")), ("true",))


async def test_a_stream_goes_both_ways_and_ends_with_the_container(rig: Rig) -> None:
    ref = await rig.sleeper()
    stream = await rig.engine.exec_stream(ref, ("cat",))
    for text in (b"one\n", b"two\n"):
        await stream.write(text)
        assert await stream.read() == text
    await rig.engine.kill(ref)
    async with asyncio.timeout(10):
        assert await stream.read() == b""
    with pytest.raises(EngineError):
        await stream.write(b"three\n")
    await stream.close()
    await stream.close()


# -- events, logs, figures ------------------------------------------------------------------------------------------


async def test_events_of_ones_own_containers_and_networks(rig: Rig) -> None:
    seen: list[Event] = []

    async def watch() -> None:
        stream = cast(Any, rig.engine.events(rig.labels))
        async with aclosing(stream):
            async for event in stream:
                seen.append(event)

    watcher = asyncio.create_task(watch())
    front = f"{rig.stack}-front"
    try:
        # The stream is open once an event of it has come.
        async def open_now() -> bool:
            name = f"{rig.stack}-probe"
            await rig.engine.remove(await rig.engine.create(rig.spec("probe", "true")))
            return any(event.name == name for event in seen)

        await until(open_now)
        await rig.front()
        ref = await rig.run("one", "sh", "-c", "exit 5", networks=(Attachment(front),), restart="no")
        await ended(rig, ref)
        await rig.engine.remove(ref)

        async def all_told() -> bool:
            return any(event.id == ref and event.action == "destroy" for event in seen)

        await until(all_told)
    finally:
        watcher.cancel()
    mine = [event for event in seen if event.id == ref]
    actions = [event.action for event in mine]
    assert actions.index("create") < actions.index("start") < actions.index("die") < actions.index("destroy")
    (died,) = [event for event in mine if event.action == "die"]
    assert died.exit_code == 5 and died.name == f"{rig.stack}-one" and rig.labels.items() <= died.labels.items()
    joined = [event for event in seen if event.kind == "network" and event.action == "connect"]
    assert [(event.name, event.container) for event in joined] == [(front, ref)]


async def test_events_since_a_time_tell_what_was_missed(rig: Rig) -> None:
    ref = await rig.engine.create(rig.spec("one", "true"))
    since = (await rig.one(ref)).created - 1
    async with asyncio.timeout(10):
        stream = cast(Any, rig.engine.events(rig.labels, since=since))
        async with aclosing(stream):
            async for event in stream:
                if event.id == ref:
                    assert event.action == "create"
                    break


async def test_the_log_of_an_ended_container(rig: Rig) -> None:
    ref = await rig.run("one", "sh", "-c", "echo one; echo two; echo three", restart="no")
    await ended(rig, ref) if not isinstance(rig.engine, FakeEngine) else None
    lines = await lines_of(rig.engine, ref)
    assert [line.data for line in lines] == [b"one", b"two", b"three"]
    assert all(line.stream == "stdout" and line.time_ns > 1_600_000_000 * 10**9 for line in lines)
    assert [line.data for line in await lines_of(rig.engine, ref, tail=2)] == [b"two", b"three"]
    assert await lines_of(rig.engine, ref, tail=0) == []
    # The line at that very time comes again, and all after it.
    again = await lines_of(rig.engine, ref, since_ns=lines[1].time_ns)
    assert again == lines[1:]


async def test_a_followed_log_ends_with_its_container(rig: Rig) -> None:
    ref = await rig.sleeper()
    follower = asyncio.create_task(lines_of(rig.engine, ref, follow=True))
    await asyncio.sleep(0.1)
    assert not follower.done()
    await rig.engine.kill(ref)
    async with asyncio.timeout(10):
        assert await follower == []


async def test_figures_of_a_container_that_does_not_run_end_at_once(rig: Rig) -> None:
    ref = await rig.engine.create(rig.spec("one", "true"))
    async with asyncio.timeout(10):
        assert [sample async for sample in rig.engine.stats(ref)] == []


async def test_info_and_images(rig: Rig) -> None:
    info = await rig.engine.info()
    assert info.kind == "docker" and info.id and info.cpus >= 1 and info.memory > 0
    image = await rig.engine.image(rig.image)
    assert image is not None and rig.image in image.tags and image.id.startswith("sha256:")
    extra = f"dftui-test/extra:{rig.stack}"
    await rig.engine.tag(rig.image, extra)
    assert (await rig.engine.image(extra)) is not None
    assert set((await rig.engine.image(image.id) or image).tags) >= {rig.image, extra}
    await rig.engine.remove_image(extra)
    assert await rig.engine.image(extra) is None and await rig.engine.image(rig.image) is not None
