import os
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from dftui.stack.secrets import (
    Secrets,
    SecretsError,
    load_secrets,
    new_secrets,
    recover,
    save_secrets,
    secrets_path,
)

ENGINE = "ABCD:EFGH:IJKL"


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "config"
    monkeypatch.setenv("DFTUI_CONFIG_DIR", str(folder))
    return folder


def envs(secrets: Secrets) -> dict[str, Mapping[str, str]]:
    web = {
        "APP_KEY": secrets.app_key,
        "DB_PASSWORD": secrets.db_password,
        "DB_DATABASE": secrets.db_name,
        "DB_USERNAME": secrets.db_user,
        "CACHE_PASSWORD": secrets.cache_password,
    }
    database = {
        "MYSQL_ROOT_PASSWORD": secrets.db_root_password,
        "MYSQL_PASSWORD": secrets.db_password,
        "MYSQL_DATABASE": secrets.db_name,
        "MYSQL_USER": secrets.db_user,
    }
    return {"web/df-web1": web, "web/df-web2": dict(web), "db/df-mysql": database}


def test_what_is_saved_is_read_back_and_closed_to_others(config: Path) -> None:
    secrets = new_secrets()
    path = save_secrets(ENGINE, "df", secrets)
    assert load_secrets(ENGINE, "df") == secrets
    assert path == config / "ABCD-EFGH-IJKL" / "df.env"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [item.name for item in path.parent.iterdir()] == ["df.env"]


def test_modes_do_not_depend_on_the_umask() -> None:
    before = os.umask(0)
    try:
        path = save_secrets(ENGINE, "df", new_secrets())
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_no_file_is_none() -> None:
    assert load_secrets(ENGINE, "df") is None


def test_engines_and_stacks_are_kept_apart() -> None:
    first, second = new_secrets(), new_secrets()
    save_secrets(ENGINE, "df", first)
    save_secrets("OTHER", "df", second)
    assert load_secrets(ENGINE, "df") == first
    assert load_secrets("OTHER", "df") == second
    assert load_secrets(ENGINE, "df2") is None
    assert secrets_path("../..", "df").parent.parent == secrets_path(ENGINE, "df").parent.parent


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610])
def test_a_file_that_others_can_read_is_refused(mode: int) -> None:
    path = save_secrets(ENGINE, "df", new_secrets())
    path.chmod(mode)
    with pytest.raises(SecretsError, match="can be read by others") as caught:
        load_secrets(ENGINE, "df")
    assert "chmod 600" in caught.value.hint


def test_a_file_of_somebody_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    save_secrets(ENGINE, "df", new_secrets())
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    with pytest.raises(SecretsError, match="belongs to user"):
        load_secrets(ENGINE, "df")


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    path = save_secrets(ENGINE, "df", new_secrets())
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SecretsError, match="cannot be opened"):
        load_secrets(ENGINE, "df")


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda text: text.replace("DB_PASSWORD=", "DB_PASWORD="), "is not NAME=value"),
        (lambda text: text[: text.index("DB_USER")], "lacks DB_USER, DB_PASSWORD"),
        (lambda text: text + text.splitlines()[1] + "\n", "twice"),
        (lambda text: text.replace("APP_KEY=", "APP_KEY=x"), "must be 32 characters"),
        (lambda text: text + "é", "ASCII"),
        (lambda text: "", "lacks"),
    ],
)
def test_a_damaged_file_is_told_and_shows_nothing(damage: object, told: str) -> None:
    secrets = new_secrets()
    path = save_secrets(ENGINE, "df", secrets)
    assert callable(damage)
    path.write_text(damage(path.read_text()))
    with pytest.raises(SecretsError, match=told) as caught:
        load_secrets(ENGINE, "df")
    assert str(path) in str(caught.value)
    for value in secrets.values():
        assert value not in str(caught.value) + caught.value.hint


def test_a_failed_write_leaves_the_old_file_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    old = new_secrets()
    path = save_secrets(ENGINE, "df", old)

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(SecretsError, match="No space left on device"):
        save_secrets(ENGINE, "df", new_secrets())
    monkeypatch.undo()
    os.environ["DFTUI_CONFIG_DIR"] = str(path.parent.parent)
    try:
        assert load_secrets(ENGINE, "df") == old
    finally:
        del os.environ["DFTUI_CONFIG_DIR"]
    assert [item.name for item in path.parent.iterdir()] == ["df.env"]


def test_of_two_that_make_the_first_secrets_one_wins() -> None:
    first = new_secrets()
    save_secrets(ENGINE, "df", first, replace_existing=False)
    with pytest.raises(SecretsError, match="another dftui"):
        save_secrets(ENGINE, "df", new_secrets(), replace_existing=False)
    assert load_secrets(ENGINE, "df") == first


def test_a_replaced_key_is_kept_beside_the_new_one() -> None:
    old = new_secrets()
    path = save_secrets(ENGINE, "df", old)
    save_secrets(ENGINE, "df", replace(old, admin_password="Other1234567890Other123"))
    assert len(list(path.parent.iterdir())) == 1
    save_secrets(ENGINE, "df", new_secrets())
    kept = path.with_name(f"df.env.old-{old.fingerprint}")
    assert old.app_key in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_a_value_that_does_not_fit_a_line_is_never_written() -> None:
    with pytest.raises(SecretsError, match="DB_PASSWORD"):
        save_secrets(ENGINE, "df", replace(new_secrets(), db_password="a\nAPP_KEY=b"))
    assert load_secrets(ENGINE, "df") is None


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DFTUI_CONFIG_DIR", str(tmp_path / "file" / "under"))
    with pytest.raises(SecretsError, match="cannot be kept"):
        save_secrets(ENGINE, "df", new_secrets())


def test_secrets_never_show_themselves() -> None:
    secrets = new_secrets()
    shown = f"{secrets} {secrets!r} {secrets.fingerprint} {recover(envs(secrets))!r}"
    for value in secrets.values():
        assert value not in shown


def test_a_new_stack_gets_new_secrets() -> None:
    result = recover({})
    assert result.found == ()
    assert "APP_KEY" in result.made
    assert result.changed
    assert len(set(result.secrets.values())) == 5


def test_with_a_file_and_agreeing_containers_nothing_changes() -> None:
    secrets = new_secrets()
    result = recover(envs(secrets), saved=secrets, volumes=["db", "storage"])
    assert result.secrets == secrets
    assert not result.changed


def test_running_containers_win_over_a_missing_file() -> None:
    secrets = new_secrets()
    result = recover(envs(secrets), volumes=["db"])
    assert result.secrets.app_key == secrets.app_key
    assert result.secrets.db_root_password == secrets.db_root_password
    assert result.secrets.db_password == secrets.db_password
    assert result.secrets.cache_password == secrets.cache_password
    assert "APP_KEY" in result.found
    assert result.made == ()
    assert result.secrets.admin_password == "", "a new one would not log in"


def test_two_keys_are_never_chosen_between() -> None:
    first, second = new_secrets(), new_secrets()
    both = envs(first)
    both["web/df-web2"] = {**both["web/df-web2"], "APP_KEY": second.app_key}
    with pytest.raises(SecretsError) as caught:
        recover(both)
    text = str(caught.value)
    assert "2 different APP_KEYs" in text
    assert f"{first.fingerprint} in df-web1" in text
    assert f"{second.fingerprint} in df-web2" in text
    assert first.app_key not in text
    assert second.app_key not in text


def test_a_file_that_disagrees_with_a_replica_is_an_error_too() -> None:
    running, saved = new_secrets(), new_secrets()
    with pytest.raises(SecretsError, match="the secrets file"):
        recover(envs(running), saved=saved)


def test_passwords_that_disagree_are_told_without_a_trace_of_them() -> None:
    secrets = new_secrets()
    both = envs(secrets)
    both["db/df-mysql"] = {**both["db/df-mysql"], "MYSQL_PASSWORD": "another"}
    with pytest.raises(
        SecretsError, match="database password differs between df-mysql and df-web1, df-web2"
    ) as caught:
        recover(both)
    assert "another" not in str(caught.value)


def test_a_volume_without_its_password_is_an_error() -> None:
    with pytest.raises(SecretsError, match="database root password") as caught:
        recover({}, volumes=["db"])
    assert "APP_KEY" in str(caught.value)
    assert "--volumes" in caught.value.hint
    with pytest.raises(SecretsError, match="APP_KEY") as caught:
        recover({"db/df-mysql": envs(new_secrets())["db/df-mysql"]}, volumes=["db"])
    assert "root" not in str(caught.value)


def test_a_replica_with_a_key_of_a_wrong_length_is_named() -> None:
    with pytest.raises(SecretsError, match="df-web1: the APP_KEY must be 32"):
        recover({"web/df-web1": {"APP_KEY": "short"}})


def test_the_setup_container_tells_the_admin_password() -> None:
    result = recover({"setup/df-setup": {"ADMIN_PASSWORD": "Abcdefgh1234567890abcdefgh"}})
    assert result.secrets.admin_password == "Abcdefgh1234567890abcdefgh"
