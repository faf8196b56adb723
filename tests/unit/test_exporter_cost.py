"""What following costs: printed, and held against a plain loop over the slots."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from exporter.follow import Follower
from exporter_cell import MS, Cell, events

from rig.ledger import layout

TASKS, ROUNDS = 4000, 8
SLOT = struct.Struct("<36sHBB11q")


def solo_task(cell: Cell, number: int) -> None:
    """All that a task leaves in a solo worker whose publisher is not watched: one slot."""
    at = 1000 * MS
    cell.receive(
        number, received=at, started=at + 1, body_done=at + 2, outcome="succeeded", finished=at + 3, acked=at + 4
    )


def cpu_seconds(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


def unpack_all(directory: Path) -> int:
    """Do the least that a per-slot Python loop can do: unpack each slot once, and count it under its kind."""
    kinds: dict[int, int] = {}
    for path in directory.glob("*.led"):
        for slot in SLOT.iter_unpack(path.read_bytes()[layout.HEADER_BYTES :]):
            if not slot[3]:
                break
            kinds[slot[1]] = kinds.get(slot[1], 0) + 1
    return sum(kinds.values())


@pytest.mark.parametrize(("leave", "slots"), [(Cell.whole_task, 3), (solo_task, 1)])
def test_following_costs_little_more_than_merely_unpacking_the_slots(
    leave: Callable[[Cell, int], None], slots: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    follower = Follower(tmp_path)
    cell = Cell(tmp_path, follower, slots=65536)
    follow, loop = [], []
    for number in range(ROUNDS):
        for task in range(TASKS):
            leave(cell, number * TASKS + task)
        follow.append(cpu_seconds(follower.poll))
        # The loop reads the slots of all rounds so far.
        loop.append(cpu_seconds(lambda: unpack_all(tmp_path)) / (number + 1))
    idle = min(cpu_seconds(follower.poll) for _ in range(5))
    assert events(follower)["succeeded"] == TASKS * ROUNDS
    each, plain = (sorted(costs)[ROUNDS // 2] / TASKS * 1e6 for costs in (follow, loop))
    with capsys.disabled():
        print(
            f"\nexporter: {each:.2f} CPU-µs a task, {slots} slots; idle poll {idle * 1e6:.0f} µs; unpacking {plain:.2f}"
        )
    follower.close()
    # Joins, eight histograms and counters in a loop over slots cost twenty times the unpacking.
    assert each < plain * 8
    assert idle < sorted(follow)[ROUNDS // 2]
