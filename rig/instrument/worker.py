"""Stamps what a worker does with each task, on every pool, in the main process and in pool processes.

    received   strategy called, main process       started, finished  around the tracer, executing process
    body_done  `task.run` returned or raised        stored             `Backend.store_result` returned
    acked, rejected  `kombu.Message` did it, main process

A slot is claimed where a process first meets the task; slots of two processes are joined by id afterwards.
Nothing here may raise: a hook that raises would turn a good task into a failure.
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Callable
from time import monotonic_ns
from typing import Any

from billiard.exceptions import WorkerLostError
from celery import bootsteps, signals, states
from celery.backends.base import DisabledBackend
from celery.exceptions import Reject
from celery.worker.request import Request
from kombu.message import Message

from rig.ledger import record
from rig.ledger.record import OUTCOME_CODE
from rig.ledger.writer import Slot, Writer

SUCCEEDED = OUTCOME_CODE["succeeded"]
OUTCOME_OF_STATE = {
    states.FAILURE: OUTCOME_CODE["failed"],
    states.RETRY: OUTCOME_CODE["retried"],
    states.REJECTED: OUTCOME_CODE["rejected"],
    states.IGNORED: OUTCOME_CODE["ignored"],
}
# Native delayed delivery prefixes the routing key with the delay's bits: "0.0.1. … .queue".
DELAY_BITS = re.compile(r"^(?:[01]\.){20,}")


class _Current:
    """The slot of the task that runs in this process: solo and prefork run one at a time."""

    slot: Slot | None = None


class _CurrentOfThread(threading.local):
    """The slot of the task that runs in this thread, or greenlet: Celery patches threading before it imports us."""

    slot: Slot | None = None


# Replaced once, by `_Stamps.start`, when the pool turns out to run several tasks in one process.
current: _Current | _CurrentOfThread = _Current()

# Received in this process and not yet started in it. Stays empty where another process executes.
waiting: dict[str, Slot] = {}


def attach(app: Any, writer: Writer) -> None:
    """Attach to a worker that is about to start (`worker_init`: before the pool forks)."""
    for task in app.tasks.values():
        task.run = _stamp_body(task.run)  # before any tracer is built, since a tracer keeps the function it found
    _stamp_stored(type(app.backend))
    _stamp_settled()
    _note_losses()
    app.steps["consumer"].add(_stamps(writer))
    signals.worker_process_init.connect(lambda **_: _wrap_tracers(app, writer), weak=False)
    signals.task_unknown.connect(functools.partial(_on_unknown, writer), weak=False)


def _stamps(writer: Writer) -> type:
    class Stamps(bootsteps.StartStopStep):  # type: ignore[misc]
        """Wraps strategies and tracers, which the consumer builds anew at each connection."""

        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, consumer: Any) -> None:
            global current
            pool = type(consumer.pool).__module__
            in_process = pool != "celery.concurrency.prefork"
            if in_process and pool != "celery.concurrency.solo" and type(current) is _Current:
                current = _CurrentOfThread()
            for name, strategy in list(consumer.strategies.items()):
                consumer.strategies[name] = _stamp_received(strategy, name, writer, in_process)
            if in_process:
                _wrap_tracers(consumer.app, writer)

    return Stamps


def _wrap_tracers(app: Any, writer: Writer) -> None:
    waiting.clear()
    current.slot = None
    for name, task in app.tasks.items():
        if task.__trace__ is not None:
            task.__trace__ = _stamp_trace(task.__trace__, name, writer)


def _stamp_received(strategy: Callable[..., Any], name: str, writer: Writer, in_process: bool) -> Callable[..., Any]:
    claim, kinds, at = writer.claim_run, _Kinds(name, writer), record.RECEIVED

    @functools.wraps(strategy)
    def received(message: Any, body: Any, *rest: Any, **options: Any) -> Any:
        headers = message.headers
        if "id" in headers:  # message protocol 2; of protocol 1 only the execution is recorded
            slot = claim(headers["id"], kinds[message.delivery_info.get("routing_key")], headers.get("retries") or 0)
            slot[0][slot[1] + at] = monotonic_ns()
            message.rig_slot = slot
            if in_process:
                waiting[headers["id"]] = slot
        return strategy(message, body, *rest, **options)

    return received


def _stamp_trace(trace: Callable[..., Any], name: str, writer: Writer) -> Callable[..., Any]:
    claim, kinds, take = writer.claim_run, _Kinds(name, writer), waiting.pop

    @functools.wraps(trace)
    def traced(uuid: str, args: Any, kwargs: Any, request: Any = None) -> Any:
        slot = take(uuid, None)
        if slot is None:
            request = request or {}
            queue = (request.get("delivery_info") or {}).get("routing_key")
            slot = claim(uuid, kinds[queue], request.get("retries") or 0)
        words, base = slot
        words[base + record.STARTED] = monotonic_ns()
        outer, current.slot = current.slot, slot
        try:
            result = trace(uuid, args, kwargs, request)
        except Reject:
            words[base + record.OUTCOME] = OUTCOME_CODE["rejected"]
            raise
        finally:
            current.slot = outer
        info = result[1]
        words[base + record.OUTCOME] = SUCCEEDED if info is None else OUTCOME_OF_STATE.get(info.state, 2)
        words[base + record.FINISHED] = monotonic_ns()
        return result

    return traced


def _stamp_body(run: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(run)
    def timed(*args: Any, **kwargs: Any) -> Any:
        try:
            return run(*args, **kwargs)
        finally:
            # A task that calls another one as a function ends after it, and so overwrites the inner one's stamp.
            slot = current.slot
            if slot is not None:
                slot[0][slot[1] + record.BODY_DONE] = monotonic_ns()

    return timed


def _stamp_stored(backend: type) -> None:
    """Wrap `store_result` of the backend's class: Celery makes an instance for each thread."""
    if issubclass(backend, DisabledBackend):
        return
    store_result = backend.store_result  # type: ignore[attr-defined]

    @functools.wraps(store_result)
    def store(self: Any, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        stored = store_result(self, task_id, result, state, *args, **kwargs)
        slot = current.slot
        if slot is not None and state != states.STARTED:
            slot[0][slot[1] + record.STORED] = monotonic_ns()
        return stored

    backend.store_result = store  # type: ignore[attr-defined]


def _stamp_settled() -> None:
    """Wrap `kombu.Message`, not `Request.acknowledge`: that only queues the ack for the event loop's next turn."""
    Message.rig_slot = None
    for method, at in (("ack", record.ACKED), ("reject", record.REJECTED)):
        setattr(Message, method, _stamp_settle(getattr(Message, method), at))


def _stamp_settle(settle: Callable[..., Any], at: int) -> Callable[..., Any]:
    @functools.wraps(settle)
    def settled(self: Any, *args: Any, **kwargs: Any) -> Any:
        done = settle(self, *args, **kwargs)
        slot = self.rig_slot
        if slot is not None:
            slot[0][slot[1] + at] = monotonic_ns()
        return done

    return settled


def _note_losses() -> None:
    """Note what only the main process knows: the pool process died or was killed at its hard time limit.

    Celery makes a subclass of `Request` for each task that overrides two other methods (celery#4526),
    so these are found on the base class.
    """
    on_timeout, on_failure, announce_revoked = Request.on_timeout, Request.on_failure, Request._announce_revoked

    @functools.wraps(on_timeout)
    def timed_out(self: Any, soft: bool, timeout: float) -> Any:
        if not soft:
            _set_outcome(self.message, OUTCOME_CODE["lost"])
        return on_timeout(self, soft, timeout)

    @functools.wraps(on_failure)
    def failed(self: Any, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        exc = getattr(exc_info.exception, "exc", exc_info.exception)  # billiard wraps what crossed a process
        if isinstance(exc, WorkerLostError | SystemExit):
            _set_outcome(self.message, OUTCOME_CODE["lost"])
        return on_failure(self, exc_info, *args, **kwargs)

    # The task_revoked signal carries no message, so nothing that leads to the slot.
    @functools.wraps(announce_revoked)
    def revoked(self: Any, reason: str, *args: Any, **kwargs: Any) -> Any:
        waiting.pop(self.id, None)
        _set_outcome(self.message, OUTCOME_CODE["expired" if reason == "expired" else "revoked"])
        return announce_revoked(self, reason, *args, **kwargs)

    Request.on_timeout, Request.on_failure, Request._announce_revoked = timed_out, failed, revoked


def _on_unknown(writer: Writer, message: Any = None, name: str = "", id: str = "", **_: Any) -> None:
    queue = message.delivery_info.get("routing_key")
    slot = writer.claim_run(id, _Kinds(name, writer)[queue])
    slot[0][slot[1] + record.RECEIVED] = monotonic_ns()
    message.rig_slot = slot
    _set_outcome(message, OUTCOME_CODE["unknown"])


def _set_outcome(message: Any, outcome: int) -> None:
    slot = getattr(message, "rig_slot", None)
    if slot is not None:
        slot[0][slot[1] + record.OUTCOME] = outcome


class _Kinds(dict[Any, int]):
    """Routing key -> the ledger's kind for (task name, queue); asks the writer once for each."""

    def __init__(self, name: str, writer: Writer) -> None:
        super().__init__()
        self._name, self._writer = name, writer

    def __missing__(self, routing_key: str | None) -> int:
        kind = self[routing_key] = self._writer.kind(self._name, DELAY_BITS.sub("", routing_key or ""))
        return kind
