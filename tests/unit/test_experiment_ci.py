"""What a machine gets to read of a run: verdict.json and junit.xml."""

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as Xml

import made_up
import pytest

from rig.experiment import ci
from rig.experiment.result import Result
from rig.experiment.spec import Threshold
from rig.report.write import conclude

MISSED = Threshold(measure="worker_cpu", variant="ignored", at_most=0.5)
KEPT = Threshold(measure="worker_cpu", variant="ignored", at_most=0.9)


def run(**changes: object) -> Result:
    made = made_up.result()
    return replace(made, experiment=replace(made.experiment, thresholds=(KEPT, MISSED)), **changes)  # type: ignore[arg-type]


def written(result: Result, directory: Path) -> tuple[dict[str, object], dict[str, Xml.Element]]:
    seen = conclude(result)
    ci.write(directory, result, seen.rows, seen.verdict)
    cases = Xml.parse(directory / ci.JUNIT).getroot().findall("testsuite/testcase")  # noqa: S314 - our own file
    return json.loads((directory / ci.VERDICT).read_text()), {case.attrib["name"].split(":")[0]: case for case in cases}


def test_verdict_json_has_the_word_its_reasons_and_every_interval(tmp_path: Path) -> None:
    result = run()
    data, _ = written(result, tmp_path)
    assert (data["verdict"], data["exit_code"], data["reasons"]) == ("confirmed", 1, [])
    rows = {row.measure: row for row in conclude(result).rows}
    assert data["measures"].keys() == rows.keys()  # type: ignore[attr-defined]
    ratio = rows["p99"].ratios["ignored"]
    expected = {"ratio": ratio.ratio, "low": ratio.low, "high": ratio.high, "pairs": 8}
    assert data["measures"]["p99"]["ratios"]["ignored"] == pytest.approx(expected)  # type: ignore[index]
    assert [held["kept"] for held in data["thresholds"]] == [True, False]  # type: ignore[attr-defined]


def test_junit_has_a_case_for_validity_verdict_and_each_threshold(tmp_path: Path) -> None:
    written(run(), tmp_path)
    suite = Xml.parse(tmp_path / ci.JUNIT).getroot().find("testsuite")  # noqa: S314
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("4", "1", "0")
    failed = [case.attrib["name"] for case in suite if case.find("failure") is not None]
    assert len(failed) == 1
    assert "at most 0.5" in failed[0]


def test_of_an_invalid_run_only_the_validity_fails(tmp_path: Path) -> None:
    data, cases = written(run(interrupted="a \x1b[31mred\x1b[0m worker"), tmp_path)
    assert data["verdict"] == "invalid"
    assert data["reasons"]
    failure = cases["validity"].find("failure")
    assert failure is not None
    assert failure.text is not None
    assert "To change:" in failure.text
    assert all(case.find("skipped") is not None for name, case in cases.items() if name != "validity")


def test_a_refuted_claim_is_a_failed_case(tmp_path: Path) -> None:
    result = replace(made_up.result(), experiment=made_up.experiment(change="lower"))
    _, cases = written(result, tmp_path)
    failure = cases["verdict"].find("failure")
    assert failure is not None
    assert failure.attrib["message"].startswith("refuted. ")
