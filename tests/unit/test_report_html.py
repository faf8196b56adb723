"""report.html: one file that needs nothing else, says the verdict first, and draws what the numbers are."""

import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element

import made_up
import made_up_shapes
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.experiment import distributions
from rig.experiment import result as results
from rig.experiment.distributions import STAGES
from rig.experiment.measure import measures
from rig.experiment.result import Result
from rig.experiment.turn import PACED
from rig.report import effects, facts, html
from rig.report.markup import Scale, decades, duration, prose, steps, tag, text
from rig.report.write import conclude, write_report
from rig.stats import Interval
from tests.report_page import SECTIONS, external, parsed, sections

MANY = ("one", "two", "three", "four", "five", "six", "seven")


def page(run: Result, with_shapes: bool = True) -> str:
    run = made_up_shapes.numbered(run)
    return html.page(conclude(run), made_up_shapes.shapes(run) if with_shapes else None)


def classed(root: Element, name: str) -> list[Element]:
    return [element for element in root.iter() if name in element.attrib.get("class", "").split()]


def said(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())


@pytest.mark.parametrize(
    "run",
    [
        made_up.result(),
        made_up_shapes.many(MANY, ("short", "long", "mixed")),
        made_up.with_account(made_up.result(), "ignored", lost=["a"]),
        replace(made_up.result(), turns=[], interrupted="Ctrl-C", accounts={}, counts={}, environment={}),
    ],
    ids=["two variants", "seven variants, three kinds", "invalid", "interrupted"],
)
@pytest.mark.parametrize("with_shapes", [True, False], ids=["shapes", "no shapes"])
def test_a_page_is_whole_and_needs_no_other_file(run: Result, with_shapes: bool) -> None:
    shown = page(run, with_shapes)
    assert sections(shown) == list(SECTIONS)
    assert external(shown) == []
    assert not re.search(r"\b(nan|inf|None)\b", said(next(parsed(shown).iter("main"))))
    anchors = {section.attrib["id"] for section in parsed(shown).iter("section")}
    assert {link.attrib["href"] for link in next(parsed(shown).iter("nav"))} == {f"#{anchor}" for anchor in anchors}


def test_the_verdict_comes_first_with_sentence_claim_source_and_expectation() -> None:
    header = next(parsed(page(made_up.result())).iter("header"))
    assert said(next(header.iter("h1"))) == "ignore_result confirmed".replace(" ", "")
    for part in (
        "82% faster [",
        "+898 [+855, +942] tasks/s",
        "Ignoring pays",
        "https://docs.celeryq.dev/",
        "higher by at least 10%",
    ):
        assert part in said(header)
    assert next(header.iter("a")).attrib["href"] == "https://docs.celeryq.dev/"


def test_an_invalid_run_says_why_before_its_numbers_and_that_they_are_not_to_be_quoted() -> None:
    run = made_up.with_account(made_up.result(), "ignored", lost=["a"])
    header = next(parsed(page(run)).iter("header"))
    whole = said(header)
    assert whole.index("ignored: 1 lost (a)") < whole.index("Not to be quoted") < whole.index("Execution rate")
    assert classed(header, "void")


def test_the_judged_measure_comes_first_then_costs_side_by_side_and_the_rest_is_folded() -> None:
    run = made_up_shapes.many(MANY, ("short", "long"))
    root = parsed(page(run))
    judged, costs, *rest = classed(root, "effects")
    assert said(next(judged.iter("th"))) == "execution rate tasks/s decides the verdict"
    assert [said(row[0]) for row in next(judged.iter("tbody"))] == ["seven", *MANY[1:-1]]
    assert len(classed(judged, "dot")) == len(MANY) - 1
    assert [said(cell) for cell in classed(costs, "groups")[0]] == ["", "paced (550 tasks/s)", "batch"]
    assert len(next(costs.iter("tbody"))) == 6
    assert len(classed(costs, "dot")) == 12
    (folded,) = root.iter("details")
    inside = classed(folded, "effects")
    assert len(rest) == len(inside) == 2 * (len(MANY) - 1) - 1
    shown = {said(heading) for each in inside for row in each.iter("tbody") for heading in row.iter("th")}
    titles = {
        f"{each.title} {each.unit}".strip() for name, each in measures(run.experiment).items() if "_cpu" not in name
    }
    assert titles - {"execution rate tasks/s"} <= shown


def test_no_ratio_is_shown_without_the_difference_beside_it() -> None:
    for shown in classed(parsed(page(made_up.result())), "effects"):
        *_, heads = next(shown.iter("thead"))
        titles = [said(head) for head in heads]
        places = [place for place, title in enumerate(titles) if title.startswith("ratio")]
        assert places
        assert all(titles[place - 1] == "difference [95%]" for place in places)


def test_a_dot_is_filled_only_where_the_difference_is_beyond_the_noise() -> None:
    costs = classed(parsed(page(made_up.result())), "costs")[0]
    filled = {said(row[0]): len(classed(row, "clear")) for row in next(costs.iter("tbody"))}
    arrows = {said(row[0]): len(classed(row, "arrow")) for row in next(costs.iter("tbody"))}
    assert {part for part, count in filled.items() if count} == {"worker", "sum"}
    assert {part for part, count in arrows.items() if count} == {"result store"}


def test_rows_that_may_not_be_used_are_struck_out_with_the_reason_below() -> None:
    run = made_up.result()
    steep = {"stored": 0.0, "ignored": 0.3, "control": 0.0}
    turns = [replace(turn, values={**turn.values, "paced_start": steep[turn.cell]}) for turn in run.turns]
    root = parsed(page(replace(run, turns=turns)))
    judged, costs, rest = classed(root, "effects")
    assert not list(judged.iter("s"))
    assert len(list(costs.iter("s"))) == 6 * 4
    assert len(list(rest.iter("s"))) == 5 * 4
    assert any("the beginning of the paced window" in said(note) for note in classed(root, "note"))
    assert classed(root, "word")[0].attrib["class"] == "word confirmed"


def test_a_page_of_a_series_names_its_runs_and_of_which_a_figure_is() -> None:
    runs = [made_up_shapes.numbered(run) for run in made_up.series(3)]
    root = parsed(html.page(conclude(*runs), made_up_shapes.shapes(runs[0])))
    judged = classed(root, "effects")[0]
    labels = [said(next(row.iter("th"))) for row in next(judged.iter("tbody"))]
    assert labels == ["ignored, 3 runs together", "run 1", "run 2", "run 3"]
    assert said(classed(root, "kicker")[0]).startswith("celery-rig · 3 independent runs: ")
    assert sum(said(note).startswith("Run 1 of 3") for note in classed(root, "note")) == 3


def test_each_kind_has_its_stack_and_its_latencies_and_each_cell_is_in_them() -> None:
    root = parsed(page(made_up_shapes.many(MANY, ("short", "long"))))
    headings = [said(heading) for heading in root.iter("h3")]
    assert [heading for heading in headings if heading.endswith("tasks")] == 2 * [
        "all tasks",
        "short tasks",
        "long tasks",
    ]
    assert len(classed(root, "bar")) == 3 * (len(MANY) + 1)
    assert len(classed(root, "ring")) == 3 * (len(MANY) + 1)


def test_bars_are_as_long_as_the_stages_they_stand_for() -> None:
    run = made_up_shapes.numbered(made_up.result())
    drawn = classed(parsed(page(run)), "bar")
    longest = max(sum(each[""].us.values()) for each in made_up_shapes.shapes(run).stack.values())
    for cell, bar in zip(("stored", "ignored"), drawn, strict=False):
        us = made_up_shapes.shapes(run).stack[cell][""].us
        widths = [float(stage.attrib["width"].rstrip("%")) for stage in classed(bar, "stage")]
        assert widths == pytest.approx([100 * us[stage] / longest for stage in STAGES], abs=0.01)


def test_a_line_of_latencies_ends_where_its_tasks_do() -> None:
    run = made_up_shapes.numbered(made_up.result())
    report = conclude(run)
    places = {}
    for count in (100, 1000):
        found = made_up_shapes.shapes(run, count)
        shown = parsed(html.page(report, found))
        places[count] = float(classed(shown, "ring")[0].attrib["cx"])
        assert f"{count:,} tasks" in said(classed(shown, "told")[0])
    quarter = (926.0 - 58.0) / 4  # one decade of four
    assert places[1000] - places[100] == pytest.approx(quarter, abs=0.11)


def test_flow_has_a_box_for_each_turn_and_its_three_phases() -> None:
    run = made_up.result()
    root = parsed(page(run))
    assert len(classed(root, "published")) - 1 == len(run.turns)  # one of them is in the legend
    assert len(classed(root, "phase")) == 3 * len(run.turns)
    assert [said(text) for text in root.iter("text") if said(text).startswith("round ")] == [
        f"round {number}" for number in range(1, 9)
    ]


def test_the_worst_of_what_the_gate_looked_at_is_told_by_cell() -> None:
    run = made_up.result()
    answer = {
        **made_up.ANSWER,
        "seconds": 2.0,
        "cpu_seconds": 0.5,
        "loop_lag_us": {"p50": 1.0, "p99": 700.0, "max": 9e4},
    }
    worse = {**answer, "cpu_seconds": 1.5}
    bad = {"offered_rate": 500.0, "achieved_rate": 480.0, "lag_p99": 7.25, "paced_start": 1.0}
    turns = [
        replace(turn, sent={PACED: worse}, values={**turn.values, **bad}, foreign=0.21)
        if (turn.cell, turn.round) == ("ignored", 3)
        else replace(turn, sent={PACED: answer})
        for turn in run.turns
    ]
    lines = {line[0]: line[1:] for line in facts.conditions([replace(run, turns=turns)])[1]}
    assert lines["ignored"] == ["96.0%", "7.2 ms", "0.7 ms", "75%", "21%", "2.72", "–"]
    assert lines["stored"] == ["99.8%", "0.8 ms", "0.7 ms", "25%", "0%", "–", "–"]
    assert "What the gate looked at" in page(run)


def test_without_shapes_the_page_says_which_figures_are_not_there() -> None:
    assert page(made_up.result(), with_shapes=False).count("the run has no shapes.json") == 3


def test_thresholds_and_an_early_stop_are_told(tmp_path: Path) -> None:
    run = made_up.result()
    threshold = {"measure": "worker_cpu", "variant": "ignored", "at_most": 0.9}
    results.save(replace(run, stopped="the interval is narrow enough"), tmp_path)
    path = tmp_path / results.FILE
    data = json.loads(path.read_text())
    data["experiment"]["thresholds"] = [threshold, threshold | {"at_most": 0.1}]
    path.write_text(json.dumps(data))
    report = write_report(tmp_path)
    shown = said(next(parsed((tmp_path / "report.html").read_text()).iter("header")))
    title = "CPU per task, paced: worker"
    for part in (f"Threshold kept: {title}", f"Threshold missed: {title}", "narrow enough"):
        assert part.replace("Threshold ", "Threshold") in shown
    assert "**Threshold missed:**" in (tmp_path / "report.md").read_text()
    assert report.verdict.exit_code == 1


def test_what_an_experiment_file_says_cannot_become_markup() -> None:
    run = made_up.result()
    evil = replace(run.experiment, claim="<script>alert(1)</script> & “more”", source='javascript:alert("1")')
    shown = page(replace(run, experiment=evil))
    assert external(shown) == []
    assert "<script>alert(1)</script> & “more”" in said(next(parsed(shown).iter("header")))


def test_report_html_is_made_again_from_result_and_shapes_alone(tmp_path: Path) -> None:
    run = made_up_shapes.numbered(made_up.result())
    results.save(run, tmp_path)
    distributions.save(made_up_shapes.shapes(run), tmp_path)
    write_report(tmp_path)
    first = (tmp_path / "report.html").read_text()
    (tmp_path / "report.html").unlink()
    write_report(tmp_path)
    assert (tmp_path / "report.html").read_text() == first
    assert len(classed(parsed(first), "bar")) == 3


ratios = st.floats(0.001, 1000)


@given(ratios, ratios, ratios)
def test_an_interval_is_drawn_in_order_and_inside_of_its_scale(one: float, two: float, three: float) -> None:
    low, ratio, high = sorted((one, two, three))
    interval = Interval(ratio=ratio, low=low, high=high, pairs=8)
    drawn = parsed(effects.forest(interval, effects.ends([interval]), clear=interval.clear_of_one))
    bar = classed(drawn, "interval")[0].attrib
    dots = [float(each.attrib["cx"].rstrip("%")) for each in classed(drawn, "dot")]
    start, end = (float(bar[name].rstrip("%")) for name in ("x1", "x2"))
    assert 0 <= start <= end <= 100
    assert all(start - 0.02 <= dot <= end + 0.02 for dot in dots)
    assert len(dots) + len(classed(drawn, "arrow")) == 1
    assert bool(classed(drawn, "clear")) == (interval.clear_of_one and bool(dots))


@given(st.floats(0.001, 1e6), st.floats(1.01, 1e6), st.floats(0, 1), st.booleans())
def test_a_scale_keeps_the_order_and_the_ends(low: float, factor: float, share: float, log: bool) -> None:
    scale = Scale(low=low, high=low * factor, start=10, end=90, log=log)
    inside = low + share * (low * factor - low)
    assert scale(low) == pytest.approx(10)
    assert scale(low * factor) == pytest.approx(90)
    assert 10 <= scale(inside) <= 90
    assert scale(low / 2) == scale(0.0) == 10
    assert scale(low * factor * 2) == 90


@given(st.floats(1e-3, 1e9), st.integers(1, 9))
def test_steps_and_decades_hold_what_they_are_asked_for(high: float, count: int) -> None:
    marks = steps(high, count)
    assert marks[0] == 0
    assert marks[-1] >= high * (1 - 1e-6)
    assert len(marks) <= count + 2
    ticks = decades(high / 7, high)
    assert ticks[0] <= high / 7 * (1 + 1e-6)
    assert ticks[-1] >= high * (1 - 1e-6)
    assert ticks == sorted(ticks)


@pytest.mark.parametrize(
    ("us", "words"),
    [(0, "0 µs"), (812.4, "812 µs"), (999.7, "1.00 ms"), (4312, "4.31 ms"), (43_120, "43.1 ms"), (999_900, "1.00 s"),
     (1_828_670, "1.83 s"), (75_000_000, "75.0 s"), (5e9, "5,000 s")],
)  # fmt: skip
def test_durations_have_three_digits(us: float, words: str) -> None:
    assert duration(us) == words


@given(st.text(), st.text())
def test_text_and_attributes_come_back_as_they_were(inner: str, attribute: str) -> None:
    legal = "".join(letter for letter in inner + attribute if letter.isprintable())
    element = parsed(tag("p", text(legal), title=legal, class_=None))
    assert (element.text or "") == legal
    assert element.attrib == {"title": legal}


def test_prose_turns_backticks_into_code() -> None:
    assert prose("see `docker ps` & <this>") == "see <code>docker ps</code> &amp; &lt;this&gt;"
