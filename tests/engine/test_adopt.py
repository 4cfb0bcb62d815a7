"""A stack that was made by hand goes over with every row, on its port, and can come back until that is finished."""

from __future__ import annotations

import json
import stat
import tarfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.handmade import ADMIN_EMAIL, ADMIN_PASSWORD, PRINTED_KEY, Handmade, answers, images, until
from tests.stacks import Stack, docker

SESSION = "/api/v2/system/admin/session"
BUNDLED = "images: {source: bundled}\nweb: {replicas: 1}\n"


def logs_in(port: int) -> bool:
    data = json.dumps({"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{SESSION}", data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return bool(json.load(answer)["session_token"])
    except urllib.error.HTTPError:
        return False


class Outage:
    """Asks a port again and again; the longest time for which it gave no good answer, in seconds."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._end = threading.Event()
        self.longest = 0.0
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        good = time.monotonic()
        while not self._end.is_set():
            began = time.monotonic()
            if answers(self._port):
                self.longest, good = max(self.longest, began - good), time.monotonic()
            time.sleep(0.01)

    def __enter__(self) -> Outage:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Nothing of dftui's own yet: a name, a port, a stack file."""
    with Stack(tmp_path_factory.mktemp("adopt"), BUNDLED) as made:
        yield made


@pytest.fixture(scope="module")
def old(stack: Stack) -> Iterator[Handmade]:
    """The post's stack as it was in 2016, when the webs took the database that they were linked to and had no
    /status, with a row."""
    with Handmade(stack.name, stack.port) as made:
        made.blog("-e", "DB_DRIVER=mysql", web="2016")
        made.sql("CREATE TABLE kept (word TEXT); INSERT INTO kept VALUES ('from 2016')")
        docker("exec", made.names[3], "sh", "-c", "echo second >/opt/dreamfactory/storage/app/two.txt")
        yield made


def test_looking_changes_nothing_and_tells_no_secret(stack: Stack, old: Handmade) -> None:
    before = old.states()
    found = stack.run("adopt", f"{old.name}-lb", "--dry-run", "--json")
    assert found.returncode == 4, found.stderr
    plan = json.loads(found.stdout)
    assert {one["name"]: one["role"] for one in plan["containers"]} == {
        f"{old.name}-mysql": "db",
        f"{old.name}-redis": "cache",
        f"{old.name}-web1": "web",
        f"{old.name}-web2": "web",
        f"{old.name}-lb": "balancer",
    }
    assert plan["publish"] == f"127.0.0.1:{old.port}"
    assert plan["printed_key"]
    # The stack file names another image for the webs, today's.
    assert plan["problems"] == []
    assert any("migrations" in step for step in plan["steps"])
    told = found.stdout + stack.run("adopt", old.name + "-lb", "--dry-run").stdout
    assert PRINTED_KEY not in told
    assert "df_admin" not in told
    refused = stack.run("--read-only", "adopt", "--yes")
    assert refused.returncode == 2
    assert "read-only" in refused.stderr
    assert f"{old.name}-mysql" in stack.ok("status")
    assert "dftui adopt" in stack.run("up").stderr
    # Theirs cannot go on under dftui, whose balancer asks for what it does not have.
    file = stack.file.read_text()
    stack.file.write_text(file.replace("{source: bundled}", f"{{source: bundled, web: '{images()['2016']}'}}"))
    refused = stack.run("adopt", f"{old.name}-lb", "--yes")
    stack.file.write_text(file)
    assert refused.returncode == 1
    assert "answers status 404 at /status" in refused.stderr
    assert "name a newer one in a stack file" in refused.stderr
    assert old.states() == before
    assert stack.left() == []


def test_one_that_is_killed_on_the_way_is_brought_back(stack: Stack, old: Handmade) -> None:
    before = old.states()
    with stack.follow("adopt", f"{old.name}-lb", "--yes") as killed:
        until(lambda: any(name.endswith("-old") for name in old.states()), "it has begun")
        killed.kill()
    assert "did not end" in stack.run("up").stderr
    undone = stack.json("adopt", "--undo", "--yes")
    assert (undone["kept"], undone["unlinked"]) == ("", [])
    assert old.states() == before
    assert stack.left() == []
    old.until_it_answers()
    assert logs_in(old.port)


def test_every_row_goes_over_on_the_same_port(stack: Stack, old: Handmade) -> None:
    with Outage(old.port) as outage:
        found = stack.json("adopt", f"{old.name}-lb", "--yes")
        until(lambda: answers(old.port), "the new balancer answers")
    assert found["gap_seconds"] > 0
    assert outage.longest <= found["gap_seconds"] + 5, "it was longer than what was said"
    assert found["replicas"] == old.webs
    assert old.sql("SELECT word FROM kept", f"{stack.name}-mysql") == "from 2016"
    assert logs_in(old.port)
    assert stack.ok("key", "show").strip() == PRINTED_KEY
    status = stack.json("status")
    assert status["printed_key"]
    assert [web["state"] for web in status["web"]] == ["serving"] * old.webs
    web = status["web"][0]["name"]
    assert docker("exec", web, "cat", "/opt/dreamfactory/storage/app/two.txt") == "second"
    assert set(old.states().values()) == {"exited", "running"}
    assert [name for name, state in old.states().items() if name.endswith("-old") and state != "exited"] == []
    secrets = next(Path(stack.env["DFTUI_CONFIG_DIR"]).rglob(f"{stack.name}.env"))
    for path in (secrets, Path(found["backup"]), *map(Path, found["kept"].values())):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "DB_PASSWORD=df_admin" in secrets.read_text()
    verified = stack.run("verify", "--email", ADMIN_EMAIL, "--password-stdin", "--json", stdin=f"{ADMIN_PASSWORD}\n")
    assert [check["name"] for check in json.loads(verified.stdout)["checks"] if not check["ok"]] == []
    assert stack.json("history", "-n", "1")["outcome"] == "done"
    assert stack.json("plan")["changes"] == []


def test_it_is_undone_with_a_backup_of_what_came_since(stack: Stack, old: Handmade) -> None:
    old.sql("INSERT INTO kept VALUES ('since')", f"{stack.name}-mysql")
    found = stack.json("adopt", "--undo", "--yes")
    assert stat.S_IMODE(Path(found["kept"]).stat().st_mode) == 0o600
    assert stack.left() == []
    assert old.states() == dict.fromkeys(old.names, "running")
    old.until_it_answers()
    assert logs_in(old.port)
    assert old.sql("SELECT word FROM kept") == "from 2016"


def test_on_todays_image_each_web_s_own_sqlite_is_kept_apart_and_finished_nothing_of_the_old_is_left(
    tmp_path: Path,
) -> None:
    with Stack(tmp_path / "own", BUNDLED) as stack, Handmade(stack.name, stack.port) as old:
        old.blog()
        old.make_admin(f"{old.name}-web2")
        found = stack.json("adopt", f"{old.name}-lb", "--yes")
        notes = " ".join(found["notes"])
        assert "NOT put together" in notes
        assert f"{old.name}-web2 (1 admins" in notes
        assert sorted(found["own_databases"]) == sorted(found["kept"]) == [f"{old.name}-web1", f"{old.name}-web2"]
        for path in map(Path, found["kept"].values()):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            with tarfile.open(path) as tar:
                held = tar.extractfile("storage/databases/database.sqlite")
                assert held is not None
                assert ADMIN_EMAIL.encode() in held.read()
        assert not logs_in(old.port)
        assert len(stack.serving()) == old.webs

        mounts = "{{range .Mounts}}{{.Name}} {{end}}"
        theirs = {docker("inspect", f"{name}-old", "--format", mounts).strip() for name in old.names[:2]}
        assert theirs <= set(docker("volume", "ls", "-q").split())
        refused = stack.run("adopt", "--finish")
        assert refused.returncode == 2
        assert "--yes" in refused.stderr
        removed = stack.json("adopt", "--finish", "--yes")["removed"]
        assert sorted(removed) == sorted(f"{name}-old" for name in old.names)
        assert [name for name in old.states() if name.endswith("-old")] == []
        assert not theirs & set(docker("volume", "ls", "-q").split())
        assert answers(old.port)
        assert "nothing is noted" in stack.run("adopt", "--undo", "--yes").stderr
        stack.ok("down", "--volumes", "--yes")
        assert stack.left() == []


def test_a_compose_stack_goes_over_and_what_is_no_part_of_it_stays(tmp_path: Path) -> None:
    with Stack(tmp_path / "composed", BUNDLED) as stack, Handmade(f"c{stack.name}", stack.port) as old:
        old.compose(tmp_path / "files")
        old.sql("CREATE TABLE kept (word TEXT); INSERT INTO kept VALUES ('composed')")
        found = stack.json("adopt", old.name, "--yes")
        assert (found["kind"], found["replicas"], found["renamed"]) == ("compose", 1, {})
        assert f"{old.name}_example_data_1" in {one["name"] for one in found["left"]}
        assert old.sql("SELECT word FROM kept", f"{stack.name}-mysql") == "composed"
        assert logs_in(old.port)
        removed = stack.json("adopt", "--finish", "--yes")
        assert set(removed["removed"]) == {*old.names, *old.volumes}
        assert old.networks[0] in removed["kept"][0]
        assert docker("inspect", f"{old.name}_example_data_1", "--format", "{{.State.Running}}") == "true"
        assert logs_in(old.port)
