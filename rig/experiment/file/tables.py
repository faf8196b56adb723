"""From plain tables to the dataclasses of `spec`. The tables of an experiment file and those that `dataclasses.asdict`
makes for result.json have the same form; a file may use the short ones besides: one `task`, one `worker`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rig.experiment.file.spec import Assertion, Expectation, Experiment, Goal, Load, Threshold
from rig.testbed.variant import Kind, Variant, WorkerSpec

ONE_KIND = ("task", "args", "kwargs")  # in [load], instead of [[load.kinds]]
Table = Mapping[str, Any]


def load_of(table: Table) -> Load:
    """Return the load of a [load] table."""
    rest = {key: value for key, value in table.items() if key not in (*ONE_KIND, "kinds", "goal")}
    kinds = table.get("kinds") or [{key: table[key] for key in ONE_KIND if key in table}]
    goal = Goal(**table["goal"]) if table.get("goal") else None
    return Load(kinds=tuple(_kind(each) for each in kinds), goal=goal, **rest)


def _kind(table: Table) -> Kind:
    return Kind(**{**table, "args": tuple(table.get("args", ()))})


def variant_of(table: Table) -> Variant:
    """Return the variant of a [[variants]] table."""
    rest = {key: value for key, value in table.items() if key not in ("worker", "workers")}
    if "worker" in table:
        rest["workers"] = (WorkerSpec(worker=table["worker"]),)
    elif table.get("workers"):
        rest["workers"] = tuple(_worker(each) for each in table["workers"])
    return Variant(**rest)


def _worker(table: Table) -> WorkerSpec:
    return WorkerSpec(**{**table, "queues": tuple(table.get("queues", ()))})


def experiment_of(data: Table) -> Experiment:
    """Return the experiment of which `data` is the `asdict`, after its way through JSON."""
    return Experiment(
        **{
            **data,
            "path": Path(data["path"]),
            "expectation": Expectation(**data["expectation"]),
            "load": load_of(data["load"]),
            "variants": tuple(variant_of(each) for each in data["variants"]),
            "factors": tuple(data["factors"]),
            "thresholds": tuple(Threshold(**each) for each in data.get("thresholds", ())),
            "assertions": tuple(Assertion(**each) for each in data.get("assertions", ())),
            "allow": tuple(data.get("allow", ())),
        }
    )
