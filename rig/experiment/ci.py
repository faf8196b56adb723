"""A run's outcome for machines: verdict.json, and junit.xml for whoever shows test results."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

from rig.experiment.compare import Row
from rig.experiment.result import Result
from rig.experiment.verdict import INVALID, Verdict

VERDICT, JUNIT = "verdict.json", "junit.xml"
_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2: no such characters


def write(directory: Path, result: Result, rows: Sequence[Row], verdict: Verdict) -> None:
    """Write both files into a run's directory."""
    (directory / VERDICT).write_text(json.dumps(as_json(result, rows, verdict), indent=1) + "\n")
    (directory / JUNIT).write_text(as_junit(result, verdict) + "\n")


def as_json(result: Result, rows: Sequence[Row], verdict: Verdict) -> dict[str, Any]:
    """Return the verdict as plain data: ratios are to the baseline, intervals of 95%, the control is "control"."""
    return {
        "run": result.run, "experiment": result.experiment.name, "claim": result.experiment.claim,
        "verdict": verdict.word, "because": verdict.because, "exit_code": verdict.exit_code,
        "reasons": [asdict(problem) for problem in verdict.invalid],
        "rounds": {"asked": result.experiment.rounds, "run": len(result.whole_rounds), "stopped": result.stopped},
        "expectation": asdict(result.experiment.expectation),
        "thresholds": [
            asdict(held.threshold) | {"ratio": asdict(held.ratio) if held.ratio else None, "kept": held.kept}
            for held in verdict.thresholds
        ],
        "baseline": result.experiment.baseline.name,
        "measures": {row.measure: _measured(row) for row in rows},
    }  # fmt: skip


def _measured(row: Row) -> dict[str, Any]:
    return {"means": dict(row.means), "ratios": {cell: asdict(ratio) for cell, ratio in row.ratios.items()}}


def as_junit(result: Result, verdict: Verdict) -> str:
    """Return one test case for the verdict, one for the run's validity and one for each threshold.

    Of an invalid run only the validity has failed; the others are skipped, since nothing is known of them.
    """
    valid = verdict.word != INVALID
    reasons = [f"{problem.reason}. To change: {problem.change}." for problem in verdict.invalid]
    cases = [
        ("validity", "\n".join(reasons), False),
        (f"verdict: {result.experiment.claim}", _failed(verdict), not valid),
        *((f"threshold: {held.said}", "" if held.kept else "missed", not valid) for held in verdict.thresholds),
    ]
    suite = Xml.Element(
        "testsuite", name=result.experiment.name, tests=str(len(cases)),
        failures=str(sum(bool(failure) and not skipped for _, failure, skipped in cases)), errors="0",
        skipped=str(sum(skipped for *_, skipped in cases)), time=f"{_seconds(result):.3f}",
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
