"""What an experiment file may say, as frozen dataclasses. `read_spec` reads the file, `tables` builds these from it.

loadtests/experiments/ignore_result.toml is the commented example; docs/method.md says what each entry does to a run.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rig.load.calls import SEND_TASK
from rig.stack.paths import DEFAULT_TOPOLOGY

ALLOWED = ("duplicated", "expired", "failed")
CONTROL = "control"  # name of the cell that runs the first variant a second time
OURS = ("-A", "--app", "-Q", "--queues", "-n", "--hostname")  # worker options that the engine sets itself


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What the claim says will be seen: `variant` against the first variant, in one measure."""

    measure: str
    variant: str
    change: str  # "higher", "lower" or "same"
    percent: float  # higher or lower by at least so much; "same": apart by at most so much


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """What must hold, besides the expectation, for `rig run` to exit with 0: a bound for a ratio to the baseline.

    The whole interval must keep to it: its upper end to `at_most`, its lower end to `at_least`.
    """

    measure: str
    variant: str
    at_most: float | None = None
    at_least: float | None = None


@dataclass(frozen=True, kw_only=True)
class Assertion:
    """What must be seen of a variant in every turn, or it was not the variant that its file says.

    `fact` is an entry of `rig.experiment.measure.FACTS`, a number a task: `at_least`, `at_most` bound it.
    """

    variant: str
    fact: str
    at_most: float | None = None
    at_least: float | None = None


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of task in a load. The name is empty when it is the only one."""

    task: str
    name: str = ""
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    share: float = 1.0  # of all tasks, in steps of 0.001


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A latency goal: `percentile` of the end-to-end times, over all kinds, within `ms`."""

    percentile: float
    ms: float


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is sent in every turn, the same for all cells."""

    kinds: tuple[Kind, ...]
    backlog: int = 1000  # tasks published while the worker is stopped, then drained
    users: int = 4  # Locust users that publish the backlog, each one task after the other
    arrivals: str = "poisson"  # of the paced phase: "poisson" or "constant"
    rate: float = 0.0  # of the paced phase, in tasks/s; 0: `share` of what the slowest cell drains in the warm-up
    share: float = 0.3
    run_in: float = 0.5  # seconds of the paced phase before its window opens: sent and accounted for, in no measure
    seconds: float = 3.0  # length of the window
    wait_ms: float = 20.0  # a task that takes longer than this, from planned to finished, has waited
    goal: Goal | None = None  # adds the measure sustainable_rate


@dataclass(frozen=True, kw_only=True)
class WorkerSpec:
    """One worker of a variant, which consumes the logical `queues`; none named: all of them."""

    worker: str = (
        "--pool prefork --concurrency 2 --without-gossip --without-mingle"  # command line after `celery -A app worker`
    )
    queues: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to run Celery; everything not named here is the stack's default."""

    name: str
    topology: str = DEFAULT_TOPOLOGY
    workers: tuple[WorkerSpec, ...] = (WorkerSpec(),)
    settings: Mapping[str, Any] = field(default_factory=dict)  # Celery settings, for worker and publisher
    options: Mapping[str, Any] = field(default_factory=dict)  # of apply_async
    queues: Mapping[str, str] = field(default_factory=dict)  # kind -> logical queue; empty: all kinds in one queue ""
    queue_arguments: Mapping[str, Any] = field(default_factory=dict)  # with which RabbitMQ's queues are declared
    call: str = SEND_TASK  # one of rig.load.calls.CALLS

    @property
    def logical_queues(self) -> tuple[str, ...]:
        """The queues of this variant, each once; one without a name where all kinds share it."""
        return tuple(dict.fromkeys(self.queues.values())) or ("",)

    def queue_of(self, kind: str) -> str:
        """Return the logical queue that tasks of `kind` go to."""
        return self.queues.get(kind, "")

    def factors(self) -> dict[str, str]:
        """Return everything in which variants can differ, by name.

        A worker flag is one factor whoever has it: workers that give it different values have them joined. `workers`
        says how many there are and who consumes what, `queues` which kind goes where.
        """
        flat = {"topology": self.topology, "call": self.call}
        flags = [_flags(worker.worker) for worker in self.workers]
        for flag in dict.fromkeys(flag for each in flags for flag in each):
            values = [each.get(flag, "without") for each in flags]
            flat[flag] = values[0] if len(set(values)) == 1 else " | ".join(values)
        flat["workers"] = " | ".join(",".join(worker.queues) for worker in self.workers)
        flat["queues"] = ", ".join(f"{kind}: {queue}" for kind, queue in sorted(self.queues.items()))
        for table in ("settings", "options", "queue_arguments"):
            flat |= {f"{table}.{key}": repr(value) for key, value in getattr(self, table).items()}
        return flat


def _flags(command_line: str) -> dict[str, str]:
    """Return each flag of a worker's command line, as the name of a factor, with its value."""
    flags: dict[str, str] = {}
    flag = "worker"
    for word in shlex.split(command_line):
        if word.startswith("-"):
            name, _, value = word.partition("=")
            flag = f"worker {name}"
            flags[flag] = value
        else:
            flags[flag] = f"{flags.get(flag, '')} {word}".strip()
    return flags


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A claim and how it is put to the test. `variants[0]` is the baseline."""

    name: str
    path: Path
    claim: str
    source: str
    expectation: Expectation
    load: Load
    variants: tuple[Variant, ...]
    factors: tuple[str, ...]  # in what the variants differ
    rounds: int = 16  # at most
    stop_at: float = 0.0  # percent: stop once the judged interval's half-width, as a ratio, is no wider; 0: never
    thresholds: tuple[Threshold, ...] = ()
    assertions: tuple[Assertion, ...] = ()
    allow: tuple[str, ...] = ()  # of ALLOWED: what may happen to tasks without making a run invalid

    @property
    def baseline(self) -> Variant:
        """The variant that the others are compared with."""
        return self.variants[0]


def differing(variants: tuple[Variant, ...]) -> tuple[str, ...]:
    """Return the names of the factors in which any two of `variants` differ, sorted."""
    flats = [variant.factors() for variant in variants]
    names = {name for flat in flats for name in flat}
    return tuple(sorted(name for name in names if len({flat.get(name) for flat in flats}) > 1))
