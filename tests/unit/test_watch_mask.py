from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dftui.watch.mask import MASK, Masker, mask_path

KEY = "Abcdefgh12345678Abcdefgh12345678"
JWT = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJzdWIiOjF9.c2lnbmF0dXJl-_x"
PASSWORD = "hunter2secretlongenough"
PARTS = st.sampled_from(
    [
        KEY,
        JWT,
        PASSWORD,
        '"password":"',
        '"',
        "\\",
        "Setting APP_KEY=",
        "?token=",
        "&",
        "=",
        " ",
        ":",
        "X-DreamFactory-Session-Token: ",
        "Authorization: Bearer ",
        "a",
        "?",
        "'",
        "://u:",
        "@",
        "]",
        MASK,
        "IDENTIFIED BY '",
        "SET PASSWORD FOR 'x'@'y' = '",
        "mysql -uroot -p",
        "PDO->__construct('mysql:host=db', 'df', '",
        "laravel_session=",
        "...",
        ",",
        "--password ",
    ]
)


@pytest.fixture
def masker() -> Masker:
    return Masker([KEY, PASSWORD])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"Setting APP_KEY={KEY}", "Setting APP_KEY=***"),
        ("Setting APP_KEY=base64:AAAA/BBBB+CCCC=", "Setting APP_KEY=***"),
        (f"a {JWT} b", "a *** b"),
        (f"cut off {JWT[:50]}", "cut off ***"),
        ('{"email":"a@b.c","password":"pa\\"ss","x":1}', '{"email":"a@b.c","password":"***","x":1}'),
        ('{"session_token":"abc","n":2}', '{"session_token":"***","n":2}'),
        (r"{\"password\": \"abc\",\"n\":2}", r"{\"password\": \"***\",\"n\":2}"),
        ('{"password":"never en', '{"password":"***'),
        ('{"token_expiry_date":"2026-11-23"}', '{"token_expiry_date":"2026-11-23"}'),
        ('{"password":null}', '{"password":null}'),
        ("X-DreamFactory-Session-Token: abc", "X-DreamFactory-Session-Token: ***"),
        ("X-DreamFactory-Api-Key: abc", "X-DreamFactory-Api-Key: ***"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: ***"),
        ("Cookie: laravel_session=abc; b=c", "Cookie: ***"),
        ("sent bearer abcdefgh", "sent bearer ***"),
        ("GET /a?x=1&token=2 HTTP/1.1", "GET /a?x=***&token=*** HTTP/1.1"),
        ("password=abc&name=x", "password=***&name=x"),
        ("DB_PASSWORD='a b' X=1", "DB_PASSWORD=*** X=1"),
        ("mysqladmin --password abc ping", "mysqladmin --password *** ping"),
        ("mysql://root:abc@db/x", "mysql://root:***@db/x"),
        ("IDENTIFIED BY 'abc' REQUIRE", "IDENTIFIED BY *** REQUIRE"),
        ("requirepass abc", "requirepass ***"),
        ("SET PASSWORD FOR 'x'@'%' = 'abc'", "SET PASSWORD FOR 'x'@'%' = ***"),
        ("SET PASSWORD = PASSWORD('abc')", "SET PASSWORD = ***)"),
        ("mysql -u root -pabc -e 'select 1'", "mysql -u root -p*** -e 'select 1'"),
        (
            "#3 x.php(9): PDO->__construct('mysql:host=db;x', 'df', 'S3cretSecretS3c...', Array)",
            "#3 x.php(9): PDO->__construct('mysql:host=db;x', 'df', '***', Array)",
        ),
        (f"#4 x.php(9): login('me', '{PASSWORD[:15]}...')", "#4 x.php(9): login('me', '***')"),
        ("laravel_session=abc; path=/", "laravel_session=***; path=/"),
        ("PHPSESSID=abc", "PHPSESSID=***"),
        ("?session_token=abc&x", "?session_token=***&x"),
        ("GENERATED ROOT PASSWORD: abc", "GENERATED ROOT PASSWORD: ***"),
        # What must stay readable: it says what is wrong.
        (
            "Access denied for user 'x'@'y' (using password: YES)",
            "Access denied for user 'x'@'y' (using password: YES)",
        ),
        ("Choose a password: Aborted.", "Choose a password: Aborted."),
        ("Token Signature could not be verified", "Token Signature could not be verified"),
        ("Is it up? yes, a=b", "Is it up? yes, a=b"),
    ],
)
def test_each_shape_of_a_secret(masker: Masker, text: str, shown: str) -> None:
    assert masker.mask(text) == shown


@pytest.mark.parametrize("value", [KEY, PASSWORD, "a/b+c=longer secret"])
def test_a_known_secret_goes_wherever_it_stands(value: str) -> None:
    masker = Masker([value, "short"])
    escaped = value.replace("/", "\\/")
    assert value not in masker.mask(f"x{value}y and {value}")
    assert escaped not in masker.mask(f'{{"anything":"{escaped}"}}')
    assert masker.mask("a short word") == "a short word"


@given(st.lists(st.text("aB3/+= %:", min_size=6, max_size=24), min_size=1, max_size=4), st.integers(0, 3))
def test_a_known_secret_goes_in_each_form_that_it_is_written_in(secrets: list[str], chosen: int) -> None:
    masker = Masker(secrets)
    value = secrets[chosen % len(secrets)]
    cut = [f"{value[:15]}..."] if len(value) > 15 else []  # as PHP's stack traces show an argument
    for form in (value, value.replace("/", "\\/"), quote(value), quote(value, safe=""), *cut):
        text = f"<{form}>"
        assert not masker.clear(text)
        assert form not in masker.mask(text)
        assert masker.mask_all(["nothing", text]) == ["nothing", masker.mask(text)]


def test_the_beginning_of_a_secret_at_a_cut_goes_too(masker: Masker) -> None:
    assert masker.mask_cut("the key is " + KEY[:20]) == "the key is ***"
    assert masker.mask_cut("nothing here") == "nothing here"


@given(st.lists(PARTS, max_size=14).map("".join))
def test_masking_twice_changes_nothing_and_no_known_secret_is_left(text: str) -> None:
    masker = Masker([KEY, PASSWORD])
    once = masker.mask(text)
    assert masker.mask(once) == once
    assert KEY not in once
    assert PASSWORD not in once
    assert JWT not in once


@given(st.text("abc=&?;%/._", max_size=40), st.text("xyz", min_size=1, max_size=8))
def test_every_value_of_a_query_string_is_masked_and_the_names_stay(path: str, value: str) -> None:
    shown = mask_path(f"/{path.partition('?')[0]}?first={value}&second={value}")
    assert shown.endswith("?first=***&second=***")
    assert mask_path(shown) == shown


def test_a_long_value_without_a_name_is_masked_and_a_flag_stays() -> None:
    assert mask_path("/a?download") == "/a?download"
    assert mask_path("/a?download&0123456789abcdef0123456789abcdef") == "/a?download&***"
    assert mask_path(mask_path(f"/a?{'x' * 40}&y=1")) == "/a?***&y=***"


def test_a_path_without_a_query_stays() -> None:
    assert Masker().path("/api/v2/system/environment") == "/api/v2/system/environment"


def test_a_masker_shows_nothing_of_its_values(masker: Masker) -> None:
    assert KEY not in repr(masker)


@given(st.lists(st.lists(PARTS, max_size=5).map("".join), max_size=20))
def test_many_at_once_are_as_one_by_one(texts: list[str]) -> None:
    masker = Masker([KEY, PASSWORD])
    assert masker.mask_all(texts) == [masker.mask(text) for text in texts]
