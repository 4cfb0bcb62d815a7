"""Pictures of every screen, compared with those that were looked at and found good."""

from __future__ import annotations

from dataclasses import replace

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from dftui.control.entry import Entry
from dftui.ui.app import DftuiApp
from dftui.ui.canvas import Canvas
from dftui.ui.draw import row_width
from dftui.ui.options import Options
from dftui.watch.alarms import Alarm
from dftui.watch.derive import beside
from dftui.watch.drift import SETUP_OPEN
from dftui.watch.snapshot import Drift, ReplicaState, Service, Snapshot

from .conftest import picture, words
from .fake_backend import FakeBackend, busy, nothing, replica, stack
from .fake_streams import NOW
from .fake_verify import broken
from .looks import SIZES, Scene, app_for, at_scene, picture_of, rising, still, working
from .test_nodes import a_swarm


def every_state() -> Snapshot:
    web = [
        replica(1),
        replica(2, ReplicaState.DRAINING),
        replica(3, ReplicaState.FAILED, why="exited with 1: APP_KEY has a wrong length"),
        replica(4, ReplicaState.HELD, why="another APP_KEY (77ab01cd)"),
        replica(5, ReplicaState.STARTING, why="waiting for its first good check"),
        replica(6, ReplicaState.UNREACHABLE, why="L4CON: no route to host"),
        replica(7, ReplicaState.STOPPED),
        replica(8, ReplicaState.DRAINED),
    ]
    drift = (Drift("the cache df-redis is missing", "create df-redis again", Alarm.SERVICE_MISSING),)
    return stack(web, wanted=6, exposed=True, drift=drift)


def lost() -> Snapshot:
    snapshot = stack()
    return replace(snapshot, engine=replace(snapshot.engine, lost_since=NOW - 95, error="Connection refused"))


def history() -> FakeBackend:
    """What was done the day before, by others, and what failed."""
    fake = busy(FakeBackend())
    receipt = {"receipt": {"requests": 1234, "failed": 0}}
    run = "docker run -d --name df-web4 --restart unless-stopped --network df-front --ip 10.231.7.14 dftui/web:1f2e"
    fake.past = [
        Entry(NOW - 90_000, "root", "up", "done", 41.2, (), tuple(f"docker run --name df-{n}" for n in range(15))),
        Entry(NOW - 60, "ada@203.0.113.9", "scale +1", "done", 1.9, (), (run,), receipt),
        Entry(NOW - 40, "ada@203.0.113.9", "shell 2 -- ls", "done", 0.2, (), ("docker exec -i df-web2 ls",)),
        Entry(NOW - 20, "bob", "roll", "failed: no space is left on the engine's disk", 3.0),
    ]
    return fake


def unlike() -> FakeBackend:
    fake = busy(FakeBackend(stack(5)))
    fake.verdicts = [broken()]
    return fake


def replicating() -> FakeBackend:
    """A database whose own replication has come to a stop."""
    found = stack()
    why = "replication: error connecting to master 'replicator@db2:3306' - retry-time: 60"
    figures = {**found.db.figures, "replication": "error", "conn. peak": "31", "failed logins": "2"}
    return busy(FakeBackend(replace(found, db=replace(found.db, figures=figures, why=why))))


def took_over() -> FakeBackend:
    """The manager of one of two balancers is lost."""
    found = stack()
    standby = Service("standby", "df-standby", state="lost", node="node1")
    gone = Drift(
        "the balancer on node1 is lost: its node does not answer",
        "wait for node1, then bring it in step",
        Alarm.BALANCER_LOST,
    )
    balancer = beside(replace(found.balancer, node="node2"), standby)
    return busy(FakeBackend(replace(found, balancer=balancer, standby=standby, drift=(gone,))))


def locked() -> FakeBackend:
    fake = busy(FakeBackend())
    fake.asks = "something else"
    return fake


SCENES = (
    Scene("main"),
    Scene("every-state", lambda: busy(FakeBackend(every_state()))),
    Scene("engine-lost", lambda: busy(FakeBackend(lost()))),
    Scene("no-stack", lambda: FakeBackend(nothing())),
    Scene("looking", connects="never"),
    Scene("no-engine", connects="No engine answers at unix:///run/docker.sock. Start it: systemctl start docker."),
    Scene("rising", rising, ("u",), working),
    Scene("blank", lambda: FakeBackend(stack()), ("t",)),
    Scene("many", lambda: busy(FakeBackend(stack(40))), ("G",)),
    Scene("requests", keys=("t",)),
    Scene("requests-picked", keys=("t", "up", "up")),
    Scene("requests-filtered", keys=("t", "slash", *"5xx", "enter")),
    Scene("actions", keys=("a",), then=working),
    Scene("probe", keys=("h",)),
    Scene("verify", unlike, ("v",)),
    Scene("verify-zoomed", unlike, ("v", "z")),
    Scene("verify-good", keys=("v",)),
    Scene("verify-many", lambda: busy(FakeBackend(stack(12))), ("v", "z")),
    Scene("password", locked, ("v",)),
    Scene("graphs", keys=("o",)),
    Scene("graphs-zoomed", keys=("o", "z")),
    Scene("nodes", a_swarm, ("M", "down")),
    Scene("filter", keys=("slash", *"sql")),
    Scene("zoomed-logs", keys=("l", "z")),
    Scene("logs-whose", keys=("W", "j", "space")),
    Scene("logs-since", keys=("l", "S")),
    Scene("logs-wrapped", keys=("l", "w", "k", "V", "k")),
    Scene("logs-unfolded", keys=("l", *"kkkkk", "enter")),
    Scene("logs-bad-regex", keys=("slash", "ctrl+r", *"sql", "left_parenthesis")),
    Scene("logs-levels", keys=("l", "e")),
    Scene("logs-marked-matches", keys=("slash", *"system", "ctrl+o", "enter", "n")),
    Scene("services", keys=("1", "right")),
    Scene("standby", took_over, ("1", "right", "right")),
    Scene("services-zoomed", replicating, ("1", "z")),
    Scene(
        "admin", lambda: busy(FakeBackend(stack(admin="no admin"))), ("A", *["enter"] * 5, *"short", "enter", "enter")
    ),
    Scene("backup", keys=("B", "ctrl+u", *"df.tar")),
    Scene("save", keys=("l", "ctrl+s", "ctrl+u", *"df.log")),
    Scene("read-only", lambda: busy(FakeBackend(every_state())), read_only="DFTUI_READ_ONLY"),
    Scene("setup-open", lambda: busy(FakeBackend(stack(setup_open=True, drift=(SETUP_OPEN,))))),
    Scene("help", lambda: busy(FakeBackend(every_state())), ("question_mark",)),
    Scene("keys", keys=("question_mark", "question_mark")),
    Scene("find", keys=("ctrl+p", *"logs")),
    Scene("number", keys=("equals_sign",)),
    Scene("remove", keys=("x",)),
    Scene("down", keys=("D",)),
    Scene("delete-data", keys=("D", "v")),
    Scene("history", history, ("a",)),
)


class TextExtension(SingleFileSnapshotExtension):
    _write_mode = WriteMode.TEXT
    file_extension = "txt"


def nothing_is_cut_without_a_mark(app: DftuiApp) -> None:
    for canvas in app.screen.query(Canvas):
        if canvas.size.width and canvas.display:
            for row in canvas.rows:
                assert row_width(row) <= canvas.size.width, "".join(span.text for span in row)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
async def test_screen(snapshot: SnapshotAssertion, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await picture_of(scene, nothing_is_cut_without_a_mark) == snapshot.use_extension(TextExtension)


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_every_state_is_told_without_colour(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = app_for(SCENES[1], Options(plain=True, fence=False, hz=50))
    async with app.run_test(size=size) as pilot:
        await at_scene(pilot, app, SCENES[1])
        screen = words(app)
        await pilot.press("G")
        await still(pilot)
        screen += words(app)
        for state in ReplicaState:
            assert f"{app.glyphs.states[state]} {state.value}" in screen, state
        for strip in app.screen._compositor.render_strips():
            for segment in strip:
                style = segment.style
                for colour in (style.color, style.bgcolor) if style else ():
                    assert colour is None or colour.is_default, segment


@pytest.mark.parametrize("theme", ["night", "day"])
async def test_every_state_as_a_picture(svg: SnapshotAssertion, theme: str) -> None:
    """As it looks, for those who compare two versions by eye."""
    app = app_for(SCENES[1], Options(theme=theme, fence=False, hz=50))
    async with app.run_test(size=(120, 40)) as pilot:
        await at_scene(pilot, app, SCENES[1])
        assert picture(app) == svg
