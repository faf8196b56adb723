"""What report.md and report.html both list: the account, the counters, the rounds, the machine, how it was done."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rig.experiment.measure import named
from rig.experiment.record import PACED
from rig.experiment.result import Result

ACCOUNT = (
    "sent", "confirmed", "executed", "succeeded", "failed", "lost", "duplicated", "unexpected", "stalled",
    "indeterminate",
)  # fmt: skip
VALID = """\
Every check passed: the ledger is whole; no task was lost, unexpected or stalled; load generator, ledger and broker
counted the same tasks; the paced load reached its rate; the control shows no difference."""
Lines = list[list[str]]


def account(result: Result) -> tuple[list[str], Lines]:
    """Return titles and lines of what became of every task; no lines when no account was drawn."""
    lines = [[cell, *(_number(account[what]) for what in ACCOUNT)] for cell, account in result.accounts.items()]
    return ["cell", *ACCOUNT], lines


def counters(result: Result) -> tuple[list[str], Lines]:
    """Return titles and lines of how many tasks each witness counted; no lines when nobody was asked.

    The broker of an earlier life of a run that was continued is gone, and has no number there.
    """
    witnesses = list(next(iter(result.counts.values()), {}))
    lines = [
        [scope, *(f"{counts[name]:,}" if name in counts else "–" for name in witnesses)]
        for scope, counts in result.counts.items()
    ]
    return ["cell", *witnesses], lines


def conditions(result: Result) -> tuple[list[str], Lines]:
    """Return titles and lines of what the validity gate looks at, the worst turn of each cell; no lines without turns.

    A dash stands for what an older record does not have.
    """
    titles = [
        "cell, its worst turn",
        "rate reached",
        "lag, p99",
        "event loop late, p99",
        "generator's core",
        "others' CPU",
    ]
    lines = []
    for cell in result.cells:
        own = [turn for turn in result.counted if turn.cell == cell]
        paced = [turn.sent.get(PACED, {}) for turn in own]
        reached = [v["achieved_rate"] / v["offered_rate"] for turn in own if "offered_rate" in (v := turn.values)]
        lags = [turn.values["lag_p99"] for turn in own if "lag_p99" in turn.values]
        loops = [answer["loop_lag_us"]["p99"] / 1e3 for answer in paced if answer.get("loop_lag_us")]
        busy = [answer["cpu_seconds"] / answer["seconds"] for answer in paced if answer.get("seconds")]
        foreign = [turn.foreign for turn in own]
        shown = [_worst(reached, ".1%", min), _worst(lags, ",.1f", max, " ms"), _worst(loops, ",.1f", max, " ms")]
        lines.append([cell, *shown, _worst(busy, ".0%", max), _worst(foreign, ".0%", max)])
    return titles, lines if result.counted else []


def _worst(values: Sequence[float], form: str, choose: Callable[[Sequence[float]], float], unit: str = "") -> str:
    return f"{choose(values):{form}}{unit}" if values else "–"


def rounds(result: Result) -> tuple[list[str], Lines]:
    """Return titles and lines of the judged measure in each whole round, with the order of its turns."""
    measure = result.experiment.expectation.measure
    digits = max(1, named(measure).digits)
    lines = []
    for number in result.whole_rounds:
        values = {turn.cell: turn.values.get(measure, 0.0) for turn in result.counted if turn.round == number}
        order = " → ".join(result.orders[number - 1])
        lines.append([str(number), order, *(f"{values[cell]:,.{digits}f}" for cell in result.cells)])
    return ["round", "order", *result.cells], lines


def judged(result: Result) -> str:
    """Return the name and the unit of the measure that decides."""
    measure = named(result.experiment.expectation.measure)
    return f"{measure.title} ({measure.unit})" if measure.unit else measure.title


def capital(said: str) -> str:
    """Return `said` with a capital first letter, and the others as they are: "CPU a task" stays so."""
    return said[:1].upper() + said[1:]


def expected(result: Result) -> str:
    """Return what the experiment file says the claim makes one expect."""
    wanted = result.experiment.expectation
    if wanted.change == "same":
        return f"the same within {wanted.percent:g}%"
    return f"{wanted.change} by at least {wanted.percent:g}%"


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
    told = [(name, _plain(seen[name])) for name in seen if name != "images"]
    return told + [(f"image {name}", str(image)) for name, image in seen.get("images", {}).items()]


def method(result: Result) -> str:
    """Return how the run was done, in a few sentences."""
    load, done = result.experiment.load, len(result.whole_rounds)
    asked = "" if done == result.experiment.rounds else f" of at most {result.experiment.rounds}"
    again = sum(turn.discarded for turn in result.turns) or "no"
    tasks = ", ".join(f"{kind.name + ': ' if kind.name else ''}{kind.task}" for kind in load.kinds)
    kinds = f"{load.backlog:,} tasks ({tasks})"
    idle = ", ".join(f"{component} {micros:,.0f}" for component, micros in result.idle.items())
    return (
        f"{len(result.cells)} cells, {done}{asked} rounds after a discarded one, order from seed {result.seed}, {again}"
        f" turns taken again because others used too much CPU. Each turn: {kinds} published by {load.users} users while"
        f" the worker stood still, then drained; then {load.seconds:g} s of {load.arrivals} arrivals at"
        f" {result.rate:,.0f} tasks/s in every cell, which is {100 * load.share:.0f}% of the slowest cell's drain"
        f" capacity. Idle cost, in CPU-µs a second and contained in the numbers above: {idle or 'not measured'}."
        f"{' ' + capital(result.stopped) + '.' if result.stopped else ''} docs/method.md explains why it is done so."
    )


def command(result: Result) -> str:
    """Return the command that repeats the run."""
    experiment = result.experiment
    words = ["rig", "run", str(experiment.path), "--rounds", str(experiment.rounds), "--seed", str(result.seed)]
    return shlex.join(words)


def _number(value: Any) -> str:
    return f"{value if isinstance(value, int) else len(value):,}"


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {item}" for name, item in value.items())
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
