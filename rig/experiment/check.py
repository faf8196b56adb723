"""The validity gate: what must hold before a run's numbers mean anything. Each failure says what to change."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from rig.experiment import stats
from rig.experiment.compare import percent
from rig.experiment.measure import MEASURES
from rig.experiment.record import FOREIGN_LIMIT, Turn
from rig.experiment.result import Result
from rig.experiment.spec import CONTROL
from rig.experiment.verdict import Invalid

MISSED_RATE = 0.02  # share of the offered rate that may be missing from the achieved one in a cell, over all rounds
CONTROL_CONFIDENCE = 0.999  # of the A/A alarm: it shall stop a run in a thousand by chance, not one in twenty
STOLEN_LIMIT = 0.02  # share of the machine's CPU
FEW_ROUNDS = 8  # a schedule of fewer is not balanced to the end, and seven degrees of freedom are few enough
SHOWN = 3  # ids named in a reason

# The four counters of `Result.counts`, worded to follow "17 tasks".
IN_LEDGER, BY_LOCUST, BY_BROKER, LEFT = (
    "in the ledger", "sent by Locust", "acknowledged at the broker", "left in the broker",
)  # fmt: skip


def check(result: Result) -> list[Invalid]:
    """Return every reason why `result` is invalid, the gravest first."""
    rules = [_interruption, _accounts, _generators, _pacing, _control]
    if not result.interrupted:  # a turn that was cut off is in nobody's sum
        rules.insert(2, _counters)
    return [problem for rule in rules for problem in rule(result)]


def _interruption(result: Result) -> Iterator[Invalid]:
    if result.interrupted:
        done = len(result.by_cell("execution_rate")[result.experiment.baseline.name])
        reason = f"ended before its time, after {done} of {result.experiment.rounds} rounds: {result.interrupted}"
        yield Invalid(reason=reason, change="run it again; where it was not you who ended it, look into logs/ first")


def _accounts(result: Result) -> Iterator[Invalid]:
    for cell, account in result.accounts.items():
        for problem in account["invalid"]:
            change = f"look at the segments under ledger/{cell}; a full disk or a killed process does this"
            yield Invalid(reason=f"ledger of {cell}: {problem}", change=change)
        for what, change in _UNWANTED.items():
            found = account[what]
            if found:
                yield Invalid(reason=f"{cell}: {_count(found)} {what}{_some(found)}", change=change)


# Entries of an account that must be empty in a run without faults.
_UNWANTED = {
    "lost": "the ids are in result.json and the worker's log in logs/; without a fault no task may be lost",
    "unexpected": "something else publishes to the cell's queue: nothing but its generator may",
    "stalled": "the drain gave up on them: lower [load] backlog, or look at the worker's log in logs/",
    "failed": "see the worker's log in logs/; a failing task measures the failure",
    "indeterminate": "sends raised an error: see the generator's log in logs/",
}


def _counters(result: Result) -> Iterator[Invalid]:
    for scope, counts in result.counts.items():
        ledger, left = counts[IN_LEDGER], counts[LEFT]
        for witness in (BY_LOCUST, BY_BROKER):
            if counts[witness] != ledger:
                reason = f"{scope}: {counts[witness]} tasks {witness}, but {ledger} {IN_LEDGER}"
                yield Invalid(reason=reason, change="one of them does not see every task: report this defect")
        if left:
            reason = f"{scope}: {left} tasks {LEFT} though every task in the ledger has its end"
            yield Invalid(reason=reason, change="look for duplicates in the account and for other publishers")


def _generators(result: Result) -> Iterator[Invalid]:
    said = [(turn, what) for turn in result.turns for answer in turn.sent.values() for what in answer["problems"]]
    for turn, what in said[:SHOWN]:
        yield Invalid(reason=f"{turn.cell}, round {turn.round}: {what}", change="see the generator's log in logs/")


def _pacing(result: Result) -> Iterator[Invalid]:
    unsent = sum(answer["unsent"] for turn in result.turns for answer in turn.sent.values())
    if unsent:
        reason = f"{unsent} tasks that were planned were never sent"
        yield Invalid(reason=reason, change="lower [load] share, or see the generators' logs in logs/")
    offered, achieved = result.by_cell("offered_rate"), result.by_cell("achieved_rate")
    for cell in result.cells:
        missing = 1 - sum(achieved[cell]) / sum(offered[cell]) if offered[cell] else 0.0
        if missing > MISSED_RATE:
            reason = f"{cell}: the paced load reached {percent(1 - missing)}% of the rate it was offered"
            yield Invalid(reason=reason, change="lower [load] share, or give the generator a core of its own")


def _control(result: Result) -> Iterator[Invalid]:
    measure = result.experiment.expectation.measure
    values = result.by_cell(measure)
    baseline, again = values[result.experiment.baseline.name], values[CONTROL]
    if len(baseline) < 2 or min(*baseline, *again) <= 0:
        return
    ratio = stats.paired_ratio(baseline, again, CONTROL_CONFIDENCE)
    if ratio.clear_of_one:
        apart = percent(abs(math.expm1(math.log(ratio.ratio))))
        reason = f"A/A control: two cells of the same variant differ by {apart}% in {MEASURES[measure].title}"
        yield Invalid(reason=reason, change="quiet the machine (other load, CPU frequency) and run again")


def _count(found: Any) -> int:
    return found if isinstance(found, int) else len(found)


def _some(found: Any) -> str:
    if isinstance(found, int):
        return ""
    more = ", …" if len(found) > SHOWN else ""
    return f" ({', '.join(found[:SHOWN])}{more})"


def warnings(result: Result) -> list[str]:
    """Return what does not make the run invalid but should be known by who reads it."""
    said = []
    if result.experiment.rounds < FEW_ROUNDS:
        said.append(f"only {result.experiment.rounds} rounds: wide intervals, in which one odd round weighs much")
    counted = [turn for turn in result.turns if turn.round and not turn.discarded]
    disturbed = sum(turn.foreign > FOREIGN_LIMIT for turn in counted)
    if disturbed:
        limit = percent(FOREIGN_LIMIT)
        said.append(
            f"in {disturbed} of {len(counted)} turns that count, others used more than {limit}% of the machine's CPU"
        )
    stolen = _stolen(result, counted)
    if stolen > STOLEN_LIMIT:
        said.append(f"the hypervisor gave {percent(stolen)}% of the machine's CPU to others while it was measured")
    return said


def _stolen(result: Result, turns: Sequence[Turn]) -> float:
    """Return the share of the machine's CPU that the hypervisor gave to others, over all measured phases."""
    phases = [phase for turn in turns for phase in turn.phases.values()]
    capacity = sum(phase.seconds for phase in phases) * 1e9 * result.environment.get("cores", 1)
    return sum(phase.stolen_ns for phase in phases) / capacity if capacity else 0.0
