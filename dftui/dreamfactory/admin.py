"""The first admin, made by DreamFactory's own setup form.

The form is asked at one replica, not through the balancer's public port, which can so stay closed for everybody
else.  Of the ways there are it is the only one that keeps the password out of every command line: `php artisan
df:setup` takes it as an argument, which any user of the machine could read, or types it unseen into a terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from html.parser import HTMLParser
from urllib.parse import urlsplit

from dftui.dreamfactory.http import HttpConnection, HttpError, Response
from dftui.stack import values

FORM_PATH = "/setup"
MIN_PASSWORD = 16
MIN_USERNAME = 6
_LONGEST = 255
_AS_BROWSER = {"Accept": "text/html"}
"""Who asks for JSON is answered with 422 and JSON instead of the form again."""


class SetupRefused(HttpError):
    """DreamFactory did not take the form; `str()` is its own words, foreign text."""


class AdminExists(HttpError):
    """DreamFactory shows no setup form, because there is an admin."""


class NotMigrated(HttpError):
    """The database holds no tables yet, so there is no setup form."""


@dataclass(frozen=True, slots=True)
class NewAdmin:
    """What the form asks for. `username` "" takes the email, `name` "" the first and last name."""

    email: str
    first_name: str
    last_name: str
    phone: str
    password: str = field(repr=False)
    username: str = ""
    name: str = ""

    def form(self) -> dict[str, str]:
        """The form's fields, without its token."""
        return {
            "name": self.name or f"{self.first_name} {self.last_name}",
            "first_name": self.first_name,
            "last_name": self.last_name,
            "email": self.email,
            "username": self.username or self.email,
            "phone": self.phone,
            "password": self.password,
            "password_confirmation": self.password,
        }


def _reads(kind: values.Kind) -> Callable[[str], str]:
    """The kind's own sentence for what is allowed; "" for a good value."""

    def problem(text: str) -> str:
        try:
            kind.read(values.Scalar(text, values.STR))
        except values.Bad as bad:
            return f"it must be {bad}"
        return ""

    return problem


def _username(text: str) -> str:
    if text and not MIN_USERNAME <= len(text) <= _LONGEST:
        return f"it must have at least {MIN_USERNAME} characters (or be left empty: then it is the email)"
    return "" if text.isprintable() else "it must be one line of text"


def _password(text: str) -> str:
    if len(text) < MIN_PASSWORD:
        return f"it must have at least {MIN_PASSWORD} characters; this has {len(text)}"
    if len(text) > _LONGEST:
        return f"it must have at most {_LONGEST} characters"
    return "" if text.isprintable() else "it must be one line of text"


_RULES: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "email": ("email", _reads(values.EMAIL)),
    "first_name": ("first name", _reads(values.PERSON)),
    "last_name": ("last name", _reads(values.PERSON)),
    "phone": ("phone", _reads(values.PHONE)),
    "username": ("user name", _username),
    "password": ("password", _password),
}
"""Fields in the order of a form: what each is called, and its rule (DreamFactory's own, and what its form takes)."""


def problems(admin: NewAdmin) -> dict[str, str]:
    """A sentence for each field that DreamFactory would refuse, by the field's name; nothing is sent before this is
    empty. No value is in a sentence."""
    found: dict[str, str] = {}
    for item in fields(NewAdmin):
        if item.name in _RULES:
            called, rule = _RULES[item.name]
            if problem := rule(getattr(admin, item.name)):
                found[item.name] = f"{called}: {problem}"
    return {name: found[name] for name in _RULES if name in found}


class _Page(HTMLParser):
    """The form's hidden token, and what the page calls errors."""

    def __init__(self) -> None:
        super().__init__()
        self.token = ""
        self.errors: list[str] = []
        self._open: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Inputs have no end; of the others it is remembered whether they hold an error."""
        found = dict(attrs)
        if tag == "input":
            if found.get("name") == "_token":
                self.token = found.get("value") or ""
            return
        if tag in ("br", "hr", "img", "link", "meta"):
            return
        words = (found.get("class") or "").split()
        self._open.append(any(word in ("error", "alert-danger", "help-block", "invalid-feedback") for word in words))

    def handle_endtag(self, tag: str) -> None:
        """The innermost one ends."""
        if self._open:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        """Text inside an error."""
        if any(self._open) and data.strip():
            self.errors.append(data.strip())


def _page(answer: Response) -> _Page:
    page = _Page()
    page.feed(answer.body.decode("utf-8", "replace"))
    return page


def _leads_to(answer: Response) -> str:
    """The path of a redirect, "" when it is none."""
    return urlsplit(answer.headers.get("location", "")).path or "/" if 300 <= answer.status < 400 else ""


async def make_first_admin(http: HttpConnection, admin: NewAdmin) -> None:
    """Fill in the setup form at the replica that `http` leads to. Raises AdminExists, NotMigrated, SetupRefused, or
    HttpError."""
    answer = await http.request("GET", FORM_PATH, headers=_AS_BROWSER)
    match _leads_to(answer):
        case "":
            pass
        case "/setup_db":
            raise NotMigrated("DreamFactory has no tables yet")
        case _:
            raise AdminExists("DreamFactory shows no setup form: there is an admin already")
    token = _page(answer).token
    if answer.status != 200 or not token:
        raise HttpError(f"DreamFactory's setup form cannot be read (status {answer.status})")
    cookies = answer.cookies()
    sent = await http.request("POST", FORM_PATH, headers=_with(cookies), form={"_token": token, **admin.form()})
    if _leads_to(sent) == "/":
        return
    told = await http.request("GET", FORM_PATH, headers=_with({**cookies, **sent.cookies()}))
    words = " ".join(_page(told).errors)[:300]
    raise SetupRefused(words or f"DreamFactory did not take the setup form (status {sent.status})")


def _with(cookies: Mapping[str, str]) -> dict[str, str]:
    line = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return {**_AS_BROWSER, "Cookie": line} if line else _AS_BROWSER
