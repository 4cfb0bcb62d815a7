"""The stand-in holds to what is known of the real DreamFactory image: states, bodies, tokens, logs and traps."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import re
from collections.abc import Iterator

import pytest

from dftui.engine.api import Engine
from tests.engine.standin_rig import (
    ADMIN,
    ADMIN_PASSWORD,
    CACHE_PASSWORD,
    DB_PASSWORD,
    EMAIL,
    ENVIRONMENT,
    KEY,
    SESSION,
    Rig,
    Web,
    until,
)
from tests.leases import a_port


@pytest.fixture
def rig(engine: Engine, stack_name: str, subnet: str) -> Iterator[Rig]:
    with contextlib.ExitStack() as ports:
        yield Rig(engine, stack_name, subnet, lambda: ports.enter_context(a_port()))


def error_of(web: Web, method: str, path: str, **more: object) -> tuple[int, str]:
    reply = web.ask(method, path, **more)  # type: ignore[arg-type]
    error = reply.json["error"]
    assert error["status_code"] == reply.status
    return reply.status, error["message"]


async def test_sessions_are_good_on_every_replica_and_end_on_every_replica(rig: Rig) -> None:
    a, b = await rig.whole(2)
    assert a.ask("GET", "/").headers["location"] == "/dreamfactory/dist/"
    status = a.ask("GET", "/status").json
    assert status["resources"]["admin"] == 1 and status["host_os"] == "Linux" and status["last_admin_login"] is None

    reply = a.ask("POST", SESSION, body={"email": EMAIL, "password": ADMIN_PASSWORD})
    session = reply.json
    token = session["session_token"]
    assert session["session_id"] == token and session["host"] == a.host and session["email"] == EMAIL
    assert session["is_sys_admin"] is True and re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", session["token_expiry_date"]
    )
    assert b.ask("GET", "/status").json["last_admin_login"] == session["last_login_date"]

    here = b.ask("GET", SESSION, token=token).json
    assert here["host"] == b.host and here["name"] == "First Admin"
    assert b.ask("GET", SESSION, headers={"Authorization": f"Bearer {token}"}).status == 200
    facts = b.ask("GET", ENVIRONMENT, token=token, headers={"X-Forwarded-For": "192.0.2.7"}).json
    assert facts["server"]["host"] == b.host
    platform = facts["platform"]
    assert platform["cache_driver"] == "redis" and platform["db_driver"] == "mysql"
    assert {"version", "log_mode", "log_level"} <= set(platform)
    assert facts["client"]["ip_address"] != "192.0.2.7"
    assert set(b.ask("GET", ENVIRONMENT).json) == {"authentication", "apps"}

    renewed = b.ask("PUT", SESSION, token=token).json["session_token"]
    assert error_of(a, "GET", SESSION, token=token) == (403, "The token has been blacklisted")
    assert a.ask("DELETE", SESSION, token=renewed).json == {"success": True}
    assert error_of(b, "GET", SESSION, token=renewed) == (403, "The token has been blacklisted")


async def test_refusals_have_the_documented_words_and_a_connection_outlives_a_head(rig: Rig) -> None:
    (web,) = await rig.whole()
    kept = http.client.HTTPConnection("127.0.0.1", web.port, timeout=30)
    for method in ("HEAD", "POST", "HEAD", "GET"):  # a proxy sends what comes next on the same one
        kept.request(method, "/up")
        reply = kept.getresponse()
        assert (reply.status, bool(reply.read())) == (200, method != "HEAD")
    kept.close()
    assert error_of(web, "POST", SESSION, body={"email": EMAIL, "password": "wrong"}) == (
        401,
        "Invalid credentials supplied.",
    )
    assert error_of(web, "POST", SESSION, body={"email": EMAIL})[0] == 400
    assert error_of(web, "GET", SESSION)[0] == 401
    other = await rig.web(2, rig.variables(APP_KEY=KEY[::-1]))
    assert other.ask("GET", "/status").status == 200
    assert error_of(other, "GET", SESSION, token=web.login()) == (401, "Token Signature could not be verified.")
    assert web.ask("GET", SESSION, token=other.login()).status == 401


async def test_a_bad_key_is_seen_by_the_pages_and_the_login_only(rig: Rig) -> None:
    await rig.whole()
    web = await rig.web(2, rig.variables(APP_KEY="tooShort"))
    assert [web.ask("GET", path).status for path in ("/up", "/status", "/")] == [200, 200, 500]
    assert error_of(web, "POST", SESSION, body={"email": EMAIL, "password": ADMIN_PASSWORD})[0] == 500


async def test_without_a_database_it_looks_like_a_fresh_installation(rig: Rig) -> None:
    (web,) = await rig.whole()
    token = web.login()
    await rig.engine.stop(f"{rig.stack}-mysql")
    assert [web.ask("GET", path).status for path in ("/up", "/status")] == [200, 500]
    assert web.ask("GET", "/").headers["location"] == "/setup_db"
    assert web.ask("GET", SESSION, token=token).status == 500
    output = await rig.output(web.id)
    assert "[stacktrace]\n#0 " in output
    assert re.search(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[error] 59#59: \*\d+ FastCGI sent in stderr: ", output, re.M)
    await rig.engine.start(f"{rig.stack}-mysql")
    await until(lambda: web.ask("GET", "/status").status == 200, "/status with the database back")


async def test_without_redis_nothing_works_and_the_api_answers_a_page(rig: Rig) -> None:
    (web,) = await rig.whole()
    await rig.engine.stop(f"{rig.stack}-redis")
    for path in ("/up", "/status", "/", ENVIRONMENT):
        reply = web.ask("GET", path)
        assert reply.status == 500 and reply.headers["content-type"].startswith("text/html"), path
    await rig.engine.start(f"{rig.stack}-redis")
    await until(lambda: web.ask("GET", "/status").status == 200, "/status with Redis back")


async def test_the_cache_trap_leaves_each_replica_its_own_cache(rig: Rig) -> None:
    """The image's own command, without the way round: CACHE_DRIVER=redis is dropped, and what follows from that."""
    await rig.network()
    await rig.database()
    await rig.cache()
    env = rig.variables()
    del env["SESSION_DRIVER"]
    a = await rig.web(1, env, None)
    b = await rig.web(2, env, None)
    assert b.ask("GET", "/").headers["location"] == "/setup"
    form, cookie = a.open_form()
    fields = {
        "_token": form,
        "name": "First Admin",
        "first_name": "First",
        "last_name": "Admin",
        "email": EMAIL,
        "username": "firstadmin",
        "phone": "5550100",
        "password": ADMIN_PASSWORD,
        "password_confirmation": ADMIN_PASSWORD,
    }
    assert b.ask("POST", "/setup", form=fields, headers={"Cookie": cookie}).status == 419
    made = a.ask("POST", "/setup", form=fields, headers={"Cookie": cookie})
    assert (made.status, made.headers["location"]) == (302, "/")
    assert a.ask("GET", "/setup").status == 302

    # B has cached that there is no admin, and makes a second one for whoever asks.
    stale, cookie = b.open_form()
    second = {**fields, "_token": stale, "email": "stranger@example.com", "username": "stranger"}
    assert b.ask("POST", "/setup", form=second, headers={"Cookie": cookie}).headers["location"] == "/"
    assert a.ask("GET", "/status").json["resources"]["admin"] == 2

    token = a.login()
    assert a.ask("GET", ENVIRONMENT, token=token).json["platform"]["cache_driver"] == "file"
    assert a.ask("DELETE", SESSION, token=token).status == 200
    assert a.ask("GET", SESSION, token=token).status == 403
    assert b.ask("GET", SESSION, token=token).status == 200


async def test_the_setup_form_says_what_is_wrong_and_works_on_any_replica(rig: Rig) -> None:
    await rig.network()
    await rig.database()
    await rig.cache()
    a = await rig.web(1, rig.variables())
    b = await rig.web(2, rig.variables())
    assert a.ask("GET", "/status").json["resources"]["admin"] == 0
    assert a.ask("GET", "/").headers["location"] == "/setup"
    form, cookie = a.open_form()
    fields = {
        "_token": form,
        "first_name": "F",
        "last_name": "A",
        "email": EMAIL,
        "username": "short",
        "phone": "",
        "password": "only15letters!!",
        "password_confirmation": "only15letters!!",
    }
    headers = {"Cookie": cookie}
    assert b.ask("POST", "/setup", form=fields, headers=headers).headers["location"] == "/setup"
    told = a.ask("GET", "/setup", headers=headers).text
    for words in ("password must be at least 16", "phone field is required", "username must be at least 6"):
        assert words in told
    good = {**fields, "phone": "1", "username": "firstadmin", "password": "x" * 16, "password_confirmation": "x" * 16}
    assert b.ask("POST", "/setup", form=good, headers=headers).headers["location"] == "/"
    assert a.ask("GET", "/setup").headers["location"] == "/"
    assert a.login("x" * 16)


async def test_the_literal_lines_of_the_blog_give_each_replica_a_database_of_its_own(rig: Rig) -> None:
    """Without DB_* it is SQLite, not migrated; /setup_db migrates it."""
    await rig.network()
    web = await rig.web(1, {"APP_KEY": KEY}, None)
    assert web.ask("GET", "/status").status == 500
    assert web.ask("GET", "/status").json["error"]["code"] == "42S02"
    assert web.ask("GET", "/").headers["location"] == "/setup_db"
    page = web.ask("GET", "/setup_db")
    csrf = re.search(r'name="csrf-token" content="([^"]+)"', page.text)
    assert csrf
    assert web.ask("POST", "/setup_db").status == 419
    cookie = page.headers["set-cookie"].split(";")[0]
    done = web.ask("POST", "/setup_db", headers={"X-CSRF-TOKEN": csrf[1], "Cookie": cookie})
    assert done.json == {"success": True, "redirect_path": "/setup"}
    assert web.ask("GET", "/").headers["location"] == "/setup"
    assert web.ask("GET", "/status").json["resources"]["admin"] == 0
    result = await rig.engine.exec(
        web.id,
        ("sh", "-c", 'php artisan df:setup --admin_email=a@b.co --admin_password="$P" --admin_first_name=A '
         "--admin_last_name=B --admin_phone=1"),
        env={"P": ADMIN_PASSWORD},
        user="www-data",
    )  # fmt: skip
    assert result.exit_code == 0 and b"Successfully created first admin user." in result.stdout
    assert web.ask("GET", "/status").json["resources"]["admin"] == 1
    again = await rig.engine.exec(web.id, ("php", "artisan", "df:setup"), user="www-data")
    assert b"already setup" in again.stdout


async def test_replicas_that_start_together_on_an_empty_database_race(rig: Rig) -> None:
    await rig.network()
    await rig.database()
    await rig.cache()
    webs = await asyncio.gather(*(rig.web(number, rig.variables()) for number in (1, 2, 3)))
    outputs = [await rig.output(web.id) for web in webs]
    losers = [text for text in outputs if "SQLSTATE[42S01]: Base table or view already exists" in text]
    # They need not meet, but whoever lost said so, and all of them serve.
    assert len(losers) < 3
    for web in webs:
        await until(lambda web=web: web.ask("GET", "/status").status == 200, "/status")  # type: ignore[misc]


async def test_variables_that_break_the_rules_make_no_admin(rig: Rig) -> None:
    await rig.network()
    await rig.database()
    await rig.cache()
    short = await rig.web(1, {**rig.variables(), **ADMIN, "ADMIN_PASSWORD": "only15letters!!"})
    assert "Choose a password: Aborted." in await rig.output(short.id)
    assert short.ask("GET", "/status").json["resources"]["admin"] == 0
    no_phone = {name: value for name, value in ADMIN.items() if name != "ADMIN_PHONE"}
    other = await rig.web(2, {**rig.variables(), **no_phone})
    assert other.ask("GET", "/status").json["resources"]["admin"] == 0
    slash = await rig.web(3, rig.variables(DB_PASSWORD="with/slash"), wait=False)

    assert await rig.exit_code(slash.id) == 1


async def test_logs_leak_where_the_real_ones_do_and_nowhere_else(rig: Rig) -> None:
    (web,) = await rig.whole(APP_LOG_LEVEL="debug")
    token = web.login()
    web.ask("GET", ENVIRONMENT, token=token)
    output = await rig.output(web.id)
    for words in (
        "Waiting for MySQL to be ready...",
        "MySQL is ready",
        f"Setting APP_KEY={KEY}",
        "Setting DB_DRIVER, ",
    ):
        assert words in output
    stamp = r"^\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00] "
    assert re.search(
        stamp + r'local\.INFO: \[REQUEST] {"API Version":"2\.0","Method":"GET","Service":"system",'
        r'"Resource":"environment","Requestor":1} $',
        output,
        re.M,
    )
    assert re.search(stamp + r'local\.INFO: \[RESPONSE] {"Status Code":200,', output, re.M)
    assert re.search(stamp + r"local\.DEBUG: .*" + re.escape(token), output, re.M)
    for secret in (DB_PASSWORD, CACHE_PASSWORD, ADMIN_PASSWORD):
        assert secret not in output
    quiet = await rig.web(2, rig.variables())
    other = quiet.login()
    assert other not in await rig.output(quiet.id)


async def test_it_ends_at_once_or_with_grace_when_told_to(rig: Rig) -> None:
    await rig.whole()
    slow = {"STANDIN_REQUEST_DELAY_MS": "4000"}
    cut = await rig.web(2, {**rig.variables(), **slow}, wait=False)
    kind = await rig.web(3, {**rig.variables(), **slow, "STANDIN_GRACEFUL_SECONDS": "20"}, wait=False)
    for web in (cut, kind):
        await until(lambda web=web: web.ask("GET", "/up").status == 200, "/up")  # type: ignore[misc]

    async def stop_during_a_request(web: Web) -> int | None:
        asking = asyncio.create_task(asyncio.to_thread(web.ask, "GET", "/up"))
        # Well within the request's delay.
        await asyncio.sleep(0.5)
        await rig.engine.stop(web.id, 25)
        try:
            return (await asking).status
        except (OSError, http.client.HTTPException):
            return None

    assert await stop_during_a_request(cut) is None
    assert await stop_during_a_request(kind) == 200
    assert (await rig.engine.inspect(cut.id)).exit_code == 0


async def test_a_log_of_root_s_breaks_the_web_and_a_clock_can_be_set_wrong(rig: Rig) -> None:
    (web,) = await rig.whole()
    skewed = rig.variables(LD_PRELOAD="libfaketime.so.1", FAKETIME="+1h")
    skewed["LD_PRELOAD"] = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
    ahead = await rig.web(2, skewed)
    token = ahead.login()
    assert error_of(web, "GET", SESSION, token=token)[0] == 401
    assert "in the future" in error_of(web, "GET", SESSION, token=token)[1]

    made = await rig.engine.exec(
        web.id, ("sh", "-c", "rm -f storage/logs/dreamfactory.log; DB_HOST=nowhere php artisan migrate")
    )
    assert made.exit_code == 1
    assert [web.ask("GET", path).status for path in ("/up", "/status", ENVIRONMENT)] == [500, 500, 500]
