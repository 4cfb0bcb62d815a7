"""The rows about a standby balancer: what it costs clients that know both addresses when the manager of the active
one is lost with all that runs there, and how long dftui takes to act by the other one."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from dftui.engine.bundled import bundled_tag
from tests import tinyweb
from tests.bench.rows import Row, Sample
from tests.stacks import Stack
from tests.swarmlab import LabNode, SwarmLab
from tests.twohomes import TwoHomes

COMMAND = "python -m tests.bench standby"
CLIENTS = 16
PATIENCE = 1.0
"""Seconds that a client waits for an answer before it tries the other address."""
TRIED = 2.0
"""Seconds in which the standby gives up two replicas that do not answer; its checks take all of them out by then."""
MARGIN = 0.5
_CALM = 200


def standby(runs: int) -> list[Row]:
    """Three managers, the leader lost each time; each run brings it back and in step."""
    waits: list[float] = []
    calm: list[float] = []
    lost: list[float] = []
    later: list[float] = []
    acts: list[float] = []
    plain: list[float] = []
    web = tinyweb.tiny_image()
    with SwarmLab(3, 3) as lab, tempfile.TemporaryDirectory(prefix="dftui-bench-") as folder:
        lab.load(web, bundled_tag("balancer"))
        one, two = lab.nodes[:2]
        text = f"  nodes: [{one.name}, {two.name}]\n{lab.stack_lines}"
        text += f"images: {{source: bundled, web: '{web}'}}\nweb: {{replicas: 4, kind: plain, health: /status}}\n"
        with Stack(Path(folder), text, host=one.host, address=one.address) as stack:
            stack.ok("up")
            for _ in range(runs):
                lost_one = _leader_of_pair(lab)
                stack.env = {**stack.env, "DOCKER_HOST": lost_one.host}
                stack.ok("repair")
                status = stack.json("status")
                urls = [status["url"], status["standby"]["url"]]
                begin = time.monotonic()
                stack.ok("scale", "+1")
                plain.append(time.monotonic() - begin)
                with TwoHomes(urls, CLIENTS, first=PATIENCE) as clients:
                    clients.until_answered(_CALM)
                    calm.append(clients.longest())
                    lab.cut(lost_one)
                    lost_one.kill()
                    begin = time.monotonic()
                    clients.until_moved(CLIENTS)
                    stack.ok("scale", "+1")
                    acts.append(time.monotonic() - begin)
                    clients.until_answered(_CALM, at=1)
                waits.append(max(clients.gaps))
                lost.append(sum(at == 0 for at, _ in clients.failed))
                later.append(sum(at == 1 for at, _ in clients.failed))
                lab.mend(lost_one)
                lost_one.again()
                lab.until_ready()
                stack.ok("repair")
                stack.ok("scale", "4")
            stack.ok("down", "--volumes", "--yes")
    return [
        Row(
            f"the active balancer's manager lost: longest wait of {CLIENTS} clients that try the second address",
            COMMAND,
            runs,
            Sample(tuple(waits), "s"),
            Sample(tuple(calm), "s"),
            "their longest wait while nothing is lost",
            f"at most {PATIENCE + TRIED + MARGIN:g} s: their own {PATIENCE:g} s, {TRIED:g} s for two replicas of the "
            "lost machine that the standby tries first, and a margin",
            max(waits) <= PATIENCE + TRIED + MARGIN,
        ),
        Row(
            f"the same: requests that {CLIENTS} clients had to send again",
            COMMAND,
            runs,
            Sample(tuple(lost), "requests"),
            None,
            "",
            f"at most {CLIENTS}: what was under way",
            max(lost) <= CLIENTS,
        ),
        Row(
            "the same: requests that failed at the standby",
            COMMAND,
            runs,
            Sample(tuple(later), "requests"),
            None,
            "",
            "0",
            max(later) == 0,
        ),
        Row(
            "the same: from the loss until `dftui scale +1` is done by the other manager; the lost one led the swarm",
            COMMAND,
            runs,
            Sample(tuple(acts), "s"),
            Sample(tuple(plain), "s"),
            "`dftui scale +1` before",
            "-",
            None,
        ),
    ]


def _leader_of_pair(lab: SwarmLab) -> LabNode:
    """The node of the pair that leads the swarm; a third one that does is started anew until another leads."""
    while True:
        rows = next(node for node in lab.nodes if node.answers()).docker(
            "node", "ls", "--format", "{{.Hostname}} {{.ManagerStatus}}"
        )
        leader = next((row.split()[0] for row in rows.splitlines() if row.endswith("Leader")), "")
        for node in lab.nodes[:2]:
            if node.name == leader:
                return node
        lab.nodes[2].kill()
        time.sleep(1)
        lab.nodes[2].again()
        lab.until_ready()
