"""What the engine says, as errors: each text is one that a real engine sent."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from dftui.engine import contexts
from dftui.engine.api import (
    Conflict,
    EngineError,
    EnginePermission,
    EngineUnreachable,
    NoSpace,
    NotFound,
    PortInUse,
    PullRefused,
    RegistryUnreachable,
)
from dftui.engine.connect import address_of
from dftui.engine.docker_images import split_ref
from dftui.engine.errors import pull_error, refused, unreachable
from dftui.engine.streams import stats_of
from dftui.engine.translate import container_of, detail_of
from dftui.engine.tunnel import Tunnel
from dftui.engine.wire import Address

LONG = "0123456789abcdef" * 4
SOCKET = "unix:///var/run/docker.sock"


@pytest.mark.parametrize(
    ("status", "message", "kind", "says"),
    [
        (
            500,
            "driver failed programming external connectivity on endpoint df-lb (" + LONG + "): "
            "Bind for 0.0.0.0:80 failed: port is already allocated",
            PortInUse,
            "Could not start df-lb: port 80 is already in use.",
        ),
        (
            500,
            "driver failed programming external connectivity on endpoint df-lb: "
            "Error starting userland proxy: listen tcp4 127.0.0.1:8080: bind: address already in use",
            PortInUse,
            "Could not start df-lb: port 8080 on 127.0.0.1 is already in use.",
        ),
        (
            500,
            "failed to set up container networking: driver failed programming external connectivity on endpoint x: "
            "failed to bind host port for 127.0.0.1:80:172.17.0.2:80/tcp: address already in use",
            PortInUse,
            "Could not start df-lb: port 80 on 127.0.0.1 is already in use.",
        ),
        (
            500,
            "driver failed programming external connectivity: Error starting userland proxy: "
            "listen tcp6 [::]:80: bind: address already in use",
            PortInUse,
            "Could not start df-lb: port 80 is already in use.",
        ),
        (403, "Address already in use", Conflict, "Could not start df-lb: Address already in use."),
        (500, "mkdir /var/lib/docker/overlay2/x: no space left on device", NoSpace, "no space is left"),
        (404, f"No such container: {LONG}", NotFound, "Could not start df-lb: No such container: 0123456789ab."),
        (
            409,
            f'Conflict. The container name "/df-lb" is already in use by container "{LONG}".\nYou have to remove',
            Conflict,
            "/df-lb",
        ),
        (500, "Container 1c4a is not running: Exited (7) Less than a second ago", Conflict, "1c4a is not running"),
        (403, "Pool overlaps with other one on this address space", Conflict, "Pool overlaps"),
        (
            400,
            "could not find an available, non-overlapping IPv4 address pool among the defaults",
            EngineError,
            "address pool",
        ),
        (500, "", EngineError, "Could not start df-lb: the engine answered 500."),
    ],
)
def test_what_the_engine_refuses(status: int, message: str, kind: type[EngineError], says: str) -> None:
    error = refused(status, message, "start df-lb")
    assert type(error) is kind and says in str(error) and "\n" not in str(error)


@pytest.mark.parametrize(
    "message",
    [
        'Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io on 10.0.0.1:53: no such host',
        'Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: Temporary failure in name '
        "resolution",
        'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused',
        'Get "https://registry-1.docker.io/v2/": net/http: request canceled while waiting for connection '
        "(Client.Timeout exceeded while awaiting headers)",
        'Get "https://registry-1.docker.io/v2/": dial tcp 1.2.3.4:443: i/o timeout',
        'Get "https://registry-1.docker.io/v2/": net/http: TLS handshake timeout',
        'Get "https://registry-1.docker.io/v2/": proxyconnect tcp: dial tcp 10.1.1.1:3128: connect: no route to host',
        'Get "https://registry-1.docker.io/v2/": EOF',
    ],
)
def test_a_registry_that_cannot_be_reached(message: str) -> None:
    assert type(pull_error("mysql:8.4", message, 500)) is RegistryUnreachable


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("manifest for mysql:none not found: manifest unknown: manifest unknown", 404),
        (
            "pull access denied for mysql, repository does not exist or may require 'docker login': denied",
            404,
        ),
        ('Head "https://reg.example/v2/x/manifests/1": unauthorized: authentication required', 500),
        ('Head "https://reg.example/v2/x/manifests/1": no basic auth credentials', 500),
        ("toomanyrequests: You have reached your pull rate limit.", 500),
        ("no matching manifest for linux/arm64/v8 in the manifest list entries", 500),
    ],
)
def test_a_registry_that_refuses(message: str, status: int) -> None:
    assert type(pull_error("mysql:none", message, status)) is PullRefused


@pytest.mark.parametrize(
    "message",
    [
        'Get "https://reg.example/v2/": x509: certificate signed by unknown authority',
        "received unexpected HTTP status: 503 Service Unavailable",
        "invalid reference format",
    ],
)
def test_what_is_neither_leads_to_no_fall_back(message: str) -> None:
    assert type(pull_error("mysql:8.4", message, 500)) is EngineError


def test_an_images_own_name_is_no_reason() -> None:
    error = pull_error("reg.example/unauthorized:1", "received unexpected status for reg.example/unauthorized:1", 500)
    assert type(error) is EngineError


def test_sentences_for_an_engine_that_cannot_be_reached() -> None:
    denied = unreachable(SOCKET, PermissionError(13, "Permission denied"))
    assert type(denied) is EnginePermission and "usermod -aG docker" in denied.hint and "sudo" in denied.hint
    assert "no such socket" in str(unreachable(SOCKET, FileNotFoundError()))
    assert "nothing listens" in str(unreachable(SOCKET, ConnectionRefusedError()))
    assert "connection refused" in str(unreachable("tcp://h:1", ConnectionRefusedError()))
    assert "did not answer in time" in str(unreachable(SOCKET, TimeoutError()))
    wrapped = OSError("Connection aborted.", FileNotFoundError(2, "No such file"))
    assert "no such socket" in str(unreachable(SOCKET, wrapped))


@pytest.mark.parametrize("host", ["http:", "unix://relative", "tcp://", "tcp://h:99999", "ftp://x", "tcp://h:1/path"])
def test_what_is_no_address(host: str) -> None:
    with pytest.raises(EngineUnreachable, match="not an engine's address") as told:
        address_of(host)
    assert host in str(told.value) and told.value.hint


def address(host: str | None = None) -> Address:
    found = address_of(host)
    assert isinstance(found, Address)
    return found


def test_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    assert address().path == "/var/run/docker.sock" and address().url == SOCKET
    assert address("/tmp/x.sock").url == "unix:///tmp/x.sock"
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1")
    assert (address().host, address().port, address().tls) == ("10.0.0.1", 2375, None)
    assert address("unix:///tmp/x.sock").path == "/tmp/x.sock"
    far = address_of("ssh://me@there:2222/run/podman.sock")
    assert isinstance(far, Tunnel) and far.argv()[-5:] == ["2222", "-l", "me", "--", "there"]
    assert far.remote == "/run/podman.sock"
    with pytest.raises(EngineUnreachable, match="not an engine's address"):
        address_of("ssh://me:password@there")
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", "/nowhere")
    with pytest.raises(EngineUnreachable, match=r"certificates .* /nowhere"):
        address_of()


def test_contexts_are_found_as_the_docker_client_finds_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    for name, host in (("there", "ssh://me@there"), ("near", "unix:///tmp/near.sock")):
        meta = tmp_path / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
        meta.mkdir(parents=True)
        told = {"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}}
        (meta / "meta.json").write_text(json.dumps(told))
    assert address().url == SOCKET
    # `docker context create` writes no config.json.
    assert address("near").path == "/tmp/near.sock"
    assert [(one.name, one.host) for one in contexts.known()] == [
        ("default", SOCKET),
        ("near", "unix:///tmp/near.sock"),
        ("there", "ssh://me@there"),
    ]
    (tmp_path / "config.json").write_text('{"currentContext": "near"}')
    assert address().path == "/tmp/near.sock"
    monkeypatch.setenv("DOCKER_CONTEXT", "there")
    assert address_of().url == "ssh://me@there"
    assert (address("near").path, address("default").url) == ("/tmp/near.sock", SOCKET)
    monkeypatch.setenv("DOCKER_HOST", "unix:///tmp/first.sock")
    assert address().path == "/tmp/first.sock"
    with pytest.raises(EngineUnreachable, match="no docker context named nowhere") as told_why:
        address_of("nowhere")
    assert "near" in told_why.value.hint and "there" in told_why.value.hint
    meta.joinpath("meta.json").write_text("{}")
    with pytest.raises(EngineUnreachable, match="The docker context near cannot be read"):
        address_of("near")
    assert "near" not in [one.name for one in contexts.known()]


def test_references() -> None:
    assert split_ref("mysql") == ("mysql", "latest")
    assert split_ref("mysql:8.4") == ("mysql", "8.4")
    assert split_ref("localhost:5000/a/b") == ("localhost:5000/a/b", "latest")
    assert split_ref("localhost:5000/a/b:1") == ("localhost:5000/a/b", "1")
    assert split_ref("a@sha256:00") == ("a", "sha256:00")


def test_a_listed_container_in_every_state() -> None:
    raw = {
        "Id": LONG,
        "Names": ["/other/link", "/df-web1"],
        "Image": "dftui/web:1",
        "ImageID": "sha256:1",
        "Created": 5,
        "Labels": None,
        "NetworkSettings": {"Networks": {"front": {"IPAddress": "", "IPAMConfig": {"IPv4Address": "10.1.2.3"}}}},
        "Ports": [
            {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 80, "Type": "tcp"},
            {"PrivatePort": 443, "Type": "tcp"},
        ],
    }
    told = container_of({**raw, "State": "exited", "Status": "Exited (137) 3 seconds ago"})
    assert told.addresses == {"front": "10.1.2.3"}
    assert (told.name, told.state, told.exit_code, told.addresses) == (
        "df-web1",
        "exited",
        137,
        {"front": "10.1.2.3"},
    )
    assert [(port.container_port, port.host_port) for port in told.ports] == [(80, 80)]
    for status, health in (
        ("Up 5 minutes (healthy)", "healthy"),
        ("Up 5 minutes (unhealthy)", "unhealthy"),
        ("Up 1 second (health: starting)", "starting"),
        ("Up 1 second", "none"),
    ):
        told = container_of({**raw, "State": "running", "Status": status})
        assert told.health == health and told.exit_code is None
    assert container_of({**raw, "State": "restarting", "Status": "Restarting (1) 2 seconds ago"}).exit_code == 1
    assert container_of({**raw, "State": "something new", "Status": ""}).state == "dead"


def test_inspect_keeps_what_a_stopped_container_would_publish() -> None:
    detail = detail_of(
        {
            "Id": LONG,
            "Name": "/df-lb",
            "Created": "2023-11-14T22:13:20.5Z",
            "State": {"Status": "exited", "ExitCode": 3, "OOMKilled": True},
            "Config": {"Env": ["A=b=c", "EMPTY="], "Labels": {"x": "y"}},
            "HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}},
            "NetworkSettings": {"Ports": {}},
        }
    )
    assert detail.env == {"A": "b=c", "EMPTY": ""} and detail.oom_killed
    assert detail.container.created == 1_700_000_000.5 and detail.container.exit_code == 3
    assert detail.container.ports[0].host_port == 8080


def test_figures() -> None:
    raw = {
        "read": "2023-11-14T22:13:22Z",
        "preread": "2023-11-14T22:13:20Z",
        "cpu_stats": {"cpu_usage": {"total_usage": 4_000_000_000}},
        "precpu_stats": {"cpu_usage": {"total_usage": 1_000_000_000}},
        "memory_stats": {"usage": 1000, "limit": 5000, "stats": {"inactive_file": 300}},
        "networks": {"eth0": {"rx_bytes": 1, "tx_bytes": 2}, "eth1": {"rx_bytes": 10, "tx_bytes": 20}},
    }
    told = stats_of(raw)
    assert told is not None
    assert (told.cpu, told.memory, told.memory_limit, told.net_rx, told.net_tx) == (150.0, 700, 5000, 11, 22)
    old = stats_of(
        {**raw, "memory_stats": {"usage": 1000, "stats": {"inactive_file": 1, "total_inactive_file": 400}}}
    )
    assert old is not None and old.memory == 600
    first = stats_of({**raw, "preread": "0001-01-01T00:00:00Z", "precpu_stats": {}})
    assert first is not None and first.cpu is None
    assert stats_of({"read": "0001-01-01T00:00:00Z", "cpu_stats": {}, "memory_stats": {}}) is None
