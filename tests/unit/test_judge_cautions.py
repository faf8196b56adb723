"""What makes no number invalid and should be known all the same."""

from __future__ import annotations

from dataclasses import replace

import made_up
import pytest
import spoiled

from rig.experiment.judge import cautions, gate
from rig.experiment.measure import PACED_MEASURES
from rig.experiment.result import Result, Session
from rig.experiment.run import disturbance
from rig.experiment.turn import PACED


def test_few_rounds_are_warned_of_unless_the_run_stopped_by_its_own_rule() -> None:
    assert cautions.warnings(made_up.result(rounds=4)) == [
        "only 4 rounds: wide intervals, in which one odd round weighs much"
    ]
    assert cautions.warnings(replace(made_up.result(rounds=6), stopped="narrow enough")) == []


def test_a_steady_other_load_is_a_warning_and_no_reason() -> None:
    run = spoiled.foreign(made_up.result(), 0.4)
    assert gate.check(run) == []
    (said,) = cautions.warnings(run)
    assert said.startswith("others used 4")
    assert "for all cells alike" in said
    assert cautions.warnings(spoiled.foreign(made_up.result(), 0.05)) == []


def test_a_round_that_was_left_out_is_named_with_what_it_would_have_changed() -> None:
    odd = spoiled.scaled(made_up.result(), "execution_rate", 1.0, "ignored")
    odd = spoiled.values(odd, "ignored", rounds=1, execution_rate=200.0)
    first, second = cautions.warnings(spoiled.left_out(odd, 8))[-2:]
    assert first == "round 8 was left out and its order taken again, because others used 61% of the machine"
    assert second.startswith("with the rounds that were left out the judged ratio is ")
    ratio = float(second.split(" is ")[1].split()[0])
    assert ratio < 0.95 * made_up.EFFECT["execution_rate"]


def test_stolen_time_is_a_warning_between_two_limits() -> None:
    assert cautions.warnings(spoiled.stolen(made_up.result(), 0.05)) == [
        "the hypervisor gave 5.0% of the machine's CPU to others while it was measured"
    ]
    assert cautions.warnings(spoiled.stolen(made_up.result(), 0.019)) == []
    assert cautions.warnings(spoiled.stolen(made_up.result(), 0.06)) == []  # that is a reason


def test_what_the_hypervisor_gives_to_others_is_others_cpu() -> None:
    own = [turn for turn in spoiled.stolen(made_up.result(), 0.51).turns if turn.round == 1]
    assert disturbance(own, 2) == ""  # `foreign` of a turn is taken when it is measured
    taken = [replace(turn, foreign=max(p.foreign_share(2) for p in turn.phases.values())) for turn in own]
    assert disturbance(taken, 2).startswith("others used 5")
    uneven = [own[0], *(turn for turn in made_up.result().turns if turn.round == 1 and turn.cell != own[0].cell)]
    assert "of the machine in its turns" in disturbance(uneven, 2)


def test_a_run_that_was_paced_slower_than_its_file_says_so() -> None:
    run = made_up.result()
    asked = spoiled.experiment(run, load=replace(run.experiment.load, rate=2 * run.rate))
    assert any("paced at 550 tasks/s and not at the 1,100 of the file" in said for said in cautions.warnings(asked))
    same = spoiled.experiment(run, load=replace(run.experiment.load, rate=run.rate))
    assert not any("paced at" in said for said in cautions.warnings(same))


def test_runs_of_a_series_at_different_rates_have_no_paced_rows() -> None:
    run = made_up.result()
    found = gate.check_all([run, replace(run, rate=0.9 * run.rate)])
    assert [(each.reason, each.touches) for each in found] == [
        ("the runs were paced at 495 to 550 tasks/s", PACED_MEASURES)
    ]
    assert gate.check_all([run, replace(run, rate=0.99 * run.rate)]) == []


def test_a_ratio_that_changes_over_the_rounds_is_named() -> None:
    run = made_up.result(rounds=16)
    grows = spoiled.turns(
        run,
        lambda turn: replace(
            turn, values={**turn.values, "execution_rate": turn.values["execution_rate"] * 1.02**turn.round}
        ),
        "ignored",
    )  # fmt: skip
    (said,) = cautions.warnings(grows)
    assert said.startswith("the judged ratio changed by 3")  # 1.02^15 is 1.35
    both = spoiled.turns(grows, lambda turn: turn)
    for cell in ("stored", "control"):
        both = spoiled.turns(
            both,
            lambda turn: replace(
                turn, values={**turn.values, "execution_rate": turn.values["execution_rate"] * 1.02**turn.round}
            ),
            cell,
        )  # fmt: skip
    assert cautions.warnings(both) == []  # a machine that gets faster is no trend of a ratio


def test_earlier_attempts_are_counted_and_named() -> None:
    run = replace(made_up.result(), tries={"refuted": 2, "confirmed": 1})
    assert cautions.warnings(run) == [
        "attempt 4 at this experiment in this checkout; earlier ones: 1 confirmed, 2 refuted"
    ]


def test_a_run_that_was_continued_says_what_was_compared_for_its_earlier_session() -> None:
    session = Session(ended="Ctrl-C", turns=9, rounds=3, accounts={}, counts={})
    (said,) = cautions.warnings(replace(made_up.result(), earlier=[session]))
    assert said.startswith("continued after round 3 (Ctrl-C)")


def test_warnings_of_several_runs_have_their_number() -> None:
    first, second = made_up.series(runs=2)
    tried = replace(second, tries={"trial": 1})
    assert cautions.all_warnings([first, tried]) == [f"run 2: {said}" for said in cautions.warnings(tried)]
    assert cautions.all_warnings([tried]) == cautions.warnings(tried)


def test_a_warning_of_several_runs_is_said_once() -> None:
    runs = [replace(run, tries={"trial": 1}) for run in made_up.series(runs=3)]
    (said,) = cautions.warnings(runs[0])
    assert cautions.all_warnings(runs) == [f"each run: {said}"]
    assert cautions.all_warnings([*runs[:2], made_up.result()]) == [f"runs 1 and 2: {said}"]
    assert cautions.all_warnings([*runs, made_up.result()]) == [f"runs 1, 2 and 3: {said}"]


def test_foreign_share_is_what_is_neither_ours_nor_the_rigs() -> None:
    phase = made_up.phase(seconds=1.0)
    assert phase.foreign_share(cores=2) == pytest.approx((1.3 - 4 * 0.3) / 2)
    assert replace(phase, rig_ns=40_000_000).foreign_share(cores=2) == pytest.approx(0.03)
    assert replace(phase, rig_ns=400_000_000).foreign_share(cores=2) == 0
    assert replace(phase, rig_ns=40_000_000).rig_share() == pytest.approx(0.04)


def of_round(run: Result, number: int = 8) -> str:
    own = [turn for turn in run.turns if turn.round == number]
    most = [replace(turn, foreign=max(each.foreign_share(2) for each in turn.phases.values())) for turn in own]
    return disturbance(most, cores=2)


def test_a_steady_other_load_disturbs_no_round_and_an_uneven_or_a_large_one_does() -> None:
    run = made_up.result()
    assert of_round(run) == ""
    assert of_round(spoiled.foreign(run, 0.4)) == ""
    assert of_round(spoiled.foreign(run, 0.6)).startswith("others used 6")
    uneven = spoiled.foreign(run, 0.2, "ignored", rounds=1)
    assert of_round(uneven).startswith("others used ")
    assert of_round(uneven).endswith("% of the machine in its turns (backlog)")
    assert of_round(uneven, 7) == ""
    assert of_round(spoiled.foreign(run, 0.2, "ignored", only=PACED)).endswith("in its turns (paced)")
    assert of_round(spoiled.foreign(run, 0.1, "ignored")) == ""
