"""HTTPS in the balancer: where its certificate lies, the rules of the frontend, and what HAProxy says is loaded.

The file holds the key: it is put into the container's own layer, mode 0600 and HAProxy's own, and is in no image,
argument, label or variable.  Source: HAProxy management guide, "set ssl cert", "commit ssl cert", "show ssl cert".
"""

from __future__ import annotations

import calendar
import time
from dataclasses import dataclass

CERTIFICATE_FOLDER = "/var/lib/haproxy"
"""HAProxy's own folder in official and bundled images alike: whose it is, is who reads the file."""
CERTIFICATE_PATH = f"{CERTIFICATE_FOLDER}/site.pem"
PORT = 443
"""The port that the balancer listens on for HTTPS, inside its container."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What HAProxy serves. `expires` is unix time; `fingerprint` SHA-1 in upper case; `names` as they stand in it."""

    fingerprint: str
    expires: float
    names: tuple[str, ...] = ()


def bind() -> str:
    """The line that listens."""
    return f"    bind :{PORT} ssl crt {CERTIFICATE_PATH} alpn h2,http/1.1 ssl-min-ver TLSv1.2"


def rules(port: int) -> list[str]:
    """Of the frontend, after those about forwarding: the scheme is passed on, and who came by http is sent to https
    at the published `port`. A trusted proxy that was reached by https itself is not, nor are dftui's own questions
    from inside the container."""
    where = "" if port == PORT else f":{port}"
    return [
        "    acl told_scheme req.hdr(X-Forwarded-Proto) -m found",
        "    acl came_by_https req.hdr(X-Forwarded-Proto) -m str -i https",
        "    acl inside var(txn.peer) -m ip 127.0.0.1",
        "    http-request set-header X-Forwarded-Proto https if { ssl_fc } !told_scheme",
        "    http-request set-header X-Forwarded-Proto http if !{ ssl_fc } !told_scheme",
        "    http-request set-var(txn.site) req.hdr(Host),host_only",
        "    http-request deny deny_status 400 if !{ ssl_fc } !came_by_https !inside !{ var(txn.site) -m found }",
        f"    http-request redirect code 308 location https://%[var(txn.site)]{where}%[pathq] "
        "if !{ ssl_fc } !came_by_https !inside",
    ]


def parse(reply: str) -> Certificate | None:
    """What `show ssl cert` says; None when there is none."""
    found: dict[str, str] = {}
    for line in reply.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip(), value.strip())
    try:
        expires = calendar.timegm(time.strptime(found["notAfter"], "%b %d %H:%M:%S %Y GMT"))
        names = tuple(
            name.strip().partition(":")[2]
            for name in found.get("Subject Alternative Name", "").split(",")
            if ":" in name
        )
        return Certificate(found["SHA1 FingerPrint"], float(expires), names)
    except (KeyError, ValueError):
        return None
