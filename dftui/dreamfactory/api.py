"""What dftui asks of DreamFactory's REST API: status, login, Host, logout."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from dftui.dreamfactory.http import HttpError, Response

TOKEN_HEADER = "X-DreamFactory-Session-Token"
SESSION_PATH = "/api/v2/system/admin/session"
ENVIRONMENT_PATH = "/api/v2/system/environment"
STATUS_PATH = "/status"
SETUP_PATHS = ("/setup", "/setup_db")


class Http(Protocol):
    """Whatever can be asked: a connection, or one that is opened again when it has ended."""

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: Any = None
    ) -> Response:
        """The whole answer. Raises HttpError."""
        ...


class LoginRefused(HttpError):
    """The admin's email or password is wrong: do not try again, failed logins can lock the account."""


@dataclass(frozen=True, slots=True)
class Status:
    """`/status`: how many admins there are and which version answers; `ready` means migrated and answering 200,
    `listening` that anything answered at all."""

    ready: bool
    listening: bool = True
    admins: int = 0
    version: str = ""
    last_login: str = ""
    """When an admin last logged in, as the database has it; versions before 7 do not tell."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """How many apps, admins, users, services and roles the database holds."""


def parse_status(code: int, body: bytes) -> Status:
    """Read the answer of `/status`; anything but a 200 with JSON is not ready."""
    if code != 200:
        return Status(ready=False, listening=code != 0)
    try:
        document = json.loads(body)
        resources = document["resources"]
        return Status(
            ready=True,
            admins=int(resources["admin"]),
            version=str(document.get("version", "")),
            last_login=str(document.get("last_admin_login") or ""),
            counts={str(name): count for name, count in resources.items() if isinstance(count, int)},
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return Status(ready=True)


async def status(http: Http) -> tuple[int, Status]:
    """`/status` of whoever answers, and its status code."""
    answer = await http.request("GET", STATUS_PATH)
    return answer.status, parse_status(answer.status, answer.body)


async def login(http: Http, email: str, password: str, headers: Mapping[str, str]) -> str:
    """The session token of an admin. Raises LoginRefused on 400, 401 and 403, HttpError else."""
    answer = await http.request("POST", SESSION_PATH, headers=headers, body={"email": email, "password": password})
    if answer.status in (400, 401, 403):
        raise LoginRefused(f"DreamFactory refused the login of {email} (status {answer.status})")
    if answer.status != 200:
        raise HttpError(f"login answered status {answer.status}")
    token = answer.json().get("session_token")
    if not isinstance(token, str) or not token:
        raise HttpError("login answered without a session token")
    return token


async def logout(http: Http, token: str, headers: Mapping[str, str]) -> None:
    """End the session of `token`."""
    await http.request("DELETE", SESSION_PATH, headers={**headers, TOKEN_HEADER: token})


async def server_host(http: Http, token: str, headers: Mapping[str, str]) -> tuple[int, str]:
    """Status and Host of whichever replica answers, as Config > System Info shows it ("" when not told)."""
    answer = await http.request("GET", ENVIRONMENT_PATH, headers={**headers, TOKEN_HEADER: token})
    if answer.status != 200:
        return answer.status, ""
    return answer.status, _host(answer.json())


def _host(document: Any) -> str:
    for section in ("server", "platform"):  # 2016's versions had it under platform
        part = document.get(section) if isinstance(document, dict) else None
        if isinstance(part, dict) and isinstance(part.get("host"), str):
            return str(part["host"])
    return ""


async def session(http: Http, token: str) -> str:
    """Use a token: "" when it is good, else why not, as `refusal` says."""
    return refusal(await http.request("GET", SESSION_PATH, headers={TOKEN_HEADER: token}))


def refusal(answer: Response) -> str:
    """Why a token was refused: signature, clock, blacklist, database (its user is not there), or "status N"; "" when
    it was not. The words are those of tymon's jwt-auth and of DreamFactory's own checks."""
    if answer.status == 200:
        return ""
    text = answer.body[:4096].decode("utf-8", "replace").lower()
    if answer.status in (400, 401, 403):
        for word, cause in _REFUSALS:
            if word in text:
                return cause
    return f"status {answer.status}"


_REFUSALS = (
    ("signature", "signature"),
    ("in the future", "clock"),
    ("expired", "clock"),
    ("blacklisted", "blacklist"),
    ("user", "database"),
)


@dataclass(frozen=True, slots=True)
class Platform:
    """What an admin is told of one replica: its Host and the drivers that it really uses."""

    host: str
    cache_driver: str = ""
    db_driver: str = ""


async def platform(http: Http, token: str) -> Platform | None:
    """The environment as Config shows it; None when the token is not taken."""
    answer = await http.request("GET", ENVIRONMENT_PATH, headers={TOKEN_HEADER: token})
    if answer.status != 200:
        return None
    document = answer.json()
    found = document.get("platform") if isinstance(document, dict) else None
    told = found if isinstance(found, dict) else {}
    return Platform(_host(document), str(told.get("cache_driver", "")), str(told.get("db_driver", "")))
