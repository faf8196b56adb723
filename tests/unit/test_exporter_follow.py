"""The follower counts each thing that the ledger says happened, once, whenever it becomes visible."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from exporter.follow import Follower
from exporter.window import Window
from exporter_cell import (
    ITS_STAGES,
    MS,
    ONE_TASK,
    Cell,
    durations,
    events,
    read_to_the_end,
    segment_files,
    stamp_run,
    stamp_send,
)

from rig.ledger import layout
from rig.ledger.writer import Writer


def test_a_prefork_task_is_counted_once_with_the_length_of_each_stage(cell: Cell) -> None:
    cell.whole_task(1)
    for _ in range(3):
        cell.follower.poll()
        assert events(cell.follower) == ONE_TASK
        assert durations(cell.follower) == ITS_STAGES


def test_a_solo_task_has_one_slot_and_the_same_stages(cell: Cell) -> None:
    start = 1000 * MS
    cell.send(1, planned=start - 5 * MS, sent=start, published=start + MS)
    cell.receive(
        1, received=start + 3 * MS, started=start + 7 * MS, body_done=start + 15 * MS, stored=start + 31 * MS,
        outcome="succeeded", finished=start + 32 * MS, acked=start + 8 * MS,
    )  # fmt: skip
    cell.follower.poll()
    assert events(cell.follower) == ONE_TASK
    assert durations(cell.follower) == {**ITS_STAGES, "generator_lag": (1, 5.0), "end_to_end": (1, 37.0)}


def test_labels_are_name_queue_role_and_host(cell: Cell) -> None:
    cell.send(1, name="app.spin", queue="critical", sent=5, published=6)
    cell.run(1, name="app.spin", queue="critical", started=7)
    cell.follower.poll()
    series = {(s.name, s.queue_name, s.role) for s in cell.follower.tally.series}
    assert {("app.spin", "critical", "locust"), ("app.spin", "critical", "short")} <= series
    assert all(s.hostname for s in cell.follower.tally.series)


def test_stamps_that_come_later_are_counted_when_they_come(cell: Cell) -> None:
    send = cell.send(1, sent=10 * MS)
    cell.follower.poll()
    assert events(cell.follower) == {}
    stamp_send(send, published=11 * MS)
    main = cell.receive(1, received=13 * MS)
    cell.follower.poll()
    assert events(cell.follower) == {"sent": 1, "received": 1}
    pool = cell.run(1, started=17 * MS)
    stamp_run(main, acked=18 * MS)
    cell.follower.poll()
    stamp_run(pool, body_done=25 * MS, stored=41 * MS, outcome="succeeded", finished=42 * MS)
    cell.follower.poll()
    assert events(cell.follower) == ONE_TASK
    assert durations(cell.follower) == ITS_STAGES


def test_a_receipt_read_before_its_send_still_gets_its_queue_wait(cell: Cell) -> None:
    cell.receive(1, received=13 * MS)
    cell.follower.poll()
    cell.send(1, sent=10 * MS, published=11 * MS)
    cell.follower.poll()
    assert durations(cell.follower)["queue_wait"] == (1, 3.0)


def test_a_redelivery_is_a_second_receipt_but_no_second_wait(cell: Cell) -> None:
    cell.whole_task(1)
    cell.follower.poll()
    cell.receive(1, received=5000 * MS, acked=5001 * MS)
    cell.run(1, started=5002 * MS, body_done=5003 * MS, outcome="succeeded", finished=5004 * MS)
    cell.follower.poll()
    assert events(cell.follower)["received"] == 2
    assert durations(cell.follower)["queue_wait"] == (1, 3.0)
    assert durations(cell.follower)["end_to_end"] == (1, 32.0)


def test_a_retried_task_ends_once_and_counts_from_its_first_send(cell: Cell) -> None:
    cell.send(1, planned=10 * MS, sent=20 * MS, published=21 * MS)
    cell.run(1, started=30 * MS, body_done=31 * MS, outcome="retried", finished=32 * MS)
    cell.follower.poll()
    assert "end_to_end" not in durations(cell.follower)
    cell.send(1, retries=1, sent=31 * MS, published=32 * MS)
    cell.run(1, retries=1, started=100 * MS, body_done=101 * MS, outcome="succeeded", finished=110 * MS)
    cell.follower.poll()
    assert events(cell.follower) == {"sent": 2, "started": 2, "retried": 1, "succeeded": 1}
    assert durations(cell.follower)["end_to_end"] == (1, 100.0)


@pytest.mark.parametrize("outcome", layout.OUTCOMES.values())
def test_every_outcome_is_counted_under_its_name(cell: Cell, outcome: str) -> None:
    cell.receive(1, received=1, outcome=outcome, acked=2)
    cell.follower.poll()
    cell.follower.poll()
    assert events(cell.follower) == {"received": 1, "acked": 1, outcome: 1}


def test_a_failed_send_is_counted_and_has_no_duration(cell: Cell) -> None:
    cell.send(1, sent=10, send_failed=20)
    cell.follower.poll()
    assert events(cell.follower) == {"send_failed": 1}
    assert durations(cell.follower) == {}


def test_running_and_unacknowledged_tasks_are_told_per_worker(cell: Cell) -> None:
    cell.receive(1, received=1)
    running = cell.run(2, started=1)
    waiting = cell.receive(3, received=1)
    cell.follower.poll()
    (gauges,) = cell.follower.worker_gauges().values()
    assert gauges == (1, 1, 2)
    stamp_run(running, outcome="failed", finished=2)
    stamp_run(waiting, rejected=2)
    cell.follower.poll()
    (gauges,) = cell.follower.worker_gauges().values()
    assert gauges == (1, 0, 1)


def test_a_publisher_is_no_worker(cell: Cell) -> None:
    cell.send(1, sent=1, published=2)
    cell.follower.poll()
    assert cell.follower.worker_gauges() == {}


def test_names_that_appear_later_are_read_from_the_header(cell: Cell) -> None:
    cell.send(1, sent=1, published=2)
    cell.follower.poll()
    cell.send(2, name="app.echo", queue="io", sent=3, published=4)
    cell.follower.poll()
    tally = cell.follower.tally
    counted = {s.name: int(n) for s, n in zip(tally.series, tally.events.sum(axis=0), strict=False) if n}
    assert counted == {"app.noop": 1, "app.echo": 1}


def test_more_tasks_under_way_than_fit_lose_waits_but_never_get_wrong_ones(cell: Cell) -> None:
    cell.follower.window = Window(bucket_bits=2)
    for number in range(40):
        cell.send(number, sent=(1000 + number) * MS, published=(1001 + number) * MS)
    cell.follower.poll()
    for number in range(40):
        cell.receive(number, received=(1003 + number) * MS)
    cell.follower.poll()
    observed, total = durations(cell.follower)["queue_wait"]
    assert 0 < observed < 40
    assert total == observed * 3
    assert cell.follower.window.dropped
    assert events(cell.follower) == {"sent": 40, "received": 40}


def test_a_task_that_found_no_place_is_not_taken_for_finished(cell: Cell) -> None:
    cell.follower.window = Window(bucket_bits=0)
    for number in range(20):
        cell.receive(number, received=1, acked=2)
        cell.run(100 + number, started=3, outcome="succeeded", finished=4)
    cell.follower.poll()
    still_open = [segment.open_slots() for segment in cell.follower.segments.values()]
    assert sum(len(batch) for batch in still_open if batch) == 20


def test_counts_stay_exact_and_monotonic_while_threads_write(
    tmp_path: Path, follow: Callable[[Path], Follower]
) -> None:
    writer = Writer(tmp_path, "io", slots=128)
    kind = writer.kind("app.fetch", "io")
    follower = follow(tmp_path)

    def work(thread: int) -> None:
        for number in range(1000):
            slot = writer.claim_run(f"{thread}-{number}", kind)
            for name in ("received", "started", "body_done"):
                stamp_run(slot, **{name: time.monotonic_ns()})
            stamp_run(slot, outcome="succeeded", finished=time.monotonic_ns())
            stamp_run(slot, acked=time.monotonic_ns())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    seen: dict[str, int] = {}
    while any(thread.is_alive() for thread in threads):
        follower.poll()
        now = events(follower)
        assert all(now[name] >= number for name, number in seen.items())
        seen = now
    writer.close()
    read_to_the_end(follower)
    assert events(follower) == dict.fromkeys(("received", "started", "acked", "succeeded"), 4000)
    assert not follower.problems
    assert segment_files(tmp_path) == []
