"""Counts finished tasks while they finish, cheaply enough to stand beside a measurement on the same two cores.

The ledger is asked and not the broker: an empty queue does not mean that its last tasks are done (some are prefetched
or running), RabbitMQ's own numbers are seconds old, and each question would cost the broker CPU that is then measured.
A question is a glance at shared memory: at the slots that were claimed since `mark` and had no end at the last glance.
What earlier rounds left behind is not looked at, so a question costs the same in the last round as in the first.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rig.ledger import layout

Words = npt.NDArray[np.int64]
# Bytes 8 to 13 of an id, "-tttt-", are the low six of a slot's second word, its last twelve digits the fourth word and
# the low half of the fifth: docs/design.md, "Task ids".
_TURN_BYTES = 6
_TURN_MASK = np.int64((1 << (8 * _TURN_BYTES)) - 1)
_NUMBER, _NUMBER_END, _END_MASK = 3, 4, np.int64(0xFFFFFFFF)
_RETRIED = layout.OUTCOME_CODE["retried"]
_UNKNOWN = layout.OUTCOME_CODE["unknown"]
_TICK_NS = 100_000_000  # longer than any tick of the kernel's clock
_CHUNK = 256  # rows looked at in one go for where the claimed ones end


@dataclass(kw_only=True)
class _Watched:
    words: Words  # one row of 16 words a slot
    done: int = 0  # rows before this one have ended, or were claimed before the mark
    used: int = 0  # rows that are claimed; they are claimed in order

    def look(self) -> Words:
        """Return the rows that are claimed and not done."""
        while self.used < len(self.words):
            chunk = self.words[self.used : self.used + _CHUNK, 0]
            empty = (chunk == 0).nonzero()[0]  # a thread may have filled its row before the one ahead of it has
            self.used += int(empty[0]) if len(empty) else len(chunk)
            if len(empty):
                break
        return self.words[self.done : self.used]


@dataclass
class Watch:
    """Watches the segments below one cell's ledger directory, but for those that are there when it is made."""

    directory: Path
    _old: set[Path] = field(init=False)
    _watched: dict[Path, _Watched] = field(default_factory=dict, init=False)
    _ended: set[tuple[int, int]] = field(default_factory=set, init=False)
    _changed: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._old = set(self._segments())

    def mark(self) -> None:
        """Forget everything claimed so far: what is counted from now on was claimed later."""
        self._find()
        self._ended.clear()
        for watched in self._watched.values():
            watched.look()
            watched.done = watched.used

    def finished(self, post: int) -> int:
        """Return how many tasks with turn number `post` have ended since the mark.

        A task counts once however often it was executed, and a retry is no end.
        """
        self._find()
        turn = np.int64(int.from_bytes(b"-%04x-" % post, "little"))
        for watched in self._watched.values():
            rows = watched.look()
            kind_of_row = rows[:, 4].view(np.uint64) >> np.uint64(56)  # 0: its writer is in the midst of claiming it
            is_run = kind_of_row == layout.RUN
            ended = is_run & (rows[:, layout.FINISHED] != 0) & (rows[:, layout.OUTCOME] != _RETRIED)
            ours = rows[ended & ((rows[:, 1] & _TURN_MASK) == turn)]
            self._ended.update(zip(ours[:, _NUMBER].tolist(), (ours[:, _NUMBER_END] & _END_MASK).tolist(), strict=True))
            open_rows = ((is_run & ~ended) | (kind_of_row == 0)).nonzero()[0]
            watched.done += int(open_rows[0]) if len(open_rows) else len(rows)
        return len(self._ended)

    def unknown(self) -> bool:
        """Whether a worker has said since the mark that it knows no task of such a name."""
        return any(bool((watched.look()[:, layout.OUTCOME] == _UNKNOWN).any()) for watched in self._watched.values())

    def _find(self) -> None:
        changed = self.directory.stat().st_mtime_ns  # of a directory: when a file was last added to it
        if changed == self._changed:
            return
        # Two changes within a tick of the kernel's clock leave the same time: only one that is past tells them apart.
        self._changed = changed if time.time_ns() - changed > _TICK_NS else 0
        for path in self._segments():
            if path not in self._watched and path not in self._old:
                data = np.memmap(path, dtype=np.int64, mode="r", offset=layout.HEADER_BYTES)
                self._watched[path] = _Watched(words=data.reshape(-1, layout.SLOT_WORDS))

    def _segments(self) -> list[Path]:
        return list(self.directory.glob(f"*{layout.SUFFIX}"))
