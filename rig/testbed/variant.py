"""One way to run Celery, and the tasks that are sent to it: what a cell is made from."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rig.load.send.calls import SEND_TASK
from rig.stack.paths import DEFAULT_TOPOLOGY

OURS = ("-A", "--app", "-Q", "--queues", "-n", "--hostname")  # worker options that the engine sets itself


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of task in a load. The name is empty when it is the only one."""

    task: str
    name: str = ""
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    share: float = 1.0  # of all tasks, in steps of 0.001


@dataclass(frozen=True, kw_only=True)
class WorkerSpec:
    """One worker of a variant, which consumes the logical `queues`; none named: all of them."""

    worker: str = (
        "--pool prefork --concurrency 2 --without-gossip --without-mingle"  # command line after `celery -A app worker`
    )
    queues: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to run Celery; everything not named here is the stack's default."""

    name: str
    topology: str = DEFAULT_TOPOLOGY
    workers: tuple[WorkerSpec, ...] = (WorkerSpec(),)
    settings: Mapping[str, Any] = field(default_factory=dict)  # Celery settings, for worker and publisher
    options: Mapping[str, Any] = field(default_factory=dict)  # of apply_async
    queues: Mapping[str, str] = field(default_factory=dict)  # kind -> logical queue; empty: all kinds in one queue ""
    queue_arguments: Mapping[str, Any] = field(default_factory=dict)  # with which RabbitMQ's queues are declared
    call: str = SEND_TASK  # one of rig.load.send.calls.CALLS

    @property
    def logical_queues(self) -> tuple[str, ...]:
        """The queues of this variant, each once; one without a name where all kinds share it."""
        return tuple(dict.fromkeys(self.queues.values())) or ("",)

    def queue_of(self, kind: str) -> str:
        """Return the logical queue that tasks of `kind` go to."""
        return self.queues.get(kind, "")

    def factors(self) -> dict[str, str]:
        """Return everything in which variants can differ, by name.

        A worker flag is one factor whoever has it: workers that give it different values have them joined. `workers`
        says how many there are and who consumes what, `queues` which kind goes where.
        """
        flat = {"topology": self.topology, "call": self.call}
        flags = [_flags(worker.worker) for worker in self.workers]
        for flag in dict.fromkeys(flag for each in flags for flag in each):
            values = [each.get(flag, "without") for each in flags]
            flat[flag] = values[0] if len(set(values)) == 1 else " | ".join(values)
        flat["workers"] = " | ".join(",".join(worker.queues) for worker in self.workers)
        flat["queues"] = ", ".join(f"{kind}: {queue}" for kind, queue in sorted(self.queues.items()))
        for table in ("settings", "options", "queue_arguments"):
            flat |= {f"{table}.{key}": repr(value) for key, value in getattr(self, table).items()}
        return flat


def _flags(command_line: str) -> dict[str, str]:
    """Return each flag of a worker's command line, as the name of a factor, with its value."""
    flags: dict[str, str] = {}
    flag = "worker"
    for word in shlex.split(command_line):
        if word.startswith("-"):
            name, _, value = word.partition("=")
            flag = f"worker {name}"
            flags[flag] = value
        else:
            flags[flag] = f"{flags.get(flag, '')} {word}".strip()
    return flags
