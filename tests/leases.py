"""Ports and subnets that no other test of this machine holds, also when several test runs go on at once.

A lease is a locked file: the kernel frees it when its holder ends, however it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import os
import random
import socket
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

# Below the range that Linux takes for outgoing connections (32768 on).
PORTS = range(20000, 29000)
SUBNETS = tuple(ipaddress.IPv4Network("10.213.0.0/16").subnets(new_prefix=24))


@contextlib.contextmanager
def lease(kind: str, wishes: Iterable[int], usable: Callable[[int], bool]) -> Iterator[int]:
    """The first number of `wishes` that nobody holds and that is `usable`, held until the block ends."""
    folder = Path(tempfile.gettempdir()) / f"dftui-test-leases-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for number in wishes:
        handle = os.open(folder / f"{kind}-{number}", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if usable(number):
                yield number
                return
        except BlockingIOError:
            continue
        finally:
            os.close(handle)
    raise AssertionError(f"no free {kind} is left")


def port_is_free(port: int) -> bool:
    """Nobody listens on it, on loopback or everywhere."""
    for address in ("127.0.0.1", "0.0.0.0"):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


@contextlib.contextmanager
def a_port() -> Iterator[int]:
    """A TCP port on loopback."""
    with lease("port", random.sample(PORTS, len(PORTS)), port_is_free) as port:
        yield port


@contextlib.contextmanager
def a_subnet(taken: Iterable[str]) -> Iterator[str]:
    """A /24 that overlaps none of the `taken` subnets."""
    held = [ipaddress.ip_network(one, strict=False) for one in taken]

    def usable(number: int) -> bool:
        mine = SUBNETS[number]
        return not any(isinstance(one, ipaddress.IPv4Network) and mine.overlaps(one) for one in held)

    order = list(range(len(SUBNETS)))
    random.shuffle(order)
    with lease("subnet", order, usable) as number:
        yield str(SUBNETS[number])
