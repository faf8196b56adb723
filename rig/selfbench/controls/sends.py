"""In a generator: makes each send, or the first one of each user, take longer by a known time.

The settings rig_send_ms and rig_first_send_ms are these times. `publish_ms` of a variant whose every send is delayed is
greater by rig_send_ms: the delay lies within the call that sends, which is what is timed, and other users send
meanwhile, as they do while the broker makes one wait. The mean is exact by feedback: what one delay was too long, the
next one is shorter.

A variant whose first sends alone are delayed must differ in nothing: each user's first send is in the warm-up.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic_ns
from typing import Any

from celery import signals
from gevent.local import local

from rig.load.schedule.timer import Alarm
from rig.selfbench.controls import setting

EACH, FIRST = "rig_send_ms", "rig_first_send_ms"


class Delay:
    """Lets a caller wait for `each_ns`. `wait` waits until a time of `clock`, and may let other callers run."""

    def __init__(self, each_ns: int, wait: Callable[[int], None], clock: Callable[[], int] = monotonic_ns) -> None:
        self._each_ns = each_ns
        self._carried_ns = 0  # what the delays so far were too short, below zero: too long
        self._wait = wait
        self._clock = clock

    def take(self) -> None:
        """Wait. What is carried is taken at once, so that of two callers at the same time one makes up for it."""
        began = self._clock()
        due, self._carried_ns = self._each_ns + self._carried_ns, 0
        if due > 0:
            self._wait(began + due)
        self._carried_ns += due - (self._clock() - began)


class _User(local):  # type: ignore[misc]
    """What each greenlet has of its own."""

    has_sent = False

    def __init__(self) -> None:
        self.alarm = Alarm()


def delaying(each: Callable[[], None] | None, first: Callable[[], None] | None, user: Any) -> Callable[..., None]:
    """Return a listener to `before_task_publish`: `each` is called for every send, `first` for a user's first."""

    def delayed(**_: Any) -> None:
        if each:
            each()
        if first and not user.has_sent:
            user.has_sent = True
            first()

    return delayed


def _attach() -> None:
    user = _User()
    each, first = (
        Delay(int(ms * 1e6), lambda due_ns: user.alarm.wait(due_ns)).take if ms else None
        for ms in (setting(EACH), setting(FIRST))
    )
    if each or first:
        signals.before_task_publish.connect(delaying(each, first, user), weak=False)


_attach()
