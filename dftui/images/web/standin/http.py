"""Requests and answers, as far as this application needs them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

REASONS = {
    200: "OK",
    201: "Created",
    302: "Found",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    419: "unknown status",
    500: "Internal Server Error",
}


class ApiError(Exception):
    """An error that the API answers in JSON; `code` is a number or an SQLSTATE."""

    def __init__(self, status: int, message: str, code: int | str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = status if code is None else code

    def document(self) -> dict[str, Any]:
        error = {"code": self.code, "context": None, "message": str(self), "status_code": self.status}
        return {"error": error}


@dataclass
class Request:
    """One request; header names are lower case."""

    environ: dict[str, Any]

    @property
    def method(self) -> str:
        return str(self.environ["REQUEST_METHOD"])

    @property
    def path(self) -> str:
        return str(self.environ.get("PATH_INFO", "/")) or "/"

    def header(self, name: str) -> str:
        return str(self.environ.get("HTTP_" + name.upper().replace("-", "_"), ""))

    def query(self, name: str) -> str:
        return parse_qs(str(self.environ.get("QUERY_STRING", ""))).get(name, [""])[0]

    def body(self) -> bytes:
        length = str(self.environ.get("CONTENT_LENGTH") or "0")
        return bytes(self.environ["wsgi.input"].read(int(length))) if length.isdigit() else b""

    def json(self) -> dict[str, Any]:
        raw = self.body()
        if not raw:
            return {}
        try:
            document = json.loads(raw)
        except ValueError:
            raise ApiError(400, "Invalid JSON in the request payload.") from None
        return document if isinstance(document, dict) else {}

    def form(self) -> dict[str, str]:
        text = self.body().decode("utf-8", "replace")
        return {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}

    def cookie(self, name: str) -> str:
        try:
            found = SimpleCookie(self.header("Cookie")).get(name)
        except CookieError:
            return ""
        return found.value if found else ""

    def base_url(self) -> str:
        return f"http://{self.header('Host') or 'localhost'}"


@dataclass
class Answer:
    """One answer."""

    status: int = 200
    body: bytes = b""
    kind: str = "text/html; charset=utf-8"
    headers: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def of_json(cls, document: object, status: int = 200) -> Answer:
        return cls(status, json.dumps(document, default=str).encode(), "application/json")

    @classmethod
    def redirect(cls, to: str) -> Answer:
        return cls(302, b"", headers=[("Location", to)])
