"""From raw records to what may be shown: cleaned, masked, parsed; only for the lines that somebody looks at."""

from __future__ import annotations

from collections.abc import Sequence

from dftui.watch.lines import CUT, EVENT, GAP, LATE, LENGTH_SHIFT, STDERR, Line, Record
from dftui.watch.mask import Masker
from dftui.watch.merge import flags_in, texts_in
from dftui.watch.parse import parse
from dftui.watch.sanitise import CUT_MARK, LIMIT, PRINTABLE, clean, clean_all

_CHUNK = 128


class Painter:
    """Makes lines of records, with one masker."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker

    def line(self, record: Record) -> Line:
        """A record as it may be shown."""
        return _line(record, self.text(record))

    def lines(self, records: Sequence[Record]) -> list[Line]:
        """`line` of each; for many at a fraction of the cost."""
        return [_line(record, text) for record, text in zip(records, self.texts(records), strict=True)]

    def text(self, record: Record) -> str:
        """Only the text of `line`."""
        if not record.flags & CUT:
            return self._masker.mask(clean(record.data))
        mark = f" …[cut, {record.flags >> LENGTH_SHIFT:,} bytes]"
        shown = clean(record.data, LIMIT - len(mark)).removesuffix(CUT_MARK)
        return self._masker.mask_cut(shown) + mark

    def plain(self, records: Sequence[Record], head: str = "") -> str | None:
        """The texts of all of these, each a line behind `head`, if nothing in any of them is to be cleaned, masked or
        cut: what a container writes by the million passes at the price of a look. Else None."""
        texts = texts_in(records)
        if any(flags & CUT for flags in flags_in(records)) or max(map(len, texts)) > LIMIT:
            return None
        first = head.encode()
        data = first + (b"\n" + first).join(texts) + b"\n"
        # Nothing but printable ASCII, and of newlines none that a text brought.
        if data.translate(None, PRINTABLE) != b"\n" * len(texts):
            return None
        text = data.decode("ascii")
        return text if self._masker.clear(text) else None

    def texts(self, records: Sequence[Record]) -> list[str]:
        """`text` of each; for many at a fraction of the cost."""
        found: list[str] = []
        for start in range(0, len(records), _CHUNK):
            chunk = records[start : start + _CHUNK]
            texts = self._masker.mask_all(clean_all([record.data for record in chunk]))
            for index, record in enumerate(chunk):
                if record.flags & CUT:
                    texts[index] = self.text(record)
            found += texts
        return found


def _line(record: Record, text: str) -> Line:
    seq, time_ns, who, flags, _ = record
    at, late = time_ns / 1e9, bool(flags & LATE)
    if flags & GAP:
        return Line(seq, at, who, "dftui", text, "warning", "gap", late)
    if flags & EVENT:
        return Line(seq, at, who, "dftui", text, "notice", "event", late)
    said = parse(text)
    stream = "stderr" if flags & STDERR else "stdout"
    return Line(seq, at, who, stream, text, said.level, said.kind, late, said.folds, *said[3:])
