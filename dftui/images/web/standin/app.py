"""The WSGI application: which path answers what, in which state."""

from __future__ import annotations

import hmac
import os
import secrets
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from string import Template
from typing import Any

from . import VERSION, setup
from .api import Api
from .cache import CacheError, open_cache, open_sessions
from .http import REASONS, Answer, ApiError, Request
from .logs import Logs
from .settings import Settings
from .store import Database, DatabaseError

UI = "/dreamfactory/dist/"
PAGES = Path(__file__).parent / "pages"
SESSION_COOKIE = "dreamfactory_session"
SESSION_LIFE = 7200
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}
_FIELDS = ("name", "first_name", "last_name", "email", "username", "phone")


def escape(text: str) -> str:
    """Text for HTML, in and between tags."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


class App:
    """The application of one replica."""

    def __init__(self, settings: Settings, delay: float = 0.0, delay_by_query: bool = False) -> None:
        self.settings = settings
        self.logs = Logs(settings)
        self.database = Database(settings)
        self.cache = open_cache(settings)
        self.sessions = open_sessions(settings)
        self.api = Api(settings, self.database, self.cache, self.logs)
        self._delay = delay
        self._delay_by_query = delay_by_query
        self._texts: dict[str, str] = {}

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        answer = self.handle(Request(environ))
        headers = [
            ("Content-Type", answer.kind),
            ("Content-Length", str(len(answer.body))),
            ("Cache-Control", "no-cache, private"),
            *answer.headers,
        ]
        start(f"{answer.status} {REASONS.get(answer.status, 'unknown')}", headers)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else answer.body]

    def handle(self, request: Request) -> Answer:
        """The answer to one request, whatever goes wrong."""
        self._wait(request)
        in_api = request.path.startswith("/api/")
        try:
            if not self.logs.writable():
                return self._failed(
                    request, "UnexpectedValueException", "The stream or file could not be opened", html=True
                )
            # Every request asks the cache for something first, so without it nothing works, not even the API's JSON.
            self.cache.get("df.cors")
            return self._route(request)
        except CacheError as error:
            return self._failed(request, "Predis\\Connection\\ConnectionException", str(error), html=True)
        except ApiError as error:
            if error.status >= 500:
                self.logs.trouble("RuntimeException", str(error), _frames())
            return Answer.of_json(error.document(), error.status)
        except DatabaseError as error:
            return self._failed(request, "Illuminate\\Database\\QueryException", str(error), error.state, not in_api)
        except Exception as error:
            return self._failed(request, type(error).__name__, str(error), html=not in_api)

    def _wait(self, request: Request) -> None:
        delay = self._delay
        if self._delay_by_query:
            asked = request.query("delay_ms")
            delay = int(asked) / 1000 if asked.isdigit() else delay
        if delay > 0:
            time.sleep(min(delay, 300.0))

    def _failed(self, request: Request, kind: str, message: str, code: str = "", html: bool = False) -> Answer:
        self.logs.trouble(kind, message, _frames())
        self.logs.nginx(message, request.environ)
        if (html and request.path != "/status") or kind.startswith("Predis"):
            return Answer(500, self._page("error.html", code="500", text="Server Error"))
        return Answer.of_json(ApiError(500, message, code or 500).document(), 500)

    def _route(self, request: Request) -> Answer:
        path = request.path
        if path == "/api/v2" or path.startswith("/api/v2/"):
            return self.api.answer(request)
        if path.startswith(UI) or path == UI.rstrip("/"):
            return self._static(path.removeprefix(UI.rstrip("/")).strip("/") or "index.html")
        match path:
            case "/up":
                return Answer(200, self._page("up.html"))
            case "/status":
                return self._status(request)
            case "/":
                return self._front()
            case "/setup":
                return self._setup_post(request) if request.method == "POST" else self._setup_page(request)
            case "/setup_db":
                return self._setup_db_post(request) if request.method == "POST" else self._setup_db_page(request)
        return Answer(404, self._page("error.html", code="404", text="Not Found"))

    def _status(self, request: Request) -> Answer:
        self.logs.write("info", "[REQUEST] Instance status")
        # One round trip: the balancer asks each second, on every replica.
        row = self.database.row(
            "SELECT (SELECT COUNT(*) FROM app) AS app, (SELECT COUNT(*) FROM user WHERE is_sys_admin = 1) AS admin, "
            "(SELECT COUNT(*) FROM user WHERE is_sys_admin = 0) AS user, (SELECT COUNT(*) FROM service) AS service, "
            "(SELECT COUNT(*) FROM role) AS role, "
            "(SELECT MAX(last_login_date) FROM user WHERE is_sys_admin = 1) AS last_admin_login"
        )
        counts = dict(row or {})
        document = {
            "uri": request.base_url(),
            "managed": False,
            "dist": "dftui stand-in",
            "demo": False,
            "version": VERSION,
            "host_os": "Linux",
            "last_admin_login": counts.pop("last_admin_login", None),
            "resources": counts,
        }
        return Answer.of_json(document)

    def _front(self) -> Answer:
        if problem := self.settings.key_problem():
            raise RuntimeError(problem)
        try:
            if setup.pending(self.database):
                return Answer.redirect("/setup_db")
            exists = self._admin_exists()
        except DatabaseError:
            # A database that is down looks like a fresh installation here, and on the real one.
            return Answer.redirect("/setup_db")
        return Answer.redirect(UI if exists else "/setup")

    def _admin_exists(self) -> bool:
        return setup.admin_exists(self.database, self.cache, self.settings.cache_ttl)

    def _setup_page(self, request: Request) -> Answer:
        if problem := self.settings.key_problem():
            raise RuntimeError(problem)
        try:
            if setup.pending(self.database):
                return Answer.redirect("/setup_db")
        except DatabaseError:
            return Answer.redirect("/setup_db")
        if self._admin_exists():
            return Answer.redirect("/")
        name, session = self._session(request)
        errors = session.pop("errors", {})
        old = session.pop("old", {})
        self.sessions.put(name, session, SESSION_LIFE)
        told = "".join(f'<li class="error">{escape(str(text))}</li>' for text in errors.values())
        values = {field: escape(str(old.get(field, ""))) for field in _FIELDS}
        page = self._page("setup.html", token=session["token"], errors=told, **values)
        return Answer(200, page, headers=[_cookie(name)])

    def _setup_post(self, request: Request) -> Answer:
        form = request.form()
        session = self._checked_session(request, form.get("_token", ""))
        if session is None:
            return Answer(419, self._page("error.html", code="419", text="Page Expired"))
        if self._admin_exists():
            return Answer.redirect("/")
        admin = setup.NewAdmin(
            form.get("email", ""),
            form.get("password", ""),
            form.get("first_name", ""),
            form.get("last_name", ""),
            form.get("phone", ""),
            form.get("name", ""),
            form.get("username", ""),
        )
        found = setup.problems(admin)
        if form.get("password", "") != form.get("password_confirmation", ""):
            found["password"] = "The password confirmation does not match."
        try:
            if found:
                raise setup.SetupRefused(found)
            setup.create_admin(self.database, self.cache, self.settings.cache_ttl, admin)
        except setup.SetupRefused as refused:
            session["errors"] = refused.problems
            session["old"] = {field: form.get(field, "") for field in _FIELDS}
            self.sessions.put(request.cookie(SESSION_COOKIE), session, SESSION_LIFE)
            return Answer.redirect("/setup")
        return Answer.redirect("/")

    def _setup_db_page(self, request: Request) -> Answer:
        try:
            if not setup.pending(self.database):
                return Answer.redirect("/")
        except DatabaseError:
            pass
        name, session = self._session(request)
        self.sessions.put(name, session, SESSION_LIFE)
        return Answer(200, self._page("setup_db.html", token=session["token"]), headers=[_cookie(name)])

    def _setup_db_post(self, request: Request) -> Answer:
        if self._checked_session(request, request.header("X-CSRF-TOKEN")) is None:
            return Answer(419, self._page("error.html", code="419", text="Page Expired"))
        try:
            setup.migrate(self.database, lambda _: None)
        except DatabaseError as error:
            self.logs.trouble("Illuminate\\Database\\QueryException", str(error), _frames())
            return Answer.of_json({"success": False, "message": str(error)}, 500)
        return Answer.of_json({"success": True, "redirect_path": "/setup"})

    def _session(self, request: Request) -> tuple[str, dict[str, Any]]:
        name = request.cookie(SESSION_COOKIE)
        kept = self.sessions.get(name) if name else None
        if isinstance(kept, dict) and "token" in kept:
            return name, kept
        return secrets.token_urlsafe(30), {"token": secrets.token_urlsafe(30)}

    def _checked_session(self, request: Request, token: str) -> dict[str, Any] | None:
        """The form's session, if it is known here and the token is its own; a form from another replica with
        sessions of its own is not."""
        name = request.cookie(SESSION_COOKIE)
        kept = self.sessions.get(name) if name else None
        if not isinstance(kept, dict) or not hmac.compare_digest(str(kept.get("token", "")), token):
            return None
        return kept

    def _static(self, name: str) -> Answer:
        kind = _KINDS.get(Path(name).suffix)
        if kind is None or "/" in name or name not in ("index.html", "app.js", "style.css"):
            return Answer(404, self._page("error.html", code="404", text="Not Found"))
        return Answer(200, self._text(name).encode(), kind)

    def _text(self, name: str) -> str:
        if name not in self._texts:
            self._texts[name] = (PAGES / name).read_text("utf-8")
        return self._texts[name]

    def _page(self, name: str, /, **values: str) -> bytes:
        return Template(self._text(name)).safe_substitute(values, host=escape(os.uname().nodename)).encode()


def _cookie(name: str) -> tuple[str, str]:
    return ("Set-Cookie", f"{SESSION_COOKIE}={name}; Max-Age={SESSION_LIFE}; Path=/; HttpOnly; SameSite=Lax")


def _frames() -> list[str]:
    """Where this happened, in the manner of a PHP trace."""
    frames = traceback.extract_stack()[:-2]
    return [f"/opt/dreamfactory/{Path(f.filename).name}({f.lineno}): {f.name}()" for f in reversed(frames[-8:])]
