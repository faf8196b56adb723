"""What is true of the cells of rig/selfbench/truths/*.toml, and what was measured of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rig import stats
from rig.experiment.file.spec import CONTROL
from rig.experiment.measure import named
from rig.experiment.result import Result
from rig.experiment.station import WARM_TASKS
from rig.experiment.turn import WARM
from rig.testbed.meters import MIB

SURE = 0.999  # of the interval that must hold a truth: of forty at 95%, two would miss it in each run

# How a cell is compared: as a ratio to the baseline, as a difference from it in the measure's unit, or not at all.
RATIO, DIFFERENCE, ALONE = "ratio", "difference", "alone"
EQUAL = {RATIO: 1.0, DIFFERENCE: 0.0}

# A measure of our own, in ms: how long the warm-up's sends took, from the first to the last.
WARM_UP = "warm_up"


@dataclass(frozen=True, kw_only=True)
class Truth:
    """`cell`, to which `done` was done, has `true` in `measure`, known to `within`.

    It is compared with the cells `against` (none named: both of the baseline's), by their measure `other` where that is
    not the same one.
    """

    cell: str
    done: str
    measure: str
    true: float
    how: str = RATIO
    within: float = 0.0
    against: tuple[str, ...] = ()
    other: str = ""

    @property
    def nothing(self) -> bool:
        """Whether it is true that nothing is to be found."""
        return self.how in EQUAL and abs(self.true - EQUAL[self.how]) <= self.within

    @property
    def unit(self) -> str:
        """Of the value: that of the measure, or "times"."""
        if self.how == RATIO:
            return "times"
        return "ms" if self.measure == WARM_UP else named(self.measure).unit

    @property
    def title(self) -> str:
        """The measure, as a person reads it."""
        if self.measure == WARM_UP:
            return "the warm-up takes"
        return named(self.measure).title + (f" – {named(self.other).title}" if self.other else "")

    @property
    def said(self) -> str:
        """What is true, in words: '1.2 times', '+3 ± 0.1 %'."""
        sign = "+" if self.how == DIFFERENCE and self.true > 0 else ""
        about = f" ± {self.within:g}" if self.within else ""
        return f"{sign}{self.true:.4g}{about} {self.unit}"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was measured of a truth, with its interval of 95% and the one of `SURE`."""

    truth: Truth
    value: float
    low: float
    high: float
    wide_low: float
    wide_high: float

    @property
    def found(self) -> bool:
        """Whether the 95% interval is clear of "equal"."""
        equal = EQUAL.get(self.truth.how)
        return equal is not None and not self.low <= equal <= self.high

    @property
    def holds(self) -> bool:
        """Whether the wide interval holds the truth, or a value as near to it as that is known."""
        least, most = self.truth.true - self.truth.within, self.truth.true + self.truth.within
        return self.wide_low <= most and self.wide_high >= least

    @property
    def ok(self) -> bool:
        """Whether an effect was found, with its size; where there is none, whether none may be."""
        return self.holds and (self.truth.nothing or self.truth.how == ALONE or self.found)


def see(truth: Truth, result: Result) -> Seen:
    """Return what `result` has of `truth`. ValueError where there are too few rounds or values to say."""
    baseline = result.experiment.baseline.name
    against = truth.against or ((baseline,) if truth.cell == CONTROL else (baseline, CONTROL))
    own = _by_cell(result, truth.measure)[truth.cell]
    others = _by_cell(result, truth.other or truth.measure)
    columns = [others[cell] for cell in against]
    value, low, high = _interval(truth.how, columns, own, stats.CONFIDENCE)
    _, wide_low, wide_high = _interval(truth.how, columns, own, SURE)
    return Seen(truth=truth, value=value, low=low, high=high, wide_low=wide_low, wide_high=wide_high)


def _interval(
    how: str, columns: Sequence[Sequence[float]], own: Sequence[float], confidence: float
) -> tuple[float, float, float]:
    if how == RATIO:
        ratio = stats.ratio_of_logs([stats.log_ratios(columns, own)], confidence)
        return ratio.ratio, ratio.low, ratio.high
    values = stats.differences(columns, own) if how == DIFFERENCE else own
    found = stats.difference_of([values], confidence)
    return found.value, found.low, found.high


def _by_cell(result: Result, measure: str) -> Mapping[str, Sequence[float]]:
    if measure != WARM_UP:
        return result.by_cell(measure)
    whole = set(result.whole_rounds)
    found: dict[str, list[float]] = {cell: [] for cell in result.cells}
    for turn in sorted(result.turns, key=lambda turn: turn.round):
        if turn.round in whole:
            answer = turn.sent[WARM]
            found[turn.cell].append((answer["last_published_ns"] - answer["first_sent_ns"]) / 1e6)
    return found


def _cpu(cell: str, percent: int, done: str) -> tuple[Truth, ...]:
    measures = ("worker_cpu_batch", "worker_cpu")
    return tuple(Truth(cell=cell, done=done, measure=measure, true=1 + percent / 100) for measure in measures)


def _nothing(cell: str, done: str, *measures: str) -> tuple[Truth, ...]:
    return tuple(Truth(cell=cell, done=done, measure=measure, true=1.0) for measure in measures)


def _rate(starts: int) -> Truth:
    done = f"at most {starts} starts a second"
    return Truth(
        cell=f"throttled-{starts}", done=done, measure="execution_rate", true=starts, how=ALONE, within=starts / 500
    )  # fmt: skip


AGAIN = "nothing: the same variant again"
LATE = "{} of 100 tasks begin 50 ms later"
FIRST = "each user's first send takes 200 ms longer"
KEPT = "10 kB a task are kept"
LEAK_BYTES, SOLO_BACKLOG = 10_000, 500
LEAKED = (WARM_TASKS + SOLO_BACKLOG) * LEAK_BYTES / MIB
SLEEP_MS = 1.0  # to which a sleep of 50 ms and what a busy machine adds to it are known

# Run (a file of rig/selfbench/truths) -> what is true of it. Of `account` it is which tasks are lost or executed twice.
TRUTHS: Mapping[str, tuple[Truth, ...]] = {
    "solo": (
        *_cpu("slowed-5", 5, "5% more CPU, solo pool"),
        *_cpu("slowed-20", 20, "20% more CPU, solo pool"),
        *_cpu(CONTROL, 0, AGAIN),
        Truth(cell="leaking", done=KEPT, measure="worker_memory", true=LEAKED, how=DIFFERENCE, within=0.1),
        *_nothing("leaking", KEPT, "worker_cpu_batch"),
        Truth(cell=CONTROL, done=AGAIN, measure="worker_memory", true=0.0, how=DIFFERENCE),
    ),
    "prefork": (*_cpu("slowed-20", 20, "20% more CPU, prefork pool"), *_cpu(CONTROL, 0, AGAIN)),
    "delays": (
        Truth(cell="slow-sends", done="each send takes 1 ms longer", measure="publish_ms", true=1.0, how=DIFFERENCE),
        *_nothing(CONTROL, AGAIN, "publish_ms"),
        Truth(cell="slow-first-sends", done=FIRST, measure=WARM_UP, true=500.0, how=DIFFERENCE, within=300.0),
        *_nothing("slow-first-sends", FIRST, "publish_ms", "p50", "p95"),
        *_nothing("slow-first-sends", FIRST, "publisher_cpu", "worker_cpu", "execution_rate"),
        Truth(cell="late-3", done=LATE.format(3), measure="waiting", true=3.0, how=DIFFERENCE),
        Truth(cell="late-3", done=LATE.format(3), measure="p95", true=0.0, how=DIFFERENCE, within=5.0),
        Truth(cell="late-10", done=LATE.format(10), measure="waiting", true=10.0, how=DIFFERENCE),
        Truth(
            cell="late-10", done=LATE.format(10), measure="p95", other="p50", true=50.0, how=DIFFERENCE, within=SLEEP_MS
        ),
        Truth(cell=CONTROL, done=AGAIN, measure="waiting", true=0.0, how=DIFFERENCE),
        *(_rate(rate) for rate in (200, 250)),
        Truth(
            cell="throttled-250", done="at most 250 starts a second, not 200", measure="execution_rate", true=1.25,
            within=0.002, against=("throttled-200",),
        ),
        *_nothing(CONTROL, AGAIN, "execution_rate"),
    ),
}  # fmt: skip
