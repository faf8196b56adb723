"""The follower counts each thing that the ledger says happened, once, whenever it becomes visible."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from exporter.follow import Follower
from exporter.metrics import PROBLEM_KINDS
from exporter.window import Window
from exporter_cell import MS, Cell, durations, events, read_to_the_end, segment_files, stamp_run, stamp_send, task_id

from rig.ledger import record
from rig.ledger.writer import Writer

ONE_TASK = {"sent": 1, "received": 1, "started": 1, "acked": 1, "succeeded": 1}
ITS_STAGES = {
    "publish": (1, 1.0), "queue_wait": (1, 3.0), "prefetch_wait": (1, 4.0), "runtime": (1, 8.0),
    "result_write": (1, 16.0), "ack": (1, 5.0), "end_to_end": (1, 32.0),
}  # fmt: skip


@pytest.fixture
def follow() -> Iterator[Callable[[Path], Follower]]:
    with contextlib.ExitStack() as stack:

        def start(directory: Path) -> Follower:
            return stack.enter_context(contextlib.closing(Follower(directory)))

        yield start


@pytest.fixture
def make_cell(follow: Callable[[Path], Follower]) -> Callable[..., Cell]:
    return lambda directory, **options: Cell(directory, follow(directory), **options)


@pytest.fixture
def cell(tmp_path: Path, make_cell: Callable[..., Cell]) -> Cell:
    return make_cell(tmp_path)


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


@pytest.mark.parametrize("outcome", record.OUTCOMES.values())
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


def test_a_slot_that_a_thread_fills_late_is_waited_for(cell: Cell) -> None:
    cell.send(1, sent=1, published=2)
    late = cell.sender.segment.next_word()  # a thread that has drawn its slot and stops before writing to it
    cell.send(3, sent=1, published=2)
    cell.follower.poll()
    assert events(cell.follower) == {"sent": 1}
    segment = cell.sender.segment
    kind = cell.sender.kind("app.noop", "short")
    record.CLAIM.pack_into(segment.buffer, late * 8, task_id(2).encode(), kind, 0, 1, 0)
    stamp_send((segment.words, late), sent=1, published=2)
    cell.follower.poll()
    assert events(cell.follower) == {"sent": 3}
    assert not cell.follower.problems


def test_a_hole_left_by_a_dead_writer_is_a_problem_and_what_follows_is_read(cell: Cell) -> None:
    cell.send(1, sent=1, published=2)
    cell.sender.segment.next_word()
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
    record.CLAIM.pack_into(words.obj, base * 8, task_id(3).encode(), 999, 0, record.SEND, 0)
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
        file.truncate(record.HEADER_BYTES + 128)
    cell.follower.poll()
    assert cell.follower.problems == {"unreadable segment": 1}
    assert victim.exists()


def test_a_process_that_stopped_recording_is_a_problem(cell: Cell) -> None:
    (cell.directory / f"short-1{record.STOPPED_SUFFIX}").touch()
    for _ in range(2):
        cell.follower.poll()
    assert cell.follower.problems == {"recording stopped": 1}
    assert set(cell.follower.problems) <= set(PROBLEM_KINDS)


KILLED = """
import sys, time
from pathlib import Path
from rig.ledger.writer import Writer
writer = Writer(Path(sys.argv[1]), "short")
kind = writer.kind("app.sleep", "long")
for number in range(100):
    words, base = writer.claim_run(f"task-{number}", kind)
    words[base + 5] = words[base + 6] = time.monotonic_ns()
print("running", flush=True)
time.sleep(60)
"""


def test_a_killed_worker_goes_down_and_its_segment_is_read_and_removed(
    tmp_path: Path, follow: Callable[[Path], Follower]
) -> None:
    follower = follow(tmp_path)
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, tmp_path], stdout=subprocess.PIPE, env={"PYTHONPATH": str(root)}
    ) as worker:
        assert worker.stdout
        assert worker.stdout.readline() == b"running\n"
        follower.poll()
        assert list(follower.worker_gauges().values()) == [(1, 100, 100)]
        assert len(segment_files(tmp_path)) == 1
        worker.send_signal(signal.SIGKILL)
        worker.wait(10)
    read_to_the_end(follower)
    assert list(follower.worker_gauges().values()) == [(0, 0, 0)]
    assert events(follower) == {"received": 100, "started": 100}
    assert segment_files(tmp_path) == []


def test_a_restarted_exporter_goes_on_where_the_last_scrape_was(
    tmp_path: Path, make_cell: Callable[..., Cell], follow: Callable[[Path], Follower]
) -> None:
    cell = make_cell(tmp_path)
    now = time.monotonic_ns()
    cell.whole_task(1, start=now - 100 * MS)
    half_done = cell.run(2, started=now - 50 * MS)
    cell.follower.poll()
    cell.follower.scraped()
    again = follow(tmp_path)
    for _ in range(2):
        assert events(again) == {**ONE_TASK, "started": 2}
        assert durations(again) == ITS_STAGES
        again.poll()
    assert again.worker_gauges() == cell.follower.worker_gauges()
    later = time.monotonic_ns()
    stamp_run(half_done, body_done=later, outcome="failed", finished=later)
    cell.whole_task(3, start=later)
    time.sleep(0.04)  # until the last of its stamps is no more in the future
    again.poll()
    assert events(again) == {"sent": 2, "received": 2, "started": 3, "acked": 2, "succeeded": 2, "failed": 1}
    assert durations(again)["runtime"] == (3, pytest.approx(8.0 * 2 + (later - now) / MS + 50, abs=1e-5))
    assert again.slots == {"send": 2, "run": 5}


def test_what_was_counted_and_not_scraped_is_counted_by_the_next_exporter(
    tmp_path: Path, make_cell: Callable[..., Cell], follow: Callable[[Path], Follower]
) -> None:
    cell = make_cell(tmp_path, slots=4)
    cell.whole_task(1)
    cell.follower.poll()
    cell.follower.scraped()
    for number in range(2, 10):
        cell.whole_task(number, start=time.monotonic_ns())
    time.sleep(0.04)  # until the last stamp is no more in the future
    cell.follower.poll()
    again = follow(tmp_path)
    again.poll()
    assert events(again)["sent"] == events(again)["succeeded"] == 9


def test_an_ack_after_a_restart_does_not_count_the_outcome_again(
    tmp_path: Path, make_cell: Callable[..., Cell], follow: Callable[[Path], Follower]
) -> None:
    cell = make_cell(tmp_path)
    now = time.monotonic_ns()
    slot = cell.receive(1, received=now - 9, started=now - 8, outcome="succeeded", finished=now - 7)
    cell.follower.poll()
    cell.follower.scraped()
    stamp_run(slot, acked=time.monotonic_ns())
    again = follow(tmp_path)
    again.poll()
    assert events(again) == {"received": 1, "started": 1, "succeeded": 1, "acked": 1}


def test_workers_that_died_while_the_exporter_was_down_are_told(
    tmp_path: Path, make_cell: Callable[..., Cell], follow: Callable[[Path], Follower]
) -> None:
    cell = make_cell(tmp_path)
    cell.whole_task(1)
    cell.follower.poll()
    cell.follower.scraped()
    cell.close()
    for file in segment_files(tmp_path):
        (tmp_path / file).unlink()
    again = follow(tmp_path)
    again.poll()
    assert list(again.worker_gauges().values()) == [(0, 0, 0)]


def test_totals_of_another_version_are_not_taken_over(cell: Cell, follow: Callable[[Path], Follower]) -> None:
    cell.whole_task(1)
    cell.follower.poll()
    cell.follower.scraped()
    mark = cell.directory / ".counted"
    mark.write_text(mark.read_text().replace('"succeeded"', '"done"'))
    again = follow(cell.directory)
    assert again.problems == {"bookmark": 1}
    again.poll()
    assert events(again) == ONE_TASK


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


def test_an_unreadable_bookmark_is_said(tmp_path: Path, follow: Callable[[Path], Follower]) -> None:
    (tmp_path / ".counted").write_text("{")
    assert follow(tmp_path).problems == {"bookmark": 1}


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
