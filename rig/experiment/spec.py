"""An experiment file: what it may say, read into frozen dataclasses with every mistake found at once.

loadtests/experiments/ignore_result.toml is the commented example; docs/method.md says what each entry does to a run.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
class Load:
    """What is sent in every turn, the same for all cells."""

    task: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    backlog: int = 2000  # tasks published while the worker is stopped, then drained
    users: int = 4  # Locust users that publish the backlog, each one task after the other
    arrivals: str = "poisson"  # of the paced phase: "poisson" or "constant"
    share: float = 0.3  # paced rate as a share of the slowest cell's drain capacity in the warm-up round
    seconds: float = 2.0  # length of the paced phase


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to run Celery; everything not named here is the stack's default."""

    name: str
    topology: str = "rabbitmq"
    worker: str = (
        "--pool prefork --concurrency 2 --without-gossip --without-mingle"  # command line after `celery -A app worker`
    )
    settings: Mapping[str, Any] = field(default_factory=dict)  # Celery settings, for worker and publisher
    options: Mapping[str, Any] = field(default_factory=dict)  # of apply_async

    def factors(self) -> dict[str, str]:
        """Return everything in which variants can differ, by name: topology, each worker flag, setting and option."""
        flat = {"topology": self.topology}
        flag = "worker"
        for word in shlex.split(self.worker):
            if word.startswith("-"):
                name, _, value = word.partition("=")
                flag = f"worker {name}"
                flat[flag] = value
            else:
                flat[flag] = f"{flat.get(flag, '')} {word}".strip()
        flat |= {f"settings.{key}": repr(value) for key, value in self.settings.items()}
        return flat | {f"options.{key}": repr(value) for key, value in self.options.items()}


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
    rounds: int = 8

    @property
    def baseline(self) -> Variant:
        """The variant that the others are compared with."""
        return self.variants[0]


def differing(variants: tuple[Variant, ...]) -> tuple[str, ...]:
    """Return the names of the factors in which any two of `variants` differ, sorted."""
    flats = [variant.factors() for variant in variants]
    names = {name for flat in flats for name in flat}
    return tuple(sorted(name for name in names if len({flat.get(name) for flat in flats}) > 1))
