"""What a load file builds on: Locust users that send Celery tasks.

    class Noop(CeleryUser):
        queues = ("short",)

        @task
        def noop(self) -> None:
            self.celery.send("app.noop", queue="short")

`CeleryUser` is a closed loop: it sends the next task when the last one is done, --tasks-per-second at most. Such users
slow down when the broker does. `OpenLoopUser` is not: its arrivals are planned in advance, and what is late is measured
from the time it was planned for.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from time import monotonic_ns
from typing import Any, ClassVar

from locust import User, events
from locust.user.task import LOCUST_STATE_STOPPING, LOCUST_STATE_WAITING

from rig.load import lifecycle, metrics  # noqa: F401 - metrics serves Prometheus once it is imported
from rig.load.alarm import Alarm
from rig.load.arrivals import SECOND_NS, poisson
from rig.load.sender import Sender

events.init_command_line_parser.add_listener(lifecycle.add_arguments)
events.init.add_listener(lifecycle.prepare)


class CeleryUser(User):  # type: ignore[misc]
    """Sends tasks in a closed loop. Name in `queues` those it sends to: a start is refused where one does not exist."""

    abstract = True
    queues: ClassVar[tuple[str, ...]] = ()

    celery: Sender
    _state: str | None  # Locust's

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.celery = environment.celery_rig.session.sender
        self._next_ns = 0
        self._alarm: Alarm | None = None
        self._stopped_waiting = False

    @property
    def rate(self) -> float:
        """Tasks a second that this user may send at most; 0 for no limit."""
        return float(self.environment.parsed_options.tasks_per_second)

    def wait_time(self) -> float:
        """Wait until the next task may start. What could not be sent in time is not made up for."""
        if self.rate <= 0:
            return 0.0
        self._next_ns = max(self._next_ns + int(SECOND_NS / self.rate), monotonic_ns())
        return self.wait_until(self._next_ns)

    def wait_until(self, due_ns: int) -> float:
        """Wait until the monotonic time `due_ns` or the end of the test; return 0: what Locust still has to wait."""
        if self._alarm is None:
            self._alarm = Alarm()
        self._alarm.wait(due_ns)
        return 0.0

    def start(self, group: Any) -> Any:
        """Start, unless the test is over by now."""
        if self.environment.celery_rig.stopped:
            self._group = group
            self._greenlet = group.spawn(lambda _: None, self)  # Locust wants one to count and to wait for
            return self._greenlet
        return super().start(group)

    def stop(self, force: bool = False) -> bool:
        """Stop between two tasks.

        Locust kills a user that waits, and by the time the kill arrives the user may have begun to send: it would be
        cut off in the middle. So a waiting user is woken instead, to find that it is to stop.
        """
        if self._state == LOCUST_STATE_WAITING and not force:
            self._state = LOCUST_STATE_STOPPING
            self._stopped_waiting = True
            if self._alarm is not None:
                self._alarm.ring()
        elif self._state != LOCUST_STATE_STOPPING or force:  # said twice is an error to Locust; two signals do say it
            return bool(super().stop(force))
        return False

    def on_stop(self) -> None:
        """Let go of the clock. A load file's own `on_stop` calls this one."""
        if self._alarm is not None:
            self._alarm.close()


class OpenLoopUser(CeleryUser):
    """Sends tasks when its plan says so, --tasks-per-second on average; give `planned_ns=self.planned_ns` to each send.

    Its plan is a Poisson process of its own, so any number of such users together are one, too. With a rate of 0 there
    is no plan: it is a closed loop without a limit.
    """

    abstract = True

    _numbers = itertools.count()

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.planned_ns = 0
        self._start_ns = 0
        self._times = self.arrivals()

    def arrivals(self) -> Iterator[int]:
        """Return the planned times in nanoseconds after this user's start. The same run and user: the same times."""
        seed = f"{self.environment.celery_rig.session.run}/{next(self._numbers)}"
        return poisson(self.rate, seed=seed) if self.rate > 0 else itertools.repeat(0)

    def on_start(self) -> None:
        """Wait for the first planned time."""
        self._start_ns = monotonic_ns()
        self.wait()

    def wait_time(self) -> float:
        """Wait for the next planned time."""
        if self.rate <= 0:
            return 0.0
        self.planned_ns = self._start_ns + next(self._times)
        return self.wait_until(self.planned_ns)

    def on_stop(self) -> None:
        """Count what was due and has not been sent."""
        super().on_stop()
        if self.rate <= 0:
            return
        now = monotonic_ns()
        # Stopped while waiting, it has not sent what it waited for; stopped in a task, it has.
        due = self.planned_ns if self._stopped_waiting else self._start_ns + next(self._times)
        while due <= now:
            self.celery.tally.unsent += 1
            due = self._start_ns + next(self._times)
