"""What verify and its kin say is the same wherever it is said: on the screen, in print, in JSON and in the help."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from dftui.cli.verify import matrix, text
from dftui.control import rotation
from dftui.control.pool import Pool
from dftui.control.probe import NO_ANSWER, ProbeResult, ProbeRow
from dftui.control.repair import find
from dftui.dreamfactory.causes import OK, REASONS, UNCHECKED, WORDS
from dftui.dreamfactory.evidence import Evidence, Silence
from dftui.help import page
from dftui.ui.draw import UNICODE
from dftui.ui.panes.probe import probe_rows
from dftui.ui.panes.verify import cell_span, verify_rows
from tests.ui.fake_verify import GOOD, broken, evidence, result, seen
from tests.unit.test_watch_derive import OTHERS, SERVERS, WEBS, look

ODD: tuple[Evidence, ...] = (
    broken().evidence,
    evidence(seen("df-web1"), seen("df-web2", problem="cannot be reached: no answer"), seen("df-web3", setup=200)),
    evidence(seen("df-web1"), seen("df-web2", silence=Silence("weight", "has weight 0 in the balancer"))),
    evidence(seen("df-web1", same_database=False), seen("df-web2"), open_paths=("/setup",), answers={200: 5, 401: 1}),
)


def flat(words: str) -> str:
    return " ".join(words.split())


def test_a_cause_has_one_short_word_in_every_matrix_and_a_row_in_the_help() -> None:
    explained = set(re.findall(r"^\| ([a-z-]+) \| ", page("verify"), re.MULTILINE)) - {"word"}
    assert explained == set(WORDS.values()) - {WORDS[OK]}
    assert set(REASONS) == set(WORDS) - {OK, "cache", UNCHECKED}
    for cause, word in WORDS.items():
        shown, printed = cell_span(cause, UNICODE).text, matrix(["a"], {("a", "a"): cause})[1]
        assert shown.split()[1] == printed.split()[2] == word
    ring = [f"w{n}" for n in range(9)]
    rows = matrix(ring, {("w0", "w1"): "unreachable", ("w1", "w1"): OK, ("w1", "w2"): OK})
    assert rows[1:4] == ["w0  w1 ✗ lost", "w1  w1 ✓ ok    w2 ✓ ok", "w2"], "also where a neighbour left meanwhile"


@pytest.mark.parametrize("found", ODD)
def test_the_screen_says_what_is_printed_and_what_json_has(found: Evidence) -> None:
    made = result(found)
    rows = verify_rows(made, "df", 2000, UNICODE, {key: key for key in "RrdxlAu"})
    screen = flat(" ".join("".join(span.text for span in row) for row in rows))
    printed = flat(" ".join(text(made, colour=False)))
    for check in made.to_json()["checks"]:
        detail = check["detail"]
        assert flat(detail["says"]) in screen and flat(detail["says"]) in printed
        if not check["ok"]:
            assert f"For users: {detail['breaks']}." in screen and f"for users: {detail['breaks']}" in printed
            for repair in detail["repairs"]:
                words = repair["what"]
                assert f"{repair['key']} {words[:1].upper()}{words[1:]} {repair['command']}" in screen
                assert f"repair: {words}: {repair['command']}" in printed
    assert found.in_turn("df") in screen and found.in_turn() in printed


@pytest.mark.parametrize("found", ODD)
def test_the_words_are_plain(found: Evidence) -> None:
    """No names from the program or from HAProxy's states, and what stands behind a name makes a sentence with it."""
    for check in result(found).checks:
        for words in (check.says, check.breaks, *(repair.words for repair in check.repairs)):
            left = words.replace("APP_KEY", "").replace("SESSION_DRIVER", "")
            assert not re.search(r"_|\bNone\b|\bUP\b|\bMAINT\b|\bDRAIN\b|[{}<>\[\]]", left), words
            assert not words.endswith((".", " ")), words


def test_what_is_odd_is_said_alike_by_the_table_the_banner_repair_and_verify() -> None:
    server = replace(SERVERS[0], weight=0)
    snapshot = look(servers=(server, *SERVERS[1:]))
    silence = rotation.silence(WEBS[0], server)
    words = "has weight 0 in the balancer: it serves nothing"
    assert silence is not None and silence.words == snapshot.web[0].why == words
    assert snapshot.drift[0].what == f"df-web1 {words}"
    pool = Pool([WEBS[0]], {WEBS[0].short: server})
    assert [one.what for one in find([WEBS[0]], pool, None, None) if one.who == "df-web1"] == [f"df-web1 {words}"]

    other = replace(GOOD, key="77ab01cd")
    words = "runs with another APP_KEY (77ab01cd, not 9f41c2ab)"
    assert other.unlike(GOOD) == words
    made = result(evidence(seen("df-web1"), seen("df-web2", variables=other, file=other), seen("df-web3")))
    assert made.to_json()["replicas"][1]["says"] == words
    labelled = [
        replace(web, labels={**web.labels, "dftui.key": "77ab01cd" if web is WEBS[1] else "9f41c2ab"}) for web in WEBS
    ]
    drift = look(containers=(*labelled, *OTHERS)).drift
    assert drift[0].what.startswith(f"df-web2 {words}")


def test_no_answer_is_no_host_and_says_so() -> None:
    made = ProbeResult((ProbeRow("", "", 502, 1.0), ProbeRow("aa", "df-web1", 200, 1.0)), {"": 1, "aa": 1})
    assert made.answered == 1
    assert sum(NO_ANSWER in span.text for row in probe_rows(made, 8, UNICODE) for span in row) == 2
    assert evidence(seen("df-web1"), sequence=("",)).in_turn() == NO_ANSWER
