"""What does not make numbers invalid, and should be known to who reads them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rig import stats
from rig.experiment.judge.gate import STOLEN_MOST
from rig.experiment.judge.ratios import judged_logs, percent
from rig.experiment.result import Result

FEW_ROUNDS = 8  # a schedule of fewer is not balanced to the end, and seven degrees of freedom are few enough
STOLEN_LIMIT = 0.02  # share of the machine's CPU that the hypervisor gave to others: worth a warning


def warnings(result: Result) -> list[str]:
    """Return what does not make numbers invalid but should be known to who reads them."""
    rules = (_few, _left_out, _slower, _other_load, _theft, _trend, _tried, _sessions)
    return [said for rule in rules for said in rule(result)]


def _few(result: Result) -> Iterator[str]:
    rounds = len(result.whole_rounds)
    if 0 < rounds < FEW_ROUNDS and not result.stopped:
        yield f"only {rounds} rounds: wide intervals, in which one odd round weighs much"


def _left_out(result: Result) -> Iterator[str]:
    wanted = result.experiment.expectation
    for number, why in result.left_out.items():
        yield f"round {number} was left out and its order taken again, because {why}"
    logs = judged_logs(result, wanted.measure, wanted.variant, result.all_rounds)
    if result.left_out and len(logs) > 1:
        with_all = stats.ratio_of_logs([logs])
        yield (
            f"with the rounds that were left out the judged ratio is {with_all.ratio:.3f} [{with_all.low:.3f}, "
            f"{with_all.high:.3f}]"
        )


def _slower(result: Result) -> Iterator[str]:
    asked = result.experiment.load.rate
    if asked and result.rate and result.rate != asked:
        yield (
            f"paced at {result.rate:,.0f} tasks/s and not at the {asked:,.0f} of the file, which are too much for this "
            "machine: costs and times of a load are those at its rate"
        )


OTHER_LOAD = 0.1  # share of the machine that others may use on average without a word


def _other_load(result: Result) -> Iterator[str]:
    cores = result.environment.get("cores", 1)
    shares = [phase.foreign_share(cores) for turn in result.counted for phase in turn.phases.values()]
    if shares and (mean := sum(shares) / len(shares)) > OTHER_LOAD:
        yield (
            f"others used {percent(mean)}% of the machine throughout: rates and times are those of the rest of it, for "
            "all cells alike"
        )


def _theft(result: Result) -> Iterator[str]:
    stolen = result.stolen_share
    if STOLEN_LIMIT < stolen <= STOLEN_MOST:
        yield f"the hypervisor gave {percent(stolen)}% of the machine's CPU to others while it was measured"


TREND_ALARM = 0.01  # a trend as steep as that in one of a hundred runs without any is named


def _trend(result: Result) -> Iterator[str]:
    wanted = result.experiment.expectation
    found = stats.trend(judged_logs(result, wanted.measure, wanted.variant))
    if found and found.p < TREND_ALARM:
        yield (
            f"the judged ratio changed by {percent(math.expm1(found.change))}% from the first round to the last (p = "
            f"{found.p:.2g}): its interval is about these rounds, and a longer run may find another"
        )


def _tried(result: Result) -> Iterator[str]:
    count = sum(result.tries.values())
    if count:
        said = ", ".join(f"{number} {word}" for word, number in sorted(result.tries.items()))
        yield f"attempt {count + 1} at this experiment in this checkout; earlier ones: {said}"


def _sessions(result: Result) -> Iterator[str]:
    yield from (_SESSION.format(rounds=session.rounds, ended=session.ended) for session in result.earlier)


_SESSION = (
    "continued after round {rounds} ({ended}): the broker of the rounds before is gone, so of their tasks only ledger "
    "and Locust were compared"
)


def all_warnings(results: Sequence[Result]) -> list[str]:
    """Return the warnings of every run of a series, each once, with the numbers of its runs where there are several."""
    if len(results) == 1:
        return warnings(results[0])
    runs: dict[str, list[int]] = {}
    for number, result in enumerate(results, start=1):
        for said in warnings(result):
            runs.setdefault(said, []).append(number)
    return [f"{_runs(numbers, len(results))}: {said}" for said, numbers in runs.items()]


def _runs(numbers: Sequence[int], count: int) -> str:
    if len(numbers) == count:
        return "each run"
    *most, last = map(str, numbers)
    return f"runs {', '.join(most)} and {last}" if most else f"run {last}"
