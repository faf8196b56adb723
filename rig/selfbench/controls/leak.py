"""In a worker: keeps a known number of bytes for each task.

The setting rig_leak_bytes. The memory that the worker holds is greater by tasks x bytes, to a page. It is exact, since
the bytes are written one behind the other into memory that was reserved for them: what was not written to takes no
memory, whereas objects of their own would first fill what the process had freed before. Huge pages are refused, or a
first byte would take two megabytes.
"""

from __future__ import annotations

import mmap
from typing import Any

from celery import signals

from rig.selfbench.controls import setting

SETTING = "rig_leak_bytes"
ROOM = 256 << 20  # bytes


class Leak:
    """Keeps `each` bytes a task, until `room` is used up."""

    def __init__(self, each: int, room: int = ROOM) -> None:
        self._kept = mmap.mmap(-1, room, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._kept.madvise(mmap.MADV_NOHUGEPAGE)
        self._more = b"x" * each

    def keep(self, **_: Any) -> None:
        """Keep more. ValueError when there is no room for it."""
        self._kept.write(self._more)


if setting(SETTING):
    signals.task_postrun.connect(Leak(int(setting(SETTING))).keep, weak=False)
