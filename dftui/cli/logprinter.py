"""Log lines as `dftui logs` prints them: as text or JSON, filtered and folded."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dftui.cli.text import paint
from dftui.watch.export import stamp

if TYPE_CHECKING:
    from dftui.engine.api import Container
    from dftui.watch.lines import Record
    from dftui.watch.logs import LogHub
    from dftui.watch.sieve import Choice

_COLOURS = ("36", "33", "32", "35", "34", "96", "93", "92", "95", "94")
_LEVEL_COLOURS = {"critical": "31", "error": "31", "warning": "33", "debug": "2"}
_PIECE = 1024
"""Lines that are printed together."""


class Printer:
    """Lines as text or JSON, filtered and folded; many at a time, at a fraction of the cost."""

    def __init__(
        self,
        containers: Sequence[Container],
        args: argparse.Namespace,
        choice: Choice,
        write: Callable[[str], None],
        colour: bool,
    ) -> None:
        self._json, self._timestamps, self._fold = args.json, args.timestamps, args.fold
        self._choice = choice
        self._write = write
        self._colour = colour
        self._width = max((len(c.name) for c in containers), default=0)
        self._heads: dict[str, str] = {}
        self._folded: dict[str, tuple[int, int]] = {}
        self.names: frozenset[str] | None = None
        """Whose lines of a followed stack are printed; None is all."""
        self.lines = 0

    def show_with(self, hub: LogHub) -> None:
        """Where records become what may be shown."""
        from dftui.watch.sieve import Sieve

        self._hub = hub
        self._sieve = Sieve(self._choice, hub)

    def released(self, records: Sequence[Record]) -> None:
        """Records that left the hub's merge."""
        from dftui.watch.merge import who_in

        if self.names is not None and who_in(records) - self.names:
            records = [record for record in records if record.who in self.names]
        self.print(records)
        self.end()

    def print(self, records: Sequence[Record]) -> None:
        """Those of these that are wanted."""
        if not self._choice and not self._fold:
            for start in range(0, len(records), _PIECE):
                piece = records[start : start + _PIECE]
                if not self._as_it_is(piece):
                    self._out(self._texts(piece))
            return
        sifted = self._sieve.sift(records)
        texts = self._texts(sifted.records)
        if not self._fold:
            self._out(texts)
            return
        out: list[str] = []
        for record, text, head in zip(sifted.records, texts, sifted.heads, strict=True):
            if head:
                self._folded[record.who] = (head, self._folded.get(record.who, (head, 0))[1] + 1)
                continue
            self._unfolded(record.who, out)
            out.append(text)
        self._out(out)

    def _as_it_is(self, records: Sequence[Record]) -> bool:
        """Print these without a look at the single line, which a flood of one container usually allows."""
        from dftui.watch.lines import LATE, MARK
        from dftui.watch.merge import flags_in, who_in

        if self._json or self._colour or self._timestamps or len(names := who_in(records)) != 1:
            return False
        if any(flags & (LATE | MARK) for flags in flags_in(records)):
            return False
        text = self._hub.plain(records, f"{self._who(*names)} ")
        if text is None:
            return False
        self.lines += len(records)
        self._write(text)
        return True

    def end(self) -> None:
        """Say how many lines of the last stack traces were folded."""
        out: list[str] = []
        for who in list(self._folded):
            self._unfolded(who, out)
        self._out(out)

    def _out(self, out: list[str]) -> None:
        self.lines += len(out)
        if out:
            self._write("".join(out))

    def _unfolded(self, who: str, out: list[str]) -> None:
        head, count = self._folded.pop(who, (0, 0))
        if count and self._json:
            from dftui.watch.sanitise import json_line

            out.append(json_line({"seq": head, "who": who, "kind": "trace", "folded": count}) + "\n")
        elif count:
            out.append(f"{self._who(who)} … {count} more lines of this stack trace\n")

    def _who(self, who: str) -> str:
        head = self._heads.get(who)
        if head is None:
            self._width = max(self._width, len(who))
            code = _COLOURS[len(self._heads) % len(_COLOURS)]
            head = self._heads[who] = paint(f"{who:<{self._width}} |", code, self._colour)
        return head

    def _texts(self, records: Sequence[Record]) -> list[str]:
        from dftui.watch.lines import LATE, MARK
        from dftui.watch.sanitise import json_line

        if self._json:
            return [json_line(line.to_json()) + "\n" for line in self._hub.lines(records)]
        if self._colour:
            lines = self._hub.lines(records)
            bodies = [paint(line.text, _LEVEL_COLOURS.get(line.level, ""), True) for line in lines]
        else:
            # Only what is printed is worked out: this is the way of a million lines through a pipe.
            bodies = self._hub.texts(records)
        heads = {who: self._who(who) for who in {record[2] for record in records}}
        if self._timestamps:
            bodies = [f"{stamp(record[1] / 1e9)} {body}" for record, body in zip(records, bodies, strict=True)]
        out = [f"{heads[record[2]]} {body}\n" for record, body in zip(records, bodies, strict=True)]
        for index, record in enumerate(records):
            if record[3] & (LATE | MARK):
                mark = "-- " if record[3] & MARK else "(late) "
                out[index] = f"{heads[record[2]]} {mark}{bodies[index]}\n"
        return out
