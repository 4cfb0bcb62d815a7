"""The balancer for real: HAProxy in a container, changed while clients use it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from dftui.balancer.config import BACKEND, CONFIG_PATH, BalancerConfig, Server, endpoint, render
from dftui.balancer.errors import BalancerError, BalancerGone, UnknownServer
from dftui.balancer.link import BalancerLink, check_tools, read_config, write_config
from dftui.engine.api import Attachment, ContainerSpec, Engine, File, NetworkSpec
from dftui.stack.names import LABEL_STACK
from tests.engine.balancer_rig import Rig, rig, until
from tests.load import Load, Plan


@pytest.fixture
async def lb(engine: Engine, stack_name: str, subnet: str, free_port: int) -> AsyncIterator[Rig]:
    async with rig(engine, stack_name, subnet, free_port) as made:
        yield made


async def test_a_server_gets_nothing_before_its_check_has_passed(lb: Rig) -> None:
    await lb.start(1)
    sick = await lb.web(2, well=False)
    await lb.link.add(sick)

    async def checked() -> bool:
        assert (await lb.get("/x")).json()["host"] == lb.servers[0].name
        state = await lb.link.server(sick.name)
        return state.check_code == 503 and "503" in state.check_why

    await until(checked)
    for _ in range(50):
        assert (await lb.get("/x")).json()["host"] == lb.servers[0].name
    state = await lb.link.server(sick.name)
    assert (state.status, state.attempts, state.requests) == ("DOWN", 0, 0)

    assert not await lb.link.let_in(sick.name)
    assert await lb.link.let_in(lb.servers[0].name)

    await lb.heal(sick)
    await lb.until_up(sick)
    assert await lb.link.let_in(sick.name)
    assert {str((await lb.get("/x")).json()["host"]) for _ in range(4)} == {lb.servers[0].name, sick.name}
    await lb.link.add(sick)  # there already, with the same address: left alone
    assert (await lb.link.server(sick.name)).serving
    with pytest.raises(BalancerError, match="already"):
        await lb.link.add(Server(sick.name, lb.address(99), 80, sick.replica))


async def test_who_listens_is_seen_from_the_balancer(lb: Rig) -> None:
    await lb.start(1)
    web = lb.servers[0]
    assert await lb.link.shell.reach(endpoint(web))
    assert not await lb.link.shell.reach(f"{web.address}:81")
    assert not await lb.link.shell.reach(f"{lb.address(99)}:80")  # nobody has that address
    assert await lb.link.shell.reach(endpoint(web))


async def test_servers_come_and_go_under_load_without_a_failed_request(lb: Rig) -> None:
    await lb.start(3)
    first, second, third = lb.servers
    await lb.listen()
    for server in lb.servers:
        assert (await lb.link.server(server.name)).serving
    plan = Plan(
        port=lb.port,
        rate=400,
        connections=24,
        fresh=0.2,
        posts=0.2,
        slow=0.02,
        path="/api",
        post_path="/api",
        slow_path="/slow",
    )
    before = await lb.link.frontend()
    started = len(lb.records)
    with Load(plan) as load:

        async def flowing(count: int) -> None:
            start = len(lb.records)

            async def came() -> bool:
                return len(lb.records) >= start + count

            await until(came, why="the load does not flow")

        await flowing(400)
        # A drain, and its undo.
        await lb.link.drain(second.name)
        assert (await lb.link.server(second.name)).admin == "drain"
        await flowing(200)
        held = (await lb.link.server(second.name)).attempts
        await flowing(200)
        assert (await lb.link.server(second.name)).attempts == held, "a draining server got new requests"
        await lb.link.ready(second.name)
        await flowing(200)
        assert (await lb.link.server(second.name)).attempts > held

        for number in (4, 5):
            new = await lb.web(number)
            await lb.link.add(new)
            lb.servers.append(new)
            await lb.until_up(new)
            await flowing(200)
        await lb.remove(first)
        await flowing(200)
        await lb.remove(lb.servers[-1])
        await flowing(200)
        tally = load.stop()

    assert dict(tally.failed) == {}
    assert tally.sent > 1500

    async def all_heard() -> bool:
        return len(lb.records) - started >= tally.ok

    await until(all_heard, why=f"{len(lb.records) - started} records of {tally.ok} requests")
    after = await lb.link.frontend()
    assert after.requests - before.requests == tally.sent
    assert after.failed == before.failed
    assert (lb.link.ring.lost, lb.link.ring.malformed) == (0, 0)
    # Three books that were kept apart agree: the client's, the ring's, and the servers' counters with the last
    # ones of those that are gone.
    mine = [r for r in lb.records[started:] if r.path in ("/api", "/slow")]
    assert Counter(r.server for r in mine) == tally.hosts
    assert sum(r.weight for r in mine) == tally.sent
    counters = {s.name: s.requests for s in (*await lb.link.servers(), *lb.gone.values())}
    every = Counter(r.server for r in lb.records)
    assert all(counters[name] >= count for name, count in every.items())
    assert sum(counters.values()) >= tally.sent
    assert third.name in tally.hosts and len(tally.hosts) == 5


async def test_a_restarted_balancer_comes_up_with_every_server(lb: Rig) -> None:
    await lb.start(1)
    listening = await lb.listen()
    for number in (2, 3):
        new = await lb.web(number)
        await lb.link.add(new)
        lb.servers.append(new)
    await lb.until_up(*lb.servers)
    await lb.link.write_config(lb.config())
    marked = await read_config(lb.engine, lb.balancer)
    assert marked is not None and marked.whole
    assert await lb.link.marked() == marked
    assert (marked.wanted, marked.servers, marked.stack) == (3, tuple(lb.servers), lb.stack)

    await lb.engine.restart(lb.balancer, timeout=1)
    await lb.until_up(*lb.servers)  # the same link, which found the new process by itself
    assert {str((await lb.get("/x")).json()["host"]) for _ in range(6)} == {s.name for s in lb.servers}
    seen = len(lb.records)

    async def heard_again() -> bool:
        await lb.get("/again")
        return len(lb.records) > seen

    await until(heard_again)
    assert lb.link.ring.restarts == 1
    assert not listening.done()

    # What was in the file can be taken out at run time as well.
    assert await lb.link.delete(lb.servers[0].name) is not None
    assert await lb.link.delete(lb.servers[0].name) is None
    with pytest.raises(UnknownServer):
        await lb.link.drain(lb.servers[0].name)
    await lb.link.command(f"set server {BACKEND}/{lb.servers[1].name} state maint")
    assert (await lb.link.server(lb.servers[1].name)).admin == "maint"
    await lb.link.ready(lb.servers[1].name)
    await lb.until_up(lb.servers[1])


async def test_after_a_reload_by_somebody_else_the_new_worker_is_spoken_to(lb: Rig) -> None:
    """The old worker goes on answering on the connections it has, as long as they last."""
    await lb.start(1)
    await lb.listen()
    await lb.link.table()
    lb.servers.append(await lb.web(2))
    await write_config(lb.engine, lb.balancer, lb.config())
    await lb.engine.kill(lb.balancer, "SIGUSR2")
    await lb.until_up(*lb.servers)
    await lb.link.drain(lb.servers[1].name)
    await lb.link.ready(lb.servers[1].name)
    seen = len(lb.records)

    async def heard_again() -> bool:
        await lb.get("/again")
        return len(lb.records) > seen

    await until(heard_again)


async def test_an_application_error_reaches_its_client_once(lb: Rig) -> None:
    await lb.start(2)
    await lb.listen()
    for method in ("GET", "PUT", "POST", "PATCH", "DELETE"):
        before = {s.name: s.attempts for s in await lb.link.servers()}
        answer = await lb.get("/five", method=method)
        assert answer.status == 500
        assert "count" in answer.json()
        after = {s.name: s.attempts for s in await lb.link.servers()}
        assert sum(after.values()) - sum(before.values()) == 1, f"{method} was sent more than once"
    table = await lb.link.table()
    assert (table.frontend.retries, table.frontend.redispatches, table.frontend.failed) == (0, 0, 5)
    assert sum(s.failed for s in table.servers) == 5

    async def heard() -> bool:
        return [r.status for r in lb.records if r.path == "/five"] == [500] * 5

    await until(heard)


async def test_what_clients_claim_about_themselves_is_replaced(lb: Rig) -> None:
    await lb.start(1)
    await lb.listen()
    lies = ("X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 7.7.7.7", "X-Request-ID: mine", "X-Dftui-Probe: n0nce")
    answer = await lb.get("/probe", headers=lies)
    got = answer.json()
    assert (got["forwarded_count"], got["id_count"], got["probe_count"]) == (1, 1, 0)
    assert "6.6.6.6" not in str(got["forwarded"]) and got["id"] != "mine"
    assert f"x-request-id: {got['id']}" in answer.headers
    await lb.get("/plain", headers=("X-Dftui-Probe: guessed",))

    async def both() -> bool:
        return {"/probe", "/plain"} <= {r.path for r in lb.records}

    await until(both)
    record = next(r for r in lb.records if r.path == "/probe")
    assert (record.id, record.probe, record.client) == (got["id"], True, got["forwarded"])
    assert (record.server, record.status, record.method) == (lb.servers[0].name, 200, "GET")
    assert not next(r for r in lb.records if r.path == "/plain").probe


async def test_hostile_requests_leave_records_that_can_be_read(lb: Rig) -> None:
    await lb.start(1)
    await lb.listen()
    nasty = (
        b'/a"b\\c?q="}{,',
        b"/%22%0d%0a%1b[31m%00",
        b"/[red]&'<>`|^",
        b"/\xc3\xa9\xe2\x82\xac",
        b"/\xff\xfe\xc0\x80",
        b"/\x1b]0;x\x07",
        b"/" + b'"' * 1500,
        b"/" + b"%" * 3000,
    )
    agents = (b'q"\\uD800\\', b"\x01\x1b[2J\x7f", b"\xf0\x9f\x98\x80\xff", b"\t'`" + b'"' * 400)
    for path in nasty:
        await lb.raw(b"GET " + path + b" HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
    for agent in agents:
        await lb.raw(b"GET /agent HTTP/1.1\r\nHost: t\r\nUser-Agent: " + agent + b"\r\nConnection: close\r\n\r\n")
    for whole in (
        b'"\r\n\r\n',
        b'G"T / HTTP/1.1\r\nHost: t\r\n\r\n',
        b"GET / HTTP/9\r\n\r\n",
        b"\x16\x03\x01\r\n\r\n",
    ):
        await lb.raw(whole)
    await lb.get("/end")

    async def ended() -> bool:
        return any(r.path == "/end" for r in lb.records)

    await until(ended)
    ring = lb.link.ring
    assert (ring.malformed, ring.lost) == (0, 0)
    assert sum(r.path == "/end" for r in lb.records) == 1, "a request forged a record"
    paths = [r.path for r in lb.records]
    assert '/a"b\\c?q="}{,' in paths or any(r.status == 400 for r in lb.records)
    assert "/[red]&'<>`|^" in paths or any(r.status == 400 for r in lb.records)
    assert all(len(r.path) <= 1100 and len(r.agent) <= 140 for r in lb.records)


async def test_a_killed_backend_costs_no_get_and_is_seen_at_once(lb: Rig) -> None:
    await lb.start(4)
    await lb.listen()
    victim = lb.servers[1]
    with Load(Plan(port=lb.port, rate=300, connections=16, fresh=0.2, posts=0.0, path="/api")) as load:

        async def flows() -> bool:
            return len(lb.records) > 300

        await until(flows)
        await lb.engine.kill(victim.replica)

        async def seen_down() -> bool:
            return (await lb.link.server(victim.name)).status == "DOWN"

        await until(seen_down, timeout=5, why="the balancer did not notice")
        seen = len(lb.records)

        async def goes_on() -> bool:
            return len(lb.records) > seen + 300

        await until(goes_on)
        tally = load.stop()
    odd = [r for r in lb.records if r.status != 200 or r.termination != "--" or r.retries]
    assert dict(tally.failed) == {}, odd


async def test_a_forced_end_cuts_what_is_open_and_frees_the_server(lb: Rig) -> None:
    await lb.start(1)
    waiting = asyncio.create_task(lb.get("/slow", method="POST"))

    async def busy() -> bool:
        return (await lb.link.server(lb.servers[0].name)).sessions > 0

    await until(busy)
    last = await lb.link.delete(lb.servers[0].name)
    assert last is not None and last.attempts == 1
    with contextlib.suppress(OSError):
        assert (await waiting).status in (0, 502, 503)
    assert await lb.link.servers() == ()
    with pytest.raises(UnknownServer):
        await lb.link.cut(lb.servers[0].name)


async def test_setup_is_closed_in_every_spelling_and_without_a_reload(lb: Rig) -> None:
    await lb.start(1)
    paths = (
        "/setup",
        "/setup_db",
        "//setup",
        "/setup/",
        "/setup?x=1",
        "/%73etup",
        "/SETUP",
        "/setup%2f",
        "/index.php/setup",
        "/index.php//setup_db",
        "/./setup",
        "/a/../setup",
        "/a/..//%73etup_db/",
        "http://t/setup",
    )
    for path in paths:
        assert (await lb.get(path)).status == 200, path
    await lb.link.close_setup(True)
    for path in paths:
        for method in ("GET", "POST"):
            answer = await lb.get(path, method=method)
            assert answer.status == 403, (method, path)
    assert "administrator" in json.dumps(answer.json())
    for path in ("/", "/setupx", "/api/v2/db/_table/setup", "/api/v2/setup", "/x?/setup"):
        assert (await lb.get(path)).status == 200, path
    # It is in the file too, for the next start.
    await write_config(lb.engine, lb.balancer, lb.config(deny_setup=True))
    await lb.engine.restart(lb.balancer, timeout=1)
    await lb.until_up(*lb.servers)
    assert (await lb.get("/setup")).status == 403
    await lb.link.close_setup(False)
    assert (await lb.get("/setup")).status == 200


async def test_no_backend_is_said_in_json(lb: Rig) -> None:
    await lb.start(1)
    await lb.link.command(f"set server {BACKEND}/{lb.servers[0].name} state maint")
    answer = await lb.get("/x")
    assert answer.status == 503
    assert "application/json" in answer.headers
    assert "No replica" in str(answer.json()["error"])
    assert (await lb.link.frontend()).failed == 1


async def test_latency_is_that_of_the_time_since_the_last_call(lb: Rig) -> None:
    await lb.start(2)
    await lb.link.latencies()
    assert dict(await lb.link.latencies()) == {}
    await asyncio.gather(*(lb.get("/slow") for _ in range(10)))
    found = await lb.link.latencies()
    assert set(found) == {s.name for s in lb.servers}
    assert sum(one.count for one in found.values()) == 10
    assert all(200 <= one.p50_ms <= 1000 and one.p50_ms <= one.p95_ms for one in found.values())
    for _ in range(10):
        await lb.get("/x")
    assert all(one.p95_ms < 200 for one in (await lb.link.latencies()).values())


async def test_above_a_rate_one_in_so_many_is_recorded_and_says_so(lb: Rig) -> None:
    await lb.start(1, full_rate=40, sample=5)
    await lb.listen()
    (server,) = await lb.link.servers()
    before = (await lb.link.frontend()).requests
    with Load(Plan(port=lb.port, rate=400, connections=16, fresh=0.0, posts=0.0, path="/api", seconds=4)) as load:
        tally = load.wait()
    assert dict(tally.failed) == {}
    # However few are recorded singly, the counters are exact.
    assert (await lb.link.server(server.name)).requests - server.requests == tally.sent

    async def slow_again() -> bool:
        await asyncio.sleep(0.1)
        await lb.get("/end")
        return any(r.path == "/end" and r.weight == 1 for r in lb.records)

    await until(slow_again)
    mine = [r for r in lb.records if r.path == "/api"]
    assert {r.weight for r in mine} == {1, 5}
    assert len(mine) < tally.sent / 2
    assert 0.6 * tally.sent < sum(r.weight for r in mine) < 1.4 * tally.sent
    assert lb.link.ring.lost == 0, "what was left out on purpose is not lost"
    assert (await lb.link.frontend()).requests - before >= tally.sent


async def test_commands_from_many_at_once_do_not_get_each_others_replies(lb: Rig) -> None:
    await lb.start(1)

    async def ask(number: int) -> None:
        if number % 2:
            assert (await lb.link.command("show info")).startswith("Name: HAProxy")
        else:
            assert (await lb.link.command("show servers state web")).startswith("1\n# be_id")

    await asyncio.gather(*(ask(n) for n in range(40)))
    # One that is cancelled half-way leaves no reply behind for the next.
    task = asyncio.create_task(lb.link.command("show info"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert "be_id" in await lb.link.command("show servers state web")
    for bad in ("show info; show stat", "show info\nshow stat", "set x <<\n", "", "a\x00", "é"):
        with pytest.raises(BalancerError):
            await lb.link.command(bad)


async def test_a_configuration_of_three_hundred_servers_is_valid(lb: Rig) -> None:
    await lb.start(1)
    servers = tuple(Server(f"{n:012x}", f"10.9.{n // 200}.{n % 200 + 1}", 80, f"df-web{n}") for n in range(1, 301))
    for balance in ("roundrobin", "leastconn", "random", "source"):
        cfg = BalancerConfig("df", 300, servers, balance=balance, health_path="/a?b=c&d=%20", deny_setup=True)
        await lb.engine.put_file(lb.balancer, File("/var/lib/haproxy/try.cfg", render(cfg).encode()))
        done = await lb.engine.exec(lb.balancer, ("haproxy", "-c", "-f", "/var/lib/haproxy/try.cfg"))
        assert done.exit_code == 0, (balance, done.stderr[-500:], done.stdout[-500:])
        assert b"WARNING" not in done.stdout + done.stderr, (done.stdout, done.stderr)


async def test_an_image_without_socat_is_told(engine: Engine, stack_name: str, subnet: str, tiny_image: str) -> None:
    labels = {LABEL_STACK: stack_name}
    name = f"{stack_name}-lb"
    link = BalancerLink(engine, name)
    with pytest.raises(BalancerGone, match="does not exist"):
        await link.command("show info")
    await engine.create_network(NetworkSpec(f"{stack_name}-front", labels, subnet))
    spec = ContainerSpec(
        name=name,
        image=tiny_image,
        labels=labels,
        command=("sleep", "1000"),
        networks=(Attachment(f"{stack_name}-front"),),
        restart="no",
    )
    await engine.start(await engine.create(spec))
    with pytest.raises(BalancerGone, match="no socat") as told:
        await link.command("show info")
    assert "bundled" in told.value.hint
    with pytest.raises(BalancerGone, match="no socat"):
        await check_tools(engine, name)
    await link.close()
    assert await read_config(engine, name) is None
    assert CONFIG_PATH.startswith("/usr/local/etc/")
