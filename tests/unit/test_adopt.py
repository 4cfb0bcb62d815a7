"""What is taken for a DreamFactory stack that somebody made without dftui, and what is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from dftui.__main__ import main
from dftui.balancer.link import BalancerLink
from dftui.cli.adopt import text
from dftui.control import backup
from dftui.control.adopt import proposal, record
from dftui.control.adopt.found import COMPOSE_PROJECT, COMPOSE_SERVICE, Handmade, Seen, recognise
from dftui.control.adopt.proposal import choose
from dftui.control.errors import ActionError
from dftui.control.steps import ignore
from dftui.control.world import World
from dftui.dreamfactory.settings import ENV_PATH
from dftui.engine.api import Container, ContainerDetail, ExecResult, File, Port
from dftui.stack.file import parse
from dftui.stack.names import stack_labels
from dftui.stack.secrets import new_secrets, save_secrets
from dftui.stack.spec import BalancerSpec, StackSpec
from tests.fakes.engine import FakeEngine
from tests.fakes.state import FakeContainer

KEY = "0123456789abcdefghijklmnopqrstuv"
MYSQL = {
    "MYSQL_ROOT_PASSWORD": "root",
    "MYSQL_DATABASE": "dreamfactory",
    "MYSQL_USER": "df_admin",
    "MYSQL_PASSWORD": "df_admin",
}
WEB = {
    "APP_KEY": KEY,
    "DB_HOST": "db",
    "DB_USERNAME": "df_admin",
    "DB_PASSWORD": "df_admin",
    "DB_DATABASE": "dreamfactory",
    "REDIS_HOST": "rd",
    "REDIS_DATABASE": "0",
    "REDIS_PORT": "6379",
}
ON_MYSQL = {"DB_CONNECTION": "mysql", "DB_HOST": "db", "APP_KEY": KEY}
ON_SQLITE = {"DB_CONNECTION": "sqlite", "APP_KEY": KEY}
LINKS = {"db": "df-mysql", "rd": "df-redis"}
OPEN_80 = (Port(80, "0.0.0.0", 80), Port(80, "::", 80))


def seen(
    name: str,
    image: str,
    *,
    env: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
    links: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    ports: tuple[Port, ...] = (),
    networks: tuple[str, ...] = ("bridge",),
    aliases: tuple[str, ...] = (),
    volumes: Mapping[str, str] | None = None,
    running: bool = True,
    restart: str = "no",
) -> Seen:
    container = Container(
        id=name.encode().hex().ljust(64, "0")[:64],
        name=name,
        image=image,
        image_id=f"sha256:{image}",
        state="running" if running else "exited",
        health="none",
        created=1.0,
        labels=dict(labels or {}),
        addresses=dict.fromkeys(networks, "172.17.0.2"),
        ports=ports,
    )
    detail = ContainerDetail(
        container,
        dict(env or {}),
        links=dict(links or {}),
        aliases=frozenset(aliases),
        volumes=dict(volumes or {}),
        restart=restart,
    )
    return Seen(detail, settings)


def mysql(**more: object) -> Seen:
    return seen("df-mysql", "mysql", env=MYSQL, volumes={"/var/lib/mysql": "a" * 64}, **more)  # type: ignore[arg-type]


def web(number: int, settings: Mapping[str, str] = ON_MYSQL, **more: object) -> Seen:
    env = more.pop("env", WEB)
    name = f"df-web{number}"
    return seen(name, "dreamfactorysoftware/df-docker", env=env, settings=settings, links=LINKS, **more)  # type: ignore[arg-type]


def balancer(count: int = 3, **more: object) -> Seen:
    links = {f"df-web{n}": f"df-web{n}" for n in range(1, count + 1)}
    return seen("df-lb", "tutum/haproxy", links=links, **{"ports": OPEN_80, **more})  # type: ignore[arg-type]


def blog(*webs: Seen) -> list[Seen]:
    pool = webs or (web(1), web(2), web(3))
    return [mysql(), seen("df-redis", "redis"), *pool, balancer(len(pool))]


def one(everything: list[Seen]) -> Handmade:
    (found,) = recognise(everything).stacks
    return found


def composed(separator: str, project: str = "df-docker") -> list[Seen]:
    """df-docker's docker-compose.yml."""

    def part(service: str, image: str, **more: object) -> Seen:
        name = f"{project}{separator}{service}{separator}1"
        labels = {COMPOSE_PROJECT: project, COMPOSE_SERVICE: service}
        near = {"networks": (f"{project}_default",), "aliases": (service, name[:12])}
        return seen(name, image, labels=labels, **near, **more)  # type: ignore[arg-type]

    env = {**WEB, "DB_HOST": "mysql", "DB_DRIVER": "mysql", "CACHE_HOST": "redis", "SERVERNAME": "dreamfactory.local"}
    storage = {"/opt/dreamfactory/storage": f"{project}_df-storage"}
    settings = {**ON_MYSQL, "DB_HOST": "mysql"}
    return [
        part("mysql", "mysql:5.7", env=MYSQL, volumes={"/var/lib/mysql": f"{project}_df-mysql"}),
        part("example_data", "aa8y/postgres-dataset", env={"POSTGRES_PASSWORD": "root_pw"}),
        part("redis", "redis"),
        part("web", f"{project}_web", env=env, settings=settings, ports=OPEN_80, volumes=storage),
    ]


def test_the_posts_own_lines_are_recognised() -> None:
    found = one([*blog(), seen("other", "nginx")])
    assert found.problems == ()
    assert found.kind == "docker run"
    assert [part.name for part in found.parts] == ["df-mysql", "df-redis", "df-web1", "df-web2", "df-web3", "df-lb"]
    assert [found.role(part) for part in found.parts] == ["db", "cache", "web", "web", "web", "balancer"]
    assert found.publish == "80"
    assert found.app_key == KEY
    assert found.own_databases == ()
    assert [left.name for left in recognise([*blog(), seen("other", "nginx")]).left] == ["other"]


def test_webs_that_keep_sqlite_are_told_from_those_on_the_database() -> None:
    found = one(blog(web(1, ON_SQLITE), web(2, ON_SQLITE), web(3)))
    assert found.problems == ()
    assert [part.name for part in found.own_databases] == ["df-web1", "df-web2"]


@pytest.mark.parametrize("separator", ["_", "-"])
def test_a_compose_project_is_recognised_by_its_services(separator: str) -> None:
    found = one(composed(separator))
    assert found.problems == ()
    assert found.kind == "compose"
    assert [found.role(part) for part in found.parts] == ["db", "cache", "web"]
    assert [left.name for left in found.left] == [f"df-docker{separator}example_data{separator}1"]
    assert found.env == {"SERVERNAME": "dreamfactory.local"}


def test_the_compose_file_with_a_balancer() -> None:
    project = {COMPOSE_PROJECT: "df", COMPOSE_SERVICE: "load-balancer"}
    everything = [replace(part) for part in composed("_", "df") if "example" not in part.name]
    served = everything.pop()
    container = replace(served.detail.container, ports=())
    everything += [
        replace(served, detail=replace(served.detail, container=container)),
        seen(
            "df_load-balancer_1",
            "dockercloud/haproxy",
            labels=project,
            ports=(Port(80, "127.0.0.1", 8080),),
            networks=("df_default",),
            links={"web": "df_web_1"},
        ),
    ]
    found = one(everything)
    assert found.problems == ()
    assert found.balancer is not None
    assert found.publish == "127.0.0.1:8080"


def test_two_stacks_are_told_apart_and_one_is_chosen_by_name() -> None:
    found = recognise([*blog(), *composed("-"), seen("other", "nginx")])
    assert sorted(stack.kind for stack in found.stacks) == ["compose", "docker run"]
    assert choose(found, "df-web2").kind == "docker run"
    assert choose(found, "df-docker").kind == "compose"
    with pytest.raises(ActionError, match="2 stacks that dftui did not make") as several:
        choose(found, "")
    assert "dftui adopt df-" in several.value.hint
    with pytest.raises(ActionError, match="other: no part of a DreamFactory stack"):
        choose(found, "nobody")


@pytest.mark.parametrize(
    ("everything", "why"),
    [
        (blog(web(1), web(2, {**ON_MYSQL, "APP_KEY": KEY[::-1]})), "2 different APP_KEYs"),
        (blog(web(1, {**ON_MYSQL, "APP_KEY": "short"})), "must be 32 characters"),
        (blog(web(1, {"DB_CONNECTION": "sqlite"}, env={"DB_HOST": "db"})), "has no APP_KEY"),
        (blog(web(1, env={**WEB, "DB_PASSWORD": "another"})), "DB_PASSWORD is not df-mysql's MYSQL_PASSWORD"),
        ([mysql(running=False), *blog()[1:]], "df-mysql, the database, does not run"),
        ([*blog()[:-1], balancer(running=False)], "df-lb, who holds the port, does not run"),
        ([*blog()[:-1]], "should publish port 80"),
        ([*blog()[:-1], balancer(2)], "has no link to df-web3"),
        ([*blog()[:-1], balancer(ports=(*OPEN_80, Port(443, "", 443)))], "publishes HTTPS too"),
        (
            [seen("df-mysql", "mysql", env={"MYSQL_ROOT_PASSWORD": "root"}), *blog()[1:]],
            "was made without MYSQL_DATABASE, MYSQL_USER, MYSQL_PASSWORD",
        ),
    ],
)
def test_what_is_not_certain_is_named(everything: list[Seen], why: str) -> None:
    problems = " / ".join(one(everything).problems)
    assert why in problems
    assert KEY not in problems
    assert "df_admin" not in problems


def test_what_is_no_stack_is_left_with_why() -> None:
    alone = web(1)
    none = recognise([alone, seen("x", "dreamfactorysoftware/df-docker"), seen("spare", "mysql", env=MYSQL)])
    assert none.stacks == ()
    told = {left.name: left.why for left in none.left}
    assert "its database server (db or mysql) is not here" in told["df-web1"]
    assert "there is no DreamFactory in it" in told["x"]
    assert "no web of DreamFactory calls" in told["spare"]


def test_dftuis_own_are_passed_over() -> None:
    own = [
        replace(part, detail=replace(part.detail, container=replace(part.detail.container, labels=labels)))
        for part, labels in ((part, stack_labels("df", "web")) for part in blog())
    ]
    found = recognise(own)
    assert found.stacks == ()
    assert found.left == ()


def test_variables_that_may_not_stand_in_a_file_are_named() -> None:
    env = {**WEB, "SERVERNAME": "here", "LICENSE": "gold", "MAIL_PASSWORD": "x", "DF_LICENSE_KEY": "y"}
    found = one(blog(web(1, env=env), web(2, env={**env, "SERVERNAME": "there"})))
    assert found.env == {"LICENSE": "gold"}
    assert found.lost == ("DF_LICENSE_KEY", "MAIL_PASSWORD", "SERVERNAME")


def test_nothing_of_a_secret_is_in_what_is_shown_of_it() -> None:
    assert KEY not in repr(one(blog()))
    assert "MYSQL_PASSWORD" not in repr(one(blog()))


def test_only_names_that_are_needed_are_given_up() -> None:
    noted = record.of(one(blog()), ("df-mysql", "df-redis", "df-lb", "df-web1", "df-web2", "df-web3", "df-setup"))
    assert {old.aside for old in noted.containers} == {
        "df-mysql-old",
        "df-redis-old",
        *(f"df-web{n}-old" for n in (1, 2, 3)),
        "df-lb-old",
    }
    assert noted.volumes == ()
    composed_record = record.of(one(composed("_")), ("df-mysql", "df-web1"))
    assert all(old.aside == old.name for old in composed_record.containers)
    assert composed_record.volumes == ("df-docker_df-mysql", "df-docker_df-storage")
    assert composed_record.networks == ("df-docker_default",)


async def test_what_is_noted_is_read_again_and_forgotten() -> None:
    engine = FakeEngine()
    world = World(engine, StackSpec(), BalancerLink(engine, "df-lb"), ignore)
    assert await record.read(world) is None
    noted = record.of(one(composed("_")), ("df-mysql",), secrets=True)
    await record.write(world, noted)
    assert await record.read(world) == replace(noted, half=True)
    await record.whole(world)
    assert await record.read(world) == noted
    await record.forget(world)
    assert await record.read(world) is None
    assert await engine.volumes() == ()


@pytest.mark.parametrize("words", ["adopt --undo --finish", "adopt df-lb --undo", "adopt --dry-run --undo"])
def test_what_does_not_go_together_is_refused(words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        assert main(words.split()) == 2
    except SystemExit as ended:
        assert ended.code == 2


def running_blog(engine: FakeEngine) -> None:
    """The post's stack on an engine in memory, on MySQL, with seven tables."""

    def add(name: str, image: str, links: Mapping[str, str] | None = None, **more: object) -> FakeContainer:
        made = engine.by_id[engine.add(name, image=image, networks={"bridge": ""}, **more)]  # type: ignore[arg-type]
        made.links = dict(links or {})
        return made

    add("df-mysql", "mysql:latest", env=MYSQL)
    add("df-redis", "redis:latest")
    file = "\n".join(f"{name}={value}" for name, value in ON_MYSQL.items())
    for number in (1, 2):
        env = {**WEB, "SERVERNAME": "here"}
        made = add(f"df-web{number}", "dreamfactorysoftware/df-docker:latest", LINKS, env=env)
        made.files[ENV_PATH] = File(ENV_PATH, file.encode())
    lb = add("df-lb", "tutum/haproxy:latest", {"df-web1": "df-web1", "df-web2": "df-web2"})
    lb.spec = replace(lb.spec, ports=(Port(80, "0.0.0.0", 80),))
    engine.on_exec(backup._VERSION, ExecResult(0, b"8.4.0\n", b""))
    engine.on_exec(proposal._TABLES, ExecResult(0, b"7\t4096\n", b""))
    engine.on_exec(("bash",), ExecResult(0, b'HTTP/1.0 200 OK\r\n\r\n{"resources": {"admin": 1}}', b""))


async def test_without_a_stack_file_one_is_written_that_says_what_was_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    engine = FakeEngine()
    running_blog(engine)
    found = await proposal.propose(World(engine, StackSpec(), BalancerLink(engine, "df-lb"), ignore))
    assert found.problems == ()
    assert (found.tables, found.fresh, found.migrates, found.replicas) == (7, False, False, 2)
    assert found.file == str(tmp_path / "dftui.yaml")
    spec = parse(found.text.encode(), "dftui.yaml")
    assert (spec.images.web, spec.images.db) == ("dreamfactorysoftware/df-docker:latest", "mysql:latest")
    assert (spec.web.replicas, spec.web.env, spec.balancer.publish) == (2, {"SERVERNAME": "here"}, "80")
    told = found.text + str(found.to_json()) + text(found) + repr(found)
    assert KEY not in told
    assert "df_admin" not in told
    assert "df-web1 → df-web1-old" in told
    assert {method for method, _ in engine.calls} <= {
        *("info", "containers", "inspect", "image", "get_file", "exec", "volumes", "networks")
    }
    assert not (tmp_path / "dftui.yaml").exists()


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (StackSpec(path="dftui.yaml"), "publishes nothing for certain, and the stack that is here 80"),
        (StackSpec(path="dftui.yaml", balancer=BalancerSpec(publish="8080")), "publishes 8080"),
        (StackSpec(name="df", path="dftui.yaml", balancer=BalancerSpec(publish="0.0.0.0:80")), ""),
    ],
)
async def test_a_stack_file_must_publish_the_port_that_is_there(spec: StackSpec, why: str) -> None:
    engine = FakeEngine()
    running_blog(engine)
    found = await proposal.propose(World(engine, spec, BalancerLink(engine, "df-lb"), ignore))
    assert [why in one for one in found.problems] == ([True] if why else [])
    assert found.file == ""


async def test_what_stands_in_the_way_is_said_before() -> None:
    engine = FakeEngine()
    running_blog(engine)
    engine.add("df-web1-old")
    save_secrets(engine.engine_id, "df", new_secrets())
    found = await proposal.propose(World(engine, StackSpec(), BalancerLink(engine, "df-lb"), ignore))
    told = " / ".join(found.problems)
    assert "another container holds the name df-web1-old" in told
    assert "dftui keeps other secrets for a stack df" in told
    engine.add("df-web9", labels=stack_labels("df", "web", number="9"))
    with pytest.raises(ActionError, match="of dftui's own already"):
        await proposal.propose(World(engine, StackSpec(), BalancerLink(engine, "df-lb"), ignore))
