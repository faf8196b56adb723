"""Queries to paste name metrics that there are, and are what Prometheus can parse; files that pages link to exist."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "howto" / "watch-a-load.md"
QUERIES = re.findall(r"^\| [^|]+ \| `([^`]+)` \|$", PAGE.read_text(), re.MULTILINE)
METRICS = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_there_are_queries() -> None:
    assert len(QUERIES) >= 9


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_names_metrics_that_are_documented(query: str) -> None:
    named = set(re.findall(r"\b(?:celery|rig)_\w+", query))
    assert named
    assert {name.removesuffix("_bucket") for name in named} <= METRICS


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is in the Prometheus image, not on this machine")
@pytest.mark.parametrize("query", QUERIES)
def test_a_query_is_one(query: str) -> None:
    subprocess.run(["promtool", "promql", "format", query], check=True, capture_output=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_into_the_repository_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []
