"""Whether an experiment finds what is known: workers that need 5% and 20% more CPU (`rig.selfbench.slowdown`), on
real containers, by the engine as every experiment uses it.

The true ratio of CPU a task is (1 + s) / (1 + 0). What is not slowed: the idle time of the worker between the last task
and the reading of the counters, some thousandths of what a drain uses. The execution rate has no such truth: a worker
that is alone on its CPU would be at 1 / (1 + s), but broker and worker share the machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rig.errors import StackError
from rig.experiment import stats
from rig.experiment.check import check
from rig.experiment.launch import launch
from rig.experiment.read_spec import load_experiment
from rig.experiment.result import Result
from rig.experiment.spec import CONTROL
from rig.experiment.stats import Interval
from rig.report.sentence import machine
from rig.report.write import REPORT, write_report
from rig.selfbench.figure import Figure, times
from rig.selfbench.slowdown import SETTING
from rig.stack.paths import Checkout

FILE = "rig/selfbench/truth.toml"
MEASURE = "worker_cpu"
SURE = 0.999  # of the interval that must hold the truth: of three at 95%, one would miss in each seventh run


@dataclass(frozen=True, kw_only=True)
class Known:
    """A cell with the ratio to the baseline that it truly has, and the one that was measured, at 95% and at `SURE`."""

    cell: str
    truth: float
    ratio: Interval
    wide: Interval

    @property
    def found(self) -> bool:
        """Whether the 95% interval says what is true: another cost, or with the same variant nothing."""
        return self.ratio.clear_of_one if self.truth != 1 else self.covered

    @property
    def covered(self) -> bool:
        """Whether the truth lies within the wide interval."""
        return self.wide.low <= self.truth <= self.wide.high


def measure(checkout: Checkout, runs: Path, seed: int, rounds: int | None = None) -> tuple[Path, Result]:
    """Run the experiment, of `rounds` if given, and write its report; its directory below `runs`, and its result.

    Raises BadInput and StackError as every run does.
    """
    experiment = load_experiment(checkout.root / FILE, checkout.topologies())
    experiment = replace(experiment, path=Path(FILE), rounds=rounds or experiment.rounds)
    directory, seen = launch(experiment, checkout, runs, seed)
    write_report(directory)
    if seen.interrupted in ("Ctrl-C", "SIGTERM"):
        raise KeyboardInterrupt
    if seen.interrupted:
        raise StackError(f"{directory.name} ended before its time: {seen.interrupted}")
    return directory, seen


def known(result: Result) -> list[Known]:
    """Return each cell but the baseline's. Raises ValueError while there are fewer than two whole rounds."""
    values = result.by_cell(MEASURE)
    slowed = {variant.name: 1 + float(variant.settings[SETTING]) for variant in result.experiment.variants}
    base = result.experiment.baseline.name
    return [
        Known(
            cell=cell, truth=slowed[variant] / slowed[base], ratio=stats.paired_ratio(values[base], values[cell]),
            wide=stats.paired_ratio(values[base], values[cell], SURE),
        )
        for cell, variant in result.cells.items() if cell != base
    ]  # fmt: skip


def figures(result: Result) -> list[Figure]:
    """Return what was found of each, and how many reasons there are not to use the run."""
    problems = check(result)
    return [
        *(times(_name(each), each.ratio, _limit(each), each.found and each.covered) for each in known(result)),
        Figure(name="reasons against the run", value=len(problems), unit="", limit="none", ok=not problems),
    ]


def table(result: Result) -> Iterator[str]:
    """Yield the lines of a Markdown table of the same, and of what it is about."""
    yield "| worker | true ratio of CPU a task | measured [95%] | clear of 1 | holds the truth |"
    yield "| --- | ---: | ---: | --- | --- |"
    for each in known(result):
        ratio = each.ratio
        yield (
            f"| {_name(each)} | {each.truth:.2f} | {ratio.ratio:.3f} [{ratio.low:.3f}, {ratio.high:.3f}] | "
            f"{_yes(ratio.clear_of_one)} | {_yes(ratio.low <= each.truth <= ratio.high)} |"
        )
    problems = [problem.reason for problem in check(result)]
    valid = f"**invalid**: {problems[0]}" if problems else "every check of its validity passed"
    yield ""
    yield f"{len(result.whole_rounds)} rounds, {machine(result)}; {valid} ([report](runs/truth/{REPORT}))."


def _name(each: Known) -> str:
    return "the same again (A/A)" if each.cell == CONTROL else f"slowed by {each.truth - 1:.0%}"


def _limit(each: Known) -> str:
    held = f"{SURE:.1%} interval holds {each.truth:.2f}"
    return held if each.cell == CONTROL else f"clear of 1; {held}"


def _yes(true: bool) -> str:
    return "yes" if true else "**no**"
