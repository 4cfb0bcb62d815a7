"""Backup and restore on a real stack: what is lost with `down --volumes` is all there again afterwards."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import tarfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dftui.control.archive import Archive
from dftui.control.contents import dump_of
from tests.load import Load, Plan
from tests.stacks import Stack, docker

APP = "/opt/dreamfactory/storage/app"
SESSION = "/api/v2/system/admin/session"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("backup"), "web:\n  replicas: 1\n") as found:
        found.ok("up")
        yield found
        found.ok("down", "--volumes", "--yes")
        assert found.left() == []


def sql(stack: Stack, statement: str) -> str:
    client = 'MYSQL_PWD="$MYSQL_ROOT_PASSWORD" mariadb -uroot -N -B --default-character-set=utf8mb4 "$MYSQL_DATABASE"'
    return docker("exec", "-i", f"{stack.name}-mysql", "sh", "-c", client, stdin=statement)


def in_web(stack: Stack, script: str) -> str:
    web = stack.json("status")["web"][0]["name"]
    return docker("exec", "-u", "www-data", "-w", APP, web, "bash", "-c", script)


def password(stack: Stack) -> str:
    text = next(Path(stack.env["DFTUI_CONFIG_DIR"]).rglob(f"{stack.name}.env")).read_text()
    return next(line.partition("=")[2] for line in text.splitlines() if line.startswith("ADMIN_PASSWORD="))


def log_in(stack: Stack, word: str) -> dict[str, Any]:
    data = json.dumps({"email": "admin@example.com", "password": word}).encode()
    request = urllib.request.Request(f"{stack.url}{SESSION}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


FILES = (
    "find . -mindepth 1 ! -name link -printf '%p %m %u %s\\n' | sort; "
    "find . -type f -print0 | sort -z | xargs -0 sha256sum"
)


def make_data(stack: Stack) -> None:
    """Rows with awkward bytes, a trigger, and files: one larger than any buffer, one with an odd name, a link."""
    sql(
        stack,
        "CREATE TABLE kept (id INT PRIMARY KEY AUTO_INCREMENT, word VARCHAR(64), bits LONGBLOB);"
        "CREATE TRIGGER shout BEFORE INSERT ON kept FOR EACH ROW SET NEW.word = UPPER(NEW.word);"
        "INSERT INTO kept (word, bits) VALUES ('a''b\\\\c', X'000102FF0A0D1A'), ('grün €', REPEAT('x', 5000000));",
    )
    in_web(
        stack,
        "mkdir -p docs/deep; head -c 3000000 /dev/urandom >docs/big; echo hi >'docs/deep/odd \"name\" é'; "
        "chmod 640 docs/deep/*; chmod 4755 docs/big; ln -s /etc/passwd link",
    )


def test_everything_is_there_again_after_all_was_removed(stack: Stack, tmp_path: Path) -> None:
    make_data(stack)
    word = password(stack)
    key = stack.json("key", "check")["fingerprint"]
    rows = "SELECT id, word, SHA2(bits, 256) FROM kept; SELECT email, password FROM user; CHECKSUM TABLE kept, user;"
    rows += "SELECT trigger_name, action_statement FROM information_schema.triggers;"
    before = sql(stack, rows), in_web(stack, FILES)
    file = tmp_path / "whole.tar"
    with Load(Plan(port=stack.port, rate=40, connections=8, posts=0.0)) as load:
        made = stack.json("backup", str(file))
        tally = load.stop()
    assert tally.failures == 0, tally.failed
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert made["key"] == key
    assert made["files"] == 2
    assert made["left_out"] == ["link (a link)"]
    with tarfile.open(file) as tar:
        assert tar.getnames() == ["secrets.env", "database.sql.gz", "storage.tar.gz", "manifest.json"]
        for name, digest in made["sha256"].items():
            member = tar.extractfile(name)
            assert member is not None
            assert hashlib.sha256(member.read()).hexdigest() == digest

    # The same name again is refused, and so is a stack that has data.
    assert "is there already" in stack.run("backup", str(file)).stderr
    refused = stack.run("restore", str(file), "--yes")
    assert refused.returncode == 1
    assert "has data already" in refused.stderr

    stack.ok("down", "--volumes", "--yes")
    assert stack.left() == []
    restored = stack.json("restore", str(file), "--yes")
    assert (restored["key"], restored["files"], restored["replaced"]) == (key, 2, False)
    stack.ok("up")
    stack.wait_serving(1)
    assert stack.json("key", "check")["fingerprint"] == key
    after = sql(stack, rows), in_web(stack, FILES)
    assert after[0] == before[0]
    assert after[1] == before[1].replace(" 4755 ", " 755 ")
    assert log_in(stack, word)["email"] == "admin@example.com"
    in_web(stack, "echo new >written-after; rm written-after")


def test_a_restore_over_data_keeps_what_was_there(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "old.tar"
    stack.ok("backup", str(file))
    sql(stack, "CREATE TABLE IF NOT EXISTS later (id INT); INSERT INTO later VALUES (1);")
    found = stack.json("restore", str(file), "--replace", "--yes")
    assert found["replaced"]
    assert "later" not in sql(stack, "SHOW TABLES")
    stack.wait_serving(1)
    # The way back is there.
    kept = Path(found["kept"])
    assert kept.is_relative_to(stack.env["DFTUI_STATE_DIR"])
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert b"CREATE TABLE `later`" in b"".join(dump_of(Archive(kept)))
    # A damaged file changes nothing.
    data = bytearray(file.read_bytes())
    data[2000] ^= 1
    damaged = tmp_path / "damaged.tar"
    damaged.write_bytes(data)
    serving = stack.serving()
    refused = stack.run("restore", str(damaged), "--replace", "--yes")
    assert refused.returncode == 1
    assert "is not used" in refused.stderr
    assert stack.serving() == serving
    assert "later" not in sql(stack, "SHOW TABLES")


def test_a_roll_to_another_image_begins_with_a_backup_and_says_where(stack: Stack) -> None:
    present = stack.json("status")["images"]["web"]
    tag = f"dftui-test/rolled:{stack.name}"
    docker("build", "-q", "-t", tag, "-", stdin=f"FROM {present}\nLABEL dftui.test=rolled\n")
    try:
        receipt = stack.json("roll", tag)
        assert len(receipt["replaced"]) == 1
        kept = Path(receipt["backup"])
        assert kept.is_relative_to(stack.env["DFTUI_STATE_DIR"])
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert f"backup in {kept}" in stack.json("history", "-n", "1")["steps"][-1]
        with tarfile.open(kept) as tar:
            assert "database.sql.gz" in tar.getnames()
        assert stack.json("roll", present, "--no-backup")["backup"] == ""
        assert stack.json("roll", present)["replaced"] == [], "the same image again: nothing to do, nothing to keep"
    finally:
        docker("rmi", "-f", tag, check=False)


def test_data_that_is_not_whole_is_not_started(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "broken.tar"
    told = stack.run("backup", str(file))
    assert told.returncode == 0, told.stderr
    for step in (f"dump of {stack.name}-mysql", "files of the storage", f"backup in {file}"):
        assert step in told.stderr
    broken = tmp_path / "sql.tar"
    broken.write_bytes(with_dump(file, b"CREATE TABLE x (id INT);\nNO SQL AT ALL;\n-- Dump completed\n"))
    failed = stack.run("restore", str(broken), "--replace", "--no-backup", "--yes")
    assert failed.returncode == 1
    assert "did not take the whole dump: ERROR 1064" in failed.stderr
    refused = stack.run("up")
    assert refused.returncode == 1
    assert "a restore of the stack" in refused.stderr
    told = stack.run("restore", str(file), "--replace", "--yes")
    assert told.returncode == 0, told.stderr
    for step in ("check every part of the backup", "the database's rows", "the storage's files"):
        assert step in told.stderr
    stack.wait_serving(1)


def with_dump(file: Path, dump: bytes) -> bytes:
    """The same backup with another dump, and checksums that are right for it."""
    import gzip

    out = io.BytesIO()
    with tarfile.open(file) as old, tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as new:
        for entry in old:
            content = old.extractfile(entry)
            assert content is not None
            data = content.read()
            if entry.name == "database.sql.gz":
                data = packed = gzip.compress(dump)
            if entry.name == "manifest.json":
                manifest = json.loads(data)
                digest = hashlib.sha256(packed).hexdigest()
                manifest["members"]["database.sql.gz"] = {
                    "size": len(packed),
                    "sha256": digest,
                    "unpacked": len(dump),
                }
                data = json.dumps(manifest).encode()
            made = tarfile.TarInfo(entry.name)
            made.size = len(data)
            new.addfile(made, io.BytesIO(data))
    return out.getvalue()
