"""Notes what befalls few tasks: their process dies, they are revoked, they expire, nobody knows them.

Nothing here lies on the way of a task that simply runs.
"""

from __future__ import annotations

import functools
from time import monotonic_ns
from typing import Any

from billiard.exceptions import WorkerLostError
from celery import signals
from celery.worker.request import Request

from rig.instrument.hot_hooks import kind_of
from rig.instrument.running import Running
from rig.ledger import layout
from rig.ledger.layout import OUTCOME_CODE
from rig.ledger.writer import Writer


def attach(writer: Writer, running: Running) -> None:
    """Wrap what is rare on `Request`.

    Celery makes a subclass of `Request` for each task that overrides two other methods (celery#4526), so these are
    found on the base class.
    """
    on_timeout, on_failure, announce_revoked = Request.on_timeout, Request.on_failure, Request._announce_revoked

    # Only the main process knows that the pool process died or was killed at its hard time limit.
    @functools.wraps(on_timeout)
    def timed_out(self: Any, soft: bool, timeout: float) -> Any:
        if not soft:
            set_outcome(self.message, OUTCOME_CODE["lost"])
        return on_timeout(self, soft, timeout)

    @functools.wraps(on_failure)
    def failed(self: Any, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        exc = getattr(exc_info.exception, "exc", exc_info.exception)  # billiard wraps what crossed a process
        if isinstance(exc, WorkerLostError | SystemExit):
            set_outcome(self.message, OUTCOME_CODE["lost"])
        return on_failure(self, exc_info, *args, **kwargs)

    # The task_revoked signal carries no message, so nothing that leads to the slot.
    @functools.wraps(announce_revoked)
    def revoked(self: Any, reason: str, *args: Any, **kwargs: Any) -> Any:
        running.take(self.id)
        set_outcome(self.message, OUTCOME_CODE["expired" if reason == "expired" else "revoked"])
        return announce_revoked(self, reason, *args, **kwargs)

    Request.on_timeout, Request.on_failure, Request._announce_revoked = timed_out, failed, revoked
    signals.task_unknown.connect(functools.partial(on_unknown, writer), weak=False)
    signals.task_rejected.connect(functools.partial(on_rejected, writer), weak=False)


def on_rejected(writer: Writer, message: Any = None, **_: Any) -> None:
    """Record a message that names no task at all: a stranger's, since Celery sends none of that sort."""
    if getattr(message, "rig_slot", None) is None:  # else it has one: its task is known, and it is not as it should be
        on_unknown(writer, message, name="", id=None)


def on_unknown(writer: Writer, message: Any = None, name: Any = "", id: Any = "", **_: Any) -> None:
    """Record a message that names a task the worker does not have. Its arguments are the signal's."""
    now, queue = monotonic_ns(), message.delivery_info.get("routing_key")
    words, base = message.rig_slot = writer.claim_received(id, kind_of(name, queue, writer), 0, now)
    if message.acknowledged:  # Celery rejects it first, and then sends the signal that brings us here
        words[base + layout.REJECTED] = now
    set_outcome(message, OUTCOME_CODE["unknown"])


def set_outcome(message: Any, outcome: int) -> None:
    """Write an outcome into the slot of a message, if it has one."""
    slot = getattr(message, "rig_slot", None)
    if slot is not None:
        slot[0][slot[1] + layout.OUTCOME] = outcome
