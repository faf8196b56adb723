"""From the turns of runs to rows, and from a ratio to words."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import made_up
import pytest
import spoiled
from hypothesis import given
from hypothesis import strategies as st

from rig import stats
from rig.experiment.file.spec import CONTROL
from rig.experiment.judge.ratios import NOTHING_LESS, compare, judged_logs, ratio_of, row_of, words
from rig.experiment.result import Result
from rig.stats import Interval


def interval(low: float, high: float) -> Interval:
    return Interval(ratio=(low * high) ** 0.5, low=low, high=high, pairs=8)


@pytest.mark.parametrize(
    ("measure", "low", "high", "said"),
    [
        ("execution_rate", 1.38, 1.44, "41% faster [38, 44]"),
        ("execution_rate", 0.90, 0.95, "7.5% slower [5.0, 10]"),
        ("worker_cpu", 0.50, 0.60, "45% less [40, 50]"),
        ("waiting", 0.50, 0.60, "45% fewer [40, 50]"),
        ("p99.short", 1.10, 3.00, "82% longer [10, 200]"),
        ("p99", 0.97, 1.01, "no difference larger than 3.1%"),
        ("p99", 0.16, 2.26, "unclear: between 84% shorter and 126% longer"),
        ("p99", 0.67, 1.4, "no difference larger than 49%"),
        ("p99", 0.05, 9.0, "interval too wide to conclude anything"),
        ("worker_cpu", 0.999, 1.0, "no difference larger than 0.1%"),
        ("worker_cpu", 0.9995, 0.99999, "no difference larger than 0.1%"),  # clear of one, and nothing to print
        ("worker_cpu", 1.00001, 1.0004, "no difference larger than 0.1%"),
    ],
)
def test_words(measure: str, low: float, high: float, said: str) -> None:
    assert words(measure, interval(low, high)) == said


@given(ratio=st.floats(0.9, 1.1), half=st.floats(1.0, 1.2), floor=st.floats(1.0, 1.1))
def test_no_ratio_is_worded_as_a_difference_of_nothing(ratio: float, half: float, floor: float) -> None:
    said = words("worker_cpu", Interval(ratio=ratio, low=ratio / half, high=ratio * half, pairs=8), floor)
    assert not re.match(r"0\.0% ", said), said
    assert "larger than 0.0%" not in said
    assert NOTHING_LESS == 0.0005


@pytest.mark.parametrize(
    ("low", "high", "floor", "said"),
    [
        (1.05, 1.10, 1.08, "within the noise: two cells of the same variant may differ by 8.0%"),
        (1.05, 1.10, 1.07, "7.5% longer [5.0, 10]"),
        (0.90, 0.95, 1.09, "within the noise: two cells of the same variant may differ by 9.0%"),  # 1/0.925 is 1.081
        (0.90, 0.95, 1.08, "7.5% shorter [5.0, 10]"),
        (0.98, 1.01, 1.50, "no difference larger than 2.0%"),
    ],
)
def test_what_two_equal_cells_may_differ_by_is_no_difference(low: float, high: float, floor: float, said: str) -> None:
    assert words("p50", interval(low, high), floor) == said


def exact(run: Result, **by_cell: float) -> Result:
    """Let each cell have the same rate in every round."""
    for cell, rate in by_cell.items():
        run = spoiled.values(run, cell, execution_rate=rate)
    return run


def test_both_baseline_cells_are_the_baseline() -> None:
    run = exact(made_up.result(), stored=1000, control=1210, ignored=2200)
    row = row_of(compare([run]), "execution_rate")
    assert row is not None
    assert row.ratios["ignored"].ratio == pytest.approx(2)  # of the geometric mean, 1100
    assert row.ratios[CONTROL].ratio == pytest.approx(1.21)  # to the other baseline cell
    assert row.noise_floor == pytest.approx(1.21)
    assert row.differences["ignored"].value == pytest.approx(2200 - 1105)
    assert row.differences[CONTROL].value == pytest.approx(210)
    assert row.differences["ignored"].pairs == 8
    assert "stored" not in row.ratios
    assert row.means["control"] == pytest.approx(1210)


def test_a_difference_has_an_interval_around_the_truth() -> None:
    row = row_of(compare([made_up.result(rounds=32)]), "worker_cpu")
    assert row is not None
    truth = made_up.TRUTH["worker_cpu"] * (made_up.EFFECT["worker_cpu"] - 1)
    found = row.differences["ignored"]
    assert found.low < truth < found.high < 0


def test_several_runs_are_pooled_by_their_means() -> None:
    """The interval of independent runs has what differs between them in it, and one run's has not."""
    runs = made_up.series(runs=3, spread=0.1)
    row = row_of(compare(runs), "execution_rate")
    assert row is not None
    logs = [judged_logs(run, "execution_rate", "ignored") for run in runs]
    means = [sum(each) / len(each) for each in logs]
    wanted = stats.mean_of(means)
    found = row.ratios["ignored"]
    assert math.log(found.ratio) == pytest.approx(wanted.value)
    assert math.log(found.high / found.low) / 2 == pytest.approx(wanted.half)
    assert found.pairs == 24
    alone = ratio_of(compare(runs[:1]), "execution_rate", "ignored")
    assert alone is not None
    assert found.high / found.low > alone.high / alone.low


def test_a_run_that_may_stop_early_asks_for_more() -> None:
    run = made_up.result()
    plain = ratio_of(compare([run]), "p50", "ignored")
    stopping = ratio_of(compare([spoiled.experiment(run, stop_at=3)]), "p50", "ignored")
    assert plain is not None
    assert stopping is not None
    assert stopping.high > plain.high


def test_a_round_that_was_left_out_does_not_count() -> None:
    run = made_up.result()
    odd = spoiled.values(run, "ignored", rounds=1, execution_rate=1.0)
    kept = [turn for turn in run.turns if turn.round < 8]
    rows = compare([spoiled.left_out(odd, 8)])
    assert rows == compare([replace(run, turns=kept)])
    assert rows != compare([odd])
    assert spoiled.left_out(odd, 8).whole_rounds == list(range(1, 8))
    assert spoiled.left_out(odd, 8).all_rounds == list(range(1, 9))


def test_an_unfinished_round_counts_for_no_cell() -> None:
    run = made_up.result()
    run = replace(run, turns=run.turns[:-1])
    assert {len(column) for column in run.by_cell("p99").values()} == {7}


def test_nothing_is_compared_before_the_second_whole_round() -> None:
    run = made_up.result()
    assert compare([replace(run, turns=run.turns[:3])]) == []
    assert compare([run, replace(run, turns=run.turns[:3])]) == []


def test_a_measure_with_a_zero_has_no_ratio_but_a_difference_and_the_others_keep_theirs() -> None:
    run = spoiled.values(made_up.result(), "ignored", results_bytes=0.0)
    row = row_of(compare([run]), "results_bytes")
    assert row is not None
    assert row.ratios.keys() == {CONTROL}
    assert row.differences["ignored"].value == pytest.approx(-made_up.TRUTH["results_bytes"], rel=0.1)
    assert row.means["ignored"] == 0
    assert ratio_of(compare([run]), "results_bytes", "ignored") is None
    assert ratio_of(compare([run]), "worker_cpu", "ignored") is not None
    assert ratio_of(compare([run]), "sustainable_rate", "ignored") is None  # was not measured
    assert judged_logs(run, "results_bytes", "ignored") == []


def test_a_round_that_lacks_a_measure_is_in_no_column_of_it() -> None:
    """A window with too few tasks has no p99: its fellows' are then compared with nothing."""
    run = made_up.result()
    first, *rest = run.turns
    values = {name: value for name, value in first.values.items() if name != "p99"}
    columns = replace(run, turns=[replace(first, values=values), *rest]).by_cell("p99")
    assert {len(column) for column in columns.values()} == {7}
