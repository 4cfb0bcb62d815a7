"""No escape, C1, bidi or link of a container, a client or the engine reaches the terminal, by the raw stream."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.hostile.corpus import everything
from tests.hostile.grammar import Reader, Stranger
from tests.hostile.stage import FIELDS, Stage

EXAMPLES = int(os.environ.get("DFTUI_FUZZ", "12"))
"""Sets of texts that are tried; `make soak` tries thousands."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("stage")) as found:
        yield found
        found.leave()


def everywhere(text: bytes) -> dict[str, bytes]:
    return dict.fromkeys(FIELDS, text)


def test_the_corpus_in_every_field(stage: Stage) -> None:
    # Each kind of text is in each field, a few kinds at a time, so that one does not swallow another.
    kinds = list(everything().values())
    for start in range(0, len(kinds), 4):
        some = kinds[start : start + 4]
        texts = {field: some[number % len(some)] for number, field in enumerate(FIELDS)}
        stage.play({**texts, "log": b"\n".join(some)})
    for text in (b"\x1b]52;c;b3duZWQ=\x07\x9b5m", "\u202e[@click=app.quit]x[/]\x9d0;o\x9c".encode()):
        stage.play(everywhere(text), "+45123")
        # The last row, whose name is foreign: its logs, what would remove it, and the list of everything by name.
        stage.look("2Gx", "Remove")
        stage.look("2G\r", "only ")
        stage.look("\x10", "do it +Esc")
        stage.look("?", "Esc close")
        stage.look("D", "Take down")


# Pieces of sequences, put together anew: more often dangerous than random text, and than whole sequences.
PIECES = st.one_of(
    st.sampled_from(list(everything().values())).filter(lambda text: len(text) < 200),
    st.sampled_from(
        [
            *(b"\x1b", b"\x1b[", b"\x1b]", b"\x1bP", b"\x1b_", b"\x9b", b"\xc2\x9b", b"\xc2\x9d", b"\x9c"),
            *(
                b"\x1b\\",
                b"5m",
                b"8m",
                b"52;c;QQ==",
                b"0;t",
                b"8;;u",
                b"?1049l",
                b"2J",
                b"999;9H",
                b"\r",
                b"\xe2\x80",
            ),
            *("\u202e\u2066\u200b\ufeff\U000e0041".encode(), "漢🚀e\u0301".encode(), b"[@click=app.quit]", b"[/]"),
        ]
    ),
    st.binary(max_size=12),
    st.text(max_size=12).map(lambda text: text.encode("utf-8", "surrogatepass")),
)
TEXT = st.lists(PIECES, max_size=12).map(b"".join)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(texts=st.fixed_dictionaries(dict.fromkeys(FIELDS, TEXT)), keys=st.sampled_from(["45123", "+4513", "2G3"]))
def test_whatever_comes_in_nothing_foreign_goes_out(stage: Stage, texts: dict[str, bytes], keys: str) -> None:
    stage.play(texts, keys)


def test_ascii_means_ascii_on_every_screen(tmp_path: Path) -> None:
    with Stage(tmp_path, 80, 24, "--ascii", "--no-mouse") as stage:
        stage.play(everywhere("Zürich → 漢字 \x1b[5m \u202e".encode()), "+45123")
        for keys, seen in (("?", "Esc close"), ("\x10", "do it +Esc"), ("2Gx", "Remove"), ("=", "How many")):
            stage.look(keys, seen)
        stage.leave()
    output = stage.run.output()
    assert output.isascii()
    assert b"\x1b[?1003h" not in output
    assert b"Zurich" in output


@pytest.mark.parametrize(
    "data",
    [
        b"\x1b[5m",
        b"\x1b]52;c;QQ==\x07",
        b"\x1b[2J",
        b"\x1b[99;1H",
        b"\x9b5m",
        b"\xc2\x9b5m",
        "a\u202eb".encode(),
        b"\x07",
        b"\x1bc",
        b"\x1b[6n",
        b"\n",
    ],
)
def test_the_reader_knows_a_stranger(data: bytes) -> None:
    reader = Reader(80, 24)
    reader.feed(b"\x1b[1;2H\x1b[38;2;1;2;3mgood \xc3\xa4\x1b[0m")
    with pytest.raises(Stranger):
        for byte in data:
            reader.feed(bytes((byte,)))
        reader.feed(b"x")
        reader.end()
