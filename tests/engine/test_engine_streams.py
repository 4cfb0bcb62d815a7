"""What only a real engine shows: logs as its drivers cut them, figures of real work, progress of real builds."""

from __future__ import annotations

import asyncio
import io
import tarfile
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any, cast

import pytest

from dftui.engine.api import (
    Attachment,
    ContainerSpec,
    Engine,
    EngineError,
    HealthCheck,
    ImageProgress,
    LogLine,
    NetworkSpec,
    RegistryUnreachable,
)
from dftui.engine.docker import DockerEngine
from tests.tiny import pieces

Run = Callable[..., Awaitable[str]]


@pytest.fixture
def run(engine: Engine, labels: dict[str, str], stack_name: str, tiny_image: str) -> Run:
    """Starts a container of the tiny image with a script; its id."""
    made = 0

    async def start(script: str, **more: Any) -> str:
        nonlocal made
        made += 1
        command = ("sh", "-c", script)
        ref = await engine.create(
            ContainerSpec(f"{stack_name}-{made}", tiny_image, labels, command=command, restart="no", **more)
        )
        await engine.start(ref)
        return ref

    return start


async def followed(engine: Engine, ref: str) -> list[LogLine]:
    """All lines until the container ends."""
    async with asyncio.timeout(60):
        return [line async for batch in engine.logs(ref, follow=True) for line in batch]


async def test_lines_longer_than_the_engines_cut_come_whole(engine: Engine, run: Run) -> None:
    ref = await run(
        "head -c 16384 /dev/zero | tr '\\0' a; echo; head -c 50000 /dev/zero | tr '\\0' b; echo; "
        "head -c 16383 /dev/zero | tr '\\0' c; echo; printf 'no end'"
    )
    expected = [(b"a", 16384), (b"b", 50000), (b"c", 16383)]
    lines = await followed(engine, ref)
    assert [(line.data[:1], len(line.data)) for line in lines[:3]] == expected
    assert [line.data for line in lines[3:]] == [b"no end"]
    again = [line async for batch in engine.logs(ref) for line in batch]
    assert again == lines


async def test_both_outputs_keep_their_bytes_and_names(engine: Engine, run: Run) -> None:
    ref = await run("printf 'caf\\303\\251 \\377\\033[31m\\n'; echo trouble >&2; echo")
    lines = await followed(engine, ref)
    assert sorted((line.stream, line.data) for line in lines) == [
        ("stderr", b"trouble"),
        ("stdout", b""),
        # The engine's own log file holds text: a byte that is none has become U+FFFD there.
        ("stdout", b"caf\xc3\xa9 \xef\xbf\xbd\x1b[31m"),
    ]


async def test_a_line_is_told_when_it_is_written(engine: Engine, run: Run) -> None:
    ref = await run("while read line; do echo $line; done < /tmp/none; sleep 600")
    seen: asyncio.Queue[bytes] = asyncio.Queue()

    async def follow() -> None:
        async for batch in engine.logs(ref, follow=True):
            for line in batch:
                seen.put_nowait(line.data)

    task = asyncio.create_task(follow())
    try:
        async with asyncio.timeout(20):
            assert b"none" in await seen.get()  # the shell's own complaint
            for number in range(5):
                await engine.exec(ref, ("sh", "-c", f"echo line {number} > /proc/1/fd/1"))
                assert await seen.get() == b"line %d" % number
    finally:
        task.cancel()


async def test_the_log_of_a_container_with_a_terminal(
    engine: Engine, labels: dict[str, str], stack_name: str, tiny_image: str
) -> None:
    """dftui makes none, but may show one."""
    assert isinstance(engine, DockerEngine)
    command = ["sh", "-c", "echo one; echo two >&2; head -c 20000 /dev/zero | tr '\\0' x; echo"]
    made = await engine._calls.work(
        "make a terminal",
        lambda api: api.create_container(tiny_image, command, tty=True, labels=labels, name=f"{stack_name}-tty"),
    )
    await engine.start(made["Id"])
    lines = await followed(engine, made["Id"])
    assert [line.data for line in lines] == [b"one", b"two", b"x" * 20000]
    assert all(line.stream == "stdout" for line in lines)


async def test_figures_of_one_busy_core(engine: Engine, run: Run) -> None:
    ref = await run("while true; do :; done", memory=64 << 20, cpus=0.5)
    samples = []
    async with asyncio.timeout(30):
        stream = cast(Any, engine.stats(ref))
        async with aclosing(stream):
            async for sample in stream:
                samples.append(sample)
                if len(samples) == 3:
                    break
    assert samples[0].cpu is None
    # Half a core is the limit; a loaded machine may give less.
    assert all(5 < sample.cpu < 75 for sample in samples[1:])
    assert all(0 < sample.memory < 64 << 20 == sample.memory_limit for sample in samples)


async def test_figures_end_with_the_container(engine: Engine, run: Run) -> None:
    ref = await run("sleep 600")
    seen = asyncio.Event()

    async def follow() -> int:
        count = 0
        async for _ in engine.stats(ref):
            count += 1
            seen.set()
        return count

    task = asyncio.create_task(follow())
    async with asyncio.timeout(30):
        await seen.wait()
        await engine.kill(ref)
        assert await task >= 1


async def test_health_is_told_in_the_list_and_as_an_event(engine: Engine, run: Run, labels: dict[str, str]) -> None:
    check = HealthCheck(("cat", "/tmp/well"), interval=0.2, timeout=5, retries=2, start_period=60)
    ref = await run("sleep 600", health=check)
    (one,) = await engine.containers(labels)
    assert one.health == "starting"
    actions: list[str] = []

    async def watch() -> None:
        async for event in engine.events(labels, since=one.created):
            actions.append(event.action)
            if event.action == "health_status: healthy":
                return

    task = asyncio.create_task(watch())
    await engine.exec(ref, ("touch", "/tmp/well"))
    async with asyncio.timeout(30):
        await task
    (one,) = await engine.containers(labels)
    assert one.health == "healthy" and (await engine.inspect(ref)).container.health == "healthy"
    assert not [action for action in actions if action.startswith("exec")]


async def test_files_keep_owner_and_mode_and_folders_theirs(engine: Engine, run: Run) -> None:
    from dftui.engine.api import File

    files = (File("/opt/a/b/secret", b"x", 0o600, 33, 33), File("/tmp/plain", b"y"))
    ref = await run("sleep 600", files=files)
    result = await engine.exec(ref, ("stat", "-c", "%a %u %g", "/opt/a/b", "/opt/a/b/secret", "/tmp", "/tmp/plain"))
    assert result.stdout.decode().split("\n")[:4] == ["755 0 0", "600 33 33", "1777 0 0", "644 0 0"]
    await engine.exec(ref, ("sh", "-c", "echo linked > /opt/a/b/real"))
    await engine.exec(ref, ("sh", "-c", "echo linked > /opt/r"))
    (link,) = [await engine.exec(ref, ("busybox", "ln", "-s", "../../r", "/opt/a/b/link"))]
    assert link.exit_code == 0
    assert await engine.get_file(ref, "/opt/a/b/link") == b"linked\n"
    with pytest.raises(EngineError, match="no plain file"):
        await engine.get_file(ref, "/opt/a")


async def test_names_resolve_between_containers(
    engine: Engine, run: Run, labels: dict[str, str], stack_name: str, subnet: str
) -> None:
    network = f"{stack_name}-net"
    await engine.create_network(NetworkSpec(network, labels, subnet, internal=True))
    address = subnet.replace("0/24", "200")
    await run("echo hello | nc -l -p 7000", networks=(Attachment(network, address, ("greeter", "other")),))
    client = await run("sleep 600", networks=(Attachment(network),))
    result = await engine.exec(client, ("sh", "-c", "until nc greeter 7000; do sleep 0.1; done"), timeout=20)
    assert result.stdout == b"hello\n"


async def test_a_network_goes_once_its_last_containers_are_gone(
    engine: Engine, run: Run, labels: dict[str, str], stack_name: str, subnet: str
) -> None:
    network = f"{stack_name}-net"
    ref = await engine.create_network(NetworkSpec(network, labels, subnet))
    refs = [await run("sleep 600", networks=(Attachment(network),)) for _ in range(4)]
    removing = asyncio.create_task(engine.remove_network(ref))
    await asyncio.gather(*(engine.remove(one, force=True) for one in refs))
    await removing
    assert await engine.networks(labels) == ()


async def test_slow_commands_do_not_hold_up_a_look(engine: Engine, run: Run, labels: dict[str, str]) -> None:
    refs = [await run("trap '' TERM; sleep 600") for _ in range(2)]
    stops = [asyncio.create_task(engine.stop(ref, 2)) for ref in refs]
    looks = 0
    while not any(stop.done() for stop in stops):
        assert len(await engine.containers(labels)) == 2
        looks += 1
    assert looks > 3
    await asyncio.gather(*stops)
    assert {one.state for one in await engine.containers(labels)} == {"exited"}


def context(dockerfile: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(dockerfile.encode())
        tar.addfile(entry, io.BytesIO(dockerfile.encode()))
    return out.getvalue()


async def test_a_build_counts_its_steps_and_a_failed_one_tells_why(
    engine: Engine, labels: dict[str, str], stack_name: str, tiny_image: str
) -> None:
    tag = f"dftui-test/built:{stack_name}"
    script = f'FROM {tiny_image}\nARG WISH=none\nRUN echo "wish $WISH" && test $WISH = yes\n'
    seen: list[ImageProgress] = []
    async for progress in engine.build(tag, context(script), labels=labels, args={"WISH": "yes"}):
        seen.append(progress)
    assert seen[-1].stage == "done" and any("wish yes" in progress.text for progress in seen)
    steps = [(progress.done, progress.total) for progress in seen if progress.text.startswith("Step ")]
    assert [step for step, _ in steps] == list(range(1, len(steps) + 1)) and steps[0][1] == len(steps)
    image = await engine.image(tag)
    assert image is not None and labels.items() <= image.labels.items() and tag in image.tags
    with pytest.raises(EngineError, match=r"Could not build .* returned a non-zero code") as told:
        async for _ in engine.build(f"{tag}-bad", context(script), labels=labels):
            pass
    assert "wish none" in told.value.hint
    with pytest.raises(EngineError, match="Could not build"):
        async for _ in engine.build(f"{tag}-bad", context("NONSENSE\n"), labels=labels):
            pass
    assert await engine.image(f"{tag}-bad") is None


async def test_what_is_no_archive_is_no_image(engine: Engine, labels: dict[str, str], stack_name: str) -> None:
    tag = f"dftui-test/junk:{stack_name}"
    with pytest.raises(EngineError, match=f"Could not import {tag}"):
        async for _ in engine.import_image(tag, pieces(b"junk" * 300_000), labels=labels):
            pass
    assert await engine.image(tag) is None


async def test_an_import_whose_source_fails_tells_that(
    engine: Engine, labels: dict[str, str], stack_name: str
) -> None:
    async def broken() -> Any:
        yield b"\0" * 100_000
        raise EngineError("The source broke off.")

    tag = f"dftui-test/broken:{stack_name}"
    with pytest.raises(EngineError, match="The source broke off"):
        async for _ in engine.import_image(tag, broken(), labels=labels):
            pass
    assert await engine.image(tag) is None


async def test_a_registry_that_does_not_listen_is_unreachable(engine: Engine, free_port: int) -> None:
    with pytest.raises(RegistryUnreachable, match="cannot be reached"):
        async for _ in engine.pull(f"127.0.0.1:{free_port}/some/image:1"):
            pass
