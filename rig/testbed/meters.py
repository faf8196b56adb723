"""What a backlog used besides CPU: network bytes, operations of broker and result store, memory.

Read before it and after it, never in it. The questions to a server are traffic and commands of ours, so they are asked
outside of the two readings of its network, and operations are counted without commands of their kind.
"""

from __future__ import annotations

import re
import urllib.request
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis import Redis, RedisError

from rig.stack import topology
from rig.stack.topology import BROKER, RESULTS
from rig.testbed.cgroups import Cgroup

Components = Mapping[str, Sequence[Cgroup]]  # of a running cell, by name

MIB = 1 << 20
TIMEOUT = 10.0  # seconds
PROMETHEUS_PORT = 15692  # RabbitMQ's plugin
RABBITMQ, REDIS = topology.TRANSPORTS  # a service says in this scheme what listens on its port
# Each is a counter over all queues, with up to one set of labels a protocol and type of queue.
MESSAGES = re.compile(r"^rabbitmq_global_messages_(received|confirmed|delivered|acknowledged)_total\{[^}]*\} (\d+)$")
# Commands of health checks, connections, replication and our own: everything else is somebody's work with tasks.
HOUSEKEEPING = frozenset(("auth", "client", "config", "hello", "info", "ping", "psync", "replconf", "role", "select"))
EVICTED = "evicted keys"


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server of a broker or a result store, at the address that its container has on the host's bridge."""

    component: str
    scheme: str  # how it is spoken to: `RABBITMQ`, `REDIS`
    address: str
    port: int
    password: str = field(repr=False)  # of the user `monitor`

    def counters(self) -> Counter[str]:
        """Return what it has counted so far: RabbitMQ's messages by what was done with them, Redis's commands by name.

        OSError or RedisError when it does not answer.
        """
        if self.scheme == RABBITMQ:
            with urllib.request.urlopen(f"http://{self.address}:{PROMETHEUS_PORT}/metrics", timeout=TIMEOUT) as answer:
                return rabbitmq_messages(answer.read().decode())
        client = Redis(
            host=self.address, port=self.port, username="monitor", password=self.password, socket_timeout=TIMEOUT
        )
        with client:
            evicted = Counter({EVICTED: client.info("stats")["evicted_keys"]})
            return redis_commands(client.info("commandstats")) + evicted


def rabbitmq_messages(metrics: str) -> Counter[str]:
    """Return messages received, confirmed, delivered and acknowledged, from RabbitMQ's Prometheus text."""
    found: Counter[str] = Counter()
    for line in metrics.splitlines():
        if match := MESSAGES.match(line):
            found[match[1]] += int(match[2])
    return found


def redis_commands(info: Mapping[str, Any]) -> Counter[str]:
    """Return the commands processed, but for housekeeping, from Redis's INFO commandstats ("client|id" is a client)."""
    found: Counter[str] = Counter()
    for key, stats in info.items():
        command = key.removeprefix("cmdstat_").partition("|")[0]
        if command not in HOUSEKEEPING:
            found[command] += stats["calls"]
    return found


# Each fact of `rig.experiment.measure.FACTS` that a server counts: whose server, and which of its counters.
_COUNTED: Mapping[str, tuple[str, Sequence[str] | None]] = {
    "broker_operations": (BROKER, None),  # None: all of them
    "broker_received": (BROKER, ("received", "lpush", "publish")),
    "broker_confirmed": (BROKER, ("confirmed",)),
    "results_written": (RESULTS, ("set", "setex")),
    "results_subscribed": (RESULTS, ("subscribe",)),
    "results_evicted": (RESULTS, (EVICTED,)),
}


class Meter:
    """Reads when it is made and once more in `a_task`, what a backlog used from its publishing to its draining."""

    def __init__(self, components: Components, servers: Sequence[Server]) -> None:
        self._components, self._servers = components, servers
        self._before = {component: _counted(servers, component) for component in (BROKER, RESULTS)}
        self._network = _network(components)

    def a_task(self, tasks: int) -> dict[str, float]:
        """Return the measures and facts of a backlog of `tasks`.

        broker_bytes, results_bytes   network bytes in and out of the component's containers / tasks
        broker_operations             RabbitMQ: messages received + confirmed + delivered + acknowledged; Redis:
                                      commands; of all its servers, / tasks
        broker_*, results_*           the facts that servers count, / tasks; results_evicted is the sum
        worker_memory                 MiB that the workers' processes hold for themselves now, without page cache
        What servers count is missing where the host cannot reach the containers' network.
        """
        network = _network(self._components)
        values = {f"{name}_bytes": (network[name] - self._network[name]) / tasks for name in network}
        for component, before in self._before.items():
            after = _counted(self._servers, component)
            if before is not None and after is not None:
                values |= _facts(component, after - before, tasks)
        held = sum(group.memory_bytes() for group in self._components["worker"])
        return values | {"worker_memory": held / MIB}


def _facts(component: str, counted: Counter[str], tasks: int) -> dict[str, float]:
    """Return the facts of one component from what its servers have counted meanwhile."""
    own = {fact: names for fact, (whose, names) in _COUNTED.items() if whose == component}
    every = [name for name in counted if name != EVICTED]
    found = {fact: sum(counted[name] for name in (every if names is None else names)) for fact, names in own.items()}
    return {fact: float(count) if fact == "results_evicted" else count / tasks for fact, count in found.items()}


def _counted(servers: Iterable[Server], component: str) -> Counter[str] | None:
    """Return the sum of a component's servers; None where one of them does not answer, or it has none."""
    own = [server for server in servers if server.component == component]
    try:
        return sum((server.counters() for server in own), Counter()) if own else None
    except (OSError, RedisError):
        return None


def _network(components: Components) -> dict[str, int]:
    return {name: sum(group.network_bytes() for group in components[name]) for name in (BROKER, RESULTS)}
