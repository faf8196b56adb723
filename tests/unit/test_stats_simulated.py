"""The statistics against a truth that is known because it was made up: whole experiments, simulated with the engine's
own schedule, stopping rule and ratio, and with the noise that each measure has (tests/unit/simulated.py).
"""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.stats as reference

from rig import stats
from rig.experiment import result
from rig.experiment.file.spec import CONTROL
from rig.experiment.judge.ratios import compare, ratio_of
from rig.experiment.plan import narrow_enough
from rig.experiment.turn import ENGINE
from tests.unit import made_up, simulated
from tests.unit.simulated import BETWEEN_RUNS, EXPERIMENTS, NOISE, ROUNDS, intervals, measured, needed, ratios

MEASURE = "worker_cpu_batch"
SURE = 0.999  # of every bound below: a right program fails one in a thousand seeds, and the seeds are fixed
MOST_FALSE = 0.05
WIDTHS = (1.0, 1.3, 1.6, 2.0, 2.5, 3.0, 4.0, 5.0)  # percent: stop_at


@pytest.fixture(scope="module")
def drifting() -> simulated.Logs:
    return measured(NOISE[MEASURE])


@pytest.fixture(scope="module")
def steady() -> simulated.Logs:
    return measured(NOISE[MEASURE], steady=True)


def clear_of_one(mean: simulated.Logs, half: simulated.Logs) -> simulated.Logs:
    return np.abs(mean) > half


def at_most(alarms: int, of: int) -> float:
    """The rate that the true one lies below, with probability SURE (Clopper & Pearson, Biometrika 26-4, 1934)."""
    return float(reference.beta.ppf(SURE, alarms + 1, of - alarms))


def test_the_simulation_has_the_engines_intervals(drifting: simulated.Logs) -> None:
    for rounds in (6, 8, ROUNDS):
        mean, half = intervals(ratios(drifting), rounds)
        for i in range(100):
            base, control, variant = np.exp(drifting[i, :rounds]).T.tolist()
            found = stats.ratio_of_logs([stats.log_ratios([base, control], variant)])
            assert (math.log(found.low), math.log(found.high)) == pytest.approx((mean[i] - half[i], mean[i] + half[i]))


def test_the_simulation_stops_where_the_engine_would(steady: simulated.Logs) -> None:
    pairs = ratios(steady)[:200]
    mean, half = simulated.stopped(pairs, 2.5, stats.STOPPING)
    lengths = []
    for i, logs in enumerate(pairs.tolist()):
        for rounds in (6, 8, 10, 12, 14, 16):
            found = stats.ratio_of_logs([logs[:rounds]], stats.STOPPING)
            if narrow_enough(found, 2.5):
                break
        lengths.append(rounds)
        assert (math.log(found.ratio), math.log(found.high / found.low) / 2) == pytest.approx((mean[i], half[i]))
    assert {6, 16} < set(lengths)


@pytest.mark.parametrize("measure", NOISE)
def test_the_simulated_noise_is_that_of_the_records(measure: str) -> None:
    """No smaller than that of the middle one of all records, not of one that was picked; nor twice as large."""
    seen = simulated.recorded(measure)
    if len(seen) < simulated.ENOUGH:
        pytest.skip("too few runs of this engine on record")
    middle = statistics.median(seen)
    assert middle <= NOISE[measure] <= 2 * middle, f"{measure}: {middle:.3f} on record"


def test_records_of_this_engine_are_read_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "RECORDS", tmp_path)
    for name, text in (("old", '{"format": 1, "turns": []}'), ("next", f'{{"format": 3, "engine": {ENGINE + 1}}}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / result.FILE).write_text(text)
    assert simulated.recorded(MEASURE) == []
    seen = made_up.result()
    for run in ("run-1", "run-2"):
        (tmp_path / "new" / run).mkdir(parents=True)
        result.save(seen, tmp_path / "new" / run)
    values = seen.by_cell(MEASURE)
    logs = np.log(np.array(values[CONTROL]) / values[seen.experiment.baseline.name])
    assert simulated.recorded(MEASURE) == pytest.approx([np.std(logs, ddof=1)] * 2)
    assert simulated.recorded(simulated.MIXED) == []


def test_the_simulated_ratios_of_equal_cells_are_as_noisy_as_is_said() -> None:
    for noise in NOISE.values():
        spread = math.sqrt(simulated.controls(measured(noise)).var(axis=1, ddof=1).mean())
        assert noise * 0.98 <= spread <= noise * 1.05


@pytest.mark.parametrize("measure", NOISE)
@pytest.mark.parametrize("rounds", [8, ROUNDS])
def test_false_alarms_are_at_most_five_in_a_hundred(measure: str, rounds: int) -> None:
    """On the average of 120 times 200 experiments, and below 5% for the true rate with 99.9% certainty. One set
    of 200 proves little: at a true rate of 5% it has more than ten in 42 cases of 100, at 8% ten or fewer in 7.
    """
    logs = measured(NOISE[measure])
    alarms = clear_of_one(*intervals(ratios(logs), rounds))
    assert at_most(int(alarms.sum()), EXPERIMENTS) <= MOST_FALSE
    printed = (needed(logs, rounds) < 0).mean() + (needed(-logs, rounds) < 0).mean()
    assert printed <= 0.01, "beyond what the control allows, it is one in a hundred"


@pytest.mark.parametrize("measure", NOISE)
def test_what_is_said_to_be_found_is_found_with_99_9_percent_certainty(measure: str) -> None:
    """In nine of ten experiments of either length; three quarters of such an effect would not be found so often."""
    logs = measured(NOISE[measure])
    for rounds in (8, ROUNDS):
        effect = math.log1p(simulated.smallest_found(measure, rounds) / 100)
        missed = int((needed(logs, rounds) > 1.02 * effect).sum())
        assert 1 - at_most(missed, EXPERIMENTS) >= 0.9
        assert (needed(logs, rounds) <= 0.75 * effect).mean() < 0.8


def test_a_noisier_measure_needs_a_larger_effect_and_more_rounds_a_smaller() -> None:
    found = [simulated.smallest_found(measure, ROUNDS) for measure in sorted(NOISE, key=NOISE.__getitem__)]
    assert found == sorted(found)
    assert simulated.smallest_found("p95", 8) > simulated.smallest_found("p95", ROUNDS)


@pytest.mark.parametrize("percent", WIDTHS)
@pytest.mark.parametrize("machine", ["drifting", "steady"])
def test_a_run_that_stops_early_covers_the_truth_all_the_same(
    machine: str, percent: float, request: pytest.FixtureRequest
) -> None:
    """Stopping when an interval is narrow picks those that are too narrow by chance. With Student's t asked for
    `STOPPING` they miss the truth no more often than once in 20 all the same: on no machine and for no width more
    often than a true 5% would, in 24,000 experiments, with probability 99.9%.

    An effect shifts the interval and leaves its width, so what holds for no effect holds for any.
    """
    pairs = ratios(request.getfixturevalue(machine))
    missed = clear_of_one(*simulated.stopped(pairs, percent, stats.STOPPING)).sum()
    assert missed <= reference.binom.ppf(SURE, EXPERIMENTS, MOST_FALSE)


def test_without_the_allowance_they_would_not(steady: simulated.Logs) -> None:
    """So STOPPING is needed: plain 95% intervals, stopped in the same way, miss too often at some width."""
    pairs = ratios(steady)
    missed = [clear_of_one(*simulated.stopped(pairs, percent, stats.CONFIDENCE)).sum() for percent in WIDTHS]
    assert max(missed) > reference.binom.ppf(SURE, EXPERIMENTS, MOST_FALSE)


def test_the_engine_makes_the_allowance_where_a_run_may_stop_early_and_only_there() -> None:
    seen = made_up.result()
    measure = seen.experiment.expectation.measure
    values = seen.by_cell(measure)
    base, variant = seen.experiment.baseline.name, seen.experiment.variants[1].name
    logs = stats.log_ratios([values[base], values[CONTROL]], values[variant])
    for stop_at, asked in ((0.0, stats.CONFIDENCE), (2.0, stats.STOPPING)):
        run = replace(seen, experiment=replace(seen.experiment, stop_at=stop_at))
        assert ratio_of(compare([run]), measure, variant) == stats.ratio_of_logs([logs], asked)


def test_the_simulated_drift_would_fool_who_does_not_pair(drifting: simulated.Logs) -> None:
    """The same data without pairs (Welch's test between two columns): a true 3% is missed more often than not."""
    few, effect = drifting[:400], math.log(1.03)
    unpaired = reference.ttest_ind(few[:, :, 0], few[:, :, 2] + effect, axis=1, equal_var=False)
    mean, half = intervals(ratios(few))
    assert (unpaired.pvalue < 0.05).sum() < 200 < (mean + effect > half).sum()


def test_one_run_does_not_know_what_the_next_would_have_found(drifting: simulated.Logs) -> None:
    """Where each run has its own effect of broker, boot and neighbours, the rounds of one run do not show it."""
    mean, half = intervals(ratios(drifting))
    own = np.random.default_rng(3).normal(0, BETWEEN_RUNS, EXPERIMENTS)
    assert (np.abs(mean + own) > half).mean() > 0.5


@pytest.mark.parametrize("runs", [2, 3, 4])
@pytest.mark.parametrize("between", [0.0, 0.01, BETWEEN_RUNS])
def test_an_interval_over_several_runs_does(drifting: simulated.Logs, runs: int, between: float) -> None:
    series = ratios(drifting)[: 1500 * runs, :8].reshape(1500, runs, 8)
    series = series + np.random.default_rng(3).normal(0, between, (1500, runs, 1))
    found = [stats.pooled(each) for each in series.tolist()]
    missed = sum(abs(each.value) > each.half for each in found)
    assert missed <= reference.binom.ppf(SURE, len(found), MOST_FALSE)


def test_the_trend_has_no_preference_where_there_is_none(drifting: simulated.Logs) -> None:
    """Its p is spread evenly: with normal noise by a test of that, with heavy tails where it alarms."""
    even = np.random.default_rng(5).normal(0, 0.05, (2000, 8)).tolist()
    chances = [found.p for logs in even if (found := stats.trend(logs))]
    assert reference.kstest(chances, "uniform").pvalue > 0.001
    heavy = [found.p for logs in ratios(drifting)[:2000, :8].tolist() if (found := stats.trend(logs))]
    assert sum(p < 0.01 for p in heavy) <= reference.binom.ppf(SURE, len(heavy), 0.01)


def test_a_trend_as_steep_as_has_been_seen_is_found() -> None:
    """28% in eight rounds, with the noise of the execution rate: in more than half of the runs, at one in a hundred."""
    slope = math.log(1.28) * np.linspace(0, 1, 8)
    runs = (ratios(measured(NOISE["execution_rate"]))[:1000, :8] + slope).tolist()
    assert sum(stats.trend(logs).p < 0.01 for logs in runs) > 500


@pytest.mark.parametrize("truth", [1, 2])
@pytest.mark.parametrize("expected", [5, 20])
def test_intervals_of_a_share_that_waits_hold_where_some_tasks_do(expected: int, truth: int) -> None:
    """Counts of tasks that wait, independent of each other, as `rig.experiment.measure` makes shares of them."""
    rng = np.random.default_rng(6)
    counts = [rng.binomial(400, expected * times / 400, (EXPERIMENTS, 8)) for times in (1, 1, truth)]
    mean, half = intervals(ratios(np.log((np.stack(counts, axis=2) + 0.5) / 401)), 8)
    missed = int(clear_of_one(mean - math.log(truth), half).sum())
    assert missed <= reference.binom.ppf(SURE, EXPERIMENTS, MOST_FALSE)
