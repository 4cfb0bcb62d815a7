"""The files of the project as a clone would have them."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@cache
def tracked() -> list[Path]:
    """Files that git keeps or would keep; without git (a source archive) all that are no leftovers."""
    found = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if found.returncode == 0:
        names = [ROOT / name for name in found.stdout.decode().split("\0") if name]
    else:
        skipped = {".git", ".venv", ".run", "build", "dist", "__pycache__"}
        names = [p for p in ROOT.rglob("*") if not skipped & set(p.parts) and ".egg-info" not in str(p)]
    # One that was removed but not yet committed is no file of the project any more.
    return sorted(path for path in names if path.is_symlink() or path.is_file())
