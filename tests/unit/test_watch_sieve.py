"""What is let through and what is folded, and that every line is counted on one side."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from dftui.watch.lines import EVENT, GAP, STDERR, Record
from dftui.watch.mask import Masker
from dftui.watch.match import Matcher
from dftui.watch.paint import Painter
from dftui.watch.sieve import MOST_FOLDED, Choice, Sieve, orphaned

PAINTER = Painter(Masker())
APP = "[2026-11-23T12:54:41.439071+00:00] local"
TRACE = (
    f'{APP}.ERROR: SQLSTATE[HY000] {{"exception":"[object] (PDOException(code: 0): x at y.php)',
    "[stacktrace]",
    "#0 y.php(12): z()",
    "",
    "[previous exception] [object] (x)",
    "#0 {main}",
    '"} ',
)
PYTHON = (
    "Traceback (most recent call last):",
    '  File "x.py", line 1, in <module>',
    "    raise ValueError(x)",
    "ValueError: x",
)


def written(*lines: tuple[str, str]) -> list[Record]:
    return [Record(n + 1, n + 1, who, 0, text.encode()) for n, (who, text) in enumerate(lines)]


def sift(records: list[Record], choice: Choice | None = None) -> list[tuple[int, int]]:
    found = Sieve(choice or Choice(), PAINTER).sift(records)
    return [(record.seq, head) for record, head in zip(found.records, found.heads, strict=True)]


def test_a_stack_trace_goes_under_its_line_also_when_others_write_between() -> None:
    lines = [("web1", text) for text in TRACE]
    lines[3:3] = [("web2", f"{APP}.INFO: fine"), ("web2", "#0 not web1's")]
    records = written(*lines, ("web1", "after"))
    assert sift(records) == [
        (1, 0), (2, 1), (3, 1), (4, 0), (5, 4), (6, 1), (7, 1), (8, 1), (9, 1), (10, 0),
    ]  # fmt: skip


def test_what_is_said_on_standard_error_does_not_tear_a_trace() -> None:
    records = written(("c", "head"), ("c", "#0 x"), ("c", "nginx"), ("c", "#1 y"), ("c", "#0 of nginx"))
    records[2] = records[2]._replace(flags=STDERR)
    records[4] = records[4]._replace(flags=STDERR)
    assert sift(records) == [(1, 0), (2, 1), (3, 0), (4, 1), (5, 3)]


def test_python_shows_its_source_inside_and_its_error_after() -> None:
    records = written(*(("c", text) for text in PYTHON))
    assert sift(records) == [(1, 0), (2, 1), (3, 1), (4, 0)]


def test_a_trace_without_its_line_stands_by_itself_and_a_restart_ends_one() -> None:
    records = written(("c", "#0 x"), ("c", "#1 y"))
    assert sift(records) == [(1, 0), (2, 1)]
    records.insert(1, Record(9, 9, "c", EVENT, b"c started"))
    assert sift(records) == [(1, 0), (9, 0), (2, 0)]


def test_no_container_can_hide_all_it_writes() -> None:
    records = written(("c", "head"), *[("c", "#0 x")] * (MOST_FOLDED + 2))
    heads = [head for _, head in sift(records)]
    assert heads.count(1) == MOST_FOLDED
    assert heads[MOST_FOLDED + 1 :] == [0, MOST_FOLDED + 2]


def test_a_filter_folds_only_under_a_line_that_is_there() -> None:
    records = written(*(("c", text) for text in TRACE))
    assert sift(records, Choice(Matcher("#0"))) == [(3, 0), (6, 0)]
    assert sift(records, Choice(Matcher("sqlstate|#0", regex=True))) == [(1, 0), (3, 1), (6, 1)]
    assert sift(records, Choice(Matcher("nothing", inverse=True)))[1:3] == [(2, 1), (3, 1)]


def test_the_level_of_a_trace_is_that_of_its_line() -> None:
    records = written(
        *(("c", text) for text in TRACE),
        ("c", f"{APP}.WARNING: w"),
        ("c", "#0 of the warning"),
        ("c", "no level"),
    )
    assert [seq for seq, _ in sift(records, Choice(least="error"))] == [1, 2, 3, 4, 5, 6, 7]
    assert [seq for seq, _ in sift(records, Choice(least="warning"))] == [*range(1, 10)]


def test_until_leaves_out_what_is_later() -> None:
    records = written(("c", "1"), ("c", "2"), ("c", "3"))
    assert sift(records, Choice(until_ns=3)) == [(1, 0), (2, 0)]


LINES = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from([*TRACE, *PYTHON, "plain", f"{APP}.WARNING: w"])), max_size=60
)


@example([("a", TRACE[0]), ("a", TRACE[0]), ("a", "#0 y.php(12): z()")], "#0", False, "warning", 1)
@given(LINES, st.sampled_from(["", "#0", "w"]), st.booleans(), st.sampled_from(["", "warning"]), st.integers(1, 20))
def test_every_line_is_shown_or_filtered_however_it_is_cut(
    lines: list[tuple[str, str]], needle: str, inverse: bool, least: str, size: int
) -> None:
    records = written(*lines)
    records[len(records) // 2 : 0] = [Record(1000, 5, "a", GAP, b"lines are missing")]
    choice = Choice(Matcher(needle, inverse=inverse, names=False), least)  # type: ignore[arg-type]
    sieve = Sieve(choice, PAINTER)
    shown = filtered = 0
    kept: list[int] = []
    for start in range(0, len(records), size):
        found = sieve.sift(records[start : start + size])
        assert len(found.records) == len(found.heads)
        shown, filtered = shown + found.shown, filtered + found.filtered
        kept += [record.seq for record in found.records]
    assert shown + filtered == len(lines)
    assert shown == len(kept) - (1000 in kept)
    assert kept == [seq for seq, _ in sift(records, choice)]


def test_a_piece_that_begins_within_a_trace_is_known() -> None:
    assert orphaned(written(("a", "x"), ("b", "#0 y"), ("b", "z")))
    assert not orphaned(written(("a", "x"), ("b", "y"), ("b", "#0 z")))
    assert not orphaned([])
