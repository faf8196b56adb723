"""What the engine writes down of a turn: plain numbers, kept in result.json as they were read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# How numbers are taken: raised with each change of engine, generator or hooks that may move one. A record of another
# version is not compared with what this one measures: tests/contract/test_records.py.
ENGINE = 2

# The parts of a deployment whose CPU is measured apart, in the order in which a task meets them.
COMPONENTS = ("publisher", "broker", "worker", "results")
OTHER = "other"  # everything else on the machine: kernel threads, the Docker engine, the rig, strangers
PARTS = (*COMPONENTS, OTHER)

# Share of the machine that others may use during a phase; and by how much that share may differ between the turns of a
# round. A steady other load makes a machine smaller, for every cell alike; an uneven one is measured as a difference.
FOREIGN_LIMIT = 0.5
UNEVEN_LIMIT = 0.15


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One stretch of a turn, between two readings of all counters.

    `started_ns`, `ended_ns`: CLOCK_MONOTONIC. `cpu_ns`: CPU time that the containers of each component used meanwhile.
    `host_ns`: CPU time of everything on the host, ours included; `stolen_ns`: what the hypervisor gave to others;
    `rig_ns`: what the rig and the docker commands that it has run used, which is part of `host_ns`.
    `opened`: TCP connections that a component's containers opened meanwhile. `process_ns`: CPU time of the workers'
    processes by what they are, "main" (those that talk to the broker) and "pool", of which there are `processes`.
    """

    started_ns: int
    ended_ns: int
    cpu_ns: Mapping[str, int]
    host_ns: int
    stolen_ns: int
    rig_ns: int = 0
    opened: Mapping[str, int] = field(default_factory=dict)
    process_ns: Mapping[str, int] = field(default_factory=dict)
    processes: Mapping[str, int] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return (self.ended_ns - self.started_ns) / 1e9

    @property
    def other_ns(self) -> int:
        """CPU time of everything that is none of the cell's components; the rig itself is part of it."""
        return self.host_ns - sum(self.cpu_ns.values())

    def used_ns(self, part: str) -> int:
        """Return the CPU time of one of `PARTS`."""
        return self.other_ns if part == OTHER else self.cpu_ns[part]

    def foreign_share(self, cores: int) -> float:
        """Return the share of a machine with `cores` that went to whatever is neither ours nor the rig.

        What the hypervisor gave to other machines is part of it: a neighbour is a neighbour.
        """
        used_ns = max(0.0, self.other_ns - self.rig_ns) + self.stolen_ns
        return used_ns / (self.ended_ns - self.started_ns) / cores

    def rig_share(self) -> float:
        """Return the share of one core that the rig itself used."""
        return self.rig_ns / (self.ended_ns - self.started_ns)


Sent = dict[str, Mapping[str, Any]]  # phase -> what the generator answered to POST /turn


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One cell measured once. `number` + place of a phase in `SENDING` is the turn in the ids of that phase's tasks.

    `sent` holds the generator's own counts for each phase that sends and each probe of a search, `values` what was
    measured in the turn by name (`rig.experiment.measure`). `foreign` is the largest share of the machine that others
    used during one of the phases. A turn is `discarded` with its whole round, for the reason in `Result.left_out`.
    """

    round: int  # 0 is the warm-up round, whose numbers only set the paced rate
    place: int  # in its round, from 0
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
