"""Pulling from a registry: progress, refusals, and the bundled images where no registry can be reached."""

from __future__ import annotations

from pathlib import Path

import pytest

from dftui.engine import images
from dftui.engine.api import Engine, ImageProgress, PullRefused, RegistryUnreachable
from dftui.engine.bundled import bundled_tag
from dftui.engine.images import BUNDLED_ROLES, resolve_images
from dftui.stack.spec import ImagesSpec
from tests.engine.registry_rig import offer, refusing, registry


def at(monkeypatch: pytest.MonkeyPatch, address: str, tag: str) -> dict[str, str]:
    """As if the real images were in this registry."""
    real = {role: f"{address}/{role}:{tag}" for role in BUNDLED_ROLES}
    monkeypatch.setattr(images, "REAL_IMAGES", real)
    return real


async def test_images_are_pulled_with_progress_for_each_layer(
    engine: Engine,
    stack_name: str,
    labels: dict[str, str],
    free_port: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[ImageProgress] = []
    with registry(tmp_path / "registry", free_port) as address:
        real = at(monkeypatch, address, stack_name)
        for ref in real.values():
            await offer(engine, ref, labels)
        found = await resolve_images(engine, ImagesSpec(), None, told.append)
    assert found.source == "pull" and found.refs == real
    for role, ref in real.items():
        assert found.digests[role].startswith(f"{ref.rpartition(':')[0]}@sha256:")
        layers = {one.layer for one in told if one.image == ref and one.layer}
        assert layers, f"no layer of {ref} was named"
        measured = [one for one in told if one.image == ref and one.total]
        assert measured and all(0 <= one.done <= one.total for one in measured)
        assert any(one.image == ref and one.stage == "done" for one in told)


async def test_a_missing_tag_a_login_and_a_limit_are_errors_and_nothing_is_built(
    engine: Engine, stack_name: str, free_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*args: object) -> str:
        raise AssertionError("bundled images were built")

    monkeypatch.setattr(images, "ensure_bundled", never)
    with registry(tmp_path / "open", free_port) as address:
        at(monkeypatch, address, stack_name)
        with pytest.raises(PullRefused, match=f"{address}/db:{stack_name}"):
            await resolve_images(engine, ImagesSpec(), None, lambda _: None)
    with registry(tmp_path / "login", free_port, login=True) as address:
        at(monkeypatch, address, stack_name)
        with pytest.raises(PullRefused) as caught:
            await resolve_images(engine, ImagesSpec(), None, lambda _: None)
        assert "docker login" in caught.value.hint
    with refusing(free_port, 429, "TOOMANYREQUESTS") as address:
        at(monkeypatch, address, stack_name)
        with pytest.raises(PullRefused):
            await resolve_images(engine, ImagesSpec(), None, lambda _: None)


async def test_where_nothing_listens_all_roles_are_bundled_or_pull_is_an_error(
    engine: Engine, stack_name: str, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, f"127.0.0.1:{free_port}", stack_name)
    found = await resolve_images(engine, ImagesSpec(), None, lambda _: None)
    assert found.source == "bundled"
    assert found.refs == {role: bundled_tag(role) for role in BUNDLED_ROLES}
    with pytest.raises(RegistryUnreachable):
        await resolve_images(engine, ImagesSpec(source="pull"), None, lambda _: None)
