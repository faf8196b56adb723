"""Whether a test's beginning was like the rest of it.

The percentiles of Locust's table are those of all requests. Where the first second took much longer, as it does while
a broker, a worker or this process still fills its caches, they describe the start and not the load. So every process
keeps sums of log(response time), those of the run-in apart, and the end of the test says when the two differ.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from time import monotonic_ns
from typing import Any, NamedTuple

from rig.load.schedule.arrivals import SECOND_NS

RUN_IN_S = 1.0  # from the moment on at which all users are there and the schedules begin
# A difference is said when it is this large and this many standard errors. The size is what keeps false alarms rare:
# the seconds of a steady load differ from each other by more than independent requests would. Where that is by 15%
# (standard deviation), fewer than one steady test in a hundred gets the line (tests/unit/test_load_beginning.py).
FACTOR = 1.7
ERRORS = 4.0
LEAST = 10  # requests on either side
SHORTEST_MS = 0.001

Row = tuple[str, str, int, float, float, int, float, float]


class Comparison(NamedTuple):
    """How many times as long the run-in's requests took, as a geometric mean; how many there were, there and after."""

    ratio: float
    begun: int
    rest: int


class Beginning:
    """For each type and name of requests: number, sum of logs, sum of squared logs, of the run-in and of the rest."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], list[Any]] = {}
        self._from_ns = self._until_ns = 0

    def start(self) -> None:
        """Forget the test before. The run-in lasts until `begin` has said when it ends."""
        self._sums = {}
        self._from_ns, self._until_ns = monotonic_ns(), 1 << 62

    def begin(self, start_ns: int) -> None:
        """All users are there and the schedules begin at the monotonic time `start_ns`."""
        self._until_ns = start_ns + int(RUN_IN_S * SECOND_NS)

    @property
    def seconds(self) -> float:
        """How long the run-in was."""
        return (self._until_ns - self._from_ns) / SECOND_NS

    def record(
        self, request_type: str, name: str, response_time: float, exception: BaseException | None = None, **_: Any
    ) -> None:
        """Count a request that took `response_time` milliseconds; a listener of Locust's `request` event."""
        if exception is not None:
            return
        sums = self._sums.get((request_type, name))
        if sums is None:
            sums = self._sums[request_type, name] = [0, 0.0, 0.0, 0, 0.0, 0.0]
        side = 0 if monotonic_ns() - response_time * 1e6 < self._until_ns else 3
        value = math.log(response_time if response_time > SHORTEST_MS else SHORTEST_MS)
        sums[side] += 1
        sums[side + 1] += value
        sums[side + 2] += value * value

    def rows(self) -> list[Row]:
        """Return everything in a form that a worker can report to its master."""
        return [(*key, *sums) for key, sums in self._sums.items()]


def compare(rows: Iterable[Row]) -> Comparison | None:
    """Return how the run-in differs from the rest by the rows of all processes; None where it does not.

    Each type and name is compared with itself, since their mixture may be another one at the beginning, and has the
    weight of its requests in the run-in.
    """
    total: dict[tuple[str, str], list[float]] = {}
    for kind, name, *numbers in rows:
        total[kind, name] = [a + b for a, b in zip(total.get((kind, name), [0.0] * 6), numbers, strict=True)]
    both = [sums for sums in total.values() if sums[0] and sums[3]]
    begun, rest = sum(sums[0] for sums in both), sum(sums[3] for sums in both)
    if min(begun, rest) < LEAST:
        return None
    difference = sum(sums[0] * (sums[1] / sums[0] - sums[4] / sums[3]) for sums in both) / begun
    error = math.sqrt(sum(sums[0] ** 2 * _variance(*sums) for sums in both)) / begun
    if abs(difference) < max(math.log(FACTOR), ERRORS * error):
        return None
    return Comparison(math.exp(difference), int(begun), int(rest))


def _variance(n: float, s: float, q: float, rest_n: float, rest_s: float, rest_q: float) -> float:
    """Return the variance of the difference of the two means, both spread as all values of this name together are."""
    within = q - s * s / n + rest_q - rest_s * rest_s / rest_n
    return max(within, 0.0) / max(n + rest_n - 2, 1) * (1 / n + 1 / rest_n)
