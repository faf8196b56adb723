"""Results of runs that never were: numbers drawn from a seed around chosen truths."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rig.experiment import check
from rig.experiment.plan import schedule
from rig.experiment.record import BACKLOG, COMPONENTS, DRAIN, PACED, Phase, Turn
from rig.experiment.result import Result
from rig.experiment.spec import CONTROL, Expectation, Experiment, Kind, Load, Variant, differing

TRUTH = {
    "publish_rate": 1500.0, "execution_rate": 1100.0, "publisher_cpu": 600.0, "broker_cpu": 250.0, "worker_cpu": 900.0,
    "results_cpu": 120.0, "total_cpu": 1870.0, "broker_bytes": 2100.0, "results_bytes": 900.0, "broker_operations": 4.0,
    "worker_memory": 90.0, "broker_memory": 120.0, "p50": 3.1, "p95": 7.7, "p99": 12.0,
}  # fmt: skip
EFFECT = {"publish_rate": 1.25, "execution_rate": 1.8, "worker_cpu": 0.55, "results_cpu": 0.05, "p50": 0.7}
ACCOUNT = {
    "sent": 12000, "confirmed": 12000, "executed": 12000, "succeeded": 12000, "failed": 0, "retried": 0, "expired": 0,
    "indeterminate": 0, "recovered": 0, "lost": [], "never_started": [], "started_not_finished": [], "died": [],
    "stalled": [], "duplicated": [], "extra_starts": 0, "unexpected": [], "invalid": [],
}  # fmt: skip
ANSWER = {"sent": 500, "published": 500, "unsent": 0, "problems": [], "locust": {"requests": 500, "failures": 0}}
COUNTS = {check.IN_LEDGER: 12000, check.BY_LOCUST: 12000, check.BY_BROKER: 12000, check.LEFT: 0}
CELLS = {"stored": "stored", "ignored": "ignored", CONTROL: "stored"}


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


def result(seed: int = 1, rounds: int = 8, noise: float = 0.02, effect: dict[str, float] = EFFECT) -> Result:
    rng = np.random.default_rng(seed)
    orders = schedule(list(CELLS), rounds, seed)
    turns = [
        turn(rng, number, place, cell, noise, effect)
        for number, order in enumerate(orders, start=1)
        for place, cell in enumerate(order)
    ]
    return Result(
        run="20250101-120000-ignore_result-abc123", experiment=experiment(rounds), cells=CELLS, seed=seed,
        orders=orders, rate=550.0, turns=turns, idle=dict.fromkeys(COMPONENTS, 900.0),
        accounts={cell: dict(ACCOUNT) for cell in CELLS}, counts={cell: dict(COUNTS) for cell in CELLS},
        environment={"cpu": "AMD EPYC", "cores": 2, "versions": {"Celery": "5.7.0", "RabbitMQ": "4.0.5"}},
    )  # fmt: skip


def turn(rng: np.random.Generator, number: int, place: int, cell: str, noise: float, effect: dict[str, float]) -> Turn:
    values = {measure: TRUTH[measure] * float(rng.lognormal(0, noise)) for measure in TRUTH}
    if cell == "ignored":
        values = {measure: value * effect.get(measure, 1.0) for measure, value in values.items()}
    values |= {"offered_rate": 550.0, "achieved_rate": 549.0, "lag_p99": 0.8}
    phases = {name: phase() for name in (BACKLOG, DRAIN, PACED)}
    return Turn(round=number, place=place, cell=cell, number=0, phases=phases, sent={PACED: ANSWER}, values=values)


def phase(seconds: float = 1.0) -> Phase:
    cpu_ns = dict.fromkeys(COMPONENTS, 300_000_000)
    return Phase(started_ns=1, ended_ns=1 + int(seconds * 1e9), cpu_ns=cpu_ns, host_ns=1_300_000_000, stolen_ns=0)


def with_account(of: Result, cell: str, **entries: Any) -> Result:
    return replace(of, accounts={**of.accounts, cell: {**of.accounts[cell], **entries}})
