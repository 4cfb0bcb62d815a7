"""Completion and the manual page: every word that the program knows, from the parser and the registry."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dftui.cli.man import page
from dftui.cli.parser import COMMANDS, build, subparsers
from dftui.control.actions import ACTIONS


@pytest.fixture
def env(tmp_path: Path, own_folders: Path) -> dict[str, str]:
    """A `dftui` on PATH, and no engine."""
    program = tmp_path / "bin" / "dftui"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m dftui "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "DOCKER_HOST": f"unix://{tmp_path}/nowhere.sock"}


def tab(env: dict[str, str], line: str, cwd: Path) -> list[str]:
    """What bash would offer after this line."""
    script = f"""
eval "$(dftui completion bash)"
complete -p dftui >/dev/null || exit 1
COMP_LINE={line!r} COMP_POINT={len(line)} COMP_TYPE=9 COMPREPLY=()
_python_argcomplete dftui
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", script], env=env, cwd=cwd, capture_output=True, text=True, check=True)
    return [word.strip() for word in done.stdout.splitlines() if word.strip()]


def test_bash_completes_commands_options_and_values(env: dict[str, str], tmp_path: Path) -> None:
    assert tab(env, "dftui ", tmp_path) == list(COMMANDS)
    assert tab(env, "dftui und", tmp_path) == ["undrain"]
    assert tab(env, "dftui logs --t", tmp_path) == ["--tail", "--timestamps"]
    assert set(tab(env, "dftui key ", tmp_path)) == {"show", "new", "check", "import"}
    assert {"night", "day"} <= set(tab(env, "dftui --theme ", tmp_path))
    (tmp_path / "mine.yaml").write_text("name: df\n")
    assert "mine.yaml" in tab(env, "dftui --stack mi", tmp_path)


def test_names_need_an_engine_and_without_one_a_tab_says_nothing(env: dict[str, str], tmp_path: Path) -> None:
    assert tab(env, "dftui shell ", tmp_path) == ["db", "cache", "balancer", "web"]
    assert tab(env, "dftui drain ", tmp_path) == []


@pytest.mark.parametrize(("shell", "mark"), [("zsh", "#compdef dftui"), ("fish", "complete --command dftui")])
def test_zsh_and_fish_get_theirs(env: dict[str, str], tmp_path: Path, shell: str, mark: str) -> None:
    done = subprocess.run(
        ["dftui", "completion", shell], env=env, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert mark in done.stdout
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=done.stdout, text=True, check=True)


def test_the_manual_page_has_every_command_option_and_key() -> None:
    text = page().replace("\\-", "-").replace("\\fB", "").replace("\\fI", "").replace("\\fR", "")
    text = text.replace("\\&", "").replace("\\e", "\\")
    for name, sub in subparsers(build()).items():
        sub.fill()
        assert f"dftui {name}" in text
        for action in sub._actions:
            for option in action.option_strings:
                assert option in text, f"{name} {option}"
    for key in ACTIONS:
        assert f"[{key.id}]" in text
        assert key.help in text
    assert "restrict,pty" in text


def test_the_manual_page_is_good_roff() -> None:
    assert page().isascii()
    bad = [line for line in page().splitlines() if line[:1] in (".", "'") and line.split()[0] not in KNOWN]
    assert bad == []
    if shutil.which("groff"):
        done = subprocess.run(
            ["groff", "-man", "-ww", "-z"], input=page(), capture_output=True, text=True, check=True
        )
        assert done.stderr == ""


KNOWN = {".TH", ".SH", ".TP", ".PP", ".RS", ".RE", ".nf", ".fi"}
