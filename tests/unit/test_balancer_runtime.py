"""The runtime conversation against a scripted HAProxy: framing, reopening, refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from dftui.balancer.config import Server
from dftui.balancer.errors import BalancerError, BalancerGone, UnknownServer
from dftui.balancer.link import BalancerLink
from dftui.balancer.runtime import Session, check_command, why_gone
from dftui.engine.api import Engine, EngineUnreachable

Script = Callable[[str], str | None]


class Talk:
    """A stream whose other side answers each line by `script`; None ends it. Replies come in pieces of `size`."""

    def __init__(self, script: Script, size: int = 7, stderr: bytes = b"") -> None:
        self.script, self.size, self.err = script, size, stderr
        self.lines: list[str] = []
        self.pieces: list[int] = []
        self.out: asyncio.Queue[bytes] = asyncio.Queue()
        self.closed = False

    async def read(self, limit: int = 65536) -> bytes:
        return await self.out.get()

    async def write(self, data: bytes) -> None:
        if self.closed:
            raise EngineUnreachable("the stream has ended")
        assert data.endswith(b"\n")
        self.pieces.append(data.count(b"\n"))
        whole = b""
        for line in data.decode().splitlines():
            self.lines.append(line)
            if line.startswith("show events"):
                return
            reply = "" if line == "prompt" else self.script(line)
            if reply is None:
                self.out.put_nowait(b"")
                return
            whole += f"{reply}\n> ".encode()
        for start in range(0, len(whole), self.size):
            self.out.put_nowait(whole[start : start + self.size])

    def stderr(self) -> bytes:
        return self.err

    async def close(self) -> None:
        self.closed = True
        self.out.put_nowait(b"")


class Streams:
    """As much of an engine as a link needs: each exec takes the next of `talks`."""

    def __init__(self, *talks: Talk) -> None:
        self.talks = list(talks)
        self.opened: list[Talk] = []

    async def exec_stream(self, ref: str, argv: tuple[str, ...]) -> Talk:
        if not self.talks:
            raise EngineUnreachable("no engine")
        self.opened.append(self.talks.pop(0))
        return self.opened[-1]

    def link(self) -> BalancerLink:
        return BalancerLink(cast(Engine, self), "df-lb")


@pytest.mark.parametrize("size", [1, 3, 1000])
async def test_a_reply_is_whole_however_it_is_cut(size: int) -> None:
    session = Session(Talk(lambda line: f"first {line}\n\n>not the end > \nlast\n", size))
    await session.start()
    for _ in range(3):
        assert await session.ask("show info") == "first show info\n\n>not the end > \nlast"


@pytest.mark.parametrize(
    "bad", ["a; b", "a\nb", "a\rb", "payload <<", "", "a\x00", "naïve", "x" * 5000, "a | b", "$(x)", 'a "b"']
)
def test_a_line_that_could_be_more_than_one_command_is_refused(bad: str) -> None:
    with pytest.raises(BalancerError):
        check_command(bad)


async def test_an_ended_stream_is_opened_again_and_the_command_repeated() -> None:
    count = 0

    def once(line: str) -> str | None:
        nonlocal count
        count += 1
        return "one" if count == 1 else None

    engine = Streams(Talk(once), Talk(lambda line: "two"))
    link = engine.link()
    assert await link.command("show info") == "one"
    assert await link.command("show info") == "two"
    assert len(engine.opened) == 2 and engine.opened[0].closed


async def test_a_balancer_that_is_away_is_an_error_and_then_found_again() -> None:
    engine = Streams(Talk(lambda line: None))
    link = engine.link()
    with pytest.raises(BalancerGone):
        await link.command("show info")
    engine.talks.append(Talk(lambda line: "back"))
    assert await link.command("show info") == "back"
    await link.close()
    with pytest.raises(BalancerGone, match="closed"):
        await link.command("show info")


async def test_a_cancelled_command_leaves_no_reply_for_the_next() -> None:
    held, fresh = Talk(lambda line: "one"), Talk(lambda line: f"reply to {line}")
    link = Streams(held, fresh).link()
    await link.command("first")

    asked = asyncio.Event()

    async def silent(data: bytes) -> None:
        held.out.put_nowait(b"half a reply")
        asked.set()

    held.write = silent  # type: ignore[method-assign]
    task = asyncio.create_task(link.command("second"))
    await asked.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert held.closed
    assert await link.command("third") == "reply to third"


async def test_silence_is_told_and_the_session_given_up() -> None:
    talk = Talk(lambda line: "x")
    session = Session(talk)
    await session.start()

    async def half(data: bytes) -> None:
        talk.out.put_nowait(b"half a reply")

    talk.write = half  # type: ignore[method-assign]
    with pytest.raises(BalancerGone, match=r"0\.05 s"):
        await session.ask("show info", timeout=0.05)
    with pytest.raises(BalancerGone, match="out of step"):
        await session.ask("show info")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('OCI runtime exec failed: exec: "socat": executable file not found in $PATH: unknown', "no socat"),
        ("2026/11/23 socat[7] E connect(…): Connection refused", "does not answer"),
        (
            'socat[7] E connect(, AF=1 "/var/lib/haproxy/admin.sock", 30): No such file or directory',
            "does not answer",
        ),
        ("Permission denied", "may not be opened"),
        ("", "ended"),
    ],
)
def test_why_there_is_no_conversation(said: str, told: str) -> None:
    error = why_gone(said)
    assert told in str(error) and error.hint


class Table:
    """A scripted HAProxy with servers; remembers the order of what was asked."""

    def __init__(self, **servers: str) -> None:
        self.servers = dict(servers)
        self.asked: list[str] = []
        self.refuse: dict[str, str] = {}
        self.busy = 0

    def __call__(self, line: str) -> str:
        self.asked.append(line)
        for start, reply in self.refuse.items():
            if line.startswith(start):
                return reply + "\n"
        words = line.split()
        name = words[2].removeprefix("web/") if len(words) > 2 else ""
        if line == "show info":
            return "Name: HAProxy\nVersion: 2.6.12-1\n"
        if line.startswith("show stat"):
            head = "# pxname,svname,status,addr,type,weight,hrsp_2xx,hrsp_5xx\n"
            rows = "".join(f"web,{n},{s},10.0.0.1:80,2,1,5,2\n" for n, s in self.servers.items())
            return f"{head}public,FRONTEND,OPEN,,0,,5,2\nweb,BACKEND,UP,,1,,5,2\n{rows}"
        if line.startswith("show servers"):
            rows = "".join(f"3 web 1 {n} 10.0.0.1 0 {int(s == 'MAINT')}\n" for n, s in self.servers.items())
            return f"1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state\n{rows}"
        if line.startswith("add server"):
            if name in self.servers:
                return "Already exists a server with the same name in backend.\n"
            self.servers[name] = "MAINT"
            return "New server registered.\n"
        if name not in self.servers and line.startswith(("set", "del", "enable")):
            return "No such server.\n"
        if line.startswith("del server"):
            if self.busy:
                self.busy -= 1
                return "Server still has connections attached to it, cannot remove it.\n"
            del self.servers[name]
            return "Server deleted.\n"
        if line.endswith("state maint"):
            self.servers[name] = "MAINT"
        if line.endswith("state ready"):
            self.servers[name] = "DOWN"
        return ""

    def changes(self) -> list[str]:
        return [line for line in self.asked if not line.startswith("show")]


NEW = Server("abc", "10.0.0.1", 80, "df-web1")


@pytest.mark.parametrize("size", [1, 3, 1000])
async def test_a_server_is_let_in_through_drain_and_down_in_this_order(size: int) -> None:
    table = Table(other="UP")
    talk = Talk(table, size)
    await Streams(talk).link().add(NEW)
    assert talk.pieces[-2:] == [4, 1]  # up to the drain in one piece: no check comes in between
    assert table.changes()[0].startswith("add server web/abc 10.0.0.1:80 check inter 1s ")
    assert table.changes()[1:] == [
        "enable health web/abc",
        "set server web/abc state drain",
        "set server web/abc health down",
        "set server web/abc state ready",
    ]


async def test_a_server_half_added_before_goes_through_the_gate() -> None:
    table = Table(abc="MAINT")
    await Streams(Talk(table, 100)).link().add(NEW)
    assert table.changes()[-1] == "set server web/abc state ready"
    table = Table(abc="UP")
    await Streams(Talk(table, 100)).link().add(NEW)
    assert table.changes() == []
    with pytest.raises(BalancerError, match=r"has abc already, at 10\.0\.0\.1:80"):
        await Streams(Talk(table, 100)).link().add(Server("abc", "10.0.0.2", 80, "df-web1"))
    assert table.servers == {"abc": "UP"}


async def test_a_server_that_cannot_be_gated_is_taken_out_again() -> None:
    table = Table()
    table.refuse["set server web/abc health"] = "Health checks are not enabled on this server."
    with pytest.raises(BalancerError, match="Health checks are not enabled"):
        await Streams(Talk(table, 100)).link().add(NEW)
    assert table.servers == {}
    assert "set server web/abc state ready" not in table.asked


async def test_a_server_that_is_not_taken_is_told_and_one_whose_answer_was_lost_is_there() -> None:
    table = Table()
    table.refuse["add server"] = "Require 'name' in dynamic servers."
    with pytest.raises(BalancerError, match="did not take server abc: Require"):
        await Streams(Talk(table, 100)).link().add(NEW)
    table = Table()

    def cut(line: str) -> str | None:
        answer = table(line)
        return None if line.startswith("add server") else answer

    await Streams(Talk(cut, 100), Talk(table, 100)).link().add(NEW)
    assert table.changes()[-1] == "set server web/abc state ready"


async def test_ready_goes_through_the_gate_only_after_maintenance() -> None:
    table = Table(abc="MAINT")
    await Streams(Talk(table, 100)).link().ready("abc")
    assert "set server web/abc health down" in table.changes()
    table = Table(abc="UP")
    await Streams(Talk(table, 100)).link().ready("abc")
    assert table.changes() == ["set server web/abc state ready"]


async def test_delete_asks_until_it_is_done_and_brings_the_last_counters() -> None:
    table = Table(abc="UP")
    table.busy = 3
    link = Streams(Talk(table, 100)).link()
    last = await link.delete("abc")
    assert last is not None and (last.requests, last.failed) == (7, 2)
    assert sum(line.startswith("del server") for line in table.asked) == 4
    assert table.changes()[0] == "set server web/abc state maint"
    assert await link.delete("abc") is None
    for what in (link.drain, link.ready):
        with pytest.raises(UnknownServer):
            await what("abc")


async def test_requests_survive_a_stream_that_ends() -> None:
    from tests.unit.test_balancer_records import line

    first, second = Talk(lambda _: None), Talk(lambda _: None)
    first.out.put_nowait(line(lc=0) + line(lc=1))
    first.out.put_nowait(b"")
    second.out.put_nowait(line(lc=4))
    engine = Streams(first, second)
    link = engine.link()
    got: list[int] = []
    async for batch in link.requests():
        got += [record.sequence for record in batch]
        if len(got) == 3:
            await link.close()
    assert got == [0, 1, 4]
    assert (link.ring.lost, link.ring.restarts) == (2, 0)
    assert first.lines == second.lines == ["show events requests -w -n"]
