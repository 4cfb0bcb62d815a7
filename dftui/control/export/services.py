"""What a compose file and a swarm's stack file say alike of a container."""

from __future__ import annotations

from typing import Any

from dftui.control.export.yamltext import literal
from dftui.engine.api import ContainerSpec, HealthCheck


def logging(spec: ContainerSpec) -> dict[str, Any]:
    """The log's rotation."""
    sizes = {"max-size": spec.log_max_size, "max-file": str(spec.log_max_file)}
    return {"driver": "json-file", "options": sizes}


def health(check: HealthCheck, before: str = "") -> dict[str, Any]:
    """The engine's own check; `before` goes in front of its shell command."""
    shell, flag, script = check.test
    return {
        "test": ["CMD", shell, flag, literal(before + script)],
        "interval": f"{check.interval:g}s",
        "timeout": f"{check.timeout:g}s",
        "retries": check.retries,
        "start_period": f"{check.start_period:g}s",
    }


def open_values(spec: ContainerSpec, secrets: frozenset[str]) -> dict[str, str]:
    """The variables that are no secrets."""
    return {name: literal(value) for name, value in spec.env.items() if name not in secrets}
