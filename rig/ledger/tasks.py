"""Joins the slots of all processes to one row a task."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from rig.ledger import layout
from rig.ledger.group import Group, Int, group
from rig.ledger.reader import Ledger, Segment, Slots, as_words
from rig.ledger.sound import Words

NO_WORDS = np.zeros((0, layout.SLOT_WORDS), np.uint64)
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
    """Join all slots of `ledger` by task id in memory: 1,100 bytes a task of three slots (`rig.ledger.parts`: less)."""
    kinds = Kinds(ledger.segments)
    return join(np.concatenate([NO_WORDS, *map(kinds.slots, ledger.segments)]), kinds.pairs)


class Kinds:
    """The (task name, queue) pairs of all `segments`, numbered: each segment has its own numbers for them."""

    def __init__(self, segments: Iterable[Segment]) -> None:
        every = dict.fromkeys(chain([("", "")], *(segment.kinds for segment in segments)))
        self.pairs = list(every)
        self._numbers = {pair: number for number, pair in enumerate(every)}

    def slots(self, segment: Segment) -> Words:
        """Return a segment's slots as words, shape (slots, 16), their kinds numbered by place in `pairs`."""
        slots = segment.slots
        if segment.kinds:
            numbers = np.array([self._numbers[kind] for kind in segment.kinds], np.uint16)
            slots["kind"] = numbers[slots["kind"]]
        return as_words(slots)


def join(words: Words, kinds: list[tuple[str, str]]) -> Tasks:
    """Join slots by task id; `words`, shape (slots, 16), must hold every slot of the ids in them."""
    sends, runs, ids = group(words)
    kind = np.zeros(len(ids), np.int64)
    kind[runs.rows] = runs.slots["kind"][runs.first]
    parent = np.zeros(len(ids), "S36")
    # The publisher's word counts where both speak, and that of the first send: a retry may go to another queue.
    first = sends.best(np.arange(len(sends.slots)), lambda slots: [slots["sent"]])
    kind[sends.row[first]], parent[sends.row[first]] = sends.slots["kind"][first], sends.slots["parent"][first]
    starts = runs.how_many("started")
    return Tasks(
        id=ids, parent=parent, kind=kind, kinds=kinds,
        **{name: sends.earliest(name) for name in ("planned", "sent", "published", "fetched", "expires")},
        **{name: runs.earliest(name) for name in ("received", "acked")}, **_best_execution(runs),
        sends=sends.how_many("sent"), confirmed=sends.how_many("published"),
        receives=runs.how_many("received"), starts=starts, ends=runs.how_many("finished"),
        attempts=_attempts(starts, runs),
    )  # fmt: skip


def _attempts(starts: Int, runs: Group) -> Int:
    """Return how many different retry counts started, for each task."""
    attempts = np.minimum(starts, 1)
    several = ((runs.slots["started"] != 0) & (starts[runs.row] > 1)).nonzero()[0]
    pairs = np.unique(runs.row[several] * 256 + runs.slots["retries"][several]) // 256
    attempts += np.maximum(np.bincount(pairs, minlength=len(starts)) - 1, 0)
    return attempts


def _best_execution(runs: Group) -> dict[str, Int]:
    """Pick one execution a task and return its stamps and outcome.

    A main process's slot (prefork) has an outcome but no start where the worker gave up on the task (expired,
    revoked, pool process lost); it is the last choice.
    """
    slots = runs.slots
    chosen = runs.best(((slots["started"] != 0) | (slots["outcome"] != 0)).nonzero()[0], _merit)
    columns = {}
    for name in ("started", "body_done", "stored", "finished", "outcome"):
        columns[name] = np.zeros(runs.count, np.int64)
        columns[name][runs.row[chosen]] = slots[name][chosen]
    # A main process that saw the pool process die knows better than the slot that the dead process left behind.
    died = ((slots["outcome"] != 0) & (slots["finished"] == 0)).nonzero()[0]
    untold = died[columns["outcome"][runs.row[died]] == 0]
    columns["outcome"][runs.row[untold]] = slots["outcome"][untold]
    return columns


def _merit(slots: Slots) -> tuple[Int, Int]:
    """Return the rank (0 is best) of each execution, and the time that decides within a rank."""
    finished, started = slots["finished"], slots["started"]
    succeeded = slots["outcome"] == layout.OUTCOME_CODE["succeeded"]
    rank = np.select([succeeded, finished != 0, started != 0], [0, 1, 2], 3)
    when = np.where(finished != 0, finished, np.where(started != 0, started, NEVER))
    return rank, when
