"""Certificates for tests: one that signs itself for 127.0.0.1, and clients that go on asking it."""

from __future__ import annotations

import datetime
import http.client
import ipaddress
import socket
import ssl
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def pair(days: float = 90, *, begins: float = -1, name: str = "df.example.com") -> tuple[bytes, bytes]:
    """A certificate that ends so many days from now, and its key, both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    addresses = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(issuer)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=begins))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name), *addresses]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM), pem


def write(folder: Path, made: tuple[bytes, bytes]) -> str:
    """Both as `site.pem` and `site.key`; the certificate's fingerprint (SHA-1, as HAProxy tells it)."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in zip(("site.pem", "site.key"), made, strict=True):
        (folder / name).write_bytes(data)
    return fingerprint(made[0])


def fingerprint(pem: bytes) -> str:
    return x509.load_pem_x509_certificate(pem).fingerprint(hashes.SHA1()).hex().upper()


def context() -> ssl.SSLContext:
    """Takes any certificate: which one it is, is looked at."""
    made = ssl.create_default_context()
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def served(port: int) -> str:
    """The fingerprint of what a new connection is shown."""
    with socket.create_connection(("127.0.0.1", port), 10) as raw, context().wrap_socket(raw) as tls:
        der = tls.getpeercert(binary_form=True)
    assert der
    return x509.load_der_x509_certificate(der).fingerprint(hashes.SHA1()).hex().upper()


@dataclass
class Asking:
    """Clients over HTTPS, some on one connection all the time, some on a new one for each request. Use as a context
    manager; anything but a 200 is a failure."""

    port: int
    pace: float = 0.01
    answered: int = 0
    kept: int = 0
    """Answers on connections that were open from the beginning."""
    failed: list[str] = field(default_factory=list)
    shown: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> Asking:
        self._stop = threading.Event()
        self._lock = threading.Lock()
        jobs = [self._keep, self._keep, self._anew, self._anew]
        self._threads = [threading.Thread(target=job, daemon=True) for job in jobs]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    def until(self, answered: int, patience: int = 3000) -> None:
        """Until so many more have been answered."""
        wanted = self.answered + answered
        for _ in range(patience):
            if self.answered >= wanted:
                return
            self._stop.wait(0.01)
        raise AssertionError(f"{self.answered} answered, not {wanted}; failed: {self.failed[:3]}")

    def _ask(self, connection: http.client.HTTPSConnection, *, keeps: bool) -> None:
        try:
            connection.request("GET", "/", headers={} if keeps else {"Connection": "close"})
            answer = connection.getresponse()
            answer.read()
            with self._lock:
                self.answered += 1
                self.kept += keeps
                if answer.status != 200:
                    self.failed.append(f"status {answer.status}")
        except (OSError, http.client.HTTPException) as error:
            with self._lock:
                self.failed.append(f"{type(error).__name__}: {error}")
            connection.close()

    def _connection(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=20, context=context())

    def _keep(self) -> None:
        connection = self._connection()
        connection.connect()
        # A client that had to connect again would not show that its connection was cut.
        connection.auto_open = 0
        while not self._stop.wait(self.pace):
            self._ask(connection, keeps=True)
        connection.close()

    def _anew(self) -> None:
        while not self._stop.wait(self.pace):
            connection = self._connection()
            try:
                connection.connect()
                der = connection.sock.getpeercert(binary_form=True)
                assert der is not None
                with self._lock:
                    self.shown[x509.load_der_x509_certificate(der).fingerprint(hashes.SHA1()).hex().upper()] += 1
            except OSError as error:
                with self._lock:
                    self.failed.append(f"{type(error).__name__}: {error}")
                continue
            self._ask(connection, keeps=False)
            connection.close()
