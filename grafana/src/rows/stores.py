"""What holds tasks and results: the broker, the result store, Sentinel."""

from __future__ import annotations

from kit import SCRAPED, Panel, Query, Row
from promql import BROKER, QUEUES, RESULTS, rate

broker = Row(
    title="Broker",
    panels=(
        Panel(
            title="Queue length", unit="short",
            description="Tasks that no worker holds yet. A steady climb: more comes in than goes out. On Redis an "
            "empty queue has no line.",
            queries=(
                Query(
                    expr=f"max by (queue_name) (celery_queue_length{{{QUEUES}}})", legend="{{queue_name}}"
                ),
            ),
        ),
        Panel(
            title="Unacknowledged and consumers", unit="short",
            description="A queue without consumers is served by nobody (RabbitMQ only). Unacknowledged without a "
            "worker that holds them: a connection that is dead and not noticed yet.",
            queries=(
                Query(
                    expr=f"max by (queue_name) (celery_queue_unacked{{{SCRAPED}}})", legend="unacked {{queue_name}}"
                ),
                Query(
                    expr=f"max by (queue_name) (celery_active_consumer_count{{{QUEUES}}})",
                    legend="consumers {{queue_name}}",
                ),
            ),
        ),
        Panel(
            title="RabbitMQ: messages", unit="ops",
            description="Empty on other brokers. Redelivered above 0: workers die or lose their connection. Confirmed "
            "below received: the disk is slow, or publishers do not ask for confirms.",
            queries=tuple(
                Query(expr=rate(f"rabbitmq_global_messages_{what}_total", selector=SCRAPED), legend=what)
                for what in ("received", "confirmed", "delivered", "acknowledged", "redelivered")
            ),
        ),
        Panel(
            title="RabbitMQ: memory of its limit", unit="percentunit", bad_above=1,
            description="Empty on other brokers. At 100 % the memory alarm blocks every publisher until consumers "
            "catch up.",
            queries=(
                Query(
                    expr=f"max(rabbitmq_process_resident_memory_bytes{{{SCRAPED}}}) / "
                    f"max(rabbitmq_resident_memory_limit_bytes{{{SCRAPED}}})",
                    legend="memory",
                ),
                Query(expr=f"max(rabbitmq_alarms_memory_used_watermark{{{SCRAPED}}})", legend="alarm"),
            ),
        ),
        Panel(
            title="Redis broker: memory of its limit", unit="percentunit", bad_above=0.9,
            description="Empty on other brokers. At 100 % publishing fails, and a worker with a backlog ends "
            "(https://github.com/celery/celery/issues/5716).",
            queries=(
                Query(
                    expr=f"redis_memory_used_bytes{{{BROKER}}} / (redis_memory_max_bytes{{{BROKER}}} > 0)",
                    legend="{{instance}}",
                ),
            ),
        ),
        Panel(
            title="Redis broker: time a command", unit="s", log_scale=True,
            description="Empty on other brokers. Mean time in the server. Above a millisecond: a slow disk under the "
            "append-only file, or swap.",
            queries=(
                Query(
                    expr=f"{rate('redis_commands_duration_seconds_total', 'instance', BROKER)} / "
                    f"({rate('redis_commands_total', 'instance', BROKER)} > 0)",
                    legend="{{instance}}",
                ),
            ),
        ),
    ),
)  # fmt: skip

results = Row(
    title="Result store and Sentinel",
    panels=(
        Panel(
            title="Result store: commands", unit="ops",
            description="About six commands for each stored result. High while results should be ignored: a task "
            "stores what nobody reads.",
            queries=(
                Query(expr=rate("redis_commands_processed_total", "instance", RESULTS), legend="{{instance}}"),
            ),
        ),
        Panel(
            title="Result store: memory of its limit", unit="percentunit", bad_above=0.9,
            description="At 100 % it evicts: results vanish before they are read, and a client waits in "
            "vain.",
            queries=(
                Query(
                    expr=f"redis_memory_used_bytes{{{RESULTS}}} / (redis_memory_max_bytes{{{RESULTS}}} > 0)",
                    legend="{{instance}}",
                ),
            ),
        ),
        Panel(
            title="Result store: results evicted", unit="ops", bad_above=0.001,
            description="Anything above 0: results are thrown away before they expire.",
            queries=(Query(expr=rate("redis_evicted_keys_total", "instance", RESULTS), legend="{{instance}}"),),
        ),
        Panel(
            title="Redis nodes that do not answer", unit="none", bad_above=1, width=12, height=6,
            description="redis-exporter answers for a Redis that is down, so the scrape target stays up. Above 0: a "
            "broker, a result store or a sentinel is away.",
            queries=(Query(expr=f"count(redis_up{{{SCRAPED}}} == 0) or vector(0)", legend="down"),),
        ),
        Panel(
            title="Sentinels that agree", unit="none", width=12, height=6,
            description="Empty without Sentinel. Below 2 of 3: no majority, so a primary that dies is not replaced.",
            queries=(
                Query(
                    expr=f"min by (master_name) (redis_sentinel_master_ok_sentinels{{{SCRAPED}}})",
                    legend="{{master_name}}",
                ),
            ),
        ),
    ),
)  # fmt: skip
