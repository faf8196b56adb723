"""What report.md and report.html both list: the account, the counters, the rounds, the machine, how it was done."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rig.experiment.costs import idle_of
from rig.experiment.judge.verdict import expected
from rig.experiment.measure import named
from rig.experiment.result import Result
from rig.experiment.turn import PACED, PARTS
from rig.report.lines import NOTHING, PART_TITLES

ACCOUNT = (
    "sent", "confirmed", "executed", "succeeded", "failed", "lost", "duplicated", "expired", "unexpected", "foreign",
    "stalled", "indeterminate",
)  # fmt: skip
VALID = """\
Every check passed: the ledger is whole; no task was lost, unexpected or stalled; load generator, ledger and broker
counted the same tasks; the paced load reached its rate; beginnings were as the rest; the control shows no
difference."""
Lines = list[list[str]]
Table = tuple[list[str], Lines]
Results = Sequence[Result]


def account(results: Results) -> Table:
    """Return titles and lines of what became of every task; no lines when no account was drawn."""
    lines = [
        [_of_run(results, number, cell), *(_number(found.get(what)) for what in ACCOUNT)]
        for number, result in enumerate(results, start=1)
        for cell, found in result.accounts.items()
    ]
    return ["cell", *ACCOUNT], lines


def counters(results: Results) -> Table:
    """Return titles and lines of how many tasks each witness counted; no lines when none was asked.

    The broker of an earlier session of a run that was continued is gone, and has no number there.
    """
    witnesses = list(next(iter(results[0].counts.values()), {}))
    lines = [
        [_of_run(results, number, scope), *(f"{counts[name]:,}" if name in counts else NOTHING for name in witnesses)]
        for number, result in enumerate(results, start=1)
        for scope, counts in result.counts.items()
    ]
    return ["cell", *witnesses], lines


def _of_run(results: Results, number: int, cell: str) -> str:
    return cell if len(results) == 1 else f"run {number}: {cell}"


def conditions(results: Results) -> Table:
    """Return titles and lines of what the validity gate looks at, the worst turn of each cell; no lines without turns.

    The beginnings of the window and of the drain are compared with their rest: a ratio over all turns.
    """
    titles = [
        "cell, its worst turn", "rate reached", "lag, p99", "event loop late, p99", "generator's core", "others' CPU",
        "beginning / rest: window, time", "drain, rate",
    ]  # fmt: skip
    lines = [
        [_of_run(results, number, cell), *_worst_of(result, cell)]
        for number, result in enumerate(results, start=1)
        for cell in result.cells
    ]
    return titles, lines if any(result.counted for result in results) else []


def _worst_of(result: Result, cell: str) -> list[str]:
    own = [turn for turn in result.counted if turn.cell == cell]
    paced = [turn.sent.get(PACED, {}) for turn in own]
    reached = [v["achieved_rate"] / v["offered_rate"] for turn in own if "offered_rate" in (v := turn.values)]
    lags = [turn.values["lag_p99"] for turn in own if "lag_p99" in turn.values]
    loops = [answer["loop_lag_us"]["p99"] / 1e3 for answer in paced if answer.get("loop_lag_us")]
    busy = [answer["cpu_seconds"] / answer["seconds"] for answer in paced if answer.get("seconds")]
    foreign = [turn.foreign for turn in own]
    return [
        _worst(reached, ".1%", min), _worst(lags, ",.1f", max, " ms"), _worst(loops, ",.1f", max, " ms"),
        _worst(busy, ".0%", max), _worst(foreign, ".0%", max),
        *(_beginning([turn.values[name] for turn in own if name in turn.values]) for name in _BEGINNINGS),
    ]  # fmt: skip


_BEGINNINGS = ("paced_start", "drain_start")


def _worst(values: Sequence[float], form: str, choose: Callable[[Sequence[float]], float], unit: str = "") -> str:
    return f"{choose(values):{form}}{unit}" if values else NOTHING


def _beginning(logs: Sequence[float]) -> str:
    return f"{math.exp(math.fsum(logs) / len(logs)):.2f}" if logs else NOTHING


def idle(results: Results) -> Table:
    """Return titles and lines of what each part used while nothing was sent, in CPU-µs a second, before and after.

    Of a series the means over its runs. It is subtracted from every cost; no lines where it was not measured.
    """
    cells, whens = list(results[0].cells), list(results[0].idle)
    titles = ["CPU µs a second, idle", *(f"{cell}, {when}" for cell in cells for when in whens)]
    lines = [
        [PART_TITLES[part], *(_idle(results, when, cell, part) for cell in cells for when in whens)] for part in PARTS
    ]
    return titles, lines if whens else []


def _idle(results: Results, when: str, cell: str, part: str) -> str:
    values = [idle_of({when: result.idle[when]}, cell, part) for result in results if when in result.idle]
    return f"{sum(values) / len(values):,.0f}"


def rig(results: Results) -> Table:
    """Return titles and lines of what the rig itself used in each phase, in percent of a core: mean over the cells.

    First and last round, since what grows from round to round would be measured as a change of the machine.
    """
    titles, lines = ["rig itself, % of a core", "first round", "last round"], []
    for number, result in enumerate(results, start=1):
        whole = result.whole_rounds
        for phase in dict.fromkeys(name for turn in result.counted for name in turn.phases) if whole else ():
            shares = [_rig_share(result, index, phase) for index in (whole[0], whole[-1])]
            lines.append([_of_run(results, number, phase), *(f"{100 * share:.1f}%" for share in shares)])
    return titles, lines


def _rig_share(result: Result, number: int, phase: str) -> float:
    shares = [t.phases[phase].rig_share() for t in result.counted if t.round == number and phase in t.phases]
    return sum(shares) / len(shares) if shares else 0.0


def rounds(results: Results) -> Table:
    """Return titles and lines of the judged measure in each whole round, with the order of its turns."""
    measure = results[0].experiment.expectation.measure
    digits = max(1, named(measure).digits)
    lines = []
    for run, result in enumerate(results, start=1):
        for number in result.whole_rounds:
            turns = [turn for turn in result.counted if turn.round == number]
            values = {turn.cell: result.value(turn, measure) for turn in turns}
            order = " → ".join(result.orders[number - 1])
            said = [NOTHING if (value := values[cell]) is None else f"{value:,.{digits}f}" for cell in result.cells]
            lines.append([_of_run(results, run, str(number)), order, *said])
    return ["round", "order", *results[0].cells], lines


def judged(result: Result) -> str:
    """Return the name and the unit of the measure that decides."""
    measure = named(result.experiment.expectation.measure)
    return f"{measure.title} ({measure.unit})" if measure.unit else measure.title


def asked(result: Result) -> str:
    """Return what the experiment file says will be seen: 'execution rate (tasks/s) of …: higher by at least 10%'."""
    wanted, base = result.experiment.expectation, result.experiment.baseline.name
    return f"{judged(result)} of “{wanted.variant}” compared with “{base}”: {expected(wanted)}"


def capital(said: str) -> str:
    """Return `said` with a capital first letter, and the others as they are: "CPU per task" stays so."""
    return said[:1].upper() + said[1:]


def variants(result: Result) -> dict[str, list[tuple[str, str]]]:
    """Return the factors of each variant with their values, those that differ first."""
    varied = result.experiment.factors
    found = {}
    for variant in result.experiment.variants:
        factors = {name: value for name, value in variant.factors().items() if value or name in varied}
        found[variant.name] = sorted(factors.items(), key=lambda item: item[0] not in varied)
    return found


def machine(result: Result) -> list[tuple[str, str]]:
    """Return what it was measured on: name and value, images by themselves at the end."""
    seen = result.environment
    told = [("engine of the rig", str(result.engine))]
    told += [(name, _plain(seen[name])) for name in seen if name != "images"]
    return told + [(f"image {name}", str(image)) for name, image in seen.get("images", {}).items()]


def date(result: Result) -> str:
    """Return the day on which a run began, which its name begins with: '2026-11-28'."""
    day = result.run[:8]
    return f"{day[:4]}-{day[4:6]}-{day[6:]}" if day.isdigit() and len(day) == 8 else "unknown"


def method(results: Results) -> str:
    """Return how the run was done, in a few sentences."""
    result = results[0]
    load, done = result.experiment.load, [len(each.whole_rounds) for each in results]
    of = "" if set(done) == {result.experiment.rounds} else f" of {result.experiment.rounds}"
    runs = "" if len(results) == 1 else f"{len(results)} independent runs, each with a broker of its own. "
    left = sum(len(each.left_out) for each in results)
    tasks = ", ".join(f"{kind.name + ': ' if kind.name else ''}{kind.task}" for kind in load.kinds)
    rate = ", ".join(dict.fromkeys(f"{each.rate:,.0f}" for each in results))
    why = "" if load.rate else f", which is {load.share:.0%} of what the slowest cell worked off in the warm-up"
    stopped = "".join(f" {capital(each.stopped)}." for each in results if each.stopped)
    return (
        f"{runs}{len(result.cells)} cells: each variant, and the first one again as a control. "
        f"{', '.join(map(str, done))}{of} rounds after a warm-up, in orders drawn from seed "
        f"{', '.join(str(each.seed) for each in results)}; {left or 'no'} rounds were left out because others used the "
        "machine. In each round every cell has new processes, and each user has sent before anything is measured. Each "
        f"turn: {load.backlog:,} tasks ({tasks}) are published by {load.users} users while the worker stands still, "
        f"then worked off: the batch. Then {load.arrivals} arrivals at {rate} tasks/s, the same for every cell{why}: "
        f"{load.run_in:g} s of run-in, which are in no measure, and a window of {load.seconds:g} s: the paced load. "
        f"What a part uses while nothing is sent is subtracted from its costs.{stopped} docs/method.md explains why it "
        "is done so."
    )


def command(results: Results) -> str:
    """Return the command that repeats the run, or the series."""
    result = results[0]
    words = ["rig", "run", str(result.experiment.path)]
    words += ["--runs", str(len(results))] if len(results) > 1 else []
    swept = result.experiment.name.removeprefix(result.experiment.path.stem)
    words += [word for name, value in _SWEPT.findall(swept) for word in ("--sweep", f"{name}={value}")]
    return shlex.join([*words, "--rounds", str(result.experiment.rounds), "--seed", str(result.seed)])


_SWEPT = re.compile(r"-(concurrency|prefetch)(\d+)")  # ends the name of an experiment of a sweep


def _number(value: Any) -> str:
    if value is None:
        return NOTHING
    return f"{value if isinstance(value, int) else len(value):,}"


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {item}" for name, item in value.items())
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
