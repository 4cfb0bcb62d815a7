"""A certificate and its key, read from files on the operator's machine and checked before anything is changed.

Sources: RFC 7468 (PEM), RFC 5280, section 4.1.2.5 (validity) and 4.2.1.6 (names).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dftui.stack.spec import StackSpec

if TYPE_CHECKING:
    from cryptography import x509

MAX_BYTES = 256 << 10


class CertificateError(Exception):
    """Files that are not used: `str()` says which and why, `hint` what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class KeyPair:
    """What a balancer is given. `pem` holds the key: never shown. `fingerprint` is the certificate's SHA-1 in upper
    case, as HAProxy tells it; `expires` unix time."""

    pem: bytes = field(repr=False)
    fingerprint: str
    expires: float
    names: tuple[str, ...]


def files(spec: StackSpec) -> tuple[Path, Path]:
    """The certificate's and the key's file; a relative path begins at the stack file's folder."""
    tls = spec.balancer.tls
    assert tls is not None
    folder = Path(spec.path).parent
    return folder / Path(tls.cert).expanduser(), folder / Path(tls.key).expanduser()


def load(spec: StackSpec, now: float | None = None) -> KeyPair:
    """Read and check both files of a stack that has them. Raises CertificateError."""
    cert, key = files(spec)
    return check(_read(cert), _read(key), cert, key, time.time() if now is None else now)


def check(cert_pem: bytes, key_pem: bytes, cert: Path, key: Path, now: float) -> KeyPair:
    """The pair of these two contents, if they are one and good `now`; the paths are for messages. Raises
    CertificateError."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    try:
        chain = x509.load_pem_x509_certificates(cert_pem)
    except ValueError:
        raise CertificateError(
            f"{cert} holds no certificate in PEM", 'it begins with "-----BEGIN CERTIFICATE-----", the server\'s first'
        ) from None
    try:
        private = serialization.load_pem_private_key(key_pem, password=None)
    except TypeError:
        raise CertificateError(
            f"the key in {key} is encrypted, and nobody is there to type its passphrase when the balancer restarts",
            f"take it off: openssl pkey -in {key} -out NEW",
        ) from None
    except Exception:  # ValueError, or a kind of key that is not supported; its text may hold what was read
        raise CertificateError(
            f"{key} holds no private key in PEM", 'it begins with "-----BEGIN PRIVATE KEY-----"'
        ) from None
    leaf, kind = chain[0], (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if leaf.public_key().public_bytes(*kind) != private.public_key().public_bytes(*kind):
        raise CertificateError(
            f"{key} is not the key of the certificate in {cert}", "the server's certificate stands first in its file"
        )
    begins, expires = leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp()
    if expires <= now:
        raise CertificateError(f"the certificate in {cert} ended on {_day(expires)}", "renew it")
    if begins > now:
        raise CertificateError(
            f"the certificate in {cert} is good from {_day(begins)} on", "wait, or set this machine's clock"
        )
    return KeyPair(
        pem=_joined(chain, private),
        fingerprint=leaf.fingerprint(hashes.SHA1()).hex().upper(),
        expires=expires,
        names=_names(leaf),
    )


def _joined(chain: list[x509.Certificate], private: object) -> bytes:
    """Chain and key in one file, written anew: no empty line, which would end them on the balancer's socket."""
    from cryptography.hazmat.primitives import serialization

    key = private.private_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain) + bytes(key)


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    """For whom it is: its DNS names and addresses, else its common name."""
    from cryptography import x509

    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return tuple(str(name.value) for name in found if isinstance(name, x509.DNSName | x509.IPAddress))
    except (x509.ExtensionNotFound, ValueError):
        return tuple(str(one.value) for one in leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        hint = "see balancer.tls in the stack file"
        raise CertificateError(f"{path} cannot be read: {error.strerror}", hint) from None
    if len(data) > MAX_BYTES:
        raise CertificateError(f"{path} is larger than {MAX_BYTES >> 10} KiB, which no certificate is")
    return data


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(at))
