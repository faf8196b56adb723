"""Several runs that belong together: independent ones of one experiment, and those of a sweep."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import made_up
import pytest

from rig.errors import BadInput, StackError
from rig.experiment import launch, result, series
from rig.experiment.file.spec import differing
from rig.experiment.result import Result, load_all
from rig.experiment.series import independent, parse_sweep, swept
from rig.stack.paths import Checkout
from rig.testbed.variant import Variant, WorkerSpec


def test_a_sweep_is_every_combination_of_what_is_named() -> None:
    assert parse_sweep(["concurrency=2,4,8"]) == [{"concurrency": n} for n in (2, 4, 8)]
    assert parse_sweep(["concurrency=2,4", "prefetch=4,16"]) == [
        {"concurrency": concurrency, "prefetch": prefetch} for concurrency in (2, 4) for prefetch in (4, 16)
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("threads=2", "--sweep threads=2: one of concurrency, prefetch is needed before the ="),
        ("2,4", "--sweep 2,4: one of concurrency, prefetch"),
        ("concurrency", "--sweep concurrency: whole numbers above 0 are needed, as in concurrency=2,4,8"),
        ("concurrency=", "whole numbers above 0"),
        ("concurrency=2,,4", "whole numbers above 0"),
        ("concurrency=0", "whole numbers above 0"),
        ("prefetch=4,x", "as in prefetch=2,4,8"),
        ("prefetch=1.5", "whole numbers above 0"),
        ("prefetch=-1", "whole numbers above 0"),
    ],
)
def test_a_sweep_that_cannot_be_meant_is_refused(text: str, said: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse_sweep(["concurrency=2", text])
    (problem,) = refused.value.problems
    assert said in problem


def test_all_faults_of_a_sweep_are_said_at_once() -> None:
    with pytest.raises(BadInput) as refused:
        parse_sweep(["x=1", "prefetch=y", "concurrency=2"])
    assert len(refused.value.problems) == 2


def test_a_setting_is_in_every_worker_and_in_the_name_of_each_experiment() -> None:
    workers = (
        WorkerSpec(worker="--pool prefork --concurrency 2", queues=("quick",)),
        WorkerSpec(worker="--concurrency=9"),
    )
    variants = (Variant(name="a"), Variant(name="b", workers=workers, settings={"task_ignore_result": True}))
    made = replace(made_up.experiment(), variants=variants)
    first, second = swept(made, parse_sweep(["concurrency=4", "prefetch=1,16"]))
    assert (first.name, second.name) == (
        "ignore_result-concurrency4-prefetch1",
        "ignore_result-concurrency4-prefetch16",
    )
    assert [worker.worker for worker in first.variants[1].workers] == [
        "--pool prefork --concurrency 4", "--concurrency=4",
    ]  # fmt: skip
    assert first.variants[1].workers[0].queues == ("quick",)
    assert "--concurrency 4" in first.variants[0].workers[0].worker
    assert second.variants[0].settings == {"worker_prefetch_multiplier": 16}
    assert second.variants[1].settings == {"task_ignore_result": True, "worker_prefetch_multiplier": 16}
    assert (first.path, first.claim) == (made.path, made.claim)


def test_a_sweep_adds_no_factor_in_which_the_variants_differ() -> None:
    (made,) = swept(made_up.experiment(), [{"concurrency": 8, "prefetch": 2}])
    assert differing(made.variants) == made.factors


def test_a_worker_without_the_option_cannot_be_swept() -> None:
    variants = (Variant(name="a", workers=(WorkerSpec(worker="--pool solo"),)), Variant(name="b"))
    with pytest.raises(BadInput, match="--sweep concurrency needs --concurrency in the worker '--pool solo'"):
        list(swept(replace(made_up.experiment(), variants=variants), [{"concurrency": 4}]))


Launched = list[tuple[Path, int, str]]


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> Launched:
    """What was launched: where, with which seed, under which name. The second run is what a test makes it."""
    done: Launched = []

    def run(_experiment: Any, _checkout: Any, runs: Path, seed: int, name: str = "") -> tuple[Path, Result]:
        done.append((runs, seed, name))
        directory = runs / (name or "run")
        directory.mkdir(parents=True)
        made = made_up.result(seed=seed)
        result.save(made, directory)
        return directory, made

    monkeypatch.setattr(series, "launch", run)
    return done


def run(tmp_path: Path, count: int) -> tuple[Path, list[Result]]:
    return independent(made_up.experiment(), Checkout(root=tmp_path, settings={}), tmp_path / "runs", 7, count)


def test_one_run_is_a_run_directory_and_no_series(tmp_path: Path, launched: Launched) -> None:
    directory, results = run(tmp_path, 1)
    assert launched == [(tmp_path / "runs", 7, "")]
    assert [each.seed for each in load_all(directory)] == [each.seed for each in results] == [7]


def test_several_have_a_directory_together_and_seeds_of_their_own(tmp_path: Path, launched: Launched) -> None:
    directory, results = run(tmp_path, 11)
    assert directory.parent == tmp_path / "runs"
    assert "-ignore_result-" in directory.name
    assert [name for _, _, name in launched] == [f"run-{number}" for number in range(1, 12)]
    assert {runs for runs, *_ in launched} == {directory}
    assert [each.seed for each in results] == list(range(7, 18))
    assert [each.seed for each in load_all(directory)] == list(range(7, 18))  # the tenth comes after the ninth


def test_a_run_that_is_interrupted_ends_its_series(
    tmp_path: Path, launched: Launched, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = series.launch

    def second_ends(*given: Any) -> tuple[Path, Result]:
        directory, made = plain(*given)
        return directory, replace(made, interrupted="Ctrl-C" if len(launched) == 2 else "")

    monkeypatch.setattr(series, "launch", second_ends)
    _, results = run(tmp_path, 4)
    assert [each.interrupted for each in results] == ["", "Ctrl-C"]


def test_a_stack_that_does_not_come_up_is_no_run_of_a_series(
    tmp_path: Path, launched: Launched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> tuple[Path, Result]:
        raise StackError("no broker")

    monkeypatch.setattr(series, "launch", fails)
    with pytest.raises(StackError):
        run(tmp_path, 2)
    assert launched == []


def test_names_of_runs_sort_by_time_and_are_no_two_alike() -> None:
    names = {launch.new_id(made_up.experiment()) for _ in range(50)}
    assert len(names) == 50


def test_a_directory_without_any_run_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"result\.json: cannot be read"):
        load_all(tmp_path)


@pytest.mark.usefixtures("launched")
def test_one_damaged_run_spoils_its_series(tmp_path: Path) -> None:
    directory, _ = run(tmp_path, 2)
    (directory / "run-2" / "result.json").write_text("{}")
    with pytest.raises(BadInput, match="run-2"):
        load_all(directory)
