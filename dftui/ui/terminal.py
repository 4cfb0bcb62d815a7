"""What the terminal and the way to it can do, told by the environment alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def over_ssh(environ: Mapping[str, str] | None = None) -> bool:
    """This session came by SSH."""
    env = os.environ if environ is None else environ
    return bool(env.get("SSH_CONNECTION") or env.get("SSH_TTY"))


def multiplexed(environ: Mapping[str, str] | None = None) -> bool:
    """tmux or screen stands between: its answers say nothing about the real terminal."""
    env = os.environ if environ is None else environ
    return bool(env.get("TMUX") or env.get("STY")) or env.get("TERM", "").startswith(("screen", "tmux"))


def job_control() -> bool:
    """A shell with job control waits for this program: only then can what is stopped be continued. (Not so for
    `ssh -t HOST dftui`, `tmux new dftui`, or a forced command.) Signals' "orphaned process group", POSIX 3.244."""
    try:
        group, session, pid = os.getpgrp(), os.getsid(0), os.getppid()
        while os.getpgid(pid) == group:  # make, sh -c: stopped and continued together with this program
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            pid = int(stat.rpartition(")")[2].split()[1])
        return os.getsid(pid) == session
    except (OSError, ValueError, IndexError):
        return False


def few_colours(environ: Mapping[str, str] | None = None) -> bool:
    """The terminal has 16 colours or none are wanted: only its own palette can be trusted to be readable."""
    env = os.environ if environ is None else environ
    if env.get("NO_COLOR"):
        return True
    if env.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return False
    term = env.get("TERM", "")
    return not any(word in term for word in ("256color", "kitty", "direct", "truecolor", "alacritty", "ghostty"))


def speaks_unicode(environ: Mapping[str, str] | None = None) -> bool:
    """The locale is UTF-8 (an unset one counts as yes) and this is no Linux console, whose font lacks the signs."""
    env = os.environ if environ is None else environ
    locale = env.get("LC_ALL") or env.get("LC_CTYPE") or env.get("LANG") or "C.UTF-8"
    return "utf" in locale.lower() and env.get("TERM") != "linux"
