"""Replicas as an operator may have started them by hand: like the others but for one thing, and in the balancer."""

from __future__ import annotations

import json
from collections.abc import Mapping

from dftui.balancer.config import Server
from dftui.control.operator import Operator
from dftui.control.verify import VerifyResult
from dftui.dreamfactory.oddities import first_of_each
from dftui.dreamfactory.variables import STORAGE_PATH, WEB_COMMAND
from dftui.engine.api import Attachment, Container, ContainerSpec, Engine
from dftui.stack.names import LABEL_STACK, volume_name
from tests.engine.operate import until
from tests.stacks import Stack, docker

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


def slow_to_start(stack: Stack, seconds: float) -> str:
    """For a stack file's `web:`: new replicas wait so long before their application starts. Their shell reads a file
    first, as any bash does that is given BASH_ENV; it stands in the storage that all replicas share."""
    path = f"{STORAGE_PATH}/slow"
    wait = f"trap 'exit 1' TERM QUIT; sleep {seconds:g} & wait $!; trap - TERM QUIT"
    script = f"[ -e /tmp/waited ] || {{ : >/tmp/waited; {wait}; }}"
    docker("exec", "-i", "-u", "www-data", f"{stack.name}-web1", "sh", "-c", f"cat >{path}", stdin=script)
    return f"env: {{BASH_ENV: {path}}}"


async def by_hand(
    stack: Stack,
    operator: Operator,
    engine: Engine,
    name: str,
    changes: Mapping[str, str | None],
    *,
    command: tuple[str, ...] | None = WEB_COMMAND,
    image: str = "",
    labels: Mapping[str, str] | None = None,
    prepared: tuple[str, ...] = (),
    serves: bool = True,
    listed: bool = True,
) -> Container:
    """`docker rm -f` of a replica, `docker run` of one in its place with other variables (None: without it), and
    `add server` in the balancer: it has the labels (and those given), the address and the name of the old one.
    `prepared` is run in it as www-data before the balancer knows it; with `serves` it must then pass the balancer's
    check; without `listed` the balancer is not told."""
    old = next(c for c in await engine.containers({LABEL_STACK: stack.name}) if c.name == name)
    env = dict((await engine.inspect(old.id)).env)
    for variable, value in changes.items():
        env.pop(variable, None)
        if value is not None:
            env[variable] = value
    await operator.link.drain(old.short)
    await operator.link.delete(old.short)
    await engine.remove(old.id, force=True)
    front = f"{stack.name}-front"
    spec = ContainerSpec(
        name=name,
        image=image or old.image,
        labels={**old.labels, **(labels or {})},
        env=env,
        command=command,
        networks=(Attachment(front, address=old.addresses[front]), Attachment(f"{stack.name}-back")),
        volumes={STORAGE_PATH: volume_name(stack.name, "storage")},
    )
    made = await engine.create(spec)
    await engine.start(made)
    if prepared:
        done = await engine.exec(made, prepared, user="www-data")
        assert done.exit_code == 0, done.stdout + done.stderr
    if listed:
        await operator.link.add(Server(made[:12], old.addresses[front], 80, name))

    async def up() -> bool:
        return (await operator.link.server(made[:12])).serving

    if serves:
        await until(up, f"{name} serving")
    return next(c for c in await engine.containers({LABEL_STACK: stack.name}) if c.id == made)


def causes(result: VerifyResult) -> dict[str, str]:
    """The causes of the checks that do not hold, by check."""
    return {check.name: check.cause for check in result.checks if not check.ok}


def odd(result: VerifyResult) -> dict[str, str]:
    """The gravest cause of each replica that has one, by name."""
    return {one.name: one.cause for one in first_of_each(result.odd).values()}


async def put_right(operator: Operator, result: VerifyResult) -> None:
    """Do what the failed checks say, as the keys do it."""
    if who := result.replaces:
        await operator.repair(who)
    else:
        for command in {r.command for check in result.checks for r in check.repairs}:
            words = command.split()
            assert words[:2] in (["dftui", "repair"], ["dftui", "undrain"]), command
            await (operator.undrain(words[2]) if words[1] == "undrain" else operator.repair())


def redis_of_its_own(stack: Stack, name: str) -> str:
    """A second Redis on the stack's back network, made by hand; its name there. Remove it with `docker rm -f`."""
    mine = f"{stack.name}-{name}"
    image = docker("inspect", f"{stack.name}-redis", "--format", "{{.Config.Image}}")
    told = json.loads(docker("inspect", f"{stack.name}-redis", "--format", "{{json .Config.Env}}"))
    password = next(value for value in told if value.startswith("REDIS_PASSWORD="))
    network = ("--network", f"{stack.name}-back", "--network-alias", name)
    docker("run", "-d", "--name", mine, *network, "-e", password, image)
    return mine


def in_database(stack: Stack, sql: str) -> str:
    """Run a statement in the stack's database, as its root."""
    command = 'MYSQL_PWD="$MYSQL_ROOT_PASSWORD" exec mariadb -N -u root -h 127.0.0.1 "$MYSQL_DATABASE"'
    return docker("exec", "-i", f"{stack.name}-mysql", "sh", "-c", command, stdin=sql)


def in_cache(stack: Stack, *words: str) -> str:
    """Run a Redis command in the application's cache."""
    command = 'REDISCLI_AUTH="$REDIS_PASSWORD" exec redis-cli -n 2 "$@"'
    return docker("exec", f"{stack.name}-redis", "sh", "-c", command, "redis", *words)
