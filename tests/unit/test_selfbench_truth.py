"""What is known of the runs of rig/selfbench/truths agrees with their files, and is told from what is not so."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import ACCOUNT, ANSWER, IDLE, phases_of

from rig.errors import StackError
from rig.experiment.file.spec import CONTROL
from rig.experiment.judge.gate import check
from rig.experiment.measure import measures
from rig.experiment.result import FILE, Result, load, save
from rig.experiment.run import TOO_MUCH
from rig.experiment.station import WARM_TASKS, paced_users
from rig.experiment.turn import NUMBERS_A_TURN, PACED, WARM, Turn
from rig.selfbench import known, truth
from rig.selfbench.known import ALONE, DIFFERENCE, RATIO, Seen, Truth, see
from rig.stack.paths import Checkout

CHECKOUT = Checkout(root=Path(__file__).parents[2], settings={})
NOISE = 0.003
USUAL = {
    "worker_memory": 90.0, "publish_ms": 2.0, "p50": 3.0, "p95": 5.0, "waiting": 0.2, "execution_rate": 900.0,
    "publisher_cpu": 600.0, "worker_cpu": 900.0, "worker_cpu_batch": 700.0,
}  # fmt: skip
COSTS = {f"{part}_cpu{batch}": 500.0 for part in IDLE for batch in ("", "_batch")}
Effects = Mapping[str, Mapping[str, float]]  # cell -> measure -> the value it has there


def made(name: str, effects: Effects, rounds: int = 6, seed: int = 1) -> Result:
    """A result of the run `name` in which each cell is as usual but for `effects`."""
    rng = np.random.default_rng(seed)
    experiment = replace(truth.experiment(name, CHECKOUT), rounds=rounds)
    cells = {variant.name: variant.name for variant in experiment.variants} | {CONTROL: experiment.baseline.name}
    turns = [_turn(rng, number, cell, effects.get(cell, {})) for number in range(1, rounds + 1) for cell in cells]
    return Result(
        run="20250101-120000-truth-abc123", experiment=experiment, cells=cells, seed=1, orders=[list(cells)] * rounds,
        turns=turns, accounts={cell: dict(ACCOUNT) for cell in cells},
        idle={when: {cell: dict(IDLE) for cell in cells} for when in ("before", "after")},
    )  # fmt: skip


def _turn(rng: np.random.Generator, number: int, cell: str, effect: Mapping[str, float]) -> Turn:
    usual = COSTS | USUAL | {known.WARM_UP: 300.0} | effect
    drawn = {measure: value * float(rng.lognormal(0, NOISE)) for measure, value in usual.items()}
    values = {measure: value for measure, value in drawn.items() if "_cpu" not in measure}
    values |= {"offered_rate": 550.0, "achieved_rate": 550.0, "paced_tasks": 1100.0, "backlog_tasks": 2000.0}
    warm = {**ANSWER, "first_sent_ns": 0, "last_published_ns": int(drawn[known.WARM_UP] * 1e6)}
    return Turn(
        round=number, place=0, cell=cell, number=number, phases=phases_of(drawn), sent={WARM: warm, PACED: ANSWER},
        values=values,
    )  # fmt: skip


def as_it_is(name: str) -> Effects:
    """What every truth of a run makes of the usual values."""
    effects: dict[str, dict[str, float]] = {}
    for each in known.TRUTHS[name]:
        usual = (USUAL | {known.WARM_UP: 300.0})[each.other or each.measure]
        true = {RATIO: usual * each.true, DIFFERENCE: usual + each.true, ALONE: each.true}[each.how]
        if not each.against:
            effects.setdefault(each.cell, {})[each.measure] = true
    return effects


@pytest.mark.parametrize("name", truth.NAMES)
def test_every_file_is_sound_and_its_handicaps_are_modules(name: str) -> None:
    experiment = truth.experiment(name, CHECKOUT)
    assert experiment.name == name
    imports = [variant.settings["imports"] for variant in experiment.variants]
    assert all(each == imports[0] for each in imports), "a module costs each cell the same"
    for module in imports[0]:
        assert (CHECKOUT.root / f"{module.replace('.', '/')}.py").exists()


def test_every_file_is_run() -> None:
    assert {path.stem for path in (CHECKOUT.root / truth.FOLDER).glob("*.toml")} == set(truth.NAMES)


@pytest.mark.parametrize("name", known.TRUTHS)
def test_every_truth_is_about_a_cell_and_a_measure_of_its_file(name: str) -> None:
    experiment = truth.experiment(name, CHECKOUT)
    cells = {variant.name for variant in experiment.variants} | {CONTROL}
    for each in known.TRUTHS[name]:
        assert {each.cell, *each.against} <= cells
        assert {each.measure, each.other or each.measure} <= {*measures(experiment), known.WARM_UP}
    handicapped = cells - {experiment.baseline.name}
    assert handicapped <= {each.cell for each in known.TRUTHS[name]}


@pytest.mark.parametrize(
    ("name", "cell", "setting", "value"),
    [
        ("solo", "slowed-5", "rig_slowdown", 0.05), ("solo", "slowed-20", "rig_slowdown", 0.2),
        ("solo", "leaking", "rig_leak_bytes", known.LEAK_BYTES), ("prefork", "slowed-20", "rig_slowdown", 0.2),
        ("delays", "late-3", "rig_late_percent", 3), ("delays", "late-10", "rig_late_percent", 10),
        ("delays", "late-3", "rig_late_ms", 50), ("delays", "late-10", "rig_late_ms", 50),
        ("delays", "slow-sends", "rig_send_ms", 1), ("delays", "slow-first-sends", "rig_first_send_ms", 200),
        ("delays", "throttled-200", "rig_starts_a_second", 200),
        ("delays", "throttled-250", "rig_starts_a_second", 250),
    ],
)  # fmt: skip
def test_handicaps_are_as_large_as_the_truths_say(name: str, cell: str, setting: str, value: float) -> None:
    settings = {variant.name: variant.settings for variant in truth.experiment(name, CHECKOUT).variants}
    assert settings[cell][setting] == value


def test_what_leaks_is_kept_for_each_task_executed_before_memory_is_read() -> None:
    load = truth.experiment("solo", CHECKOUT).load
    users = max(load.users, paced_users(load.rate))
    warm = math.ceil(WARM_TASKS / users) * users
    assert pytest.approx((warm + load.backlog) * known.LEAK_BYTES / (1 << 20)) == known.LEAKED


def test_a_measure_that_is_not_there_is_named() -> None:
    run = made("delays", as_it_is("delays"))
    turns = [replace(turn, values={k: v for k, v in turn.values.items() if k != "p95"}) for turn in run.turns]
    with pytest.raises(StackError, match="slow-first-sends: end to end, p95 of a typical round was not measured"):
        truth.findings("delays", replace(run, turns=turns))


def test_windows_have_the_tasks_that_p95_needs_and_no_queue_grows() -> None:
    load = truth.experiment("delays", CHECKOUT).load
    assert load.rate < TOO_MUCH * 200  # starts a second of the slowest cell: above, the run takes a share
    assert load.rate * load.seconds >= 200


def test_the_miscounting_worker_knows_how_many_numbers_a_round_has() -> None:
    experiment = truth.experiment(truth.ACCOUNT, CHECKOUT)
    settings = {variant.name: variant.settings for variant in experiment.variants}
    assert settings[truth.MISCOUNTED]["rig_posts_a_round"] == (len(experiment.variants) + 1) * NUMBERS_A_TURN
    assert experiment.load.rate, "or the warm-up would have more turns"


@pytest.mark.parametrize("name", known.TRUTHS)
def test_what_is_as_it_should_be_is_found(name: str) -> None:
    result = made(name, as_it_is(name))
    found = [see(each, result) for each in known.TRUTHS[name]]
    assert [each.truth.done for each in found if not each.ok] == []
    assert all(each.found for each in found if not each.truth.nothing and each.truth.how != ALONE)


@pytest.mark.parametrize("name", known.TRUTHS)
def test_an_effect_that_was_not_measured_is_missed(name: str) -> None:
    for each in known.TRUTHS[name]:
        if not each.nothing:
            assert not see(each, made(name, {})).ok, each


@pytest.mark.parametrize("name", known.TRUTHS)
def test_an_effect_of_another_size_is_not_the_truth(name: str) -> None:
    for each in known.TRUTHS[name]:
        effects = {cell: dict(values) for cell, values in as_it_is(name).items()}
        effects[each.cell][each.measure] = 1.5 * effects[each.cell].get(each.measure, 1.0) + 2 * each.within
        seen = see(each, made(name, effects))
        assert not seen.holds, each
        assert not seen.ok, each


def test_an_effect_is_found_only_where_its_interval_is_clear_of_equal() -> None:
    slowed = Truth(cell="slowed-5", done="", measure="worker_cpu", true=1.05)
    seen = Seen(truth=slowed, value=1.04, low=0.99, high=1.09, wide_low=0.95, wide_high=1.14)
    assert seen.holds
    assert not seen.ok
    assert replace(seen, low=1.01).ok
    assert replace(seen, truth=replace(slowed, true=1.0)).ok


def test_a_placebo_that_differs_is_no_placebo_and_one_that_does_not_may_be_found_by_chance() -> None:
    placebo = Truth(cell=CONTROL, done="nothing", measure="worker_cpu", true=1.0)
    assert placebo.nothing
    assert not see(placebo, made("prefork", {CONTROL: {"worker_cpu": 990.0}})).ok
    chance = [see(placebo, made("prefork", {}, seed=seed)) for seed in range(60)]
    assert 0 < sum(each.found for each in chance) < 10
    assert all(each.ok for each in chance)


def test_of_the_control_the_other_baseline_cell_is_the_baseline() -> None:
    both = {CONTROL: {"worker_cpu": 1800.0}}
    control = Truth(cell=CONTROL, done="", measure="worker_cpu", true=2.0)
    variant = Truth(cell="slowed-20", done="", measure="worker_cpu", true=1 / math.sqrt(2))
    result = made("prefork", both)
    assert see(control, result).value == pytest.approx(2, rel=0.02)
    assert see(variant, result).value == pytest.approx(1 / math.sqrt(2), rel=0.02)


def miscounted(**changes: Any) -> Result:
    result = made(truth.ACCOUNT, {}, rounds=1)
    own = {**ACCOUNT, "lost": ["a"], "duplicated": ["b"]} | changes
    experiment = replace(result.experiment, rounds=2)
    accounts = {**result.accounts, truth.MISCOUNTED: own}
    return replace(result, experiment=experiment, accounts=accounts, interrupted="299 of 300 tasks finished (warm)")


def test_one_lost_and_one_duplicated_are_found_and_are_the_reasons() -> None:
    assert [each.title for each in truth.account(miscounted()) if not each.ok] == []


@pytest.mark.parametrize(
    ("changes", "missed"),
    [
        ({"lost": []}, 2), ({"duplicated": []}, 2), ({"lost": ["a", "b"]}, 2), ({"unexpected": ["c"]}, 1),
        ({"lost": [], "unexpected": ["a"]}, 2), ({"duplicated": [], "unexpected": ["b"]}, 2), ({"failed": 3}, 1),
    ],
)  # fmt: skip
def test_any_other_account_is_missed(changes: dict[str, Any], missed: int) -> None:
    assert sum(not each.ok for each in truth.account(miscounted(**changes))) == missed


def test_what_others_did_to_the_machine_is_no_matter_of_the_account() -> None:
    result = miscounted()
    turns = [replace(turn, discarded=True) for turn in result.turns]
    disturbed = replace(result, turns=turns, left_out={1: "others used 58% of the machine"})
    assert any("left out" in each.reason for each in check(disturbed))
    assert [each.title for each in truth.account(disturbed) if not each.ok] == []


def test_a_task_lost_elsewhere_is_missed() -> None:
    result = miscounted()
    elsewhere = {**result.accounts, CONTROL: {**ACCOUNT, "lost": ["x"]}}
    assert sum(not each.ok for each in truth.account(replace(result, accounts=elsewhere))) == 2


def test_a_reason_against_what_is_judged_is_missed_and_one_against_something_else_is_not() -> None:
    result = made("prefork", as_it_is("prefork"))
    assert all(figure.ok for figure in truth.figures("prefork", result))
    lost = {**result.accounts, CONTROL: {**ACCOUNT, "lost": ["x"]}}
    assert [figure.ok for figure in truth.figures("prefork", replace(result, accounts=lost))].count(False) == 1
    late = [replace(turn, sent={**turn.sent, PACED: {**ANSWER, "loop_lag_us": {"p99": 9e3}}}) for turn in result.turns]
    assert all(figure.ok for figure in truth.figures("prefork", replace(result, turns=late)))


def test_the_table_has_a_line_for_each_truth_of_the_runs_on_record(tmp_path: Path) -> None:
    assert list(truth.table(tmp_path)) == []
    for name in ("solo", truth.ACCOUNT):
        (tmp_path / name).mkdir()
        result = miscounted() if name == truth.ACCOUNT else made(name, as_it_is(name))
        save(result, tmp_path / name)
        assert load(tmp_path / name).run == result.run, FILE
    lines = list(truth.table(tmp_path))
    assert len(lines) == 2 + len(known.TRUTHS["solo"]) + 1 + 4 + 2
    slowed = next(line for line in lines if "20% more CPU" in line)
    assert "| 1.2 times | 1.2" in slowed
    assert slowed.endswith("| yes | yes |")
    assert "| account | one task is executed twice | duplicated | 1 | 1 | yes | yes |" in lines
