"""Asking for short turns changes nothing else of the process."""

from __future__ import annotations

import os
import subprocess
import sys

ASK = """
import os, sys
os.nice(3)
before = os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0), os.sched_getaffinity(0)
from dftui.ui.promptness import be_prompt
be_prompt()
be_prompt()
assert before == (os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0), os.sched_getaffinity(0))
print(sys.getswitchinterval())
"""


def test_niceness_and_policy_stay_as_they_are() -> None:
    found = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, env=os.environ, check=False)
    assert (found.returncode, found.stderr) == (0, "")
    assert float(found.stdout) < 0.005
