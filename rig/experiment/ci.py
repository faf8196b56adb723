"""A run's outcome for machines: verdict.json, and junit.xml for whoever shows test results."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

from rig.experiment.judge.ratios import Row
from rig.experiment.judge.validity import touched, unusable
from rig.experiment.judge.verdict import INVALID, Verdict
from rig.experiment.result import Result

VERDICT, JUNIT = "verdict.json", "junit.xml"
_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2: no such characters


def write(directory: Path, results: Sequence[Result], rows: Sequence[Row], verdict: Verdict) -> None:
    """Write both files into the directory of a run, or of a series of runs."""
    (directory / VERDICT).write_text(json.dumps(as_json(results, rows, verdict), indent=1) + "\n")
    (directory / JUNIT).write_text(as_junit(results, verdict) + "\n")


def as_json(results: Sequence[Result], rows: Sequence[Row], verdict: Verdict) -> dict[str, Any]:
    """Return the verdict as plain data: ratios are to the mean of both baseline cells, intervals of 95%.

    The control's ratio is to the other baseline cell. `unusable` names the measures that some of the reasons touch.
    """
    result = results[0]
    return {
        "run": result.run, "runs": [each.run for each in results], "engine": result.engine,
        "experiment": result.experiment.name, "claim": result.experiment.claim,
        "verdict": verdict.word, "because": verdict.because, "exit_code": verdict.exit_code,
        "reasons": [asdict(problem) for problem in verdict.invalid],
        "unusable": touched(verdict.invalid, [row.measure for row in rows]),
        "rounds": {
            "asked": result.experiment.rounds, "run": [len(each.whole_rounds) for each in results],
            "left out": [len(each.left_out) for each in results], "stopped": result.stopped,
        },
        "expectation": asdict(result.experiment.expectation),
        "thresholds": [
            asdict(held.threshold) | {"ratio": asdict(held.ratio) if held.ratio else None, "kept": held.kept}
            for held in verdict.thresholds
        ],
        "baseline": result.experiment.baseline.name,
        "measures": {row.measure: _measured(row) for row in rows},
    }  # fmt: skip


def _measured(row: Row) -> dict[str, Any]:
    return {
        "means": dict(row.means), "ratios": {cell: asdict(ratio) for cell, ratio in row.ratios.items()},
        "differences": {cell: asdict(difference) for cell, difference in row.differences.items()},
    }  # fmt: skip


def as_junit(results: Sequence[Result], verdict: Verdict) -> str:
    """Return one test case for the verdict, one for the run's validity and one for each threshold.

    Of an invalid run only the validity has failed; the others are skipped, since nothing is known of them.
    """
    result, valid = results[0], verdict.word != INVALID
    against = [] if valid else unusable(verdict.invalid, result.experiment.expectation.measure)
    reasons = [f"{problem.reason}. To change: {problem.change}." for problem in against]
    cases = [
        ("validity", "\n".join(reasons), False),
        (f"verdict: {result.experiment.claim}", _failed(verdict), not valid),
        *((f"threshold: {held.said}", "" if held.kept else "missed", not valid) for held in verdict.thresholds),
    ]
    suite = Xml.Element(
        "testsuite", name=result.experiment.name, tests=str(len(cases)),
        failures=str(sum(bool(failure) and not skipped for _, failure, skipped in cases)), errors="0",
        skipped=str(sum(skipped for *_, skipped in cases)), time=f"{sum(map(_seconds, results)):.3f}",
    )  # fmt: skip
    for name, failure, skipped in cases:
        case = Xml.SubElement(suite, "testcase", classname=f"rig.{result.experiment.name}", name=_printable(name))
        if skipped:
            Xml.SubElement(case, "skipped", message="the run is invalid")
        elif failure:
            Xml.SubElement(case, "failure", message=_printable(failure.splitlines()[0])).text = _printable(failure)
    root = Xml.Element("testsuites")
    root.append(suite)
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True)


def _failed(verdict: Verdict) -> str:
    return "" if verdict.as_expected else f"{verdict.word}. {verdict.because}"


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub("?", text)


def _seconds(result: Result) -> float:
    """Return the time that all turns took: a run that was continued has none from its first to its last."""
    return sum(phase.seconds for turn in result.turns for phase in turn.phases.values())
