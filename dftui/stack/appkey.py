"""DreamFactory's APP_KEY and the passwords of a stack: made, checked, and told apart by a fingerprint.

An APP_KEY is the key of Laravel's AES-256-CBC: 32 bytes as they stand, or "base64:" and 32 bytes in base64.
It also signs every session token, so all replicas must hold the same one.  What dftui makes consists of letters
and digits alone, because the image writes it into a file with sed, which mangles other characters.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import string

ALPHABET = string.ascii_letters + string.digits
"""What generated keys and passwords consist of."""
KEY_LENGTH = 32
PASSWORD_LENGTH = 32
PRINTED = frozenset(("0a154703", "f0e661aa"))
"""Fingerprints of the keys that everybody can read, because DreamFactory's own pages had them: the one of the `docker
run` lines and the compose file for several webs, the one of the image's first `.env`.
Source: github.com/dreamfactorysoftware/df-docker of 2016, docker-compose.yml-load-balance and .env."""
_BASE64_PREFIX = "base64:"
_MANGLED = set("&\\#'\"`$/|<>() \t")


def _random_bytes() -> bytes:
    # Imported here because it costs about 20 ms, and no key is made at most starts.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM.generate_key(256)


def _letters(count: int) -> str:
    """`count` characters of `ALPHABET`, each equally likely: bytes at or past the last multiple of 62 are dropped."""
    limit = 256 - 256 % len(ALPHABET)
    found: list[str] = []
    while len(found) < count:
        found += [ALPHABET[byte % len(ALPHABET)] for byte in _random_bytes() if byte < limit]
    return "".join(found[:count])


def new_key() -> str:
    """Make an APP_KEY of 32 letters and digits (190 bits)."""
    return _letters(KEY_LENGTH)


def new_base64_key() -> str:
    """Make an APP_KEY in Laravel's own form, `base64:` and 32 bytes.

    Keys whose base64 holds "+" or "/" are thrown away (two bits less), so that sed and shells leave them whole.
    """
    while True:
        text = base64.b64encode(_random_bytes()).decode()
        if text.rstrip("=").isalnum():
            return _BASE64_PREFIX + text


def new_password() -> str:
    """Make a password of 32 letters and digits: safe for the image's sed, an option file, a URL and a shell."""
    return _letters(PASSWORD_LENGTH)


def check(key: str) -> str | None:
    """Tell what is wrong with an APP_KEY, in one sentence that does not hold it; None when it is good."""
    if key != key.strip():
        return "the APP_KEY has white space around it"
    if key.startswith(_BASE64_PREFIX):
        try:
            raw = base64.b64decode(key.removeprefix(_BASE64_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            return 'what follows "base64:" in the APP_KEY is not base64'
        if len(raw) != KEY_LENGTH:
            return f'what follows "base64:" in the APP_KEY must be {KEY_LENGTH} bytes, and is {len(raw)}'
        return None
    if not key.isascii() or not key.isprintable():
        return "the APP_KEY holds characters that are not printable ASCII"
    if len(key) != KEY_LENGTH:
        return (
            f"the APP_KEY must be {KEY_LENGTH} characters, and is {len(key)} "
            '(or "base64:" and 32 bytes in base64); with another length DreamFactory looks healthy and fails at login'
        )
    if _MANGLED & set(key):
        return "the APP_KEY holds a character that the image's sed mangles; letters and digits are safe"
    return None


def fingerprint(key: str) -> str:
    """Name a key without showing it: the first 8 hex digits of its SHA-256 (the text as it stands)."""
    return hashlib.sha256(key.encode()).hexdigest()[:8]
