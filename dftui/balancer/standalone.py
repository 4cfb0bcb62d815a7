"""haproxy.cfg for a balancer that runs without dftui: the same directives, and nothing that dftui would look for."""

from __future__ import annotations

from dftui.balancer.config import SERVER_OPTIONS, BalancerConfig, directives

RESOLVERS = "docker"
DNS = "127.0.0.11:53"
"""The engine's own name server, inside each container of a user-defined network.
Source: docs.docker.com/engine/network, "DNS services"."""
_OWN_USER = ("    user haproxy", "    group haproxy")
"""Started as root, which alone may read the certificate's key, HAProxy goes on as its own user."""
MOST_SLOTS = 64
"""Servers that a name may stand for, at least; the DNS answer for more still fits into `accepted_payload_size`."""


def fixed(cfg: BalancerConfig) -> str:
    """Servers at fixed addresses. With HTTPS it is to be started as root."""
    lines = directives(cfg)
    if cfg.https:
        lines[1:1] = _OWN_USER
    return _text("", lines)


def by_name(cfg: BalancerConfig, name: str, port: int, wanted: int) -> str:
    """Servers found by asking the engine's DNS for `name`, as many as it tells; room is left for more than are
    `wanted` now."""
    slots = max(MOST_SLOTS, 2 * wanted)
    resolvers = (
        f"resolvers {RESOLVERS}",
        f"    nameserver engine {DNS}",
        "    accepted_payload_size 8192",
        "    timeout resolve 1s",
        "    timeout retry 1s",
        "    hold valid 1s",
        "    hold obsolete 2s",
        "",
    )
    servers = (
        f"    server-template web 1-{slots} {name}:{port} {SERVER_OPTIONS} resolvers {RESOLVERS} "
        "resolve-prefer ipv4 init-addr none",
    )
    return _text("\n".join(resolvers) + "\n", directives(cfg, servers))


def _text(before: str, lines: list[str]) -> str:
    return (
        "# Written by `dftui export`; yours to edit. Read by HAProxy when it starts.\n\n"
        + before
        + "\n".join(lines)
        + "\n"
    )
