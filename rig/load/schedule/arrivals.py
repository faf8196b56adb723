"""When tasks are due: pure, seeded generators of planned times in nanoseconds after the start of the load.

Open-loop schedules plan every arrival in advance and never wait for an answer, so a slow broker cannot slow the load
down and thereby hide itself (coordinated omission): latency counts from the planned time. A closed loop has no plan.
Its users send the next task when the last one is done.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

SECOND_NS = 1_000_000_000
ROUNDING = 1e-9  # 0.07 s at 100/s are seven tasks, though the product is a little more than 7


@dataclass(frozen=True)
class Piece:
    """A stretch of `seconds` in which the rate goes in a straight line from `start` to `end` tasks a second."""

    start: float
    end: float
    seconds: float

    @property
    def tasks(self) -> float:
        """The integral of the rate."""
        return (self.start + self.end) / 2 * self.seconds

    def time_of(self, tasks: float) -> float:
        """Return the second at which the integral of the rate is `tasks`: the smaller root of a quadratic equation,
        in the form that subtracts no equals.
        """
        if tasks <= 0:
            return 0.0
        slope = (self.end - self.start) / self.seconds
        return 2 * tasks / (self.start + math.sqrt(max(self.start**2 + 2 * slope * tasks, 0.0)))


def profile(pieces: Iterable[Piece], seed: int | str | None = None) -> Iterator[int]:
    """Yield the arrivals at the rates of `pieces`, one after the other.

    Without a seed, one whenever the integral of the rate is 0, 1, 2, …: as many as the integral says. With one, a
    Poisson process of that rate, the same for the same seed: the times at which the integral reaches the arrivals of a
    Poisson process of rate 1 (Çinlar, Introduction to Stochastic Processes, 1975, section 4.7).
    """
    wanted: Iterator[float] = itertools.count() if seed is None else _rate_one(seed)
    want = next(wanted)
    begin = before = 0.0  # seconds and tasks of the pieces that are done
    for piece in pieces:
        end = begin + piece.seconds
        last_ns = math.inf if math.isinf(end) else round(end * SECOND_NS) - 1
        while want - before < piece.tasks * (1 - ROUNDING):
            yield int(min(round((begin + piece.time_of(want - before)) * SECOND_NS), last_ns))
            want = next(wanted)
        begin, before = end, before + piece.tasks


def _rate_one(seed: int | str) -> Iterator[float]:
    draw = random.Random(seed)  # noqa: S311 - a load wants repeatable numbers, not secret ones
    return itertools.accumulate(draw.expovariate(1.0) for _ in itertools.count())


def constant(rate: float, seconds: float = math.inf) -> Iterator[int]:
    """Yield evenly spaced times, `rate` a second, from 0 up to but without `seconds`."""
    return profile([Piece(rate, rate, seconds)])


def poisson(rate: float, seconds: float = math.inf, seed: int | str = 0) -> Iterator[int]:
    """Yield the times of independent arrivals (exponential gaps), on average `rate` a second, below `seconds`."""
    return profile([Piece(rate, rate, seconds)], seed)


def bursts(period: float, size: int, seconds: float = math.inf, rate: float = math.inf) -> Iterator[int]:
    """Yield `size` arrivals every `period` seconds from 0 on, below `seconds`: `rate` a second, or all at once.

    A burst must be over before the next one begins: (size - 1) / rate < period.
    """
    for number in itertools.count():
        for place in range(size):
            due_ns = round((number * period + place / rate) * SECOND_NS)
            if due_ns >= seconds * SECOND_NS:
                return
            yield due_ns


@dataclass(frozen=True, kw_only=True)
class Arrivals:
    """A load's arrivals. `seconds` is the length of the schedule: infinite if it has no end, 0 for a closed loop."""

    kind: str
    seconds: float
    times: Callable[[], Iterator[int]] = field(repr=False)  # planned, in nanoseconds after the start; each time anew

    @property
    def planned(self) -> bool:
        """Whether there is a plan to be late against. A closed loop's times are zeros: at once."""
        return self.kind not in ("closed", "each")

    @property
    def each(self) -> bool:
        """Whether every user sends all of them, and not all users together: so that each of them is warm."""
        return self.kind == "each"


@dataclass(kw_only=True)
class Hand:
    """Deals the planned times of one schedule out to many users, each time to one user."""

    times: Iterator[int]
    _back: list[int] = field(default_factory=list, init=False)

    def deal(self) -> int | None:
        """Return the next planned time, or None when there is none left."""
        return heapq.heappop(self._back) if self._back else next(self.times, None)

    def give_back(self, due: int) -> None:
        """Take a time back from a user who leaves before it has come; it is the next to be dealt."""
        heapq.heappush(self._back, due)

    def left(self, until: float = math.inf) -> int:
        """Return how many times up to `until` nobody took, and take them: the arrivals that were never sent."""
        given_back = sum(due <= until for due in self._back)
        self._back.clear()
        return given_back + sum(1 for _ in itertools.takewhile(lambda due: due <= until, self.times))
