"""The chunked transfer coding, in which the engine sends every body whose length it does not know before."""

from __future__ import annotations


class Chunked:
    """An incremental decoder of the chunked transfer coding (RFC 9112, 7.1). `done` after the last chunk."""

    __slots__ = ("_left", "_rest", "_trailers", "done")

    def __init__(self) -> None:
        self._rest = b""
        self._left = 0
        """Bytes of the running chunk that are still to come, its closing CRLF counted in."""
        self._trailers = False
        self.done = False

    def feed(self, data: bytes) -> bytes:
        """The payload within `data`. Raises ValueError on what is not chunked."""
        if self._rest:
            data = self._rest + data
            self._rest = b""
        out: list[bytes] = []
        pos, size, left = 0, len(data), self._left
        find = data.find
        while pos < size and not self.done:
            if left:
                if left > size - pos:
                    # A CRLF cut in two: hold back what may be its first half.
                    cut = size if left - (size - pos) >= 2 else size - (2 - (left - (size - pos)))
                    cut = max(cut, pos)
                    out.append(data[pos:cut])
                    left -= cut - pos
                    self._rest = data[cut:]
                    pos = size
                    break
                out.append(data[pos : pos + left - 2])
                pos += left
                left = 0
                continue
            end = find(b"\r\n", pos)
            if end < 0:
                if size - pos > 4096:
                    raise ValueError("no chunk size")
                self._rest = data[pos:]
                break
            if self._trailers:
                self.done = end == pos
                pos = end + 2
                continue
            line = data[pos:end]
            length = int(line if b";" not in line else line.split(b";", 1)[0], 16)
            pos = end + 2
            if length:
                left = length + 2
            else:
                self._trailers = True
        self._left = left
        return out[0] if len(out) == 1 else b"".join(out)

    @property
    def between(self) -> bool:
        """Whether the next byte begins a chunk (and none has been the last)."""
        return not (self._left or self._rest or self._trailers)
