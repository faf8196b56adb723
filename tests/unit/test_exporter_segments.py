"""The follower removes a segment when nothing in it can change any more, and no sooner."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from exporter.follow import Follower
from exporter_cell import MS, ONE_TASK, Cell, events, read_to_the_end, segment_files, stamp_send


def test_full_segments_are_removed_once_their_slots_are_done(tmp_path: Path, make_cell: Callable[..., Cell]) -> None:
    cell = make_cell(tmp_path, slots=4)
    sends = [cell.send(number, sent=1) for number in range(6)]
    cell.follower.poll()
    assert len(segment_files(tmp_path)) == 2
    for send in sends:
        stamp_send(send, published=2)
    cell.follower.poll()
    cell.follower.scraped()
    assert len(segment_files(tmp_path)) == 1, "the second segment is still written to"
    assert events(cell.follower) == {"sent": 6}


def test_a_finished_segment_waits_for_a_scrape_but_not_for_ever(
    tmp_path: Path, make_cell: Callable[..., Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its counts have been shown to nobody: an exporter that takes over now needs them."""
    cell = make_cell(tmp_path, slots=4)
    cell.send(1, sent=1, published=2)
    cell.close()
    for _ in range(3):
        cell.follower.poll()
        assert len(segment_files(tmp_path)) == 1
        assert events(cell.follower) == {"sent": 1}
    monkeypatch.setattr("exporter.follow.UNSCRAPED", -1.0)
    cell.follower.poll()
    assert segment_files(tmp_path) == []


def test_what_lies_in_the_future_is_left_for_a_later_poll(cell: Cell) -> None:
    soon = time.monotonic_ns() + 50 * MS
    cell.send(1, sent=1, published=soon)
    cell.run(1, started=1, outcome="succeeded", finished=soon)
    cell.follower.poll()
    assert events(cell.follower) == {"started": 1}
    time.sleep(0.06)
    cell.follower.poll()
    assert events(cell.follower) == {"sent": 1, "started": 1, "succeeded": 1}


def test_a_prefork_main_segment_waits_for_the_pool_process(tmp_path: Path, make_cell: Callable[..., Cell]) -> None:
    cell = make_cell(tmp_path, slots=1)
    held = [cell.receive(number, received=1, acked=2) for number in (1, 2)]  # while one is held, its writer lives
    cell.follower.poll()
    assert len(segment_files(tmp_path)) == len(held) == 2
    first, second = sorted(cell.follower.segments)
    pool = cell.run(1, started=3, outcome="succeeded", finished=4)
    cell.follower.poll()
    cell.follower.poll()  # unfinished slots are looked at before fresh ones
    cell.follower.scraped()
    assert not first.exists()
    assert second.exists()
    assert pool


def test_a_pool_process_is_done_with_a_task_when_it_has_finished_it(
    tmp_path: Path, make_cell: Callable[..., Cell]
) -> None:
    cell = make_cell(tmp_path, slots=1)
    held = [cell.run(number, started=1, outcome="succeeded", finished=2) for number in (1, 2)]
    cell.follower.poll()
    cell.follower.scraped()
    assert len(segment_files(tmp_path)) == 1
    assert held


def test_a_closed_segment_with_room_is_kept_until_its_writer_is_gone(cell: Cell) -> None:
    held = [cell.send(1, sent=1, published=2)]
    cell.sender.close()
    cell.follower.poll()
    cell.follower.scraped()
    assert len(segment_files(cell.directory)) == 1
    held.clear()
    read_to_the_end(cell.follower)
    assert segment_files(cell.directory) == []


def test_a_keep_file_keeps_segments_and_they_are_not_read_again(tmp_path: Path, make_cell: Callable[..., Cell]) -> None:
    (tmp_path / "KEEP").touch()
    cell = make_cell(tmp_path, slots=4)
    for number in range(8):
        cell.send(number, sent=1, published=2)
    cell.close()
    for _ in range(3):
        cell.follower.poll()
        cell.follower.scraped()
        assert events(cell.follower) == {"sent": 8}
    assert len(segment_files(tmp_path)) == 2
    assert not cell.follower.segments


def test_segments_in_subdirectories_are_followed(
    tmp_path: Path, make_cell: Callable[..., Cell], follow: Callable[[Path], Follower]
) -> None:
    (tmp_path / "deeper").mkdir()
    follower = follow(tmp_path)
    make_cell(tmp_path / "deeper").whole_task(1)
    follower.poll()
    assert events(follower) == ONE_TASK
