"""The window never takes one task for another, and says what it had to forget."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from exporter.window import FINISHED, SENT, STARTED, WAYS, Window, hash_ids
from exporter_cell import task_id

from rig.ledger import layout


def slots_of(ids: list[str], retries: int = 0, kind: int = 1) -> np.ndarray:
    raw = bytearray(len(ids) * layout.SLOT_BYTES)
    for index, name in enumerate(ids):
        layout.CLAIM.pack_into(raw, index * layout.SLOT_BYTES, name.encode(), kind, retries, layout.RUN, 0)
    return np.frombuffer(bytes(raw), "<i8").reshape(-1, layout.SLOT_WORDS)


def test_ids_that_differ_in_one_digit_hash_apart_and_spread_evenly() -> None:
    keys = hash_ids(slots_of([task_id(number) for number in range(50_000)]))
    assert len(np.unique(keys)) == 50_000
    buckets = np.bincount((keys >> np.uint64(56)).astype(int), minlength=256)
    assert buckets.max() < 2 * buckets.mean()
    assert buckets.min() > buckets.mean() / 2


def test_the_hash_is_of_id_and_retries_and_of_nothing_else() -> None:
    ids = [task_id(1)]
    plain = hash_ids(slots_of(ids))
    assert hash_ids(slots_of(ids, kind=7)) == plain
    assert hash_ids(slots_of(ids, retries=1)) != plain
    assert hash_ids(slots_of(ids, retries=1), first_attempt=True) == plain
    assert hash_ids(slots_of(["custom-id"])) != hash_ids(slots_of(["custom-ie"]))


def test_what_was_placed_is_found_again_even_if_placed_twice_at_once() -> None:
    window = Window(bucket_bits=6)
    keys = hash_ids(slots_of([task_id(number) for number in (*range(40), 7, 7)]))
    places = window.place(keys)
    assert places[7] == places[-1]
    assert len(set(places.tolist())) == 40
    assert (window.find(keys) == places).all()
    assert (window.place(keys) == places).all()
    assert window.dropped == 0


def test_an_unknown_task_is_nowhere() -> None:
    window = Window(bucket_bits=4)
    assert window.find(hash_ids(slots_of([task_id(1)]))) == [window.nowhere]


@pytest.mark.parametrize("bucket_bits", [1, 3])
def test_a_batch_larger_than_the_window_drops_tasks_and_mixes_none(bucket_bits: int) -> None:
    window = Window(bucket_bits)
    keys = hash_ids(slots_of([task_id(number) for number in range(200)]))
    places = window.place(keys)
    kept = places != window.nowhere
    assert len(set(places[kept].tolist())) == kept.sum() <= WAYS << bucket_bits
    assert window.dropped == 200 - kept.sum()


def test_the_oldest_tasks_are_forgotten_and_their_rows_are_clean() -> None:
    window = Window(bucket_bits=2)
    newest = []
    for batch in range(20):
        newest = [task_id(batch * 4 + number) for number in range(4)]
        places = window.place(hash_ids(slots_of(newest)))
        assert (window.values[places][:, [SENT, STARTED]] == 0).all()
        window.values[places, SENT] = 1
        window.values[window.nowhere] = 0
    assert (window.find(hash_ids(slots_of(newest))) != window.nowhere).all()
    assert window.dropped >= 80 - (WAYS << 2)


def test_a_place_that_was_handed_out_is_not_given_away_in_the_same_batch() -> None:
    window = Window(bucket_bits=0)
    first = [task_id(number) for number in range(WAYS)]
    window.place(hash_ids(slots_of(first)))
    places = window.place(hash_ids(slots_of([*first, task_id(99)])))
    assert places[-1] == window.nowhere
    assert sorted(places[:-1]) == list(range(WAYS))


def test_forgetting_a_finished_task_is_no_loss() -> None:
    window = Window(bucket_bits=0)
    for number in range(10):
        window.values[window.place(hash_ids(slots_of([task_id(number)]))), FINISHED] = 1
    assert window.dropped == 0


def test_distinct_gives_each_place_once_and_never_nowhere() -> None:
    window = Window(bucket_bits=2)
    places = np.array([3, 1, 3, window.nowhere, 1, 2])
    assert sorted(window.distinct(places)) == [1, 2, 3]


DISPLACES = """
import sys
import numpy as np
from exporter.window import Window
before = set(sys.modules)
window = Window(bucket_bits=0)
for key in range(1, 20):
    window.place(np.array([key], np.uint64))
assert window.dropped
print(*set(sys.modules) - before)
"""


def test_displacing_a_task_imports_nothing() -> None:
    """An import would come in the middle of some poll, and cost as much as ten thousand tasks."""
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-c", DISPLACES], env={"PYTHONPATH": f"{root}:{root / 'services'}"}, check=True,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert ended.stdout.split() == []
