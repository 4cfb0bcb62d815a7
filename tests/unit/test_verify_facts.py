"""What is read of a replica: its clock, its settings, the answers that refuse a token."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dftui.dreamfactory.api import refusal
from dftui.dreamfactory.clock import Bounds, of_date, stamped
from dftui.dreamfactory.http import Response
from dftui.dreamfactory.settings import of_file, of_variables, parse_env
from dftui.dreamfactory.variables import web_variables
from dftui.stack.appkey import fingerprint
from dftui.watch.sanitise import clean

KEY = "Abcdefghijklmnopqrstuvwxyz012345"
DATE = "Tue, 24 Nov 2026 12:00:00 GMT"
AT = 1_795_521_600.0


@given(
    off=st.floats(-1e5, 1e5),
    answers=st.lists(st.tuples(st.floats(0, 60), st.floats(0, 30), st.floats(0, 1)), min_size=1, max_size=8),
)
def test_a_clocks_bounds_hold_however_slow_the_answers_are(
    off: float, answers: list[tuple[float, float, float]]
) -> None:
    found = Bounds()
    for begin, takes, part in answers:
        sent = AT + begin
        stamp = int(sent + takes * part + off)  # cut to seconds, as in Date
        found = found.narrowed(stamped(stamp, sent, sent + takes, 1.0))
    assert found.low - 1e-3 <= off <= found.high + 1e-3
    assert found.known
    assert abs(found.least) <= abs(off) + 1e-3


def test_a_clock_is_off_only_by_what_is_certain() -> None:
    assert of_date(DATE, AT - 0.1, AT + 0.2).least == 0.0
    assert of_date(DATE, AT - 5.0, AT - 4.9).least == pytest.approx(4.9)
    assert of_date(DATE, AT + 7.0, AT + 7.1).least == pytest.approx(-6.0)
    assert not of_date("yesterday", AT, AT).known
    engine = stamped(AT, AT - 3.1, AT - 3.0)  # the engine's machine is three seconds ahead of this one
    assert of_date(DATE, AT - 3.2, AT - 3.0).since(engine).least == 0.0


def test_a_file_and_the_variables_it_was_made_from_say_the_same() -> None:
    env = web_variables(app_key=KEY, db_name="df", db_user="u", db_password="secretA", cache_password="secretB")
    file = f"""APP_ENV=local
APP_KEY="{KEY}"
DB_CONNECTION=mysql
DB_HOST=db
DB_PORT=3306
DB_DATABASE=df
DB_PASSWORD=secretA
#CACHE_STORE=array
CACHE_STORE=redis
CACHE_STORE=file
CACHE_HOST=cache
CACHE_PORT=6379
CACHE_DATABASE=2
SESSION_DRIVER=redis
""".encode()
    read, asked = of_file(file, clean), of_variables(env, clean)
    assert read == asked
    assert read.key == fingerprint(KEY)
    assert (read.database, read.cache, read.sessions) == ("mysql db:3306/df", "redis cache:6379/2", "redis")
    assert not [secret for secret in (KEY, "secretA", "secretB") if secret in repr(read)]


def test_without_variables_each_replica_is_on_its_own() -> None:
    alone = of_variables({"APP_KEY": KEY, "DB_HOST": "db"}, clean)
    assert (alone.database, alone.cache_driver, alone.sessions) == ("sqlite, a file of its own", "file", "file")
    assert of_file(b"", clean).key_problem == "it has no APP_KEY"
    assert "must be 32 characters" in of_file(b"APP_KEY=short", clean).key_problem


def test_what_cannot_stand_beside_the_others_is_told_in_words() -> None:
    good = of_variables(
        web_variables(app_key=KEY, db_name="df", db_user="u", db_password="p", cache_password="q"), clean
    )
    assert good.unlike(good) == ""
    other = KEY[::-1]
    for changes, words in (
        ({"key": fingerprint(other)}, f"runs with another APP_KEY ({fingerprint(other)}, not {good.key})"),
        ({"key_problem": "it is too short"}, "runs with an APP_KEY that cannot work: it is too short"),
        ({"database": "sqlite, a file of its own"}, "uses another database (sqlite"),
        ({"cache_driver": "file", "cache": "file, its own"}, "keeps its cache to itself (driver file)"),
        ({"cache": "redis cache2:6379/2"}, "uses another cache (redis cache2:6379/2, not redis cache:6379/2)"),
    ):
        assert replace(good, **changes).unlike(good).startswith(words)
    # Versions before 7.0.1 call it otherwise.
    assert of_file(b"CACHE_DRIVER=redis\nCACHE_HOST=cache\n", clean).cache_driver == "redis"


def test_hostile_lines_are_data() -> None:
    read = of_file(b"DB_CONNECTION=mysql\nDB_HOST=\x1b]52;c;aGk=\x07evil\n\xff\xfe=\nCACHE_STORE=redis\n", clean)
    assert "\x1b" not in read.database
    assert parse_env(b"export A='b'\n =c\nno line\n") == {"A": "b"}


def test_each_refusal_is_told_by_the_words_of_the_real_thing() -> None:
    def told(status: int, message: str) -> str:
        return refusal(Response(status, {}, f'{{"error":{{"message":"{message}"}}}}'.encode()))

    assert told(200, "") == ""
    assert told(401, "Token Signature could not be verified.") == "signature"
    assert told(401, "Issued At (iat) timestamp cannot be in the future") == "clock"
    assert told(401, "Not Before (nbf) timestamp cannot be in the future") == "clock"
    assert told(401, "Token has expired") == "clock"
    assert told(401, "Session expired. Please refresh your token (if within refresh window) or re-login.") == "clock"
    assert told(403, "The token has been blacklisted") == "blacklist"
    assert told(401, "User verification failed.") == "database"
    assert told(500, "Token Signature could not be verified.") == "status 500"
    assert told(429, "slow down") == "status 429"
