"""What a process knows of the tasks it has received and runs: how `hot_hooks` find each other's slots."""

from __future__ import annotations

import threading

from rig.ledger.writer import Slot


class Current:
    """The slot of the task that runs in this process: solo and prefork run one at a time."""

    __slots__ = ("slot",)

    def __init__(self) -> None:
        self.slot: Slot | None = None


class CurrentOfThread(threading.local):
    """The slot of the task that runs in this thread, or greenlet: Celery patches threading before it imports us."""

    slot: Slot | None = None


class Running:
    """What this process has received and not started, and what it runs. Pool processes receive nothing themselves."""

    __slots__ = ("current", "next_id", "next_slot", "one_by_one", "waiting")

    def __init__(self) -> None:
        self.current: Current | CurrentOfThread = Current()
        self.waiting: dict[str, Slot] | None = None  # None where this process runs no tasks, or only one by one
        # On the solo pool a task runs within the call of its strategy, so there is never more than one that waits.
        self.one_by_one = False
        self.next_id = ""
        self.next_slot: Slot | None = None

    def serve(self, pool: str) -> None:
        """Adapt to the pool, known by its module's name, when a consumer starts."""
        self.one_by_one = pool == "celery.concurrency.solo"
        if self.one_by_one or pool == "celery.concurrency.prefork":
            return
        self.waiting = {}
        if isinstance(self.current, Current):
            self.current = CurrentOfThread()

    def take(self, task_id: str) -> Slot | None:
        """Return the slot of a task that was received in this process, and forget it."""
        if self.waiting is not None:
            return self.waiting.pop(task_id, None)
        return self.next_slot if self.next_id == task_id else None
