"""In a worker: lets a known share of the tasks begin later by a known time.

The settings rig_late_percent and rig_late_ms. The share is exact: a task's number decides, which is its place among
those that its generator sent, so of each hundred in a row as many are late, and they are spread over it. The time is
that of a sleep, 0.1 ms longer than asked for. It passes in the thread that runs the task, before the task's body: on a
pool that is wide enough no other task waits meanwhile. So with p percent late, and all others as they were,
- the share of tasks that take longer than a time between the usual one and the delay is greater by p;
- half of the late tasks lie beyond the percentile 100 - p/2, which therefore is the delay and the usual median;
- a percentile q below 100 - p is what q / (100 - p) of usual tasks do not exceed: with 3 percent late p95 is the usual
  p97.9.
"""

from __future__ import annotations

import time
from typing import Any

from celery import signals

from rig.load.ids import origin
from rig.selfbench.controls import setting

PERCENT, MS = "rig_late_percent", "rig_late_ms"
STRIDE = 37  # has no divisor in common with 100: of a hundred numbers in a row each remainder comes once


def is_late(task_id: str, percent: float) -> bool:
    """Tell whether a task is one of the `percent` of each hundred that are late; none of another origin is."""
    known = origin(task_id)
    return known is not None and known.number * STRIDE % 100 < percent


def _attach() -> None:
    percent, seconds = setting(PERCENT), setting(MS) / 1000

    def wait(task_id: str = "", **_: Any) -> None:
        if is_late(task_id, percent):
            time.sleep(seconds)

    if percent:
        signals.task_prerun.connect(wait, weak=False)


_attach()
