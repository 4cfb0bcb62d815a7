"""Migrations and the first admin, with the real one's rules and words."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from .cache import Store
from .store import Database, DatabaseError

ADMIN_EXISTS = "admin_exists"
_ITERATIONS = 60_000
_ID = "id INT NOT NULL PRIMARY KEY AUTO_INCREMENT"
_SQLITE_ID = "id INTEGER PRIMARY KEY AUTOINCREMENT"
_STAMPS = "created_date VARCHAR(32) NULL, last_modified_date VARCHAR(32) NULL"

# Deliberately without IF NOT EXISTS: replicas that start at once on an empty database race here, and the losers
# say 42S01, as the real migrations do.
MIGRATIONS: tuple[tuple[str, str], ...] = (
    (
        "2015_01_27_190908_create_system_tables_user",
        "CREATE TABLE user ({id}, name VARCHAR(255) NOT NULL, username VARCHAR(255) NULL, email VARCHAR(255) "
        "NOT NULL UNIQUE, password VARCHAR(255) NOT NULL, first_name VARCHAR(255) NULL, last_name VARCHAR(255) NULL, "
        "phone VARCHAR(32) NULL, is_active INT NOT NULL DEFAULT 1, is_sys_admin INT NOT NULL DEFAULT 0, "
        "last_login_date VARCHAR(32) NULL, {stamps})",
    ),
    (
        "2015_01_27_190908_create_system_tables_service",
        "CREATE TABLE service ({id}, name VARCHAR(64) NOT NULL UNIQUE, label VARCHAR(80) NULL, type VARCHAR(40) NOT "
        "NULL, is_active INT NOT NULL DEFAULT 0, {stamps})",
    ),
    (
        "2015_01_27_190908_create_system_tables_role",
        "CREATE TABLE role ({id}, name VARCHAR(64) NOT NULL UNIQUE, description VARCHAR(255) NULL, {stamps})",
    ),
    (
        "2015_01_27_190908_create_system_tables_app",
        "CREATE TABLE app ({id}, name VARCHAR(64) NOT NULL UNIQUE, api_key VARCHAR(64) NULL, is_active INT NOT NULL "
        "DEFAULT 1, {stamps})",
    ),
    (
        "2015_03_20_205504_create_system_lookup",
        "CREATE TABLE system_lookup ({id}, name VARCHAR(255) NOT NULL UNIQUE, value TEXT NULL, private INT NOT NULL "
        "DEFAULT 0, {stamps})",
    ),
    (
        "2016_03_30_134400_create_token_map",
        "CREATE TABLE token_map ({id}, user_id INT NOT NULL, token TEXT NOT NULL, iat INT NOT NULL, "
        "exp INT NOT NULL)",
    ),
    (
        "2018_01_02_171045_create_system_custom",
        "CREATE TABLE system_custom (name VARCHAR(255) NOT NULL PRIMARY KEY, value TEXT NULL, {stamps})",
    ),
)
_SEED_SERVICES = (
    ("system", "System Management", "system"),
    ("api_docs", "Live API Docs", "swagger"),
    ("files", "Local File Storage", "local_file"),
    ("logs", "Local Log Storage", "local_file"),
    ("db", "Local SQL Database", "sqlite"),
    ("email", "Local Email Service", "local_email"),
    ("user", "User Management", "user"),
)
_SEED_APPS = ("admin", "api_docs", "file_manager")


class SetupRefused(Exception):
    """The form or the variables break a rule; one message for each field."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(problems.values()))
        self.problems = dict(problems)


@dataclass(frozen=True)
class NewAdmin:
    """What the first admin's form asks for."""

    email: str
    password: str
    first_name: str
    last_name: str
    phone: str
    name: str = ""
    username: str = ""


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")


def hash_password(password: str) -> str:
    salt = secrets.token_hex(16)
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), bytes.fromhex(salt), _ITERATIONS)
    return f"pbkdf2-sha256${_ITERATIONS}${salt}${digest.hex()}"


def password_matches(password: str, kept: str) -> bool:
    try:
        _, iterations, salt, digest = kept.split("$")
    except ValueError:
        return False
    made = hashlib.pbkdf2_hmac("sha256", password.encode(), bytes.fromhex(salt), int(iterations))
    return hmac.compare_digest(made.hex(), digest)


def pending(database: Database) -> list[str]:
    """Migrations that the database does not hold yet. Raises DatabaseError when it cannot be asked."""
    try:
        done = {row["migration"] for row in database.rows("SELECT migration FROM migrations")}
    except DatabaseError as error:
        if error.state != "42S02":
            raise
        done = set()
    return [name for name, _ in MIGRATIONS if name not in done]


def migrate(database: Database, say: Callable[[str], None]) -> None:
    """Run what is pending, one after the other, then the seeds. Raises DatabaseError, 42S01 when raced."""
    todo = pending(database)
    if not todo:
        say("   INFO  Nothing to migrate.")
        return
    id_text = _SQLITE_ID if database.driver == "sqlite" else _ID
    if len(todo) == len(MIGRATIONS):
        say("   INFO  Preparing database.")
        database.run(f"CREATE TABLE migrations ({id_text}, migration VARCHAR(255) NOT NULL, batch INT NOT NULL)")
    say("   INFO  Running migrations.")
    for name, statement in MIGRATIONS:
        if name in todo:
            began = time.monotonic()
            database.run(statement.format(id=id_text, stamps=_STAMPS))
            database.run("INSERT INTO migrations (migration, batch) VALUES (%s, 1)", (name,))
            say(f"  {name} {(time.monotonic() - began) * 1000:.2f}ms DONE")
    seed(database)


def seed(database: Database) -> None:
    """The services and apps that every installation has; once."""
    if database.value("SELECT COUNT(*) FROM service"):
        return
    for name, label, kind in _SEED_SERVICES:
        database.run(
            "INSERT INTO service (name, label, type, is_active, created_date) VALUES (%s, %s, %s, 1, %s)",
            (name, label, kind, now()),
        )
    for name in _SEED_APPS:
        key = secrets.token_hex(32)
        database.run("INSERT INTO app (name, api_key, created_date) VALUES (%s, %s, %s)", (name, key, now()))


def admins(database: Database) -> int:
    return int(database.value("SELECT COUNT(*) FROM user WHERE is_sys_admin = 1") or 0)


def admin_exists(database: Database, cache: Store, life: int) -> bool:
    """As the real one does, the answer is cached, the "no" too: with a cache of its own a replica stays at "no"."""
    cached = cache.get(ADMIN_EXISTS)
    if cached is None:
        cached = admins(database) > 0
        cache.put(ADMIN_EXISTS, cached, life)
    return bool(cached)


def problems(admin: NewAdmin) -> dict[str, str]:
    """Rules of the first admin, by field."""
    found: dict[str, str] = {}
    if "@" not in admin.email.strip("@"):
        found["email"] = "The email must be a valid email address." if admin.email else "The email field is required."
    for field, value in (("first_name", admin.first_name), ("last_name", admin.last_name), ("phone", admin.phone)):
        if not value:
            found[field] = f"The {field.replace('_', ' ')} field is required."
    if admin.username and len(admin.username) < 6:
        found["username"] = "The username must be at least 6 characters."
    if len(admin.password) < 16:
        found["password"] = "The password must be at least 16 characters."
    return found


def create_admin(database: Database, cache: Store, life: int, admin: NewAdmin) -> int:
    """The new admin's id. Raises SetupRefused."""
    found = problems(admin)
    if found:
        raise SetupRefused(found)
    name = admin.name or f"{admin.first_name} {admin.last_name}".strip()
    try:
        made = database.run(
            "INSERT INTO user (name, username, email, password, first_name, last_name, phone, is_active, "
            "is_sys_admin, created_date, last_modified_date) VALUES (%s, %s, %s, %s, %s, %s, %s, 1, 1, %s, %s)",
            (
                name,
                admin.username or admin.email,
                admin.email,
                hash_password(admin.password),
                admin.first_name,
                admin.last_name,
                admin.phone,
                now(),
                now(),
            ),
        )
    except DatabaseError as error:
        if error.state == "23000" or "UNIQUE" in str(error):
            raise SetupRefused({"email": "The email has already been taken."}) from None
        raise
    cache.put(ADMIN_EXISTS, True, life)
    return made


def df_setup(database: Database, cache: Store, life: int, admin: NewAdmin, say: Callable[[str], None]) -> int:
    """`php artisan df:setup`: migrate, seed, make the first admin; the exit code."""
    say("*" * 76)
    say("* Welcome to DreamFactory setup wizard.")
    say("*" * 76)
    if pending(database):
        say("Running Migrations...")
        migrate(database, say)
        say("All tables were migrated successfully.")
    if admins(database):
        say("Your instance is already setup.")
        return 0
    say("Creating the first admin user...")
    if not admin.email:
        say("Enter your email address?: Aborted.")
        return 1
    if len(admin.password) < 16:
        say("Choose a password: Aborted.")
        return 1
    try:
        create_admin(database, cache, life, admin)
    except SetupRefused as refused:
        for text in refused.problems.values():
            say(text)
        return 1
    say("Successfully created first admin user.")
    return 0


def admin_of_environment() -> NewAdmin | None:
    """ADMIN_EMAIL, ADMIN_PASSWORD and ADMIN_PHONE, all three, or nobody."""
    email, password, phone = (os.environ.get(f"ADMIN_{part}", "") for part in ("EMAIL", "PASSWORD", "PHONE"))
    if not (email and password and phone):
        return None
    first = os.environ.get("ADMIN_FIRST_NAME", "") or "Admin"
    return NewAdmin(email, password, first, os.environ.get("ADMIN_LAST_NAME", "") or "User", phone)
