"""YAML that a person can read: block style, what is shared written once."""

from __future__ import annotations

from typing import Any

import yaml
from yaml.nodes import Node, ScalarNode


class Merge(str):
    """The key `<<`, which takes a mapping's content over."""


class _Dumper(yaml.SafeDumper):
    """Names what is shared by the stack's own word."""

    shared = "web"

    def generate_anchor(self, node: Node) -> str:
        return self.shared

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


def _merge(dumper: yaml.SafeDumper, text: Merge) -> ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:merge", str(text))


_Dumper.add_representer(str, _text)
_Dumper.add_representer(Merge, _merge)


def dump(document: dict[str, Any]) -> str:
    """The document as text."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)


def literal(value: Any) -> Any:
    """The same with every `$` doubled: compose and swarm put variables in its place."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, dict):
        return {key: literal(one) for key, one in value.items()}
    return [literal(one) for one in value] if isinstance(value, list | tuple) else value
