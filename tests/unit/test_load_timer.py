"""An alarm wakes at its time, not before, and sooner after it than gevent's own timers do."""

from __future__ import annotations

import statistics
from pathlib import Path
from time import monotonic_ns

import gevent
import gevent.socket
import pytest

from rig.load.schedule.timer import Alarm

MS = 1_000_000


def test_it_wakes_at_its_time_and_never_before() -> None:
    alarm = Alarm()
    for wait in (0.1, 1.3, 0.7, 3.9) * 5:
        due = monotonic_ns() + int(wait * MS)
        alarm.wait(due)
        assert monotonic_ns() >= due
    alarm.close()


def test_it_is_more_exact_than_sleep() -> None:
    def lag(wait: object) -> int:
        due = monotonic_ns() + 2_300_000
        wait(due)  # type: ignore[operator]
        return monotonic_ns() - due

    alarm = Alarm()
    by_alarm = statistics.median(lag(alarm.wait) for _ in range(60))
    by_sleep = statistics.median(lag(lambda due: gevent.sleep((due - monotonic_ns()) / 1e9)) for _ in range(60))
    alarm.close()
    assert by_alarm < by_sleep / 2


def test_others_run_while_it_waits_and_may_ring_it() -> None:
    alarm, order = Alarm(), []

    def sleeper() -> None:
        alarm.wait(monotonic_ns() + 3_600_000 * MS)  # an hour
        order.append("woken")
        alarm.wait(monotonic_ns() + MS)  # it can be set again
        order.append("woken again")

    waiting = gevent.spawn(sleeper)
    gevent.sleep(0.01)
    order.append("rung")
    alarm.ring()
    waiting.join(timeout=10)
    assert order == ["rung", "woken", "woken again"]
    alarm.close()


def test_past_times_do_not_wait_and_a_kill_gets_through() -> None:
    alarm = Alarm()
    alarm.wait(monotonic_ns() - MS)
    alarm.wait(0)
    waiting = gevent.spawn(alarm.wait, monotonic_ns() + 3_600_000 * MS)
    gevent.sleep(0.01)
    waiting.kill(timeout=10)
    assert waiting.dead
    alarm.close()


def test_closed_alarms_leave_no_file_open() -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = open_files()
    alarms = [Alarm() for _ in range(20)]
    for alarm in alarms[:10]:
        alarm.close()
        alarm.close()
    del alarms, alarm
    assert open_files() == before


@pytest.mark.parametrize("comes_in_first", [True, False])
def test_what_is_due_goes_before_what_has_come_in(comes_in_first: bool) -> None:
    near, far = gevent.socket.socketpair()
    alarm, order = Alarm(), []

    def reader() -> None:
        near.recv(1)
        order.append("answer")

    def sender() -> None:
        alarm.wait(monotonic_ns() + 10 * MS)
        order.append("due")

    waiting = [gevent.spawn(reader), gevent.spawn(sender)]
    gevent.sleep(0.001)  # both wait
    if comes_in_first:
        far.sendall(b"x")
    until = monotonic_ns() + 20 * MS
    while monotonic_ns() < until:
        pass  # nobody gets to run, and then both may
    if not comes_in_first:
        far.sendall(b"x")
    gevent.joinall(waiting, timeout=10)
    assert order == ["due", "answer"]
    for each in (alarm, near, far):
        each.close()
