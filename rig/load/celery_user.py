"""What a load file builds on: Locust users that send Celery tasks.

    class Noop(CeleryUser):
        queues = ("short",)

        @task
        def noop(self) -> None:
            self.celery.send("app.noop", queue="short")

`CeleryUser` is a closed loop: it sends the next task when the last one is done, --tasks-per-second at most. Such users
slow down when the broker does. `OpenLoopUser` is not: its arrivals are planned (`arrivals = "poisson rate=50"`),
and what is late is measured from the time it was planned for.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping, Sequence
from time import monotonic_ns
from typing import Any, ClassVar

from gevent import GreenletExit
from locust import User, events
from locust.exception import StopUser
from locust.user.task import LOCUST_STATE_RUNNING, LOCUST_STATE_STOPPING, LOCUST_STATE_WAITING

from rig.load.schedule.arrivals import SECOND_NS
from rig.load.schedule.slice import Share
from rig.load.schedule.timer import Alarm
from rig.load.send.error_text import class_and_words
from rig.load.send.sender import Sender
from rig.load.users import metrics, startup  # noqa: F401 - metrics serves Prometheus once it is imported

NEVER_NS = 1 << 62
NOTHING: Mapping[str, Any] = {}
GOLDEN = 0.6180339887498949  # multiples of it, less their whole part, are evenly spread however many there are

log = logging.getLogger(__name__)
_numbers = itertools.count()

events.init_command_line_parser.add_listener(startup.add_arguments)
events.init.add_listener(startup.prepare)


class CeleryUser(User):  # type: ignore[misc]
    """Sends tasks in a closed loop. Name in `queues` those it sends to: a start is refused where one does not exist.

    `waits` says that it waits for results, so that what this takes is made before its first task.
    """

    abstract = True
    queues: ClassVar[tuple[str, ...]] = ()
    waits: ClassVar[bool] = False

    celery: Sender | Planned
    _state: str | None  # Locust's

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.celery = environment.celery_rig.session.sender
        self._next_ns = 0
        self._phase = next(_numbers) * GOLDEN % 1.0
        self._alarm: Alarm | None = None
        self._stopped_waiting = False

    @property
    def rate(self) -> float:
        """Tasks a second that this user may send at most; 0 for no limit."""
        return float(self.environment.parsed_options.tasks_per_second)

    def wait_time(self) -> float:
        """Wait until the next task may start. What could not be sent in time is not made up for.

        Each user keeps to a beat of its own. Users in step, as those are who start together or whom the broker let wait
        together, would send all at once for the rest of the test, and what an open loop has planned for that moment
        would be late.
        """
        if self.rate <= 0:
            return 0.0
        beat, now = int(SECOND_NS / self.rate), monotonic_ns()
        if not self._next_ns:
            self._next_ns = now - int(self._phase * beat)
        self._next_ns += beat
        if self._next_ns <= now:
            self._next_ns += (now - self._next_ns) // beat * beat
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

    def run(self) -> None:
        """Get warm, then do what a load file says: an `on_start` of its own need not know of this."""
        self._state = LOCUST_STATE_RUNNING
        try:
            self.celery.prime(wait=self.waits)
        except Exception as error:  # its sends will fail likewise, and those are counted
            log.warning("a user of %s starts cold: %s", type(self).__name__, class_and_words(error))
        self.environment.celery_rig.schedules.count_warm()
        if self._state != LOCUST_STATE_STOPPING:
            super().run()

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


class Planned:
    """The sender of one open-loop user: what it sends was planned for when the user's current arrival was."""

    def __init__(self, sender: Sender, user: OpenLoopUser) -> None:
        self._sender = sender
        self._user = user

    def send(self, task: str, args: Sequence[Any] = (), kwargs: Mapping[str, Any] = NOTHING, **options: Any) -> str:
        """Send as `Sender.send` does; a `planned_ns` that is given holds."""
        options.setdefault("planned_ns", self._user.planned_ns)
        return self._sender.send(task, args, kwargs, **options)

    def __getattr__(self, name: str) -> Any:
        """Return what else the sender has."""
        return getattr(self._sender, name)


class OpenLoopUser(CeleryUser):
    """Sends tasks when its class's plan says so, and `self.celery.send` counts the time of each from that moment on.

    `arrivals` is the schedule of all users of the class together, on all Locust workers: "poisson rate=50"
    (docs/loads.md has all kinds); --arrivals overrides it. Each arrival goes to one user who is free.
    """

    abstract = True
    arrivals: ClassVar[str] = ""

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.planned_ns = 0
        self.celery = Planned(environment.celery_rig.session.sender, self)
        self._share: Share = environment.celery_rig.schedules.shares[type(self).__name__]

    def on_start(self) -> None:
        """Wait for the first planned time."""
        try:
            self.wait()
        except StopUser:  # which Locust takes for an error in here
            raise GreenletExit from None

    def wait_time(self) -> float:
        """Wait for the next planned time."""
        while not self._stopped_waiting:
            self.planned_ns = self._share.take(self.wake)
            if self.planned_ns:
                return self.wait_until(self.planned_ns)
            self.wait_until(NEVER_NS)
        return 0.0

    def wake(self) -> None:
        """End the waiting."""
        if self._alarm is not None:
            self._alarm.ring()

    def on_stop(self) -> None:
        """Give back what was taken and not sent: a user that is stopped in a task has sent it."""
        super().on_stop()
        if self._stopped_waiting and self.planned_ns:
            self._share.give_back(self.planned_ns)
