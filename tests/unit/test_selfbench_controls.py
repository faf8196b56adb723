"""Each handicap has exactly the size that it says, and none where its setting is absent."""

from __future__ import annotations

import importlib
import json
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from celery import signals
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.load.ids import task_ids
from rig.selfbench.controls import late, leak, miscount, sends, setting, throttle

MS = 1_000_000
SIGNALS = [signals.task_prerun, signals.task_postrun, signals.before_task_publish, signals.worker_init]


class Clock:
    """A made-up time, and ways to wait until one that come too late."""

    def __init__(self, late_ns: int = 0) -> None:
        self.now = 1_000 * MS
        self.late_ns = late_ns

    def read(self) -> int:
        return self.now

    def wait(self, due_ns: int) -> None:
        self.now = max(self.now, due_ns) + self.late_ns

    def sleep(self, seconds: float) -> None:
        self.now += round(seconds * 1e9) + self.late_ns


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[int]]]:
    """Import a module again with settings; how many listeners each of SIGNALS has more by that."""
    before = [list(signal.receivers) for signal in SIGNALS]

    def listeners(module: Any, **values: float) -> list[int]:
        monkeypatch.setenv("RIG_SETTINGS", json.dumps(values))
        importlib.reload(module)
        return [len(signal.receivers) - len(had) for signal, had in zip(SIGNALS, before, strict=True)]

    yield listeners
    for signal, had in zip(SIGNALS, before, strict=True):
        signal.receivers[:] = had
        signal._clear_dead_receivers()
        signal.sender_receivers_cache.clear()
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("module", "settings", "added"),
    [
        (late, {late.PERCENT: 3, late.MS: 50}, [1, 0, 0, 0]), (throttle, {throttle.SETTING: 200}, [1, 0, 0, 0]),
        (leak, {leak.SETTING: 10}, [0, 1, 0, 0]), (sends, {sends.EACH: 1}, [0, 0, 1, 0]),
        (sends, {sends.FIRST: 50}, [0, 0, 1, 0]), (miscount, {miscount.SETTING: 9}, [0, 0, 0, 1]),
    ],
)  # fmt: skip
def test_a_handicap_is_there_by_its_setting_alone(
    connected: Callable[..., list[int]], module: Any, settings: dict[str, float], added: list[int]
) -> None:
    assert connected(module, imports=0) == [0, 0, 0, 0]
    assert connected(module, **settings) == added


def test_a_setting_that_is_absent_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RIG_SETTINGS", raising=False)
    assert setting("rig_send_ms") == 0
    monkeypatch.setenv("RIG_SETTINGS", '{"rig_send_ms": 1.5, "imports": ["app"]}')
    assert (setting("rig_send_ms"), setting("rig_late_ms")) == (1.5, 0)


@settings(deadline=None)  # a busy machine is no fault
@given(too_late=st.lists(st.integers(0, 3 * MS), min_size=1, max_size=50))
def test_sends_are_delayed_by_that_time_on_average_however_late_each_wait_ends(too_late: list[int]) -> None:
    clock = Clock()
    delay = sends.Delay(MS, clock.wait, clock.read)
    began = clock.now
    for clock.late_ns in too_late:
        delay.take()
    clock.late_ns = 0
    for _ in range(sum(too_late) // MS + 1):  # what was too long is made up for
        delay.take()
    assert clock.now - began == MS * (len(too_late) + sum(too_late) // MS + 1)


def test_of_two_sends_at_the_same_time_one_makes_up_for_what_another_waited_too_long() -> None:
    clock = Clock(late_ns=400_000)
    waits: list[int] = []

    def wait(due_ns: int) -> None:
        waits.append(due_ns - clock.now)
        if len(waits) == 2:
            delay.take()  # of another greenlet, meanwhile
        clock.wait(due_ns)

    delay = sends.Delay(MS, wait, clock.read)
    delay.take()
    delay.take()
    assert waits == [MS, MS - 400_000, MS]


def test_only_a_users_first_send_is_a_first_one() -> None:
    said: list[str] = []
    users = [SimpleNamespace(has_sent=False), SimpleNamespace(has_sent=False)]
    listeners = [sends.delaying(lambda: said.append("each"), lambda: said.append("first"), user) for user in users]
    for listener in [listeners[0], listeners[1], listeners[0], listeners[1]]:
        listener(sender="app.noop")
    assert said == ["each", "first", "each", "first", "each", "each"]


def test_each_greenlet_is_a_user_of_its_own() -> None:
    import gevent

    user = sends._User()
    first = sends.delaying(None, lambda: said.append(gevent.getcurrent()), user)
    said: list[Any] = []
    greenlets = [gevent.spawn(lambda: (first(), first())) for _ in range(3)]
    gevent.joinall(greenlets, raise_error=True)
    assert sorted(map(id, said)) == sorted(map(id, greenlets))


@settings(deadline=None)  # a busy machine is no fault
@given(percent=st.integers(0, 100), start=st.integers(0, 10**6))
def test_of_each_hundred_tasks_in_a_row_as_many_are_late(percent: int, start: int) -> None:
    ids = [f"0123abcd-0007-4000-8000-{number:012x}" for number in range(start, start + 100)]
    assert sum(late.is_late(task_id, percent) for task_id in ids) == percent


def test_late_tasks_do_not_follow_one_another_and_strangers_are_not_late() -> None:
    make = task_ids("0123abcd", 7, 0)
    numbers = [number for number in range(1000) if late.is_late(make(), 10)]
    assert len(numbers) == 100
    assert min(after - before for before, after in pairwise(numbers)) > 1
    assert not late.is_late("a1b2", 100)


def test_late_is_as_long_as_asked_for(connected: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch) -> None:
    connected(late, **{late.PERCENT: 3, late.MS: 50})
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    make = task_ids("0123abcd", 7, 0)
    for _ in range(200):
        signals.task_prerun.send(sender=None, task_id=make())
    assert slept == [0.05] * 6


@settings(deadline=None)  # a busy machine is no fault
@given(late_us=st.integers(0, 4000), tasks=st.integers(2, 200))
def test_starts_keep_to_the_rate_however_late_each_wait_ends(late_us: int, tasks: int) -> None:
    clock = Clock(late_us * 1000)
    pace = throttle.Pace(200, clock.read, clock.sleep)
    starts = []
    for _ in range(tasks):
        pace.wait(task_id="x")
        starts.append(clock.now)
    assert 0 <= (starts[-1] - starts[0]) - (tasks - 1) * 5 * MS <= late_us * 1000


def test_what_a_short_hiccup_cost_is_caught_up_with_and_a_pause_is_not() -> None:
    clock = Clock()
    pace = throttle.Pace(200, clock.read, clock.sleep)
    pace.wait()
    began = clock.now
    clock.now += 50 * MS
    for _ in range(20):
        pace.wait()
    assert clock.now - began == 100 * MS
    clock.now += 1000 * MS
    resumed = clock.now
    for _ in range(21):
        pace.wait()
    assert clock.now - resumed == 100 * MS


def test_threads_that_start_at_the_same_time_get_times_of_their_own() -> None:
    slept: list[float] = []
    pace = throttle.Pace(100, lambda: 1000 * MS, slept.append)
    threads = [threading.Thread(target=pace.wait) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(slept) == pytest.approx([0.01, 0.02, 0.03, 0.04])


def test_what_a_task_leaves_is_as_large_as_it_says_and_in_memory() -> None:
    before = _private_bytes()
    kept = leak.Leak(10_000, 32 << 20)
    for _ in range(2000):
        kept.keep(task_id="x")
    assert _private_bytes() - before == pytest.approx(20_000_000, abs=1_000_000)
    assert kept._kept.tell() == 20_000_000


def test_a_leak_that_finds_no_room_says_so() -> None:
    kept = leak.Leak(3000, 4096)
    kept.keep()
    with pytest.raises(ValueError):
        kept.keep()


def _private_bytes() -> int:
    with open("/proc/self/smaps_rollup") as rollup:  # noqa: PTH123
        return sum(int(line.split()[1]) for line in rollup if line.startswith("Anonymous:")) * 1024


class Broker:
    """Delivers messages to a strategy, as a consumer does, and delivers again what is given back."""

    def __init__(self, strategy: Callable[..., Any]) -> None:
        self.strategy = strategy
        self.acked: list[str] = []
        self.again: list[str] = []

    def deliver(self, task_id: str) -> None:
        message = SimpleNamespace(headers={"id": task_id})

        def ack(*_: Any) -> None:
            self.acked.append(task_id)

        def reject(*how: Any) -> None:
            self.again += [task_id] * (how[-1] is True)

        self.strategy(message, None, ack, reject, [])
        while self.again:
            self.deliver(self.again.pop())


def miscounted(posts_a_round: int, turns: list[int]) -> tuple[list[str], Broker]:
    executed: list[str] = []

    def strategy(message: Any, _body: Any, ack: Any, *_: Any) -> None:
        executed.append(message.headers["id"])
        ack(None, ())

    broker = Broker(miscount.Miscount(posts_a_round).wrap(strategy, (OSError,)))
    for turn in turns:
        make = task_ids("0123abcd", turn, 0)
        for _ in range(5):
            broker.deliver(make())
    return executed, broker


def test_one_task_of_round_1_runs_twice_and_one_of_round_2_is_acknowledged_unseen() -> None:
    executed, broker = miscounted(9, turns=[0, 8, 10, 11, 19, 20])
    every = [f"0123abcd-{turn:04x}-4000-8000-{n:012x}" for turn in (0, 8, 10, 11, 19, 20) for n in range(5)]
    assert sorted(broker.acked) == sorted(every)
    twice, never = "0123abcd-000a-4000-8000-000000000000", "0123abcd-0013-4000-8000-000000000000"
    assert {task_id: executed.count(task_id) for task_id in every if executed.count(task_id) != 1} == {
        twice: 2, never: 0,
    }  # fmt: skip


def test_nothing_is_miscounted_in_the_warm_up_and_after_round_2() -> None:
    executed, broker = miscounted(9, turns=[0, 3, 8, 27, 100])
    assert executed == broker.acked
    assert len(executed) == len(set(executed)) == 25


def test_every_task_of_a_worker_gets_the_strategy_that_miscounts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIG_SETTINGS", json.dumps({miscount.SETTING: 9}))
    executed: list[str] = []

    def start(*_: Any) -> Callable[..., None]:
        return lambda message, *_: executed.append(message.headers["id"])

    task = SimpleNamespace(start_strategy=start)
    worker = SimpleNamespace(app=SimpleNamespace(tasks={"app.noop": task}))
    miscount._attach(worker)
    broker = Broker(task.start_strategy(worker.app, SimpleNamespace(connection_errors=(OSError,))))
    make = task_ids("0123abcd", 18, 0)
    ids = [make() for _ in range(3)]
    for task_id in ids:
        broker.deliver(task_id)
    assert (broker.acked, executed) == (ids[:1], ids[1:])
