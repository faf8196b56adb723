"""Where a task's time goes, stage by stage and queue by queue."""

from __future__ import annotations

from kit import Panel, Query, Row
from promql import quantile, rate

STAGES = (
    ("publish", "celery_task_publish_seconds"),
    ("queue wait", "celery_task_queue_wait_time"),
    ("prefetch wait", "celery_task_prefetch_wait_seconds"),
    ("body", "celery_task_runtime"),
    ("result write", "celery_task_result_write_seconds"),
    ("end to end", "celery_task_end_to_end_seconds"),
)

stages = Row(
    title="Where the time goes",
    panels=(
        Panel(
            title="Stages, p95", unit="s", width=12, height=9, log_scale=True,
            description="The stages of a task's life, each by itself: the highest line is what to work on. Queue wait "
            "high: too few workers. Prefetch wait high: short tasks sit behind long ones in one worker; lower its "
            "prefetch multiplier, or separate the queues. Result write high: the result store.",
            queries=tuple(Query(expr=quantile(0.95, metric), legend=name) for name, metric in STAGES),
        ),
        Panel(
            title="Rates", unit="ops", width=12, height=9,
            description="All lines lie on each other when it runs well. Sent above received: a queue grows. Received "
            "above started: tasks pile up in workers. Started above succeeded: tasks fail, or take long.",
            queries=tuple(
                Query(expr=rate(f"celery_task_{event}_total"), legend=event)
                for event in ("sent", "received", "started", "succeeded", "acked")
            ),
        ),
        Panel(
            title="Queue wait p95 by queue", unit="s", log_scale=True,
            description="From send to first receipt. One queue high and the others low: its workers are too few. "
            "`critical` above a second: what must never wait does.",
            queries=(Query(expr=quantile(0.95, "celery_task_queue_wait_time", "queue_name"), legend="{{queue_name}}"),),
        ),
        Panel(
            title="Prefetch wait p95 by queue", unit="s", log_scale=True,
            description="From receipt to start, in the worker's own buffer, where no other worker can help. Longer "
            "than a task's body times the prefetch multiplier: the pool is blocked.",
            queries=(
                Query(expr=quantile(0.95, "celery_task_prefetch_wait_seconds", "queue_name"), legend="{{queue_name}}"),
            ),
        ),
        Panel(
            title="End to end p95 by queue", unit="s", log_scale=True,
            description="From the planned send (or the send) until the task is done; a retried task counts from its "
            "first send. Rising while the body's time does not: it waits.",
            queries=(
                Query(expr=quantile(0.95, "celery_task_end_to_end_seconds", "queue_name"), legend="{{queue_name}}"),
            ),
        ),
        Panel(
            title="Executed by queue", unit="ops",
            description="Successful executions per second. A queue at 0 that is not empty: its consumers have stalled.",
            queries=(Query(expr=rate("celery_task_succeeded_total", "queue_name"), legend="{{queue_name}}"),),
        ),
        Panel(
            title="Body p95 by task", unit="s", log_scale=True,
            description="Time in the task's own code alone. Rising with the load: the code shares something that is "
            "saturated, often the CPU.",
            queries=(Query(expr=quantile(0.95, "celery_task_runtime", "name"), legend="{{name}}"),),
        ),
        Panel(
            title="Broker holds unacknowledged, p95 by queue", unit="s", log_scale=True,
            description="From receipt until the ack has left. Near RabbitMQ's consumer timeout or Redis' visibility "
            "timeout: tasks will run twice.",
            queries=(Query(expr=quantile(0.95, "celery_task_ack_seconds", "queue_name"), legend="{{queue_name}}"),),
        ),
    ),
)  # fmt: skip
