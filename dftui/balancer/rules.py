"""Rules of haproxy.cfg's frontend: whose word about a client is believed, who may reach the setup form, and the
balancer's own answers."""

from __future__ import annotations

import json
from collections.abc import Sequence

TRUSTED_ACL = 77
"""Number of the list of trusted proxies, by which it is changed at run time."""
NOBODY = "255.255.255.255"
"""No peer has this address: a list may not be empty."""


def forwarding(proxies: Sequence[str]) -> list[str]:
    """What a client claims about itself is not passed on. From a trusted proxy it is: its forwarding headers stay,
    the peer's address is appended, and the client is the last address that is no trusted proxy's (three deep)."""
    trusted = "{ var(txn.trusted) -m bool }"
    return [
        f"    acl trusted src -u {TRUSTED_ACL} {' '.join(proxies) or NOBODY}",
        "    http-request set-var(txn.peer) src",
        "    http-request set-var(txn.trusted) bool(true) if trusted",
        f"    http-request del-header X-Forwarded- -m beg unless {trusted}",
        f"    http-request del-header Forwarded unless {trusted}",
        f"    http-request del-header X-Real-IP unless {trusted}",
        f"    http-request set-src req.hdr_ip(X-Forwarded-For,-1) if {trusted}",
        f"    http-request set-src req.hdr_ip(X-Forwarded-For,-2) if {trusted} trusted",
        f"    http-request set-src req.hdr_ip(X-Forwarded-For,-3) if {trusted} trusted",
        "    http-request add-header X-Forwarded-For %[var(txn.peer)]",
        "    acl plain_id req.hdr(X-Request-ID) -m reg ^[A-Za-z0-9._-]{1,64}$",
        "    acl one_id req.hdr_cnt(X-Request-ID) eq 1",
        f"    http-request set-var(txn.id) req.hdr(X-Request-ID) if {trusted} plain_id one_id",
        "    http-request set-var(txn.id) unique-id unless { var(txn.id) -m found }",
        "    http-request set-header X-Request-ID %[var(txn.id)]",
        "    http-after-response set-header X-Request-ID %[var(txn.id)] if { var(txn.id) -m found }",
    ]


# /setup in every spelling that the application or a proxy in it takes for it: percent-encoded, with doubled or
# trailing slashes, in other case, behind the front controller, or reached through dot segments.
_SETUP = (
    r"    acl setup_path path,url_dec -m reg -i '^[/\\]*(index\.php[/\\]+)*setup(_db)?([/\\;]|$)'",
    r"    acl setup_end path,url_dec -m reg -i '[/\\]setup(_db)?[/\\]*$'",
    r"    acl dot_segments path,url_dec -m reg '[/\\]\.{1,2}[/\\]'",
    "    acl setup_closed var(proc.setup_closed) -m int 1",
    "    http-request set-var(txn.setup) bool(true) if setup_path or setup_end dot_segments",
    "    http-request return {answer} if setup_closed {{ var(txn.setup) -m bool }}",
)


def setup() -> list[str]:
    """The setup form is refused while `proc.setup_closed` is 1, which can be set at run time."""
    closed = answer(403, "Setup is closed: an administrator exists.")
    return [rule.format(answer=closed) if "{answer}" in rule else rule for rule in _SETUP]


def answer(status: int, message: str) -> str:
    """One of the balancer's own answers, shaped as DreamFactory's errors are."""
    body = json.dumps({"error": {"code": status, "message": message, "status_code": status}}, separators=(",", ":"))
    return f"status {status} content-type application/json string '{body}'"
