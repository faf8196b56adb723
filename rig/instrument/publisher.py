"""Stamps what an app sends: `Task.apply_async`, `delay`, canvas, retries and beat all end in `Celery.send_task`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import datetime
from time import monotonic_ns, time
from typing import Any

from kombu.utils.uuid import uuid

from rig.ledger import layout
from rig.ledger.writer import Writer

NEVER = 2**63 - 1  # the largest stamp


def attach(app: Any, writer: Writer) -> None:
    """Wrap `app.send_task`; signals would cost three times as much and miss the time before `before_task_publish`."""
    app.send_task = recorded(app, app.send_task, writer)


def recorded(app: Any, send_task: Callable[..., Any], writer: Writer) -> Callable[..., Any]:
    """Return `send_task` with a SEND slot claimed before the call and stamped after it."""
    queue_of = queue_namer(app)

    @functools.wraps(send_task)
    def send_and_record(name: str, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        sent = monotonic_ns()
        task_id = options["task_id"] = options.get("task_id") or uuid()
        kind = writer.kind(name, queue_of(name, options))
        slot = writer.claim_send(task_id, kind, options.get("retries"))
        words, base = slot
        words[base + layout.SENT] = sent
        parent_id = options.get("parent_id") or current_task_id(app)
        if parent_id and parent_id != task_id:  # a retry is sent by the task itself
            writer.set_parent(slot, parent_id)
        if options.get("expires") is not None:
            words[base + layout.EXPIRES] = expiry(sent, options["expires"])
        try:
            result = send_task(name, args, kwargs, **options)
        except BaseException:
            words[base + layout.SEND_FAILED] = monotonic_ns()
            raise
        words[base + layout.PUBLISHED] = monotonic_ns()
        return result

    return send_and_record


def queue_namer(app: Any) -> Callable[[str, dict[str, Any]], str]:
    """Return a function that tells the queue a task will go to: as the caller says, else as the app routes its name."""
    routed: dict[str, str] = {}

    def queue_of(name: str, options: dict[str, Any]) -> str:
        queue = options.get("queue") or options.get("routing_key")
        if queue is None:
            if name not in routed:
                route = app.amqp.router.route({}, name, (), {}, app.tasks.get(name))
                routed[name] = _queue_name(route.get("queue") or route.get("routing_key") or "")
            return routed[name]
        return _queue_name(queue)

    return queue_of


def _queue_name(queue: Any) -> str:
    return str(getattr(queue, "name", queue))


def current_task_id(app: Any) -> str | None:
    """Return the id of the task that this code runs in, if it runs in one."""
    task = app.current_worker_task
    return task.request.id if task else None


def expiry(sent: int, expires: Any) -> int:
    """Return when a task that is sent now expires, as a stamp: 1 where that is before the clock began.

    0 for what cannot be understood: Celery will say so in its own words.
    """
    try:
        return min(max(sent + int(seconds_until(expires) * 1e9), 1), NEVER)
    except (TypeError, ValueError, OverflowError):
        return 0


def seconds_until(expires: Any) -> float:
    """Return the seconds until `expires`, which Celery takes as seconds, a datetime or an ISO 8601 string."""
    if isinstance(expires, str):
        expires = datetime.fromisoformat(expires)
    if isinstance(expires, datetime):
        return expires.timestamp() - time()
    return float(expires)
