"""What Prometheus has on a real stack: every metric that docs/metrics.md names, an answer to every panel's query."""

from __future__ import annotations

import contextlib
import json
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rig.ledger import layout
from tests.contract.test_howto import QUERIES
from tests.stack.conftest import ROOT, TOPOLOGIES, Stack, wait_until

sys.path.insert(0, str(ROOT / "tests/contract"))
from metrics_doc import documented

# Only loads with a schedule have a lag; only RabbitMQ knows consumers; an empty queue is nothing at all on Redis.
NOT_ALWAYS = {"rig_generator_lag_seconds"}
NOT_ON_REDIS = {"celery_active_consumer_count", "celery_queue_length", "celery_queue_unacked", "redis_key_size"}

pytestmark = pytest.mark.parametrize("stack", TOPOLOGIES, indirect=True)


def jobs_of(topology: str) -> set[str]:
    groups = yaml.safe_load((ROOT / f"compose/topologies/{topology}/scrape.yml").read_text())
    return {group["labels"]["__scrape"] for group in groups}


def names(stack: Stack, selector: str) -> set[str]:
    """Return the names of all metrics that match `selector`."""
    path = "/api/v1/label/__name__/values?" + urllib.parse.urlencode({"match[]": selector})
    return set(json.loads(stack.get("prometheus", 9090, path))["data"])


def panels() -> list[dict[str, Any]]:
    files = sorted(Path(ROOT / "grafana/dashboards").glob("*.json"))
    return [p for file in files for p in json.loads(file.read_text())["panels"] if p["type"] != "row"]


def filled_in(expression: str) -> str:
    """Return a panel's query as Grafana sends it with every filter at All."""
    for variable in ("job", "instance", "queue", "task"):
        expression = expression.replace(f"${variable}", ".*")
    return expression.replace("$__rate_interval", "1m")


@contextlib.contextmanager
def load_in_the_locust_service(stack: Stack) -> Iterator[None]:
    """Start the service's own load by its web UI, as a person would, and stop it again."""
    post_to_locust(stack, "/swarm", user_count=5, spawn_rate=5, host="")
    try:
        yield
    finally:
        post_to_locust(stack, "/stop")


def post_to_locust(stack: Stack, path: str, **form: object) -> None:
    url = f"http://127.0.0.1:{stack.port('locust', 8089)}{path}"
    data = urllib.parse.urlencode(form).encode()
    with urllib.request.urlopen(url, data=data, timeout=20) as answer:
        assert json.loads(answer.read())["success"]


def test_every_documented_metric_is_served(stack: Stack) -> None:
    jobs = jobs_of(stack.topology)
    expected = {
        f"{row.name}_bucket" if row.type == "histogram" else row.name: row.job
        for row in documented().values()
        if row.name not in NOT_ALWAYS and (not row.job or row.job in jobs)
    }
    if stack.topology != "rabbitmq":
        expected = {name: job for name, job in expected.items() if name not in NOT_ON_REDIS}

    def missing() -> set[str]:
        served = {job: names(stack, f'{{job="{job}"}}') for job in jobs}
        anywhere = set().union(*served.values())
        return {name for name, job in expected.items() if name not in served.get(job, anywhere)}

    with load_in_the_locust_service(stack):
        wait_until("every metric", lambda: not (last := missing()) or print("missing:", sorted(last)), seconds=60)


def test_recording_rules_are_well(stack: Stack) -> None:
    groups = json.loads(stack.get("prometheus", 9090, "/api/v1/rules"))["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert [(rule["name"], rule["health"]) for rule in rules] == [(rule["name"], "ok") for rule in rules]
    assert rules


def test_prometheus_answers_every_panel(stack: Stack) -> None:
    for panel in panels():
        for target in panel["targets"]:
            stack.query(filled_in(target["expr"]))  # HTTP 400 for what is no PromQL


def test_prometheus_answers_every_query_to_paste(stack: Stack) -> None:
    for query in QUERIES:
        stack.query(query)


def test_an_exporter_that_is_killed_under_load_loses_no_count_and_counts_nothing_twice(stack: Stack) -> None:
    def agree() -> bool:
        executed = int((stack.tasks().outcome == layout.OUTCOME_CODE["succeeded"]).sum())
        exported = stack.query("sum(celery_task_succeeded_total)")
        return list(exported.values()) == [executed]

    with load_in_the_locust_service(stack):
        time.sleep(6)  # more than a scrape interval
        stack.compose.run("kill", "--signal", "KILL", "exporter")
        time.sleep(3)  # what happens now is read from the ledger afterwards
        stack.compose.run("start", "exporter")
        time.sleep(3)
    wait_until("the exporter to agree with the ledger", agree)


def test_no_target_is_missing(stack: Stack) -> None:
    found = json.loads(stack.get("prometheus", 9090, "/api/v1/targets?state=active"))["data"]["activeTargets"]
    expected = yaml.safe_load((ROOT / f"compose/topologies/{stack.topology}/scrape.yml").read_text())
    assert len(found) == sum(len(group["targets"]) for group in expected)
    assert {target["labels"]["topology"] for target in found} == {stack.topology}
