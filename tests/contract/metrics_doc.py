"""Reads the tables of docs/metrics.md, and which metrics and labels a PromQL expression names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Row:
    """A metric as the document describes it; `job` only for borrowed ones, whose labels are others' business."""

    name: str
    type: str
    labels: tuple[str, ...]
    job: str
    texts: tuple[str, ...]  # the cells that are prose


@cache
def documented() -> dict[str, Row]:
    rows: dict[str, Row] = {}
    columns: list[str] = []
    for line in (ROOT / "docs/metrics.md").read_text().splitlines():
        if not line.startswith("|"):
            columns = []
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not columns:
            columns = cells
            continue
        if set(line) <= set("|-"):
            continue
        row = dict(zip(columns, cells, strict=True))
        name = row["metric"].strip("`")
        labels = tuple(label for label in row.get("labels", "").split(", ") if label not in ("", "–"))
        texts = tuple(row[column] for column in ("unit", "meaning", "bad") if column in row)
        assert name not in rows, f"{name} is documented twice"
        rows[name] = Row(name, row["type"], labels, row.get("job", ""), texts)
    return rows


AGGREGATIONS = {"sum", "count", "min", "max", "avg", "by", "without"}
FUNCTIONS = AGGREGATIONS | {"rate", "increase", "histogram_quantile", "clamp_min", "label_replace", "vector"}
WORDS = FUNCTIONS | {"or", "and", "unless", "on", "ignoring", "label_values"}


@dataclass(frozen=True)
class Selector:
    """One use of a metric in an expression: its name, its label matchers, and the function around its range."""

    metric: str
    matchers: str
    function: str
    range: str


def selectors(expression: str) -> list[Selector]:
    """Find every `metric{matchers}[range]`; a metric without braces is found too, with empty matchers."""
    found = []
    text = re.sub(r'"(?:[^"\\]|\\.)*"', lambda m: '"' + "·" * (len(m[0]) - 2) + '"', expression)  # blank out strings
    without_groups = re.sub(r"\b(?:by|without|on|ignoring)\s*\([^)]*\)", lambda m: " " * len(m[0]), text)
    for match in re.finditer(r"(?<![\w$·])([a-zA-Z_]\w*)\s*(\{[^}]*\})?(\[[^\]]*\])?", without_groups):
        name = match[1]
        inside = any(b.start() < match.start() < b.end() for b in re.finditer(r"\{[^}]*\}|\[[^\]]*\]", without_groups))
        if inside or name in WORDS:
            continue
        matchers = expression[match.start(2) : match.end(2)] if match[2] else ""
        before = re.search(r"(\w+)\s*\(\s*$", without_groups[: match.start()])
        found.append(Selector(name, matchers, before[1] if before else "", match[3] or ""))
    return found


def grouping_labels(expression: str) -> set[str]:
    """Return the labels of all `by (…)`, without `le`."""
    lists = re.findall(r"\bby\s*\(([^)]*)\)", expression)
    return {label.strip() for group in lists for label in group.split(",")} - {"le"}


def family(sample: str) -> str:
    """Return the documented name behind a sample's name: histograms have _bucket, _sum and _count."""
    base = re.sub(r"_(bucket|sum|count)$", "", sample)
    row = documented().get(base)
    return base if row and row.type == "histogram" else sample
