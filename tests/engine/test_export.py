"""What `dftui export` writes runs without dftui: on the data of the stack it was written from, with its key and its
certificate."""

from __future__ import annotations

import http.client
import json
import os
import stat
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import certificates, tinyweb
from tests.leases import a_port
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
def secure() -> Iterator[int]:
    with a_port() as found:
        yield found


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, secure: int) -> Iterator[Stack]:
    """A stack with a row in its database, written down in every way, then taken down: its data stays."""
    folder = tmp_path_factory.mktemp("export")
    tls = f"  tls: {{cert: site.pem, key: site.key, publish: '127.0.0.1:{secure}'}}\n"
    with Stack(folder, tls + tinyweb.text(tinyweb.tiny_image(), REPLICAS)) as made:
        try:
            certificates.write(made.folder, certificates.pair())
            made.ok("up")
            sql(made, "CREATE TABLE kept (word TEXT); INSERT INTO kept VALUES ('still here')")
            for kind in ("docker", "compose", "swarm"):
                result = made.json("export", kind, "--output", kind)
                assert (result["source"], result["replicas"]) == ("running", REPLICAS)
                assert result["url"] == f"https://127.0.0.1:{secure}"
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


def hosts(port: int, count: int, timeout: float = 60.0) -> set[str]:
    """Who answers through the balancer, once that many do."""
    found: set[str] = set()
    end = time.monotonic() + timeout
    while len(found) < count:
        assert time.monotonic() < end, f"{found} answer, not {count}"
        try:
            url = f"https://127.0.0.1:{port}/"
            with urllib.request.urlopen(url, timeout=5, context=certificates.context()) as answer:
                found.add(json.load(answer)["host"])
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    return found


def assert_it_is_the_stack(stack: Stack, secure: int) -> None:
    """The replicas answer through the balancer by the stack's own certificate, with the key that dftui keeps, and
    the row is there."""
    webs = [f"{stack.name}-web{n}" for n in range(1, REPLICAS + 1)]
    ids = {docker("inspect", web, "--format", "{{slice .Id 0 12}}") for web in webs}
    assert hosts(secure, REPLICAS) == ids
    assert certificates.served(secure) == certificates.fingerprint((stack.folder / "site.pem").read_bytes())
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=10)
    connection.request("GET", "/x?y=1", headers={"Host": "df.example.com"})
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Location")) == (308, f"https://df.example.com:{secure}/x?y=1")
    connection.close()
    # HAProxy itself does not go on as root, though its certificate is root's alone.
    users = docker("top", f"{stack.name}-lb", "-eo", "uid,pid").splitlines()[1:]
    assert {user.split()[0] for user in users} - {"0"}, users
    kept = stack.ok("key", "show").strip()
    for web in webs:
        env = json.loads(docker("inspect", web, "--format", "{{json .Config.Env}}"))
        assert f"APP_KEY={kept}" in env
        assert docker("inspect", web, "--format", "{{.HostConfig.RestartPolicy.Name}}") == "unless-stopped"
    assert sql(stack, "SELECT word FROM kept") == "still here"


def test_it_tells_no_secret_and_writes_over_nothing(stack: Stack, secure: int) -> None:
    kept = stack.ok("key", "show").strip()
    again = stack.run("export", "compose", "--output", "compose")
    assert again.returncode == 1
    assert "is there already; nothing was written" in again.stderr
    fresh = stack.run("export", "compose", "--output", "more")
    assert fresh.returncode == 0
    assert kept not in fresh.stdout + fresh.stderr
    for path in (stack.folder / "more").iterdir():
        assert (kept in path.read_text()) == (path.name == ".env"), path
        assert ("PRIVATE KEY" in path.read_text()) == (path.name == "site.pem"), path
        if path.name in (".env", "site.pem"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    plain = stack.file.read_text()
    stack.file.write_text("".join(line for line in plain.splitlines(keepends=True) if not line.startswith("  tls:")))
    stack.ok("export", "compose", "--output", "plain")
    stack.file.write_text(plain)
    read = run("docker-compose", "config", cwd=stack.folder / "plain")
    assert "site.pem" not in read
    assert str(secure) not in read


def test_compose_reads_it_and_brings_the_stack_up(stack: Stack, secure: int) -> None:
    folder = stack.folder / "compose"
    run("docker-compose", "up", "-d", cwd=folder)
    assert_it_is_the_stack(stack, secure)
    env = docker("inspect", f"{stack.name}-setup", "--format", "{{json .Config.Env}}")
    assert "ADMIN_PASSWORD" not in env
    run("docker-compose", "down", cwd=folder)
    assert {line.split()[0] for line in left_of(stack.name)} == {"volume"}


def test_a_swarm_file_is_one_that_a_loader_reads(stack: Stack) -> None:
    # Debian's docker client has no `stack config`; docker-compose has the same loader's schema.
    read = run("docker-compose", "-f", "stack.yaml", "config", cwd=stack.folder / "swarm")
    assert "endpoint_mode: dnsrr" in read


def test_the_script_brings_it_up_and_leaves_nothing_behind(stack: Stack, secure: int) -> None:
    # The last one: it takes the data with it.
    folder = stack.folder / "docker"
    script = f"./{stack.name}.sh"
    shown = run(script, "up", cwd=folder)
    assert_it_is_the_stack(stack, secure)
    # Run again, with a container gone and another stopped, it starts what is missing.
    docker("rm", "-f", f"{stack.name}-web1")
    docker("stop", f"{stack.name}-lb")
    shown += run(script, "up", cwd=folder)
    assert_it_is_the_stack(stack, secure)
    kept = stack.ok("key", "show").strip()
    shown += run(script, "down", "--volumes", cwd=folder)
    assert kept not in shown
    assert left_of(stack.name) == []
