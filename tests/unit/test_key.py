"""`dftui key` as a person meets it: what is printed, what is kept, what is refused."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from dftui.__main__ import main
from dftui.stack import appkey
from dftui.stack.names import LABEL_ROLE, LABEL_STACK
from dftui.stack.secrets import Secrets, load_secrets, new_secrets, save_secrets, secrets_path
from tests.fakes.engine import FakeEngine

Output = pytest.CaptureFixture[str]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeEngine:
    fake = FakeEngine()
    monkeypatch.chdir(tmp_path)

    async def connect(host: str | None = None) -> FakeEngine:
        fake.closed = False
        return fake

    monkeypatch.setattr("dftui.engine.connect.connect", connect)
    return fake


def put(engine: FakeEngine, role: str, name: str, env: dict[str, str]) -> None:
    engine.add(name, labels={LABEL_STACK: "df", LABEL_ROLE: role}, env=env)


def replicas(engine: FakeEngine, *keys: str) -> None:
    for number, key in enumerate(keys, 1):
        put(engine, "web", f"df-web{number}", {"APP_KEY": key})


def saved(engine: FakeEngine) -> Secrets | None:
    return load_secrets(engine.engine_id, "df")


def kept(engine: FakeEngine) -> Secrets:
    secrets = new_secrets()
    save_secrets(engine.engine_id, "df", secrets)
    return secrets


def give(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_new_keeps_a_key_and_shows_its_fingerprint_alone(engine: FakeEngine, capsys: Output) -> None:
    assert main(["key", "new"]) == 0
    secrets = saved(engine)
    assert secrets is not None
    told = capsys.readouterr()
    assert secrets.fingerprint in told.err
    assert secrets.app_key not in told.err + told.out


def test_new_in_base64(engine: FakeEngine) -> None:
    assert main(["key", "new", "--base64"]) == 0
    secrets = saved(engine)
    assert secrets is not None
    assert secrets.app_key.startswith("base64:")


def test_new_never_overwrites_unasked(engine: FakeEngine, capsys: Output) -> None:
    before = kept(engine)
    assert main(["key", "new"]) == 1
    assert "--replace" in capsys.readouterr().err
    assert saved(engine) == before
    assert main(["key", "new", "--replace"]) == 0
    after = saved(engine)
    assert after is not None
    assert after.app_key != before.app_key
    assert after.db_password == before.db_password
    old = secrets_path(engine.engine_id, "df").with_name(f"df.env.old-{before.fingerprint}")
    assert before.app_key in old.read_text()


def test_new_is_refused_while_the_stack_uses_its_key(engine: FakeEngine, capsys: Output) -> None:
    before = kept(engine)
    replicas(engine, before.app_key)
    assert main(["key", "new", "--replace"]) == 1
    assert "unreadable" in capsys.readouterr().err
    assert saved(engine) == before


def test_show_is_the_only_one_that_prints_the_key(engine: FakeEngine, capsys: Output) -> None:
    secrets = kept(engine)
    replicas(engine, secrets.app_key, secrets.app_key)
    assert main(["key", "show"]) == 0
    assert capsys.readouterr().out == f"{secrets.app_key}\n"
    assert main(["--json", "key", "show"]) == 0
    assert json.loads(capsys.readouterr().out)["app_key"] == secrets.app_key
    for argv in (["key", "check"], ["--json", "key", "check"]):
        main(argv)
        told = capsys.readouterr()
        assert secrets.app_key not in told.out + told.err
        assert secrets.fingerprint in told.out + told.err


def test_show_recovers_from_a_replica(engine: FakeEngine, capsys: Output) -> None:
    key = appkey.new_key()
    replicas(engine, key)
    assert main(["key", "show"]) == 0
    assert capsys.readouterr().out.strip() == key


def test_show_without_a_key_says_how_to_get_one(engine: FakeEngine, capsys: Output) -> None:
    assert main(["key", "show"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "dftui up" in told.err


def test_check_is_0_when_file_and_replicas_agree(engine: FakeEngine, capsys: Output) -> None:
    secrets = kept(engine)
    replicas(engine, secrets.app_key, secrets.app_key)
    assert main(["key", "check"]) == 0
    assert "2 replicas" in capsys.readouterr().out


@pytest.mark.parametrize("other", ["different", "", "short"])
def test_check_is_4_and_names_the_replica_that_differs(engine: FakeEngine, capsys: Output, other: str) -> None:
    secrets = kept(engine)
    replicas(engine, secrets.app_key, appkey.new_key() if other == "different" else other)
    assert main(["--json", "key", "check"]) == 4
    found = json.loads(capsys.readouterr().out)
    assert not found["ok"]
    assert len(found["problems"]) == 1
    assert found["problems"][0].startswith("df-web2")
    assert found["replicas"][0] == {"name": "df-web1", "key": secrets.fingerprint}
    assert found["repairs"][0].startswith("dftui repair df-web2 replaces it")
    assert main(["key", "check"]) == 4
    assert "\n  dftui repair df-web2 replaces it" in capsys.readouterr().err


def test_check_without_a_file_is_untrue(engine: FakeEngine, capsys: Output) -> None:
    assert main(["key", "check"]) == 4
    said = capsys.readouterr().err
    assert "there is no secrets file" in said
    assert "\n  make the stack: dftui up" in said


def test_check_without_a_file_beside_running_replicas_says_where_the_key_is(
    engine: FakeEngine, capsys: Output
) -> None:
    replicas(engine, one := appkey.new_key(), one)
    assert main(["key", "check"]) == 4
    assert "dftui up takes over what the replicas run with\n" in capsys.readouterr().err
    put(engine, "web", "df-web3", {"APP_KEY": appkey.new_key()})
    assert main(["key", "check"]) == 4
    said = capsys.readouterr().err
    assert "once that is one key" in said
    assert "dftui remove WHO" in said


def test_import_takes_ones_own_from_standard_input(
    engine: FakeEngine, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = appkey.new_base64_key()
    give(monkeypatch, key + "\n")
    assert main(["key", "import"]) == 0
    secrets = saved(engine)
    assert secrets is not None
    assert secrets.app_key == key
    told = capsys.readouterr()
    assert key not in told.out + told.err
    give(monkeypatch, key)
    assert main(["key", "import"]) == 0
    assert "already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "told"), [("", "no key came"), ("short\n", "32 characters"), ("a b\nc", "printable")]
)
def test_import_of_something_else_changes_nothing(
    engine: FakeEngine, capsys: Output, monkeypatch: pytest.MonkeyPatch, text: str, told: str
) -> None:
    give(monkeypatch, text)
    assert main(["key", "import"]) == 2
    assert told in capsys.readouterr().err
    assert saved(engine) is None


def test_import_never_contradicts_a_running_replica(
    engine: FakeEngine, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = kept(engine)
    replicas(engine, before.app_key)
    give(monkeypatch, appkey.new_key())
    assert main(["key", "import", "--replace"]) == 1
    told = capsys.readouterr().err
    assert "df-web1" in told
    assert before.fingerprint in told
    assert before.app_key not in told
    assert saved(engine) == before


def test_import_of_the_running_key_puts_a_wrong_file_right(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = kept(engine)
    running = appkey.new_key()
    replicas(engine, running)
    give(monkeypatch, running)
    assert main(["key", "import"]) == 1
    give(monkeypatch, running)
    assert main(["key", "import", "--replace"]) == 0
    now = saved(engine)
    assert now is not None
    assert (now.app_key, now.db_password) == (running, wrong.db_password)


def test_a_key_cannot_be_given_on_the_command_line(engine: FakeEngine) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["key", "import", appkey.new_key()])
    assert ended.value.code == 2


def test_a_file_that_others_can_read_stops_every_command(engine: FakeEngine, capsys: Output) -> None:
    kept(engine)
    secrets_path(engine.engine_id, "df").chmod(0o644)
    for what in ("show", "check", "new"):
        assert main(["key", what]) == 2
        told = capsys.readouterr()
        assert "can be read by others" in told.err
        assert told.out == ""


def test_a_key_that_is_in_print_is_told_when_it_comes_and_when_it_is_checked(
    engine: FakeEngine, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = "UseAny32CharactersLongStringHere"
    give(monkeypatch, printed)
    assert main(["key", "import"]) == 0
    assert "is in print: anyone can sign" in capsys.readouterr().err
    replicas(engine, printed, printed)
    assert main(["key", "check"]) == 4
    told = capsys.readouterr().err
    assert "df-web1 has an APP_KEY that is in print" in told
    assert printed not in told
