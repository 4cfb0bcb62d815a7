"""What is run inside a container for a person: a shell, or the database's or the cache's own client.

The clients' passwords are the container's own variables: they are in no argument list, and dftui need not know them.
"""

from __future__ import annotations

import shlex

from dftui.control.errors import ActionError

_SHELL = "command -v bash >/dev/null 2>&1 && exec bash; exec sh"
_CLIENTS = {
    "db": 'MYSQL_PWD="$MYSQL_PASSWORD" exec "$(command -v mariadb || command -v mysql)" --protocol=tcp -h 127.0.0.1 '
    '-u "$MYSQL_USER" -D "$MYSQL_DATABASE" "$@"',
    "cache": 'REDISCLI_AUTH="$REDIS_PASSWORD" exec redis-cli "$@"',
}
"""By role; what is given besides stands in "$@"."""


_SIZED = 'n=0; while [ "$(stty size 2>/dev/null)" = "0 0" ] && [ $n -lt 100 ]; do n=$((n + 1)); sleep 0.01; done; '
"""Engines before API 1.42 make a terminal without a size and are told it a moment later; line editors ask at once."""


def sized(argv: tuple[str, ...]) -> tuple[str, ...]:
    """The same at a terminal whose size is still to come; a person's own words are left alone."""
    return ("sh", "-c", _SIZED + argv[2], *argv[3:]) if argv[:2] == ("sh", "-c") else argv


def command(role: str, words: tuple[str, ...], *, client: bool) -> tuple[str, ...]:
    """The argv for a container of `role`: a shell, its client, or what the `words` say. Raises ActionError."""
    if client:
        if role not in _CLIENTS:
            raise ActionError(
                "only the database and the cache have a client of their own", "a shell: the same without --client"
            )
        return ("sh", "-c", _CLIENTS[role], "client", *words)
    return words or ("sh", "-c", _SHELL)


def docker_exec(name: str, argv: tuple[str, ...], *, tty: bool) -> str:
    """The docker command that does the same."""
    return shlex.join(("docker", "exec", "-it" if tty else "-i", name, *argv))
