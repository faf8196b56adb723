"""Attaches the ledger to a worker: stamps what it does with each task, on every pool, in main and pool processes.

    received   strategy called, main process       started, finished  around the tracer, executing process
    body_done  `task.run` returned or raised        stored             `Backend.store_result` returned
    acked, rejected  `kombu.Message` did it, main process

A slot is claimed where a process first meets the task; slots of two processes are joined by id afterwards.
`hot_hooks` holds the wrappers that every task passes, `rare_hooks` those of the few. Nothing in them may raise: a hook
that raises would turn a good task into a failure.
"""

from __future__ import annotations

from typing import Any

from celery import bootsteps, signals
from celery.backends.base import DisabledBackend
from kombu.message import Message
from kombu.transport import pyamqp

from rig.instrument import hot_hooks, rare_hooks
from rig.instrument.running import Running
from rig.ledger.writer import Writer


def attach(app: Any, writer: Writer) -> None:
    """Attach to a worker that is about to start (`worker_init`: before the pool forks)."""
    running = Running()
    for task in app.tasks.values():
        # Before any tracer is built: a tracer keeps the function that it found.
        task.run = hot_hooks.stamp_body(task.run, running)
    backend = type(app.backend)  # the class, since Celery makes an instance for each thread
    if not issubclass(backend, DisabledBackend):
        backend.store_result = hot_hooks.stamp_stored(backend.store_result, running)
    pyamqp.Channel.Message = roomy(pyamqp.Channel.Message)
    Message.ack, Message.reject = hot_hooks.stamp_ack(Message.ack), hot_hooks.stamp_reject(Message.reject)
    rare_hooks.attach(writer, running)
    app.steps["consumer"].add(_stamps(writer, running))
    signals.worker_process_init.connect(lambda **_: _wrap_tracers(app, writer, running), weak=False)


def roomy(message: type) -> type:
    """Return a class of messages with a fixed place for `rig_slot`: cheaper than an entry in their dict."""
    return type(message.__name__, (message,), {"__slots__": ("rig_slot",), "__module__": __name__})


def _stamps(writer: Writer, running: Running) -> type:
    class Stamps(bootsteps.StartStopStep):  # type: ignore[misc]
        """Wraps strategies and tracers, which the consumer builds anew at each connection."""

        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, consumer: Any) -> None:
            pool = type(consumer.pool).__module__
            running.serve(pool)
            for name, strategy in list(consumer.strategies.items()):
                consumer.strategies[name] = hot_hooks.stamp_received(strategy, name, writer, running)
            if pool != "celery.concurrency.prefork":
                _wrap_tracers(consumer.app, writer, running)

    return Stamps


def _wrap_tracers(app: Any, writer: Writer, running: Running) -> None:
    running.current.slot = None
    for name, task in app.tasks.items():
        if task.__trace__ is not None:
            task.__trace__ = hot_hooks.stamp_trace(task.__trace__, name, writer, running)
