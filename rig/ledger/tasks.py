"""Joins the slots of all processes to one row a task. Vectorised: cost is that of sorting the ids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rig.ledger import record
from rig.ledger.reader import RUN_SLOT, SEND_SLOT, Ledger, Segment, Slots

Int = npt.NDArray[np.int64]
NEVER = np.iinfo(np.int64).max  # sorts behind every stamp; becomes 0 again in the result

# Columns of a `Tasks` that are CLOCK_MONOTONIC nanoseconds, 0 for "has not happened".
STAMPS = (
    "planned", "sent", "published", "received", "started", "body_done", "stored", "finished", "acked", "fetched",
    "expires",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Tasks:
    """One row a task id, in the order of the ids; every column is an array of the same length.

    `id` and `parent` are bytes; `name` and `queue` index into `kinds`; the stamps are listed in `STAMPS`.
    Stamps of the execution are those of the first successful one (else of the first to finish, else of the first to
    start). `outcome` is a key of `record.OUTCOMES`, 0 while there is none. `sends` counts attempts to publish,
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
    """Join all slots of `ledger` by task id."""
    kinds: dict[tuple[str, str], int] = {("", ""): 0}
    sends = _gather(ledger, record.SEND, SEND_SLOT, kinds)
    runs = _gather(ledger, record.RUN, RUN_SLOT, kinds)
    ids, row = np.unique(np.concatenate([sends["id"], runs["id"]]), return_inverse=True)
    send_row, run_row = row[: len(sends)], row[len(sends) :]
    count = len(ids)

    columns = {name: _earliest(count, send_row, sends[name]) for name in ("planned", "sent", "published", "fetched")}
    columns["expires"] = _earliest(count, send_row, sends["expires"])
    columns["received"] = _earliest(count, run_row, runs["received"])
    columns["acked"] = _earliest(count, run_row, runs["acked"])
    columns |= _best_execution(count, run_row, runs)

    kind = np.zeros(count, np.int64)
    kind[run_row] = runs["kind"]
    kind[send_row] = sends["kind"]  # the publisher's word counts where both speak
    parent = np.zeros(count, "S36")
    parent[send_row] = sends["parent"]
    attempt = run_row * 256 + runs["retries"]
    return Tasks(
        id=ids, parent=parent, kind=kind, kinds=list(kinds), **columns,
        sends=_count(count, send_row, sends["sent"]), confirmed=_count(count, send_row, sends["published"]),
        receives=_count(count, run_row, runs["received"]), starts=_count(count, run_row, runs["started"]),
        ends=_count(count, run_row, runs["finished"]),
        attempts=np.bincount(np.unique(attempt[runs["started"] != 0]) // 256, minlength=count),
    )  # fmt: skip


def _gather(ledger: Ledger, record_type: int, dtype: np.dtype[np.void], kinds: dict[tuple[str, str], int]) -> Slots:
    """Concatenate the slots of one record type; `kind` is renumbered over all segments in `kinds`."""
    parts = [_renumbered(segment, record_type, dtype, kinds) for segment in ledger.segments]
    return np.concatenate(parts) if parts else np.zeros(0, dtype)


def _renumbered(
    segment: Segment, record_type: int, dtype: np.dtype[np.void], kinds: dict[tuple[str, str], int]
) -> Slots:
    slots: Slots = segment.slots[segment.slots["type"] == record_type].view(dtype)
    if len(segment.kinds):
        numbers = np.array([kinds.setdefault(kind, len(kinds)) for kind in segment.kinds], np.uint16)
        slots["kind"] = numbers[slots["kind"]]
    return slots


def _earliest(count: int, row: Int, stamps: Int) -> Int:
    """Return for each task the earliest stamp that is set, 0 where none is."""
    first = np.full(count, NEVER)
    seen = stamps != 0
    np.minimum.at(first, row[seen], stamps[seen])
    first[first == NEVER] = 0
    return first


def _count(count: int, row: Int, stamps: Int) -> Int:
    return np.bincount(row[stamps != 0], minlength=count)


def _best_execution(count: int, row: Int, runs: Slots) -> dict[str, Int]:
    """Pick one execution a task and return its stamps and outcome.

    A main-process slot (prefork) has an outcome but no start where the worker gave up on the task (expired,
    revoked, pool process lost); it counts as the last choice.
    """
    rank = np.select(
        [runs["outcome"] == record.OUTCOME_CODE["succeeded"], runs["finished"] != 0, runs["started"] != 0], [0, 1, 2], 3
    )
    told = (runs["started"] != 0) | (runs["outcome"] != 0)
    when = np.where(runs["finished"] != 0, runs["finished"], np.where(runs["started"] != 0, runs["started"], NEVER))
    order = np.lexsort((when, rank, row))
    order = order[told[order]]
    chosen_row, at = np.unique(row[order], return_index=True)
    chosen = order[at]
    columns = {}
    for name in ("started", "body_done", "stored", "finished", "outcome"):
        columns[name] = np.zeros(count, np.int64)
        columns[name][chosen_row] = runs[name][chosen]
    # A main process that saw the pool process die knows better than the slot that the dead process left behind.
    died = (runs["outcome"] != 0) & (runs["finished"] == 0)
    without = columns["outcome"][row[died]] == 0
    columns["outcome"][row[died][without]] = runs["outcome"][died][without]
    return columns
