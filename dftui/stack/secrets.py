"""The secrets of a stack: one file of KEY=value lines per engine and stack, readable by its owner alone.

They are made once, kept, and recovered from running containers when the file is gone.  Nothing here ever puts a
secret into a message: keys are named by their fingerprint.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from dftui.stack import appkey, paths

_LINE = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)")
_VARIABLES: Mapping[str, str] = {
    "APP_KEY": "app_key",
    "DB_ROOT_PASSWORD": "db_root_password",
    "DB_NAME": "db_name",
    "DB_USER": "db_user",
    "DB_PASSWORD": "db_password",
    "CACHE_PASSWORD": "cache_password",
    "ADMIN_PASSWORD": "admin_password",
    "ADMIN_EMAIL": "admin_email",
}
_OPTIONAL = ("admin_password", "admin_email")
"""Names in the file, and the fields of `Secrets` that they fill."""

_FROM_CONTAINERS: Mapping[str, Mapping[str, str]] = {
    "web": {
        "APP_KEY": "app_key",
        "DB_PASSWORD": "db_password",
        "DB_DATABASE": "db_name",
        "DB_USERNAME": "db_user",
        "CACHE_PASSWORD": "cache_password",
        "ADMIN_PASSWORD": "admin_password",
    },
    "db": {
        "MYSQL_ROOT_PASSWORD": "db_root_password",
        "MYSQL_PASSWORD": "db_password",
        "MYSQL_DATABASE": "db_name",
        "MYSQL_USER": "db_user",
    },
    "cache": {"CACHE_PASSWORD": "cache_password", "REDIS_PASSWORD": "cache_password"},
}
"""Variables of running containers by role, and the fields they tell; setup is a web."""

_WORDS: Mapping[str, str] = {
    "app_key": "APP_KEY",
    "db_root_password": "database root password",
    "db_password": "database password",
    "db_name": "database name",
    "db_user": "database user",
    "cache_password": "cache password",
    "admin_password": "first admin's password",
}
_NEEDED_BY_VOLUME: Mapping[str, tuple[str, ...]] = {
    "db": ("app_key", "db_root_password", "db_password"),
}
"""What must not be made anew while a volume stands: it could not be opened, or its credentials not be read."""


_RESTORE = (
    "put the file back from a backup, or move it away: 'dftui up' recovers the secrets from the running containers"
)


class SecretsError(Exception):
    """The secrets cannot be read, kept or told for certain; `str()` is one sentence, `hint` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """All secrets of one stack; `admin_password` is the generated one of the first admin, "" when it is not known
    (the file was lost: it stands in no container, and a new one would not log in); `admin_email` is whose it is, ""
    for the stack file's."""

    app_key: str
    db_root_password: str
    db_password: str
    cache_password: str
    admin_password: str
    db_name: str = "dreamfactory"
    db_user: str = "dreamfactory"
    admin_email: str = ""

    def __repr__(self) -> str:
        """Show nothing but the key's fingerprint."""
        return f"Secrets(key {self.fingerprint})"

    @property
    def fingerprint(self) -> str:
        """The APP_KEY's fingerprint, fit to be shown."""
        return appkey.fingerprint(self.app_key)

    def values(self) -> tuple[str, ...]:
        """Every value that must be masked wherever text is shown or saved."""
        known = (self.app_key, self.db_root_password, self.db_password, self.cache_password, self.admin_password)
        return tuple(value for value in known if value)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What `recover` found: whole secrets, and in plain words which were found in containers and which are new."""

    secrets: Secrets
    found: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    file_missing: bool = False

    @property
    def changed(self) -> bool:
        """Whether the file must be written."""
        return bool(self.found or self.made)


def new_secrets(app_key: str | None = None) -> Secrets:
    """Make all secrets of a new stack, around a given APP_KEY if there is one."""
    return Secrets(
        app_key=app_key or appkey.new_key(),
        db_root_password=appkey.new_password(),
        db_password=appkey.new_password(),
        cache_password=appkey.new_password(),
        admin_password=appkey.new_password(),
    )


def secrets_path(engine_id: str, stack: str) -> Path:
    """Where the secrets of `stack` on the engine with this id are kept: `<config dir>/<engine id>/<stack>.env`.

    The engine's id goes into the path because two engines may each have a stack of the same name.
    """
    return paths.config_dir() / paths.engine_folder(engine_id) / f"{stack}.env"


def load_secrets(engine_id: str, stack: str) -> Secrets | None:
    """Read the secrets; None when there is no file.

    Raises SecretsError when the file is not the user's own, can be read by others, or is not what dftui wrote.
    """
    path = secrets_path(engine_id, stack)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SecretsError(f"the secrets file {path} cannot be opened: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as stream:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise SecretsError(f"the secrets file {path} is not a regular file", "move it away and try again")
        if about.st_uid != os.geteuid():
            raise SecretsError(
                f"the secrets file {path} belongs to user {about.st_uid}, not to you (user {os.geteuid()})",
                f"take it over: chown {os.geteuid()} {path}",
            )
        if stat.S_IMODE(about.st_mode) & 0o077:
            raise SecretsError(
                f"the secrets file {path} can be read by others (mode {stat.S_IMODE(about.st_mode):04o}), "
                "so dftui does not use it",
                f"close it: chmod 600 {path}",
            )
        data = stream.read(65536)
    return _parse(path, data)


def _parse(path: Path, data: bytes) -> Secrets:
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        raise SecretsError(f"the secrets file {path} holds bytes that are not ASCII", _RESTORE) from None
    values: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        name = _VARIABLES.get(match[1]) if match else None
        if match is None or name is None:
            known = ", ".join(_VARIABLES)
            raise SecretsError(f"{path}:{number}: this line is not NAME=value with one of {known}", _RESTORE)
        if name in values:
            raise SecretsError(f"{path}:{number}: {match[1]} is there twice", _RESTORE)
        if not match[2]:
            raise SecretsError(f"{path}:{number}: {match[1]} has no value", _RESTORE)
        values[name] = match[2]
    for name in _OPTIONAL:
        values.setdefault(name, "")
    missing = [variable for variable, name in _VARIABLES.items() if name not in values]
    if missing:
        raise SecretsError(f"the secrets file {path} lacks {', '.join(missing)}", _RESTORE)
    problem = appkey.check(values["app_key"])
    if problem:
        raise SecretsError(f"{path}: {problem}", _RESTORE)
    return Secrets(**values)


def text_of(secrets: Secrets) -> str:
    """The file's text: every secret there is. Never shown."""
    lines = ["# Secrets of a dftui stack. Losing APP_KEY loses the credentials stored in DreamFactory."]
    lines += [f"{variable}={value}" for variable, name in _VARIABLES.items() if (value := getattr(secrets, name))]
    return "\n".join(lines) + "\n"


def parse_secrets(text: bytes, where: Path) -> Secrets:
    """Read a file's text; `where` names it for messages. Raises SecretsError."""
    return _parse(where, text)


def save_secrets(engine_id: str, stack: str, secrets: Secrets, *, replace_existing: bool = True) -> Path:
    """Write the secrets whole or not at all (mode 0600, folder 0700, on disk when this returns); the file's path.

    A file with another APP_KEY is not lost: it is kept beside it with that key's fingerprint in its name.
    With `replace_existing` false, a file that is already there is an error: somebody else was first.
    Raises SecretsError, OSError never.
    """
    problem = appkey.check(secrets.app_key)
    if problem:
        raise SecretsError(problem)
    path = secrets_path(engine_id, stack)
    for variable, name in _VARIABLES.items():
        value = getattr(secrets, name)
        if not value and name in _OPTIONAL:
            continue
        if not value or not value.isascii() or not value.isprintable():
            raise SecretsError(f"{variable} is empty or holds characters that are not printable ASCII")
    try:
        paths.config_dir().mkdir(parents=True, exist_ok=True, mode=0o700)
        path.parent.mkdir(exist_ok=True, mode=0o700)
        path.parent.chmod(0o700)
        _write(path, text_of(secrets), stack, secrets, replace_existing)
    except FileExistsError:
        raise SecretsError(
            f"the secrets file {path} has just been made by another dftui", "run the command again"
        ) from None
    except OSError as error:
        where = error.filename or path
        raise SecretsError(f"the secrets cannot be kept in {where}: {error.strerror}") from None
    return path


def _write(path: Path, text: str, stack: str, secrets: Secrets, replace_existing: bool) -> None:
    # mkstemp makes it 0600 from the first moment; the same folder, so that the rename is one step.
    descriptor, name = tempfile.mkstemp(prefix=f".{stack}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if not replace_existing:
            path.hardlink_to(temporary)
        else:
            _keep_old(path, secrets)
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _keep_old(path: Path, secrets: Secrets) -> None:
    """Keep a second name for a file whose APP_KEY differs from the one that is about to take its place."""
    try:
        old = _parse(path, path.read_bytes())
    except (SecretsError, OSError):
        mark = "unreadable"
        if not path.exists():
            return
    else:
        if old.app_key == secrets.app_key:
            return
        mark = old.fingerprint
    kept = path.with_name(f"{path.name}.old-{mark}")
    kept.unlink(missing_ok=True)
    kept.hardlink_to(path)


def recover(
    envs_by_role: Mapping[str, Mapping[str, str]],
    *,
    saved: Secrets | None = None,
    volumes: Collection[str] = (),
) -> Recovered:
    """Put the secrets together from the file, the containers that exist, and new ones; pure.

    `envs_by_role` holds each container's variables under its role, or under "role/name" where a role has several
    ("web/df-web1"); `volumes` the kinds of volume that exist ("db").  What containers run with is kept.  Raises
    SecretsError when two keys or passwords disagree, or when a volume stands whose secrets nobody knows.
    """
    told = _told_by(envs_by_role)
    if saved is not None:
        for item in fields(Secrets):
            told.setdefault(item.name, {}).setdefault(getattr(saved, item.name), []).append("the secrets file")
    for name, by_value in told.items():
        if len(by_value) > 1:
            raise _disagreement(name, by_value)
    known = {name: next(iter(by_value)) for name, by_value in told.items() if by_value}
    for volume in sorted(volumes):
        lost = [_WORDS[name] for name in _NEEDED_BY_VOLUME.get(volume, ()) if name not in known]
        if lost:
            raise SecretsError(
                f"the {volume} volume of this stack exists, but its {' and its '.join(lost)} "
                "stand neither in the secrets file nor in a container; new ones would not open it",
                "put the secrets file back (see 'dftui doctor' for its path), or remove the data with "
                "'dftui down --volumes' and start anew",
            )
    if "app_key" in known:
        problem = appkey.check(known["app_key"])
        if problem:
            who = " and ".join(told["app_key"][known["app_key"]])
            raise SecretsError(f"{who}: {problem}", "start the replicas with a good key: see 'dftui key'")
    fresh = new_secrets(known.get("app_key"))
    if saved is None and known and "admin_password" not in known:
        known["admin_password"] = ""  # the admin was made with one that stood in the lost file alone
    secrets = replace(fresh, **known)
    if saved is not None:
        return Recovered(secrets)
    shown = [name for name in _WORDS if name not in ("db_name", "db_user")]
    return Recovered(
        secrets,
        found=tuple(_WORDS[name] for name in shown if known.get(name)),
        made=tuple(_WORDS[name] for name in shown if name not in known),
        file_missing=True,
    )


def _told_by(envs_by_role: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, list[str]]]:
    """For each field, each value that containers tell, with who tells it."""
    told: dict[str, dict[str, list[str]]] = {}
    for key in sorted(envs_by_role):
        role, _, name = key.partition("/")
        table = _FROM_CONTAINERS.get("web" if role == "setup" else role, {})
        for variable, target in table.items():
            value = envs_by_role[key].get(variable)
            if value:
                tellers = told.setdefault(target, {}).setdefault(value, [])
                if (name or role) not in tellers:
                    tellers.append(name or role)
    return told


def _disagreement(name: str, by_value: Mapping[str, list[str]]) -> SecretsError:
    def who(tellers: list[str]) -> str:
        return ", ".join(tellers[:3]) + (f" and {len(tellers) - 3} more" if len(tellers) > 3 else "")

    if name == "app_key":
        parts = [f"{appkey.fingerprint(key)} in {who(tellers)}" for key, tellers in by_value.items()]
        return SecretsError(
            f"there are {len(by_value)} different APP_KEYs ({'; '.join(parts)}): dftui does not choose",
            "remove the replicas that hold the wrong one, or put the right one into the file: "
            "dftui key import --replace",
        )
    # Nothing of a password is shown, not even a fingerprint: one that a person chose could be guessed from it.
    return SecretsError(
        f"the {_WORDS[name]} differs between {' and '.join(who(tellers) for tellers in by_value.values())}",
        "remove the containers that hold the wrong one, or put the right secrets file back",
    )
