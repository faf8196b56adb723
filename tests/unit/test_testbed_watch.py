"""The counter that watches a turn finish: what it counts, and that it does not look at what is over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from stamped import MS, Stamped

from rig.experiment.turn import BACKLOG, WARM, post_number
from rig.testbed import watch as watching
from rig.testbed.watch import Watch

WARM_POST, BACKLOG_POST = post_number(5, WARM), post_number(5, BACKLOG)


@pytest.fixture
def ledger(tmp_path: Path) -> Stamped:
    return Stamped(tmp_path)


def sent(ledger: Stamped, post: int, count: int) -> list[str]:
    return ledger.send(post, [1000 * MS + i * MS for i in range(count)])


def test_ends_of_one_post_are_counted_over_several_segments(ledger: Stamped) -> None:
    watch = Watch(ledger.directory)
    first, other = sent(ledger, WARM_POST, 700), sent(ledger, BACKLOG_POST, 3)  # more than one segment
    assert watch.finished(WARM_POST) == 0
    ledger.finish(first[:600], [1] * 600)
    ledger.finish(other, [1] * 3)
    assert watch.finished(WARM_POST) == 600
    watch.mark()
    ledger.finish(first[600:], [1] * 100)
    assert watch.finished(WARM_POST) == 100


def test_what_was_claimed_before_the_mark_is_forgotten(ledger: Stamped) -> None:
    watch = Watch(ledger.directory)
    ids = sent(ledger, 7, 20)
    ledger.finish(ids[:15], [1] * 15)
    assert watch.finished(7) == 15
    watch.mark()
    assert watch.finished(7) == 0
    ledger.finish(ids[15:], [1] * 5)
    assert watch.finished(7) == 5


def test_a_retry_is_no_end(ledger: Stamped) -> None:
    watch = Watch(ledger.directory)
    ids = sent(ledger, 7, 4)
    ledger.finish(ids, [1] * 4, outcome="retried")
    assert watch.finished(7) == 0
    ledger.finish(ids, [2] * 4)
    assert watch.finished(7) == 4


def test_a_task_that_was_executed_twice_does_not_hide_one_that_is_outstanding(ledger: Stamped) -> None:
    watch = Watch(ledger.directory)
    ids = sent(ledger, 7, 10)
    ledger.finish(ids[:9], [1] * 9)
    assert watch.finished(7) == 9
    ledger.finish(ids[:9], [2] * 9)
    assert watch.finished(7) == 9
    ledger.finish(ids[9:], [3])
    assert watch.finished(7) == 10


def test_a_segment_that_was_there_when_the_watch_was_made_is_not_looked_at(ledger: Stamped, tmp_path: Path) -> None:
    ids = sent(ledger, 7, 8)
    ledger.finish(ids[:4], [1] * 4)
    watch = Watch(ledger.directory)
    watch.mark()
    ledger.finish(ids[4:6], [1] * 2)  # by a process of an earlier round
    assert watch.finished(7) == 0
    Stamped(tmp_path).finish(ids[6:], [1] * 2)
    assert watch.finished(7) == 2


def test_a_segment_that_appears_in_the_same_tick_of_the_clock_is_found(ledger: Stamped) -> None:
    """A directory's time moves with the timer's interrupt: two changes may leave it the same."""
    watch = Watch(ledger.directory)
    ids = sent(ledger, 7, 2)
    before = ledger.directory.stat().st_mtime_ns
    assert watch.finished(7) == 0
    ledger.finish(ids, [1] * 2)
    os.utime(ledger.directory, ns=(before, before))
    assert watch.finished(7) == 2


def test_a_row_that_another_thread_has_not_filled_yet_is_looked_at_again(ledger: Stamped) -> None:
    watch = Watch(ledger.directory)
    ids = sent(ledger, 7, 3)
    ledger.finish(ids, [1] * 3)
    words, base = ledger.worker.segment.buffer, 16384 + 128  # the second row
    row = bytes(words[base : base + 128])
    words[base : base + 128] = bytes(128)
    assert watch.finished(7) < 3
    words[base : base + 128] = row
    assert watch.finished(7) == 3


@pytest.mark.parametrize("written", [8, 16, 36, 39], ids=lambda count: f"{count} bytes")
def test_a_row_whose_writer_is_in_the_midst_of_claiming_it_is_looked_at_again(ledger: Stamped, written: int) -> None:
    """Its id comes first and its type later: on two cores, a writer may be sent to sleep between them."""
    watch = Watch(ledger.directory)
    ids = sent(ledger, 7, 3)
    ledger.finish(ids, [1] * 3)
    words, base = ledger.worker.segment.buffer, 16384 + 128  # the second row
    row = bytes(words[base : base + 128])
    words[base : base + 128] = row[:written].ljust(128, b"\0")
    assert watch.finished(7) == 2
    words[base : base + 128] = row
    assert watch.finished(7) == 3


def rows_looked_at(watch: Watch, post: int, monkeypatch: pytest.MonkeyPatch) -> int:
    looked: list[int] = []
    look = watching._Watched.look

    def counting(self: watching._Watched) -> watching.Words:
        rows = look(self)
        looked.append(len(rows))
        return rows

    with monkeypatch.context() as patch:
        patch.setattr(watching._Watched, "look", counting)
        watch.finished(post)
    return sum(looked)


def test_what_is_over_costs_no_row_and_no_mapping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tenth turn's question costs what the first one's did: rows of its own tasks, segments of its own round."""
    costs, mapped = [], []
    for turn in range(10):
        watch = Watch(tmp_path)
        ledger = Stamped(tmp_path)  # each round has new processes
        for post in (3 * turn + 1, 3 * turn + 2):
            watch.mark()
            ids = sent(ledger, post, 300)
            ledger.finish(ids[:290], [1] * 290)
            costs.append(rows_looked_at(watch, post, monkeypatch))
            ledger.finish(ids[290:], [1] * 10)
            assert watch.finished(post) == 300
            costs.append(rows_looked_at(watch, post, monkeypatch))
        mapped.append(len(watch._watched))
    assert costs[0] > costs[1] == 0  # what has ended is not looked at again
    assert costs == costs[:4] * 10
    assert set(mapped) == {mapped[0]}
    assert len(list(tmp_path.glob("*.led"))) >= 20


def test_unknown_is_what_a_worker_said_since_the_mark_and_never_counts_as_an_end(ledger: Stamped) -> None:
    watch = Watch(ledger.directory)
    ids = sent(ledger, 7, 4)
    ledger.finish(ids[:1], [1])
    ledger.say(ids[1:2], "revoked")
    assert watch.finished(7) == 1
    assert not watch.unknown()
    ledger.say(ids[2:3], "unknown")
    assert watch.finished(7) == 1
    assert watch.unknown()
    watch.mark()
    assert not watch.unknown()
