"""The help: one page a topic, in Markdown beside this file, shown by `?`, by `dftui help TOPIC` and on the web."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import resources

from dftui.watch.alarms import Alarm

GROUPS: Mapping[str, tuple[str, ...]] = {
    "Begin": ("tutorial", "screen"),
    "Panes": ("services", "replicas", "logs", "requests", "actions", "probe", "graphs", "verify", "nodes"),
    "Tasks": (
        "up-and-down",
        "scale",
        "how-far",
        "drain",
        "roll",
        "repair",
        "inside",
        "backup",
        "export",
        "adopt",
        "stack-file",
        "plain-web",
        "swarm",
        "tls",
        "config",
        "secrets",
        "ssh",
        "podman",
        "browser",
        "read-only",
        "themes",
        "doctor",
        "uninstall",
    ),
    "Alarms": ("alarms", *(alarm.value for alarm in Alarm)),
}
"""Topics in the order to show them. A pane's page has the pane's name, an alarm's page the alarm's."""
TOPICS: tuple[str, ...] = tuple(topic for topics in GROUPS.values() for topic in topics)


class NoTopic(Exception):
    """There is no such page; the text is one sentence, `hint` what there is."""

    def __init__(self, name: str) -> None:
        near = get_close_matches(name, TOPICS, n=1, cutoff=0.5)
        super().__init__(f"there is no help topic {name!r}{f'; {near[0]!r} is close' if near else ''}.")
        self.hint = "dftui help lists all topics."


def page(topic: str) -> str:
    """A topic's Markdown. Raises NoTopic."""
    if topic not in TOPICS:
        raise NoTopic(topic)
    return (resources.files("dftui") / "help" / f"{topic}.md").read_text(encoding="utf-8")


def title(topic: str) -> str:
    """A page's first heading."""
    return page(topic).partition("\n")[0].lstrip("# ")
