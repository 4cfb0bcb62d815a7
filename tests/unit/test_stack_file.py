from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dftui.stack.file import StackFileError, load, parse
from dftui.stack.spec import StackSpec

WHOLE = b"""\
name: shop
images:
  web: registry.example.com:5000/team/df:7.3.3
  db: mysql@sha256:%b
  source: pull
web:
  replicas: 5
  env: {LOG_TO_STDOUT: true, APP_LOG_LEVEL: debug, WORKERS: 012}
  cpus: 0.5
  memory: 512m
  min: 2
  max: 20
  health: /up
  drain_timeout: 2m
balancer: {publish: "127.0.0.1:8080", balance: leastconn, trusted_proxies: [10.1.0.5, "fd00::/8"]}
admin: {email: ada@example.com, name: Ada King Lovelace, phone: 555-01000}
logs: {memory: 64m, per_container: 512k, tail: 0}
subnet: 10.89.7.0/24
theme: dawn
keys: {scale-up: u}
""" % (b"0" * 64)


def mistakes(text: str) -> list[str]:
    with pytest.raises(StackFileError) as caught:
        parse(text.encode(), "s.yaml")
    return [str(error) for error in caught.value.errors]


def test_a_whole_file() -> None:
    spec = parse(WHOLE, "s.yaml")
    assert spec.name == "shop"
    assert spec.images.web == "registry.example.com:5000/team/df:7.3.3"
    assert spec.images.source == "pull"
    assert (spec.web.replicas, spec.web.min, spec.web.max) == (5, 2, 20)
    assert spec.web.env == {"LOG_TO_STDOUT": "true", "APP_LOG_LEVEL": "debug", "WORKERS": "012"}
    assert (spec.web.cpus, spec.web.memory, spec.web.drain_timeout) == (0.5, 512 * 2**20, 120)
    assert spec.web.health == "/up"
    assert (spec.balancer.publish, spec.balancer.balance) == ("127.0.0.1:8080", "leastconn")
    assert spec.balancer.trusted_proxies == ("10.1.0.5", "fd00::/8")
    assert (spec.admin.first_name, spec.admin.last_name) == ("Ada King", "Lovelace")
    assert spec.admin.phone == "555-01000"
    assert (spec.logs.memory, spec.logs.per_container, spec.logs.tail) == (64 << 20, 512 << 10, 0)
    assert (spec.subnet, spec.theme, spec.keys, spec.path) == ("10.89.7.0/24", "dawn", {"scale-up": "u"}, "s.yaml")


def test_no_file_is_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load() == StackSpec()
    (tmp_path / "dftui.yaml").write_text("name: here\n")
    assert load().name == "here"


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "web:\n", "{}"])
def test_an_empty_file_or_section_is_the_defaults(text: str) -> None:
    assert parse(text.encode(), "") == StackSpec()


def test_admin_none_leaves_the_form_open() -> None:
    assert parse(b"admin: none", "s").admin.mode == "none"
    assert parse(b"admin: auto", "s").admin.mode == "auto"


def test_all_mistakes_come_at_once_each_with_its_place() -> None:
    told = mistakes("nme: shop\nweb:\n  replicas: 201\n  memroy: 1g\nbalancer:\n  publish: 8080:80\nweb: {}\n")
    assert [line.split(": ")[0] for line in told] == [
        "s.yaml:1:1",
        "s.yaml:3:13",
        "s.yaml:4:3",
        "s.yaml:6:12",
        "s.yaml:7:1",
    ]
    assert "did you mean name?" in told[0]
    assert "'201'; allowed: a whole number from 0 to 200" in told[1]
    assert "did you mean memory?" in told[2]
    assert "'8080:80'; allowed: PORT or ADDRESS:PORT" in told[3]
    assert "twice (first in line 2)" in told[4]


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ("name: Shop", "1:7", "'Shop'; allowed: a lower-case letter"),
        ("name: " + "a" * 32, "1:7", "allowed"),
        ("name: on", "1:7", "'on'"),
        ("name: ../x", "1:7", "allowed"),
        ("- a", "1:1", "must be a mapping"),
        ("just text", "1:1", "must be a mapping"),
        ("web: 3", "1:6", "web must be a mapping (key: value), not '3'"),
        ("web: [1, {a: b}]", "1:6", "web must be a mapping (key: value), not the list [1, {a: b}]"),
        ("web: {replicas: {secret: x, n: 3}}", "1:17", "not the mapping {secret: …, n: 3}"),
        (
            "balancer: {trusted_proxies: 10.1.0.5}",
            "1:29",
            "must be a list, as [10.1.0.5, 10.2.0.0/16], not '10.1.0.5'",
        ),
        ("balancer:\n  trusted_proxies:\n  - 10.1.0.5\n  - proxy.lan", "4:5", "'proxy.lan'; allowed: an IP address"),
        ("balancer: {trusted_proxies: [0.0.0.0/0]}", "1:30", "never everybody"),
        ("balancer: {trusted_proxies: [10.1.0.5/8]}", "1:30", "'10.1.0.5/8'; allowed"),
        ("balancer: {trusted_proxies: [[10.1.0.5]]}", "1:30", "must be a single value, not the list [10.1.0.5]"),
        ("web: {replicas: [3]}", "1:17", "web.replicas must be a single value, not the list [3]"),
        ("web: {replicas: 3.5}", "1:17", "'3.5'; allowed: a whole number"),
        ("web: {replicas: -1}", "1:17", "allowed"),
        ("web: {replicas: '3'}", "1:17", "allowed"),
        ("web: {replicas: 0x10}", "1:17", "allowed"),
        ("web: {replicas: yes}", "1:17", "allowed"),
        ("web: {replicas: }", "1:16", "is nothing"),
        ("web: {replicas: 99999999999999999999999}", "1:17", "allowed"),
        ("web: {min: 4}", "1:12", "web.min is 4, more than web.replicas, which is 3 by default"),
        ("web: {max: 2}", "1:12", "web.max is 2, less than web.replicas, which is 3 by default"),
        ("web: {min: 5, replicas: 9, max: 7}", "1:25", "web.replicas is 9, more than web.max, which is 7"),
        ("web: {replicas: 0}", "1:17", "web.replicas is 0, less than web.min, which is 1 by default"),
        ("web: {cpus: 0}", "1:13", "cores"),
        ("web: {cpus: .nan}", "1:13", "cores"),
        ("web: {memory: 5m}", "1:15", "at least 6m"),
        ("web: {memory: much}", "1:15", "as 512m or 2g"),
        ("web: {health: status}", "1:15", "begins with /"),
        ('web: {health: "/a b"}', "1:15", "begins with /"),
        ('web: {health: "/a\\r\\nX: y"}', "1:15", "begins with /"),
        ("web: {drain_timeout: 2d}", "1:22", "as 30, 30s or 2m"),
        ("balancer: {publish: 0}", "1:21", "PORT or ADDRESS:PORT"),
        ("balancer: {publish: 70000}", "1:21", "PORT or ADDRESS:PORT"),
        ("balancer: {publish: 'localhost:80'}", "1:21", "PORT or ADDRESS:PORT"),
        ("balancer: {publish: '::1:80'}", "1:21", "PORT or ADDRESS:PORT"),
        ("balancer: {balance: static-rr}", "1:21", "one of roundrobin, leastconn, random"),
        ("balancer: {balance: leastcon}", "1:21", "leastconn, random (did you mean leastconn?)"),
        ("images: {source: Pull}", "1:18", "auto, pull, bundled (did you mean pull?)"),
        ("replicas: 4", "1:1", "did you mean web: replicas?"),
        ("replcas: 4", "1:1", "did you mean web: replicas?"),
        ("publish: 8080", "1:1", "did you mean balancer: publish?"),
        ("web: {ports: 8080}", "1:7", "did you mean balancer: publish?"),
        ("web: {environment: {A: b}}", "1:7", "did you mean env?"),
        ("web: {subnet: 10.0.0.0/24}", "1:7", "did you mean subnet, not below another key?"),
        ("images: {sorce: pull}", "1:10", "did you mean source?"),
        ("web: {replica: 3}", "1:7", "did you mean replicas?"),
        ("images: {zzz: pull}", "1:10", "unknown key 'zzz' in images; allowed: web, db"),
        ("images: {source: maybe}", "1:18", "one of auto, pull, bundled"),
        ("images: {web: 'A B'}", "1:15", "an image name"),
        ("subnet: 10.0.0.1/24", "1:9", "as 10.89.7.0/24"),
        ("subnet: 8.8.8.0/24", "1:9", "private"),
        ("subnet: 127.0.0.0/24", "1:9", "private"),
        ("{subnet: 10.0.0.0/28, web: {replicas: 12}}", "1:10", "has 14 addresses; 12 replicas need 15"),
        ("logs: {memory: 5k}", "1:16", "from 1m to 1g"),
        ("logs: {per_container: 3g}", "1:23", "from 256k to 1g"),
        ("logs: {tail: -1}", "1:14", "a whole number from 0"),
        ("logs: {memory: 1m}", "1:16", "more than logs.memory, 1,048,576 bytes"),
        ("logs: {lines: 3}", "1:8", "unknown key 'lines'"),
        ("admin: maybe", "1:8", "one of auto, none"),
        ("admin: {email: nobody}", "1:16", "an e-mail address"),
        ("admin: {name: Ada}", "1:15", "first and last name"),
        ("admin: {name: Ada King, first_name: Ada}", "1:9", "stands beside"),
        ("theme: ../../etc/passwd", "1:8", "a theme's name"),
        ("web: {env: {1A: x}}", "1:13", "no variable's name"),
        ("web: {env: {A: }}", "1:15", "one line of text"),
        ('web: {env: {A: "x\\ny"}}', "1:16", "one line of text"),
        ("web: {env: {APP_KEY: x}}", "1:13", "dftui sets it itself"),
        ("web: {env: {DB_HOST: x}}", "1:13", "dftui sets it itself"),
        ("web: {env: {CACHE_STORE: x}}", "1:13", "dftui sets it itself"),
        ("web: {env: {MY_TOKEN: x}}", "1:13", "secrets never stand in the stack file"),
        ("{<<: {name: x}}", "1:2", "unknown key '<<'"),
        ("? [a]\n: b", "1:3", "must be a word, not the list [a]"),
        ("name: !!python/object/apply:os.system [id]", "1:7", "must be a single value"),
        ("name: !!python/name:os.system x", "1:7", "allowed"),
        ("a: &a [*a]", "1:1", "unknown key"),
        ("name: [", "1:8", "is not YAML"),
        ("name: x\n\tweb: y", "2:1", "is not YAML"),
        ("name: x\n---\nname: y", "2:1", "is not YAML"),
        ("name: x\n# \x00", "2:3", "character that YAML forbids"),
    ],
)
def test_one_mistake(text: str, place: str, told: str) -> None:
    found = mistakes(text)
    assert len(found) == 1, found
    assert found[0].startswith(f"s.yaml:{place}: "), found
    assert told in found[0]


def test_rules_between_keys_are_looked_at_whatever_else_is_wrong() -> None:
    told = mistakes(
        "nme: x\n"
        "subnet: 10.0.0.0/28\n"
        "web: {replicas: 13, min: 20, cpus: none, target_rps: 1, target_cpu: lots}\n"
        "logs: {memory: 1m, per_container: 2m, tail: -1}\n"
        "admin: {name: Ada, last_name: King, phone: 1}\n"
        "balancer: {publish: x}\n"
    )
    assert [line.split(": ")[0].removeprefix("s.yaml:") for line in told] == (
        "1:1 2:9 3:26 3:36 3:57 3:69 4:35 4:45 5:9 5:15 5:44 6:21".split()
    )
    assert "13 replicas need 16" in told[1]
    assert "web.min is 20, more than web.replicas, which is 13" in told[2]
    assert "target_cpu stands beside" in told[4]
    assert "more than logs.memory" in told[6]
    assert "admin.name stands beside" in told[8]


def test_a_rule_between_keys_rests_where_one_of_them_is_bad() -> None:
    told = mistakes("subnet: 10.0.0.0/28\nweb: {replicas: many, min: 300, max: 2}\nlogs: [1]\n")
    assert [line.split(": ")[1] for line in told] == [
        "web.replicas is 'many'; allowed",
        "web.min is '300'; allowed",
        "logs must be a mapping (key",
    ]


def test_each_of_three_numbers_is_told_where_it_stands() -> None:
    assert len(mistakes("web: {min: 9, replicas: 5, max: 2}")) == 2
    assert len(mistakes("web: {min: 5, max: 2}")) == 2


def test_a_secret_in_the_file_is_refused_and_not_repeated() -> None:
    found = mistakes(
        "app_key: Abcdefgh12345678\nadmin: {password: Hunter2hunter2}\nweb: {env: {DB_PASSWORD: s3cr3t}}"
    )
    assert len(found) == 3
    assert not any(secret in line for line in found for secret in ("Abcdefgh", "Hunter2", "s3cr3t"))


def test_bytes_that_are_no_text_have_a_place() -> None:
    with pytest.raises(StackFileError, match=r"s\.yaml:2:8: holds a character"):
        parse(b"name: x\ntheme: \xff\n", "s.yaml")


def test_hostile_values_are_spelled_out() -> None:
    found = mistakes('name: "\\e[31m\\u202e' + "x" * 500 + '"')
    assert found[0].isprintable()
    assert len(found[0]) < 200


def test_a_deep_file_is_told() -> None:
    assert "nested too deeply" in mistakes("[" * 20000)[0]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(StackFileError, match="No such file"):
        load(tmp_path / "missing.yaml")
    with pytest.raises(StackFileError, match="Is a directory"):
        load(tmp_path)
    (tmp_path / "big.yaml").write_bytes(b"#" * (1 << 20) + b"\n")
    with pytest.raises(StackFileError, match="larger than 1 MiB"):
        load(tmp_path / "big.yaml")


@given(st.text(max_size=80))
def test_any_text_is_a_spec_or_sentences(text: str) -> None:
    try:
        parse(text.encode("utf-8", "surrogatepass"), "s.yaml")
    except StackFileError as error:
        assert error.errors
        assert all(line.isprintable() for line in map(str, error.errors)), str(error)


PLAIN = "images: {web: 'team/web:1'}\nweb: {kind: plain, "


def test_a_plain_web_is_asked_at_its_root_and_may_have_any_variables() -> None:
    spec = parse(f"{PLAIN}env: {{DB_HOST: db.example.com, REDIS_HOST: cache}}}}".encode(), "s.yaml")
    assert spec.plain
    assert (spec.web.health, spec.services, spec.makes_admin) == ("/", ("balancer",), False)
    assert spec.web.env == {"DB_HOST": "db.example.com", "REDIS_HOST": "cache"}


def test_a_plain_web_needs_an_image_and_keeps_its_secrets_elsewhere() -> None:
    (told,) = mistakes("web: {kind: plain}\n")
    assert told.startswith("s.yaml:1:7: ")
    assert "images.web" in told
    (told,) = mistakes(f"{PLAIN}env: {{API_TOKEN: x}}}}")
    assert "looks like a secret" in told


def test_tls_names_two_files_and_is_published_elsewhere_than_http() -> None:
    spec = parse(b"balancer: {tls: {cert: a.pem, key: /k.pem, publish: '8443'}}", "s.yaml")
    assert spec.balancer.tls is not None
    assert (spec.balancer.tls.cert, spec.balancer.tls.key, spec.balancer.tls.publish) == ("a.pem", "/k.pem", "8443")
    (told,) = mistakes("balancer: {tls: {cert: a.pem}}")
    assert told.startswith("s.yaml:1:17: balancer.tls has no key")
    (told,) = mistakes("balancer: {publish: '80', tls: {cert: a, key: b, publish: '80'}}")
    assert "so is its tls.publish" in told
