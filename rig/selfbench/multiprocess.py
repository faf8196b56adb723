"""In a worker: task metrics in the way that most deployments have them, to hold against the ledger.

    celery -A app worker --include rig.selfbench.multiprocess

A counter and a histogram of prometheus-client, set by Celery's signals around each task, in multiprocess mode
(https://prometheus.github.io/client_python/multiprocess/), served by the worker's main process.
$PROMETHEUS_MULTIPROC_DIR is on a tmpfs: the library maps a file for each process and writes to it with every task.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from celery import signals

from rig.selfbench import marks

Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]).mkdir(exist_ok=True)  # before the import: it looks there

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server  # noqa: E402
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead  # noqa: E402

TASKS = Counter("celery_tasks", "Tasks by outcome.", ["name", "state"])
SECONDS = Histogram("celery_task_seconds", "How long tasks ran.", ["name"])
_began: dict[str, float] = {}


@signals.task_prerun.connect  # type: ignore[untyped-decorator]
def begin(task_id: str, **_: Any) -> None:
    """Note when a task begins."""
    _began[task_id] = time.perf_counter()


@signals.task_postrun.connect  # type: ignore[untyped-decorator]
def end(task_id: str, task: Any, state: str, **_: Any) -> None:
    """Count it and how long it took."""
    TASKS.labels(task.name, state).inc()
    SECONDS.labels(task.name).observe(time.perf_counter() - _began.pop(task_id))


@signals.worker_ready.connect  # type: ignore[untyped-decorator]
def serve(**_: Any) -> None:
    """Serve the sum over all processes."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    start_http_server(marks.METRICS_PORT, registry=registry)


@signals.worker_process_shutdown.connect  # type: ignore[untyped-decorator]
def leave(pid: int, **_: Any) -> None:
    """Let go of a pool process' gauges."""
    mark_process_dead(pid)  # type: ignore[no-untyped-call]
