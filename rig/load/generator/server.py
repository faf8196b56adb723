"""A load file for generators that are told over HTTP what to send, one turn at a time.

    locust -f rig/load/generator/server.py --web-port 8089

    GET  /ready    200 {"ready": true} when broker and result store answer, else 503 {"problems": [...]}
    POST /turn     an `order.Order` as JSON; the answer comes when all is sent (with `wait`: fetched). 400: a bad order,
                   409: a turn runs already, 503: broker, result store or queue are not there, each {"problems": [...]}

Both are routes of Locust's own web UI (https://docs.locust.io/en/stable/extending-locust.html#adding-web-routes). The
users are Locust's, and live as long as the process (`crew`). The environment says where to send: see `target`.
The UI's own Start button sends nothing.
"""

from __future__ import annotations

import itertools
from array import array
from dataclasses import dataclass
from time import monotonic_ns, process_time_ns
from typing import Any

import gevent
from flask import Flask, jsonify, request
from gevent.lock import Semaphore
from locust import events

from rig.errors import BadInput
from rig.load.generator.crew import Crew, TurnUser
from rig.load.generator.order import Order, parse
from rig.load.schedule import precision
from rig.load.schedule.arrivals import SECOND_NS, Hand
from rig.load.schedule.ticker import Ticker
from rig.load.schedule.timer import Alarm
from rig.load.send import preflight
from rig.load.send.error_text import class_and_words
from rig.load.send.sender import Sender
from rig.load.send.session import Session, leave
from rig.load.send.target import resolve

LEAD_NS = 100_000_000  # from the order to the first planned time, where the order names none
YIELD_EVERY = 64  # sends; a publish without confirm never waits, so nobody else would get to run
STOP_TIMEOUT = 5.0  # seconds for sends under way when a turn has to be ended
LATE_US = 10_000.0


class Job:
    """An order while it is carried out; its users take planned times from one schedule."""

    def __init__(self, order: Order, sender: Sender) -> None:
        self.order = order
        self.sender = sender
        self.hand = Hand(times=order.arrivals.times())
        self.kinds = order.sequence()
        self.problems: list[str] = []
        self.over = False
        self.start_ns = order.start_ns or monotonic_ns() + LEAD_NS

    @property
    def window_ns(self) -> int:
        """When the run-in is over."""
        return self.start_ns + int(self.order.run_in * SECOND_NS)

    def work(self, alarm: Alarm) -> None:
        """Send what one user gets to send."""
        try:
            self._send(alarm)
        except Exception as error:  # Locust would log it and let this user go
            self.problems.append(f"a user failed: {class_and_words(error)}")

    def _send(self, alarm: Alarm) -> None:
        order, send, kinds = self.order, self.sender.send, self.kinds
        deal = Hand(times=order.arrivals.times()).deal if order.arrivals.each else self.hand.deal
        planned_ns = 0
        for number in itertools.count(1):
            due = None if self.over else deal()
            if due is None:
                return
            if order.arrivals.planned:
                planned_ns = self.start_ns + due
                alarm.wait(planned_ns)
            elif number % YIELD_EVERY == 0:
                gevent.sleep(0)
            kind = next(kinds)  # only now: the number in the task's id is its place in this sequence
            send(
                kind.task, kind.args, kind.kwargs,
                queue=kind.queue, wait=order.wait, planned_ns=planned_ns, **order.options,
            )  # fmt: skip

    def lags_ns(self) -> array[int]:
        """Return sent - planned of the sends after the run-in. Sends begin in the order in which they are planned."""
        run_in = int(self.order.run_in * SECOND_NS)
        before = sum(1 for _ in itertools.takewhile(lambda due: due < run_in, self.order.arrivals.times()))
        return self.sender.tally.lag_ns[before:]


@dataclass(frozen=True)
class _Clocks:
    """Time that went by, and CPU time that this process used of it, in ns."""

    wall_ns: int
    cpu_ns: int

    @classmethod
    def now(cls) -> _Clocks:
        return cls(monotonic_ns(), process_time_ns())

    def since(self, start: _Clocks) -> _Clocks:
        return _Clocks(self.wall_ns - start.wall_ns, self.cpu_ns - start.cpu_ns)


class Generator:
    """Carries out one order at a time."""

    def __init__(self, environment: Any, session: Session) -> None:
        self._environment = environment
        self._session = session
        self._crew = Crew(environment)
        self._busy = Semaphore()

    def ready(self) -> tuple[Any, int]:
        """Answer GET /ready."""
        problems = [] if self._busy.locked() else preflight.problems(self._session.target)
        return (jsonify(problems=problems), 503) if problems else (jsonify(ready=True), 200)

    def turn(self) -> tuple[Any, int]:
        """Answer POST /turn."""
        if not self._busy.acquire(blocking=False):
            return jsonify(problems=["a turn runs already: one at a time"]), 409
        try:
            order = parse(request.get_json(force=True, silent=True))
        except BadInput as error:
            self._busy.release()
            return jsonify(problems=error.problems), 400
        try:
            return jsonify(self._carry_out(order)), 200
        except BadInput as error:
            return jsonify(problems=error.problems), 503
        finally:
            self._busy.release()

    def _carry_out(self, order: Order) -> dict[str, Any]:
        queues = list(dict.fromkeys(kind.queue for kind in order.kinds))
        sender = self._session.begin(order.turn, queues=queues, call=order.call)
        self._crew.gather(order.users)
        self._environment.stats.clear_all()
        start = _Clocks.now()
        job = Job(order, sender)
        with Ticker(since_ns=job.window_ns if order.arrivals.planned else 0) as ticker:
            in_time = self._crew.carry_out(job.work, order.users, order.seconds)
        used = _Clocks.now().since(start)
        job.over = True
        if not in_time:
            job.problems.append(f"ended after {order.seconds:g} s, before everything was sent")
            self._crew.end()
        sender.tally.unsent = 0 if order.arrivals.each else job.hand.left()
        return self._answer(job, used, ticker)

    def _answer(self, job: Job, used: _Clocks, ticker: Ticker) -> dict[str, Any]:
        """Return what the turn has done: the process's own counts, and Locust's to compare them with."""
        tally, stats, lags_ns = job.sender.tally, self._environment.stats, job.lags_ns()
        problems = job.problems + [f"{error.occurrences} x {error.to_name()}" for error in stats.errors.values()]
        if stats.total.num_requests != tally.sent:
            problems.append(f"Locust counted {stats.total.num_requests} requests, the ledger has {tally.sent} sends")
        return {
            "run": self._session.run, "turn": job.order.turn,
            "sent": tally.sent, "published": tally.published, "failed": tally.send_failed, "fetched": tally.fetched,
            "late": sum(lag > LATE_US * 1000 for lag in lags_ns), "unsent": tally.unsent,
            "start_ns": job.start_ns if job.order.arrivals.planned else 0,
            "first_sent_ns": tally.first_sent_ns, "last_published_ns": tally.last_published_ns,
            "last_fetched_ns": tally.last_fetched_ns,
            "seconds": used.wall_ns / SECOND_NS, "cpu_seconds": used.cpu_ns / SECOND_NS,
            "lag_us": percentiles(lags_ns), "loop_lag_us": percentiles(ticker.late_ns),
            "locust": {"requests": stats.total.num_requests, "failures": stats.total.num_failures},
            "problems": problems,
        }  # fmt: skip


def percentiles(lag_ns: array[int]) -> dict[str, float] | None:
    """Return p50, p95, p99 and the most of times in ns, in microseconds; None when there are none."""
    if not lag_ns:
        return None
    ordered = sorted(lag_ns)
    shares = {"p50": 0.50, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {name: ordered[min(int(share * len(ordered)), len(ordered) - 1)] / 1000 for name, share in shares.items()}


__all__ = ("TurnUser",)  # Locust runs what it finds in a load file


@events.init.add_listener  # type: ignore[untyped-decorator]
def serve(environment: Any, web_ui: Any, **_: Any) -> None:
    """Open the ledger and the routes; exit with 2 if that cannot be."""
    if web_ui is None:
        leave(["server.py gets its orders over HTTP: start it with the web UI, without --headless and --worker"])
    try:
        session = Session(resolve(), environment.events.request.fire)
    except BadInput as error:
        leave(error.problems)
    precision.install()
    environment.stop_timeout = STOP_TIMEOUT
    environment.events.quit.add_listener(lambda **_: session.close())
    generator = Generator(environment, session)
    app: Flask = web_ui.app
    app.add_url_rule("/ready", view_func=generator.ready)
    app.add_url_rule("/turn", view_func=generator.turn, methods=["POST"])
