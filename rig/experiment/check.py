"""The validity gate: what must hold before numbers mean anything. Each failure says what it touches, and what to do."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rig.experiment import stats
from rig.experiment.compare import judged_logs, percent
from rig.experiment.environment import CLOCK_SPREAD
from rig.experiment.measure import BATCH_MEASURES, LATENCIES, PACED_MEASURES, WAITING, measures, named
from rig.experiment.record import BACKLOG, DRAIN, PACED, PROBE
from rig.experiment.result import Result
from rig.experiment.spec import CONTROL
from rig.experiment.validity import Invalid

MISSED_RATE = 0.02  # share of the offered rate that may be missing from the achieved one in a cell, over all rounds
CONTROL_CONFIDENCE = 0.999  # of the A/A alarm: it shall stop a measure in a thousand by chance, not one in twenty
SPOILED = 0.25  # share of a cell's turns in which something may go wrong that only widens intervals
BUSY_LIMIT = 0.9  # share of one core that a generator may use: gevent has no more than one
LOOP_LAG_LIMIT_US = 5000.0  # how late a generator's event loop may be at a percentile: its sends may have been, too
STOLEN_MOST = 0.05  # share of the machine's CPU that the hypervisor may give to others
CLOCK_LIMIT_MS = 50.0  # between two writers' pairs of wall and monotonic clock; reading a pair takes less than that
SAME_RATE = 1.02  # paced rates of two runs that differ by no more are one rate
FULL = 0.8  # share of what the slowest cell executed at which a paced load is a queue that grows
SHOWN = 3  # ids named in a reason

# The four counters of `Result.counts`, worded to follow "17 tasks".
IN_LEDGER, BY_LOCUST, BY_BROKER, LEFT = (
    "in the ledger", "sent by Locust", "acknowledged at the broker", "left in the broker",
)  # fmt: skip


def check(result: Result) -> list[Invalid]:
    """Return every reason why numbers of `result` may not be used, those that touch all of them first."""
    rules = [  # from _saturation on each touches some measures
        _ending, _accounts, _generators, _assertions, _clocks, _machine, _saturation, _lateness, _pacing, _overload,
        _connections, _unsteady, _control,
    ]  # fmt: skip
    if not result.interrupted:  # a turn that was cut off is in nobody's sum
        rules.insert(2, _counters)
    return [problem for rule in rules for problem in rule(result)]


def _ending(result: Result) -> Iterator[Invalid]:
    done = len(result.whole_rounds)
    if result.interrupted or (len(result.all_rounds) < len(result.orders) and not result.stopped):
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


def _pacing(result: Result) -> Iterator[Invalid]:
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


_SLOWER = "lower [load] rate or share, stop what else runs, or give the generator a core of its own"


def _overload(result: Result) -> Iterator[Invalid]:
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


def _clocks(result: Result) -> Iterator[Invalid]:
    spread = result.environment.get(CLOCK_SPREAD, 0.0)
    if spread > CLOCK_LIMIT_MS:
        reason = f"wall and monotonic clock of two writers lie {spread:,.0f} ms apart: their stamps may not compare"
        change = "one time namespace for all containers"
        yield Invalid(reason=reason, change=change)


def _saturation(result: Result) -> Iterator[Invalid]:
    """A generator that has no time left measures itself."""
    for cell in result.cells:
        over, of = _over(_share_of_a_core(answer) > BUSY_LIMIT for answer in _paced(result, cell))
        if over > SPOILED * of:
            what = f"was saturated: it used more than {percent(BUSY_LIMIT)}% of a core"
            reason = f"{cell}: in {over} of {of} paced loads the generator {what}"
            yield Invalid(reason=reason, change=_SLOWER, touches=LATENCIES)


def _lateness(result: Result) -> Iterator[Invalid]:
    """A generator that others keep from running sends late: by how much at a percentile, that percentile may be wrong.

    The mean time of a send is held to the 95th, the share of tasks that wait to a quarter of what is called waiting.
    """
    limits = [
        ("p50", LOOP_LAG_LIMIT_US, ("p50",)),
        ("p95", LOOP_LAG_LIMIT_US, ("p95", "publish_ms")),
        ("p99", LOOP_LAG_LIMIT_US, ("p99",)),
        ("p99", result.experiment.load.wait_ms * 1000 / 4, (WAITING,)),
    ]
    for cell in result.cells:
        lags = [answer.get("loop_lag_us") or {} for answer in _paced(result, cell)]
        reason, touches = "", tuple[str, ...]()
        for quantile, limit, own in limits:
            over, of = _over(lag.get(quantile, 0.0) > limit for lag in lags)
            if over > SPOILED * of:
                touches += own
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


# Phases whose connections must be there before they begin, and what one that is opened in them disturbs.
_WINDOWS = {PACED: PACED_MEASURES, BACKLOG: BATCH_MEASURES, DRAIN: BATCH_MEASURES}


def _connections(result: Result) -> Iterator[Invalid]:
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


def _unsteady(result: Result) -> Iterator[Invalid]:
    """A window whose beginning differs from its rest measures a start, or a queue that grows."""
    for name, (what, touches) in _BEGINNINGS.items():
        for cell in result.cells:
            logs = [turn.values[name] for turn in result.counted if turn.cell == cell and name in turn.values]
            found = stats.unsteady(logs)
            if found:
                reason = f"{cell}: the beginning {what.format(ratio=found.ratio)}"
                change = "a longer [load] run_in or backlog, or a lower rate: whatever grows is not steady"
                yield Invalid(reason=reason, change=change, touches=touches)


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
