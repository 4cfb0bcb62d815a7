"""HTTPS in the balancer of a real stack: served, sent on to, kept to itself, and renewed while requests come in."""

from __future__ import annotations

import http.client
import json
import urllib.request
from collections.abc import Iterator

import pytest

from dftui.balancer.tls import CERTIFICATE_PATH
from tests.certificates import Asking, context, pair, served, write
from tests.leases import a_port
from tests.stacks import Stack, docker
from tests.tinyweb import text, tiny_image


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with a_port() as found:
        yield found


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("tls")
    secure = f"  tls: {{cert: site.pem, key: site.key, publish: '127.0.0.1:{port}'}}\n"
    with Stack(folder, secure + text(tiny_image(), 2, "  kind: plain\n  start_timeout: 60\n")) as found:
        write(found.folder, pair())
        found.ok("up")
        yield found


def test_it_is_served_and_the_web_is_told(stack: Stack, port: int) -> None:
    url = stack.json("status")["url"]
    assert url == f"https://127.0.0.1:{port}"
    with urllib.request.urlopen(f"{url}/", timeout=10, context=context()) as answer:
        assert json.load(answer)["proto"] == "https"


@pytest.mark.parametrize(("host", "name"), [("df.example.com:8080", "df.example.com"), ("[::1]:80", "[::1]")])
def test_http_is_sent_on_with_its_path(stack: Stack, port: int, host: str, name: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=10)
    connection.request("POST", "/api/v2/x?y=1&z=2", headers={"Host": host, "X-Forwarded-Proto": "https"})
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Location")) == (308, f"https://{name}:{port}/api/v2/x?y=1&z=2")
    connection.close()


def test_dftuis_own_questions_still_reach_the_replicas(stack: Stack) -> None:
    assert len(stack.json("probe", "-n", "6")["hosts"]) == 2
    assert stack.json("verify")["ok"]


def test_the_key_is_haproxys_alone(stack: Stack) -> None:
    name = f"{stack.name}-lb"
    found = docker("exec", "-u", "0", name, "stat", "-c", "%a %U", CERTIFICATE_PATH)
    assert found == "600 haproxy"
    key = (stack.folder / "site.key").read_text().splitlines()[1]
    assert key in docker("exec", name, "cat", CERTIFICATE_PATH)
    assert key not in docker("inspect", name)
    assert key not in docker("exec", name, "cat", "/usr/local/etc/haproxy/haproxy.cfg")
    assert not [path for path in (stack.folder / "state").rglob("*") if path.is_file() and key in path.read_text()]


def test_a_pair_that_is_none_changes_nothing(stack: Stack, port: int) -> None:
    before, good = served(port), (stack.folder / "site.key").read_bytes()
    (stack.folder / "site.key").write_bytes(pair()[1])
    for command in ("up", "tls renew"):
        found = stack.run(*command.split())
        assert found.returncode == 1
        assert "is not the key of the certificate" in found.stderr
    assert "is not the key" in stack.json("tls")["files"]
    (stack.folder / "site.key").write_bytes(good)
    assert served(port) == before
    assert stack.json("tls")["files"] == "same"


def test_a_renewed_one_is_taken_up_and_no_request_is_lost(stack: Stack, port: int) -> None:
    with Asking(port) as clients:
        clients.until(40)
        old = served(port)
        new = write(stack.folder, pair(5))
        assert stack.json("tls")["files"] == "newer"
        assert stack.json("tls", "renew")["renewed"]
        assert served(port) == new
        clients.until(40)
        newest = write(stack.folder, pair(6))
        stack.ok("up")
        assert served(port) == newest
        clients.until(40)
    assert clients.failed == []
    assert {old, new, newest} == set(clients.shown)
    assert clients.kept > 0
    # 14 days before its end it is told.
    assert "ends in 5 days" in stack.ok("status")


def test_a_restarted_balancer_serves_the_renewed_one(stack: Stack, port: int) -> None:
    newest = served(port)
    docker("restart", f"{stack.name}-lb")
    stack.wait_serving(2)
    assert served(port) == newest
    assert docker("exec", "-u", "0", f"{stack.name}-lb", "stat", "-c", "%a %U", CERTIFICATE_PATH) == "600 haproxy"


def test_it_is_taken_away_and_given_again_by_the_stack_file_alone(stack: Stack, port: int) -> None:
    secure = stack.file.read_text()
    plain = "".join(line for line in secure.splitlines(keepends=True) if not line.startswith("  tls:"))
    stack.file.write_text(plain)
    found = stack.run("plan", "--json")
    assert (found.returncode, [change["why"][0][:4] for change in json.loads(found.stdout)["changes"]]) == (
        4,
        ["tls:"],
    )
    stack.ok("up")
    with urllib.request.urlopen(f"http://127.0.0.1:{stack.port}/", timeout=10) as answer:
        assert answer.status == 200
    with pytest.raises(OSError):
        served(port)
    stack.file.write_text(secure)
    new = write(stack.folder, pair())
    stack.ok("up")
    assert served(port) == new
