"""Dashboards and rules: built from their sources, true to Grafana's linter, and asking only for metrics that exist.

Grafana itself may not be at hand (it is in no Debian release), so this is strict.
The linter's rules: https://github.com/grafana/dashboard-linter/tree/main/docs/rules
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from metrics_doc import ROOT, documented, family, grouping_labels, selectors

GRAFANA = ROOT / "grafana"
FILES = sorted((GRAFANA / "dashboards").glob("*.json"))
DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in FILES}
PROMETHEUS = yaml.safe_load((ROOT / "compose/prometheus/prometheus.yml").read_text())
RULES = yaml.safe_load((ROOT / "compose/prometheus/rules.yml").read_text())
PANELS = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name, dashboard in DASHBOARDS.items()
    for panel in dashboard["panels"]
    if panel["type"] != "row"
]
QUERIES = [
    pytest.param(target["expr"], id=f"{name}: {panel['title']}: {target['legendFormat']}")
    for name, dashboard in DASHBOARDS.items()
    for panel in dashboard["panels"]
    for target in panel.get("targets", ())
]
RULE_EXPRESSIONS = [
    pytest.param(rule["expr"], id=rule["record"]) for group in RULES["groups"] for rule in group["rules"]
]
# Labels that Prometheus adds, or that a service says itself and docs/metrics.md leaves to it.
ADDED_LABELS = {"job", "instance", "topology", "part", "le"}
# https://github.com/grafana/grafana/blob/main/packages/grafana-data/src/valueFormats/categories.ts
UNITS = {"none", "short", "percentunit", "s", "ops", "bytes"}

each_dashboard = pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=DASHBOARDS)


def test_the_first_dashboard_is_there() -> None:
    assert "celery-overview" in DASHBOARDS


def test_the_json_is_what_the_sources_say() -> None:
    command = [sys.executable, GRAFANA / "src/build.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@each_dashboard
def test_the_uid_is_stable_and_short_and_the_dashboard_not_editable(dashboard: dict[str, Any]) -> None:
    assert DASHBOARDS[dashboard["uid"]] is dashboard
    assert re.fullmatch(r"[a-z0-9-]{1,40}", dashboard["uid"])
    assert dashboard["editable"] is False
    assert dashboard["title"]
    assert dashboard["description"]
    assert "id" not in dashboard
    assert "__inputs" not in dashboard
    assert "${DS_" not in json.dumps(dashboard)


@each_dashboard
def test_there_is_one_data_source_variable_and_everything_uses_it(dashboard: dict[str, Any]) -> None:
    sources = [v for v in dashboard["templating"]["list"] if v["type"] == "datasource"]
    assert [(v["name"], v["query"], v["label"]) for v in sources] == [("datasource", "prometheus", "Data source")]
    provisioned = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert sources[0]["current"]["value"] in [source["uid"] for source in provisioned]
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    users = [
        *panels, *(target for panel in panels for target in panel["targets"]), *dashboard["annotations"]["list"],
        *(v for v in dashboard["templating"]["list"] if v["type"] == "query"),
    ]  # fmt: skip
    assert all(user["datasource"] == {"type": "prometheus", "uid": "${datasource}"} for user in users)


@each_dashboard
def test_job_and_instance_are_multi_select_filters(dashboard: dict[str, Any]) -> None:
    variables = {v["name"]: v for v in dashboard["templating"]["list"] if v["type"] == "query"}
    assert {"job", "instance"} <= set(variables)
    for variable in variables.values():
        assert variable["multi"]
        assert variable["includeAll"]
        assert variable["allValue"] == ".*"
        assert variable["label"]
        assert variable["refresh"] == 2, "on change of the shown time"
        ((metric, label),) = re.findall(r"label_values\((\w+)(?:\{[^}]*\})?, (\w+)\)", variable["definition"])
        assert metric in documented()
        assert label in {*documented()[metric].labels, *ADDED_LABELS}


@each_dashboard
def test_annotations_ask_for_metrics_that_exist(dashboard: dict[str, Any]) -> None:
    for annotation in dashboard["annotations"]["list"]:
        check_expression(annotation["expr"])
        labels = re.findall(r"\{\{(\w+)\}\}", annotation["titleFormat"])
        (selector,) = selectors(annotation["expr"])
        assert set(labels) <= set(documented()[selector.metric].labels)


@each_dashboard
def test_panels_have_their_own_ids_and_places(dashboard: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, f"{panel['title']} lies on another panel"
        taken |= cells


@each_dashboard
def test_the_top_row_answers_whether_it_is_healthy(dashboard: dict[str, Any]) -> None:
    heading, *panels = dashboard["panels"]
    assert heading["type"] == "row"
    assert heading["title"].endswith("?")
    first_row = [panel for panel in panels if panel["gridPos"]["y"] == panels[0]["gridPos"]["y"]]
    assert {panel["type"] for panel in first_row} == {"stat"}


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_explains_itself(panel: dict[str, Any]) -> None:
    assert panel["type"] in ("timeseries", "stat")
    assert panel["title"]
    assert len(panel["description"]) > 40, "what a bad value means"
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["targets"]
    legends = [target["legendFormat"] for target in panel["targets"]]
    assert all(legends)
    assert len(set(legends)) == len(legends)
    if panel["type"] == "stat":
        assert len(panel["targets"]) == 1


@pytest.mark.parametrize("expression", QUERIES)
def test_a_query_filters_by_job_and_instance_and_asks_for_metrics_that_exist(expression: str) -> None:
    check_expression(expression)
    for selector in selectors(expression):
        assert 'job=~"$job"' in selector.matchers
        assert 'instance=~"$instance"' in selector.matchers
        assert selector.range in ("", "[$__rate_interval]")
    assert "$__interval" not in expression


@pytest.mark.parametrize("panel", PANELS)
def test_legends_use_labels_that_the_query_leaves(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        labels = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        outer = re.match(r"(?:histogram_quantile\([\d.]+, )?\w+ by \(([^)]*)\)", target["expr"])
        left = {label.strip() for label in outer[1].split(",")} if outer else ADDED_LABELS
        assert labels <= left


@pytest.mark.parametrize("expression", RULE_EXPRESSIONS)
def test_a_rule_asks_for_metrics_that_exist(expression: str) -> None:
    check_expression(expression)


def test_rules_have_one_name_each_and_prometheus_reads_their_file() -> None:
    names = [rule["record"] for group in RULES["groups"] for rule in group["rules"]]
    assert len(set(names)) == len(names)
    assert PROMETHEUS["rule_files"] == ["rules.yml"]


def check_expression(expression: str) -> None:
    """Balanced, and every metric in it is documented, used as its type demands, with labels that it has."""
    for opening, closing in ("()", "{}", "[]"):
        assert expression.count(opening) == expression.count(closing)
    found = selectors(expression)
    assert found, f"no metric in {expression}"
    labels: set[str] = set()
    for selector in found:
        name = family(selector.metric)
        row = documented().get(name)
        assert row, f"{selector.metric} is not in docs/metrics.md"
        counts = row.type == "counter" or (row.type == "histogram" and selector.metric != name)
        assert counts == (selector.function in ("rate", "increase")), f"{name} is a {row.type}"
        assert counts == bool(selector.range)
        assert row.type != "histogram" or counts, f"{name} is a histogram: use _bucket, _sum or _count"
        if row.job:
            continue
        labels |= set(row.labels)
        matched = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector.matchers))
        assert matched <= {*row.labels, *ADDED_LABELS}, f"{name} has no such label"
    if all(not documented()[family(selector.metric)].job for selector in found):
        assert grouping_labels(expression) <= labels | ADDED_LABELS


def test_grafana_finds_data_source_and_dashboards_where_compose_puts_them() -> None:
    compose = yaml.safe_load((ROOT / "compose/observability.yaml").read_text())["services"]["grafana"]
    mounts = dict(mount.split(":")[:2] for mount in compose["volumes"])
    places = {str(Path("compose", source)): target for source, target in mounts.items()}
    provider = yaml.safe_load((GRAFANA / "provisioning/dashboards/dashboards.yml").read_text())["providers"][0]
    assert provider["options"]["path"] == places["compose/../grafana/dashboards"]
    assert provider["allowUiUpdates"] is False
    assert places["compose/../grafana/provisioning"] == "/etc/grafana/provisioning"
    home = Path(compose["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert home.stem in DASHBOARDS
    assert str(home.parent) == provider["options"]["path"]


def test_grafana_knows_how_often_prometheus_scrapes() -> None:
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert source["jsonData"]["timeInterval"] == PROMETHEUS["global"]["scrape_interval"]
    assert source["editable"] is False
