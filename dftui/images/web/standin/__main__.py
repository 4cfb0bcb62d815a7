"""Starts one replica: waits for the database, migrates, makes the first admin if told to, serves on port 80.

STANDIN_START_DELAY (seconds), STANDIN_REQUEST_DELAY_MS, STANDIN_ALLOW_DELAY=1 (then `?delay_ms=` counts),
STANDIN_GRACEFUL_SECONDS (default 0: ends at once on SIGTERM, as nginx does) and STANDIN_THREADS are for tests.
"""

from __future__ import annotations

import os
import pwd
import signal
import socket
import sys
import threading
import time
from typing import Any

from . import settings, setup
from .app import App
from .cache import CacheError
from .logs import Logs
from .store import Database, DatabaseError

DATABASE_WAIT = 30.0
USER = "www-data"


def _number(name: str, default: float = 0.0) -> float:
    try:
        return float(os.environ.get(name, "") or default)
    except ValueError:
        return default


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def wait_for_database(database: Database) -> None:
    """Until the server answers, 30 seconds at most; DB_CONNECTION=mysql asks for it."""
    _say("Waiting for MySQL to be ready...")
    until = time.monotonic() + DATABASE_WAIT
    while time.monotonic() < until:
        try:
            database.value("SELECT 1")
        except DatabaseError:
            time.sleep(0.25)
        else:
            _say("MySQL is ready")
            return
    _say("MySQL is not ready, going on without it")


def first_steps(app: App, logs: Logs) -> None:
    """Migrations, and the first admin where ADMIN_* ask for one. What fails is told, and the web is served anyway."""
    admin = setup.admin_of_environment()
    try:
        if admin is not None:
            _say("Setting up database and creating first admin user")
            setup.df_setup(app.database, app.cache, app.settings.cache_ttl, admin, _say)
        elif setup.pending(app.database):
            setup.migrate(app.database, _say)
    except (DatabaseError, CacheError) as error:
        _say(f"  {error}")
        logs.trouble(type(error).__name__, str(error), ["/opt/dreamfactory/artisan(1): migrate()"])


def become_web_user() -> None:
    """From root, who may listen on port 80, to the user who serves."""
    if os.geteuid() != 0:
        return
    who = pwd.getpwnam(USER)
    os.setgroups([])
    os.setgid(who.pw_gid)
    os.setuid(who.pw_uid)
    os.environ.update(HOME=who.pw_dir, USER=USER)


def install_signals(server: Any, listener: Any) -> None:
    """SIGTERM and SIGINT end at once; with STANDIN_GRACEFUL_SECONDS, or on SIGQUIT, running requests end first."""
    grace = _number("STANDIN_GRACEFUL_SECONDS")
    dispatcher = server.task_dispatcher

    def busy() -> bool:
        channels = list(server.active_channels.values())
        return bool(
            dispatcher.queue
            or dispatcher.active_count
            or any(channel.requests or channel.total_outbufs_len for channel in channels)
        )

    def drain(seconds: float) -> None:
        # Nobody is let in any more; closing the server itself would also cut the answers that are on their way.
        server.readable = lambda: False
        listener.shutdown(socket.SHUT_RD)
        until = time.monotonic() + seconds
        while busy() and time.monotonic() < until:
            time.sleep(0.02)
        os._exit(0)

    def stop(number: int, frame: object) -> None:
        del frame
        seconds = 30.0 if number == signal.SIGQUIT else grace
        if seconds <= 0:
            os._exit(0)
        threading.Thread(target=drain, args=(seconds,), daemon=True).start()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, stop)


def main() -> int:
    """Serve until told to end."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    if delay := _number("STANDIN_START_DELAY"):
        time.sleep(delay)
    loaded = settings.load()
    if not loaded.app_key:
        # As the real entrypoint: a replica without a key makes one, its own.
        from .artisan import generate_key

        _say("Generating APP_KEY")
        generate_key()
        loaded = settings.load()
    logs = Logs(loaded)
    app = App(loaded, _number("STANDIN_REQUEST_DELAY_MS") / 1000, os.environ.get("STANDIN_ALLOW_DELAY", "") == "1")

    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", 80))
    become_web_user()

    if loaded.db_driver == "mysql" and os.environ.get("DB_CONNECTION") == "mysql":
        wait_for_database(app.database)
    if os.environ.get("DB_DRIVER") or setup.admin_of_environment() is not None:
        first_steps(app, logs)

    import logging
    import warnings

    warnings.simplefilter("ignore", DeprecationWarning)
    from waitress.channel import HTTPChannel
    from waitress.server import create_server
    from waitress.task import WSGITask

    class Task(WSGITask):  # type: ignore[misc]
        """Keeps the connection after an answer to HEAD, as nginx does: it ends shorter than its Content-Length says,
        for which waitress would close it without a word, and a proxy's next request would be lost."""

        def finish(self) -> None:
            request = self.request
            if request.command == "HEAD" and request.headers.get("CONNECTION", "").lower() != "close":
                self.close_on_finish = request.version == "1.0"
            super().finish()

    HTTPChannel.task_class = Task

    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    listener.listen(1024)
    server = create_server(
        app,
        sockets=[listener],
        threads=int(_number("STANDIN_THREADS", 8)),
        connection_limit=1000,
        channel_timeout=75,
        ident="nginx",
    )
    install_signals(server, listener)
    # Imported while nobody waits, so that the first login is as quick as the others.
    threading.Thread(target=lambda: __import__("jwt"), daemon=True).start()
    server.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
