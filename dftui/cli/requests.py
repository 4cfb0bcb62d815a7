"""`dftui requests`: which replica served each request, from the balancer's own records."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from dftui.cli.common import Opened, containers, emit_line, masker, opened, say
from dftui.cli.exits import UsageError
from dftui.cli.text import REQUEST_HEAD, request_text
from dftui.watch.requestfilter import HELP, Filter

if TYPE_CHECKING:
    from dftui.balancer.link import BalancerLink
    from dftui.balancer.records import RawRequest
    from dftui.watch.ledger import Ledger
    from dftui.watch.records import Request

_LAST = 20
_OPEN_SECONDS = 0.5


def arguments(parser: argparse.ArgumentParser) -> None:
    """How many, and whether to go on."""
    parser.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
    parser.add_argument(
        "-n", "--last", type=int, default=_LAST, metavar="N", help=f"the last N that happened (default {_LAST})"
    )
    parser.add_argument("--filter", metavar="WORDS", default="", help=f"only those that hold all of these {HELP}")


async def run(args: argparse.Namespace) -> int:
    """Print the last requests, then, if asked, each as it ends."""
    if args.last < 0:
        raise UsageError(f"-n takes 0 or more, not {args.last}.")
    async with opened(args) as world:
        from dftui.balancer.link import BalancerLink
        from dftui.stack.names import container_name
        from dftui.watch.ledger import Ledger

        await containers(world)
        link = BalancerLink(world.engine, container_name(world.spec.name, "balancer"))
        ledger = Ledger(await masker(world))
        book = _Book(world, ledger, _print_json if args.json else _print_text, Filter(args.filter))
        if not args.json and sys.stdout.isatty():
            print(REQUEST_HEAD)
        try:
            if args.follow:
                await _follow(link, book, args.last)
            else:
                await book.show(await _past(link), args.last)
        finally:
            await link.close()
    return 0


def _print_json(request: Request) -> None:
    emit_line(request.to_json())


def _print_text(request: Request) -> None:
    print(request_text(request))


class _Book:
    """Turns raw records into lines; learns the replicas' names when a new one shows up."""

    def __init__(
        self, world: Opened, ledger: Ledger, printer: Callable[[Request], None], passes: Callable[[Request], bool]
    ) -> None:
        self._world = world
        self._ledger = ledger
        self._print = printer
        self._passes = passes
        self._sampling = 1
        self._known: set[str] = set()
        self._asked_at = 0.0

    async def show(self, records: Iterable[RawRequest], last: int | None = None) -> None:
        batch = list(records)
        await self._learn({record.server for record in batch if record.server})
        seq = self._ledger.total
        self._ledger.add(batch)
        self._say_sampling(batch)
        requests = [request for request in self._ledger.since(seq)[0] if self._passes(request)]
        for request in requests if last is None else requests[max(0, len(requests) - last) :]:
            self._print(request)
        sys.stdout.flush()

    def _say_sampling(self, batch: list[RawRequest]) -> None:
        """Where not every request is recorded singly, that is said."""
        weight = max((record.weight for record in batch), default=self._sampling)
        if weight > 1 and weight != self._sampling:
            say(f"There are too many to record each: 1 in {weight} stands here. Exact totals: dftui stats")
        self._sampling = max(1, weight)

    async def _learn(self, servers: set[str]) -> None:
        # A replica that is gone has no name any more: ask once, and not again for each of its records.
        if servers <= self._known or time.monotonic() - self._asked_at < 1:
            return
        from dftui.stack.names import LABEL_STACK

        self._asked_at = time.monotonic()
        found = await self._world.engine.containers({LABEL_STACK: self._world.spec.name})
        self._ledger.know({container.short: container.name for container in found})
        self._known |= servers


async def _past(link: BalancerLink) -> list[RawRequest]:
    """What the balancer's ring still holds, oldest first."""
    from dftui.balancer.config import RING
    from dftui.balancer.records import RingReader

    text = await link.command(f"show events {RING}")
    return RingReader().feed(text.encode("utf-8", "replace") + b"\n")


async def _follow(link: BalancerLink, book: _Book, last: int) -> None:
    """The past, then the present, without a hole between them and nothing twice."""
    arrived: asyncio.Queue[list[RawRequest]] = asyncio.Queue()

    async def listen() -> None:
        async for batch in link.requests():
            arrived.put_nowait(batch)

    past = await _past(link)
    await book.show(past, last)
    printed = {(record.boot, record.sequence) for record in past}
    listening = asyncio.ensure_future(listen())
    lost = 0

    async def catch_up() -> None:
        """What ended before the stream was open is in the ring, and told from the rest by its number."""
        between = [record for record in await _past(link) if (record.boot, record.sequence) not in printed]
        printed.update((record.boot, record.sequence) for record in between)
        await book.show(between)

    try:
        batch: list[RawRequest] = []
        with contextlib.suppress(TimeoutError):
            batch = await asyncio.wait_for(arrived.get(), _OPEN_SECONDS)
        await catch_up()
        while True:
            await book.show(r for r in batch if (r.boot, r.sequence) not in printed)
            if link.ring.lost > lost:
                say(f"{link.ring.lost - lost} requests came faster than they could be read and are missing here.")
                lost = link.ring.lost
            batch = await arrived.get()
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
