"""What a replica's application is told: by its container's variables, and by the `.env` file that it really reads.

Web requests see only the file (php-fpm clears its environment), so the variables alone prove nothing: the entrypoint
edits the file from them, and drops what it does not know.  Secrets are turned into fingerprints or left out here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dftui.stack import appkey

ENV_PATH = "/opt/dreamfactory/.env"
"""Where the image keeps the file."""
OWN_STORES = frozenset(("file", "array", "apc", "null", "cookie"))
"""Cache and session drivers that keep what they hold inside one container."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Without secrets. `key` is the APP_KEY's fingerprint ("" without one), `key_problem` why it cannot work;
    `database` and `cache` say which driver on which server, `sessions` and `cache_driver` the driver alone."""

    key: str = ""
    key_problem: str = ""
    database: str = ""
    cache: str = ""
    cache_driver: str = ""
    sessions: str = ""

    def unlike(self, other: Settings) -> str:
        """Why a replica with these settings cannot stand beside one with the others: words that go behind its name;
        "" when it can."""
        if self.key_problem:
            return f"runs with an APP_KEY that cannot work: {self.key_problem}"
        if self.key != other.key:
            return f"runs with another APP_KEY ({self.key}, not {other.key})"
        if self.database != other.database:
            return f"uses another database ({self.database}, not {other.database})"
        if self.cache_driver in OWN_STORES:
            return f"keeps its cache to itself (driver {self.cache_driver})"
        if self.cache != other.cache:
            return f"uses another cache ({self.cache}, not {other.cache})"
        return ""


def parse_env(data: bytes) -> dict[str, str]:
    """The file's values by name. As phpdotenv does it, the first line of a name counts and quotes are taken off."""
    values: dict[str, str] = {}
    for line in data.decode("utf-8", "replace").splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and name.strip() and not name.startswith("#"):
            values.setdefault(name.strip(), value.strip().strip("\"'"))
    return values


def of_file(data: bytes, safe: Callable[[str], str]) -> Settings:
    """What the application reads; every text passes `safe`, the sanitiser."""
    return _settings(parse_env(data), safe)


def of_variables(env: Mapping[str, str], safe: Callable[[str], str]) -> Settings:
    """What the container's variables ask for: the entrypoint takes DB_DRIVER for the connection, and CACHE_DRIVER
    means the store."""
    values = dict(env)
    driver = values.get("DB_DRIVER", "")
    # DB_DRIVER is what makes the entrypoint look at the others at all.
    values = values if driver else {k: v for k, v in values.items() if not k.startswith("DB_")}
    values["DB_CONNECTION"] = driver
    values["CACHE_STORE"] = values.get("CACHE_DRIVER", "")  # the one it takes
    return _settings(values, safe)


def _settings(values: Mapping[str, str], safe: Callable[[str], str]) -> Settings:
    key = values.get("APP_KEY", "")
    # Before 7.0.1 it was called CACHE_DRIVER in the file, too.
    driver = values.get("CACHE_STORE") or values.get("CACHE_DRIVER") or "file"
    return Settings(
        key=appkey.fingerprint(key) if key else "",
        key_problem=(appkey.check(key) or "") if key else "it has no APP_KEY",
        database=safe(_database(values)),
        cache=safe(_cache(driver, values)),
        cache_driver=safe(driver),
        sessions=safe(values.get("SESSION_DRIVER") or "file"),
    )


def _database(values: Mapping[str, str]) -> str:
    driver = values.get("DB_CONNECTION") or "sqlite"
    if driver == "sqlite":
        return "sqlite, a file of its own"
    host = values.get("DB_HOST") or "127.0.0.1"
    return f"{driver} {host}:{values.get('DB_PORT') or 3306}/{values.get('DB_DATABASE', '')}"


def _cache(driver: str, values: Mapping[str, str]) -> str:
    if driver in OWN_STORES:
        return f"{driver}, its own"
    host = values.get("CACHE_HOST") or values.get("REDIS_HOST") or "127.0.0.1"
    port = values.get("CACHE_PORT") or values.get("REDIS_PORT") or 6379
    return f"{driver} {host}:{port}/{values.get('CACHE_DATABASE') or 2}"
