"""Sends tasks for all users of a Locust process: each send is one slot of the ledger and one request of Locust's."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic_ns
from typing import Any

from celery.backends.base import DisabledBackend
from celery.exceptions import TimeoutError as NoResultYet

from rig.instrument.publisher import seconds_until
from rig.ledger import layout
from rig.ledger.writer import Slot, Writer
from rig.load.send import prime
from rig.load.send.calls import SEND_TASK, Calls
from rig.load.send.error_text import class_and_words
from rig.load.send.producers import Producers

# Locust's request types: until it is published, until its result is here.
SEND, RESULT = METHODS = ("send", "result")
RESULT_TIMEOUT = 30.0  # seconds to wait for a result
LATE_NS = 10_000_000
MAX_FAILURE_TEXTS = 50  # Locust keeps every different text for ever

ANYTHING = object()
_NOTHING: Mapping[str, Any] = {}


class Failure(Exception):  # noqa: N818 - it is no error of ours but what Locust is told
    """Why a request failed, in the words that Locust's report shows."""

    def __repr__(self) -> str:
        return str(self)


class Unread:
    """Stands for an ignored result: an AsyncResult takes time to make, and one that is ignored sends nothing."""

    __slots__ = ("ignored",)

    def __init__(self, task_id: str) -> None:
        pass


@dataclass(kw_only=True)
class Tally:
    """What one turn of this process came to. Times are CLOCK_MONOTONIC nanoseconds, 0 for never."""

    sent: int = 0  # slots claimed: what Locust must have counted as requests
    published: int = 0
    send_failed: int = 0
    fetched: int = 0
    failed: int = 0  # requests that Locust counts as failures, for whatever reason
    late: int = 0  # planned, and sent later than 10 ms after that time
    unsent: int = 0  # planned, due, and never sent
    first_sent_ns: int = 0
    last_published_ns: int = 0
    last_fetched_ns: int = 0
    lag_ns: array[int] = field(default_factory=lambda: array("q"))  # sent - planned, of every planned send


class Sender:
    """What `self.celery` is to a Locust user. `fire` is Locust's request event.

    A `plain` one sends exactly as an application does. Any other sends the same to broker and result store, command by
    command, in fewer steps (`producers`, `Unread`). `queues` are those that its connections are made ready for.
    """

    def __init__(
        self,
        app: Any,
        writer: Writer,
        fire: Callable[..., None],
        *,
        plain: bool = False,
        queues: Sequence[str] = (),
    ) -> None:
        self.app = app
        self.plain = plain
        self.tally = Tally()
        self.tainted = False  # a send was cut off: its connection may be in the middle of a frame
        self._fire = fire
        self._claim = writer.claim_send
        self._kind = writer.kind
        self._queues = queues
        self._calls = Calls(app)
        self._send_task = self._calls[SEND_TASK]
        self._producers = Producers(app)
        self._lend = app.producer_or_acquire if plain else self._producers.lend
        self._connected = False
        self._default_queue = app.conf.task_default_queue
        self._ignore_results = app.conf.task_ignore_result
        self._known: dict[tuple[str, str], tuple[int, str, bool]] = {}
        self._failures: dict[str, Failure] = {}
        self._next_id: Callable[[], str] = _no_turn

    def begin(self, next_id: Callable[[], str], call: str = SEND_TASK) -> None:
        """Start a turn: a new tally, `next_id` makes its task ids, and `call` (`rig.load.send.calls`) sends them."""
        self.tally = Tally()
        self._next_id = next_id
        self._send_task = self._calls[call] if self.plain else self._producers.sending(self._calls[call])

    def prime(self, *, wait: bool = False, ignore_result: bool | None = None, **_: Any) -> None:
        """Make what the calling user's first send would make, but for the task: backend, connections, subscription.

        The options are those of the sends to come. With the first user come the connections of the whole pool.
        Raises what kombu and the result store raise.
        """
        backend = self.app.backend  # the calling greenlet's own
        if not self._connected:
            self._connected = True  # at once: one user must not begin to take the pool while another takes it
            try:
                prime.connect(self.app, self._lend, self._queues)
            except BaseException:
                self._connected = False
                raise
        if ignore_result is None:
            ignore_result = self._ignore_results and not wait
        if not ignore_result and not isinstance(backend, DisabledBackend):
            prime.subscribe(self.app, self._lend, wait)

    def close(self) -> None:
        """Let go of the app's producers."""
        self._producers.close()
        self.app.close()

    def send(
        self,
        task: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] = _NOTHING,
        *,
        queue: str = "",
        wait: bool = False,
        planned_ns: int = 0,
        expect: Any = ANYTHING,
        timeout: float = RESULT_TIMEOUT,
        **options: Any,
    ) -> str:
        """Send `task` by name and return its id; `options` are those of Celery's apply_async.

        With `wait` the request ends when the result is here (at most `timeout` seconds), and it fails when the task
        failed or the result is not `expect`. `planned_ns` is when an open-loop schedule wanted it sent, in monotonic
        nanoseconds: response time counts from there. What goes wrong is reported to Locust and not raised.
        """
        queue = queue or self._default_queue
        kind, name, as_it_is = self._known.get((task, queue)) or self._learn(task, queue)
        ignored = options.setdefault("ignore_result", self._ignore_results and not wait)
        if not self.plain:
            if ignored and not wait:
                options["result_cls"] = Unread
            if as_it_is:
                options.setdefault("declare", ())
        tally = self.tally
        task_id = self._next_id()
        slot = words, base = self._claim(task_id, kind)
        if planned_ns:
            words[base + layout.PLANNED] = planned_ns
        words[base + layout.SENT] = sent = monotonic_ns()
        tally.sent += 1
        if planned_ns:
            tally.lag_ns.append(lag := sent - planned_ns)
            tally.late += lag > LATE_NS
        if "expires" in options:
            words[base + layout.EXPIRES] = sent + int(seconds_until(options["expires"]) * 1e9)
        failure = None
        try:
            result = self._send_task(task, args, kwargs, task_id=task_id, queue=queue, **options)
        except Exception as error:
            words[base + layout.SEND_FAILED] = now = monotonic_ns()
            tally.send_failed += 1
            failure = self._failure(class_and_words(error))
        except BaseException:  # the user is killed, in the middle of it
            words[base + layout.SEND_FAILED] = now = monotonic_ns()
            tally.send_failed += 1
            self.tainted = True
            self._report(SEND, name, now - (planned_ns or sent), self._failure("cut off by the end of the test"))
            raise
        else:
            words[base + layout.PUBLISHED] = now = monotonic_ns()
            tally.published += 1
            tally.last_published_ns = now
            if wait:
                self._fetch(result, slot, name, planned_ns or sent, expect, timeout)
                return task_id
            del result  # here and now, as by a caller who does not keep it: where it is stored, Redis gets UNSUBSCRIBE
        finally:
            tally.first_sent_ns = tally.first_sent_ns or sent
        self._report(SEND, name, now - (planned_ns or sent), failure)
        return task_id

    def _fetch(self, result: Any, slot: Slot, name: str, since_ns: int, expect: Any, timeout: float) -> None:
        """Wait for the result, stamp when it came, report the request."""
        failure = None
        try:
            value = result.get(timeout=timeout, propagate=False)
        except NoResultYet:
            failure = self._failure(f"no result in {timeout:g} s")
        except Exception as error:
            failure = self._failure(f"the result could not be read: {class_and_words(error)}")
        except BaseException:  # the user is killed while it waits
            self._report(RESULT, name, monotonic_ns() - since_ns, self._failure("cut off by the end of the test"))
            raise
        now = monotonic_ns()
        if failure is None:
            words, base = slot
            words[base + layout.FETCHED] = now
            self.tally.fetched += 1
            self.tally.last_fetched_ns = now
            if not result.successful():
                failure = self._failure(f"the task ended as {result.status}: {type(value).__name__}")
            elif expect is not ANYTHING and value != expect:
                failure = self._failure("the result is not the one that was expected")
        self._report(RESULT, name, now - since_ns, failure)

    def _report(self, request_type: str, name: str, took_ns: int, failure: Failure | None) -> None:
        if failure is not None:
            self.tally.failed += 1
        self._fire(
            request_type=request_type,
            name=name,
            response_time=took_ns / 1e6,  # Locust counts in milliseconds
            response_length=0,
            exception=failure,
            context=_NOTHING,
        )

    def _learn(self, task: str, queue: str) -> tuple[int, str, bool]:
        """Return the ledger's kind, Locust's name, and whether the queue is never declared (`client.make_app`).

        Of such a queue kombu would make a copy for each send, only to find that out.
        """
        taken = self.app.amqp.queues.get(queue)
        as_it_is = taken is not None and bool(taken.no_declare)
        known = self._known[task, queue] = (self._kind(task, queue), f"{task} on {queue}", as_it_is)
        return known

    def _failure(self, text: str) -> Failure:
        """Return the failure of that text, one object for all; those beyond the fiftieth text show their start only."""
        if text not in self._failures and len(self._failures) >= MAX_FAILURE_TEXTS:
            text = text.partition(":")[0]
        return self._failures.setdefault(text, Failure(text))


def _no_turn() -> str:
    raise RuntimeError("nothing can be sent before the test has started")
