"""Brings the slots of each task together: by sorting 64-bit hashes of the ids, and not the ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rig.ledger import layout
from rig.ledger.reader import RUN_SLOT, SEND_SLOT, Slots, as_slots
from rig.ledger.sound import ID_END, Words, types

Int = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Group:
    """Slots of one record type, those of a task next to each other.

    `row` is the task of each slot, ascending; `first` are the slots at which a task's begin, and `rows` their tasks.
    Not every task has a slot of this type: columns are of `count` tasks all the same.
    """

    slots: Slots
    row: Int
    first: Int
    rows: Int
    count: int

    def earliest(self, name: str) -> Int:
        """Return for each task the earliest stamp that is set in the column `name`, 0 where none is."""
        stamps = self.slots[name].view(np.uint64)
        found = np.zeros(self.count, np.int64)
        # 0 - 1 is the largest of all, so that what is not set loses against every stamp; + 1 makes it 0 again.
        found[self.rows] = np.minimum.reduceat(stamps - np.uint64(1), self.first) + np.uint64(1)
        return found

    def how_many(self, name: str) -> Int:
        """Return for each task in how many of its slots the column `name` is set."""
        found = np.zeros(self.count, np.int64)
        found[self.rows] = np.add.reduceat((self.slots[name] != 0).view(np.int8), self.first, dtype=np.int64)
        return found

    def best(self, candidates: Int, merit: Callable[[Slots], Sequence[Int]]) -> Int:
        """Return one of the slots numbered `candidates` for each task that has any there, the least by `merit`'s keys.

        Almost every task has a single candidate, so that only the others are worth sorting.
        """
        row = self.row[candidates]
        new = _changes(row)
        alone = new & np.append(new[1:], True)
        rivals, row = candidates[~alone], row[~alone]
        order = np.lexsort((*reversed(merit(self.slots[rivals])), row))
        return np.concatenate([candidates[alone], rivals[order][_changes(row)]])


def group(words: Words) -> tuple[Group, Group, npt.NDArray[np.bytes_]]:
    """Return the SEND slots and the RUN slots by task, and the id of each task.

    `words` are slots as words, shape (slots, 16), in any order, with every slot of the ids in them.
    """
    order, row = _by_task(words)
    count = int(row[-1]) + 1 if len(row) else 0
    sent = (types(words) == layout.SEND)[order]
    sends = _group(as_slots(words.take(order[sent], axis=0), SEND_SLOT), row[sent], count)
    runs = _group(as_slots(words.take(order[~sent], axis=0), RUN_SLOT), row[~sent], count)
    ids = np.zeros(count, f"S{layout.ID_BYTES}")
    for one in (sends, runs):
        ids[one.rows] = one.slots["id"][one.first]
    return sends, runs, ids


def hashes(words: Words) -> npt.NDArray[np.uint64]:
    """Return a 64-bit hash of each slot's task id: multiply and shift over its 36 bytes, ended by SplitMix64's mixer.

    Source of the mixer: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    mixed = words[:, 4] & ID_END
    for column in range(4):
        mixed ^= words[:, column]
        mixed *= np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def _group(slots: Slots, row: Int, count: int) -> Group:
    first = _changes(row).nonzero()[0]
    return Group(slots=slots, row=row, first=first, rows=row[first], count=count)


def _by_task(words: Words) -> tuple[Int, Int]:
    """Return an order of the slots in which those of a task are neighbours, and the task's number of each in it.

    The slots of a task keep the order that they had. Sorting plain numbers is several times as fast as argsort, so
    what is sorted is as many bits of the hash as fit beside the slot's index.
    """
    bits = np.uint64(max(1, len(words) - 1).bit_length())
    keys = np.sort(hashes(words) << bits | np.arange(len(words), dtype=np.uint64))
    order = (keys & ((np.uint64(1) << bits) - np.uint64(1))).view(np.int64)
    ids = words[:, :5].take(order, axis=0)
    ids[:, 4] &= ID_END
    new, by_hash = _new_ids(ids), _changes(keys >> bits)
    if (new != by_hash).any():
        _separate(order, ids, np.cumsum(by_hash), new & ~by_hash)
        new = _new_ids(ids)
    return order, np.cumsum(new) - 1


def _separate(order: Int, ids: Words, same_hash: Int, other_id: npt.NDArray[np.bool_]) -> None:
    """Sort by the ids themselves, in place, wherever ids share a hash: once in some hundred times a million slots."""
    mixed = np.isin(same_hash, same_hash[other_id]).nonzero()[0]
    apart = mixed[np.lexsort((order[mixed], *ids[mixed].T, same_hash[mixed]))]
    order[mixed], ids[mixed] = order[apart], ids[apart]


def _new_ids(ids: Words) -> npt.NDArray[np.bool_]:
    """Tell which rows differ from the one before."""
    new = _changes(ids[:, 0])
    for column in range(1, ids.shape[1]):
        new |= _changes(ids[:, column])
    return new


def _changes(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Tell which values differ from the one before; the first does."""
    new = np.ones(len(values), bool)
    np.not_equal(values[1:], values[:-1], out=new[1:])
    return new
