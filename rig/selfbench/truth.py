"""Whether experiments find what is known: cells with handicaps of a known size (`rig.selfbench.controls`), on real
containers, by the engine as every experiment uses it. `rig.selfbench.known` says what is true of each cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rig.errors import StackError
from rig.experiment.file.read import load_experiment
from rig.experiment.file.spec import Experiment
from rig.experiment.judge.gate import check
from rig.experiment.judge.validity import unusable
from rig.experiment.launch import launch
from rig.experiment.result import FILE, Result, load
from rig.report.sentence import machine
from rig.report.write import REPORT, write_report
from rig.selfbench.figure import Figure
from rig.selfbench.known import ALONE, SURE, TRUTHS, see
from rig.stack.paths import Checkout

FOLDER = Path("rig/selfbench/truths")
ACCOUNT, MISCOUNTED = "account", "miscounting"  # the run whose second round waits for a task that is lost; its cell
NAMES = (*TRUTHS, ACCOUNT)


def experiment(name: str, checkout: Checkout) -> Experiment:
    """Return the experiment of that name of `NAMES`."""
    path = FOLDER / f"{name}.toml"
    return replace(load_experiment(checkout.root / path, checkout.topologies()), path=path)


def measure(name: str, checkout: Checkout, runs: Path, seed: int, rounds: int | None = None) -> tuple[Path, Result]:
    """Run one experiment, of at most `rounds`, and write its report; its directory below `runs`, and its result.

    Raises BadInput and StackError as every run does, KeyboardInterrupt where somebody ended it.
    """
    asked = experiment(name, checkout)
    asked = replace(asked, rounds=min(rounds or asked.rounds, asked.rounds))
    directory, seen = launch(asked, checkout, runs, seed)
    write_report(directory)
    if seen.interrupted in ("Ctrl-C", "SIGTERM"):
        raise KeyboardInterrupt
    if seen.interrupted and name != ACCOUNT:
        raise StackError(f"{directory.name} is incomplete: {seen.interrupted}")
    return directory, seen


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A line: what was `done` in the run `name`, what is true and what was measured of it.

    `nothing`: the truth is that there is nothing to be found, so `found` is chance.
    """

    name: str
    done: str
    title: str
    truth: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    nothing: bool = False
    found: bool
    holds: bool
    ok: bool

    def figure(self) -> Figure:
        """Return it beside its limit."""
        sized = f"{SURE:.1%} interval holds {self.truth}" if self.low is not None else self.truth
        return Figure(
            name=f"{self.name}: {self.done}: {self.title}", value=self.value, unit=self.unit, low=self.low,
            high=self.high, limit=sized if self.nothing else f"found; {sized}", ok=self.ok,
        )  # fmt: skip

    def line(self) -> str:
        """Return it as a row of the Markdown table."""
        shown = f"{self.value:.4g}"
        if self.low is not None and self.high is not None:
            shown = f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"
        found = ("by chance" if self.found else "no") if self.nothing else _yes(self.found)
        return f"| {self.name} | {self.done} | {self.title} | {self.truth} | {shown} | {found} | {_yes(self.holds)} |"


def findings(name: str, result: Result) -> list[Finding]:
    """Return what was found of each truth of a run. StackError where one was not measured in two whole rounds."""
    return account(result) if name == ACCOUNT else [*_measured(name, result), _reasons(name, result)]


def _measured(name: str, result: Result) -> Iterator[Finding]:
    for truth in TRUTHS[name]:
        try:
            seen = see(truth, result)
        except ValueError as error:
            raise StackError(f"{result.run}: {truth.cell}: {truth.title} was not measured: {error}") from error
        yield Finding(
            name=name, done=truth.done, title=truth.title, truth=truth.said, value=seen.value, unit=truth.unit,
            low=seen.low, high=seen.high, nothing=truth.nothing, found=seen.found or truth.how == ALONE,
            holds=seen.holds, ok=seen.ok,
        )  # fmt: skip


def _reasons(name: str, result: Result) -> Finding:
    """Return how many reasons there are against numbers that a truth is about."""
    measures = {measure for truth in TRUTHS[name] for measure in (truth.measure, truth.other) if measure}
    invalid = check(result)
    against = {each.reason for measure in measures for each in unusable(invalid, measure)}
    return Finding(
        name=name, done="all cells", title="reasons against these numbers", truth="none", value=len(against), unit="",
        nothing=True, found=bool(against), holds=not against, ok=not against,
    )  # fmt: skip


def account(result: Result) -> list[Finding]:
    """Return what the account has of one task executed twice and one that is lost, and whether the run is invalid for
    these reasons and no others that touch every number, but for what strangers did to the machine meanwhile.
    """
    sound = [each for cell, each in result.accounts.items() if cell != MISCOUNTED]
    own = result.accounts.get(MISCOUNTED, {})
    reasons = [each.reason for each in check(result) if not each.touches and not _of_the_machine(each.reason)]
    wanted = (f"{MISCOUNTED}: 1 lost", f"{MISCOUNTED}: 1 duplicated", "incomplete: stopped after")
    these = all(any(each.startswith(start) for each in reasons) for start in wanted)
    return [
        _counted("one task is executed twice", "duplicated", len(own.get("duplicated", ())), 1),
        _counted("one task is acknowledged and not executed", "lost", len(own.get("lost", ())), 1),
        _counted("nothing: the other cells", "duplicated or lost", _wrong(sound), 0),
        _counted("both", "reasons against the run: these two, and that it ended", len(reasons), len(wanted), these),
    ]


def _of_the_machine(reason: str) -> bool:
    return "had to be left out" in reason or reason.startswith("the hypervisor")


def _wrong(accounts: list[Mapping[str, list[str]]]) -> int:
    return sum(len(each["duplicated"]) + len(each["lost"]) for each in accounts)


def _counted(done: str, title: str, value: int, true: int, holds: bool = True) -> Finding:
    holds = holds and value == true
    return Finding(
        name=ACCOUNT, done=done, title=title, truth=f"{true}", value=value, unit="", nothing=not true, found=value > 0,
        holds=holds, ok=holds,
    )  # fmt: skip


def figures(name: str, result: Result) -> list[Figure]:
    """Return what was found in a run, each beside what is true."""
    return [finding.figure() for finding in findings(name, result)]


def table(records: Path) -> Iterator[str]:
    """Yield the lines of a Markdown table of all runs on record, which lie in `records`/<name>; nothing without any."""
    results = {name: load(records / name) for name in NAMES if (records / name / FILE).exists()}
    if not results:
        return
    yield "| run | what was done | measure | truth | measured [95%] | found | holds the truth |"
    yield "| --- | --- | --- | ---: | ---: | --- | --- |"
    for name, result in results.items():
        yield from (finding.line() for finding in findings(name, result))
    yield ""
    rounds = ", ".join(
        f"{len(result.whole_rounds)} of [{name}](runs/truth/{name}/{REPORT})" for name, result in results.items()
    )
    yield f"Rounds: {rounds}. {machine(next(iter(results.values())))}."


def _yes(true: bool) -> str:
    return "yes" if true else "**no**"
