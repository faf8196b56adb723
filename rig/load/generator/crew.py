"""The users of a generator, which live as long as it does, and do one turn after the other.

What Celery keeps for each thread of an application (a result backend with its connection and its subscriptions, the
reply queue of rpc://) it keeps for each greenlet here. A user of its own for each turn would make all that with its
first send, inside of what is measured. These make it once, in the generator's first turn.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from gevent.event import Event
from gevent.queue import SimpleQueue
from locust import User, task
from locust.exception import StopUser

from rig.load.schedule.timer import Alarm

Work = Callable[[Alarm], None]  # what one user does in a turn, with an alarm of its own to wait for planned times


class TurnUser(User):  # type: ignore[misc]
    """Works for its crew until the generator ends."""

    crew: Crew

    @task  # type: ignore[untyped-decorator]
    def work(self) -> None:
        """Take orders."""
        alarm = Alarm()
        try:
            type(self).crew.serve(alarm)
        finally:
            alarm.close()
        raise StopUser


class Crew:
    """Locust users, as many as a turn has ever wanted. Locust starts them and counts what they send."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        self._inboxes: list[SimpleQueue[Work | None]] = []
        self._left = 0
        self._done = Event()
        TurnUser.crew = self
        environment.events.test_stopping.add_listener(self._dismiss)

    def serve(self, alarm: Alarm) -> None:
        """Be the next user: do what comes until the crew is dismissed."""
        inbox: SimpleQueue[Work | None] = SimpleQueue()
        self._inboxes.append(inbox)
        while (work := inbox.get()) is not None:
            try:
                work(alarm)
            finally:
                self._left -= 1
                if not self._left:
                    self._done.set()

    def gather(self, users: int) -> None:
        """Have at least `users` of them."""
        runner = self._environment.runner
        if len(self._inboxes) < users:
            runner.start(users, spawn_rate=users)  # all at once: Locust sleeps only between two batches
            runner.spawning_greenlet.join()

    def carry_out(self, work: Work, users: int, seconds: float) -> bool:
        """Let the first `users` of them do `work`; whether they were done within `seconds`. If not, `end` it."""
        self._left = users
        self._done.clear()
        for inbox in itertools.islice(self._inboxes, users):
            inbox.put(work)
        return bool(self._done.wait(seconds))

    def end(self) -> None:
        """Let all users go, after Locust's stop_timeout those too that are in the middle of a send."""
        self._environment.runner.stop()

    def _dismiss(self, **_: Any) -> None:
        for inbox in self._inboxes:
            inbox.put(None)
        self._inboxes = []
