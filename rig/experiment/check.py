"""The validity gate: what must hold before a run's numbers mean anything. Each failure says what to change."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from rig.experiment import stats
from rig.experiment.compare import percent
from rig.experiment.environment import CLOCK_SPREAD
from rig.experiment.measure import named
from rig.experiment.record import FOREIGN_LIMIT, PACED, PROBE, Turn
from rig.experiment.result import Result
from rig.experiment.spec import CONTROL
from rig.experiment.verdict import Invalid

MISSED_RATE = 0.02  # share of the offered rate that may be missing from the achieved one in a cell, over all rounds
CONTROL_CONFIDENCE = 0.999  # of the A/A alarm: it shall stop a run in a thousand by chance, not one in twenty
STOLEN_LIMIT, STOLEN_MOST = 0.02, 0.05  # share of the machine's CPU: worth a warning; too much
SPOILED = 0.25  # share of the turns that count in which others, or a saturated generator, may have been at work
BUSY_LIMIT = 0.9  # share of one core that a generator may use: gevent has no more than one
LOOP_LAG_LIMIT_US = 5000.0  # p99 of how late a generator's event loop was: by so much its sends may have been
CLOCK_LIMIT_MS = 50.0  # between two writers' pairs of wall and monotonic clock; reading a pair takes less than that
FEW_ROUNDS = 8  # a schedule of fewer is not balanced to the end, and seven degrees of freedom are few enough
SHOWN = 3  # ids named in a reason

# The four counters of `Result.counts`, worded to follow "17 tasks".
IN_LEDGER, BY_LOCUST, BY_BROKER, LEFT = (
    "in the ledger", "sent by Locust", "acknowledged at the broker", "left in the broker",
)  # fmt: skip


def check(result: Result) -> list[Invalid]:
    """Return every reason why `result` is invalid, the gravest first."""
    rules = [_ending, _accounts, _generators, _clocks, _machine, _saturation, _pacing, _control]
    if not result.interrupted:  # a turn that was cut off is in nobody's sum
        rules.insert(2, _counters)
    return [problem for rule in rules for problem in rule(result)]


def _ending(result: Result) -> Iterator[Invalid]:
    done = len(result.whole_rounds)
    if result.interrupted or (done < result.experiment.rounds and not result.stopped):
        why = result.interrupted or "rig was killed"
        reason = f"ended before its time, after {done} of {result.experiment.rounds} rounds: {why}"
        change = f"`rig run --resume {result.run}`; where it was not you who ended it, look into logs/ first"
        yield Invalid(reason=reason, change=change)


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
        ledger, left = counts[IN_LEDGER], counts.get(LEFT, 0)
        for witness in (BY_LOCUST, BY_BROKER):
            if counts.get(witness, ledger) != ledger:  # absent: the broker of an earlier life of the run is gone
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
    answers = [pair for turn in result.turns for pair in turn.sent.items()]
    unsent = sum(answer["unsent"] for phase, answer in answers if not phase.startswith(PROBE))
    if unsent:  # by a probe of the search: that one has failed, and that is all
        reason = f"{unsent} tasks that were planned were never sent"
        yield Invalid(reason=reason, change="lower [load] share, or see the generators' logs in logs/")
    offered, achieved = result.by_cell("offered_rate"), result.by_cell("achieved_rate")
    for cell in result.cells:
        missing = 1 - sum(achieved[cell]) / sum(offered[cell]) if offered[cell] else 0.0
        if missing > MISSED_RATE:
            reason = f"{cell}: the paced load reached {percent(1 - missing)}% of the rate it was offered"
            yield Invalid(reason=reason, change="lower [load] share, or give the generator a core of its own")


def _clocks(result: Result) -> Iterator[Invalid]:
    spread = result.environment.get(CLOCK_SPREAD, 0.0)
    if spread > CLOCK_LIMIT_MS:
        reason = f"wall and monotonic clock of two writers lie {spread:,.0f} ms apart: their stamps may not compare"
        change = "one host and one time namespace for all containers, and no step of the wall clock during the run"
        yield Invalid(reason=reason, change=change)


def _saturation(result: Result) -> Iterator[Invalid]:
    """A generator that has no time left, or is not given any, sends late, and what it measures is itself."""
    for cell in result.cells:
        answers = [turn.sent.get(PACED, {}) for turn in result.counted if turn.cell == cell]
        busy = [_share_of_a_core(answer) for answer in answers]
        lags = [(answer.get("loop_lag_us") or {}).get("p99", 0.0) for answer in answers]
        limits = [
            (busy, BUSY_LIMIT, f"was saturated: it used more than {percent(BUSY_LIMIT)}% of a core"),
            (lags, LOOP_LAG_LIMIT_US, f"was late: its event loop by more than {LOOP_LAG_LIMIT_US / 1000:g} ms (p99)"),
        ]
        for values, limit, what in limits:
            over = sum(value > limit for value in values)
            if over > SPOILED * len(values):
                reason = f"{cell}: in {over} of {len(values)} paced loads the generator {what}"
                change = "lower [load] share, stop what else runs, or give the generator a core of its own"
                yield Invalid(reason=reason, change=change)


def _share_of_a_core(answer: Mapping[str, Any]) -> float:
    """Return the share of a core that a generator used while it sent; 0 where an older record does not say."""
    seconds = answer.get("seconds")
    return answer["cpu_seconds"] / seconds if seconds else 0.0


def _machine(result: Result) -> Iterator[Invalid]:
    """What others did on the machine is in every number."""
    disturbed, counted = len(_disturbed(result)), len(result.counted)
    if disturbed > SPOILED * counted:
        reason = f"in {disturbed} of {counted} turns that count, {_OTHERS}"
        yield Invalid(reason=reason, change="stop what else runs on the machine (`docker ps`, `top`) and run again")
    stolen = _stolen(result)
    if stolen > STOLEN_MOST:
        reason = f"{_HYPERVISOR} {percent(stolen)}% of the machine's CPU to others while it was measured"
        yield Invalid(reason=reason, change="run on a machine with cores of its own, or at a quieter time")


_OTHERS = f"others used more than {percent(FOREIGN_LIMIT)}% of the machine's CPU"
_HYPERVISOR = "the hypervisor gave"


def _control(result: Result) -> Iterator[Invalid]:
    measure = result.experiment.expectation.measure
    values = result.by_cell(measure)
    baseline, again = values[result.experiment.baseline.name], values[CONTROL]
    if len(baseline) < 2 or min(*baseline, *again) <= 0:
        return
    ratio = stats.paired_ratio(baseline, again, CONTROL_CONFIDENCE)
    if ratio.clear_of_one:
        apart = percent(abs(math.expm1(math.log(ratio.ratio))))
        reason = f"A/A control: two cells of the same variant differ by {apart}% in {named(measure).title}"
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
    rounds = len(result.whole_rounds)
    if rounds < FEW_ROUNDS and not result.stopped:
        said.append(f"only {rounds} rounds: wide intervals, in which one odd round weighs much")
    disturbed, counted = len(_disturbed(result)), len(result.counted)
    if 0 < disturbed <= SPOILED * counted:
        said.append(f"in {disturbed} of {counted} turns that count, {_OTHERS}")
    stolen = _stolen(result)
    if STOLEN_LIMIT < stolen <= STOLEN_MOST:
        said.append(f"{_HYPERVISOR} {percent(stolen)}% of the machine's CPU to others while it was measured")
    return said + [_LIFE.format(rounds=life.rounds, ended=life.ended) for life in result.earlier]


_LIFE = (
    "continued after round {rounds} ({ended}): the broker of the rounds before is gone, so of their tasks only ledger "
    "and Locust were compared"
)


def _disturbed(result: Result) -> list[Turn]:
    return [turn for turn in result.counted if turn.foreign > FOREIGN_LIMIT]


def _stolen(result: Result) -> float:
    """Return the share of the machine's CPU that the hypervisor gave to others, over all measured phases."""
    phases = [phase for turn in result.counted for phase in turn.phases.values()]
    capacity = sum(phase.seconds for phase in phases) * 1e9 * result.environment.get("cores", 1)
    return sum(phase.stolen_ns for phase in phases) / capacity if capacity else 0.0
