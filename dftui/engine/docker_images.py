"""Pulling, building and importing images over the engine's progress streams.

Source of the shapes: Docker Engine API 1.41, "Create an image" and "Build an image" (JSON messages with `status`,
`progressDetail`, `stream`, `aux`, `error`).
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from dftui.engine.api import EngineError, EngineUnreachable, ImageProgress
from dftui.engine.errors import one_line, pull_error, refused
from dftui.engine.wire import HttpRefused, Wire, json_lines

_BUILD_LINES = 12
"""Lines of a failed build's output that its error carries."""
_BOOKKEEPING = re.compile(r" ---> |Removing intermediate container |Successfully (built|tagged) ")
"""What the classic builder says of itself between two steps."""


def split_ref(ref: str) -> tuple[str, str]:
    """An image reference as repository and tag (or digest); `latest` when it names none."""
    if "@" in ref:
        repository, _, digest = ref.partition("@")
        return repository, digest
    repository, colon, tag = ref.rpartition(":")
    if not colon or "/" in tag:
        return ref, "latest"
    return repository, tag


def _stage(status: str) -> str:
    """The api's stage of a pull's status line."""
    if status.startswith("Extracting") or status in ("Download complete", "Pull complete", "Verifying Checksum"):
        return "extracting"
    return "pulling"


async def pull(
    wire: Wire, ref: str, credentials: Callable[[str], Awaitable[str | None]]
) -> AsyncIterator[ImageProgress]:
    """Progress per layer, then one "done"; see `Engine.pull`."""
    repository, tag = split_ref(ref)
    auth = await credentials(repository)
    try:
        reply = await wire.open(
            "POST",
            "/images/create",
            query={"fromImage": repository, "tag": tag},
            headers={"X-Registry-Auth": auth} if auth else None,
            head_timeout=None,
        )
    except HttpRefused as error:
        raise pull_error(ref, error.message, error.status) from None
    async with reply, aclosing(reply.pieces()) as pieces, aclosing(json_lines(pieces)) as values:
        async for raw in values:
            if problem := error_in(raw):
                raise pull_error(ref, problem)
            status = str(raw.get("status", ""))
            detail = raw.get("progressDetail") or {}
            yield ImageProgress(
                image=ref,
                stage=_stage(status),
                layer=str(raw.get("id", "")) if raw.get("id") != tag else "",
                done=int(detail.get("current") or 0),
                total=int(detail.get("total") or 0),
                text=status,
            )
    yield ImageProgress(ref, "done")


def error_in(raw: Any) -> str:
    """The engine's words when a progress message is an error; "" otherwise."""
    if not isinstance(raw, dict) or not ("error" in raw or "errorDetail" in raw):
        return ""
    detail = raw.get("errorDetail")
    told = detail.get("message") if isinstance(detail, dict) else None
    return str(told or raw.get("error") or "unknown error")


async def build(
    wire: Wire, tag: str, context: bytes, labels: Mapping[str, str], args: Mapping[str, str]
) -> AsyncIterator[ImageProgress]:
    """One progress per step ("Step 2/5 : RUN …" has `done` 2 and `total` 5) and per line that a step
    writes, then "done"."""
    query = {
        "t": tag,
        "rm": "1",
        "forcerm": "1",
        "labels": json.dumps(dict(labels)),
        "buildargs": json.dumps(dict(args)),
        # A third of the time of each RUN saved, and no build can depend on what a mirror holds today.
        "networkmode": "none",
        "version": "1",
    }
    doing = f"build {tag}"
    try:
        reply = await wire.open(
            "POST",
            "/build",
            query=query,
            body=context,
            headers={"Content-Type": "application/x-tar"},
            head_timeout=None,
        )
    except HttpRefused as error:
        raise refused(error.status, error.message, doing) from None
    step = steps = 0
    last: list[str] = []
    async with reply, aclosing(reply.pieces()) as pieces, aclosing(json_lines(pieces)) as values:
        async for raw in values:
            if problem := error_in(raw):
                failure = refused(0, problem, doing)
                if last and type(failure) is EngineError:
                    raise EngineError(str(failure), "Its last lines: " + " | ".join(last))
                raise failure
            text = str(raw.get("stream", raw.get("status", ""))).rstrip()
            if not text or _BOOKKEEPING.match(text):
                continue
            if text.startswith("Step ") and "/" in text:
                counts = text[5:].split(" ", 1)[0].split("/")
                if len(counts) == 2 and counts[0].isdigit() and counts[1].isdigit():
                    step, steps = int(counts[0]), int(counts[1])
            last = (
                [*last[1 - _BUILD_LINES :], one_line(text)] if len(last) >= _BUILD_LINES else [*last, one_line(text)]
            )
            yield ImageProgress(tag, "building", done=step, total=steps, text=text)
    yield ImageProgress(tag, "done", done=steps, total=steps)


async def import_image(
    wire: Wire, tag: str, chunks: AsyncIterator[bytes], labels: Mapping[str, str]
) -> AsyncIterator[ImageProgress]:
    """The tar goes to the engine as it comes; progress is what was sent, at most each MiB, then "done"."""
    repository, name = split_ref(tag)
    # Podman 4 reads no `tag` here, and an engine that does takes it before the one in `repo`.
    query = [("fromSrc", "-"), ("repo", f"{repository}:{name}"), ("tag", name)]
    query += [("changes", f"LABEL {json.dumps(key)}={json.dumps(value)}") for key, value in labels.items()]
    doing = f"import {tag}"
    async for progress in _upload(wire, tag, query, chunks, doing):
        yield progress
    yield ImageProgress(tag, "done")


async def post_tar(
    wire: Wire, path: str, query: Sequence[tuple[str, str]], chunks: AsyncIterator[bytes], doing: str
) -> None:
    """Send a tar as it comes, and read to its end what the engine says of it. Raises HttpRefused, EngineUnreachable,
    and EngineError for what the engine says only then."""
    reply = await wire.open(
        "POST",
        path,
        query=query,
        body=chunks,
        headers={"Content-Type": "application/x-tar"},
        head_timeout=None,
    )
    async with reply, aclosing(reply.pieces()) as pieces, aclosing(json_lines(pieces)) as values:
        async for raw in values:
            if problem := error_in(raw):
                raise refused(0, problem, doing)


async def _upload(
    wire: Wire, tag: str, query: list[tuple[str, str]], chunks: AsyncIterator[bytes], doing: str
) -> AsyncIterator[ImageProgress]:
    told: asyncio.Queue[ImageProgress | None] = asyncio.Queue()

    async def counted() -> AsyncIterator[bytes]:
        sent = shown = 0
        async for chunk in chunks:
            yield chunk
            sent += len(chunk)
            if sent - shown >= 1 << 20:
                shown = sent
                told.put_nowait(ImageProgress(tag, "base", done=sent))

    async def send() -> None:
        try:
            await post_tar(wire, "/images/create", query, counted(), doing)
        except HttpRefused as error:
            raise refused(error.status, error.message, doing) from None
        except EngineUnreachable:
            # An engine that hangs up may only have had enough of what is no archive.
            await wire.json("GET", "/version", doing)
            raise EngineError(f"Could not {doing}: the engine stopped reading; is it a tar archive?") from None
        finally:
            told.put_nowait(None)

    task = asyncio.create_task(send())
    try:
        while (progress := await told.get()) is not None:
            yield progress
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
