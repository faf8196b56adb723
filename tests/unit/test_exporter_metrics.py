"""What Prometheus reads: the text, the names that docs and dashboards rely on, and the health check."""

from __future__ import annotations

import contextlib
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from exporter import __main__ as command
from exporter import server
from exporter.follow import Follower
from exporter.metrics import LedgerCollector, declared
from exporter_cell import Cell
from prometheus_client.core import Metric, Sample
from prometheus_client.parser import text_string_to_metric_families

ALL_FAMILIES = {metric.name.removesuffix("_total") for metric in declared()}


class Exporter:
    """A served exporter with a cell to fill its ledger."""

    def __init__(self, cell: Cell, collector: LedgerCollector, port: int) -> None:
        self.cell, self.collector, self.port = cell, collector, port

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return str(answer.read().decode())

    def scrape(self) -> dict[str, Metric]:
        return {family.name: family for family in text_string_to_metric_families(self.get("/metrics"))}

    def samples(self, name: str) -> list[Sample]:
        return [sample for family in self.scrape().values() for sample in family.samples if sample.name == name]


@pytest.fixture
def exporter(tmp_path: Path) -> Iterator[Exporter]:
    with contextlib.closing(Follower(tmp_path)) as follower:
        collector = LedgerCollector(follower)
        running = server.serve(collector, port=0, host="127.0.0.1")
        try:
            yield Exporter(Cell(tmp_path, follower), collector, running.server_port)
        finally:
            running.shutdown()
            running.server_close()


def test_a_scrape_shows_what_happened_just_before_it(exporter: Exporter) -> None:
    exporter.cell.whole_task(1)
    (sample,) = exporter.samples("celery_task_succeeded_total")
    assert sample.value == 1
    assert sample.labels.pop("hostname")
    assert sample.labels == {"name": "app.noop", "queue_name": "short", "role": "short"}
    exporter.cell.whole_task(2)
    (sample,) = exporter.samples("celery_task_succeeded_total")
    assert sample.value == 2


def test_histograms_are_cumulative_and_in_seconds(exporter: Exporter) -> None:
    exporter.cell.whole_task(1)
    buckets = {sample.labels["le"]: sample.value for sample in exporter.samples("celery_task_runtime_bucket")}
    assert (buckets["0.005"], buckets["0.01"], buckets["1.0"], buckets["+Inf"]) == (0, 1, 1, 1)
    assert list(buckets.values()) == sorted(buckets.values())
    (total,) = exporter.samples("celery_task_runtime_sum")
    assert total.value == pytest.approx(0.008)


def test_all_events_of_a_worker_start_at_zero_so_that_the_first_failure_is_an_increase(exporter: Exporter) -> None:
    exporter.cell.whole_task(1)
    (failed,) = exporter.samples("celery_task_failed_total")
    assert failed.value == 0
    assert failed.labels["role"] == "short"
    assert len(exporter.samples("celery_task_sent_total")) == 1, "the worker has sent nothing"
    assert {sample.value for sample in exporter.samples("rig_ledger_problems_total")} == {0}


def test_every_declared_metric_is_served_with_its_type_and_labels(exporter: Exporter) -> None:
    exporter.cell.whole_task(1)
    exporter.cell.send(2, planned=1, sent=2, published=3)
    families = exporter.scrape()
    for metric in declared():
        family = families[metric.name.removesuffix("_total")]
        assert family.type == metric.kind, metric.name
        assert family.documentation == metric.help
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert labels == set(metric.labels), metric.name
    undeclared = {name for name in families if not name.startswith("rig_exporter_process_")} - ALL_FAMILIES
    assert not undeclared


def test_a_worker_that_is_gone_is_down_and_its_totals_stay(exporter: Exporter) -> None:
    exporter.cell.whole_task(1)
    (up,) = exporter.samples("celery_worker_up")
    assert up.value == 1
    exporter.cell.close()
    (up,) = exporter.samples("celery_worker_up")
    assert up.value == 0
    assert len(exporter.samples("celery_task_succeeded_total")) == 1


def test_a_host_gone_for_long_is_forgotten(exporter: Exporter, monkeypatch: pytest.MonkeyPatch) -> None:
    exporter.cell.whole_task(1)
    exporter.cell.close()
    exporter.scrape()
    monkeypatch.setattr("exporter.follow.FORGET_AFTER", 0.0)
    assert exporter.samples("celery_worker_up") == []
    assert exporter.samples("celery_task_succeeded_total") == []


def test_the_health_check_fails_when_polling_has_stopped(exporter: Exporter, monkeypatch: pytest.MonkeyPatch) -> None:
    exporter.collector.poll()
    assert command.check(exporter.port) == 0
    monkeypatch.setattr(server, "STALE_AFTER", 0.0)
    assert command.check(exporter.port) == 1
    with pytest.raises(urllib.error.HTTPError, match="404"):
        exporter.get("/secrets")


def test_a_missing_ledger_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["exporter", "--ledger", str(tmp_path / "nowhere")])
    assert command.main() == 2
    assert "nowhere" in capsys.readouterr().err
