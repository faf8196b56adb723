"""Ties a Locust process to its session: what happens at start, between the processes, and at the end.

Locust runs alone, or as a master with workers (`--processes N` is that, too). Only workers and lone processes send.
What every process needs to know of a run, the master tells with each start in two custom arguments, since Locust hands
those to all workers: the run's digits and the number of the turn.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from typing import Any

import gevent
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner

from rig.errors import BadInput
from rig.load.schedule.schedules import Schedules
from rig.load.send import preflight
from rig.load.send.sender import METHODS
from rig.load.send.session import Session, refuse
from rig.load.send.target import Target, place
from rig.load.users.beginning import Beginning, Row, compare
from rig.load.users.count import Count, count
from rig.load.users.master_watch import MasterWatch
from rig.load.users.yield_to_locust import Pulse

REPORT_SECONDS = 3.0  # for workers to say that they have stopped
INVALID = 3  # exit code: the run's numbers cannot be trusted

STOP, STOPPED = "celery-rig-stop", "celery-rig-stopped"  # master to workers and back
REPORT_KEY = "celery-rig"  # in a worker's reports to its master

log = logging.getLogger(__name__)


class Lifecycle:
    """What a Locust process does for its session, as listeners of Locust's events."""

    def __init__(self, environment: Any, target: Target) -> None:
        self.environment = environment
        self.runner = environment.runner
        self.options = environment.parsed_options
        self.session = Session(target, environment.events.request.fire)
        # The web UI shows where a load goes, and misses a host otherwise. What is typed there changes nothing.
        environment.host = environment.host or place(target.broker_url)
        self.stopped = False  # no user may start any more, until the next turn
        self._beginning = Beginning()
        self.schedules = Schedules(environment, self._beginning.begin)
        self._by_worker: dict[str, Count] = {}  # on a master: what each worker reported last
        self._rows: dict[str, list[Row]] = {}  # likewise
        self._stopping: set[str] = set()
        self._complete: set[str] = set()  # of the workers those whose last report is of the whole turn
        self._over = False  # on a worker: its users are gone, and it has counted what they missed
        if not isinstance(self.runner, WorkerRunner):
            self.options.rig_run = self.session.run
            keep_statistics(environment.stats)
        self._listen()

    def _listen(self) -> None:
        events = self.environment.events
        events.test_start.add_listener(self.start)
        events.quit.add_listener(self.end)
        if self.sends:
            events.test_stop.add_listener(self.count_missed)
            Pulse().attach(events)
            events.request.add_listener(self._beginning.record)
        if isinstance(self.runner, WorkerRunner):
            MasterWatch(self.environment).attach()
            self.runner.register_message(STOP, self.stop_for_master)
            events.report_to_master.add_listener(self.report)
            events.test_stop.add_listener(self.flush)
            events.quitting.add_listener(self.stop_users)
        elif isinstance(self.runner, MasterRunner):
            self.runner.register_message(STOPPED, self.worker_stopped)
            events.worker_report.add_listener(self.collect)
            events.test_stopping.add_listener(self.stop_workers)

    @property
    def sends(self) -> bool:
        """Whether this process has users."""
        return not isinstance(self.runner, MasterRunner)

    @property
    def queues(self) -> Sequence[str]:
        """The queues that the chosen users say they send to."""
        users = self.environment.user_classes
        return sorted({queue for user in users for queue in getattr(user, "queues", ())})

    # --- at the start -------------------------------------------------------------------------------------------------

    def check(self, queues: Sequence[str] = ()) -> list[str]:
        """Return what is in the way of a start."""
        try:
            self.schedules.read()
        except BadInput as error:
            return error.problems
        return preflight.problems(self.session.target, queues)

    def start(self, **_: Any) -> None:
        """Begin a turn, before the first user is there."""
        if not isinstance(self.runner, WorkerRunner):
            self.options.rig_turn += 1
        self.session.run = self.options.rig_run
        self.stopped = False
        self._by_worker.clear()
        self._rows.clear()
        self._beginning.start()
        self._complete.clear()
        self._over = False
        try:
            self.schedules.prepare(self.session.run)
            if self.sends:
                publisher = max(self.runner.worker_index, 0)
                self.session.begin(self.options.rig_turn, publisher, self.queues)
            else:
                self.session.turn = self.options.rig_turn
                preflight.require(self.session.target, self.queues)
        except BadInput as problems:
            self._call_off(problems.problems)
        if not isinstance(self.runner, WorkerRunner):
            target = self.session.target
            log.info(
                "celery-rig run %s turn %d: %s broker at %s, ledger in %s",
                self.session.run, self.session.turn, target.topology or "the", place(target.broker_url), target.ledger,
            )  # fmt: skip

    def _call_off(self, problems: Sequence[str]) -> None:
        """Start no users. A process without a web UI ends with 2; with one it stays and can be told to try again."""
        refuse(problems)
        if self.options.headless or isinstance(self.runner, WorkerRunner):
            self.environment.process_exit_code = 2
            gevent.spawn(self.runner.quit)
        # Ends the greenlet that was about to start users, and is no error to Locust: no traceback.
        raise gevent.GreenletExit

    # --- at the stop: no number may be lost on the way to the master --------------------------------------------------

    def count_missed(self, **_: Any) -> None:
        """Count what was due and nobody took, now that no user is left."""
        self._over = True
        if self.session.sender is not None:
            self.session.sender.tally.unsent += self.schedules.missed()

    def report(self, data: dict[str, Any], **_: Any) -> None:
        """Tell the master what was sent in this turn so far, along with Locust's own statistics of the same time."""
        data[REPORT_KEY] = (self.session.turn, count(self.session), self._over, self._beginning.rows())

    def collect(self, client_id: str, data: dict[str, Any], **_: Any) -> None:
        """Keep what a worker reports."""
        turn, count, over, rows = data.get(REPORT_KEY, (0, (), False, ()))
        if turn == self.session.turn:
            self._by_worker[client_id] = Count(*count)
            self._rows[client_id] = [tuple(row) for row in rows]
            if over:
                self._complete.add(client_id)

    def flush(self, **_: Any) -> None:
        """Report at once what was counted until the users stopped.

        By itself Locust sends a last report only when it is the master that says quit (WorkerRunner.handle_message): a
        worker that gets a signal, as all do on Ctrl-C, would take the numbers of its last three seconds with it.
        """
        data: dict[str, Any] = {}
        self.environment.events.report_to_master.fire(client_id=self.runner.client_id, data=data)
        self.runner.send_message("stats", data)

    def stop_users(self, **_: Any) -> None:
        """Stop the users of a worker that was told to quit by a signal, before it takes leave of its master.

        The master may not know yet that all is over, and send it the users of a worker that was faster to quit.
        """
        self.stopped = True
        self.runner.stop()

    def stop_for_master(self, **_: Any) -> None:
        """Stop the users, report, and only then say so. A ramp-up that still goes on brings no new ones."""
        self.stopped = True
        self.runner.stop()
        # Locust waits this long again before it calls the worker ready, though nobody runs any more. A start sets it.
        self.environment.stop_timeout = 0.0
        self.runner.send_message(STOPPED)

    def stop_workers(self, **_: Any) -> None:
        """Wait until every worker's users have ended what they were at and all is reported.

        Without this a master gives its workers half a second (MasterRunner.quit), and what they were waiting for then
        is in the ledger but not in Locust's numbers.
        """
        clients = self.runner.clients
        self._stopping = {client.id for client in clients.all if client.state != STATE_MISSING}
        self.runner.send_message(STOP)
        deadline = time.monotonic() + self.environment.stop_timeout + REPORT_SECONDS
        while self._stopping.intersection(clients) and time.monotonic() < deadline:
            gevent.sleep(0.02)

    def worker_stopped(self, msg: Any, **_: Any) -> None:
        """Note that a worker has stopped."""
        self._stopping.discard(msg.node_id)

    # --- at the end ---------------------------------------------------------------------------------------------------

    def end(self, exit_code: int, **_: Any) -> None:
        """Close the ledger; compare it with what Locust counted, and exit with 3 if they differ."""
        self.session.close()
        if isinstance(self.runner, WorkerRunner) or not self.session.turn:
            return
        total = Count(*map(sum, zip(Count(), *self._counts(), strict=True)))
        counted = sum(
            entry.num_requests for (_, method), entry in self.environment.stats.entries.items() if method in METHODS
        )
        said = "celery-rig run %s turn %d: %d tasks sent; %d over 10 ms later than planned, %d planned but not sent"
        log.info(said, self.session.run, self.session.turn, total.sent, total.late, total.unsent)
        if idle := self.schedules.never_began:
            log.warning("schedules that never began, for want of users or of time: %s", ", ".join(idle))
        self._say_how_it_began()
        if total.sent != counted and not self.environment.reset_stats:
            different = f"Locust counted {counted} requests, the ledger has {total.sent} sends"
            refuse([f"{different}: these numbers cannot be trusted"])
            sys.exit(exit_code or INVALID)

    def _say_how_it_began(self) -> None:
        """Say when the run-in was not like the rest: Locust's table cannot leave it out."""
        rows = self._beginning.rows() if self.sends else [row for rows in self._rows.values() for row in rows]
        if found := compare(rows):
            log.warning(
                "the first %.1f s were not like the rest: requests took %.2g times as long (geometric means, of %d and "
                "of %d requests), and the percentiles include them",
                self._beginning.seconds, found.ratio, found.begun, found.rest,
            )  # fmt: skip

    def _counts(self) -> list[Count]:
        """Return what each sending process counted in this turn.

        A worker that is gone has told what it did until its last report. The rest of its share nobody has sent.
        """
        if self.sends:
            return [count(self.session)]
        counts = list(self._by_worker.values())
        for client in self.schedules.clients:
            if client not in self._complete:
                reported = self._by_worker.get(client, Count())
                missed = self.schedules.missed_by(client, reported.planned)
                log.warning("Locust worker %s was lost: %d arrivals of its share were not sent", client, missed)
                counts.append(Count(unsent=missed))
        return counts


def keep_statistics(stats: Any) -> None:
    """Let `--json` and `--json-file` leave the statistics as they are, for `end` to compare.

    Locust writes them with what workers report to their master by (locust/stats.py, `get_stripped_report`), which
    empties each entry.
    """
    stats.serialize_stats = lambda: [
        entry.serialize() for entry in stats.entries.values() if entry.num_requests or entry.num_failures
    ]
