"""What every topology must do, shown on real containers: `rig up`, a load from Locust, and four counters that agree."""

from __future__ import annotations

import json
import re
import urllib.error
from collections import Counter
from typing import Any

import numpy as np
import pytest

from rig.ledger import layout
from rig.ledger.account import account
from rig.ledger.tasks import Tasks
from tests.stack.conftest import TOPOLOGIES, Stack, locust_requests, wait_until

QUEUES = {"short", "long", "io", "critical", "bulk"}
NODES = {f"{queue}@" for queue in QUEUES}

pytestmark = pytest.mark.parametrize("stack", TOPOLOGIES, indirect=True)


def test_a_canary_ran_on_every_queue_before_up_came_back(stack: Stack) -> None:
    tasks = stack.tasks()
    done = {
        tasks.kinds[kind][1]
        for kind, outcome in zip(tasks.kind, tasks.outcome, strict=True)
        if tasks.kinds[kind][0] == "app.canary" and layout.OUTCOMES.get(int(outcome)) == "succeeded"
    }
    assert done == QUEUES
    status = stack.rig("status")
    assert all(container.service in status for container in stack.compose.ps())


def test_every_published_id_ran_once_and_four_counters_agree(stack: Stack) -> None:
    quiet = ("beat", "flower")  # so that nobody but Locust sends, and what the broker counts is all Locust's
    stack.compose.run("stop", *quiet)
    try:
        four_counters(stack)
    finally:
        stack.compose.run("start", *quiet)


def four_counters(stack: Stack) -> None:
    before = Counters(stack)
    # At the rate of the files a queue that one task in fifty goes to might get none in so short a time.
    rate = ("--arrivals", "poisson rate=60")
    statistics = stack.locust("-f", "loadtests/", "-u", "20", "-r", "20", "-t", "10s", *rate)
    assert [entry["name"] for entry in statistics if entry["num_failures"]] == []
    by_locust = locust_requests(statistics)
    assert set(by_locust) == QUEUES

    def drained() -> bool:
        account_now = account(stack.tasks(), stack.ledger())
        return not account_now.lost

    wait_until("all that was published to be executed", drained, seconds=90)
    drawn = account(stack.tasks(), stack.ledger())
    assert drawn.invalid == []
    assert (drawn.lost, drawn.duplicated, drawn.unexpected, drawn.indeterminate) == ([], [], [], 0)

    in_ledger = before.ledger_since()
    assert in_ledger == by_locust
    wait_until("the broker to count what the ledger has", before.broker_agrees, seconds=90)
    wait_until("the exporter, too", lambda: before.exporter_since() == before.ledger_since(), seconds=60)


class Counters:
    """Ledger, broker and exporter as they stood when this was made, to be compared with how they stand now."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.sent = sent_by_queue(stack.tasks())
        self.broker = broker_count(stack)
        # Let the exporter's numbers settle: what beat sent last may be executed and not scraped yet.
        wait_until("the exporter to have caught up", lambda: self.succeeded() == succeeded_by_queue(stack.tasks()))
        self.exported = self.succeeded()

    def succeeded(self) -> Counter[str]:
        counts = self.stack.query("sum by (queue_name) (celery_task_succeeded_total)")
        return Counter({queue: int(count) for queue, count in counts.items() if count})

    def ledger_since(self) -> dict[str, int]:
        return dict(sent_by_queue(self.stack.tasks()) - self.sent)

    def broker_agrees(self) -> bool:
        """Whether the broker counts what the ledger has, now: workers' health checks send canaries after a while, too.

        RabbitMQ's counts are up to two of its statistics intervals old (20 s), so one taken beforehand would say
        nothing. It is compared from its start on, and so is the ledger of a stack that keeps its segments.
        """
        now = broker_count(self.stack)
        if "" in now:  # Redis counts commands, not queues, and other commands than those that send a task
            return now[""] - self.broker[""] == sum(self.ledger_since().values())
        return now == sent_by_queue(self.stack.tasks())

    def exporter_since(self) -> dict[str, int]:
        return dict(self.succeeded() - self.exported)


def sent_by_queue(tasks: Tasks) -> Counter[str]:
    return by_queue(tasks, tasks.confirmed > 0)


def succeeded_by_queue(tasks: Tasks) -> Counter[str]:
    return by_queue(tasks, tasks.outcome == layout.OUTCOME_CODE["succeeded"])


def by_queue(tasks: Tasks, which: Any) -> Counter[str]:
    counts = np.bincount(tasks.kind[which], minlength=len(tasks.kinds))
    total: Counter[str] = Counter()
    for (_, queue), count in zip(tasks.kinds, counts, strict=True):
        total[queue] += int(count)
    return +total


def broker_count(stack: Stack) -> Counter[str]:
    """What the broker says it was sent: by queue on RabbitMQ, as one sum under "" on Redis (LPUSH commands)."""
    if stack.topology == "rabbitmq":
        path = "/api/queues/app?columns=name,message_stats.publish"
        queues = json.loads(stack.get("rabbitmq", 15672, path, "monitor", stack.secret("monitor_password")))
        counts = {queue["name"]: queue.get("message_stats", {}).get("publish", 0) for queue in queues}
        return Counter({queue: count for queue, count in counts.items() if queue in QUEUES})
    answer = redis_cli(stack, primary(stack), "info", "commandstats")
    found = re.search(r"cmdstat_lpush:calls=(\d+)", answer)
    return Counter({"": int(found[1]) if found else 0})


def primary(stack: Stack, dead: str = "") -> str:
    """The service that is the broker's Redis now; empty while none of those alive says that it is."""
    if stack.topology == "redis":
        return "redis"
    alive = [node for node in REDIS_NODES if node != dead]
    return next((node for node in alive if "role:master" in redis_cli(stack, node, "info", "replication")), "")


REDIS_NODES = ("redis-1", "redis-2", "redis-3")


def redis_cli(stack: Stack, service: str, *words: str) -> str:
    port = {"redis-2": 6380, "redis-3": 6381}.get(service, 6379)
    login = 'REDISCLI_AUTH="$(cat /run/secrets/monitor_password)"'
    script = f"{login} redis-cli -p {port} --user monitor {' '.join(words)}"
    return stack.compose.run("exec", "-T", service, "sh", "-c", script)


def test_every_scrape_target_is_up(stack: Stack) -> None:
    wait_until("every scrape target to be up", lambda: set(stack.query("up").values()) == {1.0})
    jobs = {series.split("/")[-1] for series in stack.query("count by (job) (up)")}
    expected = {"celery", "locust", "prometheus", "redis"} | ({"rabbitmq"} if stack.topology == "rabbitmq" else set())
    assert expected <= jobs


def test_prometheus_answers_for_the_pinned_queues(stack: Stack) -> None:
    rates = wait_until(
        "a rate for every queue",
        lambda: (
            (found := stack.query("sum by (queue_name) (rate(celery_task_succeeded_total[1m]))"))
            and set(found) >= QUEUES
            and found
        ),
    )
    assert all(rate >= 0 for rate in rates.values())


def test_flower_shows_the_workers_and_refuses_a_stranger(stack: Stack) -> None:
    wait_until("Flower to answer", lambda: stack.get("flower", 5555, "/healthcheck"))  # it may have been stopped above
    with pytest.raises(urllib.error.HTTPError) as refused:
        stack.get("flower", 5555, "/workers")
    assert refused.value.code == 401
    with pytest.raises(urllib.error.HTTPError) as refused:
        stack.get("flower", 5555, "/workers", "admin", "wrong password")
    assert refused.value.code == 401

    def all_workers() -> bool:
        page = stack.get("flower", 5555, "/workers?json=1", "admin", stack.secret("flower_password")).decode()
        return all(node in page for node in NODES)

    wait_until("Flower to list the five workers", all_workers)
