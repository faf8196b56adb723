"""Joins the slots of all processes to one row a task. Vectorised: cost is that of sorting 64-bit hashes of the ids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rig.ledger import record
from rig.ledger.reader import RUN_SLOT, SEND_SLOT, Ledger, Slots

Int = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
NEVER = np.iinfo(np.int64).max  # sorts behind every stamp; becomes 0 again in the result

# Columns of a `Tasks` that are CLOCK_MONOTONIC nanoseconds, 0 for "has not happened".
STAMPS = (
    "planned", "sent", "published", "received", "started", "body_done", "stored", "finished", "acked", "fetched",
    "expires",
)  # fmt: skip
COUNTS = ("sends", "confirmed", "receives", "starts", "ends", "attempts")


@dataclass(frozen=True, kw_only=True)
class Tasks:
    """One row a task id; every column is an array of the same length.

    `id` and `parent` are bytes; `kind` indexes into `kinds`, a list of (task name, queue); the stamps are listed in
    `STAMPS`. Stamps of the execution are those of the first successful one (else of the first to finish, else of the
    first to start). `outcome` is a key of `record.OUTCOMES`, 0 while there is none. `sends` counts attempts to publish,
    `confirmed` those whose call returned; `receives`, `starts` and `ends` count over all deliveries; `attempts`
    is the number of different retry counts among the starts, so `starts - attempts` executions were duplicates.
    """

    id: npt.NDArray[np.bytes_]
    parent: npt.NDArray[np.bytes_]
    kind: Int
    kinds: list[tuple[str, str]]
    planned: Int
    sent: Int
    published: Int
    received: Int
    started: Int
    body_done: Int
    stored: Int
    finished: Int
    acked: Int
    fetched: Int
    expires: Int
    outcome: Int
    sends: Int
    confirmed: Int
    receives: Int
    starts: Int
    ends: Int
    attempts: Int

    def __len__(self) -> int:
        return len(self.id)


def build(ledger: Ledger) -> Tasks:
    """Join all slots of `ledger` by task id, in memory (some 400 bytes a task; `parquet` needs less)."""
    kinds: dict[tuple[str, str], int] = {("", ""): 0}
    slots = [renumbered(segment.slots, segment.kinds, kinds) for segment in ledger.segments]
    every = np.concatenate(slots) if slots else np.zeros(0, SEND_SLOT)
    sends = every[every["type"] == record.SEND].view(SEND_SLOT)
    runs = every[every["type"] == record.RUN].view(RUN_SLOT)
    return join(sends, runs, list(kinds))


def renumbered(slots: Slots, own: list[tuple[str, str]], kinds: dict[tuple[str, str], int]) -> Slots:
    """Return a copy of a segment's slots whose kinds, numbered by its header `own`, are numbered by `kinds` instead."""
    copy = np.array(slots)
    if own:
        numbers = np.array([kinds.setdefault(kind, len(kinds)) for kind in own], np.uint16)
        copy["kind"] = numbers[copy["kind"]]
    return copy


def join(sends: Slots, runs: Slots, kinds: list[tuple[str, str]]) -> Tasks:
    """Join SEND and RUN slots by task id; the two arrays must hold every slot of the ids in them."""
    first, row = _rows(sends, runs)
    send_row, run_row = row[: len(sends)], row[len(sends) :]
    count = len(first)
    columns = {name: _earliest(count, send_row, sends[name]) for name in ("planned", "sent", "published", "fetched")}
    columns["expires"] = _earliest(count, send_row, sends["expires"])
    columns["received"] = _earliest(count, run_row, runs["received"])
    columns["acked"] = _earliest(count, run_row, runs["acked"])
    columns |= _best_execution(count, run_row, runs)
    starts = _count(count, run_row, runs["started"])

    kind = np.zeros(count, np.int64)
    kind[run_row] = runs["kind"]
    kind[send_row] = sends["kind"]  # the publisher's word counts where both speak
    parent = np.zeros(count, "S36")
    parent[send_row] = sends["parent"]
    return Tasks(
        id=_ids_at(sends, runs, first), parent=parent, kind=kind, kinds=kinds, **columns,
        sends=_count(count, send_row, sends["sent"]), confirmed=_count(count, send_row, sends["published"]),
        receives=_count(count, run_row, runs["received"]), starts=starts, ends=_count(count, run_row, runs["finished"]),
        attempts=_attempts(starts, run_row, runs),
    )  # fmt: skip


def hashes(slots: Slots) -> npt.NDArray[np.uint64]:
    """Return a 64-bit hash of each slot's task id: multiply and shift over its 36 bytes, ended by SplitMix64's mixer.

    Source of the mixer: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    words = np.ascontiguousarray(slots).view(np.uint64).reshape(len(slots), record.SLOT_WORDS)
    mixed = words[:, 4] & np.uint64(0xFFFFFFFF)  # bytes 32 to 35; what follows in that word is not the id
    for column in range(4):
        mixed = (mixed ^ words[:, column]) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _rows(sends: Slots, runs: Slots) -> tuple[Int, Int]:
    """Number the tasks: the index of a slot of each, and the row of every slot (sends first, then runs)."""
    hashed = np.concatenate([hashes(sends), hashes(runs)])
    _, first, row = np.unique(hashed, return_index=True, return_inverse=True)
    every = np.arange(len(hashed))
    if (_ids_at(sends, runs, first[row]) == _ids_at(sends, runs, every)).all():
        return first, row
    # Two ids of one hash: once in 10^7 runs of a million tasks. Then the slow way.
    _, first, row = np.unique(_ids_at(sends, runs, every), return_index=True, return_inverse=True)
    return first, row


def _ids_at(sends: Slots, runs: Slots, index: Int) -> npt.NDArray[np.bytes_]:
    """Return the ids of the slots numbered `index`, sends first, then runs."""
    ids = np.zeros(len(index), "S36")
    of_send = index < len(sends)
    ids[of_send] = sends["id"][index[of_send]]
    ids[~of_send] = runs["id"][index[~of_send] - len(sends)]
    return ids


def _earliest(count: int, row: Int, stamps: Int) -> Int:
    """Return for each task the earliest stamp that is set, 0 where none is."""
    first = np.full(count, NEVER)
    seen = stamps != 0
    np.minimum.at(first, row[seen], stamps[seen])
    first[first == NEVER] = 0
    return first


def _count(count: int, row: Int, stamps: Int) -> Int:
    return np.bincount(row[stamps != 0], minlength=count)


def _attempts(starts: Int, row: Int, runs: Slots) -> Int:
    """Return how many different retry counts started, for each task."""
    attempts = np.minimum(starts, 1)
    several = (runs["started"] != 0) & (starts[row] > 1)
    pairs = np.unique(row[several] * 256 + runs["retries"][several]) // 256
    attempts += np.maximum(np.bincount(pairs, minlength=len(starts)) - 1, 0)
    return attempts


def _best_execution(count: int, row: Int, runs: Slots) -> dict[str, Int]:
    """Pick one execution a task and return its stamps and outcome."""
    chosen = _choose(count, row, runs)
    columns = {}
    for name in ("started", "body_done", "stored", "finished", "outcome"):
        columns[name] = np.zeros(count, np.int64)
        columns[name][row[chosen]] = runs[name][chosen]
    # A main process that saw the pool process die knows better than the slot that the dead process left behind.
    died = (runs["outcome"] != 0) & (runs["finished"] == 0)
    without = columns["outcome"][row[died]] == 0
    columns["outcome"][row[died][without]] = runs["outcome"][died][without]
    return columns


def _choose(count: int, row: Int, runs: Slots) -> Int:
    """Return the index of one slot for each task that has an execution or an outcome, the best by rank, then time.

    A main process's slot (prefork) has an outcome but no start where the worker gave up on the task (expired,
    revoked, pool process lost); it is the last choice.
    """
    told = ((runs["started"] != 0) | (runs["outcome"] != 0)).nonzero()[0]
    several = np.bincount(row[told], minlength=count)[row[told]] > 1
    alone, rivals = told[~several], told[several]  # almost every task is alone: only the others are worth sorting
    finished, started = runs["finished"][rivals], runs["started"][rivals]
    succeeded = runs["outcome"][rivals] == record.OUTCOME_CODE["succeeded"]
    rank = np.select([succeeded, finished != 0, started != 0], [0, 1, 2], 3)
    when = np.where(finished != 0, finished, np.where(started != 0, started, NEVER))
    order = np.lexsort((when, rank, row[rivals]))
    _, best = np.unique(row[rivals][order], return_index=True)
    return np.concatenate([alone, rivals[order][best]])
