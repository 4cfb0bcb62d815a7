"""The bundled images: built once, free of secrets and mirrors, and their servers keep passwords to themselves."""

from __future__ import annotations

import asyncio
import contextlib
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import docker
import pytest

from dftui.engine.api import Engine, ImageProgress
from dftui.engine.bundled import BUNDLED_ROLES, bundled_tag, context_hash, ensure_all_bundled, ensure_bundled
from dftui.engine.sources import debian_sources
from dftui.stack.names import LABEL_CONTEXT, LABEL_IMAGE
from tests.engine.standin_rig import CACHE_PASSWORD, DB_PASSWORD, ROOT_PASSWORD, Rig
from tests.leases import a_port


@pytest.fixture
def rig(engine: Engine, stack_name: str, subnet: str) -> Iterator[Rig]:
    with contextlib.ExitStack() as ports:
        yield Rig(engine, stack_name, subnet, lambda: ports.enter_context(a_port()))


async def ready(rig: Rig, ref: str, *check: str, env: dict[str, str]) -> None:
    async with asyncio.timeout(60):
        while (await rig.engine.exec(ref, check, env=env)).exit_code != 0:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def sql(rig: Rig, ref: str, statement: str, user: str = "root", password: str = ROOT_PASSWORD) -> str:
    result = await rig.engine.exec(
        ref,
        ("mariadb", "--protocol=tcp", "-h", "127.0.0.1", "-u", user, "-N", "-B"),
        env={"MYSQL_PWD": password},
        stdin=statement.encode(),
    )
    return (result.stdout + result.stderr).decode().strip()


async def test_images_are_built_once_and_say_what_they_are(engine: Engine) -> None:
    tags = await ensure_all_bundled(engine, lambda _: None)
    assert tags == {role: bundled_tag(role) for role in BUNDLED_ROLES}
    for role, tag in tags.items():
        image = await engine.image(tag)
        assert image is not None
        assert image.labels[LABEL_IMAGE] == role and image.labels[LABEL_CONTEXT] == context_hash(role)
    told: list[ImageProgress] = []
    for role in BUNDLED_ROLES:
        await ensure_bundled(engine, role, told.append)
    assert {one.stage for one in told} == {"done"}, "something was built again"


async def test_nothing_of_a_mirror_or_a_secret_is_in_layers_or_history(engine: Engine, tmp_path: Path) -> None:
    tags = await ensure_all_bundled(engine, lambda _: None)
    _, sources = debian_sources()
    mirrors = {urlsplit(word).hostname or "" for word in re.findall(r"https?://\S+", sources)}
    assert mirrors
    words = [host.encode() for host in mirrors]
    private = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\n[A-Za-z0-9+/]")
    client = docker.from_env()
    try:
        for tag in tags.values():
            for step in client.images.get(tag).history():
                assert not any(host in str(step) for host in mirrors), step
        for role, tag in tags.items():
            with (tmp_path / role).open("wb") as file:
                for chunk in client.api.get_image(tag):
                    file.write(chunk)
    finally:
        client.close()
    seen: set[str] = set()
    for role in tags:
        with tarfile.open(tmp_path / role) as outer:
            for layer in outer:
                if not layer.name.endswith("layer.tar") or layer.name in seen or not layer.isfile():
                    continue
                seen.add(layer.name)
                data = outer.extractfile(layer)
                assert data is not None
                with tarfile.open(fileobj=data) as inner:
                    for entry in inner:
                        assert "apt/lists/" not in entry.name or not entry.size, entry.name
                        file_data = inner.extractfile(entry) if entry.isfile() else None
                        if file_data is None or _from_packages(entry.name):
                            continue
                        text = file_data.read()
                        found = [word for word in words if word in text]
                        assert not found and not private.search(text), (entry.name, found)
    assert seen


def _from_packages(name: str) -> bool:
    """Program files as Debian ships them: they may name Debian's own hosts, never this machine's."""
    return name.lstrip("./").startswith(("usr/bin/", "usr/sbin/", "usr/lib/", "usr/share/", "bin/", "sbin/", "lib/"))


async def test_the_database_keeps_its_passwords_off_disk_and_argv_and_survives_its_container(rig: Rig) -> None:
    await rig.network()
    volume = f"{rig.stack}-db"
    await rig.engine.create_volume(volume, {"dftui.stack": rig.stack})
    first = await rig.database(volumes={"/var/lib/mysql": volume})
    check = ("mariadb-admin", "--protocol=tcp", "-h", "127.0.0.1", "-u", "root", "ping")
    await ready(rig, first, *check, env={"MYSQL_PWD": ROOT_PASSWORD})
    users = await sql(rig, first, "SELECT user, host FROM mysql.user WHERE user NOT LIKE 'mariadb.sys'")
    assert sorted(users.splitlines()) == ["dreamfactory\t%", "root\t%", "root\tlocalhost"]
    assert "Access denied" in await sql(rig, first, "SELECT 1", password="wrong")
    assert "Access denied" in await sql(rig, first, "SELECT 1", user="nobody", password="")
    mine = await sql(rig, first, "CREATE TABLE dreamfactory.t (a INT); SELECT 7", "dreamfactory", DB_PASSWORD)
    assert mine == "7"
    look = await rig.engine.exec(
        first,
        (
            "sh",
            "-c",
            'grep -rlF -e "$A" -e "$B" /var/lib/mysql /tmp /run /etc /dev/shm 2>/dev/null; '
            "tr '\\0' ' ' </proc/1/cmdline; stat -c %U /proc/1",
        ),
        env={"A": ROOT_PASSWORD, "B": DB_PASSWORD},
    )
    assert look.stdout.decode().split() == ["mariadbd", "mysql"]

    # A volume that holds a database is served as it is, whatever the variables say.
    await rig.engine.remove(first, force=True)
    second = await rig.database(volumes={"/var/lib/mysql": volume})
    await ready(rig, second, *check, env={"MYSQL_PWD": ROOT_PASSWORD})
    assert await sql(rig, second, "SHOW TABLES FROM dreamfactory") == "t"
    assert "Initializing" not in await rig.output(second)


async def test_a_first_start_that_was_cut_short_is_made_again(rig: Rig) -> None:
    await rig.network()
    volume = f"{rig.stack}-db"
    await rig.engine.create_volume(volume, {"dftui.stack": rig.stack})
    half = await rig.run(
        "db",
        "half",
        {},
        volumes={"/var/lib/mysql": volume},
        command=("sh", "-c", "mkdir -p /var/lib/mysql/.first-start/mysql && touch /var/lib/mysql/ib_logfile0"),
    )
    assert await rig.exit_code(half) == 0
    made = await rig.database(volumes={"/var/lib/mysql": volume})
    check = ("mariadb-admin", "--protocol=tcp", "-h", "127.0.0.1", "-u", "root", "ping")
    await ready(rig, made, *check, env={"MYSQL_PWD": ROOT_PASSWORD})
    assert await sql(rig, made, "SELECT 7") == "7"


async def test_without_passwords_the_servers_refuse_to_start(rig: Rig) -> None:
    await rig.network()
    for role, variable in (("db", "MYSQL_ROOT_PASSWORD"), ("cache", "REDIS_PASSWORD")):
        bare = await rig.run(role, f"bare-{role}", {})
        assert await rig.exit_code(bare) == 1
        assert variable in await rig.output(bare)


async def test_the_cache_keeps_its_password_off_disk_and_argv(rig: Rig) -> None:
    await rig.network()
    cache = await rig.cache()
    ask = ("sh", "-c", "redis-cli ping | grep -q PONG")
    await ready(rig, cache, *ask, env={"REDISCLI_AUTH": CACHE_PASSWORD})
    assert (await rig.engine.exec(cache, ask)).exit_code != 0
    kept = await rig.engine.exec(cache, ("redis-cli", "set", "here", "yes"), env={"REDISCLI_AUTH": CACHE_PASSWORD})
    assert kept.stdout.strip() == b"OK"
    look = await rig.engine.exec(
        cache,
        (
            "sh",
            "-c",
            'grep -rlF -e "$A" /data /tmp /etc /run 2>/dev/null; tr "\\0" " " </proc/1/cmdline; stat -c %U /proc/1',
        ),
        env={"A": CACHE_PASSWORD},
    )
    assert look.stdout.decode().split()[-1] == "redis" and CACHE_PASSWORD.encode() not in look.stdout
    assert look.stdout.startswith(b"redis-server")
    await rig.engine.restart(cache)
    await ready(rig, cache, *ask, env={"REDISCLI_AUTH": CACHE_PASSWORD})
    again = await rig.engine.exec(cache, ("redis-cli", "get", "here"), env={"REDISCLI_AUTH": CACHE_PASSWORD})
    assert again.stdout.strip() == b"yes"


async def test_the_balancer_has_the_official_image_s_places_and_user(rig: Rig) -> None:
    await rig.network()
    look = await rig.run(
        "balancer",
        "lb",
        {},
        command=(
            "sh",
            "-c",
            "id -u; command -v haproxy socat; touch /var/lib/haproxy/x; ls -d /usr/local/etc/hapro*",
        ),
    )
    assert await rig.exit_code(look) == 0
    lines = (await rig.output(look)).split()
    assert lines[0] == "99" and lines[-1] == "/usr/local/etc/haproxy"
    bare = await rig.run("balancer", "bare", {})
    assert await rig.exit_code(bare) != 0
    assert "/usr/local/etc/haproxy/haproxy.cfg" in await rig.output(bare)
