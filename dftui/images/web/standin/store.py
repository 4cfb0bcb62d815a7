"""The database: MySQL by PyMySQL or a SQLite file, one connection for each thread, opened again when it was lost."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from .settings import STORAGE, Settings

MISSING_TABLE = 1146
TABLE_EXISTS = 1050
_LOST = (0, 2003, 2006, 2013, 2055, 4031)


class DatabaseError(Exception):
    """A statement failed; `state` is the SQLSTATE, `str()` the text as PDO gives it."""

    def __init__(self, state: str, text: str) -> None:
        super().__init__(f"SQLSTATE[{state}]{text}")
        self.state = state


def _translate(error: Exception, host: str) -> DatabaseError:
    code, text = (*error.args, 0, "")[:2] if error.args else (0, "")
    if isinstance(error, sqlite3.Error):
        text = str(error)
        if "no such table" in text:
            return DatabaseError("42S02", f": Base table or view not found: 1 {text}")
        if "already exists" in text:
            return DatabaseError("42S01", f": Base table or view already exists: 1 {text}")
        return DatabaseError("HY000", f": General error: 1 {text}")
    match code:
        case 1146:
            return DatabaseError("42S02", f": Base table or view not found: 1146 {text}")
        case 1050:
            return DatabaseError("42S01", f": Base table or view already exists: 1050 {text}")
        case 1062:
            return DatabaseError("23000", f": Integrity constraint violation: 1062 {text}")
        case 1045 | 1044:
            return DatabaseError("HY000", f" [{code}] {text}")
        case 2003:
            return DatabaseError("HY000", f" [2002] Connection refused (Connection: mysql, Host: {host})")
    return DatabaseError("HY000", f" [{code}] {text}")


class Database:
    """Statements with `%s` marks; every trouble is a DatabaseError."""

    def __init__(self, settings: Settings) -> None:
        self.driver = settings.db_driver
        self._settings = settings
        self._local = threading.local()

    def _connect(self) -> Any:
        if self.driver == "sqlite":
            path = self._settings.db_name or str(STORAGE / "databases" / "database.sqlite")
            connection = sqlite3.connect(path, timeout=10, isolation_level=None)
            connection.row_factory = sqlite3.Row
            return connection
        import pymysql

        return pymysql.connect(
            host=self._settings.db_host,
            port=self._settings.db_port,
            user=self._settings.db_user,
            password=self._settings.db_password,
            database=self._settings.db_name,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=5,
            read_timeout=20,
            write_timeout=20,
            cursorclass=pymysql.cursors.DictCursor,
        )

    def close(self) -> None:
        """Forget this thread's connection."""
        connection = getattr(self._local, "connection", None)
        self._local.connection = None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()

    @contextlib.contextmanager
    def _cursor(self, sql: str, values: Sequence[object]) -> Iterator[Any]:
        connection = getattr(self._local, "connection", None)
        fresh = connection is None
        try:
            if connection is None:
                connection = self._local.connection = self._connect()
            try:
                cursor = self._execute(connection, sql, values)
            except Exception as error:
                if fresh or self.driver == "sqlite" or not _is_lost(error):
                    raise
                # The server was restarted since: one more try on a new connection.
                self.close()
                connection = self._local.connection = self._connect()
                cursor = self._execute(connection, sql, values)
            with contextlib.closing(cursor):
                yield cursor
        except DatabaseError:
            raise
        except Exception as error:
            if self.driver != "sqlite" and _is_lost(error):
                self.close()
            raise _translate(error, self._settings.db_host) from error

    def _execute(self, connection: Any, sql: str, values: Sequence[object]) -> Any:
        cursor = connection.cursor()
        if self.driver == "sqlite":
            sql = sql.replace("%s", "?").replace("AUTO_INCREMENT", "AUTOINCREMENT").replace(" INT ", " INTEGER ")
        cursor.execute(sql, tuple(values))
        return cursor

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[dict[str, Any]]:
        with self._cursor(sql, values) as cursor:
            return [dict(row) for row in cursor.fetchall()]

    def row(self, sql: str, values: Sequence[object] = ()) -> dict[str, Any] | None:
        found = self.rows(sql, values)
        return found[0] if found else None

    def value(self, sql: str, values: Sequence[object] = ()) -> Any:
        found = self.row(sql, values)
        return next(iter(found.values())) if found else None

    def run(self, sql: str, values: Sequence[object] = ()) -> int:
        """The new row's id, if there is one."""
        with self._cursor(sql, values) as cursor:
            return int(cursor.lastrowid or 0)


def _is_lost(error: Exception) -> bool:
    code = error.args[0] if error.args else 0
    return code in _LOST or isinstance(error, OSError)
