"""What the ledger says when a container is killed in the middle of a load."""

from __future__ import annotations

import subprocess
import threading
import time

import numpy as np
import pytest

from rig.ledger.account import Account, account
from rig.load.ids import origin
from tests.stack.conftest import Stack, wait_until
from tests.stack.test_topologies import primary

POOL_PROCESSES = 2  # of worker-short


def container(stack: Stack, service: str) -> str:
    return next(one.name for one in stack.compose.ps() if one.service == service)


def kill(stack: Stack, service: str) -> None:
    subprocess.run(["docker", "kill", "--signal=KILL", container(stack, service)], check=True, capture_output=True)


def start_load(stack: Stack, file: str, *, seconds: int, rate: int) -> threading.Thread:
    """Start Locust in the background; requests may fail while something is dead."""
    options = ("-u", "4", "-r", "4", "-t", f"{seconds}s", "--tasks-per-second", str(rate), "--exit-code-on-error", "0")
    load = threading.Thread(target=stack.locust, args=("-f", file, *options), kwargs={"timeout": seconds + 120})
    load.start()
    return load


def draw(stack: Stack) -> Account:
    return account(stack.tasks(), stack.ledger(), now_ns=time.monotonic_ns())


@pytest.mark.parametrize("stack", ["rabbitmq"], indirect=True)
def test_a_killed_worker_loses_what_it_was_running_and_the_account_names_it(stack: Stack) -> None:
    def some_are_held() -> bool:
        tasks = stack.tasks()
        held = [kind for kind, pair in enumerate(tasks.kinds) if pair[0] == "app.fetch"]
        return int(((tasks.started > 0) & (tasks.ends == 0) & np.isin(tasks.kind, held)).sum()) == POOL_PROCESSES

    load = start_load(stack, "tests/stack/loads/held.py", seconds=6, rate=3)
    wait_until("tasks in both pool processes", some_are_held)
    kill(stack, "worker-short")
    killed_ns = time.monotonic_ns()
    time.sleep(1)
    stack.compose.run("start", "worker-short")
    load.join()

    def only_the_killed_are_missing() -> bool:
        tasks = stack.tasks()
        missing = (tasks.confirmed > 0) & (tasks.ends == 0) & (tasks.expires == 0)
        return bool(((tasks.started[missing] > 0) & (tasks.started[missing] < killed_ns)).all())

    wait_until("the backlog to be executed", only_the_killed_are_missing, seconds=90)
    drawn = draw(stack)
    print(f"lost, by id: {drawn.lost}")
    assert drawn.invalid == []  # a ledger that its writer was killed under is whole
    # A canary that is under way while the account is drawn has no end yet: only the load's own tasks are counted.
    lost = [task_id for task_id in drawn.lost if origin(task_id)]
    assert 1 <= len(lost) <= POOL_PROCESSES
    assert lost == [task_id for task_id in drawn.started_not_finished if origin(task_id)]
    tasks = stack.tasks()
    for task_id in lost:
        row = int((tasks.id == task_id.encode()).nonzero()[0][0])
        assert tasks.kinds[tasks.kind[row]] == ("app.fetch", "short")
        assert tasks.started[row] < killed_ns
        assert tasks.acked[row] != 0  # acked before it ran: that is why the broker did not give it to anyone else


@pytest.mark.parametrize("stack", ["redis-sentinel"], indirect=True)
def test_tasks_published_after_a_failover_are_executed(stack: Stack) -> None:
    dead = primary(stack)
    load = start_load(stack, "loadtests/noop.py", seconds=40, rate=50)
    tasks_before = len(stack.tasks())
    wait_until("the load to be under way", lambda: len(stack.tasks()) > tasks_before + 100)
    kill(stack, dead)
    successor = wait_until("the sentinels to promote a replica", lambda: primary(stack, dead), seconds=60)
    load.join()
    promoted_ns = time.monotonic_ns()

    # Whatever the failover did to workers, beat goes on sending canaries: each queue must execute new ones by itself.
    def all_queues_again() -> bool:
        tasks = stack.tasks()
        fresh = (tasks.sent > promoted_ns) & (tasks.finished > 0)
        return {tasks.kinds[kind][1] for kind in tasks.kind[fresh]} >= {"short", "long", "io", "critical", "bulk"}

    wait_until("every queue to execute what was published after the failover", all_queues_again, seconds=150)
    stack.locust("-f", "loadtests/noop.py", "-u", "4", "-r", "4", "-t", "5s", "--tasks-per-second", "50")
    after_ns = time.monotonic_ns()
    wait_until("what was published after that to be executed", lambda: not lost_between(stack, promoted_ns, after_ns))
    drawn = draw(stack)
    print(
        f"{dead} killed, {successor} promoted: {drawn.confirmed} confirmed, {drawn.executed} executed, "
        f"{len(drawn.lost)} lost, {len(drawn.duplicated)} duplicated, {drawn.indeterminate} indeterminate, "
        f"{drawn.recovered} of them executed; lost: {drawn.lost}"
    )
    assert drawn.invalid == []
    assert drawn.unexpected == []
    stack.compose.run("start", dead)


def lost_between(stack: Stack, since_ns: int, until_ns: int) -> int:
    tasks = stack.tasks()
    sent_then = (tasks.sent > since_ns) & (tasks.sent < until_ns) & (tasks.confirmed > 0)
    return int((sent_then & (tasks.ends == 0) & (tasks.expires == 0)).sum())
