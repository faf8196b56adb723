"""The highest rate that meets a latency goal: found by short paced loads, when all of a turn has been measured."""

from __future__ import annotations

import math
from collections.abc import Callable

from rig import stats
from rig.experiment.file.spec import Goal
from rig.experiment.measure import Window, end_to_end_ms, in_turn, pacing
from rig.experiment.station import Station
from rig.experiment.turn import PACED, PROBE, Sent, post_number
from rig.ledger.reader import read_ledger
from rig.ledger.tasks import Tasks, build

PROBES = 5
FLOOR = 0.1  # share of the cell's drain capacity where the search begins; the capacity itself is where it ends
KEPT = 0.98  # share of the offered rate that a load which meets the goal has to achieve, in sending and in executing


def search(
    station: Station, goal: Goal, capacity: float, next_number: Callable[[], int], seed: int
) -> tuple[float, Sent]:
    """Return the highest rate (tasks/s) at which the cell of `station` met `goal`, and the answers to all probes.

    `capacity` is the rate at which it drained its backlog, `next_number` gives each probe a turn number of its own.
    """
    sent: Sent = {}

    def probe(rate: float) -> bool:
        number = next_number()
        measured = station.pace(number, rate, seed)
        answer = measured.sent[PACED]
        sent[f"{PROBE} {len(sent) + 1}"] = answer
        tasks = build(read_ledger(station.running.cell.ledger))
        return not answer["unsent"] and meets(goal, tasks, post_number(number, PACED), measured.window)

    return highest(probe, FLOOR * capacity, capacity), sent


def highest(probe: Callable[[float], bool], low: float, high: float) -> float:
    """Return the highest rate between `low` and `high` that passed one of `PROBES` probes, or 0 when none did.

    Bisection of the logarithm: each probe halves the ratio between the best rate that passed and the lowest that
    failed. From a tenth of the capacity to all of it, five leave a ratio of 10^(1/32): 7%. Where cells have different
    capacities the steps fall differently, and so they do from round to round.
    """
    passed = 0.0
    for _ in range(PROBES):
        rate = math.sqrt(low * high)
        if probe(rate):
            passed = low = rate
        else:
            high = rate
    return passed


def meets(goal: Goal, tasks: Tasks, post: int, window: Window) -> bool:
    """Whether the paced load of turn number `post` met `goal` in its `window`, from its cell's tasks.

    The run-in is sent and executed like the rest, and judged by none of this. The percentile is within
    the goal's time; the rate was sent; and it was executed: but for 2% every task had its end when the goal's time had
    passed after the last planned one. A load above what the workers can do may have good percentiles as long as it is
    short, but it leaves a backlog.
    """
    chosen = in_turn(tasks, post) & (tasks.planned >= window.start_ns)
    latencies = end_to_end_ms(tasks, chosen)
    if len(latencies) < 2:
        return False
    kept = pacing(tasks.planned[chosen], tasks.sent[chosen])
    deadline = tasks.planned[chosen].max() + int(goal.ms * 1e6)
    ended = tasks.finished[chosen]
    in_time = ((ended != 0) & (ended <= deadline)).mean()
    return (
        stats.percentile(latencies, goal.percentile) <= goal.ms
        and kept["achieved_rate"] >= KEPT * kept["offered_rate"]
        and bool(in_time >= KEPT)
    )
