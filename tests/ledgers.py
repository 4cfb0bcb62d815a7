"""Three books of the same requests, kept apart: by the client that sent them, by the ledger, by the balancer."""

from __future__ import annotations

import contextlib
import json
import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.load import Load, Plan
from tests.stacks import Stack

SESSION = "/api/v2/system/admin/session"


@dataclass
class Books:
    """Requests by Host, as each book has them; `failed` is the client's."""

    sent: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    client: Counter[str] = field(default_factory=Counter)
    ledger: Counter[str] = field(default_factory=Counter)
    ledger_in_all: Counter[str] = field(default_factory=Counter)
    balancer: Counter[str] = field(default_factory=Counter)

    @property
    def differ(self) -> int:
        """In how many requests the books differ."""
        hosts = self.client.keys() | self.ledger.keys() | self.ledger_in_all.keys() | self.balancer.keys()
        of_mine = sum(abs(self.client[host] - self.ledger[host]) for host in hosts)
        return of_mine + sum(abs(self.ledger_in_all[host] - self.balancer[host]) for host in hosts if host)


def token(stack: Stack) -> str:
    """A session of the first admin."""
    text = next(Path(stack.env["DFTUI_CONFIG_DIR"]).rglob(f"{stack.name}.env")).read_text()
    secrets = dict(line.partition("=")[::2] for line in text.splitlines() if "=" in line)
    data = json.dumps({"email": "admin@example.com", "password": secrets["ADMIN_PASSWORD"]}).encode()
    request = urllib.request.Request(f"{stack.url}{SESSION}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        found: str = json.load(answer)["session_token"]
        return found


def counters(stack: Stack) -> Counter[str]:
    """What the balancer itself has counted, by Host."""
    return Counter({web["host"]: web["requests"] for web in stack.json("status")["web"]})


def kept(stack: Stack, requests: int, rate: float) -> Books:
    """Send that many, each of which tells its Host, while `dftui requests` follows; what each book says."""
    books = Books()
    headers = (("X-DreamFactory-Session-Token", token(stack)),)
    plan = Plan(stack.port, rate=rate, seconds=requests / rate, fresh=0.1, posts=0, path=SESSION, headers=headers)
    seen: set[str] = set()

    def ask() -> str:
        path = f"/up/{time.time_ns()}"
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(f"{stack.url}{path}", timeout=20).close()
        return path

    def told(line: Any) -> bool:
        books.ledger_in_all[line["host"]] += line["weight"]
        books.ledger[line["host"]] += line["weight"] if line["path"] == SESSION else 0
        seen.add(line["path"])
        return True

    with stack.follow("requests", "-f", "-n", "0", "--json") as follower:

        def up_to_now() -> None:
            """Read all that has ended: twice, because a request may be written a moment after a later one."""
            for _ in range(2):
                last = ask()
                follower.until(lambda line, last=last: told(line) and last in seen, lambda: None, timeout=120)  # type: ignore[misc]

        follower.until(told, ask)
        up_to_now()
        before = counters(stack)
        books.ledger.clear()
        books.ledger_in_all.clear()
        with Load(plan) as load:
            tally = load.wait()
        up_to_now()
        books.balancer = counters(stack)
    books.balancer.subtract(before)
    books.sent, books.failed, books.client = tally.sent, tally.failed, tally.hosts
    return books
