"""`dftui images list|pull|build`: which images the roles take, and getting them beforehand."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from dftui.cli.common import Opened, emit, opened, say
from dftui.cli.progress import Progress
from dftui.cli.text import columns
from dftui.control.effects import Effect

if TYPE_CHECKING:
    from dftui.engine.api import ImageProgress
    from dftui.stack.spec import Source


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to do with them."""
    parser.add_argument(
        "what",
        choices=("list", "pull", "build"),
        nargs="?",
        default="list",
        help="list: what each role takes and whether it is there; pull: the real ones; build: the bundled ones",
    )


def effect(args: argparse.Namespace) -> Effect:
    """A list only looks."""
    return Effect.LOOK if args.what == "list" else Effect.CHANGE


async def run(args: argparse.Namespace) -> int:
    """List, pull or build."""
    async with opened(args) as world:
        if args.what == "list":
            rows = await _rows(world)
        else:
            with Progress(verbose=args.verbose) as progress:
                await _fetch(world, "pull" if args.what == "pull" else "bundled", image_steps(progress))
            rows = await _rows(world)
    if args.json:
        emit({"images": rows})
        return 0
    lines = [
        (str(r["role"]), str(r["image"]), "here" if r["present"] else "not here", str(r["source"])) for r in rows
    ]
    print("\n".join(columns(lines)))
    return 0


async def _fetch(world: Opened, source: Source, report: Callable[[ImageProgress], None]) -> None:
    from dftui.engine.images import resolve_images

    images = replace(world.spec.images, source=source)
    resolved = await resolve_images(world.engine, images, None, report, roles=world.spec.roles)
    say(f"{len(resolved.refs)} images are ready ({resolved.source}).")


async def _rows(world: Opened) -> list[dict[str, object]]:
    """What each role would take: named in the stack file, the real one, and bundled ones that exist."""
    from dftui.stack.names import LABEL_IMAGE, ROLES
    from dftui.stack.spec import REAL_IMAGES

    rows: list[dict[str, object]] = []
    bundled = await world.engine.images()
    for role in (role for role in ROLES if role in world.spec.roles):
        named: str | None = getattr(world.spec.images, role)
        wanted = named or REAL_IMAGES[role]
        image = await world.engine.image(wanted)
        rows.append(
            _row(role, wanted, "stack file" if named else "real", image is not None, image.size if image else 0)
        )
        rows += [
            _row(role, image.tags[0], "bundled", True, image.size)
            for image in bundled
            if image.tags and image.labels.get(LABEL_IMAGE) == role
        ]
    return rows


def _row(role: str, name: str, source: str, present: bool, size: int) -> dict[str, object]:
    from dftui.watch.sanitise import clean

    return {"role": role, "image": clean(name), "source": source, "present": present, "bytes": size}


def image_steps(progress: Progress) -> Callable[[ImageProgress], None]:
    """Turns pull and build progress into steps."""
    from dftui.watch.records import Step

    def report(p: ImageProgress) -> None:
        amount = f" {p.done / 1e6:.1f} of {p.total / 1e6:.1f} MB" if p.total else ""
        layer = f" {p.layer}" if p.layer else ""
        text = f"{p.image}: {p.stage}{layer}{amount} {p.text}".rstrip()
        progress.report(Step(0.0, "images", text, "ok" if p.stage == "done" else "running"))

    return report
