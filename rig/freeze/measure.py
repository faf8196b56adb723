"""Runs an open-loop and a closed-loop load of the same rate, and lets the broker stand still in the middle of each.

The loads are those of loadtests/, by Locust, in a container beside a worker, a broker and a result store of its own.
Their users are warm before they send (`CeleryUser.run`), and what they send in the run-in is accounted for like all the
rest, but is not in the window: no percentile has it.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rig.errors import StackError
from rig.experiment.turn import ENGINE
from rig.freeze.record import CLOSED, OPEN, Loop, Record
from rig.ledger.account import Account, account
from rig.ledger.reader import read_ledger
from rig.ledger.tasks import Tasks, build
from rig.load.ids import run_digits
from rig.stack.compose import Compose
from rig.stack.docker import docker, pause
from rig.stack.paths import Checkout
from rig.stack.start import say
from rig.stack.topology import BROKER
from rig.testbed import custom
from rig.testbed.containers import Site
from rig.testbed.environment import describe

OPEN_USERS = 10  # as many as Locust starts, and as Celery's pool has connections
USER_RATE = 50.0  # tasks a second of a closed-loop user, who has one task under way at a time
RUN_IN_S = 2.0  # from the first task that is due to the window
SPARE_S = 8.0  # for Locust to start its users, and to send late what the freeze held up
PATIENCE_S = 120.0  # for the first task to be sent, and for the worker to end the last one
LAST_WORDS = 2000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A load of `rate` tasks a second for `seconds`, in the middle of which the broker stands still for `freeze` s."""

    rate: float
    seconds: float
    freeze: float

    @property
    def users(self) -> int:
        """How many users the closed loop has: as many requests can be under way when the broker stops."""
        return max(1, round(self.rate / USER_RATE))

    def command(self, loop: str) -> list[str]:
        """Return Locust's command line: the same mean rate from a schedule, or from users who wait for the broker."""
        whole = RUN_IN_S + self.seconds
        pace = {
            OPEN: ["-f", "/srv/loadtests/bursts.py", "--arrivals", f"constant rate={self.rate:g} seconds={whole:g}"],
            CLOSED: ["-f", "/srv/loadtests/noop.py", "--tasks-per-second", f"{self.rate / self.users:g}"],
        }
        users = str(OPEN_USERS if loop == OPEN else self.users)
        length = f"{whole + SPARE_S:g}s"
        return ["locust", "--headless", "--only-summary", "-u", users, "-r", users, "-t", length, *pace[loop]]


def measure(checkout: Checkout, plan: Plan) -> Record:
    """Measure both loops on containers of their own. Raises BadInput (pre-flight) and StackError."""
    load_before = os.getloadavg()[0]
    with custom.running(checkout, services(checkout.root / "compose")) as (compose, ledger):
        topology = checkout.topologies()[custom.TOPOLOGY]
        frozen = {loop: _run(compose, topology.of_role(BROKER), ledger, plan, loop) for loop in (OPEN, CLOSED)}
        tasks, drawn = _account(ledger)
        here = Site(topology=topology, compose=compose, cells=[])
        environment = describe(checkout.root, [here], {}, load_before)
        return Record(
            engine=ENGINE, rate=plan.rate, run_in=RUN_IN_S, seconds=plan.seconds, users=plan.users,
            loops={loop: _loop(tasks, loop, plan.seconds, *frozen[loop]) for loop in frozen},
            account={
                "sent": drawn.sent, "confirmed": drawn.confirmed, "executed": drawn.executed,
                "lost": len(drawn.lost), "duplicated": len(drawn.duplicated), "unexpected": len(drawn.unexpected),
            },
            environment=environment,
        )  # fmt: skip


def services(compose: Path) -> dict[str, Any]:
    """Return the worker that executes everything and the container in which Locust runs."""
    base = str(compose / "celery.yaml")
    common = {"volumes": ["{ledger}:/ledger"], "mem_limit": "512m", "restart": "no"}
    consume = ["-Q", "short", "-n", "freeze@%h", "--loglevel", "WARNING"]
    return {
        "worker": {
            "extends": {"file": base, "service": "celery"},
            "command": ["celery", "-A", "app", "worker", "--pool", "solo", *consume],
            "environment": {"RIG_ROLE": "worker"}, **common,
        },
        "locust": {
            "extends": {"file": base, "service": "locust"}, "command": ["sleep", "infinity"],
            # Who connects while the broker stands still waits until it goes on; the load by itself gives up after 2 s.
            "environment": {"RIG_SETTINGS": json.dumps({"broker_connection_timeout": 60})}, **common,
        },
    }  # fmt: skip


def _run(compose: Compose, brokers: Collection[str], ledger: Path, plan: Plan, loop: str) -> tuple[int, int]:
    """Run one load with a freeze in its middle; return when that began and ended, in monotonic nanoseconds."""
    say(f"{loop} loop: {plan.rate:g} tasks a second, the broker stands still for {plan.freeze:g} s in the middle")
    (broker,) = [each.id for each in compose.ps() if each.service in brokers]
    failures: list[StackError] = []

    def locust() -> None:
        words = ["exec", "-T", "-e", f"RIG_RUN_ID={run_digits(loop)}", "locust", *plan.command(loop)]
        try:
            compose.run(*words, timeout=plan.seconds + RUN_IN_S + SPARE_S + PATIENCE_S)
        except StackError as error:
            failures.append(error)

    load = threading.Thread(target=locust)
    load.start()
    frozen = None
    try:
        if first := _first(ledger, loop, load):
            middle = first / 1e9 + RUN_IN_S + (plan.seconds - plan.freeze) / 2
            time.sleep(max(middle - time.monotonic(), 0))
            frozen = _freeze(broker, plan.freeze)
    finally:
        load.join()
    if failures:
        raise StackError(f"the {loop} loop's Locust failed:\n{str(failures[0])[-LAST_WORDS:]}")
    if frozen is None:
        raise StackError(f"the {loop} loop's Locust has sent nothing")
    return frozen


def _freeze(container: str, seconds: float) -> tuple[int, int]:
    """Stop every process of a container for `seconds`; return from when to when it surely stood still."""
    pause(container)
    try:
        begin = time.monotonic_ns()
        time.sleep(seconds)
        return begin, time.monotonic_ns()
    finally:
        docker("unpause", container)


def _first(ledger: Path, loop: str, load: threading.Thread) -> int:
    """Wait until a load has sent something, and return when its first task was due; 0 if it sends nothing."""
    deadline = time.monotonic() + PATIENCE_S
    while load.is_alive() and time.monotonic() < deadline:
        due = _due(build(read_ledger(ledger)), loop)
        if len(due):
            return int(due.min())
        time.sleep(0.05)
    return 0


def _mine(tasks: Tasks, loop: str) -> Any:
    return np.char.startswith(tasks.id, run_digits(loop).encode()) & (tasks.sent > 0)


def _due(tasks: Tasks, loop: str) -> Any:
    return np.where(tasks.planned > 0, tasks.planned, tasks.sent)[_mine(tasks, loop)]


def _account(ledger: Path) -> tuple[Tasks, Account]:
    """Wait until everything that the broker confirmed has been executed, and account for it."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        segments = read_ledger(ledger)
        tasks = build(segments)
        if not ((tasks.confirmed > 0) & (tasks.ends == 0)).any() or time.monotonic() > deadline:
            return tasks, account(tasks, segments)
        time.sleep(0.5)


def _loop(tasks: Tasks, loop: str, seconds: float, begin: int, end: int) -> Loop:
    """Return what a load has measured in its window: from the end of the run-in on, for `seconds`."""
    due = _due(tasks, loop)
    published = tasks.published[_mine(tasks, loop)]
    start = due.min() + round(RUN_IN_S * 1e9)
    inside = (due >= start) & (due < start + round(seconds * 1e9))
    at, confirmed = due[inside] - start, published[inside] > 0
    latency = published[inside] - due[inside]
    order = np.argsort(at[confirmed], kind="stable")
    return Loop(
        at=at[confirmed][order] / 1e9, latency=latency[confirmed][order] / 1e9,
        frozen=((begin - int(start)) / 1e9, (end - int(start)) / 1e9), failed=int((~confirmed).sum()),
    )  # fmt: skip
