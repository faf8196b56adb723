"""result.json holds everything a report needs, and the report says it plainly."""

import json
import re
from dataclasses import replace
from pathlib import Path

import made_up
import made_up_shapes
import pytest
import spoiled
from hypothesis import given
from hypothesis import strategies as st

from rig.errors import BadInput
from rig.experiment import distributions
from rig.experiment import result as results
from rig.experiment.measure import named
from rig.experiment.result import Result
from rig.report import facts, lines, table
from rig.report.write import conclude, write_report
from rig.stats import Difference, Interval

WORDS_OF_A_RATIO = re.compile(r"^\S+ \[\S+, \S+\]$")


def judging(run: Result, measure: str, change: str = "lower") -> Result:
    expectation = replace(run.experiment.expectation, measure=measure, change=change)
    return replace(run, experiment=replace(run.experiment, expectation=expectation))


def beginning(run: Result, name: str) -> Result:
    """The run with a beginning, of the window or of the drain, in which one cell was a third slower or faster."""
    turns = [replace(turn, values={**turn.values, name: 0.3 if turn.cell == "ignored" else 0.0}) for turn in run.turns]
    return replace(run, turns=turns)


def saved_series(directory: Path, runs: int = 3) -> None:
    for number, run in enumerate(made_up.series(runs), start=1):
        numbered = made_up_shapes.numbered(run)
        own = directory / f"{results.SERIES}{number}"
        own.mkdir(parents=True)
        results.save(numbered, own)
        distributions.save(made_up_shapes.shapes(numbered), own)


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


def test_three_runs_of_a_long_experiment_are_small_enough_to_be_kept(tmp_path: Path) -> None:
    results.save(made_up_shapes.numbered(made_up.result(rounds=16)), tmp_path)
    text = (tmp_path / results.FILE).read_text()
    assert 3 * len(text) < 400_000
    assert sum(line.startswith('  {"round":') for line in text.splitlines()) == 48  # a line a turn


def test_report_is_made_again_from_the_result_alone(tmp_path: Path) -> None:
    results.save(made_up.result(), tmp_path)
    write_report(tmp_path)
    first = (tmp_path / "report.md").read_text()
    (tmp_path / "report.md").unlink()
    write_report(tmp_path)
    assert (tmp_path / "report.md").read_text() == first
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_report_puts_the_verdict_first_then_the_judged_row_then_costs_in_both_regimes(tmp_path: Path) -> None:
    results.save(made_up.result(), tmp_path)
    write_report(tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert text.startswith("# ignore_result: confirmed\n\n> Execution rate with “ignored” instead of “stored”, working")
    places = [text.index(part) for part in ("| execution rate (tasks/s) |", "| CPU µs per task |", "## The rest")]
    assert places == sorted(places)
    costs = next(line for line in text.splitlines() if line.startswith("| worker |"))
    assert len(costs.strip("|").split("|")) == 11
    assert "rig run loadtests/experiments/ignore_result.toml --rounds 8 --seed 1" in text


def test_report_names_every_measure(tmp_path: Path) -> None:
    results.save(made_up.result(), tmp_path)
    report = write_report(tmp_path)
    text = (tmp_path / "report.md").read_text()
    for row in report.rows:
        part = named(row.measure).title.rpartition(": ")[2] if lines.is_cost(row.measure) else named(row.measure).title
        assert f"\n| {part} " in text


def test_sentence_carries_difference_interval_noise_floor_losses_limit_and_machine() -> None:
    sentence = conclude(made_up.result()).summary
    for part in (
        "82% faster [77, 86], which is +898 [+855, +942] tasks/s", "95% interval over 8 rounds of one run",
        "the same setup measured twice differed by at most 2.4%", "limited by no single part",
        "of 36,000 tasks 0 were lost", "2 cores of AMD", "working off a batch",
    ):  # fmt: skip
        assert part in sentence


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        ("worker_cpu", "CPU per task, paced: worker with “ignored” instead of “stored”, at 550 tasks/s: 30% less"),
        ("worker_cpu_batch", "CPU per task, batch: worker with “ignored” instead of “stored”, working off a batch:"),
        ("p50", "End to end, p50 of a typical round with “ignored” instead of “stored”, at 550 tasks/s: 30% shorter"),
    ],
)
def test_a_sentence_names_regime_and_rate_and_begins_with_a_capital(measure: str, said: str) -> None:
    summary = conclude(judging(made_up.result(), measure)).summary
    assert f"\n\n{said}" in summary
    assert "which is -" in summary


def test_a_series_shows_each_run_beside_all_of_them_and_how_to_repeat_it(tmp_path: Path) -> None:
    saved_series(tmp_path)
    report = write_report(tmp_path)
    labels = [label for label, _ in table.judged_lines(report)]
    assert labels == ["ignored, 3 runs together", "  run 1", "  run 2", "  run 3"]
    text = (tmp_path / "report.md").read_text()
    assert "95% interval over 3 independent runs with 24 rounds together" in text
    assert "rig run loadtests/experiments/ignore_result.toml --runs 3 --rounds 8 --seed 1" in text
    assert "| run 3: ignored |" in text
    assert all((tmp_path / f"run-{number}" / "report.html").exists() for number in (1, 2, 3))
    assert "Run 1 of 3" in (tmp_path / "report.html").read_text()


def test_one_run_of_a_series_has_a_narrower_interval_than_runs_that_differ() -> None:
    report = conclude(*made_up.series(3, spread=0.1))
    together, one, *_ = (each for _, each in table.judged_lines(report))
    assert together is not None
    assert one is not None
    assert together.interval is not None
    assert one.interval is not None
    assert together.interval.floor > 1.1 * one.interval.floor


def test_a_series_says_which_run_it_leaves_out_and_what_the_ratio_is_with_it() -> None:
    first, second, third = made_up.series(3)
    report = conclude(first, spoiled.stolen(second, 0.06), third)
    assert list(report.results) == [first, third]
    assert report.verdict == conclude(first, third).verdict
    assert report.left_out[0].startswith("run 2 of 3 is left out")
    assert report.left_out[1].startswith("with all 3 runs the judged ratio is ")
    assert f"mind: {report.left_out[0]}." in report.summary


def test_a_swept_experiment_is_repeated_at_its_setting() -> None:
    run = made_up.result()
    swept = replace(run, experiment=replace(run.experiment, name="ignore_result-concurrency4-prefetch16"))
    assert "ignore_result.toml --sweep concurrency=4 --sweep prefetch=16 --rounds" in facts.command([swept])


def test_no_ratio_stands_without_the_difference_beside_it() -> None:
    report = conclude(*made_up.series(2))
    tables = [
        table.judged(report), table.cost_table(report, "ignored", ""), table.cost_table(report, "ignored", "_batch"),
        table.both_costs(report, "ignored"), table.rest(report, "ignored"),
    ]  # fmt: skip
    for shown in tables:
        places = [place for place, title in enumerate(shown.titles) if title.startswith("ratio")]
        assert places
        for place in places:
            assert shown.titles[place - 1] == "difference [95%]"
            for line in shown.lines:
                assert line[place] == lines.NOTHING or line[place - 1][:1] in "+-0*"


def test_base_values_are_those_of_both_baseline_cells_so_that_columns_agree() -> None:
    report = conclude(made_up.result(noise=0.2))
    row = next(row for row in report.rows if row.measure == "p50")
    assert row.means["ignored"] / lines.base_value(row, "stored") == pytest.approx(row.ratios["ignored"].ratio)


def test_what_is_no_larger_than_the_noise_is_not_told_as_a_difference() -> None:
    shown = {line[0]: line for line in table.cost_table(conclude(made_up.result()), "ignored", "_batch").lines}
    assert shown["broker"][4].endswith("0.999]")  # clear of equal, and yet
    assert shown["broker"][-1] == "within the noise"
    bold = {line[0]: line for line in table.both_costs(conclude(made_up.result()), "ignored").lines}
    assert bold["broker"][9].startswith("0.988")
    assert bold["worker"][9].startswith("**0.55")


def test_rows_that_a_reason_touches_are_struck_out_and_the_others_are_not(tmp_path: Path) -> None:
    results.save(beginning(made_up.result(), "paced_start"), tmp_path)
    report = write_report(tmp_path)
    assert report.verdict.word == "confirmed"
    summary, text = report.summary, (tmp_path / "report.md").read_text()
    paced, batch = summary.split("CPU µs per task, ")[1:]
    assert paced.count("unusable") == 6
    assert "Unusable: ignored: the beginning of the paced window took 1.3 times" in paced
    assert "unusable" not in batch.partition("The report has besides")[0]
    assert "latency (unusable), bytes, operations" in batch
    costs = next(line for line in text.splitlines() if line.startswith("| worker |"))
    assert costs.count("~~") == 10
    assert "| end to end, p50 of a typical round | ms | ~~3.09~~ |" in text
    assert "~~1,098~~" not in text
    assert not re.search(r"<s", text)
    assert "<s title=" in (tmp_path / "report.html").read_text()


def test_a_judged_row_that_may_not_be_used_is_quoted_nowhere(tmp_path: Path) -> None:
    results.save(beginning(made_up.result(), "drain_start"), tmp_path)
    report = write_report(tmp_path)
    assert report.verdict.word == "invalid"
    assert "instead of “stored”" not in report.summary
    text = (tmp_path / "report.md").read_text()
    assert "instead of “stored”" not in text
    assert "| ignored | ~~1,098~~ |" in text


def test_what_was_lost_and_duplicated_stands_in_the_table() -> None:
    run = made_up.with_account(made_up.result(), "ignored", lost=["a", "b"])
    shown = {line[0]: line for line in table.rest(conclude(run), "ignored").lines}
    assert shown["lost"][2:4] == ["0 + 0", "2"]
    assert shown["duplicated"][2:4] == ["0 + 0", "0"]


def test_idle_costs_and_what_the_rig_used_are_shown(tmp_path: Path) -> None:
    results.save(made_up.result(), tmp_path)
    write_report(tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "| broker | 4,000 | 4,000 | 4,000 | 4,000 | 4,000 | 4,000 |" in text
    assert "| rig itself, % of a core | first round | last round |" in text
    assert re.search(r"\| drain \| [12]\.\d% \| [12]\.\d% \|", text)


def test_each_variant_has_its_row_in_a_terminal_and_only_the_judged_one_its_costs() -> None:
    names = ("one", "two", "three", "four", "five", "six", "seven")
    report = conclude(made_up_shapes.many(names, ("short", "long")))
    assert [label for label, _ in table.judged_lines(report)] == ["seven", *names[1:-1]]
    assert report.summary.count("CPU µs per task") == 2
    assert "costs of 5 more variants" in report.summary
    shown = [table.judged(report), *(table.cost_table(report, "seven", suffix) for suffix in ("", "_batch"))]
    for each in shown:
        assert max(map(len, table.as_text(each.titles, each.lines).splitlines())) < 140


@given(st.floats(1e-9, 1e9), st.floats(1, 1e3))
def test_a_ratio_is_short_however_wide_its_interval(ratio: float, factor: float) -> None:
    shown = lines.short(Interval(ratio=ratio, low=ratio / factor, high=ratio * factor, pairs=2))
    assert "e" not in shown
    assert len(shown) <= len(">10,000 [>10,000, >10,000]")


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.integers(0, 2))
def test_a_difference_keeps_its_sign_and_never_says_minus_zero(value: float, half: float, digits: int) -> None:
    shown = lines.difference(Difference(value=value, low=value - half, high=value + half, pairs=2), digits)
    assert not re.search(r"-0(\.0+)?(?![\d.])", shown)
    assert WORDS_OF_A_RATIO.match(shown.replace(",", "").replace(" ", ", ").replace(", [", " [").replace(",,", ","))
    assert (shown[0] == "-") <= (value < 0)
    assert (shown[0] == "+") <= (value > 0)


def test_a_control_that_says_nothing_is_not_told_as_a_number() -> None:
    noise = made_up.result(noise=3.0, rounds=2)
    assert "cannot be told" in conclude(noise).summary
    assert {line[-2] for line in table.judged(conclude(noise)).lines} == {"unknown"}


def test_text_table_has_one_width_a_column() -> None:
    report = conclude(made_up.result())
    shown = table.rest(report, "ignored")
    text = table.as_text(shown.titles, shown.lines).splitlines()
    assert len({line.index("ms") for line in text if " ms " in line}) == 1
    assert max(map(len, text)) == len(text[1])


def test_an_interrupted_run_has_a_report_too(tmp_path: Path) -> None:
    run = made_up.result()
    results.save(results.Result(**(vars(run) | {"turns": [], "interrupted": "Ctrl-C"})), tmp_path)
    report = write_report(tmp_path)
    assert "after 0 of 8 rounds (Ctrl-C)" in report.summary
    assert "after 0 of 8 rounds (Ctrl-C)" in (tmp_path / "report.md").read_text()
