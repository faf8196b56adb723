"""Counts go on where they were when a worker, or the exporter itself, is killed and comes again."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from exporter.follow import Follower
from exporter.metrics import LedgerCollector
from exporter_cell import ITS_STAGES, MS, ONE_TASK, Cell, durations, events, read_to_the_end, segment_files, stamp_run
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

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


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "[]", "{}", "7", "9" * 5000, "\0"])
def test_an_unreadable_bookmark_is_said(tmp_path: Path, follow: Callable[[Path], Follower], text: str) -> None:
    (tmp_path / ".counted").write_text(text)
    assert follow(tmp_path).problems == {"bookmark": 1}


@pytest.mark.parametrize(
    "change",
    [
        {"series": [["a", "b"]]}, {"series": [[["a"], "b", "c", "d"]]}, {"series": [["\ud800", "b", "c", "d"]]},
        {"series": 7}, {"counts": [[1, 2]]}, {"seconds": "x"}, {"buckets": [[[10**30]]]},
    ],
)  # fmt: skip
def test_totals_that_are_none_are_not_taken_over(
    cell: Cell, follow: Callable[[Path], Follower], change: dict[str, object]
) -> None:
    cell.whole_task(1)
    cell.follower.poll()
    cell.follower.scraped()
    mark = cell.directory / ".counted"
    told = json.loads(mark.read_text())
    mark.write_text(json.dumps(told | {"totals": told["totals"] | change}))
    again = follow(cell.directory)
    assert again.problems == {"bookmark": 1}
    again.poll()
    assert events(again) == ONE_TASK


@settings(max_examples=60, deadline=None)
@given(data=st.data(), bits=st.integers(1, 255))
def test_a_flipped_byte_in_the_bookmark_ends_no_exporter(data: st.DataObject, bits: int) -> None:
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        cell = Cell(Path(directory), stack.enter_context(contextlib.closing(Follower(Path(directory)))))
        cell.whole_task(1, start=time.monotonic_ns() - 100 * MS)
        cell.follower.poll()
        cell.follower.scraped()
        mark = Path(directory) / ".counted"
        raw = bytearray(mark.read_bytes())
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= bits
        mark.write_bytes(raw)
        again = stack.enter_context(contextlib.closing(Follower(Path(directory))))
        registry = CollectorRegistry()
        registry.register(LedgerCollector(again))
        generate_latest(registry)
