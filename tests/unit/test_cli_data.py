"""`admin create`, `backup`, `restore`: what is asked, what is refused, and where a password may come from."""

from __future__ import annotations

import getpass
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dftui.__main__ import main
from dftui.dreamfactory.admin import NewAdmin
from tests.fakes.cli import World, stood_in

Output = pytest.CaptureFixture[str]
WORD = "a password of enough characters"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    monkeypatch.chdir(tmp_path)
    with stood_in(monkeypatch) as found:
        yield found


class Terminal(io.StringIO):
    """Someone types there."""

    def isatty(self) -> bool:
        return True


def acted(world: World) -> list[tuple[str, object]]:
    return [call for call in world.calls if call[0] != "connect"]


def made(world: World) -> tuple[NewAdmin, bool]:
    ((name, (admin, keep)),) = world.calls[1:]
    assert name == "create_admin"
    return admin, keep


def test_a_password_on_standard_input_is_not_kept(
    world: World, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{WORD}\n"))
    assert main(["admin", "create", "--email", "ada@example.com", "--password-stdin", "--json"]) == 0
    admin, keep = made(world)
    assert (admin.email, admin.first_name, admin.password, keep) == ("ada@example.com", "First", WORD, False)
    out = capsys.readouterr()
    assert json.loads(out.out)["email"] == "ada@example.com"
    assert WORD not in out.out + out.err


def test_without_one_it_is_made_and_kept(world: World, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert main(["admin", "create"]) == 0
    admin, keep = made(world)
    assert keep
    assert len(admin.password) >= 16
    told = capsys.readouterr()
    assert "ADMIN_PASSWORD in /c/df.env" in told.err
    assert admin.password not in told.out + told.err


def test_at_a_terminal_all_is_asked_for_and_the_password_typed_twice_unseen(
    world: World, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("ada@example.com\n\nByron\n555-01000\n"))
    monkeypatch.setattr(getpass, "getpass", lambda prompt: WORD)
    assert main(["admin", "create"]) == 0
    admin, keep = made(world)
    assert (admin.email, admin.first_name, admin.last_name, admin.phone) == (
        "ada@example.com",
        "First",
        "Byron",
        "555-01000",
    )
    assert not keep
    assert "first name [First]:" in capsys.readouterr().err


def test_two_passwords_that_differ_are_refused(world: World, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    words = iter([WORD, WORD + "x"])
    monkeypatch.setattr(sys, "stdin", Terminal("\n" * 4))
    monkeypatch.setattr(getpass, "getpass", lambda prompt: next(words))
    assert main(["admin", "create"]) == 2
    assert "differ; nothing was sent" in capsys.readouterr().err
    assert world.calls == []


def test_what_breaks_a_rule_is_2_before_any_engine_is_asked(
    world: World, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("short\n"))
    assert main(["admin", "create", "--phone", "1", "--password-stdin"]) == 2
    err = capsys.readouterr().err
    assert "phone: it must be a telephone number" in err
    assert "password: it must have at least 16 characters; this has 5" in err
    assert world.calls == []


def test_a_password_is_no_argument(world: World) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["admin", "create", "--password", WORD])
    assert ended.value.code == 2


def test_a_backup_names_its_file_on_stdout(world: World, capsys: Output) -> None:
    assert main(["backup", "here.tar"]) == 0
    out = capsys.readouterr()
    assert out.out == "here.tar\n"
    assert "whoever can read it can read everything" in out.err
    assert "Left out: evil (a link)" in out.err
    assert acted(world) == [("backup", Path("here.tar"))]


def test_a_backup_without_a_name_gets_one(world: World, capsys: Output) -> None:
    assert main(["backup", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["file"].startswith("df-")
    assert found["file"].endswith(".backup.tar")
    assert {"file", "size", "seconds", "key", "database_bytes", "files", "left_out", "sha256"} == found.keys()


def test_a_restore_asks_and_no_means_no(world: World, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    assert main(["restore", "b.tar"]) == 1
    err = capsys.readouterr().err
    assert "key 0badcafe, 2 files" in err
    assert "Nothing was changed." in err
    assert acted(world) == []
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert main(["restore", "b.tar"]) == 0
    assert acted(world) == [("restore", (Path("b.tar"), False, True))]


def test_a_restore_over_data_wants_the_stacks_name(
    world: World, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.data = True
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert main(["restore", "b.tar", "--replace"]) == 1
    assert acted(world) == []
    monkeypatch.setattr(sys, "stdin", Terminal("df\n"))
    assert main(["restore", "b.tar", "--replace"]) == 0
    assert acted(world) == [("restore", (Path("b.tar"), True, True))]
    err = capsys.readouterr().err
    assert "df has data now, with the key c0ffee00." in err
    assert "What was there before is in /s/before.tar." in err


def test_nobody_there_to_ask_is_2(world: World, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert main(["restore", "b.tar"]) == 2
    assert "Add --yes" in capsys.readouterr().err
    assert main(["restore", "b.tar", "--yes", "--no-backup"]) == 0
    assert acted(world) == [("restore", (Path("b.tar"), False, False))]
