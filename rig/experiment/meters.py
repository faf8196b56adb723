"""What a backlog used besides CPU: network bytes, broker operations, memory. Read before it and after it, never in it.

The questions to a broker are traffic and commands of ours, so they are asked outside of the two readings of its
network, and its operations are counted without commands of their kind.
"""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis import Redis, RedisError

from rig.stack.cgroups import Cgroup

Components = Mapping[str, Sequence[Cgroup]]  # of a running cell, by name

MIB = 1 << 20
TIMEOUT = 10.0  # seconds
PROMETHEUS_PORT = 15692  # RabbitMQ's plugin
REDIS_PORT = 6379
# Each is a counter over all queues, with up to one set of labels a protocol and type of queue.
MESSAGES = re.compile(r"^rabbitmq_global_messages_(?:received|confirmed|delivered|acknowledged)_total\{[^}]*\} (\d+)$")
# Commands of health checks, connections, replication and our own: everything else is somebody's work with tasks.
HOUSEKEEPING = frozenset(("auth", "client", "config", "hello", "info", "ping", "psync", "replconf", "role", "select"))


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server of a broker, at the address that its container has on the host's bridge."""

    service: str
    address: str
    password: str = field(repr=False)  # of the user `monitor`

    def operations(self) -> int:
        """Return how many operations it has done so far; OSError or RedisError when it does not answer."""
        if self.service.startswith("redis"):
            return redis_commands(self._info())
        if self.service.startswith("rabbitmq"):
            with urllib.request.urlopen(f"http://{self.address}:{PROMETHEUS_PORT}/metrics", timeout=TIMEOUT) as answer:
                return rabbitmq_messages(answer.read().decode())
        return 0  # a sentinel has no part in any task

    def _info(self) -> Mapping[str, Any]:
        client = Redis(
            host=self.address, port=REDIS_PORT, username="monitor", password=self.password, socket_timeout=TIMEOUT
        )
        with client:
            about: Mapping[str, Any] = client.info("commandstats")
            return about


def rabbitmq_messages(metrics: str) -> int:
    """Return messages received + confirmed + delivered + acknowledged, from RabbitMQ's Prometheus text."""
    return sum(int(match[1]) for line in metrics.splitlines() if (match := MESSAGES.match(line)))


def redis_commands(info: Mapping[str, Any]) -> int:
    """Return the commands processed, but for housekeeping, from Redis's INFO commandstats."""
    calls = ((key.removeprefix("cmdstat_").partition("|")[0], stats["calls"]) for key, stats in info.items())
    return sum(count for command, count in calls if command not in HOUSEKEEPING)  # "client|id" is one of client


class Meter:
    """Reads when it is made and once more in `a_task`, what a backlog used from its publishing to its draining."""

    def __init__(self, components: Components, servers: Sequence[Server]) -> None:
        self._components, self._servers = components, servers
        self._operations = _operations(servers)
        self._network = _network(components)

    def a_task(self, tasks: int) -> dict[str, float]:
        """Return the measures of a backlog of `tasks`.

        broker_bytes, results_bytes   network bytes in and out of the component's containers / tasks
        broker_operations             RabbitMQ: messages received + confirmed + delivered + acknowledged; Redis:
                                      commands; / tasks. Missing where the host cannot reach the containers' network.
        worker_memory, broker_memory  MiB that the component's processes hold for themselves now, without page cache
        """
        network, operations = _network(self._components), _operations(self._servers)
        values = {f"{name}_bytes": (network[name] - self._network[name]) / tasks for name in network}
        if operations is not None and self._operations is not None:
            values["broker_operations"] = (operations - self._operations) / tasks
        held = {name: sum(group.memory_bytes() for group in self._components[name]) for name in ("worker", "broker")}
        return values | {f"{name}_memory": size / MIB for name, size in held.items()}


def _network(components: Components) -> dict[str, int]:
    return {name: sum(group.network_bytes() for group in components[name]) for name in ("broker", "results")}


def _operations(servers: Sequence[Server]) -> int | None:
    try:
        return sum(server.operations() for server in servers)
    except (OSError, RedisError):
        return None
