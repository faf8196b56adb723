"""In a worker: makes each of its processes need (1 + s) times the CPU time that it would need.

The setting rig_slowdown is s. The ratio of CPU per task, of this worker to one with s = 0, is 1 + s. It is exact, since
the amount is kept by feedback and not by a loop of fixed length: with each task a process reads its own CPU clock,
which holds everything it has ever used (start-up, event loop, broker, result store), takes off what it has burnt so
far, and burns until that is s times the rest. Reading the clock counts to the rest, and a worker with s = 0 reads it as
often. What is not slowed is what a process does between its last task and the reading of the counters.

The execution rate has no such truth: worker and broker share the machine, and the broker is not slowed.
"""

from __future__ import annotations

from collections.abc import Callable
from time import process_time_ns
from typing import Any

from celery import signals

from rig.selfbench.controls import setting

SETTING = "rig_slowdown"


class Debt:
    """What one process owes: after each `pay`, burnt = `share` * (CPU time of the process - burnt), to a microsecond or
    what one reading of the clock takes.
    """

    def __init__(self, share: float, clock: Callable[[], int] = process_time_ns) -> None:
        self.share = share
        self.burnt_ns = 0
        self._clock = clock

    def pay(self, **_: Any) -> None:
        """Burn what is owed. Takes and ignores what a signal says."""
        began = now = self._clock()
        due = began + self.share * (began - self.burnt_ns) - self.burnt_ns
        while now < due:
            now = self._clock()
        self.burnt_ns += now - began

    def forget(self, **_: Any) -> None:
        """Begin again in a process that was just forked: its CPU clock starts at zero."""
        self.burnt_ns = 0


def _slow(**_: Any) -> None:
    """Pay where a task is received (the main process) and where it has run (the pool's; on solo the same)."""
    debt = Debt(setting(SETTING))
    signals.worker_process_init.connect(debt.forget, weak=False)
    signals.task_received.connect(debt.pay, weak=False)
    signals.task_postrun.connect(debt.pay, weak=False)


signals.worker_init.connect(_slow, weak=False)
