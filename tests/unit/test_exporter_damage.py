"""What cannot be read is a problem that is counted and stays as evidence; what stands beside it is read."""

from __future__ import annotations

import pytest
from exporter.metrics import PROBLEM_KINDS
from exporter_cell import ONE_TASK, Cell, events, read_to_the_end, segment_files, stamp_send, task_id

from rig.ledger import layout


def test_a_slot_that_a_thread_fills_late_is_waited_for(cell: Cell) -> None:
    cell.send(1, sent=1, published=2)
    late = cell.sender.segment.next_slot()  # a thread that has drawn its slot and stops before writing to it
    cell.send(3, sent=1, published=2)
    cell.follower.poll()
    assert events(cell.follower) == {"sent": 1}
    segment = cell.sender.segment
    kind = cell.sender.kind("app.noop", "short")
    layout.CLAIM.pack_into(segment.buffer, late[1] * 8, task_id(2).encode(), kind, 0, 1, 0)
    stamp_send(late, sent=1, published=2)
    cell.follower.poll()
    assert events(cell.follower) == {"sent": 3}
    assert not cell.follower.problems


def test_a_hole_left_by_a_dead_writer_is_a_problem_and_what_follows_is_read(cell: Cell) -> None:
    cell.send(1, sent=1, published=2)
    cell.sender.segment.next_slot()
    cell.send(3, sent=1, published=2)
    cell.sender.close()
    read_to_the_end(cell.follower)
    assert events(cell.follower) == {"sent": 2}
    assert cell.follower.problems == {"hole": 1}
    assert segment_files(cell.directory) == []


def test_impossible_slots_are_problems_and_not_counted(cell: Cell) -> None:
    slot = cell.send(1, sent=1, published=2)
    cell.send(2, sent=-5, published=2)
    words, base = cell.send(3, sent=1, published=2)
    layout.CLAIM.pack_into(words.obj, base * 8, task_id(3).encode(), 999, 0, layout.SEND, 0)
    cell.follower.poll()
    assert slot
    assert events(cell.follower) == {"sent": 1}
    assert cell.follower.problems == {"bad slot": 2}


@pytest.mark.parametrize("content", [b"", b"not a segment", bytes(16384 + 128), b"CRIGLED1" + bytes(16384)])
def test_a_damaged_file_is_one_problem_and_stays_as_evidence(cell: Cell, content: bytes) -> None:
    damaged = cell.directory / "damaged.led"
    damaged.write_bytes(content)
    cell.whole_task(1)
    for _ in range(2):
        cell.follower.poll()
    assert events(cell.follower) == ONE_TASK
    assert cell.follower.problems == {"unreadable segment": 1}
    assert damaged.exists()


def test_a_truncated_segment_is_a_problem(cell: Cell) -> None:
    cell.whole_task(1)
    cell.close()
    victim = cell.directory / segment_files(cell.directory)[0]
    with victim.open("r+b") as file:
        file.truncate(layout.HEADER_BYTES + 128)
    cell.follower.poll()
    assert cell.follower.problems == {"unreadable segment": 1}
    assert victim.exists()


def test_a_process_that_stopped_recording_is_a_problem(cell: Cell) -> None:
    (cell.directory / f"short-1{layout.STOPPED_SUFFIX}").touch()
    for _ in range(2):
        cell.follower.poll()
    assert cell.follower.problems == {"recording stopped": 1}
    assert set(cell.follower.problems) <= set(PROBLEM_KINDS)
