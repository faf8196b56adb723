"""Whatever the order of stamps, polls, rotations and restarts: each event is counted once, and totals only rise."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections import Counter
from pathlib import Path

from exporter.follow import Follower
from exporter_cell import Cell, events, read_to_the_end, stamp_run, stamp_send, task_id
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.ledger.writer import Slot

SEND, MAIN, POOL = ("sent", "published"), ("received", "acked"), ("started", "body_done", "finished")
EVENT_OF = {"published": "sent", "received": "received", "acked": "acked", "started": "started", "finished": "failed"}
TASKS = 6
# Which slot is stamped next; each slot's own stamps come in their order.
TURNS = [(number, part) for number in range(TASKS) for part in (SEND, MAIN, POOL) for _ in part]


class Play:
    """Stamps one thing after the other, in segments of three slots, and remembers what must be counted."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.expected: Counter[str] = Counter()
        self._stamped: Counter[tuple[int, tuple[str, ...]]] = Counter()
        self._slots: dict[tuple[int, tuple[str, ...]], Slot] = {}

    def turn(self, number: int, part: tuple[str, ...]) -> None:
        what = part[self._stamped[number, part]]
        self._stamped[number, part] += 1
        writer = {SEND: self.cell.sender, MAIN: self.cell.main, POOL: self.cell.pool}[part]
        if (number, part) not in self._slots:
            claim = writer.claim_send if part == SEND else writer.claim_run
            self._slots[number, part] = claim(task_id(number), writer.kind("app.noop", "short"))
        slot = self._slots[number, part]
        if what == "finished":
            stamp_run(slot, outcome="failed")
        (stamp_send if part == SEND else stamp_run)(slot, **{what: time.monotonic_ns()})
        if what in EVENT_OF:
            self.expected[EVENT_OF[what]] += 1


moments = st.sets(st.integers(0, len(TURNS)))


@settings(max_examples=100, deadline=None)
@given(order=st.permutations(TURNS), polls=moments, scrapes=moments, restarts=moments)
def test_every_event_is_counted_once(
    order: list[tuple[int, tuple[str, ...]]], polls: set[int], scrapes: set[int], restarts: set[int]
) -> None:
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        follower = stack.enter_context(contextlib.closing(Follower(Path(directory))))
        play = Play(Cell(Path(directory), follower, slots=3))
        scraped: Counter[str] = Counter()
        for at, turn in enumerate(order):
            if at in polls:
                so_far = Counter(events(follower))
                follower.poll()
                assert Counter(events(follower)) >= so_far
            if at in scrapes:
                follower.poll()
                follower.scraped()
                scraped = Counter(events(follower))
                assert scraped == play.expected
            if at in restarts:
                follower = stack.enter_context(contextlib.closing(Follower(Path(directory))))
                assert Counter(events(follower)) == scraped
            play.turn(*turn)
        play.cell.close()
        read_to_the_end(follower)
        assert Counter(events(follower)) == play.expected
        assert not follower.problems
