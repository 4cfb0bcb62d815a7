"""A real Docker swarm of several nodes on this one machine: `make swarm`, and what tests and benchmarks run on.

A node is a dockerd in namespaces of its own (network, host name, mounts, processes), so that it is as alone as on a
machine of its own, and so that nothing of it outlives the end of its process namespace.  The nodes are joined by a
bridge, which lives in a network namespace of its own too: the machine's firewall rules do not see what the nodes tell
each other.  The machine itself has the first address on that bridge and reaches there what a node publishes in host
mode (`node.address`).  No node has a default route: a task that looks for its image's registry is then refused at
once, instead of waiting 20 s for a name to resolve.

Needs root, iproute2 and what the engine's package holds.  Costs about 135 MiB a node.
"""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import json
import os
import random
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from tests.leases import lease
from tests.namespaces import PATIENCE, LabError, Space, ip, until

SUBNETS = tuple(ipaddress.IPv4Network("10.214.0.0/16").subnets(new_prefix=24))
TOOLS = {
    "dockerd": "docker.io",
    "docker": "docker.io",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
}
LONGEST = 60
"""Characters of a lab's folder: the sockets of its daemons lie some folders deeper."""

# What dockerd and containerd would share with the machine's own ones is laid aside.
_ASIDE = """
mount --bind "$1/etc" /etc/docker
[ ! -d /run/containerd ] || mount -t tmpfs none /run/containerd
"""
_KILL = """
for file in "$1/pid" "$1/exec/containerd/containerd.pid"; do
    # The second ends with the first, at once or a little later.
    [ ! -e "$file" ] || { kill -9 "$(cat "$file")" 2>/dev/null || :; rm -f "$file"; }
done
"""
_CRASH = """
kill -9 -1
rm -f "$1/pid" "$1/exec/containerd/containerd.pid"
"""


def missing() -> str:
    """What this machine lacks for a lab, as a sentence; "" when nothing."""
    if os.geteuid() != 0:
        return "A swarm of network namespaces needs root: type sudo make swarm."
    lacks = sorted({package for tool, package in TOOLS.items() if shutil.which(tool) is None})
    if lacks:
        return f"A swarm on one machine needs {' and '.join(lacks)}: apt-get install {' '.join(lacks)}."
    return ""


class LabNode:
    """One node: its engine answers at `host`, its published ports at `address`."""

    def __init__(self, folder: Path, number: int, address: str, parent: str) -> None:
        self.name = f"node{number}"
        self.number = number
        self.folder = folder / self.name
        self.address = address
        self.socket = self.folder / "docker.sock"
        self.host = f"unix://{self.socket}"
        self.space = Space(self.folder)
        self._parent = parent
        self._daemon: subprocess.Popen[bytes] | None = None

    def open(self) -> None:
        """Make its folders and namespaces; nothing runs in them."""
        Path("/etc/docker").mkdir(exist_ok=True)  # as every dockerd does
        (self.folder / "etc").mkdir(parents=True)
        (self.folder / "daemon.json").write_text("{}")
        self.space.open(_ASIDE)

    def start(self) -> None:
        """Start its daemon; `until_it_answers` waits for it."""
        command = (
            *("dockerd", "--config-file", str(self.folder / "daemon.json"), "--host", self.host),
            *("--data-root", str(self.folder / "data"), "--exec-root", str(self.folder / "exec")),
            *("--pidfile", str(self.folder / "pid")),
            # systemd would be told of processes by numbers that mean nothing to it.
            *("--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", self._parent),
        )
        with (self.folder / "log").open("ab") as log:
            self._daemon = subprocess.Popen(
                self.space.inside(*command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def answers(self) -> bool:
        """Whether its daemon does."""
        with socket.socket(socket.AF_UNIX) as one:
            one.settimeout(5)
            try:
                one.connect(str(self.socket))
                one.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
                return b" 200 " in one.recv(4096).split(b"\n")[0]
            except OSError:
                return False

    def until_it_answers(self) -> None:
        """Wait for its daemon."""
        end = time.monotonic() + PATIENCE
        while not self.answers():
            if time.monotonic() > end or (self._daemon is not None and self._daemon.poll() is not None):
                raise LabError(f"{self.name}'s engine does not answer; the end of its log:\n{self.words()}")
            time.sleep(0.05)

    def kill(self) -> None:
        """End its daemon as a crash does (SIGKILL); its containers run on."""
        subprocess.run(self.space.inside("sh", "-c", _KILL, "sh", str(self.folder)), check=True)
        if self._daemon is not None:
            self._daemon.wait(PATIENCE)

    def crash(self) -> None:
        """End everything on it at once: its daemon and its containers."""
        # -1 from inside spares the namespace's first process alone.
        subprocess.run(self.space.inside("sh", "-c", _CRASH, "sh", str(self.folder)), check=True)
        if self._daemon is not None:
            self._daemon.wait(PATIENCE)

    def again(self) -> None:
        """Start its daemon after it was killed."""
        self.start()
        self.until_it_answers()

    def restart(self) -> None:
        """Start its daemon anew, as a service manager does: its containers end, and come back."""
        subprocess.run(self.space.inside("sh", "-c", 'kill "$(cat "$1/pid")"', "sh", str(self.folder)), check=True)
        if self._daemon is not None:
            self._daemon.wait(PATIENCE)
        self.again()

    def docker(self, *words: str) -> str:
        """What the docker client, spoken to this node's engine, prints. Raises LabError."""
        done = subprocess.run(("docker", "-H", self.host, *words), capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabError(f"docker {' '.join(words[:2])} failed on {self.name}: {done.stderr.strip()}")
        return done.stdout.strip()

    def words(self) -> str:
        """The end of what its daemon logged."""
        try:
            return (self.folder / "log").read_text(errors="replace")[-2000:]
        except OSError:
            return ""

    def close(self) -> None:
        """End all that runs on it."""
        self.space.close()
        if self._daemon is not None:
            self._daemon.wait(PATIENCE)


class SwarmLab:
    """`with SwarmLab() as lab:` is a swarm whose first `managers` nodes are managers, all ready."""

    def __init__(
        self, nodes: int = 3, managers: int = 1, folder: Path | None = None, *, heartbeat: str = "5s"
    ) -> None:
        """`heartbeat`: how often a node says that it is there; one that is silent for three of them is down. Docker's
        own is 5 s."""
        self._count = nodes
        self._heartbeat = heartbeat
        self.managers = managers
        self.folder = folder or Path(tempfile.mkdtemp(prefix="dftui-swarm-"))
        self.nodes: tuple[LabNode, ...] = ()
        self._suffix = secrets.token_hex(3)
        self._hub = Space(self.folder / "hub")

    @classmethod
    def at(cls, folder: Path) -> Self:
        """The lab that another process made in this folder, to be used on or ended. Raises LabError."""
        try:
            said = json.loads((folder / "lab.json").read_text())
            lab = cls(len(said["addresses"]), said["managers"], folder)
            lab._suffix = said["suffix"]
            lab._lay_out(said["addresses"])
        except (OSError, ValueError, KeyError) as error:
            raise LabError(f"No swarm was made in {folder}.") from error
        return lab

    @property
    def manager(self) -> LabNode:
        """The node that the swarm began on."""
        return self.nodes[0]

    @property
    def address(self) -> str:
        """Where the machine reaches what the manager publishes in host mode."""
        return self.manager.address

    @property
    def stack_lines(self) -> str:
        """What a stack file says so that its stack is on this swarm."""
        return f"engine: swarm\n{self.nodes_line}"

    @property
    def nodes_line(self) -> str:
        """The stack file's `nodes:`."""
        return "nodes: {" + ", ".join(f"{node.name}: '{node.host}'" for node in self.nodes) + "}\n"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Make the nodes and the swarm. Raises LabError, with `stop` still to be called."""
        if lacks := missing():
            raise LabError(lacks)
        if len(str(self.folder)) > LONGEST:
            raise LabError(f"{self.folder} is too long a path: a socket's may have 107 characters in all.")
        self.folder.mkdir(parents=True, exist_ok=True)
        with _free_subnet() as subnet:
            hosts = [str(host) for host in subnet.hosts()]
            self._lay_out(hosts[10 : 10 + self._count])
            addresses = [node.address for node in self.nodes]
            said = {"suffix": self._suffix, "managers": self.managers, "addresses": addresses}
            (self.folder / "lab.json").write_text(json.dumps(said))
            self._hub.open()
            for node in self.nodes:
                node.open()
            self._wire(hosts[0])
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            node.until_it_answers()
        self._join()

    def _lay_out(self, addresses: list[str]) -> None:
        self.nodes = tuple(
            LabNode(self.folder, number, address, f"/dftui-swarm-{self._suffix}")
            for number, address in enumerate(addresses, 1)
        )

    def _wire(self, own: str) -> None:
        """The bridge, a link to it from each node and one from the machine."""
        link = f"dfsw{self._suffix}"
        hub = ["link set lo up", "link add br0 type bridge", "link set br0 up"]
        hub += [f"link add own type veth peer name {link} netns {os.getpid()}", "link set own master br0 up"]
        for node in self.nodes:
            port = f"p{node.number}"
            hub += [f"link add {port} type veth peer name eth0 netns {node.space.pid}"]
            hub += [f"link set {port} master br0 up"]
        ip(self._hub, *hub)
        for node in self.nodes:
            ip(node.space, "link set lo up", f"addr add {node.address}/24 dev eth0", "link set eth0 up")
        ip(None, f"addr add {own}/24 dev {link}", f"link set {link} up")

    def _join(self) -> None:
        first = self.manager
        where = ("--advertise-addr", first.address, "--listen-addr", f"{first.address}:2377")
        first.docker("swarm", "init", *where, "--dispatcher-heartbeat", self._heartbeat)
        tokens = {kind: first.docker("swarm", "join-token", "-q", kind) for kind in ("manager", "worker")}
        for node in self.nodes[1:]:
            token = tokens["manager" if node.number <= self.managers else "worker"]
            where = ("--advertise-addr", node.address, "--listen-addr", f"{node.address}:2377")
            node.docker("swarm", "join", "--token", token, *where, f"{first.address}:2377")
        self.until_ready()

    def until_ready(self) -> None:
        """Wait until the manager sees every node as ready."""

        def ready() -> bool:
            try:
                states = first.docker("node", "ls", "--format", "{{.Status}}").split()
            except LabError:  # a manager that has just come back knows of no leader
                return False
            return states.count("Ready") == len(self.nodes)

        first = self.manager
        until(ready, "a node of the swarm is not ready")

    def cut(self, node: LabNode) -> None:
        """Take its link down: it and its containers run on, alone."""
        ip(self._hub, f"link set p{node.number} down")

    def mend(self, node: LabNode) -> None:
        """And up again."""
        ip(self._hub, f"link set p{node.number} up")

    def load(self, *images: str) -> None:
        """Bring images of the machine's own engine to every node."""
        archive = self.folder / "images.tar"
        subprocess.run(("docker", "save", "--output", str(archive), *images), check=True)
        command = ("load", "--quiet", "--input", str(archive))
        loads = [
            subprocess.Popen(("docker", "-H", node.host, *command), stdout=subprocess.DEVNULL) for node in self.nodes
        ]
        codes = [one.wait() for one in loads]
        archive.unlink()
        if any(codes):
            raise LabError(f"A node does not take {', '.join(images)}.")

    def stop(self) -> None:
        """End all of it; nothing is left."""
        for node in self.nodes:
            node.close()
        self._hub.close()
        # The kernel takes it away with the bridge's namespace, but only some time later.
        link = f"dfsw{self._suffix}"
        subprocess.run(("ip", "link", "delete", link), check=False, stderr=subprocess.DEVNULL)
        for name in (f"dftui-swarm-{self._suffix}", f"*/dftui-swarm-{self._suffix}"):
            for group in Path("/sys/fs/cgroup").glob(name):
                for folder, _, _ in os.walk(group, topdown=False):
                    with contextlib.suppress(OSError):
                        Path(folder).rmdir()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def _free_subnet() -> Iterator[ipaddress.IPv4Network]:
    """A /24 to which the machine has no route, this lab's alone until it has laid one."""

    def free(number: int) -> bool:
        listed = subprocess.run(("ip", "-json", "route"), capture_output=True, check=True).stdout
        words = [str(route["dst"]) for route in json.loads(listed) if route["dst"] != "default"]
        return not any(SUBNETS[number].overlaps(ipaddress.IPv4Network(word, strict=False)) for word in words)

    with lease("swarm", random.sample(range(len(SUBNETS)), len(SUBNETS)), free) as number:
        yield SUBNETS[number]


def _told(lab: SwarmLab) -> str:
    """What a reader needs to know of a lab that runs; with a stack file for it."""
    stack = lab.folder / "dftui.yaml"
    if not stack.exists():
        stack.write_text(f"balancer: {{publish: '{lab.address}:80'}}\n{lab.stack_lines}")
    roles = ["manager" if node.number <= lab.managers else "worker" for node in lab.nodes]
    return "\n".join(
        [
            f"A swarm of {len(lab.nodes)} nodes runs on this machine. Their engines:",
            *(f"  {node.name}  {role:8} {node.host}" for node, role in zip(lab.nodes, roles, strict=True)),
            f"What {lab.manager.name} publishes is reached at http://{lab.address}. Commands go to its stack by:",
            f"  export DOCKER_HOST={lab.manager.host}",
            f"  .venv/bin/dftui --stack {stack} status    # or scale, nodes, …; without one: the screen",
            "  make swarm-down    # ends all of it, and leaves nothing",
        ]
    )


def main() -> int:
    """`python -m tests.swarmlab up|down`."""
    parser = argparse.ArgumentParser(prog="python -m tests.swarmlab", description=__doc__, add_help=True)
    parser.add_argument("what", choices=("up", "down"))
    parser.add_argument("--nodes", type=int, default=3, help="how many (3)")
    parser.add_argument("--managers", type=int, default=1, help="how many of them are managers (1)")
    parser.add_argument("--folder", type=Path, default=Path(".run/swarm"), help="where they live (.run/swarm)")
    wanted = parser.parse_args()
    folder = wanted.folder.absolute()
    try:
        if (folder / "lab.json").exists():
            lab = SwarmLab.at(folder)
            if wanted.what == "up" and all(node.answers() for node in lab.nodes):
                print(_told(lab))
                return 0
            lab.stop()  # also what a restart of the machine left of one
        if wanted.what == "up":
            lab = SwarmLab(wanted.nodes, wanted.managers, folder)
            try:
                lab.start()
            except BaseException:
                lab.stop()
                raise
            print(_told(lab))
    except LabError as error:
        print(f"dftui: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
