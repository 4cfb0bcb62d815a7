"""A tiny real web: HAProxy as the web server, for rigs and for load, where the stand-in would be what is measured.

It answers `{"host": its short id, …}` with the headers it got, the same after 250 ms on /slow, 500 with a count on
/five, and exits at once on SIGTERM.  Its /status is 503 until /heal was asked when it was made sick.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import tarfile

from dftui.engine.api import Engine
from dftui.engine.connect import connect
from dftui.engine.images import ensure_bundled

_HEADERS = (
    r"\"forwarded\":\"%[req.fhdr(x-forwarded-for),json(utf8s)]\",\"forwarded_count\":%[req.fhdr_cnt(x-forwarded-for)],"
    r"\"proto\":\"%[req.fhdr(x-forwarded-proto),json(utf8s)]\","
    r"\"id\":\"%[req.fhdr(x-request-id),json(utf8s)]\",\"id_count\":%[req.fhdr_cnt(x-request-id)],"
    r"\"probe_count\":%[req.fhdr_cnt(x-dftui-probe)]"
)

_CONFIG = rf"""
global
    fd-hard-limit 2000
    nbthread 1
    set-var proc.well int(WELL)
    set-var proc.five int(0)
defaults
    mode http
    timeout client 1m
    timeout server 1m
    timeout connect 1s
frontend web
    bind :80
    http-request set-var(proc.well) int(1) if {{ path /heal }}
    http-request return status 503 if {{ path /status }} !{{ var(proc.well) -m int 1 }}
    http-request set-var(proc.five) var(proc.five),add(1) if {{ path /five }}
    http-request return status 500 content-type application/json lf-string "{{\"count\":%[var(proc.five)]}}" if {{ path /five }}
    use_backend slow if {{ path /slow }}
    http-request return status 200 content-type application/json lf-string "{{\"resources\":{{\"admin\":1}},\"host\":\"%[hostname]\"}}" if {{ path /status }}
    http-request return status 200 content-type application/json lf-string "{{\"host\":\"%[hostname]\",{_HEADERS}}}" if !{{ path /slow }}
backend slow
    option httpclose
    server self 127.0.0.1:81
frontend late
    mode tcp
    bind 127.0.0.1:81
    tcp-request inspect-delay 250ms
    tcp-request content accept if WAIT_END
    default_backend after
backend after
    mode tcp
    server self 127.0.0.1:82
frontend last
    bind 127.0.0.1:82
    http-request return status 200 content-type application/json lf-string "{{\"host\":\"%[hostname]\"}}"
"""  # noqa: E501

MIGRATIONS = "/opt/dreamfactory/storage/app/migrations"
"""A line for each call of artisan: the Host that called it, and with what. All replicas share it."""

# What dftui does to a web: a command that edits .env, an entrypoint, migrations by artisan.
_DOCKERFILE = """ARG BASE
FROM ${BASE}
USER root
COPY tiny.cfg /tiny.cfg
COPY php /usr/local/bin/php
COPY docker-entrypoint.sh /docker-entrypoint.sh
WORKDIR /opt/tiny
RUN touch .env && mkdir -p /opt/dreamfactory/storage/app && chmod 777 /opt/dreamfactory/storage/app
STOPSIGNAL SIGTERM
CMD ["/docker-entrypoint.sh"]
"""
_FILES = {
    "Dockerfile": _DOCKERFILE,
    "php": f"#!/bin/sh\necho $(cat /etc/hostname) $* >> {MIGRATIONS}\n",
    "docker-entrypoint.sh": "#!/bin/sh\nexec haproxy -W -db -f /tiny.cfg\n",
}


def config(*, well: bool = True) -> str:
    """Its haproxy.cfg."""
    return _CONFIG.replace("WELL", str(int(well)))


def _context() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in {**_FILES, "tiny.cfg": config()}.items():
            entry = tarfile.TarInfo(name)
            data = text.encode()
            entry.size, entry.mode = len(data), 0o755 if text.startswith("#!") else 0o644
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


async def tiny_web(engine: Engine) -> str:
    """The tag of an image that dftui takes for a web (`images: {web: …}`), built on the bundled balancer's; it stays,
    as the bundled ones do."""
    base = await ensure_bundled(engine, "balancer", lambda _: None)
    tag = f"dftui-test/web:{hashlib.sha256(base.encode() + _context()).hexdigest()[:12]}"
    if await engine.image(tag) is None:
        async for _ in engine.build(tag, _context(), labels={"dftui.test": "web"}, args={"BASE": base}):
            pass
    return tag


def tiny_image() -> str:
    """The same, for who has no engine at hand."""

    async def made() -> str:
        engine = await connect()
        try:
            return await tiny_web(engine)
        finally:
            await engine.close()

    return asyncio.run(made())


def text(image: str, replicas: int, more: str = "") -> str:
    """Lines of a stack file that has it as its web; `more` lines go under `web:`."""
    return f"images: {{source: bundled, web: '{image}'}}\nweb:\n  replicas: {replicas}\n{more}"
