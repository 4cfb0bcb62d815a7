"""Whose word about a client the balancer believes: nobody's, unless the stack file names the peer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from dftui.balancer.link import write_config
from dftui.balancer.records import RawRequest
from dftui.engine.api import Engine
from tests.engine.balancer_rig import Answer, Rig, rig, until

CLAIMS = ("X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 203.0.113.9", "X-Request-ID: order-66")


@pytest.fixture
async def lb(engine: Engine, stack_name: str, subnet: str, free_port: int) -> AsyncIterator[Rig]:
    async with rig(engine, stack_name, subnet, free_port) as made:
        yield made


async def ask(lb: Rig, path: str, *headers: str) -> tuple[Answer, RawRequest]:
    """One request, and the balancer's record of it."""
    answer = await lb.get(path, headers=headers)

    async def recorded() -> bool:
        return any(r.path == path for r in lb.records)

    await until(recorded)
    return answer, next(r for r in lb.records if r.path == path)


async def test_only_a_named_proxy_is_believed_now_and_after_a_restart(lb: Rig) -> None:
    await lb.start(1)
    await lb.listen()
    # What comes to the published port from this machine comes from the network's gateway.
    gateway = lb.address(1)

    answer, record = await ask(lb, "/nobody", *CLAIMS)
    got = answer.json()
    assert (got["forwarded_count"], got["forwarded"], record.client) == (1, gateway, gateway)
    assert got["id"] == record.id != "order-66"

    await lb.link.trust(("192.0.2.0/24", f"{gateway}/32"))
    answer, record = await ask(lb, "/named", *CLAIMS)
    got = answer.json()
    assert (got["forwarded_count"], got["forwarded"]) == (3, gateway), "the peer is appended to what it said"
    assert record.client == "203.0.113.9"
    assert got["id"] == record.id == "order-66"
    assert "x-request-id: order-66" in answer.headers

    # Behind a second proxy that is trusted too, the client is the one before it; a header that lies is no address.
    _, record = await ask(lb, "/two", "X-Forwarded-For: 203.0.113.9, 192.0.2.7")
    assert record.client == "203.0.113.9"
    for number, header in enumerate(
        ("X-Forwarded-For: \x1b[31m\"'", 'X-Request-ID: a b"c', "X-Request-ID: " + "x" * 65)
    ):
        answer, record = await ask(lb, f"/lie{number}", header)
        assert record.client == gateway
        assert len(record.id) == 36

    assert lb.link.ring.malformed == 0

    await write_config(lb.engine, lb.balancer, lb.config(trusted_proxies=(gateway,)))
    await lb.engine.restart(lb.balancer, timeout=1)
    await lb.until_up(*lb.servers)

    async def heard() -> bool:
        await lb.get("/hello")
        return any(r.path == "/hello" and r.boot == lb.records[-1].boot for r in lb.records[-2:])

    await until(heard)
    _, record = await ask(lb, "/again", *CLAIMS)
    assert record.client == "203.0.113.9"
    await lb.link.trust(())
    _, record = await ask(lb, "/no-more", *CLAIMS)
    assert record.client == gateway
