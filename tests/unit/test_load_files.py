"""What the loads of loadtests/ plan can be sent on time by the users that Locust starts by default."""

from __future__ import annotations

import heapq
import importlib
import itertools
from pathlib import Path

from locust import User
from locust.dispatch import UsersDispatcher

from rig.load.arrivals import SECOND_NS
from rig.load.celery_user import OpenLoopUser
from rig.load.read_arrivals import from_text, parse
from rig.load.sender import LATE_NS
from rig.load.startup import DEFAULT_USERS

ROOT = Path(__file__).parents[2]
CPU_NS = 2_500_000  # of one send in the process that all users share, on a slow machine; ours takes a third of it
CONFIRM_NS = 8_000_000  # from then until the broker's confirm, in which the user is not free
SECONDS = 20


def classes() -> list[type[User]]:
    """Every user class of the load files."""
    modules = [importlib.import_module(f"loadtests.{file.stem}") for file in sorted((ROOT / "loadtests").glob("*.py"))]
    return [
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, User) and value.__module__ == module.__name__
    ]


def users(of: list[type[User]]) -> dict[str, int]:
    """How many of the default users each class gets."""
    dispatcher = UsersDispatcher(worker_nodes=[Worker()], user_classes=of)  # type: ignore[list-item]
    dispatcher.new_dispatch(DEFAULT_USERS, DEFAULT_USERS)
    *_, last = dispatcher
    return dict(last["lone"])


class Worker:
    """As much of a Locust worker as its dispatcher looks at."""

    id = "lone"


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
    found = classes()
    count = users(found)
    assert sum(count.values()) == DEFAULT_USERS
    assert all(count[each.__name__] for each in found)
    planned = {each.__name__: (each.arrivals, count[each.__name__]) for each in found if issubclass(each, OpenLoopUser)}
    assert len(planned) == 2
    assert late(planned) < 0.01


def test_a_hundred_at_once_cannot() -> None:
    assert late({"Bursts": ("bursts period=2 size=100", 10)}) > 0.8
