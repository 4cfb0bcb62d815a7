"""The stack file, `dftui.yaml`: read safely, checked whole, and every mistake told with its place.

Only YAML's node tree is built (no Python object ever comes from the file), so that each error knows its line and
column, doubled keys are seen, and numbers keep the text they were written as.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dftui.stack import values
from dftui.stack.spec import AdminSpec, BackupSpec, BalancerSpec, ImagesSpec, LogsSpec, StackSpec, WebSpec

if TYPE_CHECKING:
    import yaml

DEFAULT_NAME = "dftui.yaml"
MAX_BYTES = 1 << 20
MAX_REPLICAS = 200

_IMAGES: Mapping[str, values.Reader] = {
    "web": values.image,
    "db": values.image,
    "cache": values.image,
    "balancer": values.image,
    "source": values.one_of("auto", "pull", "bundled"),
}
_WEB: Mapping[str, values.Reader] = {
    "replicas": values.whole(0, MAX_REPLICAS),
    "cpus": values.number(0.01, 1024, "cores"),
    "memory": values.size(values.MIN_MEMORY, 2**63, "a size of at least 6m, as 512m or 2g"),
    "min": values.whole(0, MAX_REPLICAS),
    "max": values.whole(1, MAX_REPLICAS),
    "health": values.url_path,
    "port": values.whole(1, 65535),
    "drain_timeout": values.seconds(0, 3600),
    "start_timeout": values.seconds(1, 3600),
    "cool_down": values.seconds(1, 3600),
    "target_rps": values.number(0.1, 1_000_000, "requests a second"),
    "target_cpu": values.number(1, 6400, "percent of a core"),
}
_BALANCER: Mapping[str, values.Reader] = {
    "publish": values.publish,
    # The others of HAProxy's algorithms take no servers at run time, or would not share the work.
    "balance": values.one_of("roundrobin", "leastconn", "random"),
}
_LOGS: Mapping[str, values.Reader] = {
    "memory": values.size(1 << 20, (1 << 30) + 1, "a size from 1m to 1g, as 32m"),
    "per_container": values.size(256 << 10, (1 << 30) + 1, "a size from 256k to 1g, as 2m"),
    "tail": values.whole(0, 1_000_000),
}
_ADMIN: Mapping[str, values.Reader] = {
    "email": values.email,
    "name": values.person,
    "first_name": values.person,
    "last_name": values.person,
    "phone": values.phone,
}
_BACKUP: Mapping[str, values.Reader] = {"before_roll": values.truth, "keep": values.whole(1, 1000)}
_TOP: Mapping[str, values.Reader | None] = {
    "name": values.stack_name,
    "images": None,
    "web": None,
    "balancer": None,
    "admin": None,
    "logs": None,
    "backup": None,
    "subnet": values.subnet,
    "repair": values.one_of("ask", "auto"),
    "theme": values.theme,
    "keys": None,
}

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OWN_VARIABLE = re.compile(r"APP_KEY|(DB|CACHE|REDIS|ADMIN|MYSQL)_.*|SESSION_DRIVER")
"""Variables of a replica that dftui itself sets; see the DreamFactory variables for why each is needed."""
_SECRET = re.compile(r"app_?key|passw(or)?d|secret|token", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FileError:
    """One mistake: place (line and column count from 1; 0 when it has none) and a sentence."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        """`file:line:column: message`."""
        return (
            f"{self.file}:{self.line}:{self.column}: {self.message}" if self.line else f"{self.file}: {self.message}"
        )


class StackFileError(Exception):
    """A stack file that is not used; `errors` holds all its mistakes in the order of their lines."""

    def __init__(self, errors: tuple[FileError, ...]) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.errors = errors


def load(path: Path | None = None) -> StackSpec:
    """Read a stack file; without a path `./dftui.yaml`, and where that is missing the defaults.

    Raises StackFileError with every mistake at once.
    """
    if path is None:
        path = Path(DEFAULT_NAME)
        if not path.exists():
            return StackSpec()
    return parse(read_bytes(path), str(path))


def read_bytes(path: Path) -> bytes:
    """A file's content; one that is missing or too large raises StackFileError."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise StackFileError((FileError(str(path), 0, 0, f"cannot be read: {error.strerror}"),)) from None
    if len(data) > MAX_BYTES:
        raise StackFileError((FileError(str(path), 0, 0, f"is larger than {MAX_BYTES >> 20} MiB"),))
    return data


def load_values(path: Path, where: str, readers: Mapping[str, values.Reader]) -> dict[str, Any]:
    """Another file of single values and `keys`, checked as the stack file is. Raises StackFileError."""
    reader = _Reader(str(path))
    found: dict[str, Any] = {}
    root = reader.compose(read_bytes(path))
    if root is not None:
        for key, pair in reader.mapping(root, where, {**readers, "keys": None}).items():
            found[key] = reader.keys(pair.value) if key == "keys" else reader.scalar(pair.value, key, readers[key])
    if reader.errors:
        raise StackFileError(tuple(reader.errors))
    return found


def parse(data: bytes, file: str) -> StackSpec:
    """Read a stack file's content; `file` is its name for messages. Raises StackFileError."""
    reader = _Reader(file)
    root = reader.compose(data)
    spec = reader.stack(root) if root is not None else StackSpec(path=file)
    if reader.errors:
        raise StackFileError(tuple(sorted(reader.errors, key=lambda error: (error.line, error.column))))
    return spec


def show(text: str) -> str:
    """A value from a file, quoted and short, with everything unprintable spelled out."""
    shown = repr(text)
    return shown if len(shown) <= 60 else shown[:57] + "…" + shown[0]


class _Reader:
    """Walks the node tree once and gathers mistakes; sections that hold any come out as their defaults."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.errors: list[FileError] = []

    def error(self, node: yaml.Node, message: str) -> None:
        mark = node.start_mark
        self.errors.append(FileError(self.file, mark.line + 1, mark.column + 1, message))

    def compose(self, data: bytes) -> yaml.Node | None:
        import yaml

        try:
            return yaml.compose(data, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
            parts = [part for part in (error.context, error.problem) if part]
            self.errors.append(FileError(self.file, *place, "is not YAML: " + ", ".join(parts)))
        except yaml.reader.ReaderError as error:
            before = data[: error.position] if isinstance(error.position, int) else b""
            line = before.count(b"\n") + 1
            column = len(before) - (before.rfind(b"\n") + 1) + 1
            self.errors.append(
                FileError(self.file, line, column, "holds a character that YAML forbids, or is not UTF-8")
            )
        except RecursionError:
            self.errors.append(FileError(self.file, 0, 0, "is nested too deeply"))
        return None

    def mapping(self, node: yaml.Node, where: str, allowed: Mapping[str, Any] | None) -> dict[str, _Pair]:
        """The pairs of a mapping by key; unknown and doubled keys are mistakes. `allowed` None allows all."""
        import yaml

        if isinstance(node, yaml.ScalarNode) and node.tag == values.NULL:
            return {}
        if not isinstance(node, yaml.MappingNode):
            self.error(node, f"{where} must be a mapping (key: value), not {_kind(node)}")
            return {}
        found: dict[str, _Pair] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.error(key, f"a key of {where} must be a word, not {_kind(key)}")
            elif key.value in found:
                first = found[key.value].key.start_mark.line + 1
                self.error(key, f"the key {show(key.value)} of {where} is there twice (first in line {first})")
            elif allowed is not None and key.value not in allowed:
                self.unknown(key, where, allowed)
            else:
                found[key.value] = _Pair(key, value)
        return found

    def unknown(self, key: yaml.ScalarNode, where: str, allowed: Mapping[str, Any]) -> None:
        if _SECRET.search(key.value):
            self.error(
                key, f"{show(key.value)} looks like a secret; dftui keeps secrets in a file of its own: dftui key"
            )
            return
        near = difflib.get_close_matches(key.value, allowed, n=1, cutoff=0.5)
        meant = f" (did you mean {near[0]}?)" if near else ""
        self.error(key, f"unknown key {show(key.value)} in {where}{meant}; allowed: {', '.join(allowed)}")

    def scalar(self, node: yaml.Node, name: str, read: values.Reader) -> Any:
        """Read one value; None after a mistake."""
        import yaml

        if not isinstance(node, yaml.ScalarNode):
            self.error(node, f"{name} must be a single value, not {_kind(node)}")
            return None
        try:
            return read(values.Scalar(node.value, node.tag))
        except values.Bad as problem:
            given = "nothing" if node.tag == values.NULL else show(node.value)
            self.error(node, f"{name} is {given}; allowed: {problem}")
            return None

    def section(self, node: yaml.Node, where: str, readers: Mapping[str, values.Reader]) -> _Section:
        """Read a mapping of single values."""
        pairs = self.mapping(node, where, readers)
        before = len(self.errors)
        found = {key: self.scalar(pair.value, f"{where}.{key}", readers[key]) for key, pair in pairs.items()}
        return _Section(found, pairs, len(self.errors) == before)

    def stack(self, root: yaml.Node) -> StackSpec:
        pairs = self.mapping(root, "the stack file", _TOP)
        found: dict[str, Any] = {}
        for key, pair in pairs.items():
            reader = _TOP[key]
            if reader is not None:
                found[key] = self.scalar(pair.value, key, reader)
        if "images" in pairs:
            found["images"] = self.images(pairs["images"].value)
        if "web" in pairs:
            found["web"] = self.web(pairs["web"].value)
        if "balancer" in pairs:
            found["balancer"] = self.balancer(pairs["balancer"].value)
        if "admin" in pairs:
            found["admin"] = self.admin(pairs["admin"].value)
        if "logs" in pairs:
            found["logs"] = self.logs(pairs["logs"].value)
        if "backup" in pairs:
            section = self.section(pairs["backup"].value, "backup", _BACKUP)
            found["backup"] = BackupSpec(**section.found) if section.good else BackupSpec()
        if "keys" in pairs:
            found["keys"] = self.keys(pairs["keys"].value)
        if self.errors:
            return StackSpec(path=self.file)
        spec = StackSpec(path=self.file, **found)
        if spec.subnet is not None:
            # The engine's gateway, the balancer, and one replica more than wanted while they are replaced.
            needed = spec.web.replicas + 3
            room = ipaddress.IPv4Network(spec.subnet).num_addresses - 2
            if room < needed:
                self.error(
                    pairs["subnet"].value,
                    f"subnet is {show(spec.subnet)}, which has {room} addresses; {spec.web.replicas} replicas need "
                    f"{needed}",
                )
        return spec

    def images(self, node: yaml.Node) -> ImagesSpec:
        section = self.section(node, "images", _IMAGES)
        return ImagesSpec(**section.found) if section.good else ImagesSpec()

    def balancer(self, node: yaml.Node) -> BalancerSpec:
        pairs = self.mapping(node, "balancer", {**_BALANCER, "trusted_proxies": None})
        before = len(self.errors)
        found: dict[str, Any] = {
            key: self.scalar(pair.value, f"balancer.{key}", _BALANCER[key])
            for key, pair in pairs.items()
            if key in _BALANCER
        }
        if "trusted_proxies" in pairs:
            name = "balancer.trusted_proxies"
            found["trusted_proxies"] = self.items(pairs["trusted_proxies"].value, name, values.proxy)
        return BalancerSpec() if len(self.errors) > before else BalancerSpec(**found)

    def items(self, node: yaml.Node, where: str, read: values.Reader) -> tuple[Any, ...]:
        """The values of a list, each with its own place for a mistake."""
        import yaml

        if not isinstance(node, yaml.SequenceNode):
            self.error(node, f"{where} must be a list, as [10.0.0.5, 10.1.0.0/16], not {_kind(node)}")
            return ()
        return tuple(self.scalar(item, f"an item of {where}", read) for item in node.value)

    def web(self, node: yaml.Node) -> WebSpec:
        pairs = self.mapping(node, "web", {**_WEB, "env": None})
        before = len(self.errors)
        found: dict[str, Any] = {
            key: self.scalar(pair.value, f"web.{key}", _WEB[key]) for key, pair in pairs.items() if key != "env"
        }
        if "env" in pairs:
            found["env"] = self.env(pairs["env"].value)
        if len(self.errors) > before:
            return WebSpec()
        if {"target_rps", "target_cpu"} <= found.keys():
            self.error(pairs["target_cpu"].key, "web.target_cpu stands beside web.target_rps; allowed: one of them")
        spec = WebSpec(**found)
        # The mistake is told at the key that the file holds; defaults can be contradicted by any of the three.
        for low, high in (("min", "max"), ("min", "replicas"), ("replicas", "max")):
            less, more = getattr(spec, low), getattr(spec, high)
            if less > more:
                at = low if low in pairs else high
                default = "" if {low, high} <= pairs.keys() else " by default"
                told = (
                    f"web.{low} is {less}, more than web.{high}, which is {more}{default}"
                    if at == low
                    else f"web.{high} is {more}, less than web.{low}, which is {less}{default}"
                )
                self.error(pairs[at].value, told)
                break
        return spec

    def env(self, node: yaml.Node) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for name, pair in self.mapping(node, "web.env", None).items():
            if not _VARIABLE.fullmatch(name):
                self.error(pair.key, f"{show(name)} in web.env is no variable's name; allowed: A-Z, a-z, 0-9 and _")
            elif _OWN_VARIABLE.fullmatch(name):
                self.error(
                    pair.key, f"{name} may not stand in web.env: dftui sets it itself, the same for all replicas"
                )
            elif _SECRET.search(name):
                self.error(
                    pair.key, f"{name} in web.env looks like a secret, and secrets never stand in the stack file"
                )
            else:
                found[name] = self.scalar(pair.value, f"web.env.{name}", values.variable)
        return found

    def admin(self, node: yaml.Node) -> AdminSpec:
        import yaml

        if isinstance(node, yaml.ScalarNode) and node.tag != values.NULL:
            mode = self.scalar(node, "admin", values.one_of("auto", "none"))
            return AdminSpec(mode=mode or "auto")
        section = self.section(node, "admin", _ADMIN)
        if not section.good:
            return AdminSpec()
        found = dict(section.found)
        whole = found.pop("name", None)
        if whole is not None:
            if {"first_name", "last_name"} & found.keys():
                self.error(section.pairs["name"].key, "admin.name stands beside admin.first_name or admin.last_name")
                return AdminSpec()
            first, space, last = whole.strip().rpartition(" ")
            if not space:
                self.error(section.pairs["name"].value, f"admin.name is {show(whole)}; allowed: first and last name")
                return AdminSpec()
            found.update(first_name=first.strip(), last_name=last)
        return AdminSpec(**found)

    def logs(self, node: yaml.Node) -> LogsSpec:
        section = self.section(node, "logs", _LOGS)
        if not section.good:
            return LogsSpec()
        spec = LogsSpec(**section.found)
        if spec.per_container > spec.memory:
            at = "per_container" if "per_container" in section.pairs else "memory"
            self.error(
                section.pairs[at].value,
                f"logs.per_container is {spec.per_container:,}, more than logs.memory, {spec.memory:,} bytes",
            )
        return spec

    def keys(self, node: yaml.Node) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for action, pair in self.mapping(node, "keys", None).items():
            found[action] = self.scalar(pair.value, f"keys.{show(action)[1:-1]}", values.key_name)
        return found


@dataclass(frozen=True, slots=True)
class _Pair:
    key: yaml.ScalarNode
    value: yaml.Node


@dataclass(frozen=True, slots=True)
class _Section:
    found: dict[str, Any]
    pairs: dict[str, _Pair]
    good: bool


def _kind(node: yaml.Node) -> str:
    import yaml

    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return show(node.value)
