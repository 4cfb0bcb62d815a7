"""The first admin's form, the backup's question, and all that is known of the three services."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dftui.dreamfactory.admin import NewAdmin

from .conftest import words
from .fake_backend import FakeBackend, Sorry, busy, stack
from .seat import Seat, seat


def without_admin() -> FakeBackend:
    return busy(FakeBackend(stack(admin="no admin")))


def created(s: Seat) -> list[tuple[object, ...]]:
    return [call for call in s.fake.calls if call[0] == "create_admin"]


async def test_the_form_is_offered_only_while_there_is_no_admin() -> None:
    async with seat() as s:
        assert "first admin" not in words(s.app)
        await s.press("A")
        await s.see("There is an admin")
        s.fake.set(stack(admin="no admin"))
        await s.see("A first admin")
        await s.see("no admin")


async def test_what_breaks_a_rule_is_named_and_nothing_is_sent() -> None:
    async with seat(without_admin()) as s:
        await s.press("A", *["enter"] * 5, *"too short", "enter", "enter")
        await s.see("password: it must have at least 16 characters; this has 9")
        assert not created(s)
        await s.press(*" but now long enough", "enter", "enter")
        await s.see("the two passwords differ")
        assert not created(s)
        assert "long enough" not in words(s.app)
        await s.press("escape")
        assert not created(s)


async def test_the_admin_is_made_with_what_was_typed() -> None:
    async with seat(without_admin()) as s:
        word = "correct horse & battery"
        await s.press("A", "ctrl+a", "ctrl+k", *"ada@example.com", *["enter"] * 5, *word, "enter", *word, "enter")
        await s.see("ada@example.com is the first admin; the setup form is closed.")
        ((_, admin, keep),) = created(s)
        assert isinstance(admin, NewAdmin)
        assert (admin.email, admin.password, keep) == ("ada@example.com", word, False)
        assert word not in words(s.app)
        await s.gone("no admin")


async def test_without_a_password_one_is_made_and_kept() -> None:
    async with seat(without_admin()) as s:
        await s.press("A", *["enter"] * 7)
        await s.see(
            "admin@example.com is the first admin; the password is ADMIN_PASSWORD in /home/ada/.config/dftui/df.env"
        )
        ((_, admin, keep),) = created(s)
        assert isinstance(admin, NewAdmin)
        assert keep
        assert len(admin.password) >= 16


async def test_what_dreamfactory_says_is_shown() -> None:
    async with seat(without_admin()) as s:
        s.fake.fails = Sorry("DreamFactory refused the admin: The email has already been taken.")
        await s.press("A", *["enter"] * 7)
        await s.see("The email has already been taken.")


async def test_a_backup_goes_into_the_file_that_was_named(tmp_path: Path) -> None:
    there = tmp_path / "there.tar"
    there.write_text("x")
    async with seat() as s:
        await s.press("B")
        await s.see(".backup.tar")
        dialogue = s.app.screen.query_one("Input")
        dialogue.value = str(there)  # type: ignore[attr-defined]
        await s.press("enter")
        await s.see("That is there already.")
        dialogue.value = str(tmp_path / "new.tar")  # type: ignore[attr-defined]
        await s.press("enter")
        await s.see("Backed up, 3M with key and passwords in it: ")
        assert s.fake.calls[-1] == ("backup", tmp_path / "new.tar")


async def test_zoom_on_the_services_shows_every_figure() -> None:
    db = replace(stack().db, figures={f"figure {n}": f"{n}00" for n in range(12)}, why="replication: no route")
    async with seat(busy(FakeBackend(stack(db=db))), size=(80, 24)) as s:
        assert "figure 11" not in words(s.app)
        await s.press("1", "z")
        await s.see("figure 11")
        await s.see("replication: no route")
        await s.see("dftui/web" if "dftui/web" in words(s.app) else "df-mysql")
        await s.press("z")
        await s.gone("figure 11")
