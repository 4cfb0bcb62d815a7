"""`php artisan …`: unlike web requests, it sees the container's variables."""

from __future__ import annotations

import base64
import re
import secrets
import sys

from . import settings, setup
from .cache import CacheError, open_cache
from .logs import Logs
from .store import Database, DatabaseError


def _options(words: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    name = ""
    for word in words:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            found[name] = value
            if equals:
                name = ""
        elif name:
            found[name] = word
            name = ""
    return found


def generate_key() -> None:
    """Put a new key into `.env`, as `php artisan key:generate` does."""
    key = "base64:" + base64.b64encode(secrets.token_bytes(32)).decode()
    path = settings.ROOT / ".env"
    path.write_text(
        re.sub(r"(?m)^APP_KEY=.*$", lambda _: f"APP_KEY={key}", path.read_text("utf-8"), count=1), "utf-8"
    )


def main() -> int:
    """The exit code."""
    if len(sys.argv) < 2:
        print("Commands: df:setup, migrate, key:generate, cache:clear, config:clear")
        return 0
    command, options = sys.argv[1], _options(sys.argv[2:])
    if command == "key:generate":
        generate_key()
        print("   INFO  Application key set successfully.")
        return 0
    if command == "config:clear":
        print("   INFO  Configuration cache cleared successfully.")
        return 0
    loaded = settings.load(overlay=True)
    database, cache = Database(loaded), open_cache(loaded)
    try:
        match command:
            case "df:setup":
                admin = setup.NewAdmin(
                    options.get("admin_email", ""),
                    options.get("admin_password", ""),
                    options.get("admin_first_name", ""),
                    options.get("admin_last_name", ""),
                    options.get("admin_phone", ""),
                )
                return setup.df_setup(database, cache, loaded.cache_ttl, admin, print)
            case "migrate":
                setup.migrate(database, print)
                return 0
            case "cache:clear":
                cache.flush()
                print("   INFO  Application cache cleared successfully.")
                return 0
        print(f'  ERROR  Command "{command}" is not defined.')
        return 1
    except (DatabaseError, CacheError) as error:
        # This write makes the log file, and as root it makes root's: then the web cannot write its own any more.
        Logs(loaded).write("error", str(error))
        print(f"  {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
