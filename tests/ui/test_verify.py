"""The key `v`: what verify found, what puts it right, and the password that has to be typed."""

from __future__ import annotations

from dftui.dreamfactory.causes import OK
from dftui.dreamfactory.evidence import pairs

from .conftest import words
from .fake_backend import FakeBackend, busy, stack
from .fake_verify import broken, evidence, result, seen, verdict
from .seat import seat


async def test_all_is_well() -> None:
    async with seat() as s:
        await s.press("v")
        await s.see("11 of 11 hold")
        await s.see("All 11 checks hold: the replicas are interchangeable.")
        said = words(s.app)
        assert "● holds   jwt-portability  9 of 9 pairs" in said
        assert "R repair" not in said
        await s.press("R")
        await s.see("Nothing has drifted")


async def test_what_is_wrong_is_named_and_repaired_and_looked_at_again() -> None:
    fake = busy(FakeBackend(stack(5)))
    fake.verdicts = [broken()]
    async with seat(fake) as s:
        await s.press("v")
        await s.see("✗ df-web2 runs with another APP_KEY (77ab01cd, not 9f41c2ab)")
        await s.see("✗ df-web3 keeps its cache to itself")
        await s.see("web1     ● ok    ✗ key   ✗ cache ● ok    ● ok")
        await s.see("R repair")
        await s.press("R")
        await s.see("11 of 11 hold")
        assert fake.calls == [("verify", ()), ("repair", "df-web2", "df-web3", "df-web4"), ("verify", ())]


async def test_a_password_that_is_not_known_is_asked_for_and_never_shown() -> None:
    fake = busy(FakeBackend())
    fake.asks = "Right.Password-of-this-test"
    async with seat(fake) as s:
        await s.press("v")
        await s.see("refused the login of")
        await s.press(*"wrong", "enter")
        await s.see("refused the login of")
        await s.press("enter")
        await s.see("Both are needed.")
        for character in fake.asks:
            await s.pilot.press({".": "full_stop", "-": "minus"}.get(character, character))
        assert fake.asks not in words(s.app)
        await s.press("enter")
        await s.see("11 of 11 hold")
        assert fake.calls[-1] == ("verify", ("admin@example.com", fake.asks))
        assert fake.asks not in words(s.app)


async def test_no_password_typed_leaves_it() -> None:
    fake = busy(FakeBackend())
    fake.asks = "something"
    async with seat(fake) as s:
        await s.press("v")
        await s.see("Log in to verify")
        await s.press("escape")
        await s.gone("Log in to verify")
        assert len(fake.calls) == 1
        assert s.app.main.conductor.running == {}


async def test_many_replicas_are_shown_as_a_ring() -> None:
    fake = busy(FakeBackend(stack(12)))
    async with seat(fake, (120, 60)) as s:
        await s.press("v")
        await s.see("12 replicas, each with its neighbours")
        await s.see("web12        web1   ● ok    web11  ● ok    web12  ● ok")


async def test_hostile_words_are_not_acted_on() -> None:
    fake = busy(FakeBackend())
    names = ["df-web1", "df-web2", "df-web3"]
    bad = seen("df-web2", problem="cannot be reached: [@click=app.quit]x[/] \x1b]52;c;aGk=\x07")
    fake.verdicts = [result(evidence(seen("df-web1"), bad, seen("df-web3"), uses=dict.fromkeys(pairs(names), OK)))]
    async with seat(fake) as s:
        await s.press("v")
        await s.see("[@click=app.quit]x[/]")
        assert "\x1b]52" not in words(s.app)
        fake.verdicts = [verdict(names)]
        await s.press("8", "v")
        await s.see("11 of 11 hold")
