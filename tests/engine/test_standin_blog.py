"""The blog's own walk in a real browser: make the first admin, log in, open Config, reload and watch the Host."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.common.exceptions import TimeoutException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from dftui.engine.api import Attachment, ContainerSpec, Engine, File, Port
from dftui.stack.names import LABEL_STACK
from tests.browsing import chromium
from tests.engine.standin_rig import ADMIN_PASSWORD, EMAIL, Rig, Web, until
from tests.leases import a_port

REPLICAS = 3


@pytest.fixture
def rig(engine: Engine, stack_name: str, subnet: str) -> Iterator[Rig]:
    with contextlib.ExitStack() as ports:
        yield Rig(engine, stack_name, subnet, lambda: ports.enter_context(a_port()))


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    with chromium(tmp_path / "profile") as made:
        yield made


async def balanced(rig: Rig) -> tuple[int, list[Web]]:
    """Replicas behind the bundled HAProxy, round robin, as the blog has them; the port and the replicas."""
    await rig.network()
    await rig.database()
    await rig.cache()
    webs = [await rig.web(number, rig.variables()) for number in range(1, REPLICAS + 1)]
    servers = []
    for web in webs:
        detail = await rig.engine.inspect(web.id)
        servers.append(f"server {web.host} {detail.container.addresses[rig.stack]}:80")
    lines = ["defaults", "mode http", "timeout connect 5s", "timeout client 60s", "timeout server 60s"]
    lines += ["frontend all", "bind :80", "default_backend web", "backend web", "balance roundrobin", *servers, ""]
    port = rig.a_port()
    spec = ContainerSpec(
        name=f"{rig.stack}-lb",
        image=await rig.image("balancer"),
        labels={LABEL_STACK: rig.stack},
        networks=(Attachment(rig.stack),),
        ports=(Port(80, "127.0.0.1", port),),
        files=(File("/usr/local/etc/haproxy/haproxy.cfg", "\n".join(lines).encode()),),
        restart="no",
    )
    await rig.engine.start(await rig.engine.create(spec))
    await until(lambda: Web("", port).ask("GET", "/up").status == 200, "the balancer's first answer")
    return port, webs


def walk(browser: Chrome, base: str, reloads: int) -> list[str]:
    """First admin, login, Config; the Host that each reload shows."""
    wait = WebDriverWait(browser, 60)
    browser.get(base + "/")
    wait.until(lambda b: "Welcome to DreamFactory" in b.find_element(By.TAG_NAME, "h1").text)
    for name, value in {
        "name": "First Admin",
        "first_name": "First",
        "last_name": "Admin",
        "email": EMAIL,
        "username": "firstadmin",
        "phone": "5550100",
        "password": ADMIN_PASSWORD,
        "password_confirmation": ADMIN_PASSWORD,
    }.items():
        browser.find_element(By.NAME, name).send_keys(value)
    browser.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
    try:
        wait.until(lambda b: b.find_elements(By.ID, "login"))
    except TimeoutException:
        raise AssertionError(f"no login after the form: {browser.find_element(By.TAG_NAME, 'body').text}") from None
    browser.find_element(By.NAME, "email").send_keys(EMAIL)
    browser.find_element(By.NAME, "password").send_keys("not the password")
    browser.find_element(By.CSS_SELECTOR, "#login button").click()
    wait.until(lambda b: b.find_element(By.ID, "told").text == "Invalid credentials supplied.")
    browser.find_element(By.NAME, "password").clear()
    browser.find_element(By.NAME, "password").send_keys(ADMIN_PASSWORD)
    browser.find_element(By.CSS_SELECTOR, "#login button").click()
    wait.until(lambda b: b.find_elements(By.ID, "home"))
    browser.find_element(By.LINK_TEXT, "Config").click()
    hosts = []
    for _ in range(reloads):
        wait.until(lambda b: b.find_elements(By.ID, "server-host"))
        hosts.append(browser.find_element(By.ID, "server-host").text)
        browser.refresh()
    return hosts


async def test_reloading_config_shows_every_replica_s_host(rig: Rig, browser: Chrome) -> None:
    port, webs = await balanced(rig)
    # Each reload asks for a page, its script, its style and the facts: with four requests and three replicas in
    # turn, the next reload's facts come from the next replica.
    hosts = await asyncio.to_thread(walk, browser, f"http://127.0.0.1:{port}", 4 * REPLICAS)
    assert set(hosts) == {web.host for web in webs}, hosts
    assert webs[0].ask("GET", "/status").json["resources"]["admin"] == 1
