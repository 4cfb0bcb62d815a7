"""A whole stack on an engine of its own, which is restarted and killed, at rest and in the middle of things; and
which is as it was when dftui has been uninstalled.
"""

from __future__ import annotations

import itertools
import json
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dftui.engine.bundled import BUNDLED_ROLES, bundled_tag
from tests.engine.jobs import EVERY_CALL, Jobs
from tests.engine.operate import assert_sound, operating, start_again, until_all_serve
from tests.engine.second import SecondEngine
from tests.handmade import Handmade, images
from tests.pty_run import PtyRun
from tests.stacks import Stack, docker
from tests.tinyweb import text, tiny_image

REPLICAS = 4


@pytest.fixture(scope="module")
def second() -> Iterator[SecondEngine]:
    # A short path: a socket's may have 107 bytes.
    own = SecondEngine(Path(tempfile.mkdtemp(prefix="dftui-engine-")), whole=True)
    try:
        own.again()
        theirs = images()
        own.load(
            *(bundled_tag(role) for role in BUNDLED_ROLES if role != "web"),
            tiny_image(),
            *(theirs[role] for role in ("tiny", "cache", "balancer")),
        )
        yield own
    finally:
        own.stop()


@pytest.fixture(scope="module")
def stack(second: SecondEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("second"), text(tiny_image(), REPLICAS), host=second.host) as found:
        found.ok("up")
        yield found


@pytest.fixture(scope="module")
def jobs(stack: Stack) -> Iterator[Jobs]:
    found = Jobs(stack)
    yield found
    found.close()


async def assert_each_name_on_its_own_container(stack: Stack, count: int) -> None:
    """Who answers at the address of each server says the server's name as its Host."""
    async with operating(stack) as (operator, engine):
        await until_all_serve(operator)
        servers = await operator.link.servers()
        assert len(servers) == count
        for server in servers:
            ask = ("socat", "-", f"TCP:{server.address}")
            done = await engine.exec(f"{stack.name}-lb", ask, stdin=b"GET /status HTTP/1.0\r\n\r\n")
            assert json.loads(done.stdout.partition(b"\r\n\r\n")[2])["host"] == server.name


async def test_after_a_restart_of_the_engine_every_name_is_on_its_own_container(
    second: SecondEngine, stack: Stack
) -> None:
    # Numbers with a gap, and servers that came at run time: the file alone knows them after the restart.
    stack.ok("scale", "+2")
    async with operating(stack) as (operator, _):
        await operator.scale(by=-1, victim=f"{stack.name}-web2")
        await operator.scale(by=-1, victim=f"{stack.name}-web4")
    second.ended(signal.SIGTERM)
    second.again()
    await assert_each_name_on_its_own_container(stack, REPLICAS)
    await assert_sound(stack, REPLICAS)


async def test_what_a_crash_of_the_engine_left_stopped_is_started(second: SecondEngine, stack: Stack) -> None:
    """By the screen itself, which was there when it happened; by `dftui up` or `dftui repair` else."""
    with PtyRun(stack.argv(), columns=120, rows=40, env=stack.env, cwd=str(stack.folder)) as run:
        all_serve = f"{REPLICAS} of {REPLICAS} serving"
        run.wait_text(all_serve)
        second.ended(signal.SIGKILL)
        run.wait_text("The engine does not answer")
        second.again()
        left = stack.docker("ps", "-aq", "--filter", "status=exited")
        run.wait_until(lambda text: all_serve in text and "does not answer" not in text, 120, "all serving again")
        if left:  # not every engine leaves them so
            run.send("a")
            run.wait_text("the engine is back and has left stopped: ")
        # The screen may still stand as it was before the crash when the engine answers again.
        stack.wait_serving(REPLICAS, 120)
        run.send("q")
        assert run.wait_exit() == 0
    await assert_each_name_on_its_own_container(stack, REPLICAS)
    await assert_sound(stack, REPLICAS)


@pytest.mark.parametrize(("action", "steps"), [("scale 5", (5,)), ("roll", (7,)), ("scale 4", (4,))])
async def test_an_engine_that_dies_in_the_middle_of_an_action(
    second: SecondEngine, stack: Stack, jobs: Jobs, action: str, steps: tuple[int, ...]
) -> None:
    plain = stack.file.read_text()
    before = len(stack.serving())
    assert second.process is not None
    for step in itertools.count(1) if EVERY_CALL else steps:
        stack.ok("scale", str(before))
        if action == "roll":
            stack.file.write_text(f"{plain}  env: {{STEP: '{step}'}}\n")
        answer = jobs.run(action, step, signal.SIGKILL, victim=second.process.pid, changes_only=True)
        if EVERY_CALL and "at" not in answer:
            assert "calls" in answer, answer
            break
        assert "at" in answer, answer
        second.process.wait(60)
        second.again()
        await start_again(stack)
        await assert_sound(stack)
        await assert_each_name_on_its_own_container(stack, len(stack.serving()))
    stack.file.write_text(plain)
    jobs.run(action)


async def test_an_engine_that_dies_in_the_middle_of_down_and_up(
    second: SecondEngine, stack: Stack, jobs: Jobs
) -> None:
    for action, steps in (("down", (5,)), ("up", (6, 4))):
        for step in steps:
            assert second.process is not None
            answer = jobs.run(action, step, signal.SIGKILL, victim=second.process.pid, changes_only=True)
            assert "at" in answer, answer
            second.process.wait(60)
            second.again()
        stack.ok(action, *(("--yes",) if action == "down" else ()))
    await assert_sound(stack)
    stack.ok("down", "--volumes", "--yes")
    assert stack.left() == []


@pytest.mark.long
def test_what_was_adopted_comes_back_after_a_restart_of_the_engine_too(second: SecondEngine, tmp_path: Path) -> None:
    """The engine then looks for the old containers' links under names that are dftui's meanwhile."""
    file = f"images: {{source: bundled, web: '{images()['tiny']}'}}\nweb: {{replicas: 1}}\n"
    with Stack(tmp_path, file, host=second.host) as stack, Handmade(stack.name, stack.port, 1, second.host) as old:
        old.blog("-e", "DB_DRIVER=mysql", web="tiny")
        old.sql("CREATE TABLE kept (word TEXT); INSERT INTO kept VALUES ('theirs')")
        stack.ok("adopt", "--yes")
        second.ended(signal.SIGTERM)
        second.again()
        stack.wait_serving(1, 120)
        old.sql("INSERT INTO kept VALUES ('since')", f"{stack.name}-mysql")
        # Undone as far as it can be; another restart finds the links by their own names again.
        refused = stack.run("adopt", "--undo", "--yes")
        assert refused.returncode == 1
        assert "restart the engine once more" in refused.stderr
        second.ended(signal.SIGTERM)
        second.again()
        undone = stack.json("adopt", "--undo", "--yes")
        assert sorted(undone["back"]) == sorted(old.names)
        assert undone["unlinked"] == []
        assert stack.left() == []
        assert old.states() == dict.fromkeys(old.names, "running")
        old.until_it_answers()
        old.until_database()
        assert old.sql("SELECT word FROM kept") == "theirs"


def there(second: SecondEngine) -> dict[str, set[str]]:
    """Everything that the engine holds, by kind."""
    listed = {
        "containers": ("ps", "-a", "--format", "{{.Names}}"),
        "networks": ("network", "ls", "--format", "{{.Name}}"),
        "volumes": ("volume", "ls", "--format", "{{.Name}}"),
        "images": ("images", "-a", "--format", "{{.Repository}}:{{.Tag}}"),
    }
    return {kind: set(docker("-H", second.host, *words).splitlines()) for kind, words in listed.items()}


def test_uninstalling_leaves_neither_on_the_engine_nor_in_the_folders_what_dftui_made(
    second: SecondEngine, tmp_path: Path
) -> None:
    """After the tests above, whose stack is down: the bundled images are dftui's, the tiny web is the test's."""
    image = tiny_image()
    with Stack(tmp_path / "home", text(image, 2, "  kind: plain\n"), host=second.host) as stack:
        docker("-H", second.host, "volume", "create", "--label", "dftui.stack=another", "another-db")
        stack.ok("up")
        refused = stack.run("uninstall", "--yes")
        assert (refused.returncode, "another" in refused.stderr) == (1, True)
        assert len(stack.serving()) == 2
        # This machine cannot reach that engine's networks: what verify asks is asked from inside them.
        assert stack.json("verify")["ok"]
        docker("-H", second.host, "volume", "rm", "another-db")
        assert (stack.folder / "config").is_dir() and (stack.folder / "state").is_dir()
        (stack.folder / "config" / "config.yaml").write_text("theme: day\n")
        assert stack.run("uninstall").returncode == 2  # nobody is there to say yes
        theirs = {tag for tag in there(second)["images"] if tag.startswith("dftui-test/")}
        assert image in theirs
        done = stack.json("uninstall", "--yes")
        assert set(done["images"]) == {bundled_tag(role) for role in BUNDLED_ROLES if role != "web"}
        assert there(second) == {
            "containers": set(),
            "networks": {"bridge", "host", "none"},
            "volumes": set(),
            "images": {*theirs, *(f for f in there(second)["images"] if f == "<none>:<none>")},
        }
        left = [path for path in stack.folder.rglob("*") if path.is_file()]
        assert sorted(path.name for path in left) == ["config.yaml", "dftui.yaml"]
        assert [kept for kept in done["kept"] if "config.yaml" in kept]
        assert not (stack.folder / "state").exists()
