"""What one process sends of a schedule that several share, and when all of them begin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from time import monotonic_ns, time_ns
from typing import Any

from rig.load.schedule.arrivals import Arrivals, Hand

LEAD_NS = 500_000_000  # from the word to the first arrival: it has to reach all workers


class Share:
    """What this process sends of one schedule. Until `begin`, and when all is dealt, there is nothing to take."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._hand = Hand(times=iter(()))
        self._start_ns = 0
        self._waiting: list[Callable[[], None]] = []

    def begin(self, start_ns: int, place: int, of: int) -> None:
        """Deal every `of`-th arrival from number `place` on, planned from the monotonic time `start_ns`."""
        self._start_ns = start_ns
        self._hand = Hand(times=islice(self._arrivals.times(), place, None, of))
        for wake in self._waiting:
            wake()

    def take(self, wake: Callable[[], None]) -> int:
        """Return when the next task is due, in monotonic nanoseconds; 0 when there is none, and `wake` is called when
        that changes.
        """
        due = self._hand.deal()
        if due is None:
            self._waiting.append(wake)
            return 0
        return self._start_ns + due

    def give_back(self, planned_ns: int) -> None:
        """Let somebody else have what was taken and will not be sent."""
        self._hand.give_back(planned_ns - self._start_ns)

    def missed(self, until_ns: int) -> int:
        """Return how many were due by `until_ns` and not taken."""
        return self._hand.left(until_ns - self._start_ns)


def soon() -> dict[str, Any]:
    """Return a moment LEAD_NS from now in the words that every host can read: boot, monotonic time, date."""
    return {"boot": _boot_id(), "monotonic_ns": monotonic_ns() + LEAD_NS, "wall_ns": time_ns() + LEAD_NS}


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def here(start: Mapping[str, Any]) -> int:
    """Return a start in this host's monotonic time: told by it on the same host, by the date on another."""
    if start["boot"] == _boot_id():
        return int(start["monotonic_ns"])
    return monotonic_ns() + int(start["wall_ns"]) - time_ns()
