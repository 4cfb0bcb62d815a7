"""An export says of each container what dftui itself would create, and holds no secret but in its own file."""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from dftui.balancer.config import BalancerConfig, Server
from dftui.control import specs
from dftui.control.errors import ActionError
from dftui.control.export import compose, files, shell, swarm
from dftui.control.export.blueprint import Blueprint, blueprint
from dftui.control.export.gather import KINDS
from dftui.control.specs import Plan
from dftui.engine.api import ContainerSpec
from dftui.stack.secrets import Secrets
from dftui.stack.spec import AdminSpec, BalancerSpec, StackSpec, WebSpec

SECRETS = Secrets(
    app_key="K" * 31 + "$",
    db_root_password="Root1",
    db_password="Database1",
    cache_password="Cache1",
    admin_password="Admin1",
)
SPEC = StackSpec(
    name="tx",
    web=WebSpec(cpus=0.5, memory=256 << 20, env={"APP_LOG_LEVEL": "info", "PRICE": "$5 and ${HOME}"}),
    balancer=BalancerSpec(publish="127.0.0.1:8080"),
)
IMAGES = {"web": "web:1", "db": "db:1", "cache": "cache:1", "balancer": "lb:1"}


def plan(spec: StackSpec = SPEC, secrets: Secrets = SECRETS) -> Plan:
    return Plan(spec, secrets, IMAGES, {}, "pull", "10.9.8.0/24")


def made(of: Plan | None = None, numbers: tuple[int, ...] = (1, 3)) -> Blueprint:
    of = of or plan()
    servers = tuple(Server(f"tx-web{n}", of.address(10 + n), 80, f"tx-web{n}") for n in numbers)
    config = BalancerConfig("tx", len(servers), servers, probe_nonce=of.probe_nonce(), deny_setup=True)
    return blueprint(of, numbers, config)


def document(text: str) -> Any:
    return yaml.safe_load(text)


def put_in(value: Any, variables: dict[str, str]) -> Any:
    """What compose makes of a value: `$$` is a dollar, `${NAME:?…}` the variable."""
    if isinstance(value, list):
        return [put_in(one, variables) for one in value]
    if isinstance(value, str) and value.startswith("${"):
        return variables[value[2:].partition(":?")[0]]
    return value.replace("$$", "$") if isinstance(value, str) else value


def read_env(text: str) -> dict[str, str]:
    """As a shell reads it."""
    words = (shlex.split(line) for line in text.splitlines())
    return dict(word[0].split("=", 1) for word in words)


@pytest.mark.parametrize("kind", KINDS)
def test_secrets_stand_in_files_of_their_owner_alone(kind: str) -> None:
    hidden = ""
    for file in KINDS[kind](made()):
        if file.mode == files.OWN:
            hidden += file.text
            continue
        for secret in SECRETS.values():
            assert secret not in file.text, file.name
        assert plan().probe_nonce() not in file.text
    assert all(secret in hidden for secret in SECRETS.values())


@pytest.mark.parametrize("kind", KINDS)
def test_each_file_gets_its_mode_and_none_is_written_over(kind: str, tmp_path: Path) -> None:
    written = KINDS[kind](made())
    files.check(written, SECRETS.values())
    old = os.umask(0o077)
    try:
        files.save(tmp_path / "to", written)
    finally:
        os.umask(old)
    for file in written:
        path = tmp_path / "to" / file.name
        assert stat.S_IMODE(path.stat().st_mode) == file.mode, file.name
        assert path.read_text() == file.text
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    (tmp_path / "to" / written[0].name).unlink()
    with pytest.raises(ActionError, match="is there already; nothing was written"):
        files.save(tmp_path / "to", written)
    assert not (tmp_path / "to" / written[0].name).exists()
    assert {p: t for p, t in before.items() if p.is_file()}.keys() <= before.keys()


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "to"
    folder.mkdir()
    (folder / "secrets").write_text("a file where the folder would be")
    with pytest.raises(ActionError, match="nothing is left of the export"):
        files.save(folder, swarm.write(made()))
    assert [path.name for path in folder.iterdir()] == ["secrets"]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / ".env").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ActionError, match="is there already"):
        files.save(tmp_path, compose.write(made()))
    assert not (tmp_path / "elsewhere").exists()


def test_a_secret_in_another_variable_is_refused() -> None:
    spec = replace(SPEC, web=replace(SPEC.web, env={"URL": f"mysql://me:{SECRETS.db_password}@db"}))
    with pytest.raises(ActionError, match="URL of tx-web1 holds one of the stack's secrets"):
        made(plan(spec))


def test_what_no_env_file_can_carry_is_refused_without_being_shown() -> None:
    with pytest.raises(ActionError, match="the value of MYSQL_PASSWORD holds a quote") as refused:
        made(plan(secrets=replace(SECRETS, db_password="it's")))
    assert "it's" not in str(refused.value)


def _same(service: dict[str, Any], spec: ContainerSpec, variables: dict[str, str]) -> None:
    assert service["image"] == spec.image
    assert service["container_name"] == spec.name
    assert put_in(service.get("command"), variables) == (list(spec.command) if spec.command else None)
    environment = {name: put_in(value, variables) for name, value in service.get("environment", {}).items()}
    assert environment == dict(spec.env)
    assert service["restart"] == "unless-stopped"
    assert service["logging"] == {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}}
    assert service.get("cpus") == spec.cpus
    assert service.get("mem_limit") == spec.memory
    assert service.get("cpu_shares") == spec.cpu_shares
    assert service.get("stop_signal", "") == spec.stop_signal
    joined = {f"tx-{name}": told for name, told in service["networks"].items()}
    assert list(joined) == [one.network for one in spec.networks]
    for one in spec.networks:
        assert joined[one.network].get("ipv4_address") == one.address
        assert tuple(joined[one.network].get("aliases", ())) == one.aliases
    if spec.health is None:
        assert "healthcheck" not in service
    else:
        assert put_in(service["healthcheck"]["test"], {}) == ["CMD", *spec.health.test]


def test_compose_has_each_container_as_dftui_would_create_it() -> None:
    of = plan()
    text, cfg, env = compose.write(made(of))
    variables = read_env(env.text)
    found = document(text.text)
    services = found["services"]
    _same(services["db"], specs.database(of), variables)
    _same(services["cache"], specs.cache(of), variables)
    _same(services["web1"], specs.web(of, 1), variables)
    _same(services["web3"], specs.web(of, 3), variables)
    assert set(services) == {"db", "cache", "setup", "web1", "web3", "balancer"}
    lb = services["balancer"]
    shares = specs.balancer(of, made(of).config).cpu_shares
    assert (lb["cpu_shares"], lb["stop_signal"]) == (shares, specs.BALANCER_STOP)
    assert lb["ports"] == ["127.0.0.1:8080:80"]
    assert lb["networks"] == {"front": {"ipv4_address": "10.9.8.2"}}
    assert found["networks"] == {
        "front": {"name": "tx-front", "ipam": {"config": [{"subnet": "10.9.8.0/24"}]}},
        "back": {"name": "tx-back", "internal": True},
    }
    assert found["volumes"] == {name: {"name": f"tx-{name}"} for name in ("db", "cache", "storage")}
    assert variables["COMPOSE_PROJECT_NAME"] == "tx"
    for number in (1, 3):
        assert f"server tx-web{number} 10.9.8.{10 + number}:80 check" in cfg.text
    assert "#dftui" not in cfg.text


def test_nothing_that_a_container_can_have_was_forgotten() -> None:
    # A new field: write it in compose.py, swarm.py and shell.py (or say here why not), then add it.
    known = {field.name for field in fields(ContainerSpec)}
    not_written = {"labels": "dftui's own", "files": "the balancer's, mounted", "entrypoint": "never set"}
    not_written |= {"auto_remove": "helpers alone", "isolated": "helpers alone", "place": "a swarm's alone"}
    not_written |= {"secrets": "of the variables, which are written: swarm.py makes its own of them"}
    written = "name image env command networks volumes ports health restart log_max_size log_max_file cpus memory"
    assert known == set(not_written) | set(written.split()) | {"stop_signal", "cpu_shares"}


def test_setup_keeps_the_admins_password_out_of_its_container() -> None:
    text, _, _ = compose.write(made())
    setup = document(text.text)["services"]["setup"]
    assert "ADMIN_PASSWORD" not in setup["environment"]
    assert setup["environment"]["ADMIN_EMAIL"] == "admin@example.com"
    assert "./.env:/run/secrets.env:ro" in setup["volumes"]
    assert setup["restart"] == "no"


@pytest.mark.parametrize(
    "of",
    [plan(replace(SPEC, admin=AdminSpec(mode="none"))), plan(secrets=replace(SECRETS, admin_password=""))],
    ids=["admin: none", "password lost"],
)
def test_without_an_admin_to_make_setup_only_migrates(of: Plan) -> None:
    setup = document(compose.write(made(of))[0].text)["services"]["setup"]
    assert setup["command"] == ["php", "artisan", "migrate", "--seed", "--force"]
    assert setup["user"] == "www-data"
    assert not any(name.startswith("ADMIN_") for name in setup["environment"])
    assert "--user www-data" in shell.write(made(of))[0].text


def test_a_stack_without_replicas_can_be_written() -> None:
    for write in KINDS.values():
        assert write(made(numbers=()))
    assert "web1" not in document(compose.write(made(numbers=()))[0].text)["services"]


def test_the_script_is_one_that_a_shell_reads(tmp_path: Path) -> None:
    files.save(tmp_path, shell.write(made()))
    script = tmp_path / "tx.sh"
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0
    wrong = subprocess.run([script], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "usage: ./tx.sh up | down [--volumes]" in wrong.stderr


def test_a_swarm_has_its_secrets_from_files_and_one_open_port() -> None:
    written = swarm.write(made())
    found = document(written[0].text)
    services = found["services"]
    assert services["web"]["deploy"]["replicas"] == 2
    assert services["web"]["deploy"]["resources"]["limits"] == {"cpus": "0.5", "memory": str(256 << 20)}
    for name, service in services.items():
        assert service["deploy"]["endpoint_mode"] == "dnsrr", name
        assert not set(service.get("environment", {})) & set(found["secrets"]), name
        for held in service.get("secrets", ()):
            assert held["source"] in found["secrets"]
    assert [name for name, service in services.items() if "ports" in service] == ["balancer"]
    assert services["balancer"]["ports"][0]["mode"] == "host"
    texts = {file.name: file.text for file in written}
    for name, told in found["secrets"].items():
        assert texts[told["file"].removeprefix("./")] == {**_all_secrets()}[name]
    # A swarm cannot keep to one address, and that is said.
    assert "8080 is open on every interface" in written[0].text
    assert "server-template web 1-64 web:80 " in texts["haproxy.cfg"]


def _all_secrets() -> dict[str, str]:
    of = plan()
    found = {**specs.database(of).env, **specs.cache(of).env, **specs.setup(of).env}
    return {name: value for name, value in found.items() if name in made().secrets}
