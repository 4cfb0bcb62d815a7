"""The row about the ledger: does it count what the clients counted, replica by replica, over many requests?"""

from __future__ import annotations

from tests.bench.rows import Row, Sample
from tests.ledgers import kept
from tests.stacks import Stack

REQUESTS = 100_000
RATE = 600.0
"""Requests a second: what three replicas of the stand-in can answer on two cores."""


def counts(stack: Stack, requests: int = REQUESTS) -> Row:
    """Requests in which the books differ, or that failed; each by Host."""
    books = kept(stack, requests, RATE)
    wrong = books.differ + sum(books.failed.values()) + abs(books.sent - requests)
    hosts = ", ".join(f"{count:,}" for _, count in sorted(books.client.items()))
    return Row(
        what=f"requests that ledger, balancer and client count differently, of {books.sent:,} ({hosts} by Host)",
        command="dftui requests -f --json",
        runs=1,
        measured=Sample((float(wrong),), "requests"),
        baseline=None,
        baseline_is="",
        goal="0",
        met=wrong == 0,
    )
