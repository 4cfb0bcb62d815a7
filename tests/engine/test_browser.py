"""`dftui serve` in a real browser: a `+` there adds a replica, and nobody else gets in."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pyte
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.browsing import chromium
from tests.leases import a_port
from tests.stacks import Follower, Stack
from tests.tinyweb import text, tiny_image

# What the screen sends is drawn on a canvas, so it is kept as it comes.
KEEP = """
window.kept = [];
window.WebSocket = class extends WebSocket {
  constructor(...given) {
    super(...given);
    window.kept_from = given[0];
    this.addEventListener("message", async (event) => {
      if (typeof event.data === "string") return;
      const data = event.data instanceof Blob ? await event.data.arrayBuffer() : event.data;
      window.kept.push(new TextDecoder().decode(data));
    });
  }
};
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("browser"), text(tiny_image(), 1, "  kind: plain\n")) as found:
        found.ok("up")
        yield found


@pytest.fixture
def port() -> Iterator[int]:
    with a_port() as found:
        yield found


def link_of(served: Follower) -> str:
    told = served.until(lambda line: "url" in line, lambda: None)
    assert told["tunnel"].startswith("ssh -N -L ")
    return str(told["url"])


def screen_of(browser: Chrome) -> str:
    """What the page shows, by what was sent to it."""
    came = re.search(r"width=(\d+)&height=(\d+)", str(browser.execute_script("return window.kept_from || ''")))
    columns, rows = (int(came[1]), int(came[2])) if came else (80, 24)
    screen = pyte.Screen(columns, rows)
    pyte.Stream(screen).feed("".join(browser.execute_script("return window.kept")))
    return "\n".join(screen.display)


def asked(port: int, path: str, **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_plus_in_the_browser_adds_a_replica_and_shows_it(stack: Stack, port: int, tmp_path: Path) -> None:
    with (
        stack.follow("serve", "--write", "--port", str(port), "--json") as served,
        chromium(tmp_path / "p") as browser,
    ):
        link = link_of(served)
        browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": KEEP})
        browser.get(link)
        wait = WebDriverWait(browser, 60, poll_frequency=0.1)
        wait.until(lambda b: f"{stack.name}-web1" in screen_of(b))
        assert "token" not in browser.current_url
        browser.find_element(By.CSS_SELECTOR, ".xterm-helper-textarea").send_keys("+")
        wait.until(lambda b: "2 of 2 serving" in screen_of(b))
        assert f"{stack.name}-web2" in screen_of(browser)
        assert "read-only" not in screen_of(browser)
    assert len(stack.serving()) == 2


def test_without_being_told_it_only_looks_and_strangers_stay_out(stack: Stack, port: int, tmp_path: Path) -> None:
    with stack.follow("serve", "--port", str(port), "--json") as served, chromium(tmp_path / "p") as browser:
        link = link_of(served)
        here = {"Host": f"127.0.0.1:{port}"}
        path = f"/?{urlsplit(link).query}"
        for status, where, headers in (
            (403, "/", here),
            (403, "/ws", here),
            (403, "/static/js/textual.js", here),
            (403, "/?token=guessed", here),
            (403, path, {"Host": f"example.com:{port}"}),
            (403, path, {**here, "Origin": "http://example.com"}),
            (303, path, here),
        ):
            assert asked(port, where, **headers) == status, (where, headers)
        browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": KEEP})
        browser.get(link)
        wait = WebDriverWait(browser, 60, poll_frequency=0.1)
        wait.until(lambda b: f"{stack.name}-web1" in screen_of(b))
        assert "read-only" in screen_of(browser)
        before = stack.serving()
        browser.find_element(By.CSS_SELECTOR, ".xterm-helper-textarea").send_keys("+")
        wait.until(lambda b: "looks" in screen_of(b) or "read-only (" in screen_of(b))
        assert stack.serving() == before
    assert json.loads(stack.ok("history", "--json").splitlines()[0])


def test_a_port_that_is_taken_is_a_sentence(stack: Stack) -> None:
    found = stack.run("serve", "--port", str(stack.port))
    assert (found.returncode, found.stdout) == (2, "")
    assert "cannot be used" in found.stderr
    assert stack.run("--read-only", "serve", "--write").returncode == 2
