import base64
import subprocess
import sys
from collections import Counter

import pytest

from dftui.stack import appkey


def test_a_new_key_is_32_letters_and_digits_and_never_the_same() -> None:
    keys = {appkey.new_key() for _ in range(200)}
    assert len(keys) == 200
    assert all(len(key) == 32 and key.isascii() and key.isalnum() for key in keys)
    assert all(appkey.check(key) is None for key in keys)


def test_no_character_is_likelier_than_another() -> None:
    # 62 characters, 64,000 draws: each about 1032 times, standard deviation 32; six of them is never chance.
    counts = Counter("".join(appkey.new_key() for _ in range(2000)))
    assert set(counts) == set(appkey.ALPHABET)
    assert max(counts.values()) < 1032 + 6 * 32
    assert min(counts.values()) > 1032 - 6 * 32


def test_every_byte_value_that_would_favour_a_character_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(appkey, "_random_bytes", lambda: bytes(range(256)))
    drawn = Counter(appkey._letters(248))
    assert set(drawn.values()) == {4}


def test_a_base64_key_is_32_bytes_and_safe_for_sed() -> None:
    for _ in range(50):
        key = appkey.new_base64_key()
        assert key.startswith("base64:")
        assert len(base64.b64decode(key[7:], validate=True)) == 32
        assert not set("+/&\\#") & set(key)
        assert appkey.check(key) is None


def test_a_password_is_long_enough_for_everything() -> None:
    password = appkey.new_password()
    assert len(password) >= 24
    assert password.isalnum()


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("", "32 characters"),
        ("a" * 31, "is 31"),
        ("a" * 33, "is 33"),
        ("a" * 31 + "é", "printable ASCII"),
        ("a" * 31 + "&", "sed"),
        ("a" * 15 + "\n" + "a" * 16, "printable"),
        ("a" * 32 + "\n", "white space"),
        ("base64:" + "a" * 31, "not base64"),
        ("base64:" + base64.b64encode(b"x" * 16).decode(), "is 16"),
    ],
)
def test_a_bad_key_is_told_without_being_shown(key: str, told: str) -> None:
    problem = appkey.check(key)
    assert problem is not None
    assert told in problem
    assert len(key) < 8 or key not in problem


def test_a_fingerprint_is_short_stable_and_not_the_key() -> None:
    key = "0123456789abcdefghijklmnopqrstuv"
    assert appkey.fingerprint(key) == appkey.fingerprint(key)
    assert len(appkey.fingerprint(key)) == 8
    assert appkey.fingerprint(key) not in key
    assert appkey.fingerprint(key) != appkey.fingerprint(key[::-1])


def test_cryptography_is_imported_only_when_a_key_is_made() -> None:
    heavy = "cryptography", "yaml"
    code = f"import sys, dftui.stack.secrets, dftui.stack.file; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_keys_come_from_the_cryptography_package(monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptography.hazmat.primitives.ciphers import aead

    asked: list[int] = []

    class Fixed:
        @staticmethod
        def generate_key(bits: int) -> bytes:
            asked.append(bits)
            return bytes(range(32))

    monkeypatch.setattr(aead, "AESGCM", Fixed)
    assert appkey.new_key() == appkey.ALPHABET[:32]
    assert asked == [256]
