"""A stack without a first admin: the open form, the admin made later, and the form closed behind it."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import pytest

from tests.engine.operate import get, operating, until
from tests.stacks import Stack, docker

WORD = "correct horse & battery \\ staple"
ADMIN = ("--email", "ada@example.com", "--first-name", "Ada", "--last-name", "Byron", "--phone", "555-01000")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("admin"), "web:\n  replicas: 2\nadmin: none\n") as found:
        found.ok("up")
        yield found
        found.ok("down", "--volumes", "--yes")
        assert found.left() == []


def logs_in(stack: Stack, email: str, word: str) -> bool:
    data = json.dumps({"email": email, "password": word}).encode()
    request = urllib.request.Request(
        f"{stack.url}/api/v2/system/admin/session", data, {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError:
        return False


def open_by_hand(stack: Stack) -> None:
    """What a careless operator does."""
    command = "experimental-mode on; set var proc.setup_closed int(0)"
    docker("exec", "-i", f"{stack.name}-lb", "socat", "-", "UNIX:/var/lib/haproxy/admin.sock", stdin=f"{command}\n")


def forget_admin(stack: Stack) -> None:
    """As if nobody had set it up: no admin in the database, none remembered by the replicas, the form open."""
    client = 'MYSQL_PWD="$MYSQL_ROOT_PASSWORD" mariadb -uroot "$MYSQL_DATABASE" -e "DELETE FROM user"'
    docker("exec", f"{stack.name}-mysql", "sh", "-c", client)
    docker("exec", f"{stack.name}-redis", "sh", "-c", 'REDISCLI_AUTH="$REDIS_PASSWORD" redis-cli FLUSHALL')
    open_by_hand(stack)
    assert stack.json("status")["admin"] == "no admin"


def test_without_an_admin_the_form_is_open_and_that_is_said(stack: Stack) -> None:
    status = stack.json("status")
    assert (status["admin"], status["setup_open"], status["drift"]) == ("no admin", False, [])
    assert "no first admin yet" in stack.ok("status")
    assert get(stack, "/setup") == 200


def test_what_breaks_a_rule_is_named_and_nothing_is_sent(stack: Stack) -> None:
    found = stack.run("admin", "create", "--email", "nobody", "--phone", "1", "--password-stdin", stdin="too short\n")
    assert found.returncode == 2
    for word in (
        "email: ",
        "phone: ",
        "password: it must have at least 16 characters; this has 9",
        "nothing was sent",
    ):
        assert word in found.stderr
    assert stack.json("status")["admin"] == "no admin"


def test_the_admin_is_made_and_the_form_closed_behind_it_for_good(stack: Stack) -> None:
    made = stack.run("admin", "create", *ADMIN, "--password-stdin", "--json", stdin=f"{WORD}\n")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["email"] == "ada@example.com"
    assert logs_in(stack, "ada@example.com", WORD)
    # The word stands nowhere: no log, no secrets file, no history, no command line of what runs in the containers.
    assert WORD not in made.stdout + made.stderr + stack.ok("logs")
    for path in stack.folder.rglob("*"):
        assert not path.is_file() or WORD not in path.read_text(errors="replace"), path
    assert (get(stack, "/setup"), get(stack, "/setup_db")) == (403, 403)
    status = stack.json("status")
    assert (status["admin"], status["setup_open"]) == ("ready", False)
    again = stack.run("admin", "create", *ADMIN, "--password-stdin", stdin=f"{WORD}\n")
    assert again.returncode == 1
    assert "there is an admin already" in again.stderr
    # Closed over a restart of the balancer, a change of the number, and a stack that is made anew on the same data.
    stack.ok("scale", "1")
    docker("restart", "-t", "1", f"{stack.name}-lb")
    stack.wait_serving(1)
    assert get(stack, "/setup") == 403
    stack.ok("down", "--yes")
    stack.ok("up", "-n", "2")
    assert get(stack, "/setup") == 403


def test_a_form_that_can_be_reached_is_an_alarm_and_repair_closes_it(stack: Stack) -> None:
    open_by_hand(stack)
    status = stack.json("status")
    assert status["setup_open"]
    assert [drift["kind"] for drift in status["drift"]] == ["setup-open"]
    stack.ok("repair")
    assert get(stack, "/setup") == 403
    assert stack.json("status")["drift"] == []


def test_a_kept_password_lets_dftui_log_in(stack: Stack) -> None:
    forget_admin(stack)
    made: dict[str, Any] = stack.json("admin", "create", *ADMIN)
    text = Path(made["file"]).read_text()
    found = re.search(r"^ADMIN_PASSWORD=(.{16,})$", text, re.MULTILINE)
    assert found
    assert logs_in(stack, "ada@example.com", found[1])
    assert len(stack.json("probe", "-n", "4")["hosts"]) == 2


async def test_the_form_is_closed_by_itself_when_a_stranger_was_first(stack: Stack) -> None:
    forget_admin(stack)
    with stack.follow("watch", "--json") as watching:
        fill_in_as_a_stranger(stack)
        watching.until(lambda line: line.get("action") == "setup", lambda: None, timeout=60)

    async def closed() -> bool:
        async with operating(stack) as (operator, _):
            return await operator.link.setup_closed()

    await until(closed, "closed")
    assert get(stack, "/setup") == 403


def fill_in_as_a_stranger(stack: Stack) -> None:
    """Through the public port, as a browser does."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    page = browser.open(f"{stack.url}/setup", timeout=20).read().decode()
    found = re.search(r'name="_token" value="([^"]+)"', page)
    assert found
    form = {
        "_token": found[1],
        "name": "Eve",
        "first_name": "Eve",
        "last_name": "Else",
        "email": "eve@example.com",
        "username": "eve-else",
        "phone": "5550199",
        "password": WORD,
        "password_confirmation": WORD,
    }
    browser.open(f"{stack.url}/setup", urllib.parse.urlencode(form).encode(), timeout=20).close()
    assert logs_in(stack, "eve@example.com", WORD)
