"""What a machine gets to read of a run: verdict.json and junit.xml."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import made_up
import pytest
import spoiled

from rig.experiment import ci
from rig.experiment.file.spec import Threshold
from rig.experiment.judge.gate import check_all
from rig.experiment.judge.ratios import Row, compare
from rig.experiment.judge.verdict import Verdict, judge
from rig.experiment.result import Result

MISSED = Threshold(measure="worker_cpu", variant="ignored", at_most=0.5)
KEPT = Threshold(measure="worker_cpu", variant="ignored", at_most=0.9)


def run(**changes: object) -> Result:
    return replace(spoiled.experiment(made_up.result(), thresholds=(KEPT, MISSED)), **changes)  # type: ignore[arg-type]


def concluded(results: list[Result]) -> tuple[list[Row], Verdict]:
    rows = compare(results)
    return rows, judge(results, rows, check_all(results))


def written(directory: Path, *results: Result) -> tuple[dict[str, Any], dict[str, Xml.Element]]:
    """What verdict.json says, and the cases of junit.xml by the first word of their names."""
    ci.write(directory, results, *concluded(list(results)))
    cases = Xml.parse(directory / ci.JUNIT).getroot().findall("testsuite/testcase")  # noqa: S314 - our own file
    return json.loads((directory / ci.VERDICT).read_text()), {case.attrib["name"].split(":")[0]: case for case in cases}


def test_verdict_json_has_the_word_its_reasons_and_every_interval(tmp_path: Path) -> None:
    result = run()
    data, _ = written(tmp_path, result)
    assert (data["verdict"], data["exit_code"], data["reasons"]) == ("confirmed", 1, [])
    rows = {row.measure: row for row in compare([result])}
    assert data["measures"].keys() == rows.keys()
    ratio, difference = rows["p99"].ratios["ignored"], rows["p99"].differences["ignored"]
    seen = data["measures"]["p99"]
    expected = {"ratio": ratio.ratio, "low": ratio.low, "high": ratio.high, "pairs": 8}
    assert seen["ratios"]["ignored"] == pytest.approx(expected)
    expected = {"value": difference.value, "low": difference.low, "high": difference.high, "pairs": 8}
    assert seen["differences"]["ignored"] == pytest.approx(expected)
    assert [held["kept"] for held in data["thresholds"]] == [True, False]
    assert data["rounds"] == {"asked": 8, "run": [8], "left out": [0], "stopped": ""}
    assert (data["runs"], data["engine"], data["unusable"]) == ([result.run], result.engine, [])


def test_a_series_names_its_runs_and_pools_their_intervals(tmp_path: Path) -> None:
    runs = made_up.series()
    left = spoiled.left_out(runs[2], 8)
    data, cases = written(tmp_path, *runs[:2], left)
    assert data["run"] == runs[0].run
    assert data["runs"] == [each.run for each in runs]
    assert (data["rounds"]["run"], data["rounds"]["left out"]) == ([8, 8, 7], [0, 0, 1])
    assert data["measures"]["execution_rate"]["ratios"]["ignored"]["pairs"] == 23
    suite = Xml.parse(tmp_path / ci.JUNIT).getroot().find("testsuite")  # noqa: S314
    assert suite is not None
    total = sum(phase.seconds for each in runs for turn in each.turns for phase in turn.phases.values())
    assert float(suite.attrib["time"]) == pytest.approx(total, abs=0.01)
    assert cases.keys() == {"validity", "verdict"}


def test_junit_has_a_case_for_validity_verdict_and_each_threshold(tmp_path: Path) -> None:
    written(tmp_path, run())
    suite = Xml.parse(tmp_path / ci.JUNIT).getroot().find("testsuite")  # noqa: S314
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("4", "1", "0")
    failed = [case.attrib["name"] for case in suite if case.find("failure") is not None]
    assert len(failed) == 1
    assert "at most 0.5" in failed[0]


def test_of_an_invalid_run_only_the_validity_fails(tmp_path: Path) -> None:
    data, cases = written(tmp_path, run(interrupted="a \x1b[31mred\x1b[0m worker"))
    assert data["verdict"] == "invalid"
    assert data["reasons"]
    failure = cases["validity"].find("failure")
    assert failure is not None
    assert failure.text is not None
    assert "To change:" in failure.text
    assert all(case.find("skipped") is not None for name, case in cases.items() if name != "validity")


def test_the_validity_fails_only_by_reasons_that_touch_the_judged_measure(tmp_path: Path) -> None:
    late = spoiled.answered(made_up.result(), rounds=8, cpu_seconds=1.9, seconds=2.0)
    data, cases = written(tmp_path, late)
    assert (data["verdict"], data["exit_code"], len(data["reasons"])) == ("confirmed", 0, 1)
    assert data["unusable"] == ["publish_ms", "p50", "p95", "p99", "waiting"]
    assert cases["validity"].find("failure") is None
    assert cases["verdict"].find("skipped") is None
    both = spoiled.values(late, "stored", drain_start=-0.4)
    data, cases = written(tmp_path, both)
    assert data["verdict"] == "invalid"
    failure = cases["validity"].find("failure")
    assert failure is not None
    assert failure.text is not None
    assert "of the drain" in failure.text
    assert "saturated" not in failure.text


def test_a_refuted_claim_is_a_failed_case(tmp_path: Path) -> None:
    _, cases = written(tmp_path, replace(made_up.result(), experiment=made_up.experiment(change="lower")))
    failure = cases["verdict"].find("failure")
    assert failure is not None
    assert failure.attrib["message"].startswith("refuted. ")
