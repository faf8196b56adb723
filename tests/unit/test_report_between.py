"""`rig compare`: whether an effect changed from one run to another, and what else did."""

import math
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
from rig.experiment.stats import Interval
from rig.report import between

SLOWER = {measure: 1.5 * factor for measure, factor in made_up.EFFECT.items()}


def saved(run: Result, directory: Path) -> str:
    directory.mkdir()
    results.save(run, directory)
    return str(directory)


def test_the_same_effect_in_two_runs_has_not_changed_whatever_the_machine() -> None:
    first, second = made_up.result(seed=1), made_up.result(seed=2)
    twice = [replace(turn, values={k: 2 * v for k, v in turn.values.items()}) for turn in second.turns]
    found = between.judged(first, between.effects(first, replace(second, turns=twice)))
    assert found is not None
    assert not found.change.clear_of_one
    assert between.words(found.change).startswith("no difference larger than")


def test_an_effect_that_changed_by_half_is_found_and_the_interval_covers_it() -> None:
    found = between.effects(made_up.result(seed=1), made_up.result(seed=2, effect=SLOWER))
    by_name = {(each.measure, each.variant): each.change for each in found}
    for measure in made_up.EFFECT:
        assert by_name[measure, "ignored"].low < 1.5 < by_name[measure, "ignored"].high
    assert between.words(by_name["execution_rate", "ignored"]).startswith("5")
    assert by_name["execution_rate", "control"].low < 1 < by_name["execution_rate", "control"].high


def test_a_change_is_the_quotient_of_the_two_effects() -> None:
    for each in between.effects(made_up.result(seed=3), made_up.result(seed=4, rounds=6)):
        assert each.change.ratio == pytest.approx(each.second.ratio / each.first.ratio)
        assert (each.first.pairs, each.second.pairs) == (8, 6)


@given(st.floats(-3, 3), st.floats(0, 2))
def test_words_say_on_which_side_of_equal_the_whole_interval_lies(log: float, half: float) -> None:
    change = Interval(ratio=math.exp(log), low=math.exp(log - half), high=math.exp(log + half), pairs=8)
    said = between.words(change)
    if change.low > 1:
        assert "higher" in said
    elif change.high < 1:
        assert "lower" in said
    else:
        assert "no difference larger" in said or said == "nothing to be said"


def test_runs_without_a_variant_in_common_are_bad_input() -> None:
    first, second = made_up.result(), made_up.result()
    variants = (first.experiment.variants[0], replace(first.experiment.variants[1], name="other"))
    second = replace(second, experiment=replace(second.experiment, variants=variants))
    with pytest.raises(BadInput, match=r"share no variant besides their baselines: .* has ignored; .* has other"):
        between.effects(first, second)


def test_a_value_of_zero_has_no_ratio_and_leaves_the_others() -> None:
    first, second = made_up.result(), made_up.result(seed=2)
    zero = [replace(turn, values={**turn.values, "results_cpu": 0.0}) for turn in second.turns]
    measures = {each.measure for each in between.effects(first, replace(second, turns=zero))}
    assert "results_cpu" not in measures
    assert "worker_cpu" in measures


def test_what_differs_is_listed_and_what_is_the_same_is_not() -> None:
    first, second = made_up.result(), made_up.result(seed=9)
    assert between.differences(first, second) == []
    variants = tuple(replace(each, topology="redis") for each in first.experiment.variants)
    other = replace(
        second, experiment=replace(second.experiment, variants=variants), environment={**second.environment, "cores": 4}
    )
    listed = between.differences(first, other)
    assert ["environment: cores", "2", "4"] in listed
    assert ["ignored: topology", "rabbitmq", "redis"] in listed
    assert len(listed) == 3  # and the same of the baseline
    assert "environment: cores: 2 → 4" in between.text(first, other, between.effects(first, other))


def test_absolute_values_carry_a_warning_where_machine_or_software_differ() -> None:
    first, second = made_up.result(), made_up.result(seed=2)
    assert "are the same in all that was written down" in between.text(first, second, [])
    revised = replace(second, environment={**second.environment, "revision": "abc", "load before": 3.0})
    assert "are the same in all that was written down" in between.text(first, revised, [])
    newer = replace(second, environment={**second.environment, "versions": {"Celery": "5.8.0"}})
    assert "these values do not compare" in between.text(first, newer, [])


def test_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = saved(made_up.result(seed=1), tmp_path / "first")
    same = saved(made_up.result(seed=2), tmp_path / "same")
    slower = saved(made_up.result(seed=2, effect=SLOWER), tmp_path / "slower")
    lost = saved(made_up.with_account(made_up.result(seed=2), "ignored", lost=["a"]), tmp_path / "lost")
    assert main(["compare", first, same]) == 0
    assert "“ignored”, B against A: no difference" in capsys.readouterr().out
    assert main(["compare", first, slower]) == 1
    assert "“ignored”, B against A: 5" in capsys.readouterr().out
    assert main(["compare", first, lost]) == 3
    assert "nothing can be concluded from an invalid run" in capsys.readouterr().out
    assert main(["compare", first, str(tmp_path / "none")]) == 2
