"""Nothing secret stands in the repository: sources, snapshots, screenshots."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import platformdirs
import pytest

from tests.sources import ROOT, tracked

RUN = re.compile(rb"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9]{24,64}(?![A-Za-z0-9+/_=-])")
BASE64_KEY = re.compile(rb"base64:[A-Za-z0-9+/]{43}=")
TOKEN = re.compile(rb"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.([A-Za-z0-9_-]{20,})")
PRIVATE = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s*[A-Za-z0-9+/]")


def looks_random(text: bytes) -> bool:
    """Whether a run of letters and digits could have come out of a generator: all three kinds, few repeated, and
    no stretch in the order of the alphabet or in words (capitals and digits spread all over)."""
    kinds = (re.search(rb"[a-z]", text), re.search(rb"[A-Z]", text), re.search(rb"[0-9]", text))
    if not all(kinds) or len(set(text)) < len(text) * 0.55:
        return False
    ascending = sum(b - a == 1 for a, b in pairwise(text))
    # In random text three of five neighbours differ in kind; in words and names few do.
    changes = sum(kind(a) != kind(b) for a, b in pairwise(text))
    return ascending < len(text) / 4 and changes > len(text) * 0.4


def kind(byte: int) -> str:
    return "digit" if chr(byte).isdigit() else "upper" if chr(byte).isupper() else "lower"


def found_in(data: bytes) -> list[str]:
    """Words for each thing in `data` that looks like a secret, without the thing."""
    told = [
        f"what looks like a key or password at byte {m.start()}"
        for m in RUN.finditer(data)
        # A token's header begins so, and is the same for all; its signature is looked for below.
        if looks_random(m[0]) and not m[0].startswith(b"eyJ")
    ]
    told += [
        f"what looks like a base64 APP_KEY at byte {m.start()}"
        for m in BASE64_KEY.finditer(data)
        if looks_random(m[0][7:-1].replace(b"+", b"").replace(b"/", b""))
    ]
    told += [f"what looks like a JWT at byte {m.start()}" for m in TOKEN.finditer(data) if looks_random(m[1])]
    told += [f"a private key at byte {m.start()}" for m in PRIVATE.finditer(data)]
    return told


def test_the_scan_sees_what_the_program_makes() -> None:
    from dftui.stack import appkey

    made = [make() for make in (appkey.new_key, appkey.new_base64_key, appkey.new_password) for _ in range(300)]
    seen = sum(bool(found_in(f'KEY="{text}"'.encode())) for text in made)
    assert seen > 0.95 * len(made)


@pytest.mark.parametrize(
    "text",
    [
        "abcdefghijklmnopqrstuvwxyz012345",
        "a" * 32,
        "0123456789abcdef0123456789abcdef",
        "testTheReplicasThatServe2Requests",
    ],
)
def test_the_scan_lets_plain_words_pass(text: str) -> None:
    assert found_in(text.encode()) == []


def test_no_file_of_the_project_holds_a_secret() -> None:
    told = []
    for path in tracked():
        if path.is_file() and path.relative_to(ROOT) != Path(".ci/constraints.txt"):
            told += [f"{path.relative_to(ROOT)}: {what}" for what in found_in(path.read_bytes())]
    assert told == []


def test_no_secret_of_a_stack_of_this_machine_is_in_the_project() -> None:
    """The pictures are made from a live stack; whatever its file holds must not be in them."""
    values: set[bytes] = set()
    # Not the test's own folder: the user's.
    for file in platformdirs.user_config_path("dftui").glob("*/*.env*"):
        lines = file.read_text().splitlines() if file.stat().st_size < 65536 else []
        values |= {line.partition("=")[2].encode() for line in lines if re.match(r"APP_KEY|\w+_PASSWORD", line)}
    values = {value for value in values if len(value) >= 8}
    told = []
    for path in filter(Path.is_file, tracked()):
        data = path.read_bytes()
        if any(value in data for value in values):
            told.append(str(path.relative_to(ROOT)))
    assert told == []


def test_no_secrets_file_is_in_the_project() -> None:
    assert [str(path) for path in tracked() if path.name.endswith(".env") or path.suffix in (".pem", ".key")] == []
