"""What must hold of the windows that are measured: a generator in time, a rate that was reached, a steady course.

Each rule touches the measures of its window, and no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rig import stats
from rig.experiment.judge.ratios import percent
from rig.experiment.judge.validity import Invalid
from rig.experiment.measure import BATCH_MEASURES, LATENCIES, PACED_MEASURES, WAITING
from rig.experiment.result import Result
from rig.experiment.turn import BACKLOG, DRAIN, PACED, PROBE

SPOILED = 0.25  # share of a cell's turns in which something may go wrong that only widens intervals
MISSED_RATE = 0.02  # share of the offered rate that may be missing from the achieved one in a cell, over all rounds
BUSY_LIMIT = 0.9  # share of one core that a generator may use: gevent has no more than one
LOOP_LAG_LIMIT_US = 5000.0  # how late a generator's event loop may be at a percentile: its sends may have been, too
FULL = 0.8  # share of what the slowest cell executed at which a paced load is a queue that grows

_SLOWER = "lower [load] rate or share, stop what else runs, or give the generator a core of its own"


def saturation(result: Result) -> Iterator[Invalid]:
    """A generator that has no time left measures itself."""
    for cell in result.cells:
        over, of = _over(_share_of_a_core(answer) > BUSY_LIMIT for answer in _paced(result, cell))
        if over > SPOILED * of:
            what = f"was saturated: it used more than {percent(BUSY_LIMIT)}% of a core"
            reason = f"{cell}: in {over} of {of} paced loads the generator {what}"
            yield Invalid(reason=reason, change=_SLOWER, touches=LATENCIES)


def lateness(result: Result) -> Iterator[Invalid]:
    """A generator that others keep from running sends late: by how much at a percentile, that percentile may be wrong.

    The mean time of a send is held to the 95th, the share of tasks that wait to a quarter of what is called waiting.
    What was not measured, as p99 of a short window, cannot be wrong.
    """
    limits = [
        ("p50", LOOP_LAG_LIMIT_US, ("p50",)),
        ("p95", LOOP_LAG_LIMIT_US, ("p95", "publish_ms")),
        ("p99", LOOP_LAG_LIMIT_US, ("p99",)),
        ("p99", result.experiment.load.wait_ms * 1000 / 4, (WAITING,)),
    ]
    measured = {name.partition(".")[0] for turn in result.counted for name in turn.values}
    for cell in result.cells:
        lags = [answer.get("loop_lag_us") or {} for answer in _paced(result, cell)]
        reason, touches = "", tuple[str, ...]()
        for quantile, limit, own in limits:
            over, of = _over(lag.get(quantile, 0.0) > limit for lag in lags)
            if over > SPOILED * of and (wrong := tuple(name for name in own if name in measured)):
                touches += wrong
                late = f"was late: its event loop by more than {limit / 1000:g} ms ({quantile})"
                reason = reason or f"{cell}: in {over} of {of} paced loads the generator {late}"
        if reason:
            yield Invalid(reason=reason, change=_SLOWER, touches=touches)


def _paced(result: Result, cell: str) -> list[Mapping[str, Any]]:
    """Return what a cell's generator answered to each paced load."""
    return [turn.sent.get(PACED, {}) for turn in result.counted if turn.cell == cell]


def _over(which: Iterable[bool]) -> tuple[int, int]:
    """Return how many are true, and how many there are."""
    seen = list(which)
    return sum(seen), len(seen)


def _share_of_a_core(answer: Mapping[str, Any]) -> float:
    """Return the share of a core that a generator used while it sent; 0 where an older record does not say."""
    seconds = answer.get("seconds")
    return answer["cpu_seconds"] / seconds if seconds else 0.0


def pacing(result: Result) -> Iterator[Invalid]:
    """A load that did not reach its rate is another load."""
    answers = [pair for turn in result.counted for pair in turn.sent.items()]
    unsent = sum(answer["unsent"] for phase, answer in answers if not phase.startswith(PROBE))
    if unsent:  # by a probe of the search: that one has failed, and that is all
        reason = f"{unsent} tasks that were planned were never sent"
        yield Invalid(reason=reason, change=_SLOWER, touches=PACED_MEASURES)
    offered, achieved = result.by_cell("offered_rate"), result.by_cell("achieved_rate")
    for cell in result.cells:
        missing = 1 - sum(achieved[cell]) / sum(offered[cell]) if offered[cell] else 0.0
        if missing > MISSED_RATE:
            reason = f"{cell}: the paced load reached {percent(1 - missing)}% of the rate it was offered"
            yield Invalid(reason=reason, change=_SLOWER, touches=PACED_MEASURES)


def overload(result: Result) -> Iterator[Invalid]:
    """Above what a cell can execute a queue grows, and latency measures how long the load went on."""
    executed = {cell: values for cell, values in result.by_cell("execution_rate").items() if values}
    if not executed or not result.rate:
        return
    slowest = min(executed, key=lambda cell: stats.geometric_mean(executed[cell]))
    capacity = stats.geometric_mean(executed[slowest])
    if result.rate > FULL * capacity:
        reason = (
            f"the paced load of {result.rate:,.0f} tasks/s is {percent(result.rate / capacity)}% of what {slowest} "
            f"executes in a drain ({capacity:,.0f} tasks/s)"
        )
        yield Invalid(reason=reason, change="lower [load] rate", touches=PACED_MEASURES)


# Phases whose connections must be there before they begin, and what one that is opened in them disturbs.
_WINDOWS = {PACED: PACED_MEASURES, BACKLOG: BATCH_MEASURES, DRAIN: BATCH_MEASURES}


def connections(result: Result) -> Iterator[Invalid]:
    """A connection that is opened while a window is open is a cost of starting, which belongs into the warm-up."""
    for cell in result.cells:
        own = [turn for turn in result.counted if turn.cell == cell]
        for name, touches in _WINDOWS.items():
            opened = [sum(turn.phases[name].opened.values()) for turn in own if name in turn.phases]
            over = sum(count > 0 for count in opened)
            if over > SPOILED * len(opened):
                reason = f"{cell}: in {over} of {len(opened)} turns connections were opened in the phase {name!r}"
                change = "what a variant connects to must be connected in the warm-up: report this defect"
                yield Invalid(reason=reason, change=change, touches=touches)


# Entry of `Turn.values` -> what it is the beginning of, and what is of no use where that is not like the rest.
_BEGINNINGS = {
    "paced_start": ("of the paced window took {ratio:.2g} times as long as the rest", PACED_MEASURES),
    "drain_start": ("of the drain went at {ratio:.2g} times the rate of the rest", BATCH_MEASURES),
}


def unsteady(result: Result) -> Iterator[Invalid]:
    """A window whose beginning differs from its rest measures a start, or a queue that grows."""
    for name, (what, touches) in _BEGINNINGS.items():
        for cell in result.cells:
            logs = [turn.values[name] for turn in result.counted if turn.cell == cell and name in turn.values]
            found = stats.unsteady(logs)
            if found:
                reason = f"{cell}: the beginning {what.format(ratio=found.ratio)}"
                change = "a longer [load] run_in or backlog, or a lower rate: whatever grows is not steady"
                yield Invalid(reason=reason, change=change, touches=touches)


RULES = (saturation, lateness, pacing, overload, connections, unsteady)
