"""In a worker: starts at most a known number of tasks a second.

The setting rig_starts_a_second. The execution rate of a backlog is that number, if the worker alone would be faster. It
is exact, since starts keep to the times of a schedule: what one start was late does not shift the next.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from celery import signals

from rig.selfbench.controls import setting

SETTING = "rig_starts_a_second"
CAUGHT_UP_NS = 100_000_000  # what a worker that was kept waiting may be behind its schedule and still catch up with


class Pace:
    """Gives each caller the next time of a schedule of `rate` a second, and lets it wait for that."""

    def __init__(
        self, rate: float, clock: Callable[[], int] = time.monotonic_ns, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._every_ns = int(1e9 / rate)
        self._next_ns = 0
        self._lock = threading.Lock()
        self._clock = clock
        self._sleep = sleep

    def wait(self, **_: Any) -> None:
        """Wait for the next time. After a longer time without tasks the schedule begins again."""
        with self._lock:
            now = self._clock()
            mine = self._next_ns if self._next_ns > now - CAUGHT_UP_NS else now
            self._next_ns = mine + self._every_ns
        if mine > now:
            self._sleep((mine - now) / 1e9)


if setting(SETTING):
    signals.task_prerun.connect(Pace(setting(SETTING)).wait, weak=False)
