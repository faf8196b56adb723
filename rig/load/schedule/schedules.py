"""One open-loop schedule for a whole test, dealt out over its Locust processes and their users.

Each class of open-loop users has a schedule. It begins when all users are there and warm: the lone process or the
master then says when, and which processes have users of the class. Of n such processes each sends every n-th arrival,
whichever of its users is free. So the total is the same however many processes and users there are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from time import monotonic_ns
from typing import Any

import gevent
from locust.runners import MasterRunner, WorkerRunner

from rig.errors import BadInput
from rig.load.schedule.arrivals import Arrivals
from rig.load.schedule.read_arrivals import from_text, parse
from rig.load.schedule.slice import Share, here, soon

PATIENCE_S = 5.0  # for one more user to be there and warm
BEGIN, WARM = "celery-rig-begin", "celery-rig-warm"  # master to workers, and what they tell it before
LONE = ""  # the client id of a process that is no worker


class Schedules:
    """The schedules of all open-loop classes of a Locust process, by the class's name.

    `began` is called with the monotonic time at which they begin, in a test without such classes as well.
    """

    def __init__(self, environment: Any, began: Callable[[int], None]) -> None:
        self.shares: dict[str, Share] = {}
        self._began = began
        self._announced = False
        self._warm: dict[str, int] = {}  # how many users have been warmed, by the client id of their process
        self._environment = environment
        self._runner = environment.runner
        self._arrivals: dict[str, Arrivals] = {}
        self._dealt: dict[str, list[str]] = {}  # by class: the client ids of the processes that share it
        self._start_ns = self._end_ns = 0
        environment.events.test_stopping.add_listener(self._note_end)
        if isinstance(self._runner, WorkerRunner):
            self._runner.register_message(BEGIN, lambda msg, **_: self._begin(**msg.data))
        else:
            environment.events.spawning_complete.add_listener(self._announce)
        if isinstance(self._runner, MasterRunner):
            self._runner.register_message(WARM, lambda msg, **_: self._warm.update({msg.node_id: msg.data}))

    def prepare(self, run: str) -> None:
        """Read the schedules of a test that is about to start. Raises BadInput with every problem of every class."""
        self._arrivals, self._announced, self._dealt = self.read(run), False, {}
        self._start_ns = self._end_ns = 0
        self._warm = {}
        self.shares = {name: Share(arrivals) for name, arrivals in self._arrivals.items()}

    def read(self, run: str = "") -> dict[str, Arrivals]:
        """Return each open-loop class's arrivals, a Poisson process of no seed being that of `run` and class.

        Raises BadInput with every problem of every class.
        """
        told = self._environment.parsed_options.arrivals
        found, problems = {}, []
        for user in self._environment.user_classes:
            text = told or getattr(user, "arrivals", None)
            if not hasattr(user, "arrivals"):
                continue
            where = "--arrivals" if told else user.__name__
            try:
                if not text:
                    raise BadInput(['no arrivals: say `arrivals = "poisson rate=50"` in the class, or --arrivals'])
                found[user.__name__] = parse(from_text(text), f"{run}/{user.__name__}")
            except BadInput as error:
                problems += [f"{where}: {problem}" for problem in error.problems]
        if problems:
            raise BadInput(list(dict.fromkeys(problems)))
        return found

    # --- beginning ----------------------------------------------------------------------------------------------------

    def count_warm(self) -> None:
        """A user of this process can send now without having to make anything first."""
        self._warm[LONE] = self._warm.get(LONE, 0) + 1
        if isinstance(self._runner, WorkerRunner):
            self._runner.send_message(WARM, self._warm[LONE])

    def _announce(self, **_: Any) -> None:
        """Say when the schedules begin and who shares them, once in a test: users who come later change nothing."""
        if not self._announced:
            self._announced = True
            gevent.spawn(self._announce_when_all_are_there)

    def _announce_when_all_are_there(self) -> None:
        runner = self._runner
        there, deadline = -1, 0.0
        while there < runner.target_user_count:
            before, there = there, min(runner.user_count, sum(self._warm.values()))
            if there > before:
                deadline = time.monotonic() + PATIENCE_S
            elif time.monotonic() > deadline:  # a user may have left by itself
                break
            gevent.sleep(0.02)
        if self._end_ns:
            return
        holders = _holders(runner)
        start = soon()
        dealt = {name: [client for client, users in holders.items() if users.get(name)] for name in self._arrivals}
        if isinstance(runner, MasterRunner):
            runner.send_message(BEGIN, {"start": start, "dealt": dealt})
        self._begin(start, dealt)

    def _begin(self, start: Mapping[str, Any], dealt: dict[str, list[str]]) -> None:
        """Begin this process's share; a worker that came too late to be told has none."""
        self._dealt, self._start_ns = dealt, here(start)
        me = getattr(self._runner, "client_id", LONE) if isinstance(self._runner, WorkerRunner) else LONE
        for name, clients in dealt.items():
            if me in clients:
                self.shares[name].begin(self._start_ns, clients.index(me), len(clients))
        self._began(self._start_ns)

    # --- the end ------------------------------------------------------------------------------------------------------

    def _note_end(self, **_: Any) -> None:
        self._end_ns = self._end_ns or monotonic_ns()

    def missed(self) -> int:
        """Return how many arrivals of this process were due when the test ended, and nobody took."""
        return sum(share.missed(self._end_ns) for share in self.shares.values())

    def missed_by(self, client: str, sent: int) -> int:
        """Return how many arrivals a worker that is gone had to send by the end, less the `sent` that it reported."""
        due = 0
        for name, clients in self._dealt.items():
            if client in clients:
                share = Share(self._arrivals[name])
                share.begin(self._start_ns, clients.index(client), len(clients))
                due += share.missed(self._end_ns or monotonic_ns())
        return max(due - sent, 0)

    @property
    def never_began(self) -> list[str]:
        """The classes whose schedule nobody has begun."""
        return sorted(name for name in self._arrivals if not self._dealt.get(name))

    @property
    def clients(self) -> Sequence[str]:
        """The client ids of all workers that share a schedule."""
        return sorted({client for clients in self._dealt.values() for client in clients})


def _holders(runner: Any) -> dict[str, dict[str, int]]:
    """Return how many users of which class each process has, by its client id."""
    if isinstance(runner, MasterRunner):
        return {client.id: client.user_classes_count for client in runner.clients.all}
    return {LONE: runner.user_classes_count}
