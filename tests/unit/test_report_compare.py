"""`rig compare`: whether an effect changed from one run to another, and what else did."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import made_up
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.cli import main
from rig.errors import BadInput
from rig.experiment import result as results
from rig.experiment.result import Result
from rig.report import compare
from rig.report.write import conclude
from rig.stats import Interval
from rig.testbed.environment import CLOCK_SPREAD

SLOWER = {measure: 1.5 * factor for measure, factor in made_up.EFFECT.items()}


def saved(run: Result, directory: Path) -> str:
    directory.mkdir(parents=True)
    results.save(run, directory)
    return str(directory)


def saved_series(runs: list[Result], directory: Path) -> str:
    for number, run in enumerate(runs, start=1):
        saved(run, directory / f"{results.SERIES}{number}")
    return str(directory)


def effects(first: Result, second: Result) -> list[compare.Effect]:
    return compare.effects(conclude(first), conclude(second))


def differences(first: Result, second: Result) -> list[list[str]]:
    return compare.differences(conclude(first), conclude(second))


def text(first: Result, second: Result, found: Sequence[compare.Effect] = ()) -> str:
    return compare.text(conclude(first), conclude(second), found)


def test_the_same_effect_in_two_runs_has_not_changed_whatever_the_machine() -> None:
    first, second = made_up.result(seed=1), made_up.result(seed=2)
    twice = [replace(turn, values={k: 2 * v for k, v in turn.values.items()}) for turn in second.turns]
    found = compare.judged(conclude(first), effects(first, replace(second, turns=twice)))
    assert found is not None
    assert not found.change.clear_of_one
    assert compare.words(found.change).startswith("no difference larger than")


def test_an_effect_that_changed_by_half_is_found_and_the_interval_covers_it() -> None:
    found = effects(made_up.result(seed=1), made_up.result(seed=2, effect=SLOWER))
    by_name = {(each.measure, each.variant): each.change for each in found}
    for measure in made_up.EFFECT:
        assert by_name[measure, "ignored"].low < 1.5 < by_name[measure, "ignored"].high
    assert compare.words(by_name["execution_rate", "ignored"]).startswith("4")
    assert by_name["execution_rate", "control"].low < 1 < by_name["execution_rate", "control"].high


def test_a_change_is_the_quotient_of_the_two_effects() -> None:
    for each in effects(made_up.result(seed=3), made_up.result(seed=4, rounds=6)):
        assert each.change.ratio == pytest.approx(each.second.ratio / each.first.ratio)
        assert (each.first.pairs, each.second.pairs) == (8, 6)


@given(st.floats(-3, 3), st.floats(0, 2))
def test_words_say_on_which_side_of_equal_the_whole_interval_lies(log: float, half: float) -> None:
    change = Interval(ratio=math.exp(log), low=math.exp(log - half), high=math.exp(log + half), pairs=8)
    said = compare.words(change)
    if change.low > 1:
        assert "higher" in said
    elif change.high < 1:
        assert "lower" in said
    else:
        assert said.startswith(("no difference larger", "interval too wide to conclude anything", "unclear: between"))


def test_runs_without_a_variant_in_common_are_bad_input() -> None:
    first, second = made_up.result(), made_up.result()
    variants = (first.experiment.variants[0], replace(first.experiment.variants[1], name="other"))
    second = replace(second, experiment=replace(second.experiment, variants=variants))
    with pytest.raises(BadInput, match=r"share no variant besides their baselines: .* has ignored; .* has other"):
        effects(first, second)


def test_a_value_of_zero_has_no_ratio_and_leaves_the_others() -> None:
    first, second = made_up.result(), made_up.result(seed=2)
    zero = [replace(turn, values={**turn.values, "results_bytes": 0.0}) for turn in second.turns]
    measures = {each.measure for each in effects(first, replace(second, turns=zero))}
    assert "results_bytes" not in measures
    assert "worker_cpu" in measures


def test_what_differs_is_listed_and_what_is_the_same_is_not() -> None:
    first, second = made_up.result(), made_up.result(seed=9)
    assert differences(first, second) == []
    variants = tuple(replace(each, topology="redis") for each in first.experiment.variants)
    other = replace(
        second, experiment=replace(second.experiment, variants=variants), environment={**second.environment, "cores": 4}
    )
    listed = differences(first, other)
    assert ["environment: cores", "2", "4"] in listed
    assert ["ignored: topology", "rabbitmq", "redis"] in listed
    assert len(listed) == 3  # and the same of the baseline
    assert "environment: cores: 2 → 4" in text(first, other, effects(first, other))


def test_absolute_values_carry_a_warning_where_machine_or_software_differ() -> None:
    first, second = made_up.result(), made_up.result(seed=2)
    assert "are the same in all that was written down" in text(first, second)
    moment = {"revision": "abc", "load before": 3.0, CLOCK_SPREAD: 0.3}
    revised = replace(second, environment={**second.environment, **moment})
    assert "are the same in all that was written down" in text(first, revised)
    newer = replace(second, environment={**second.environment, "versions": {"Celery": "5.8.0"}})
    assert "these values do not compare" in text(first, newer)


def test_of_what_differs_between_any_two_runs_nothing_is_listed() -> None:
    first, second = made_up.result(), made_up.result(seed=2)
    second = replace(second, environment={**second.environment, "load before": 3.0, CLOCK_SPREAD: 0.3})
    assert differences(first, second) == []


def test_two_single_runs_are_said_to_have_no_variance_between_runs_in_them() -> None:
    assert "no variance between runs" in text(made_up.result(), made_up.result(seed=2))
    several = conclude(*made_up.series(2)), conclude(*made_up.series(3))
    assert "no variance between runs" not in compare.text(*several, compare.effects(*several))
    mixed = conclude(made_up.result()), several[1]
    assert "no variance between runs" in compare.text(*mixed, compare.effects(*mixed))


def test_series_are_compared_by_the_means_of_their_runs() -> None:
    steady, spread = made_up.series(3, spread=0.001), made_up.series(4, spread=0.15)
    first, second = conclude(*steady), conclude(*spread)
    found = compare.judged(first, compare.effects(first, second))
    rounds = compare.judged(conclude(steady[0]), effects(steady[0], spread[0]))
    assert found is not None
    assert rounds is not None
    assert found.change.ratio == pytest.approx(found.second.ratio / found.first.ratio)
    assert found.change.pairs == 3  # runs, not the 24 rounds of them
    assert found.change.floor > 1.15  # what differs from run to run
    assert rounds.change.high / rounds.change.low < 1.12  # of which two single runs know nothing


def test_a_change_no_larger_than_that_of_the_control_is_noise() -> None:
    change = Interval(ratio=1.04, low=1.01, high=1.07, pairs=8)
    assert compare.words(change).startswith("4.0% higher")
    assert compare.words(change, 1.05).startswith("within the noise")
    assert not compare.changed(change, 1.05)


def test_runs_of_engines_that_differ_are_refused() -> None:
    first, second = made_up.result(), replace(made_up.result(seed=2), engine=99)
    with pytest.raises(BadInput, match=r"A by engine 2 and B by engine 99"):
        effects(first, second)


def test_no_ratio_stands_without_the_difference_beside_it() -> None:
    titles, lines = compare.effect_table(effects(made_up.result(), made_up.result(seed=2)), "ignored")
    assert titles[2:4] == ["difference [95%]", "ratio [95%]"]
    assert all(line[2][:1] in "+-0" for line in lines)


def test_a_measure_that_may_not_be_used_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = made_up.result(), made_up.result(seed=2)
    steep = [
        replace(turn, values={**turn.values, "paced_start": 0.3 if turn.cell == "ignored" else 0.0})
        for turn in second.turns
    ]
    usable = {each.measure: each.usable for each in effects(first, replace(second, turns=steep))}
    assert not usable["p50"]
    assert usable["execution_rate"]
    judged = replace(first, experiment=made_up.experiment(measure="p50", change="lower"))
    one, two = saved(judged, tmp_path / "one"), saved(replace(second, turns=steep), tmp_path / "two")
    assert main(["compare", one, two]) == 3
    assert "may not be used" in capsys.readouterr().out


def test_series_are_found_listed_and_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = saved_series(made_up.series(2, spread=0.01), tmp_path / "first")
    second = saved_series(made_up.series(3, spread=0.01), tmp_path / "second")
    trial = replace(made_up.result(rounds=2), experiment=made_up.experiment(2))
    saved(trial, tmp_path / "third")
    assert main(["compare", first, second]) == 0
    assert main(["list", "--into", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()[-3:]
    assert [line.split("  ")[0] for line in lines] == ["first", "second", "third"]
    for line, part in zip(lines, ("2 runs: 16 of 16  confirmed", "3 runs: 24 of 24  confirmed", "trial"), strict=True):
        assert part in line


def test_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = saved(made_up.result(seed=1), tmp_path / "first")
    same = saved(made_up.result(seed=2), tmp_path / "same")
    slower = saved(made_up.result(seed=2, effect=SLOWER), tmp_path / "slower")
    lost = saved(made_up.with_account(made_up.result(seed=2), "ignored", lost=["a"]), tmp_path / "lost")
    assert main(["compare", first, same]) == 0
    assert "“ignored”, B against A: no difference" in capsys.readouterr().out
    assert main(["compare", first, slower]) == 1
    assert "“ignored”, B against A: 4" in capsys.readouterr().out
    assert main(["compare", first, lost]) == 3
    assert "nothing can be concluded from an invalid run" in capsys.readouterr().out
    assert main(["compare", first, str(tmp_path / "none")]) == 2
