"""How often an experiment was tried, and what came of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import made_up
import spoiled

from rig.experiment import result
from rig.experiment.attempts import FILE, earlier, identity, note


def test_attempts_are_counted_by_their_verdict(tmp_path: Path) -> None:
    made = made_up.experiment()
    assert earlier(tmp_path, made) == {}
    for run, word in (("a", "refuted"), ("b", "inconclusive"), ("c", "refuted")):
        note(tmp_path, made, run, word)
    assert earlier(tmp_path, made) == {"refuted": 2, "inconclusive": 1}


def test_a_result_that_says_them_is_kept_and_read_again(tmp_path: Path) -> None:
    note(tmp_path, made_up.experiment(), "a", "refuted")
    told = replace(made_up.result(), tries=earlier(tmp_path, made_up.experiment()))
    result.save(told, tmp_path)
    assert result.load(tmp_path).tries == {"refuted": 1}


def test_another_experiment_has_attempts_of_its_own(tmp_path: Path) -> None:
    made = made_up.experiment()
    note(tmp_path, made, "a", "refuted")
    assert earlier(tmp_path, made_up.experiment(percent=5)) == {}
    assert earlier(tmp_path, replace(made, load=replace(made.load, backlog=100))) == {}


def test_more_rounds_or_another_place_of_the_file_are_the_same_experiment(tmp_path: Path) -> None:
    made = made_up.experiment(rounds=8)
    assert identity(made) == identity(made_up.experiment(rounds=32))
    assert identity(made) == identity(replace(made, path=tmp_path / "ignore_result.toml"))


def test_an_experiment_that_went_through_a_file_is_the_same(tmp_path: Path) -> None:
    made = spoiled.left_out(made_up.result(), 3)
    result.save(made, tmp_path)
    kept = result.load(tmp_path)
    assert identity(kept.experiment) == identity(made.experiment)
    assert kept == made


def test_lines_that_are_broken_or_something_else_are_passed_over(tmp_path: Path) -> None:
    made = made_up.experiment()
    note(tmp_path, made, "a", "refuted")
    with (tmp_path / FILE).open("a") as file:
        file.write('{"experiment": "x", "wor\n[]\n7\n"text"\n{}\n\n')
    note(tmp_path, made, "b", "confirmed")
    assert earlier(tmp_path, made) == {"refuted": 1, "confirmed": 1}
    damaged = (tmp_path / FILE).read_bytes().replace(b"refuted", b"\xffefuted", 1)
    (tmp_path / FILE).write_bytes(damaged + b"\xff\xfe{}\n")
    assert earlier(tmp_path, made)["confirmed"] == 1


def test_a_checkout_in_which_nothing_can_be_written_ends_no_run(tmp_path: Path) -> None:
    made = made_up.experiment()
    (tmp_path / FILE.parent).write_text("a file where the directory should be")
    note(tmp_path, made, "a", "refuted")
    assert earlier(tmp_path, made) == {}
    note(tmp_path / "no such checkout", made, "a", "refuted")
    assert earlier(tmp_path / "no such checkout", made) == {}
