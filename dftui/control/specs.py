"""The containers of a stack, as the engine is asked for them."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass

from dftui.balancer.config import CONFIG_PATH, BalancerConfig, render
from dftui.balancer.tls import PORT as HTTPS_PORT
from dftui.dreamfactory import variables
from dftui.engine.api import Attachment, ContainerSpec, File, HealthCheck, NetworkSpec, Port
from dftui.stack import names
from dftui.stack.appkey import fingerprint
from dftui.stack.secrets import Secrets
from dftui.stack.spec import StackSpec

BALANCER_HOST = 2
FIRST_WEB_HOST = 10
"""Fixed addresses in the front network: .2 for the balancer, .10+N for replica N."""

BALANCER_STOP = "SIGTERM"
"""The image's own SIGUSR1 lets HAProxy take no new connections and wait for those it has, idle ones too: seconds
without an answer at each restart of the balancer or the engine, to spare the few requests that are under way."""
BALANCER_SHARES = 20_000
"""Every request goes through it: where CPU is short, what boots or stops beside it waits (1024 is any other's)."""

_DB_CHECK = (
    'MYSQL_PWD="$MYSQL_ROOT_PASSWORD" exec "$(command -v mariadb || command -v mysql)" '
    "--protocol=tcp -h 127.0.0.1 -u root -N -e 'SELECT 1' >/dev/null"
)
_CACHE_CHECK = 'REDISCLI_AUTH="$REDIS_PASSWORD" redis-cli ping | grep -q PONG'
DB_CHECK = ("sh", "-c", _DB_CHECK)
CACHE_CHECK = ("sh", "-c", _CACHE_CHECK)

_OFFICIAL_CACHE_COMMAND = (
    "sh",
    "-c",
    "umask 077; printf 'requirepass %s\\nappendonly yes\\ndir /data\\n' \"$REDIS_PASSWORD\" > /tmp/redis.conf"
    " && chown redis:redis /tmp/redis.conf && exec docker-entrypoint.sh redis-server /tmp/redis.conf",
)
"""The official image takes a password only on its command line; this keeps it in a 0600 file instead."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that the containers of one stack are made from."""

    spec: StackSpec
    secrets: Secrets
    images: Mapping[str, str]
    image_ids: Mapping[str, str]
    source: str
    subnet: str

    @property
    def bundled(self) -> bool:
        """The images were built here, not pulled."""
        return self.source == "bundled"

    @property
    def key(self) -> str:
        """Fingerprint of the APP_KEY."""
        return fingerprint(self.secrets.app_key)

    @property
    def admin_email(self) -> str:
        """Who the first admin is, as far as this dftui knows."""
        return self.secrets.admin_email or self.spec.admin.email

    def address(self, host: int) -> str:
        """The fixed address `host` places into the front network."""
        return str(ipaddress.ip_network(self.subnet)[host])

    def fixed(self, host: int) -> str | None:
        """The same where there are fixed addresses; a swarm gives its own."""
        return None if self.spec.swarm else self.address(host)

    def probe_nonce(self) -> str:
        """What dftui's own probes carry, so that the request ledger can mark them: from the key, so every dftui
        that may act on this stack knows it, and no client does."""
        return probe_nonce(self.secrets.app_key)

    def versions(self, env: Mapping[str, str]) -> dict[str, str]:
        """For each of these variables that holds a secret, a word that is another one for another value, and that
        tells nothing of it to who has not got the key."""
        key = self.secrets.app_key.encode()
        return {
            name: hmac.new(key, f"{name}={value}".encode(), hashlib.sha256).hexdigest()[:12]
            for name, value in env.items()
            if name in variables.SECRET_VARIABLES
        }


def probe_nonce(app_key: str) -> str:
    """The same from the key alone."""
    return hmac.new(app_key.encode(), b"dftui-probe", hashlib.sha256).hexdigest()[:24]


def publish(spec: StackSpec, source: str) -> Port:
    """The port of http; loopback alone for bundled images unless the stack file says otherwise."""
    text = spec.balancer.publish or ("127.0.0.1:80" if source == "bundled" else "80")
    address, _, port = text.rpartition(":")
    return Port(80, address.strip("[]"), int(port))


def https(spec: StackSpec, source: str) -> Port | None:
    """Where HTTPS is published; None without it. On the same address as http, if it names none."""
    if spec.balancer.tls is None:
        return None
    http = publish(spec, source)
    text = spec.balancer.tls.publish or "443"
    address, colon, port = text.rpartition(":")
    return Port(HTTPS_PORT, address.strip("[]") if colon else http.host_ip, int(port))


def ports(spec: StackSpec, source: str) -> tuple[Port, ...]:
    """Everything that is published."""
    secure = https(spec, source)
    return (publish(spec, source), *(() if secure is None else (secure,)))


def front_network(stack: str, subnet: str) -> NetworkSpec:
    """Where balancer and webs meet."""
    return NetworkSpec(names.network_name(stack, "front"), names.stack_labels(stack, "front"), subnet)


def back_network(stack: str) -> NetworkSpec:
    """Where webs, database and cache meet; no way out."""
    return NetworkSpec(names.network_name(stack, "back"), names.stack_labels(stack, "back"), internal=True)


def database(plan: Plan) -> ContainerSpec:
    """MySQL or MariaDB, on the back network alone."""
    stack = plan.spec.name
    env = {
        "MYSQL_ROOT_PASSWORD": plan.secrets.db_root_password,
        "MYSQL_DATABASE": plan.secrets.db_name,
        "MYSQL_USER": plan.secrets.db_user,
        "MYSQL_PASSWORD": plan.secrets.db_password,
    }
    return ContainerSpec(
        name=names.container_name(stack, "db"),
        image=plan.images["db"],
        labels=names.stack_labels(stack, "db", source=plan.source),
        env=env,
        secrets=plan.versions(env),
        networks=(Attachment(names.network_name(stack, "back"), aliases=(variables.DB_HOST,)),),
        volumes={"/var/lib/mysql": names.volume_name(stack, "db")},
        health=HealthCheck(DB_CHECK),
        place="data",
    )


def cache(plan: Plan) -> ContainerSpec:
    """Redis, on the back network alone."""
    stack = plan.spec.name
    env = {"REDIS_PASSWORD": plan.secrets.cache_password}
    return ContainerSpec(
        name=names.container_name(stack, "cache"),
        image=plan.images["cache"],
        labels=names.stack_labels(stack, "cache", source=plan.source),
        env=env,
        secrets=plan.versions(env),
        command=None if plan.bundled else _OFFICIAL_CACHE_COMMAND,
        networks=(Attachment(names.network_name(stack, "back"), aliases=(variables.CACHE_HOST,)),),
        volumes={"/data": names.volume_name(stack, "cache")},
        health=HealthCheck(CACHE_CHECK),
        place="data",
    )


def web_env(spec: StackSpec, secrets: Secrets) -> dict[str, str]:
    """The variables that a replica is started with; they hold secrets. A plain web has the stack file's alone."""
    if spec.plain:
        return dict(spec.web.env)
    return variables.web_variables(
        app_key=secrets.app_key,
        db_name=secrets.db_name,
        db_user=secrets.db_user,
        db_password=secrets.db_password,
        cache_password=secrets.cache_password,
        extra=spec.web.env,
    )


def web_command(spec: StackSpec) -> tuple[str, ...] | None:
    """What a replica runs; None: what its image says."""
    return None if spec.plain else variables.WEB_COMMAND


def spec_hash(plan: Plan) -> str:
    """Changes when a replica made now would differ from one made before; secrets count by their fingerprint."""
    parts = {
        "image": plan.image_ids.get("web", plan.images["web"]),
        "env": {
            k: fingerprint(v) if k in variables.SECRET_VARIABLES else v
            for k, v in sorted(web_env(plan.spec, plan.secrets).items())
        },
        "cpus": plan.spec.web.cpus,
        "memory": plan.spec.web.memory,
        "command": web_command(plan.spec),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def web(plan: Plan, number: int) -> ContainerSpec:
    """Replica `number`: on the back network from its start, and at a fixed address on front, where the balancer
    reaches it."""
    stack = plan.spec.name
    key = {} if plan.spec.plain else {"key": plan.key}
    env = web_env(plan.spec, plan.secrets)
    return ContainerSpec(
        name=names.container_name(stack, "web", number),
        image=plan.images["web"],
        labels=names.stack_labels(stack, "web", number=str(number), spec=spec_hash(plan), source=plan.source, **key),
        env=env,
        secrets={} if plan.spec.plain else plan.versions(env),
        command=web_command(plan.spec),
        networks=(
            Attachment(names.network_name(stack, "back")),
            Attachment(names.network_name(stack, "front"), address=plan.fixed(FIRST_WEB_HOST + number)),
        ),
        volumes={} if plan.spec.plain else {variables.STORAGE_PATH: names.volume_name(stack, "storage")},
        cpus=plan.spec.web.cpus,
        memory=plan.spec.web.memory,
        place="any",
    )


def setup(plan: Plan) -> ContainerSpec:
    """The first web: migrates, makes the first admin, and is removed again: ADMIN_* stays in no container."""
    stack = plan.spec.name
    admin = plan.spec.admin
    return ContainerSpec(
        name=names.container_name(stack, "setup"),
        image=plan.images["web"],
        labels=names.stack_labels(stack, "setup", key=plan.key, source=plan.source),
        env=web_env(plan.spec, plan.secrets)
        | variables.admin_variables(
            email=admin.email,
            password=plan.secrets.admin_password,
            first_name=admin.first_name,
            last_name=admin.last_name,
            phone=admin.phone,
        ),
        command=variables.WEB_COMMAND,
        networks=(Attachment(names.network_name(stack, "back")),),
        volumes={variables.STORAGE_PATH: names.volume_name(stack, "storage")},
        restart="no",
    )


def balancer(plan: Plan, config: BalancerConfig | bytes) -> ContainerSpec:
    """HAProxy, on the front network alone, with its configuration (or another's, as it is) laid in before it
    starts."""
    stack = plan.spec.name
    text = config if isinstance(config, bytes) else render(config).encode()
    return ContainerSpec(
        name=names.container_name(stack, "balancer"),
        image=plan.images["balancer"],
        labels=names.stack_labels(stack, "balancer", source=plan.source),
        networks=(Attachment(names.network_name(stack, "front"), address=plan.fixed(BALANCER_HOST)),),
        ports=ports(plan.spec, plan.source),
        files=(File(CONFIG_PATH, text, mode=0o644),),
        cpu_shares=BALANCER_SHARES,
        stop_signal=BALANCER_STOP,
    )
