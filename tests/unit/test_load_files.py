"""What the loads of loadtests/ plan can be sent on time by the users that Locust starts by default."""

from __future__ import annotations

import heapq
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from rig.load.schedule.arrivals import SECOND_NS
from rig.load.schedule.read_arrivals import from_text, parse
from rig.load.send.sender import LATE_NS

ROOT = Path(__file__).parents[2]
CPU_NS = 2_500_000  # of one send in the process that all users share, on a slow machine; ours takes a third of it
CONFIRM_NS = 8_000_000  # from then until the broker's confirm, in which the user is not free
SECONDS = 20

# In a process of its own: Locust patches the one that imports it. Prints the number of default users, and of each user
# class of the load files how many of them it gets and, where it is an open loop, its arrivals.
DEALT = """
import importlib, json, pathlib
from locust import User
from locust.dispatch import UsersDispatcher
from rig.load.celery_user import OpenLoopUser
from rig.load.users.startup import DEFAULT_USERS
class Worker:
    id = "lone"
modules = [importlib.import_module(f"loadtests.{file.stem}") for file in sorted(pathlib.Path("loadtests").glob("*.py"))]
found = [each for module in modules for each in vars(module).values()
         if isinstance(each, type) and issubclass(each, User) and each.__module__ == module.__name__]
dispatcher = UsersDispatcher(worker_nodes=[Worker()], user_classes=found)
dispatcher.new_dispatch(DEFAULT_USERS, DEFAULT_USERS)
*_, last = dispatcher
arrivals = {each.__name__: each.arrivals for each in found if issubclass(each, OpenLoopUser)}
print(json.dumps({"users": DEFAULT_USERS, "dealt": dict(last["lone"]), "arrivals": arrivals}))
"""


def default_load() -> Any:
    done = subprocess.run([sys.executable, "-c", DEALT], cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def late(of: dict[str, tuple[str, int]]) -> float:
    """Return the share of all arrivals that are over 10 ms late, where each class has (arrivals, users)."""
    plans = [
        [(due, name) for due in itertools.takewhile(lambda due: due < SECONDS * SECOND_NS, arrivals.times())]
        for name, (text, _) in of.items()
        for arrivals in [parse(from_text(text), name)]
    ]
    free = {name: [0] * count for name, (_, count) in of.items()}
    process_ns, lags = 0, []
    for due, name in heapq.merge(*plans):
        begin = max(due, process_ns, heapq.heappop(free[name]))
        process_ns = begin + CPU_NS
        heapq.heappush(free[name], process_ns + CONFIRM_NS)
        lags.append(begin - due)
    return sum(lag > LATE_NS for lag in lags) / len(lags)


def test_what_the_default_load_plans_can_be_sent_on_time() -> None:
    load = default_load()
    dealt, arrivals = load["dealt"], load["arrivals"]
    assert sum(dealt.values()) == load["users"]
    assert all(dealt.values())
    assert len(arrivals) == 2
    assert late({name: (text, dealt[name]) for name, text in arrivals.items()}) < 0.01


def test_a_hundred_at_once_cannot() -> None:
    assert late({"Bursts": ("bursts period=2 size=100", 10)}) > 0.8
