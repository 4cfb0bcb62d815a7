"""Hostile containers, labels and clients on a real engine and through a real balancer: what reaches the terminal."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.corpus import TEXTS, everything
from tests.hostile.grammar import Reader
from tests.pty_run import PtyRun
from tests.stacks import LABEL, Stack, docker

LABELLED = ("clear screen", "clipboard write", "link", "blink and hide", "c1", "bidi", "markup", "zalgo")
SENTINEL = "the-sentinel-ends-here"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, tiny_image: str) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("hostile")
    with Stack(folder, "web:\n  replicas: 1\n") as found:
        found.ok("up")
        wrote(found, folder, tiny_image)
        asked(found)
        yield found
        found.ok("down", "--volumes", "--yes")


def wrote(stack: Stack, folder: Path, image: str) -> None:
    """A container that claims to be a replica, with the corpus as its log and in its labels."""
    corpus = folder / "corpus"
    corpus.write_bytes(b"\n".join(everything().values()) + f"\n{SENTINEL}\n".encode())
    labels = {LABEL: stack.name, "dftui.role": "web", "dftui.number": "9"}
    labels |= {"dftui.key": "".join(TEXTS[name] for name in LABELLED), "dftui.source": TEXTS["blink and hide"]}
    pairs = [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
    name = f"{stack.name}-web9"
    where = ("--name", name, "--network", f"{stack.name}-front")
    docker("create", *where, *pairs, image, "sh", "-c", "cat /corpus; exec sleep 1000")
    docker("cp", str(corpus), f"{name}:/corpus")
    docker("start", name)


def asked(stack: Stack) -> None:
    """Each text as path, method, Host and user agent of requests; what the balancer refuses is in its ledger, too."""
    for text in everything().values():
        short = text[:2000]
        quoted = b"".join(b"%%%02x" % byte for byte in short)
        for line, host, agent in (
            (b"GET /" + short + b" HTTP/1.1", b"a", b"b"),
            (b"GET /x?" + quoted + b" HTTP/1.1", short, short),
            (short + b" / HTTP/1.1", b"a", short),
        ):
            request = b"%b\r\nHost: %b\r\nUser-Agent: %b\r\nCookie: %b\r\nConnection: close\r\n\r\n"
            send(stack, request % (line, host, agent, agent))
    send(stack, f"GET /{SENTINEL} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())


def send(stack: Stack, request: bytes) -> None:
    with socket.create_connection(("127.0.0.1", stack.port), 10) as client, contextlib.suppress(OSError):
        client.sendall(request)
        while client.recv(65536):
            pass


def test_the_screen(stack: Stack) -> None:
    with PtyRun(stack.argv(), columns=120, rows=40, env=stack.env, cwd=str(stack.folder)) as run:
        run.wait_text(f"{stack.name}-web9")
        run.send("3")
        run.wait_text(SENTINEL)
        run.send("4")
        run.wait_text("requests")
        # Live, too: the ledger begins where the screen began.
        asked(stack)
        run.wait_text(SENTINEL)
        run.send("2G\r")
        run.wait_text("only ")
        run.send("x")
        run.wait_text("Remove")
        run.send("n")
        run.send("q")
        assert run.wait_exit() == 0
    reader = Reader(120, 40)
    reader.feed(run.output())
    reader.end()
    assert reader.sequences > 100


@pytest.mark.parametrize(
    "command", [("logs",), ("logs", "--timestamps", "--json"), ("status",), ("requests",), ("requests", "--json")]
)
def test_the_commands(stack: Stack, command: tuple[str, ...]) -> None:
    with PtyRun(stack.argv(*command), env=stack.env, cwd=str(stack.folder), screen=False) as run:
        assert run.wait_exit(60) == 0
    output = run.output()
    assert output
    reader = Reader()
    reader.feed(output)
    reader.end()
    if "--json" in command:
        assert output.isascii()
        assert all(json.loads(line) for line in output.splitlines())
    elif command[0] != "status":
        assert SENTINEL.encode() in output
