"""The main job, as a person does it: in a terminal of 120x40 and through ssh, with traffic flowing."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.load import Load, Plan
from tests.pty_run import PtyRun
from tests.sshd import Sshd
from tests.stacks import Stack, web_writes_line, write_line

HEX12 = re.compile(r"\b[0-9a-f]{12}\b")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    # So that the application itself writes about requests.
    with Stack(tmp_path_factory.mktemp("main"), "web:\n  env:\n    APP_LOG_LEVEL: info\n") as found:
        found.ok("up")
        yield found
        found.ok("down", "--volumes", "--yes")
        assert found.left() == []


def screen(stack: Stack) -> PtyRun:
    return PtyRun(stack.argv(), columns=120, rows=40, env=stack.env, cwd=str(stack.folder))


def through_ssh(stack: Stack, sshd: Sshd) -> PtyRun:
    env = {name: value for name, value in stack.env.items() if name.startswith(("DFTUI_", "PYTHON"))}
    return PtyRun(sshd.argv(stack.argv(), env, stack.folder), columns=120, rows=40)


def states(text: str) -> dict[str, str]:
    """State by replica number, as the replicas' table on the screen says it."""
    return dict(re.findall(r"\bweb(\d+)\b.*?\b(starting|held|serving|draining|drained|stopped|failed)\b", text))


def wait_states(run: PtyRun, serving: int, timeout: float = 60.0) -> None:
    """Until exactly so many replicas are on screen, all of them serving."""
    run.wait_until(
        lambda text: len(found := states(text)) == serving and set(found.values()) == {"serving"},
        timeout,
        f"{serving} replicas, all serving",
    )


def traffic(stack: Stack) -> Load:
    """A trickle, so that what is on the screen can be read."""
    plan = Plan(stack.port, rate=8, connections=4, fresh=0.5, posts=0, path="/up")
    return Load(plan)


def hosts(stack: Stack) -> dict[str, str]:
    return {web["host"]: web["name"] for web in stack.json("status")["web"]}


def scaled_by_keys(stack: Stack, run: PtyRun) -> None:
    """3 → 5 → 4 by the keys of the blog's dream."""
    wait_states(run, 3)
    run.send("+")
    run.send("+")
    run.wait_until(lambda text: len(states(text)) == 5, 30, "five replicas, whatever their state")
    wait_states(run, 5)
    assert len(stack.serving()) == 5
    run.send("-")
    wait_states(run, 4)
    assert len(stack.serving()) == 4


def test_the_main_job(stack: Stack) -> None:
    with traffic(stack) as load:
        with screen(stack) as run:
            scaled_by_keys(stack, run)

            # Each request's Host is shown, and every replica is among them.
            run.send("t")
            known = hosts(stack)
            run.wait_until(
                lambda text: known.keys() <= set(HEX12.findall(requests_of(text))), 30, "all Hosts in requests"
            )
            shown = Counter(HEX12.findall(requests_of(run.text())))
            assert shown.keys() <= known.keys() | set(HEX12.findall(run.text()))

            # A line that each container writes is on the screen.
            run.send("l")
            names = [f"{stack.name}-{what}" for what in ("mysql", "redis", "lb")] + sorted(known.values())
            for number, name in enumerate(names):
                words = f"written-by-{number}-of-{len(names)}"
                words = (web_writes_line if name in known.values() else write_line)(name, words)
                run.wait_until(lambda text, words=words: words in text, 10, f"the line of {name}")  # type: ignore[misc]

            run.send("q")
            assert run.wait_exit() == 0
        assert sorted(stack.serving()) == sorted(known.values())

        # A second one finds it all again.
        with screen(stack) as again:
            wait_states(again, 4)
            again.wait_until(lambda text: known.keys() <= set(HEX12.findall(text)), 30, "every Host")
            again.send("q")
            assert again.wait_exit() == 0
        tally = load.stop()
    assert tally.failed == Counter()
    assert tally.ok == tally.sent > 0
    stack.ok("scale", "3")


def requests_of(text: str) -> str:
    """The lower part of the screen, where requests stand one a line with method and path."""
    return "\n".join(line for line in text.splitlines() if "/up" in line)


def test_the_same_keys_through_ssh(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> None:
    stack.ok("scale", "3")
    with Sshd(tmp_path_factory.mktemp("sshd")) as sshd, traffic(stack) as load:
        with through_ssh(stack, sshd) as run:
            scaled_by_keys(stack, run)
            run.send("q")
            assert run.wait_exit() == 0
        stack.ok("scale", "3")

        # The link is cut while a replica is being added.
        with through_ssh(stack, sshd) as run:
            wait_states(run, 3)
            run.send("+")
            run.wait_until(lambda text: len(states(text)) == 4, 30, "a fourth replica")
            run.hang_up()
        left_alone(stack)
        sound(stack)
        tally = load.stop()
    assert tally.failed == Counter()


def left_alone(stack: Stack) -> None:
    """Until no dftui of this stack runs any more."""
    pattern = str(stack.file)
    for _ in range(200):
        found = subprocess.run(["pgrep", "-f", pattern], capture_output=True, text=True, check=False).stdout.split()
        if not found:
            return
        try:
            subprocess.run(["tail", f"--pid={found[0]}", "-f", "/dev/null"], timeout=1, check=False)
        except subprocess.TimeoutExpired:
            continue
    what = subprocess.run(
        ["ps", "-o", "pid,ppid,stat,wchan,etime,args", "-p", ",".join(found)], stdout=subprocess.PIPE
    )
    raise AssertionError(f"still running:\n{what.stdout.decode()}")


def sound(stack: Stack) -> None:
    """Whatever was under way is finished or taken back: containers and the balancer agree, nothing is half made."""
    stack.ok("up")
    status = stack.json("status")
    assert {web["state"] for web in status["web"]} == {"serving"}
    assert len(status["web"]) == status["wanted"]
    assert status["drift"] == []
