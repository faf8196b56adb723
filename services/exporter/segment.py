"""One ledger segment while it is followed: which of its slots are new, and which may still change."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from exporter.tally import Index, Ints, Series, Tally
from exporter.window import Keys, hash_ids
from rig.ledger import header, layout, sound
from rig.ledger.header import DamageError

TYPE_BYTE = layout.ID_BYTES + 3  # of a slot: written last when a slot is claimed
WORDS_SEEN_AS_BITS = slice(5, 13)  # bit n of a slot's state stands for word 5 + n

Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]
Bits = np.ndarray[tuple[int], np.dtype[np.uint8]]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Slots to look at: `rows` of words, and for each row where it stands and what was known of it."""

    slots: Index  # index of the slot in its segment
    rows: Ints  # as `columns` gives them
    state: Bits  # what has been counted of it
    keys: Keys
    series: Index

    def __len__(self) -> int:
        return len(self.slots)

    def where(self, chosen: Mask) -> Batch:
        """Return the batch of the chosen rows."""
        return Batch(**{name: column[chosen] for name, column in vars(self).items()})


def join(batches: list[Batch]) -> Batch:
    """Return all rows of `batches` in one."""
    if len(batches) == 1:
        return batches[0]
    return Batch(**{name: np.concatenate([getattr(b, name) for b in batches]) for name in Batch.__dataclass_fields__})


def columns(slots: Ints) -> Ints:
    """Return a copy of the words that matter, each word of all slots side by side: everything here works by words.

    A slot's words are thus copied at different moments, while its writer may go on. That does no harm: a stamp that the
    poll's `until` lets through was read off the clock before the poll began, so all that its process had written before
    it is here. A stamp that is not here yet is left for the next poll.
    """
    return np.asfortranarray(slots[:, : WORDS_SEEN_AS_BITS.stop])


class Segment:
    """Follows one file. Raises `DamageError` if it is no sound segment, OSError if it cannot be read."""

    def __init__(self, path: Path, tally: Tally) -> None:
        self.path = path
        self.problems: Counter[str] = Counter()  # found since the follower last asked
        self.first: dict[str, int] = {}  # where the first of each is: the byte in the file at which its slot begins
        self.writer_lives = True
        self._complete = False  # the writer was gone before this poll began: nothing is later than what it counts
        self.is_worker = False
        self.counted_until = 0  # stamps up to this moment were counted by an exporter before this one
        self._tally = tally
        self._file = path.open("rb")
        try:
            self._map()
            self._read_header()
        except BaseException:
            self._file.close()
            raise
        self._used = 0  # slots before this one have been taken
        self._pending: list[Batch] = []

    @property
    def closed(self) -> bool:
        """Whether the writer claims no more slots here; it may still stamp those that it has."""
        return self._mapped[layout.STATE_OFFSET] == layout.STATE_CLOSED

    @property
    def finished(self) -> bool:
        """Whether everything has been taken and nothing can change any more."""
        if not self.writer_lives:
            return self._complete and not self._types[self._used :].any()
        # Until its writer is gone, a segment that was closed before it was full may get a late slot of another thread.
        return self.closed and self._used == len(self._slots) and not self._pending

    def check_writer(self) -> None:
        """Find out, once a poll, whether the writer still lives: it holds a lock for as long as it may write."""
        if not self.writer_lives:
            self._complete = True
            return
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(self._file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            self.writer_lives = False

    def open_slots(self) -> Batch | None:
        """Return the slots that were not done when they were last looked at, None for none."""
        return join(self._pending) if self._pending else None

    def changed(self) -> Batch | None:
        """Return the slots that were not done, with what stands in them now. The caller puts back what still is not."""
        known = self.open_slots()
        self._pending = []
        return known and replace(known, rows=columns(self._slots[known.slots]))

    def put(self, batch: Batch) -> None:
        """Remember `batch` as slots to look at again."""
        if len(batch):
            self._pending.append(batch)

    def fresh(self, limit: int) -> Batch | None:
        """Return up to `limit` slots that were claimed since the last call, None for none."""
        types = self._types[self._used : self._used + limit]
        if not types.size or (not types[0] and self.writer_lives):
            return None
        claimed = types != 0
        if self.writer_lives:
            # A thread may have drawn a slot's number and not written to it yet: stop there, and come back.
            end = int(claimed.argmin()) if not claimed.all() else len(claimed)
        else:
            end = self._end_of_dead(claimed)
        if not end:
            return None
        start, self._used = self._used, self._used + end
        return self._sound(start, columns(self._slots[start : start + end]))

    def close(self) -> None:
        """Let the file go; the mapping goes with the last array that shows it."""
        self._file.close()

    def _map(self) -> None:
        size = os.fstat(self._file.fileno()).st_size
        if size < layout.HEADER_BYTES:
            raise DamageError(size, f"truncated in its header: {size} bytes of {layout.HEADER_BYTES}")
        self._mapped = mmap.mmap(self._file.fileno(), size, prot=mmap.PROT_READ)
        expected = self._header().file_bytes
        if size != expected:
            raise DamageError(min(size, expected), f"{size} bytes, where its header says {expected}")
        self._slots: Ints = np.frombuffer(self._mapped, "<i8", offset=layout.HEADER_BYTES).reshape(
            -1, layout.SLOT_WORDS
        )
        octets = np.frombuffer(self._mapped, np.uint8, offset=layout.HEADER_BYTES)
        self._types = octets[TYPE_BYTE :: layout.SLOT_BYTES]

    def _read_header(self) -> None:
        """Read labels and kinds; kinds are appended while the segment is written."""
        head = self._header()
        self.role, self.host, self.boot_id = head.role, head.host, head.boot_id
        # The writer files names for which its header has no room under "".
        series = [Series(name or "(unnamed)", queue, self.role, self.host) for name, queue in head.kinds or [("", "")]]
        self._series = np.array([self._tally.index(one) for one in series], np.int32)

    def _header(self) -> header.Header:
        return header.parse(self._mapped[: layout.HEADER_BYTES])

    def _end_of_dead(self, claimed: Mask) -> int:
        """Count the slots up to the last claimed one, and the holes that a killed writer left among them."""
        rest = self._types[self._used :]
        last = int(rest.nonzero()[0][-1]) + 1 if rest.any() else 0
        end = min(last, len(claimed))
        self._note("hole", self._used + (~claimed[:end]).nonzero()[0])
        return end

    def _sound(self, start: int, rows: Ints) -> Batch | None:
        """Return `rows` as a batch without those that cannot be true."""
        kind, record_type = rows[:, 4] >> 32 & 0xFFFF, rows[:, 4] >> 56 & 0xFF
        if int(kind.max()) >= len(self._series):
            self._read_header()
        unsound = sound.unsound(rows.view(np.uint64), len(self._series))
        bad = unsound & (record_type != 0)  # a hole is counted where it is found
        self._note("bad slot", start + bad.nonzero()[0])
        if unsound.all():
            return None
        batch = Batch(
            slots=np.arange(start, start + len(rows), dtype=np.int32), rows=rows, state=self._counted_before(rows),
            keys=hash_ids(rows), series=self._series[np.where(unsound, 0, kind)],
        )  # fmt: skip
        self.is_worker |= bool((record_type == layout.RUN).any())
        return batch.where(~unsound) if unsound.any() else batch

    def _note(self, problem: str, slots: Ints) -> None:
        if slots.size:
            self.problems[problem] += len(slots)
            self.first.setdefault(problem, layout.HEADER_BYTES + int(slots[0]) * layout.SLOT_BYTES)

    def _counted_before(self, rows: Ints) -> Bits:
        """Return what an earlier follower has counted of each slot."""
        if not self.counted_until:
            return np.zeros(len(rows), np.uint8)
        stamps = rows[:, WORDS_SEEN_AS_BITS].copy()
        # An outcome carries no time of its own: it is as old as FINISHED, or else as the slot's latest stamp.
        finished = rows[:, layout.FINISHED]
        outcome_ns = np.where(finished != 0, finished, stamps[:, :-1].max(axis=1))
        stamps[:, -1] = np.where(stamps[:, -1] != 0, outcome_ns, 0)
        counted = (stamps != 0) & (stamps <= self.counted_until)
        return np.packbits(counted, axis=1, bitorder="little")[:, 0]
