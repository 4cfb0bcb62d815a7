"""`uninstall`: this engine and this user's folders as they were before dftui, but for what others have or wrote."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dftui.control.errors import ActionError
from dftui.control.steps import Progress
from dftui.control.world import World
from dftui.engine.api import EngineError, Image
from dftui.engine.bundled import BUNDLED_PREFIX
from dftui.stack import names, paths
from dftui.stack.spec import REAL_IMAGES


@dataclass(frozen=True, slots=True)
class Found:
    """What there is to remove. `stack`: the stack file's own is there, or its data; `others` are further stacks on
    the engine, `images` tags or ids, `folders` what dftui keeps of this engine, with `files` in them."""

    stack: bool
    others: tuple[str, ...]
    images: tuple[str, ...]
    folders: tuple[Path, ...]
    files: int


@dataclass(frozen=True, slots=True)
class Uninstalled:
    """`uninstall --json`. `kept` says what stayed, and why."""

    stack: str
    images: tuple[str, ...]
    files: int
    kept: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The documented shape."""
        return {"stack": self.stack, "images": list(self.images), "files": self.files, "kept": list(self.kept)}


async def look(world: World) -> Found:
    """What uninstalling would meet. Raises EngineError."""
    engine = world.engine
    containers, networks, volumes = await asyncio.gather(engine.containers(), engine.networks(), engine.volumes())
    made = [one.labels for one in containers] + [one.labels for one in networks] + [one.labels for one in volumes]
    labels = [one.get(names.LABEL_STACK, "") for one in made]
    folder = paths.engine_folder(await world.engine_id())
    folders = [path for root in (paths.config_dir(), paths.state_dir()) if (path := root / folder).is_dir()]
    return Found(
        stack=world.stack in labels,
        others=tuple(sorted(set(labels) - {"", world.stack})),
        images=await _images(world),
        folders=tuple(dict.fromkeys(folders)),
        files=sum(1 for path in folders for one in path.rglob("*") if one.is_file()),
    )


async def _images(world: World) -> tuple[str, ...]:
    """The bundled ones, the base of the others last; and the real ones that dftui pulls by itself, where nobody
    but this stack has a container of them. What the stack file names is its author's."""
    everything = await world.engine.images()
    roles = [*REAL_IMAGES, "base", ""]
    bundled = [one for one in everything if names.LABEL_IMAGE in one.labels]
    bundled.sort(key=lambda one: roles.index(role) if (role := one.labels[names.LABEL_IMAGE]) in roles else 0)
    named = {getattr(world.spec.images, role) for role in REAL_IMAGES}
    theirs = {one.image_id for one in await world.engine.containers() if names.LABEL_STACK not in one.labels}
    pulled = [
        ref
        for ref in REAL_IMAGES.values()
        if ref not in named and (found := _by_tag(everything, ref)) is not None and found.id not in theirs
    ]
    # An image that was made from one of these carries its labels, too, and is somebody else's.
    own = [tag for one in bundled for tag in one.tags or (one.id,) if tag.startswith((BUNDLED_PREFIX, "sha256:"))]
    return (*pulled, *own)


def _by_tag(images: tuple[Image, ...], ref: str) -> Image | None:
    return next((one for one in images if ref in one.tags), None)


async def uninstall(world: World, down: Callable[[], Awaitable[None]]) -> Uninstalled:
    """Take the stack down with its data, then remove images and files. Raises ActionError, before anything is
    touched, while other stacks are on the engine."""
    progress = Progress("uninstall", world.report)
    found = await look(world)
    if found.others:
        raise ActionError(
            f"there are other stacks on this engine: {', '.join(found.others)}; nothing was removed",
            "take each down first: dftui --stack FILE down --volumes",
        )
    progress.total = len(found.images) + len(found.folders) + 1
    if found.stack:
        await down()
    removed: list[str] = []
    kept: list[str] = []
    for ref in found.images:
        try:
            with progress.step(f"remove image {ref}", command=f"docker image rm {ref}"):
                await world.engine.remove_image(ref)
            removed.append(ref)
        except EngineError as error:
            kept.append(f"{ref}: {error}")
    for path in found.folders:
        with progress.step(f"remove {path}", command=f"rm -r {path}"):
            await asyncio.to_thread(_remove, path)
    kept += [f"{path}, which you wrote" for path in _own_files()]
    return Uninstalled(world.stack, tuple(removed), found.files, tuple(kept))


def _remove(path: Path) -> None:
    """A folder, and those above it that dftui made and that are empty then."""
    try:
        shutil.rmtree(path)
    except OSError as error:
        raise ActionError(f"{error.filename or path} could not be removed: {error.strerror}", "remove it") from None
    with contextlib.suppress(OSError):
        path.parent.rmdir()


def _own_files() -> list[Path]:
    """What a person put into dftui's folder."""
    return [path for path in (paths.user_config_file(), paths.user_themes_dir()) if path.exists()]
