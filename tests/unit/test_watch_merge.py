"""Columns instead of single lines, merged, kept and printed: the same as one by one."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dftui.engine.api import LogLine
from dftui.engine.batch import Batch, last_times
from dftui.watch.lines import CUT, EVENT, GAP, LATE, MAX_LINE, STDERR, Record
from dftui.watch.mask import Masker
from dftui.watch.merge import Merge, Run, Stretch, count_lines, flags_in, run_of_lines, runs_of, texts_in, who_in
from dftui.watch.paint import Painter
from dftui.watch.recent import Recent
from dftui.watch.rings import OVERHEAD, Reader, Rings

NAMES = st.sampled_from(["a", "b", "c"])
TIMES = st.integers(0, 40)
ROWS = st.lists(st.tuples(TIMES, st.sampled_from([0, 0, 0, STDERR, EVENT, GAP]), st.binary(max_size=4)), max_size=8)


@given(st.lists(st.one_of(st.tuples(NAMES, ROWS), st.floats(0.01, 1)), max_size=20))
def test_what_leaves_the_merge_is_all_that_came_in_time_order_but_for_late_ones(
    steps: list[tuple[str, list[tuple[int, int, bytes]]] | float],
) -> None:
    merge = Merge(0.5)
    now = 0.0
    came: Counter[tuple[int, str, int, bytes]] = Counter()
    left: list[Record] = []
    for step in steps:
        if isinstance(step, float):
            now += step
            left += merge.due(now)
            continue
        who, rows = step
        if rows:
            times, flags, texts = zip(*rows, strict=True)
            merge.add(Run(who, times, flags if any(flags) else None, texts), now)
            came.update((at, who, flag, text) for at, flag, text in rows)
        lines = Counter(dict.fromkeys("abc", 0))
        lines.update(who for at, who, flag, text in came.elements() if not flag & (EVENT | GAP))
        lines.subtract(record.who for record in left if record.is_line)
        assert +merge.waiting() == +lines
    left += merge.all()
    assert not merge
    assert Counter((r.time_ns, r.who, r.flags & ~LATE, r.data) for r in left) == came
    assert [record.seq for record in left] == list(range(1, len(left) + 1))
    high = 0
    for record in left:
        assert bool(record.flags & LATE) == (record.time_ns < high)
        high = max(high, record.time_ns)


@given(ROWS.filter(bool), st.integers(0, 9), st.integers(0, 9))
def test_a_stretch_is_its_records(rows: list[tuple[int, int, bytes]], start: int, stop: int) -> None:
    times, flags, texts = zip(*rows, strict=True)
    found = Stretch(Run("a", times, flags if any(flags) else None, texts), 5)
    records = [Record(seq, at, "a", flag, text) for seq, (at, flag, text) in enumerate(rows, 5)]
    assert list(found) == records
    assert list(reversed(found)) == records[::-1]
    assert list(found[start:stop]) == records[start:stop]
    assert [found[at] for at in range(-len(rows), len(rows))] == records + records
    assert count_lines(found) == count_lines(records)
    assert who_in(found) == who_in(records)
    assert flags_in(found) | {0} == flags_in(records) | {0}
    assert list(texts_in(found)) == list(texts)


PIECES = st.lists(st.tuples(NAMES, st.lists(st.binary(max_size=3), min_size=1, max_size=4), st.booleans()))


@given(PIECES, st.integers(1, 8))
def test_the_last_lines_are_known_again_and_no_more_than_may_be(
    pieces: list[tuple[str, list[bytes], bool]], most: int
) -> None:
    recent, seq = Recent(most * OVERHEAD), 0
    came: dict[str, list[list[Record]]] = {"a": [], "b": [], "c": []}
    for who, texts, columns in pieces:
        found = Stretch(Run(who, range(seq, seq + len(texts)), None, texts), seq)
        seq += len(texts)
        came[who].append(list(found))
        recent.add(found if columns else list(found))
    for who, each in came.items():
        known = list(recent.known(who))[::-1]
        every = [record for piece in each for record in piece]
        assert known == every[len(every) - len(known) :]
        assert known[-1:] == every[-1:]
        # All of the last piece, however long; of what came before, as much as there is room for.
        assert sum(OVERHEAD + len(record.data) for record in known) <= most * OVERHEAD or known == each[-1]
        assert recent.known_from(who) == (known[0].time_ns if known != every else 0)


LINES = st.lists(
    st.tuples(TIMES, st.sampled_from(["stdout", "stderr"]), st.sampled_from([b"", b"x", b"y" * (MAX_LINE + 5)])),
    min_size=1,
    max_size=10,
).map(lambda rows: [LogLine(*row) for row in rows])  # type: ignore[arg-type]


@given(LINES)
def test_a_batch_is_its_lines(lines: list[LogLine]) -> None:
    times, streams, texts = zip(*lines, strict=True)
    batch = Batch(times, streams, texts)
    assert list(batch) == lines
    assert (batch[0], batch[-1], len(batch)) == (lines[0], lines[-1], len(lines))
    assert list(batch[1:]) == lines[1:]
    assert last_times(batch) == last_times(lines)
    assert batch.rising == all(a < b for a, b in pairwise(times))
    assert list(run_of_lines("a", batch).rows()) == list(run_of_lines("a", lines).rows())
    for line, (_, _, flags, text) in zip(lines, run_of_lines("a", batch).rows(), strict=True):
        assert bool(flags & STDERR) == (line.stream == "stderr")
        assert bool(flags & CUT) == (len(line.data) > MAX_LINE)
        assert text == line.data[:MAX_LINE]


def record(seq: int, who: str, data: bytes = b"x" * 50, flags: int = 0) -> Record:
    return Record(seq, seq, who, flags, data)


def test_records_that_come_back_keep_all_they_had() -> None:
    records = [record(1, "a"), record(2, "b", flags=STDERR), record(3, "a", flags=GAP)]
    rows = sorted(row for run in runs_of(records) for row in run.rows())
    assert rows == [each[1:] for each in records]


def test_of_many_small_rings_none_gives_up_what_was_not_read() -> None:
    names = [f"web{n}" for n in range(50)]
    each = 50 + OVERHEAD
    rings = Rings(each=1 << 20, total=50 * 100 * each)
    reader = Reader(rings)
    seq = 0
    for _ in range(300):
        rings.add([record(seq := seq + 1, name) for name in names for _ in range(4)])
        assert len(reader.read().records) == 200
        assert rings.bytes <= rings.total
    assert reader.lost == 0


@given(st.lists(st.integers(0, 400), min_size=1, max_size=60), st.integers(300, 5000))
def test_a_ring_keeps_as_much_as_it_may_and_counts_what_goes(sizes: list[int], most: int) -> None:
    rings = Rings(each=most, total=1 << 30)
    for seq, size in enumerate(sizes, 1):
        rings.add([record(seq, "a", b"x" * size, GAP if size % 7 == 6 else 0)])
        ring = rings.by_name["a"]
        held = sum(len(one.data) + OVERHEAD for one in ring.records)
        assert (ring.bytes, rings.bytes) == (held, held)
        assert held <= most or len(ring.records) == 1
        # Not more than was needed, by one record.
        gone = seq - len(ring.records)
        if gone:
            assert held + sizes[gone - 1] + OVERHEAD > most
        assert ring.evicted == sum(one % 7 != 6 for one in sizes[:gone])


WORDS = st.lists(
    st.sampled_from(
        ["plain", "password=hunter2", "eyJhbGciOiJIUzI1NiJ9", "ä", "\x1b[5m", "\t", "", "x" * 5000, "a?b=c", "key: v"]
    ),
    min_size=1,
    max_size=6,
)


@given(WORDS)
def test_what_passes_as_it_is_needs_neither_cleaning_nor_masking(words: list[str]) -> None:
    painter = Painter(Masker(["hunter2hunter2"]))
    records = [record(n, "a", word.encode()) for n, word in enumerate(words, 1)]
    text = painter.plain(records, "a | ")
    assert text is None or text == "".join(f"a | {one}\n" for one in painter.texts(records))
    if all(word in ("plain", "") for word in words):
        assert text is not None


@given(st.text(st.sampled_from("passwordkeytoken=:?\"'@-J eyJab{}/&\n"), max_size=60))
def test_a_clear_text_is_not_changed_by_masking(text: str) -> None:
    masker = Masker(["sesame-open"])
    if masker.clear(text):
        assert masker.mask(text) == text
        assert masker.mask_all(text.split("\n")) == text.split("\n")
