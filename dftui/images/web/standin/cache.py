"""The cache and the forms' sessions, in files of this replica or in Redis, as `.env` says."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any, Protocol

from .settings import STORAGE, Settings


class CacheError(Exception):
    """The cache cannot be reached."""


class Store(Protocol):
    """Values by key with a life in seconds."""

    def get(self, key: str) -> Any: ...

    def put(self, key: str, value: Any, seconds: int) -> None: ...

    def forget(self, key: str) -> None: ...

    def flush(self) -> None: ...


class FileStore:
    """One file for each key, this container's own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, key: str) -> Path:
        name = hashlib.sha1(key.encode()).hexdigest()
        return self._folder / name[:2] / name[2:4] / name

    def get(self, key: str) -> Any:
        try:
            text = self._path(key).read_text("utf-8")
            until, value = text[:10], json.loads(text[10:])
        except (OSError, ValueError):
            return None
        return value if int(until) > time.time() else None

    def put(self, key: str, value: Any, seconds: int) -> None:
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}-{time.monotonic_ns()}")
        part.write_text(f"{int(time.time()) + seconds:010d}{json.dumps(value)}", "utf-8")
        part.replace(path)

    def forget(self, key: str) -> None:
        with contextlib.suppress(OSError):
            self._path(key).unlink()

    def flush(self) -> None:
        for path in self._folder.rglob("*"):
            if path.is_file():
                with contextlib.suppress(OSError):
                    path.unlink()


class RedisStore:
    """Keys behind a prefix; every trouble is a CacheError."""

    def __init__(self, host: str, port: int, database: int, user: str, password: str, prefix: str) -> None:
        import redis

        self._errors = (redis.RedisError, OSError)
        self._prefix = prefix
        self._redis = redis.Redis(
            host=host,
            port=port,
            db=database,
            username=user or None,
            password=password or None,
            socket_timeout=5,
            socket_connect_timeout=2,
        )

    @contextlib.contextmanager
    def _told(self) -> Any:
        try:
            yield
        except self._errors as error:
            raise CacheError(str(error)) from error

    def get(self, key: str) -> Any:
        with self._told():
            text = self._redis.get(self._prefix + key)
        return None if text is None else json.loads(text)

    def put(self, key: str, value: Any, seconds: int) -> None:
        with self._told():
            self._redis.set(self._prefix + key, json.dumps(value), ex=max(1, seconds))

    def forget(self, key: str) -> None:
        with self._told():
            self._redis.delete(self._prefix + key)

    def flush(self) -> None:
        with self._told():
            self._redis.flushdb()


def open_cache(settings: Settings) -> Store:
    """The store that CACHE_STORE names."""
    if settings.cache_store == "redis":
        return RedisStore(
            settings.cache_host,
            settings.cache_port,
            settings.cache_database,
            settings.cache_user,
            settings.cache_password,
            "dreamfactory_cache:",
        )
    return FileStore(STORAGE / "framework" / "cache" / "data")


def open_sessions(settings: Settings) -> Store:
    """The store that SESSION_DRIVER names; only the setup pages have sessions."""
    if settings.session_driver == "redis":
        return RedisStore(
            settings.redis_host, settings.redis_port, 0, "", settings.redis_password, "dreamfactory_session:"
        )
    return FileStore(STORAGE / "framework" / "sessions")
