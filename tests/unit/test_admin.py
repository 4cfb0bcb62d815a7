"""The first admin: rules that hold before anything is sent, and the setup form read and filled in."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs

import pytest

from dftui.dreamfactory.admin import (
    AdminExists,
    NewAdmin,
    NotMigrated,
    SetupRefused,
    make_first_admin,
    problems,
)
from dftui.dreamfactory.http import HttpConnection, HttpError
from tests.fakes.engine import FakeEngine

GOOD = NewAdmin("boss@example.com", "Ada", "Byron", "555-0100", "sixteen chars ok")
FORM = """<html><body><ul class="alert alert-danger">{errors}</ul><br><form>
<input autocomplete="off" value="t&amp;ken" name="_token" type=hidden></form></body></html>"""


def test_a_good_one_has_no_problems() -> None:
    assert problems(GOOD) == {}
    assert problems(replace(GOOD, username="sixsix")) == {}


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("email", ""),
        ("email", "nobody"),
        ("email", "a@b"),
        ("first_name", ""),
        ("last_name", "x" * 50),
        ("phone", ""),
        ("phone", "12"),
        ("username", "five5"),
        ("password", "fifteen chars 1"),
        ("password", ""),
        ("password", "sixteen chars\nlong"),
    ],
)
def test_each_rule_names_its_field_and_no_value(field: str, bad: str) -> None:
    found = problems(replace(GOOD, **{field: bad}))
    assert list(found) == [field]
    assert bad == "" or bad not in found[field]
    assert found[field].startswith(field.replace("_", " ").replace("username", "user name"))


def test_no_repr_shows_the_password() -> None:
    assert GOOD.password not in repr(GOOD)


class Web:
    """A replica that answers from a list, and what it was sent."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, data: bytes) -> bytes:
        self.asked.append(data.decode())
        return self.answers.pop(0).encode()


def page(body: str, status: str = "200 OK", *more: str) -> str:
    lines = [f"HTTP/1.1 {status}", *more, f"Content-Length: {len(body.encode())}", "", body]
    return "\r\n".join(lines)


async def fill_in(web: Web) -> None:
    engine = FakeEngine()
    engine.add("df-lb")
    engine.on_stream(("socat",), web)
    await make_first_admin(HttpConnection(await engine.exec_stream("df-lb", ("socat",))), GOOD)


async def test_the_form_is_sent_with_its_token_and_every_cookie() -> None:
    web = Web(
        page(
            FORM.format(errors=""),
            "200 OK",
            "Set-Cookie: XSRF-TOKEN=one; path=/",
            "Set-Cookie: session=two; httponly",
        ),
        page("", "302 Found", "Location: http://172.16.0.11/"),
    )
    await fill_in(web)
    head, _, body = web.asked[1].partition("\r\n\r\n")
    sent = {name: values[0] for name, values in parse_qs(body).items()}
    assert head.startswith("POST /setup HTTP/1.1")
    assert "Cookie: XSRF-TOKEN=one; session=two" in head
    assert "Accept: text/html" in head
    assert sent["_token"] == "t&ken"
    assert sent["password"] == sent["password_confirmation"] == GOOD.password
    assert (sent["email"], sent["username"], sent["name"]) == (GOOD.email, GOOD.email, "Ada Byron")
    assert GOOD.password not in head


async def test_what_dreamfactory_refuses_is_told_in_its_words() -> None:
    again = page(FORM.format(errors="<li>The email has already been taken.</li>"))
    web = Web(page(FORM.format(errors="")), page("", "302 Found", "Location: http://x/setup"), again)
    with pytest.raises(SetupRefused, match=r"The email has already been taken\."):
        await fill_in(web)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (page("", "302 Found", "Location: /setup_db"), NotMigrated),
        (page("", "302 Found", "Location: http://x/"), AdminExists),
        (page("no form here"), HttpError),
        (page("", "500 Internal Server Error"), HttpError),
    ],
)
async def test_without_a_form_nothing_is_sent(answer: str, error: type[HttpError]) -> None:
    web = Web(answer)
    with pytest.raises(error):
        await fill_in(web)
    assert len(web.asked) == 1
