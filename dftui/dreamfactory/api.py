"""What dftui asks of DreamFactory's REST API: status, login, Host, logout."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from dftui.dreamfactory.http import HttpConnection, HttpError

TOKEN_HEADER = "X-DreamFactory-Session-Token"
SESSION_PATH = "/api/v2/system/admin/session"
ENVIRONMENT_PATH = "/api/v2/system/environment"


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


def parse_status(code: int, body: bytes) -> Status:
    """Read the answer of `/status`; anything but a 200 with JSON is not ready."""
    if code != 200:
        return Status(ready=False, listening=code != 0)
    try:
        document = json.loads(body)
        admins = document["resources"]["admin"]
        return Status(ready=True, admins=int(admins), version=str(document.get("version", "")))
    except (ValueError, KeyError, TypeError):
        return Status(ready=True)


async def login(http: HttpConnection, email: str, password: str, headers: Mapping[str, str]) -> str:
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


async def logout(http: HttpConnection, token: str, headers: Mapping[str, str]) -> None:
    """End the session of `token`."""
    await http.request("DELETE", SESSION_PATH, headers={**headers, TOKEN_HEADER: token})


async def server_host(http: HttpConnection, token: str, headers: Mapping[str, str]) -> tuple[int, str]:
    """Status and Host of whichever replica answers, as Config > System Info shows it ("" when not told)."""
    answer = await http.request("GET", ENVIRONMENT_PATH, headers={**headers, TOKEN_HEADER: token})
    if answer.status != 200:
        return answer.status, ""
    document = answer.json()
    for section in ("server", "platform"):  # 2016's versions had it under platform
        part = document.get(section)
        if isinstance(part, dict) and isinstance(part.get("host"), str):
            return answer.status, part["host"]
    return answer.status, ""
