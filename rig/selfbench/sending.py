"""How fast Locust sends, driven as in an experiment, against a bare loop of apply_async on the same core."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rig.selfbench.figure import Figure, times
from rig.stats import geometric_mean, paired_ratio

LOCUST, BARE = "Locust", "apply_async"
WAYS = (LOCUST, BARE)
LEAST = 0.95  # of the bare loop's rate


@dataclass(frozen=True, kw_only=True)
class Sends:
    """What one process came to: sends a second, and its CPU in microseconds a send."""

    per_second: float
    cpu_us: float


Rounds = Mapping[str, Sequence[Sends]]  # way -> one measurement a round


def of_locust(answer: Mapping[str, Any]) -> Sends:
    """Return what a generator's answer to a closed turn of one user says."""
    seconds = (answer["last_published_ns"] - answer["first_sent_ns"]) / 1e9
    return Sends(per_second=answer["sent"] / seconds, cpu_us=answer["cpu_seconds"] / answer["sent"] * 1e6)


def of_loop(measured: Mapping[str, float]) -> Sends:
    """Return what `rig.selfbench.bare` says."""
    return Sends(
        per_second=measured["sent"] / measured["seconds"], cpu_us=measured["cpu_seconds"] / measured["sent"] * 1e6
    )


def plan(rounds: int, settings: Sequence[str], seed: int) -> list[list[tuple[str, str]]]:
    """Return for each round every (setting, way) once, in random order."""
    dice = random.Random(seed)  # noqa: S311 - a plan, not a secret
    pairs = [(setting, way) for setting in settings for way in WAYS]
    return [dice.sample(pairs, len(pairs)) for _ in range(rounds)]


def figures(what: str, rounds: Rounds) -> list[Figure]:
    """Return both rates and both costs under one setting, and Locust's share of the bare loop's rate."""
    found = []
    for way in WAYS:
        rate_of_way = geometric_mean([sends.per_second for sends in rounds[way]])
        us_of_way = geometric_mean([sends.cpu_us for sends in rounds[way]])
        found += [
            Figure(name=f"{what}: {way}, rate", value=rate_of_way, unit="sends/s"),
            Figure(name=f"{what}: {way}, cost", value=us_of_way, unit="µs CPU a send"),
        ]
    locust, bare = rounds[LOCUST], rounds[BARE]
    rate = paired_ratio([sends.per_second for sends in bare], [sends.per_second for sends in locust])
    cpu = paired_ratio([sends.cpu_us for sends in bare], [sends.cpu_us for sends in locust])
    return [
        *found,
        times(f"{what}: CPU, Locust / {BARE}", cpu),
        times(f"{what}: rate, Locust / {BARE}", rate, f"≥ {LEAST}", ok=rate.ratio >= LEAST),
    ]
