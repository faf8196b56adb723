"""Cells as a Compose file: for each its own queues, workers, generator and ledger directory."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig.stack.topology import Topology
from rig.testbed.variant import Kind, Variant, WorkerSpec

WEB_PORT = 8089  # Locust's, where POST /turn is answered
LOCUSTFILE = "/opt/rig/rig/load/generator/server.py"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A variant while it runs. `ledger` is its directory on the host, /ledger in all of its containers.

    `code` stands for the name wherever it goes into messages: names of equal length, or the longer one costs bytes.
    """

    name: str
    code: str
    variant: Variant
    topology: Topology
    ledger: Path

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues that this cell's generator fills and this cell's workers alone consume."""
        return tuple(map(self.real, self.variant.logical_queues))

    def real(self, logical: str) -> str:
        """Return the broker's name of a logical queue of the variant."""
        return f"bench.{self.code}.{logical}" if logical else f"bench.{self.code}"

    @property
    def workers(self) -> tuple[str, ...]:
        """The workers' service names: numbered where there are several. No cell's name has a dot."""
        numbers = range(1, len(self.variant.workers) + 1)
        return tuple(f"worker-{self.name}.{n}" for n in numbers) if len(numbers) > 1 else (f"worker-{self.name}",)

    @property
    def generator(self) -> str:
        """The generator's service name."""
        return f"generator-{self.name}"

    def order_of(self, kind: Kind) -> dict[str, Any]:
        """Return what this cell's generator is told about a kind of task."""
        return {
            "task": kind.task, "args": list(kind.args), "kwargs": dict(kind.kwargs), "share": kind.share,
            "queue": self.real(self.variant.queue_of(kind.name)),
        }  # fmt: skip

    def settings(self) -> dict[str, Any]:
        """Return the Celery settings of worker and generator: the variant's over those that keep cells apart.

        A worker of another queue must not try to bind `short` and the like: it has no part in them. What a task sends
        by itself stays in the cell. On RabbitMQ the queues are bound to a topic exchange, since Celery's native delayed
        delivery works with no direct one; on Redis a direct exchange leads straight to the list of the queue's name.
        """
        declared = self.topology.declares_queues
        facts: dict[str, Any] = {"exchange": "bench", "exchange_type": "topic" if declared else "direct"}
        if declared:
            facts["queue_arguments"] = {"x-queue-type": "quorum", **self.variant.queue_arguments}
        queues = {name: {**facts, "routing_key": name} for name in self.queues}
        ours = {
            "task_queues": queues, "task_default_queue": self.queues[0], "task_routes": {},
            # The new processes of all cells connect at the same time: the generator's 2 s may not be enough for a
            # handshake then, and a first send that fails spoils the round.
            "broker_connection_timeout": 10,
        }  # fmt: skip
        return ours | dict(self.variant.settings)


def cells_of(variants: Mapping[str, Variant], directory: Path, topologies: Mapping[str, Topology]) -> list[Cell]:
    """Return a cell of each name. Ledgers lie below `directory`."""
    width = len(str(len(variants) - 1))
    return [
        Cell(
            name=name, code=f"c{number:0{width}}", variant=variant, topology=topologies[variant.topology],
            ledger=directory / name,
        )
        for number, (name, variant) in enumerate(variants.items())
    ]  # fmt: skip


def compose_file(cells: Sequence[Cell], compose: Path, run_id: str) -> str:
    """Return the text of a Compose file with the cells' containers; `compose` is the repository's folder of that name.

    No CPU limit: a container that reaches one is stopped for the rest of each 100 ms, which would be measured as its
    latency. The stack's own limits are set to none (`UNLIMITED`) for a run, too.
    """
    services: dict[str, Any] = {}
    for cell in cells:
        common = {"RIG_RUN_ID": run_id, "RIG_SETTINGS": json.dumps(cell.settings(), sort_keys=True)}
        for name, worker in zip(cell.workers, cell.variant.workers, strict=True):
            services[name] = {
                # Not the base `worker`: its health check sends canaries, and a worker that is stopped fails it.
                "extends": {"file": str(compose / "celery.yaml"), "service": "celery"},
                "command": worker_command(cell, name, worker),
                "environment": {"RIG_ROLE": "worker", "REMAP_SIGTERM": "SIGQUIT", **common},
                "volumes": [f"{cell.ledger}:/ledger"],
                "mem_limit": "512m",
                "restart": "no",  # a worker that dies in a run without faults is a finding, not something to hide
            }
        services[cell.generator] = {
            "extends": {"file": str(compose / "celery.yaml"), "service": "locust"},
            "command": ["locust", "-f", LOCUSTFILE, "--web-port", str(WEB_PORT)],
            "environment": {"RIG_ROLE": "generator", **common},
            "volumes": [f"{cell.ledger}:/ledger"],
            "ports": [f"127.0.0.1:0:{WEB_PORT}"],
            "secrets": ["monitor_password"],  # rig.testbed.inside.probe asks the broker for its statistics from here
            "restart": "no",
        }
    head = "# Generated by `rig run`: the cells of one experiment. Not for editing.\n"
    return head + yaml({"services": services})


UNLIMITED = {"BROKER_CPUS": "0", "WORKER_CPUS": "0", "SMALL_CPUS": "0"}


def worker_command(cell: Cell, service: str, worker: WorkerSpec) -> list[str]:
    """Return a worker's command line: the variant's options, and the queues and the name that only this one has."""
    queues = ",".join(map(cell.real, worker.queues)) or ",".join(cell.queues)
    node = service.removeprefix(f"worker-{cell.name}")
    own = ["-Q", queues, "-n", f"{cell.code}{node}@%h", "--loglevel", "WARNING"]
    return ["celery", "-A", "app", "worker", *own, *shlex.split(worker.worker)]


def yaml(value: Mapping[str, Any], indent: int = 0) -> str:
    """Render nested mappings as YAML, one key a line; what is not a mapping is written as JSON, which YAML contains.

    A dollar is doubled: to Compose a single one starts a variable.
    """
    lines = []
    for key, item in value.items():
        head = " " * indent + json.dumps(key).strip('"') + ":"
        if isinstance(item, Mapping):
            lines.append(head + "\n" + yaml(item, indent + 2))
        else:
            lines.append(head + " " + json.dumps(item, ensure_ascii=False).replace("$", "$$") + "\n")
    return "".join(lines)
