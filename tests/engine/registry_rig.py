"""A registry on loopback: Debian's docker-registry, open or with a login; and one that only ever refuses."""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
import subprocess
import tarfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import docker

from dftui.engine.api import Engine


@contextlib.contextmanager
def registry(folder: Path, port: int, login: bool = False) -> Iterator[str]:
    """`127.0.0.1:PORT` while it answers. With `login` it wants one that nobody has."""
    folder.mkdir(parents=True, exist_ok=True)
    config: dict[str, object] = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}"},
        "log": {"level": "error"},
    }
    if login:
        (folder / "htpasswd").write_text("")
        config["auth"] = {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}
    # The format is YAML, of which JSON is a part.
    (folder / "config.yml").write_text(json.dumps(config))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(folder / "config.yml")],
            stdout=log,
            stderr=log,
            env={**os.environ, "OTEL_TRACES_EXPORTER": "none"},
        )
    try:
        address = f"127.0.0.1:{port}"
        end = time.monotonic() + 30
        while not _answers(address):
            assert process.poll() is None and time.monotonic() < end, (folder / "log").read_text()
            time.sleep(0.02)
        yield address
    finally:
        process.terminate()
        process.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/v2/", timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


@contextlib.contextmanager
def refusing(port: int, status: int, code: str) -> Iterator[str]:
    """A registry that answers everything with this error."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"errors": [{"code": code, "message": f"{code} from the test"}]}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def offer(engine: Engine, ref: str, labels: dict[str, str], size: int = 6 << 20) -> None:
    """Push an image of one layer that nothing else has, and forget it here."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("random")
        entry.size = size
        tar.addfile(entry, io.BytesIO(secrets.token_bytes(size)))

    async def chunks() -> AsyncIterator[bytes]:
        yield buffer.getvalue()

    async for _ in engine.import_image(ref, chunks(), labels=labels):
        pass
    client = docker.from_env()
    try:
        for line in client.api.push(ref, stream=True, decode=True):
            assert "error" not in line, line
    finally:
        client.close()
    await engine.remove_image(ref)
    assert await engine.image(ref) is None
