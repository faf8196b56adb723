"""Shapes of runs that never were, and a run with as many variants and kinds of task as an experiment may have."""

from __future__ import annotations

import math
from dataclasses import replace

import made_up
import numpy as np

from rig.experiment.distributions import POINTS, STAGES, Flow, Latency, Shapes, StageMeans
from rig.experiment.file.spec import CONTROL, Load, differing
from rig.experiment.measure import measures
from rig.experiment.plan import schedule
from rig.experiment.result import Result
from rig.experiment.turn import BACKLOG, DRAIN, PACED, Phase, Turn
from rig.testbed.variant import Kind, Variant

BIN_S = 0.1
S = 1_000_000_000


def many(names: tuple[str, ...], kinds: tuple[str, ...], rounds: int = 4) -> Result:
    """A run whose variants differ in prefetch: each a tenth faster than the one before."""
    variants = tuple(Variant(name=name, settings={"worker_prefetch_multiplier": n}) for n, name in enumerate(names))
    load = Load(kinds=tuple(Kind(name=kind, task=f"app.{kind}", share=1 / len(kinds)) for kind in kinds))
    base = made_up.experiment(rounds, variant=names[-1])
    experiment = replace(base, variants=variants, load=load, factors=differing(variants))
    cells = {**{name: name for name in names}, CONTROL: names[0]}
    orders = schedule(list(cells), rounds, 1)
    effect = {name: 1.1**place for place, name in enumerate(names)} | {CONTROL: 1.0}
    turns = [
        turn(number, cell, effect[cell], list(measures(experiment)))
        for number, order in enumerate(orders, start=1)
        for cell in order
    ]
    return replace(
        made_up.result(), experiment=experiment, cells=cells, orders=orders,
        turns=turns,
        accounts={cell: dict(made_up.ACCOUNT) for cell in cells},
        counts={cell: dict(made_up.COUNTS) for cell in cells},
    )  # fmt: skip


def turn(number: int, cell: str, effect: float, names: list[str]) -> Turn:
    rng = np.random.default_rng([number, len(cell), ord(cell[-1])])
    values = {name: 1000 * effect * float(rng.lognormal(0, 0.03)) for name in names}
    values |= {"offered_rate": 550.0, "achieved_rate": 549.0, "lag_p99": 0.8}
    return Turn(round=number, place=0, cell=cell, number=0, phases={}, sent={PACED: made_up.ANSWER}, values=values)


def numbered(result: Result) -> Result:
    """Give each turn a number of its own and times of its own, as those of a run have."""
    turns = []
    for number, each in enumerate(result.turns):
        phases = {name: _later(phase, 100 * number * S) for name, phase in (each.phases or PHASES).items()}
        turns.append(replace(each, number=number, phases=phases))
    return replace(result, turns=turns)


PHASES = made_up.phases_of(made_up.TRUTH)


def _later(phase: Phase, ns: int) -> Phase:
    return replace(phase, started_ns=phase.started_ns + ns, ended_ns=phase.ended_ns + ns)


def shapes(result: Result, count: int = 4500) -> Shapes:
    """Plausible shapes of a `numbered` result: each cell a little faster than the one before."""
    kinds = [kind.name for kind in result.experiment.load.kinds]
    wanted = ["", *kinds] if len(kinds) > 1 else [""]
    latency, stack = {}, {}
    for place, cell in enumerate(result.cells):
        slow = 1.0 if cell == CONTROL else 1.2**-place
        latency[cell] = {kind: _latency(slow * (1 + index), count) for index, kind in enumerate(wanted)}
        stack[cell] = {kind: _stack(slow * (1 + index), count) for index, kind in enumerate(wanted)}
    return Shapes(bin_s=BIN_S, latency=latency, stack=stack, flow={turn.number: _flow(turn) for turn in result.turns})


def _latency(slow: float, count: int) -> Latency:
    ms = [float(f"{slow * (1 + 2 * point**2):.4g}") for point in POINTS]
    most = slow * (1 + 2 * math.log10(count) ** 2)
    return Latency(count=count, ms=ms, most_ms=round(most, 3), tail=count // 100, worst_round=3, worst_share=0.31)


def _stack(slow: float, count: int) -> StageMeans:
    means = (60, 320, 410, 150, 90, 280, 40)
    us = {stage: round(slow * mean, 1) for stage, mean in zip(STAGES, means, strict=True)}
    return StageMeans(count=count, partial=0, us=us, median_us=1100 * slow)


def _flow(turn: Turn) -> Flow:
    """Published while the backlog and the paced load last, finished in the drain and the paced load."""
    edges = {name: (phase.started_ns, phase.ended_ns) for name, phase in turn.phases.items()}
    begin = min(start for start, _ in edges.values())
    bins = math.ceil((max(end for _, end in edges.values()) - begin) / 1e9 / BIN_S)
    flow = Flow(published=[0] * bins, finished=[0] * bins)
    for name, columns, count in (
        (BACKLOG, [flow.published], 150), (DRAIN, [flow.finished], 110), (PACED, [flow.published, flow.finished], 55),
    ):  # fmt: skip
        first, last = (round((edge - begin) / 1e9 / BIN_S) for edge in edges[name])
        for column in columns:
            column[first:last] = [count] * (last - first)
    return flow
