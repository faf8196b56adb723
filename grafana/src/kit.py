"""The parts of a dashboard, and the JSON that Grafana makes of them. The rules of Grafana's linter are built in:

one data source variable; `job` and `instance` as multi-select filters; title, description and unit on every panel;
`$__rate_interval`; not editable. https://github.com/grafana/dashboard-linter
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

DATASOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
SCRAPED = 'job=~"$job", instance=~"$instance"'  # belongs into every selector
COLUMNS = 24  # Grafana's grid


@dataclass(frozen=True, kw_only=True)
class Query:
    """A PromQL expression and the legend of the lines it gives ({{label}} for a label's value)."""

    expr: str
    legend: str


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel. `description` says what a bad value means; `bad_above` colours it red from there on."""

    title: str
    description: str
    unit: str  # https://github.com/grafana/grafana/blob/main/packages/grafana-data/src/valueFormats/categories.ts
    queries: tuple[Query, ...]
    kind: str = "timeseries"  # or "stat": the last value as a number
    width: int = 8
    height: int = 8
    reduce: str = "lastNotNull"  # how a stat makes one number of the shown time
    bad_above: float | None = None
    log_scale: bool = False


@dataclass(frozen=True, kw_only=True)
class Row:
    """Panels under a heading, laid out from left to right."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A multi-select filter over a label's values."""

    name: str
    label: str
    query: str  # label_values(…)


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """`uid` is also the name of the JSON file. Annotations mark on every panel when their expression is above 0."""

    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    annotations: tuple[Query, ...]
    rows: tuple[Row, ...]

    def to_json(self) -> Json:
        """Return the dashboard as Grafana stores it."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["celery", "celery-rig"],
            "editable": False,
            "graphTooltip": 1,  # one crosshair through all panels
            "refresh": "5s",
            "schemaVersion": 39,
            "time": {"from": "now-15m", "to": "now"},
            "timezone": "browser",
            "annotations": {"list": [_annotation(query) for query in self.annotations]},
            "templating": {"list": [_datasource_variable(), *map(_variable, self.variables)]},
            "panels": _layout(self.rows),
        }


def _layout(rows: tuple[Row, ...]) -> list[Json]:
    panels: list[Json] = []
    top = 0
    for row in rows:
        heading = {"type": "row", "title": row.title, "collapsed": False, "panels": []}
        panels.append({"id": len(panels) + 1, "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1}, **heading})
        top += 1
        left = height = 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                left, top, height = 0, top + height, 0
            place = {"x": left, "y": top, "w": panel.width, "h": panel.height}
            panels.append({"id": len(panels) + 1, "gridPos": place, **_panel(panel)})
            left += panel.width
            height = max(height, panel.height)
        top += height
    return panels


def _panel(panel: Panel) -> Json:
    steps: list[Json] = [{"color": "green", "value": None}]
    if panel.bad_above is not None:
        steps.append({"color": "red", "value": panel.bad_above})
    defaults: Json = {"unit": panel.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.kind == "stat":
        options: Json = {
            "colorMode": "background", "graphMode": "area", "textMode": "auto",
            "reduceOptions": {"calcs": [panel.reduce], "fields": "", "values": False},
        }  # fmt: skip
    else:
        options = {
            "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["mean", "max"], "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
        scale = {"type": "log", "log": 10} if panel.log_scale else {"type": "linear"}
        defaults["custom"] = {
            "fillOpacity": 10, "lineWidth": 1, "showPoints": "never", "spanNulls": False, "scaleDistribution": scale,
            "thresholdsStyle": {"mode": "off" if panel.bad_above is None else "line"},
        }  # fmt: skip
        if panel.log_scale:
            del defaults["min"]
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": DATASOURCE, "expr": query.expr, "legendFormat": query.legend}
            for index, query in enumerate(panel.queries)
        ],
    }


def _annotation(query: Query) -> Json:
    return {
        "name": query.legend, "datasource": DATASOURCE, "enable": True, "iconColor": "purple", "expr": query.expr,
        "step": "5s", "titleFormat": query.legend, "useValueForTime": False,
    }  # fmt: skip


def _datasource_variable() -> Json:
    return {
        "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 0,
        "current": {"text": "Prometheus", "value": "prometheus"}, "refresh": 1, "regex": "",
    }  # fmt: skip


def _variable(variable: Variable) -> Json:
    return {
        "name": variable.name, "label": variable.label, "type": "query", "datasource": DATASOURCE,
        "definition": variable.query, "query": {"query": variable.query, "refId": variable.name},
        "multi": True, "includeAll": True, "allValue": ".*", "current": {"text": ["All"], "value": ["$__all"]},
        "refresh": 2,  # when the shown time changes: what ran yesterday is there when one looks at yesterday
        "sort": 1, "hide": 0, "regex": "",
    }  # fmt: skip
