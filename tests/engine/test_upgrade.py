"""A stack of the version before is taken over as it runs; one of a newer version is left alone, with a sentence."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dftui.stack import names
from tests.engine.operate import operating
from tests.load import Load, Plan
from tests.stacks import Stack, docker
from tests.tinyweb import text, tiny_image


@pytest.fixture(scope="module")
def image() -> str:
    return tiny_image()


@pytest.fixture
def stack(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("upgrade"), text(image, 2, "  kind: plain\n  start_timeout: 60\n")) as found:
        yield found


async def test_a_stack_of_the_version_before_goes_on_and_is_renewed_without_a_loss(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def before(stack: str, role: str, **more: str) -> dict[str, str]:
        """No schema yet, nor what came with it: where the images are from, what a replica was made of."""
        kept = {f"dftui.{key}": value for key, value in more.items() if key == "number"}
        return {names.LABEL_STACK: stack, names.LABEL_ROLE: role, **kept}

    with monkeypatch.context() as old:
        old.setattr(names, "stack_labels", before)
        async with operating(stack) as (operator, _):
            await operator.up()
    label = docker("inspect", f"{stack.name}-web1", "--format", '{{index .Config.Labels "dftui.schema"}}')
    assert label == ""
    status = stack.json("status")
    assert (len(stack.serving()), status["drift"]) == (2, [])
    ids = {web["id"] for web in status["web"]}
    with Load(Plan(port=stack.port, rate=60, connections=6, path="/", post_path="/")) as driven:
        stack.ok("up")
        assert {web["id"] for web in stack.json("status")["web"]} == ids
        stack.ok("scale", "3")
        assert len(stack.json("roll")["replaced"]) == 2
        tally = driven.stop()
    assert tally.failures == 0, tally.failed
    assert stack.json("verify")["ok"]
    stack.ok("down", "--volumes", "--yes")
    assert stack.left() == []


async def test_a_stack_of_a_newer_version_is_looked_at_and_not_touched(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = str(int(names.SCHEMA) + 1)
    with monkeypatch.context() as new:
        new.setattr(names, "SCHEMA", newer)
        async with operating(stack) as (operator, _):
            await operator.up()
    before = stack.left()
    for command in ("up", "scale +1", "roll", "repair", "down --volumes --yes"):
        found = stack.run(*command.split())
        assert found.returncode == 1, command
        assert f"made by a newer dftui (labels of schema {newer}, this one knows {names.SCHEMA})" in found.stderr
        assert "upgrade" in found.stderr
    assert stack.left() == before
    assert len(stack.serving()) == 2
