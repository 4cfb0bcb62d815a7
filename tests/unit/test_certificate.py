"""Certificates are read and checked before anything is changed, and each mistake is a sentence."""

from __future__ import annotations

import calendar
import time
from pathlib import Path

import pytest

from dftui.balancer.config import BalancerConfig, render
from dftui.balancer.marks import parse
from dftui.balancer.tls import parse as parse_shown
from dftui.control.tls import Renewals
from dftui.stack.certificate import CertificateError, check, load
from dftui.stack.spec import BalancerSpec, StackSpec, TlsSpec
from tests.certificates import fingerprint, pair, write

SHOWN = """\
Filename: /var/lib/haproxy/site.pem
Status: Used
Serial: 4A1E
notBefore: Nov 24 09:00:00 2026 GMT
notAfter: Feb  3 07:08:09 2027 GMT
Subject Alternative Name: DNS:df.example.com, IP Address:127.0.0.1
Algorithm: EC256
SHA1 FingerPrint: 0F1E2D
Subject: /CN=df.example.com
"""


def spec(folder: Path) -> StackSpec:
    tls = TlsSpec("site.pem", "site.key")
    return StackSpec(balancer=BalancerSpec(tls=tls), path=str(folder / "dftui.yaml"))


def refused(cert: bytes, key: bytes, now: float | None = None) -> CertificateError:
    with pytest.raises(CertificateError) as caught:
        check(cert, key, Path("c.pem"), Path("k.pem"), time.time() if now is None else now)
    return caught.value


def test_a_good_pair_is_one_file_without_an_empty_line(tmp_path: Path) -> None:
    first, second = pair(), pair()
    write(tmp_path, (first[0] + b"\n\n" + second[0], b"\n" + first[1]))
    found = load(spec(tmp_path))
    assert found.fingerprint == fingerprint(first[0])
    assert found.names == ("df.example.com", "127.0.0.1")
    assert found.pem.count(b"BEGIN CERTIFICATE") == 2
    assert b"\n\n" not in found.pem
    assert "PRIVATE" not in repr(found)


def test_each_mistake_says_which_file_and_what_to_do() -> None:
    good, other = pair(), pair()
    for error, words in (
        (refused(good[0], other[1]), "k.pem is not the key of the certificate in c.pem"),
        (refused(b"nonsense", good[1]), "c.pem holds no certificate"),
        (refused(good[0], b"nonsense"), "k.pem holds no private key"),
        (refused(*pair(-0.5)), "ended on"),
        (refused(*pair(9, begins=3)), "is good from"),
    ):
        assert words in str(error)
        assert error.hint


def test_an_encrypted_key_is_refused() -> None:
    from cryptography.hazmat.primitives import serialization

    cert, key = pair()
    private = serialization.load_pem_private_key(key, None)
    locked = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    assert "encrypted" in str(refused(cert, locked))


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match="cannot be read: No such file"):
        load(spec(tmp_path))


def test_what_haproxy_tells_is_read_and_nothing_is_none() -> None:
    found = parse_shown(SHOWN)
    assert found is not None
    assert (found.fingerprint, found.names) == ("0F1E2D", ("df.example.com", "127.0.0.1"))
    assert found.expires == calendar.timegm((2027, 2, 3, 7, 8, 9))
    assert parse_shown("Can't display the certificate: Not found or the certificate is a bundle!") is None


def test_the_file_is_seen_to_change_once(tmp_path: Path) -> None:
    write(tmp_path, pair())
    seen = Renewals(spec(tmp_path))
    assert [seen.changed(), seen.changed()] == [True, False]
    (tmp_path / "site.pem").unlink()
    write(tmp_path / "next", pair())
    (tmp_path / "site.pem").symlink_to(tmp_path / "next" / "site.pem")
    assert [seen.changed(), seen.changed()] == [True, False]
    assert not Renewals(StackSpec()).changed()


def test_the_configuration_notes_its_https_port_and_has_none_without() -> None:
    cfg = BalancerConfig("df", 1, (), https=8443)
    text = render(cfg)
    marked = parse(text)
    assert marked is not None
    assert (marked.https, marked.whole) == (8443, True)
    assert "https://%[var(txn.site)]:8443%[pathq]" in text
    assert ":443%[pathq]" not in render(BalancerConfig("df", 1, (), https=443))
    assert "ssl" not in render(BalancerConfig("df", 1, ()))
