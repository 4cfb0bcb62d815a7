"""A real browser for tests: Chromium without a screen, which talks to loopback only."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service


@contextmanager
def chromium(profile: Path) -> Iterator[Chrome]:
    """One with a profile of its own, ended afterwards."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert program and driver, "these tests need chromium and chromium-driver"
    options = ChromeOptions()
    options.binary_location = program
    for word in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(word)
    made = Chrome(options=options, service=Service(driver))
    made.set_page_load_timeout(60)
    try:
        yield made
    finally:
        made.quit()
