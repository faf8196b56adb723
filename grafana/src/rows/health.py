"""The top row: is it healthy?"""

from __future__ import annotations

from kit import SCRAPED, Panel, Query, Row
from promql import QUEUES, events, increase, quantile, rate

BAD_ENDS = ("failed", "lost", "unknown", "rejected")

healthy = Row(
    title="Is it healthy?",
    panels=(
        Panel(
            title="Scrape targets down", kind="stat", unit="none", width=3, height=4, bad_above=1,
            description="Anything above 0: a part does not answer Prometheus, and what it would show here is missing.",
            queries=(Query(expr=f"count(up{{{SCRAPED}}} == 0) or vector(0)", legend="down"),),
        ),
        Panel(
            title="Worker roles down", kind="stat", unit="none", width=3, height=4, bad_above=1,
            description="Roles of which no process lives any more. Above 0: its queue is served by nobody. A worker "
            "counts as gone for an hour, then it is forgotten.",
            queries=(
                Query(expr=f"count(max by (role) (celery_worker_up{{{SCRAPED}}}) == 0) or vector(0)", legend="down"),
            ),
        ),
        Panel(
            title="Tasks executed", kind="stat", unit="ops", width=3, height=4,
            description="Successful executions per second. 0 while the queues are not empty: workers live and do "
            "nothing.",
            queries=(Query(expr=rate("celery_task_succeeded_total"), legend="succeeded"),),
        ),
        Panel(
            title="Failed share", kind="stat", unit="percentunit", width=3, height=4, bad_above=0.01,
            description="Executions that failed, were rejected, lost their process or had no code, of all that ended. "
            "The reference tasks fail only on purpose: above 1 % something is broken.",
            queries=(
                Query(
                    expr=f"({events(*BAD_ENDS)}) / clamp_min({events('succeeded', *BAD_ENDS)}, 0.001)", legend="failed"
                ),
            ),
        ),
        Panel(
            title="Waiting in queues", kind="stat", unit="short", width=3, height=4,
            description="Tasks in the broker that no worker holds. Growing over minutes: workers are slower than "
            "publishers, and every task waits longer than the one before.",
            queries=(
                Query(
                    expr=f"sum(max by (queue_name) (celery_queue_length{{{QUEUES}}})) or vector(0)", legend="waiting"
                ),
            ),
        ),
        Panel(
            title="End to end p99", kind="stat", unit="s", width=3, height=4,
            description="One task in a hundred takes longer from its planned send until it is done. Far above the "
            "body's time: look at the stages below.",
            queries=(Query(expr=quantile(0.99, "celery_task_end_to_end_seconds"), legend="p99"),),
        ),
        Panel(
            title="Sends failed", kind="stat", unit="short", width=3, height=4, bad_above=1, reduce="max",
            description="Most within one interval. Above 0: apply_async raised, and whether the broker has the task is "
            "not known.",
            queries=(Query(expr=increase("celery_task_send_failed_total"), legend="failed"),),
        ),
        Panel(
            title="Recording problems", kind="stat", unit="short", width=3, height=4, bad_above=1, reduce="max",
            description="Damaged or missing ledger records, most within one interval. Above 0: this dashboard counts "
            "too little; the exporter's log names the file.",
            queries=(Query(expr=increase("rig_ledger_problems_total", selector=SCRAPED), legend="problems"),),
        ),
    ),
)  # fmt: skip
