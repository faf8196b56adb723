"""What the engine writes down of a turn: plain numbers, kept in result.json as they were read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# The parts of a deployment whose CPU is told apart, in the order in which a task meets them.
COMPONENTS = ("publisher", "broker", "worker", "results")

# Share of the machine that others may use during a phase before its turn is taken again. The kernel's own work for a
# run counts as theirs, too: 5 to 10% of two cores.
FOREIGN_LIMIT = 0.25


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One stretch of a turn, between two readings of all counters.

    `started_ns`, `ended_ns`: CLOCK_MONOTONIC. `cpu_ns`: CPU time that the containers of each component used meanwhile.
    `host_ns`: CPU time of everything on the host, ours included; `stolen_ns`: what the hypervisor gave to others.
    """

    started_ns: int
    ended_ns: int
    cpu_ns: Mapping[str, int]
    host_ns: int
    stolen_ns: int

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return (self.ended_ns - self.started_ns) / 1e9

    def foreign_share(self, cores: int) -> float:
        """Return the share of a machine with `cores` that went to whatever is not ours (and to the kernel for ours)."""
        return max(0.0, self.host_ns - sum(self.cpu_ns.values())) / (self.ended_ns - self.started_ns) / cores


Sent = dict[str, Mapping[str, Any]]  # phase -> what the generator answered to POST /turn


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One cell measured once. `number` + place of a phase in `PHASES` is the turn in the ids of that phase's tasks.

    `sent` holds the generator's own counts for each phase that sends and each probe of a search, `values` the measures
    (`rig.experiment.measure`) by name. `foreign` is the largest share of the machine that others used during one of the
    phases; a turn that was taken again because of it is `discarded`.
    """

    round: int  # 0 is the warm-up round, whose numbers only set the paced rate
    place: int  # the how-manieth in its round, from 0
    cell: str
    number: int
    phases: Mapping[str, Phase]
    sent: Sent
    values: Mapping[str, float]
    foreign: float = 0.0
    discarded: bool = False


WARM, BACKLOG, DRAIN, PACED = "warm", "backlog", "drain", "paced"
SENDING = (WARM, BACKLOG, PACED)  # the phases in which the generator sends; each has its own number in the task ids
NUMBERS_A_TURN = len(SENDING)
PROBE = "probe"  # begins the names under which `Turn.sent` has the answers to a search's probes


def post_number(turn_number: int, phase: str) -> int:
    """Return the turn number that stands in the task ids of `phase`."""
    return turn_number * NUMBERS_A_TURN + SENDING.index(phase)
