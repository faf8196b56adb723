"""The first dashboard: is it healthy, where does the time go, and who is to blame."""

from __future__ import annotations

from kit import SCRAPED, Dashboard, Query, Variable
from rows.health import healthy
from rows.processes import publishers, workers
from rows.rig import rig
from rows.stages import stages
from rows.stores import broker, results

dashboard = Dashboard(
    uid="celery-overview",
    title="Celery overview",
    description="A Celery deployment under load. What happens to tasks comes from the ledger, by way of the exporter; "
    "docs/metrics.md explains every metric.",
    variables=(
        Variable(name="job", label="Job", query="label_values(up, job)"),
        Variable(name="instance", label="Instance", query='label_values(up{job=~"$job"}, instance)'),
        Variable(name="queue", label="Queue", query='label_values(celery_task_sent_total{job=~"$job"}, queue_name)'),
        Variable(name="task", label="Task", query='label_values(celery_task_sent_total{job=~"$job"}, name)'),
    ),
    annotations=(Query(expr=f"locust_test_info{{{SCRAPED}}}", legend="load {{run_id}}"),),
    rows=(healthy, stages, publishers, workers, broker, results, rig),
)
