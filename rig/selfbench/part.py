"""The parts of the self-test: each module of `rig.selfbench.parts` is one, and nothing keeps a list."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from rig.selfbench import parts
from rig.selfbench.figure import Figure
from rig.stack.paths import Checkout


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a part is told: `seed` for every draw of it, `quick` to be done in a fraction of the time.

    A quick measurement shows that all of it works; its intervals are too wide to judge by.
    """

    checkout: Checkout
    seed: int
    quick: bool = False


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a part came to; `raw` is what the figures were computed from, as JSON has it."""

    figures: Sequence[Figure]
    raw: Mapping[str, Any] = field(default_factory=dict)


class Part(Protocol):
    """What a module of `rig.selfbench.parts` has. `measure` raises BadInput and StackError, and cleans up itself."""

    TITLE: str  # one line: what is measured, on what

    @staticmethod
    def measure(job: Job) -> Found:
        """Measure, saying on stdout how far it is, and return what was found."""


def all_parts() -> dict[str, Part]:
    """Return every part by name, in alphabetical order."""
    names = sorted(module.name for module in pkgutil.iter_modules(parts.__path__))
    return {name: cast(Part, importlib.import_module(f"{parts.__name__}.{name}")) for name in names}
