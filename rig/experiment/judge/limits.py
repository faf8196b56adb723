"""What limited the execution rate of a cell while it worked off its backlog.

A ratio of execution rates is that of whatever was full. Where the machine was, both cells share its cores. Where the
pool was, more processes would change the ratio; where the worker's main process was, they would not.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rig.experiment.result import Result
from rig.experiment.turn import DRAIN, Turn
from rig.stack.topology import REDIS
from rig.testbed.environment import TRANSPORTS

MACHINE_FULL = 0.95  # of all cores
POOL_FULL = 0.9  # of the time between the first start and the last end, in which a pool process had a task
MAIN_FULL = 0.85  # of a core
BROKER_FULL = 0.95  # of a core, where the broker is Redis, which executes commands in one thread

NO_PART = "no single part"


@dataclass(frozen=True, kw_only=True)
class Shares:
    """How busy everything was in the drains of a cell, medians over turns.

    `machine` is a share of all `cores`; `main`, `broker` shares of one core, `main` of each main process. `pool` is the
    share of time in which a pool process had a task, `pool_cpu` that in which it used CPU: None for a pool without
    processes. `single` says that the broker has no use for a second core.
    """

    cores: int
    machine: float
    main: float
    broker: float
    pool: float | None = None
    pool_cpu: float | None = None
    processes: int = 0
    single: bool = False

    @property
    def part(self) -> str:
        """What limited the rate, in words that follow "limited by"; the first that was full."""
        if self.machine >= MACHINE_FULL:
            return f"the machine's CPU ({self.machine:.0%} of {self.cores} cores)"
        if self.pool is not None and self.pool >= POOL_FULL:
            idle = max(0.0, self.pool - (self.pool_cpu or 0.0)) / self.pool
            had = f"with a task {self.pool:.0%} of the time, {idle:.0%} of it waiting"
            return f"the {self.processes} pool processes ({had})"
        if self.main >= MAIN_FULL:
            return f"the worker's main process ({self.main:.0%} of a core)"
        if self.single and self.broker >= BROKER_FULL:
            return f"the broker, which has one thread ({self.broker:.0%} of a core)"
        return NO_PART

    @property
    def said(self) -> str:
        """The same; where nothing was full, how busy everything was."""
        if self.part != NO_PART:
            return self.part
        pool = "" if self.pool is None else f"pool {self.pool:.0%}, "
        return (
            f"{NO_PART}: main process {self.main:.0%} of a core, {pool}"
            f"broker {self.broker:.0%} of a core, machine {self.machine:.0%}"
        )


def limits(results: Sequence[Result]) -> dict[str, Shares]:
    """Return what was busy in each cell's drains, over the counted turns of all runs; none for a cell without any."""
    found = {}
    topologies = {variant.name: variant.topology for variant in results[0].experiment.variants}
    for cell, variant in results[0].cells.items():
        busy = [each for result in results for each in _busy(result, cell)]
        if busy:
            about = results[0].environment
            single = about.get(TRANSPORTS, {}).get(topologies[variant]) == REDIS
            found[cell] = _shares(busy, cores=about.get("cores", 1), single=single)
    return found


# Of one drain: share of the machine, main process, broker, pool processes with a task, their CPU; their number.
_Busy = tuple[float, float, float, float | None, float | None, int]


def _busy(result: Result, cell: str) -> Iterator[_Busy]:
    cores = result.environment.get("cores", 1)
    for turn in result.counted:
        phase = turn.phases.get(DRAIN)
        if turn.cell == cell and phase and phase.processes.get("main"):
            length = phase.ended_ns - phase.started_ns
            main = phase.process_ns["main"] / phase.processes["main"] / length
            broker = phase.cpu_ns["broker"] / length
            yield phase.host_ns / length / cores, main, broker, *_pool(turn)


def _pool(turn: Turn) -> tuple[float | None, float | None, int]:
    """Return how busy each process of a pool was: nothing of a pool that has none (threads, gevent, solo)."""
    phase = turn.phases[DRAIN]
    count = phase.processes.get("pool", 0)
    if not count or "in_pool" not in turn.values:
        return None, None, 0
    used = phase.process_ns["pool"] / count / (phase.ended_ns - phase.started_ns)
    return turn.values["in_pool"] / count, used, count


def _shares(busy: Sequence[_Busy], cores: int, single: bool) -> Shares:
    machine, main, broker, pool, used, counts = zip(*busy, strict=True)
    middle = statistics.median
    with_pool = None not in pool
    return Shares(
        cores=cores, machine=middle(machine), main=middle(main), broker=middle(broker), single=single,
        pool=middle(pool) if with_pool else None, pool_cpu=middle(used) if with_pool else None,
        processes=round(middle(counts)),
    )  # fmt: skip
