"""The validity gate: what must hold before numbers mean anything. Each failure says what it touches, and what to do."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from rig import stats
from rig.experiment.file.spec import CONTROL
from rig.experiment.judge import windows
from rig.experiment.judge.ratios import judged_logs, percent
from rig.experiment.judge.validity import Invalid
from rig.experiment.measure import PACED_MEASURES, measures, named
from rig.experiment.result import Result
from rig.testbed.environment import CLOCK_SPREAD

CONTROL_CONFIDENCE = 0.999  # of the A/A alarm: it shall stop a measure in a thousand by chance, not one in twenty
STOLEN_MOST = 0.05  # share of the machine's CPU that the hypervisor may give to others
CLOCK_LIMIT_MS = 50.0  # between two writers' pairs of wall and monotonic clock; reading a pair takes less than that
SAME_RATE = 1.02  # paced rates of two runs that differ by no more are one rate
SHOWN = 3  # ids named in a reason

# The four counters of `Result.counts`, worded to follow "17 tasks".
IN_LEDGER, BY_LOCUST, BY_BROKER, LEFT = (
    "in the ledger", "sent by Locust", "acknowledged at the broker", "left in the broker",
)  # fmt: skip


def check(result: Result) -> list[Invalid]:
    """Return every reason why numbers of `result` may not be used, those that touch all of them first."""
    rules = [_ending, _accounts, _generators, _assertions, _clocks, _machine, *windows.RULES, _control]
    if not result.interrupted:  # a turn that was cut off is in no sum
        rules.insert(2, _counters)
    return [problem for rule in rules for problem in rule(result)]


def _ending(result: Result) -> Iterator[Invalid]:
    done = len(result.whole_rounds)
    if result.interrupted or (len(result.all_rounds) < len(result.orders) and not result.stopped):
        why = result.interrupted or "rig was killed"
        reason = f"incomplete: stopped after {done} of {result.experiment.rounds} rounds ({why})"
        change = f"`rig run --resume {result.run}`; where it was not you who ended it, look into logs/ first"
        yield Invalid(reason=reason, change=change)


def _accounts(result: Result) -> Iterator[Invalid]:
    for cell, account in result.accounts.items():
        for problem in account["invalid"]:
            change = f"look at the segments under ledger/{cell}; a full disk or a killed process does this"
            yield Invalid(reason=f"ledger of {cell}: {problem}", change=change)
        for what, change in _UNWANTED.items():
            found = account[what]
            if found and what not in result.experiment.allow:
                yield Invalid(reason=f"{cell}: {_count(found)} {what}{_some(found)}", change=change)


_EXPECTED = "where the claim is about that, the experiment file says so: allow = [...]"
# Entries of an account that must be empty in a run without faults.
_UNWANTED = {
    "lost": "the ids are in result.json and the worker's log in logs/; without a fault no task may be lost",
    "unexpected": "something else publishes to the cell's queue: nothing but its generator may",
    "stalled": "the drain gave up on them: lower [load] backlog, or look at the worker's log in logs/",
    "failed": f"see the worker's log in logs/; a failing task measures the failure; {_EXPECTED}",
    "indeterminate": "sends raised an error: see the generator's log in logs/",
    "duplicated": f"tasks were started more often than they were retried: look at the worker's log; {_EXPECTED}",
    "expired": f"tasks were revoked, rejected, unknown to the worker or too old; {_EXPECTED}",
}


def _counters(result: Result) -> Iterator[Invalid]:
    for scope, counts in result.counts.items():
        ledger, left = counts[IN_LEDGER], counts.get(LEFT, 0)
        for witness in (BY_LOCUST, BY_BROKER):
            if counts.get(witness, ledger) != ledger:  # absent: the broker of an earlier session of the run is gone
                reason = f"{scope}: {counts[witness]} tasks {witness}, but {ledger} {IN_LEDGER}"
                yield Invalid(reason=reason, change="one of them does not see every task: report this defect")
        if left:
            reason = f"{scope}: {left} tasks {LEFT} though every task in the ledger has its end"
            yield Invalid(reason=reason, change="look for duplicates in the account and for other publishers")


def _generators(result: Result) -> Iterator[Invalid]:
    said = [(turn, what) for turn in result.turns for answer in turn.sent.values() for what in answer["problems"]]
    for turn, what in said[:SHOWN]:
        yield Invalid(reason=f"{turn.cell}, round {turn.round}: {what}", change="see the generator's log in logs/")


def _assertions(result: Result) -> Iterator[Invalid]:
    """A variant that did not do what makes it this variant was not measured, whatever the numbers say."""
    for each in result.experiment.assertions:
        for cell in (cell for cell, variant in result.cells.items() if variant == each.variant):
            own = [turn.values for turn in result.counted if turn.cell == cell]
            values = [measured[each.fact] for measured in own if each.fact in measured]
            low = -math.inf if each.at_least is None else each.at_least
            high = math.inf if each.at_most is None else each.at_most
            wrong = [value for value in values if not low <= value <= high]
            change = "the settings did not reach worker or publisher, or do something else: see the file's [[assert]]"
            if wrong:
                reason = f"{cell}: {each.fact} was {wrong[0]:.4g} a task, and [[assert]] wants {_bounds(low, high)}"
                yield Invalid(reason=reason, change=change)
            elif not values and result.counted:
                yield Invalid(reason=f"{cell}: nothing counted {each.fact}, which [[assert]] is about", change=change)


def _bounds(low: float, high: float) -> str:
    said = [f"at least {low:g}" if low > -math.inf else "", f"at most {high:g}" if high < math.inf else ""]
    return " and ".join(filter(None, said))


def _clocks(result: Result) -> Iterator[Invalid]:
    spread = result.environment.get(CLOCK_SPREAD, 0.0)
    if spread > CLOCK_LIMIT_MS:
        reason = f"wall and monotonic clock of two writers lie {spread:,.0f} ms apart: their stamps may not compare"
        change = "one time namespace for all containers"
        yield Invalid(reason=reason, change=change)


def _machine(result: Result) -> Iterator[Invalid]:
    """What others did on the machine is in every number."""
    quiet, left_out = len(result.whole_rounds), len(result.left_out)
    if left_out > quiet:
        why = next(iter(result.left_out.values()))
        reason = f"{left_out} of {quiet + left_out} rounds had to be left out, the first because {why}"
        yield Invalid(reason=reason, change="stop what else runs on the machine (`docker ps`, `top`) and run again")
    taken = result.stolen_share
    if taken > STOLEN_MOST:
        reason = f"the hypervisor gave {percent(taken)}% of the machine's CPU to others while it was measured"
        yield Invalid(reason=reason, change="run on a machine with cores of its own, or at a quieter time")


def _control(result: Result) -> Iterator[Invalid]:
    for measure in measures(result.experiment):
        logs = judged_logs(result, measure, CONTROL)
        if len(logs) < 2:
            continue
        ratio = stats.ratio_of_logs([logs], CONTROL_CONFIDENCE)
        if ratio.clear_of_one and abs(ratio.ratio - 1) > 0.001:
            apart = percent(abs(math.expm1(math.log(ratio.ratio))))
            reason = f"A/A control: two cells of the same variant differ by {apart}% in {named(measure).title}"
            change = "quiet the machine (other load, CPU frequency) and run again"
            yield Invalid(reason=reason, change=change, touches=(measure.partition(".")[0],))


def _count(found: Any) -> int:
    return found if isinstance(found, int) else len(found)


def _some(found: Any) -> str:
    if isinstance(found, int):
        return ""
    more = ", …" if len(found) > SHOWN else ""
    return f" ({', '.join(found[:SHOWN])}{more})"


def undisturbed(results: Sequence[Result]) -> tuple[list[Result], list[str]]:
    """Return the runs of a series that count, and why each of the others does not.

    As with rounds, what others did on the machine decides, and never what was measured. Where fewer than two runs would
    be left, all of them count, and the series is invalid.
    """
    why = {number: problem.reason for number, result in enumerate(results, start=1) for problem in _machine(result)}
    kept = [result for number, result in enumerate(results, start=1) if number not in why]
    if not why or len(kept) < 2:
        return list(results), []
    return kept, [f"run {number} of {len(results)} is left out, because {reason}" for number, reason in why.items()]


def check_all(results: Sequence[Result]) -> list[Invalid]:
    """Return the reasons of every run of a series, each with its number where there are several."""
    if len(results) == 1:
        return check(results[0])
    return [*_one_rate(results)] + [
        Invalid(reason=f"run {number}: {each.reason}", change=each.change, touches=each.touches)
        for number, result in enumerate(results, start=1)
        for each in check(result)
    ]


def _one_rate(results: Sequence[Result]) -> Iterator[Invalid]:
    rates = [result.rate for result in results]
    if max(rates) > SAME_RATE * min(rates):
        reason = f"the runs were paced at {min(rates):,.0f} to {max(rates):,.0f} tasks/s"
        yield Invalid(reason=reason, change="name a [load] rate that the machine can take", touches=PACED_MEASURES)
