"""The wrappers that every task passes. What they cost is the rig's price: `make selfbench` measures it.

Celery's own code throws everything of ours out of the processor's nearest caches between two tasks, so what counts is
how many places in memory a wrapper touches: constants are globals of this one module, next to each other, and not cells
of closures or attributes of other modules. Arguments are named where that is possible: `*args, **kwargs` makes a tuple
and a dict for each call.

Where there is the compiled module (`native`), the first four are its objects, which do the same and leave what is not
the common case to the functions here.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from inspect import CO_VARARGS, CO_VARKEYWORDS
from time import monotonic_ns
from types import CodeType, MethodType
from typing import Any

from celery import states
from celery.exceptions import Reject

from rig.instrument import native
from rig.instrument.running import Running
from rig.ledger import layout
from rig.ledger.layout import ACKED, BODY_DONE, FINISHED, ID_BYTES, OUTCOME, OUTCOME_CODE, STARTED
from rig.ledger.writer import Slot, Writer

Hook = Callable[..., Any]

fast: Any = native.load()
claim_first = layout.CLAIM_FIRST.pack_into
SUCCEEDED = OUTCOME_CODE["succeeded"]
FAILED = OUTCOME_CODE["failed"]
REJECTED = OUTCOME_CODE["rejected"]
OUTCOME_OF_STATE = {
    states.FAILURE: FAILED,
    states.RETRY: OUTCOME_CODE["retried"],
    states.REJECTED: REJECTED,
    states.IGNORED: OUTCOME_CODE["ignored"],
}
# Native delayed delivery prefixes the routing key with the delay's bits: "0.0.1. … .queue".
DELAY_BITS = re.compile(r"^(?:[01]\.){20,}")


def kind_of(name: Any, queue: Any, writer: Writer) -> int:
    """Return the ledger's kind for a task that came by this routing key: "" for one that is no text."""
    return writer.kind(name, DELAY_BITS.sub("", queue) if isinstance(queue, str) else "")


def stamp_received(strategy: Hook, name: str, writer: Writer, running: Running) -> Hook:
    """Wrap a strategy: claims the slot, and puts it where this process's tracer looks for it."""
    firsts: dict[str | None, int] = {}  # routing key -> what a first delivery's slot says besides id and time

    @functools.wraps(strategy)
    def received(message: Any, body: Any, ack: Any, reject: Any, callbacks: Any) -> Any:
        now = monotonic_ns()
        headers = message.headers
        try:
            task_id, first = headers["id"], firsts[message.delivery_info["routing_key"]]
            raw = task_id.encode()
            if headers["retries"] or len(raw) != len(task_id) or len(raw) > ID_BYTES or not raw[-1]:
                raise KeyError
            # Writer.claim_received once more: the call and its arguments would be a tenth of the whole price.
            segment = writer.segment
            slot = segment.next_slot()
            claim_first(segment.buffer, slot[1] * 8, raw, first, now)
        except (LookupError, TypeError, ValueError, AttributeError, StopIteration):
            # A retry, an odd id, the first by this routing key, the end of the segment, headers that are not Celery's.
            odd = claim_odd(message, name, firsts, writer, now)
            if odd is None:
                return strategy(message, body, ack, reject, callbacks)
            task_id, slot = headers.get("id"), odd
            if not isinstance(task_id, str):  # and so perhaps not hashable; if it runs, its tracer claims another slot
                message.rig_slot = slot
                return strategy(message, body, ack, reject, callbacks)
        message.rig_slot = slot
        if running.one_by_one:
            running.next_id, running.next_slot = task_id, slot
        elif running.waiting is not None:
            running.waiting[task_id] = slot
        return strategy(message, body, ack, reject, callbacks)

    if fast is not None:
        return functools.update_wrapper(fast.Received(strategy, firsts, writer, running, received), strategy)
    return received


def claim_odd(message: Any, name: str, firsts: dict[str | None, int], writer: Writer, now: int) -> Slot | None:
    """Claim a slot in the way that takes any message: the first by its routing key, a retry, an odd id, a full segment.

    None for one that is not of message protocol 2, with neither id nor task in its headers: of those only the execution
    is recorded. Of any other a slot is claimed, whatever a stranger put there for an id: the account has it as foreign.
    """
    headers, queue = message.headers, message.delivery_info.get("routing_key")
    if "id" not in headers and "task" not in headers:
        return None
    kind = kind_of(name, queue, writer)
    # There are as many routing keys with delays as delays.
    if queue is None or (isinstance(queue, str) and not DELAY_BITS.match(queue)):
        firsts[queue] = layout.about(kind, 0, layout.RUN)
    return writer.claim_received(headers.get("id"), kind, headers.get("retries"), now)


def stamp_trace(trace: Hook, name: str, writer: Writer, running: Running) -> Hook:
    """Wrap a tracer: started, outcome and finished."""
    current = running.current

    def claim(uuid: str, request: Any) -> Slot:
        """Claim the slot of a task that another process has received, or this one before the connection broke."""
        known = request or {}
        queue = (known.get("delivery_info") or {}).get("routing_key")
        return writer.claim_run(uuid, kind_of(name, queue, writer), known.get("retries"))

    if fast is not None:
        return functools.update_wrapper(fast.Traced(trace, running, current, claim, outcome_of, Reject), trace)

    @functools.wraps(trace)
    def traced(uuid: str, args: Any, kwargs: Any, request: Any = None) -> Any:
        slot = running.next_slot if uuid == running.next_id else running.take(uuid)
        if slot is None:
            slot = claim(uuid, request)
        words, base = slot
        words[base + STARTED] = monotonic_ns()
        current.slot = slot
        try:
            result = trace(uuid, args, kwargs, request)
        except Reject:
            words[base + OUTCOME] = REJECTED
            raise
        finally:
            current.slot = None
        words[base + OUTCOME] = SUCCEEDED if result[1] is None else outcome_of(result)
        words[base + FINISHED] = monotonic_ns()
        return result

    return traced


def outcome_of(result: Any) -> int:
    """Return the outcome of what a tracer returned for a task that did not succeed."""
    return OUTCOME_OF_STATE.get(result[1].state, FAILED)


def stamp_body(run: Hook, running: Running) -> Hook:
    """Wrap `task.run`: body_done. (Arguments that `run` does not take are refused before it: then it has no end.)"""
    if fast is not None:
        return functools.update_wrapper(fast.Body(run, running), run)

    @functools.wraps(run)
    def timed_bare() -> Any:
        try:
            return run()
        finally:
            # A task that calls another one as a function ends after it, and so overwrites the inner one's stamp.
            slot = running.current.slot
            if slot is not None:
                slot[0][slot[1] + BODY_DONE] = monotonic_ns()

    @functools.wraps(run)
    def timed(*args: Any, **kwargs: Any) -> Any:
        try:
            return run(*args, **kwargs)
        finally:
            slot = running.current.slot
            if slot is not None:
                slot[0][slot[1] + BODY_DONE] = monotonic_ns()

    return timed_bare if takes_nothing(run) else timed


def takes_nothing(run: Hook) -> bool:
    """Tell whether a function or bound method can be called in no other way than without arguments.

    Its own code is asked and not its signature, which a decorator copies from the function it wraps.
    """
    bound = isinstance(run, MethodType)
    code = getattr(getattr(run, "__func__", run), "__code__", None)
    if not isinstance(code, CodeType) or code.co_flags & (CO_VARARGS | CO_VARKEYWORDS):
        return False
    return code.co_argcount + code.co_kwonlyargcount == bound


def stamp_ack(ack: Hook) -> Hook:
    """Wrap `kombu.Message.ack`, not `Request.acknowledge`: that only queues the ack for the event loop's next turn."""
    if fast is not None:
        return functools.update_wrapper(fast.Acked(ack), ack)

    @functools.wraps(ack)
    def acked(message: Any, multiple: bool = False) -> None:
        ack(message, multiple)
        try:
            words, base = message.rig_slot
        except AttributeError:
            return  # of no task
        words[base + ACKED] = monotonic_ns()

    return acked


def stamp_reject(reject: Hook) -> Hook:
    """Wrap `kombu.Message.reject`, which gives the message up or back to the queue."""
    at = layout.REJECTED

    @functools.wraps(reject)
    def rejected(message: Any, requeue: bool = False) -> None:
        reject(message, requeue)
        try:
            words, base = message.rig_slot
        except AttributeError:
            return
        words[base + at] = monotonic_ns()

    return rejected


def stamp_stored(store_result: Hook, running: Running) -> Hook:
    """Wrap a backend's `store_result`: the result is written, whatever it is."""
    at = layout.STORED

    @functools.wraps(store_result)
    def store(self: Any, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        stored = store_result(self, task_id, result, state, *args, **kwargs)
        slot = running.current.slot
        if slot is not None and state != states.STARTED:
            slot[0][slot[1] + at] = monotonic_ns()
        return stored

    return store
