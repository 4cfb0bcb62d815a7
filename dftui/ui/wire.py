"""Fewer bytes to the terminal: a partial update sends the cells that changed, not the line up to them.

textual 8.2.8 (pinned) renders a changed span of a line from the start of its widget's line (the method's other half
says "TODO: crop to x extents"): a figure that changes at the right edge sends the whole row, some 400 bytes instead
of 60.  The class and the method are private to textual; a test compares what both draw.
"""

from __future__ import annotations

from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate


def render_segments(self: ChopsUpdate, console: Console) -> str:
    """As textual's, but from the first changed cell of each span."""
    out: list[str] = []
    for y, x1, x2 in self.spans:
        for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
            if strip is None or x >= x2 or end <= x1:
                continue
            start = max(x, x1)
            if start > x or end > x2:
                strip = strip.crop(start - x, min(end, x2) - x)
            out += (Control.move_to(start, y).segment.text, strip.render(console))
    return "".join(out)


def send_only_changed_cells() -> None:
    """Put it in place, for the whole process."""
    ChopsUpdate.render_segments = render_segments  # type: ignore[method-assign]
