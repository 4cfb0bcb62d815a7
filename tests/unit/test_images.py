"""Which images a stack gets, from which sources, and when the bundled ones are built anew."""

from __future__ import annotations

import asyncio
import io
import tarfile
from pathlib import Path

import pytest

from dftui.engine import bundled, images
from dftui.engine.api import EngineError, ImageProgress, NotFound, PullRefused, RegistryUnreachable
from dftui.engine.images import BUNDLED_ROLES, look_for_images, resolve_images
from dftui.engine.sources import debian_sources
from dftui.stack.spec import REAL_IMAGES, ImagesSpec
from tests.fakes.engine import FakeEngine

OS_RELEASE = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=debian\n'


def nothing(progress: ImageProgress) -> None:
    """A report that nobody reads."""


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """An engine that pulls what `can_pull` lists; bundled images need no mmdebstrap."""
    made = FakeEngine()

    async def ensure(engine: FakeEngine, role: str, report: object) -> str:
        tag = bundled.bundled_tag(role)
        engine.hold(tag)
        return tag

    monkeypatch.setattr(images, "ensure_bundled", ensure)
    return made


async def test_images_that_are_there_need_no_registry(engine: FakeEngine) -> None:
    for ref in REAL_IMAGES.values():
        engine.hold(ref)
    engine.fail("pull", RegistryUnreachable("no"))
    found = await resolve_images(engine, ImagesSpec(), None, nothing)
    assert found.source == "pull" and found.refs == REAL_IMAGES
    assert set(found.digests) == set(BUNDLED_ROLES) and all(found.digests.values())


async def test_one_unreachable_registry_makes_all_images_bundled(engine: FakeEngine) -> None:
    engine.hold(REAL_IMAGES["web"])
    engine.fail("pull", RegistryUnreachable("no"))
    told: list[ImageProgress] = []
    found = await resolve_images(engine, ImagesSpec(), None, told.append)
    assert found.source == "bundled"
    assert found.refs == {role: bundled.bundled_tag(role) for role in BUNDLED_ROLES}
    assert any("No registry can be reached" in one.text for one in told)


async def test_a_registry_that_refuses_is_an_error(engine: FakeEngine) -> None:
    engine.fail("pull", PullRefused("toomanyrequests"))
    with pytest.raises(PullRefused):
        await resolve_images(engine, ImagesSpec(), None, nothing)


async def test_who_asked_for_pulled_images_gets_no_others(engine: FakeEngine) -> None:
    engine.fail("pull", RegistryUnreachable("no"))
    with pytest.raises(RegistryUnreachable):
        await resolve_images(engine, ImagesSpec(source="pull"), None, nothing)


async def test_a_silent_registry_is_an_unreachable_one(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "FIRST_WORD", 0.05)

    async def silent(ref: str) -> object:
        await asyncio.Event().wait()
        yield ImageProgress(ref, "pulling")

    monkeypatch.setattr(engine, "pull", silent)
    assert (await resolve_images(engine, ImagesSpec(), None, nothing)).source == "bundled"


@pytest.mark.parametrize("recorded", ["pull", "bundled"])
async def test_what_a_stack_was_made_with_stays(engine: FakeEngine, recorded: str) -> None:
    named = ImagesSpec(web="example/web:1")
    with pytest.raises(NotFound, match="not in the engine any more"):
        await resolve_images(engine, named, recorded, nothing)
    engine.hold("example/web:1")
    for role in ("db", "cache", "balancer"):
        engine.hold(REAL_IMAGES[role])
    found = await resolve_images(engine, named, recorded, nothing)
    assert found.source == recorded and found.refs["web"] == "example/web:1"
    other = ImagesSpec(source="bundled" if recorded == "pull" else "pull")
    with pytest.raises(EngineError, match="was made with"):
        await resolve_images(engine, other, recorded, nothing)


@pytest.mark.parametrize("recorded", ["pull", "bundled"])
async def test_an_image_that_the_file_names_anew_is_fetched(engine: FakeEngine, recorded: str) -> None:
    for role in ("db", "cache", "balancer"):
        engine.hold(REAL_IMAGES[role] if recorded == "pull" else bundled.bundled_tag(role))
    named = ImagesSpec(web="example/web:2")
    seen = await look_for_images(engine, named, recorded, ["example/web:2"])
    assert (seen.missing(), seen.source) == (["example/web:2"], recorded)
    assert await engine.image("example/web:2") is None
    with pytest.raises(NotFound):
        await look_for_images(engine, named, recorded)
    engine.remote["example/web:2"] = []
    found = await resolve_images(engine, named, recorded, nothing, ["example/web:2"])
    assert found.refs["web"] == "example/web:2"


async def test_looking_for_images_gets_none(engine: FakeEngine) -> None:
    seen = await look_for_images(engine, ImagesSpec(), None)
    assert (set(seen.missing()), seen.source) == (set(REAL_IMAGES.values()), "auto")
    assert await engine.images() == ()


def test_a_context_is_the_same_bytes_every_time_and_scripts_can_be_run() -> None:
    for role in BUNDLED_ROLES:
        assert bundled.context_tar(role) == bundled.context_tar(role)
        with tarfile.open(fileobj=io.BytesIO(bundled.context_tar(role))) as tar:
            modes = {entry.name: entry.mode for entry in tar}
        assert "Dockerfile" in modes
        assert all(mode == (0o755 if name.endswith(".sh") else 0o644) for name, mode in modes.items())


def test_a_changed_file_changes_the_tag_of_its_role_and_a_changed_base_all(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {role: bundled.bundled_tag(role) for role in BUNDLED_ROLES}
    real = bundled.context_files
    monkeypatch.setattr(
        bundled, "context_files", lambda part: {**real(part), **({"more": b"x"} if part == "web" else {})}
    )
    assert {role for role in BUNDLED_ROLES if bundled.bundled_tag(role) != before[role]} == {"web"}
    monkeypatch.setattr(
        bundled, "context_files", lambda part: {**real(part), **({"more": b"x"} if part == "base" else {})}
    )
    assert {role for role in BUNDLED_ROLES if bundled.bundled_tag(role) != before[role]} == set(BUNDLED_ROLES)


async def test_without_mmdebstrap_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dftui.engine.bundled.shutil.which", lambda name: None)
    with pytest.raises(EngineError, match="mmdebstrap is not installed") as caught:
        await bundled.ensure_bundled(FakeEngine(), "web", nothing)
    assert caught.value.hint == "apt-get install mmdebstrap"


def lay_out(root: Path) -> Path:
    (root / "etc/apt/sources.list.d").mkdir(parents=True)
    (root / "etc/os-release").write_text(OS_RELEASE)
    return root


def test_sources_are_the_release_s_own_in_either_format(tmp_path: Path) -> None:
    root = lay_out(tmp_path)
    (root / "etc/apt/sources.list").write_text(
        "# deb http://old.example bookworm main\n"
        "deb [arch=amd64,arm64 signed-by=/usr/share/keyrings/x.gpg] http://one.example/debian bookworm-updates main\n"
        "deb-src http://one.example/debian bookworm main\n"
        "deb http://vendor.example/repo bookworm stable\n"
    )
    (root / "etc/apt/sources.list.d/debian.sources").write_text(
        "Types: deb deb-src\nURIs: http://two.example/debian\nSuites: bookworm trixie\nComponents: main\n"
        "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n\n"
        "Types: deb\nURIs: http://off.example\nSuites: bookworm\nComponents: main\nEnabled: no\n"
    )
    (root / "etc/apt/sources.list.d/gone.list.disabled").write_text("deb http://gone.example bookworm main\n")
    codename, text = debian_sources(root)
    assert codename == "bookworm"
    assert "http://one.example/debian" in text and "Signed-By: /usr/share/keyrings/x.gpg" in text
    assert "Architectures: amd64 arm64\n" in text
    assert "Suites: bookworm\n" in text and " -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc" in text
    for word in ("old.example", "vendor.example", "off.example", "gone.example", "trixie", "deb-src"):
        assert word not in text


def test_another_system_is_told_so(tmp_path: Path) -> None:
    root = lay_out(tmp_path)
    with pytest.raises(EngineError, match="No package source for bookworm"):
        debian_sources(root)
    (root / "etc/os-release").write_text('PRETTY_NAME="Fedora 44"\nID=fedora\nVERSION_CODENAME=""\n')
    with pytest.raises(EngineError, match="cannot be built on Fedora 44"):
        debian_sources(root)
