"""When tasks are due: pure, seeded generators of planned times in nanoseconds after the start of the load.

Open-loop schedules (`constant`, `poisson`) plan every arrival in advance and never wait for an answer, so a slow
broker cannot slow the load down and thereby hide itself (coordinated omission): latency counts from the planned time.
A closed loop has no plan. Its users send the next task when the last one is done.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rig.errors import BadInput

SECOND_NS = 1_000_000_000


def constant(rate: float, seconds: float = math.inf) -> Iterator[int]:
    """Yield evenly spaced times, `rate` a second, from 0 up to but without `seconds`."""
    end_ns = seconds * SECOND_NS
    for number in itertools.count():
        due_ns = round(number * SECOND_NS / rate)
        if due_ns >= end_ns:
            return
        yield due_ns


def poisson(rate: float, seconds: float = math.inf, seed: int | str = 0) -> Iterator[int]:
    """Yield the times of independent arrivals (exponential gaps), on average `rate` a second, below `seconds`.

    The same seed gives the same times. Several such streams together are again one, of the sum of their rates.
    """
    draw = random.Random(seed)  # noqa: S311 - a load wants repeatable numbers, not secret ones
    end_ns = seconds * SECOND_NS
    at = draw.expovariate(rate)
    while (due_ns := round(at * SECOND_NS)) < end_ns:
        yield due_ns
        at += draw.expovariate(rate)


@dataclass(frozen=True, kw_only=True)
class Arrivals:
    """What a turn asks for: `count` where kind is "closed"; `rate` (a second), `seconds` and `seed` for the others."""

    kind: str
    count: int = 0
    rate: float = 0.0
    seconds: float = 0.0
    seed: int = 0

    @property
    def planned(self) -> bool:
        """Whether there is a plan to be late against."""
        return self.kind != "closed"

    def times(self) -> Iterator[int]:
        """Yield the planned times in nanoseconds after the start; for a closed loop `count` zeros: at once."""
        if self.kind == "closed":
            return itertools.repeat(0, self.count)
        if self.kind == "constant":
            return constant(self.rate, self.seconds)
        return poisson(self.rate, self.seconds, self.seed)


@dataclass(kw_only=True)
class Hand:
    """Deals the planned times of one schedule out to many users, each time to one user, and counts them."""

    times: Iterator[int]
    dealt: int = field(default=0, init=False)

    def deal(self) -> int | None:
        """Return the next planned time, or None when there is none left."""
        due = next(self.times, None)
        if due is not None:
            self.dealt += 1
        return due

    def left(self) -> int:
        """Return how many times nobody took, and take them: the arrivals that were never sent."""
        return sum(1 for _ in self.times)


# The fields that each kind of arrivals takes, all of them required.
_NEEDS: Mapping[str, tuple[str, ...]] = {
    "closed": ("count",),
    "constant": ("rate", "seconds"),
    "poisson": ("rate", "seconds", "seed"),
}


def parse(spec: object) -> Arrivals:
    """Return the arrivals that a JSON object describes: {"kind": "closed", "count": N}, or {"kind": "constant" or
    "poisson", "rate": a second, "seconds": S, "seed": n (poisson only)}.

    Raises BadInput with every problem, each with what would be valid.
    """
    if not isinstance(spec, Mapping):
        raise BadInput([f"arrivals: an object is needed, not {spec!r}"])
    kind = spec.get("kind")
    if not isinstance(kind, str) or kind not in _NEEDS:
        raise BadInput([f"arrivals.kind: {kind!r} is not one of {', '.join(_NEEDS)}"])
    problems = [
        f"arrivals.{name}: not known for {kind}; it takes {', '.join(_NEEDS[kind])}"
        for name in spec
        if name not in ("kind", *_NEEDS[kind])
    ]
    values: dict[str, Any] = {}
    for name in _NEEDS[kind]:
        whole = name in ("count", "seed")
        value = spec.get(name)
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            problems.append(f"arrivals.{name}: {'a whole number' if whole else 'a number'} is needed, not {value!r}")
        elif name != "seed" and not 0 < value < math.inf:
            problems.append(f"arrivals.{name}: must be above 0, not {value!r}")
        else:
            values[name] = value
    if problems:
        raise BadInput(problems)
    return Arrivals(kind=kind, **values)
