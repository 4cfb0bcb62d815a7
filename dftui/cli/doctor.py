"""`dftui doctor`: looks the machine over, and says of each thing whether it is as a stack needs it."""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from dftui.cli.common import coloured, emit, load_spec
from dftui.cli.exits import Exit, code_of, sentences
from dftui.cli.finding import Finding
from dftui.cli.text import columns, paint

if TYPE_CHECKING:
    from dftui.engine.api import Container, Engine, EngineInfo
    from dftui.stack.spec import StackSpec

MIN_FREE = 2 * 10**9
"""Free bytes where the engine keeps images: the bundled ones and their base need about 1.2 GB."""
MAX_SKEW = 2.0
"""Seconds by which the clocks may differ: tokens are valid from the second in which they were made."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


async def run(args: argparse.Namespace) -> int:
    """Look at everything; 4 if something is not as it must be, 3 if no engine answers."""
    from dftui.engine.api import EngineUnreachable
    from dftui.engine.connect import connect_for

    spec = load_spec(args)
    findings: list[Finding] = []
    code: int = Exit.DONE
    try:
        engine = await connect_for(spec, args.docker)
    except EngineUnreachable as error:
        told = sentences(error)
        findings.append(Finding("engine", False, told[0], " ".join(told[1:])))
        code = code_of(error)
    else:
        try:
            findings += [finding async for finding in look(engine, spec)]
        finally:
            await engine.close()
    if code == Exit.DONE and any(finding.ok is False for finding in findings):
        code = Exit.UNTRUE
    if args.json:
        checks = [{"name": f.name, "ok": f.ok, "what": f.what, "do": f.do} for f in findings]
        emit({"ok": code == Exit.DONE, "checks": checks})
    else:
        print("\n".join(_text(findings, coloured())))
    return code


def _text(findings: list[Finding], colour: bool) -> list[str]:
    from dftui.watch.sanitise import clean

    words = {True: ("✓ good", "32"), False: ("✗ wrong", "31"), None: ("? unseen", "33")}
    lines = columns([(words[f.ok][0], f.name, clean(f.what)) for f in findings], indent="")
    shown: list[str] = []
    for finding, line in zip(findings, lines, strict=True):
        word, code = words[finding.ok]
        shown.append(paint(word, code, colour) + line.removeprefix(word))
        if finding.do:
            shown.append(f"    {clean(finding.do)}")
    return shown


async def look(engine: Engine, spec: StackSpec) -> AsyncIterator[Finding]:
    """Every check in turn; what the engine itself refuses is a finding too."""
    from dftui.engine.api import EngineError

    before = time.time()
    try:
        info = await engine.info()
    except EngineError as error:
        yield Finding("engine", False, *sentences(error)[:2])
        return
    after = time.time()
    asked = f"answers in {1000 * (after - before):.0f} ms"
    yield Finding("engine", True, f"{info.kind} {info.version} (API {info.api_version}) at {info.host}, {asked}")
    if info.kind == "podman":
        yield Finding("podman", True, "it stands in Docker's place; what is otherwise there: dftui help podman")
    local = _is_local(info)
    for finding in disk(info, local):
        yield finding
    yield clock(info, before, after)
    try:
        containers = await engine.containers()
        yield await _port(engine, spec, containers, local)
        if spec.balancer.tls is not None:
            yield await _certificate(spec)
        yield await _balancer(engine, spec, containers)
        yield await _secrets(engine, spec, info)
    except EngineError as error:
        yield Finding("stack", False, *sentences(error)[:2])
    for finding in (*kernel(local), *await _swarm(engine, local)):
        yield finding


async def _swarm(engine: Engine, local: bool) -> list[Finding]:
    from dftui.cli.swarmcheck import look
    from dftui.engine.api import EngineError

    try:
        return await look(engine, local)
    except EngineError as error:
        return [Finding("swarm", False, *sentences(error)[:2])]


def _is_local(info: EngineInfo) -> bool:
    """Whether the engine's machine is this one: a socket here may lead elsewhere, or into a container's host."""
    return info.host.startswith("unix://") and Path(info.root or "/nowhere").is_dir()


def disk(info: EngineInfo, local: bool) -> list[Finding]:
    """Room where the engine keeps its data, and on this machine's root."""
    if not local:
        return [Finding("disk", None, f"the engine's disk ({info.root}) is not on this machine")]
    found: list[Finding] = []
    seen: set[int] = set()
    for path in (info.root, "/"):
        try:
            facts = os.statvfs(path)
            device = Path(path).stat().st_dev
        except OSError as error:
            found.append(Finding("disk", None, f"{path}: {error.strerror}"))
            continue
        if device in seen:
            continue
        seen.add(device)
        free = facts.f_bavail * facts.f_frsize
        enough = free >= MIN_FREE
        do = "" if enough else "make room: `docker image ls` and `docker volume ls` show what the engine keeps"
        found.append(Finding("disk", enough, f"{free / 1e9:.1f} GB free on {path} ({MIN_FREE / 1e9:.0f} needed)", do))
    return found


def clock(info: EngineInfo, before: float, after: float) -> Finding:
    """The engine's clock against this one; the question's own time does not count."""
    if not info.time:
        return Finding("clock", None, "the engine does not tell its time")
    skew = max(info.time - after, before - info.time, 0.0)
    if skew <= MAX_SKEW:
        return Finding("clock", True, f"the engine's clock is {'this one' if skew < 0.05 else f'{skew:.1f} s off'}")
    return Finding(
        "clock",
        False,
        f"the engine's clock is {skew:.1f} s off: logs show wrong times, and tokens end too early or too late",
        "set both clocks by NTP (timedatectl set-ntp true)",
    )


async def _port(engine: Engine, spec: StackSpec, containers: tuple[Container, ...], local: bool) -> Finding:
    from dftui.control.ground import holder_of_local_port, port_holder, taken_here
    from dftui.control.world import by_role
    from dftui.engine.api import Port
    from dftui.stack import names

    mine = by_role([c for c in containers if c.labels.get(names.LABEL_STACK) == spec.name], "balancer")
    if mine is not None and mine.state == "running" and mine.ports:
        held = ", ".join(sorted({f"{p.host_ip}:{p.host_port}".lstrip(":") for p in mine.ports}))
        return Finding("port", True, f"{held} is published by this stack's own {mine.name}")
    pulled = mine is not None and mine.labels.get(names.LABEL_SOURCE) == "pull"
    text = spec.balancer.publish or ("80" if pulled else "127.0.0.1:80")
    address, _, number = text.rpartition(":")
    port = Port(80, address.strip("[]"), int(number))
    other = f"127.0.0.1:{port.host_port % 50000 + 8000}"
    do = f"free it, or publish another in dftui.yaml: balancer: {{publish: '{other}'}}"
    holder = port_holder(containers, port, spec.name)
    if holder:
        return Finding("port", False, f"{text} is held by the container {holder}", do)
    if not local:
        return Finding("port", None, f"no container publishes {text}; other programs there are not seen from here")
    if await asyncio.to_thread(taken_here, port):
        who = await asyncio.to_thread(holder_of_local_port, port.host_port)
        return Finding(
            "port", False, f"{text} is in use" + (f" by {who}" if who else " by a program of another user"), do
        )
    return Finding("port", True, f"{text} is free")


async def _certificate(spec: StackSpec) -> Finding:
    from dftui.cli.text import day
    from dftui.stack.certificate import CertificateError, load
    from dftui.watch.format import days
    from dftui.watch.snapshot import SOON

    try:
        pair = await asyncio.to_thread(load, spec)
    except CertificateError as error:
        return Finding("certificate", False, *sentences(error)[:2])
    left = pair.expires - time.time()
    what = f"{spec.balancer.tls.cert if spec.balancer.tls else ''} and its key are good until {day(pair.expires)}"
    return Finding("certificate", left > SOON, f"{what}, {days(left)}", "" if left > SOON else "renew it")


async def _balancer(engine: Engine, spec: StackSpec, containers: tuple[Container, ...]) -> Finding:
    from dftui.control.world import by_role
    from dftui.stack import names

    mine = by_role([c for c in containers if c.labels.get(names.LABEL_STACK) == spec.name], "balancer")
    if mine is None or mine.state != "running":
        return Finding("socat", None, f"no balancer of the stack {spec.name} runs, so its image was not looked at")
    found = await engine.exec(mine.id, ("socat", "-V"), timeout=10)
    if found.exit_code == 0:
        return Finding("socat", True, f"{mine.name} has socat, by which dftui speaks to HAProxy")
    return Finding(
        "socat",
        False,
        f"{mine.name} has no socat (image {mine.image}), so dftui cannot speak to HAProxy",
        "take an official haproxy image of October 2025 or later, or the bundled one (images: {balancer: …})",
    )


async def _secrets(engine: Engine, spec: StackSpec, info: EngineInfo) -> Finding:
    from dftui.control.told import told
    from dftui.stack.secrets import SecretsError, load_secrets, recover, secrets_path

    path = secrets_path(info.id, spec.name)
    try:
        saved = load_secrets(info.id, spec.name)
        seen = await told(engine, spec.name)
        recover(seen.envs, saved=saved, volumes=seen.volumes)
    except SecretsError as error:
        return Finding("secrets", False, str(error), error.hint)
    if saved is None:
        more = "; the running containers hold them, and `dftui up` keeps them again" if seen.envs else " yet"
        return Finding("secrets", True, f"there is no {path}{more}")
    key = "" if spec.plain else f"; APP_KEY {saved.fingerprint}"
    return Finding("secrets", True, f"{path} is yours alone{key}")


def kernel(local: bool, proc: Path = Path("/proc")) -> list[Finding]:
    """What containers need of the kernel; only the engine's own machine can tell."""
    if not local:
        return []
    found: list[Finding] = []

    def read(name: str) -> str | None:
        try:
            return (proc / name).read_text()
        except OSError:
            return None

    systems = read("filesystems")
    if systems is not None:
        has = "overlay" in systems.split()
        do = "" if has else "load it: modprobe overlay; without it images take several times the space and time"
        found.append(Finding("kernel", has, f"overlay file systems: {'yes' if has else 'no'}", do))
    forward = read("sys/net/ipv4/ip_forward")
    if forward is not None:
        on = forward.strip() == "1"
        do = "" if on else "turn it on: sysctl -w net.ipv4.ip_forward=1 (the engine does so when it starts)"
        found.append(Finding("kernel", on, f"IPv4 forwarding: {'on' if on else 'off'}", do))
    groups = read("self/cgroup")
    if groups is not None:
        fine = bool(groups.strip())
        found.append(Finding("kernel", fine, f"control groups: {'yes' if fine else 'no'}"))
    return found
