"""What `dftui export` writes runs without dftui: on the data of the stack it was written from, with its key."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import tinyweb
from tests.stacks import Stack, docker

REPLICAS = 2
OBJECTS = ("mysql", "redis", "setup", "lb", *(f"web{n}" for n in range(1, REPLICAS + 1)))


def run(*argv: str | Path, cwd: Path) -> str:
    """A command to its end, with nothing of dftui's own in its environment."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("DFTUI_", "COMPOSE_"))}
    found = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, timeout=180, check=False)
    assert found.returncode == 0, f"{argv} → {found.returncode}\n{found.stdout}\n{found.stderr}"
    return found.stdout + found.stderr


def left_of(name: str) -> list[str]:
    """Whatever there is with the stack's names, whoever made it."""
    wanted = ("--filter", f"name={name}-", "--format")
    return [
        *docker("ps", "-a", *wanted, "container {{.Names}}").splitlines(),
        *docker("network", "ls", *wanted, "network {{.Name}}").splitlines(),
        *docker("volume", "ls", *wanted, "volume {{.Name}}").splitlines(),
    ]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with a row in its database, written down in every way, then taken down: its data stays."""
    folder = tmp_path_factory.mktemp("export")
    with Stack(folder, tinyweb.text(tinyweb.tiny_image(), REPLICAS)) as made:
        try:
            made.ok("up")
            sql(made, "CREATE TABLE kept (word TEXT); INSERT INTO kept VALUES ('still here')")
            for kind in ("docker", "compose", "swarm"):
                result = made.json("export", kind, "--output", kind)
                assert (result["source"], result["replicas"]) == ("running", REPLICAS)
            made.ok("down", "--yes")
            yield made
        finally:
            # What ran without dftui carries no label of it.
            for one in OBJECTS:
                docker("rm", "-f", "-v", f"{made.name}-{one}", check=False)
            for one in ("front", "back"):
                docker("network", "rm", f"{made.name}-{one}", check=False)


def sql(stack: Stack, words: str) -> str:
    """What the database says."""
    client = 'MYSQL_PWD="$MYSQL_ROOT_PASSWORD" exec mariadb -u root -N "$MYSQL_DATABASE" -e "$0"'
    return docker("exec", f"{stack.name}-mysql", "sh", "-c", client, words)


def hosts(stack: Stack, count: int, timeout: float = 60.0) -> set[str]:
    """Who answers through the balancer, once that many do."""
    found: set[str] = set()
    end = time.monotonic() + timeout
    while len(found) < count:
        assert time.monotonic() < end, f"{found} answer, not {count}"
        try:
            with urllib.request.urlopen(stack.url, timeout=5) as answer:
                found.add(json.load(answer)["host"])
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    return found


def assert_it_is_the_stack(stack: Stack) -> None:
    """The replicas answer through the balancer, with the key that dftui keeps, and the row is there."""
    webs = [f"{stack.name}-web{n}" for n in range(1, REPLICAS + 1)]
    ids = {docker("inspect", web, "--format", "{{slice .Id 0 12}}") for web in webs}
    assert hosts(stack, REPLICAS) == ids
    kept = stack.ok("key", "show").strip()
    for web in webs:
        env = json.loads(docker("inspect", web, "--format", "{{json .Config.Env}}"))
        assert f"APP_KEY={kept}" in env
        assert docker("inspect", web, "--format", "{{.HostConfig.RestartPolicy.Name}}") == "unless-stopped"
    assert sql(stack, "SELECT word FROM kept") == "still here"


def test_it_tells_no_secret_and_writes_over_nothing(stack: Stack) -> None:
    kept = stack.ok("key", "show").strip()
    again = stack.run("export", "compose", "--output", "compose")
    assert again.returncode == 1
    assert "is there already; nothing was written" in again.stderr
    fresh = stack.run("export", "compose", "--output", "more")
    assert fresh.returncode == 0
    assert kept not in fresh.stdout + fresh.stderr
    for path in (stack.folder / "more").iterdir():
        assert (kept in path.read_text()) == (path.name == ".env"), path


def test_compose_reads_it_and_brings_the_stack_up(stack: Stack) -> None:
    folder = stack.folder / "compose"
    run("docker-compose", "up", "-d", cwd=folder)
    assert_it_is_the_stack(stack)
    env = docker("inspect", f"{stack.name}-setup", "--format", "{{json .Config.Env}}")
    assert "ADMIN_PASSWORD" not in env
    run("docker-compose", "down", cwd=folder)
    assert {line.split()[0] for line in left_of(stack.name)} == {"volume"}


def test_a_swarm_file_is_one_that_a_loader_reads(stack: Stack) -> None:
    # Debian's docker client has no `stack config`; docker-compose has the same loader's schema.
    read = run("docker-compose", "-f", "stack.yaml", "config", cwd=stack.folder / "swarm")
    assert "endpoint_mode: dnsrr" in read


def test_the_script_brings_it_up_and_leaves_nothing_behind(stack: Stack) -> None:
    # The last one: it takes the data with it.
    folder = stack.folder / "docker"
    script = f"./{stack.name}.sh"
    shown = run(script, "up", cwd=folder)
    assert_it_is_the_stack(stack)
    # Run again, with a container gone and another stopped, it starts what is missing.
    docker("rm", "-f", f"{stack.name}-web1")
    docker("stop", f"{stack.name}-lb")
    shown += run(script, "up", cwd=folder)
    assert_it_is_the_stack(stack)
    kept = stack.ok("key", "show").strip()
    shown += run(script, "down", "--volumes", cwd=folder)
    assert kept not in shown
    assert left_of(stack.name) == []
