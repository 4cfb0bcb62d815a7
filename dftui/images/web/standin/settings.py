"""The application's settings: the `.env` file, and nothing of the environment but for command-line tools."""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/opt/dreamfactory")
STORAGE = ROOT / "storage"
CIPHER_PROBLEM = (
    "Unsupported cipher or incorrect key length. Supported ciphers are: aes-128-cbc, aes-256-cbc, aes-128-gcm, "
    "aes-256-gcm."
)


def read_env(path: Path = ROOT / ".env") -> dict[str, str]:
    """Values by name; the first line of a name counts, as in the real application."""
    values: dict[str, str] = {}
    for line in path.read_text("utf-8", "replace").splitlines():
        name, equals, value = line.partition("=")
        name = name.strip()
        if equals and name and not name.startswith("#"):
            values.setdefault(name, value.strip().strip("\"'"))
    return values


@dataclass(frozen=True)
class Settings:
    """What the application reads; times are seconds."""

    app_key: str
    db_driver: str
    db_host: str
    db_port: int
    db_name: str
    db_user: str
    db_password: str
    cache_store: str
    cache_host: str
    cache_port: int
    cache_database: int
    cache_user: str
    cache_password: str
    cache_ttl: int
    session_driver: str
    redis_host: str
    redis_port: int
    redis_password: str
    log_level: str
    log_to_stdout: bool
    token_life: int

    def key_problem(self) -> str:
        """Why APP_KEY cannot encrypt; "" when it can."""
        raw = self.app_key.encode()
        if self.app_key.startswith("base64:"):
            try:
                raw = base64.b64decode(self.app_key[7:], validate=True)
            except binascii.Error:
                return CIPHER_PROBLEM
        if not raw:
            return "No application encryption key has been specified."
        return "" if len(raw) == 32 else CIPHER_PROBLEM


def load(overlay: bool = False) -> Settings:
    """Settings of `.env`; with `overlay` the process's environment wins, as it does for `php artisan`."""
    values = read_env()
    if overlay:
        values.update({name: os.environ[name] for name in os.environ if name in values or name.startswith("DB_")})
        if "DB_DRIVER" in os.environ:
            values["DB_CONNECTION"] = os.environ["DB_DRIVER"]

    def number(name: str, default: int) -> int:
        text = values.get(name, "")
        return int(text) if text.isdigit() else default

    redis_host = values.get("REDIS_HOST") or "127.0.0.1"
    redis_port = number("REDIS_PORT", 6379)
    redis_password = values.get("REDIS_PASSWORD", "")
    return Settings(
        app_key=values.get("APP_KEY", ""),
        db_driver=values.get("DB_CONNECTION") or "sqlite",
        db_host=values.get("DB_HOST") or "127.0.0.1",
        db_port=number("DB_PORT", 3306),
        db_name=values.get("DB_DATABASE", ""),
        db_user=values.get("DB_USERNAME", ""),
        db_password=values.get("DB_PASSWORD", ""),
        cache_store=values.get("CACHE_STORE") or "file",
        cache_host=values.get("CACHE_HOST") or redis_host,
        cache_port=number("CACHE_PORT", redis_port),
        cache_database=number("CACHE_DATABASE", 2),
        cache_user=values.get("CACHE_USERNAME", ""),
        cache_password=values.get("CACHE_PASSWORD") or redis_password,
        cache_ttl=number("DF_CACHE_TTL", 18000),
        session_driver=values.get("SESSION_DRIVER") or "file",
        redis_host=redis_host,
        redis_port=redis_port,
        redis_password=redis_password,
        log_level=(values.get("APP_LOG_LEVEL") or "warning").lower(),
        log_to_stdout=values.get("LOG_TO_STDOUT", "").lower() == "true",
        token_life=60 * number("DF_JWT_TTL", 1440),
    )
