"""The schema for editors and the validator are of one mind, and `dftui init` writes a file that says the defaults."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from dftui.__main__ import main
from dftui.stack.commented import commented
from dftui.stack.fields import TOP, Items, Key, Section, Table, places
from dftui.stack.file import FileError, StackFileError, parse
from dftui.stack.schema import schema
from dftui.stack.spec import StackSpec
from dftui.stack.values import ADDRESS, SPELLING

Output = pytest.CaptureFixture[str]

BEYOND = {
    "number of replicas": "web.min, web.replicas and web.max hang together",
    "one target": "web.target_rps and web.target_cpu exclude each other",
    "one name": "admin.name and its two parts exclude each other",
    "plain web": "web.kind: plain needs images.web",
    "own variables": "web.env may hold what dftui sets itself only where the web is a plain one",
    "HTTPS": "balancer.tls has both files, and another port than http",
    "log memory": "logs.per_container is a part of logs.memory",
    "subnet's room": "the front network holds all replicas",
    "yaml": "what is no YAML, doubled keys, keys that are no words: an editor's parser tells them",
    SPELLING: "how a number or truth value is written (0x10, 3.0, yes): it is the same to JSON",
    ADDRESS: "an address's own arithmetic: groups of IPv6, host bits of a network",
}
"""What the validator alone can tell, by its rule; nothing else."""


def _pattern(validator: Any, pattern: str, instance: Any, _: Any) -> Iterator[ValidationError]:
    """As ECMA has it, where `$` is the very end; Python's lets a newline follow."""
    if isinstance(instance, str) and not re.search(pattern.removesuffix("$") + r"\Z", instance):
        yield ValidationError(f"{instance!r} does not match {pattern}")


SCHEMA = schema()
VALIDATOR = extend(Draft202012Validator, {"pattern": _pattern})(SCHEMA)  # type: ignore[no-untyped-call]


def by_schema(document: object) -> bool:
    return bool(VALIDATOR.is_valid(document))


def by_validator(text: str) -> tuple[FileError, ...]:
    try:
        parse(text.encode("utf-8", "surrogatepass"), "s.yaml")
    except StackFileError as error:
        return error.errors
    return ()


def agree(document: object, text: str | None = None) -> bool:
    """Whether both take it; fails where they differ beyond what only the validator can tell."""
    text = text if text is not None else yaml.safe_dump(document, allow_unicode=True)
    errors = by_validator(text)
    good = by_schema(document)
    if good:
        assert all(error.rule in BEYOND for error in errors), f"{text}\n{[(str(e), e.rule) for e in errors]}"
    else:
        assert errors, f"the schema alone refuses {text}: {[e.message for e in VALIDATOR.iter_errors(document)]}"
    return good and not errors


def test_it_is_a_schema_of_draft_2020_12() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == Draft202012Validator.META_SCHEMA["$id"]


def test_it_has_every_key_with_a_description_and_a_default_that_it_takes() -> None:
    for place in places():
        found: Any = SCHEMA
        for name in place.path:
            found = found["anyOf"][0] if "anyOf" in found else found
            found = found["properties"][name]
        assert found["description"], place
        if "default" in found:
            document: Any = found["default"]
            for name in reversed(place.path):
                document = {name: document}
            assert agree(document), place


GOOD = [
    None,
    {},
    {"web": None, "admin": None, "keys": None},
    {"name": "a" * 31},
    {"images": {"web": "registry.example.com:5000/team/df:7.3.3", "db": "mysql@sha256:" + "0" * 64}},
    {"web": {"replicas": 0, "min": 0}},
    {"web": {"replicas": 200}},
    {"web": {"cpus": 0.01, "memory": "6m", "drain_timeout": 0, "start_timeout": "60m", "cool_down": "1h"}},
    {"web": {"drain_timeout": "1.5", "start_timeout": "3600.0s", "cool_down": 0.5 + 1}},
    {"web": {"memory": 6 * 2**20}},
    {"web": {"memory": "6144KiB"}},
    {"web": {"memory": "2gb", "env": {"A": True, "B": 1, "C": 1.5, "D": "", "E": "é"}}},
    {"balancer": {"publish": 80}},
    {"balancer": {"publish": "127.0.0.1:65535"}},
    {"balancer": {"publish": "[::1]:8080", "trusted_proxies": []}},
    {"balancer": {"trusted_proxies": ["10.1.0.5", "10.2.0.0/16", "fd00::/8", "::1"]}},
    {"admin": "none"},
    {"admin": {"name": "Ada King Lovelace", "phone": 5550100}},
    {"admin": {"first_name": "José", "last_name": "O-Neill", "phone": "+1 (555) 010"}},
    {"logs": {"memory": "1g", "per_container": "256k", "tail": 0}},
    {"subnet": "192.168.7.0/24", "theme": "night", "repair": "auto"},
    {"keys": {"scale-up": "ctrl+x", "drain": 5}},
]
BAD = [
    [],
    "text",
    {"nme": "x"},
    {"name": "Shop"},
    {"name": "x\n"},
    {"name": 7},
    {"name": ["x"]},
    {"web": 3},
    {"web": []},
    {"web": {"replicas": 201}},
    {"web": {"replicas": -1}},
    {"web": {"replicas": 3.5}},
    {"web": {"replicas": "3"}},
    {"web": {"replicas": True}},
    {"web": {"replicas": None}},
    {"web": {"cpus": 0}},
    {"web": {"memory": "5m"}},
    {"web": {"memory": 6 * 2**20 - 1}},
    {"web": {"memory": "much"}},
    {"web": {"memory": "1.5g"}},
    {"web": {"drain_timeout": "3600.1"}},
    {"web": {"drain_timeout": 3601}},
    {"web": {"start_timeout": "0.9s"}},
    {"web": {"drain_timeout": "61m"}},
    {"web": {"drain_timeout": "2h"}},
    {"web": {"health": "status"}},
    {"web": {"env": {"1A": "x"}}},
    {"web": {"env": {"APP_KEY": "x"}}},
    {"web": {"env": {"my_ToKen": "x"}}},
    {"web": {"env": {"A": None}}},
    {"web": {"env": {"A": "x\ny"}}},
    {"web": {"env": {"A": "x\n"}}},
    {"web": {"env": ["A=b"]}},
    {"web": {"publish": 80}},
    {"images": {"source": "maybe"}},
    {"images": {"web": "A B"}},
    {"balancer": {"publish": 0}},
    {"balancer": {"publish": "70000"}},
    {"balancer": {"publish": "localhost:80"}},
    {"balancer": {"publish": "256.0.0.1:80"}},
    {"balancer": {"trusted_proxies": "10.1.0.5"}},
    {"balancer": {"trusted_proxies": ["0.0.0.0/0"]}},
    {"balancer": {"trusted_proxies": ["proxy.lan"]}},
    {"balancer": {"trusted_proxies": None}},
    {"balancer": {"balance": "source"}},
    {"admin": "maybe"},
    {"admin": {"email": "nobody"}},
    {"admin": {"name": "Ada"}},
    {"admin": {"phone": 12}},
    {"admin": {"first_name": "a" * 41}},
    {"logs": {"memory": "2g"}},
    {"subnet": "8.8.8.0/24"},
    {"subnet": "10.0.0.0/29"},
    {"theme": "../../etc/passwd"},
    {"keys": {"scale-up": ""}},
    {"keys": {"scale-up": 12}},
    {"password": "x"},
]


@pytest.mark.parametrize("document", GOOD, ids=repr)
def test_both_take_what_is_good(document: object) -> None:
    assert agree(document)


@pytest.mark.parametrize("document", BAD, ids=repr)
def test_both_refuse_what_is_bad(document: object) -> None:
    assert not by_schema(document)
    assert not agree(document)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("web: {min: 4}", "number of replicas"),
        ("web: {target_rps: 1, target_cpu: 5}", "one target"),
        ("admin: {name: Ada King, last_name: King}", "one name"),
        ("logs: {memory: 1m}", "log memory"),
        ("{subnet: 10.0.0.0/28, web: {replicas: 12}}", "subnet's room"),
        ("{name: a, name: b}", "yaml"),
        ("web: {replicas: 0x10}", SPELLING),
        ("backup: {before_roll: yes}", SPELLING),
        ("subnet: 10.0.0.1/24", ADDRESS),
        ("balancer: {trusted_proxies: ['1:2']}", ADDRESS),
    ],
)
def test_what_the_validator_alone_can_tell_is_named(text: str, rule: str) -> None:
    assert by_schema(yaml.safe_load(text))
    assert {error.rule for error in by_validator(text)} == {rule}


WORDS = st.sampled_from(
    "auto|none|pull|leastconn|80|127.0.0.1:80|[::]:80|5m|6m|1g|30s|0|2m|1h|/status|a b|b_c|10.0.0.0/24|10.1.2.3|::/1|"
    "ctrl+x|a@b.cd|5550100|x|Ada\xa0King|é|x\n||Ada King|-|~|on|0x1|2001-01-01|1:2|1e3".split("|")
)
SCALARS = st.one_of(
    WORDS,
    st.none(),
    st.booleans(),
    st.integers(-5, 300),
    st.integers(0, 2**52),
    st.floats(0.001, 5000, allow_nan=False).map(lambda n: round(n, 3)),
    st.text(max_size=12),
)
VALUES = st.one_of(
    SCALARS, st.lists(SCALARS, max_size=2), st.dictionaries(st.sampled_from("ab"), SCALARS, max_size=2)
)
NAMES = st.one_of(
    st.sampled_from(["A", "APP_KEY", "DB_HOST", "DB", "API_TOKEN", "lower", "1A", "a-b", "scale-up"]),
    st.text(max_size=6),
)


def fields(held: Section | Table | Items | Key) -> st.SearchStrategy[Any]:
    """Values near to what the key takes: some fit, some do not."""
    if isinstance(held, Section):
        keys = {name: fields(one) for name, one in held.keys.items()}
        return st.fixed_dictionaries({}, optional={"nme": SCALARS, "replicas": SCALARS, **keys}) | VALUES
    if isinstance(held, Table):
        return st.dictionaries(NAMES, SCALARS, max_size=3) | VALUES
    return st.lists(SCALARS, max_size=3) | VALUES if isinstance(held, Items) else SCALARS | VALUES


def test_a_whole_number_is_written_without_a_point() -> None:
    # JSON knows no difference, so the schema takes it.
    for document in ({"web": {"replicas": 3.0}}, {"web": {"memory": 8388608.0}}, {"keys": {"drain": 1.0}}):
        assert by_schema(document)
        assert not agree(document)


@pytest.mark.parametrize("name", [*TOP.keys, "unknown"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_document_is_taken_by_both_or_by_neither(name: str, data: st.DataObject) -> None:
    strategy = fields(TOP.keys[name]) if name in TOP.keys else VALUES
    agree({name: data.draw(strategy)})


def test_the_file_that_init_writes_says_the_defaults() -> None:
    assert parse(commented().encode(), "") == StackSpec()


def test_it_shows_every_key_and_freed_of_its_marks_each_is_good() -> None:
    freed = "\n".join(line.removeprefix("# ") for line in commented().splitlines()[4:])
    errors = by_validator(freed)
    assert [error.rule for error in errors] == ["one target"]  # both are shown
    document = yaml.safe_load(freed)
    del document["web"]["target_cpu"]
    assert agree(document)
    for place in places():
        found: Any = document
        if place.path[-1] in ("first_name", "last_name", "target_cpu"):
            continue
        for name in place.path:
            found = found[name]
    spec = parse(yaml.safe_dump(document).encode(), "")
    assert (spec.web.replicas, spec.admin, spec.logs) == (
        StackSpec().web.replicas,
        StackSpec().admin,
        StackSpec().logs,
    )


def test_init_writes_a_file_and_never_over_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    kept = Path("dftui.yaml").read_text()
    assert main(["init"]) == 2
    assert "dftui.yaml is there already" in capsys.readouterr().err
    assert Path("dftui.yaml").read_text() == kept
    assert main(["init", "other.yaml", "--schema", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"written": ["other.yaml", "dftui.schema.json"]}
    text = Path("other.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=dftui.schema.json\n")
    assert json.loads(Path("dftui.schema.json").read_text()) == SCHEMA
    assert main(["--read-only", "init", "third.yaml"]) == 2
    assert not Path("third.yaml").exists()


def test_init_says_where_it_cannot_write(tmp_path: Path, capsys: Output) -> None:
    assert main(["init", str(tmp_path / "missing" / "dftui.yaml")]) == 2
    assert "cannot be written: No such file" in capsys.readouterr().err


def test_schema_prints_it(capsys: Output) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == SCHEMA
    assert main(["schema", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == SCHEMA
