"""The headless commands on a real stack: one stack for all tests here, three replicas before and after each."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.ledgers import kept
from tests.load import Load, Plan
from tests.stacks import Stack, docker, write_line

HEX12 = re.compile(r"[0-9a-f]{12}")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("cli")) as found:
        found.ok("up")
        yield found
        found.ok("down", "--volumes", "--yes")
        assert found.left() == []


def get(stack: Stack, path: str = "/status") -> str:
    with urllib.request.urlopen(f"{stack.url}{path}", timeout=10) as answer:
        body: str = answer.read().decode()
        return body


def test_status_is_the_contract(stack: Stack) -> None:
    found = stack.json("status")
    assert found["stack"] == stack.name
    assert found["engine"]["kind"] == "docker"
    assert found["wanted"] == 3
    assert found["url"] == stack.url
    assert set(found["images"]) == {"web", "db", "cache", "balancer", "source"}
    for role, name in (("db", "mysql"), ("cache", "redis"), ("balancer", "lb")):
        assert found[role]["name"] == f"{stack.name}-{name}"
        assert HEX12.fullmatch(found[role]["id"])
        assert found[role]["state"] == "running"
    assert [web["name"] for web in found["web"]] == [f"{stack.name}-web{n}" for n in (1, 2, 3)]
    for web in found["web"]:
        assert web["state"] == "serving"
        assert web["host"] == web["id"] == docker("inspect", web["name"], "--format", "{{.Config.Hostname}}")
    assert len({web["key"] for web in found["web"]}) == 1
    assert found["drift"] == []
    # The data tier, through the engine alone; numbers for programs, words for people.
    assert found["admin"] == "ready"
    assert found["db"]["values"]["connections"] >= 1
    assert found["db"]["values"]["size_bytes"] > 100_000
    assert found["cache"]["values"]["memory_bytes"] > 100_000
    assert {"hits", "misses", "evicted_keys", "clients"} <= set(found["cache"]["values"])
    assert {"connections", "slow", "size"} <= set(found["db"]["figures"])
    for name in ("mysql", "redis"):
        assert docker("port", f"{stack.name}-{name}") == "", "nothing of it is published"


def test_stats_measures_what_is_there(stack: Stack) -> None:
    with Load(Plan(stack.port, rate=60, fresh=0.2, posts=0, path="/up")):
        found = stack.json("stats", "--seconds", "11")
    assert found["requests_per_second"] > 0
    assert found["p95_ms"] > 0
    assert [web["name"] for web in found["web"]] == [f"{stack.name}-web{n}" for n in (1, 2, 3)]
    assert all(web["requests_per_second"] > 0 for web in found["web"])
    assert all(one["memory_bytes"] > 1 << 20 for one in (*found["web"], *found["services"]))
    assert found["memory_bytes"] == sum(one["memory_bytes"] for one in (*found["web"], *found["services"]))
    curve = found["history"]["requests_per_second"]
    assert curve
    assert curve[-1] > 0


def test_up_again_changes_nothing(stack: Stack) -> None:
    before = docker("ps", "-a", "--filter", f"label=dftui.stack={stack.name}", "--format", "{{.ID}} {{.CreatedAt}}")
    assert [web["state"] for web in stack.json("up")["web"]] == ["serving"] * 3
    assert before == docker(
        "ps", "-a", "--filter", f"label=dftui.stack={stack.name}", "--format", "{{.ID}} {{.CreatedAt}}"
    )


def test_scaling_under_load_loses_nothing_and_says_so(stack: Stack) -> None:
    plan = Plan(stack.port, rate=150, fresh=0.2, posts=0.1, path="/up", post_path="/up")
    try:
        with Load(plan) as load:
            up = stack.json("scale", "+2")
            assert (up["from"], up["to"]) == (3, 5)
            assert sorted(up["added"]) == [f"{stack.name}-web4", f"{stack.name}-web5"]
            assert len(stack.serving()) == 5
            down = stack.json("scale", "-1")
            assert (down["from"], down["to"], len(down["removed"])) == (5, 4, 1)
            assert [one["name"] for one in down["receipt"]["drained"]] == down["removed"]
            assert [one["sessions_left"] for one in down["receipt"]["drained"]] == [0]
            back = stack.json("scale", "3")
            tally = load.stop()
    finally:
        # Whatever happened here, the other tests find three.
        stack.run("scale", "3")
    for receipt in (up["receipt"], down["receipt"], back["receipt"]):
        assert receipt["requests"] > 0
        assert receipt["failed"] == 0
    assert tally.failed == Counter()
    assert tally.ok == tally.sent > 100
    assert stack.json("status")["wanted"] == 3


def test_what_leaves_too_few_is_refused(stack: Stack) -> None:
    found = stack.run("scale", "-3")
    assert found.returncode == 1
    assert "web.min" in found.stderr
    assert len(stack.serving()) == 3


def test_probe_shows_three_hosts_three_times_each(stack: Stack) -> None:
    found = stack.json("probe", "-n", "9")
    hosts = {web["host"]: web["name"] for web in stack.json("status")["web"]}
    assert found["hosts"] == dict.fromkeys(hosts, 3) or sorted(found["hosts"].values()) == [3, 3, 3]
    assert set(found["hosts"]) == set(hosts)
    assert all(row["status"] == 200 and row["replica"] == hosts[row["host"]] for row in found["rows"])


def test_requests_name_the_replica_that_served_each(stack: Stack) -> None:
    mark = f"/up?mark={time.time_ns()}"
    for _ in range(6):
        get(stack, mark)
    lines = [json.loads(line) for line in stack.ok("requests", "--json", "-n", "100").splitlines()]
    hosts = {web["host"]: web["name"] for web in stack.json("status")["web"]}
    mine = [line for line in lines if line["path"].startswith("/up?mark=")][-6:]
    assert len(mine) == 6
    assert {line["host"] for line in mine} == set(hosts)
    for line in mine:
        assert line["replica"] == hosts[line["host"]]
        assert (line["method"], line["status"], line["probe"]) == ("GET", 200, False)
        assert mark.partition("=")[2] not in line["path"]


def test_requests_are_followed_as_they_happen(stack: Stack) -> None:
    mark = f"/up/{time.time_ns()}"

    def ask() -> None:
        with contextlib.suppress(urllib.error.HTTPError):
            get(stack, mark)

    with stack.follow("requests", "-f", "-n", "0", "--json") as follower:
        found = follower.until(lambda line: line["path"] == mark, ask)
        assert found["host"] in {web["host"] for web in stack.json("status")["web"]}
    assert follower.code == 128 + 15
    assert follower.errors == ""


def test_requests_are_filtered_by_words(stack: Stack) -> None:
    with contextlib.suppress(urllib.error.HTTPError):
        get(stack, "/filtered-for")
    get(stack, "/up")
    lines = [
        json.loads(line) for line in stack.ok("requests", "--json", "--filter", "4xx filtered !probe").splitlines()
    ]
    assert {(line["path"], line["status"]) for line in lines} == {("/filtered-for", 404)}
    assert stack.ok("requests", "--filter", "nowhere-at-all") == ""


def test_the_ledger_the_balancer_and_the_client_count_the_same(stack: Stack) -> None:
    books = kept(stack, 3000, 300)
    assert books.failed == Counter()
    assert books.sent == 3000
    assert len(books.client) == 3
    assert books.ledger == books.client
    assert books.ledger_in_all == books.balancer


def test_logs_are_merged_in_time_order_and_masked(stack: Stack) -> None:
    lines = [json.loads(line) for line in stack.ok("logs", "--json").splitlines()]
    assert {line["who"] for line in lines} == {
        f"{stack.name}-{name}" for name in ("mysql", "redis", "lb", "web1", "web2", "web3")
    }
    times = [line["time"] for line in lines]
    assert times == sorted(times)
    key = stack.ok("key", "show").strip()
    everything = "\n".join(line["text"] for line in lines)
    assert len(key) >= 32
    assert key not in everything
    assert "Setting APP_KEY=***" in everything


def test_logs_of_one_with_tail_grep_and_timestamps(stack: Stack) -> None:
    out = stack.ok("logs", "1", "--tail", "5", "--timestamps")
    lines = out.splitlines()
    assert 1 <= len(lines) <= 5
    assert all(re.match(rf"{stack.name}-web1 +\| \d{{4}}-\d\d-\d\dT\d\d:", line) for line in lines)
    everything = stack.ok("logs", "web").splitlines()
    found = stack.ok("logs", "web", "--grep", "APP_KEY").splitlines()
    assert found == [line for line in everything if "APP_KEY" in line]
    others = stack.ok("logs", "web", "--grep", "APP_KEY", "--invert").splitlines()
    assert sorted(found + others) == sorted(everything)
    assert stack.ok("logs", "--since", "2030-01-01") == stack.ok("logs", "--until", "2020-01-01") == ""
    file = stack.folder / "saved.log"
    assert stack.ok("logs", "web", "--grep", "APP_KEY", "--output", str(file)) == ""
    assert file.read_text().splitlines() == found
    assert file.stat().st_mode & 0o777 == 0o600
    assert stack.run("logs", "--output", str(file)).returncode == 1


def test_logs_follow_names_who_wrote(stack: Stack) -> None:
    name = f"{stack.name}-redis"
    words = f"marked {time.time_ns()}"

    def write() -> None:
        write_line(name, words)

    with stack.follow("logs", "-f", "--tail", "0", "cache", "--json") as follower:
        follower.number = signal.SIGINT
        found = follower.until(lambda line: words in line["text"], write)
        assert found["who"] == name
    assert follower.code == 130
    assert "Traceback" not in follower.errors


def test_a_replica_is_drained_and_serves_again(stack: Stack) -> None:
    stack.ok("drain", "2")
    assert stack.serving() == [f"{stack.name}-web1", f"{stack.name}-web3"]
    state = {web["name"]: web["state"] for web in stack.json("status")["web"]}
    assert state[f"{stack.name}-web2"] in ("draining", "drained")
    stack.ok("undrain", f"{stack.name}-web2")
    stack.wait_serving(3)


def test_who_follows_a_log_is_told_of_a_drain_and_its_end(stack: Stack) -> None:
    name = f"{stack.name}-web2"
    turns = itertools.cycle(("drain", "undrain"))

    def turn() -> None:
        # The state before the first look at the balancer is no news: again, until one was seen.
        stack.ok(next(turns), "2")

    with stack.follow("logs", "-f", "--tail", "0", "2", "--json") as follower:
        drained = follower.until(lambda line: line["text"] == f"{name} is drained", turn)
        assert (drained["who"], drained["kind"]) == (name, "event")
        stack.ok("undrain", "2")
        assert follower.until(lambda line: line["text"] == f"{name} serves again", lambda: None)
    stack.wait_serving(3)


def test_who_is_not_there_is_named_with_who_is(stack: Stack) -> None:
    for argv, code in ((("drain", "9"), 1), (("logs", "nobody"), 2)):
        found = stack.run(*argv)
        assert found.returncode == code
        assert f"{stack.name}-web1" in found.stderr


def test_status_watch_tells_each_change(stack: Stack) -> None:
    name = f"{stack.name}-web3"

    def drained(status: dict[str, Any]) -> bool:
        return {web["name"]: web["state"] for web in status["web"]}.get(name) in ("draining", "drained")

    with stack.follow("status", "--watch", "--json") as follower:
        assert follower.until(lambda status: status["wanted"] == 3, lambda: None)
        stack.ok("drain", "3")
        try:
            assert follower.until(drained, lambda: None)
        finally:
            stack.ok("undrain", "3")
    stack.wait_serving(3)


def test_images_says_what_is_there(stack: Stack) -> None:
    found = stack.json("images", "list")["images"]
    assert {row["role"] for row in found} == {"web", "db", "cache", "balancer"}
    assert any(row["present"] for row in found)


def test_a_reader_that_leaves_ends_the_stream(stack: Stack) -> None:
    command = subprocess.list2cmdline(stack.argv("logs"))
    found = subprocess.run(
        f"{command} | head -n 1", shell=True, capture_output=True, text=True, env=stack.env, timeout=60, check=False
    )
    assert found.stdout.count("\n") == 1
    assert found.stderr == ""
