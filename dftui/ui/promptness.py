"""Keys before everything else on a machine that is busy: what the interpreter and the kernel can be asked for."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

SWITCH = 0.001
"""Seconds after which a thread that has a key to hand over, or a frame to write, is let in (Python's own: 5 ms)."""
SLICE_NS = 200_000
"""Of the processor at a time. Who takes little at a time is let in sooner; it gets no more of it in all."""
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
"""Number of the system call; the C library has no function for it before glibc 2.41."""
_ATTR = struct.Struct("=IIQiIQQQII")


def be_prompt() -> None:
    """Ask for short turns, for this thread and those that it starts. Linux takes the wish from 6.12 on (sched(7),
    sched_setattr(2): `sched_runtime` of SCHED_OTHER); elsewhere nothing changes."""
    sys.setswitchinterval(SWITCH)
    number = _SCHED_SETATTR.get(platform.machine())
    if sys.platform != "linux" or number is None or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    attributes = _ATTR.pack(_ATTR.size, os.SCHED_OTHER, 0, nice, 0, SLICE_NS, 0, 0, 0, 0)
    # A kernel that knows no such wish ignores it or refuses it; either is well.
    ctypes.CDLL(None).syscall(number, 0, attributes, 0)
