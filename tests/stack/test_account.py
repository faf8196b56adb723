"""The account of a real load, and what it says when one record of that load is broken, or the broker is not read."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rig.ledger import layout
from rig.ledger.account import Account, account
from rig.ledger.reader import RUN_SLOT, SLOT, Segment, as_slots, as_words, read_ledger
from rig.ledger.tasks import Tasks, build
from tests.stack.conftest import BIN, Stack, wait_until

pytestmark = pytest.mark.parametrize("stack", ["rabbitmq"], indirect=True)
NOOPS = ("-f", "loadtests/noop.py", "-u", "4", "-r", "4", "-t", "3s", "--tasks-per-second", "20")
WORKER = "worker-short"


@pytest.fixture
def copy(stack: Stack, tmp_path: Path) -> Path:
    """The ledger of the stack, with a load in it whose every task has ended, as files that nobody writes any more."""
    before = noops_ended(stack.tasks())
    requests = sum(entry["num_requests"] for entry in stack.locust(*NOOPS))
    wait_until("the load to be executed", lambda: noops_ended(stack.tasks()) == before + requests)
    copied = tmp_path / "ledger"
    shutil.copytree(stack.checkout.ledger, copied)
    return copied


def noops_ended(tasks: Tasks) -> int:
    kinds = [number for number, (name, _) in enumerate(tasks.kinds) if name == "app.noop"]
    return int((np.isin(tasks.kind, kinds) & (tasks.sends > 0) & (tasks.ends > 0) & (tasks.acked > 0)).sum())


def draw(directory: Path) -> Account:
    ledger = read_ledger(directory)
    return account(build(ledger), ledger, now_ns=time.monotonic_ns())


def ended(directory: Path) -> Iterator[tuple[Segment, int, np.ndarray]]:
    """The slots that hold the end of a no-op's execution: segment, place in it, and the slot itself."""
    for segment in read_ledger(directory).segments:
        kinds = [number for number, (name, _) in enumerate(segment.kinds) if name == "app.noop"]
        slots = as_slots(as_words(segment.slots), RUN_SLOT)
        for place in (
            np.isin(slots["kind"], kinds) & (slots["type"] == layout.RUN) & (slots["finished"] != 0)
        ).nonzero()[0]:
            yield segment, int(place), slots[place : place + 1].copy()


def put(path: Path, place: int, slot: np.ndarray) -> None:
    with path.open("r+b") as file:
        file.seek(layout.HEADER_BYTES + place * layout.SLOT_BYTES)
        file.write(slot.tobytes())


def test_one_end_record_deleted_is_one_task_lost(copy: Path) -> None:
    intact = draw(copy)
    assert intact.invalid == []
    segment, place, slot = next(ended(copy))
    for field in ("body_done", "finished", "outcome"):
        slot[field] = 0
    put(segment.path, place, slot)
    broken = draw(copy)
    assert set(broken.lost) - set(intact.lost) == {slot["id"][0].decode()}
    assert (len(broken.lost), broken.executed) == (len(intact.lost) + 1, intact.executed - 1)


def test_one_start_record_twice_is_one_task_duplicated(copy: Path) -> None:
    intact = draw(copy)
    segment, _, slot = next(each for each in ended(copy) if each[0].used < capacity(each[0]))
    put(segment.path, segment.used, slot)
    broken = draw(copy)
    assert set(broken.duplicated) - set(intact.duplicated) == {slot["id"][0].decode()}
    assert (broken.extra_starts, broken.lost) == (intact.extra_starts + 1, intact.lost)


def capacity(segment: Segment) -> int:
    return (segment.path.stat().st_size - layout.HEADER_BYTES) // SLOT.itemsize


def test_a_torn_segment_is_named_with_its_offset_and_nothing_is_believed(copy: Path, tmp_path: Path) -> None:
    segment, place, _ = next(ended(copy))
    cut = layout.HEADER_BYTES + place * layout.SLOT_BYTES + 60  # in the middle of a slot that was in use
    with segment.path.open("r+b") as file:
        file.truncate(cut)
    said = subprocess.run(
        [BIN / "rig", "tasks", copy, "--output", tmp_path / "tasks.parquet"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 3, said.stdout + said.stderr
    assert f"{segment.path.name} at byte {cut}: " in said.stdout
    assert any(segment.path.name in reason for reason in draw(copy).invalid)


def test_what_the_broker_still_holds_is_stalled_and_not_lost(stack: Stack) -> None:
    lost_before = set(account(stack.tasks(), stack.ledger(), now_ns=time.monotonic_ns()).lost)
    ended_before = noops_ended(stack.tasks())
    worker = next(one.name for one in stack.compose.ps() if one.service == WORKER)
    subprocess.run(["docker", "pause", worker], check=True, capture_output=True)
    try:
        requests = sum(entry["num_requests"] for entry in stack.locust(*NOOPS))

        def held() -> tuple[Tasks, int] | None:
            """What the ledger has and what the broker, once it counts no less: RabbitMQ counts every five seconds."""
            tasks = stack.tasks()  # before the broker is asked: beat's canaries come and go
            left = messages(stack)
            return (tasks, left) if left >= len(unfinished(tasks)) >= requests else None

        tasks, left = wait_until("the broker to count what it holds", held)
        drawn = account(tasks, stack.ledger(), left_in_broker=left, now_ns=time.monotonic_ns())
    finally:
        subprocess.run(["docker", "unpause", worker], check=True, capture_output=True)
    # What a frozen pool process was in the middle of is acknowledged, and so in no queue.
    assert set(drawn.lost) - set(drawn.started_not_finished) <= lost_before
    assert len(drawn.stalled) >= requests
    wait_until("the worker to catch up", lambda: noops_ended(stack.tasks()) == ended_before + requests)


def unfinished(tasks: Tasks) -> set[str]:
    return {task_id.decode() for task_id in tasks.id[(tasks.sends > 0) & (tasks.ends == 0)]}


def messages(stack: Stack) -> int:
    """Messages, ready and unacknowledged, in all queues that workers read."""
    listed = stack.compose.run(
        "exec", "-T", "rabbitmq", "rabbitmqctl", "-q", "list_queues", "-p", "app", "name", "messages"
    )
    rows = dict(line.split("\t") for line in listed.splitlines() if "\t" in line and not line.startswith("name\t"))
    return sum(int(rows[queue]) for queue in ("short", "long", "io", "critical", "bulk"))
