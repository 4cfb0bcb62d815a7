"""What an export is made from: the containers as dftui itself would make them, and what is secret in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dftui.balancer import tls
from dftui.balancer.config import BalancerConfig
from dftui.control import specs
from dftui.control.errors import ActionError
from dftui.control.replicas import FETCH
from dftui.control.specs import Plan
from dftui.dreamfactory.variables import SECRET_VARIABLES
from dftui.engine.api import ContainerSpec, NetworkSpec
from dftui.stack import names
from dftui.stack.secrets import Secrets

VOLUMES = ("db", "cache", "storage")
SETUP_TRIES = 300
"""Seconds that migrations and the first admin may take."""

# Starts the web (its command follows), asks it for its status until that counts an admin, and ends with it.
_UNTIL_ADMIN = (
    '"$0" "$@" & web=$!; for try in $(seq ' + str(SETUP_TRIES) + "); do "
    "kill -0 $web || exit 1; "
    f'if ({FETCH}) 2>/dev/null | grep -qE \'"admin": *[1-9]\'; then echo "set up"; exit 0; fi; sleep 1; '
    "done; exit 1"
)
_MIGRATE = ("php", "artisan", "migrate", "--seed", "--force")
"""Without an admin to make; it reads the container's variables itself."""


@dataclass(frozen=True, slots=True)
class Blueprint:
    """One stack, to be written down. `secrets` are the variables that hold one, by name (never shown, they stand in
    the file of secrets alone); `setup` ends by itself with 0 once the tables are there, and the first admin where its
    password is known."""

    stack: str
    networks: tuple[NetworkSpec, ...]
    volumes: tuple[str, ...]
    db: ContainerSpec
    cache: ContainerSpec
    setup: ContainerSpec
    webs: tuple[ContainerSpec, ...]
    balancer: ContainerSpec
    config: BalancerConfig
    web_port: int
    secrets: Mapping[str, str] = field(repr=False)
    pem: str = field(default="", repr=False)
    """The certificate's chain and its key, where there is HTTPS."""
    setup_user: str = ""
    running: bool = False
    key: str = ""
    notes: tuple[str, ...] = ()

    @property
    def containers(self) -> tuple[ContainerSpec, ...]:
        """Those that stay, in the order in which they start."""
        return (self.db, self.cache, *self.webs, self.balancer)

    @property
    def url(self) -> str:
        """Where it answers, seen from its own machine."""
        port = self.balancer.ports[-1]
        scheme = "https" if port.container_port == tls.PORT else "http"
        host = port.host_ip if port.host_ip not in ("", "0.0.0.0", "::") else "127.0.0.1"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port.host_port}"

    @property
    def hidden(self) -> tuple[str, ...]:
        """Texts that no file may hold that others read."""
        return (*self.secrets.values(), *([self.pem.strip()] if self.pem else ()))


def blueprint(
    plan: Plan,
    numbers: Iterable[int],
    config: BalancerConfig,
    *,
    pem: str = "",
    running: bool = False,
    notes: Sequence[str] = (),
) -> Blueprint:
    """Put it together from the same specs that `up` creates. `config` has the replicas' servers. Raises ActionError
    where a secret would leave the file of secrets."""
    stack = plan.spec.name
    db, cache = specs.database(plan), specs.cache(plan)
    webs = tuple(specs.web(plan, number) for number in numbers)
    with_admin = plan.spec.admin.mode == "auto" and bool(plan.secrets.admin_password)
    setup = specs.setup(plan)
    if with_admin:
        start = (
            "bash",
            "-c",
            _UNTIL_ADMIN.replace("$1", str(plan.spec.web.port)).replace("$2", plan.spec.web.health),
        )
        setup = replace(setup, command=(*start, *(setup.command or ())))
    else:
        setup = replace(
            setup, command=_MIGRATE, env={k: v for k, v in setup.env.items() if not k.startswith("ADMIN_")}
        )
    made = (db, cache, setup, *webs)
    found = Blueprint(
        stack=stack,
        networks=(specs.front_network(stack, plan.subnet), specs.back_network(stack)),
        volumes=tuple(names.volume_name(stack, which) for which in VOLUMES),
        db=db,
        cache=cache,
        setup=setup,
        webs=webs,
        balancer=replace(specs.balancer(plan, config), files=()),
        config=replace(config, probe_nonce="", held=()),
        web_port=plan.spec.web.port,
        secrets=_secrets(made),
        pem=pem,
        # artisan run as root leaves a log that the web cannot write.
        setup_user="" if with_admin else "www-data",
        running=running,
        key=plan.key,
        notes=tuple(notes),
    )
    _nothing_else_is_secret(found, plan.secrets)
    return found


def _secrets(made: Iterable[ContainerSpec]) -> dict[str, str]:
    found: dict[str, str] = {}
    for spec in made:
        for name, value in spec.env.items():
            if name in SECRET_VARIABLES and found.setdefault(name, value) != value:
                raise ActionError(f"{name} is not the same in all containers, so it cannot be exported")
    for name, value in found.items():
        # Both a shell and compose read the file, and they agree on this much.
        if not value.isprintable() or not value.isascii() or "'" in value:
            raise ActionError(
                f"the value of {name} holds a quote or a sign that is no plain ASCII, which no env file can carry",
                "export by hand, or choose another value",
            )
    return found


def _nothing_else_is_secret(found: Blueprint, secrets: Secrets) -> None:
    hidden = set(secrets.values())
    for spec in (*found.containers, found.setup):
        for name, value in spec.env.items():
            if name not in SECRET_VARIABLES and any(secret in value for secret in hidden):
                raise ActionError(
                    f"{name} of {spec.name} holds one of the stack's secrets, and would stand open in an export",
                    "take it out of web.env in the stack file",
                )


def assigned(secrets: Mapping[str, str]) -> list[str]:
    """NAME='value' lines that a shell and compose read alike."""
    return [f"{name}='{value}'" for name, value in sorted(secrets.items())]
