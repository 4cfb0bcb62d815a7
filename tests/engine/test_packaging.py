"""The wheel in a clean container: pipx installs it there, it carries all that it reads, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dftui import __version__
from dftui.engine.connect import connect
from tests.sources import ROOT, tracked
from tests.stacks import docker
from tests.tiny import pieces, root_tar

PINS = ROOT / ".ci" / "constraints.txt"
HOME = "/home/new"
PIPX = ("/opt/pipx/bin/pipx",)
# Python comes from this machine, read-only, and with it the C library; everything else in there is new.
LENT = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/passwd", sys.base_prefix)


def run(*argv: str | Path, cwd: Path) -> str:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV", "DFTUI_", "PYTEST"))}
    found = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert found.returncode == 0, f"{argv} → {found.returncode}\n{found.stdout}\n{found.stderr}"
    return found.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """dftui's wheel, made from a copy of the tree as a clone would have it, with all that it needs and pipx."""
    folder = tmp_path_factory.mktemp("package")
    for path in tracked():
        target = folder / "clone" / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target, follow_symlinks=False)
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder / "wheels")
    run(*pip, folder / "clone", cwd=folder)
    (wheel,) = (folder / "wheels").iterdir()
    download = (sys.executable, "-m", "pip", "download", "--quiet", "-c", PINS, "-d", wheel.parent)
    run(*download, wheel, "pipx", "pip", cwd=folder)  # pipx brings its own pip up to date
    return wheel.parent


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    """Almost nothing: one static binary, whose folders wait for what is lent."""
    tag = f"dftui-test/clean:{secrets.token_hex(4)}"

    async def make() -> None:
        engine = await connect()
        try:
            async for _ in engine.import_image(tag, pieces(root_tar()), labels={"dftui.test": "clean"}):
                pass
        finally:
            await engine.close()

    asyncio.run(make())
    yield tag
    docker("image", "rm", tag)


@pytest.fixture(scope="module")
def clean(wheels: Path, image: str) -> Iterator[str]:
    """A container without a network, with pipx in it and dftui installed by that."""
    name = f"dftui-clean-{secrets.token_hex(4)}"
    lent = [word for path in dict.fromkeys(LENT) if Path(path).exists() for word in ("-v", f"{path}:{path}:ro")]
    socket = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
    settings = {
        "HOME": HOME,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": "/wheels",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_CACHE_DIR": "1",
    }
    docker(
        *("run", "-d", "--name", name, "--network", "none", "-w", HOME),
        *(word for key, value in settings.items() for word in ("-e", f"{key}={value}")),
        *(*lent, "-v", f"{wheels}:/wheels:ro", "-v", f"{socket}:/var/run/docker.sock"),
        *(image, "/bin/sleep", "100000"),
    )
    try:
        python = f"{sys.base_prefix}/bin/python{sys.version_info.major}.{sys.version_info.minor}"
        inside(name, python, "-m", "venv", "/opt/pipx")
        inside(name, "/opt/pipx/bin/pip", "install", "--quiet", "pipx")
        before = files_of(name)
        inside(name, *PIPX, "install", "dftui")
        yield name
        inside(name, *PIPX, "uninstall", "dftui")
        left = {path for path in files_of(name) - before if "dftui" in path}
        assert {path for path in left if not path.endswith(".lock")} == {f"{HOME}/dftui.yaml"}  # the test's own
    finally:
        docker("rm", "-f", "-v", name)


def inside(container: str, *argv: str) -> str:
    return docker("exec", "-w", HOME, container, *argv)


def files_of(container: str) -> set[str]:
    return set(inside(container, "/bin/busybox", "find", HOME, "/tmp", "-type", "f").splitlines())


DFTUI = f"{HOME}/.local/bin/dftui"


def test_it_tells_its_version(clean: str) -> None:
    assert inside(clean, DFTUI, "--version") == f"dftui {__version__}"


def test_status_speaks_to_the_engine(clean: str) -> None:
    inside(clean, "/bin/sh", "-c", "echo 'name: never-made' > dftui.yaml")
    assert "no stack named never-made" in inside(clean, DFTUI, "status")


def test_everything_that_is_read_at_run_time_is_there(clean: str) -> None:
    code = (
        "import dftui, json, pathlib; at = pathlib.Path(dftui.__file__).parent; "
        "print(json.dumps([str(p.relative_to(at)) for p in at.rglob('*') if p.is_file()]))"
    )
    installed = set(json.loads(inside(clean, python_of(clean), "-c", code)))
    expected = {
        *(path.relative_to(ROOT / "dftui") for path in tracked() if ROOT / "dftui" in path.parents),
        *(path.relative_to(ROOT) for path in tracked() if path.parent == ROOT / "themes" and path.suffix == ".yaml"),
    }
    assert [str(path) for path in sorted(expected) if str(path) not in installed and path != Path("themes")] == []
    assert any(path.parts[0] == "images" for path in expected)
    assert any(path.parts[0] == "themes" for path in expected)
    assert any(path.suffix == ".tcss" for path in expected)


def python_of(container: str) -> str:
    """The interpreter of pipx's environment for dftui."""
    shebang = inside(container, "/bin/head", "-n", "1", DFTUI)
    return shebang.removeprefix("#!").split()[0]


def test_the_manual_page_is_where_man_looks_for_it(clean: str) -> None:
    # Beside the program, as pipx links it: man looks at share/man next to each folder of PATH.
    page = inside(clean, "/bin/cat", f"{HOME}/.local/share/man/man1/dftui.1")
    assert page == (ROOT / "man" / "dftui.1").read_text().strip()


def test_the_themes_are_found_by_the_installed_program(clean: str) -> None:
    code = "from dftui.stack.paths import themes_dir; print(sorted(t.name for t in themes_dir().iterdir()))"
    ours = sorted(path.name for path in tracked() if path.parent == ROOT / "themes" and path.suffix == ".yaml")
    assert inside(clean, python_of(clean), "-c", code) == str(ours)


def test_help_and_the_browser_say_what_they_need(clean: str) -> None:
    assert "HTTPS" in inside(clean, DFTUI, "help", "tls")
    found = subprocess.run(
        ["docker", "exec", "-w", HOME, clean, DFTUI, "serve"], capture_output=True, text=True, check=False
    )
    assert (found.returncode, "pip install 'dftui[serve]'" in found.stderr) == (2, True), found.stderr
