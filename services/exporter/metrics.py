"""Serves a follower's totals to Prometheus. `docs/metrics.md` says what each metric means and when its value is bad."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from exporter.follow import Follower
from exporter.tally import EVENT, SENDER_EVENTS, STAGE, WORKER_EVENTS
from rig.buckets import BOUNDS

TASK_LABELS: Final = ("name", "queue_name", "role", "hostname")
HOST_LABELS: Final = ("role", "hostname")


@dataclass(frozen=True)
class Declared:
    """A metric that the exporter serves: its name as queries use it, its type, its labels, its help text."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


EVENT_METRICS: Final = {
    "sent": "Sends that returned: with publisher confirms, the broker has the task.",
    "send_failed": "Sends that raised: whether the broker has the task is not known.",
    "received": "Deliveries that a worker's main process has taken up.",
    "started": "Executions begun.",
    "acked": "Deliveries acknowledged to the broker.",
    "succeeded": "Executions that returned.",
    "failed": "Executions that raised.",
    "retried": "Executions that ended by asking for another one.",
    "rejected": "Executions that ended by rejecting their message.",
    "ignored": "Executions that asked for their result to be ignored.",
    "revoked": "Deliveries dropped because the task was revoked or terminated.",
    "expired": "Deliveries dropped because the task had expired.",
    "unknown": "Deliveries of a task that the worker does not know.",
    "lost": "Executions whose pool process died or was killed at its hard time limit.",
}
STAGE_METRICS: Final = {
    "generator_lag": ("rig_generator_lag_seconds", "From when the schedule wanted a send until it was begun."),
    "publish": ("celery_task_publish_seconds", "Duration of a send, until it returned."),
    "queue_wait": ("celery_task_queue_wait_time", "Seconds from send to first receipt by a worker."),
    "prefetch_wait": ("celery_task_prefetch_wait_seconds", "From receipt by the main process to the start."),
    "runtime": ("celery_task_runtime", "Seconds in the task's body alone, without storing its result."),
    "result_write": ("celery_task_result_write_seconds", "From the end of the body until the result is stored."),
    "ack": ("celery_task_ack_seconds", "From receipt until the ack has left: how long the broker held it as unacked."),
    "end_to_end": ("celery_task_end_to_end_seconds", "From the planned send (or the send) to the end of execution."),
}
HOST_METRICS: Final = (
    Declared("celery_worker_up", "gauge", HOST_LABELS, "Whether any process of this worker lives."),
    Declared("celery_worker_tasks_active", "gauge", HOST_LABELS, "Executions begun and not ended."),
    Declared("celery_worker_tasks_unacked", "gauge", HOST_LABELS, "Deliveries neither acknowledged nor rejected yet."),
)
SEGMENTS: Final = Declared("rig_ledger_segments", "gauge", ("role", "state"), "Ledger segments that are followed.")
SLOTS: Final = Declared("rig_ledger_slots_total", "counter", ("type",), "Ledger slots read.")
PROBLEMS: Final = Declared("rig_ledger_problems_total", "counter", ("problem",), "What is wrong in the ledger.")
DROPPED: Final = Declared(
    "rig_exporter_joins_dropped_total", "counter", (), "Unfinished tasks forgotten: their waits are not observed."
)
POLL_SECONDS: Final = Declared("rig_exporter_poll_cpu_seconds_total", "counter", (), "CPU spent on following.")

# Problems are there from the start with 0, so that the first one is an increase.
PROBLEM_KINDS: Final = (
    "bad slot", "hole", "unreadable segment", "recording stopped", "cannot remove segment", "bookmark",
)  # fmt: skip


def event_metric(event: str) -> str:
    """Return the metric's name for an event of `tally.EVENTS`."""
    return f"celery_task_{event}_total"


def declared() -> list[Declared]:
    """Return every metric that the exporter itself defines."""
    events = [Declared(event_metric(event), "counter", TASK_LABELS, text) for event, text in EVENT_METRICS.items()]
    stages = [Declared(name, "histogram", TASK_LABELS, text) for name, text in STAGE_METRICS.values()]
    return [*events, *stages, *HOST_METRICS, SEGMENTS, SLOTS, PROBLEMS, DROPPED, POLL_SECONDS]


class LedgerCollector(Collector):
    """Polls the follower, in the background and at each scrape, and renders its totals."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._lock = threading.Lock()
        self._cpu_seconds = 0.0
        self.last_poll = time.monotonic()

    def poll(self) -> None:
        """Take in what has happened. Raises OSError if the ledger directory is gone."""
        with self._lock:
            self._poll()

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics, up to date; what they show is bookmarked as scraped."""
        with self._lock:
            self._poll()
            metrics = [*self._task_metrics(), *self._worker_metrics(), *self._ledger_metrics()]
            self._follower.scraped()
        yield from metrics

    def describe(self) -> Iterable[Metric]:
        """Return no metrics: registering shall not poll."""
        return ()

    def _poll(self) -> None:
        began = time.thread_time()
        self._follower.poll()
        self._cpu_seconds += time.thread_time() - began
        self.last_poll = time.monotonic()

    def _task_metrics(self) -> Iterator[Metric]:
        tally = self._follower.tally
        labels = [(s.name, s.queue_name, s.role, s.hostname) for s in tally.series]
        shown = [(s.role, s.hostname) in self._follower.hosts for s in tally.series]
        for events in (SENDER_EVENTS, WORKER_EVENTS):
            rows = [EVENT[event] for event in events]
            # All events of a series appear together, so that the first failure is an increase from 0.
            present = tally.events[rows].sum(axis=0) != 0
            for event in events:
                family = CounterMetricFamily(event_metric(event), EVENT_METRICS[event], labels=TASK_LABELS)
                for index, label in enumerate(labels):
                    if shown[index] and present[index]:
                        family.add_metric(label, tally.events[EVENT[event], index])
                yield family
        for stage, (name, text) in STAGE_METRICS.items():
            histogram = HistogramMetricFamily(name, text, labels=TASK_LABELS)
            cumulated = np.cumsum(tally.buckets[STAGE[stage]], axis=1)
            for index, label in enumerate(labels):
                if shown[index] and cumulated[index, -1]:
                    buckets = list(zip(_BOUND_TEXTS, map(float, cumulated[index]), strict=True))
                    histogram.add_metric(label, buckets, tally.seconds[STAGE[stage], index])
            yield histogram

    def _worker_metrics(self) -> Iterator[Metric]:
        gauges = self._follower.worker_gauges()
        for column, metric in enumerate(HOST_METRICS):
            family = _gauge(metric)
            for host, values in sorted(gauges.items()):
                family.add_metric(host, values[column])
            yield family

    def _ledger_metrics(self) -> Iterator[Metric]:
        follower = self._follower
        segments = _gauge(SEGMENTS)
        for (role, state), number in sorted(follower.segment_states().items()):
            segments.add_metric((role, state), number)
        yield segments
        yield _counter(SLOTS, {(kind,): number for kind, number in follower.slots.items()})
        yield _counter(PROBLEMS, {(kind,): follower.problems[kind] for kind in PROBLEM_KINDS})
        yield _counter(DROPPED, {(): follower.window.dropped})
        yield _counter(POLL_SECONDS, {(): self._cpu_seconds})


_BOUND_TEXTS: Final = (*map(str, BOUNDS), "+Inf")


def _gauge(metric: Declared) -> GaugeMetricFamily:
    return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)


def _counter(metric: Declared, values: dict[Any, float]) -> CounterMetricFamily:
    family = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family
