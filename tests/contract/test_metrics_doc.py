"""docs/metrics.md names exactly the metrics that the code declares, with their types and labels."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml
from exporter.metrics import PROBLEM_KINDS, declared
from metrics_doc import ROOT, documented

OWN = {name: row for name, row in documented().items() if not row.job}
RULES = yaml.safe_load((ROOT / "compose/prometheus/rules.yml").read_text())
RECORDED = {rule["record"] for group in RULES["groups"] for rule in group["rules"] if "record" in rule}
PROCESS = {"rig_exporter_process_cpu_seconds_total", "rig_exporter_process_resident_memory_bytes"}


def locust_declared() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Read `DECLARED` of rig/load/users/metrics.py without importing it: Locust's import patches the whole process."""
    values: dict[str, object] = {}
    for node in ast.parse((ROOT / "rig/load/users/metrics.py").read_text()).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            if node.target.id == "LABELS":
                values["LABELS"] = ast.literal_eval(node.value)
            if node.target.id == "DECLARED":
                code = compile(ast.Expression(node.value), "DECLARED", "eval")
                return {name: entry[:2] for name, entry in eval(code, values).items()}  # noqa: S307 - our own literal
    pytest.fail("rig/load/users/metrics.py has no DECLARED")


CODE = {metric.name: (metric.kind, metric.labels) for metric in declared()} | locust_declared()


def test_every_metric_of_the_code_is_documented_and_no_other() -> None:
    assert set(OWN) == set(CODE) | RECORDED | PROCESS


@pytest.mark.parametrize("name", CODE)
def test_type_and_labels_are_the_codes(name: str) -> None:
    assert (OWN[name].type, OWN[name].labels) == CODE[name]


@pytest.mark.parametrize("name", OWN)
def test_unit_meaning_and_bad_value_are_said(name: str) -> None:
    assert all(OWN[name].texts)
    assert len(OWN[name].texts) == 3


def test_every_kind_of_problem_is_named() -> None:
    (meaning,) = [text for text in OWN["rig_ledger_problems_total"].texts if "`hole`" in text]
    assert all(f"`{kind}`" in meaning for kind in PROBLEM_KINDS)
    source = "".join(path.read_text() for path in Path(ROOT / "services/exporter").glob("*.py"))
    assert all(source.count(f'"{kind}"') >= 2 for kind in PROBLEM_KINDS), "declared, and reported somewhere"
