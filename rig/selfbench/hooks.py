"""The price of the ledger's hooks in the hardest case: a no-op on the solo pool, results ignored, RabbitMQ."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rig.errors import StackError
from rig.selfbench import marks, site
from rig.selfbench.estimate import Estimate, paired, trimmed_mean
from rig.stack.compose import Compose
from rig.stack.docker import docker
from rig.stack.paths import Checkout

LIMIT = 0.025  # of a task's CPU time
PATIENCE_S = 60  # for the worker to end after the last message was published


@dataclass(frozen=True, kw_only=True)
class Price:
    """What was found. Microseconds are CPU time of the worker's one thread, a task."""

    bare_us: float
    hooks: Estimate
    control: Estimate
    segments_us: float  # the change of segments, spread over the tasks that fit into one
    segments: int

    @property
    def share(self) -> float:
        """The whole price as a share of a bare task: hooks and segments."""
        return self.hooks.share + self.segments_us / self.bare_us


def measure(checkout: Checkout, rounds: int, seed: int) -> Price:
    """Run the worker; raises BadInput and StackError like every start of a stack."""
    worker_cpus, other_cpus = site.processors()
    with site.running(checkout, services(checkout.root / "compose", worker_cpus)) as (compose, ledger):
        pin(compose, other_cpus, apart_from="worker")
        command = ["python", "-m", "rig.selfbench.publish", str(rounds), str(seed)]
        plan = site.last_json(compose.run("exec", "-T", "publisher", *command, timeout=None))
        return price(plan, blocks(compose, ledger))


def services(compose: Path, worker_cpus: str) -> dict[str, Any]:
    """Return the worker and the container that publishes."""
    base = {"extends": {"file": str(compose / "celery.yaml"), "service": "celery"}, "restart": "no"}
    worker = [
        "celery", "-A", "app", "worker", "--pool", "solo", "-Q", marks.QUEUE, "-n", "selfbench@%h",
        "--include", "rig.selfbench.switch", "--prefetch-multiplier", str(marks.PREFETCH), "--loglevel", "WARNING",
        "--without-gossip", "--without-mingle",
    ]  # fmt: skip
    return {
        "worker": {
            **base, "command": worker, "environment": {"RIG_ROLE": "worker"}, "volumes": ["{ledger}:/ledger"],
            "mem_limit": "512m", "cpuset": worker_cpus,
        },
        "publisher": {
            **base, "command": ["sleep", "infinity"], "environment": {"CELERY_LOADER": ""}, "mem_limit": "512m",
        },
    }  # fmt: skip


def pin(compose: Compose, cpus: str, apart_from: str) -> None:
    """Move every container but one to `cpus`."""
    others = [container.id for container in compose.ps() if container.service != apart_from]
    docker("update", f"--cpuset-cpus={cpus}", *others)


def blocks(compose: Compose, ledger: Path) -> dict[str, Any]:
    """Wait until the worker has written its blocks down."""
    written = ledger / Path(marks.BLOCKS_FILE).name
    deadline = time.monotonic() + PATIENCE_S
    while not written.exists():
        if time.monotonic() > deadline:
            said = compose.run("logs", "--tail=20", "worker")
            raise StackError(f"the worker did not come to an end; it said:\n{said}")
        time.sleep(0.2)
    found: dict[str, Any] = json.loads(written.read_text())
    return found


def price(plan: Sequence[Sequence[tuple[str, int]]], found: dict[str, Any]) -> Price:
    """Return the price from what was sent and what the worker measured. Raises StackError when they do not match."""
    sent = [(mode, tasks) for blocks_of_round in plan for mode, tasks in blocks_of_round]
    if [mode for mode, _ in sent] != [mode for mode, _ in found["blocks"]]:
        raise StackError("the worker saw other blocks than were sent: did its connection break?")
    costs: dict[str, list[float]] = {mode: [] for mode in marks.MODES}
    for (mode, tasks), (_, spent_ns) in zip(sent, found["blocks"], strict=True):
        costs[mode].append(spent_ns / tasks / 1000)
    bare = (np.array(costs[marks.OFF]) + np.array(costs[marks.CONTROL])) / 2
    # Segments grow; the largest hold 16,384 tasks. Each change is charged as if it were one of those.
    dearest = max(found["segments_ns"], default=0)
    return Price(
        bare_us=float(trimmed_mean(bare)), hooks=paired(list(bare), costs[marks.ON]),
        control=paired(costs[marks.OFF], costs[marks.CONTROL]),
        segments_us=dearest / 16384 / 1000, segments=len(found["segments_ns"]),
    )  # fmt: skip
