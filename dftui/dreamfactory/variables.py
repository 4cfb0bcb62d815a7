"""Variables and command of a DreamFactory web container, right for `df-docker` 7.x and the bundled stand-in alike."""

from __future__ import annotations

from collections.abc import Mapping

DB_HOST = "db"
CACHE_HOST = "cache"
"""DNS names on the back network; plain letters, because the image's entrypoint edits its .env with sed."""

STORAGE_PATH = "/opt/dreamfactory/storage/app"
"""The part of the storage that replicas share.  Not the whole of `storage`: with LOG_TO_STDOUT the image tails
`storage/logs`, and on a shared volume every replica would print the lines of all."""

WEB_COMMAND = (
    "bash",
    "-c",
    "sed -i -e 's/^CACHE_STORE=.*/CACHE_STORE=redis/' -e '/^#*REDIS_PASSWORD=/d' .env"
    ' && printf "\\nREDIS_PASSWORD=%s\\n" "$REDIS_PASSWORD" >> .env'
    " && exec /docker-entrypoint.sh",
)
"""The way round the cache trap: 7.0.1 and later read CACHE_STORE, the entrypoint edits CACHE_DRIVER, and it does
not know REDIS_PASSWORD at all.  The password reaches the file from the environment, never a command line."""

OWN_VARIABLES = frozenset(
    "APP_KEY DB_DRIVER DB_CONNECTION DB_HOST DB_PORT DB_DATABASE DB_USERNAME DB_PASSWORD "
    "CACHE_DRIVER CACHE_STORE CACHE_HOST CACHE_PORT CACHE_DATABASE CACHE_PASSWORD "
    "SESSION_DRIVER REDIS_HOST REDIS_PORT REDIS_PASSWORD "
    "ADMIN_EMAIL ADMIN_PASSWORD ADMIN_PHONE ADMIN_FIRST_NAME ADMIN_LAST_NAME".split()
)
"""What dftui sets itself; a stack file may not."""

SECRET_VARIABLES = frozenset(
    "APP_KEY DB_PASSWORD CACHE_PASSWORD REDIS_PASSWORD ADMIN_PASSWORD MYSQL_ROOT_PASSWORD MYSQL_PASSWORD "
    "DF_LICENSE_KEY LICENSE_KEY".split()
)
"""Variables whose values are never shown."""


def web_variables(
    *,
    app_key: str,
    db_name: str,
    db_user: str,
    db_password: str,
    cache_password: str,
    extra: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Variables of every web; `extra` are the stack file's, which cannot override dftui's own."""
    return {
        "LOG_TO_STDOUT": "true",
        **{k: v for k, v in (extra or {}).items() if k not in OWN_VARIABLES},
        "APP_KEY": app_key,
        "DB_DRIVER": "mysql",
        "DB_CONNECTION": "mysql",
        "DB_HOST": DB_HOST,
        "DB_PORT": "3306",
        "DB_DATABASE": db_name,
        "DB_USERNAME": db_user,
        "DB_PASSWORD": db_password,
        "CACHE_DRIVER": "redis",
        "CACHE_HOST": CACHE_HOST,
        "CACHE_PORT": "6379",
        "CACHE_DATABASE": "2",
        "CACHE_PASSWORD": cache_password,
        "SESSION_DRIVER": "redis",
        "REDIS_HOST": CACHE_HOST,
        "REDIS_PORT": "6379",
        "REDIS_PASSWORD": cache_password,
    }


def admin_variables(*, email: str, password: str, first_name: str, last_name: str, phone: str) -> dict[str, str]:
    """Variables that make the image create the first admin; only the setup container ever has them."""
    return {
        "ADMIN_EMAIL": email,
        "ADMIN_PASSWORD": password,
        "ADMIN_FIRST_NAME": first_name,
        "ADMIN_LAST_NAME": last_name,
        "ADMIN_PHONE": phone,
    }
