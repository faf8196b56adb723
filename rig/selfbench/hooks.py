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
from rig.selfbench import marks
from rig.selfbench.estimate import Estimate, paired, trimmed_mean
from rig.stack.compose import Compose
from rig.stack.paths import Checkout
from rig.testbed import custom

LIMIT = 0.025  # of a task's CPU time
SEGMENT_SLOTS = 16384  # of a full-grown segment; smaller ones are only the first two of a process
PATIENCE_S = 60  # for the worker to end after the last message was published


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What one worker process measured, in CPU microseconds a task: by mode and round, and for changes of segment."""

    us: dict[str, list[float]]
    segment_us: float


@dataclass(frozen=True, kw_only=True)
class Price:
    """What was found. Microseconds are CPU time of the worker's one thread, a task."""

    bare_us: float
    hooks: Estimate
    control: Estimate
    segments_us: float  # the change of segments, spread over the tasks that fit into one

    @property
    def share(self) -> float:
        """The whole price as a share of a bare task: hooks and segments."""
        return self.hooks.share + self.extra

    @property
    def extra(self) -> float:
        """What segments add to the hooks' share."""
        return self.segments_us / self.bare_us


def measure(checkout: Checkout, rounds: int, workers: int, seed: int) -> Price:
    """Run one worker process after the other, each for `rounds`; raises BadInput and StackError like every start."""
    worker_cpus, other_cpus = custom.processors()
    costs: list[Costs] = []
    with custom.running(checkout, services(checkout.root / "compose", worker_cpus)) as (compose, ledger):
        custom.pin(compose, other_cpus, apart_from=["worker"])
        for worker in range(workers):
            command = ["python", "-m", "rig.selfbench.publish", str(rounds), str(seed + worker)]
            plan = custom.last_json(compose.run("exec", "-T", "publisher", *command, timeout=None))
            found = blocks(compose, ledger)
            costs.append(costs_of(plan, found["blocks"], max(found["segments_ns"], default=0)))
            (ledger / Path(marks.BLOCKS_FILE).name).unlink()
            compose.run("restart", "--timeout=5", "worker", timeout=60)
    return price(costs)


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


def costs_of(plan: Sequence[Sequence[tuple[str, int]]], measured: Sequence[tuple[str, int]], segment_ns: int) -> Costs:
    """Return one worker's costs from what was sent and what it measured. Raises StackError when they do not match."""
    sent = [(mode, tasks) for blocks_of_round in plan for mode, tasks in blocks_of_round]
    if [mode for mode, _ in sent] != [mode for mode, _ in measured]:
        raise StackError("the worker saw other blocks than were sent: did its connection break?")
    found: dict[str, list[float]] = {mode: [] for mode in marks.MODES}
    for (mode, tasks), (_, spent_ns) in zip(sent, measured, strict=True):
        found[mode].append(spent_ns / tasks / 1000)
    return Costs(us=found, segment_us=segment_ns / SEGMENT_SLOTS / 1000)


def price(costs: Sequence[Costs]) -> Price:
    """Return the price from the costs of each worker."""
    off, control = [each.us[marks.OFF] for each in costs], [each.us[marks.CONTROL] for each in costs]
    bare = [[(a + b) / 2 for a, b in zip(*pair, strict=True)] for pair in zip(off, control, strict=True)]
    return Price(
        bare_us=float(np.mean([trimmed_mean(np.array(rounds)) for rounds in bare])),
        hooks=paired(bare, [each.us[marks.ON] for each in costs]), control=paired(off, control),
        segments_us=float(np.mean([each.segment_us for each in costs])),
    )  # fmt: skip
