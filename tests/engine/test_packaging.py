"""`pip install .` into a clean environment carries everything that the program reads, and the program runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from dftui import __version__
from tests.sources import ROOT, tracked


def run(*argv: str | Path, cwd: Path, env: Mapping[str, str]) -> str:
    found = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert found.returncode == 0, f"{argv} → {found.returncode}\n{found.stdout}\n{found.stderr}"
    return found.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with dftui installed from a copy of the tree, as a clone would have it."""
    folder = tmp_path_factory.mktemp("package")
    for path in tracked():
        target = folder / "clone" / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target, follow_symlinks=False)
    env = clean()
    run(sys.executable, "-m", "venv", folder / "venv", cwd=folder, env=env)
    python = folder / "venv" / "bin" / "python"
    pins = ROOT / ".ci" / "constraints.txt"
    run(python, "-m", "pip", "install", "--quiet", "-c", pins, folder / "clone", cwd=folder, env=env)
    return folder / "venv"


def clean() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV", "DFTUI_", "PYTEST"))}


def test_it_tells_its_version(environment: Path, tmp_path: Path) -> None:
    out = run(environment / "bin" / "dftui", "--version", cwd=tmp_path, env=clean())
    assert out.strip() == f"dftui {__version__}"


def test_status_speaks_to_the_engine(environment: Path, tmp_path: Path) -> None:
    (tmp_path / "dftui.yaml").write_text("name: never-made\n")
    env = {**clean(), "DFTUI_CONFIG_DIR": str(tmp_path / "c"), "DFTUI_STATE_DIR": str(tmp_path / "s")}
    out = run(environment / "bin" / "dftui", "status", cwd=tmp_path, env=env)
    assert "no stack named never-made" in out


def test_everything_that_is_read_at_run_time_is_there(environment: Path, tmp_path: Path) -> None:
    code = "import dftui, pathlib; print(pathlib.Path(dftui.__file__).parent)"
    installed = Path(run(environment / "bin" / "python", "-c", code, cwd=tmp_path, env=clean()).strip())
    assert environment in installed.parents
    expected = {
        *(path.relative_to(ROOT / "dftui") for path in tracked() if ROOT / "dftui" in path.parents),
        *(path.relative_to(ROOT) for path in tracked() if path.parent == ROOT / "themes" and path.suffix == ".yaml"),
    }
    missing = [str(path) for path in sorted(expected) if not (installed / path).is_file() and path != Path("themes")]
    assert missing == []
    assert any(path.parts[0] == "images" for path in expected)
    assert any(path.parts[0] == "themes" for path in expected)
    assert any(path.suffix == ".tcss" for path in expected)


def test_the_manual_page_is_where_man_looks_for_it(environment: Path) -> None:
    assert (environment / "share" / "man" / "man1" / "dftui.1").read_text() == (ROOT / "man" / "dftui.1").read_text()


def test_the_themes_are_found_by_the_installed_program(environment: Path, tmp_path: Path) -> None:
    code = "from dftui.stack.paths import themes_dir; print(sorted(t.name for t in themes_dir().iterdir()))"
    out = run(environment / "bin" / "python", "-c", code, cwd=tmp_path, env=clean())
    ours = sorted(path.name for path in tracked() if path.parent == ROOT / "themes" and path.suffix == ".yaml")
    assert out.strip() == str(ours)
