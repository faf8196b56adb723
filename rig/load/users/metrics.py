"""Locust's own numbers for Prometheus, served by the Locust process itself on port 9646 ($LOCUST_METRICS_PORT).

Importing this module is enough: its `init` listener does the rest. In a distributed run the workers send what they
counted to the master along with Locust's own reports, and the master serves the sum.
Locust's statistics are not used: they round response times and know no histogram. `docs/metrics.md` explains each.
"""

from __future__ import annotations

import logging
import os
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Any, Final

from locust import events
from locust.runners import MasterRunner, WorkerRunner
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from rig.buckets import BOUNDS

PORT: Final = 9646
REPORT_KEY: Final = "rig_requests"  # in the reports of a Locust worker to its master
LABELS: Final = ("method", "name", "result")
DECLARED: Final = {  # name -> type, labels, help
    "locust_users": ("gauge", (), "Users that run now."),
    "locust_requests_total": ("counter", LABELS, "Requests by outcome: result is ok or failed."),
    "locust_response_seconds": ("histogram", LABELS, "Response times, as the user saw them."),
    "locust_test_info": ("gauge", ("run_id",), "1 while a test runs."),
}
_BOUNDS_MS = [bound * 1000 for bound in BOUNDS]
_BOUND_TEXTS = (*map(str, BOUNDS), "+Inf")
_log = logging.getLogger(__name__)

Labels = tuple[str, str, str]


class Requests:
    """How many requests of each kind there were, and how long they took: a number of them a bucket, and their sum."""

    def __init__(self) -> None:
        self.buckets: dict[Labels, list[int]] = {}
        self.seconds: dict[Labels, float] = {}

    def record(
        self, request_type: str, name: str, response_time: float, exception: BaseException | None = None, **_: Any
    ) -> None:
        """Count one request of `response_time` milliseconds; the signature is that of Locust's `request` event."""
        self._add((request_type, name, "ok" if exception is None else "failed"), response_time / 1000)[
            bisect_left(_BOUNDS_MS, response_time)
        ] += 1

    def merge(self, report: Iterable[tuple[str, str, str, float, list[int]]]) -> None:
        """Add what another process has counted."""
        for method, name, result, seconds, numbers in report:
            buckets = self._add((method, name, result), seconds)
            for index, number in enumerate(numbers):
                buckets[index] += number

    def drain(self) -> list[tuple[str, str, str, float, list[int]]]:
        """Return everything as a report for `merge`, and start again from nothing."""
        report = [(*labels, self.seconds[labels], numbers) for labels, numbers in self.buckets.items()]
        self.buckets, self.seconds = {}, {}
        return report

    def _add(self, labels: Labels, seconds: float) -> list[int]:
        if labels not in self.buckets:
            self.buckets[labels] = [0] * len(_BOUND_TEXTS)
            self.seconds[labels] = 0.0
        self.seconds[labels] += seconds
        return self.buckets[labels]


class LocustCollector(Collector):
    """Renders a Locust process's numbers at each scrape."""

    def __init__(self, environment: Any, requests: Requests) -> None:
        self.run_id = ""  # of the test that runs; empty for none
        self._environment = environment
        self._requests = requests

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics of `DECLARED`."""
        users = GaugeMetricFamily("locust_users", DECLARED["locust_users"][2])
        users.add_metric((), self._environment.runner.user_count)
        yield users
        info = GaugeMetricFamily("locust_test_info", DECLARED["locust_test_info"][2], labels=("run_id",))
        if self.run_id:
            info.add_metric((self.run_id,), 1)
        yield info
        total = CounterMetricFamily("locust_requests_total", DECLARED["locust_requests_total"][2], labels=LABELS)
        times = HistogramMetricFamily("locust_response_seconds", DECLARED["locust_response_seconds"][2], labels=LABELS)
        for labels, numbers in list(self._requests.buckets.items()):
            cumulated = [sum(numbers[: index + 1]) for index in range(len(numbers))]
            total.add_metric(labels, cumulated[-1])
            buckets = list(zip(_BOUND_TEXTS, map(float, cumulated), strict=True))
            times.add_metric(labels, buckets, self._requests.seconds[labels])
        yield total
        yield times

    def describe(self) -> Iterable[Metric]:
        """Return no metrics: there may be no runner yet."""
        return ()


def attach(environment: Any) -> LocustCollector:
    """Count what the users of this process do; return the collector that shows it."""
    requests = Requests()
    collector = LocustCollector(environment, requests)
    environment.events.request.add_listener(requests.record)
    if isinstance(environment.runner, WorkerRunner):
        environment.events.report_to_master.add_listener(lambda data, **_: data.update({REPORT_KEY: requests.drain()}))
    if isinstance(environment.runner, MasterRunner):
        environment.events.worker_report.add_listener(lambda data, **_: requests.merge(data.get(REPORT_KEY, ())))

    def begin(**_: Any) -> None:
        # Users of rig.load.celery_user have a run: the digits that their task ids begin with.
        run = getattr(environment.parsed_options, "rig_run", "")
        collector.run_id = os.environ.get("RIG_RUN_ID") or run or time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())

    def end(**_: Any) -> None:
        collector.run_id = ""

    environment.events.test_start.add_listener(begin)
    environment.events.test_stop.add_listener(end)
    return collector


def _serve(environment: Any, **_: Any) -> None:
    collector = attach(environment)
    if isinstance(environment.runner, WorkerRunner):
        return  # the master serves for all
    registry = CollectorRegistry()
    registry.register(collector)
    # Where the web UI listens, there listen too: on all interfaces in a container, on none but loopback by default.
    host = getattr(environment.parsed_options, "web_host", "") or "127.0.0.1"
    port = int(os.environ.get("LOCUST_METRICS_PORT", PORT))
    try:
        start_http_server(port, host, registry)
    except OSError as error:
        _log.warning("Nothing serves this Locust's metrics: %s:%d: %s (does another Locust run?)", host, port, error)


events.init.add_listener(_serve)
