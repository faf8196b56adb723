"""A small stage for the exporter's tests: real ledger writers with hand-set stamps, and a follower beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from exporter.follow import Follower
from exporter.tally import EVENT, STAGE

from rig.ledger import layout
from rig.ledger.writer import Slot, Writer

MS = 1_000_000  # nanoseconds

# What is counted of `Cell.whole_task`: its events, and for each stage how many and their sum in milliseconds.
ONE_TASK = {"sent": 1, "received": 1, "started": 1, "acked": 1, "succeeded": 1}
ITS_STAGES = {
    "publish": (1, 1.0), "queue_wait": (1, 3.0), "prefetch_wait": (1, 4.0), "runtime": (1, 8.0),
    "result_write": (1, 16.0), "ack": (1, 5.0), "end_to_end": (1, 32.0),
}  # fmt: skip


def task_id(number: int) -> str:
    return f"00000007-0001-4001-8000-{number:012x}"


class Cell:
    """One publisher, one worker main process, one pool process."""

    def __init__(self, directory: Path, follower: Follower, slots: int = 64) -> None:
        self.directory = directory
        self.sender = Writer(directory, "locust", slots=slots)
        self.main = Writer(directory, "short", slots=slots)
        self.pool = Writer(directory, "short", slots=slots)
        self.follower = follower

    def send(self, number: int, *, retries: int = 0, name: str = "app.noop", queue: str = "short", **at: int) -> Slot:
        slot = self.sender.claim_send(task_id(number), self.sender.kind(name, queue), retries)
        return stamp(slot, layout.SEND_STAMPS, at)

    def receive(
        self, number: int, *, retries: int = 0, name: str = "app.noop", queue: str = "short", **at: int
    ) -> Slot:
        slot = self.main.claim_run(task_id(number), self.main.kind(name, queue), retries)
        return stamp(slot, layout.RUN_STAMPS, at)

    def run(self, number: int, *, retries: int = 0, name: str = "app.noop", queue: str = "short", **at: Any) -> Slot:
        slot = self.pool.claim_run(task_id(number), self.pool.kind(name, queue), retries)
        return stamp(slot, layout.RUN_STAMPS, at)

    def whole_task(self, number: int, start: int = 1000 * MS) -> None:
        """All that a successful prefork task leaves: every stage takes a different number of milliseconds."""
        self.send(number, sent=start, published=start + 1 * MS)
        self.receive(number, received=start + 3 * MS, acked=start + 8 * MS)
        self.run(
            number, started=start + 7 * MS, body_done=start + 15 * MS, stored=start + 31 * MS,
            outcome="succeeded", finished=start + 32 * MS,
        )  # fmt: skip

    def close(self) -> None:
        for writer in (self.sender, self.main, self.pool):
            writer.close()


def stamp(slot: Slot, words: dict[str, int], at: dict[str, Any]) -> Slot:
    """Write the stamps in the given order, as a process would; `outcome` by its name."""
    for name, value in at.items():
        if name == "outcome":
            slot[0][slot[1] + layout.OUTCOME] = layout.OUTCOME_CODE[value]
        else:
            slot[0][slot[1] + words[name]] = value
    return slot


def stamp_run(slot: Slot, **at: Any) -> Slot:
    return stamp(slot, layout.RUN_STAMPS, at)


def stamp_send(slot: Slot, **at: Any) -> Slot:
    return stamp(slot, layout.SEND_STAMPS, at)


def events(follower: Follower) -> dict[str, int]:
    """Totals over all series, by event, without the zeros."""
    totals = follower.tally.events.sum(axis=1)
    return {name: int(totals[row]) for name, row in EVENT.items() if totals[row]}


def durations(follower: Follower) -> dict[str, tuple[int, float]]:
    """(number of observations, their sum in ms) over all series, by stage, without the empty ones."""
    numbers = follower.tally.buckets.sum(axis=(1, 2))
    sums = follower.tally.seconds.sum(axis=1)
    return {name: (int(numbers[row]), round(sums[row] * 1000, 6)) for name, row in STAGE.items() if numbers[row]}


def segment_files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob("*.led"))


def read_to_the_end(follower: Follower) -> None:
    """Poll until writers that are gone are done with: one poll finds out that they are, the next is after their end."""
    follower.poll()
    follower.poll()
    follower.scraped()
