"""Stacks as people made them before dftui: by the 2016 post's own commands, or by DreamFactory's compose files.

The images are those of this project, for no registry can be reached; in tutum/haproxy's place stands a small one that
does what that does: it reads the links' variables and balances what they name.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import os
import subprocess
import tarfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType

from dftui.engine.api import Engine
from dftui.engine.bundled import BUNDLED_ROLES
from dftui.engine.connect import connect
from dftui.engine.images import ensure_bundled
from tests.stacks import docker
from tests.tinyweb import tiny_web

PRINTED_KEY = "UseAny32CharactersLongStringHere"
"""The placeholder in the post's own lines, which people took as it stood."""
ADMIN_EMAIL, ADMIN_PASSWORD = "first@example.com", "password-of-their-admin"

_BALANCER = """ARG BASE
FROM ${BASE}
USER root
COPY run.sh /run.sh
EXPOSE 80
CMD ["/run.sh"]
"""
_CACHE = """ARG BASE
FROM ${BASE}
ENTRYPOINT ["redis-server", "--protected-mode", "no"]
CMD []
"""
"""As the official image: no password."""
_WEB_OF_2016 = """ARG BASE
FROM ${BASE}
RUN sed -i -e 's|"/status"|"/later"|' -e 's|"/up"|"/much-later"|' /usr/local/lib/standin/app.py
"""
"""DreamFactory 2.x had neither path."""
_TINY = """ARG BASE
FROM ${BASE}
EXPOSE 80
"""
"""For an engine that has to be given its images; a link tells of ports that are exposed."""
_RUN = r"""#!/bin/sh
trap '' TERM
{
  echo 'defaults'; echo '  mode http'; echo '  retries 3'; echo '  option redispatch'
  echo '  timeout connect 2s'; echo '  timeout client 1m'; echo '  timeout server 1m'
  echo 'frontend port'; echo '  bind :80'; echo '  default_backend webs'
  echo 'backend webs'; echo '  balance roundrobin'; echo '  option httpchk GET /'
  env | sed -n 's/^\(.*\)_PORT_80_TCP_ADDR=\(.*\)/  server \1 \2:80 check inter 200/p'
} > /tmp/haproxy.cfg
haproxy -db -f /tmp/haproxy.cfg
"""
"""As tutum/haproxy does: links by their variables, round robin, and no heed of SIGTERM."""


def _context(**files: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            data = text.encode()
            entry.size, entry.mode = len(data), 0o755 if text.startswith("#!") else 0o644
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


async def _built(engine: Engine, name: str, base: str, **files: str) -> str:
    """An image on another."""
    context = _context(**files)
    tag = f"dftui-test/{name}:{hashlib.sha256(base.encode() + context).hexdigest()[:12]}"
    if await engine.image(tag) is None:
        async for _ in engine.build(tag, context, labels={"dftui.test": name}, args={"BASE": base}):
            pass
    return tag


def images() -> dict[str, str]:
    """Image by role; they stay, as the bundled ones do. "2016" is a web of that year, "tiny" a small one."""

    async def made() -> dict[str, str]:
        engine = await connect()
        try:
            bundled = {role: await ensure_bundled(engine, role, lambda _: None) for role in BUNDLED_ROLES}
            return {
                "db": bundled["db"],
                "web": bundled["web"],
                "2016": await _built(engine, "web-2016", bundled["web"], Dockerfile=_WEB_OF_2016),
                "tiny": await _built(engine, "web-tiny", await tiny_web(engine), Dockerfile=_TINY),
                "cache": await _built(engine, "redis", bundled["cache"], Dockerfile=_CACHE),
                "balancer": await _built(
                    engine, "tutum-haproxy", bundled["balancer"], Dockerfile=_BALANCER, **{"run.sh": _RUN}
                ),
            }
        finally:
            await engine.close()

    return asyncio.run(made())


class Handmade:
    """Use as a context manager: what it made is removed at the end, by its own names. `host` is another engine than
    the machine's own."""

    def __init__(self, name: str, port: int, webs: int = 2, host: str = "") -> None:
        self.name, self.port, self.webs, self.host = name, port, webs, host
        self.names = [f"{name}-mysql", f"{name}-redis", *(f"{name}-web{n}" for n in range(1, webs + 1)), f"{name}-lb"]
        self.volumes: list[str] = []
        self.networks: list[str] = []
        self.folder = Path()

    def docker(self, *argv: str, check: bool = True) -> str:
        """The docker client's stdout, from its engine."""
        return docker(*(("-H", self.host) if self.host else ()), *argv, check=check)

    # -- making it

    def blog(self, *more: str, web: str = "web") -> None:
        """The post's own lines; `more` variables of the webs (`-e`, `DB_DRIVER=mysql`), `web` one of `images`."""
        image, name, docker = images(), self.name, self.docker
        mysql = ("MYSQL_ROOT_PASSWORD=root", "MYSQL_DATABASE=dreamfactory", "MYSQL_USER=df_admin")
        docker("run", "-d", "--name", f"{name}-mysql", *_env(*mysql, "MYSQL_PASSWORD=df_admin"), image["db"])
        docker("run", "-d", "--name", f"{name}-redis", image["cache"])
        variables = _env(
            f"APP_KEY={PRINTED_KEY}",
            *("DB_HOST=db", "DB_USERNAME=df_admin", "DB_PASSWORD=df_admin", "DB_DATABASE=dreamfactory"),
            *("REDIS_HOST=rd", "REDIS_DATABASE=0", "REDIS_PORT=6379"),
        )
        links = ("--link", f"{name}-mysql:db", "--link", f"{name}-redis:rd")
        self.until_database()
        for number in range(1, self.webs + 1):
            docker("run", "-d", "--name", f"{name}-web{number}", *variables, *more, *links, image[web])
            if web == "tiny":  # by its settings it is known as a web
                settings = f"mkdir -p /opt/dreamfactory && echo APP_KEY={PRINTED_KEY} >/opt/dreamfactory/.env"
                docker("exec", "-u", "0", f"{name}-web{number}", "sh", "-c", settings)
            elif number == 1:
                self.make_admin(f"{name}-web1")
        balanced = [word for n in range(1, self.webs + 1) for word in ("--link", f"{name}-web{n}:{name}-web{n}")]
        docker("run", "-d", "--name", f"{name}-lb", *balanced, "-p", f"127.0.0.1:{self.port}:80", image["balancer"])
        self.until_it_answers()

    def compose(self, folder: Path) -> None:
        """df-docker's docker-compose.yml, its images aside."""
        image, name = images(), self.name
        self.folder = folder
        folder.mkdir(parents=True)
        (folder / "docker-compose.yml").write_text(
            _COMPOSE.format(port=self.port, db=image["db"], cache=image["cache"], web=image["web"])
        )
        self._compose("up", "-d", "mysql", "redis", "example_data")
        self.names = [f"{name}_{service}_1" for service in ("mysql", "redis", "web")]
        self.volumes = [f"{name}_df-mysql", f"{name}_df-storage"]
        self.networks = [f"{name}_default"]
        self.until_database()
        self._compose("up", "-d")
        self.make_admin(f"{name}_web_1")
        self.until_it_answers()

    def _compose(self, *argv: str) -> None:
        env = {k: v for k, v in os.environ.items() if not k.startswith("COMPOSE_")}
        found = subprocess.run(
            ("docker-compose", "-p", self.name, *argv),
            cwd=self.folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert found.returncode == 0, found.stderr

    def until_database(self) -> None:
        until(lambda: bool(self.sql("SELECT 1", check=False)), "the database answers")

    def make_admin(self, web: str) -> None:
        """Tables and an admin, in whatever this web has for a database."""
        script = (
            "php artisan migrate --seed --force && php artisan df:setup --admin_first_name=First "
            f"--admin_last_name=Admin --admin_email={ADMIN_EMAIL} --admin_password={ADMIN_PASSWORD} "
            "--admin_phone=5550100"
        )
        until(lambda: listens(web), f"{web} answers")
        # As the form does it: artisan would see the container's variables, which the web does not.
        without = ("-u", "DB_HOST", "-u", "DB_DATABASE", "-u", "DB_USERNAME", "-u", "DB_PASSWORD")
        docker("exec", "-u", "www-data", web, "env", *without, "sh", "-c", script)

    # -- looking at it

    def sql(self, words: str, container: str = "", check: bool = True) -> str:
        """What the database in this container says, the old one's by default."""
        client = 'MYSQL_PWD="$MYSQL_ROOT_PASSWORD" exec mariadb -u root -N "$MYSQL_DATABASE" -e "$0"'
        return self.docker("exec", container or self.names[0], "sh", "-c", client, words, check=check)

    def states(self) -> dict[str, str]:
        """State by name, of those of its containers that are there."""
        told = {}
        for line in self.docker("ps", "-a", "--format", "{{.Names}} {{.State}}").splitlines():
            name, _, state = line.partition(" ")
            if name.removesuffix("-old") in self.names:
                told[name] = state
        return told

    def answers(self) -> bool:
        """Whether its port serves the web; on another engine it is asked from within."""
        if not self.host:
            return answers(self.port)
        ask = "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | socat - TCP:127.0.0.1:80"
        return " 200 " in self.docker("exec", self.names[-1], "sh", "-c", ask, check=False)[:20]

    def until_it_answers(self) -> None:
        """Its port serves the web."""
        until(self.answers, f"port {self.port} answers")

    # -- the end of it

    def remove(self) -> None:
        """Whatever is left of it."""
        if self.folder != Path():
            with contextlib.suppress(AssertionError):
                self._compose("down", "-v", "--timeout", "1")
        for name in self.names:
            for one in (name, f"{name}-old"):
                label = self.docker("inspect", one, "--format", '{{index .Config.Labels "dftui.stack"}}', check=False)
                if not label or label == "<no value>":
                    self.docker("rm", "-f", "-v", one, check=False)

    def __enter__(self) -> Handmade:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.remove()


_COMPOSE = """version: '3'
services:
  mysql:
    environment:
      MYSQL_ROOT_PASSWORD: root
      MYSQL_DATABASE: dreamfactory
      MYSQL_USER: df_admin
      MYSQL_PASSWORD: df_admin
    image: {db}
    volumes:
      - df-mysql:/var/lib/mysql
  example_data:
    environment:
      DATASETS: pagila
      POSTGRES_PASSWORD: root_pw
    image: {cache}
  redis:
    image: {cache}
  web:
    environment:
      SERVERNAME: dreamfactory.local
      APP_KEY: 0123456789abcdefghijklmnopqrstuv
      DB_DRIVER: mysql
      DB_HOST: mysql
      DB_USERNAME: df_admin
      DB_PASSWORD: df_admin
      DB_DATABASE: dreamfactory
      CACHE_DRIVER: redis
      CACHE_HOST: redis
      CACHE_DATABASE: 0
      CACHE_PORT: 6379
    volumes:
      - df-storage:/opt/dreamfactory/storage
    image: {web}
    ports:
      - "127.0.0.1:{port}:80"
volumes:
  df-storage:
    driver: local
  df-mysql:
    driver: local
"""


def _env(*pairs: str) -> tuple[str, ...]:
    return tuple(word for pair in pairs for word in ("-e", pair))


def answers(port: int) -> bool:
    """Whether a port of this machine leads to DreamFactory's application, whichever version it is of; without its
    database it leads to a form."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=3) as answer:
            return int(answer.status) == 200 and "/dist" in answer.url
    except (OSError, urllib.error.URLError):
        return False


def listens(web: str) -> bool:
    """Whether a web answers anything, asked from inside it."""
    fetch = "exec 3<>/dev/tcp/127.0.0.1/80 && printf 'GET /up HTTP/1.0\\r\\n\\r\\n' >&3 && head -1 <&3"
    return docker("exec", web, "bash", "-c", fetch, check=False).startswith("HTTP/")


def until(so: object, what: str, timeout: float = 90.0) -> None:
    """Wait for it."""
    assert callable(so)
    end = time.monotonic() + timeout
    while not so():
        assert time.monotonic() < end, f"{what}: not within {timeout:g} s"
        time.sleep(0.1)
