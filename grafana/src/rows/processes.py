"""Who sends and who executes: publishers and workers."""

from __future__ import annotations

from kit import SCRAPED, Panel, Query, Row
from promql import quantile, rate

publishers = Row(
    title="Publishers",
    panels=(
        Panel(
            title="Locust: users and requests", unit="short",
            description="Requests per second by outcome. Any line `failed`: a user saw an error. Users up and requests "
            "flat: something is saturated.",
            queries=(
                Query(expr=f"sum(locust_users{{{SCRAPED}}})", legend="users"),
                Query(expr=rate("locust_requests_total", "method, result", SCRAPED), legend="{{method}} {{result}} /s"),
            ),
        ),
        Panel(
            title="Locust: response times", unit="s", log_scale=True,
            description="As users saw them, failures included: `send` until the send returned, `result` until the "
            "result was read. p99 far above p50: some wait for others.",
            queries=tuple(
                Query(
                    expr=quantile(percent / 100, "locust_response_seconds", "method", SCRAPED),
                    legend=f"{{{{method}}}} p{percent}",
                )
                for percent in (50, 95, 99)
            ),
        ),
        Panel(
            title="Publish and generator lag, p95", unit="s", log_scale=True,
            description="Publish: how long a send takes; with confirms it holds a write to disk. Generator lag: how "
            "late a send was begun. Lag above some milliseconds: the generator is too slow, the load is not what it "
            "claims to be.",
            queries=(
                Query(expr=quantile(0.95, "celery_task_publish_seconds", "role"), legend="publish by {{role}}"),
                Query(expr=quantile(0.95, "rig_generator_lag_seconds", "role"), legend="lag of {{role}}"),
            ),
        ),
    ),
)  # fmt: skip

workers = Row(
    title="Workers",
    panels=(
        Panel(
            title="Tasks running", unit="short",
            description="Executions begun and not ended. Equal to the pool's size all the time: the worker is full. "
            "Constant while nothing ends: its tasks hang.",
            queries=(
                Query(expr=f"sum by (role) (celery_worker_tasks_active{{{SCRAPED}}})", legend="{{role}}"),
            ),
        ),
        Panel(
            title="Tasks held unacknowledged", unit="short",
            description="What the broker has given to the worker and not got back. At its prefetch limit for long: it "
            "takes nothing new. These tasks run again if the worker dies.",
            queries=(
                Query(expr=f"sum by (role) (celery_worker_tasks_unacked{{{SCRAPED}}})", legend="{{role}}"),
            ),
        ),
        Panel(
            title="Executions that did not succeed", unit="ops",
            description="`lost`: the process died, often out of memory. `unknown`: a worker without the task's code. "
            "`failed`: the task raised. `expired` and `revoked` are somebody's wish.",
            queries=tuple(
                Query(expr=rate(f"celery_task_{event}_total"), legend=event)
                for event in ("failed", "retried", "rejected", "revoked", "expired", "unknown", "lost")
            ),
        ),
    ),
)  # fmt: skip
