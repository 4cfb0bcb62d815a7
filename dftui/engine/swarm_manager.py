"""What of a swarm is asked of its manager's own engine alone: images, and the networks that all nodes share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from dftui.engine.api import Image, ImageProgress, Network
from dftui.engine.docker import DockerEngine


class AtManager:
    """The part of the `Engine` Protocol that a manager answers by itself."""

    def __init__(self, manager: DockerEngine) -> None:
        self.manager = manager

    async def networks(self, labels: Mapping[str, str] | None = None) -> tuple[Network, ...]:
        """All networks with these labels, as the manager has them."""
        return await self.manager.networks(labels)

    async def images(self, labels: Mapping[str, str] | None = None) -> tuple[Image, ...]:
        """All images of the manager with these labels."""
        return await self.manager.images(labels)

    async def image(self, ref: str) -> Image | None:
        """By tag, digest or id, at the manager."""
        return await self.manager.image(ref)

    async def tag(self, ref: str, tag: str) -> None:
        """Give an image one more name, at the manager."""
        await self.manager.tag(ref, tag)

    def pull(self, ref: str) -> AsyncIterator[ImageProgress]:
        """Pull to the manager."""
        return self.manager.pull(ref)

    def build(
        self, tag: str, context: bytes, *, labels: Mapping[str, str], args: Mapping[str, str] | None = None
    ) -> AsyncIterator[ImageProgress]:
        """Build at the manager."""
        return self.manager.build(tag, context, labels=labels, args=args)

    def import_image(
        self, tag: str, chunks: AsyncIterator[bytes], *, labels: Mapping[str, str]
    ) -> AsyncIterator[ImageProgress]:
        """Import at the manager."""
        return self.manager.import_image(tag, chunks, labels=labels)
