"""An image from one engine to others, as it is, where no registry can hand it out.

It is read from the one and written to the other at the same time: never whole in memory, and on no disk but the
engines' own.  Source: Docker Engine API 1.41, "Export an image" and "Import images".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing

from dftui.engine.api import Engine, EngineError, EngineUnreachable, Image, ImageProgress, NotFound
from dftui.engine.docker_images import post_tar
from dftui.engine.errors import refused
from dftui.engine.wire import HttpRefused, Wire

AT_ONCE = 4
"""Engines that are written to at the same time."""
_TOLD_EACH = 4 << 20
"""Bytes from one progress to the next."""


async def carry(engine: Engine, ref: str, to: Mapping[str, Engine]) -> AsyncIterator[ImageProgress]:
    """Have the image `ref` of `engine` in each of the engines `to` (by a name that is shown), under the same name.

    Those that hold the very same image under it are passed over. Progress per engine (`layer` is its name):
    "carrying" with `done` and `total` bytes, then "done". Raises NotFound where the source has no such image; where
    an engine fails, the others are served first and its error is raised then.
    """
    image = await engine.image(ref)
    if image is None:
        raise NotFound(
            f"There is no image {ref} to bring to the nodes.", "`dftui images` lists those that are there."
        )
    source = _wire(engine, ref)
    told: asyncio.Queue[ImageProgress] = asyncio.Queue()
    gate = asyncio.Semaphore(AT_ONCE)

    async def bring(name: str, target: Engine) -> None:
        async with gate:
            held = await target.image(ref)
            if held is None or held.id != image.id:
                await _pipe(source, _wire(target, ref), ref, image, name, told.put_nowait)
        told.put_nowait(ImageProgress(ref, "done", layer=name, done=image.size, total=image.size))

    tasks = [asyncio.create_task(bring(name, target)) for name, target in to.items()]
    everything = asyncio.gather(*tasks, return_exceptions=True)
    try:
        while not (everything.done() and told.empty()):
            telling = asyncio.ensure_future(told.get())
            await asyncio.wait((telling, everything), return_when=asyncio.FIRST_COMPLETED)
            if telling.done():
                yield telling.result()
            else:
                telling.cancel()
        for failed in await everything:
            if failed is not None:
                raise failed
    finally:
        everything.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pipe(
    source: Wire, target: Wire, ref: str, image: Image, name: str, tell: Callable[[ImageProgress], None]
) -> None:
    doing = f"bring the image {ref} to {name}"

    async def pieces() -> AsyncIterator[bytes]:
        sent = shown = 0
        async with aclosing(saved.pieces()) as read:
            async for piece in read:
                yield piece
                sent += len(piece)
                if sent - shown >= _TOLD_EACH:
                    shown = sent
                    # Sent is a little more than the image has: the tar's own.
                    tell(ImageProgress(ref, "carrying", layer=name, done=min(sent, image.size), total=image.size))

    try:
        saved = await source.open("GET", f"/images/{ref}/get", head_timeout=None)
        async with saved:
            await post_tar(target, "/images/load", (("quiet", "1"),), pieces(), doing)
    except HttpRefused as error:
        raise refused(error.status, error.message, doing) from None
    except EngineUnreachable as error:
        raise EngineUnreachable(f"Could not {doing}: {error}", error.hint) from None


def _wire(engine: Engine, ref: str) -> Wire:
    """Its connection; a swarm's is its manager's."""
    wire = getattr(getattr(engine, "manager", engine), "wire", None)
    if not isinstance(wire, Wire):
        raise EngineError(f"Could not bring the image {ref} to the nodes: an engine here is no Docker Engine.")
    return wire
