"""CPU time, memory and network bytes of containers, from the kernel's own counters: no sampling, no daemon, a few µs.

The way to a container's cgroup is taken from its first process, so it does not matter whether Docker's driver is
cgroupfs (/docker/<id>) or systemd (/system.slice/docker-<id>.scope), nor under which parent the daemon itself runs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rig.errors import StackError

TICKS = 100  # USER_HZ of /proc/stat: 100 on every Linux architecture since 2.6 (man 5 proc)


@dataclass(frozen=True, kw_only=True)
class Cgroup:
    """Where a container's counters lie. `version` is 1 or 2."""

    version: int
    cpu: Path  # cpuacct.usage (v1, ns) or cpu.stat (v2, usage_usec)
    memory: Path  # memory.stat: total_rss (v1) or anon (v2)
    network: Path  # /proc/<pid>/net/dev: a table of the container's own interfaces
    pid: int = 0  # the container's first process: with `init: true` that of Docker's init

    def cpu_ns(self) -> int:
        """Return the CPU time used so far by all processes that ever ran in the container, in ns."""
        text = _read(self.cpu)
        if self.version == 1:
            return int(text)
        return 1000 * next(int(value) for key, value in map(str.split, text.splitlines()) if key == "usage_usec")

    def memory_bytes(self) -> int:
        """Return the memory that the container's processes hold for themselves, without any page cache."""
        wanted = "total_rss" if self.version == 1 else "anon"
        return next(int(value) for key, value in map(str.split, _read(self.memory).splitlines()) if key == wanted)

    def network_bytes(self) -> int:
        """Return the bytes received and sent so far over every interface but the loopback."""
        rows = (line.split(":", 1) for line in _read(self.network).splitlines()[2:])
        counted = (values.split() for name, values in rows if name.strip() != "lo")
        return sum(int(values[0]) + int(values[8]) for values in counted)  # proc_pid_net(5): bytes in, bytes out

    def opened(self) -> int:
        """Return how many TCP connections the container's processes have opened so far (RFC 1213, tcpActiveOpens)."""
        names, values = (line.split() for line in _read(self.network.with_name("snmp")).splitlines() if "Tcp:" in line)
        return int(values[names.index("ActiveOpens")])

    def processes(self, proc: Path = Path("/proc")) -> list[Process]:
        """Return the container's processes but for Docker's init; one that ends meanwhile is left out."""
        pids = map(int, _read(self.cpu.with_name("cgroup.procs")).split())
        found = [process for pid in pids if pid and (process := _process(proc / str(pid)))]
        first = next((each for each in found if each.pid == self.pid), None)
        has_init = first is not None and first.name in INITS
        return [each for each in found if not (has_init and each.pid == self.pid)]


INITS = ("docker-init", "tini", "catatonit")


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process, its parent, the name of its executable, and the CPU time in ns of its threads that are alive."""

    pid: int
    parent: int
    name: str
    cpu_ns: int


def _process(directory: Path) -> Process | None:
    """Return what /proc says of a process: proc_pid_stat(5); schedstat is in sched-stats.rst of the kernel."""
    try:
        head, _, rest = (directory / "stat").read_text().rpartition(")")
        threads = [int((task / "schedstat").read_text().split()[0]) for task in (directory / "task").iterdir()]
    except (OSError, IndexError, ValueError):
        return None
    pid, _, name = head.partition(" (")
    return Process(pid=int(pid), parent=int(rest.split()[1]), name=name, cpu_ns=sum(threads))


def find(pid: int, proc: Path = Path("/proc"), root: Path = Path("/sys/fs/cgroup")) -> Cgroup:
    """Return the cgroup of the container whose first process is `pid` (docker inspect: .State.Pid).

    StackError where the counters cannot be seen, as with Docker Desktop, whose containers live in another kernel.
    """
    try:
        entries = [line.split(":", 2) for line in (proc / str(pid) / "cgroup").read_text().splitlines()]
    except OSError as error:
        raise StackError(f"no process {pid} on this host: does the Docker engine run elsewhere, or in a VM?") from error
    unified = next((path for hierarchy, controllers, path in entries if hierarchy == "0" and not controllers), None)
    v1 = {name: path for _, controllers, path in entries for name in controllers.split(",") if name}
    network = proc / str(pid) / "net" / "dev"
    if "cpuacct" in v1:
        cpu = _first(root, [f"{mount}{v1['cpuacct']}" for mount in ("cpuacct", "cpu,cpuacct")], "cpuacct.usage")
        memory = root / f"memory{v1.get('memory', '')}" / "memory.stat"
        return Cgroup(version=1, cpu=cpu, memory=memory, network=network, pid=pid)
    if unified is None:
        raise StackError(f"process {pid} is in no cgroup with a CPU counter")
    cpu = _first(root, [unified.lstrip("/")], "cpu.stat")
    return Cgroup(version=2, cpu=cpu, memory=cpu.with_name("memory.stat"), network=network, pid=pid)


def host_cpu_ns(stat: Path = Path("/proc/stat"), root: Path = Path("/sys/fs/cgroup")) -> tuple[int, int]:
    """Return CPU time of the whole host so far in ns: (used by anything, stolen by the hypervisor).

    What was used is the root cgroup's own sum where there is one: exact, as the containers' are. /proc/stat counts what
    runs when the clock ticks, and was less than the sum of its parts in one phase of nine.
    """
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, stat.read_text().split()[1:9])
    tick_ns = 1_000_000_000 // TICKS
    for name in ("cpuacct/cpuacct.usage", "cpu,cpuacct/cpuacct.usage"):
        if (root / name).exists():
            return int(_read(root / name)), steal * tick_ns
    return (user + nice + system + irq + softirq) * tick_ns, steal * tick_ns


def own_cpu_ns() -> int:
    """Return the CPU time of this process and of the children that it has waited for."""
    used = os.times()
    return time.process_time_ns() + int((used.children_user + used.children_system) * 1e9)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """All counters at one moment; `cpu_ns` by component, `opened` connections likewise, `processes` of the workers."""

    at_ns: int
    cpu_ns: dict[str, int]
    host_ns: int
    stolen_ns: int
    rig_ns: int = 0
    opened: dict[str, int] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)


def read(components: Mapping[str, Iterable[Cgroup]], opened: Iterable[str] = (), inside: str = "") -> Reading:
    """Read the CPU counters of every component's containers, the host's and our own.

    Of the components `opened` also how many connections they have opened, of the component `inside` its processes.
    """
    cpu = {name: sum(cgroup.cpu_ns() for cgroup in cgroups) for name, cgroups in components.items()}
    host_ns, stolen_ns = host_cpu_ns()
    at_ns, rig_ns = time.monotonic_ns(), own_cpu_ns()
    connections = {name: sum(cgroup.opened() for cgroup in components[name]) for name in opened}
    processes = [each for cgroup in components.get(inside, ()) for each in cgroup.processes()]
    return Reading(
        at_ns=at_ns, cpu_ns=cpu, host_ns=host_ns, stolen_ns=stolen_ns, rig_ns=rig_ns, opened=connections,
        processes=processes,
    )  # fmt: skip


def _first(root: Path, ways: list[str], name: str) -> Path:
    paths = [root / way.lstrip("/") / name for way in ways]
    found = next((path for path in paths if path.exists()), None)
    if found is None:
        tried = " and no ".join(map(str, paths))
        raise StackError(f"the CPU counter of a container is not where its process says: no {tried}")
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise StackError(f"{path} is gone: did its container stop?") from error
