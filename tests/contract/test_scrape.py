"""What Prometheus scrapes in each topology is what runs there, under jobs and passwords that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from metrics_doc import ROOT, documented

PROMETHEUS = yaml.safe_load((ROOT / "compose/prometheus/prometheus.yml").read_text())
JOBS = {job["job_name"]: job for job in PROMETHEUS["scrape_configs"]}
TOPOLOGIES = sorted(path.parent for path in (ROOT / "compose/topologies").glob("*/compose.yaml"))

each_topology = pytest.mark.parametrize("topology", TOPOLOGIES, ids=lambda path: path.name)


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def targets(topology: Path) -> list[tuple[str, dict[str, str]]]:
    """(target, its labels) for every target of a topology."""
    groups = load(topology / "scrape.yml")
    return [(target, group["labels"]) for group in groups for target in group["targets"]]


def services(topology: Path) -> set[str]:
    files = [topology / "compose.yaml", *(ROOT / "compose").glob("*.yaml")]
    return {name for file in files for name in load(file).get("services", {})}


@each_topology
def test_every_target_is_a_service_and_names_its_job_and_topology(topology: Path) -> None:
    for target, labels in targets(topology):
        assert labels["__scrape"] in JOBS
        assert labels["topology"] == topology.name
        host = urlsplit(target if "://" in target else f"//{target}").hostname
        assert host in services(topology) | {"127.0.0.1"}


@each_topology
def test_every_part_of_the_topology_is_scraped(topology: Path) -> None:
    scraped = {urlsplit(t if "://" in t else f"//{t}").hostname for t, _ in targets(topology)}
    own = set(load(topology / "compose.yaml")["services"])
    assert own | {"exporter", "locust"} <= scraped


@each_topology
def test_the_redis_exporter_has_a_password_for_each_redis_and_no_other(topology: Path) -> None:
    text = (topology / "redis-exporter.json.template").read_text()
    assert {target for target, _ in targets(topology) if target.startswith("redis://")} == set(json.loads(text))


def test_every_job_is_used_and_takes_only_its_own_targets() -> None:
    used = {labels["__scrape"] for topology in TOPOLOGIES for _, labels in targets(topology)}
    assert used == set(JOBS)
    keep = {"source_labels": ["__scrape"], "action": "keepequal", "target_label": "job"}
    for job in JOBS.values():
        assert job["relabel_configs"][0] == keep
        assert job["file_sd_configs"] == [{"files": ["topology.yml"]}]


def test_compose_mounts_what_prometheus_reads() -> None:
    volumes = load(ROOT / "compose/observability.yaml")["services"]["prometheus"]["volumes"]
    inside = {volume.split(":")[-2] for volume in volumes if volume.endswith(":ro")}
    assert {f"/etc/prometheus/{name}" for name in ("prometheus.yml", "rules.yml", "topology.yml")} <= inside


def test_the_length_of_every_queue_is_asked_for() -> None:
    workers = load(ROOT / "compose/stack.yaml")["services"].values()
    queues = {queue for worker in workers for queue in re.findall(r" -Q (\w+)", str(worker.get("command", "")))}
    (keys,) = JOBS["redis-queues"]["params"]["check-keys"]
    assert len(queues) == 5
    assert set(keys.split(",")) == {f"db0={queue}*" for queue in queues} | {"db0=[u]nacked"}


@each_topology
def test_the_lengths_of_a_redis_brokers_queues_are_asked_for_and_may_be(topology: Path) -> None:
    brokers = {target for target, labels in targets(topology) if labels.get("part") == "broker"}
    asked = {target for target, labels in targets(topology) if labels["__scrape"] == "redis-queues"}
    assert brokers == asked
    rights = topology / "broker.acl.template"
    assert rights.exists() == bool(brokers)
    if brokers:
        (monitor,) = [line for line in rights.read_text().splitlines() if line.startswith("user monitor")]
        assert {"+scan", "+type", "+llen", "+hlen", "+memory|usage"} <= set(monitor.split())


def test_borrowed_metrics_are_borrowed_from_jobs_that_exist() -> None:
    jobs = {row.job for row in documented().values() if row.job}
    assert jobs <= set(JOBS)


def test_no_key_is_of_one_prometheus_version_alone() -> None:
    """2.53 refuses these keys of 3.x, and so it would not start."""
    text = (ROOT / "compose/prometheus/prometheus.yml").read_text()
    newer = ("fallback_scrape_protocol", "metric_name_validation_scheme", "scrape_native_histograms")
    assert not [key for key in newer if key in text]
