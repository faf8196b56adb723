"""What an experiment file may say, as frozen dataclasses. `read` reads the file, `tables` builds these from it.

loadtests/experiments/ignore_result.toml is the commented example; docs/method.md says what each entry does to a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rig.testbed.variant import Kind, Variant

ALLOWED = ("duplicated", "expired", "failed")
CONTROL = "control"  # name of the cell that runs the first variant a second time


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What the claim says will be seen: `variant` against the first variant, in one measure."""

    measure: str
    variant: str
    change: str  # "higher", "lower" or "same"
    percent: float  # higher or lower by at least so much; "same": apart by at most so much


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """What must hold, besides the expectation, for `rig run` to exit with 0: a bound for a ratio to the baseline.

    The whole interval must keep to it: its upper end to `at_most`, its lower end to `at_least`.
    """

    measure: str
    variant: str
    at_most: float | None = None
    at_least: float | None = None


@dataclass(frozen=True, kw_only=True)
class Assertion:
    """What must be seen of a variant in every turn, or it was not the variant that its file says.

    `fact` is an entry of `rig.experiment.measure.FACTS`, a number a task: `at_least`, `at_most` bound it.
    """

    variant: str
    fact: str
    at_most: float | None = None
    at_least: float | None = None


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A latency goal: `percentile` of the end-to-end times, over all kinds, within `ms`."""

    percentile: float
    ms: float


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is sent in every turn, the same for all cells."""

    kinds: tuple[Kind, ...]
    backlog: int = 1000  # tasks published while the worker is stopped, then drained
    users: int = 4  # Locust users that publish the backlog, each one task after the other
    arrivals: str = "poisson"  # of the paced phase: "poisson" or "constant"
    rate: float = 0.0  # of the paced phase, in tasks/s; 0: `share` of what the slowest cell drains in the warm-up
    share: float = 0.3
    run_in: float = 0.5  # seconds of the paced phase before its window opens: sent and accounted for, in no measure
    seconds: float = 3.0  # length of the window
    wait_ms: float = 20.0  # a task that takes longer than this, from planned to finished, has waited
    goal: Goal | None = None  # adds the measure sustainable_rate


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A claim and how it is put to the test. `variants[0]` is the baseline."""

    name: str
    path: Path
    claim: str
    source: str
    expectation: Expectation
    load: Load
    variants: tuple[Variant, ...]
    factors: tuple[str, ...]  # in what the variants differ
    rounds: int = 16  # at most
    stop_at: float = 0.0  # percent: stop once the judged interval's half-width, as a ratio, is no wider; 0: never
    thresholds: tuple[Threshold, ...] = ()
    assertions: tuple[Assertion, ...] = ()
    allow: tuple[str, ...] = ()  # of ALLOWED: what may happen to tasks without making a run invalid

    @property
    def cells(self) -> dict[str, Variant]:
        """The variant of each cell by the cell's name: each variant's own, and one more of the first, the control."""
        return {variant.name: variant for variant in self.variants} | {CONTROL: self.baseline}

    @property
    def baseline(self) -> Variant:
        """The variant that the others are compared with."""
        return self.variants[0]


def differing(variants: tuple[Variant, ...]) -> tuple[str, ...]:
    """Return the names of the factors in which any two of `variants` differ, sorted."""
    flats = [variant.factors() for variant in variants]
    names = {name for flat in flats for name in flat}
    return tuple(sorted(name for name in names if len({flat.get(name) for flat in flats}) > 1))
