"""Which images a stack runs: the real ones, pulled, or the bundled ones where no registry can be reached.

The choice is made once for a whole stack. Only a registry that cannot be reached leads to the bundled images; one
that answers and refuses is an error, and so is an image that a stack was made with and that is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

from dftui.engine.api import Engine, EngineError, Image, ImageProgress, NotFound, RegistryUnreachable
from dftui.engine.bundled import BUNDLED_ROLES, Report, bundled_tag, ensure_bundled
from dftui.stack.spec import REAL_IMAGES, ImagesSpec

__all__ = [
    "BUNDLED_ROLES",
    "FIRST_WORD",
    "Report",
    "ResolvedImages",
    "Seen",
    "ensure_bundled",
    "look_for_images",
    "resolve_images",
]

FIRST_WORD = 15.0
"""Seconds in which a registry must say anything at all; an engine itself waits for minutes on a dead resolver."""


@dataclass(frozen=True, slots=True)
class ResolvedImages:
    """By role: the reference to create containers from, its digest (an image id where none is known) and its id."""

    refs: Mapping[str, str]
    digests: Mapping[str, str]
    ids: Mapping[str, str]
    source: Literal["pull", "bundled"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What would be taken, as far as it can be known without getting anything: `ids` of those that are there;
    `source` is "auto" where nothing was decided yet."""

    refs: Mapping[str, str]
    ids: Mapping[str, str]
    source: Literal["auto", "pull", "bundled"]

    def missing(self) -> list[str]:
        """Those that are not there."""
        return list(dict.fromkeys(ref for role, ref in self.refs.items() if role not in self.ids))


async def look_for_images(
    engine: Engine,
    images: ImagesSpec,
    recorded_source: str | None,
    anew: Collection[str] = (),
    *,
    roles: Collection[str] = BUNDLED_ROLES,
) -> Seen:
    """What `resolve_images` would begin with; changes nothing. Raises as it does where no getting could help."""
    source = check_source(images, recorded_source)
    bundled = source == "bundled"
    refs = {
        role: getattr(images, role) or (bundled_tag(role) if bundled else REAL_IMAGES[role])
        for role in BUNDLED_ROLES
        if role in roles
    }
    found = {role: image.id for role, image in (await _look(engine, refs)).items() if image is not None}
    for role, ref in refs.items():
        built = bundled and getattr(images, role) is None
        if recorded_source and role not in found and not built and ref not in anew:
            raise _gone(ref)
    return Seen(refs, found, source)


def check_source(images: ImagesSpec, recorded_source: str | None) -> Literal["auto", "pull", "bundled"]:
    """Where the images come from. Raises EngineError where the stack was made with others."""
    if recorded_source and images.source not in ("auto", recorded_source):
        raise EngineError(
            f"This stack was made with “{recorded_source}” images, and its stack file now says “{images.source}”.",
            "Take that line out of the stack file, or remove the stack with `dftui down` first.",
        )
    return "bundled" if recorded_source == "bundled" else "pull" if recorded_source else images.source


async def resolve_images(
    engine: Engine,
    images: ImagesSpec,
    recorded_source: str | None,
    report: Report,
    anew: Collection[str] = (),
    *,
    roles: Collection[str] = BUNDLED_ROLES,
) -> ResolvedImages:
    """Have the image of each of the `roles` in the engine; `recorded_source` is what the stack was made with, None at
    its first up, and `anew` are the images that its file names since then.

    Raises PullRefused when a registry says no, NotFound when a recorded image is gone, EngineError else.
    """
    asked = [role for role in BUNDLED_ROLES if role in roles]
    named = {role: ref for role in asked if (ref := getattr(images, role))}
    source = check_source(images, recorded_source)
    if source == "bundled":
        return await _bundled(engine, asked, named, recorded_source is not None, report, anew)
    wanted = {role: named.get(role, REAL_IMAGES[role]) for role in asked}
    found = await _look(engine, wanted)
    missing = [role for role, image in found.items() if image is None]
    if recorded_source and (gone := [wanted[role] for role in missing if wanted[role] not in anew]):
        raise _gone(gone[0])
    try:
        await _pull_all(engine, [wanted[role] for role in missing], report)
    except RegistryUnreachable:
        if source == "pull":
            raise
        report(ImageProgress("", "fallback", text="No registry can be reached: building the bundled images"))
        return await _bundled(engine, asked, named, False, report)
    return _resolved(wanted, await _look(engine, wanted) if missing else found, "pull")


async def _bundled(
    engine: Engine,
    roles: Collection[str],
    named: Mapping[str, str],
    recorded: bool,
    report: Report,
    anew: Collection[str] = (),
) -> ResolvedImages:
    """Bundled images for all of the roles but those whose image the stack file names."""
    refs = {role: named.get(role) or bundled_tag(role) for role in roles}
    found = await _look(engine, refs)
    if all(found.values()):
        for ref in refs.values():
            report(ImageProgress(ref, "done"))
        return _resolved(refs, found, "bundled")
    for ref in named.values():
        if await engine.image(ref) is None:
            if recorded and ref not in anew:
                raise _gone(ref)
            await _pull(engine, ref, report)
    others = [role for role in roles if role not in named]
    await asyncio.gather(*(ensure_bundled(engine, role, report) for role in others))
    return _resolved(refs, await _look(engine, refs), "bundled")


async def _pull_all(engine: Engine, refs: list[str], report: Report) -> None:
    """The first alone, for it tells whether the registry can be reached; then the others together."""
    if refs:
        await _pull(engine, refs[0], report)
        await asyncio.gather(*(_pull(engine, ref, report) for ref in dict.fromkeys(refs[1:])))


async def _pull(engine: Engine, ref: str, report: Report) -> None:
    pulling: AsyncIterator[ImageProgress] = engine.pull(ref)
    async with aclosing(pulling) as steps:  # type: ignore[type-var]
        try:
            async with asyncio.timeout(FIRST_WORD):
                report(await anext(steps))
        except TimeoutError:
            raise RegistryUnreachable(
                f"The registry of {ref} did not answer within {FIRST_WORD:.0f} seconds.",
                "Try again, or set `images: {source: bundled}` in the stack file.",
            ) from None
        except StopAsyncIteration:
            return
        async for progress in steps:
            report(progress)


def _resolved(
    refs: Mapping[str, str], found: Mapping[str, Image | None], source: Literal["pull", "bundled"]
) -> ResolvedImages:
    digests: dict[str, str] = {}
    ids: dict[str, str] = {}
    for role, ref in refs.items():
        image = found[role]
        if image is None:
            raise _gone(ref)
        digests[role] = image.digests[0] if image.digests else image.id
        ids[role] = image.id
    return ResolvedImages(refs=dict(refs), digests=digests, ids=ids, source=source)


async def _look(engine: Engine, refs: Mapping[str, str]) -> dict[str, Image | None]:
    """By role: the image that the engine has, all asked for at once."""
    return dict(zip(refs, await asyncio.gather(*(engine.image(ref) for ref in refs.values())), strict=True))


def _gone(ref: str) -> NotFound:
    return NotFound(
        f"The image {ref}, which this stack was made with, is not in the engine any more.",
        f"Fetch it again: docker pull {ref}",
    )
