"""result.json holds everything a report needs, and the report says it plainly."""

import json
from dataclasses import replace
from pathlib import Path

import made_up
import made_up_shapes
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.errors import BadInput
from rig.experiment import result as results
from rig.experiment.measure import named
from rig.experiment.stats import Interval
from rig.report import table
from rig.report.write import conclude, write_report


def test_a_result_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    run = made_up.result()
    results.save(run, tmp_path)
    assert results.load(tmp_path) == run


def test_a_result_of_another_format_or_none_at_all_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        results.load(tmp_path)
    results.save(made_up.result(), tmp_path)
    path = tmp_path / results.FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))
    with pytest.raises(BadInput, match="another version"):
        results.load(tmp_path)
    path.write_text(json.dumps({"format": results.FORMAT, "experiment": {}, "turns": []}))
    with pytest.raises(BadInput, match="damaged"):
        results.load(tmp_path)


def test_report_is_made_again_from_the_result_alone(tmp_path: Path) -> None:
    results.save(made_up.result(), tmp_path)
    write_report(tmp_path)
    first = (tmp_path / "report.md").read_text()
    (tmp_path / "report.md").unlink()
    write_report(tmp_path)
    assert (tmp_path / "report.md").read_text() == first
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_report_puts_the_verdict_first_and_names_every_measure(tmp_path: Path) -> None:
    results.save(made_up.result(), tmp_path)
    report = write_report(tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert text.startswith("# ignore_result: confirmed\n\n> Execution rate with “ignored” instead of “stored”: 8")
    assert all(f"\n| {named(row.measure).title} |" in text for row in report.rows)
    assert "rig run loadtests/experiments/ignore_result.toml --rounds 8 --seed 1" in text


def test_sentence_carries_interval_noise_floor_losses_and_machine() -> None:
    sentence = conclude(made_up.result()).summary
    for part in ("95% interval, 8 rounds", "agree within", "of 36,000 tasks 0 were lost", "2 cores of AMD"):
        assert part in sentence


def test_what_was_lost_and_duplicated_stands_in_the_table() -> None:
    run = made_up.with_account(made_up.result(), "ignored", lost=["a", "b"])
    report = conclude(run)
    lines = {line[0]: line for line in table.blocks(run, report.rows)[0].lines}
    assert lines["lost"][2:4] == ["0", "2"]
    assert lines["duplicated"][2:4] == ["0", "0"]


def test_each_variant_has_a_table_of_its_own_that_fits_a_terminal() -> None:
    names = ("one", "two", "three", "four", "five", "six", "seven")
    report = conclude(made_up_shapes.many(names, ("short", "long")))
    shown = table.blocks(report.result, report.rows)
    assert [block.variant for block in shown] == list(names[1:])
    for block in shown:
        assert len(block.lines) == len(report.rows) + 2
        assert max(map(len, table.as_text(block.titles, block.lines).splitlines())) < 140
    assert all(f"{name} / one [95%]" in report.summary for name in names[1:])


def test_a_sentence_begins_with_a_capital_and_keeps_the_others() -> None:
    run = made_up.result()
    expectation = replace(run.experiment.expectation, measure="worker_cpu", change="lower")
    judged = replace(run, experiment=replace(run.experiment, expectation=expectation))
    assert "\n\nCPU a task: worker with “ignored” instead of “stored”: 4" in conclude(judged).summary


@given(st.floats(1e-9, 1e9), st.floats(1, 1e3))
def test_a_ratio_is_short_however_wide_its_interval(ratio: float, factor: float) -> None:
    shown = table.short(Interval(ratio=ratio, low=ratio / factor, high=ratio * factor, pairs=2))
    assert "e" not in shown
    assert len(shown) <= len(">10,000 [>10,000, >10,000]")


def test_a_control_that_says_nothing_is_not_told_as_a_number() -> None:
    noise = made_up.result(noise=3.0, rounds=2)
    assert "cannot be told" in conclude(noise).summary


def test_text_table_has_one_width_a_column() -> None:
    report = conclude(made_up.result())
    (block,) = table.blocks(report.result, report.rows)
    lines = table.as_text(block.titles, block.lines).splitlines()
    assert len({line.index("tasks/s") for line in lines if "tasks/s" in line}) == 1
    assert max(map(len, lines)) == len(lines[1])


def test_an_interrupted_run_has_a_report_too(tmp_path: Path) -> None:
    run = made_up.result()
    results.save(results.Result(**(vars(run) | {"turns": [], "interrupted": "Ctrl-C"})), tmp_path)
    report = write_report(tmp_path)
    assert "after 0 of 8 rounds: Ctrl-C" in report.summary
    assert "Too little was measured" in (tmp_path / "report.md").read_text()
