"""`make screenshots`: pictures of the real screen on a real stack with real traffic, as SVG and PNG.

The stack is made for them, under a name and a port of its own, and gone at the end.  The keys are pressed in
textual's own pilot, so what is drawn is what a terminal of that size gets.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from textual.pilot import Pilot

from dftui.stack.file import load
from dftui.ui.app import DftuiApp
from dftui.ui.backend import Backend
from dftui.ui.options import Options
from tests.leases import port_is_free
from tests.load import Load, Plan
from tests.sources import ROOT
from tests.stacks import Stack, docker

FOLDER = ROOT / "screenshots"
PORT = 8080
# Little CPU for each, so that two of them have enough to do.
STACK = "web: {replicas: 2, cpus: 0.06, env: {APP_LOG_LEVEL: info}}\n"
CALM, BUSY = 10, 60
"""Requests a second, beside a client that looks around."""
FONT = "DejaVu Sans Mono"
# Wide enough that a glyph of that font fills its cell exactly: rsvg-convert does not know textLength.
FONT_SIZE = "20.26px"
NIGHT, DAY = "night", "day"


def a_stack(folder: Path) -> Stack:
    """One whose name nobody uses on this engine, so that its removal touches nothing else."""
    for name in itertools.chain(("demo",), (f"demo{n}" for n in itertools.count(2))):
        stack = Stack(folder, STACK, name=name, port=PORT if port_is_free(PORT) else 0)
        names = docker("ps", "-a", "--format", "{{.Names}}").splitlines()
        if not stack.left() and not any(n.startswith(f"{name}-") for n in names):
            return stack
    raise AssertionError


def secrets_of(stack: Stack) -> dict[str, str]:
    """APP_KEY and the passwords of the stack, from its file."""
    (file,) = (stack.folder / "config").glob(f"*/{stack.name}.env")
    wanted = re.compile(r"APP_KEY=|[A-Z_]+_PASSWORD=")
    return dict(line.split("=", 1) for line in file.read_text().splitlines() if wanted.match(line))


def visit(stack: Stack, stop: threading.Event) -> None:
    """A client as there are many: it logs in, looks around, takes a wrong turn now and then."""
    password = secrets_of(stack)["ADMIN_PASSWORD"]

    def ask(path: str, token: str = "", body: object = None) -> dict[str, object]:
        headers = {"X-DreamFactory-Session-Token": token} if token else {}
        data = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        request = urllib.request.Request(stack.url + path, data, headers)
        with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(request, timeout=10) as answer:
            found = answer.read()
            return json.loads(found) if found.startswith(b"{") else {}
        return {}

    while not stop.is_set():
        try:
            login = {"email": "admin@example.com", "password": password}
            token = str(ask("/api/v2/system/admin/session", body=login).get("session_token", ""))
            for path in itertools.islice(
                itertools.cycle(
                    (
                        "/api/v2/system/admin/session",
                        "/api/v2/system/environment",
                        "/api/v2",
                        "/dreamfactory/dist/",
                        "/api/v2/system/service/7",
                        "/status",
                    )
                ),
                40,
            ):
                ask(path, token)
                if stop.wait(0.12):
                    return
            ask("/api/v2/system/admin/session")  # Without its token: refused.
            ask("/api/v2/db/_table/orders", token)
        except OSError:
            stop.wait(0.5)


@contextlib.contextmanager
def traffic(stack: Stack, rate: int) -> Iterator[None]:
    """So many requests a second, for as long as the block lasts."""
    with Load(Plan(stack.port, rate=rate, connections=8, posts=0, path="/api/v2/system/environment")):
        yield


@contextlib.contextmanager
def visitor(stack: Stack) -> Iterator[None]:
    """Somebody who looks around, for as long as the block lasts."""
    stop = threading.Event()
    thread = threading.Thread(target=visit, args=(stack, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)


def paint(svg: Path) -> None:
    """The PNG beside an SVG."""
    png = svg.with_suffix(".png")
    subprocess.run(["rsvg-convert", "--output", str(png), str(svg)], check=True)
    # A screen has few colours: a fifth of the size, and no difference to the eye.
    subprocess.run(["pngquant", "--force", "--speed", "1", "--output", str(png), "128", str(png)], check=True)


class Camera:
    """Presses keys and keeps pictures."""

    def __init__(self, app: DftuiApp, pilot: Pilot[None], secrets: list[str]) -> None:
        self.app = app
        self.pilot = pilot
        self.secrets = secrets

    async def until(self, wanted: Callable[[], object], what: str, seconds: float = 90) -> None:
        """Until something is so on the screen's own facts."""
        for _ in range(int(seconds / 0.1)):
            if wanted():
                return
            await self.pilot.pause(0.1)
        rows = self.app.screen._compositor.render_strips()
        print("\n".join("".join(segment.text for segment in row).rstrip() for row in rows), file=sys.stderr)
        raise SystemExit(f"screenshots: after {seconds:g} s still not: {what}; the screen is above")

    def settled(self, count: int) -> bool:
        """That many serve, none more is there, and nothing is under way."""
        main = self.app.main
        snapshot = main.snapshot
        return (
            snapshot is not None
            and snapshot.serving == snapshot.wanted == len(snapshot.web) == count
            and not main.conductor.running
            and not main.conductor.pending
        )

    async def scale(self, key: str, count: int) -> None:
        """Press a key, and wait for what it does."""
        await self.pilot.press(key)
        await self.until(lambda: self.settled(count), f"{count} replicas serving")

    async def theme(self, name: str) -> None:
        """Those colours."""
        self.app.all_themes()
        self.app.use_theme(name)
        await self.pilot.pause(0.5)

    async def size(self, width: int, height: int) -> None:
        """A terminal of that size."""
        await self.pilot.resize_terminal(width, height)
        await self.pilot.pause(1.5)

    async def both(self, name: str) -> None:
        """Dark and light."""
        for theme, word in ((NIGHT, "dark"), (DAY, "light")):
            await self.theme(theme)
            await self.keep(f"{name}-{word}")
        await self.theme(NIGHT)

    async def keep(self, name: str) -> None:
        """Both forms of what is on the screen now."""
        await self.pilot.pause(0.3)
        text = self.app.export_screenshot(title="dftui")
        # The font would come from a CDN; the names of classes are drawn by lot.
        text = re.sub(r"@font-face\s*\{[^}]*\}\s*", "", text)
        text = re.sub(r"terminal-\d+", "dftui", text)
        # rsvg-convert trims each run of text, spaces that part it from the one before included.
        text = text.replace("<svg ", '<svg xml:space="preserve" ', 1)
        text = text.replace("Fira Code", FONT).replace("font-size: 20px", f"font-size: {FONT_SIZE}")
        # Blocks of that font are lower than a line: without an edge of their own colour an area would be striped.
        for ink in set(re.findall(r'class="(dftui-r\d+)"[^>]*>[^<]*[▁-█▖-▟]', text)):
            text = re.sub(rf"(\.{ink} {{ fill: (#\w+))", r"\1; stroke: \2; stroke-width: 1.5px", text)
        text = "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
        if any(secret in text for secret in self.secrets):
            raise SystemExit(f"screenshots: {name} would show a secret; it was not written")
        svg = FOLDER / f"{name}.svg"
        svg.write_text(text, encoding="utf-8")
        await asyncio.to_thread(paint, svg)
        print(f"screenshots/{svg.stem}.png", flush=True)


async def take(stack: Stack) -> None:
    """All of them, from one run of the program."""
    spec = load(stack.file)

    async def connect() -> Backend:
        from dftui.ui.live import connect

        return await connect(None, spec)

    app = DftuiApp(connect, spec, Options(theme=NIGHT, fence=False))
    async with app.run_test(size=(120, 40)) as pilot:
        camera = Camera(app, pilot, list(secrets_of(stack).values()))
        await camera.until(lambda: camera.settled(2), "2 replicas serving")
        with traffic(stack, CALM):
            await pilot.pause(60)
            with traffic(stack, BUSY):
                await pilot.pause(70)
                await pilot.press("plus", "plus")
                await camera.until(lambda: camera.settled(4), "4 replicas serving")
                await pilot.pause(75)
                await of_the_busy(camera)
            # What the probe and verify log in to has little CPU: they are taken in a calm moment.
            await pilot.pause(10)
            await of_the_calm(camera)
    if app.return_code:
        raise SystemExit(f"screenshots: the screen ended with {app.return_code}")


async def of_the_busy(camera: Camera) -> None:
    """The whole screen, graphs, requests and actions while there is much to do."""
    pilot = camera.pilot
    await camera.both("main-120x40")
    await camera.size(200, 50)
    await pilot.press("o")
    await camera.both("main-200x50")
    await pilot.press("l", "2")
    await camera.size(80, 24)
    await camera.both("main-80x24")
    await camera.size(120, 40)
    await pilot.press("o")
    await camera.keep("graphs-120x40")
    await pilot.press("z")
    await camera.both("graphs-zoomed-120x40")
    await pilot.press("z", "t")
    await camera.keep("requests-120x40")
    await pilot.press("a")
    await camera.keep("actions-120x40")


async def of_the_calm(camera: Camera) -> None:
    """What is asked for, help, and the palette."""
    pilot, main = camera.pilot, camera.app.main
    await pilot.press("h")
    await camera.until(lambda: main.probe.result, "a probe's result")
    await camera.keep("probe-120x40")
    await pilot.press("v")
    await camera.until(lambda: main.verify.result, "a verdict")
    await camera.keep("verify-120x40")
    await pilot.press("2", "question_mark")
    await camera.keep("help-120x40")
    await pilot.press("escape", "ctrl+p", *"theme", "down", "down")
    await camera.keep("themes-120x40")
    await pilot.press("escape")


def main() -> None:
    """Stack up, traffic, pictures, stack down."""
    if not all(map(shutil.which, ("rsvg-convert", "pngquant"))):
        sys.exit("screenshots: needs (by their Debian names) librsvg2-bin pngquant fonts-dejavu-core")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # What was made is removed then, too.
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="dftui-screenshots-") as folder, a_stack(Path(folder)) as stack:
        for name in ("NO_COLOR", "SSH_CONNECTION", "SSH_TTY", "TMUX", "STY"):
            os.environ.pop(name, None)
        # The screen runs in this process and needs what every `dftui` of the stack gets.
        os.environ.update({name: stack.env[name] for name in ("DFTUI_CONFIG_DIR", "DFTUI_STATE_DIR", "TERM")})
        os.environ["COLORTERM"] = "truecolor"
        stack.ok("up")
        try:
            with visitor(stack):
                asyncio.run(take(stack))
        finally:
            stack.ok("down", "--volumes", "--yes")


if __name__ == "__main__":
    main()
