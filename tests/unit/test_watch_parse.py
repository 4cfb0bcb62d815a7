from __future__ import annotations

import pytest

from dftui.watch.parse import continues, parse


@pytest.mark.parametrize(
    ("text", "level", "kind", "folds"),
    [
        ('[2026-11-23T12:54:41.439071+00:00] local.INFO: [REQUEST] {"Method":"GET"} ', "info", "request", False),
        ('[2026-11-23T12:54:41.439071+00:00] local.INFO: [RESPONSE] {"Status Code":200} ', "info", "response", False),
        ("[2026-11-23T12:54:41.439071+00:00] local.ERROR: SQLSTATE[42S01]", "error", "", False),
        ("[2026-11-23T12:54:41.439071+00:00] local.DEBUG: x", "debug", "", False),
        ("#0 /opt/dreamfactory/vendor/x.php(12): y()", "", "trace", True),
        ("[stacktrace]", "", "trace", True),
        ('"} ', "", "trace", True),
        ('2026/11/23 12:55:08 [error] 59#59: *13 FastCGI sent in stderr: "x"', "error", "nginx", False),
        ('10.0.0.2 - - [23/Nov/2026:12:00:00 +0000] "GET /status HTTP/1.1" 500 12', "error", "access", False),
        ('10.0.0.2 - - [23/Nov/2026:12:00:00 +0000] "GET /status HTTP/1.1" 200 12', "info", "access", False),
        ("Waiting for MySQL to be ready...", "info", "entrypoint", False),
        ("Setting APP_KEY=***", "info", "entrypoint", False),
        ("2026-11-23 12:00:00 0 [Note] mariadbd: ready for connections.", "notice", "", False),
        ("2026-11-23T12:00:00.000000Z 0 [Warning] [MY-010068] CA certificate is self signed.", "warning", "", False),
        ("1:M 23 Nov 2026 12:00:00.000 * Ready to accept connections", "notice", "", False),
        ("1:M 23 Nov 2026 12:00:00.000 # Warning", "warning", "", False),
        ("[ALERT]    (1) : config : no", "critical", "", False),
        ("  at Object.x (y.js:1)", "", "trace", True),
        ("a plain line", "", "", False),
        ("", "", "", False),
    ],
)
def test_a_line_says_what_it_is(text: str, level: str, kind: str, folds: bool) -> None:
    assert parse(text)[:3] == (level, kind, folds)
    assert continues(text.encode(), False) == folds
