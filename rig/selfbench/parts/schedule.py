"""The part `schedule`: how late an open-loop generator sends, beside the broker alone and beside a worker."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

from rig.experiment.station import paced_users
from rig.ledger.reader import read_ledger
from rig.ledger.tasks import build
from rig.selfbench import generator, marks, schedule
from rig.selfbench.generator import CONFIRMED, Generator
from rig.selfbench.part import Found, Job
from rig.selfbench.schedule import ALONE, KINDS, SHARED
from rig.stack.docker import docker

TITLE = "sent - planned of an open-loop generator at half of its capacity, confirms, no-ops to RabbitMQ"
ROUNDS, RUN_IN, SECONDS = 5, 1.0, 4.0  # a process each; of each schedule, and what follows the run-in of it
# For the capacity: ten for each connection, the most sends a second that this generator comes to; and how many sends
# for each second of a schedule.
FAST_USERS, FOR_CAPACITY = 100, 1_000


def measure(job: Job) -> Found:
    """Take rounds with no worker, then rounds with one and no core reserved for anybody."""
    rounds, seconds = (2, 1.5) if job.quick else (ROUNDS, SECONDS)
    dice = random.Random(job.seed)  # noqa: S311 - arrivals, not secrets
    figures, raw = [], {}
    worker = _worker(job.checkout.root / "compose")
    with generator.running(job.checkout, CONFIRMED, worker=worker) as (compose, generators):
        ids = {container.service: container.id for container in compose.ps()}
        for where in (ALONE, SHARED):
            if where == ALONE:
                docker("stop", "--time=5", ids["worker"])
            else:
                docker("start", ids["worker"])
                docker("update", f"--cpuset-cpus=0-{(os.cpu_count() or 1) - 1}", *ids.values())
            using = generators[CONFIRMED]
            turns = [_round(using, seconds, dice) for _ in range(rounds)]
            tasks = build(read_ledger(using.ledger))
            capacities = [turn["capacity"] for turn in turns]
            lags = {kind: [turn[kind]["lag_us"] for turn in turns] for kind in KINDS}
            begun = {kind: [schedule.beginning(tasks, turn[kind], RUN_IN, seconds) for turn in turns] for kind in KINDS}
            figures += schedule.figures(where, capacities, lags, [turn["perfect_us"] for turn in turns])
            figures += schedule.beginnings(where, begun)
            raw[where] = {"rounds": turns, "log of lag at the beginning / rest": begun}
            print(f"  {where}: {rounds} rounds", flush=True)
    return Found(figures=figures, raw=raw)


def _round(using: Generator, seconds: float, dice: random.Random) -> dict[str, Any]:
    """Measure a new process' capacity, and at half of it each kind of arrivals, in random order."""
    using.restart()
    using.warm(FAST_USERS)
    closed = {"kind": "closed", "count": int(FOR_CAPACITY * seconds)}
    found: dict[str, Any] = {"capacity": schedule.capacity_of(using.send(closed, FAST_USERS))}
    for kind in dice.sample(KINDS, len(KINDS)):
        using.empty_queue()
        plan = schedule.arrivals(kind, found["capacity"], RUN_IN + seconds, dice.randrange(1 << 30))
        users = paced_users(plan["rate"])
        using.warm(users)
        answer = using.send(plan, users, RUN_IN)
        found[kind] = {name: answer[name] for name in ("run", "turn", "start_ns", "lag_us")}
        if kind == "poisson":
            found["perfect_us"] = schedule.perfect_p99_us(plan, found["capacity"], RUN_IN)
    using.empty_queue()
    return found


def _worker(compose: Path) -> dict[str, Any]:
    words = ["celery", "-A", "app", "worker", "--concurrency", "2", "-Q", marks.QUEUE, "-n", "selfbench@%h"]
    return {
        "extends": {"file": str(compose / "celery.yaml"), "service": "celery"}, "restart": "no", "mem_limit": "512m",
        "command": [*words, "--loglevel", "WARNING"], "environment": {"RIG_ROLE": "worker"},
        "volumes": ["{ledger}:/ledger"],
    }  # fmt: skip
