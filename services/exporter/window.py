"""Joins what several processes saw of one task, in bounded memory.

A publisher's slot knows when a task was sent, the worker's main process when it was received, a pool process
when it started and finished. The window is a hash table in numpy arrays from the 64-bit hash of (id, retries)
to those times. It forgets the longest untouched tasks when it is full, and counts what it had to forget.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]
Places = npt.NDArray[np.intp]
Batches = npt.NDArray[np.int32]

WAYS: Final = 4  # tasks that may share a hash bucket
BUCKET_BITS: Final = 16  # 65,536 buckets × 4 = 262,144 tasks in 24 MB: a minute of backlog at 4,000 tasks/s

# Columns of a remembered task: times in nanoseconds of CLOCK_MONOTONIC, 0 for unknown.
ORIGIN: Final = 0  # planned, or sent where there was no plan; a retry keeps its first attempt's
SENT: Final = 1
RECEIVED: Final = 2
STARTED: Final = 3
FINISHED: Final = 4
SERIES: Final = 5  # which worker, name and queue it ran under
OBSERVED: Final = 6  # bits of what has been told already, so that nothing is told twice
OWNER: Final = 7  # scratch for `distinct`
COLUMNS: Final = 8


def hash_ids(rows: Ints, *, first_attempt: bool = False) -> Keys:
    """Return the 64-bit hash of (task id, retries) for slots as rows of 16 words; never 0.

    With `first_attempt`, the hash that the same task had before its first retry.
    """
    words = rows.view(np.uint64)
    tail = words[:, 4] & np.uint64(0xFFFFFFFF)  # the id's last four bytes; kind, retries and type share the word
    if not first_attempt:
        tail |= ((words[:, 4] >> np.uint64(48)) & np.uint64(0xFF)) << np.uint64(32)
    # Multiply, then fold the well-mixed high half down (as murmur3 does): ids that differ in one digit scatter.
    key = tail * np.uint64(0x9E3779B97F4A7C15)
    for word in range(4):
        key ^= key >> np.uint64(32)
        key ^= words[:, word]
        key *= np.uint64(0xD6E8FEB86659FD93)
    key ^= key >> np.uint64(32)
    key *= np.uint64(0xFF51AFD7ED558CCD)
    key |= np.uint64(1)
    return key


class Window:
    """Hash table from task keys to rows of `COLUMNS`; `values[places]` reads and writes them.

    The last row of `values` is no task's: tasks for which there was no place go there, and are not read back.
    """

    def __init__(self, bucket_bits: int = BUCKET_BITS) -> None:
        size = WAYS << bucket_bits
        self.nowhere = size
        self.dropped = 0  # tasks forgotten before they were seen to finish
        self.values: Ints = np.zeros((size + 1, COLUMNS), np.int64)
        self._shift = np.uint64(64 - bucket_bits)
        self._keys: Keys = np.zeros((size // WAYS, WAYS), np.uint64)
        self._touched: Batches = np.zeros(size + 1, np.int32)  # number of the batch that last used the row
        self._batch = 0

    def take_memory(self) -> None:
        """Have the kernel give all memory now, before anything is put in: else polls pay for it, page by page."""
        for table in (self.values, self._keys, self._touched):
            table.fill(0)

    def find(self, keys: Keys) -> Places:
        """Return the place of each key, `nowhere` for the unknown ones."""
        buckets = (keys >> self._shift).astype(np.intp)
        hits = (self._keys.take(buckets, axis=0) == keys[:, None]).ravel().nonzero()[0]
        found = hits // WAYS
        places = np.full(len(keys), self.nowhere)
        places[found] = buckets[found] * WAYS + (hits - found * WAYS)
        return places

    def place(self, keys: Keys) -> Places:
        """Return a place for each key; new ones displace what has been untouched for longest in their bucket."""
        self._batch += 1
        places = self.find(keys)
        self._touched[places] = self._batch
        missing = (places == self.nowhere).nonzero()[0]
        for _ in range(WAYS):  # keys of one batch that want the same row take turns
            if not missing.size:
                break
            places[missing] = self._insert(keys[missing])
            missing = missing[places[missing] == self.nowhere]
        self.dropped += len(missing)
        return places

    def _insert(self, keys: Keys) -> Places:
        """Give each key a place and return it: `nowhere` where there was none, or another of these keys got it."""
        buckets = (keys >> self._shift).astype(np.intp)
        ages = self._touched[: self.nowhere].reshape(-1, WAYS).take(buckets, axis=0)
        # Column by column, since numpy is slow along an axis of four; the lowest bits say whose age it is.
        oldest = np.minimum.reduce([ages[:, way] * WAYS + way for way in range(WAYS)])
        age = oldest // WAYS
        places = buckets * WAYS + (oldest - age * WAYS)
        # Never displace a task of the same batch: its place has been handed out.
        free = (age != self._batch).nonzero()[0]
        wanted, by = places[free], keys[free]
        owners = self._keys.reshape(-1)
        forgotten = wanted[owners[wanted] != 0]
        if forgotten.size:  # not np.unique: its first call imports numpy.ma, 10 ms in the middle of a poll
            self.dropped += int((self.values[self.distinct(forgotten), FINISHED] == 0).sum())
        owners[wanted] = by
        self.values[wanted] = 0
        self._touched[wanted] = self._batch
        given = np.full(len(keys), self.nowhere)
        won = owners[wanted] == by
        given[free[won]] = wanted[won]
        return given

    def distinct(self, places: Places) -> Places:
        """Return each of `places` once, without `nowhere`; cheaper than sorting."""
        places = places[places != self.nowhere]
        order = np.arange(len(places))
        owner = self.values[:, OWNER]
        owner[places] = order
        once: Places = places[owner[places] == order]
        return once
