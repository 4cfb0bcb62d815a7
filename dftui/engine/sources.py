"""This machine's Debian or Ubuntu package sources, for building the bundled images with them.

Formats: sources.list(5) (one line an entry, or stanzas), os-release(5), apt-config(8).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from dftui.engine.api import EngineError

_HINT = "Bundled images are built on Debian or Ubuntu, from the sources in /etc/apt/sources.list.d."
_KEPT_OPTIONS = re.compile(
    r"^Acquire::(https?::(Proxy|Timeout|Verify|CaInfo)|ftp::Proxy|Check-|Retries|ForceIPv|Max-)", re.I
)
_POCKETS = ("", "-updates", "-security")
_STANZA_NAMES = {"arch": "architectures", "lang": "languages", "target": "targets"}
_ONE_LINE = re.compile(r"^deb\s+(?:\[(?P<options>[^]]*)]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)$")


def debian_sources(root: Path = Path("/")) -> tuple[str, str]:
    """The release's code name, and its sources as stanzas; other vendors' sources are left out.

    Raises EngineError where this is neither Debian nor Ubuntu, or has no such source.
    """
    codename = _codename(root / "etc/os-release")
    folder = root / "etc/apt"
    texts = []
    for path in [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]:
        if path.suffix in (".list", ".sources") and path.is_file():
            texts.append((path.suffix, path.read_text("utf-8", "replace")))
    stanzas = [stanza for suffix, text in texts for stanza in _stanzas(suffix, text)]
    kept = [made for stanza in stanzas if (made := _of_release(stanza, codename))]
    if not kept:
        raise EngineError(f"No package source for {codename} was found on this machine.", _HINT)
    return codename, "\n".join(kept)


def apt_options() -> str:
    """What this machine's apt needs to reach its sources (proxies, checks), as apt.conf lines."""
    program = shutil.which("apt-config")
    if program is None:
        return ""
    dump = subprocess.run([program, "dump"], capture_output=True, text=True, check=False, timeout=10)
    lines = [line for line in dump.stdout.splitlines() if _KEPT_OPTIONS.match(line) and not line.endswith('"";')]
    return "".join(f"{line}\n" for line in lines)


def _codename(path: Path) -> str:
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    facts = {name: value.strip("\"'") for name, equals, value in (line.partition("=") for line in lines) if equals}
    family = {facts.get("ID", ""), *facts.get("ID_LIKE", "").split()}
    codename = facts.get("UBUNTU_CODENAME") or facts.get("VERSION_CODENAME", "")
    if not codename or not family & {"debian", "ubuntu"}:
        name = facts.get("PRETTY_NAME", "this system")
        raise EngineError(f"The bundled images cannot be built on {name}.", _HINT)
    return codename


def _stanzas(suffix: str, text: str) -> Iterable[dict[str, str]]:
    """Entries of one file as fields by lower-case name; a field's further lines keep their line breaks."""
    if suffix == ".list":
        for line in text.splitlines():
            if found := _ONE_LINE.match(line.partition("#")[0].strip()):
                fields = {"uris": found["uri"], "suites": found["suite"], "components": found["components"]}
                for option in (found["options"] or "").split():
                    name, _, value = option.partition("=")
                    fields[_STANZA_NAMES.get(name.lower(), name.lower())] = value.replace(",", " ")
                yield {"types": "deb", **fields}
        return
    for block in re.split(r"\n[ \t]*\n", text):
        fields, name = {}, ""
        for line in block.splitlines():
            if line.startswith("#"):
                continue
            if line[:1] in (" ", "\t") and name:
                fields[name] += "\n" + line
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if fields:
            yield fields


def _of_release(fields: dict[str, str], codename: str) -> str:
    """The stanza with nothing but this release's suites; "" when it is not about the release itself."""
    wanted = [codename + pocket for pocket in _POCKETS]
    suites = [suite for suite in fields.get("suites", "").split() if suite in wanted]
    off = fields.get("enabled", "yes").lower() in ("no", "false", "0", "off")
    if not suites or off or "deb" not in fields.get("types", "").split():
        return ""
    if "main" not in fields.get("components", "").split():
        return ""
    kept = {**fields, "types": "deb", "suites": " ".join(suites)}
    kept.pop("enabled", None)
    names = {"uris": "URIs"}
    return "".join(f"{names.get(name, name.title())}: {value}\n" for name, value in kept.items())
