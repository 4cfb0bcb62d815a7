"""The REST API: `/api/v2/system/…`, as far as a stack of replicas is run and checked with it."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from typing import Any

from . import VERSION, setup
from .cache import Store
from .http import Answer, ApiError, Request
from .logs import Logs
from .settings import Settings
from .store import Database
from .tokens import TokenError, Tokens

NO_TOKEN = (
    "No session token (JWT) or API Key detected in request. Please send in X-DreamFactory-Session-Token and/or "
    "X-Dreamfactory-API-Key request header. You can also use URL query parameters session_token and/or api_key."
)


class Api:
    """Answers by service and resource."""

    def __init__(self, settings: Settings, database: Database, cache: Store, logs: Logs) -> None:
        self.settings = settings
        self.database = database
        self.cache = cache
        self.logs = logs
        self.tokens = Tokens(settings, cache)
        self._host = os.uname().nodename

    def answer(self, request: Request) -> Answer:
        """Route one request below /api/v2. Raises ApiError, DatabaseError, CacheError."""
        parts = request.path.removeprefix("/api/v2").strip("/").split("/")
        service, resource = parts[0], "/".join(parts[1:])
        user = self._user(request)
        self.logs.request(request.method, service, resource, user["id"] if user else None)
        try:
            document, status = self._route(request, service, resource, user)
        except ApiError as error:
            self.logs.response(error.status)
            raise
        self.logs.response(status)
        if resource == "admin/session" and request.method == "POST":
            self.logs.response(status)  # seen twice on the real one, too
        name = ".".join([service, *resource.split("/"), request.method.lower()])
        self.logs.event(name, document)
        return Answer.of_json(document, status)

    def _route(
        self, request: Request, service: str, resource: str, user: dict[str, Any] | None
    ) -> tuple[dict[str, Any], int]:
        if service == "" and request.method == "GET":
            self._need(user)
            rows = self.database.rows("SELECT name, label, type FROM service ORDER BY name")
            return {"services": rows}, 200
        if service != "system":
            raise ApiError(404, f"Could not find a service for {service}")
        match resource:
            case "environment" if request.method == "GET":
                return self._environment(request, user), 200
            case "admin/session":
                return self._session(request, user), 200
            case "admin" if request.method == "GET":
                self._need(user)
                fields = "id, name, email, first_name, last_name, is_active, last_login_date"
                return {"resource": self.database.rows(f"SELECT {fields} FROM user WHERE is_sys_admin = 1")}, 200
            case "custom":
                return self._custom(request, self._need(user))
        if resource.startswith("custom/"):
            self._need(user)
            name = resource.removeprefix("custom/")
            return self._custom_one(request, name), 200
        raise ApiError(404, f"Resource '{resource}' not found for service '{service}'.")

    def _user(self, request: Request) -> dict[str, Any] | None:
        """Whose token came along; None without one. Raises ApiError for one that is not good."""
        token = request.header("X-DreamFactory-Session-Token") or request.query("session_token")
        if not token and request.header("Authorization").startswith("Bearer "):
            token = request.header("Authorization")[7:].strip()
        if not token:
            return None
        try:
            claims = self.tokens.read(token)
        except TokenError as error:
            # Logging in again is always allowed, whatever token still comes along.
            if request.method == "POST" and request.path.endswith("/admin/session"):
                return None
            raise ApiError(error.status, str(error)) from None
        row = self.database.row("SELECT * FROM user WHERE id = %s AND is_active = 1", (claims.get("user_id"),))
        if row is None:
            raise ApiError(401, "User not found or inactive.")
        return {**row, "claims": claims, "token": token}

    def _need(self, user: dict[str, Any] | None) -> dict[str, Any]:
        if user is None:
            raise ApiError(401, NO_TOKEN)
        if not user["is_sys_admin"]:
            raise ApiError(403, "Access Forbidden.")
        return user

    def _session(self, request: Request, user: dict[str, Any] | None) -> dict[str, Any]:
        match request.method:
            case "POST":
                return self._login(request)
            case "GET":
                user = self._need(user)
                return self._session_document(user, user["token"], user["claims"]["exp"])
            case "PUT":
                user = self._need(user)
                forever = bool(user["claims"].get("forever"))
                token, until = self.tokens.make(user["id"], user["email"], self._issuer(request), forever)
                self.tokens.end(user["claims"])
                return self._session_document(user, token, until)
            case "DELETE":
                user = self._need(user)
                self.tokens.end(user["claims"])
                self.database.run(
                    "DELETE FROM token_map WHERE user_id = %s AND token = %s", (user["id"], user["token"])
                )
                return {"success": True}
        raise ApiError(405, f"{request.method} is not supported.")

    def _login(self, request: Request) -> dict[str, Any]:
        given = request.json()
        email, password = str(given.get("email") or ""), str(given.get("password") or "")
        if not email:
            raise ApiError(400, "Login request is missing required email.")
        if not password:
            raise ApiError(400, "Login request is missing required password.")
        if problem := self.settings.key_problem():
            raise ApiError(500, problem)
        row = self.database.row(
            "SELECT * FROM user WHERE email = %s AND is_sys_admin = 1 AND is_active = 1", (email,)
        )
        if row is None or not setup.password_matches(password, str(row["password"])):
            raise ApiError(401, "Invalid credentials supplied.")
        token, until = self.tokens.make(row["id"], email, self._issuer(request), bool(given.get("remember_me")))
        row["last_login_date"] = setup.now()
        self.database.run("UPDATE user SET last_login_date = %s WHERE id = %s", (row["last_login_date"], row["id"]))
        self.database.run("DELETE FROM token_map WHERE exp < %s", (int(time.time()),))
        self.database.run(
            "INSERT INTO token_map (user_id, token, iat, exp) VALUES (%s, %s, %s, %s)",
            (row["id"], token, int(time.time()), until),
        )
        return self._session_document(row, token, until)

    def _issuer(self, request: Request) -> str:
        return request.base_url() + request.path

    def _session_document(self, user: dict[str, Any], token: str, until: int) -> dict[str, Any]:
        return {
            "session_token": token,
            "session_id": token,
            "id": user["id"],
            "name": user["name"],
            "first_name": user["first_name"],
            "last_name": user["last_name"],
            "email": user["email"],
            "is_sys_admin": bool(user["is_sys_admin"]),
            "last_login_date": user["last_login_date"],
            "host": self._host,
            "token_expiry_date": datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%d %H:%M:%S"),
        }

    def _environment(self, request: Request, user: dict[str, Any] | None) -> dict[str, Any]:
        document: dict[str, Any] = {
            "authentication": {
                "admin": {
                    "path": "system/admin/session",
                    "verb": "POST",
                    "payload": {"email": "string", "password": "string"},
                },
                "allow_open_registration": False,
                "allow_forever_sessions": False,
                "login_attribute": "email",
            },
            "apps": [],
        }
        if user is None:
            return document
        kernel = os.uname()
        document["server"] = {
            "server_os": kernel.sysname.lower(),
            "release": kernel.release,
            "version": kernel.version,
            "host": kernel.nodename,
            "machine": kernel.machine,
        }
        # The connection's other end, so the balancer's address: X-Forwarded-For is not looked at.
        document["client"] = {
            "user_agent": request.header("User-Agent"),
            "ip_address": request.environ.get("REMOTE_ADDR", ""),
            "locale": "en",
        }
        if user["is_sys_admin"]:
            document["platform"] = {
                "version": VERSION,
                "is_hosted": False,
                "license": "OPEN SOURCE",
                "db_driver": self.settings.db_driver,
                "cache_driver": self.settings.cache_store,
                "log_mode": "single",
                "log_level": self.settings.log_level,
                "install_path": "/opt/dreamfactory/",
                "app_debug": False,
                "root_admin_exists": True,
            }
        return document

    def _custom(self, request: Request, user: dict[str, Any]) -> tuple[dict[str, Any], int]:
        """Settings that admins keep in the database under names of their own."""
        del user
        if request.method == "GET":
            rows = self.database.rows("SELECT name, value FROM system_custom ORDER BY name")
            return {"resource": [{"name": row["name"], "value": json.loads(row["value"])} for row in rows]}, 200
        if request.method != "POST":
            raise ApiError(405, f"{request.method} is not supported.")
        given = request.json().get("resource")
        records = [record for record in given if isinstance(record, dict)] if isinstance(given, list) else []
        if not records or not all(record.get("name") for record in records):
            raise ApiError(400, "No record(s) detected in request.")
        for record in records:
            self.database.run("DELETE FROM system_custom WHERE name = %s", (str(record["name"]),))
            self.database.run(
                "INSERT INTO system_custom (name, value, created_date) VALUES (%s, %s, %s)",
                (str(record["name"]), json.dumps(record.get("value")), setup.now()),
            )
        return {"resource": [{"name": record["name"]} for record in records]}, 201

    def _custom_one(self, request: Request, name: str) -> dict[str, Any]:
        row = self.database.row("SELECT name, value FROM system_custom WHERE name = %s", (name,))
        if row is None:
            raise ApiError(404, f"Record with identifier '{name}' not found.")
        if request.method == "DELETE":
            self.database.run("DELETE FROM system_custom WHERE name = %s", (name,))
            return {"name": name}
        if request.method == "GET":
            return {"name": name, "value": json.loads(row["value"])}
        raise ApiError(405, f"{request.method} is not supported.")
