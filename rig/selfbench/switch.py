"""Inside a worker: switches the ledger's hooks on and off between blocks of tasks, and takes the CPU time of each.

    celery -A app worker --pool solo --include rig.selfbench.switch

One worker in two states and not two workers: two processes of the same code differ by tens of percent, by where
memory and hashes happen to fall. The hooks are those that rig.instrument attached; "off" puts back what they wrapped.

A block begins with as many uncounted tasks as the worker may hold unacknowledged. Acks lag behind (on the solo pool
they leave when the socket's buffer is empty), and so none that is counted belongs to the state before.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import thread_time_ns
from typing import Any

from celery import signals
from celery.app.trace import build_tracer
from kombu.message import Message

from rig.instrument import loader
from rig.selfbench import marks


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """What one state puts into the four places that a task passes."""

    strategy: Callable[..., Any]
    trace: Callable[..., Any]
    ack: Callable[..., Any]


class Switch:
    """Executes the marks of one worker; `blocks` are `(mode, CPU nanoseconds)` in the order they ran."""

    def __init__(self, consumer: Any) -> None:
        self.consumer = consumer
        self.task = consumer.app.tasks[marks.TASK]
        on = Hooks(strategy=consumer.strategies[marks.TASK], trace=self.task.__trace__, ack=Message.ack)
        off = Hooks(
            strategy=on.strategy.__wrapped__,  # type: ignore[attr-defined]
            trace=self._bare_tracer(), ack=on.ack.__wrapped__,  # type: ignore[attr-defined]
        )  # fmt: skip
        self.states = {marks.ON: on, marks.OFF: off, marks.CONTROL: off}
        self.blocks: list[tuple[str, int]] = []
        self.segments_ns: list[int] = []
        self.mode = ""
        self.began = 0
        self._watch_segments()

    def _bare_tracer(self) -> Callable[..., Any]:
        """Return the tracer that Celery would have built: a tracer keeps the `run` it found."""
        wrapped, self.task.run = self.task.run, self.task.run.__wrapped__
        tracer: Callable[..., Any] = build_tracer(
            marks.TASK, self.task, self.consumer.app.loader, self.consumer.hostname, app=self.consumer.app
        )
        self.task.run = wrapped
        return tracer

    def _watch_segments(self) -> None:
        """Time each change of segment: too rare for a trimmed mean, so it is added to the price by itself."""
        writer: Any = loader.process_writer()
        roll = writer._roll

        def timed(full: Any) -> None:
            began = thread_time_ns()
            roll(full)
            self.segments_ns.append(thread_time_ns() - began)

        writer._roll = timed

    def on_mark(self, message: Any, *_: Any, **__: Any) -> None:
        """Do what a mark says; in the place of a strategy, so that other tasks pay nothing for it."""
        now = thread_time_ns()
        deed = message.headers[marks.DEED]
        message.ack()
        if deed == marks.BEGIN:
            self.began = thread_time_ns()
            return
        if self.mode:
            self.blocks.append((self.mode, now - self.began))
        if deed == marks.SWITCH:
            self._to(message.headers[marks.MODE])
        else:
            self._to(marks.OFF)
            self._save()

    def _to(self, mode: str) -> None:
        hooks = self.states[mode]
        self.consumer.strategies[marks.TASK] = hooks.strategy
        self.task.__trace__ = hooks.trace
        Message.ack = hooks.ack
        self.mode = mode

    def _save(self) -> None:
        written = Path(marks.BLOCKS_FILE)
        fresh = written.with_suffix(".new")
        fresh.write_text(json.dumps({"blocks": self.blocks, "segments_ns": self.segments_ns}))
        fresh.rename(written)


def _listen(sender: Any, **_: Any) -> None:
    sender.strategies[marks.MARK] = Switch(sender).on_mark


signals.worker_ready.connect(_listen)
