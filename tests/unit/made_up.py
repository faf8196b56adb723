"""Results of runs that never were: numbers drawn from a seed around chosen truths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rig.experiment.costs import BATCH_SUFFIX
from rig.experiment.file.spec import CONTROL, Expectation, Experiment, Load, differing
from rig.experiment.judge import gate
from rig.experiment.plan import schedule
from rig.experiment.result import Result
from rig.experiment.turn import BACKLOG, COMPONENTS, DRAIN, OTHER, PACED, PARTS, Phase, Turn
from rig.testbed.variant import Kind, Variant

# Costs are in µs a task; a turn has them as CPU time of its phases, so that they are derived as those of a real one.
PACED_COSTS = {"publisher": 600.0, "broker": 450.0, "worker": 1200.0, "results": 180.0, OTHER: 90.0}
BATCH_COSTS = {"publisher": 450.0, "broker": 250.0, "worker": 900.0, "results": 120.0, OTHER: 60.0}
TRUTH = {
    "execution_rate": 1100.0, "broker_bytes": 2100.0, "results_bytes": 900.0, "broker_operations": 4.0,
    "worker_memory": 90.0, "publish_ms": 0.8, "p50": 3.1, "p95": 7.7, "p99": 12.0, "waiting": 2.5,
    **{f"{part}_cpu": cost for part, cost in PACED_COSTS.items()},
    **{f"{part}_cpu{BATCH_SUFFIX}": cost for part, cost in BATCH_COSTS.items()},
}  # fmt: skip
EFFECT = {
    "execution_rate": 1.8, "worker_cpu": 0.7, "worker_cpu_batch": 0.55, "results_cpu": 0.05, "results_cpu_batch": 0.05,
    "p50": 0.7,
}  # fmt: skip
IDLE = {"publisher": 900.0, "broker": 4000.0, "worker": 2500.0, "results": 700.0, OTHER: 9000.0}  # CPU-µs a second
RIG = 0.02  # share of a core that the rig uses
RATE, BACKLOG_TASKS = 550.0, 2000
IN_BACKLOG = {"publisher": 1.0, "broker": 0.5, "worker": 0.0, "results": 0.0, OTHER: 0.5}  # of a batch's CPU, by part
ACCOUNT = {
    "sent": 12000, "confirmed": 12000, "executed": 12000, "succeeded": 12000, "failed": 0, "retried": 0, "expired": 0,
    "indeterminate": 0, "recovered": 0, "lost": [], "never_started": [], "started_not_finished": [], "died": [],
    "stalled": [], "duplicated": [], "extra_starts": 0, "unexpected": [], "foreign": 0, "invalid": [],
}  # fmt: skip
ANSWER = {"sent": 500, "published": 500, "unsent": 0, "problems": [], "locust": {"requests": 500, "failures": 0}}
COUNTS = {gate.IN_LEDGER: 12000, gate.BY_LOCUST: 12000, gate.BY_BROKER: 12000, gate.LEFT: 0}
CELLS = {"stored": "stored", "ignored": "ignored", CONTROL: "stored"}
ENVIRONMENT = {"cpu": "AMD EPYC", "cores": 2, "versions": {"Celery": "5.7.0", "RabbitMQ": "4.0.5"}}


def experiment(rounds: int = 8, **expectation: Any) -> Experiment:
    variants = (
        Variant(name="stored", settings={"task_ignore_result": False}),
        Variant(name="ignored", settings={"task_ignore_result": True}),
    )
    expected = {"measure": "execution_rate", "variant": "ignored", "change": "higher", "percent": 10} | expectation
    return Experiment(
        name="ignore_result", path=Path("loadtests/experiments/ignore_result.toml"), claim="Ignoring pays",
        source="https://docs.celeryq.dev/", expectation=Expectation(**expected),
        load=Load(kinds=(Kind(task="app.noop"),)), variants=variants, factors=differing(variants), rounds=rounds,
    )  # fmt: skip


def result(seed: int = 1, rounds: int = 8, noise: float = 0.02, effect: Mapping[str, float] = EFFECT) -> Result:
    rng = np.random.default_rng(seed)
    orders = schedule(list(CELLS), rounds, seed)
    turns = [
        turn(rng, number, place, cell, noise, effect)
        for number, order in enumerate(orders, start=1)
        for place, cell in enumerate(order)
    ]
    return Result(
        run="20250101-120000-ignore_result-abc123", experiment=experiment(rounds), cells=CELLS, seed=seed,
        orders=orders, rate=RATE, turns=turns, idle={when: {cell: dict(IDLE) for cell in CELLS} for when in WHEN},
        accounts={cell: dict(ACCOUNT) for cell in CELLS}, counts={cell: dict(COUNTS) for cell in CELLS},
        environment=dict(ENVIRONMENT),
    )  # fmt: skip


WHEN = ("before", "after")


def series(
    runs: int = 3, spread: float = 0.02, rounds: int = 8, noise: float = 0.02, effect: Mapping[str, float] = EFFECT
) -> list[Result]:
    """Independent runs: `spread` is the standard deviation, between runs, of the logarithm of each effect."""
    rng = np.random.default_rng(runs)
    made = []
    for seed in range(1, runs + 1):
        own = {measure: factor * float(rng.lognormal(0, spread)) for measure, factor in effect.items()}
        made.append(replace(result(seed, rounds, noise, own), run=f"20250101-12000{seed}-ignore_result-abc12{seed}"))
    return made


def turn(
    rng: np.random.Generator, number: int, place: int, cell: str, noise: float, effect: Mapping[str, float]
) -> Turn:
    drawn = {measure: TRUTH[measure] * float(rng.lognormal(0, noise)) for measure in TRUTH}
    if cell == "ignored":
        drawn = {measure: value * effect.get(measure, 1.0) for measure, value in drawn.items()}
    phases = phases_of(drawn)
    values = {measure: value for measure, value in drawn.items() if "_cpu" not in measure}
    values |= {"offered_rate": RATE, "achieved_rate": RATE - 1, "lag_p99": 0.8, "in_pool": 0.3}
    values |= {"paced_tasks": RATE * phases[PACED].seconds, "backlog_tasks": float(BACKLOG_TASKS)}
    return Turn(round=number, place=place, cell=cell, number=0, phases=phases, sent={PACED: ANSWER}, values=values)


def phases_of(drawn: Mapping[str, float]) -> dict[str, Phase]:
    """Phases that follow one another, from which exactly the costs come out that were drawn."""
    paced_s = Load.seconds
    paced = {part: drawn[f"{part}_cpu"] * RATE * paced_s for part in PARTS}
    batch = {part: drawn[f"{part}_cpu{BATCH_SUFFIX}"] * BACKLOG_TASKS for part in PARTS}
    backlog = {part: batch[part] * IN_BACKLOG[part] for part in PARTS}
    drain = {part: batch[part] * (1 - IN_BACKLOG[part]) for part in PARTS}
    backlog_s, drain_s = 1.3, BACKLOG_TASKS / drawn["execution_rate"]
    return {
        BACKLOG: _phase(1.0, backlog_s, backlog),
        DRAIN: _phase(1.0 + backlog_s, drain_s, drain),
        PACED: _phase(2.5 + backlog_s + drain_s, paced_s, paced),
    }


def _phase(start_s: float, seconds: float, used_us: Mapping[str, float]) -> Phase:
    """A phase in which each part used so much CPU for tasks, and what it uses while nothing is sent."""
    ns = {part: round(1e3 * (used_us[part] + IDLE[part] * seconds)) for part in PARTS}
    start, length = round(start_s * 1e9), round(seconds * 1e9)
    return Phase(
        started_ns=start, ended_ns=start + length, cpu_ns={part: ns[part] for part in COMPONENTS},
        host_ns=sum(ns.values()), stolen_ns=0, rig_ns=min(round(RIG * length), ns[OTHER]),
        process_ns={"main": round(0.85 * ns["worker"]), "pool": ns["worker"] - round(0.85 * ns["worker"])},
        processes={"main": 1, "pool": 2},
    )  # fmt: skip


def phase(seconds: float = 1.0) -> Phase:
    cpu_ns = dict.fromkeys(COMPONENTS, 300_000_000)
    return Phase(started_ns=1, ended_ns=1 + int(seconds * 1e9), cpu_ns=cpu_ns, host_ns=1_300_000_000, stolen_ns=0)


def with_account(of: Result, cell: str, **entries: Any) -> Result:
    return replace(of, accounts={**of.accounts, cell: {**of.accounts[cell], **entries}})
